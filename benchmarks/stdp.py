"""Benchmark rows for STDP on MNIST: a layer learns image by image, compared with SpykeTorch.

The layers are those of SpykeTorch's MNIST example: 30 maps of 5x5 with threshold 15 and 5 winners,
then 250 maps of 3x3 with threshold 10 and 8 winners. Layer 2 is timed on the stored output of
layer 1, given to SpykeTorch as frames and to our layer as events.
"""

import importlib.util

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.agreement import Disagreement
from benchmarks.row import Bar, Row
from jarvis import ConvSTDP, Events, STDPConfig, WTAConfig, datasets
from jarvis.encoding import (
    difference_of_gaussians,
    filter_images,
    intensity_to_latency,
    local_normalisation,
)

OURS, THEIRS = "jarvis", "SpykeTorch"
N_STEPS = 15
PAD = 2  # padding of the first layer, 5x5; the second has 1


def pictures(n: int) -> Events:
    """MNIST digits as latencies of ON and OFF cells; the 8x8 digits if MNIST is not available."""
    try:
        images, _ = datasets.mnist("train", download=False)[:n]
    except datasets.MissingDataError:
        images, _ = datasets.digits("train")[:n]
        images = F.interpolate(images, scale_factor=3.5)
    found = filter_images(images, difference_of_gaussians(), threshold=0.05)
    return Events.from_first_steps(
        intensity_to_latency(local_normalisation(found), N_STEPS), N_STEPS
    )


def layers(maps: tuple[int, int]) -> tuple[ConvSTDP, ConvSTDP]:
    """Layer 1, trained briefly so that layer 2 receives input, and layer 2."""
    generator = torch.Generator().manual_seed(0)

    def one(c_in: int, c_out: int, size: int, threshold: float, winners: int, radius: int):
        wta = WTAConfig(local_radius=radius, n_winners=winners, enable_homeostasis=False)
        return ConvSTDP(
            c_in, c_out, size, threshold, stdp=STDPConfig(), wta=wta, generator=generator
        )

    return one(2, maps[0], 5, 15.0, 5, 3), one(maps[0], maps[1], 3, 10.0, 8, 1)


class _Theirs:
    """SpykeTorch's layer with our weights, learning from spike waves ``[T, C, H, W]``."""

    def __init__(self, layer: ConvSTDP, waves: list[Tensor]) -> None:
        from SpykeTorch import snn

        self.layer, self.waves = layer, waves
        self.conv = snn.Convolution(layer.in_channels, layer.out_channels, layer.kernel_size)
        self.rule = snn.STDP(self.conv, (layer.stdp.a_plus, -layer.stdp.a_minus))

    def __call__(self, inhibit: bool = True) -> list[set[tuple[int, int, int]]]:
        """One pass; `inhibit` adds the pointwise inhibition of SpykeTorch's example."""
        from SpykeTorch import functional as sf

        wta, winners = self.layer.wta, []
        self.conv.weight.data.copy_(self.layer.weight)
        for wave in self.waves:
            potentials = self.conv(wave)
            spikes, potentials = sf.fire(potentials, self.layer.threshold, True)
            if inhibit:
                potentials = sf.pointwise_inhibition(potentials)
                spikes = potentials.sign()
            won = sf.get_k_winners(potentials, wta.n_winners, wta.local_radius, spikes)
            self.rule(wave, potentials, spikes, won)
            winners.append({tuple(int(i) for i in w) for w in won})
        return winners


def _waves(events: Events, pad: int) -> list[Tensor]:
    """Each stimulus in SpykeTorch's format, in which a spike stays on once it has occurred."""
    dense = events.dense().cumsum(0).clamp(max=1)
    return [F.pad(dense[:, b], (pad, pad, pad, pad)) for b in range(len(events))]


def stdp(number: int, n: int, maps: tuple[int, int]) -> Row:
    """Training of layer 1 or 2 on n images."""
    row = Row(f"stdp_{number}", f"STDP on MNIST, layer {number}, {n} pictures")
    first, second = layers(maps)
    events = pictures(n)
    if number == 2:
        first.learn(events)
        events = first.respond(events, pool=2)
    layer = second if number == 2 else first
    start = layer.weight.clone()

    def call():
        layer.weight.copy_(start)
        return layer.learn(events)

    row.add(OURS, call)
    if importlib.util.find_spec("SpykeTorch") is None:
        row.add(THEIRS, None, missing="SpykeTorch is not installed")
    else:
        theirs = _Theirs(layer, _waves(events, PAD if number == 1 else 1))

        def check() -> str:
            won = call()
            ours: list[set] = [set() for _ in range(n)]
            for b, *place in zip(*(part.tolist() for part in won[:4]), strict=True):
                ours[b].add(tuple(place))
            learned = layer.weight.clone()
            layer.weight.copy_(start)
            both = list(zip(ours, theirs(inhibit=False), strict=True))
            same = sum(len(a & b) for a, b in both) / max(1, sum(len(a | b) for a, b in both))
            if same < 0.99:
                raise Disagreement(f"only {100 * same:.1f} % of the winners are the same")
            worst = float((learned - theirs.conv.weight).abs().max())
            return f"{100 * same:.1f} % of the winners the same, weights within {worst:.0e}"

        def timed():
            layer.weight.copy_(start)
            return theirs()

        note = "timed as in its example, with pointwise inhibition; without it the winners are ours"
        row.add(THEIRS, timed, check, note)
    row.bars = [Bar("faster than SpykeTorch", THEIRS, OURS, 20 if number == 1 else 50)]
    return row
