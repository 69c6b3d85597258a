"""Spike-timing dependent plasticity with traces: pairs of spikes, and what all trace rules share.

A trace remembers the recent spikes of a neuron in one number, so that a rule sums over all pairs
of spikes without listing them. Every rule works through a step in this order:

1. all traces decay over the step;
2. the input spikes of this step enter the trace that output spikes read;
3. output spikes potentiate by what they read, input spikes depress by what they read;
4. all spikes enter the other traces.

So an input spike of step t counts as *before* an output spike of the same step, at a distance of
0 ms: the input of step t is what a `LIFLayer` has answered to in step t. ``same_step="ignored"``
does (2) after (3), and such a pair changes nothing.

Weights are ``[n_post, n_pre]``, spikes ``[B, n]`` a step; the B samples move the weight by the mean
of what each asks for. No gradients are recorded. `triplet.py` looks at three spikes at a time,
`three_factor.py` waits for a reward.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from jarvis.lif import exp_decay

INTERACTIONS = ("all", "nearest")
BOUNDS = ("hard", "soft", "none")
SAME_STEP = ("causal", "ignored")


class PairState(NamedTuple):
    """The traces of a pair rule: how recently each neuron has fired."""

    pre: Tensor  #: ``[B, n_pre]``, decays with `tau_plus`
    post: Tensor  #: ``[B, n_post]``, decays with `tau_minus`


@dataclass(frozen=True, kw_only=True)
class TraceRule:
    """What the rules share: the step's length, who pairs with whom, bounds, and the time loop."""

    dt: float = 1.0
    interaction: str = "all"
    bounds: str = "hard"
    w_min: float = 0.0
    w_max: float = 1.0
    same_step: str = "causal"

    def __post_init__(self) -> None:
        choices = {"interaction": INTERACTIONS, "bounds": BOUNDS, "same_step": SAME_STEP}
        for name, value in vars(self).items():
            if name in choices:
                if value not in choices[name]:
                    raise ValueError(f"{name}={value!r} is not one of {', '.join(choices[name])}")
            elif name == "dt" or name.startswith("tau"):
                if value is not None and not (math.isfinite(value) and value > 0):
                    raise ValueError(f"{name}={value!r} ms must be positive and finite")
            elif name.startswith("a") and not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name}={value!r} is a size: it must be at least 0 and finite")
        if not (math.isfinite(self.w_min) and self.w_min < self.w_max < math.inf):
            raise ValueError(f"w_min={self.w_min!r} must be below w_max={self.w_max!r}")

    def _decayed(self, trace: Tensor, tau: float) -> Tensor:
        return exp_decay(tau, self.dt) * trace

    def _with(self, trace: Tensor, spikes: Tensor) -> Tensor:
        """The trace after these spikes: counted up, or only the last spike remembered."""
        return trace + spikes if self.interaction == "all" else torch.where(spikes > 0, 1.0, trace)

    def _moved(self, weight: Tensor, up: Tensor | float, down: Tensor | float) -> Tensor:
        """The change of a weight that is pushed up and down by these amounts, both >= 0."""
        if self.bounds == "soft":
            up, down = up * (self.w_max - weight), down * (weight - self.w_min)
        change = torch.as_tensor(up - down)
        if self.bounds == "none":
            return change
        return torch.clamp(weight + change, self.w_min, self.w_max) - weight

    def _apply(self, weight: Tensor, change: Tensor) -> Tensor:
        moved = weight + change
        # The change is already within bounds; a sum may still round to just beyond them.
        return moved if self.bounds == "none" else moved.clamp(self.w_min, self.w_max)

    def _check(self, pre: Tensor, post: Tensor, weight: Tensor, axes: str) -> None:
        """Shapes, types and NaN of one step (axes "B, n") or of a run ("T, B, n")."""
        rank = axes.count(",") + 1
        for name, x in (("pre", pre), ("post", post), ("weight", weight)):
            if not (isinstance(x, Tensor) and x.is_floating_point()):
                kind = x.dtype if isinstance(x, Tensor) else type(x).__name__
                raise TypeError(f"{name} must be a floating-point tensor, not {kind}: try .float()")
            if x.dim() != (2 if name == "weight" else rank):
                wanted = "n_post, n_pre" if name == "weight" else f"{axes}_{name}"
                raise ValueError(f"{name} must be [{wanted}]; got {tuple(x.shape)}")
            if not torch.isfinite(x).all():
                raise ValueError(f"{name} holds NaN or infinite values")
        if pre.shape[:-1] != post.shape[:-1]:
            raise ValueError(
                f"pre {tuple(pre.shape)} and post {tuple(post.shape)} must agree on [{axes[:-3]}]"
            )
        if weight.shape != (post.shape[-1], pre.shape[-1]):
            raise ValueError(
                f"weight must be [n_post, n_pre] = [{post.shape[-1]}, {pre.shape[-1]}] for "
                f"these spikes; got {tuple(weight.shape)}"
            )
        if self.bounds != "none":
            # Adding up the changes of `step` may round to just beyond a bound.
            slack = 1e-5 * (self.w_max - self.w_min)
            low, high = weight.min(), weight.max()
            if low < self.w_min - slack or high > self.w_max + slack:
                raise ValueError(
                    f"weight spans [{low:.4g}, {high:.4g}], not within [w_min, w_max] = "
                    f'[{self.w_min:g}, {self.w_max:g}]: clamp it first, or take bounds="none"'
                )

    def _state(self, state: Any, pre: Tensor, post: Tensor) -> Any:
        """The given state, checked, or a fresh one."""
        fresh = self.initial_state(pre, post)
        if state is None:
            return fresh
        for name, wanted, found in zip(fresh._fields, fresh, state, strict=True):
            if wanted.shape != found.shape:
                raise ValueError(
                    f"state.{name} is {tuple(found.shape)}, but these spikes need "
                    f"{tuple(wanted.shape)}: take state=None for a new batch"
                )
        return state

    def initial_state(self, pre: Tensor, post: Tensor) -> Any:
        """Traces of neurons that have never fired, for spikes like ``[B, n_pre], [B, n_post]``."""
        raise NotImplementedError

    def _step(self, pre: Tensor, post: Tensor, weight: Tensor, state: Any) -> tuple[Tensor, Any]:
        raise NotImplementedError

    @torch.no_grad()
    def step(
        self, pre: Tensor, post: Tensor, weight: Tensor, state: Any = None
    ) -> tuple[Tensor, Any]:
        """One step of the rule.

        Args:
            pre: input spikes of this step ``[B, n_pre]``, 0 or 1.
            post: output spikes of this step ``[B, n_post]``, 0 or 1.
            weight: ``[n_post, n_pre]``; it is read, not changed.
            state: the traces before the step; None for neurons that have never fired.

        Returns:
            the change of the weight ``[n_post, n_pre]``, bounds included, and the new state.

        Raises:
            ValueError: for shapes that do not fit, NaN, or weights outside their bounds.
            TypeError: for tensors that are not floating-point.
        """
        self._check(pre, post, weight, "B, n")
        return self._step(pre, post, weight, self._state(state, pre, post))

    @torch.no_grad()
    def run(
        self, pre: Tensor, post: Tensor, weight: Tensor, state: Any = None
    ) -> tuple[Tensor, Any]:
        """All steps of two spike trains ``[T, B, n_pre]`` and ``[T, B, n_post]``.

        Returns the weight after them ``[n_post, n_pre]`` (the one given stays as it is) and the
        state. For a rule whose output spikes depend on the weight, call `step` in your own loop.
        Raises as `step` does.
        """
        self._check(pre, post, weight, "T, B, n")
        if len(pre):
            state = self._state(state, pre[0], post[0])
        for pre_t, post_t in zip(pre.unbind(0), post.unbind(0), strict=True):
            change, state = self._step(pre_t, post_t, weight, state)
            weight = self._apply(weight, change)
        return weight.clone(), state


