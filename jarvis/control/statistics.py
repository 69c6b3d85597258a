"""Mean and spread of observations, gathered while policies act, as in augmented random search."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jarvis.support.checks import check_type

#: An observation with a smaller standard deviation counts as constant and is replaced by 0.
LEAST = 1e-7


@dataclass
class ObservationStatistics:
    """Running mean and variance of each observation.

    Policies see ``(observation - mean) / standard deviation``. Until there are two observations,
    policies see observations unchanged.

    Args:
        mean: ``[n]``.
        squares: sum of squared deviations from the mean ``[n]``.
        count: number of observations.

    Source: Mania, Guy & Recht 2018, NeurIPS 31, section 3.2; two samples are combined as in Chan,
    Golub & LeVeque 1983, Am. Stat. 37(3):242.

    Example:
        >>> seen = ObservationStatistics.empty(1)
        >>> seen.add(np.array([[1.0], [3.0]]))
        >>> seen.mean.item(), seen.scale.item()  # standard deviation of a sample: sqrt(2)
        (2.0, 0.7071067811865475)
    """

    mean: np.ndarray
    squares: np.ndarray
    count: float = 0.0

    @classmethod
    def empty(cls, n: int) -> "ObservationStatistics":
        """Empty statistics of n observed quantities."""
        return cls(np.zeros(n), np.zeros(n))

    @property
    def scale(self) -> np.ndarray:
        """1 / standard deviation of each observation ``[n]``; 0 for one that is constant."""
        if self.count < 2:
            return np.ones_like(self.mean)
        spread = np.sqrt(self.squares / (self.count - 1))
        varies = spread > LEAST
        return np.where(varies, 1.0 / np.where(varies, spread, 1.0), 0.0)

    @property
    def centre(self) -> np.ndarray:
        """The value to subtract ``[n]``: the mean, or 0 until there are two observations."""
        return self.mean if self.count >= 2 else np.zeros_like(self.mean)

    def add(self, observations: np.ndarray) -> None:
        """Add observations ``[N, n]``.

        Raises:
            ValueError: for observations of another number of quantities.
            FloatingPointError: for observations that are not finite; the statistics are unchanged.
        """
        if np.ndim(observations) != 2 or np.shape(observations)[1] != len(self.mean):
            raise ValueError(
                f"observations must be [N, n={len(self.mean)}]; got shape {np.shape(observations)}"
            )
        if len(observations):
            apart = np.asarray(observations, float) - self.centre
            self.combine(len(apart), apart.sum(0), (apart * apart).sum(0), self.centre)

    def combine(
        self, count: float, sums: np.ndarray, squares: np.ndarray, about: np.ndarray
    ) -> None:
        """Add a sample that is described by its moments.

        Args:
            count: size of the sample.
            sums, squares: sums of ``observation - about`` and of its square ``[n]``.
            about: the point of reference ``[n]``.

        Raises:
            FloatingPointError: for moments that are not finite; the statistics are unchanged.
        """
        if count == 0:
            return
        if not (np.isfinite(sums).all() and np.isfinite(squares).all()):
            raise FloatingPointError("observations, or their squares, are not finite")
        mean, own = about + sums / count, squares - sums * sums / count
        total = self.count + count
        apart = mean - self.mean
        self.squares = self.squares + np.maximum(own, 0.0)
        self.squares = self.squares + apart * apart * (self.count * count / total)
        self.mean = self.mean + apart * (count / total)
        self.count = total

    def copy(self) -> "ObservationStatistics":
        return ObservationStatistics(self.mean.copy(), self.squares.copy(), self.count)

    def as_dict(self) -> dict[str, Any]:
        """Plain arrays, for a checkpoint."""
        return {"mean": self.mean, "squares": self.squares, "count": self.count}


def statistics_of(
    name: str, statistics: ObservationStatistics | None, n: int
) -> ObservationStatistics:
    """Statistics of n observed quantities: those that are given, or empty ones.

    Args:
        name: name of the argument in the message.
        statistics: the given statistics; None for empty ones.
        n: number of observations.

    Raises:
        TypeError: for something other than statistics.
        ValueError: for statistics of another number of observations.
    """
    if statistics is None:
        return ObservationStatistics.empty(n)
    check_type(name, statistics, ObservationStatistics)
    for part in ("mean", "squares"):
        if np.shape(getattr(statistics, part)) != (n,):
            raise ValueError(
                f"{name}: {part} must be [n_observations={n}]; got shape "
                f"{np.shape(getattr(statistics, part))}"
            )
    return statistics
