"""To NIR and back: held against NIR's own equations, solved here, and against other libraries."""

import copy
import math
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from jarvis import (
    LeakyIntegrator,
    LIFLayer,
    RecurrentLIFLayer,
    SpikingCNN,
    SpikingMLP,
    from_nir,
    seeded,
    to_nir,
)
from jarvis.adex import NormalisedAdEx
from jarvis.lif import LIF
from jarvis.networks import READOUTS, SpikingChain
from jarvis.networks.nir.units import inverse, tau_from_nir, tau_to_nir
from jarvis.neurons import DrivenLayer, SpikingLayer
from jarvis.support.downloads import CorruptDataError

nir = pytest.importorskip("nir")
INF = math.inf


# an interpreter of NIR graphs, which knows nothing of the package


def rk4(slope, y, dt, substeps=20):
    """One step of a differential equation whose input is held, to some 1e-12."""
    h = dt / substeps
    for _ in range(substeps):
        k1 = slope(y)
        k2 = slope(y + h / 2 * k1)
        k3 = slope(y + h / 2 * k2)
        k4 = slope(y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return y


def forward_euler(slope, y, dt):
    return y + dt * slope(y)


def simulate(graph, x, dt, solve=rk4):
    """What a NIR graph makes of ``x [T, B, n]``, by the equations of its documentation; dt in s.

    A loop takes a step: it carries the spikes of the step before.
    """
    depth, front = {"input": 0}, ["input"]
    while front:
        front = [b for a, b in graph.edges if a in front and b not in depth]
        depth |= {name: len(depth) + k for k, name in enumerate(dict.fromkeys(front))}
    order = sorted(depth, key=lambda name: depth[name])[1:]
    v, i, values = {}, {}, {}
    for name in order:
        node = graph.nodes[name]
        if hasattr(node, "weight"):
            values[name] = np.zeros((x.shape[1], 1)) + getattr(node, "bias", 0)
            values[name] = np.broadcast_to(values[name], (x.shape[1], len(node.weight)))
        v[name] = getattr(node, "v_leak", 0.0)  # everything is at rest, and no spike was before
        i[name] = 0.0
    result = []
    for x_t in x.double().numpy():
        values["input"] = x_t
        for name in order:
            node = graph.nodes[name]
            s = sum(values[a] for a, b in graph.edges if b == name)
            if hasattr(node, "weight"):
                values[name] = s @ node.weight.astype(float).T + getattr(node, "bias", 0)
                continue
            if isinstance(node, nir.Output):
                values[name] = s
                continue
            if isinstance(node, nir.CubaLIF):
                i[name] = solve(
                    lambda i, s=s, node=node: (-i + node.w_in * s) / node.tau_syn,
                    i[name] + np.zeros_like(s),
                    dt,
                )
                s = i[name]
            if isinstance(node, nir.IF | nir.I):
                slope = lambda v, s=s, node=node: node.r * s  # noqa: E731
            else:
                tau = node.tau_mem if isinstance(node, nir.CubaLIF) else node.tau
                slope = lambda v, s=s, node=node, tau=tau: (  # noqa: E731
                    (node.v_leak - v + node.r * s) / tau
                )
            v[name] = solve(slope, v[name] + np.zeros_like(s), dt)
            values[name] = v[name]
            if hasattr(node, "v_threshold"):
                z = v[name] > node.v_threshold
                v[name] = np.where(z, node.v_reset, v[name])
                values[name] = z.astype(float)
        result.append(values["output"])
    return torch.from_numpy(np.stack(result))


# networks


def network(recurrent=False, tau=20.0, tau_syn=None, dt=1.0, last=None, n=12):
    options = dict(tau=tau, tau_syn=tau_syn, dt=dt, threshold=0.7, reset="zero")
    with seeded(1):
        hidden = RecurrentLIFLayer(n, **options) if recurrent else LIFLayer(**options)
        end = LIFLayer(**options) if last is None else last
        layers = [nn.Linear(6, n), hidden, nn.Linear(n, 5, bias=False), end]
    with torch.no_grad():
        for layer in layers[::2]:
            layer.weight.mul_(1.0 if tau_syn is None else 0.4)
    return SpikingChain(layers)


def spikes_in(steps=60, batch=3, n=6, rate=0.3):
    generator = torch.Generator().manual_seed(0)
    return (torch.rand(steps, batch, n, generator=generator) < rate).float()


def margin(chain, x):
    """How far the potentials stay from the threshold: what a rounding error must not reach."""
    found = INF
    for layer in chain.layers:
        if isinstance(layer, LIFLayer):
            x, _, trace = layer(x, trace=True)
            found = min(found, (trace.h - layer.params.threshold).abs().min().item())
        else:
            x = layer(x)
    return found


CASES = {
    "lif": dict(),
    "fine dt": dict(dt=0.1, tau=3.3),
    "synapse": dict(tau_syn=5.0),
    "recurrent": dict(recurrent=True),
    "recurrent synapse": dict(recurrent=True, tau_syn=5.0, dt=0.5),
    "no leak": dict(tau=INF, dt=0.5),
    "a tau a neuron": dict(tau=torch.linspace(5, 30, 12), last=LeakyIntegrator(10.0)),
    "integrator": dict(last=LeakyIntegrator(INF)),
}


@pytest.mark.slow
@pytest.mark.parametrize("integrator", ["exact", "euler"])
@pytest.mark.parametrize("case", CASES)
def test_nirs_equations_give_our_spikes(case, integrator):
    chain = copy.deepcopy(network(**CASES[case])).double()
    x = spikes_in().double()
    dt = getattr(chain.layers[1], "params").dt  # noqa: B009
    with torch.no_grad():
        want, _ = chain(x)
        assert margin(SpikingChain(list(chain.layers)[:2]), x) > 1e-8
    graph = to_nir(chain, integrator=integrator)
    solve = rk4 if integrator == "exact" else forward_euler
    got = simulate(graph, x, dt / 1000, solve)
    assert want.abs().sum() > 20  # it does something
    np.testing.assert_allclose(got.numpy(), want.numpy(), atol=1e-8)
    got = simulate(to_nir(chain, integrator=integrator, unit_r=True), x, dt / 1000, solve)
    np.testing.assert_allclose(got.numpy(), want.numpy(), atol=1e-8)


def test_numbers_of_a_node():
    layer = LIFLayer(tau=20.0, tau_syn=5.0, dt=1.0, reset="zero", threshold=1.5)
    graph = to_nir([nn.Linear(2, 3), layer])
    node = graph.nodes["lif1"]
    assert isinstance(node, nir.CubaLIF)
    assert node.tau_mem.tolist() == [0.02] * 3  # s
    assert node.tau_syn.tolist() == [0.005] * 3
    assert node.r[0] == pytest.approx(1 / (1 - math.exp(-1 / 20)), rel=1e-14)
    assert node.w_in[0] == pytest.approx(1 / (1 - math.exp(-1 / 5)), rel=1e-14)
    assert node.v_threshold[0] == np.nextafter(np.float32(1.5), np.float32(0))
    assert not node.v_reset.any()
    assert not node.v_leak.any()
    assert graph.metadata == {"dt": 0.001, "integrator": "exact"}
    euler = to_nir([nn.Linear(2, 3), layer], integrator="euler").nodes["lif1"]
    assert 1 - 0.001 / euler.tau_mem[0] == pytest.approx(math.exp(-1 / 20), rel=1e-14)
    assert euler.r[0] == pytest.approx(node.r[0], rel=1e-14)


def test_a_potential_that_meets_the_threshold_fires_on_both_sides():
    linear = nn.Linear(1, 1, bias=False)
    linear.weight.data[:] = 0.5
    chain = SpikingChain([linear, LIFLayer(tau=INF, threshold=1.0, reset="zero")])
    x = torch.ones(4, 1, 1)
    graph = to_nir(chain)
    for got in (chain(x)[0], simulate(graph, x, 0.001, forward_euler), from_nir(graph)(x)[0]):
        assert got.flatten().tolist() == [0, 1, 0, 1]
    graph.nodes["lif1"].v_threshold[:] = 1.0  # NIR's neuron, read: above 1
    for got in (simulate(graph, x, 0.001, forward_euler), from_nir(graph)(x)[0]):
        assert got.flatten().tolist() == [0, 0, 1, 0]


# there and back


@pytest.mark.slow
@pytest.mark.parametrize("integrator", ["exact", "euler"])
@pytest.mark.parametrize("case", CASES)
def test_round_trip_through_a_file_is_exact(case, integrator, tmp_path):
    chain = network(**CASES[case])
    to_nir(chain, tmp_path / "net.nir", integrator=integrator)
    before = torch.get_rng_state()
    back = from_nir(tmp_path / "net.nir")
    assert torch.equal(before, torch.get_rng_state())
    assert isinstance(back, SpikingChain)
    for old, new in zip(chain.layers, back.layers, strict=True):
        assert type(old) is type(new)
        assert old.extra_repr() == new.extra_repr()
        for key, value in old.state_dict().items():
            assert torch.equal(value, new.state_dict()[key]), key
    x = spikes_in()
    with torch.no_grad():
        assert torch.equal(chain(x)[0], back(x)[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_learned_numbers_come_back_to_the_last_bit(dtype):
    torch.manual_seed(0)  # with some weights no neuron fires
    options = dict(reset="zero", threshold=0.3, dt=0.7, tau_syn=4.1)
    layer = LIFLayer(tau=torch.tensor([7.0, 11.0]), **options, learnable=("tau", "threshold"))
    single = LIFLayer(tau=17.0, **options, learnable="tau")
    with torch.no_grad():
        layer.log_tau.add_(0.1234567)
        layer.log_threshold.add_(0.01)
    chain = SpikingChain([nn.Linear(3, 2), layer, nn.Linear(2, 4), single]).to(dtype)
    back = from_nir(to_nir(chain))
    for index in (1, 3):
        for name in ("tau", "threshold", "tau_syn"):
            old, new = (getattr(c.layers[index].params, name) for c in (chain, back))
            old, new = torch.as_tensor(old).detach(), torch.as_tensor(new)
            bits = 0.0 if dtype == torch.float32 else 3e-16  # see from_nir
            torch.testing.assert_close(new, old, rtol=bits, atol=0.0)
    trained = from_nir(to_nir(chain), learnable=("tau",), surrogate="arctan")
    trained(spikes_in(n=3).to(dtype))[0].sum().backward()
    assert trained.layers[1].log_tau.grad.any()
    assert trained.layers[1].surrogate.name == "arctan"


@given(
    tau=st.decimals("0.2", "1000", places=6).map(float), dt=st.sampled_from([0.05, 0.1, 0.7, 1.0])
)
def test_times_that_a_person_writes_come_back_exactly(tau, dt):
    for integrator in ("exact", "euler"):
        assert tau_from_nir(tau_to_nir(tau, dt, integrator), dt, integrator) == tau


@pytest.mark.parametrize("readout", READOUTS)
def test_a_classifier_comes_back_as_one(readout, tmp_path):
    with seeded(0):
        model = SpikingMLP(
            (16, 12, 8, 3), readout, gain=3.0, tau=15.0, tau_readout=33.0, dt=0.5, reset="zero"
        )
    to_nir(model, tmp_path / "mlp.nir")
    back = from_nir(tmp_path / "mlp.nir")
    assert isinstance(back, SpikingMLP)
    assert str(back) == str(model)
    pictures = spikes_in(n=16).reshape(60, 3, 1, 4, 4)
    with torch.no_grad():
        (want, hidden), (got, again) = (m(pictures, return_spikes=True) for m in (model, back))
    assert hidden[1].any()
    assert torch.equal(want, got)
    assert all(map(torch.equal, hidden, again))


def test_a_chain_goes_on_where_it_stopped():
    chain, x = network(recurrent=True, tau_syn=5.0), spikes_in()
    whole, _ = chain(x)
    first, state = chain(x[:25])
    assert torch.equal(whole, torch.cat([first, chain(x[25:], state)[0]]))
    with pytest.raises(ValueError, match="state has 1 entries for 4 layers"):
        chain(x, state[:1])


# graphs that others wrote


def foreign(n=5, loop=None, loop_bias=None, **lif):
    """Input -> Affine -> LIF, with a recurrent subgraph as snnTorch writes it."""
    rng = np.random.default_rng(0)
    lif = dict(tau=0.01, r=20.0, v_leak=0.0, v_threshold=0.4, v_reset=0.0) | lif
    lif = {key: np.full(n, value) for key, value in lif.items()}
    cells = (nir.CubaLIF if "tau_syn" in lif else nir.LIF)(**lif)
    affine = nir.Affine(rng.normal(size=(n, 3)), rng.normal(size=n))
    nodes = {"input": nir.Input({"input": np.array([3])}), "fc": affine}
    nodes["output"] = nir.Output({"output": np.array([n])})
    if loop is not None:
        weight = rng.normal(size=(n, n))
        back = nir.Linear(weight) if loop_bias is None else nir.Affine(weight, loop_bias)
        inner = {"lif": cells, "w_rec": back}
        inner["input"] = nir.Input({"input": np.array([n])})
        inner["output"] = nir.Output({"output": np.array([n])})
        edges = [("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")]
        cells = nir.NIRGraph(inner, edges) if loop == "graph" else cells
        if loop == "flat":
            nodes["w_rec"] = back
    nodes["cells"] = cells
    edges = [("input", "fc"), ("fc", "cells"), ("cells", "output")]
    if loop == "flat":
        edges += [("cells", "w_rec"), ("w_rec", "cells")]
    return nir.NIRGraph(nodes, edges)


@pytest.mark.parametrize(
    "options",
    [
        dict(),
        dict(v_leak=0.2, v_reset=0.2),
        dict(r=np.linspace(10, 30, 5), tau=np.linspace(0.004, 0.02, 5)),
        dict(loop="flat"),
        dict(loop="flat", loop_bias=np.linspace(-1, 1, 5)),
        dict(loop="flat", tau_mem=0.01, tau_syn=0.004, w_in=3.0, tau=None),
    ],
    ids=["r", "rest", "one a neuron", "loop", "loop with bias", "synapse"],
)
@pytest.mark.parametrize("integrator", ["exact", "euler"])
def test_resistance_rest_and_loops_of_others(options, integrator):
    if "tau" in options and options["tau"] is None:
        graph = foreign_cuba(options)
    else:
        graph = foreign(**options)
    x = spikes_in(n=3).double()
    ours = from_nir(graph, dt=0.5, integrator=integrator)
    with torch.no_grad():
        got, _ = ours(x)
        assert margin(ours, x) > 1e-8
    assert 0.02 < got.mean() < 0.9
    want = simulate(graph, x, 0.0005, rk4 if integrator == "exact" else forward_euler)
    assert torch.equal(got, want)


def foreign_cuba(options):
    graph = foreign(loop=options["loop"])
    full = {key: np.full(5, options[key]) for key in ("tau_mem", "tau_syn", "w_in")}
    rest = {key: getattr(graph.nodes["cells"], key) for key in ("r", "v_leak", "v_threshold")}
    graph.nodes["cells"] = nir.CubaLIF(**full, **rest)
    return graph


def test_a_graph_in_the_graph_is_the_same_as_its_nodes():
    x = spikes_in(n=3).double()
    flat, nested = (from_nir(foreign(loop=how), dt=1.0) for how in ("flat", "graph"))
    assert flat(x)[0].any()
    assert torch.equal(flat(x)[0], nested(x)[0])


def test_pictures_scalars_and_integrators():
    nodes = {
        "input": nir.Input({"input": np.array([1, 2, 3])}),
        "flat": nir.Flatten({"input": np.array([1, 2, 3])}, 0, -1),
        "fc": nir.Linear(np.ones((2, 6), dtype=np.float32)),
        "if": nir.IF(r=np.array(100.0), v_threshold=np.array(1.0), v_reset=np.array(0.0)),
        "i": nir.I(r=np.array([1000.0, 2000.0])),
        "output": nir.Output({"output": np.array([2])}),
    }
    names = list(nodes)
    graph = nir.NIRGraph(nodes, list(pairwise(names)), type_check=False)
    with pytest.raises(ValueError, match=r"node 'i': a resistance .* put one there"):
        from_nir(graph, dt=1.0)
    graph.nodes["i"].r[:] = 1000.0
    out, _ = from_nir(graph, dt=1.0)(torch.ones(6, 1, 1, 2, 3))  # 0.6 a step
    assert out[:, 0].tolist() == [[0, 0], [1, 1], [1, 1], [2, 2], [2, 2], [3, 3]]
    nodes["flat"].start_dim = 1
    with pytest.raises(ValueError, match="Flatten must make a vector"):
        from_nir(graph, dt=1.0)


# what cannot be


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([nn.Linear(2, 3), LIFLayer()], r"layer 1, LIFLayer: .*reset='subtract'.*reset='zero'"),
        ([nn.Linear(2, 3), LIFLayer(reset="none")], "reset='none'.*use reset='zero'"),
        ([nn.Linear(2, 3), LIFLayer(reset="zero", refractory=2.0)], "no refractory: use refrac"),
        ([nn.Linear(2, 3), LIFLayer(reset="zero", adaptation=0.1)], "no adaptation: use adapt"),
        ([nn.Linear(2, 3), LIFLayer(reset="zero", tau=INF, tau_syn=5.0)], "tau=inf.*1e6 ms"),
        ([nn.Linear(2, 3), LIFLayer(reset="zero", tau_syn=INF)], "tau_syn=inf.*1e6 ms"),
        (
            [nn.Linear(2, 2), LIFLayer(reset="zero", tau=torch.tensor([1.0, INF]))],
            "only for all neurons",
        ),
        ([nn.Linear(2, 3), LIFLayer(reset="zero", tau=torch.ones(4))], "tau has shape .*3 neurons"),
        ([nn.Linear(2, 3), nn.Linear(4, 2), LIFLayer(reset="zero")], "layer 1.*takes 4.*gives 3"),
        (
            [nn.Linear(2, 3), LIFLayer(reset="zero"), LeakyIntegrator(dt=0.5)],
            r"same dt; these have \[0.5, 1.0\]",
        ),
        ([nn.Linear(2, 3)], "needs neurons"),
        ([LIFLayer(reset="zero")], "number of neurons: put an nn.Linear before"),
    ],
)
def test_what_nir_cannot_say(layers, message):
    with pytest.raises(ValueError, match=message):
        to_nir(layers)


def test_bad_arguments():
    chain = network()
    with pytest.raises(TypeError, match="cannot write a SpikingCNN: it writes"):
        to_nir(SpikingCNN((1, 8, 8)))
    with pytest.raises(TypeError, match="cannot write a Dropout"):
        to_nir([nn.Linear(2, 3), nn.Dropout(), LIFLayer(reset="zero")])
    with pytest.raises(ValueError, match="integrator='rk4' is not one of exact, euler"):
        to_nir(chain, integrator="rk4")
    with pytest.raises(TypeError, match=r"must be a nir.NIRGraph or a path, not dict"):
        from_nir({})
    with pytest.raises(ValueError, match=r"layer 0, .*put one there"):
        to_nir([RecurrentLIFLayer(3, reset="zero")], unit_r=True)


@pytest.mark.parametrize(
    ("options", "arguments", "message"),
    [
        (dict(), dict(dt=None), r"NIR has no time step.*give dt="),
        (dict(), dict(dt=0.0), "dt=0.0 ms must be positive"),
        (dict(), dict(integrator="heun"), "integrator='heun'"),
        (dict(v_reset=-0.1), dict(), "node 'cells': v_reset must equal v_leak"),
        (dict(v_threshold=-0.1), dict(), "node 'cells': threshold=.* must be positive"),
        (dict(tau=-0.01), dict(), "node 'cells': tau must be above 0"),
        (dict(tau=0.001), dict(integrator="euler"), "above dt=1 ms, for a forward Euler step"),
        (dict(r=math.nan), dict(), "node 'cells': r is not finite"),
    ],
)
def test_neurons_that_no_layer_is(options, arguments, message):
    with pytest.raises(ValueError, match=message):
        from_nir(foreign(**options), **dict(dt=1.0) | arguments)


def rewired(*edges, remove=(), **nodes):
    graph = foreign(loop="flat")
    kept = [edge for edge in graph.edges if edge not in remove]
    return nir.NIRGraph(graph.nodes | nodes, kept + list(edges), type_check=False)


def test_graphs_that_are_no_chain():
    def refused(graph, message):
        with pytest.raises(ValueError, match=message):
            from_nir(graph, dt=1.0)

    square = nir.Linear(np.eye(5))
    refused(rewired(("cells", "cells")), r"node 'cells' .*no branches, no other cycles")
    refused(rewired(("w_rec", "fc")), r"no branches, no other cycles")
    refused(rewired(("fc", "output")), "node 'fc' .*sends to .*no branches")
    refused(rewired(("cells", "more"), ("more", "cells"), more=square), "no branches")
    refused(rewired(("output", "input")), r"\['output'\] send to the input")
    refused(rewired(("nobody", "fc")), "no node 'nobody'")
    refused(rewired(lonely=square), r"on no path .*: \['lonely'\]")
    refused(rewired(remove=[("fc", "cells")]), "node 'fc' .*sends to")
    refused(rewired(second=nir.Input({"input": np.array([3])})), "2 nodes of type Input")
    refused(rewired(fc=nir.Linear(np.ones((5, 4)))), "'fc' takes 4 values, but is sent")
    refused(rewired(fc=nir.Linear(np.ones((4, 3)))), r"'cells': \w+ has shape .*for 4 neurons")
    refused(rewired(w_rec=nir.Linear(np.ones((4, 5)))), "its loop gives 4 values for 5 neurons")
    refused(rewired(fc=nir.Threshold(np.ones(3))), "node 'fc' is a Threshold: from_nir reads")
    refused(rewired(fc=nir.Delay(np.ones(3))), "node 'fc' is a Delay: from_nir reads")


def test_metadata_of_a_classifier_that_is_none():
    graph = to_nir(network())
    graph.metadata |= {"readout": "mean", "readout_tau": 0.02}
    with pytest.raises(ValueError, match=r"do not match: delete metadata\['readout'\]"):
        from_nir(graph)


def test_files_that_are_missing_or_damaged(tmp_path):
    path = tmp_path / "net.nir"
    with pytest.raises(FileNotFoundError, match=r"net.nir: no such NIR file"):
        from_nir(path)
    to_nir(network(), path)
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"no HDF5", b""):
        path.write_bytes(damaged)
        with pytest.raises(CorruptDataError, match=r"net.nir is damaged, is not a NIR file"):
            from_nir(str(path))
    import h5py

    with h5py.File(path, "w") as file:
        file["something"] = 1
    with pytest.raises(CorruptDataError, match=r"net.nir is damaged, is not a NIR file"):
        from_nir(path)
    path.write_bytes(whole)
    with h5py.File(path, "a") as file:
        kind = file["node/nodes/lif1/type"]
        kind[()] = "Izhikevich"
    with pytest.raises(CorruptDataError, match=r"nodes that nir .* does not know"):
        from_nir(path)
    assert [p.name for p in tmp_path.iterdir()] == ["net.nir"]


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "nir", None)
    with pytest.raises(ImportError, match="pip install nir"):
        to_nir(network())


