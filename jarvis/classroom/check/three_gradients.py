"""Checks of lesson 502: the first spike time of a train, a crossing between two steps, an order."""

import math

import numpy as np
import torch
from torch import Tensor

from jarvis.classroom.check.verdict import (
    Wrong,
    array,
    exercise,
    generator_from,
    near,
    number,
)


@exercise(
    1,
    hints=(
        "The time is dt times the number of steps up to the first spike. How can products of 1 - s "
        "count the steps without a spike so far?",
        "(1 - s).cumprod(0) is 1 as long as there was no spike, and 0 from the first one on.",
        "dt times (1 + the sum over time of that product).",
    ),
)
def first_time(answer, rng) -> None:
    """`first_time(s [T, N], dt) -> [N]`, differentiable in every s."""
    for _ in range(2):
        g, dt = generator_from(rng), float(rng.uniform(0.02, 0.5))
        n_steps = int(rng.integers(12, 20))
        s = (torch.rand((n_steps, 6), generator=g, dtype=torch.float64) < 0.2).double()
        s[:, 0] = 0.0  # a train without a spike
        s[:, 1] = 0.0
        s[[4, 7], 1] = 1.0
        s[0, 2] = 1.0  # a spike in the first step
        leaf = s.clone().requires_grad_()
        found = answer(leaf, dt)
        values = array(found, (6,), "The first spike times")
        silent = s.sum(0) == 0
        first = torch.where(silent, n_steps, s.argmax(0))
        right = dt * (first.double() + 1)
        _compare_times(values, right.numpy(), s, dt)
        if not isinstance(found, Tensor) or not found.requires_grad:
            raise Wrong(
                "The times have no gradient, because argmax and comparisons have none. Use "
                "products."
            )
        gradients = torch.stack([torch.autograd.grad(t, leaf, retain_graph=True)[0] for t in found])
        steps = torch.arange(n_steps)[:, None]
        # The count would stop earlier if there were a spike before the first one.
        wanted = torch.where(steps <= first, -dt * _steps_saved(s), 0.0)
        for k in range(6):
            mine = gradients[k, :, k]
            if torch.allclose(mine, wanted[:, k], atol=1e-9):
                continue
            if not mine.any():
                raise Wrong(
                    "The gradient is 0: comparisons and argmax pass no gradient on, and clamp may "
                    "stop it."
                )
            if (mine > 0).any():
                raise Wrong(
                    "According to your gradient, another spike would make the time longer. A spike "
                    "ends the count, so it makes the time shorter."
                )
            t = int((mine - wanted[:, k]).abs().argmax())
            raise Wrong(
                f"If there were a spike in step {t}, the count of train {k} (first spike in step "
                f"{int(first[k])}) would end {-wanted[t, k] / dt:.0f} steps earlier. Your gradient "
                f"says {-mine[t] / dt:.2f}."
            )


def _steps_saved(s: Tensor) -> Tensor:
    """``[T, N]``: the number of steps by which a spike in step k shortens the count."""
    n_steps = len(s)
    saved = torch.empty_like(s)
    for k in range(n_steps):
        others = s.clone()
        others[k] = 0.0
        alive = (1 - others).cumprod(0)
        saved[k] = alive[k:].sum(0)
    return saved


def _compare_times(found: np.ndarray, right: np.ndarray, s: Tensor, dt: float) -> None:
    """Raise `Wrong` unless the times are those of the first spikes."""
    if np.allclose(found, right):
        return
    clock = dt * np.arange(1, len(s) + 1)[:, None]
    spikes = s.numpy()
    if np.allclose(found, (clock * spikes).sum(0)):
        raise Wrong("That is form A, in which the times of several spikes add up.")
    if np.allclose(found, right - dt):
        raise Wrong("One step is missing: a spike in step 0 occurs at time dt.")
    if np.allclose(found, right / dt):
        raise Wrong("That is the number of steps. Multiply by dt.")
    last = dt * (len(s) - spikes[::-1].argmax(0))
    if np.allclose(found[1:], last[1:]):
        raise Wrong("That is the last spike. Count the steps before the first one.")
    k = int(np.argmax(~np.isclose(found, right)))
    when = np.flatnonzero(spikes[:, k]).tolist()
    raise Wrong(
        f"Train {k} has spikes in steps {when} and dt is {dt:.3f} ms: the first spike time is "
        f"{right[k]:.3f} ms, and you return {found[k]:.3f}."
    )


