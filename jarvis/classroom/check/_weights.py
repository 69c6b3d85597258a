"""Whether random initial weights suit a layer of any size: exercise 2 of lesson 701."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from jarvis.classroom.check.verdict import Wrong, array, generator_from, seed_from
from jarvis.encoding.encoders import poisson_encode
from jarvis.lif import LeakyIntegrator, LIFLayer


def drawn(answer: Callable, n_out: int, n_in: int, seed: int) -> Tensor:
    """Weights drawn by the answer; `Wrong` unless they are random and of both signs."""
    w, again, other = (
        answer(n_out, n_in, torch.Generator().manual_seed(s)) for s in (seed, seed, seed + 1)
    )
    if tuple(getattr(w, "shape", ())) == (n_in, n_out):
        raise Wrong(f"[{n_in}, {n_out}] is the wrong way round: nn.Linear has [n_out, n_in].")
    w, again, other = (
        torch.as_tensor(array(v, (n_out, n_in), "The weights")).float() for v in (w, again, other)
    )
    if w.std() <= 1e-5 * w.abs().max():
        raise Wrong(f"All weights are {w[0, 0]:.3g}, so all neurons are alike: draw them.")
    if not torch.equal(w, again):
        raise Wrong("The same seed gave two draws: pass the generator on, generator=generator.")
    if torch.equal(w, other):
        raise Wrong("Two seeds gave the same weights: draw them with the generator.")
    if w.min() >= 0:
        raise Wrong(
            f"No weight is below 0 (mean {w.mean():.3f}): every input pushes every neuron up, "
            "and all of them fire endlessly. Centre them on 0."
        )
    if w.max() <= 0:
        raise Wrong(f"No weight is above 0 (mean {w.mean():.3f}): no input pushes a neuron up.")
    return w


def _spikes(n_in: int, g: torch.Generator) -> Tensor:
    """Spikes ``[25, 20, n_in]`` of 20 random pictures."""
    return poisson_encode(torch.rand((20, n_in), generator=g) ** 2, 25, generator=g)


def fires_well(answer: Callable, rng) -> None:
    """`Wrong` if a layer whose weights the answer draws is silent or saturated."""
    n_out, few, many = int(rng.integers(80, 120)), int(rng.integers(14, 20)), 2500
    sizes = (n_out, few), (n_out, many), (30, 401), (400, 401)  # vary one at a time
    weights = [drawn(answer, *size, seed_from(rng)) for size in sizes]
    x = [_spikes(n_in, generator_from(rng)) for _, n_in in sizes]
    stds = [w.std().item() for w in weights]
    spread = [LeakyIntegrator()(v @ w.T)[0].std().item() for v, w in zip(x, weights, strict=True)]
    falls = math.log(stds[0] / stds[1]) / math.log(many / few)  # std ~ n_in^-falls
    said = "With {} outputs and {} inputs potentials spread over {:.2g} thresholds, with {} and {} "
    said += "over {:.2g}: "
    by_n_in = said.format(n_out, few, spread[0], n_out, many, spread[1])
    if abs(math.log(stds[2] / stds[3])) > 0.3 * math.log(400 / 30):
        raise Wrong(
            said.format(*sizes[2], spread[2], *sizes[3], spread[3])
            + "the weights are scaled by n_out. The number of neurons does not matter to a single "
            "neuron; it adds up n_in terms."
        )
    if falls < 0.1:
        raise Wrong(
            f"{by_n_in}the weights are of the same size for all n_in (standard deviation "
            f"{stds[0]:.2g} and {stds[1]:.2g}), so it fits only some n_in. Let it shrink."
        )
    if falls < 0.25:
        raise Wrong(f"{by_n_in}the weights shrink too little as inputs are added.")
    if falls > 0.75:
        raise Wrong(
            f"{by_n_in}the weights shrink too much as inputs are added. Pushes that vary "
            "independently cancel in part."
        )
    for (_, n_in), w, v in zip(sizes, weights, x, strict=True):
        spikes, _ = LIFLayer()(v @ w.T)
        rate = spikes.mean(0)  # [pictures, units]
        fires = f"With {n_in} inputs the layer fires at {spikes.mean():.1%} of the steps"
        silent, full = (rate.sum(0) == 0).double().mean(), (rate >= 0.9).double().mean()
        mean = f" Their mean is {w.mean():.2g}: is it 0?" * bool(w.mean().abs() > 0.1 * w.std())
        if silent > 0.5:
            raise Wrong(f"{fires}, and {silent:.0%} of its units never: too small.{mean}")
        if full > 0.25:
            raise Wrong(f"{fires}; {full:.0%} of them without a pause: too large.{mean}")
