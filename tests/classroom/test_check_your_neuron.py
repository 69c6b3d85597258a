"""Lesson 604's checks: right answers pass, and each mistake is told by its name."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from jarvis.classroom.check import your_neuron as check
from jarvis.neurons import Parameters, SpikingLayer, define, derived, exp_decay, parameter

SEEDS = range(3)


def map_by(
    *,
    early=False,
    of_the_new=False,
    strict=False,
    bounded=True,
    plus=1.0,
    sigma=1.0,
    sign=1.0,
    with_x=True,
    inside=True,
    new_u=False,
    new_y=False,
):
    """A map's step, right or with one mistake."""

    def step(x, state, p, spike):
        x = x if with_x else 0 * x
        u, y = state.u, state.y
        slow = y - sign * p.mu * (u + plus - sigma * p.sigma)
        y = slow if new_y else y
        border = p.alpha + y + x
        fires = u > border if strict else u >= border
        added = x if inside else 0 * x
        low = p.alpha / (1 - (u.clamp_max(0.0) if bounded else u)) + y + added
        after = torch.where(fires, -1.0, torch.where(u <= 0, low, p.alpha + y + added))
        s = spike(u, border)
        if strict:
            s = s * fires
        if early:
            s = spike(u, 0.0) * (u > 0)
        if of_the_new:
            s = spike(after, border)
        if new_u:
            slow = y - p.mu * (after + 1 - p.sigma)
        return s, state._replace(u=after, y=slow)

    return step


def nested(x, state, p, spike):
    """The same in another way."""
    s = spike(state.u - p.alpha - state.y - x, 0.0)
    fast = p.alpha / (1 + torch.relu(-state.u)) + state.y + x
    return s, state._replace(u=torch.where(s == 1, -1.0, fast), y=check._slow(*state, p))


def by_if(x, state, p, spike):
    s = spike(state.u, p.alpha + state.y + x)
    return s, state._replace(u=-s if state.u > 0 else s)


def ungraded(x, state, p, spike):
    s, after = map_by()(x, state, p, spike)
    return s.detach(), after


def doubled(x, state, p, spike):
    s, after = map_by()(x, state, p, spike)
    return s, after._replace(u=2 * after.u)


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.map_step(map_by(), seed=seed)
    assert check.map_step(nested, seed=seed)
    assert check.step_back(step_back(), seed=seed)
    assert check.step_back(by_autograd, seed=seed)
    assert check.soft_leak(soft(opened), seed=seed)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (map_by(new_u=True), "uses the new u"),
        (map_by(new_y=True), "uses the new y"),
        (map_by(with_x=False), "The input is missing: y' = y + x"),
        (map_by(inside=False), "missing in the new u"),
        (map_by(strict=True), ">=, not >"),
        (map_by(early=True), "wherever u > 0"),
        (map_by(of_the_new=True), "by the new u"),
        (map_by(sign=-1.0), "sign of mu"),
        (map_by(sigma=-1.0), "sign of sigma"),
        (map_by(plus=0.0), "The 1 is missing"),
        (map_by(bounded=False), "the gradient is NaN for u = 1"),
        (doubled, "u is wrong for"),
        (ungraded, "no gradient passes through s"),
        (by_if, "torch.where(condition, a, b)"),
        (lambda x, state, p, spike: x, "two things"),
        (lambda x, state, p, spike: (state, x), "first the spikes"),
    ],
)
def test_map_step(answer, words):
    for seed in SEEDS:
        assert words in check.map_step(answer, seed=seed).words


def step_back(
    *,
    bump=lambda h, k: 1 / (1 + k * (h - 1).abs()) ** 2,
    is_open=lambda v, knee: v > knee,
    fires=lambda h: h >= 1,
    reset=True,
    in_graph=False,
    swapped=False,
    by_h=False,
    factor="v",
    split=True,
    order=1,
    leaks=True,
):
    """The backward step, right or with one mistake."""

    def answer(g_s, g_v, x, v, decay, decay_open, knee, slope):
        chosen = is_open(v, knee)
        low, high = (decay_open, decay) if swapped else (decay, decay_open)
        leak = torch.where(chosen, high, low)
        h = leak * v + x
        if by_h:
            chosen = is_open(h, knee)
            leak = torch.where(chosen, high, low)
        s = fires(h).double()
        g_h = g_v * ((1 - s) if reset else 1) + g_s * bump(h, slope)
        if in_graph:
            g_h = g_h - g_v * h * bump(h, slope)
        g = g_h * (v if factor == "v" else h)
        keep = ~chosen if swapped else chosen
        parts = [torch.where(keep, 0.0, g), torch.where(keep, g, 0.0)] if split else [g, g]
        return g_h, g_h * (leak if leaks else 1.0), *parts[::order]

    return answer


