"""Benchmark rows for one delay per synapse: event-driven networks, and layers with time steps.

`delays` runs 128 neurons on the spikes of 700 inputs. It is compared with the same layer computed
as a dense convolution over time, whose kernel has each weight at the position of its delay (as in
DCLS), and, if available, with the JAX code of spatial_snns, which updates every synapse in every
step. The density of spikes is 4 %, as in spoken digits.

`layers` runs the forward and the backward pass of `DelayedLinear`. It is compared with its
definition, a dense convolution over time, and with an `nn.Linear` without delays.
"""

import tracemalloc

import torch
from torch import Tensor, nn

from benchmarks.agreement import Disagreement
from benchmarks.row import Bar, Row
from benchmarks.spyx_peer import Spyx
from jarvis import EventLIF, Events, over_time, run_events
from jarvis.networks import DelayedLinear, delayed_linear

OURS, DENSE, THEIRS = "jarvis", "dense convolution", "spatial_snns, one sample"
DENSITY = 0.04  #: spikes per channel and step
NEURON = EventLIF(tau=10.0, tau_syn=2.0, dt=1.0, integrator="euler")
SHAPE = (250, 8, 700, 128)  #: T, B, inputs, neurons
LONGEST = 64  #: steps


def problem(steps: int, batch: int, n_in: int, width: int, density: float = DENSITY):
    """Input spikes ``[T, B, n_in]``, weights that make the neurons fire, and whole-step delays."""
    random = torch.Generator().manual_seed(0)
    dense = (torch.rand(steps, batch, n_in, generator=random) < density).float()
    w = torch.rand(n_in, width, generator=random) * (0.1 / (n_in * DENSITY))
    d = torch.randint(0, LONGEST + 1, (n_in, width), generator=random).float()
    return dense, w, d


def convolve(x: Tensor, w: Tensor, d: Tensor) -> Tensor:
    """The input ``[B, H, T]`` caused by spikes ``x [B, n_in, T]``, interpolated between taps."""
    return delayed_linear(x.permute(2, 0, 1), w.t(), d.t()).permute(1, 2, 0)


def _neurons(drive: Tensor) -> Tensor:
    """Spike counts ``[B, H]`` of `NEURON` for an input ``[B, H, T]``, from an independent loop."""
    decay, decay_syn = (torch.exp(torch.tensor(-1.0 / tau)) for tau in (NEURON.tau, NEURON.tau_syn))
    v = current = torch.zeros_like(drive[..., 0])
    counts = torch.zeros_like(v)
    for arriving in drive.unbind(2):
        v = decay * v + current
        spikes = (v >= 1).to(v.dtype)
        v, counts = v * (1 - spikes), counts + spikes
        current = decay_syn * current + arriving
    return counts


def _first_spikes(worker: Spyx, spikes: Tensor, w: Tensor, d: Tensor) -> str:
    """Compare spatial_snns' first spikes with ours; its reset holds v for one step longer."""
    theirs = torch.tensor(worker.spatial(spikes, w.detach(), d.detach(), NEURON.dt))
    out = run_events(Events.from_dense(spikes.unsqueeze(1)), w.double(), d.double(), neuron=NEURON)
    first = out.spikes.first_steps()[0]
    first = torch.where(first < len(spikes) - 1, first + 1, -1)  # theirs comes one step later
    if not torch.equal(first, theirs.int()):
        raise Disagreement(f"{int((first != theirs).sum())} of {len(first)} first spikes differ")
    return f"same first spikes of {int((first >= 0).sum())} neurons, one step later"


def delays(shape: tuple[int, int, int, int], worker: Spyx | None, missing: str) -> Row:
    """Forward and backward pass, with the gradients of weights and delays."""
    steps, batch, n_in, width = shape
    title = f"delays, {n_in} to {width}, T={steps} B={batch}, {DENSITY:.0%} spikes"
    row = Row("delays", title)
    dense, w, d = problem(*shape)
    events = Events.from_dense(dense)
    random = torch.Generator().manual_seed(1)
    pull = torch.rand(batch, width, generator=random)
    w, d = w.requires_grad_(), d.requires_grad_()

    def ours(backend: str, events: Events = events, pull: Tensor = pull):
        def call() -> Tensor:
            out = run_events(events, w, d, neuron=NEURON, backend=backend)
            torch.autograd.grad((out.counts * pull).sum(), (w, d))
            return out.counts

        return call

    x = dense.permute(1, 2, 0).contiguous()
    back = torch.rand(batch, width, steps, generator=random)

    def convolution() -> Tensor:
        drive = convolve(x, w, d)
        torch.autograd.grad(drive, (w, d), back)
        return drive

    def check() -> str:
        # In float64, because in float32 rounding may decide whether a neuron spikes.
        exact = run_events(events, w.double(), d.double(), neuron=NEURON).counts
        theirs = _neurons(convolve(x.double(), w.detach().double(), d.detach().double()))
        if not exact.any() or not torch.equal(exact, theirs):
            raise Disagreement(f"{int((exact != theirs).sum())} of {exact.numel()} counts differ")
        return f"same counts of {int(exact.sum())} spikes"

    row.add(OURS, ours("auto"), check)
    row.add("jarvis, eager", ours("eager"), note="the definition")
    row.add(DENSE, convolution, note="without the loop over the neurons")
    row.add("jarvis, one sample", ours("auto", events[:1], pull[:1]), note="against spatial_snns")
    if worker is None:
        row.add(THEIRS, None, missing=missing)
    else:
        single = dense[:, 0]
        row.add(THEIRS, worker.run_spatial, lambda: _first_spikes(worker, single, w, d))
    row.bars = [
        Bar("faster than a dense convolution", DENSE, OURS, 20),
        Bar("faster than spatial_snns", THEIRS, "jarvis, one sample", 300),
    ]
    return row