def outer(post: Tensor, pre: Tensor) -> Tensor:
    """``[n_post, n_pre]``: products of ``[B, n_post]`` and ``[B, n_pre]``, the mean over B."""
    return post.T @ pre / len(pre)


@dataclass(frozen=True, kw_only=True)
class PairSTDP(TraceRule):
    r"""Pair-based STDP: input before output potentiates, input after output depresses.

    Each pair of spikes at the distance ``s = t_post - t_pre`` moves the weight by::

        s >= 0:  dw = +a_plus  exp(-s / tau_plus)
        s <  0:  dw = -a_minus exp( s / tau_minus)

    times ``(w_max - w)`` and ``(w - w_min)`` with soft bounds. The defaults are Song's, relative to
    ``w_max = 1``; his depression slightly outweighs potentiation.

    Args:
        a_plus, a_minus: sizes of both, in units of the weight (both at least 0).
        tau_plus, tau_minus: how far both reach, ms.
        dt: time step, ms.
        interaction: "all": every pair counts. "nearest": an output spike pairs with the last input
            spike before it only, an input spike with the last output spike before it only.
        bounds: "hard" (additive, cut off at `w_min` and `w_max`), "soft" (multiplicative: changes
            shrink towards the bound) or "none".
        w_min, w_max: the bounds.
        same_step: "causal" or "ignored", see this file's first lines.

    Raises:
        ValueError: for a value outside its range; the message names it.

    Source: Song, Miller & Abbott 2000, Nat. Neurosci. 3:919; van Rossum, Bi & Turrigiano 2000,
    J. Neurosci. 20:8812 (soft bounds); Morrison, Diesmann & Gerstner 2008, Biol. Cybern. 98:459,
    section 4 (interactions).

    Example:
        >>> rule = PairSTDP(a_plus=0.1, a_minus=0.1)
        >>> pre, post = torch.zeros(30, 1, 1), torch.zeros(30, 1, 1)
        >>> pre[5] = post[15] = 1  # the output fires 10 ms after the input
        >>> weight, _ = rule.run(pre, post, torch.tensor([[0.5]]))
        >>> round(weight.item() - 0.5, 4), round(0.1 * math.exp(-10 / 20), 4)
        (0.0607, 0.0607)
    """

    a_plus: float = 0.005
    a_minus: float = 0.00525
    tau_plus: float = 20.0
    tau_minus: float = 20.0

    def initial_state(self, pre: Tensor, post: Tensor) -> PairState:
        """Traces of neurons that have never fired, for spikes like ``[B, n_pre], [B, n_post]``."""
        return PairState(torch.zeros_like(pre), torch.zeros_like(post))

    def _read(
        self, pre: Tensor, post: Tensor, state: PairState
    ) -> tuple[tuple[Tensor, Tensor], PairState]:
        """What output spikes read (potentiation), what input spikes read, and the new traces."""
        r, o = self._decayed(state.pre, self.tau_plus), self._decayed(state.post, self.tau_minus)
        after = PairState(self._with(r, pre), self._with(o, post))
        return (after.pre if self.same_step == "causal" else r, o), after

    def _step(self, pre: Tensor, post: Tensor, weight: Tensor, state: PairState):
        (r, o), after = self._read(pre, post, state)
        up, down = self.a_plus * outer(post, r), self.a_minus * outer(o, pre)
        return self._moved(weight, up, down), after


