"""Linear maps of spikes: products that skip zeros where that is faster, and how to choose.

`apply` runs a module on rows ``[R, ...]``. For rows that are mostly 0, a linear map or a
convolution is computed by the loops of `sparse_loops` or `sparse_conv`, in both passes, wherever
they are faster. The choice depends on times measured for each shape of weights (`sparse_costs`).
`sparse_products` forces or forbids these loops, and reports what was chosen.
"""

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear
from torch.nn.grad import conv2d_input, conv2d_weight

from jarvis.kernels.dispatch import unusual
from jarvis.support.checks import check_choice

MODES = ("auto", "always", "never")

#: With fewer multiplications, a dense product is so short that a search for zeros does not pay.
SMALLEST = 1 << 23

_SAMPLE = 64  #: at most this many rows are searched before all entries are listed

_MARGIN = 0.03  #: share of the dense time that skipping zeros must save

_DTYPES = (torch.float32, torch.float64)


class Choice(NamedTuple):
    """How one product was computed."""

    product: str  #: "forward", "weight gradient" or "input gradient"
    rows: int  #: steps times samples
    inputs: int  #: length of a row; for a convolution, all its channels and pixels
    outputs: int
    density: float | None  #: share of nonzero entries; None if they were not counted
    sparse: bool  #: whether zeros were skipped
    reason: str


_active: ContextVar["sparse_products | None"] = ContextVar("sparse_products", default=None)


