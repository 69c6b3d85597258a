"""Three-factor plasticity: pairs of spikes mark a synapse, a later reward writes the mark in."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from jarvis.lif import exp_decay
from jarvis.plasticity import PairState, PairSTDP


class ThreeFactorState(NamedTuple):
    """What a three-factor rule remembers."""

    traces: PairState  #: of the pair rule
    eligibility: Tensor  #: ``[B, n_post, n_pre]``: changes that wait for a reward
    reward: Tensor  #: ``[B]``: what is left of the rewards so far (with `tau_reward`)


@dataclass(frozen=True, kw_only=True)
class ThreeFactorSTDP:
    r"""Reward-modulated STDP: what a pair of spikes would change waits for a reward.

    Each step, in this order::

        e = exp(-dt/tau_eligibility) e + (changes by the pair rule, without bounds)
        m = reward                                                (without tau_reward)
        m = exp(-dt/tau_reward) m + (1 - exp(-dt/tau_reward)) reward
        dw = m e,  within the pair rule's bounds

    So a pair may be as old as `tau_eligibility` and is still rewarded or punished; without reward
    nothing changes. The factor before the reward lets a reward of 1 amount to 1 in all, however
    long it acts. Soft bounds act on `dw`: a change up is scaled by ``w_max - w``, one down by
    ``w - w_min``. Each sample has its own eligibility and reward; the weight moves by the mean.

    Give as reward the *surprise*, reward minus expected reward: with a mean other than 0 the pair
    rule learns on its own beside it.

    Args:
        pair: the rule for pairs, with its bounds.
        tau_eligibility: how long a pair waits, ms.
        tau_reward: how long a reward acts, ms; None: only in its own step.

    Raises:
        ValueError: for a value outside its range; the message names it.

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
        for name in ("tau_eligibility", "tau_reward"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name}={value!r} ms must be positive and finite")

    def initial_state(self, pre: Tensor, post: Tensor) -> ThreeFactorState:
        """Nothing fired, nothing waits: for spikes like ``[B, n_pre]`` and ``[B, n_post]``."""
        eligibility = post.new_zeros(*post.shape, pre.shape[-1])
        return ThreeFactorState(
            self.pair.initial_state(pre, post), eligibility, pre.new_zeros(len(pre))
        )

    def _check(
        self, reward: Tensor, pre: Tensor, state: ThreeFactorState | None, axes: str
    ) -> None:
        if not isinstance(reward, Tensor) or not reward.is_floating_point():
            kind = reward.dtype if isinstance(reward, Tensor) else type(reward).__name__
            raise TypeError(f"reward must be a floating-point tensor [{axes}], not {kind}")
        if reward.shape != pre.shape[:-1]:
            raise ValueError(
                f"reward must be [{axes}] = {tuple(pre.shape[:-1])}; got {tuple(reward.shape)}"
            )
        if not torch.isfinite(reward).all():
            raise ValueError("reward holds NaN or infinite values")
        if state is not None and len(state.eligibility) != pre.shape[-2]:
            raise ValueError(
                f"state.eligibility holds {len(state.eligibility)} samples, but there are "
                f"{pre.shape[-2]}: take state=None for a new batch"
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
            weight: ``[n_post, n_pre]``; it is read, not changed.
            state: traces, eligibility and rewards before the step; None for none.

        Returns:
            the change of the weight ``[n_post, n_pre]``, bounds included, and the new state.

        Raises:
            ValueError: for shapes that do not fit, NaN, or weights outside their bounds.
            TypeError: for tensors that are not floating-point.
        """
        self.pair._check(pre, post, weight, "B, n")
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

        Returns the weight after them ``[n_post, n_pre]`` (the one given stays as it is) and the
        state. Raises as `step` does.
        """
        self.pair._check(pre, post, weight, "T, B, n")
        self._check(reward, pre, state, "T, B")
        if state is None and len(pre):
            state = self.initial_state(pre[0], post[0])
        for pre_t, post_t, reward_t in zip(pre, post, reward, strict=True):
            assert state is not None
            change, state = self._step(pre_t, post_t, reward_t, weight, state)
            weight = self.pair._apply(weight, change)
        return weight.clone(), state
