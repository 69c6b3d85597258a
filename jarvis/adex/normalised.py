"""The dimensionless AdEx neuron for trained networks: resting potential 0, threshold 1.

Its parameters, which are validated, including whether dt is small enough; its state; the update
rule of one step; and the layer that runs it over ``[T, B, ...]``.
"""

import math
import warnings
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from jarvis.adex.common import DEFAULT_SURROGATE, Surrogate, saturate
from jarvis.kernels.adex_autograd import run_normalised
from jarvis.kernels.adex_spec import NormalisedSpec, NormalisedValues
from jarvis.kernels.dispatch import check_backend, choose
from jarvis.kernels.lif_spec import is_named
from jarvis.neurons.decay import exp_decay
from jarvis.neurons.layers import check_input, checked_state
from jarvis.support.checks import check_number
from jarvis.surrogate import SurrogateSpike


@dataclass(frozen=True)
class NormalisedAdExParams:
    """Parameters of the dimensionless AdEx (resting potential 0, threshold 1), used in training.

    With v the potential, i the synaptic current and w the adaptation::

        dv/dt = -v/tau + i - w + delta_t exp((v - v_t)/delta_t)
        di/dt = -i/tau_syn,            i jumps by a weight where a spike arrives
        dw/dt = -w/tau_w + a v,        w jumps by b where the neuron fires

    The neuron fires where v reaches the threshold; then v = 0. `normalised_adex_step` uses an Euler
    step for everything but the decays. Its fixed point without spikes is that of a neuron with a
    time constant ``dt/(1 - exp(-dt/tau))``, or tau + dt/2 for small dt; likewise for tau_syn.

    Args:
        tau: membrane time constant, ms.
        tau_syn: time constant of the synaptic current, ms.
        dt: time step, ms.
        threshold: potential at which the neuron fires (the resting potential is 0).
        a: coupling of the potential to the adaptation, 1/ms^2.
        b: increase of the adaptation per spike, 1/ms.
        tau_w: time constant of the adaptation, ms.
        delta_t: sharpness of the exponential, in units of the potential.
        v_t: potential at which the exponential adds delta_t per ms.
        w0: adaptation at the start, 1/ms.

    Raises:
        ValueError: for a value outside its range, and for a dt at which the step is unstable: the
            potential and the adaptation would drive each other into growing oscillations.

    Warns:
        UserWarning: for a dt longer than the upstroke of a spike, or than tau_syn. The message says
            what goes wrong in the step.

    Source: Landsmeer et al. 2025, arXiv:2512.10011 (neuron and default values).

    Example:
        >>> round(NormalisedAdExParams(dt=0.5).upstroke, 4)
        0.9933
        >>> NormalisedAdExParams(dt=15.0)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: dt=15 ms is too large: potential and adaptation would drive each other ...
    """

    tau: float = 10.0
    tau_syn: float = 2.0
    dt: float = 0.5
    threshold: float = 1.0
    a: float = 0.01
    b: float = 0.02
    tau_w: float = 200.0
    delta_t: float = 0.1
    v_t: float = 0.5
    w0: float = 0.1

    def __post_init__(self) -> None:
        for name in ("tau", "tau_syn", "dt", "threshold", "tau_w", "delta_t"):
            check_number(name, getattr(self, name), above=0)
        for name in ("a", "b", "v_t", "w0"):
            check_number(name, getattr(self, name))
        if self.steepest > 80.0:
            raise ValueError(
                f"delta_t={self.delta_t:g} is too sharp: the exponential would be "
                f"exp({self.steepest:.0f}) at the threshold, more than float32 holds; take at "
                f"least {(self.threshold - self.v_t) / 80.0:.2g}"
            )
        growth = self._growth(self.dt)
        if growth > 1.0:
            low, high = 0.0, self.dt
            for _ in range(60):
                middle = (low + high) / 2.0
                low, high = (middle, high) if self._growth(middle) <= 1.0 else (low, middle)
            raise ValueError(
                f"dt={self.dt:g} ms is too large: potential and adaptation would drive each other "
                f"to ever larger swings, {growth:.3g} times as large at each step; take dt below "
                f"{low:.2g} ms"
            )
        large = []
        if self.dt > self.upstroke:
            v, steps = self.v_t, 0
            while v < self.threshold:
                v += self.dt * self.delta_t * math.exp((v - self.v_t) / self.delta_t)
                steps += 1
            large.append(
                f"the upstroke of a spike, {self.upstroke:.2g} ms, becomes {steps} steps, "
                f"{steps * self.dt:.3g} ms"
            )
        if self.dt > self.tau_syn:
            gain = self.dt / self.tau_syn / -math.expm1(-self.dt / self.tau_syn)
            large.append(f"an arriving spike counts {gain:.2g} times (tau_syn={self.tau_syn:g} ms)")
        if large:
            what = "; ".join(large)
            warnings.warn(f"dt={self.dt:g} ms is large: {what}", UserWarning, stacklevel=3)

    def _growth(self, dt: float) -> float:
        """Factor by which a step amplifies oscillations of v and w around rest, where above 1.

        A step of the linear part is ``[[exp(-dt/tau), -dt], [a dt, exp(-dt/tau_w)]]``. With a >= 0
        its eigenvalues leave the unit circle as a pair of modulus sqrt(det). (With a < 0 there is
        no oscillation, and any drift is also present in the continuous equation.)
        """
        return math.sqrt(math.exp(-dt / self.tau - dt / self.tau_w) + max(self.a, 0.0) * dt * dt)

    @property
    def steepest(self) -> float:
        """The exponential's argument at the threshold, its largest possible value."""
        return (self.threshold - self.v_t) / self.delta_t

    @property
    def upstroke(self) -> float:
        """Time from v_t to the threshold by the exponential alone, ms: ``1 - exp(-steepest)``."""
        return -math.expm1(-self.steepest) if self.steepest > 0.0 else math.inf