class sparse_products:  # lower case because it is used like torch.no_grad
    """Choose how products with spikes are computed, for the calls within a ``with`` block.

    This affects `nn.Linear` and `nn.Conv2d` in `over_time`, and recurrent weights, on the CPU.

    With "auto", and outside any such block, a product skips zeros where that is faster. To decide,
    the nonzero entries are counted. Then the times of a dense and a sparse product are compared;
    they are measured once on this machine for each shape of weights. Both products give the same
    result up to the order of sums, with one exception: an infinite or NaN weight reaches an output
    only through a nonzero input, whereas in a dense product 0 times infinity is NaN.

    Args:
        mode: "auto" chooses the faster way; "always" skips zeros wherever a loop can; "never"
            multiplies by zeros, too.

    Attributes:
        choices: a list with a `Choice` for each product; the choices for gradients are added when
            the backward pass runs.

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
            f"{c.product:15} [{c.rows}, {c.inputs}] -> {c.outputs}: "
            f"{'sparse' if c.sparse else 'dense'}"
            + ("" if c.density is None else f" at {c.density:.1%}")
            + f" ({c.reason})"
            for c in self.choices
        ]
        return "\n".join(lines) or "no product yet"


class _Map(Protocol):
    """A linear map of rows: its products, dense or from a list of nonzero entries."""

    rows: int
    inputs: int
    outputs: int
    operations: int  #: multiplications of a dense product

    def costs(self, dtype: torch.dtype) -> Any: ...
    def dense(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor: ...
    def sparse(self, x: Any, weight: Tensor, bias: Tensor | None) -> Tensor: ...
    def dense_weight(self, g: Tensor, x: Tensor) -> Tensor: ...
    def sparse_weight(self, g: Tensor, x: Any) -> Tensor: ...
    def dense_input(self, g: Tensor, weight: Tensor) -> Tensor: ...
    def wanted_input(self, wanted: Tensor, g: Tensor, weight: Tensor) -> Tensor: ...
    def as_rows(self, g: Tensor) -> Tensor | None: ...
    def listed_input(self, g: Any, weight: Tensor) -> Tensor: ...
    def bias(self, g: Tensor) -> Tensor: ...


class _Linear:
    """``x W^T + b``."""

    def __init__(self, rows: int, weight: Tensor) -> None:
        self.rows, (self.outputs, self.inputs) = rows, weight.shape
        self.operations = rows * weight.numel()

    def costs(self, dtype: torch.dtype) -> Any:
        from jarvis.kernels.sparse_costs import costs

        return costs(self.inputs, self.outputs, self.rows, dtype)

    def dense(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return linear(x, weight, bias)

    def sparse(self, x: Any, weight: Tensor, bias: Tensor | None) -> Tensor:
        return _loops().product(x, weight, bias)

    def dense_weight(self, g: Tensor, x: Tensor) -> Tensor:
        return g.t() @ x

    def sparse_weight(self, g: Tensor, x: Any) -> Tensor:
        return _loops().weight_gradient(x, g)

    def dense_input(self, g: Tensor, weight: Tensor) -> Tensor:
        return g @ weight

    def wanted_input(self, wanted: Tensor, g: Tensor, weight: Tensor) -> Tensor:
        return _loops().input_gradient(wanted, g, weight)

    def as_rows(self, g: Tensor) -> Tensor | None:
        """The gradient as rows in which a loop could skip zeros; None if there is no such loop."""
        return None

    def listed_input(self, g: Any, weight: Tensor) -> Tensor:
        raise NotImplementedError

    def bias(self, g: Tensor) -> Tensor:
        return g.sum(0)


class _Convolution:
    """``conv2d(x, W, b)``; loops that skip zeros return results in channels-last memory format."""

    def __init__(self, x: Tensor, module: nn.Conv2d) -> None:
        from jarvis.kernels.sparse_costs import Convolution

        pairs: Any = (module.kernel_size, module.stride, module.padding)
        self.conv = Convolution(tuple(x.shape[1:]), len(module.weight), *pairs)  # type: ignore[arg-type]
        self.rows, self.inputs = len(x), x.shape[1:].numel()
        self.outputs = torch.Size(self.conv.result).numel()
        self.operations = self.rows * self.outputs * module.weight[0].numel()

    def costs(self, dtype: torch.dtype) -> Any:
        from jarvis.kernels.sparse_costs import convolution_costs

        return convolution_costs(self.conv, self.rows, dtype)

    def dense(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return conv2d(x, weight, bias, self.conv.stride, self.conv.padding)

    def sparse(self, x: Any, weight: Tensor, bias: Tensor | None) -> Tensor:
        stride, padding = self.conv.stride, self.conv.padding
        return _conv_loops().convolve(x, self.conv.shape, weight, bias, stride, padding)

    def dense_weight(self, g: Tensor, x: Tensor) -> Tensor:
        size: Any = (self.conv.maps, self.conv.shape[0], *self.conv.kernel)
        return conv2d_weight(x, size, g, self.conv.stride, self.conv.padding)  # type: ignore[arg-type]

    def sparse_weight(self, g: Tensor, x: Any) -> Tensor:
        shape, _, kernel, stride, padding = self.conv
        return _conv_loops().weight_gradient(x, shape, g, kernel, stride, padding)

    def dense_input(self, g: Tensor, weight: Tensor) -> Tensor:
        if _is_channels_last(g):  # torch is slow if g and weight have different memory formats
            weight = weight.contiguous(memory_format=torch.channels_last)
        size: Any = (self.rows, *self.conv.shape)
        return conv2d_input(size, weight, g, self.conv.stride, self.conv.padding)  # type: ignore[arg-type]

    def wanted_input(self, wanted: Tensor, g: Tensor, weight: Tensor) -> Tensor:
        wanted = wanted.view(self.rows, *self.conv.shape)
        return _conv_loops().input_gradient(wanted, g, weight, self.conv.stride, self.conv.padding)

    def as_rows(self, g: Tensor) -> Tensor | None:
        return g.permute(0, 2, 3, 1).flatten(1) if _is_channels_last(g) else None

    def listed_input(self, g: Any, weight: Tensor) -> Tensor:
        maps, height, width = self.conv.result
        sizes = (height, width, maps), weight, self.conv.shape[1:]
        return _conv_loops().input_gradient_from_sparse(
            g, *sizes, self.conv.stride, self.conv.padding
        )

    def bias(self, g: Tensor) -> Tensor:
        return g.sum((0, 2, 3))


class _Plan:
    """How the products of one linear map are computed, in both passes."""

    def __init__(self, map: _Map, near: Callable[[], Tensor | None] | None = None) -> None:
        self.map, self.near = map, near
        self.context = _active.get()
        self.mode = "auto" if self.context is None else self.context.mode
        self.density: float | None = None
        self.x: Any = None  #: the list of nonzero entries
        self.forward = self.weight = False  #: whether this product skips zeros

    def tell(
        self, product: str, sparse: bool, reason: str | Callable[[], str], density: float | None
    ) -> None:
        """Record a choice if `sparse_products` is active; `reason` may be a function."""
        if self.context is not None:
            shape = (self.map.rows, self.map.inputs, self.map.outputs)
            reason = reason if isinstance(reason, str) else reason()
            self.context.choices.append(Choice(product, *shape, density, sparse, reason))

    def decide(self, x: Tensor, wants_weight: bool) -> None:
        """List x's nonzeros ``[R, I]`` if it saves time, and choose the products that use them."""
        loops = _loops()
        if self.mode == "always":
            self.x = loops.active(x)
            self.density = len(self.x.places) / max(1, x.numel())
            self.forward, self.weight = True, wants_weight
            self.tell("forward", True, "always", self.density)
            return
        costs = self.map.costs(x.dtype)
        self.density = 0.0
        if not self._choose(costs, wants_weight):  # a list would not pay even if all entries were 0
            self.tell("forward", False, lambda: self._reason(costs.dense, costs.product), None)
            return
        self.density = loops.share_nonzero(x, _looked_at(len(x)))
        if self._choose(costs, wants_weight):
            self.x = loops.active(x)
            self.density = len(self.x.places) / x.numel()
            self._choose(costs, wants_weight)  # the sample may have been misleading
        self.tell(
            "forward",
            self.forward,
            lambda: self._reason(costs.dense, costs.product),
            self.density,
        )

    def _choose(self, costs: Any, wants_weight: bool) -> bool:
        rows, entries = self.map.rows, self.entries
        forward, dense = costs.product.of(rows, entries), costs.dense.of(rows, 0)
        weight, dense_weight = costs.weight.of(rows, entries), costs.dense_weight.of(rows, 0)
        self.forward = forward < dense
        self.weight = wants_weight and weight < dense_weight
        saved = self.forward * (dense - forward) + self.weight * (dense_weight - weight)
        listing = 0.0 if self.x is not None else costs.lists.of(rows, entries)
        pays = saved > listing + _MARGIN * (dense + wants_weight * dense_weight)
        self.forward, self.weight = self.forward and pays, self.weight and pays
        return pays

    def late_weight(self, g: Tensor, x: Tensor) -> Tensor:
        """The gradient of the weights, for rows whose nonzero entries have not been counted yet."""
        loops, costs = _loops(), self.map.costs(x.dtype)
        self.density = loops.share_nonzero(x, _looked_at(len(x)))
        rows, entries = self.map.rows, self.entries
        time = costs.weight.of(rows, entries) + costs.lists.of(rows, entries)
        sparse = self.mode == "always" or time < costs.dense_weight.of(rows, 0)
        reason = self._reason(costs.dense_weight, costs.weight)
        self.tell("weight gradient", sparse, reason, self.density)
        if not sparse:
            return self.map.dense_weight(g, x)
        return self.map.sparse_weight(g.contiguous(), loops.active(x))

    def input_gradient(self, g: Tensor, weight: Tensor) -> Tensor:
        """The gradient of the input, computed in the fastest way.

        Zeros are skipped by computing the gradient only where the surrogate gradient of the layer
        below is nonzero, or only from nonzero entries of the incoming gradient, as after
        max-pooling.
        """
        rows, always = self.map.rows, self.mode == "always"
        wanted = None if self.near is None or self.mode == "never" else self.near()
        listed = None if self.mode == "never" else self.map.as_rows(g)
        if wanted is None and listed is None:
            return self.map.dense_input(g, weight)
        costs = self.map.costs(g.dtype)
        dense = costs.dense_input.of(rows, 0)
        ways: list[tuple[float, float, Callable[[], Tensor]]] = []
        if wanted is not None:
            wanted = wanted.reshape(rows, self.map.inputs)
            share = float(wanted[:: -(-rows // _looked_at(rows))].float().mean())
            time = costs.input.of(rows, share * wanted.numel())
            ways.append((time, share, partial(self.map.wanted_input, wanted, g, weight)))
        if listed is not None:
            share = _loops().share_nonzero(listed, _looked_at(rows))
            time = costs.input_listed.of(rows, share * listed.numel())
            ways.append((time, share, lambda: self._from_listed(listed, weight)))
        time, share, way = min(ways, key=lambda one: one[0])
        reason = "always" if always else f"{dense / 1000:.2f} ms dense, {time / 1000:.2f} ms sparse"
        sparse = always or time < dense
        self.tell("input gradient", sparse, reason, share)
        return way() if sparse else self.map.dense_input(g, weight)

    def _from_listed(self, listed: Tensor, weight: Tensor) -> Tensor:
        return self.map.listed_input(_loops().active(listed), weight)

    @property
    def entries(self) -> float:
        assert self.density is not None
        return self.density * self.map.rows * self.map.inputs

    def _reason(self, dense: Any, sparse: Any) -> str:
        times = dense.of(self.map.rows, 0), sparse.of(self.map.rows, self.entries)
        return "{:.2f} ms dense, {:.2f} ms sparse".format(*(t / 1000 for t in times))


def _looked_at(rows: int) -> int:
    """The number of rows in which entries are counted: so few that this takes almost no time."""
    return max(1, min(_SAMPLE, rows // 8))


def _loops() -> Any:
    from jarvis.kernels import sparse_loops

    return sparse_loops


def _conv_loops() -> Any:
    from jarvis.kernels import sparse_conv

    return sparse_conv


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, plan: _Plan, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.plan = plan
        # as torch: what no gradient needs may be changed in place before the backward pass
        _, to_x, to_weight, _ = ctx.needs_input_grad
        ctx.save_for_backward(x if to_weight else None, weight if to_x else None)
        if plan.forward:
            return plan.map.sparse(plan.x, weight, bias)
        return plan.map.dense(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor):
        (g,), plan, needs = gradients, ctx.plan, ctx.needs_input_grad
        x, weight = ctx.saved_tensors
        to_x = to_weight = to_bias = None
        again = torch.is_grad_enabled()  # create_graph, which only torch's own products support
        if needs[1]:
            to_x = plan.map.dense_input(g, weight) if again else plan.input_gradient(g, weight)
        if needs[2]:
            sparse = plan.weight and not again
            made = plan.map.sparse_weight if sparse else plan.map.dense_weight
            to_weight = made(g, plan.x if sparse else x)
            reason = "create_graph" if again else "as forward"
            plan.tell("weight gradient", sparse, reason, plan.density)
        if needs[3]:
            to_bias = plan.map.bias(g)
        return None, to_x, to_weight, to_bias


class _ChannelsFirst(torch.autograd.Function):
    """Makes a tensor contiguous and its gradient channels-last, as max-pooling here needs them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.contiguous()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor):
        return gradients[0].contiguous(memory_format=torch.channels_last)


def _is_channels_last(x: Tensor) -> bool:
    return (
        x.dim() == 4
        and not x.is_contiguous()
        and x.is_contiguous(memory_format=torch.channels_last)
    )


class Recurrent:
    """How the products of recurrent weights and their gradient are computed.

    Args:
        weight: W ``[H, H]``.
        like: the input ``[T, B, H]``.
        compiled: whether the layer sends spikes and has a compiled loop that itself multiplies by
            the weights.
    """

    def __init__(self, weight: Tensor, like: Tensor, compiled: bool = True) -> None:
        steps, batch, n = like.shape
        self._map = _Linear(steps * batch, weight)
        self._plan = _Plan(self._map)
        self.most = 0.0  #: most spikes in a step ``[B, H]`` for which skipping zeros is faster
        mode = self._plan.mode
        if not compiled or mode == "never":
            return
        if mode == "always":
            self.most = float("inf")
        else:
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
            several: takes all steps of a range, skipping zeros, and returns the number of spikes.
            spikes: the tensor to which the steps write their spikes ``[T, B, H]``.
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
        self._plan.tell("forward", 2 * skipped > steps, reason, None)

    def weight_gradient(self, g: Tensor, spikes: Tensor) -> Tensor:
        """``g^T s`` ``[H, H]`` over all steps; g and s are ``[R, H]``."""
        plan = self._plan
        small = self._map.operations < SMALLEST
        if self.most <= 0 or (plan.mode == "auto" and small):
            return self._map.dense_weight(g, spikes)
        self._map.rows = len(spikes)
        return plan.late_weight(g, spikes)


_TOGETHER = 16  #: steps of a recurrent layer for which a choice holds


def _is_plain(module: nn.Module) -> bool:
    """Whether calling a module does nothing but run its `forward`."""
    hooks = (
        module._forward_hooks,
        module._forward_pre_hooks,
        module._backward_hooks,
        module._backward_pre_hooks,
    )
    return not any(hooks) and not nn.modules.module._has_any_global_hook()


_RESHAPING = (nn.Flatten, nn.Identity)  #: modules that leave all values unchanged


def apply(
    module: Any,
    rows: Tensor,
    near: Callable[[], Tensor | None] | None = None,
) -> Tensor:
    """A module's output for rows ``[R, ...]``; linear maps and convolutions in it may skip zeros.

    Args:
        module: a module or a function that maps rows to rows, each independently of the others.
        rows: the input of the module.
        near: a function, called in the backward pass, that returns where the gradient of the rows
            is needed: bytes of the same shape as the rows, or None if it is needed everywhere.
    """
    if type(module) is nn.Sequential and _is_plain(module):
        ours = False  # whether a convolution here has put the channels last in memory
        for part in module:
            if type(part) is nn.Conv2d and _is_plain(part):
                rows = _convolution(part, rows, near)
                ours = _is_channels_last(rows) and part.weight.is_contiguous()
            else:
                rows = apply(part, rows, near)
            if ours and type(part) is not nn.Conv2d:
                rows, ours = _ChannelsFirst.apply(rows), False  # type: ignore[assignment]
            near = near if type(part) in _RESHAPING else None
        return _ChannelsFirst.apply(rows) if ours else rows  # type: ignore[return-value]
    if type(module) is nn.Linear and _is_plain(module):
        return _linear(module, rows, near)
    if type(module) is nn.Conv2d and _is_plain(module):
        out = _convolution(module, rows, near)
        ours = _is_channels_last(out) and module.weight.is_contiguous()
        return _ChannelsFirst.apply(out) if ours else out  # type: ignore[return-value]
    return module(rows)


def _dense_reason(plan: _Plan, x: Tensor, *others: Tensor | None) -> str | None:
    """Why a map must be computed by its module; None if it need not."""
    if plan.mode == "never":
        return "never"
    if plan.map.operations < (SMALLEST if plan.mode == "auto" else 1):
        return "too small"
    if x.dtype not in _DTYPES or x.device.type != "cpu":
        return f"{x.dtype} on {x.device}"
    return unusual((x, *others), True)


def _run(
    map: Any,
    module: nn.Linear | nn.Conv2d,
    x: Tensor,
    near: Callable[[], Tensor | None] | None,
) -> Tensor | None:
    """The result of a map by the fastest plan; None if the module itself should compute it."""
    weight, bias = module.weight, module.bias
    plan = _Plan(map, near)
    reason = _dense_reason(plan, x, weight, bias)
    if reason is not None:
        plan.tell("forward", False, reason, None)
        return None
    plan.decide(x.detach().flatten(1), torch.is_grad_enabled() and weight.requires_grad)
    if plan.x is None and (near is None or not x.requires_grad):
        return None
    return _Product.apply(plan, x, weight, bias)  # type: ignore[return-value]


def _linear(module: nn.Linear, x: Tensor, near: Callable[[], Tensor | None] | None) -> Tensor:
    if x.dim() < 2 or not x.numel() or x.shape[-1] != module.in_features:
        return module(x)
    y = _run(_Linear(x[..., 0].numel(), module.weight), module, x.flatten(0, -2), near)
    return module(x) if y is None else y.view(*x.shape[:-1], -1)


def _convolution(module: nn.Conv2d, x: Tensor, near: Callable[[], Tensor | None] | None) -> Tensor:
    usual = (
        module.groups == 1
        and module.dilation == (1, 1)
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
        and x.dim() == 4
        and x.numel() > 0
        and x.shape[1] == module.in_channels
    )
    if not usual:
        return module(x)
    y = _run(_Convolution(x, module), module, x, near)
    return module(x) if y is None else y
