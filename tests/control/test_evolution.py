"""Evolution strategies: the update by hand, learning, and runs that go on as if never stopped."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import ROOT
from jarvis.control import (
    EvolutionRun,
    EvolutionSettings,
    ObservationStatistics,
    RenderError,
    Trained,
    evolve,
    film,
    load_trained,
    task,
)
from jarvis.control.evolution import change
from jarvis.control.trained import choice_seeds, held_out_seeds
from jarvis.training import CheckpointError, TrainingError, load_checkpoint, train
from jarvis.training.checkpoints import save_checkpoint
from torchrun import needs_gloo, together

pytestmark = pytest.mark.control

POLE = task("CartPole-v1")
SMALL = EvolutionSettings(4, 3, 0.2, 0.1)


def quiet(line: str) -> None:
    pass


def test_an_update_is_that_of_the_formula():
    rng = np.random.default_rng(0)
    plus, minus, d = rng.normal(size=6), rng.normal(size=6), rng.normal(size=(6, 11))
    found = change(plus, minus, d, EvolutionSettings(6, 2, 0.1, 0.5))
    chosen = sorted(range(6), key=lambda k: -max(plus[k], minus[k]))[:2]
    spread = np.std([x[k] for x in (plus, minus) for k in chosen])
    wanted = sum((plus[k] - minus[k]) * d[k] for k in chosen) * 0.5 / (2 * spread)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    assert (change(np.ones(6), np.ones(6), d, SMALL) == 0).all()


def test_ranks_do_not_depend_on_the_size_of_returns():
    options = EvolutionSettings(5, 5, 0.1, 0.5, ranked=True)
    rng = np.random.default_rng(0)
    plus, minus, d = rng.normal(size=5), rng.normal(size=5), rng.normal(size=(5, 3))
    a, b = (change(f(plus), f(minus), d, options) for f in (lambda x: x, lambda x: np.exp(9 * x)))
    np.testing.assert_allclose(a, b, rtol=1e-12)
    equal = change(np.array([1.0, 1, 1, 5, 1]), np.ones(5), d, options)
    np.testing.assert_allclose(equal / d[3], (equal / d[3])[0])  # only one direction differs
    assert (equal[0] / d[3][0]) > 0


def test_it_climbs_to_the_top_of_a_hill():
    rng, theta, top = np.random.default_rng(0), np.zeros(5), np.array([1.0, -2, 0.5, 0, 3])
    options = EvolutionSettings(8, 8, 0.1, 0.1)
    for _ in range(300):
        d = rng.normal(size=(8, 5))
        plus, minus = (-np.square(theta + s * 0.1 * d - top).sum(1) for s in (1, -1))
        theta = theta + change(plus, minus, d, options)
    np.testing.assert_allclose(theta, top, atol=0.3)


def test_it_learns_to_balance_and_the_best_policy_is_loaded(tmp_path):
    lines = []
    policy = POLE.policy(hidden=(16,))
    trained, history = evolve(
        POLE, policy, budget=60_000, every=3, target=490, output=tmp_path, progress=False,
        log=lines.append,
    )  # fmt: skip
    assert history.column("return")[-1] >= 490, lines
    test = trained.evaluate(20)
    assert test.returns.mean() > 400
    assert 0.01 < history.epochs[-1]["rate"] < 1
    assert history.epochs[-1]["operations"] > 4 * 16
    assert "steps_per_second=" in lines[0]
    loaded = load_trained(tmp_path)
    assert (loaded.theta == trained.theta).all()
    assert (loaded.task, loaded.policy) == (POLE, policy)
    assert (loaded.evaluate(20).returns == test.returns).all()
    metrics = json.loads((tmp_path / "metrics_final.json").read_text())
    assert metrics["epochs"][-1]["return"] == history.column("return")[-1]
    # dead neurons: none change nothing, all leave only the biases of the read-out
    assert (trained.without(0.0).theta == trained.theta).all()
    dead = policy.unpacked(trained.without(0.5, seed=1).theta)["readout"]
    assert (~dead.any(1)).sum() == 8
    assert trained.without(1.0).evaluate(3).returns.max() < 15
    noisy = trained.evaluate(20, task=POLE.changed(noise=1.0))
    assert noisy.returns.mean() < test.returns.mean()


def run(folder: Path | None, budget: int, resume: Path | None = None, **options) -> EvolutionRun:
    options = {"settings": SMALL, "every": 2, "episodes": 3, "seed": 5, **options}
    policy = options.pop("policy", None) or POLE.policy(hidden=(5,), recurrent=True)
    with EvolutionRun(options.pop("task", POLE), policy, budget=budget, **options) as made:
        train(made, output=folder, resume=resume, progress=False, log=quiet)
    return made


def same(a: EvolutionRun, b: EvolutionRun) -> bool:
    numbers = (a.steps_played, a.updates) == (b.steps_played, b.updates)
    return numbers and (a.theta == b.theta).all() and (
        a.statistics.squares == b.statistics.squares
    ).all()  # fmt: skip


def test_a_resumed_run_ends_with_the_same_weights(tmp_path):
    whole = run(None, 3000)
    run(tmp_path, 800)
    parts = run(tmp_path, 3000, tmp_path)
    assert same(whole, parts)
    assert whole.best[2] == parts.best[2]
    assert (whole.best[0] == parts.best[0]).all()
    assert not same(whole, run(None, 3000, seed=6))
    # interrupted within an epoch: after each update
    one = EvolutionRun(
        POLE, POLE.policy(hidden=(5,), recurrent=True), settings=SMALL, every=2, episodes=3,
        budget=3000, seed=5,
    )  # fmt: skip
    steps = one.steps()
    next(steps)
    one.save(tmp_path / "middle.pt")
    assert same(whole, run(None, 3000, tmp_path / "middle.pt"))
    with pytest.raises(CheckpointError, match="its seed was 5"):
        run(None, 3000, tmp_path, seed=6)
    with pytest.raises(CheckpointError, match=r"its task\.noise was 0\.0, here it is 0\.1"):
        run(None, 3000, tmp_path, task=POLE.changed(noise=0.1))
    with pytest.raises(CheckpointError, match=r"its policy\.hidden was \[5\], here it is \[6\]"):
        run(None, 3000, tmp_path, policy=POLE.policy(hidden=(6,)))


def test_damaged_weights_are_refused(tmp_path):
    run(tmp_path, 800)
    path = tmp_path / "checkpoint_latest.pt"
    content = load_checkpoint(path)
    for name, value in {
        "theta": torch.zeros(3, dtype=torch.float64),
        "mean": torch.full((4,), torch.inf, dtype=torch.float64),
        "count": "many",
    }.items():
        torch.save(content | {"weights": content["weights"] | {name: value}}, path)
        for read in (lambda: run(None, 3000, path), lambda: load_trained(path)):
            with pytest.raises(CheckpointError) as error:
                read()
            assert "\n" not in str(error.value)
    for broken in ({"sums": [1.0]}, {"steps_played": -1}, {"updates": "x"}):
        torch.save(content | broken, path)
        with pytest.raises(CheckpointError):
            run(None, 3000, path)
    torch.save(content | {"run": {"policy": {}}}, path)
    with pytest.raises(CheckpointError, match="is not from a run of train_control"):
        load_trained(path)


def test_it_stops_at_its_target_and_stays_stopped(tmp_path):
    reached = run(tmp_path, 10**6, target=5)
    assert reached.epoch == 1
    again = run(tmp_path, 10**6, tmp_path, target=5)
    assert same(reached, again)


@pytest.mark.slow
def test_processes_do_what_one_does():
    assert same(run(None, 900), run(None, 900, workers=2))


def test_a_return_that_is_not_finite_stops_the_run(monkeypatch):
    made = EvolutionRun(POLE, POLE.policy(neuron="linear"), settings=SMALL)
    play = made.crew.play

    def spoiled(*args, **options):
        found = play(*args, **options)
        found.returns[0] = np.nan
        return found

    monkeypatch.setattr(made.crew, "play", spoiled)
    with pytest.raises(TrainingError, match="a return is not finite in update 1"):
        train(made, progress=False, log=quiet)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: EvolutionSettings(directions=0), "directions=0"),
        (lambda: EvolutionSettings(4, best=5), "best=5 must be an integer from 1 to 4"),
        (lambda: EvolutionSettings(noise=0.0), "noise=0.0 must be positive"),
        (lambda: EvolutionSettings(rate=-1.0), "rate=-1.0"),
        (lambda: run(None, 0), "budget=0"),
        (lambda: run(None, 1, every=0), "every=0"),
        (lambda: run(None, 1, episodes=0), "episodes=0"),
        (lambda: run(None, 1, target=np.nan), "target=nan"),
        (lambda: run(None, 1, seed=-1), "seed=-1"),
        (lambda: run(None, 100).trained().evaluate(0), "episodes=0"),
        (lambda: run(None, 100).trained().without(1.5), "share=1.5"),
        (lambda: run(None, 100).trained().without(0.5, -1), "seed=-1"),
        (lambda: film(run(None, 1).trained(), "x.mp4"), "'x.mp4' does not end in .gif"),
    ],
)
def test_bad_values_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: evolve("CartPole-v1", POLE.policy(hidden=(4,))),
            "task must be a Task, not 'CartPole-v1'",
        ),
        (lambda: evolve(POLE, None), "policy must be a Policy, not None"),
        (
            lambda: evolve(POLE, POLE.policy(hidden=(4,)), settings={"noise": 1}),
            "settings must be an Evolution",
        ),
        (lambda: EvolutionSettings(ranked="no"), "ranked must be True or False"),
        (lambda: film(None, "x.gif"), "film: trained must be a Trained, not None"),
        (
            lambda: film(run(None, 1).trained(), "x.gif", task="Hopper"),
            "film: task must be a Task, not 'Hopper'",
        ),
        (
            lambda: EvolutionRun(POLE, POLE.policy(hidden=(4,)), arguments=3),
            "arguments must be a Mapping, not 3",
        ),
    ],
)
def test_wrong_types_are_named(call, message):
    with pytest.raises(TypeError, match=message):
        call()


@pytest.mark.parametrize("neuron", ["lif", "tanh", "linear"])
def test_a_rate_is_shown_only_of_neurons_that_fire(neuron):
    lines = []
    policy = POLE.policy(neuron=neuron, hidden=(4,))
    evolve(POLE, policy, budget=50, episodes=2, progress=False, log=lines.append)
    assert all(("rate=" in line) == (neuron == "lif") for line in lines if "epoch=" in line)
    assert any("epoch=" in line for line in lines)


def test_the_first_update_does_not_count_for_the_speed():
    """It may compile a loop."""
    with EvolutionRun(POLE, POLE.policy(hidden=(4,)), budget=10**6) as made:
        index = torch.tensor([0])
        made.learn(index)
        assert made.update_seconds == 0.0
        first = list(made._speed)
        assert first[0] == made.steps_played > 0
        made.learn(index)
        assert made._speed[0] == made.steps_played - first[0]
        assert made.update_seconds > 0.0


def test_the_time_of_updates_survives_a_restart(tmp_path):
    first = run(tmp_path, 400)
    before = first.update_seconds
    assert load_checkpoint(tmp_path)["update_seconds"] == before > 0.0
    second = run(tmp_path, first.steps_played + 1, tmp_path)
    assert second.updates == first.updates + 1
    assert second.update_seconds == before  # the first update after a start does not count
    assert run(tmp_path, 2000, tmp_path).update_seconds > before


@pytest.mark.parametrize(("seconds", "ok"), [(None, True), (-1.0, False), (np.nan, False)])
def test_checkpoints_without_the_time_of_updates_are_resumed(seconds, ok, tmp_path):
    played = run(tmp_path, 400).steps_played
    path = tmp_path / "checkpoint_latest.pt"
    content = load_checkpoint(path)
    del content["update_seconds"]
    save_checkpoint(path, content if seconds is None else content | {"update_seconds": seconds})
    if ok:
        assert run(tmp_path, played + 1, tmp_path).update_seconds == 0.0
    else:
        with pytest.raises(CheckpointError, match="update_seconds"):
            run(tmp_path, played + 1, tmp_path)


@pytest.mark.parametrize("value", ["glx", "disable", "EGL", ""])
def test_a_way_of_drawing_that_does_not_exist_is_named(value, tmp_path, monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", value)
    world = task("Hopper-v5")
    policy = world.policy(neuron="linear")
    empty = ObservationStatistics.empty(policy.n_observations)
    made = Trained(world, policy, policy.initial(), empty)
    with pytest.raises(RenderError, match=f"MUJOCO_GL={value!r} is set, and gymnasium draws with"):
        film(made, tmp_path / "hopper.gif")


def test_numbers_of_numpy_are_saved_as_plain_ones(tmp_path):
    options = EvolutionSettings(np.int64(2), 2, np.float64(0.1), ranked=np.True_)
    policy = POLE.policy(hidden=(4,), recurrent=np.True_)
    kept = dict(settings=options, episodes=2, progress=False, log=quiet)
    evolve(POLE, policy, budget=50, output=tmp_path, **kept)
    evolve(POLE, policy, budget=100, output=tmp_path, resume=tmp_path, **kept)
    assert load_trained(tmp_path).policy.recurrent is True


def test_no_episode_serves_two_purposes():
    choice, test = choice_seeds(0, 500), held_out_seeds(0, 500)
    assert len({*choice, *test}) == 1000
    assert min(choice) >= 1 << 31  # training draws below


@pytest.mark.slow
@needs_gloo
def test_two_processes_of_torchrun_do_what_one_does(tmp_path):
    together(__file__, str(tmp_path))
    assert same_weights(load_checkpoint(tmp_path), run(None, 900))


def same_weights(content: dict, made: EvolutionRun) -> bool:
    theta = content["weights"]["theta"].numpy()
    return content["updates"] == made.updates and bool((theta == made.theta).all())


def test_a_film_of_an_episode(tmp_path):
    from PIL import Image

    made = run(None, 300).trained()
    path = tmp_path / "pole.gif"
    try:
        for fps in (8, 10, 50):
            total = film(made, path, seconds=1.0, fps=fps, width=100)
            steps = min(total, 50.0)  # of 0.02 s, with a reward of 1 each
            every = {8: 7, 10: 5, 50: 1}[fps]
            with Image.open(path) as picture:
                assert picture.width == 100
                assert len(picture.convert("L").getcolors(256) or ()) > 2  # something is drawn
                shown = []
                for k in range(picture.n_frames):
                    picture.seek(k)
                    shown.append(picture.info["duration"])
            # As long as the simulation, apart from the last frame's time (equal frames are merged).
            assert sum(shown) == 20 * every * (steps // every + 1)
    except RenderError as error:
        pytest.skip(str(error))
    for options in (dict(seconds=0.0), dict(fps=0), dict(width=2)):
        with pytest.raises(ValueError, match=f"film: {next(iter(options))}="):
            film(made, path, **options)


def test_an_optimiser_can_be_made_after_drawing():
    code = (
        "from jarvis.control import task\n"
        "env = task('HalfCheetah-v5').make(render_mode='rgb_array')\n"
        "env.reset(seed=0)\n"
        "try:\n"
        "    env.render()\n"
        "except Exception as error:\n"
        "    print('no drawing here', error)\n"
        "import torch\n"
        "torch.optim.Adam([torch.zeros(1, requires_grad=True)])\n"
        "import torch._dynamo\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_cannot_be_drawn_is_said_in_one_line(tmp_path, monkeypatch):
    made = run(None, 300).trained()

    class Blind:
        unwrapped = metadata = property(lambda self: {})

        def reset(self, seed):
            return np.zeros(4), {}

        def render(self):
            raise OSError("no driver\nat all")

        def close(self):
            pass

    monkeypatch.setattr(type(POLE), "make", lambda self, **_: Blind())
    says = r"CartPole-v1 cannot be drawn here: no driver at all\. .*MUJOCO_GL=egl"
    with pytest.raises(RenderError, match=says):
        film(made, tmp_path / "pole.gif")
    assert not list(tmp_path.iterdir())


if __name__ == "__main__":
    from jarvis.training import distributed

    distributed.start(torch.device("cpu"))
    run(Path(sys.argv[1]), 900)
    distributed.leave()
