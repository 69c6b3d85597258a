"""Checks of lesson 604: a map's step, a step's derivative, a soft knee."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from jarvis.classroom.check.verdict import Wrong, array, exercise, generator_from
from jarvis.neurons.definition import Neuron, Parameters, parameter
from jarvis.neurons.layer import SpikingLayer
from jarvis.surrogate import DEFAULT_SPIKE


def _same(found: np.ndarray, expected: np.ndarray) -> bool:
    return bool(np.allclose(found, expected, rtol=1e-9, atol=1e-12, equal_nan=True))


def _alike(found: np.ndarray, expected: np.ndarray) -> bool:
    """Equal in the precision of float32, to which torch.where rounds two plain numbers."""
    return bool(np.allclose(found, expected, rtol=1e-5, atol=1e-6))


def _called(step: Callable, what: str, names: Sequence[str], *given: Any) -> tuple[Tensor, Any]:
    """The spikes and the state that a step returns; raises `Wrong` for anything else."""
    try:
        result = step(*given)
    except Wrong as wrong:
        if "Boolean value" in str(wrong):
            raise Wrong(
                f"{what} decides by `if` (or by `and`, `or`) for all neurons at once. Decide for "
                "each with torch.where(condition, a, b), and join conditions with & and |."
            ) from None
        raise
    if not isinstance(result, tuple) or len(result) != 2:
        raise Wrong(f"{what} should return two things: the spikes and the new state.")
    spikes, state = result
    if isinstance(spikes, tuple) or not all(hasattr(state, name) for name in names):
        fields = " and ".join(names)
        raise Wrong(f"{what} should return first the spikes, then a state with {fields}.")
    return spikes, state


# Exercise 1


@dataclass(frozen=True)
class MapParams(Parameters):
    alpha: float | Tensor = parameter(6.0, above=0)
    mu: float | Tensor = parameter(0.001, above=0)
    sigma: float | Tensor = parameter(-0.1)


class MapState(NamedTuple):
    u: Tensor
    y: Tensor


@exercise(
    1,
    hints=(
        "First: when does the neuron spike? Then choose the new u, case by case, from the old u.",
        "s = spike(u, alpha + y + x); then one torch.where inside another for the new u.",
        "torch.where(u <= 0, p.alpha / (1 - u) + z, torch.where(u >= p.alpha + z, -1.0, "
        "p.alpha + z)) with z = y + x",
    ),
)
def map_step(answer, rng) -> None:
    """`map_step(x, state, p, spike) -> (s, state)`: Rulkov's map, borders included."""
    # Numbers with few binary digits, so that sums are exact however they are ordered; alpha + y' is
    # at least 1/8, so that the three cases do not overlap.
    p = MapParams(rng.integers(16, 27) / 4, rng.uniform(0.01, 0.1), rng.integers(1, 9) / 16)
    x, u, y = (
        torch.from_numpy(rng.integers(low, high, (3, 50)) / 8.0)
        for low, high in ((-4, 5), (-16, 40), (-27, -15))
    )
    u[0, :10] = (p.alpha + y + x)[0, :10]
    u[1, :10] = 0.0
    u[2, :10] = 1.0
    u.requires_grad_()
    given = (x, MapState(u, y), p, DEFAULT_SPIKE)
    spikes, state = _called(answer, "map_step", MapState._fields, *given)
    shape = tuple(u.shape)
    found = [array(v, shape, what) for v, what in ((spikes, "s"), (state.u, "u"), (state.y, "y"))]
    plain = [(v.detach() if isinstance(v, Tensor) else v) for v in (x, u, y)]
    expected = _by_rule(_map, plain, p)
    if not all(map(_same, found, expected)):
        for words, slip in _MAP_SLIPS.items():
            if all(map(_same, found, _by_rule(slip, plain, p))):
                raise Wrong(words)
        for name, mine, true in zip("suy", found, expected, strict=True):
            wrong = np.argwhere(~np.isclose(mine, true, rtol=1e-9, atol=1e-12))
            if len(wrong):
                at = tuple(wrong[0])
                values = zip("xuy", plain, strict=True)
                given = ", ".join(f"{n} = {float(v[at]):g}" for n, v in values)
                raise Wrong(
                    f"{name} is wrong for {len(wrong)} of {mine.size} neurons. For {given} and "
                    f"alpha = {p.alpha:g} it is {mine[at]:.5g} and should be {true[at]:.5g}."
                )
    if not spikes.requires_grad:
        raise Wrong(
            "The values are right, but no gradient passes through s, so the neuron could not "
            "learn. Make the spikes with spike(value, threshold)."
        )
    (slope,) = torch.autograd.grad(state.u.sum(), u)
    if not torch.isfinite(slope).all():
        raise Wrong(
            "The values are right, but the gradient is NaN for u = 1. torch.where computes both "
            "sides, and 1/(1 - u) is infinite at u = 1, although it is not chosen there. Bound u: "
            "state.u.clamp_max(0.0)."
        )


