"""Networks that fail in ways that occur in practice: the patients of lessons 701 and 704.

Each network is small, looks right at first glance and trains within seconds. What is wrong with it
is not revealed here: `diagnose` and a plot or two show it. Once fixed, each network learns.

==  =====================  ===========================================  =======================
    lesson 701
1   `DeepReader`           six convolutions                             digits, Poisson code
2   `drawn_reader`         `SpikingMLP` with custom initial weights     digits, Poisson code
3   `ported_network`       ported from another simulator                `cue`, ``[T, B, 32]``
4   `RowReader`            recurrent, reads an image row by row         digits, `rows`
5   `belled_reader`        `SpikingMLP` with a handwritten surrogate    digits, Poisson code
6   `stroke_finder`        a convolution that learns by STDP            digits, `retina`
    lesson 704
7   `StreamReader`         integrate-and-fire neurons                   digits, Poisson code
8   `CueNetwork`           remembers a cue until the end                `cue`, ``[B, T, 32]``
9   `NormedReader`         batch normalisation before the neurons       digits, Poisson code
10  `spike_reader`         one hidden layer with a short memory         toy set, first spikes
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
from jarvis.support.checks import check_integer
from jarvis.surrogate import Derivative, SurrogateSpike
from jarvis.training.devices import seeded


class DeepReader(nn.Module):
    """Patient 1: reads digits with a stack of 3x3 convolutions of 8 maps, each followed by neurons.

    The weights are PyTorch's defaults. Two max-pooling layers, after the first and the third
    convolution, act on the currents.

    Args:
        seed: seed of the initial weights.
        n_layers: number of convolutions, at least 3.

    Example:
        >>> DeepReader()(torch.ones(25, 4, 1, 8, 8)).shape
        torch.Size([4, 10])
    """

    def __init__(self, seed: int = 0, n_layers: int = 6) -> None:
        super().__init__()
        check_integer("n_layers", n_layers, at_least=3)
        with seeded(seed):
            self.synapses = nn.ModuleList()
            for k in range(n_layers):
                convolution = nn.Conv2d(8 if k else 1, 8, kernel_size=3, padding=1)
                pooling = [nn.MaxPool2d(2)] if k in (0, 2) else []
                self.synapses.append(nn.Sequential(convolution, *pooling))
            self.output = nn.Linear(8 * 2 * 2, 10)
        self.neurons = nn.ModuleList(LIFLayer(tau=20.0) for _ in range(n_layers))

    def forward(self, x: Tensor) -> Tensor:
        """``x [T, B, 1, 8, 8]`` -> scores ``[B, 10]``."""
        for synapses, neurons in zip(self.synapses, self.neurons, strict=True):
            x, _ = neurons(over_time(synapses, x))
        return self.output(x.flatten(2).mean(0))


def drawn_reader(weight: Tensor | None = None, seed: int = 0) -> SpikingMLP:
    """Patient 2: reads digits with 100 hidden neurons.

    Args:
        weight: initial weights of the hidden synapses, ``[100, 64]``; by default, random ones.
        seed: seed of the initial weights.

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
    """Patient 7: reads digits with neurons that integrate without a leak.

    Args:
        seed: seed of the initial weights.

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
    """Patient 8: reports at the end which cue was shown at the beginning.

    Args:
        seed: seed of the initial weights.

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
        """``x [B, T, 32]``, as stacked by a DataLoader -> scores ``[B, 2]``."""
        spikes, _ = self.neurons(self.inputs(x))
        v, _ = self.integrator(self.output(spikes))
        return v[:, -1]


