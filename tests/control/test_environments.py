"""Environments, what makes them harder, and the episodes that are played in them."""

from contextlib import suppress

import numpy as np
import pytest

from jarvis.control import (
    ActionDelay,
    Actions,
    Arena,
    Candidates,
    ChangedMass,
    Crew,
    HiddenVelocities,
    LostSensors,
    MissingPackageError,
    ObservationStatistics,
    Player,
    Policy,
    SensorNoise,
    SpikingPolicy,
    Task,
    task,
)
from jarvis.control.wrappers import Finite

pytestmark = pytest.mark.control

POLE = task("CartPole-v1")
PENDULUM = task("Pendulum-v1")
BRAIN = Policy(4, Actions(2), hidden=(4,))


def test_a_name_without_a_version_is_that_of_a_task():
    assert task("Ant", delay=1) == task("Ant-v5", delay=1)
    assert task("Ant-v4") == Task("Ant-v4")
    assert task("Ant-") == Task("Ant-")


def rollout(env, actions, seed=0):
    found = [env.reset(seed=seed)[0]]
    found += [env.step(action)[0] for action in actions]
    return np.array(found)


ACTIONS = [1, 0, 1, 1, 0, 0, 1]


def play(world, policy):
    with Crew(world, policy) as crew, suppress(ValueError):
        crew.play(policy.initial()[None], [0])
    return crew.play(policy.initial()[None], [0])  # a second call says the same


def test_a_task_makes_what_gymnasium_makes():
    import gymnasium

    mine = rollout(POLE.make(), ACTIONS)
    its = rollout(gymnasium.make("CartPole-v1"), ACTIONS)
    assert (mine == its).all()
    policy = POLE.policy(hidden=(8,))
    assert (policy.n_observations, policy.actions) == (4, Actions(2))
    run = task("HalfCheetah-v5").policy(neuron="linear")
    assert (run.n_observations, run.actions.n, run.actions.low) == (17, 6, (-1.0,) * 6)


def test_noise_has_its_size_and_follows_from_the_seed():
    clean = rollout(POLE.make(), ACTIONS)
    noisy = rollout(SensorNoise(POLE.make(), 0.3), ACTIONS)
    assert (noisy == rollout(POLE.changed(noise=0.3).make(), ACTIONS)).all()
    assert (noisy != rollout(SensorNoise(POLE.make(), 0.3), ACTIONS, seed=1)).all()
    many = np.array([SensorNoise(POLE.make(), [0.3, 0, 2, 1]).reset(seed=k)[0] for k in range(300)])
    clean0 = np.array([POLE.make().reset(seed=k)[0] for k in range(300)])
    np.testing.assert_allclose((many - clean0).std(0), [0.3, 0, 2, 1], rtol=0.15)
    assert clean.shape == noisy.shape


def test_delayed_actions_come_late():
    late = rollout(ActionDelay(POLE.make(), 2), ACTIONS)
    assert (late == rollout(POLE.make(), [0, 0, *ACTIONS[:-2]])).all()
    again = ActionDelay(POLE.make(), 2)
    for _ in range(2):  # what waits does not survive the episode
        assert (rollout(again, ACTIONS) == late).all()
    assert (rollout(ActionDelay(POLE.make(), 1, first=1), [0]) == rollout(POLE.make(), [1])).all()
    assert ActionDelay(PENDULUM.make(), first=[0.5]).first == np.float32(0.5)
    forces = ActionDelay(task("Pendulum-v1").make(), 1)
    action = np.array([1.5], np.float32)
    forces.reset(seed=0)
    forces.step(action)
    action[:] = -1.5  # the action that waits is a copy
    mine = forces.step(action)[0]
    plain = task("Pendulum-v1").make()
    assert (rollout(plain, [np.zeros(1), np.array([1.5])])[-1] == mine).all()