# other libraries, where they are installed


def over_time(module, x, state):
    out = []
    for x_t in x:
        y, state = module(x_t, state)
        out.append(y)
    return torch.stack(out)


PEERS = [dict(), dict(tau_syn=0.5), dict(recurrent=True), dict(recurrent=True, tau_syn=0.5)]
PEER_IDS = ["lif", "synapse", "recurrent", "recurrent synapse"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", PEERS, ids=PEER_IDS)
def test_norse_spikes_as_we_do(case):
    norse = pytest.importorskip("norse.torch")
    chain, x = network(tau=2.0, dt=0.1, **case), spikes_in(100)
    # Norse 1.1 ignores a LIF's r, and heeds that of CubaLIF
    graph = to_nir(chain, integrator="euler", unit_r="tau_syn" not in case)
    with torch.no_grad():
        want, _ = chain(x)
        assert margin(chain, x) > 1e-5
        got = over_time(norse.from_nir(graph, dt=1e-4), x, None)
    assert want.sum() > 100
    assert torch.equal(want, got)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", PEERS[:2], ids=PEER_IDS[:2])
def test_snntorch_spikes_as_we_do(case):
    reader = pytest.importorskip("snntorch.import_nir")
    chain, x = network(tau=2.0, dt=0.1, **case), spikes_in(100)  # snnTorch's dt is 0.1 ms
    with torch.no_grad():
        want, _ = chain(x)
        assert margin(chain, x) > 1e-5
        got = over_time(reader.import_from_nir(to_nir(chain, integrator="euler")), x, {})
    assert want.sum() > 100
    assert torch.equal(want, got)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["Leaky", "Synaptic", "RLeaky"])