#: T, B, inputs, outputs, longest delay in steps, and fraction of entries that are not 0. The first
#: row is for spoken digits in bins of 10 ms and 5 channels, the second for a hidden layer, and the
#: third for the same words in bins of 2 ms.
LAYERS = (
    (100, 64, 140, 256, 25, 0.17),
    (100, 64, 256, 256, 25, 0.1),
    (500, 8, 140, 256, 125, 0.03),
)


#: The smallest factor by which `DelayedLinear` must beat the dense convolution.
LAYER_BARS = (2.0, 2.0, 5.0)


def layers(number: int, quick: bool = False) -> Row:
    """`DelayedLinear`, both passes: gradients of the input, the weights and the delays."""
    shape = (9, 2, 5, 4, 3, 0.3) if quick else LAYERS[number]
    steps, batch, n_in, n_out, longest, density = shape
    title = f"delayed, {n_in} to {n_out}, T={steps} B={batch}, <= {longest} steps, {density:.0%}"
    row = Row(f"delayed_{number}", title)
    random = torch.Generator().manual_seed(0)
    x = (torch.rand(steps, batch, n_in, generator=random) < density).float().requires_grad_()
    back = torch.randn(steps, batch, n_out, generator=random)
    compiled = DelayedLinear(n_in, n_out, float(longest), bias=False, seed=0)
    dense = DelayedLinear(n_in, n_out, float(longest), bias=False, seed=0, backend="eager")
    plain = nn.Linear(n_in, n_out, bias=False)

    def run(layer: DelayedLinear) -> list[Tensor]:
        y, _ = layer(x)
        return [y, *torch.autograd.grad(y, (x, layer.weight, layer.delays), back)]

    def without() -> None:
        torch.autograd.grad(over_time(plain, x), (x, plain.weight), back)

    def check() -> str:
        for mine, theirs in zip(run(compiled), run(dense), strict=True):
            error = (mine - theirs).abs().max() / theirs.abs().max()
            if not error < 1e-4:
                raise Disagreement(f"off by {error:.0e} of the largest")
        return "same output and gradients"

    row.add(OURS, lambda: run(compiled), check)
    row.add(DENSE, lambda: run(dense), note="the definition")
    row.add("nn.Linear", without, note="without delays")
    row.bars = [Bar("faster than a dense convolution", DENSE, OURS, LAYER_BARS[number])]
    return row


def memory(quick: bool = False) -> list[dict]:
    """Peak memory of a forward and backward pass, MB, as a function of T and the spike density.

    This includes numpy's allocations, the history of potentials, and the matrices of weights and
    delays; only the first two grow.
    """
    _, batch, n_in, width = (0, 2, 20, 8) if quick else SHAPE
    points = [(250, DENSITY), (500, DENSITY), (1000, DENSITY), (2000, DENSITY)]
    points += [(500, DENSITY * factor) for factor in (0.25, 2, 4)]
    found = []
    for steps, density in points[:2] if quick else points:
        dense, w, d = problem(steps, batch, n_in, width, density)
        events = Events.from_dense(dense)
        w, d = w.requires_grad_(), d.requires_grad_()
        peaks = []
        for _ in range(2):  # the first run compiles
            tracemalloc.start()
            out = run_events(events, w, d, neuron=NEURON)
            torch.autograd.grad(out.counts.sum(), (w, d))
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        history = 4 * steps * batch * width  # reused memory, which the peak may not include
        found.append({
            "T": steps, "density": density, "input_spikes": len(events.times),
            "spikes": int(out.counts.sum()), "peak_mb": round((peaks[-1] + history) / 1e6, 2),
            "synapses_times_T_mb": round(4 * steps * batch * n_in * width / 1e6),
        })  # fmt: skip
    return found
