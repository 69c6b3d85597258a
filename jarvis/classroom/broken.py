"""Eight networks that fail in ways that occur in practice: the patients of notebook 10.

Each is small, looks right at first glance and trains within seconds. What is wrong is not revealed
here: `diagnose` and a plot or two show it. Once fixed, each of them learns.

==  =====================  ===========================================  =======================
1   `deep_reader`          `SpikingMLP` with three hidden layers        digits, Poisson code
2   `drawn_reader`         `SpikingMLP` with custom initial weights     digits, Poisson code
3   `StreamReader`         integrate-and-fire neurons                   digits, Poisson code
4   `CueNetwork`           remembers a cue until the end                `cue`, ``[B, T, 32]``
5   `ported_network`       the same, ported from another simulator      `cue`, ``[T, B, 32]``
6   `spike_reader`         one hidden layer with a short memory         toy set, first spikes
7   `RowReader`            recurrent, reads a picture row by row        digits, `rows`
8   `stroke_finder`        a convolution that learns by STDP            digits, `retina`
==  =====================  ===========================================  =======================
"""

import math

import torch
from torch import Tensor, nn

from jarvis.encoding.encoders import intensity_to_latency
from jarvis.encoding.events import Events
from jarvis.encoding.filters import difference_of_gaussians, filter_images
from jarvis.lif import LeakyIntegrator, LIFLayer, RecurrentLIFLayer
from jarvis.networks.classifier import SpikingMLP
from jarvis.neurons.layers import over_time
from jarvis.stdp.conv import ConvSTDP
from jarvis.stdp.order_rule import STDPConfig
from jarvis.stdp.wta import WTAConfig
from jarvis.training.devices import seeded


def deep_reader(seed: int = 0, n_layers: int = 3, std: float = 0.01) -> SpikingMLP:
    """Patient 1: reads digits with several hidden layers of 100 neurons.

    Args:
        seed: of the initial weights.
        n_layers: hidden layers.
        std: standard deviation of the hidden synapses' initial weights.

    Example:
        >>> deep_reader()(torch.ones(25, 4, 1, 8, 8)).shape
        torch.Size([4, 10])
    """
    with seeded(seed):
        model = SpikingMLP((64, *[100] * n_layers, 10), surrogate="triangle")
        for synapses in model.synapses:
            linear: nn.Linear = synapses[1]  # type: ignore[assignment, index]
            nn.init.normal_(linear.weight, std=std)
            nn.init.zeros_(linear.bias)
    return model


def drawn_reader(weight: Tensor | None = None, seed: int = 0) -> SpikingMLP:
    """Patient 2: reads digits with 100 hidden neurons.

    Args:
        weight: initial weights of the hidden synapses, ``[100, 64]``; None: the patient's.
        seed: of the initial weights.

    Example:
        >>> drawn_reader()(torch.ones(25, 4, 1, 8, 8)).shape
        torch.Size([4, 10])
    """
    with seeded(seed), torch.no_grad():
        model = SpikingMLP((64, 100, 10))
        linear: nn.Linear = model.synapses[0][1]  # type: ignore[assignment, index]
        linear.weight.copy_(torch.rand(100, 64) if weight is None else weight)
    return model


class StreamReader(nn.Module):
    """Patient 3: reads digits with neurons that integrate without a leak.

    Args:
        seed: of the initial weights.

    Example:
        >>> net = StreamReader()
        >>> net(torch.ones(25, 4, 1, 8, 8)).shape
        torch.Size([4, 10])
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with seeded(seed):
            self.inputs, self.output = nn.Linear(64, 100), nn.Linear(100, 10)
        self.neurons, self.state = LIFLayer(tau=math.inf), None

    def forward(self, x: Tensor) -> Tensor:
        """``x [T, B, ...]``, 64 inputs -> scores ``[B, 10]``."""
        currents = over_time(self.inputs, x.flatten(2))
        spikes, self.state = self.neurons(currents, self.state)
        return self.output(spikes.mean(0))


class CueNetwork(nn.Module):
    """Patient 4: reports at the end which cue was shown at the beginning.

    Args:
        seed: of the initial weights.

    Example:
        >>> x, labels = cue(4, torch.Generator().manual_seed(0))
        >>> CueNetwork()(x.transpose(0, 1)).shape
        torch.Size([4, 2])
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with seeded(seed):
            self.inputs, self.output = nn.Linear(32, 32), nn.Linear(32, 2)
        self.neurons, self.integrator = LIFLayer(tau=20.0), LeakyIntegrator(tau=20.0)

    def forward(self, x: Tensor) -> Tensor:
        """``x [B, T, 32]``, as a DataLoader stacks samples -> scores ``[B, 2]``."""
        spikes, _ = self.neurons(self.inputs(x))
        v, _ = self.integrator(self.output(spikes))
        return v[:, -1]


