"""Linear maps of spikes: products that skip zeros where that is faster, and how to choose.

`apply` runs a module on rows ``[R, ...]``. A linear map of rows that are mostly 0 is computed by
the loops of `sparse_loops`, forward and for the gradient of its weights, if the times measured for
weights of its shape (`sparse_costs`) say that this is faster. `sparse_products` forces or forbids
that, and tells what was chosen.
"""

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from jarvis.kernels.dispatch import unusual
from jarvis.support.checks import check_choice

MODES = ("auto", "always", "never")

#: Multiplications of a dense product below which looking for zeros would take too long.
SMALLEST = 1 << 24

_SAMPLE = 64  #: rows in which the entries are counted before all of them are listed

_DTYPES = (torch.float32, torch.float64)


class Choice(NamedTuple):
    """How one product was computed."""

    product: str  #: "x W^T" (forward), "g^T x" (gradient of the weights), "g W" (of the input)
    rows: int  #: of x: steps times samples
    inputs: int
    outputs: int
    density: float | None  #: share of entries that are not 0; None if they were not counted
    sparse: bool  #: whether zeros were skipped
    reason: str


_active: ContextVar["sparse_products | None"] = ContextVar("sparse_products", default=None)


class sparse_products:  # a function to its users, as torch.no_grad is
    """Choose how linear maps of spikes are computed, for the calls within a ``with`` block.

    Without it, and with "auto", a product skips zeros where that is faster: the share of entries
    that are not 0 is counted, and the times of both ways for weights of this shape, measured once
    on this machine, decide. Results are equal up to the order of sums. There is one difference: a
    weight that is infinite or NaN reaches an output only through an input that is not 0, whereas
    0 times infinity is NaN in a dense product.

    Args:
        mode: "auto"; "always" skips zeros wherever there is a loop for it; "never" multiplies by
            them.

    Attributes:
        choices: what was chosen, a list of `Choice`; those of backward products follow when the
            backward pass runs.

    Raises:
        ValueError: for an unknown mode.

    Example:
        >>> import torch
        >>> from jarvis import over_time
        >>> spikes = (torch.rand(50, 32, 400) < 0.02).float()
        >>> with sparse_products("always") as products:
        ...     currents = over_time(torch.nn.Linear(400, 100), spikes)
        >>> products.choices[0].sparse
        True
    """

    def __init__(self, mode: str = "auto") -> None:
        check_choice("mode", mode, MODES)
        self.mode = mode
        self.choices: list[Choice] = []
        self._tokens: list[Any] = []

    def __enter__(self) -> "sparse_products":
        self._tokens.append(_active.set(self))
        return self

    def __exit__(self, *_: object) -> None:
        _active.reset(self._tokens.pop())

    def __iter__(self) -> Iterator[Choice]:
        return iter(self.choices)

    def __str__(self) -> str:
        lines = [
            f"{c.product:6} [{c.rows}, {c.inputs}] -> {c.outputs}: "
            f"{'sparse' if c.sparse else 'dense'}"
            + ("" if c.density is None else f" at {c.density:.1%}")
            + f" ({c.reason})"
            for c in self.choices
        ]
        return "\n".join(lines) or "no product yet"


