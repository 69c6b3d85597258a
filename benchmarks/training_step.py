"""Benchmark rows for one training step: forward pass, loss, backward pass and Adam."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks import peers
from benchmarks.agreement import TAU, compare
from benchmarks.row import Bar, Row
from jarvis import (
    SpikingCNN,
    SpikingMLP,
    SurrogateSpike,
    constant_encode,
    datasets,
    poisson_encode,
    sparse_products,
)
from jarvis.support.downloads import MissingDataError

OURS = "jarvis"


class _Theirs(nn.Module):
    """Linear, LIF, Linear and the mean over time, with the LIF neuron of another library."""

    def __init__(self, sizes: tuple[int, int, int], neuron: peers.Run, stepwise: bool) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(*sizes[:2]), nn.Linear(*sizes[1:])
        self.neuron, self.stepwise = neuron, stepwise

    def forward(self, x: Tensor) -> Tensor:
        if self.stepwise:  # as in tutorials: all layers, step by step
            spikes = self.neuron([self.hidden(x[t]) for t in range(len(x))])
            return torch.stack([self.out(s.to(x.dtype)) for s in spikes]).mean(0)
        return self.out(self.neuron(self.hidden(x))).mean(0)


def _snntorch(delay: bool):
    def make(dtype: torch.dtype):
        import snntorch as snn

        lif = snn.Leaky(
            beta=peers.DECAY,
            spike_grad=snn.surrogate.fast_sigmoid(peers.SLOPE),
            reset_delay=delay,
        )
        lif.beta = torch.tensor(peers.DECAY, dtype=dtype)

        def run(currents: list[Tensor]) -> list[Tensor]:
            mem, spikes = lif.init_leaky(), []
            for current in currents:
                s, mem = lif(current, mem)
                spikes.append(s)
            return spikes

        return run

    return make


def _mlp(sizes, dtype: torch.dtype, **options) -> SpikingMLP:
    return SpikingMLP(sizes, tau=TAU, **options).to(dtype)


def _copy_weights(source: nn.Module, target: nn.Module) -> None:
    with torch.no_grad():
        for ours, theirs in zip(source.parameters(), target.parameters(), strict=True):
            theirs.copy_(ours)


def _agree(make, **options) -> str:
    """Compare the scores and all weight gradients of a small network."""
    sizes, dtype = (20, 30, 5), torch.float64
    generator = torch.Generator().manual_seed(0)
    # The input is weak, because snnTorch resets differently above twice the threshold.
    x = 0.6 * torch.rand(25, 8, 20, generator=generator, dtype=dtype)
    y = torch.arange(8) % 5
    reference = _mlp(sizes, dtype, backend="eager", **options)
    model = make(sizes, dtype)
    _copy_weights(reference, model)
    found = []
    for network in (model, reference):
        scores = network(x)
        cross_entropy(scores, y).backward()
        counts = (scores * 1e6).round()  # equal unless a spike differs
        found.append((counts, scores.detach(), *(p.grad for p in network.parameters())))
    return compare(*found, 1e-5).replace("same spikes", "same scores")


def _step(model: nn.Module, x: Tensor, y: Tensor):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-6)

    def call() -> None:
        optimizer.zero_grad(set_to_none=True)
        cross_entropy(model(x), y).backward()
        optimizer.step()

    return call


def pictures(batch: int, n_in: int) -> tuple[Tensor, Tensor, str]:
    """Images ``[batch, n_in]`` in [0, 1], their classes, and where they come from.

    The images are MNIST if available; otherwise they have as many grey pixels as MNIST, at random
    positions and with random grey levels.
    """
    if n_in == 784:
        try:
            data = datasets.mnist("train", download=False)
            x, y = data[torch.arange(batch)]
            return x.flatten(1), y, "MNIST"
        except MissingDataError:
            pass
    shades = torch.rand(batch, n_in) * (torch.rand(batch, n_in) < 0.2)
    return shades, torch.arange(batch) % 3, "made up"


def trained(model: SpikingMLP, x: Tensor, y: Tensor, steps: int) -> SpikingMLP:
    """The model after some training, when its neurons fire as they do in use."""
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optimizer.step()
    return model


def without_zeros_skipped(call):
    """The same call with dense products."""

    def dense() -> None:
        with sparse_products("never"):
            call()

    return dense


def bare_products(sizes: Sequence[int], inputs: list[Tensor]):
    """The dense products of a training step, given the input ``[R, n]`` of each layer."""
    jobs = []
    for layer, (x, n_out) in enumerate(zip(inputs, sizes[1:], strict=True)):
        rows, n_in = x.shape
        weight, g = torch.rand(n_out, n_in), torch.rand(rows, n_out)
        results = torch.empty(rows, n_out), torch.empty(n_out, n_in), torch.empty(rows, n_in)
        jobs.append((layer, x, weight, g, results))

    def products() -> None:
        for layer, x, weight, g, (y, to_weight, to_x) in jobs:
            torch.mm(x, weight.t(), out=y)
            torch.mm(g.t(), x, out=to_weight)
            if layer:
                torch.mm(g, weight, out=to_x)

    return products


DENSE = "jarvis, dense products"

#: Largest allowed ratio of the time of the whole step to the time of its dense products.
PRODUCT_BARS = {("fast_sigmoid", 25.0): 0.55, ("triangle", 1.0): 0.5, ("triangle", 5.0): 0.5}


def deep(sizes: tuple[int, ...], steps: int, batch: int, surrogate: str, slope: float) -> Row:
    """A training step of a network with several hidden layers, compared with its dense products."""
    picture, y, source = pictures(batch, sizes[0])
    x = poisson_encode(picture, steps)
    spike = SurrogateSpike(surrogate, slope)
    model = trained(SpikingMLP(sizes, tau=TAU, surrogate=spike), x, y % sizes[-1], 30)
    with torch.no_grad():
        hidden = model(x, return_spikes=True)[1]
    shape = "-".join(map(str, sizes))
    title = f"training step {shape}, {surrogate} of slope {slope:g}, T={steps} B={batch}"
    row = Row(f"training_{surrogate}_{slope:g}", title)
    rates = ", ".join(f"{float(s.mean()):.1%}" for s in (x, *hidden))
    call = _step(model, x, y % sizes[-1])
    row.add(OURS, call, note=f"{source}; ones in each layer's input: {rates}")
    row.add("the matrix products", bare_products(sizes, [s.flatten(0, 1) for s in (x, *hidden)]))
    row.add(DENSE, without_zeros_skipped(call))
    bound = PRODUCT_BARS[surrogate, slope]
    row.bars = [
        Bar("times the dense products", OURS, "the matrix products", bound, at_least=False),
    ]
    return row


def convolutional(shape: tuple[int, int, int], steps: int, batch: int) -> Row:
    """One training step of the network of ``train_mnist --arch conv``, on constant images."""
    n_in = torch.Size(shape).numel()
    picture, y, source = pictures(batch, n_in)
    x = constant_encode(picture.view(batch, *shape), steps)
    model = trained(SpikingCNN(shape, 10, tau=TAU), x, y, 20)
    with torch.no_grad():
        rates = ", ".join(f"{float(s.mean()):.1%}" for s in model(x, return_spikes=True)[1])
    row = Row("training_conv", f"training step of the convolutional network, T={steps} B={batch}")
    call = _step(model, x, y)
    row.add(OURS, call, note=f"{source}; ones after each layer: {rates}")
    row.add(DENSE, without_zeros_skipped(call))
    row.bars = [Bar("times its step with dense products", OURS, DENSE, 0.6, at_least=False)]
    return row


def training(sizes: tuple[int, int, int], steps: int, batch: int) -> Row:
    """One training step on spikes that vary from step to step, and one on a constant image."""
    n_in, hidden, n_out = sizes
    title = f"training step {n_in}-{hidden}-{n_out}, T={steps} B={batch}"
    row = Row("training", title)
    f32 = torch.float32
    picture, y, source = pictures(batch, n_in)
    y = y % n_out
    x = poisson_encode(picture, steps)
    first = trained(_mlp(sizes, f32), x, y, 30)

    def alike(model: nn.Module) -> nn.Module:
        _copy_weights(first, model)
        return model

    with torch.no_grad():
        (spikes,) = first(x, return_spikes=True)[1]
    rates = f"{source}; {float(x.mean()):.1%} ones in the input, {float(spikes.mean()):.1%} hidden"
    row.add(OURS, _step(first, x, y), lambda: _agree(_mlp), rates)
    inputs = [x.flatten(0, 1), spikes.flatten(0, 1)]
    row.add("the matrix products", bare_products(sizes, inputs))
    row.add(DENSE, without_zeros_skipped(_step(alike(_mlp(sizes, f32)), x, y)))
    eager = alike(_mlp(sizes, f32, backend="eager"))
    row.add("jarvis, eager", without_zeros_skipped(_step(eager, x, y)), note="the definition")
    static = constant_encode(picture, steps)
    note = "its first layer is computed once, not T times"
    row.add("jarvis, constant input", _step(alike(_mlp(sizes, f32)), static, y), note=note)

    jelly = next(peer for peer in peers.PEERS if peer.name == "SpikingJelly")
    snn = next(peer for peer in peers.PEERS if peer.module == "snntorch")

    def theirs(neuron, stepwise: bool):
        def make(sizes, dtype) -> nn.Module:
            return _Theirs(sizes, neuron(dtype), stepwise).to(dtype)

        return make

    for name, peer, neuron, timed, options, stepwise in (
        (jelly.name, jelly, peers.spikingjelly, peers.spikingjelly, jelly.options, False),
        ("snnTorch, x[t]", snn, _snntorch(False), _snntorch(True), snn.options, True),
    ):
        if peer.missing:
            row.add(name, None, missing=f"{peer.module} is not installed")
            continue
        call = _step(alike(theirs(timed, stepwise)(sizes, f32)), x, y)

        def check(neuron=neuron, stepwise=stepwise, options=options) -> str:
            return _agree(theirs(neuron, stepwise), **options)

        row.add(name, call, check, peer.note)
    row.bars = [
        Bar("times the dense products", OURS, "the matrix products", 0.45, at_least=False),
        Bar("faster than SpikingJelly", "SpikingJelly", OURS, 2.8),
        Bar("faster than snnTorch", "snnTorch, x[t]", OURS, 2.8),
    ]
    return row