def test_lost_sensors_are_0_and_hidden_velocities_are_gone():
    clean = rollout(POLE.make(), ACTIONS)
    one = rollout(LostSensors(POLE.make(), 3), ACTIONS)
    assert (one == rollout(LostSensors(POLE.make(), [3]), ACTIONS)).all()
    assert HiddenVelocities(POLE.make(), 1).kept == [0, 2, 3]
    lost = rollout(LostSensors(POLE.make(), [0, 3]), ACTIONS)
    assert (lost[:, [0, 3]] == 0).all()
    assert (lost[:, [1, 2]] == clean[:, [1, 2]]).all()
    hidden = HiddenVelocities(POLE.make())
    assert (rollout(hidden, ACTIONS) == clean[:, [0, 2]]).all()
    assert hidden.observation_space.shape == (2,)
    assert POLE.changed(hide_velocities=True).policy().n_observations == 2
    cheetah = HiddenVelocities(task("HalfCheetah-v5").make())
    state = cheetah.reset(seed=0)[0]
    inner = cheetah.unwrapped.data
    assert (state == inner.qpos[1:]).all()  # the position itself is not observed
    human = HiddenVelocities(Task("Humanoid-v5").make())
    state, inner = human.reset(seed=0)[0], human.unwrapped.data
    shown = (inner.qpos[2:], inner.cinert[1:], inner.qfrc_actuator[6:], inner.cfrc_ext[1:])
    np.testing.assert_array_equal(state, np.concatenate([part.ravel() for part in shown]))
    both = POLE.changed(hide_velocities=True, lost=(1,), noise=0.1, delay=1).make()
    assert both.reset(seed=0)[0].shape == (2,)