class _Plan:
    """How the products of one linear map are computed, forward and backward."""

    def __init__(self, rows: int, weight: Tensor, near: Callable[[], Tensor | None] | None) -> None:
        self.context = _active.get()
        self.mode = "auto" if self.context is None else self.context.mode
        self.rows, (self.n_out, self.n_in) = rows, weight.shape
        self.near = near
        self.density: float | None = None
        self.x: Any = None  #: the list of what is not 0
        self.forward = self.weight = False  #: whether each of these products skips zeros

    def tell(self, product: str, sparse: bool, reason: str, density: float | None) -> None:
        """Note a choice for whoever asked."""
        if self.context is not None:
            shape = (self.rows, self.n_in, self.n_out)
            self.context.choices.append(Choice(product, *shape, density, sparse, reason))

    def costs(self, dtype: torch.dtype) -> Any:
        from jarvis.kernels.sparse_costs import costs

        return costs(self.n_in, self.n_out, self.rows, dtype)

    def decide(self, x: Tensor, wants_weight: bool) -> None:
        """List the entries of x if that is worth it, and say which products use the list."""
        loops = _loops()
        if self.mode == "always":
            self.x = loops.active(x)
            self.density = len(self.x.places) / max(1, x.numel())
            self.forward, self.weight = True, wants_weight
            self.tell("x W^T", True, "always", self.density)
            return
        costs = self.costs(x.dtype)
        self.density = loops.share_nonzero(x, _SAMPLE)
        if not self._choose(costs, wants_weight):
            return
        self.x = loops.active(x)
        self.density = len(self.x.places) / x.numel()
        self._choose(costs, wants_weight)  # the sample may have misled
        self.tell("x W^T", self.forward, self._reason(costs.dense, costs.product), self.density)

    def weight_gradient(self, g: Tensor, x: Tensor) -> Tensor:
        """``g^T x`` for rows that have not been looked at yet."""
        loops = _loops()
        costs = self.costs(x.dtype)
        self.density = loops.share_nonzero(x, _SAMPLE)
        time = costs.weight.of(self.rows, self.entries) + costs.lists.of(self.rows, self.entries)
        sparse = self.mode == "always" or time < costs.dense_weight.of(self.rows, 0)
        self.tell("g^T x", sparse, self._reason(costs.dense_weight, costs.weight), self.density)
        return loops.weight_gradient(loops.active(x), g) if sparse else g.t() @ x

    def _choose(self, costs: Any, wants_weight: bool) -> bool:
        entries = self.entries
        forward, dense = costs.product.of(self.rows, entries), costs.dense.of(self.rows, 0)
        weight = costs.weight.of(self.rows, entries)
        dense_weight = costs.dense_weight.of(self.rows, 0)
        self.forward = forward < dense
        self.weight = wants_weight and weight < dense_weight
        saved = self.forward * (dense - forward) + self.weight * (dense_weight - weight)
        listing = 0.0 if self.x is not None else costs.lists.of(self.rows, entries)
        if saved > listing:
            return True
        self.forward = self.weight = False
        if self.x is None:
            self.tell("x W^T", False, self._reason(costs.dense, costs.product), self.density)
        return False

    @property
    def entries(self) -> float:
        assert self.density is not None
        return self.density * self.rows * self.n_in

    def _reason(self, dense: Any, sparse: Any) -> str:
        times = dense.of(self.rows, 0), sparse.of(self.rows, self.entries)
        return "{:.2f} ms dense, {:.2f} ms sparse".format(*(t / 1000 for t in times))


def _loops() -> ModuleType:
    from jarvis.kernels import sparse_loops

    return sparse_loops


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, plan: _Plan, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.plan = plan
        ctx.save_for_backward(x, weight)
        if plan.forward:
            return _loops().product(plan.x, weight, bias)
        return linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor):
        (g,), plan, needs = gradients, ctx.plan, ctx.needs_input_grad
        x, weight = ctx.saved_tensors
        to_x = to_weight = to_bias = None
        again = torch.is_grad_enabled()  # a graph of this pass: only torch's own products make one
        if needs[1]:
            to_x = g @ weight if again else _input_gradient(plan, g, weight)
        if needs[2]:
            sparse = plan.weight and not again
            to_weight = _loops().weight_gradient(plan.x, g) if sparse else g.t() @ x
            plan.tell("g^T x", sparse, "as forward" if not again else "create_graph", plan.density)
        if needs[3]:
            to_bias = g.sum(0)
        return None, to_x, to_weight, to_bias