def stdp_window(
    rule: PairSTDP, delta_t: ArrayLike, weight: float | None = None
) -> np.ndarray[Any, Any]:
    """The change of a weight by one pair of spikes, in closed form.

    Args:
        rule: a pair rule.
        delta_t: ``t_post - t_pre``, ms; any shape.
        weight: the weight before the pair; needed with soft bounds. Hard bounds are left out.

    Returns:
        the change, shaped like `delta_t`. At 0 it is that of a pair within one step.

    Raises:
        ValueError: for soft bounds without a weight.

    Example:
        >>> stdp_window(PairSTDP(a_plus=1.0, a_minus=0.5), [-20.0, 0.0, 20.0]).round(3).tolist()
        [-0.184, 1.0, 0.368]
    """
    s = np.asarray(delta_t, dtype=float)
    up, down = rule.a_plus, rule.a_minus
    if rule.bounds == "soft":
        if weight is None:
            raise ValueError('stdp_window: with bounds="soft" it depends on the weight: give one')
        up, down = up * (rule.w_max - weight), down * (weight - rule.w_min)
    causal = s >= 0 if rule.same_step == "causal" else s > 0
    change = np.where(
        causal, up * np.exp(-np.abs(s) / rule.tau_plus), -down * np.exp(-np.abs(s) / rule.tau_minus)
    )
    return np.where((s == 0) & ~causal, 0.0, change)
