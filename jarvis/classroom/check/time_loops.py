"""Checks of lesson 703: memory written, memory kept, a compiled loop, truncation."""

import math
import re

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from jarvis.classroom.check.verdict import Wrong, array, exercise, near, number
from jarvis.lif import LIFLayer, LIFParams, RecurrentLIFLayer, lif_step
from jarvis.networks.probes import SavedBytes
from jarvis.neurons.decay import exp_decay


@exercise(
    3,
    hints=(
        "Begin with row_by_row. What does it write to v[n], and what should it write now?",
        "Make s and h with np.empty_like(x), and v with np.zeros_like(x[0]); return s and h.",
        "As row_by_row, with v[n] = p * (1 - spike); one and zero can be x.dtype.type(1) and (0), "
        "or let numpy compare: s[t, n] = p >= 1.",
    ),
)
def zero_reset(answer, rng) -> None:
    """`zero_reset(x, decay) -> s, h`, each ``[T, lanes]`` of the dtype of x; v starts at 0."""
    for kind in (np.float64, np.float32):
        tau = rng.uniform(5, 40)
        decay = float(kind(exp_decay(tau, 1.0)))
        x = rng.uniform(0, 3 * (1 - decay), (60, 7)).astype(kind)
        x[0, 0] = 1.0  # exactly at the threshold
        pair = answer(x, kind(decay))
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise Wrong("zero_reset should return two arrays: the spikes s and the potentials h.")
        s, h = array(pair[0], x.shape, "s"), array(pair[1], x.shape, "h")
        if kind is np.float64:
            _compare(s, h, x, decay, tau)
        for name, value in zip("sh", pair, strict=True):
            own = np.asarray(value).dtype
            if own != kind:
                asked = np.dtype(kind).name
                raise Wrong(f"x is {asked} and your {name} is {own.name}: use np.empty_like(x).")


def _compare(s: np.ndarray, h: np.ndarray, x: np.ndarray, decay: float, tau: float) -> None:
    """Raise `Wrong` if s and h differ from the layer's."""
    with torch.no_grad():
        layer = LIFLayer(tau, reset="zero")
        expected = layer(torch.tensor(x))[0].numpy()
    _, h_expected = _run(x, decay, "")
    if np.array_equal(s, expected) and np.allclose(h, h_expected, atol=1e-12):
        return
    for slip, words in _SLIPS.items():
        s_slip, h_slip = _run(x, decay, slip)
        if np.array_equal(s, s_slip) and np.allclose(h, h_slip, atol=1e-9):
            raise Wrong(words)
    if np.array_equal(s, expected):
        raise Wrong("The spikes are right. h should be the potential before the reset.")
    t, n = np.argwhere((s != expected) | ~np.isclose(h, h_expected))[0]
    raise Wrong(
        f"Your result is right before step {t}. There, in lane {n}, x = {x[t, n]:.3f}, and you "
        f"have h = {h[t, n]:.3f} and s = {s[t, n]:g}; LIFLayer(reset='zero') has "
        f"{h_expected[t, n]:.3f} and {expected[t, n]:g} (tau {tau:.1f})."
    )


#: Common mistakes, and the feedback for each.
_SLIPS = {
    "subtract": "Your reset still subtracts 1. It should set v to 0 after a spike.",
    "none": "Your neurons fire, but v is not reset: v = h (1 - s).",
    "greater": "At exactly h = 1 your neuron is silent. It should spike where h >= 1.",
    "one lane": "All lanes share one v in your loop. Each needs its own: v is an array.",
    "after": "The spikes are right. Your h is from after the reset; keep it from before.",
    "notebook": "Your factor is the one for tau = 20 ms. Use the argument `decay`.",
}


def _run(x: np.ndarray, decay: float, slip: str) -> tuple[np.ndarray, np.ndarray]:
    """The loop with one mistake."""
    decay = float(exp_decay(20.0, 1.0)) if slip == "notebook" else decay
    s, h, v = np.empty_like(x), np.empty_like(x), np.zeros(x.shape[1], x.dtype)
    for t, n in np.ndindex(*x.shape):
        lane = 0 if slip == "one lane" else n
        p = decay * v[lane] + x[t, n]
        s[t, n] = p > 1 if slip == "greater" else p >= 1
        v[lane] = {"subtract": p - s[t, n], "none": p}.get(slip, p * (1 - s[t, n]))
        h[t, n] = v[lane] if slip == "after" else p
    return s, h


