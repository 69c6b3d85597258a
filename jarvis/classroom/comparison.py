"""Tools to compare learners: noise, costs, confidence intervals, and a read-out for STDP layers.

The learners receive a code with at most one spike per input: ``steps [B, n]`` contains the step of
each input's spike, or `n_steps` if the input never fires.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from jarvis.encoding.events import Events
from jarvis.networks.costs import Operations, count_operations, synaptic_operations
from jarvis.spatial.first_spike import FirstSpikeNetwork
from jarvis.stdp.conv import ConvSTDP
from jarvis.support.checks import check_integer, check_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NOISE = ("lost", "shifted", "added")


class STDPClassifier(nn.Module):
    """A layer trained by STDP, with a linear read-out of how early its neurons fire.

    ``scores = b + sum over hidden spikes of w (1 - t / n_steps)``: each spike starts a sustained
    current that the output integrates. The weights are those of a linear support vector machine.

    Args:
        layer: a layer with a kernel of 1 for inputs of shape ``(n, 1, 1)``, so that every neuron
            receives all n inputs.
        steps: ``[N, n]``, the data that the read-out is fitted to.
        targets: ``[N]`` labels.
        n_steps: T of the code.
        c: penalty of the support vector machine for points on the wrong side of the margin.

    Raises:
        ValueError: for a layer with a larger kernel, or steps that do not match it.

    Example:
        >>> layer = ConvSTDP(6, 4, 1, threshold=1.0)
        >>> steps = torch.randint(0, 9, (20, 6), generator=torch.Generator().manual_seed(0))
        >>> STDPClassifier(layer, steps, torch.arange(20) % 2, 9)(steps).shape
        torch.Size([20, 2])
    """

    def __init__(
        self, layer: ConvSTDP, steps: Tensor, targets: Tensor, n_steps: int, c: float = 1.0
    ) -> None:
        from sklearn.svm import LinearSVC

        super().__init__()
        if layer.kernel_size != 1 or steps.dim() != 2 or steps.shape[1] != layer.in_channels:
            raise ValueError(
                f"STDPClassifier: steps {tuple(steps.shape)} must be [N, n={layer.in_channels}], "
                f"and the layer's kernel_size={layer.kernel_size} must be 1"
            )
        self.layer, self.n_steps = layer, n_steps
        machine = LinearSVC(C=c, dual=False, max_iter=20_000)  # type: ignore[arg-type]
        machine.fit(self.features(steps).numpy(), targets.numpy())
        weight, bias = (
            torch.from_numpy(part).float() for part in (machine.coef_, machine.intercept_)
        )
        if len(weight) == 1:  # for two classes, the support vector machine has one weight vector
            weight, bias = torch.cat([-weight, weight]), torch.cat([-bias, bias])
        self.output = nn.Linear(layer.out_channels, len(weight))
        with torch.no_grad():
            self.output.weight.copy_(weight)
            self.output.bias.copy_(bias)

    def hidden(self, steps: Tensor) -> Events:
        """The layer's spikes."""
        return self.layer.respond(self._events(steps))

    def _events(self, steps: Tensor) -> Events:
        return Events.from_first_steps(steps[:, :, None, None], self.n_steps)

    def features(self, steps: Tensor) -> Tensor:
        """``[B, neurons]``: 1 for a spike at step 0, decreasing to 0 for no spike."""
        return 1.0 - self.hidden(steps).first_steps().flatten(1) / self.n_steps

    def forward(self, steps: Tensor) -> Tensor:
        """``steps [B, n]`` -> scores ``[B, C]``."""
        return self.output(self.features(steps))

    def operations(self, steps: Tensor) -> dict[str, Operations]:
        """See `count_operations`; the output units update their sums in each step."""
        layer = count_operations(self.layer, self._events(steps))
        received = synaptic_operations(self.hidden(steps), self.output.weight.t())
        updates = torch.full_like(received, self.n_steps * self.output.out_features)
        output = Operations.none(len(steps), additions=received, updates=updates)
        return {"input": layer["input"], "layer": layer[""], "output": output}