def test_masses_change():
    heavy = ChangedMass(POLE.make(), 2.0).unwrapped
    assert (heavy.total_mass, heavy.polemass_length) == pytest.approx((2.2, 0.1))
    light, usual = (task("HalfCheetah-v5", mass=m).make().unwrapped.model for m in (0.5, 1.0))
    np.testing.assert_allclose(light.body_mass, 0.5 * usual.body_mass)
    np.testing.assert_allclose(light.body_inertia, 0.5 * usual.body_inertia)
    assert light.body_subtreemass[0] == pytest.approx(0.5 * usual.body_subtreemass[0])
    assert ChangedMass(task("Pendulum-v1").make(), 3.0).unwrapped.m == 3.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Task(""), "must be the name of an environment"),
        (lambda: task("NoSuch-v1").make(), "env='NoSuch-v1': .*NoSuch"),
        (lambda: task("../x").make(), "env='../x'"),
        (lambda: Task("CartPole-v1", {"colour": 1}).make(), "CartPole-v1.*colour"),
        (lambda: POLE.make(render_mode="3d"), "render_mode='3d'"),
        (lambda: POLE.changed(noise=-1.0), "noise=-1.0 must be at least 0"),
        (lambda: POLE.changed(delay=-1), "delay=-1"),
        (lambda: POLE.changed(mass=0.0), "mass=0.0 must be positive"),
        (lambda: POLE.changed(training_steps=0), "training_steps=0"),
        (lambda: POLE.changed(lost=(7,)).make(), "indices=7 must be an integer from 0 to 3"),
        (lambda: task("Acrobot-v1", mass=2.0).make(), "the masses of AcrobotEnv are not known"),
        (lambda: HiddenVelocities(POLE.make(), range(4)), "no observations are left"),
        (lambda: SensorNoise(POLE.make(), float("nan")), "std=nan"),
        (
            lambda: SensorNoise(POLE.make(), [1.0, 2.0]),
            r"std must be one number or one per observation, \[4\]; got",
        ),
        (lambda: task("Taxi-v4").policy(), "are not a Box with one axis|NoSuch|Taxi"),
        (lambda: Arena(POLE, POLE.policy(), slots=0), "slots=0"),
        (lambda: Arena(POLE, POLE.policy(), dtype="no"), "dtype='no' is not one of float32, fl"),
        (lambda: Player(BRAIN, BRAIN.initial(), dtype=8), "dtype=8 is not one of"),
        (
            lambda: Player(BRAIN, BRAIN.initial(), ObservationStatistics.empty(3)),
            r"statistics: mean must be \[n_observations=4\]",
        ),
        (lambda: LostSensors(POLE.make(), 4), "indices=4 must be"),
        (lambda: ActionDelay(POLE.make(), first=7), "first=7 is not an action in Discrete"),
        (lambda: ActionDelay(PENDULUM.make(), first=[3.0]), "first=.* is not an action in Box"),
        (lambda: Candidates(BRAIN, 2, np.float32), "dtype=<class 'numpy.float32'> is not one of"),
        (lambda: Arena(POLE, BRAIN).play(BRAIN.initial()[None], [1 << 54]), "seeds="),
        (
            lambda: POLE.policy(hidden=(1,), tau_trace=(3.0, 30.0)),
            "2 time constants, but the read-out has 1",
        ),
        (lambda: Actions(1, (0.0,), (1.0,), dtype="banana"), "dtype='banana' is not one of"),
        (lambda: Candidates(BRAIN, 2).choose([0, 2]), "live=2 must be an integer from 0 to 1"),
        (lambda: Candidates(BRAIN, 2).choose([0, 0]), "must be different indices"),
        (lambda: Candidates(BRAIN, 2).choose([0.9]), "live=0.9 must be an integer"),
        (lambda: Candidates(BRAIN, 2).observe(ObservationStatistics.empty(1)), "mean must be"),
        (lambda: Player(BRAIN, BRAIN.initial()).reset(-1), "seed=-1"),
        (lambda: ObservationStatistics.empty(4).add(np.ones((3, 1))), "observations must be"),
        (lambda: Arena(POLE, BRAIN).play(BRAIN.initial()[None], [1.5]), "seeds=1.5 must be"),
        (lambda: Arena(POLE, BRAIN).play(BRAIN.initial()[None], [-1]), "seeds=-1 must be"),
        (lambda: play(POLE, Policy(1, Actions(2))), "CartPole-v1 has 4 observations, the policy 1"),
        (lambda: play(POLE, Policy(4, Actions(3))), "has 2 choices, the policy 3 choices"),
        (lambda: play(POLE, Policy(4, Actions(2, (0, 0), (1, 1)))), "the policy 2 forces"),
        (lambda: play(POLE, Policy(4, Actions(2, start=1))), "CartPole-v1 has the Actions"),
        (lambda: play(PENDULUM, Policy(3, Actions(1, (-1,), (1,)))), "Pendulum-v1 has the Actions"),
        (lambda: Crew(POLE, POLE.policy(), workers=0), "workers=0"),
    ],
)
def test_bad_input_is_named_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Task("CartPole-v1", 3), "options must be a Mapping, not 3"),
        (lambda: POLE.changed(training=[1]), r"training must be a Mapping, not \[1\]"),
        (lambda: POLE.changed(lost=("a",)), "lost must be an integer .*not 'a'"),
        (lambda: POLE.changed(lost=(1, "a")), "lost must be an integer .*not 'a'"),
        (lambda: POLE.changed(lost=(0, True)), "lost must be an integer .*not True"),
        (lambda: Actions(2, start="a"), "start must be an integer, not 'a'"),
        (lambda: POLE.changed(hide_velocities="no"), "hide_velocities must be True or False"),
        (lambda: Arena("CartPole-v1", POLE.policy()), "Arena: task must be a Task"),
        (lambda: Arena(POLE, POLE.policy(), training="no"), "training must be True or False"),
        (lambda: SpikingPolicy(BRAIN, statistics=3), "statistics must be an Observation.*not 3"),
        (lambda: Player(BRAIN, BRAIN.initial(), 3), "statistics must be an Observation.*not 3"),
        (
            lambda: Arena(POLE, BRAIN).play(BRAIN.initial()[None], [0], "no"),
            "statistics must be an Observation.*not 'no'",
        ),
        (lambda: LostSensors(POLE.make(), "a"), "indices must be an integer .*not 'a'"),
        (lambda: Crew(POLE, None), "Crew: policy must be a Policy, not None"),
    ],
)
def test_wrong_types_are_named(call, message):
    with pytest.raises(TypeError, match=message):
        call()


