"""Checks of lesson 501: spike time and threshold, a silent neuron, an after-current."""

import numpy as np
import torch

from jarvis.classroom.check.verdict import Wrong, array, exercise, near, number
from jarvis.spatial.first_spike import FirstSpikeParams, first_spikes

WAKE_STEPS = 150  #: training steps within which a loss must make a silent neuron fire


@exercise(
    1,
    hints=(
        "Raise the threshold a little: how much farther does v have to rise, and how fast does it "
        "rise?",
        "Set v_dot dT = d theta, with the v_dot of section 2: the current at the spike minus the "
        "leak.",
        "dT/d theta is 1 / v_dot, with v_dot = w y^2 - 1 / tau and y = exp(-T / tau) of section 1.",
    ),
)
def by_threshold(answer, rng) -> None:
    """`by_threshold(w, tau) -> dT/dtheta (ms)` at a threshold of 1, for an array of weights."""
    for _ in range(3):
        tau = rng.uniform(5, 9)
        w = 4 / tau * rng.uniform(1.05, 2.5, 6)
        found = array(answer(w, tau), w.shape, "dT/dtheta")
        expected, slips = _threshold(w, tau)
        if np.allclose(found, expected, rtol=1e-4):
            continue
        for slip, words in slips:
            if np.allclose(found, slip, rtol=1e-3):
                raise Wrong(words)
        raise Wrong(
            f"For w = {w[0]:.3f} and tau = {tau:.2f} ms you return {found[0]:.3f} ms; "
            f"the definition gives {expected[0]:.3f} ms."
        )


def _threshold(w: np.ndarray, tau: float) -> tuple[np.ndarray, list[tuple[np.ndarray, str]]]:
    """dT/dtheta = 1 / (dv/dt), and common wrong answers."""

    def speed(tau):  # dv/dt at the crossing: the remaining current minus the leak of v = 1
        y = (1 + np.sqrt(1 - 4 / (tau * w))) / 2
        return w * y * y - 1 / tau

    v_dot = speed(tau)
    return 1 / v_dot, [
        (-1 / v_dot, "The size is right, but the sign is wrong: a higher threshold is reached "
        "later."),
        (v_dot, "That is how fast v rises there. How long does v take to rise by dtheta?"),
        (-1 / (w * v_dot), "That is dT/dw. A higher threshold is not a different weight."),
        (1 / (v_dot + 1 / tau), "You divide by the current alone, but v also leaks at the rate "
         "v/tau. (Or you let the current decay with tau: it decays with tau_s, which is tau/2.)"),
        (1 / (w - 1 / tau), "You take the current on arrival. It decays until the spike."),
        (1 / speed(10.0), "That is right only for tau = 10 ms: use the argument `tau`."),
    ]  # fmt: skip


