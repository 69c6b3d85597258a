"""Checks of lesson 102: rates with two resets, refractory period, noise, irregularity."""

import math
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from jarvis.classroom.check._reasons import explained
from jarvis.classroom.check.verdict import Wrong, exercise, near, number
from jarvis.neurons.decay import constant_drive, exp_decay

Reset = Literal["subtract", "zero"]


@lru_cache
def _fired(drive: float, reset: Reset, tau: float, dt: float) -> np.ndarray:
    """The steps in which a neuron under a constant input fires within 2 s."""
    v, steps, decay = 0.0, [], exp_decay(tau, dt)
    for step in range(round(2000 / dt)):
        v = decay * v + drive
        if v >= 1.0:
            steps.append(step)
            v = v - 1.0 if reset == "subtract" else 0.0
    return np.array(steps)


class _Case(NamedTuple):
    """A neuron under a constant current."""

    current: float
    reset: Reset
    tau: float
    dt: float

    def spikes(self, drive: float | None = None, step: float | None = None) -> np.ndarray:
        """The steps in which the neuron fires within 2 s, by default with its own drive and dt."""
        step = self.dt if step is None else step
        if drive is None:
            drive = float(constant_drive(self.current, tau=self.tau, dt=step))
        return _fired(drive, self.reset, self.tau, step)

    def rate(self, drive: float | None = None, step: float | None = None) -> float:
        """The neuron's rate (Hz), from the mean interval."""
        step = self.dt if step is None else step
        return 1000 / (np.diff(self.spikes(drive, step)).mean() * step)

    def single(self, which: int) -> float:
        """A rate (Hz) from one interval: the first (0), or the last (-1)."""
        return 1000 / (np.diff(self.spikes())[which] * self.dt)

    def other(self) -> float:
        """The rate (Hz) with the other kind of reset."""
        return self._replace(reset="zero" if self.reset == "subtract" else "subtract").rate()


def _case(reset: Reset, rng) -> _Case:
    """A neuron whose rate differs from the rate with the other reset, and from the rates of single
    intervals."""
    while True:
        tau, dt = rng.uniform(15, 30), float(rng.choice([0.5, 2.0]))
        interval = dt * rng.uniform(1.4, 5)  # so few steps that rounding matters
        case = _Case(-1 / math.expm1(-interval / tau), reset, tau, dt)
        others = [case.other()]
        if reset == "subtract":  # with "zero" all intervals are equal
            others += [case.single(0), case.single(-1)]
        if min(abs(other / case.rate() - 1) for other in others) > 0.05:
            return case


def _cases(rng) -> list[_Case]:
    """Two neurons for each reset, for which any two known mistakes give different rates."""
    resets: list[Reset] = ["subtract", "zero", "subtract", "zero"]
    while True:
        found = [_case(resets[k], rng) for k in rng.permutation(4)]
        slips = np.array([[slip(case) for case in found] for slip, _ in _RATE_SLIPS])
        apart = np.abs(slips[:, None] / slips[None] - 1).max(axis=2)
        if apart[~np.eye(len(slips), dtype=bool)].min() > 0.02:
            return found


@exercise(
    1,
    hints=(
        "Run LIFLayer on a constant input, and find the steps in which it fires: np.flatnonzero.",
        "The input is constant_drive(current, tau=tau, dt=dt) in 2000/dt steps. A rate in Hz is "
        "1000 over the mean of np.diff of the spike times in ms.",
        "x = torch.full((round(2000 / dt), 1), constant_drive(current, tau=tau, dt=dt)); "
        "spikes = LIFLayer(tau=tau, dt=dt, reset=reset)(x)[0][:, 0]; then apply np.flatnonzero and "
        "np.diff, multiply by dt, and take the mean.",
    ),
)
def coarse_rate(answer, rng) -> None:
    """`coarse_rate(current, reset, tau, dt) -> Hz`, from the mean interval, to 2 %."""
    cases = _cases(rng)
    found = [number(answer(*case), "the rate") for case in cases]
    expected = [case.rate() for case in cases]
    wrong = [k for k in range(len(cases)) if not near(found[k], expected[k], 0.02)]
    if not wrong:
        return
    case, mine, right = cases[wrong[0]], found[wrong[0]], expected[wrong[0]]
    said = (
        f"At I = {case.current:.1f} with dt = {case.dt:g} ms and reset {case.reset!r}, you measure "
        f"{mine:.1f} Hz"
    )
    if words := explained(found, cases, _RATE_SLIPS, lambda a, b: near(a, b, 0.005)):
        raise Wrong(f"{said}. {words}")
    raise Wrong(f"{said}; the mean interval gives {right:.1f} Hz.")


def _formula(case: _Case) -> float:
    return 1000 / (case.tau * math.log(case.current / (case.current - 1)))


