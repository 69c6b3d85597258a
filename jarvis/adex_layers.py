"""AdEx neurons as layers: thin modules that run a step of `adex_step.py` over ``[T, B, ...]``."""

import warnings
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from jarvis.adex import AdExParams, NormalisedAdExParams
from jarvis.adex_step import (
    AdExState,
    NormalisedAdExState,
    adex_initial_state,
    adex_update,
    normalised_adex_initial_state,
    normalised_adex_update,
)
from jarvis.kernels.adex_autograd import run_adex, run_normalised
from jarvis.kernels.adex_spec import adex_values, normalised_spec
from jarvis.kernels.dispatch import check_backend, choose
from jarvis.kernels.spec import is_named
from jarvis.layers import _check_input
from jarvis.surrogate import SurrogateSpike


class AdExTrace(NamedTuple):
    """What a biophysical neuron did, each ``[T, B, ...]``, at the end of each step."""

    v: Tensor  #: potential, mV
    w: Tensor  #: adaptation current, pA
    since: Tensor  #: time since the spike, where there was one in this step, else 0; ms


class NormalisedAdExTrace(NamedTuple):
    """What a dimensionless neuron did, each ``[T, B, ...]``."""

    h: Tensor  #: potential before the reset
    v: Tensor  #: potential after the reset
    i: Tensor  #: synaptic current
    w: Tensor  #: adaptation


def spike_times(spikes: Tensor, since: Tensor, dt: float) -> Tensor:
    """The spike times of one neuron, finer than the grid: ``(step + 1) dt - since``.

    Args:
        spikes: ``[T]``.
        since: ``[T]``, the time in ms from each spike to the end of its step: `AdExTrace.since`.
        dt: time step, ms.

    Returns:
        Times in ms, float64, as many as there are spikes.

    Example:
        >>> spike_times(torch.tensor([0.0, 1.0, 1.0]), torch.tensor([0.0, 0.25, 0.0]), 0.5).tolist()
        [0.75, 1.5]
    """
    (steps,) = (spikes > 0).nonzero(as_tuple=True)
    return (steps + 1).double() * dt - since[steps].double()


class StepResponse(NamedTuple):
    """What one neuron does under a step of current; arrays of `step_response`."""

    times: np.ndarray  #: the ends of the steps, ms
    v: np.ndarray  #: potential there, mV
    w: np.ndarray  #: adaptation there, pA
    spike_times: np.ndarray  #: ms, finer than the steps


def step_response(
    params: AdExParams,
    current: float,
    duration: float,
    *,
    v: float | None = None,
    w: float = 0.0,
) -> StepResponse:
    """One neuron under a current that is switched on at 0 and stays on, in float64.

    Args:
        params: the neuron.
        current: pA.
        duration: ms, rounded to steps.
        v: potential at the start, mV; None for e_l.
        w: adaptation at the start, pA.

    Raises:
        ValueError: for a duration of less than one step.

    Example:
        >>> response = step_response(AdExParams.named("adapting"), 500.0, duration=100.0)
        >>> response.spike_times.round().tolist()
        [15.0, 26.0, 41.0, 60.0, 90.0]
    """
    steps = round(duration / params.dt)
    if steps < 1:
        raise ValueError(f"duration={duration!r} ms is less than a step of dt={params.dt:g} ms")
    x = torch.full((steps, 1), float(current), dtype=torch.float64)
    start = (params.e_l if v is None else v, w)
    state = AdExState(*(torch.full((1,), float(part), dtype=torch.float64) for part in start))
    spikes, _, trace = AdExLayer(params)(x, state, trace=True)
    found = spike_times(spikes[:, 0], trace.since[:, 0], params.dt)
    times = params.dt * np.arange(1, steps + 1)
    return StepResponse(times, *(part.numpy() for part in (trace.v[:, 0], trace.w[:, 0], found)))


def _checked_state(layer: str, x: Tensor, state, fresh):
    """`state`, or `fresh` if it is None; ValueError for one of another layer or batch."""
    if state is None:
        return fresh
    if type(state) is not type(fresh):
        raise ValueError(
            f"{layer}: state is a {type(state).__name__}, and this layer's is a "
            f"{type(fresh).__name__}"
        )
    for name, part in zip(fresh._fields, state, strict=True):
        if part.shape != x.shape[1:]:
            raise ValueError(
                f"{layer}: state.{name} has shape {tuple(part.shape)}, but one step of the input "
                f"is {tuple(x.shape[1:])}: pass state=None for a new batch"
            )
    return state


def _stack(rows: list[tuple[Tensor, ...]], x: Tensor, parts: int) -> list[Tensor]:
    """What each step gave, over time; zeros like `x` for a sequence of no steps."""
    if not rows:
        return [x.new_zeros(x.shape)] * parts
    return [torch.stack(part) for part in zip(*rows, strict=True)]