def _map(x, u, y, p):
    border = p.alpha + y + x
    if u >= border:
        return 1.0, -1.0, _slow(u, y, p)
    return 0.0, (p.alpha / (1 - u) + y + x if u <= 0 else border), _slow(u, y, p)


def _slow(u, y, p):
    return y - p.mu * (u + 1 - p.sigma)


def _by_rule(rule: Callable, values: Sequence[Tensor], p: MapParams) -> list[np.ndarray]:
    each = zip(*(part.flatten().tolist() for part in values), strict=True)
    rows = [rule(*numbers, p) for numbers in each]
    shape = tuple(values[0].shape)
    return [np.array(column).reshape(shape) for column in zip(*rows, strict=True)]


def _no_input(x, u, y, p):
    return _map(0.0, u, y, p)


def _new_u(x, u, y, p):
    s, after, _ = _map(x, u, y, p)
    return s, after, _slow(after, y, p)


def _strict(x, u, y, p):
    border = p.alpha + y + x
    return (0.0, border, _slow(u, y, p)) if u == border else _map(x, u, y, p)


def _new_y(x, u, y, p):
    after = _slow(u, y, p)
    return (*_map(x, u, after, p)[:2], after)


def _early(x, u, y, p):
    _, after, slow = _map(x, u, y, p)
    return float(u > 0), after, slow


def _of_the_new(x, u, y, p):
    _, after, slow = _map(x, u, y, p)
    return float(after >= p.alpha + y + x), after, slow


def _input_lost(x, u, y, p):
    s, after, slow = _map(x, u, y, p)
    return s, (after - x if s == 0 else after), slow


_MAP_SLIPS: dict[str, Callable] = {
    "The slow variable uses the new u. Both lines must use the old u.": _new_u,
    "The fast variable uses the new y. Both lines must use the old y.": _new_y,
    "The input is missing: y' = y + x in all three cases, the border included.": _no_input,
    "The input is missing in the new u, although the border has it.": _input_lost,
    "At the border itself, u = alpha + y', the neuron spikes: >=, not >.": _strict,
    "You report a spike wherever u > 0. The neuron spikes only where the third case holds.": _early,
    "You decide on a spike by the new u. The third case depends on the old u.": _of_the_new,
    "The sign of mu is wrong: y falls while u is above sigma - 1.":
        lambda x, u, y, p: (*_map(x, u, y, p)[:2], 2 * y - _slow(u, y, p)),
    "The sign of sigma is wrong: it enters y as + mu sigma.":
        lambda x, u, y, p: (*_map(x, u, y, p)[:2], y - p.mu * (u + 1 + p.sigma)),
    "The 1 is missing in u + 1 - sigma.":
        lambda x, u, y, p: (*_map(x, u, y, p)[:2], y - p.mu * (u - p.sigma)),
}  # fmt: skip


# Exercise 2


