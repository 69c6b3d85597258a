"""Reward-modulated STDP: the compiled learner against the definition, and whether it learns."""

import numpy as np
import pytest
import torch

from jarvis.control import (
    EvolutionRun,
    PPORun,
    RewardLearner,
    RewardRun,
    RewardSettings,
    SpikingPolicy,
    reward_policy,
    task,
)
from jarvis.control.policy import PolicyState
from jarvis.control.reward import Encoders
from jarvis.control.statistics import ObservationStatistics
from jarvis.stdp import PairSTDP, ThreeFactorSTDP
from jarvis.training import CheckpointError, TrainingError, train

pytestmark = pytest.mark.control

POLE = task("CartPole-v1")


def quiet(line: str) -> None:
    pass


@pytest.fixture
def double():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def test_it_is_the_definition(double):
    """Episodes of `SpikingPolicy`, step by step, with weights that `ThreeFactorSTDP` changes."""
    policy = reward_policy(POLE, neuron="lif", group=4, per_input=5, drive=0.1)
    rule = ThreeFactorSTDP(
        pair=PairSTDP(a_plus=0.02, a_minus=0.015, tau_plus=6.0, tau_minus=9.0, w_max=1.5),
        tau_eligibility=25.0,
    )
    learner = RewardLearner(policy, RewardSettings(rule=rule))
    rng = np.random.default_rng(0)
    theta = policy.initial(0)
    parts = policy.unpacked(theta)
    parts["synapses0"][:] = rng.uniform(0.0, 1.5, parts["synapses0"].shape)
    parts["recurrent0"][:] = rng.normal(0, 0.5, parts["recurrent0"].shape)
    parts["readout"][:4, 0] = parts["readout"][4:, 1] = 1.0
    inputs, rewards = rng.uniform(0, 1, (25, 20)), rng.normal(0, 1, 25) * (rng.random(25) < 0.6)
    rewards[0] = 0.0

    learner.begin(theta)
    chosen = [learner.act(a, r) for a, r in zip(inputs, rewards, strict=True)]
    learner.end(0.7)

    network = SpikingPolicy(policy, theta, backend="eager")
    weight = torch.tensor(parts["synapses0"].T.copy())  # [n_post, n_pre], as rules have it
    encoders, last = torch.zeros(20), torch.zeros(1, 8)
    (neurons,) = network.initial_state(torch.zeros(1, 4)).neurons
    state, wanted = None, []
    with torch.no_grad():
        for a, r in zip(inputs, rewards, strict=True):
            counts = torch.zeros(8)
            for step in range(policy.steps):
                encoders = encoders + torch.tensor(a)
                pre = (encoders >= 1).double()
                encoders = encoders - pre
                x = weight @ pre + network.weights["biases0"]
                x = x + last[0] @ network.weights["recurrent0"]
                y, neurons = network.layers[0](policy.drive * x[None, None], neurons)
                last = y[0]
                reward = torch.tensor([float(r) if step == 0 else 0.0])
                change, state = rule.step(pre[None], last, reward, weight, state)
                weight = (weight + change).clamp(0.0, 1.5)
                counts += last[0]
            wanted.append(int(counts.view(2, 4).sum(1).argmax()))
        change, _ = rule.step(torch.zeros(1, 20), torch.zeros(1, 8), torch.tensor([0.7]), weight,
                              state)  # fmt: skip
        weight = (weight + change).clamp(0.0, 1.5)
    np.testing.assert_allclose(learner.synapses.T, weight.numpy(), rtol=0, atol=1e-12)
    assert np.abs(learner.synapses - parts["synapses0"]).max() > 0.05
    assert chosen == wanted
    assert len(set(chosen)) == 2


def test_without_reward_it_acts_as_the_policy_does(double):
    policy = reward_policy(POLE, neuron="lif", group=3)
    with RewardRun(POLE, policy) as run:
        theta, learner = run.theta, RewardLearner(policy, run.settings)
    observations = np.random.default_rng(0).normal(size=(30, 4))
    statistics = ObservationStatistics.empty(4)
    learner.begin(theta)
    encoders = Encoders(policy, statistics)
    chosen = [learner.act(encoders(o)) for o in observations]
    network = SpikingPolicy(policy, theta, backend="eager")
    with torch.no_grad():
        outputs, state = network(torch.tensor(observations)[:, None])
    assert isinstance(state, PolicyState)
    assert chosen == outputs[:, 0].argmax(-1).tolist()
    assert (learner.synapses == policy.unpacked(theta)["synapses0"]).all()


def made(budget: int, folder=None, resume=None, **options) -> RewardRun:
    options = {"every": 5, "episodes": 3, "seed": 1, **options}
    with RewardRun(POLE, reward_policy(POLE, group=5), budget=budget, **options) as run:
        train(run, output=folder, resume=resume, progress=False, log=quiet)
    return run


