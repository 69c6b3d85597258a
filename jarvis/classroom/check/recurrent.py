"""Checks of lesson 304: shuffled time, an order-blind reader, mixed memories, a radius."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from jarvis.classroom.check.verdict import Wrong, array, exercise, near, number, seed_from
from jarvis.lif import LIFState
from jarvis.neurons.definition import RecurrentState


@exercise(
    1,
    hints=(
        "Which axis of x is time? All recordings share one order: a list of step numbers.",
        "torch.randperm(len(x), generator=generator) is a random order of the steps.",
        "x[torch.randperm(len(x), generator=generator)].",
    ),
)
def shuffled(answer, rng) -> None:
    """`shuffled(x, generator)`: the time steps of x [T, B, ...] in one random order."""
    seed, n_steps, size = seed_from(rng), int(rng.integers(20, 30)), int(rng.integers(4, 7))
    x = torch.tensor(rng.permutation(n_steps * size * 6)).view(n_steps, size, 2, 3).float()
    found = _drawn(answer, x, seed)
    where = [_steps_of(found[:, b], x[:, b]) for b in range(size)]
    if any(steps is None for steps in where):
        _not_whole_steps(found, x)
    orders = [steps.tolist() for steps in where if steps is not None]
    if any(len(set(order)) < n_steps for order in orders):
        raise Wrong("Some steps come twice and others are lost: use randperm, not randint.")
    if any(order != orders[0] for order in orders):
        raise Wrong("Every recording has its own order. Use the same order for all recordings.")
    if orders[0] == list(range(n_steps)):
        raise Wrong("The steps are still in their old order.")
    if orders[0] == list(reversed(range(n_steps))):
        raise Wrong("The steps are reversed, not in a random order: use torch.randperm.")
    if not np.array_equal(found, _drawn(answer, x, seed)):
        raise Wrong("The same seed gave another order: pass the generator on, generator=generator.")
    if np.array_equal(found, _drawn(answer, x, seed + 1)):
        raise Wrong("Two different seeds gave the same order: draw it with the generator.")


def _drawn(answer: Callable, x: Tensor, seed: int) -> np.ndarray:
    found = answer(x, torch.Generator().manual_seed(seed))
    return array(found, tuple(x.shape), "the shuffled input")


def _steps_of(found: np.ndarray, x: Tensor) -> np.ndarray | None:
    """For each step of `found`, its index in x ``[T, ...]``; None if a step is not in x."""
    same = (found[:, None] == x.numpy()[None]).reshape(len(found), len(x), -1).all(-1)
    return same.argmax(1) if same.any(1).all() else None


def _not_whole_steps(found: np.ndarray, x: Tensor) -> None:
    """Raise `Wrong` for an answer whose steps are not steps of x."""
    values = x.numpy()
    if np.array_equal(np.sort(found, axis=1), np.sort(values, axis=1)):
        raise Wrong("You have shuffled the recordings (axis 1). Time is axis 0.")
    if np.array_equal(np.sort(found.ravel()), np.sort(values.ravel())):
        raise Wrong("The pixels of different steps are mixed. Move whole steps: x[order].")
    raise Wrong("The values themselves have changed. Only the order of the steps should.")


@exercise(
    2,
    hints=(
        "With which probability are the two digits the same? For a single class c it is p_c * p_c.",
        "The reader is always right if the digits are the same, and half the time if they differ.",
        "same = (shares**2).sum(); same + (1 - same) / 2.",
    ),
)
def order_blind(answer, rng) -> None:
    """`order_blind(shares)`: the accuracy of a reader that cannot tell the order of two digits."""
    for _ in range(3):
        p = torch.tensor(rng.dirichlet(np.full(int(rng.integers(3, 7)), 2.0)))
        found, same = number(answer(p), "the accuracy"), p.square().sum().item()
        if near(found, same + (1 - same) / 2, 1e-5):
            continue
        uniform = 1 / len(p)
        slips = {
            "When the digits are the same, the reader is right as well: add that case.":
                (1 - same) / 2,
            "That is the probability that the digits are the same. The reader is also right half "
            "of the time when they differ.": same,
            "Your reader always guesses. When the digits are the same, it is always right.": 0.5,
            "That is right only for equally frequent classes. Use `shares`.":
                uniform + (1 - uniform) / 2,
            "You count equal digits twice. Only the cases in which the digits differ count half.":
                same + 0.5,
            "The shares add up to 1. The probability of two equal digits is the sum of their "
            "squares.":
                p.sum().item(),
            "That is the share of the most frequent class, but the reader recognises both digits.":
                p.max().item(),
            "That is a percentage. An accuracy lies between 0 and 1.":
                100 * (same + (1 - same) / 2),
        }  # fmt: skip
        for words, slip in slips.items():
            if near(found, slip, 1e-5):
                raise Wrong(words)
        raise Wrong(
            f"For the shares {np.round(p.numpy(), 3).tolist()} you return {found:.4f}. Two digits "
            f"are the same with probability {same:.4f}; when they differ, the reader is right half "
            "of the time."
        )


@exercise(
    3,
    hints=(
        "A NamedTuple cannot be changed. Its method _replace returns a copy with new field values.",
        "Only the field `spikes` changes. Which of its axes counts the samples? Indexing a tensor "
        "by a tensor of integers puts its rows into another order.",
        "state._replace(spikes=state.spikes[order]).",
    ),
)
def with_spikes_of(answer, rng) -> None:
    """`with_spikes_of(state, order)`: the same neurons; sample b has the spikes of order[b]."""
    generator = torch.Generator().manual_seed(seed_from(rng))
    v = torch.randn((7, 7), generator=generator)
    spikes = (torch.rand((7, 7), generator=generator) < 0.5).float()
    spikes[:, :3] = torch.arange(1, 8)[:, None].bitwise_and(torch.tensor([1, 2, 4])).sign().float()
    ring = torch.randperm(7, generator=generator)
    order = torch.empty_like(ring)
    order[ring] = ring.roll(1)  # one cycle: no sample is its own donor, or the donor's donor
    state = RecurrentState(LIFState(v.clone()), spikes.clone())
    found = answer(state, order)
    if not torch.equal(state.spikes, spikes) or not torch.equal(state.v, v):
        raise Wrong("You change the tensors of the state that you are given: make a new state.")
    if isinstance(found, Tensor):
        raise Wrong("You return a tensor. Return a whole state: state._replace(spikes=...).")
    if isinstance(found, LIFState):
        raise Wrong("That is the state of the neurons alone. Return a RecurrentState.")
    if not isinstance(found, RecurrentState):
        raise Wrong(f"Return a RecurrentState like the given one, not a {type(found).__name__}.")
    if not isinstance(found.spikes, Tensor) or found.spikes.shape != spikes.shape:
        shape = tuple(getattr(found.spikes, "shape", ()))
        raise Wrong(
            f"The new spikes have shape {shape}; they should have shape {tuple(spikes.shape)}."
        )
    potentials = found.neurons.v if isinstance(found.neurons, LIFState) else None
    if not torch.equal(found.spikes, spikes[order]):
        _wrong_spikes(found.spikes, spikes, order)
    if potentials is None or not torch.equal(potentials, v):
        if potentials is not None and torch.equal(potentials, v[order]):
            raise Wrong("The donor's potentials have come along. Keep each sample's own.")
        raise Wrong("The spikes are right, but the neurons have changed as well. Keep `neurons`.")


def _wrong_spikes(found: Tensor, spikes: Tensor, order: Tensor) -> None:
    """Raise `Wrong` with the likely mistake."""
    slips = {
        "Each sample still has its own spikes.": spikes,
        "You hand the spikes of sample b on to sample order[b]. It should be the other way round: "
        "sample b gets the spikes of sample order[b].": spikes[order.argsort()],
        "You exchange neurons (axis 1). Axis 0 is the samples.": spikes[:, order],
        "There are no spikes any more. Sample b should have those of sample order[b].": (
            torch.zeros_like(spikes)
        ),
        "All samples have the spikes of the same donor.": spikes[order[0]].expand_as(spikes),
    }
    for words, slip in slips.items():
        if torch.equal(found, slip):
            raise Wrong(words)
    b = int((found != spikes[order]).any(1).int().argmax())
    raise Wrong(
        f"order[{b}] is {int(order[b])}, but sample {b} does not have the spikes of sample "
        f"{int(order[b])}."
    )


@exercise(
    4,
    hints=(
        "If you multiply a matrix by a number, what happens to its eigenvalues?",
        "torch.linalg.eigvals(V).abs().max() is the spectral radius of V.",
        "V * (radius / torch.linalg.eigvals(V).abs().max()).",
    ),
)
def with_radius(answer, rng) -> None:
    """`with_radius(V, radius)`: V times a number, with the given spectral radius."""
    for _ in range(3):
        n, radius = int(rng.integers(4, 9)), rng.uniform(0.3, 2.0)
        V = _matrix(n, rng)
        given = answer(V, radius)
        if isinstance(given, Tensor) and given.is_complex():
            raise Wrong("Your matrix is complex. The radius is a real number: .abs().max().")
        found = array(given, (n, n), "the matrix")
        rho = torch.linalg.eigvals(V).abs().max().item()
        factor = float((found * V.numpy()).sum() / V.square().sum())
        if not np.allclose(found, factor * V.numpy(), atol=1e-6):
            raise Wrong("The result is not a multiple of V: multiply all weights by one number.")
        if near(factor, radius / rho, 1e-4):
            continue
        slips = {
            "V is unchanged.": 1.0,
            "You multiply by the given radius. Divide by the radius of V as well.": radius,
            "You divide by the radius of V. Multiply by the given radius as well.": 1 / rho,
            "Your factor is upside down: it should be the given radius divided by the radius of V.":
                rho / radius,
            "You multiply by the radius of V. Divide by it.": radius * rho,
            "You scale by the largest singular value (the norm). Use the eigenvalues.":
                radius / torch.linalg.matrix_norm(V, 2).item(),
            "You scale by the Frobenius norm. Use the eigenvalues.": radius / V.norm().item(),
            "You scale by the largest weight. Use the eigenvalues.": radius / V.abs().max().item(),
            "You use the largest real part. The radius is the largest absolute value.":
                radius / torch.linalg.eigvals(V).real.max().item(),
            "You use the mean of the eigenvalues' absolute values. The radius is the largest of "
            "them.":
                radius / torch.linalg.eigvals(V).abs().mean().item(),
        }  # fmt: skip
        for words, slip in slips.items():
            if near(factor, slip, 1e-5):
                raise Wrong(words)
        raise Wrong(f"Your matrix has spectral radius {abs(factor) * rho:.3f}, not {radius:.3f}.")


def _matrix(n: int, rng) -> Tensor:
    """A random matrix whose eigenvalue of largest magnitude is not a positive real number."""
    while True:
        V = torch.tensor(rng.normal(0, 1, (n, n)))
        values = torch.linalg.eigvals(V)
        if values.abs().max() > 1.1 * values.real.max():
            return V