@exercise(
    2,
    hints=(
        "The weight multiplies the spikes of the step before. What does its gradient multiply?",
        "It is a sum over t of (gradient of h at t) times (spikes at t - 1).",
        "h and the spikes are kept, one number each per element.",
    ),
)
def kept_per_element(answer, rng) -> None:
    """`kept_per_element(itemsize) -> bytes` that a `RecurrentLIFLayer` keeps per element of x."""
    kinds = (torch.float32, torch.float64)
    told = [number(answer(kind.itemsize), "the number of bytes") for kind in kinds]
    if told == [8, 8]:
        raise Wrong("8 bytes is right only for numbers of 4 bytes: use the argument.")
    for kind, found in zip(kinds, told, strict=True):
        n, size = int(rng.integers(8, 24)), kind.itemsize
        layer = RecurrentLIFLayer(n, tau=20.0).to(kind)
        x = torch.rand(400, 8, n, dtype=kind, requires_grad=True)
        with SavedBytes() as saved:
            result = layer(x)
            measured = saved.now / x.numel()
        del result
        if found == round(measured):
            continue
        said = f"With numbers of {size} bytes you predict {found:g}"
        if found == size:
            raise Wrong(
                f"{said}. That is h alone, but the weight's gradient needs something else as well."
            )
        if found == size + 1:
            raise Wrong(f"{said}. A byte would be enough for a spike, but spikes are floats here.")
        if found == size + 1 / 8:
            raise Wrong(f"{said}. A bit would be enough for a spike, but spikes are floats here.")
        if found == 3 * size:
            raise Wrong(
                f"{said}. That is one tensor too many: x is not needed, and v follows from h and s."
            )
        raise Wrong(f"{said}; autograd keeps {measured:.2f} bytes per element.")


@exercise(
    1,
    hints=(
        "The numbers printed for T = 25 and T = 50 are both 8 T + c. What is c?",
        "Solve 8 T + c = 40 ratio for T.",
        "T is a whole number of steps: math.ceil((40 * ratio - c) / 8).",
    ),
)
def steps_for(answer, rng) -> None:
    """`steps_for(ratio) -> T` from which ``x[t]`` writes `ratio` times as much as unbind."""
    short, long = (_written(lambda x: [x[t] for t in range(len(x))], T) for T in (40, 80))
    slope, unbound = (long - short) / 40, _written(lambda x: x.unbind(0), 80)
    c = short - 40 * slope
    for ratio in rng.choice(np.arange(4, 30), 3, replace=False) + 0.5:
        exact = (ratio * unbound - c) / slope
        found = number(answer(ratio), "T")
        if found == math.ceil(exact):
            continue
        said = f"For {ratio:g} times you return {found:g}"
        if found == math.floor(exact):
            raise Wrong(f"{said}, which is one step too few. Round up.")
        if abs(found - exact) < 1:
            raise Wrong(f"{said}. T is a whole number of steps: round up.")
        if abs(found - ratio * unbound / slope) < 1:
            raise Wrong(f"{said}. You left out c. With few steps x[t] writes more than 8 T.")
        if abs(found - (ratio * unbound + c) / slope) < 1:
            raise Wrong(f"{said}. Your c is on the wrong side. 8 T + c should reach 40 ratio.")
        if abs(found - (10 * unbound - c) / slope) < 1:
            raise Wrong(f"{said}. That is right only for ratio = 10: use the argument.")
        if abs(found - ratio * slope) < 1 or abs(found - ratio) < 1:
            raise Wrong(f"{said}. unbind writes about 40 bytes, not 8: set 8 T + c = 40 ratio.")
        times = (slope * found + c) / unbound
        raise Wrong(f"{said}. With that many steps x[t] writes {times:.1f} times as much.")


