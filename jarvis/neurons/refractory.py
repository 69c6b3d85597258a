"""The refractory period: code shared by the parameters and steps of all neurons that have one."""

import torch
from torch import Tensor


class Refractory:
    """A refractory period in whole steps, for parameters with fields `refractory` and `dt`, ms."""

    refractory: float
    dt: float

    def check_refractory(self) -> None:
        """Raise ValueError for a refractory period that would have no effect."""
        if self.refractory > 0 and self.refractory_steps == 0:
            raise ValueError(
                f"refractory={self.refractory:g} ms is less than half a step of dt={self.dt:g} ms "
                "and would do nothing: take a smaller dt, or refractory=0"
            )

    @property
    def refractory_steps(self) -> int:
        """The refractory period in whole steps."""
        return round(self.refractory / self.dt)

    @property
    def hold(self) -> float:
        """`refractory_steps` as a number that the compiled loop reads."""
        return float(self.refractory_steps)


def steps_left(before: Tensor, spikes: Tensor, hold: float) -> Tensor:
    """The refractory steps that remain after a step.

    Args:
        before: the refractory steps that remained before the step ``[B, ...]``.
        spikes: the spikes of this step ``[B, ...]``.
        hold: `Refractory.hold`.

    Example:
        >>> steps_left(torch.tensor([0.0, 2.0, 0.0]), torch.tensor([1.0, 0.0, 0.0]), 3.0).tolist()
        [3.0, 1.0, 0.0]
    """
    waiting = (before.detach() - 1.0).clamp_min(0.0)
    return torch.where(spikes.detach() > 0, hold, waiting)
