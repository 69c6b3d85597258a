"""Checks of notebook 00: a rheobase for any dt, a refractory time, a missing test, soft bounds."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from jarvis.classroom.check.verdict import Wrong, array, exercise, near, number
from jarvis.lif import LIFParams, LIFState, lif_step
from jarvis.neurons.decay import exp_decay

Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@exercise(1, "h = v is a quadratic equation in v. Which x gives it one solution, not two or none?")
def rheobase_per_step(answer, rng) -> None:
    """`rheobase_per_step(tau, dt) -> x`: the smallest constant input at which the QIF neuron fires.

    With ``e = exp(-dt/tau)`` the step is a map whose two fixed points meet at
    ``x = (1 - sqrt(e)) / (1 + sqrt(e)) = tanh(dt / (4 tau))``.
    """
    for _ in range(3):
        tau = rng.uniform(8, 30)
        dt = tau * rng.uniform(0.4, 0.9)  # coarse, to expose approximations
        x, e = number(answer(tau, dt), "x"), float(exp_decay(tau, dt))
        expected = (1 - e**0.5) / (1 + e**0.5)
        if near(x, expected):
            continue
        for slip, words in (
            (0.25, "That is the current. What is the equivalent input per step?"),
            (dt / tau / 4, "That is right only for a small dt. Set h = v, which holds for any dt."),
            ((1 - e) / 4, "1 - exp(-dt/tau) is the factor of the LIF neuron's constant_drive."),
            (1 - e, "That is the LIF neuron's rheobase. Here the leak depends on v."),
            (-expected, "The size is right, the sign is not: this input drives."),
            ((1 + e**0.5) ** 2 / (1 - e), "That is the other root of the discriminant: too large."),
        ):
            if near(x, slip):
                raise Wrong(words)
        given = f"x = {x:.5f} (tau {tau:.1f}, dt {dt:.2f} ms)"
        if x > expected:
            raise Wrong(f"It fires with your {given}, but also with less.")
        v = 0.0
        for _ in range(4000):
            v = e * v / (1 - (1 - e) * v) + x
        raise Wrong(f"With your {given} it never fires: v stays at {v:.3f}.")


@exercise(2, "ready = left <= 0; torch.where(ready, moved, v) holds v; set left where it fired.")
def refractory_step(answer, rng) -> None:
    """`refractory_step(x, v, left, n_wait, step) -> spikes, v, left`: hold v after a spike."""
    tau, n_wait = rng.uniform(8, 20), int(rng.integers(2, 6))
    x = torch.tensor(rng.uniform(0.1, 0.7, (80, 2, 3)))
    found = _run(answer, x, tau, n_wait)
    expected = _run(_waiting, x, tau, n_wait)
    if _same(found, expected):
        return
    for slip, words in _REFRACTORY_SLIPS.items():
        if _same(found, _run(slip, x, tau, n_wait)):
            raise Wrong(words)
    for change in (-1, 1):
        if _same(found, _run(_waiting, x, tau, n_wait + change)):
            raise Wrong(
                f"Your neuron is silent for {n_wait + change} steps after a spike, not for "
                f"{n_wait}: check whether you set `left` before or after counting it down."
            )
    (spikes, v), (spikes_wanted, v_wanted) = found, expected
    if spikes.sum() == 0:
        raise Wrong(f"Your neurons never fire (they should {spikes_wanted.sum():.0f} times).")
    differs = (spikes != spikes_wanted) | ~np.isclose(v, v_wanted, atol=1e-9)
    step, sample, unit = np.argwhere(differs)[0]
    at = (step, sample, unit)
    raise Wrong(
        f"With n_wait = {n_wait}, all is well up to step {step}. There neuron {unit} of sample "
        f"{sample} has v = {v[at]:.3f} and {spikes[at]:.0f} spikes; the definition gives "
        f"{v_wanted[at]:.3f} and {spikes_wanted[at]:.0f}."
    )


def _run(function: Callable, x: Tensor, tau: float, n_wait: int) -> tuple[np.ndarray, np.ndarray]:
    """The spikes and potentials of a `refractory_step` around the library's LIF step."""
    params = LIFParams(tau=tau)

    def step(x_t: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        spikes, state = lif_step(x_t, LIFState(v), params)
        return spikes, state.v

    v, left, rows = torch.zeros_like(x[0]), torch.zeros_like(x[0]), []
    shape = tuple(v.shape)
    for x_t in x:
        result = function(x_t, v, left, n_wait, step)
        if not isinstance(result, tuple | list) or len(result) != 3:
            raise Wrong("refractory_step should return three tensors: spikes, v and left.")
        kept = (array(part, shape, name) for part, name in zip(result, _PARTS, strict=True))
        spikes, v, left = (torch.tensor(part) for part in kept)
        rows.append((spikes.numpy(), v.numpy()))
    spikes, potentials = zip(*rows, strict=True)
    return np.array(spikes), np.array(potentials)


_PARTS = ("spikes", "v", "left")


def _same(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> bool:
    return np.array_equal(a[0], b[0]) and np.allclose(a[1], b[1], atol=1e-9)


def _waiting(x, v, left, n_wait, step):
    """The definition, as in `lif_step` with a refractory time of n_wait steps."""
    spikes, moved = step(x, v)
    ready = left <= 0
    spikes = spikes * ready
    return (
        spikes,
        torch.where(ready, moved, v),
        torch.where(spikes > 0, float(n_wait), (left - 1).clamp_min(0)),
    )


def _no_wait(x, v, left, n_wait, step):
    return *step(x, v), left


def _not_held(x, v, left, n_wait, step):
    spikes, _, after = _waiting(x, v, left, n_wait, step)
    return spikes, step(x, v)[1], after


def _not_silent(x, v, left, n_wait, step):
    _, held, after = _waiting(x, v, left, n_wait, step)
    return step(x, v)[0], held, after


def _to_zero(x, v, left, n_wait, step):
    spikes, held, after = _waiting(x, v, left, n_wait, step)
    return spikes, torch.where(after > 0, 0.0, held), after


def _held_at_zero(x, v, left, n_wait, step):
    spikes, held, after = _waiting(x, v, left, n_wait, step)
    return spikes, torch.where(left > 0, 0.0, held), after


def _shared(x, v, left, n_wait, step):
    spikes, held, after = _waiting(x, v, left, n_wait, step)
    return spikes, held, torch.full_like(after, after.max().item())


def _for_ever(x, v, left, n_wait, step):
    spikes, held, after = _waiting(x, v, left, n_wait, step)
    return spikes, held, torch.maximum(after, left)


#: Common mistakes, and the feedback for each.
_REFRACTORY_SLIPS = {
    _no_wait: "Your neuron does not wait: `left` has no effect.",
    _not_held: "Your neuron is silent, but v changes while it waits: hold it where it was.",
    _not_silent: "Your v is held while it waits, but the spikes of `step` still come out.",
    _to_zero: "Your v goes to 0 after a spike. Hold what `step` returned: resetting is its job.",
    _held_at_zero: "Your v goes to 0 while it waits. It should be held where it was.",
    _shared: "One spike makes all of your neurons wait. `left` has a number for each of them.",
    _for_ever: "After its first spike your neuron is silent for good: count `left` down.",
}


@exercise(3, "run samples together, then each alone (v[:1], v[1:2], ...): is every v the same?")
def each_alone(answer, rng) -> None:
    """`each_alone(step) -> bool`: are the samples of ``step(x, v) -> spikes, v`` independent?"""
    right = [_Tried(_qif(rng)) for _ in range(3)]
    said = [_asked(answer, step) for step in right]
    broken = {kind: _Tried(_qif(rng, kind)) for kind in rng.permutation(list(_MIXED))}
    passed = {kind: _asked(answer, step) for kind, step in broken.items()}
    if not any(said) and all(passed.values()):
        raise Wrong("It is the other way round: return True for a correct step.")
    if not any(said):
        raise Wrong(
            "Your function returns False for every step, even a correct one. (If you compare with "
            "a run of the same step, both must start from the same v.)"
        )
    if not all(said):
        raise Wrong("Your function returns False for some correct steps.")
    for kind, missed in passed.items():
        if not missed:
            continue
        tried = broken[kind]
        text = f"Your function lets a wrong step through: {_MIXED[kind]}."
        if not tried.calls:
            raise Wrong(f"{text} It never calls `step`.")
        if tried.most_samples < 2:
            raise Wrong(
                f"{text} You run only one sample, so there is no other that could affect it."
            )
        if not tried.different:
            raise Wrong(f"{text} All your samples get the same input: give each its own.")
        if not tried.one_fired:
            raise Wrong(
                f"{text} Nothing shows as long as all of your samples fire, or none: use strong "
                "inputs for some (above 3), and start with different v."
            )
        raise Wrong(f"{text} Do you compare v as well as the spikes, after the step?")


#: What is wrong with a step in which samples are not independent.
_MIXED = {
    "input": "in it every sample gets the mean of all inputs",
    "reset": "in it a spike of one sample resets the same neuron of every sample",
    "leak": "in it v leaks by the mean v of the samples",
}


def _qif(rng, mixed: str = "") -> Step:
    """One step of a quadratic integrate-and-fire neuron with random parameters."""
    e = float(exp_decay(rng.uniform(10, 30), 1.0))
    v_peak, v_reset = rng.uniform(1.3, 3.0), rng.uniform(-1.0, 0.5)

    def step(x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        shown = v.mean(0, keepdim=True) if mixed == "leak" else v
        h = e * v / (1 - (1 - e) * shown) + (x.mean(0, keepdim=True) if mixed == "input" else x)
        spikes = (h >= v_peak).to(h)
        fired = spikes.amax(0, keepdim=True) if mixed == "reset" else spikes
        return spikes, torch.where(fired > 0, v_reset, h)

    return step


class _Tried:
    """A step that records the inputs of its calls."""

    def __init__(self, step: Step):
        self._step, self.calls, self.most_samples = step, 0, 0
        self.different = self.one_fired = False

    def __call__(self, x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        if not (isinstance(x, Tensor) and isinstance(v, Tensor) and x.dim() == v.dim() == 2):
            raise ValueError("step takes two tensors [B, N]: the input x, and v before the step")
        spikes, after = self._step(x, v)
        self.calls += 1
        self.most_samples = max(self.most_samples, len(x))
        self.different |= bool((x != x[:1]).any() or (v != v[:1]).any())
        self.one_fired |= bool((spikes != spikes[:1]).any())
        return spikes, after


def _asked(answer, step: _Tried) -> bool:
    try:
        said = answer(step)
    except Wrong as wrong:
        if isinstance(wrong.__cause__, AssertionError):
            raise Wrong("Your function asserts. Here, return True or False instead.") from None
        raise
    if isinstance(said, Tensor) and said.numel() == 1:
        said = said.item()
    if not isinstance(said, bool | np.bool_):
        raise Wrong(f"each_alone should return True or False, but returned {said!r:.60}.")
    return bool(said)


@exercise(4, "up * (distance from w_max) - down * (distance from w_min)")
def soft_change(answer, rng) -> None:
    """`soft_change(up, down, weight, w_min, w_max) -> change`: it shrinks towards the bounds."""
    for _ in range(3):
        w_min, w_max = rng.uniform(-1.0, -0.2), rng.uniform(1.5, 3.0)
        up, down = torch.tensor(rng.uniform(0.01, 0.05, (2, 3, 4)))
        weight = torch.tensor(rng.uniform(w_min, w_max, (3, 4)))
        weight[0, 0], up[0, 0], down[0, 0] = (
            w_max - 0.01,
            0.05,
            0.01,
        )  # where hard bounds would clip
        weight[2, 3], up[2, 3], down[2, 3] = w_min + 0.01, 0.01, 0.05
        found = array(answer(up, down, weight, w_min, w_max), (3, 4), "the change")
        above, below, width = w_max - weight, weight - w_min, w_max - w_min
        if np.allclose(found, up * above - down * below, rtol=1e-6, atol=1e-9):
            continue
        for slip, words in (
            (up - down, "There is no bound in it: near w_max the push up has to shrink."),
            ((weight + up - down).clamp(w_min, w_max) - weight,
             "These are hard bounds: full pushes, and then a wall."),
            (up * below - down * above,
             "The distances are swapped: a push up shrinks as the weight approaches w_max."),
            (up * above + down * below, "`down` is positive: it has to be subtracted."),
            (up * above, "Only the push up is there: what does `down` do?"),
            (up * above - down, "The push up is right. The push down shrinks as well, at w_min."),
            (up - down * below, "The push down is right. The push up shrinks as well, at w_max."),
            (up * above - down * weight, "The push down is off: w_min need not be 0."),
            (up * (1 - weight) - down * weight, "That is right for bounds at 0 and 1 only."),
            ((up * above - down * below) / width,
             "You divide by the width of the range. Other definitions do so too; here, as in "
             "jarvis.stdp.trace_rules, `up` is the push at a distance of 1."),
            (weight + up * above - down * below,
             "That is the new weight. Return only the change."),
            ((up - down) * above * below / width, "One factor for both, which is 0 at both ends: "
             "a weight at w_min could then never leave it."),
            ((up - down) * above * below, "One factor for both, which is 0 at both ends: "
             "a weight at w_min could then never leave it."),
        ):  # fmt: skip
            if np.allclose(found, slip, rtol=1e-6, atol=1e-9):
                raise Wrong(words)
        shown = f"up {up[1, 1]:.3f}, down {down[1, 1]:.3f}, weight {weight[1, 1]:.3f}"
        wanted = up[1, 1] * above[1, 1] - down[1, 1] * below[1, 1]
        raise Wrong(
            f"For {shown} between {w_min:.2f} and {w_max:.2f} you return {found[1, 1]:+.4f}; "
            f"the definition gives {wanted:+.4f}."
        )