@exercise(
    2,
    hints=(
        "Repeat the forward step to get h and s. Which two ways lead from h to the loss?",
        "g_h = g_v (1 - s) + g_s / (1 + slope |h - 1|)^2. From h to x, v and the decays, apply the "
        "chain rule to h = decay * v + x.",
        "g_x = g_h; g_v_before = g_h * (decay_open if v > knee else decay), with torch.where or "
        "np.where; the decay that was chosen gets g_h * v, the other one 0.",
    ),
)
def step_back(answer, rng) -> None:
    """`step_back(g_s, g_v, x, v, decay, decay_open, knee, slope) -> g_x, g_v, g_decay, g_open`."""
    decay, decay_open = rng.uniform(0.85, 0.98), rng.uniform(0.5, 0.8)
    knee, slope = float(rng.integers(5, 12)) / 16, rng.uniform(3, 25)
    g_s, g_v, x, v = (
        torch.from_numpy(rng.uniform(low, high, 60))
        for low, high in ((-1, 1), (-1, 1), (-0.2, 0.9), (-0.3, 1.0))
    )
    v[:8] = knee
    v[8:16], x[8:16] = 0.0, 1.0  # the threshold is met exactly
    given = (g_s, g_v, x, v, decay, decay_open, knee, slope)
    result = answer(*given)
    if not isinstance(result, tuple | list) or len(result) != 4:
        raise Wrong("Return four things: the gradients of x, of v, of decay and of decay_open.")
    names = ("g_x", "g_v_before", "g_decay", "g_decay_open")
    found = [array(part, (60,), name) for part, name in zip(result, names, strict=True)]
    expected = _back(*given)
    if all(map(_alike, found, expected)):
        return
    for words, change in _BACK_SLIPS.items():
        if all(map(_alike, found, _back(*given, **change))):
            raise Wrong(words)
    for name, mine, true in zip(names, found, expected, strict=True):
        wrong = np.flatnonzero(~np.isclose(mine, true, rtol=1e-5, atol=1e-6))
        if not len(wrong):
            continue
        at = wrong[-1]
        if len(wrong) <= 8 and set(wrong) <= set(range(8)):
            where = " They are those with v exactly at the knee, where the slow leak holds."
        elif len(wrong) <= 8 and set(wrong) <= set(range(8, 16)):
            where = " They are those with h exactly at the threshold, which do spike."
        else:
            where = (
                f" For v = {v[at]:.3f}, x = {x[at]:.3f} it is {mine[at]:.4f}, not {true[at]:.4f}."
            )
        raise Wrong(f"{name} is wrong for {len(wrong)} of 60 neurons.{where}")


def _back(g_s, g_v, x, v, decay, decay_open, knee, slope, **slip) -> list[np.ndarray]:
    g_s, g_v, x, v = (part.numpy() for part in (g_s, g_v, x, v))
    fast = v >= knee if slip.get("at_knee") else v > knee
    if slip.get("swapped"):
        fast = ~fast
    leak = np.where(fast, decay_open, decay)
    h = leak * v + x
    if slip.get("by_h"):
        fast = h > knee
        leak = np.where(fast, decay_open, decay)
    s = (h > 1 if slip.get("strict") else h >= 1).astype(float)
    away = 1 + (1 if slip.get("no_slope") else slope) * np.abs(h - 1)
    bump = 1 / away if slip.get("no_square") else 1 / away**2
    if slip.get("true_derivative"):
        bump = 0.0 * away
    if slip.get("as_if_linear"):
        bump = 1.0 + 0.0 * away
    g_h = g_v * (1 if slip.get("no_reset") else 1 - s) + g_s * bump
    if slip.get("in_graph"):
        g_h = g_h - g_v * h * bump
    to_leak = g_h * (h if slip.get("times_h") else v)
    g_decay, g_open = np.where(fast, 0.0, to_leak), np.where(fast, to_leak, 0.0)
    if slip.get("not_split"):
        g_decay = g_open = to_leak
    if slip.get("other_order"):
        g_decay, g_open = g_open, g_decay
    return [g_h, g_h * (1 if slip.get("no_leak") else leak), g_decay, g_open]


_BACK_SLIPS = {
    "The surrogate is missing: no gradient passes through the spike.": dict(true_derivative=1),
    "You take the derivative of the spike as 1. Multiply g_s by the surrogate.":
        dict(as_if_linear=1),
    "The surrogate is 1/(1 + k |h - 1|) squared.": dict(no_square=1),
    "The slope k is missing in the surrogate.": dict(no_slope=1),
    "You let a gradient flow back through 1 - s. The reset is detached here.":
        dict(in_graph=1),
    "The factor 1 - s is missing: a neuron that is reset forgets its h.": dict(no_reset=1),
    "At h = 1 exactly the neuron spikes: >=, not >.": dict(strict=1),
    "At v = knee exactly the slow leak holds: >, not >=.": dict(at_knee=1),
    "The two leaks are exchanged: above the knee it is decay_open.": dict(swapped=1),
    "The leak is chosen by v, the potential before the step, not by h.": dict(by_h=1),
    "The gradient of a leak is g_h times v, not times h.": dict(times_h=1),
    "Both leaks get the whole gradient. Each gets it only where it was chosen.": dict(not_split=1),
    "The last two gradients are in the wrong order: decay comes first, then decay_open.":
        dict(other_order=1),
    "On its way to v_before, the gradient of h passes the leak: multiply it by the leak.":
        dict(no_leak=1),
}  # fmt: skip


# Exercise 3


