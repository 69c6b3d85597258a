"""Checks of lesson 503: a gradient of positions, a meeting point, possible and frozen delays."""

import numpy as np
import torch

from jarvis.classroom.check.verdict import (
    Wrong,
    array,
    exercise,
    generator_from,
    near,
    number,
    seed_from,
)
from jarvis.spatial.delays import euclidean_delays
from jarvis.spatial.first_spike import FirstSpikeNetwork


@exercise(
    1,
    hints=(
        "How does a delay d = sqrt(0.01 + |r_i - r_j|^2) change when the receiver at r_j moves?",
        "dd/dr_j = (r_j - r_i) / d. Multiply by g[i, j] and sum over the senders i.",
        "apart = post[None] - pre[:, None] is [n, m, D]; d = (0.01 + (apart**2).sum(-1)).sqrt(); "
        "the "
        "sum over n of (g / d)[..., None] * apart.",
    ),
)
def position_gradient(answer, rng) -> None:
    """`position_gradient(pre [n, D], post [m, D], g [n, m]) -> [m, D]`."""
    for _ in range(3):
        n, m, n_dims = (int(k) for k in rng.integers((3, 6, 1), (6, 9, 4)))
        g = generator_from(rng)
        pre, post = (3 * torch.randn(k, n_dims, generator=g, dtype=torch.float64) for k in (n, m))
        pull = torch.randn(n, m, generator=g, dtype=torch.float64)
        found = array(answer(pre, post, pull), (m, n_dims), "The gradient")
        leaf = post.clone().requires_grad_()
        (right,) = torch.autograd.grad((euclidean_delays(pre, leaf) * pull).sum(), leaf)
        right = right.numpy()
        if np.allclose(found, right, atol=1e-4 * np.abs(right).max()):
            continue
        apart = (post[None] - pre[:, None]).numpy()  # [n, m, D]
        squared = 0.01 + (apart**2).sum(-1)
        d, w = np.sqrt(squared)[..., None], pull.numpy()[..., None]
        slips = {
            "The sign is wrong: farther from a sender, the delay is longer.": -right,
            "dd/dr is nearly a unit vector: divide by the distance.": (w * apart).sum(0),
            "You divide by the squared distance. The derivative of sqrt(q) is q' / (2 sqrt(q)).":
                (w * apart / d**2).sum(0),
            "You have an extra factor of 2. The derivative of sqrt(q) is q' / (2 sqrt(q)).":
                (2 * w * apart / d).sum(0),
            "Every synapse of a receiver contributes: sum over the senders, do not average.":
                (w * apart / d).mean(0),
            "g is missing: weight each synapse's contribution by its g.":
                (apart / d).sum(0),
        }  # fmt: skip
        for words, slip in slips.items():
            if np.allclose(found, slip, atol=1e-4 * np.abs(slip).max()):
                raise Wrong(words)
        j = int(np.argmax(np.abs(found - right).max(1)))
        raise Wrong(
            f"For receiver {j} you return {np.round(found[j], 3)}; the definition gives "
            f"{np.round(right[j], 3)}."
        )


@exercise(
    2,
    hints=(
        "When does each of the two spikes arrive at x?",
        "The left spike leaves at 0 and travels for x; the right one leaves at lag and travels for "
        "gap - x.",
        "x = lag + gap - x.",
    ),
)
def meeting_point(answer, rng) -> None:
    """`meeting_point(gap, lag) -> x`, where spikes from 0 and from gap arrive together."""
    for _ in range(3):
        gap = float(rng.uniform(6, 14))
        lag = float(rng.uniform(1, 0.8 * gap))
        found, right = number(answer(gap, lag), "x"), (gap + lag) / 2
        if near(found, right):
            continue
        for slip, words in (
            ((gap - lag) / 2, "The left spike leaves first, so the spikes meet nearer to the right "
            "input."),
            (gap / 2, "That is the middle, where spikes that leave at the same time meet."),
            (gap / 2 + lag, "For each ms that the left spike travels farther, the right one "
             "travels 1 ms less: only half of the lag counts."),
            (gap - lag, "At that point the right spike has travelled for lag. When does the left "
            "one arrive there?"),
            (gap + lag, "That is 2 x: from x = lag + gap - x it follows that 2 x = gap + lag."),
        ):  # fmt: skip
            if near(found, slip):
                raise Wrong(words)
        raise Wrong(
            f"For a gap of {gap:.2f} and a lag of {lag:.2f} ms you return {found:.2f}. There the "
            f"left spike arrives at {abs(found):.2f} ms and the right one at "
            f"{lag + abs(gap - found):.2f}."
        )