class NormalisedAdExState(NamedTuple):
    """State of a dimensionless AdEx neuron, each ``[B, ...]``."""

    v: Tensor  #: potential after the reset (resting potential 0, threshold 1)
    i: Tensor  #: synaptic current, 1/ms
    w: Tensor  #: adaptation, 1/ms

    def detach(self) -> "NormalisedAdExState":
        """The state detached from the graph, for truncated backpropagation through time."""
        return NormalisedAdExState(*(part.detach() for part in self))


def normalised_adex_initial_state(x: Tensor, params: NormalisedAdExParams) -> NormalisedAdExState:
    """v = 0 and w = w0 without current; shape, dtype and device are those of `x`."""
    v = torch.zeros_like(x, memory_format=torch.contiguous_format)
    return NormalisedAdExState(v, torch.zeros_like(v), torch.full_like(v, params.w0))


def normalised_adex_step(
    x: Tensor,
    state: NormalisedAdExState | None,
    params: NormalisedAdExParams,
    surrogate: Surrogate = DEFAULT_SURROGATE,
    detach_reset: bool = True,
) -> tuple[Tensor, NormalisedAdExState]:
    """One step of the dimensionless AdEx neuron.

    In this order::

        i = exp(-dt/tau_syn) i + x
        h = exp(-dt/tau) v + dt (i - w + delta_t exp((v - v_t)/delta_t))
        s = 1 where h >= threshold, else 0
        w = exp(-dt/tau_w) w + dt a v + b s
        v = h (1 - s)

    The exponential's argument is clamped at its value at the threshold, which v never exceeds.

    Args:
        x: input of this step ``[B, ...]``: the jump of i, the sum of the weights of all arriving
            spikes. It is clamped to +-1e15.
        state: the state before the step; None for the initial state.
        params: the neuron's parameters.
        surrogate: the spike and its derivative with respect to h - threshold.
        detach_reset: True blocks the gradient through the reset, as in `LIFParams`.

    Returns:
        spikes ``[B, ...]``, exactly 0 or 1 (NaN where the potential is NaN), and the new state.

    Source: Landsmeer et al. 2025, arXiv:2512.10011. There an input arrives at the end of its step,
    here at the beginning, as in `lif_step`: the spikes are the same, one step earlier.

    Example:
        >>> params, state = NormalisedAdExParams(dt=0.5), None
        >>> for step in range(10):
        ...     spikes, state = normalised_adex_step(torch.full((1,), 0.2), state, params)
        ...     if spikes:
        ...         print(f"{(step + 1) * params.dt} ms")
        3.0 ms
        4.5 ms
    """
    if state is None:
        state = normalised_adex_initial_state(x, params)
    spikes, state, _ = normalised_adex_update(x, state, params, surrogate, detach_reset)
    return spikes, state


def normalised_adex_update(
    x: Tensor,
    state: NormalisedAdExState,
    params: NormalisedAdExParams,
    surrogate: Surrogate,
    detach_reset: bool,
) -> tuple[Tensor, NormalisedAdExState, Tensor]:
    """`normalised_adex_step` for a given state; also returns h, the potential before the reset."""
    p, v, w = params, state.v, state.w
    i = exp_decay(p.tau_syn, p.dt) * state.i + saturate(x)
    grown = p.delta_t * torch.exp(((v - p.v_t) / p.delta_t).clamp_max(p.steepest))
    h = exp_decay(p.tau, p.dt) * v + p.dt * (i - w + grown)
    spikes = surrogate(h, p.threshold)
    w = exp_decay(p.tau_w, p.dt) * w + p.dt * p.a * v + p.b * spikes
    reset = spikes.detach() if detach_reset else spikes
    return spikes, NormalisedAdExState(h * (1.0 - reset), i, w), h