#: Common mistakes, and the feedback for each.
_RATE_SLIPS = (
    (lambda case: case.rate() / 1000,
     "That is the rate per ms. A rate in Hz is 1000 over an interval in ms."),
    (lambda case: 1000 / case.rate(),
     "That is the interval in ms. The rate in Hz is 1000 over the interval."),
    (lambda case: case.rate() * case.dt,
     "That is the rate per 1000 steps. An interval in ms is the number of steps times dt."),
    (lambda case: case.rate() / case.dt,
     "Your rate is divided by dt once too often: how often is dt used?"),
    (_formula, "That is the rate by the formula, which ignores the time step: measure the rate."),
    (lambda case: case.rate(drive=case.current),
     "You use the current unscaled: scale it with constant_drive."),
    (lambda case: case._replace(reset="zero").rate(),
     "That is one over the time from rest to the threshold. Do you use the argument `reset`, and "
     "measure between spikes, not from the start?"),
    (lambda case: case._replace(reset="subtract").rate(),
     "You always return the rate with reset 'subtract': is the argument used?"),
    (lambda case: case.rate(step=1.0), "That is the rate at a step of 1 ms: is dt used?"),
    (lambda case: case.single(0),
     "That is from the first interval alone. With reset 'subtract' the intervals differ by a step, "
     "so take the mean of all."),
    (lambda case: case.single(-1),
     "That is from the last interval alone. With reset 'subtract' the intervals differ by a step, "
     "so take the mean of all."),
)  # fmt: skip


@exercise(
    2,
    hints=(
        "How long is the interval at this rate? Which part of it does the current need?",
        "1000 / rate = t_ref + tau ln(I / (I - 1)), in ms. Solve it for t_ref.",
        "Return 1000 / rate - tau * math.log(current / (current - 1)).",
    ),
)
def speed_limit(answer, rng) -> None:
    """`speed_limit(rate, current, tau) -> t_ref (ms)`: `current` drives the neuron at `rate` Hz."""
    cases = [_Limit(rng.uniform(3, 20), rng.uniform(1.3, 6), rng.uniform(8, 30)) for _ in range(3)]
    found = [number(answer(*case.given()), "the refractory period") for case in cases]
    wrong = [k for k in range(3) if not near(found[k], cases[k].refractory)]
    if not wrong:
        return
    case, mine = cases[wrong[0]], found[wrong[0]]
    said = f"For {case.rate():.1f} Hz at I = {case.current:.2f}, you return {mine:.4g} ms"
    if words := explained(found, cases, _LIMIT_SLIPS):
        raise Wrong(f"{said}. {words}")
    if mine < 0:
        raise Wrong(f"{said}. A refractory period cannot be negative.")
    raise Wrong(f"{said}; then the neuron fires at {1000 / (mine + case.alone()):.1f} Hz.")


class _Limit(NamedTuple):
    """A neuron with a refractory period, under a constant current."""

    refractory: float
    current: float
    tau: float

    def alone(self) -> float:
        """The interval (ms) without a refractory period."""
        return self.tau * math.log(self.current / (self.current - 1))

    def rate(self) -> float:
        """The firing rate (Hz)."""
        return 1000 / (self.refractory + self.alone())

    def given(self) -> tuple[float, float, float]:
        """The arguments of the answer."""
        return self.rate(), self.current, self.tau


#: Common mistakes, and the feedback for each.
_LIMIT_SLIPS = (
    (lambda case: 1000 / case.rate(),
     "That is the whole interval. Part of it is the time from reset to threshold: subtract it."),
    (lambda case: case.refractory / 1000, "That is in seconds. Times are in ms here."),
    (lambda case: 1 / case.rate() - case.alone(),
     "One over a rate in Hz is in seconds: the interval in ms is 1000 / rate."),
    (lambda case: case.rate() / 1000 - case.alone(),
     "You start from the rate in spikes per ms. The interval is its inverse."),
    (lambda case: case.alone() - 1000 / case.rate(), "The size is right, the sign is not."),
    (lambda case: 1000 / case.rate() + case.alone(),
     "You add the time from reset to threshold. It is a part of the interval: subtract it."),
    (lambda case: case.alone(),
     "That is the time from reset to threshold. What is left of the interval?"),
    (lambda case: 1000 / case.rate() - case.alone() / case.tau,
     "The time from reset to threshold is tau times the logarithm."),
)  # fmt: skip


