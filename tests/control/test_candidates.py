"""The compiled loop over candidates computes what the readable definition computes."""

import itertools

import numpy as np
import pytest
import torch

from conftest import sampled
from jarvis.control import Actions, Candidates, ObservationStatistics, Player, Policy, SpikingPolicy
from jarvis.control.candidates import loop_of
from jarvis.control.policy import kinds
from jarvis.kernels.candidates import program
from jarvis.lif import LIF
from jarvis.neurons.escape import EscapeLIFLayer
from jarvis.zoo import find, trainable

FORCES = Actions(2, (-1.0, -2.0), (1.0, 1.0))
F64 = torch.float64


@pytest.fixture(autouse=True)
def double():
    before = torch.get_default_dtype()
    torch.set_default_dtype(F64)
    yield
    torch.set_default_dtype(before)


def several(policy: Policy, n: int = 3, seed: int = 0, dtype: str = "float64") -> Candidates:
    """Candidates with weights at random, each with its own."""
    rng = np.random.default_rng(seed)
    found = Candidates(policy, n, dtype)
    found.theta[:] = policy.initial(seed) + 0.4 * rng.normal(size=found.theta.shape)
    return found


def statistics(policy: Policy) -> ObservationStatistics:
    seen = ObservationStatistics.empty(policy.n_observations)
    rng = np.random.default_rng(5)
    seen.add(rng.normal(0.5, [0.5, 1.0, 2.0], size=(50, policy.n_observations)))
    return seen


def played(candidates: Candidates, observations: np.ndarray) -> np.ndarray:
    found = []
    for one in observations:
        candidates.observations[:] = one
        candidates.act()
        found.append(candidates.outputs.copy())
    return np.array(found)


def defined(policy: Policy, theta: np.ndarray, observations: np.ndarray) -> np.ndarray:
    """Outputs ``[T, actions]`` of the definition."""
    network = SpikingPolicy(policy, theta, statistics(policy), backend="eager")
    with torch.no_grad():
        outputs, _ = network(torch.tensor(observations)[:, None])
    return outputs[:, 0].numpy()


CASES = {
    "lif": {},
    "rate, recurrent, population": dict(code="population", readout="rate", recurrent=True),
    "two layers, two traces": dict(hidden=(6, 5), recurrent=True, tau_trace=(2.0, 30.0)),
    "per neuron": dict(values={"tau": np.linspace(3.0, 20.0, 7)}),
    "tanh": dict(neuron="tanh", steps=1, readout="last", drive=1.0),
    "from rest": dict(persistent=False, hidden=(7, 6), tau_trace=(2.0, 9.0), steps=8),
    "from rest, recurrent": dict(persistent=False, recurrent=True, steps=8),
    "izhikevich": dict(neuron="izhikevich", recurrent=True),
    "conductance_lif": dict(neuron="conductance_lif"),
    "linear": dict(neuron="linear"),
    "linear, population": dict(neuron="linear", code="population"),
}


#: Each case compiles a loop of its own.
QUICK = ("lif", "two layers, two traces", "tanh")


@pytest.mark.parametrize("case", sampled(CASES, QUICK))
def test_it_is_the_definition(case):
    policy = Policy(3, FORCES, **{"hidden": (7,), **CASES[case]})
    candidates = several(policy)
    candidates.observe(statistics(policy))
    observations = np.random.default_rng(1).normal(size=(30, 3, 3))
    found = played(candidates, observations)
    wanted = np.stack(
        [defined(policy, candidates.theta[k], observations[:, k]) for k in range(3)], 1
    )
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-9)
    assert np.abs(found).max() > 0.1
    if policy.hidden:
        assert (candidates.fired[:, 1:] > 0).all() or policy.neuron == "tanh"
    actions = np.clip(found[-1], -1, 1) * [1.0, 1.5] + [0.0, -0.5]
    np.testing.assert_allclose(candidates.actions, actions, atol=1e-12)