@exercise(
    2,
    hints=(
        "In which step is each neuron at or above 1 for the first time? What was h one step "
        "before?",
        "Between the two steps h is nearly a straight line. At which fraction of the step does it "
        "reach 1?",
        "k = (h >= 1).int().argmax(0); a, b = h[k - 1, n], h[k, n] with n = torch.arange(N); then "
        "dt * (k + (1 - a) / (b - a)).",
    ),
)
def crossing_time(answer, rng) -> None:
    """`crossing_time(h [T, N], dt) -> [N]`, between the steps, with a gradient."""
    for _ in range(2):
        dt, tau = float(rng.uniform(0.1, 0.4)), float(rng.uniform(6, 12))
        w = torch.tensor(rng.uniform(1.3, 3.0, 5) * 4 / tau, requires_grad=True)
        clock = dt * torch.arange(1, round(12 / dt) + 1, dtype=torch.float64)[:, None]
        y = torch.exp(-clock / tau)
        h = tau * w * (y - y * y)
        exact = -tau * torch.log((1 + torch.sqrt(1 - 4 / (tau * w))) / 2)
        (by_w,) = torch.autograd.grad(exact.sum(), w, retain_graph=True)
        k = (h >= 1).int().argmax(0)
        columns = torch.arange(5)
        a, b = h[k - 1, columns], h[k, columns]
        right = dt * (k + (1 - a) / (b - a))
        found = answer(h, dt)
        values = array(found, (5,), "The times")
        wanted = right.detach().numpy()
        if not np.allclose(values, wanted, rtol=1e-6):
            _name_crossing(values, wanted, dt, k.numpy(), a.detach().numpy(), b.detach().numpy())
        if not isinstance(found, Tensor) or not found.requires_grad:
            raise Wrong(
                "The times are right, but they have no gradient: use neither detach() nor .item()."
            )
        (mine,) = torch.autograd.grad(found.sum(), w, allow_unused=True)
        if mine is None or not mine.any():
            raise Wrong("The times are right, but their gradient is 0.")
        off = (mine / by_w - 1).abs().max().item()
        if off > 0.5:
            raise Wrong(f"The derivative with respect to the weights is off by {off:.0%}.")


def _name_crossing(found, right, dt: float, k, a, b) -> None:
    """Raise `Wrong`, with a message that says what the given times are."""
    for slip, words in (
        (dt * (k + 1), "Those are whole steps: interpolate between the step before and this one."),
        (right + dt, "One step too late: h[k] is at dt * (k + 1), so h[k - 1] is at dt * k."),
        (right - dt, "One step too early: h[k - 1] is at dt * k."),
        (right / dt, "Those are numbers of steps. Multiply by dt."),
        (dt * (k + (1 - b) / (a - b)), "You measure from the far end: the crossing comes "
         "(1 - a) / (b - a) of a step after h[k - 1] = a."),
        (dt * (k + a / b), "The line reaches 1 after the fraction (1 - a) / (b - a) of the step."),
    ):  # fmt: skip
        if np.allclose(found, slip, rtol=1e-6):
            raise Wrong(words)
    n = int(np.argmax(~np.isclose(found, right)))
    raise Wrong(
        f"At {dt * k[n]:.3f} ms h is {a[n]:.3f}, at {dt * (k[n] + 1):.3f} ms it is {b[n]:.3f}. The "
        f"line between them reaches 1 at {right[n]:.4f} ms; you return {found[n]:.4f}."
    )


@exercise(
    3,
    hints=(
        "What is the logarithm of c dt^p?",
        "On logarithmic scales a power is a straight line, and p is its slope: np.polyfit.",
        "np.polyfit(np.log(steps), np.log(errors), 1)[0]",
    ),
)
def order_of(answer, rng) -> None:
    """`order_of(steps, errors) -> p` of errors ~ steps^p."""
    for _ in range(3):
        p, n = float(rng.uniform(0.5, 3.0)), int(rng.integers(5, 9))
        steps = np.sort(10 ** rng.uniform(-3, 0, n))[::-1].copy()
        errors = rng.uniform(0.1, 5) * steps**p * np.exp(rng.normal(0, 0.1, n))
        found = number(answer(steps, errors), "The order")
        right, c = np.polyfit(np.log(steps), np.log(errors), 1)
        if near(found, right, 1e-6):
            continue
        slips = (
            (-right, "The sign is wrong: a smaller step gives a smaller error."),
            (1 / right, "The axes are exchanged: the error is a function of the step."),
            (c, "That is the intercept. np.polyfit returns the slope first."),
            (np.polyfit(steps, errors, 1)[0], "That slope is on linear scales: take logarithms."),
            (np.log(errors[0] / errors[-1]) / np.log(steps[0] / steps[-1]), "You use "
             "only the first and the last point. Fit all of them."),
        )  # fmt: skip
        for slip, words in slips:
            if near(found, slip, 1e-6):
                raise Wrong(words)
        said = f"For errors that fall as dt to the power {right:.3f} you return {found:.3f}."
        raise Wrong(said if math.isfinite(found) else "The order is not a number.")