def test_we_spike_as_snntorch_does(kind):
    snn = pytest.importorskip("snntorch")
    writer = pytest.importorskip("snntorch.export_nir")
    options = dict(beta=torch.full((12,), 0.9), threshold=torch.full((12,), 0.7))
    options |= dict(reset_mechanism="zero", reset_delay=False)
    if kind == "Synaptic":
        options["alpha"] = torch.full((12,), 0.8)
    if kind == "RLeaky":
        options |= dict(linear_features=12, all_to_all=True)
    else:
        options |= dict(init_hidden=True, output=True)
    with seeded(3):
        net = nn.Sequential(nn.Linear(6, 12), getattr(snn, kind)(**options))
    x = spikes_in(100)
    with torch.no_grad():
        want = torch.stack([net(x_t)[0] for x_t in x])
        graph = writer.export_to_nir(net, x[0], ignore_dims=[0])
        ours = from_nir(graph, dt=0.1, integrator="euler")
        got, _ = ours(x)
        assert margin(ours, x) > 1e-6
    assert want.sum() > 100
    assert torch.equal(want, got)


# what is not finite, not a number, or not in seconds


def chain_of(tau: float = 0.02, **changes) -> "nir.NIRGraph":
    """A graph as another program writes it: no metadata, times in s."""
    fields = dict(tau=tau, r=10.0, v_leak=0.0, v_threshold=1.0, v_reset=0.0) | changes
    lif = nir.LIF(**{name: np.full(3, value) for name, value in fields.items()})
    linear = nir.Linear(np.ones((3, 2)))
    nodes = {"input": nir.Input(np.array([2])), "a": linear, "b": lif}
    nodes["output"] = nir.Output(np.array([3]))
    return nir.NIRGraph(nodes, [("input", "a"), ("a", "b"), ("b", "output")])


