"""Checks of lesson 203: rebuilding a signal, choosing its threshold, contrast, a time surface."""

import math

import numpy as np
import torch
from torch import Tensor

from jarvis.classroom.check.verdict import Wrong, array, exercise, near, number
from jarvis.encoding.encoders import delta_encode


def _walk(rng: np.random.Generator, steps: int, *shape: int) -> Tensor:
    """A signal [T, ...] that swings up and down, by at most 0.09 per step."""
    t = np.arange(steps).reshape(-1, *[1] * len(shape))
    waves = [
        rng.uniform(0.5, 1.0, shape)
        * np.sin(t / rng.uniform(4, 9, shape) + rng.uniform(0, 6, shape))
        for _ in range(3)
    ]
    signal = torch.tensor(sum(waves))
    return signal * 0.09 / signal.diff(dim=0).abs().max()


@exercise(
    1,
    hints=(
        "Each event moves the receiver's level by one threshold, just as it moves the sender's "
        "reference.",
        "events.cumsum(0) is the number of ON events minus the number of OFF events up to each "
        "step.",
        "start + threshold * events.cumsum(0)",
    ),
)
def rebuild(answer, rng) -> None:
    """`rebuild(events, threshold, start) -> [T]`: the signal as the receiver knows it."""
    threshold = float(rng.uniform(0.1, 0.2))
    signal = _walk(rng, 120) * rng.uniform(0.8, 1.2) + float(rng.uniform(0.3, 1.0))
    spikes = delta_encode(signal[:, None], threshold)[:, 0]
    events, start = spikes[:, 0] - spikes[:, 1], float(signal[0])
    found = array(answer(events, threshold, start), (len(events),), "the signal")
    total = events.cumsum(0).numpy()
    if np.allclose(found, start + threshold * total, atol=1e-5):
        return
    before = np.concatenate([[0.0], total[:-1]])
    slips = {
        "The start is missing: events report only changes. Add `start`.": threshold * total,
        "You count events. Multiply each event by the threshold.": start + total,
        "That is the change in each step. Add up all events so far.":
            start + threshold * events.numpy(),
        "You add the absolute values: an OFF event, -1, lowers the level.":
            start + threshold * events.abs().cumsum(0).numpy(),
        "You exchanged ON and OFF: 1 is ON and raises the level.": start - threshold * total,
        "Your signal is one step late: the signal after a step includes its event.":
            start + threshold * before,
        "That is the last value only. Return the signal after each step.":
            np.full(len(total), start + threshold * total[-1]),
        "That is the mean so far. Add up the events instead of averaging them.":
            start + threshold * total / np.arange(1, len(total) + 1),
    }  # fmt: skip
    for words, slip in slips.items():
        if np.allclose(found, slip, atol=1e-5):
            raise Wrong(words)
    at = int(np.abs(found - start - threshold * total).argmax())
    raise Wrong(
        f"Up to step {at}, the number of ON minus OFF events is {total[at]:.0f}. With start = "
        f"{start:.3f} and threshold = {threshold:.3f}, the signal is "
        f"{start + threshold * total[at]:.3f}; you return {found[at]:.3f}."
    )


@exercise(
    2,
    hints=(
        "The reference moves by at most one threshold per step. How far does the signal move?",
        "signal.diff(dim=0) is the change in each step.",
        "signal.diff(dim=0).abs().max()",
    ),
)
def smallest_threshold(answer, rng) -> None:
    """`smallest_threshold(signal)`: the largest change of any pixel per step, up or down."""
    for sign in (1.0, -1.0):
        signal = sign * _walk(rng, int(rng.integers(40, 80)), 2, 3) * rng.uniform(1, 5)
        # One pixel alone has a large fall (or rise), so the absolute value matters.
        signal[20:, 1, 2] -= sign * 2.5 * signal.diff(dim=0).abs().max()
        change = signal.diff(dim=0)
        exact = change.abs().max().item()
        found = number(answer(signal), "the threshold")
        if near(found, exact, 1e-4):
            continue
        said = f"You return {found:.4f}"
        slips = {
            "That is the largest rise. The reference has to follow falls, "
            "too.": change.max().item(),
            "That is the largest fall, with its sign. Take the absolute value first.":
                change.min().item(),
            "That is the largest fall. The reference has to follow rises, "
            "too.": -change.min().item(),
            "That is the mean change. The reference has to follow the largest one.":
                change.abs().mean().item(),
            "That is the range of the signal, not its change per step.":
                (signal.max() - signal.min()).item(),
            "That is the largest value of the signal, not its largest "
            "change.": signal.abs().max().item(),
            "Half the largest change is too small: the reference falls behind.": exact / 2,
            "That is safe, but twice as large as needed.": 2 * exact,
            "You compare neighbouring pixels. Time is the first axis.":
                signal.diff(dim=-1).abs().max().item(),
            "That is the largest change of the first pixel. Take all pixels into account.":
                change[:, 0, 0].abs().max().item(),
        }  # fmt: skip
        for words, slip in slips.items():
            if near(found, slip, 1e-4):
                raise Wrong(f"{said}. {words}")
        raise Wrong(f"{said}. The largest change of a pixel in one step is {exact:.4f}.")


