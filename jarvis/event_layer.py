"""A recurrent layer with delays, run from event to event, with exact gradients of spike times."""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from jarvis import event_driven
from jarvis.event_driven import EventLIF, EventNeuron, event_spec
from jarvis.events import Events
from jarvis.kernels.dispatch import check_backend, choose
from jarvis.kernels.event_spec import EventLoops, EventSpec, Inputs, Spikes, Synapses


class EventOutput(NamedTuple):
    """What the neurons of an event-driven layer did."""

    counts: Tensor  #: ``[B, H]`` (or ``[B, windows, H]``) spikes; differentiable by a surrogate
    times: Tensor  #: ``[S]`` ms, in the order of `spikes`; differentiable exactly
    spikes: Events  #: the same spikes as a batch of lists


class _Run(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loops: EventLoops, spec: EventSpec, inputs: Inputs, *matrices: Tensor):
        w_in, d_in, w_rec, d_rec = matrices

        def steps(delays: Tensor, least: int) -> Tensor:
            return torch.round(delays / spec.dt).clamp(least, spec.n_steps).int()

        # A spike is heard in the next step at the earliest: this one's potentials are known by now.
        synapses = Synapses(w_in, steps(d_in, 0), w_rec, steps(d_rec, 1))
        spikes = loops.forward(spec, inputs, synapses, any(ctx.needs_input_grad))
        batch, width = len(inputs.offsets) - 1, w_in.shape[1]
        where = torch.arange(batch, device=w_in.device).repeat_interleave(spikes.offsets.diff())
        where = where * spec.windows + spec.window(spikes.steps.long())
        shape = (batch, spec.windows, width)
        counts = torch.bincount(where * width + spikes.units, minlength=math.prod(shape))
        ctx.loops, ctx.spec = loops, spec
        ctx.save_for_backward(*inputs, *synapses, *spikes)
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(spikes.steps, spikes.units, spikes.offsets)
        times = spikes.steps.to(w_in.dtype) * spec.dt
        return counts.view(shape).to(w_in.dtype), times, *spikes[:3]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g_counts: Tensor | None, g_times: Tensor | None, *_):
        saved = ctx.saved_tensors
        inputs, synapses = Inputs(*saved[:3]), Synapses(*saved[3:7])
        spikes = Spikes(*saved[7:])
        assert spikes.v is not None
        if g_counts is None:
            batch, _, width = spikes.v.shape
            g_counts = spikes.v.new_zeros(batch, ctx.spec.windows, width)
        if g_times is None:
            g_times = spikes.v.new_zeros(len(spikes.steps))
        gradients = ctx.loops.backward(ctx.spec, inputs, synapses, spikes, g_counts, g_times)
        for name, gradient in gradients._asdict().items():
            if not math.isfinite(gradient.sum().item()) and not torch.isfinite(gradient).all():
                raise FloatingPointError(
                    f"run_events: the gradient of {name} is not finite. A spike's time can depend "
                    "on the past so strongly that its gradient explodes: pass damping=1.0 (say), "
                    "lower the weights or the firing rate, or compute in float64"
                )
        return None, None, None, *gradients


def _check_matrix(name: str, matrix: Tensor, shape: tuple[int, int], least: float) -> None:
    if tuple(matrix.shape) != shape:
        raise ValueError(f"{name} {tuple(matrix.shape)} must be {list(shape)}, pre x post")
    if not matrix.is_floating_point():
        raise TypeError(f"{name} is {matrix.dtype}: weights and delays are floating-point")
    # One pass: the sum of finite numbers is finite (or overflows, and is looked at again).
    if not math.isfinite(matrix.detach().sum().item()) and not torch.isfinite(matrix).all():
        raise ValueError(f"{name} has a value that is not finite")
    if matrix.numel() and least > -math.inf and matrix.detach().min().item() < least:
        raise ValueError(f"{name} has a delay of {matrix.min().item():g} ms: none may be below 0")