@pytest.mark.parametrize(
    ("tau", "words"),
    [
        (20.0, r"node 'b': tau=20 s is 2e\+04 steps of dt=1 ms"),  # meant: 20 steps
        (2.0, r"tau=2 s is 2e\+03 steps"),
        (2e-5, r"tau=2e-05 s is 0\.02 steps"),  # meant: 20 us, or 0.02 ms
    ],
)
def test_a_tau_that_is_not_in_seconds_is_said(tau, words):
    with pytest.warns(UserWarning, match=words):
        from_nir(chain_of(tau), dt=1.0)


@pytest.mark.parametrize("tau", [0.0002, 0.005, 0.02, 0.9])
def test_a_tau_in_seconds_is_not(tau):
    assert from_nir(chain_of(tau), dt=1.0).layers[1].params.tau == pytest.approx(1000 * tau)


def test_a_thousand_steps_and_a_second_are_the_limits():
    assert from_nir(chain_of(0.5), dt=0.5).layers[1].params.tau == 500.0  # 1000 steps
    with pytest.warns(UserWarning, match=r"tau=0\.5005 s is 1e\+03 steps"):
        from_nir(chain_of(0.5005), dt=0.5)
    with pytest.warns(UserWarning, match=r"tau=1 s is 333 steps"):
        from_nir(chain_of(1.0), dt=3.0)


