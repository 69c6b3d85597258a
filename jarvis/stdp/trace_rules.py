"""Spike-timing-dependent plasticity with traces: pair, triplet and three-factor rules.

A trace summarises the recent spikes of a neuron in one number, so that a rule sums over all pairs
of spikes without enumerating them. Every rule processes a step in this order:

1. all traces decay over the step;
2. the input spikes of this step are added to the trace that output spikes read;
3. output spikes potentiate and input spikes depress, each in proportion to the trace they read;
4. all spikes are added to the other traces.

An input spike of step t thus counts as *before* an output spike of the same step, with an interval
of 0 ms: a `LIFLayer` responds to the input of step t within step t. ``same_step="ignored"``
performs (2) after (3), so that such a pair has no effect.

Weights are ``[n_post, n_pre]``, and the spikes of a step are ``[B, n]``. The weight changes by the
mean over the B samples. No gradients are recorded. `PairSTDP` sums over pairs of spikes,
`TripletSTDP` also takes a third spike into account, and `ThreeFactorSTDP` keeps an eligibility
trace until a reward arrives.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from jarvis.neurons.decay import exp_decay
from jarvis.support.checks import (
    check_choice,
    check_number,
    check_tensor,
    check_type,
    check_values,
)

INTERACTIONS = ("all", "nearest")

BOUNDS = ("hard", "soft", "none")

SAME_STEP = ("causal", "ignored")


class PairState(NamedTuple):
    """The traces of a pair rule: how recently each neuron has fired."""

    pre: Tensor  #: ``[B, n_pre]``, decays with `tau_plus`
    post: Tensor  #: ``[B, n_post]``, decays with `tau_minus`


@dataclass(frozen=True, kw_only=True)
class TraceRule:
    """What the rules share: time step, pairing of spikes, bounds, and the time loop."""

    dt: float = 1.0
    interaction: str = "all"
    bounds: str = "hard"
    w_min: float = 0.0
    w_max: float = 1.0
    same_step: str = "causal"

    def __post_init__(self) -> None:
        check_choice("interaction", self.interaction, INTERACTIONS)
        check_choice("bounds", self.bounds, BOUNDS)
        check_choice("same_step", self.same_step, SAME_STEP)
        for name, value in vars(self).items():  # including those of the subclass
            if name == "dt" or (name.startswith("tau") and value is not None):
                check_number(name, value, "ms", above=0)
            elif name.startswith("a"):
                check_number(name, value, at_least=0, why="it is a size")
        for name in ("w_min", "w_max"):
            check_type(name, getattr(self, name), Real, "a number")
        if not (math.isfinite(self.w_min) and self.w_min < self.w_max < math.inf):
            raise ValueError(f"w_min={self.w_min!r} must be below w_max={self.w_max!r}")

    def _decayed(self, trace: Tensor, tau: float) -> Tensor:
        return exp_decay(tau, self.dt) * trace

    def _with(self, trace: Tensor, spikes: Tensor) -> Tensor:
        """The trace after these spikes: incremented, or set to 1 by the most recent spike."""
        return trace + spikes if self.interaction == "all" else torch.where(spikes > 0, 1.0, trace)

    def _moved(self, weight: Tensor, up: Tensor | float, down: Tensor | float) -> Tensor:
        """The weight change, within the bounds, from potentiation and depression, both >= 0."""
        if self.bounds == "soft":
            up, down = up * (self.w_max - weight), down * (weight - self.w_min)
        change = torch.as_tensor(up - down)
        if self.bounds == "none":
            return change
        return torch.clamp(weight + change, self.w_min, self.w_max) - weight

    def _apply(self, weight: Tensor, change: Tensor) -> Tensor:
        moved = weight + change
        # The change already respects the bounds, but the sum may round to just beyond them.
        return moved if self.bounds == "none" else moved.clamp(self.w_min, self.w_max)

    def _check(self, pre: Tensor, post: Tensor, weight: Tensor, axes: str) -> None:
        """Check shapes and types, and refuse NaN, for one step (axes "B") or a run ("T, B")."""
        check_tensor("pre", pre, f"[{axes}, n_pre]")
        check_tensor("post", post, f"[{_sized(axes, pre)}, n_post]")
        check_tensor("weight", weight, f"[n_post={post.shape[-1]}, n_pre={pre.shape[-1]}]")
        for name, x in (("pre", pre), ("post", post), ("weight", weight)):
            check_values(name, x)
        if self.bounds != "none" and weight.numel():
            # The sum of changes by `step` may round to just beyond a bound.
            slack = 1e-5 * (self.w_max - self.w_min)
            low, high = weight.aminmax()
            if low < self.w_min - slack or high > self.w_max + slack:
                raise ValueError(
                    f"weight spans [{low:.4g}, {high:.4g}], not within [w_min, w_max] = "
                    f'[{self.w_min:g}, {self.w_max:g}]: clamp it first, or use bounds="none"'
                )

    def _state(self, state: Any, pre: Tensor, post: Tensor) -> Any:
        """The given state, after a check; None: the initial state."""
        fresh = self.initial_state(pre, post)
        if state is None:
            return fresh
        for name, wanted, found in zip(fresh._fields, fresh, state, strict=True):
            if wanted.shape != found.shape:
                raise ValueError(
                    f"state.{name} is {tuple(found.shape)}, but these spikes need "
                    f"{tuple(wanted.shape)}: pass state=None for a new batch"
                )
        return state

    def initial_state(self, pre: Tensor, post: Tensor) -> Any:
        """Zero traces for spikes shaped ``[B, n_pre]`` and ``[B, n_post]``."""
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
            weight: ``[n_post, n_pre]``; not modified.
            state: the traces before the step; None for zero traces.

        Returns:
            the weight change ``[n_post, n_pre]``, limited by the bounds, and the new state.

        Raises:
            ValueError: for shapes that do not match, NaN, or weights outside their bounds.
            TypeError: for tensors that are not floating-point.
        """
        self._check(pre, post, weight, "B")
        return self._step(pre, post, weight, self._state(state, pre, post))

    @torch.no_grad()
    def run(
        self, pre: Tensor, post: Tensor, weight: Tensor, state: Any = None
    ) -> tuple[Tensor, Any]:
        """All steps of two spike trains ``[T, B, n_pre]`` and ``[T, B, n_post]``.

        Returns the final weight ``[n_post, n_pre]`` (`weight` is not modified) and the final state.
        If the output spikes depend on the weight, call `step` in your own loop instead. The errors
        are the same as in `step`.
        """
        self._check(pre, post, weight, "T, B")
        if len(pre):
            state = self._state(state, pre[0], post[0])
        return self._run(self._step, (pre, post), weight, state)

    def _run(
        self, step: Callable[..., Any], trains: tuple[Tensor, ...], weight: Tensor, state: Any
    ) -> tuple[Tensor, Any]:
        """The weight and the state after all steps of the trains ``[T, ...]``."""
        for now in zip(*trains, strict=True):
            change, state = step(*now, weight, state)
            weight = self._apply(weight, change)
        return weight.clone(), state