def cue(n: int, generator: torch.Generator, n_steps: int = 50) -> tuple[Tensor, Tensor]:
    """A cue to remember: half of 32 inputs fire for 10 ms; then all make 40 ms of noise.

    Args:
        n: number of samples.
        generator: source of randomness, on the CPU.
        n_steps: T, steps of 1 ms.

    Returns:
        spikes ``[T, n, 32]`` and labels ``[n]``: 0 for a cue in the first half, 1 for the second.

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
    """Patient 3: should remember a `cue`; the value 0.95 comes from another simulator.

    Args:
        tau: the value passed as `tau`.
        seed: seed of the initial weights.
    """
    with seeded(seed):
        return SpikingMLP((32, 32, 2), "last", tau=tau, dt=1.0)


class NormedReader(nn.Module):
    """Patient 9: reads digits with 100 hidden neurons behind a batch normalisation.

    Args:
        seed: seed of the initial weights.

    Example:
        >>> NormedReader()(torch.ones(25, 4, 1, 8, 8)).shape
        torch.Size([4, 10])
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with seeded(seed):
            self.inputs = nn.Sequential(nn.Linear(64, 100), nn.BatchNorm1d(100))
            self.output = nn.Linear(100, 10)
        self.neurons = LIFLayer(tau=5.0)

    def forward(self, x: Tensor) -> Tensor:
        """``x [T, B, ...]``, 64 inputs -> scores ``[B, 10]``."""
        spikes, _ = self.neurons(over_time(self.inputs, x.flatten(2)))
        return self.output(spikes.mean(0))


def spike_reader(readout: nn.Module | None = None, seed: int = 0) -> SpikingMLP:
    """Patient 10: 32 inputs that fire once each, hidden neurons with a short memory, two classes.

    Args:
        readout: maps the currents of the output units ``[T, B, 2]`` to scores ``[B, 2]``; None
            keeps the patient's read-out.
        seed: seed of the initial weights.
    """
    with seeded(seed):
        model = SpikingMLP((32, 32, 2), "mean", tau=5.0)
    if readout is not None:
        model.readout = readout  # type: ignore[assignment]
    return model


class RowReader(nn.Module):
    """Patient 4: recurrently connected neurons read a digit row by row.

    Args:
        neurons: a `RecurrentLIFLayer` of 64 neurons; None keeps the patient's layer.
        seed: seed of the initial weights.

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
    """Images ``[B, 1, H, W]`` row by row, each row for `hold` steps: ``[hold * H, B, W]``.

    An `Encode` function for `fit`, which does not use the generator.
    """
    return pictures[:, 0].transpose(0, 1).repeat_interleave(hold, dim=0)


def bell(z: Tensor, slope: float) -> Tensor:
    """The derivative of the logistic function of ``slope z``, as given in a table of formulas."""
    e = torch.exp(-slope * z)
    return slope * e / (1.0 + e) ** 2


def belled_reader(derivative: Derivative | None = None, seed: int = 0) -> SpikingMLP:
    """Patient 5: reads digits with 100 hidden neurons, whose surrogate is handwritten.

    Args:
        derivative: the surrogate, a function of ``z = h - threshold`` and a slope; by default,
            `bell`.
        seed: seed of the initial weights.

    Example:
        >>> belled_reader()(torch.ones(25, 4, 1, 8, 8)).shape
        torch.Size([4, 10])
    """
    surrogate = SurrogateSpike(bell if derivative is None else derivative, slope=25.0)
    with seeded(seed):
        return SpikingMLP((64, 100, 10), surrogate=surrogate, backend="eager")


def stroke_finder(wta: WTAConfig | None = None, seed: int = 0) -> ConvSTDP:
    """Patient 6: 40 maps that should learn the strokes of digits, without labels.

    Args:
        wta: the competition; its `theta_rest` is the threshold. None keeps the patient's own.
        seed: seed of the initial weights.
    """
    if wta is None:
        wta = WTAConfig(theta_rest=20.0, local_radius=1, n_winners=5, enable_homeostasis=False)
    stdp = STDPConfig(a_plus=0.02, a_minus=0.015)
    g = torch.Generator().manual_seed(seed)
    return ConvSTDP(2, 40, kernel_size=5, stdp=stdp, wta=wta, generator=g)


def retina(pictures: Tensor) -> Events:
    """Images ``[B, 1, H, W]`` as ON and OFF events in 15 steps, strong edges first."""
    edges = filter_images(pictures, difference_of_gaussians(5, 0.7, 1.4), threshold=0.02)
    return Events.from_first_steps(intensity_to_latency(edges, 15), 15)