def corrupt(
    steps: Tensor, kind: str, amount: float, n_steps: int, generator: torch.Generator | None = None
) -> Tensor:
    """Add noise to a code with one spike per input.

    =======  ====================================================================
    lost     each spike is lost with probability `amount`
    shifted  each spike moves by ``N(0, amount)`` steps, rounded, kept in [0, T)
    added    each silent input fires at a random step with probability `amount`
    =======  ====================================================================

    Args:
        steps: ``[B, n]`` int; `n_steps` for a silent input.
        kind: a name from the table.
        amount: noise level; 0 for none.
        n_steps: T.
        generator: source of randomness.

    Returns:
        steps ``[B, n]``.

    Raises:
        ValueError: for an unknown kind, a negative amount, or a probability above 1.

    Example:
        >>> corrupt(torch.tensor([[0, 3, 5]]), "lost", 1.0, 5)
        tensor([[5, 5, 5]])
    """
    if kind not in NOISE:
        raise ValueError(f"kind={kind!r} is not one of {', '.join(NOISE)}")
    if not 0 <= amount < np.inf or (kind != "shifted" and amount > 1):
        raise ValueError(
            f"amount={amount!r} of {kind!r} must be at least 0; a probability, also at most 1"
        )
    silent = steps == n_steps
    if kind == "shifted":
        shift = (amount * torch.randn(steps.shape, generator=generator)).round().to(steps.dtype)
        return torch.where(silent, steps, (steps + shift).clamp(0, n_steps - 1))
    chosen = torch.rand(steps.shape, generator=generator) < amount
    if kind == "lost":
        return torch.where(chosen, n_steps, steps)
    anywhere = torch.randint(0, n_steps, steps.shape, generator=generator, dtype=steps.dtype)
    return torch.where(silent & chosen, anywhere, steps)


def until_decision(net: FirstSpikeNetwork, times: Tensor) -> Operations:
    """Operations of a first-spike network that stops at the first output spike.

    Works like `count_operations`, but ignores later spikes. If no output fires, all spikes count.

    Args:
        net: the network.
        times: spike times of the network's inputs, ``[B, n]`` ms.
    """
    with torch.no_grad():
        found = net.spikes(times)
    end = found[-1].times.amin(1, keepdim=True)
    sent = [(t <= end) & t.isfinite() for t in (times, *(layer.times for layer in found))]
    n_spikes = sum(part.sum(1) for part in sent)
    additions = torch.zeros(len(times), dtype=torch.int64)
    for part, layer in zip(sent, net.layers, strict=False):
        additions += (part.long() @ (layer.weight != 0).sum(1)).cpu()  # type: ignore[union-attr]
    counts = dict(spikes=torch.as_tensor(n_spikes).cpu(), additions=additions)
    return Operations.none(len(times), **counts, updates=2 * additions)


class Interval(NamedTuple):
    """A difference of two means with its confidence interval, as returned by `paired_interval`."""

    mean: float
    low: float
    high: float

    @property
    def resolved(self) -> bool:
        """Whether the interval excludes 0, so that the data show which mean is larger."""
        return self.low > 0 or self.high < 0


