"""The row of one training step, 784-1000-10: forward pass, loss, backward pass and Adam."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks import peers
from benchmarks.agreement import TAU, compare
from benchmarks.row import Bar, Row
from jarvis import SpikingMLP, constant_encode

OURS = "jarvis"


class _Theirs(nn.Module):
    """Linear, LIF, Linear and the mean over time, around a library's neuron."""

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
    """Agreement of scores and of all weight gradients in a small network."""
    sizes, dtype = (20, 30, 5), torch.float64
    generator = torch.Generator().manual_seed(0)
    # Weak input, because snnTorch's reset differs for potentials above twice the threshold.
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


def training(sizes: tuple[int, int, int], steps: int, batch: int) -> Row:
    """One training step on spikes that vary from step to step, and on a constant picture."""
    n_in, hidden, n_out = sizes
    title = f"training step {n_in}-{hidden}-{n_out}, T={steps} B={batch}"
    row = Row("training", title)
    f32 = torch.float32
    picture = torch.rand(batch, n_in)
    x = (torch.rand(steps, batch, n_in) < picture).float()
    y = torch.randint(n_out, (batch,))
    first = _mlp(sizes, f32)

    def alike(model: nn.Module) -> nn.Module:
        _copy_weights(first, model)
        return model

    flat, grad_hidden = x.flatten(0, 1), torch.rand(steps * batch, hidden)
    spikes, grad_out = (grad_hidden < 0.1).float(), torch.rand(steps * batch, n_out)
    w1, w2 = torch.rand(hidden, n_in), torch.rand(n_out, hidden)
    results = [
        torch.empty(size)
        for size in ((len(flat), hidden), (len(flat), n_out), (n_out, hidden), (len(flat), hidden))
    ]
    gw1 = torch.empty(hidden, n_in)

    def products() -> None:
        torch.mm(flat, w1.t(), out=results[0])
        torch.mm(spikes, w2.t(), out=results[1])
        torch.mm(grad_out.t(), spikes, out=results[2])
        torch.mm(grad_out, w2, out=results[3])
        torch.mm(grad_hidden.t(), flat, out=gw1)

    row.add(OURS, _step(first, x, y), lambda: _agree(_mlp))
    row.add("the matrix products", products)
    eager = alike(_mlp(sizes, f32, backend="eager"))
    row.add("jarvis, eager", _step(eager, x, y), note="the definition")
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
        Bar("times the products", OURS, "the matrix products", 1.5, at_least=False),
        Bar("faster than SpikingJelly", "SpikingJelly", OURS, 1.4),
        Bar("faster than snnTorch", "snnTorch, x[t]", OURS, 1.7),
    ]
    return row