WRAPPED = {
    "SensorNoise": lambda env: SensorNoise(env, 3.0),
    "LostSensors": lambda env: LostSensors(env, [0]),
    "HiddenVelocities": HiddenVelocities,
    "ActionDelay": lambda env: ActionDelay(env, 2),
    "ChangedMass": lambda env: ChangedMass(env, 2.0),
    "Finite": Finite,
}


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
@pytest.mark.parametrize("name", WRAPPED)
@pytest.mark.parametrize("id", ["CartPole-v1", "Pendulum-v1", "HalfCheetah-v5"])
def test_gymnasium_approves_of_a_wrapped_environment(id, name, tmp_path, monkeypatch):
    """Among others: observations lie within their space, and the wrapper can be made again."""
    import gymnasium
    from gymnasium.utils.env_checker import check_env

    monkeypatch.chdir(tmp_path)  # MuJoCo may write a log file
    env = WRAPPED[name](gymnasium.make(id))
    check_env(env, skip_render_check=True)
    again = gymnasium.make(env.spec)
    assert type(again) is type(env)
    for each in (env, again):
        each.reset(seed=3)
    env.action_space.seed(0)
    for action in [env.action_space.sample() for _ in range(6)]:
        np.testing.assert_array_equal(env.step(action)[0], again.step(action)[0])


def test_a_package_for_another_kind_of_environment_is_named_alone(monkeypatch):
    gymnasium = pytest.importorskip("gymnasium")
    says = 'Box2D is not installed, run `pip install "gymnasium[box2d]"`'

    def make(*_, **__):
        raise gymnasium.error.DependencyNotInstalled(says)

    monkeypatch.setattr(gymnasium, "make", make)
    with pytest.raises(MissingPackageError) as error:
        Task("BipedalWalker-v3").make()
    assert str(error.value) == f"BipedalWalker-v3 needs further packages: {says}"


@pytest.mark.parametrize(
    "name", ["HalfCheetah-v5", "Swimmer-v5", "Hopper-v5", "Walker2d-v5", "Ant-v5", "Humanoid-v5"]
)
def test_the_camera_follows_a_body(name):
    """A camera that moves with the body keeps its distance from it."""
    import mujoco

    env = task(name).make(render_mode="rgb_array")  # nothing is drawn
    inner = env.unwrapped
    env.reset(seed=0)
    camera = mujoco.mj_name2id(inner.model, mujoco.mjtObj.mjOBJ_CAMERA, inner.camera_name)
    moved = []
    for far in (0.0, 50.0):
        inner.data.qpos[0] = far
        mujoco.mj_forward(inner.model, inner.data)
        moved.append(inner.data.cam_xpos[camera, 0])
    env.close()
    assert moved[1] - moved[0] == pytest.approx(50.0, abs=1.0)


def test_where_velocities_are_has_to_be_known():
    import gymnasium

    env = gymnasium.make("CartPole-v1")
    env.spec.id = "Unknown-v0"
    with pytest.raises(ValueError, match="observations are velocities in Unknown-v0: give"):
        HiddenVelocities(env)


def alone(policy, theta, seed, steps=10**9, world=POLE):
    """An episode by hand, one step after another."""
    from jarvis.control import Player

    env, player, total, k = world.make(), Player(policy, theta), 0.0, 0
    player.reset(seed)
    observation, over = env.reset(seed=seed)[0], False
    while not over and k < steps:
        observation, reward, ended, cut, _ = env.step(player.act(observation))
        total, over, k = total + float(reward), ended or cut, k + 1
    return total, k