def test_a_long_tau_of_our_own_is_not_doubted():
    back = from_nir(to_nir([nn.Linear(3, 4), LIFLayer(tau=1e6, dt=0.1, reset="zero")]))
    assert back.layers[1].params.tau == 1e6


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["weight", "bias", "loop"])
def test_weights_that_are_not_finite_are_named(value, where):
    recurrent = RecurrentLIFLayer(4, reset="zero")
    graph = to_nir([nn.Linear(3, 4), recurrent if where == "loop" else LIFLayer(reset="zero")])
    node = graph.nodes["lif1.w_rec" if where == "loop" else "linear1"]
    array = node.bias if where == "bias" else node.weight
    array.flat[-1] = value
    with pytest.raises(ValueError, match=r"node .*(weight|bias) is not finite"):
        from_nir(graph)


def test_weights_that_become_too_large_are_named():
    graph = chain_of()
    graph.nodes["a"].weight = np.full((3, 2), 1e38, np.float32)
    with pytest.raises(ValueError, match=r"too large for float32"):
        from_nir(graph, dt=100.0)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (dict(dt="soon"), r"metadata have dt='soon'"),
        (dict(dt=math.nan), r"metadata have dt=nan"),
        (dict(dt=-0.001), r"metadata have dt=-0\.001"),
        (dict(dt=np.arange(100)), r"metadata have dt=array\(\[ 0, 1, 2"),
        (dict(readout="mean"), r"metadata have readout_tau=None"),
    ],
)
def test_metadata_that_make_no_sense_are_named(metadata, message):
    graph = chain_of()
    graph.metadata = dict(dt=0.001) | metadata
    with pytest.raises(ValueError, match=message) as error:
        from_nir(graph)
    assert "\n" not in str(error.value)