@exercise(
    3,
    hints=(
        "Integrate the contribution of one spike, w exp(-t/tau), from 0 to infinity, and then its "
        "square.",
        "The integrals are w tau and w^2 tau/2. The rate has to be per ms: divide Hz by 1000.",
        "mean = weight * rate * tau / 1000; std = abs(weight) * sqrt(rate * tau / 2000).",
    ),
)
def mean_and_spread(answer, rng) -> None:
    """`mean_and_spread(weight, rate, tau) -> (mean, standard deviation)` of v."""
    for sign in rng.permutation([1, 1, -1]):
        weight, rate = sign * rng.uniform(0.005, 0.03), rng.uniform(800, 4000)
        tau = rng.uniform(8, 30)
        pair = answer(weight, rate, tau)
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise Wrong("Return two numbers: the mean, and the standard deviation.")
        mean, spread = number(pair[0], "the mean"), number(pair[1], "the standard deviation")
        n = rate * tau / 1000  # spikes in one time constant
        if not near(mean, weight * n):
            raise Wrong(_wrong_mean(mean, weight, n))
        if not near(spread, abs(weight) * math.sqrt(n / 2)):
            raise Wrong(_wrong_spread(spread, weight, n))


def _wrong_mean(mean: float, weight: float, n: float) -> str:
    if near(mean, 1000 * weight * n):
        return "Your mean contains Hz times ms: divide the rate by 1000 to have it per ms."
    if near(mean, weight * n / 2) or near(mean, weight**2 * n / 2):
        return (
            "Your mean uses an integral of the squared contribution, which belongs to the variance."
        )
    if near(mean, abs(weight) * math.sqrt(n / 2)):
        return "Your first number is the standard deviation. Return the mean first."
    return (
        f"With {n:.0f} spikes per time constant, each a jump of {weight:.4f}, the mean of v is not "
        f"{mean:.4g}."
    )


def _wrong_spread(spread: float, weight: float, n: float) -> str:
    right, said = abs(weight) * math.sqrt(n / 2), "Your mean is right. Your standard deviation"
    if near(spread, -right):
        return f"{said} is negative, which it cannot be, even for a negative weight."
    if near(spread, right**2):
        return f"{said} is in fact the variance: take its square root."
    if near(spread, math.sqrt(2) * right):
        return f"{said} lacks a factor: the integral of exp(-2t/tau) is tau/2, not tau."
    if near(spread, math.sqrt(1000) * right):
        return f"{said} contains Hz times ms: divide the rate by 1000, as in the mean."
    if near(spread, math.sqrt(n / 2)):
        return f"{said} does not contain the weight."
    return (
        f"{said} of {spread:.4g} is not the square root of the rate times the integral of the "
        "squared contribution."
    )


@exercise(
    4,
    hints=(
        "The intervals are the differences of the spike times: np.diff.",
        "Divide the standard deviation of the intervals by their mean.",
        "intervals = np.diff(spike_times), then intervals.std() / intervals.mean().",
    ),
)
def irregularity(answer, rng) -> None:
    """`irregularity(spike_times) -> CV` of the intervals, to 1 %."""
    trains, found = [], []
    for shape in rng.permutation([rng.uniform(0.6, 1.5), rng.uniform(3, 8), rng.uniform(20, 60)]):
        mean = rng.uniform(10, 80)
        start = rng.uniform(500, 2000) + 20 * mean
        intervals = rng.gamma(shape, mean / shape, size=300)
        trains.append(start + np.append(0.0, np.cumsum(intervals)))
        found.append(number(answer(trains[-1]), "the CV"))
    wrong = [k for k in range(3) if not near(found[k], _cv(trains[k]), 0.01)]
    if not wrong:
        return
    if words := explained(found, trains, _CV_SLIPS, lambda a, b: near(a, b, 0.01)):
        raise Wrong(words)
    intervals = np.diff(trains[wrong[0]])
    raise Wrong(
        f"For {len(intervals)} intervals with a mean of {intervals.mean():.1f} ms and a standard "
        f"deviation of {intervals.std():.1f} ms, you return {found[wrong[0]]:.3f}."
    )


def _cv(times: np.ndarray) -> float:
    return np.diff(times).std() / np.diff(times).mean()


#: Common mistakes, and the feedback for each.
_CV_SLIPS = (
    (lambda times: 1 / _cv(times),
     "That is the mean over the standard deviation. Take the inverse."),
    (lambda times: _cv(times) ** 2,
     "That is the square of the CV: divide the standard deviation, not the variance, by the mean."),
    (lambda times: np.diff(times).var() / np.diff(times).mean(),
     "You divide the variance by the mean. The result has a unit: take the standard deviation."),
    (lambda times: np.diff(times).std(),
     "That is the standard deviation, in ms. Divide it by the mean."),
    (lambda times: times.std() / times.mean(),
     "That is the CV of the spike times. Take the CV of the intervals."),
    (lambda times: _cv(np.append(0.0, times)),
     "You count the time before the first spike as an interval."),
)  # fmt: skip
