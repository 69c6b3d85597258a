"""Generated loops as differentiable functions of tensors.

`run` runs a neuron's loop over ``[T, B, ...]``. The forward loop keeps the values listed in the
step's plan. Gradients reach the inputs, the initial state and those numbers that are tensors. With
a recurrent weight, the loop runs one step at a time, with a matrix product between steps.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from jarvis.kernels.first_order import first_order
from jarvis.kernels.memory import SMALLEST, empty, own
from jarvis.kernels.program import Loop
from jarvis.kernels.rows import Rows
from jarvis.kernels.sparse import Recurrent

Run = Callable[[int, int], None]  #: runs the steps of ``range(start, stop)``


class Backend(Protocol):
    """A module that runs loops."""

    def bind(
        self,
        loop: Loop,
        backward: bool,
        flag: bool,
        streams: Sequence[Rows | None],
        dense: Sequence[Tensor | None],
        values: tuple[float, ...],
    ) -> Run:
        """Bind one of the loops to its tensors; None stands for a tensor that it does not need.

        Args:
            loop: the loop.
            backward: whether it is the backward loop.
            flag: for a forward loop, whether it keeps what the backward loop needs; for a backward
                loop, whether it writes the gradients of the inputs.
            streams: the tensors read at each step, ``[T, B, ...]``: the inputs in the forward pass,
                the gradients of the outputs (and inputs that are read again) in the backward pass.
            dense: the other tensors. The forward loop takes the recurrent input (if there is a
                recurrent weight), outputs ``[T, B, ...]``, states ``[B, ...]`` (updated), the kept
                values ``[T, B, ...]``, and the parameters that differ between neurons ``[B, ...]``.
                The backward loop takes the recurrent gradient (if there is a recurrent weight),
                gradients of the inputs ``[T, B, ...]`` and of the states ``[B, ...]`` (updated),
                the kept values, the first value of each derived state, the parameters, and the
                gradients of the learned numbers ``[B, ...]``, to which the loop adds.
            values: the numbers shared by all neurons.
        """
        ...

    def bind_recurrent(
        self,
        loop: Loop,
        flag: bool,
        streams: Sequence[Rows | None],
        dense: Sequence[Tensor | None],
        values: tuple[float, ...],
        weight: Tensor,
        before: Tensor,
    ) -> Callable[[int, int], int]:
        """Bind a forward loop that itself multiplies by recurrent weights; some backends lack it.

        Args:
            loop, flag, streams, dense, values: as for `bind`.
            weight: W ``[H, H]``.
            before: the spikes before the first step ``[B, H]``.

        Returns:
            a function that runs the steps of ``range(start, stop)`` and returns the number of
            spikes that were multiplied by weights.
        """
        ...

    def near(
        self,
        loop: Loop,
        like: tuple[torch.Size, torch.dtype],
        kept: Sequence[Tensor],
        lanes: Sequence[Tensor],
        values: tuple[float, ...],
    ) -> Tensor:
        """Find where a gradient passes through the spikes; some backends lack this function.

        Args:
            loop: a loop whose layout has `near`.
            like: shape and dtype of the spikes.
            kept, lanes, values: as for `bind`.

        Returns:
            bytes ``[T, B, ...]``, 1 or 0.
        """
        ...

    def unsupported_reason(self, x: Tensor) -> str | None:
        """Why these loops cannot run on `x`, in words; None if they can."""
        ...


class _Call(NamedTuple):
    """The arguments of a loop, except the tensors that may need a gradient."""

    backend: Backend
    loop: Loop
    values: tuple[float, ...]
    rest: tuple[float, ...] | None  #: initial values of the states, if these are not tensors
    fires: bool  #: whether the output consists of spikes, so that most of it is 0


class _Loop(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, call: _Call, weight: Tensor | None, last: Tensor | None, *tensors: Tensor
    ):
        backend, loop, values, rest, fires = call
        layout = loop.layout
        n_x, n_given = layout.n_inputs, layout.n_inputs + (rest is None) * layout.n_states
        xs, given, learned = tensors[:n_x], tensors[n_x:n_given], tensors[n_given:]
        x = xs[0]
        steps, step_shape = x.shape[0], x.shape[1:]
        if rest is None:
            states = [own(part) for part in given]
        else:
            states = [x.new_full(step_shape, value) for value in rest]
        outputs = [empty_like(x, x.dtype) for _ in range(layout.n_outputs)]
        lanes = [spread(part, step_shape) for part in learned[: len(loop.per_neuron)]]
        kept: list[Any] = [None] * len(layout.kept)
        keep = any(ctx.needs_input_grad)
        if keep:
            # Kept numbers have the precision of the state, float32 for half-precision inputs.
            exact = torch.float32 if x.dtype.itemsize < 4 else x.dtype
            kept = [empty_like(x, torch.uint8 if b else exact) for b in layout.kept]
        streams, dense = [Rows.of(part) for part in xs], [*outputs, *states, *kept, *lanes]
        more: tuple[Tensor, ...] = ()
        if weight is None:
            backend.bind(loop, False, keep, streams, dense, values)(0, steps)
        else:
            assert last is not None
            first = last.clone()
            product = Recurrent(weight, x, fires and hasattr(backend, "bind_recurrent"))
            fed, spikes, receive = torch.empty_like(first), outputs[0], weight.t()
            dense = [fed, *dense]
            run = backend.bind(loop, False, keep, streams, dense, values)
            several: Any = None
            if product.most > 0:
                several = backend.bind_recurrent(loop, keep, streams, dense, values, weight, first)

            def step(t: int) -> None:
                torch.mm(spikes[t - 1] if t else first, receive, out=fed)
                run(t, t + 1)

            product.run(steps, step, several, spikes)
            last = spikes[-1].clone()
            more, ctx.product = (weight, first, spikes), product

        ctx.call, ctx.shape, ctx.shapes = call, x.shape, [part.shape for part in learned]
        if keep:
            starts = [
                given[i] if rest is None else x.new_full(step_shape, rest[i])
                for i in layout.derived
            ]
            again = [xs[i] for i in layout.reread]
            ctx.save_for_backward(*kept, *starts, *lanes, *again, *more)
        ctx.set_materialize_grads(False)
        results = [*outputs, *states]
        if not all(layout.differentiable):
            flat = zip(results, layout.differentiable, strict=True)
            ctx.mark_non_differentiable(*(part for part, smooth in flat if not smooth))
        return (*results, last)

    @staticmethod
    @first_order
    def backward(ctx: Any, *gradients: Tensor | None):
        backend, loop, values, rest, _ = ctx.call
        layout, shape, needs = loop.layout, ctx.shape, ctx.needs_input_grad
        n_x, n_out = layout.n_inputs, layout.n_outputs
        like = next((part for part in gradients if part is not None), None)
        if like is None:
            return (None,) * len(needs)
        saved = ctx.saved_tensors  # read once: torch.utils.checkpoint allows no more
        n_dense = len(layout.kept) + len(layout.derived) + len(loop.per_neuron)
        kept, again = saved[:n_dense], iter(saved[n_dense:])
        steps, step_shape = shape[0], shape[1:]

        def start(given: Tensor | None) -> Tensor:
            """A writable copy of the gradient of a part of the final state."""
            return like.new_full(step_shape, 0.0) if given is None else own(given)

        g_outputs = [
            like.new_zeros(()).expand(shape) if g is None else g for g in gradients[:n_out]
        ]
        streams = [Rows.of(next(again)) if i in layout.reread else None for i in range(n_x)]
        streams += [Rows.of(g) for g in g_outputs]
        g_states = [start(g) for g in gradients[n_out:-1]]
        sums = [start(None) for _ in loop.learned]
        recurrent = loop.variant.recurrent
        wants_x = recurrent or any(needs[3 : 3 + n_x])
        g_xs: list[Any] = [None] * n_x
        if wants_x:
            g_xs = [empty_like(g_outputs[0], like.dtype) for _ in range(n_x)]
        dense = [*g_xs, *g_states, *kept, *sums]
        g_weight = g_fed = None
        if not recurrent:
            backend.bind(loop, True, wants_x, streams, dense, values)(0, steps)
        else:
            weight, first, spikes = again
            g_fed, g_x = start(gradients[-1]), g_xs[0]
            run = backend.bind(loop, True, wants_x, streams, [g_fed, *dense], values)
            for t in reversed(range(steps)):
                run(t, t + 1)
                torch.mm(g_x[t], weight, out=g_fed)
            if needs[1]:  # one large product over all steps
                g_weight = g_x[0].t() @ first
                if steps > 1:
                    later, before = g_x[1:].flatten(0, 1), spikes[:-1].flatten(0, 1)
                    g_weight += ctx.product.weight_gradient(later, before)
        to_x = [g if needed else None for g, needed in zip(g_xs, needs[3:], strict=False)]
        to_states = g_states if rest is None else ()
        to_learned: list[Tensor | None] = [None] * len(ctx.shapes)
        for i, total in zip(loop.learned, sums, strict=True):
            place = loop.parameters.index(i)
            to_learned[place] = total.sum_to_size(ctx.shapes[place])
        return (None, g_weight, g_fed, *to_x, *to_states, *to_learned)


def surrogate_support(spikes: Tensor) -> Callable[[], Tensor] | None:
    """Find where a gradient passes through spikes, if their surrogate derivative is 0 somewhere.

    Args:
        spikes: ``[T, B, ...]``.

    Returns:
        a function to be called in the backward pass, which returns bytes of the same shape as the
        spikes: 1 where the surrogate derivative is nonzero. None if the spikes do not come from a
        compiled loop that marks these places, or if the saved tensors can be read only once, as
        under `torch.utils.checkpoint`.
    """
    node = spikes.grad_fn
    if not isinstance(node, _Loop._backward_cls) or spikes.output_nr != 0:  # type: ignore[attr-defined]
        return None
    backend, loop, values, *_ = node.call  # type: ignore[union-attr]
    hooks = torch._C._autograd._top_saved_tensors_default_hooks(True)  # type: ignore[attr-defined]
    if not loop.layout.near or hooks:
        return None

    like = spikes.shape, spikes.dtype

    def near() -> Tensor:
        layout, saved = loop.layout, node.saved_tensors  # type: ignore[union-attr]
        first = len(layout.kept) + len(layout.derived)
        lanes = saved[first : first + len(loop.per_neuron)]
        return backend.near(loop, like, saved[: len(layout.kept)], lanes, values)

    return near


def empty_like(x: Tensor, dtype: torch.dtype) -> Tensor:
    """An empty dense tensor shaped like `x`; for a small one, this is faster than `empty`."""
    if x.numel() * dtype.itemsize < SMALLEST:
        return torch.empty_like(x, dtype=dtype, memory_format=torch.contiguous_format)
    return empty(x.shape, dtype, x.device)


def spread(value: Tensor, shape: torch.Size) -> Tensor:
    """A parameter, expanded to one number for each neuron of a step."""
    return value.detach().expand(shape).contiguous()


def run(
    backend: Backend,
    loop: Loop,
    xs: Sequence[Tensor],
    states: Sequence[Tensor] | Sequence[float],
    values: Sequence[float | Tensor],
    tensors: Mapping[int, Tensor],
    weight: Tensor | None = None,
    last: Tensor | None = None,
    fires: bool = True,
) -> tuple[list[Tensor], list[Tensor], Tensor | None]:
    """Run a loop over all steps.

    Args:
        backend: the module that runs the loop.
        loop: the loop, for the given choice of learned numbers and of numbers that differ between
            neurons.
        xs: the inputs ``[T, B, ...]``, not empty.
        states: the state variables before the first step, each ``[B, ...]`` or one number for all
            neurons.
        values: the numbers that the step reads, in the order of `loop.values`.
        tensors: the tensors among `values`, by index.
        weight: W ``[H, H]`` of a recurrent layer, or None.
        last: in a recurrent layer, the spikes before the first step ``[B, H]``.
        fires: whether the first output consists of spikes, so that most of it is 0.

    Returns:
        the outputs ``[T, B, ...]`` (spikes, then what is recorded), the final state, and the last
        spikes of a recurrent layer.
    """
    numbers: list[Any] = list(values)
    for i, tensor in tensors.items():
        numbers[i] = 0.0 if i in loop.per_neuron else tensor.detach().item()
    parameters = [tensors[i] for i in loop.parameters]
    rest: Any = None
    if states and not isinstance(states[0], Tensor):
        rest, states = tuple(states), ()
    given: list[Any] = [*xs, *states, *parameters]
    if not torch.is_grad_enabled():  # nothing is saved for backward then
        given = [part.detach() for part in given]
        weight = None if weight is None else weight.detach()
    call = _Call(backend, loop, tuple(numbers), rest, fires)
    *results, last = _Loop.apply(call, weight, last, *given)  # type: ignore[misc]
    n = loop.layout.n_outputs
    return results[:n], results[n:], last