@pytest.mark.parametrize("name", [n for n in kinds() if n not in ("linear",)])
def test_the_generated_step_is_the_step_of_every_neuron(name, monkeypatch):
    """Run as Python, without compiling: a layer of it through 60 steps, spike by spike."""
    policy = Policy(3, FORCES, neuron=name, hidden=(5,))
    made, layer, numbers, _, rest = loop_of(policy)
    n, rng = 5, np.random.default_rng(0)
    advance = made.names["advance"].py_func
    monkeypatch.setitem(advance.__globals__, "select", lambda c, yes, no: yes if c else no)
    u = np.array(made.numbers(numbers))
    state = np.concatenate([np.broadcast_to(x, n) for x in rest]).astype(float)
    inputs, uniform = rng.normal(0.25, 0.3, size=(60, n)), rng.random((60 * layer.steps, n))
    found, draws = np.zeros((60, n)), iter(uniform)
    for x, sent in zip(inputs, found, strict=True):
        for _ in range(layer.steps):
            given = layer.offset + layer.gain * x
            advance(u, np.zeros(0), given, next(draws), state, sent, n)
    again = iter(uniform)
    layer = policy.layer("eager")
    if isinstance(layer.layer, EscapeLIFLayer):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch, "rand", lambda shape, **_: torch.tensor(next(again)).expand(shape))
            wanted, after = eager(layer, inputs)
    else:
        wanted, after = eager(layer, inputs)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-9)
    fields = [x for x in after if x is not None]
    for k, each in enumerate(fields):
        np.testing.assert_allclose(state[k * n :][:n], each[0], rtol=1e-9, atol=1e-9)
    assert np.abs(found).sum() > 1, "it never sent anything"


def eager(layer, inputs):
    state, found = None, []
    with torch.no_grad():
        for x in inputs:
            y, state = layer(torch.tensor(x)[None, None], state)
            found.append(y[0, 0].numpy())
    return np.array(found), state


def test_candidates_do_not_disturb_each_other():
    policy = Policy(3, FORCES, hidden=(7,))
    observations = np.random.default_rng(1).normal(size=(20, 4, 3))
    together = several(policy, 4)
    whole = played(together, observations)
    alone = several(policy, 4)
    found = np.zeros_like(whole)
    for t, k in itertools.product(range(20), (2, 0, 3, 1)):
        alone.choose([k])
        alone.observations[k] = observations[t, k]
        before = alone.outputs.copy()
        alone.act()
        found[t, k] = alone.outputs[k]
        others = [i for i in range(4) if i != k]
        assert (alone.outputs[others] == before[others]).all()
    assert (found == whole).all()
    assert (alone.counts == 20).all()


def test_an_episode_starts_at_rest_and_statistics_are_those_of_its_observations():
    policy = Policy(3, FORCES, hidden=(7,), recurrent=True, code="population")
    candidates, seen = several(policy), statistics(policy)
    candidates.observe(seen)
    observations = np.random.default_rng(2).normal(size=(15, 3, 3))
    first = played(candidates, observations)
    candidates.reset(1)
    second = played(candidates, observations)
    assert (second[:, 1] == first[:, 1]).all()
    assert (second[:, 0] != first[:, 0]).any()
    assert candidates.counts.tolist() == [30, 15, 30]
    one = ObservationStatistics.empty(3)
    one.combine(15, candidates.sums[1], candidates.squares[1], seen.centre)
    np.testing.assert_allclose(one.mean, observations[:, 1].mean(0), atol=1e-12)
    np.testing.assert_allclose(1 / one.scale, observations[:, 1].std(0, ddof=1), rtol=1e-12)


def test_noisy_neurons_follow_from_the_seed():
    policy = Policy(3, FORCES, neuron="escape_lif", hidden=(20,))
    observations = np.zeros((40, 1, 3))

    def run(seed: int) -> np.ndarray:
        candidates = several(policy, 1)
        candidates.reset(seed=seed)
        return played(candidates, observations)

    assert (run(3) == run(3)).all()
    assert (run(3) != run(4)).any()


