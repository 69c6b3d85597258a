"""The actions of a policy, which chooses one of several actions or sets forces."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jarvis.support.checks import check_choice, check_integer

#: The data types that forces can have.
FORCES = ("float16", "float32", "float64")


@dataclass(frozen=True)
class Actions:
    """The actions of an environment, as plain numbers.

    Args:
        n: number of choices or of forces.
        low, high: the bounds of each force ``[n]``; None for choices.
        start: the number of the first choice.
        dtype: the data type of the forces in the environment.

    Raises:
        ValueError: for fewer than one action, or bounds that are not finite or not in
            order, or another data type than those of `FORCES`.
        TypeError: for a number of actions, or of the first one, that is not a number.

    Example:
        >>> Actions(2).discrete, Actions(1, low=(-2.0,), high=(2.0,)).discrete
        (True, False)
    """

    n: int
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    start: int = 0
    dtype: str = "float32"

    def __post_init__(self) -> None:
        check_integer("Actions: n", self.n, at_least=1)
        check_integer("Actions: start", self.start)
        if (self.low is None) != (self.high is None):
            raise ValueError("Actions: give both low and high, or neither")
        check_choice("Actions: dtype", self.dtype, FORCES)
        if self.low is None or self.high is None:
            return
        low, high = np.asarray(self.low, float), np.asarray(self.high, float)
        if low.shape != (self.n,) or high.shape != (self.n,):
            raise ValueError(
                f"Actions: low and high must be [n={self.n}]; got {low.shape} and {high.shape}"
            )
        object.__setattr__(self, "low", tuple(low.tolist()))
        object.__setattr__(self, "high", tuple(high.tolist()))
        if not (np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all()):
            raise ValueError(
                f"Actions: the bounds {low.tolist()} and {high.tolist()} must be finite, low below "
                "high: rescale the actions, e.g. with gymnasium.wrappers.RescaleAction"
            )

    @property
    def discrete(self) -> bool:
        """Whether one of several actions is chosen."""
        return self.low is None

    @classmethod
    def of(cls, space: Any) -> "Actions":
        """The actions of an action space of gymnasium, a `Discrete` or a `Box` with one axis.

        Raises:
            ValueError: for another space.
        """
        kind = type(space).__name__
        if kind == "Discrete":
            return cls(int(space.n), start=int(space.start))
        if kind != "Box" or len(space.shape) != 1:
            raise ValueError(
                f"the actions {space} are neither a Discrete nor a Box with one axis: wrap the "
                "environment, e.g. in gymnasium.wrappers.FlattenAction"
            )
        return cls(space.shape[0], space.low, space.high, dtype=str(space.dtype))


def idle_action(space: Any) -> Any:
    """The action of doing nothing in an action space: the middle of forces, or the first choice."""
    if hasattr(space, "n"):
        return int(getattr(space, "start", 0))
    return (0.5 * (space.low + space.high)).astype(space.dtype)


def observation_size(space: Any) -> int:
    """The number of observations of an observation space, a `Box` with one axis.

    Raises:
        ValueError: for another space.
    """
    if type(space).__name__ != "Box" or len(space.shape) != 1:
        raise ValueError(
            f"the observations {space} are not a Box with one axis: wrap the environment in "
            "gymnasium.wrappers.FlattenObservation"
        )
    return int(space.shape[0])