@exercise(
    3,
    hints=(
        "Copy TwoLeakParams and two_leak_step. What replaces the torch.where?",
        "a = torch.sigmoid((state.v - p.knee) / p.width), and width = parameter(..., above=0).",
        "h = (p.decay + a * (p.decay_open - p.decay)) * state.v + x; then "
        "SoftLeak = define(soft_step, SoftParams, TwoLeakState, rest=lambda p: TwoLeakState(0.0))",
    ),
)
def soft_leak(answer, rng) -> None:
    """`SoftLeak`: the two-leak neuron with a soft knee of learnable position and width."""
    kind = getattr(answer, "_function", answer)
    if isinstance(kind, SpikingLayer):
        raise Wrong("That is a layer. Give the kind of neuron that `define` returns.")
    if isinstance(kind, type) and issubclass(kind, Parameters):
        raise Wrong("These are the parameters. Give the kind of neuron that `define` returns.")
    if not isinstance(kind, Neuron):
        raise Wrong(f"Give the kind of neuron that `define` returns, not a {type(kind).__name__}.")
    if "width" not in getattr(kind.params, "__dataclass_fields__", {}):
        raise Wrong("The neuron has no parameter `width`. Add `width: ... = parameter(...)`.")
    for bad in (0.0, -0.1):
        try:
            kind(width=bad)
        except ValueError:
            continue
        raise Wrong(f"width={bad:g} is accepted. Give the parameter a bound: above=0.")
    values = dict(tau=rng.uniform(15, 30), tau_open=rng.uniform(3, 8), knee=rng.uniform(0.4, 0.6),
                  width=rng.uniform(0.05, 0.2))  # fmt: skip
    try:
        layer = SpikingLayer(kind(**values), learnable=("knee", "width"), backend="eager").double()
    except ValueError as error:
        raise Wrong(f"The layer cannot learn knee and width: {error}.") from None
    if "log_width" not in dict(layer.named_parameters()):
        raise Wrong("A width that is learned could become negative. Give it the bound above=0.")
    x = 0.4 * torch.rand(60, 2, 5, generator=generator_from(rng), dtype=torch.float64)
    spikes, _, trace = layer(x, trace=True)
    found = array(trace.v, tuple(x.shape), "v")
    if not np.allclose(found, _soft(x, values, _opening), atol=1e-5):  # learned values are float32
        for words, rule in _SOFT_SLIPS.items():
            if np.allclose(found, _soft(x, values, rule), atol=1e-5):
                raise Wrong(words)
        raise Wrong(
            f"With {', '.join(f'{name} = {value:.3g}' for name, value in values.items())} the "
            "potentials are not those of decay + a (decay_open - decay), a = sigmoid((v - knee) / "
            "width)."
        )
    if not spikes.requires_grad:
        raise Wrong("The gradient of the knee and of the width is 0: is there a detach?")
    grads = torch.autograd.grad(
        (spikes.sum() + trace.v.sum()), list(layer.parameters()), allow_unused=True
    )
    if not all(grad is not None and bool(grad.abs() > 0) for grad in grads):
        raise Wrong("The gradient of the knee or of the width is 0.")


def _soft(x: Tensor, values: dict[str, float], rule: Callable) -> np.ndarray:
    v, rows = np.zeros(x.shape[1:]), []
    for x_t in x.numpy():
        h = rule(v, **values) * v + x_t
        v = np.where(h >= 1, 0.0, h)
        rows.append(v)
    return np.array(rows)


def _logistic(z):
    return 1 / (1 + np.exp(-z))


def _mix(a, tau, tau_open):
    slow, fast = np.exp(-1 / tau), np.exp(-1 / tau_open)
    return slow + a * (fast - slow)


def _opening(v, tau, tau_open, knee, width):
    return _mix(_logistic((v - knee) / width), tau, tau_open)


_SOFT_SLIPS: dict[str, Callable] = {
    "This is still the hard knee: the width changes nothing.":
        lambda v, tau, tau_open, knee, width: _mix(v > knee, tau, tau_open),
    "The channel closes above the knee: the sign in the sigmoid is wrong, or the leaks are "
    "exchanged.":
        lambda v, tau, tau_open, knee, width: _mix(_logistic((knee - v) / width), tau, tau_open),
    "The width is missing in the sigmoid.":
        lambda v, tau, tau_open, knee, width: _mix(_logistic(v - knee), tau, tau_open),
    "Divide by the width: a small width is a sharp knee.":
        lambda v, tau, tau_open, knee, width: _mix(_logistic((v - knee) * width), tau, tau_open),
    "You mix the time constants. Mix the two decays.":
        lambda v, tau, tau_open, knee, width:
            np.exp(-1 / (tau + _logistic((v - knee) / width) * (tau_open - tau))),
}  # fmt: skip