def cue(n: int, generator: torch.Generator, n_steps: int = 50) -> tuple[Tensor, Tensor]:
    """A cue to remember: 10 ms of spikes in one half of 32 inputs, then 40 ms of noise in both.

    Args:
        n: number of samples.
        generator: source of randomness, on the CPU.
        n_steps: T, steps of 1 ms.

    Returns:
        spikes ``[T, n, 32]`` and labels ``[n]``: 0 for a cue in the first half, 1 in the second.

    Example:
        >>> x, labels = cue(4, torch.Generator().manual_seed(0))
        >>> x.shape
        torch.Size([50, 4, 32])
    """
    labels = torch.randint(2, (n,), generator=generator)
    half = torch.arange(32) // 16
    rate = torch.full((n_steps, n, 32), 0.02)
    rate[:10] = torch.where(half == labels[:, None], 0.5, 0.02)
    return (torch.rand(rate.shape, generator=generator) < rate).float(), labels


def ported_network(tau: float = 0.95, seed: int = 0) -> SpikingMLP:
    """Patient 5: solves the task of patient 4, with a value of 0.95 from another simulator.

    Args:
        tau: the value passed as `tau`.
        seed: of the initial weights.
    """
    with seeded(seed):
        return SpikingMLP((32, 32, 2), "last", tau=tau, dt=1.0)


def spike_reader(readout: nn.Module | None = None, seed: int = 0) -> SpikingMLP:
    """Patient 6: 32 inputs that fire once each, hidden neurons with short memory, two classes.

    Args:
        readout: maps the output units' currents ``[T, B, 2]`` to scores ``[B, 2]``; None: the
            patient's.
        seed: of the initial weights.
    """
    with seeded(seed):
        model = SpikingMLP((32, 32, 2), "mean", tau=5.0)
    if readout is not None:
        model.readout = readout  # type: ignore[assignment]
    return model


class RowReader(nn.Module):
    """Patient 7: recurrently connected neurons read a digit row by row.

    Args:
        neurons: a `RecurrentLIFLayer` of 64; None: the patient's.
        seed: of the initial weights.

    Example:
        >>> RowReader()(rows(torch.rand(4, 1, 8, 8))).shape
        torch.Size([4, 10])
    """

    def __init__(self, neurons: RecurrentLIFLayer | None = None, seed: int = 0) -> None:
        super().__init__()
        with seeded(seed):
            self.inputs, self.output = nn.Linear(8, 64), nn.Linear(64, 10)
            if neurons is None:
                neurons = RecurrentLIFLayer(64, surrogate="straight_through")
                nn.init.normal_(neurons.weight, std=0.3)
        self.neurons = neurons

    def forward(self, x: Tensor) -> Tensor:
        """``x [T, B, 8]`` -> scores ``[B, 10]``."""
        spikes, _ = self.neurons(over_time(self.inputs, x))
        return self.output(spikes.mean(0))


def rows(pictures: Tensor, generator: torch.Generator | None = None, hold: int = 10) -> Tensor:
    """Pictures ``[B, 1, H, W]`` row by row, each held for `hold` steps: ``[hold * H, B, W]``.

    An `Encode` for `fit`; the generator is unused.
    """
    return pictures[:, 0].transpose(0, 1).repeat_interleave(hold, dim=0)


def stroke_finder(wta: WTAConfig | None = None, seed: int = 0) -> ConvSTDP:
    """Patient 8: 40 maps that should learn the strokes of digits, without labels.

    Args:
        wta: the competition; its `theta_rest` is the threshold. None: the patient's.
        seed: of the initial weights.
    """
    if wta is None:
        wta = WTAConfig(theta_rest=20.0, local_radius=1, n_winners=5, enable_homeostasis=False)
    stdp = STDPConfig(a_plus=0.02, a_minus=0.015)
    g = torch.Generator().manual_seed(seed)
    return ConvSTDP(2, 40, kernel_size=5, stdp=stdp, wta=wta, generator=g)


def retina(pictures: Tensor) -> Events:
    """Pictures ``[B, 1, H, W]`` as ON and OFF events in 15 steps, strong edges first."""
    edges = filter_images(pictures, difference_of_gaussians(5, 0.7, 1.4), threshold=0.02)
    return Events.from_first_steps(intensity_to_latency(edges, 15), 15)