class AdExLayer(nn.Module):
    """Adaptive exponential neurons in biophysical units, run over a whole sequence.

    The equations are those of `adex_step`. Neurons do not mix: any trailing shape works.

    Args:
        params: the neurons' parameters.
        surrogate: a `SurrogateSpike`, the name of one, or a module ``(v, threshold) -> spikes``.
        backend: "auto" takes the compiled time loop where no gradient is asked for, and else the
            readable step; "eager" takes the step; "numba" (CPU) and "triton" (CUDA) insist on that
            loop.

    Raises:
        ValueError: for an unknown name, or an input that is not [T, B, ...].
        TypeError: for an input that is not a floating-point tensor.

    Warns:
        UserWarning: if a neuron spikes in two successive steps: the input drives it so strongly
            that spikes are lost between them.

    Example:
        >>> layer = AdExLayer(AdExParams.named("bursting"))
        >>> spikes, state = layer(torch.full((3000, 1), 210.0))  # 300 ms
        >>> int(spikes.sum())
        7
    """

    def __init__(
        self,
        params: AdExParams | None = None,
        surrogate: str | SurrogateSpike = "fast_sigmoid",
        backend: str = "auto",
    ) -> None:
        super().__init__()
        check_backend(backend)
        self.params = AdExParams() if params is None else params
        if not isinstance(self.params, AdExParams):
            raise ValueError(f"params must be AdExParams, not {type(params).__name__}")
        self.backend = backend
        self.surrogate = SurrogateSpike(surrogate) if isinstance(surrogate, str) else surrogate

    def forward(self, current: Tensor, state: AdExState | None = None, *, trace: bool = False):
        """Run the layer over a sequence.

        Args:
            current: ``[T, B, ...]``, pA, constant within each step.
            state: the state to start from; None for neurons at rest.
            trace: also return potentials, adaptation and the spikes' times within their steps.

        Returns:
            ``(spikes [T, B, ...], state)``, and an `AdExTrace` as third with ``trace=True``.
        """
        name = type(self).__name__
        _check_input(current, name)
        fresh = adex_initial_state(current.new_empty(current.shape[1:]), self.params)
        state = _checked_state(name, current, state, fresh)
        tensors = (current, *state)
        learns = torch.is_grad_enabled() and any(part.requires_grad for part in tensors)
        reason = "a gradient is asked for, which its loop does not give" if learns else None
        loops = choose(self.backend, name, tensors, reason, family="adex")
        if loops is not None:
            values = adex_values(self.params)
            spikes, state, traced = run_adex(loops, values, current, state, trace)
        else:
            rows = []
            for current_t in current.unbind(0):
                s_t, state, since = adex_update(current_t, state, self.params, self.surrogate)
                rows.append((s_t, *state, since) if trace else (s_t,))
            spikes, *traced = _stack(rows, current, 4)
        self._check_rate(spikes)
        return (spikes, state, AdExTrace(*traced[:3])) if trace else (spikes, state)

    def _check_rate(self, spikes: Tensor) -> None:
        spikes = spikes.detach()
        if bool((spikes[1:] * spikes[:-1] > 0).any()):
            warnings.warn(
                f"AdExLayer: a neuron spiked in two successive steps of dt={self.params.dt:g} ms, "
                "so spikes between them may be lost: the input is too strong for this dt (or its "
                "unit is not pA)",
                UserWarning,
                stacklevel=3,
            )

    def extra_repr(self) -> str:
        return str(self.params)


class NormalisedAdExLayer(nn.Module):
    """Dimensionless AdEx neurons (rest 0, threshold 1), run over a whole sequence, for training.

    The equations are those of `normalised_adex_step`. Neurons do not mix: any trailing shape works,
    so a layer follows a convolution as well as a linear map.

    Args:
        params: the neurons' parameters.
        surrogate: a `SurrogateSpike`, the name of one, or a module ``(v, threshold) -> spikes``.
        backend: "auto" takes the compiled time loop, and says so once where it cannot; "eager" runs
            step by step in PyTorch; "numba" (CPU) and "triton" (CUDA) insist on that loop.
        detach_reset: True cuts the gradient through the reset.

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
            state: the state to start from; None for neurons that have just begun.
            trace: also return potentials, current and adaptation. This runs step by step, whatever
                the backend.

        Returns:
            ``(spikes [T, B, ...], state)``, and with ``trace=True`` a `NormalisedAdExTrace` too.
        """
        name = type(self).__name__
        _check_input(x, name)
        fresh = normalised_adex_initial_state(x.new_empty(x.shape[1:]), self.params)
        state = _checked_state(name, x, state, fresh)
        if not trace:
            named = is_named(self.surrogate)
            reason = None if named else "the surrogate is not one of the named ones"
            loops = choose(self.backend, name, (x, *state), reason, family="adex")
            if loops is not None:
                spec = normalised_spec(self.params, self.surrogate, self.detach_reset)
                return run_normalised(loops, spec, x, state)
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