def paired_interval(
    a: ArrayLike, b: ArrayLike, *, draws: int = 4000, level: float = 0.95, seed: int = 0
) -> Interval:
    """How much larger a is than b: the mean difference, with a paired bootstrap interval.

    Networks of two kinds answer the same samples, so a sample that is hard for both kinds cancels
    in the difference. Each draw of the bootstrap picks seeds and samples anew, with replacement, so
    the interval allows for other initial weights as well as for other samples.

    Args:
        a: ``[seeds, samples]``: for each network of one kind and each sample, whether the answer is
            right, or any other number, such as an energy.
        b: as `a`, for networks of the other kind; rows belong to the same seeds, and columns to the
            same samples.
        draws: number of draws of the bootstrap.
        level: fraction of the draws within the interval.
        seed: seed of the draws.

    Returns:
        an `Interval`.

    Raises:
        ValueError: if `a` and `b` are not of the same shape ``[seeds, samples]``, if they are empty
            or contain NaN, for less than 1 draw, or for a level outside (0, 1).

    Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapters 8 and 13.

    Example:
        >>> a, b = [[1, 1, 1, 1, 0, 1, 1, 1]] * 3, [[0, 1, 1, 0, 0, 1, 0, 1]] * 3
        >>> paired_interval(a, b)
        Interval(mean=0.375, low=0.125, high=0.75)
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.ndim != 2 or a.shape != b.shape or not a.size:
        raise ValueError(
            f"paired_interval: a {a.shape} and b {b.shape} must have the same shape, "
            "[seeds, samples]"
        )
    difference = a - b
    if np.isnan(difference).any():
        raise ValueError("paired_interval: a and b must not contain NaN")
    check_integer("draws", draws, at_least=1)
    check_number("level", level, above=0, below=1)
    n_seeds, n_samples = difference.shape
    random = np.random.default_rng(seed)
    seeds = random.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), draws)
    # For most samples the answers agree and the difference is 0: these are drawn as one group.
    differ = np.flatnonzero(difference.any(0))
    shares = np.full(len(differ) + 1, 1 / n_samples)
    shares[-1] = 1 - len(differ) / n_samples
    drawn = np.empty(draws)
    for part in np.array_split(np.arange(draws), -(-draws // 500)):  # a few MB at a time
        samples = random.multinomial(n_samples, shares, len(part))[:, :-1]
        drawn[part] = ((seeds[part] @ difference[:, differ]) * samples).sum(1)
    low, high = np.quantile(drawn / difference.size, (0.5 - level / 2, 0.5 + level / 2))
    return Interval(float(difference.mean()), float(low), float(high))


def interquartile_mean(
    values: ArrayLike, *, draws: int = 4000, level: float = 0.95, seed: int = 0
) -> tuple[float, float, float]:
    """The mean of the middle half of the runs, with the bounds of a bootstrap interval over runs.

    The lowest quarter of the values and the highest quarter are left out (each rounded down), so a
    single failure hardly matters, and the result depends on more than the one or two values that
    determine a median.

    Args:
        values: one number per run, ``[N]``.
        draws: number of draws of the bootstrap.
        level: fraction of the draws within the interval.
        seed: seed of the draws.

    Returns:
        the interquartile mean, and the lower and the upper bound of its interval.

    Raises:
        ValueError: for values that are not ``[N]`` finite numbers, for less than 1 draw, or for a
            level outside (0, 1).

    Source: Agarwal et al. 2021, NeurIPS 34, arXiv:2108.13264 (rliable).

    Example:
        >>> interquartile_mean([0.0, 2.0, 4.0, 100.0])[0]
        3.0
    """
    from scipy.stats import trim_mean  # takes a while to import

    (x,) = _runs("interquartile_mean", draws, level, values=values)
    drawn = x[np.random.default_rng(seed).integers(len(x), size=(draws, len(x)))]
    means = trim_mean(drawn, 0.25, axis=1)
    low, high = np.quantile(means, (0.5 - level / 2, 0.5 + level / 2))
    return float(trim_mean(x, 0.25)), float(low), float(high)


def improvement(
    a: ArrayLike, b: ArrayLike, *, draws: int = 4000, level: float = 0.95, seed: int = 0
) -> tuple[float, float, float]:
    """The probability that a run of a beats a run of b, with the bounds of a bootstrap interval.

    A tie counts half, so two equal methods have a probability of 1/2.

    Args:
        a, b: one number per run, ``[N]`` and ``[M]``; a larger number is better.
        draws: number of draws of the bootstrap.
        level: fraction of the draws within the interval.
        seed: seed of the draws.

    Returns:
        the probability, and the lower and the upper bound of its interval.

    Raises:
        ValueError: as for `interquartile_mean`.

    Source: Agarwal et al. 2021, NeurIPS 34, arXiv:2108.13264 (rliable).

    Example:
        >>> improvement([2.0, 3.0], [1.0, 2.0])[0]
        0.875
    """
    x, y = _runs("improvement", draws, level, a=a, b=b)
    random = np.random.default_rng(seed)
    drawn = _share(
        x[random.integers(len(x), size=(draws, len(x)))],
        y[random.integers(len(y), size=(draws, len(y)))],
    )
    low, high = np.quantile(drawn, (0.5 - level / 2, 0.5 + level / 2))
    return float(_share(x, y)), float(low), float(high)


def _runs(what: str, draws: int, level: float, **given: ArrayLike) -> list[np.ndarray]:
    """The given values as arrays ``[N]``, after the checks that both statistics need."""
    found = []
    for name, values in given.items():
        runs = np.asarray(values, dtype=float)
        if runs.ndim != 1 or not runs.size or not np.isfinite(runs).all():
            raise ValueError(f"{what}: {name} {runs.shape} must be finite numbers [N], one per run")
        found.append(runs)
    check_integer("draws", draws, at_least=1)
    check_number("level", level, above=0, below=1)
    return found


def _share(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The share of all pairs of the last axes in which a is larger; a tie counts half."""
    a, b = a[..., :, None], b[..., None, :]
    return ((a > b) + 0.5 * (a == b)).mean((-1, -2))


def band(ax: Axes, x: ArrayLike, values: ArrayLike, **style) -> Axes:
    """The mean over repetitions as a line, and their range as a shaded band.

    Args:
        ax: where to draw.
        x: ``[K]``.
        values: ``[repetitions, K]``.
        **style: options of ``Axes.plot``.
    """
    values = np.asarray(values)
    (line,) = ax.plot(x, values.mean(0), marker=".", **style)
    ax.fill_between(x, values.min(0), values.max(0), color=line.get_color(), alpha=0.2, lw=0)
    return ax


def stacked_bars(ax: Axes, table: dict[str, dict[str, float]], colours: dict[str, str]) -> Axes:
    """One stacked bar per row of a table, with a part for each column; the first row is on top.

    Args:
        ax: where to draw.
        table: ``{row: {column: value}}``.
        colours: the colour of each column to show.
    """
    left = np.zeros(len(table))
    for column, colour in colours.items():
        width = np.array([row[column] for row in table.values()])
        ax.barh(list(table), width, left=left, color=colour, label=column.replace("_", "-"))
        left += width
    ax.invert_yaxis()
    return ax
