"""Benchmark rows for single layers: LIF at three shapes, adaptive LIF, recurrent LIF."""

import torch
from torch import Tensor

from benchmarks.agreement import SHAPE, TAU, agree, compare, gradient
from benchmarks.peers import DECAY, PEERS, SLOPE, Run, naive, ours
from benchmarks.row import Bar, Row
from benchmarks.spyx_peer import NOTE, Spyx
from jarvis import LIFLayer, RecurrentLIFLayer, sparse_products

SHAPES = ((100, 64, 512), (100, 64, 128), (25, 128, 1000))
LARGE = 1 << 21  #: number of element-steps above which the fixed costs of a call hardly matter
RECURRENT = (250, 32, 128)
OURS = "jarvis"


def both_ways(run: Run, x: Tensor, g: Tensor):
    """Forward and backward pass of one layer, as a call without arguments."""
    x = x.clone().requires_grad_()

    def call() -> None:
        x.grad = None
        run(x).backward(g)

    return call


def lif(shape: tuple[int, int, int], spyx: Spyx | None, no_spyx: str) -> Row:
    """Forward and backward pass of a LIF layer, compared with all peers and memory bandwidth."""
    row = Row(f"lif_{'x'.join(map(str, shape))}", f"LIF forward + backward, {list(shape)}")
    x, g = 0.3 * torch.rand(shape), torch.rand(shape)
    f32 = torch.float32

    def check() -> str:
        same = agree(ours("auto"))
        single = agree(ours("auto"), dtype=f32).split(", ")[1]
        return f"float64: {same}; float32: {single}"

    row.add(OURS, both_ways(ours("auto")(f32), x, g), check)
    pairs = [(torch.rand(shape), torch.empty(shape)) for _ in range(3)]

    def copy() -> None:
        for source, target in pairs:
            target.copy_(source)

    row.add("memory: copy of 24 B an element-step", copy)
    eager = both_ways(ours("eager")(f32), x, g)
    row.add("jarvis, eager (plain autograd, unbind)", eager, note="the definition")
    row.add("plain autograd, x[t]", both_ways(naive(f32), x, g), lambda: agree(naive))
    if spyx is None:
        row.add("spyx", None, missing=no_spyx)
    else:
        row.add("spyx", lambda: spyx.run(shape), spyx.agree, NOTE)
    for peer in PEERS:
        if peer.missing:
            row.add(peer.name, None, missing=f"{peer.module} is not installed")
            continue

        def theirs(peer=peer) -> str:
            return agree(peer.make, **peer.options)

        try:
            call = both_ways((peer.timed or peer.make)(f32), x, g)
        except Exception as error:
            row.add(peer.name, None, missing=f"does not run: {type(error).__name__}: {error}")
            continue
        row.add(peer.name, call, theirs, peer.note)

    copied = 0.75 if x.numel() >= LARGE else 0.6
    row.bars = [
        Bar("faster than spyx", "spyx", OURS, 1.5),
        Bar("faster than SpikingJelly", "SpikingJelly", OURS, 10),
        Bar("faster than snnTorch as its tutorials loop", "snnTorch, x[t]", OURS, 20),
        Bar("faster than snnTorch fed by unbind", "snnTorch, unbind", OURS, 8),
        Bar("faster than norse", "norse, x[t]", OURS, 20),
        Bar("of the copy bandwidth", "memory: copy of 24 B an element-step", OURS, copied),
    ]
    return row


def adaptive(shape: tuple[int, int, int]) -> Row:
    """A LIF layer with an adaptive threshold, compared with one without."""
    row = Row("adaptive", f"adaptive LIF against LIF, forward + backward, {list(shape)}")
    x, g = 0.3 * torch.rand(shape), torch.rand(shape)
    options = {"adaptation": 0.2, "tau_adapt": 100.0}
    make = ours("auto", **options)
    row.add("jarvis, adaptive", both_ways(make(x.dtype), x, g), lambda: agree(make, **options))
    row.add(OURS, both_ways(ours("auto")(x.dtype), x, g), lambda: agree(ours("auto")))
    eager = both_ways(ours("eager", **options)(x.dtype), x, g)
    row.add("jarvis, adaptive, eager", eager, note="the definition")
    row.bars = [Bar("times LIF", "jarvis, adaptive", OURS, 2, at_least=False)]
    return row


def _jarvis(weight: Tensor, backend: str, **options) -> tuple[Run, Tensor]:
    layer = RecurrentLIFLayer(len(weight), tau=TAU, backend=backend, **options).to(weight.dtype)
    with torch.no_grad():
        layer.weight.copy_(weight)
    return (lambda x: layer(x)[0]), layer.weight


