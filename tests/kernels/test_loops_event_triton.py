"""The event loops in Triton: by the interpreter on any machine, on the GPU where there is one."""

import pytest
import torch
from triton_runs import DEVICES, by_the_interpreter, compiled, outside

from event_problems import NEURONS, problem
from jarvis.spatial.event_driven import EventLIF, event_spec, run_events

# What is computed for neurons that do not fire is masked.
pytestmark = pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")

CASES = [("lif", 0.0), ("euler", 0.3), ("adex", 0.0), ("adex", 0.3), ("euler adex", 0.0)]


@pytest.mark.slow
@outside
def test_by_the_interpreter():
    """All tests of this file again, in a process where Triton interprets its kernels."""
    assert f"{len(CASES) + 6} passed" in by_the_interpreter(__file__)


@pytest.mark.slow
@compiled
@pytest.mark.parametrize("name", NEURONS)
@pytest.mark.parametrize("real", ["fp32", "fp64"])
def test_compiles_for_a_gpu_that_is_not_here(real, name):
    """The interpreter forgives what the compiler does not. ptxas comes with Triton."""
    triton = pytest.importorskip("triton")
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from jarvis.kernels import event_synapses_triton as synapses
    from jarvis.kernels import event_triton as loops

    types = dict.fromkeys(["in_steps", "in_units", "steps", "units", "sent_at"], "*i32")
    types |= dict.fromkeys(["d_in", "d_rec", "d", "now", "counts"], "*i32")
    types |= dict.fromkeys(["in_offsets", "offsets", "sent_in", "starts"], "*i64")
    types |= dict.fromkeys(["n_steps", "width", "time_bins", "room", "n_spikes"], "i32")
    neuron = loops._neuron(event_spec(NEURONS[name], 10))
    along = (neuron.names["_forward_loop"], neuron.names["_backward_loop"])
    for loop in (*along, synapses._deliver_loop, synapses._collect_loop):
        flags = dict.fromkeys(["KEEP", "RECURRENT", "DAMP"], True)
        flags |= dict(ADAPTS="adex" in name, REMEMBERS=neuron.remembers)
        known = flags | (dict(BLOCK=128) if loop in along else synapses.TILE)
        constants = {name: known[name] for name in loop.arg_names if name.isupper()}
        signature = {name: types.get(name, f"*{real}") for name in loop.arg_names}
        source = ASTSource(
            fn=loop,
            signature=signature | dict.fromkeys(constants, "constexpr"),
            constexprs={(loop.arg_names.index(n),): value for n, value in constants.items()},
        )
        made = triton.compile(
            source,
            target=GPUTarget("cuda", 90, 32),
            options=dict(num_warps=known["BLOCK"] // 32, enable_fp_fusion=False),
        )
        ptx = made.asm["ptx"]
        if real != "fp64" and "euler" in name:  # exp in float64, and any logarithm, has its own
            assert "fma.rn" not in ptx, "h must round as in the readable step"
        if loop is synapses._deliver_loop:
            # Each thread adds for its own neuron alone, event after event, and reads nothing back:
            # so sums have one order. That all threads read one list needs barriers elsewhere.
            assert ptx.count("red.global") == synapses.TILE["SOME"]
            assert made.metadata.shared == 0
        elif loop in along:
            assert ptx.count("bar.sync") >= 2


def both(device, events, matrices, neuron, **options):
    """Results and gradients of the definition, on the CPU, and of the loops."""
    for backend, where in (("eager", "cpu"), ("triton", device)):
        given = [None if m is None else m.detach().to(where).requires_grad_() for m in matrices]
        out = run_events(events, *given, neuron, backend=backend, **options)
        random = torch.Generator().manual_seed(5)
        pulls = [torch.rand(x.shape, generator=random, dtype=x.dtype) for x in out[:2]]
        loss = sum((x.cpu() * pull).sum() for x, pull in zip(out[:2], pulls, strict=True))
        gradients = torch.autograd.grad(loss, [m for m in given if m is not None])
        spikes = [x.cpu() for x in (out.spikes.times, out.spikes.units, out.spikes.offsets)]
        yield out.counts.detach().cpu(), spikes, [g.cpu() for g in gradients]


def assert_same(pair, least, tolerance=1e-9):
    (counts, spikes, gradients), (other_counts, other_spikes, others) = pair
    assert counts.sum() >= least
    assert torch.equal(counts, other_counts)
    for x, y in zip(spikes, other_spikes, strict=True):
        assert torch.equal(x, y)
    for x, y in zip(gradients, others, strict=True):
        assert x.abs().max() > 0
        torch.testing.assert_close(x, y, rtol=tolerance, atol=tolerance * x.abs().max().item())


def small(dtype=torch.float64, **options):
    """Three samples, one of them without input, that fire often in a short time."""
    options = {"steps": 30, "n_in": 4, "width": 5, "events": 40} | options
    events, matrices = problem(dtype, **options)
    w_in, d_in, w_rec, d_rec = matrices
    return events, [w_in * 4, d_in / 4, w_rec, d_rec / 4]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("name", "damping"), CASES)
def test_the_loops_are_the_definition(device, name, damping):
    events, matrices = small(steps=45 if "adex" in name else 30)
    assert_same(tuple(both(device, events, matrices, NEURONS[name], damping=damping)), least=15)


@pytest.mark.parametrize("device", DEVICES)
def test_in_float32(device):
    events, matrices = small(torch.float32)
    assert_same(tuple(both(device, events, matrices, NEURONS["lif"])), 15, tolerance=1e-4)


@pytest.mark.parametrize("device", DEVICES)
def test_counts_in_windows(device):
    events, matrices = small()
    assert_same(tuple(both(device, events, matrices, NEURONS["lif"], time_bins=4)), 15)


@pytest.mark.parametrize("device", DEVICES)
def test_a_layer_that_does_not_hear_itself(device):
    events, (w_in, d_in, *_) = small()
    assert_same(tuple(both(device, events, [w_in, d_in, None, None], NEURONS["lif"])), least=15)


@pytest.mark.parametrize("device", DEVICES)
def test_more_neurons_than_a_block_holds(device):
    events, matrices = small(width=40, steps=12, events=20)
    assert_same(tuple(both(device, events, matrices, NEURONS["lif"])), least=15)


@pytest.mark.parametrize("device", DEVICES)
def test_more_spikes_than_there_is_room_for(device):
    """Spikes in nearly every step: the lists are made longer, and all is run again."""
    events, matrices = small(steps=25, width=3)
    matrices[0] = matrices[0].detach() + 20.0
    pair = tuple(both(device, events, matrices, EventLIF(dt=0.5)))
    assert pair[0][0].sum(1).max() > max(4 * 3, 25 * 3 // 16)
    assert_same(pair, least=50)


@pytest.mark.parametrize("device", DEVICES)
def test_silence_and_the_same_numbers_twice(device):
    events, matrices = small(steps=18)
    quiet = [m.detach().to(device) for m in matrices]
    quiet[0].zero_().requires_grad_()
    out = run_events(events, *quiet, NEURONS["lif"], backend="triton")
    assert len(out.times) == 0
    assert out.counts.shape == (3, 5)
    (gradient,) = torch.autograd.grad(out.counts.sum(), quiet[0])
    assert (gradient >= 0).all()  # more weight, and it might have fired
    assert gradient.max() > 0
    first, second = (tuple(both(device, events, matrices, NEURONS["lif"]))[1] for _ in range(2))
    for x, y in zip(first[2], second[2], strict=True):
        assert torch.equal(x, y)