@exercise(
    3,
    hints=(
        "I+ = I- + c, so dI+ contains dc and, by the rule of section 4, a term with dt.",
        "dI+ = dI- + dc + (c / tau_syn) dt and dv+ = -(slope after) dt, with dt = -dv- / before.",
        "lam_v is (after lam_v - (c / tau_syn) lam_i - pull) / before, and dL/dc is lam_i.",
    ),
)
def own_spike(answer, rng) -> None:
    """`own_spike(lam_v, lam_i, pull, before, after, c, tau_syn) -> dL/dv before it, dL/dc`."""
    for _ in range(3):
        lam_v, lam_i, pull, c = rng.uniform(0.3, 2.0, 4) * rng.choice([-1, 1], 4)
        before, after = rng.uniform(0.05, 0.4, 2)
        tau_syn = rng.uniform(2, 8)
        pair = answer(lam_v, lam_i, pull, before, after, c, tau_syn)
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise Wrong("own_spike should return two numbers: dL/dv before the spike, and dL/dc.")
        by_v, by_c = number(pair[0], "dL/dv"), number(pair[1], "dL/dc")
        part = c / tau_syn * lam_i
        expected = (after * lam_v - part - pull) / before
        if near(by_v, expected) and near(by_c, lam_i):
            continue
        if near(by_v, lam_i) and near(by_c, expected):
            raise Wrong("Both numbers are right, but in the wrong order: first dL/dv, then dL/dc.")
        for slip, words in (
            (lam_v, "c is a jump of the current, not of v: which lambda belongs to it?"),
            (lam_i * c, "That is dL/dc times c. If c grows by dc, I+ grows by dc, too."),
            (-lam_i, "dL/dc has the wrong sign: if c grows by dc, I+ grows by dc, too."),
        ):
            if near(by_c, slip):
                raise Wrong(words)
        if not near(by_c, lam_i):
            raise Wrong(
                f"Your dL/dc is {by_c:.4f}, for lam_v = {lam_v:.4f} and lam_i = {lam_i:.4f}."
            )
        for slip, words in (
            ((after * lam_v - pull) / before, "Your dL/dc is right, but your dL/dv is only right "
             "for c = 0: after a spike that comes dt later, the current is larger by (c/tau_s) "
             "dt."),
            ((after * lam_v + part - pull) / before, "The term with c has the wrong sign: mind "
             "the minus sign in dt = -dv/before."),
            ((after * lam_v - part + pull) / before, "`pull` has the wrong sign: mind the minus "
             "sign in dt = -dv/before."),
            ((before * lam_v - part - pull) / after, "You exchanged the two slopes: divide by "
             "the slope before the reset."),
            (after * lam_v - part - pull, "The division by `before` is missing: dt = -dv/before."),
            ((after * lam_v - c * lam_i - pull) / before, "If the spike comes dt later, the jump "
             "decays by (c/tau_s) dt less, not by c dt."),
        ):  # fmt: skip
            if near(by_v, slip):
                raise Wrong(words)
        raise Wrong(
            f"Your dL/dc is right. Your dL/dv is {by_v:.4f}; the rule gives {expected:.4f}."
        )


@exercise(
    2,
    hints=(
        "A silent neuron has no spike time. Which part of `result` still has a gradient?",
        "`result.peaks` is the highest potential. Training makes a loss small, but the peak should "
        "grow.",
        "Return minus the sum of result.peaks.",
    ),
)
def wake_loss(answer, rng) -> None:
    """`wake_loss(result: FirstSpikes) -> loss`: minimising it over the delays wakes a neuron."""
    params = FirstSpikeParams(tau_mem=10.0, tau_syn=5.0, min_slope=0.0)
    gaps = torch.tensor(rng.uniform(4.0, 6.5, 4)).cumsum(0)
    inputs = (gaps - gaps[0])[None].float()
    weights = torch.full((4, 1), 0.11)
    delays = torch.full((4, 1), 7.0, requires_grad=True)
    optimizer = torch.optim.Adam([delays], lr=0.2)
    start = first_spikes(inputs, weights, delays, params).peaks.item()
    for _ in range(WAKE_STEPS):
        result = first_spikes(inputs, weights, delays, params)
        if result.times.isfinite().all():
            return
        loss = answer(result)
        _check_loss(loss)
        optimizer.zero_grad()
        loss.backward()
        if delays.grad is None or not delays.grad.any():
            raise Wrong("Your loss does not depend on the delays: its gradient is 0.")
        optimizer.step()
        delays.data.clamp_(min=0.0)
    end = first_spikes(inputs, weights, delays, params).peaks.item()
    said = f"After {WAKE_STEPS} steps v reaches {end:.3f}; before training it reached {start:.3f}"
    if end < start:
        raise Wrong(f"{said}. Your loss pushes it down. A loss is minimised: check the sign.")
    raise Wrong(f"{said}. It should reach 1.")


def _check_loss(loss) -> None:
    """Raise `Wrong` if the loss has no gradient."""
    if isinstance(loss, float | int | np.ndarray | np.generic):
        raise Wrong("Your loss is a plain number, without a gradient: leave out .item().")
    if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
        kind = tuple(loss.shape) if isinstance(loss, torch.Tensor) else type(loss).__name__
        raise Wrong(f"A loss should be a tensor with one number, but yours is {kind}.")
    if not loss.isfinite():
        raise Wrong(f"Your loss is {loss.item()}: the neuron is silent, so it has no spike time.")
    if not loss.requires_grad:
        raise Wrong("Your loss has no gradient: it does not depend on anything trainable.")