def run_events(
    events: Events,
    w_in: Tensor,
    d_in: Tensor,
    w_rec: Tensor | None = None,
    d_rec: Tensor | None = None,
    neuron: EventNeuron | None = None,
    *,
    surrogate: float = 1.0,
    damping: float = 0.0,
    windows: int = 1,
    backend: str = "auto",
) -> EventOutput:
    """Input spikes, over delays, to neurons that may hear each other, over delays.

    Delays are rounded to steps of ``neuron.dt`` and their gradient passes through the rounding.
    None is ever cut short: what would arrive after the last step does not arrive. Between two
    neurons of the layer a spike takes at least one step.

    The gradient is exact for the network without a grid, and approaches it as dt shrinks. It needs
    memory for T times the neurons and for the spikes, never for T times the synapses.

    Args:
        events: input spikes in steps of ``neuron.dt`` (see `Events.on_grid`), of n_in units.
        w_in: weights ``[n_in, H]``, pre x post, in threshold units per ms.
        d_in: their delays ``[n_in, H]``, ms.
        w_rec: weights ``[H, H]`` among the neurons; None: they do not hear each other.
        d_rec: their delays ``[H, H]``, ms.
        neuron: an `EventLIF` (the default's: ``EventLIF()``) or a `NormalisedAdExParams`.
        surrogate: slope k of ``1/(1 + k |v - threshold|)^2``, through which alone a *count* has a
            gradient; per ms, so that it does not depend on dt.
        damping: every 10 steps backward, ``g -> g / (1 + |g| / damping)``. It tames the gradients
            of chaotic networks and bends them; 0 (exact) leaves them alone.
        windows: equal parts of the time in each of which spikes are counted; with more than 1 (and
            at most T), `EventOutput.counts` is ``[B, windows, H]``.
        backend: "auto" takes the compiled loop; "eager" is the readable definition, on any device;
            "numba" (CPU) and "triton" (CUDA) insist.

    Returns:
        `EventOutput`.

    Raises:
        ValueError: for shapes that do not fit, a negative delay, a number that is not finite, or
            a backend that cannot run this.
        TypeError: for weights or delays that are not floating-point, or weights of two types.
        FloatingPointError: in the backward pass, for gradients that exploded.

    Source: Wunderlich & Pehle 2021, Sci. Rep. 11:12829; with delays, Meszaros et al. 2025, Nat.
    Commun. 16; see `jarvis.event_driven` for the equations.

    Example:
        >>> one_spike = Events.from_first_steps(torch.tensor([[2]]), n_steps=40)
        >>> delay = torch.tensor([[3.0]], requires_grad=True)
        >>> out = run_events(one_spike, torch.tensor([[0.8]]), delay, neuron=EventLIF(dt=0.5))
        >>> out.times.tolist()
        [7.0]
        >>> out.times.sum().backward()
        >>> round(delay.grad.item(), 4)  # a delay that is 1 ms longer: a spike 1 ms later
        1.0
    """
    neuron = EventLIF() if neuron is None else neuron
    check_backend(backend)
    if events.n_steps is None:
        raise ValueError("run_events: these events are in ms: events.on_grid(neuron.dt) first")
    if not (math.isfinite(surrogate) and surrogate >= 0):
        raise ValueError(f"surrogate={surrogate!r} must be at least 0")
    if not (math.isfinite(damping) and damping >= 0):
        raise ValueError(f"damping={damping!r} must be at least 0")
    if not 1 <= windows <= events.n_steps or windows != int(windows):
        raise ValueError(f"windows={windows!r} must be a whole number from 1 to T={events.n_steps}")
    if not len(events):
        raise ValueError("run_events: there is no sample in these events")
    if w_in.dim() != 2:
        raise ValueError(f"w_in must be [n_in, H]; got {tuple(w_in.shape)}")
    if (w_rec is None) != (d_rec is None):
        raise ValueError("w_rec and d_rec come together, or neither")
    n_in, width = w_in.shape
    if events.n_units != n_in:
        raise ValueError(f"events have {events.n_units} units, but w_in {n_in} rows")
    heard_by = 0 if w_rec is None else width
    none = w_in.new_zeros(0, 0)
    w_rec, d_rec = (none, none) if w_rec is None or d_rec is None else (w_rec, d_rec)
    for name, matrix, rows, columns, least in (
        ("w_in", w_in, n_in, width, -math.inf),
        ("d_in", d_in, n_in, width, 0.0),
        ("w_rec", w_rec, heard_by, heard_by, -math.inf),
        ("d_rec", d_rec, heard_by, heard_by, 0.0),
    ):
        _check_matrix(name, matrix, (rows, columns), least)
    if w_rec.dtype != w_in.dtype:
        raise TypeError(f"w_rec is {w_rec.dtype}, but w_in {w_in.dtype}")
    matrices = (w_in, d_in.to(w_in.dtype), w_rec, d_rec.to(w_in.dtype))
    if not torch.is_grad_enabled():  # then nothing is kept for a way back
        matrices = tuple(matrix.detach() for matrix in matrices)
    loops = choose(backend, "run_events", matrices, family="event")
    device = w_in.device
    inputs = Inputs(*(x.to(device) for x in (events.times, events.units, events.offsets)))
    spec = event_spec(neuron, events.n_steps, surrogate, damping, int(windows))
    results = _Run.apply(loops or event_driven, spec, inputs, *matrices)
    counts, times, steps, units, offsets = results  # type: ignore[misc]
    spikes = Events(steps, units, offsets, (width,), events.n_steps)
    return EventOutput(counts if windows > 1 else counts.squeeze(1), times, spikes)