def _snntorch(weight: Tensor, delay: bool) -> tuple[Run, Tensor]:
    import snntorch as snn

    layer = snn.RLeaky(
        beta=DECAY,
        linear_features=len(weight),
        spike_grad=snn.surrogate.fast_sigmoid(SLOPE),
        reset_delay=delay,
    )
    layer.beta = torch.tensor(DECAY, dtype=weight.dtype)
    layer.recurrent = torch.nn.Linear(len(weight), len(weight), bias=False, dtype=weight.dtype)
    with torch.no_grad():
        layer.recurrent.weight.copy_(weight)
    if weight.dtype == torch.float64:  # snnTorch's spikes are always float32
        layer.recurrent.register_forward_pre_hook(lambda _, given: given[0].double())

    def run(x: Tensor) -> Tensor:
        spikes, (s, mem) = [], (torch.zeros_like(x[0]), torch.zeros_like(x[0]))
        for t in range(len(x)):
            s, mem = layer(x[t], s, mem)
            spikes.append(s)
        return torch.stack(spikes)

    return run, layer.recurrent.weight


def _agree(make, weight: Tensor, **options) -> str:
    """Check spikes and the gradients of input and recurrent weights against the eager step."""
    generator = torch.Generator().manual_seed(0)
    x = 0.3 * torch.rand(SHAPE, generator=generator, dtype=torch.float64)
    g = torch.randn(SHAPE, generator=generator, dtype=torch.float64)
    weight = weight[: SHAPE[2], : SHAPE[2]].double()
    found = []
    for run, parameter in (make(weight), _jarvis(weight, "eager", **options)):
        found.append((*gradient(run, x, g), parameter.grad))
    return compare(*found, 1e-5)


def recurrent(shape: tuple[int, int, int]) -> Row:
    """Recurrently connected neurons, compared with their matrix products alone."""
    steps, batch, hidden = shape
    row = Row("recurrent", f"recurrent LIF forward + backward, T={steps} B={batch} H={hidden}")
    x, g = 0.3 * torch.rand(shape), torch.rand(shape)
    weight = (2 * torch.rand(hidden, hidden) - 1) / hidden**0.5
    with torch.no_grad():
        s = LIFLayer(tau=TAU)(x)[0]
    out, receive = torch.empty(batch, hidden), weight.t()

    def products() -> None:
        for t in range(steps):
            torch.mm(s[t], receive, out=out)
        for t in range(steps):
            torch.mm(g[t], weight, out=out)
        _ = g.flatten(0, 1).t() @ s.flatten(0, 1)

    def timed(made: tuple[Run, Tensor]):
        run, parameter = made
        call = both_ways(run, x, g)

        def fresh() -> None:
            parameter.grad = None
            call()

        return fresh

    row.add(
        OURS, timed(_jarvis(weight, "auto")), lambda: _agree(lambda w: _jarvis(w, "auto"), weight)
    )
    row.add("the matrix products", products)
    row.add("jarvis, eager", timed(_jarvis(weight, "eager")), note="the definition")
    snn = next(peer for peer in PEERS if peer.module == "snntorch")
    if snn.missing:
        row.add("snnTorch, x[t]", None, missing="snntorch is not installed")
    else:
        row.add(
            "snnTorch, x[t]",
            timed(_snntorch(weight, True)),
            lambda: _agree(lambda w: _snntorch(w, False), weight, detach_reset=False),
            snn.note or "recurrent weight without a bias",
        )
    row.bars = [
        Bar("times the products", OURS, "the matrix products", 3.5, at_least=False),
        Bar("faster than snnTorch", "snnTorch, x[t]", OURS, 10),
    ]
    return row


#: Hidden neurons and mean rate (spikes per step) for each row on sparse recurrent products.
SPARSE_RECURRENT = ((128, 0.02), (128, 0.1), (512, 0.02), (512, 0.1))


def driven_to(rate: float, layer: LIFLayer, shape: tuple[int, int, int]) -> Tensor:
    """Random input with which the neurons fire in a fraction `rate` of the steps, on average."""
    drive, low, high = torch.rand(shape), 0.0, 4.0
    for _ in range(12):
        middle = (low + high) / 2
        with torch.no_grad():
            found = float(layer(middle * drive)[0].mean())
        low, high = (middle, high) if found < rate else (low, middle)
    return high * drive


def sparse_recurrent(shape: tuple[int, int, int], rate: float) -> Row:
    """Recurrent products that skip silent neurons, compared with dense products."""
    steps, batch, hidden = shape
    title = f"recurrent LIF, T={steps} B={batch} H={hidden}, rate {rate:.0%}"
    row = Row(f"sparse_recurrent_{hidden}_{rate:.0%}", title)
    layer = LIFLayer(tau=TAU, recurrent=hidden)
    x, g = driven_to(rate, layer, shape), torch.rand(shape)
    call = both_ways(lambda x: layer(x)[0], x, g)

    def fresh() -> None:
        layer.weight.grad = None
        call()

    def dense() -> None:
        with sparse_products("never"):
            fresh()

    row.add(OURS, fresh)
    row.add("jarvis, dense products", dense)
    bound = 0.7 if rate < 0.05 else 1.05
    row.bars = [
        Bar("times its dense products", OURS, "jarvis, dense products", bound, at_least=False)
    ]
    return row
