"""An independent LIF layer in plain Python numbers, with its derivative carried forward.

Written from the equations of the design, sharing no code with the library: loops over time and
lanes, scalar arithmetic, and forward-mode derivatives (the library differentiates in reverse).
"""

import math


class Dual:
    """A number and its derivative along one direction."""

    def __init__(self, x: float, d: float = 0.0) -> None:
        self.x, self.d = x, d

    def __add__(self, other):
        other = other if isinstance(other, Dual) else Dual(other)
        return Dual(self.x + other.x, self.d + other.d)

    __radd__ = __add__

    def __mul__(self, other):
        other = other if isinstance(other, Dual) else Dual(other)
        return Dual(self.x * other.x, self.x * other.d + self.d * other.x)

    __rmul__ = __mul__

    def __sub__(self, other):
        return self + (-1.0) * other

    def __rsub__(self, other):
        return (-1.0) * self + other


def surrogate(name: str, x: float, k: float) -> float:
    if name == "fast_sigmoid":
        return 1 / (1 + k * abs(x)) ** 2
    if name == "sigmoid":
        return k / (math.exp(k * x / 2) + math.exp(-k * x / 2)) ** 2
    if name == "arctan":
        return k / 2 / (1 + (math.pi / 2 * k * x) ** 2)
    if name == "triangle":
        return k * max(0.0, 1 - k * abs(x))
    return 1.0


def lif(
    x: list[list[float]],
    dx: list[list[float]],
    *,
    tau: float,
    dt: float,
    threshold: float,
    reset: str,
    detach_reset: bool,
    refractory: float,
    tau_syn: float | None,
    adaptation: float,
    tau_adapt: float,
    name: str,
    slope: float,
    weight: list[list[float]] | None = None,
):
    """x, dx: ``[T][N]``. Returns spikes and their derivatives ``[T][N]``, and the last v."""
    n = len(x[0]) if x else 0
    v, i, a, last = ([Dual(0.0) for _ in range(n)] for _ in range(4))
    wait = [0] * n
    spikes, derivatives = [], []
    for t in range(len(x)):
        fired = []
        for j in range(n):
            current = Dual(x[t][j], dx[t][j])
            if weight is not None:
                for k in range(n):
                    current = current + weight[j][k] * last[k]
            if tau_syn is not None:
                i[j] = math.exp(-dt / tau_syn) * i[j] + current
                current = i[j]
            if wait[j] > 0:
                wait[j] -= 1
                s = Dual(0.0)
            else:
                v[j] = math.exp(-dt / tau) * v[j] + current
                u = v[j] - threshold - adaptation * a[j]
                s = Dual(1.0 if u.x >= 0 else 0.0, surrogate(name, u.x, slope) * u.d)
                r = Dual(s.x) if detach_reset else s
                if reset == "subtract":
                    v[j] = v[j] - threshold * r
                elif reset == "zero":
                    v[j] = v[j] * (1.0 - r)
                if s.x:
                    wait[j] = round(refractory / dt)
            a[j] = math.exp(-dt / tau_adapt) * a[j] + s
            fired.append(s)
        last = fired
        spikes.append([s.x for s in fired])
        derivatives.append([s.d for s in fired])
    return spikes, derivatives, [u.x for u in v]