def test_a_file_is_read_in_a_child_process_first(tmp_path, monkeypatch):
    path = tmp_path / "net.nir"
    to_nir([nn.Linear(3, 4), LIFLayer(reset="zero")], path)
    monkeypatch.setattr("jarvis.networks.nir.graph.fault_of", lambda path: "it runs in circles")
    with pytest.raises(CorruptDataError, match=r"net.nir is damaged.*\(it runs in circles\)"):
        from_nir(path)


def test_neurons_of_any_layer_class_are_written_alike():
    """What counts is the neuron, not the class of its layer; recurrent weights are kept."""
    torch.manual_seed(0)
    linear, loop = nn.Linear(3, 4), RecurrentLIFLayer(4, tau=10.0, reset="zero")
    inside = SpikingLayer(LIF(tau=10.0, reset="zero"), recurrent=4, self_connections=False)
    option = LIFLayer(tau=10.0, reset="zero", recurrent=4)
    for layer in (inside, option):
        with torch.no_grad():
            layer.weight.copy_(loop.weight)
    x = 5.0 * torch.rand(12, 2, 3)
    for layer in (loop, option, inside):
        back = from_nir(to_nir([linear, layer]))
        wanted, _ = SpikingChain([linear, layer])(x)
        assert wanted.any()
        assert torch.equal(back(x)[0], wanted)
    back = from_nir(to_nir([linear, SpikingLayer(LIF(tau=10.0, reset="zero"))]))
    assert isinstance(back.layers[1], LIFLayer)


@pytest.mark.parametrize("wrapped", [False, True])
def test_neurons_without_a_node_are_named(wrapped):
    layer = SpikingLayer(NormalisedAdEx())
    layers = [nn.Linear(3, 4), DrivenLayer(layer) if wrapped else layer]
    with pytest.raises(TypeError, match="NIR has no node for the NormalisedAdEx neuron"):
        to_nir(layers)


def test_an_inverse_is_the_shortest_number_or_the_guess_itself():
    guess = 1.0 / 3.0
    assert inverse(2.0, lambda value: 2.0 if abs(value - guess) < 0.01 else 0.0, guess) == 0.33
    near = guess + 4 * math.ulp(guess)  # among its neighbours, the guess comes first
    assert inverse(2.0, lambda value: 2.0 if guess <= value < near else 0.0, guess) == guess
    assert inverse(2.0, lambda value: 0.0, guess) == guess