def _sized(axes: str, x: Tensor) -> str:
    """The names of the first axes of x with their sizes, such as "T=5, B=2"."""
    return ", ".join(f"{name}={n}" for name, n in zip(axes.split(", "), x.shape, strict=False))


def outer(post: Tensor, pre: Tensor) -> Tensor:
    """Outer product of ``[B, n_post]`` and ``[B, n_pre]``, averaged over B: ``[n_post, n_pre]``."""
    return post.T @ pre / len(pre)


@dataclass(frozen=True, kw_only=True)
class PairSTDP(TraceRule):
    r"""Pair-based STDP: pre before post potentiates, post before pre depresses.

    Each pair of spikes with the interval ``s = t_post - t_pre`` changes the weight by::

        s >= 0:  dw = +a_plus  exp(-s / tau_plus)
        s <  0:  dw = -a_minus exp( s / tau_minus)

    With soft bounds, these changes are multiplied by ``(w_max - w)`` and ``(w - w_min)``,
    respectively. The defaults are those of Song et al., relative to ``w_max = 1``; depression
    slightly outweighs potentiation.

    Args:
        a_plus, a_minus: amplitudes, in units of the weight (both at least 0).
        tau_plus, tau_minus: time constants of the window, ms.
        dt: time step, ms.
        interaction: "all": every pair contributes. "nearest": an output spike is paired only with
            the last input spike before it, and an input spike only with the last output spike
            before it.
        bounds: "hard" (additive, clipped at `w_min` and `w_max`), "soft" (multiplicative: changes
            shrink towards the bound) or "none".
        w_min, w_max: the bounds.
        same_step: "causal" or "ignored"; see the module docstring.

    Raises:
        ValueError: for a value outside its range; the message names the parameter.

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
        """Zero traces for spikes shaped ``[B, n_pre]`` and ``[B, n_post]``."""
        return PairState(torch.zeros_like(pre), torch.zeros_like(post))

    def _read(
        self, pre: Tensor, post: Tensor, state: PairState
    ) -> tuple[tuple[Tensor, Tensor], PairState]:
        """The traces that output spikes (potentiation) and input spikes read, and the new state."""
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
    """The closed-form weight change caused by one pair of spikes.

    Args:
        rule: a pair rule.
        delta_t: ``t_post - t_pre``, ms; any shape.
        weight: the weight before the pair; required for soft bounds. Hard bounds are ignored.

    Returns:
        the change, shaped like `delta_t`. The value at ``delta_t = 0`` is for two spikes in the
        same step.

    Raises:
        ValueError: for soft bounds without a weight.

    Example:
        >>> stdp_window(PairSTDP(a_plus=1.0, a_minus=0.5), [-20.0, 0.0, 20.0]).round(3).tolist()
        [-0.184, 1.0, 0.368]
    """
    check_type("stdp_window: rule", rule, PairSTDP)
    try:
        s = np.asarray(delta_t, dtype=float)
    except (TypeError, ValueError) as error:
        kind = type(delta_t).__name__
        raise TypeError(f"stdp_window: delta_t must be numbers, ms, not {kind}") from error
    if np.isnan(s).any():
        raise ValueError("stdp_window: delta_t must not be NaN")
    up, down = rule.a_plus, rule.a_minus
    if rule.bounds == "soft":
        if weight is None:
            raise ValueError('stdp_window: with bounds="soft" it depends on `weight`: give one')
        up, down = up * (rule.w_max - weight), down * (weight - rule.w_min)
    causal = s >= 0 if rule.same_step == "causal" else s > 0
    change = np.where(
        causal, up * np.exp(-np.abs(s) / rule.tau_plus), -down * np.exp(-np.abs(s) / rule.tau_minus)
    )
    return np.where((s == 0) & ~causal, 0.0, change)


class TripletState(NamedTuple):
    """The traces of the triplet rule: r1, r2, o1, o2 of Pfister & Gerstner."""

    pre: Tensor  #: r1 ``[B, n_pre]``, decays with `tau_plus`
    pre_slow: Tensor  #: r2 ``[B, n_pre]``, decays with `tau_x`
    post: Tensor  #: o1 ``[B, n_post]``, decays with `tau_minus`
    post_slow: Tensor  #: o2 ``[B, n_post]``, decays with `tau_y`


@dataclass(frozen=True, kw_only=True)
class TripletSTDP(TraceRule):
    r"""Triplet STDP: the second output spike of a burst potentiates more.

    Each presynaptic neuron has two traces, r1 (tau_plus) and r2 (tau_x), and each postsynaptic
    neuron has two traces, o1 (tau_minus) and o2 (tau_y)::

        at an output spike:  w += r1 (a2_plus  + a3_plus  o2)
        at an input spike:   w -= o1 (a2_minus + a3_minus r2)

    where o2 and r2 do not yet include the spike itself. If both `a3` are 0, this is the pair rule.
    The defaults are the minimal all-to-all model of visual cortex; `from_paper` provides the
    others.

    Args:
        a2_plus, a2_minus: pair terms, in units of the weight.
        a3_plus, a3_minus: triplet terms.
        tau_plus, tau_minus: time constants of the pair terms, ms.
        tau_x, tau_y: time constants of the slow pre- and postsynaptic traces, ms.
        dt, interaction, bounds, w_min, w_max, same_step: as in `PairSTDP`.

    Raises:
        ValueError: for a value outside its range; the message names the parameter.

    Source: Pfister & Gerstner 2006, J. Neurosci. 26(38):9673, eqs. 2-4.

    Example:
        >>> rule = TripletSTDP.from_paper("visual_cortex", minimal=True, bounds="none")
        >>> rule.a3_plus, rule.tau_y
        (0.0065, 114.0)
    """

    a2_plus: float = 0.0
    a3_plus: float = 6.5e-3
    a2_minus: float = 7.1e-3
    a3_minus: float = 0.0
    tau_plus: float = 16.8
    tau_x: float = 101.0
    tau_minus: float = 33.7
    tau_y: float = 114.0

    @staticmethod
    def from_paper(
        name: str, *, interaction: str = "all", minimal: bool = False, **options: Any
    ) -> "TripletSTDP":
        """A published parameter set; weight changes are relative to the initial weight.

        Args:
            name: "visual_cortex" (fitted to Sjostrom et al. 2001) or "hippocampus" (cultures,
                Wang et al. 2005).
            interaction: "all" or "nearest".
            minimal: True: the model with as many terms set to 0 as the data allow.
            **options: further arguments, such as `dt`.

        Raises:
            ValueError: for an unknown name; the message lists the known ones.

        Source: Pfister & Gerstner 2006, tables of fitted parameters.
        """
        key = (name, interaction, bool(minimal))
        if key not in _PUBLISHED:
            known = sorted({k[0] for k in _PUBLISHED})
            raise ValueError(
                f"from_paper: no set for name={name!r}, interaction={interaction!r}: names are "
                f"{', '.join(known)}, interactions {', '.join(INTERACTIONS)}"
            )
        names = ("a2_plus", "a3_plus", "a2_minus", "a3_minus", "tau_x", "tau_y")
        rule = TripletSTDP(
            interaction=interaction, **dict(zip(names, _PUBLISHED[key], strict=True))
        )
        return replace(rule, **options)

    def initial_state(self, pre: Tensor, post: Tensor) -> TripletState:
        """Zero traces for spikes shaped ``[B, n_pre]`` and ``[B, n_post]``."""
        r, o = torch.zeros_like(pre), torch.zeros_like(post)
        return TripletState(r, r, o, o)

    def _step(self, pre: Tensor, post: Tensor, weight: Tensor, state: TripletState):
        taus = (self.tau_plus, self.tau_x, self.tau_minus, self.tau_y)
        r1, r2, o1, o2 = (self._decayed(x, tau) for x, tau in zip(state, taus, strict=True))
        after = TripletState(
            self._with(r1, pre), self._with(r2, pre), self._with(o1, post), self._with(o2, post)
        )
        read = after.pre if self.same_step == "causal" else r1
        up = outer(post * (self.a2_plus + self.a3_plus * o2), read)
        down = outer(o1, pre * (self.a2_minus + self.a3_minus * r2))
        return self._moved(weight, up, down), after


# (a2_plus, a3_plus, a2_minus, a3_minus, tau_x, tau_y); tau_x has no effect where a3_minus is 0.
_PUBLISHED = {
    ("visual_cortex", "all", False): (5e-10, 6.2e-3, 7e-3, 2.3e-4, 101.0, 125.0),
    ("visual_cortex", "all", True): (0.0, 6.5e-3, 7.1e-3, 0.0, 101.0, 114.0),
    ("visual_cortex", "nearest", False): (8.8e-11, 5.3e-2, 6.6e-3, 3.1e-3, 714.0, 40.0),
    ("visual_cortex", "nearest", True): (0.0, 5e-2, 8e-3, 0.0, 714.0, 40.0),
    ("hippocampus", "all", False): (6.1e-3, 6.7e-3, 1.6e-3, 1.4e-3, 946.0, 27.0),
    ("hippocampus", "all", True): (5.3e-3, 8e-3, 3.5e-3, 0.0, 946.0, 40.0),
    ("hippocampus", "nearest", False): (4.6e-3, 9.1e-3, 3e-3, 7.5e-9, 575.0, 47.0),
    ("hippocampus", "nearest", True): (4.6e-3, 9.1e-3, 3e-3, 0.0, 575.0, 48.0),
}


class ThreeFactorState(NamedTuple):
    """The state of a three-factor rule."""

    traces: PairState  #: traces of the pair rule
    eligibility: Tensor  #: ``[B, n_post, n_pre]``: eligibility trace of each synapse
    reward: Tensor  #: ``[B]``: low-pass filtered reward (with `tau_reward`)


@dataclass(frozen=True, kw_only=True)
class ThreeFactorSTDP:
    r"""Reward-modulated STDP: pairs of spikes leave an eligibility trace until a reward arrives.

    Each step, in this order::

        e = exp(-dt/tau_eligibility) e + (changes by the pair rule, without bounds)
        m = reward                                                (without tau_reward)
        m = exp(-dt/tau_reward) m + (1 - exp(-dt/tau_reward)) reward
        dw = m e,  within the bounds of the pair rule

    A pair of spikes can thus be rewarded or punished within about `tau_eligibility`; without a
    reward nothing changes. The factor in front of the reward makes the total effect of a reward of
    1 independent of `tau_reward`. Soft bounds act on `dw`: potentiation is scaled by ``w_max - w``,
    depression by ``w - w_min``. Each sample has its own eligibility and reward; the weight changes
    by the mean over samples.

    Pass the *reward prediction error* (reward minus expected reward) as the reward: if the passed
    values do not average 0, the weights also change by the pair rule alone, regardless of reward.

    Args:
        pair: the rule for pairs, with its bounds.
        tau_eligibility: time constant of the eligibility trace, ms.
        tau_reward: time constant of the reward, ms; None: a reward acts only in its own step.

    Raises:
        ValueError: for a value outside its range; the message names the parameter.

    Source: Izhikevich 2007, Cereb. Cortex 17:2443, eqs. 1-3 (1000 ms and 200 ms); Fremaux &
    Gerstner 2016, Front. Neural Circuits 9:85, section 2.

    Example:
        >>> rule = ThreeFactorSTDP(pair=PairSTDP(a_plus=0.1, a_minus=0.1), tau_eligibility=500.0)
        >>> pre, post, reward = torch.zeros(100, 1, 1), torch.zeros(100, 1, 1), torch.zeros(100, 1)
        >>> pre[5] = post[15] = 1  # the output fires 10 ms after the input,
        >>> reward[65] = 1  # and 50 ms later there is a reward
        >>> weight, _ = rule.run(pre, post, reward, torch.tensor([[0.5]]))
        >>> round(weight.item() - 0.5, 4), round(0.1 * math.exp(-10 / 20) * math.exp(-50 / 500), 4)
        (0.0549, 0.0549)
    """

    pair: PairSTDP = field(default_factory=PairSTDP)
    tau_eligibility: float = 1000.0
    tau_reward: float | None = None

    def __post_init__(self) -> None:
        check_number("tau_eligibility", self.tau_eligibility, "ms", above=0)
        if self.tau_reward is not None:
            check_number("tau_reward", self.tau_reward, "ms", above=0)

    def initial_state(self, pre: Tensor, post: Tensor) -> ThreeFactorState:
        """Zero traces, eligibility and reward for spikes ``[B, n_pre]`` and ``[B, n_post]``."""
        eligibility = post.new_zeros(*post.shape, pre.shape[-1])
        return ThreeFactorState(
            self.pair.initial_state(pre, post), eligibility, pre.new_zeros(len(pre))
        )

    def _check(
        self, reward: Tensor, pre: Tensor, state: ThreeFactorState | None, axes: str
    ) -> None:
        check_tensor("reward", reward, f"[{_sized(axes, pre)}]")
        check_values("reward", reward)
        if state is not None and len(state.eligibility) != pre.shape[-2]:
            raise ValueError(
                f"state.eligibility holds {len(state.eligibility)} samples, but there are "
                f"{pre.shape[-2]}: pass state=None for a new batch"
            )

    def _step(
        self, pre: Tensor, post: Tensor, reward: Tensor, weight: Tensor, state: ThreeFactorState
    ) -> tuple[Tensor, ThreeFactorState]:
        pair = self.pair
        (r, o), traces = pair._read(pre, post, state.traces)
        e = exp_decay(self.tau_eligibility, pair.dt) * state.eligibility
        e = e + pair.a_plus * post[:, :, None] * r[:, None, :]  # [B, n_post, n_pre]
        e = e - pair.a_minus * o[:, :, None] * pre[:, None, :]
        m = reward
        if self.tau_reward is not None:
            kept = exp_decay(self.tau_reward, pair.dt)
            m = kept * state.reward + (1.0 - kept) * reward
        asked = (m[:, None, None] * e).mean(0)
        change = pair._moved(weight, asked.clamp_min(0.0), (-asked).clamp_min(0.0))
        return change, ThreeFactorState(traces, e, m)

    @torch.no_grad()
    def step(
        self,
        pre: Tensor,
        post: Tensor,
        reward: Tensor,
        weight: Tensor,
        state: ThreeFactorState | None = None,
    ) -> tuple[Tensor, ThreeFactorState]:
        """One step of the rule.

        Args:
            pre: input spikes of this step ``[B, n_pre]``, 0 or 1.
            post: output spikes of this step ``[B, n_post]``, 0 or 1.
            reward: ``[B]``, any sign; mostly 0.
            weight: ``[n_post, n_pre]``; not modified.
            state: traces, eligibility and reward before the step; None for zeros.

        Returns:
            the weight change ``[n_post, n_pre]``, limited by the bounds, and the new state.

        Raises:
            ValueError: for shapes that do not match, NaN, or weights outside their bounds.
            TypeError: for tensors that are not floating-point.
        """
        self.pair._check(pre, post, weight, "B")
        self._check(reward, pre, state, "B")
        state = self.initial_state(pre, post) if state is None else state
        return self._step(pre, post, reward, weight, state)

    @torch.no_grad()
    def run(
        self,
        pre: Tensor,
        post: Tensor,
        reward: Tensor,
        weight: Tensor,
        state: ThreeFactorState | None = None,
    ) -> tuple[Tensor, ThreeFactorState | None]:
        """All steps of spike trains ``[T, B, n]`` with rewards ``[T, B]``.

        Returns the final weight ``[n_post, n_pre]`` (`weight` is not modified) and the final state.
        The errors are the same as in `step`.
        """
        self.pair._check(pre, post, weight, "T, B")
        self._check(reward, pre, state, "T, B")
        if state is None and len(pre):
            state = self.initial_state(pre[0], post[0])
        return self.pair._run(self._step, (pre, post, reward), weight, state)
