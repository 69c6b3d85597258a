"""The compiled loops as differentiable functions.

The potential before the reset and one tensor per additional state are saved for backward; spikes
are recomputed from the potential. The caller passes the compiled code to run as `Loops`.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from jarvis.kernels.first_order import first_order
from jarvis.kernels.lif_spec import Kept, Rows, Spec, State
from jarvis.kernels.memory import empty, own

Run = Callable[[int, int], None]  #: runs the steps of ``range(start, stop)``


class Loops(Protocol):
    """A module of compiled loops; `forward` and `backward` only bind a loop to its tensors."""

    def forward(
        self, spec: Spec, x: Rows, fed: Tensor | None, s: Tensor, state: State, kept: Kept | None
    ) -> Run:
        """Read `x` (plus `fed` ``[B, ...]``, with flags.recurrent); write `s` and `kept`, and
        update `state` from the first to the last step. ``kept=None``: no backward."""
        ...

    def unsupported_reason(self, x: Tensor) -> str | None:
        """Why these loops cannot run on `x`, in words; None if they can."""
        ...

    def backward(
        self, spec: Spec, g: Rows, fed: Tensor | None, kept: Kept, gx: Tensor | None, gstate: State
    ) -> Run:
        """Read the gradient of spikes `g` (plus `fed`) and `kept`, last step first; write `gx`
        unless it is None, and update `gstate` from the final to the initial gradient."""
        ...


class _Loop(torch.autograd.Function):
    @staticmethod
    def forward(ctx, loops: Loops, spec: Spec, x: Tensor, weight: Tensor | None, *state):
        steps, flags = x.shape[0], spec.flags
        v, i, r, a, last = (None if part is None else own(part) for part in state)
        assert v is not None
        s = empty(x.shape, x.dtype, x.device)  # dense for any layout of x; fully written
        kept = None
        if any(ctx.needs_input_grad):
            kept = Kept(
                h=empty(x.shape, x.dtype, x.device) if flags.fires else None,
                a=empty(x.shape, x.dtype, x.device) if flags.adapt else None,
                ready=empty(x.shape, torch.uint8, x.device) if flags.wait else None,
            )
        rows = Rows.of(x)
        if weight is None:
            loops.forward(spec, rows, None, s, State(v, i, r, a), kept)(0, steps)
        else:
            assert last is not None
            first = last.clone()
            fed = torch.empty_like(last)
            run = loops.forward(spec, rows, fed, s, State(v, i, r, a), kept)
            receive = weight.t()
            for t in range(steps):
                torch.mm(last, receive, out=fed)
                run(t, t + 1)
                last = s[t]
            last = last.clone()

        ctx.loops, ctx.spec, ctx.shape = loops, spec, x.shape
        if kept is not None:
            ctx.save_for_backward(*kept, *((weight, first, s) if weight is not None else ()))
        ctx.set_materialize_grads(False)
        if r is not None:
            ctx.mark_non_differentiable(r)
        return s, v, i, r, a, last

    @staticmethod
    @first_order
    def backward(ctx, gs: Tensor | None, gv, gi, gr, ga, glast):
        h, a, ready, *recurrent = (
            ctx.saved_tensors
        )  # read once: torch.utils.checkpoint allows no more
        kept, spec, shape = Kept(h, a, ready), ctx.spec, ctx.shape
        flags, steps = spec.flags, shape[0]
        like = next((part for part in (gs, gv, gi, ga, glast) if part is not None), None)
        if like is None:
            return (None,) * 9

        def start(given: Tensor | None) -> Tensor:
            """The gradient of a part of the final state, as a copy to be modified."""
            return like.new_zeros(shape[1:]) if given is None else own(given)

        gradients = State(
            v=start(gv),
            i=start(gi) if flags.syn else None,
            a=start(ga) if flags.adapt else None,
        )
        rows = Rows.of(like.new_zeros(()).expand(shape) if gs is None else gs)
        needs_x, gweight = ctx.needs_input_grad[2], None
        gx = None
        if needs_x or flags.recurrent:
            gx = empty(shape, like.dtype, like.device)
        if not flags.recurrent:
            ctx.loops.backward(spec, rows, None, kept, gx, gradients)(0, steps)
        else:
            weight, first, s = recurrent
            assert gx is not None
            fed = start(glast)
            run = ctx.loops.backward(spec, rows, fed, kept, gx, gradients)
            for t in reversed(range(steps)):
                run(t, t + 1)
                torch.mm(gx[t], weight, out=fed)
            glast = fed
            if ctx.needs_input_grad[3]:  # one large product over all steps
                gweight = gx[0].t() @ first
                if steps > 1:
                    gweight.addmm_(gx[1:].flatten(0, 1).t(), s[:-1].flatten(0, 1))
        gv, gi, _, ga = gradients
        return None, None, gx if needs_x else None, gweight, gv, gi, None, ga, glast


def run_lif(
    loops: Loops, spec: Spec, x: Tensor, state: tuple, weight: Tensor | None = None
) -> tuple[Tensor, ...]:
    """``x [T, B, ...]`` -> spikes and the fields of the final state; x is not empty.

    Args:
        loops: the module of compiled loops.
        spec: options and numbers of the loop.
        x: input of each step.
        state: the fields of the `LIFState` before the first step.
        weight: W ``[H, H]`` of the recurrent layer, or None.
    """
    if weight is not None and not torch.is_grad_enabled():  # nothing is saved for backward then
        weight = weight.detach()
    return _Loop.apply(loops, spec, x, weight, *state)  # type: ignore[return-value]


def run_integrator(loops: Loops, spec: Spec, x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """``x [T, B, ...]`` -> potentials of that shape and the last one ``[B, ...]``."""
    potentials, v, *_ = _Loop.apply(loops, spec, x, None, v, None, None, None, None)  # type: ignore[misc]
    return potentials, v