def test_episodes_are_those_that_one_plays_by_hand():
    policy = POLE.policy(hidden=(6,))
    thetas = policy.initial() + np.random.default_rng(0).normal(size=(7, policy.n_parameters))
    seeds = list(range(10, 17))
    by_hand = [alone(policy, t, s) for t, s in zip(thetas, seeds, strict=True)]
    with Arena(POLE, policy, slots=3) as arena:
        for _ in range(2):  # again in the same environments
            found = arena.play(thetas, seeds)
            assert list(zip(found.returns, found.lengths, strict=True)) == by_hand
        assert (found.counts == found.lengths).all()
        assert found.steps == sum(k for _, k in by_hand)
        with pytest.raises(ValueError, match=r"thetas must be \[N=2 \(as many as seeds\)"):
            arena.play(thetas, [0, 1])
        assert arena.play(thetas[:0], []).steps == 0
    assert len({k for _, k in by_hand}) > 2


def test_training_may_differ_from_what_counts():
    ant = task("Ant-v5", training_steps=20)
    policy = ant.policy(neuron="linear")
    assert policy.n_observations == 27
    theta = np.zeros((2, policy.n_parameters))
    with Crew(ant, policy) as crew:
        learns = crew.play(theta, [0, 1], training=True)
        counts = crew.play(theta[:1], [0])
    assert learns.lengths.tolist() == [20, 20]
    assert np.abs(learns.returns).max() < 5  # no bonus for staying alive
    assert counts.lengths.tolist() == [1000]
    assert 900 < counts.returns[0] < 1010  # doing nothing


@pytest.mark.slow
def test_a_crew_of_processes_plays_what_one_process_plays():
    policy = POLE.policy(hidden=(6,))
    thetas = policy.initial() + np.random.default_rng(0).normal(size=(9, policy.n_parameters))
    with Crew(POLE, policy) as one, Crew(POLE, policy, workers=2) as two:
        a, b = (crew.play(thetas, range(9)) for crew in (one, two))
        for mine, its in zip(a.arrays(), b.arrays(), strict=True):
            assert (mine == its).all()


def test_sizes_do_not_matter_to_a_policy_of_another_space():
    with pytest.raises(ValueError, match="neither a Discrete nor a Box"):
        Actions.of(object())
    assert Policy(1, Actions(2), neuron="linear").n_inputs == 1


@pytest.mark.parametrize("change", [{"noise": 0.1}, {"lost": (0,)}, {"hide_velocities": True}])
def test_observations_that_are_no_vector_are_named(change):
    with pytest.raises(ValueError, match="are not a Box with one axis"):
        task("Blackjack-v1", **change).make()


def test_one_index_is_a_sequence_of_one():
    assert POLE.changed(lost=1).lost == (1,)
    assert POLE.changed(lost=np.int64(1)).lost == (1,)
    assert POLE.changed(lost=np.array([1, 0])).lost == (1, 0)


def test_a_lost_sensor_has_no_noise():
    env = task("CartPole-v1", lost=(0,), noise=0.1).make()
    for seed in range(3):
        first = env.reset(seed=seed)[0]
        assert first[0] == 0.0
        assert (first[1:] != 0.0).all()


@pytest.mark.parametrize("error", [RuntimeError("invalid value"), AttributeError("no glGetError")])
def test_an_unsuitable_renderer_is_named(monkeypatch, error):
    def make(*_, **__):
        raise error

    monkeypatch.setattr(pytest.importorskip("gymnasium"), "make", make)
    monkeypatch.setenv("MUJOCO_GL", "bogus")
    with pytest.raises(ValueError, match="MUJOCO_GL=bogus is set"):
        Task("Hopper-v5").make()
    monkeypatch.delenv("MUJOCO_GL")
    with pytest.raises(ValueError, match=str(error)):
        Task("Hopper-v5").make()
