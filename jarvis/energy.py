"""What a network did, in operations, and an estimate of the energy that they take.

`operations.count_operations` counts. What is counted is exact; what an operation costs is an
assumption, which depends on the chip. So it stands here as numbers that can be changed.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

#: Energy of an addition and of a multiplication, pJ, at 45 nm and 0.9 V. Horowitz 2014, ISSCC.
HOROWITZ_2014 = {"float32": (0.9, 3.7), "float16": (0.4, 1.1), "int8": (0.03, 0.2)}


@dataclass(frozen=True, eq=False)
class Operations:
    """Operations of a layer, or of a network, for each sample: four tensors ``[B]`` int64.

    Args:
        spikes: that were fired.
        additions: one for each spike and each synapse that exists and that it is sent by.
        multiply_adds: one for each number (not a spike) and each synapse: a product and its sum.
        updates: one for each state variable of a neuron that is brought to the present: at every
            step of a clock, or at every arrival of a spike where there is no clock. It is a
            multiplication by a decay, and an addition.

    Example:
        >>> one = Operations.none(1)
        >>> print(one + Operations.none(1, additions=torch.tensor([3])))
        spikes 0, additions 3, multiply-adds 0, updates 0
    """

    spikes: Tensor
    additions: Tensor
    multiply_adds: Tensor
    updates: Tensor

    @staticmethod
    def none(n_samples: int, **given: Tensor) -> "Operations":
        """No operations of so many samples, but for what is given."""
        zero = {f.name: torch.zeros(n_samples, dtype=torch.int64) for f in fields(Operations)}
        return Operations(**(zero | given))

    @staticmethod
    def total(parts: "Iterable[Operations]") -> "Operations":
        """The sum over layers, such as ``Operations.total(count_operations(model, x).values())``.

        Raises:
            ValueError: if there is nothing to add up.
        """
        parts = list(parts)
        if not parts:
            raise ValueError("Operations.total: parts is empty: there is nothing to add up")
        return sum(parts[1:], parts[0])

    def __add__(self, other: "Operations") -> "Operations":
        names = [f.name for f in fields(self)]
        return Operations(*(getattr(self, name) + getattr(other, name) for name in names))

    def mean(self) -> dict[str, float]:
        """The mean over samples, ``{"spikes": ..., "additions": ..., ...}``."""
        return {f.name: getattr(self, f.name).double().mean().item() for f in fields(self)}

    def __str__(self) -> str:
        shown = (f"{k.replace('_', '-')} {v:,.0f}" for k, v in self.mean().items())
        return ", ".join(shown)


@dataclass(frozen=True)
class EnergyModel:
    """A price of each operation, in pJ::

        E = additions (add + read) + multiply_adds (multiply + add + read)
            + updates (multiply + add + 2 read)

    **What is left out.** By default `read` is 0: memory is free, which it is not. On the same 45 nm
    chip a 32-bit word from a cache of 8 kB costs 5 pJ, of 1 MB 50 pJ, from DRAM more than 650 pJ
    (half of Horowitz's figures for 64 bits): more than any arithmetic. Then what counts is how
    often a number is fetched. A spike fetches its weights each time that it comes, an update
    fetches its state and puts it back; a dense layer fetches each weight once, and shares it
    among the samples of a batch, which this model does not credit it with. Leakage, clock, routing
    of spikes, thresholds' comparisons and biases are left out on both sides.

    Args:
        add: an addition, pJ.
        multiply: a multiplication, pJ.
        read: an access to memory, pJ: one for each weight, two for each update.

    Raises:
        ValueError: for a price that is negative or not finite, or if all additions were free.

    Source: Horowitz 2014, "Computing's energy problem (and what we can do about it)", ISSCC, fig.
    1.1.9: 45 nm, 0.9 V. The defaults are its 32-bit floats.

    Example:
        >>> ops = Operations.none(1, additions=torch.tensor([100]), updates=torch.tensor([10]))
        >>> EnergyModel()(ops)  # 100 additions, and 10 updates of 4.6 pJ
        tensor([136.], dtype=torch.float64)
        >>> round(EnergyModel().break_even, 2), round(EnergyModel.of("int8").break_even, 2)
        (5.11, 7.67)
    """

    add: float = 0.9
    multiply: float = 3.7
    read: float = 0.0

    def __post_init__(self) -> None:
        for name in ("add", "multiply", "read"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name}={value!r} pJ must be finite and at least 0")
        if not self.add + self.read > 0:
            raise ValueError(f"add={self.add!r} and read={self.read!r} pJ: give one of them a cost")

    @staticmethod
    def of(numbers: str, read: float = 0.0) -> "EnergyModel":
        """Prices of a kind of number in `HOROWITZ_2014`: "float32", "float16" or "int8".

        Raises:
            ValueError: for another kind.
        """
        if numbers not in HOROWITZ_2014:
            raise ValueError(f"numbers={numbers!r} is not one of {', '.join(HOROWITZ_2014)}")
        add, multiply = HOROWITZ_2014[numbers]
        return EnergyModel(add, multiply, read)

    def __call__(self, operations: Operations) -> Tensor:
        """Energy of each sample, ``[B]`` float64, pJ."""
        product = self.multiply + self.add
        return (
            operations.additions.double() * (self.add + self.read)
            + operations.multiply_adds.double() * (product + self.read)
            + operations.updates.double() * (product + 2 * self.read)
        )

    @property
    def break_even(self) -> float:
        """Spikes of an input that cost as much as one multiply-add, updates left out."""
        return (self.multiply + self.add + self.read) / (self.add + self.read)