class NormalisedAdExTrace(NamedTuple):
    """Recorded variables of dimensionless AdEx neurons, each ``[T, B, ...]``."""

    h: Tensor  #: potential before the reset
    v: Tensor  #: potential after the reset
    i: Tensor  #: synaptic current
    w: Tensor  #: adaptation


class NormalisedAdExLayer(nn.Module):
    """Dimensionless AdEx neurons for training, run over a whole sequence.

    The equations are those of `normalised_adex_step`, with resting potential 0 and threshold 1.
    Neurons do not interact, so any trailing shape works, after a convolution as well as after a
    linear map.

    Args:
        params: the neurons' parameters.
        surrogate: a `SurrogateSpike`, the name of one, or a module ``(v, threshold) -> spikes``.
        backend: "auto" uses the compiled time loop if it can, and warns once if not; "eager" runs
            step by step in PyTorch; "numba" (CPU) and "triton" (CUDA) require that loop.
        detach_reset: True blocks the gradient through the reset.

    Raises:
        ValueError: for an unknown name, or an input that is not [T, B, ...].
        TypeError: for an input that is not a floating-point tensor.

    Example:
        >>> layer = NormalisedAdExLayer(NormalisedAdExParams(dt=0.5))
        >>> spikes, state = layer(torch.full((40, 1, 3), 0.2))
        >>> spikes.shape, int(spikes[:, 0, 0].sum())
        (torch.Size([40, 1, 3]), 11)
    """

    def __init__(
        self,
        params: NormalisedAdExParams | None = None,
        surrogate: str | SurrogateSpike = "fast_sigmoid",
        backend: str = "auto",
        *,
        detach_reset: bool = True,
    ) -> None:
        super().__init__()
        check_backend(backend)
        self.params = NormalisedAdExParams() if params is None else params
        if not isinstance(self.params, NormalisedAdExParams):
            raise ValueError(f"params must be NormalisedAdExParams, not {type(params).__name__}")
        self.backend, self.detach_reset = backend, detach_reset
        self.surrogate = SurrogateSpike(surrogate) if isinstance(surrogate, str) else surrogate

    def forward(self, x: Tensor, state: NormalisedAdExState | None = None, *, trace: bool = False):
        """Run the layer over a sequence.

        Args:
            x: input ``[T, B, ...]``: per step, the jump of the synaptic current.
            state: the state to start from; None for the initial state.
            trace: also return potentials, current and adaptation. This runs step by step, whatever
                the backend.

        Returns:
            ``(spikes [T, B, ...], state)``, followed by a `NormalisedAdExTrace` if ``trace=True``.
        """
        name = type(self).__name__
        check_input(x, name)
        fresh = normalised_adex_initial_state(x.new_empty(x.shape[1:]), self.params)
        state = checked_state(name, x, state, fresh)
        if not trace:
            named = is_named(self.surrogate)
            reason = None if named else "the surrogate is not one of the named ones"
            loops = choose(self.backend, name, (x, *state), reason, family="adex")
            if loops is not None:
                spec = normalised_spec(self.params, self.surrogate, self.detach_reset)
                spikes, *final = run_normalised(loops, spec, x, state)
                return spikes, NormalisedAdExState(*final)
        rows = []
        for x_t in x.unbind(0):
            s_t, state, h_t = normalised_adex_update(
                x_t, state, self.params, self.surrogate, self.detach_reset
            )
            rows.append((s_t, h_t, *state) if trace else (s_t,))
        stacked = [torch.stack(part) for part in zip(*rows, strict=True)]
        if not stacked:
            stacked = [x.new_zeros(x.shape)] * 5
        return (
            (stacked[0], state, NormalisedAdExTrace(*stacked[1:])) if trace else (stacked[0], state)
        )

    def extra_repr(self) -> str:
        return str(self.params)


def normalised_spec(
    params: NormalisedAdExParams, surrogate: SurrogateSpike, detach: bool
) -> NormalisedSpec:
    """The loop for a dimensionless layer."""
    p = params
    values = NormalisedValues(
        decay=float(exp_decay(p.tau, p.dt)),
        decay_syn=float(exp_decay(p.tau_syn, p.dt)),
        decay_w=float(exp_decay(p.tau_w, p.dt)),
        dt=p.dt,
        drive=p.dt * p.a,
        b=p.b,
        threshold=p.threshold,
        v_t=p.v_t,
        sharpness=1.0 / p.delta_t,
        steepest=p.steepest,
        growth=p.dt * p.delta_t,
        slope=surrogate.slope,
    )
    return NormalisedSpec(surrogate.name, detach, values)