def _written(rows, n_steps: int) -> float:
    """Bytes per element of x that the backward pass of a loop over rows(x) writes."""
    x, state, spikes = torch.rand(n_steps, 1, 4).requires_grad_(), None, []
    for x_t in rows(x):
        s, state = lif_step(x_t, state, LIFParams(tau=20.0))
        spikes.append(s)
    total, g = torch.stack(spikes), torch.ones(x.shape)
    with _Written() as written:
        total.backward(g)
    return written.bytes / x.numel()


class _Written(TorchDispatchMode):
    """Counts the bytes written by operations."""

    bytes = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        if not operation.is_view and isinstance(result, torch.Tensor):
            self.bytes += result.nbytes
        return result


@exercise(
    4,
    hints=(
        "What has to be carried from one piece to the next, and what must not be?",
        "For each piece: a leaf that requires a gradient, layer(piece, state), the backward "
        "pass with the piece of g, and state.detach().",
        "with SavedBytes() as saved: for x_k, g_k in zip(x.split(length), g.split(length)): ... ; "
        "torch.cat the spikes and the gradients, and return saved.most.",
    ),
)
def in_pieces(answer, rng) -> None:
    """`in_pieces(layer, x, g, length) -> spikes, gradient of x, most bytes kept at one time`."""
    n_pieces, length = int(rng.integers(3, 6)), int(rng.integers(8, 15))
    layer = LIFLayer(rng.uniform(10, 40))
    shape = (n_pieces * length, 3, 16)
    x = torch.tensor(rng.uniform(0, 0.2, shape))
    g = torch.tensor(rng.normal(size=shape))
    try:
        found = answer(layer, x, g, length)
    except Wrong as wrong:
        if re.search("second time|already been freed", str(wrong)):
            raise Wrong(
                "A backward pass reached the previous piece, whose graph has been freed: pass "
                "state.detach() to the next piece."
            ) from None
        raise
    if not isinstance(found, tuple | list) or len(found) != 3:
        raise Wrong("in_pieces should return three things: spikes, the gradient of x, and bytes.")
    spikes, gradient = array(found[0], shape, "spikes"), array(found[1], shape, "the gradient")
    most = number(found[2], "the number of bytes")
    s_cut, g_cut, kept = _pieces(layer, x, g, length)
    s_apart, *_ = _pieces(layer, x, g, length, carry=False)
    _, g_whole, all_kept = _pieces(layer, x, g, len(x))
    if not np.array_equal(spikes, s_cut):
        if np.array_equal(spikes, s_apart):
            raise Wrong("Each of your pieces starts at rest: pass the previous state to the layer.")
        raise Wrong(f"{(spikes != s_cut).sum()} spikes differ from those of the whole sequence.")
    if np.allclose(gradient, g_whole):
        raise Wrong("That is the gradient of the whole sequence: nothing is cut yet.")
    if not np.allclose(gradient, g_cut):
        rows = np.flatnonzero(~np.isclose(gradient, g_cut).all((1, 2)))
        raise Wrong(
            f"The gradient differs from that of the pieces in {len(rows)} of {len(x)} steps, the "
            f"first of them step {rows[0]} (length {length})."
        )
    if near(most, kept, 0.1):
        return
    if near(most, n_pieces * kept, 0.1) or near(most, all_kept, 0.1):
        raise Wrong(
            f"{most:.0f} bytes is the sum over all pieces. What a piece keeps is freed after its "
            "backward pass: only the largest piece counts."
        )
    raise Wrong(f"One piece keeps {kept} bytes, but you return {most:.0f}.")


def _pieces(layer, x, g, length: int, carry: bool = True) -> tuple[np.ndarray, np.ndarray, int]:
    """The definition: spikes, the gradient of x, the largest number of bytes kept."""
    state, rows = None, []
    with SavedBytes() as saved:
        for x_piece, g_piece in zip(x.split(length), g.split(length), strict=True):
            leaf = x_piece.clone().requires_grad_()
            spikes, after = layer(leaf, state)
            spikes.backward(g_piece)
            state = after.detach() if carry else None
            rows.append((spikes.detach().numpy(), leaf.grad.numpy()))
    spikes, gradient = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    return spikes, gradient, saved.most