def by_autograd(g_s, g_v, x, v, decay, decay_open, knee, slope):
    x, v = x.clone().requires_grad_(), v.clone().requires_grad_()
    slow, fast = (torch.full_like(x, d).requires_grad_() for d in (decay, decay_open))
    h = torch.where(v > knee, fast, slow) * v + x
    s = (h >= 1).double()
    bump = (1 / (1 + slope * (h - 1).abs()) ** 2).detach()
    return torch.autograd.grad((g_v * h * (1 - s) + g_s * bump * h).sum(), (x, v, slow, fast))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (step_back(bump=lambda h, k: 0 * h), "The surrogate is missing"),
        (step_back(bump=lambda h, k: 1 + 0 * h), "derivative of the spike as 1"),
        (step_back(bump=lambda h, k: 1 / (1 + k * (h - 1).abs())), "squared"),
        (step_back(bump=lambda h, k: 1 / (1 + (h - 1).abs()) ** 2), "The slope k is missing"),
        (step_back(in_graph=True), "The reset is detached here"),
        (step_back(reset=False), "The factor 1 - s is missing"),
        (step_back(fires=lambda h: h > 1), "At h = 1 exactly"),
        (step_back(is_open=lambda v, knee: v >= knee), "At v = knee exactly"),
        (step_back(swapped=True), "exchanged"),
        (step_back(by_h=True), "not by h"),
        (step_back(factor="h"), "not times h"),
        (step_back(split=False), "Both leaks get"),
        (step_back(order=-1), "wrong order"),
        (step_back(leaks=False), "passes the leak"),
        (step_back(bump=lambda h, k: k / (1 + k * (h - 1).abs()) ** 2), "g_x is wrong for"),
        (lambda *given: given[:3], "Return four things"),
        (lambda *given: [0.0] * 4, "should have the shape"),
    ],
)
def test_step_back(answer, words):
    for seed in SEEDS:
        assert words in check.step_back(answer, seed=seed).words


class State(NamedTuple):
    v: Tensor


@dataclass(frozen=True)
class HardParams(Parameters):
    tau: float | Tensor = parameter(20.0, "ms", above=0)
    tau_open: float | Tensor = parameter(5.0, "ms", above=0)
    knee: float | Tensor = parameter(0.5, above=0, below=1)
    dt: float = parameter(1.0, "ms", above=0, fixed=True)

    @derived
    def decay(self):
        return exp_decay(self.tau, self.dt)

    @derived
    def decay_open(self):
        return exp_decay(self.tau_open, self.dt)


@dataclass(frozen=True)
class SoftParams(HardParams):
    width: float | Tensor = parameter(0.1, above=0)


@dataclass(frozen=True)
class UnboundedParams(HardParams):
    width: float | Tensor = parameter(0.1)


def opened(v, p):
    return torch.sigmoid((v - p.knee) / p.width)


def soft(rule, params=SoftParams, decays=None):
    def step(x, state, p, spike):
        a = rule(state.v, p)
        leak = p.decay + a * (p.decay_open - p.decay) if decays is None else decays(a, p)
        h = leak * state.v + x
        s = spike(h, 1.0)
        return s, State(h * (1.0 - spike.reset(s)))

    return define(step, params, State, rest=lambda p: State(0.0))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (soft(lambda v, p: torch.where(v > p.knee, 1.0, 0.0 * v)), "still the hard knee"),
        (soft(lambda v, p: torch.sigmoid((p.knee - v) / p.width)), "closes above the knee"),
        (soft(lambda v, p: torch.sigmoid(v - p.knee)), "The width is missing"),
        (soft(lambda v, p: torch.sigmoid((v - p.knee) * p.width)), "Divide by the width"),
        (
            soft(opened, decays=lambda a, p: torch.exp(-1 / (p.tau + a * (p.tau_open - p.tau)))),
            "Mix the two decays",
        ),
        (soft(lambda v, p: opened(v, p) ** 2), "not those of decay + a"),
        (soft(lambda v, p: opened(v, p).detach()), "is 0"),
        (soft(opened, UnboundedParams), "width=0 is accepted"),
        (soft(lambda v, p: v, HardParams), "no parameter `width`"),
        (SpikingLayer(soft(opened)()), "That is a layer"),
        (SoftParams, "These are the parameters"),
        (np.exp, "the kind of neuron that `define` returns, not a"),
    ],
)
def test_soft_leak(answer, words):
    for seed in SEEDS:
        assert words in check.soft_leak(answer, seed=seed).words