@exercise(
    3,
    hints=(
        "The logarithm turns a ratio into a difference.",
        "Encode film.log(). By how much does the logarithm change when the film gets 15 % "
        "brighter?",
        "jarvis.delta_encode(film.log(), math.log(1 + contrast))",
    ),
)
def camera_events(answer, rng) -> None:
    """`camera_events(film, contrast) -> [T, B, 2, ...]`: the ON and OFF events of a film."""
    contrast = float(rng.uniform(0.3, 0.6))
    film = torch.exp(4 * _walk(rng, 150, 2, 3, 4)) * float(rng.uniform(0.05, 0.2))
    given = answer(film, contrast)
    found = array(given, (150, 2, 2, 3, 4), "the events")
    log = film.log()
    expected = delta_encode(log, math.log1p(contrast)).numpy()
    if np.array_equal(found, expected):
        return
    slips = {
        "You encode the film itself. A fixed ratio corresponds to a fixed difference of "
        "logarithms.":
            delta_encode(film, contrast),
        "You encode the film itself, with a logarithmic threshold: take film.log().":
            delta_encode(film, math.log1p(contrast)),
        "Your threshold is the contrast. It should be log(1 + contrast), which is a little "
        "smaller.":
            delta_encode(log, contrast),
        "Your film is in log2, but your threshold is in another base.":
            delta_encode(film.log2(), math.log1p(contrast)),
        "Your film is in log10, but your threshold is in another base.":
            delta_encode(film.log10(), math.log1p(contrast)),
        "Your film is in log2, and your threshold is the contrast itself.":
            delta_encode(film.log2(), contrast),
        "Your film is in log10, and your threshold is the contrast itself.":
            delta_encode(film.log10(), contrast),
        "log(1 + film) does not turn ratios into differences: take the logarithm of the film.":
            delta_encode(film.log1p(), math.log1p(contrast)),
        "log(1 + film) does not turn ratios into differences: take the logarithm of the film. And "
        "an ON event means a change of log(1 + contrast).": delta_encode(film.log1p(), contrast),
    }  # fmt: skip
    for words, slip in slips.items():
        if np.array_equal(found, slip.numpy()):
            raise Wrong(words)
    raise Wrong(
        f"For contrast = {contrast:.2f}, the film has {int(expected.sum())} events; you return "
        f"{int(found.sum())}."
    )


@exercise(
    4,
    hints=(
        "You need the time of each pixel's last event up to `now`. Later events are not known yet.",
        "last = np.full(n_pixels, -np.inf); then set last[place] = times for the events until now.",
        "last[place[times <= now]] = times[times <= now]; return np.exp((last - now) / tau)",
    ),
)
def time_surface(answer, rng) -> None:
    """`time_surface(times, place, now, tau, n_pixels) -> [n_pixels]`: exp(-age of last
    event/tau)."""
    n_pixels, n = int(rng.integers(20, 30)), 150
    times = np.sort(rng.uniform(0, 100, n))
    place = rng.integers(n_pixels - 3, size=n)  # the last pixels never fire
    now, tau = float(rng.uniform(30, 60)), float(rng.uniform(10, 30))
    found = array(answer(times, place, now, tau, n_pixels), (n_pixels,), "the surface")

    def surface(chosen: np.ndarray, silent: float = -np.inf, first: bool = False) -> np.ndarray:
        last = np.full(n_pixels, silent)
        for t, k in zip(times[chosen], place[chosen], strict=True):
            if not (first and np.isfinite(last[k])):
                last[k] = t
        return np.exp(-(now - last) / tau)

    past = times <= now
    expected = surface(past)
    if np.allclose(found, expected, atol=1e-6):
        return
    heard = expected > 0
    summed = np.bincount(place[past], np.exp(-(now - times[past]) / tau), n_pixels)
    slips = {
        "You use events after `now` as well, which have not happened "
        "yet.": surface(times <= np.inf),
        "You take the first event of each pixel. Take the last one.": surface(past, first=True),
        "You add up all events of a pixel. Only its last one counts.": summed,
        "You start with last = 0, as if each pixel had an event at 0 ms. The value of a pixel "
        "without an event is 0.": surface(past, silent=0.0),
        "That is the time since the last event. Take the exponential of -time / tau.":
            np.where(heard, -tau * np.log(np.where(heard, expected, 1)), 0),
        "You did not divide the time by tau.": expected**tau,
    }  # fmt: skip
    for words, slip in slips.items():
        if np.allclose(found, slip, atol=1e-6):
            raise Wrong(words)
    at = int(np.abs(found - expected).argmax())
    fired = times[past & (place == at)]
    when = f"had its last event at {fired[-1]:.1f} ms" if len(fired) else "has had no event"
    raise Wrong(
        f"Pixel {at} {when}. At {now:.1f} ms, with tau = {tau:.1f} ms, its value is "
        f"{expected[at]:.3f}; you return {found[at]:.3f}."
    )
