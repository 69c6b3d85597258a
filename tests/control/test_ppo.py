"""PPO by stable-baselines3 with a spiking actor: the same network, gradients, exact resuming."""

import numpy as np
import pytest
import torch

from jarvis.control import PPORun, PPOSettings, SpikingPolicy, task
from jarvis.training import train

pytestmark = pytest.mark.control

POLE = task("CartPole-v1")
SMALL = PPOSettings(n_envs=2, n_steps=64, batch_size=32, passes=2, critic=(8,))


def quiet(line: str) -> None:
    pass


def policy(**options):
    return POLE.policy(hidden=(6,), persistent=False, steps=8, **options)


def made(budget: int, folder=None, resume=None, **options) -> PPORun:
    options = {"settings": SMALL, "episodes": 3, "seed": 1, **options}
    with PPORun(POLE, options.pop("policy", None) or policy(), budget=budget, **options) as run:
        train(run, output=folder, resume=resume, progress=False, log=quiet)
    return run


@pytest.fixture(scope="module")
def run():
    return made(512)


def test_the_actor_is_the_policy_and_all_its_weights_are_learned(run):
    model, start = run._model, made(1, settings=SMALL, every=1)
    observations = np.random.default_rng(0).normal(size=(20, 4))
    network = SpikingPolicy(run.policy, run.theta, run.statistics)
    with torch.no_grad():
        wanted, _ = network(torch.tensor(observations, dtype=torch.float32)[None])
        seen = torch.tensor(run._envs.normalize_obs(observations), dtype=torch.float32)
        found = model.policy.get_distribution(seen).distribution.logits
    torch.testing.assert_close(found, torch.log_softmax(wanted[0], -1), atol=1e-4, rtol=1e-4)
    first = run.policy.unpacked(start.first_weights())
    after = run.policy.unpacked(run.theta)
    for name in first:
        assert (first[name] != after[name]).any(), name
    player = run.trained(best=False).player()
    acted = []
    for o in observations:
        acted.append(player.act(o))
    assert acted == wanted[0].argmax(-1).tolist()


def test_a_resumed_run_ends_with_the_same_weights(run, tmp_path):
    made(256, tmp_path)
    parts = made(512, tmp_path, tmp_path)
    assert (run.theta == parts.theta).all()
    assert (run.statistics.mean == parts.statistics.mean).all()
    assert run.history.column("return") == parts.history.column("return")
    assert (run.theta != made(512, seed=2).theta).any()


def test_numpys_random_numbers_are_left_alone(run):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    made(128)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_forces_are_scaled_to_their_bounds():
    world = task("Pendulum-v1")
    small = world.policy(hidden=(4,), persistent=False)
    with PPORun(world, small, settings=SMALL, budget=1) as run:
        value, steps = run.update()
        buffer = run._model.rollout_buffer
        assert steps == 128
        # No episode ends within 64 steps: the value is the sum of rewards so far.
        assert value == pytest.approx(buffer.rewards.sum(0).mean(), rel=1e-4)
        # The network's actions have a spread of 1; the environment gets 2 (bound) times as much.
        assert buffer.actions.std() == pytest.approx(1.0, abs=0.3)
        assert run._envs.venv.envs[0].action_space.high == 1.0
        assert run._envs.venv.envs[0].unwrapped.last_u == pytest.approx(
            2.0 * np.clip(buffer.actions.reshape(2, 64)[0, -1], -1.0, 1.0), rel=1e-5
        )
    assert small.actions.high == (2.0,)


def test_one_layer_of_the_critic_may_be_a_number():
    assert PPOSettings(critic=64).critic == (64,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: made(1, policy=POLE.policy(hidden=(4,))), "PPO needs persistent=False"),
        (lambda: made(1, policy=POLE.policy(neuron="linear", persistent=False)), "hidden neurons"),
        (
            lambda: made(1, policy=POLE.policy(neuron="escape_lif", persistent=False)),
            "the random spikes of escape_lif would change them",
        ),
        (lambda: PPOSettings(n_envs=0), "n_envs=0"),
        (lambda: PPOSettings(n_steps=1), "n_steps=1"),
        (lambda: PPOSettings(batch_size=1), "batch_size=1"),
        (lambda: PPOSettings(passes=0), "passes=0"),
        (lambda: PPOSettings(lr=0.0), "lr=0.0"),
        (lambda: PPOSettings(discount=2.0), "discount=2.0"),
        (lambda: PPOSettings(gae=-1.0), "gae=-1.0"),
        (lambda: PPOSettings(clip=0.0), "clip=0.0"),
        (lambda: PPOSettings(entropy=-1.0), "entropy=-1.0"),
        (lambda: PPOSettings(critic=(0,)), "critic=0"),
    ],
)
def test_bad_values_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