def _input_gradient(plan: _Plan, g: Tensor, weight: Tensor) -> Tensor:
    """``g W``, if that pays only where the neurons below have a surrogate gradient."""
    wanted = None if plan.near is None or plan.mode == "never" else plan.near()
    if wanted is None:
        return g @ weight
    wanted = wanted.reshape(plan.rows, plan.n_in)
    share = float(wanted[:: -(-plan.rows // _SAMPLE)].float().mean())
    costs = plan.costs(g.dtype)
    entries = share * wanted.numel()
    sparse, dense = costs.input.of(plan.rows, entries), costs.dense_input.of(plan.rows, 0)
    chosen = plan.mode == "always" or sparse < dense
    reason = f"{dense / 1000:.2f} ms dense, {sparse / 1000:.2f} ms sparse"
    plan.tell("g W", chosen, "always" if plan.mode == "always" else reason, share)
    return _loops().input_gradient(wanted, g, weight) if chosen else g @ weight


class Recurrent:
    """How the products of recurrent weights are computed, forward and for their gradient.

    Args:
        weight: W ``[H, H]``.
        like: the input ``[T, B, H]``.
        fires: whether the neurons send spikes, most of which are 0.
    """

    def __init__(self, weight: Tensor, like: Tensor, fires: bool = True) -> None:
        steps, batch, n = like.shape
        self._plan = _Plan(steps * batch, weight, None)
        self._weight, self._like = weight, like
        self.most = 0.0  #: spikes of a step ``[B, H]`` up to which it is faster to skip zeros
        mode = self._plan.mode
        if like.device.type != "cpu" or like.dtype not in _DTYPES or mode == "never":
            return
        if mode == "always":
            self.most = float("inf")
        elif fires:
            from jarvis.kernels.sparse_costs import most_spikes

            self.most = most_spikes(n, batch, like.dtype)

    def run(
        self,
        steps: int,
        dense: Callable[[int], None],
        several: Callable[[int, int], int],
        spikes: Tensor,
    ) -> None:
        """Take all steps.

        Args:
            steps: T.
            dense: takes one step with a dense product.
            several: takes the steps of a range, skipping zeros; returns how many spikes there were.
            spikes: where the steps write their spikes ``[T, B, H]``.
        """
        sparse, skipped = self.most > 0, 0
        for start in range(0, steps, _TOGETHER):
            stop = min(start + _TOGETHER, steps)
            if sparse:
                found = several(start, stop) / (stop - start)
                skipped += stop - start
            else:
                for t in range(start, stop):
                    dense(t)
                found = float(spikes[stop - 1].count_nonzero()) if self.most > 0 else 0.0
            sparse = found <= self.most and self.most > 0
        reason = f"sparse in {skipped} of {steps} steps"
        self._plan.tell("x W^T", 2 * skipped > steps, reason, None)

    def weight_gradient(self, g: Tensor, spikes: Tensor) -> Tensor:
        """``g^T s`` ``[H, H]`` of all steps together, ``[R, H]`` each."""
        plan = self._plan
        small = plan.rows * self._weight.numel() < SMALLEST
        if self.most <= 0 or (plan.mode == "auto" and small):
            return g.t() @ spikes
        plan.rows = len(spikes)
        return plan.weight_gradient(g.contiguous(), spikes)


_TOGETHER = 16  #: steps of a recurrent layer after which the choice is made anew


def _is_plain(module: nn.Module) -> bool:
    """Whether calling a module does nothing but run its `forward`."""
    hooks = (
        module._forward_hooks,
        module._forward_pre_hooks,
        module._backward_hooks,
        module._backward_pre_hooks,
    )
    return not any(hooks) and not nn.modules.module._has_any_global_hook()


def apply(
    module: Callable[[Tensor], Tensor],
    rows: Tensor,
    near: Callable[[], Tensor | None] | None = None,
) -> Tensor:
    """A module's output for rows ``[R, ...]``; linear maps in it may skip zeros.

    Args:
        module: maps rows to rows, each independently of the others.
        rows: its input.
        near: returns where a gradient towards the rows is wanted, as bytes of their shape, or None
            for everywhere; it is called in the backward pass.
    """
    if type(module) is nn.Sequential and _is_plain(module):
        for part in module:
            rows = apply(part, rows, near)
            near = near if type(part) in (nn.Flatten, nn.Identity) else None
        return rows
    if type(module) is nn.Linear and _is_plain(module):
        return _linear(module, rows, near)
    return module(rows)


def _linear(module: nn.Linear, x: Tensor, near: Callable[[], Tensor | None] | None) -> Tensor:
    weight, bias = module.weight, module.bias
    n_rows = x.numel() // x.shape[-1] if x.dim() > 1 and x.shape[-1] else 0
    context = _active.get()
    mode = "auto" if context is None else context.mode
    if n_rows * weight.numel() < (SMALLEST if mode == "auto" else 1) or mode == "never":
        reason = "never" if mode == "never" else "too small"
    elif x.shape[-1] != weight.shape[1] or x.dtype not in _DTYPES or x.device.type != "cpu":
        reason = f"{x.dtype} on {x.device}"
    else:
        reason = unusual((x, weight, bias), True)
    plan = _Plan(n_rows, weight, near)
    if reason is None:
        wants = torch.is_grad_enabled() and weight.requires_grad
        flat = x.detach().reshape(n_rows, -1)
        plan.decide(flat, wants)
        if plan.x is not None or (near is not None and x.requires_grad):
            y = _Linear.apply(plan, x.reshape(n_rows, -1), weight, bias)
            return y.view(*x.shape[:-1], -1)
    else:
        plan.tell("x W^T", False, reason, None)
    return module(x)
