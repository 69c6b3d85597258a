"""Whether random initial weights suit a layer of any size: exercise 2 of lesson 701."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from jarvis.classroom.check.verdict import Wrong, array, generator_from, seed_from
from jarvis.encoding.encoders import poisson_encode
from jarvis.lif import LeakyIntegrator, LIFLayer


def drawn(answer: Callable, n_out: int, n_in: int, seed: int) -> Tensor:
    """Return weights drawn by the answer; raise `Wrong` unless random and of both signs."""
    w, again, other = (
        answer(n_out, n_in, torch.Generator().manual_seed(s)) for s in (seed, seed, seed + 1)
    )
    if tuple(getattr(w, "shape", ())) == (n_in, n_out):
        raise Wrong(
            f"Your weights have the shape [{n_in}, {n_out}], which is the wrong way round: "
            "nn.Linear has [n_out, n_in]."
        )
    w, again, other = (
        torch.as_tensor(array(v, (n_out, n_in), "The weights")).float() for v in (w, again, other)
    )
    if w.std() <= 1e-5 * w.abs().max():
        raise Wrong(
            f"All your weights are {w[0, 0]:.3g}, so all neurons are alike: draw them at random."
        )
    if not torch.equal(w, again):
        raise Wrong(
            "The same seed gave different weights: pass the generator on with generator=generator."
        )
    if torch.equal(w, other):
        raise Wrong(
            "Two different seeds gave the same weights: draw them with the given generator."
        )
    if w.min() >= 0:
        raise Wrong(
            f"No weight is below 0 (mean {w.mean():.3f}): every input excites every neuron, "
            "and all neurons fire all the time. Centre the weights on 0."
        )
    if w.max() <= 0:
        raise Wrong(f"No weight is above 0 (mean {w.mean():.3f}): no input excites a neuron.")
    return w


def _spikes(n_in: int, g: torch.Generator) -> Tensor:
    """Spikes ``[25, 20, n_in]`` of 20 random pictures."""
    return poisson_encode(torch.rand((20, n_in), generator=g) ** 2, 25, generator=g)


def fires_well(answer: Callable, rng) -> None:
    """Raise `Wrong` if a layer with weights drawn by the answer is silent or saturated."""
    n_out, few, many = int(rng.integers(80, 120)), int(rng.integers(14, 20)), 2500
    sizes = (n_out, few), (n_out, many), (30, 401), (400, 401)  # first n_in varies, then n_out
    weights = [drawn(answer, *size, seed_from(rng)) for size in sizes]
    x = [_spikes(n_in, generator_from(rng)) for _, n_in in sizes]
    stds = [w.std().item() for w in weights]
    spread = [LeakyIntegrator()(v @ w.T)[0].std().item() for v, w in zip(x, weights, strict=True)]
    falls = math.log(stds[0] / stds[1]) / math.log(many / few)  # std ~ n_in^-falls
    said = "With {} outputs and {} inputs, the potentials have a standard deviation of {:.2g} "
    said += "thresholds; with {} outputs and {} inputs, it is {:.2g}. "
    by_n_in = said.format(n_out, few, spread[0], n_out, many, spread[1])
    if abs(math.log(stds[2] / stds[3])) > 0.3 * math.log(400 / 30):
        raise Wrong(
            said.format(*sizes[2], spread[2], *sizes[3], spread[3])
            + "Your weights are scaled by n_out. The number of neurons does not matter to a single "
            "neuron, whose input is a sum of n_in terms."
        )
    if falls < 0.1:
        raise Wrong(
            f"{by_n_in}Your weights are of the same size for all n_in (standard deviations of "
            f"{stds[0]:.2g} and {stds[1]:.2g}), which suits only some n_in. Make the weights "
            "smaller as n_in grows."
        )
    if falls < 0.25:
        raise Wrong(f"{by_n_in}Your weights shrink too little as inputs are added.")
    if falls > 0.75:
        raise Wrong(
            f"{by_n_in}Your weights shrink too much as inputs are added. Inputs that vary "
            "independently cancel in part."
        )
    for (_, n_in), w, v in zip(sizes, weights, x, strict=True):
        spikes, _ = LIFLayer()(v @ w.T)
        rate = spikes.mean(0)  # [pictures, units]
        fires = f"With {n_in} inputs, neurons fire in {spikes.mean():.1%} of the steps on average"
        silent, full = (rate.sum(0) == 0).double().mean(), (rate >= 0.9).double().mean()
        mean = f" Their mean is {w.mean():.2g}, not 0." * bool(w.mean().abs() > 0.1 * w.std())
        if silent > 0.5:
            raise Wrong(f"{fires}, and {silent:.0%} never fire: your weights are too small.{mean}")
        if full > 0.25:
            raise Wrong(
                f"{fires}. In {full:.0%} of the cases, a neuron fires nearly without a pause while "
                f"an image is shown: your weights are too large.{mean}"
            )