@pytest.mark.slow
def test_a_resumed_run_ends_with_the_same_weights(tmp_path):
    whole = made(900)
    made(300, tmp_path)
    parts = made(900, tmp_path, tmp_path)
    assert (whole.steps_played, whole.updates) == (parts.steps_played, parts.updates)
    assert (whole.theta == parts.theta).all()
    assert (whole.critic == parts.critic).all()
    assert (whole.theta != made(900, seed=2).theta).any()
    with pytest.raises(CheckpointError, match=r"its settings\.discount was 0\.95"):
        made(900, None, tmp_path, settings=RewardSettings(discount=0.5))
    other = EvolutionRun(POLE, POLE.policy(hidden=(3,)))
    with pytest.raises(CheckpointError, match="of another kind of training: reward_policy"):
        other.restore(tmp_path)


@pytest.mark.slow
def test_only_synapses_from_encoders_change():
    run = made(300)
    before, after = (run.policy.unpacked(t) for t in (run.first_weights(), run.theta))
    changed = {name for name in before if (before[name] != after[name]).any()}
    assert changed == {"synapses0"}
    assert 0 <= after["synapses0"].min() <= after["synapses0"].max() <= 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: reward_policy(task("Pendulum-v1")), "Pendulum-v1 has forces"),
        (lambda: reward_policy(POLE, neuron="tanh"), "tanh does not fire"),
        (lambda: reward_policy(POLE, group="a"), "group must be an integer .*not 'a'"),
        (lambda: reward_policy(POLE, group=0), "group=0 must be an integer of at least 1"),
        (
            lambda: RewardLearner(reward_policy(POLE), RewardSettings()).act(np.zeros(40), np.nan),
            "reward=nan must be finite",
        ),
        (
            lambda: RewardLearner(reward_policy(POLE), RewardSettings()).begin(None, -1),
            "begin: seed=-1",
        ),
        (
            lambda: RewardLearner(reward_policy(POLE), RewardSettings()).end(np.inf),
            "reward=inf must be finite",
        ),
        (lambda: RewardLearner(None, RewardSettings()), "policy must be a Policy, not None"),
        (lambda: RewardLearner(reward_policy(POLE), None), "settings must be a RewardSettings"),
        (lambda: RewardRun(POLE, POLE.policy()), "code='normalised' must be 'population'"),
        (lambda: RewardRun(POLE, reward_policy(POLE, hidden=(5,))), "hidden|cannot form"),
        (lambda: reward_policy(POLE, persistent=False), "persistent=False must be True"),
        (lambda: RewardSettings(discount=1.5), "discount=1.5"),
        (lambda: RewardSettings(decay=-0.1), "decay=-0.1"),
        (lambda: RewardSettings(critic_rate=-1.0), "critic_rate=-1.0"),
        (lambda: RewardSettings(inhibition=-1.0), "inhibition=-1.0"),
        (lambda: RewardSettings(rule=ThreeFactorSTDP(tau_reward=20.0)), "no tau_reward"),
        (lambda: RewardSettings(rule=ThreeFactorSTDP(pair=PairSTDP(bounds="soft"))), "hard bounds"),
        (lambda: RewardSettings(rule=ThreeFactorSTDP(pair=PairSTDP(dt=0.5))), "dt=1"),
        (
            lambda: RewardLearner(reward_policy(POLE), RewardSettings()).act(np.zeros(3)),
            r"activities must be \[inputs=40\]",
        ),
    ],
)
def test_bad_values_are_named(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("learner", ["rstdp", "ppo", "es"])
def test_an_observation_that_is_not_finite_stops_a_run(value, learner, monkeypatch):
    usual = type(POLE).make

    def make(self, **options):
        env = usual(self, **options)
        step = env.step

        def broken(action):
            return np.array([0.0, value, 0.0, 0.0]), *step(action)[1:]

        env.step = broken
        return env

    monkeypatch.setattr(type(POLE), "make", make)
    if learner == "rstdp":
        run = RewardRun(POLE, reward_policy(POLE, group=3))
    elif learner == "ppo":
        run = PPORun(POLE, POLE.policy(persistent=False, hidden=(3,)))
    else:
        run = EvolutionRun(POLE, POLE.policy(hidden=(3,)))
    before = run.theta.copy()
    with run, pytest.raises(TrainingError, match="not finite"):
        train(run, progress=False, log=quiet)
    assert (run.theta == before).all()


@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")
def test_what_is_not_finite_stops_the_run():
    run = RewardRun(POLE, reward_policy(POLE, group=3))
    run.critic[:] = np.inf
    with pytest.raises(TrainingError, match="not finite in episode 1"):
        run.update()
