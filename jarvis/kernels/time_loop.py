"""Generated loops as differentiable functions of tensors.

`run` runs a neuron's loop over ``[T, B, ...]``. The forward loop keeps what the plan of the step
asks for; gradients reach the inputs, the initial state and the numbers that are tensors. With a
recurrent weight the loop runs a step at a time, with a matrix product in between.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from jarvis.kernels.first_order import first_order
from jarvis.kernels.memory import empty, own
from jarvis.kernels.program import Loop
from jarvis.kernels.rows import Rows

Run = Callable[[int, int], None]  #: runs the steps of ``range(start, stop)``


class Backend(Protocol):
    """A module that runs loops; `forward` and `backward` only bind a loop to its tensors."""

    def forward(
        self,
        loop: Loop,
        xs: Sequence[Rows],
        fed: Tensor | None,
        outputs: Sequence[Tensor],
        states: Sequence[Tensor],
        kept: Sequence[Tensor] | None,
        lanes: Sequence[Tensor],
        values: tuple[float, ...],
    ) -> Run:
        """Read the inputs `xs` (plus `fed` ``[B, ...]``, if it is recurrent) and the parameters
        `lanes` ``[B, ...]`` and `values`; write `outputs` and `kept` ``[T, B, ...]``, and update
        `states` ``[B, ...]`` from the first to the last step. ``kept=None``: no backward."""
        ...

    def backward(
        self,
        loop: Loop,
        xs: Sequence[Rows],
        gs: Sequence[Rows],
        fed: Tensor | None,
        gxs: Sequence[Tensor] | None,
        gstates: Sequence[Tensor],
        kept: Sequence[Tensor],
        starts: Sequence[Tensor],
        lanes: Sequence[Tensor],
        sums: Sequence[Tensor],
        values: tuple[float, ...],
    ) -> Run:
        """Read the gradients of the outputs `gs` (plus `fed`), `kept`, the initial states `starts`
        and the inputs `xs` that are read again, last step first; write `gxs` unless it is None,
        update `gstates` from the final to the initial gradient, and add the gradients of the
        learned numbers to `sums`."""
        ...

    def unsupported_reason(self, x: Tensor) -> str | None:
        """Why these loops cannot run on `x`, in words; None if they can."""
        ...


class _Call:
    """What a loop is called with, apart from tensors that may need a gradient."""

    __slots__ = ("backend", "loop", "rest", "values")

    def __init__(
        self,
        backend: Backend,
        loop: Loop,
        values: tuple[float, ...],
        rest: tuple[float, ...] | None,
    ) -> None:
        self.backend, self.loop, self.values = backend, loop, values
        self.rest = rest  #: where the states start, unless they are given as tensors


class _Loop(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, call: _Call, weight: Tensor | None, last: Tensor | None, *tensors: Tensor
    ):
        loop, backend = call.loop, call.backend
        layout = loop.layout
        n_x = layout.n_inputs
        n_s = 0 if call.rest is not None else layout.n_states
        xs, given, learned = tensors[:n_x], tensors[n_x : n_x + n_s], tensors[n_x + n_s :]
        x = xs[0]
        shape, dtype, device, steps = x.shape, x.dtype, x.device, x.shape[0]
        step_shape = shape[1:]
        if call.rest is None:
            states = [own(part) for part in given]
        else:
            states = [x.new_full(step_shape, value) for value in call.rest]
        outputs = [empty(shape, dtype, device) for _ in range(layout.n_outputs)]
        kept = None
        if any(ctx.needs_input_grad):
            # Kept numbers have the precision of the state: in half types they are float32.
            exact = torch.float32 if dtype.itemsize < 4 else dtype
            kept = [empty(shape, torch.uint8 if b else exact, device) for b in layout.kept]
        lanes = [spread(part, step_shape) for part in learned[: len(loop.per_neuron)]]
        rows = [Rows.of(part) for part in xs]
        if weight is None:
            backend.forward(loop, rows, None, outputs, states, kept, lanes, call.values)(0, steps)
        else:
            assert last is not None
            first, last = last.clone(), last.contiguous()
            fed = torch.empty_like(last)
            run = backend.forward(loop, rows, fed, outputs, states, kept, lanes, call.values)
            receive, spikes = weight.t(), outputs[0]
            for t in range(steps):
                torch.mm(last, receive, out=fed)
                run(t, t + 1)
                last = spikes[t]
            last = last.clone()

        ctx.call, ctx.shape, ctx.shapes = call, shape, [part.shape for part in learned]
        if kept is not None:
            starts = [
                given[i] if call.rest is None else x.new_full(step_shape, call.rest[i])
                for i in layout.derived
            ]
            saved = [*kept, *starts, *lanes, *(xs[i] for i in layout.reread)]
            ctx.save_for_backward(
                *saved, *((weight, first, outputs[0]) if weight is not None else ())
            )
        ctx.set_materialize_grads(False)
        results = [*outputs, *states]
        flat = zip(results, layout.differentiable, strict=True)
        ctx.mark_non_differentiable(*(part for part, smooth in flat if not smooth))
        return (*results, last)

    @staticmethod
    @first_order
    def backward(ctx: Any, *gradients: Tensor | None):
        call, shape = ctx.call, ctx.shape
        loop, backend = call.loop, call.backend
        layout = loop.layout
        n_x = layout.n_inputs
        n_s = 0 if call.rest is not None else layout.n_states
        nothing = (None,) * (3 + n_x + n_s + len(ctx.shapes))
        like = next((part for part in gradients if part is not None), None)
        if like is None:
            return nothing
        saved = ctx.saved_tensors  # read once: torch.utils.checkpoint allows no more
        parts = iter(saved)
        kept = list(itertools.islice(parts, len(layout.kept)))
        starts = list(itertools.islice(parts, len(layout.derived)))
        lanes = list(itertools.islice(parts, len(loop.per_neuron)))
        again = list(itertools.islice(parts, len(layout.reread)))
        steps, step_shape = shape[0], shape[1:]

        def start(given: Tensor | None) -> Tensor:
            """The gradient of a part of the final state, as a copy to be modified."""
            return like.new_zeros(step_shape) if given is None else own(given)

        *g_results, g_last = gradients
        none = like.new_zeros(())
        gs = [
            Rows.of(none.expand(shape) if g is None else g) for g in g_results[: layout.n_outputs]
        ]
        gstates = [start(g) for g in g_results[layout.n_outputs :]]
        sums = [like.new_zeros(step_shape) for _ in loop.learned]
        needs = ctx.needs_input_grad
        gxs = None
        recurrent = loop.variant.recurrent
        if recurrent or any(needs[3 : 3 + n_x]):
            gxs = [empty(shape, like.dtype, like.device) for _ in range(n_x)]
        rows = [Rows.of(part) for part in again]
        given = (gxs, gstates, kept, starts, lanes, sums, call.values)
        gweight = glast = None
        if not recurrent:
            backend.backward(loop, rows, gs, None, *given)(0, steps)
        else:
            weight, first, spikes = parts
            assert gxs is not None
            glast = start(g_last)
            run = backend.backward(loop, rows, gs, glast, *given)
            gx = gxs[0]
            for t in reversed(range(steps)):
                run(t, t + 1)
                torch.mm(gx[t], weight, out=glast)
            if needs[1]:  # one large product over all steps
                gweight = gx[0].t() @ first
                if steps > 1:
                    gweight.addmm_(gx[1:].flatten(0, 1).t(), spikes[:-1].flatten(0, 1))
        to_x = [g if needs[3 + i] else None for i, g in enumerate(gxs or [None] * n_x)]
        learned: list[Tensor | None] = [None] * len(ctx.shapes)
        for place, total in zip(_places(loop), sums, strict=True):
            learned[place] = total.sum_to_size(ctx.shapes[place])
        return (None, gweight, glast, *to_x, *gstates[:n_s], *learned)


def _places(loop: Loop) -> list[int]:
    """Where the learned numbers are among the tensors that a loop is given as parameters."""
    return [loop.parameters.index(i) for i in loop.learned]


def spread(value: Tensor, shape: torch.Size) -> Tensor:
    """A parameter as a number for each neuron of a step."""
    return value.detach().expand(shape).contiguous()


def run(
    backend: Backend,
    loop: Loop,
    xs: Sequence[Tensor],
    states: Sequence[Tensor] | Sequence[float],
    values: Sequence[float | Tensor],
    weight: Tensor | None = None,
    last: Tensor | None = None,
) -> tuple[list[Tensor], list[Tensor], Tensor | None]:
    """Run a loop over all steps.

    Args:
        backend: the module that runs it.
        loop: the loop, for the numbers that are learned or differ from neuron to neuron.
        xs: the inputs ``[T, B, ...]``, not empty.
        states: the state before the first step, each ``[B, ...]``; or a number for each, at which
            all neurons start.
        values: the numbers that the step reads, in the order of `loop.values`.
        weight: W ``[H, H]`` of a recurrent layer, or None.
        last: the spikes before the first step ``[B, H]``, of a recurrent layer.

    Returns:
        the outputs ``[T, B, ...]`` (spikes, then what is recorded), the final state, and the last
        spikes of a recurrent layer.
    """
    numbers = tuple(
        0.0 if i in loop.per_neuron else v.detach().item() if isinstance(v, Tensor) else v
        for i, v in enumerate(values)
    )
    parameters: list[Any] = [values[i] for i in loop.parameters]
    rest: Any = None
    if states and not isinstance(states[0], Tensor):
        rest, states = tuple(states), ()
    given: list[Any] = [*xs, *states, *parameters]
    if not torch.is_grad_enabled():  # nothing is saved for backward then
        given = [part.detach() for part in given]
        weight = None if weight is None else weight.detach()
    call = _Call(backend, loop, numbers, rest)
    *results, last = _Loop.apply(call, weight, last, *given)  # type: ignore[misc]
    n = loop.layout.n_outputs
    return results[:n], results[n:], last