@exercise(
    3,
    hints=(
        "Draw the two senders, and around each a circle whose radius is its delay. What must the "
        "circles do?",
        "The circles must meet: they must not be too far apart, and neither may lie inside the "
        "other.",
        "abs(d1 - d2) <= gap <= d1 + d2",
    ),
)
def possible(answer, rng) -> None:
    """`possible(gap, d1, d2) -> bool`: whether a point can be d1 and d2 from the senders."""
    cases = []
    for _ in range(4):
        gap, d1 = float(rng.uniform(4, 10)), float(rng.uniform(4, 10))
        inside = rng.uniform(abs(gap - d1), gap + d1)
        cases += [(gap, d1, inside), (gap, d1, gap + d1 + rng.uniform(0.5, 4))]
        cases += [(gap, gap + d1 + rng.uniform(0.5, 4), d1)]
        short = rng.uniform(0.1, 0.4, 2) * gap
        cases += [(gap, *short)]  # the two circles do not reach each other
    for gap, d1, d2 in cases:
        found, right = answer(gap, d1, d2), abs(d1 - d2) <= gap <= d1 + d2
        if not isinstance(found, bool | np.bool_):
            raise Wrong(f"possible should return True or False, not {found!r:.40}.")
        if found == right:
            continue
        said = f"For senders {gap:.1f} ms apart and delays of {d1:.1f} and {d2:.1f} ms you say "
        if right:
            raise Wrong(f"{said}no, but the two circles meet.")
        if d1 + d2 < gap:
            raise Wrong(f"{said}yes, but the two circles are too far apart to meet.")
        raise Wrong(f"{said}yes, but one circle lies inside the other.")


@exercise(
    4,
    hints=(
        "What makes a PyTorch parameter take part in training?",
        "`parameter_groups` leaves out parameters that do not require a gradient.",
        "net.delays.requires_grad_(False), then return net.",
    ),
)
def freeze(answer, rng) -> None:
    """`freeze(net) -> net`: training changes its weights but not its delays."""
    for form in ("2", "inf"):
        net = FirstSpikeNetwork((4, 5, 3), form, seed=seed_from(rng) % 1000, delay_mean=1.0)  # type: ignore[arg-type]
        before = [d.detach().clone() for d in net.delays()]
        weights = [layer.weight.detach().clone() for layer in net.layers]  # type: ignore[union-attr]
        found = answer(net)
        if not isinstance(found, FirstSpikeNetwork):
            raise Wrong(f"freeze should return the network, but returns {type(found).__name__}.")
        same = [torch.equal(a, b) for a, b in zip(before, found.delays(), strict=False)]
        if len(same) != 2 or not all(same):
            raise Wrong("The delays have changed. They should keep their initial values.")
        if not all(layer.weight.requires_grad for layer in found.layers):  # type: ignore[union-attr]
            raise Wrong("The weights are frozen, too. Freeze only net.delays.")
        optimizer = torch.optim.Adam(found.parameter_groups(0.1))
        times = 4 * torch.rand(30, 4, generator=generator_from(rng))
        loss, _ = found.objective(found, times, torch.arange(30) % 3)
        loss.backward()
        optimizer.step()
        if not all(torch.equal(a, b) for a, b in zip(before, found.delays(), strict=True)):
            raise Wrong("A training step changed the delays: they are still trained.")
        pairs = zip(weights, found.layers, strict=True)
        if any(torch.equal(w, layer.weight) for w, layer in pairs):  # type: ignore[arg-type]
            raise Wrong("A training step left the weights unchanged: they are not trained.")
