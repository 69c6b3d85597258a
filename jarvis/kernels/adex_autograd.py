"""The compiled AdEx loops (`adex_numba` or `adex_triton`) as functions of tensors."""

from types import ModuleType

import torch
from torch import Tensor

from jarvis.kernels.adex_spec import AdExValues, NormalisedSpec
from jarvis.kernels.first_order import first_order
from jarvis.kernels.memory import empty, own


class _Loop(torch.autograd.Function):
    @staticmethod
    def forward(ctx, loops: ModuleType, spec: NormalisedSpec, x: Tensor, *state: Tensor):
        v, i, w = (own(part) for part in state)
        s, h = empty(x.shape, x.dtype, x.device), None
        if any(ctx.needs_input_grad):
            h = empty(x.shape, x.dtype, x.device)
            ctx.save_for_backward(h, v.clone())
        loops.forward(spec, x, s, h, v, i, w)
        ctx.loops, ctx.spec, ctx.shape = loops, spec, x.shape
        ctx.set_materialize_grads(False)
        return s, v, i, w

    @staticmethod
    @first_order
    def backward(ctx, *gradients: Tensor | None):
        like = next((part for part in gradients if part is not None), None)
        if like is None:
            return (None,) * 6
        h, v0 = ctx.saved_tensors
        gs, *final = gradients
        if gs is None:
            gs = like.new_zeros(()).expand(ctx.shape)
        states = [like.new_zeros(ctx.shape[1:]) if g is None else own(g) for g in final]
        gx = empty(ctx.shape, like.dtype, like.device) if ctx.needs_input_grad[2] else None
        ctx.loops.backward(ctx.spec, gs, h, v0, gx, *states)
        return None, None, gx, *states


def run_normalised(
    loops: ModuleType, spec: NormalisedSpec, x: Tensor, state: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """``x [T, B, ...]`` -> spikes of that shape and the fields of the final state; x not empty."""
    if not torch.is_grad_enabled():  # nothing is saved for backward then
        x, state = x.detach(), tuple(part.detach() for part in state)
    return _Loop.apply(loops, spec, x, *state)  # type: ignore[return-value]


def run_adex(
    loops: ModuleType, values: AdExValues, x: Tensor, state: tuple[Tensor, ...], trace: bool
) -> tuple[Tensor, tuple[Tensor, Tensor], list[Tensor]]:
    """The same for the biophysical neuron, which has no compiled backward: spikes, final state and,
    with `trace`, the potential, adaptation and time since the spike at each step."""
    v, w = (own(part) for part in state)
    s, *traced = (empty(x.shape, x.dtype, x.device) for _ in range(4 if trace else 1))
    loops.biophysical(values, x, s, v, w, tuple(traced))
    return s, (v, w), traced