def test_the_noise_is_uniform():
    made = program("LIF", LIF.step, LIF().values, *_rest_of_lif())
    fill = made.names["fill_uniform"]
    draws = np.zeros(20_000)
    fill(np.uint64(7), np.uint64(0), len(draws), draws)
    assert 0.0 <= draws.min() < 1e-3 < 0.999 < draws.max() < 1.0
    assert abs(draws.mean() - 0.5) < 0.01
    assert abs(draws.var() - 1 / 12) < 0.003
    assert abs(np.corrcoef(draws[1:], draws[:-1])[0, 1]) < 0.03
    more = np.zeros(20_000)
    fill(np.uint64(7), np.uint64(20_000), len(more), more)
    assert not set(draws) >= set(more)


def _rest_of_lif():
    from jarvis.surrogate import DEFAULT_SPIKE

    neuron = LIF()
    return DEFAULT_SPIKE, None, neuron.state(*neuron.rest(neuron.values))


def test_single_precision_is_close_and_a_player_is_a_candidate():
    policy = Policy(3, Actions(4, start=2), hidden=(7,))
    observations = np.random.default_rng(3).normal(size=(12, 3))
    exact = several(policy, 1)
    rough = several(policy, 1, dtype="float32")
    a, b = (played(c, observations[:, None]) for c in (exact, rough))
    np.testing.assert_allclose(a, b, atol=1e-5)
    player = Player(policy, exact.theta[0], dtype="float64")
    acted = [player.act(o) for o in observations]
    assert acted == (2 + a[:, 0].argmax(1)).tolist()
    player.reset()
    assert [player.act(o) for o in observations] == acted
    forces = Player(Policy(3, FORCES), np.zeros(Policy(3, FORCES).n_parameters))
    assert forces.act(np.zeros(3)).tolist() == [0.0, -0.5]
    assert forces.act(np.zeros(3)).dtype == np.float32


def test_what_is_not_finite_is_refused():
    policy = Policy(3, FORCES, hidden=(4,))
    for value in (np.nan, np.inf):
        for options in ({}, {"code": "population"}, {"neuron": "tanh"}, {"neuron": "linear"}):
            candidates = several(Policy(3, FORCES, hidden=(4,), **options), 2)
            candidates.observations[1, 2] = value
            with pytest.raises(FloatingPointError, match="observations of candidate 1, or"):
                candidates.act()
    candidates = several(policy, 2)
    candidates.theta[0] = np.inf
    with pytest.raises(FloatingPointError, match="candidate 0 is not finite: look at its weights"):
        candidates.act()
    with pytest.raises(ValueError, match="dtype='half' is not one of float32, float64"):
        Candidates(policy, 2, "half")
    with pytest.raises(ValueError, match="n=0 must be an integer of at least 1"):
        Candidates(policy, 0)
    with pytest.raises(ValueError, match=r"theta must be \[n_parameters="):
        Player(policy, np.zeros(3))
    with pytest.raises(ValueError, match="theta is not finite"):
        Player(policy, np.full(policy.n_parameters, np.nan))
    for observation in (0.0, [0.0], np.zeros((1, 3))):
        with pytest.raises(ValueError, match=r"observation must be \[n_observations=3\]"):
            Player(policy, np.zeros(policy.n_parameters)).act(observation)
    for live in ([2], [-1], [0, 0]):
        with pytest.raises(
            ValueError, match=r"live=-?\d must be an integer from 0 to 1|must be different indices"
        ):
            candidates.choose(live)
    seen = statistics(policy)
    before = seen.mean.copy()
    with pytest.raises(FloatingPointError, match="observations, or their squares"):
        seen.add(np.array([[0.0, np.nan, 0.0]]))
    assert (seen.mean == before).all()


def test_every_neuron_of_the_register_can_serve():
    assert set(kinds()) == {*trainable(), "tanh", "linear"}
    assert find("lif").hidden is not None
