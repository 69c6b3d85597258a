"""Training spatial networks: the optimiser by hand, runs that stop and go on, and the program."""

import json
import math
import os
import re
import runpy
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image

import cli
from conftest import ROOT
from jarvis import EventLIF, SpatialNetwork, datasets
from jarvis.datasets.augmentation import Augmentation
from jarvis.networks.costs import synaptic_operations
from jarvis.spatial.layout import record_layout, save_film, save_layout
from jarvis.spatial.network import rates as measured
from jarvis.spatial.optimiser import clip_by_unit_, spatial_optimiser
from jarvis.spatial.training import RateTarget, SpatialRun, evaluate_words, fit_spatial
from jarvis.training.checkpoints import CheckpointError, load_checkpoint
from jarvis.training.pruning import Pruner
from jarvis.training.run import Interrupted, TrainingError
from jarvis.training.schedules import warmup_cosine
from spatial_options import check, make_parser, run_folder
from torchrun import needs_gloo, together

DEMO = str(ROOT / "demos" / "train_spatial.py")
ENV = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
SMALL = ["--dataset", "generated", "--dt", "2", "--nhidden", "10", "--load_limit", "72",
         "--load_limit_test", "30", "--device", "cpu", "--warmup", "5"]  # fmt: skip
DT = 2.0
THE_SEEDS = """net nhidden batch_size load_limit load_limit_test lr ifactor rfactor force skip debug
dt tmp reload seed nepochs delaygradscale delaymu delaysigma possigma tgtfreq population_freq tag
line circle wstat istat sparse sparse_iter adex adex_a adex_b adex_tau adex_dt vplot pos iadapt0
shard"""


def words(split: str = "train", n: int = 60):
    return datasets.shd_like(split, n=n, n_events=80).on_grid(DT, 200)


def network(net: str = "2", **options) -> SpatialNetwork:
    options = {"expected_rate": 30.0, "input_factor": 20.0, **options}
    return SpatialNetwork(700, 10, 20, net, EventLIF(dt=DT), position_std=10.0, **options)


def make_run(model: SpatialNetwork | None = None, **options) -> SpatialRun:
    model = network() if model is None else model
    options = {"epochs": 2, "batch_size": 16, "schedule": warmup_cosine, **options}
    return SpatialRun(model, words(), spatial_optimiser(model, 1e-2), **options)


def same(a: SpatialNetwork, b: SpatialNetwork) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))


# ---------------------------------------------------------------- the optimiser


def test_the_learning_rate_rises_falls_and_stays():
    factors = [warmup_cosine(k, warmup=4, total=12, floor=0.1) for k in range(15)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert factors[8] == pytest.approx(0.55)  # half of the way from 4 to 12
    assert factors[6] == pytest.approx(0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi / 4)))
    assert factors[12:] == [pytest.approx(0.1)] * 3
    assert warmup_cosine(0, warmup=0, total=1) == 1.0


@pytest.mark.parametrize(
    ("values", "gradient", "axis", "expected"),
    [
        # a column is a unit: |p| = 5, so 2 * 5 of |g| = 100 are left; the other is short enough
        ([[3.0, 6.0], [4.0, 8.0]], [[60.0, 3.0], [80.0, 4.0]], 0, [[6.0, 3.0], [8.0, 4.0]]),
        # a row is a unit
        ([[3.0, 4.0], [6.0, 8.0]], [[60.0, 80.0], [3.0, 4.0]], 1, [[6.0, 8.0], [3.0, 4.0]]),
        # all are one unit, and parameters at 0 count as 1e-3
        ([0.0, 0.0], [0.3, 0.4], None, [0.0012, 0.0016]),
        ([0.0, 0.0], [0.0, 0.0], None, [0.0, 0.0]),
        (-2.0, 10.0, None, 4.0),
    ],
)
def test_gradients_are_clipped_unit_by_unit(values, gradient, axis, expected):
    g = torch.tensor(gradient)
    clip_by_unit_(g, torch.tensor(values), axis, 2.0)
    torch.testing.assert_close(g, torch.tensor(expected))


def test_three_steps_by_hand():
    """Clip, decay, Adam's moments, the schedule; what is in ms moves ten times as far."""
    model = network("2e0.5", seed=2).double()
    optimizer = spatial_optimiser(model, 1e-2, weight_decay=1e-2, readout_scale=3.0)
    start = {name: p.detach().clone().numpy() for name, p in model.named_parameters()}
    state = {name: (np.zeros_like(p), np.zeros_like(p)) for name, p in start.items()}
    random = np.random.default_rng(0)
    expected = {name: p.copy() for name, p in start.items()}
    for t in range(1, 4):
        factor = warmup_cosine(t - 1, warmup=2, total=3)
        for group in optimizer.param_groups:
            group.setdefault("base", group["lr"])
            group["lr"] = group["base"] * factor
        for name, p in model.named_parameters():
            scale = 10.0 ** random.uniform(-2, 2)
            g = random.normal(0, scale, p.shape)
            p.grad = torch.tensor(g)
            q = expected[name]
            axis = None if q.ndim < 2 else int("coordinates" in name or "readout" in name)
            size = lambda x, axis=axis: np.sqrt((x**2).sum(axis, keepdims=True))  # noqa: E731
            g = g * np.minimum(1.0, 2.0 * np.maximum(size(q), 1e-3) / size(g))
            times = 10.0 if "coordinates" in name else 3.0 if "readout" in name else 1.0
            g = g + (1e-3 if "coordinates" in name else 1e-2) * q
            m, v = state[name]
            m[:] = 0.9 * m + 0.1 * g
            v[:] = 0.999 * v + 0.001 * g**2
            step = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
            q -= 1e-2 * factor * times * step
        optimizer.step()
    for name, p in model.named_parameters():
        np.testing.assert_allclose(p.detach().numpy(), expected[name], atol=1e-12, err_msg=name)
        assert not np.allclose(expected[name], start[name]), name


def test_delays_that_do_not_learn_stay_where_they_are():
    for net in ("inf", "2", "2g0.5"):
        model = network(net)
        optimizer = spatial_optimiser(model, 0.1, delay_scale=0.0)
        before = [p.clone() for p in model.delays.parameters()]
        events, labels = words()[:20]
        torch.nn.functional.cross_entropy(model(events).scores, labels).backward()
        optimizer.step()
        for old, new in zip(before, model.delays.parameters(), strict=True):
            assert torch.equal(old, new)
    with pytest.raises(ValueError, match="lr=-1"):
        spatial_optimiser(network(), -1.0)


def test_rates_are_priced_in_hz():
    counts = torch.tensor([[4.0, 0.0], [8.0, 4.0]])  # in 400 ms: 10, 0, 20, 10 Hz
    price = RateTarget(10.0, 1e-3)(counts, 400.0)
    assert price.item() == pytest.approx(1e-3 * ((0 + 100) + (100 + 0)) / 2)
    mean = RateTarget(10.0, 1e-3, population=True)(counts, 400.0)
    assert mean.item() == pytest.approx(1e-3 * (25 + 25) / 2)
    with pytest.raises(ValueError, match="rate=-1"):
        RateTarget(-1.0)


# ---------------------------------------------------------------- runs


def test_what_is_reported_is_so():
    model, data = network(), words("test", 40)
    events, labels = data[:]
    with torch.no_grad():
        out = model(events)
    order = out.scores.argsort(1, descending=True)
    found = evaluate_words(model, data, batch_size=7)
    assert torch.equal(found["predicted"], order[:, 0])
    assert found["acc"] == pytest.approx((order[:, 0] == labels).double().mean().item())
    top = (order[:, :3] == labels.view(-1, 1)).any(1).double().mean().item()
    assert found["top3"] == pytest.approx(top)
    assert top > found["acc"]
    loss = torch.nn.functional.cross_entropy(out.scores, labels).item()
    assert found["loss"] == pytest.approx(loss, rel=1e-5)
    assert found["rate"] == pytest.approx(out.counts.mean().item() / 0.4, rel=1e-6)
    # every event has 10 synapses, every hidden spike 9
    spikes = out.counts.sum().item()
    assert spikes > 0
    expected = synaptic_operations(events, model.w_in).sum().item() + 9 * spikes
    assert found["operations"] == pytest.approx(expected / 40)


def test_it_learns_generated_words():
    data = datasets.shd_like("train", n=400, n_events=80).on_grid(DT, 200)
    model = SpatialNetwork(
        700, 30, 20, "2", EventLIF(dt=DT), position_std=40.0, expected_rate=40.0, input_factor=60.0
    )
    optimizer = spatial_optimiser(model, 2e-2)
    run = SpatialRun(model, data, optimizer, epochs=12, batch_size=32)
    lines: list[str] = []
    history = fit_spatial(run, data, log=lines.append, progress=False)
    assert history.column("val_acc")[-1] > 0.3, lines
    assert history.column("loss")[-1] < history.column("loss")[0] - 0.5
    assert history.best_epoch == int(np.argmax(history.column("val_acc"))) + 1
    assert re.match(r"epoch=1 loss=\d.+ val_acc=0\.\d{4} val_top3=0\.\d{4} rate=\d+\.\d", lines[0])


def interrupted_after(n: int):
    """An augmentation that raises SIGINT at its n-th batch."""

    class Stop(Augmentation):
        calls = 0

        def __call__(self, events, generator=None):
            Stop.calls += 1
            if Stop.calls == n:
                os.kill(os.getpid(), signal.SIGINT)
            return super().__call__(events, generator)

    return Stop


@pytest.mark.parametrize("at", [2, 3, 5])  # in the first epoch, at its end, in the second
def test_interrupted_and_resumed_ends_bit_for_bit_the_same(at, tmp_path):
    change = {"channels": 5, "drop": 0.2}
    whole = make_run(augmentation=Augmentation(**change))
    fit_spatial(whole, words("val"), progress=False, log=lambda line: None)
    part = make_run(augmentation=interrupted_after(at)(**change))
    with pytest.raises(Interrupted, match="--reload"):
        fit_spatial(part, words("val"), output=tmp_path, progress=False, log=lambda line: None)
    assert not same(part.model, whole.model)
    resumed = make_run(network(seed=5), augmentation=Augmentation(**change))
    history = fit_spatial(
        resumed, words("val"), output=tmp_path, resume=tmp_path, progress=False,
        log=lambda line: None,
    )  # fmt: skip
    assert same(resumed.model, whole.model)
    for a, b in zip(history.epochs, whole.history.epochs, strict=True):
        assert {**a, "seconds": 0} == {**b, "seconds": 0}


def test_the_average_follows_the_weights_and_is_what_is_evaluated(tmp_path):
    run = make_run(epochs=1, average=0.9)
    assert run.averaged is not None
    expected = None
    for _ in run.steps():
        now = run.model.w_in.detach().clone()
        expected = now if expected is None else 0.9 * expected + 0.1 * now
    torch.testing.assert_close(run.evaluated.w_in, expected)
    assert not torch.equal(run.evaluated.w_in, run.model.w_in)

    whole = make_run(average=0.9)
    history = fit_spatial(whole, words("val"), progress=False, log=lambda line: None)
    measured = evaluate_words(whole.evaluated, words("val"))
    assert history.epochs[-1]["val_loss"] == measured["loss"]
    assert measured["loss"] != evaluate_words(whole.model, words("val"))["loss"]
    fit_spatial(make_run(epochs=1, average=0.9), output=tmp_path, progress=False)
    resumed = make_run(network(seed=5), average=0.9)
    fit_spatial(resumed, resume=tmp_path, progress=False)
    assert same(resumed.evaluated, whole.evaluated)
    plain = make_run()
    assert plain.evaluated is plain.model
    pruner = Pruner(whole.model, ("w_in",), whole.optimizer)
    with pytest.raises(ValueError, match="running average cannot be combined with pruning"):
        fit_spatial(whole, pruner=pruner, density=0.5)
    with pytest.raises(ValueError, match="average=1"):
        make_run(average=1.0)


def test_neurons_beyond_the_highest_rate_are_weakened_at_every_step(tmp_path):
    """Nothing else moves (the learning rate is 0), so that each weakening is to be seen."""
    options = {"schedule": lambda step: 0.0, "max_rate": 402.0}
    start, run = network(), make_run(**options)
    fit_spatial(run, progress=False, log=lambda line: None)
    with torch.no_grad():
        rate = measured(start(words()[:60][0]).counts, 200 * DT).mean(0)  # 394 to 413 Hz
        times = (run.model.w_in / start.w_in).log().mean(0) / math.log(0.99)
    torch.testing.assert_close(times, times.round(), atol=1e-3, rtol=0)
    assert 0 < times[rate > 405].mean() <= 2 * run.batches_per_epoch
    assert times[rate < 399].mean() < times[rate > 405].mean()
    fit_spatial(make_run(epochs=1, **options), output=tmp_path, progress=False)
    resumed = make_run(network(seed=5), **options)
    fit_spatial(resumed, resume=tmp_path, progress=False)
    assert same(resumed.model, run.model)
    with pytest.raises(CheckpointError, match="its max_rate was"):
        fit_spatial(make_run(), resume=tmp_path, progress=False)
    with pytest.raises(ValueError, match=r"max_rate=0.0 Hz must be positive"):
        make_run(max_rate=0.0)


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    fit_spatial(make_run(epochs=1), output=tmp_path, progress=False, log=lambda line: None)
    other = make_run(augmentation=Augmentation(channels=3))
    with pytest.raises(CheckpointError, match=r"its augmentation\.channels was 0, here it is 3"):
        fit_spatial(other, resume=tmp_path, progress=False)
    with pytest.raises(CheckpointError, match="does not fit this model"):
        fit_spatial(make_run(network("3")), resume=tmp_path, progress=False)
    longer = make_run(epochs=2)  # more epochs are no other run
    assert len(fit_spatial(longer, resume=tmp_path, progress=False).epochs) == 2
    longer.save(tmp_path / "two.pt")
    with pytest.raises(CheckpointError, match="2 epochs already"):
        fit_spatial(make_run(epochs=1), resume=tmp_path / "two.pt", progress=False)


def test_the_log_goes_on_where_its_checkpoint_is(tmp_path, monkeypatch):
    monkeypatch.setattr("jarvis.spatial.training.LOG_EVERY", 1)
    fit_spatial(make_run(epochs=1), output=tmp_path, progress=False, log=lambda line: None)
    log = tmp_path / "log.jsonl"
    first = log.read_text()
    with log.open("a") as file:  # a run that went on, and was killed while it wrote
        file.write('{"event": "batch", "epoch": 2, "steps": 4, "loss": 1.0}\n{"event": "ba')
    fit_spatial(make_run(), output=tmp_path, resume=tmp_path, progress=False, log=lambda line: None)
    text = log.read_text()
    assert text.startswith(first)
    events = [json.loads(line) for line in text.splitlines()]
    assert [(e["event"], e["steps"]) for e in events] == [
        ("start", 0), ("batch", 1), ("batch", 2), ("epoch", 3),
        ("start", 3), ("batch", 4), ("batch", 5), ("epoch", 6),
    ]  # fmt: skip
    assert {"loss", "train_acc", "train_top3", "train_rate"} <= events[3].keys()
    fit_spatial(make_run(epochs=1), output=tmp_path, progress=False, log=lambda line: None)
    assert len(log.read_text().splitlines()) == 4


@pytest.mark.parametrize("iterative", [True, False])
def test_it_is_pruned_before_it_is_saved(iterative, tmp_path):
    model = network()
    optimizer = spatial_optimiser(model, 1e-2)
    pruner = Pruner(model, ("w_in", "w_rec"), optimizer, recurrent=("w_rec",))
    run = SpatialRun(model, words(), optimizer, epochs=3, batch_size=16)
    history = fit_spatial(
        run, words("val"), pruner=pruner, density=0.85, iterative=iterative, output=tmp_path,
        progress=False, log=lambda line: None,
    )  # fmt: skip
    left = [1.0, 0.9, 0.85] if iterative else [0.85] * 3
    assert history.column("density_w_in") == pytest.approx(left, abs=1e-4)
    assert history.column("density_w_rec") == pytest.approx(left, abs=0.006)
    assert all("val_dense_acc" in epoch for epoch in history.epochs)
    saved = load_checkpoint(tmp_path)["model"]
    assert int((saved["w_in"] != 0).sum()) == round(0.85 * 7000)
    fresh = network()
    Pruner(fresh, ("w_in", "w_rec"), recurrent=("w_rec",))
    fresh.load_state_dict(saved)
    found = evaluate_words(fresh, words("val"))
    assert found["loss"] == history.epochs[-1]["val_loss"]
    # an epoch that prunes is measured before and after
    assert history.epochs[0]["val_dense_acc"] <= 1.0


def test_a_loss_that_is_not_a_number_stops_the_run():
    run = make_run()
    with torch.no_grad():
        run.model.readout.bias[0] = math.nan
    with pytest.raises(TrainingError, match="the loss is nan in batch 1 of epoch 1"):
        fit_spatial(run, progress=False)


@pytest.mark.parametrize("net", ["1", "2", "3", "4e0.1", "2g0.5"])
def test_a_film_of_the_layout(net, tmp_path):
    run = make_run(network(net), epochs=1)
    fit_spatial(run, output=tmp_path, progress=False, log=lambda line: None, on_frame=record_layout)
    frames = load_checkpoint(tmp_path)["kept"]["frames"]
    assert [frame["steps"] for frame in frames] == [0, 3]
    assert not torch.equal(frames[0]["positions"][0], frames[1]["positions"][0])
    assert save_film(tmp_path / "film.gif", frames, run.batches_per_epoch) == 2
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 2
        film.seek(1)
        assert film.info["duration"] > 1000
    save_layout(tmp_path / "layout.png", frames, run.batches_per_epoch)
    assert (tmp_path / "layout.png").read_bytes().startswith(b"\x89PNG")


def test_a_film_needs_positions():
    with pytest.raises(ValueError, match="do not come from positions"):
        record_layout(make_run(network("inf")))


# ---------------------------------------------------------------- the program


def program() -> dict:
    return runpy.run_path(DEMO)


def built(*options: str) -> tuple[SpatialNetwork, str]:
    """The network that the program makes of its options."""
    demo = program()
    args = make_parser().parse_args([*SMALL, *options])
    check(args)
    train, _, _ = demo["load"](args)
    return demo["make_network"](args, train), train


def run_demo(monkeypatch, *options: str) -> int:
    """The demo in this process, which has paid for the imports already."""
    monkeypatch.setattr(sys, "argv", ["train_spatial.py", *options])
    try:
        runpy.run_path(DEMO, run_name="__main__")
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_the_seeds_command_line(tmp_path, monkeypatch, capsys):
    """Defaults are the paper's, and every option of the seed's help is there and says something."""
    parser = make_parser()
    args = vars(parser.parse_args([]))
    defaults = dict(
        net="inf", nhidden=100, batch_size=32, dt=0.5, lr=1e-3, nepochs=30, delaygradscale=10.0,
        delaymu=8.0, delaysigma=1.0, possigma=20.0, tgtfreq=10.0, adex_a=0.01, adex_b=0.02,
        adex_tau=200.0, adex_dt=0.1, iadapt0=0.1, sparse=1.0, seed=0, clip=2.0, weight_decay=1e-5,
        warmup=500, decay_steps=10_000,
    )  # fmt: skip
    assert {name: args[name] for name in defaults} == defaults
    assert set(re.findall(r"\w+", THE_SEEDS)) <= set(args)
    for action in parser._actions:
        assert action.help
        assert len(action.help) > 15 or action.dest in ("help", "nhidden")
    assert parser.parse_args(["--batch-size", "4"]).batch_size == 4
    assert parser.parse_args(["--batch_size=4"]).batch_size == 4
    assert parser.parse_args(["--load-limit-test=7"]).load_limit_test == 7


@pytest.mark.slow
def test_what_the_networks_options_do():
    base, train = built("--net", "2", "--start_rate", "30")
    assert train.grid.dt == 2.0
    assert len(train) == 72
    rate = evaluate_words(base, train)["rate"]
    assert rate == pytest.approx(30.0, rel=0.15)
    # weights
    flat, _ = built("--net", "2", "--wstat")
    for name in ("w_in", "w_rec"):
        weight = getattr(flat, name)
        assert weight.min() == weight.max() > 0
    forward, _ = built("--net", "2", "--feedforward")
    assert not forward.w_rec.any()
    assert "w_rec" not in dict(forward.named_parameters())
    one, two = (built("--net", "2", "--ifactor", f, "--rfactor", f)[0] for f in ("1", "2"))
    torch.testing.assert_close(two.w_in, 2 * one.w_in)
    torch.testing.assert_close(two.w_rec, 2 * one.w_rec)
    assert one.w_in.max() <= 0.8 * 400 / (700 * 10)
    signed, _ = built("--net", "2", "--ifactor", "1", "--signed")
    for name, share in (("w_in", 0.31), ("w_rec", 0.5)):  # of negative weights
        weight, before = getattr(signed, name).detach(), getattr(one, name).detach()
        assert (weight < 0).float().mean().item() == pytest.approx(share, abs=0.12)
        assert weight.abs().mean().item() == pytest.approx(before.mean().item(), rel=0.3)
    timed, _ = built("--net", "2", "--time_bins", "5")
    events, _ = train[:8]
    with torch.no_grad():
        out = timed(events)
        assert out.counts.shape == (8, 10)
        window = out.spikes.times.long() * 5 // events.n_steps
        counted = torch.zeros(8, 5, 10)
        where = out.spikes.samples(), window, out.spikes.units.long()
        counted.index_put_(where, torch.ones(()), accumulate=True)
        expected = timed.expected_rate * events.n_steps * DT / 1000.0 / 5  # of a window
        torch.testing.assert_close(out.scores, timed.readout(counted.flatten(1) / expected))
    positive, _ = built("--net", "2", "--pos")
    with torch.no_grad():
        before = positive(train[:8][0]).counts
        positive.w_in.neg_()
        positive.w_rec.neg_()
        assert torch.equal(positive(train[:8][0]).counts, before)
        assert before.sum() > 0
    with pytest.raises(cli.UsageError, match="--average and --sparse"):
        built("--average", "0.9", "--sparse", "0.5")
    for other in ("--wstat", "--pos"):
        with pytest.raises(cli.UsageError, match="the signs of weights are not random"):
            built("--signed", other)
    with pytest.raises(cli.UsageError, match="a share below 1"):
        built("--average", "1")
    # positions and delays
    line, _ = built("--net", "3", "--line", "--possigma", "5")
    assert not line.delays.positions[0][:, 1:].any()
    torch.testing.assert_close(
        line.delays.positions[0][:, 0].detach(), torch.linspace(-10, 10, 700)
    )
    circle, _ = built("--net", "2", "--circle", "--possigma", "5")
    for points, radius in zip(circle.delays.positions, (10.0, 5.0), strict=True):
        torch.testing.assert_close(points.norm(dim=1), torch.full((len(points),), radius))
    still, _ = built("--net", "2", "--istat")
    assert [p.requires_grad for p in still.delays.positions] == [False, True]
    free, _ = built("--net", "inf", "--delaymu", "20", "--delaysigma", "3")
    assert free.delays()[0].mean().item() == pytest.approx(20.0, abs=0.2)
    assert free.delays()[0].std().item() == pytest.approx(3.0, abs=0.1)
    # neurons
    adex, _ = built(
        "--dt", "0.5", "--adex", "--adex_a", "0.02", "--adex_b", "0.03", "--adex_tau", "150",
        "--adex_dt", "0.12", "--iadapt0", "0.05",
    )  # fmt: skip
    n = adex.neuron
    assert (n.a, n.b, n.tau_w, n.delta_t, n.w0) == (0.02, 0.03, 150.0, 0.12, 0.05)
    euler, _ = built("--integrator", "euler", "--tau", "5", "--tau_syn", "1", "--surrogate", "3")
    assert (euler.neuron.tau, euler.neuron.tau_syn, euler.neuron.integrator) == (5.0, 1.0, "euler")
    assert euler.surrogate == 3.0
    dropping, _ = built("--dropout", "0.9", "--damping", "1")
    assert dropping.damping == 1.0
    x = torch.ones(200, 10)
    assert dropping.eval().readout(x).std(0).max() < 1e-6
    assert dropping.train().readout(x).std(0).max() > 0.1
    drop = runpy.run_path(DEMO)["drop_neurons"](torch.ones(50, 30), 10, 0.5, True).view(50, 3, 10)
    assert torch.equal(drop[:, 0], drop[:, 2])  # a neuron is dropped in all time bins or in none
    assert sorted(drop.unique().tolist()) == [0.0, 2.0]


def test_it_runs_prints_and_leaves_its_files(tmp_path, monkeypatch, capsys):
    out = tmp_path / "run"
    options = [*SMALL, "--net", "2", "--nepochs", "2", "--sparse", "0.5", "--sparse_iter",
               "--vplot", "--plot", str(tmp_path / "figure.png"), "--output", str(out),
               "--augment", "--population_freq", "--istat"]  # fmt: skip
    assert run_demo(monkeypatch, *options) == 0
    text = capsys.readouterr().out
    assert "generated words like SHD's, training part, without speakers 6 and 7" in text
    assert len(re.findall(r"^epoch=\d loss=.* val_dense_acc=.* density=\d", text, re.M)) == 2
    assert re.search(
        r"^val_acc=0\.\d+ val_top3=0\.\d+ rate=\d+\.\d operations=\d+ \(gen", text, re.M
    )
    assert "test_acc" not in text
    assert {p.name for p in out.iterdir()} == {
        "checkpoint_best.pt", "checkpoint_latest.pt", "log.jsonl", "metrics_final.json",
        "layout.png", "layout.gif",
    }  # fmt: skip
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    metrics = json.loads((out / "metrics_final.json").read_text())
    assert metrics["data"]["val"].startswith("generated")
    assert metrics["arguments"]["shift_channels"] == 40
    assert metrics["parameters"] == metrics["parameters_without_readout"] + 10 * 20 + 20
    # half of the synapses are not pruned yet: 0.9 of them are left, and 10 positions of 2 numbers
    assert metrics["parameters_without_readout"] == round(0.9 * 7000) + round(0.9 * 90) + 20
    assert "test" not in metrics
    assert metrics["train"]["operations"] > 0
    # the command that it names is the run's own
    parser = make_parser()
    again = vars(parser.parse_args(metrics["command"].split()[2:]))
    for name in ("net", "nhidden", "nepochs", "sparse", "sparse_iter", "blend", "dt", "istat"):
        given = vars(parser.parse_args(options))[name]
        assert again[name] == (0.5 if name == "blend" else given), name


LEARNING = """--tgtfreq 90; --population_freq; --rate_weight 0; --delaygradscale 1; --lr 0.005
--delaygradscale 0; --weight_decay 1; --clip 0.01; --warmup 3; --decay_steps 6; --batch_size 9
--smoothing 0.2; --dropout 0.5; --surrogate 5; --damping 0.1; --seed 1; --drop 0.5; --stretch 0.2
--shift_time 20; --shift_channels 9; --blend 1; --augment; --sparse 0.3; --load_limit 30; --pos
--duration 200; --istat; --wstat; --adex --dt 0.5; --tau 5; --tau_syn 1; --integrator euler
--feedforward; --feedforward --sparse 0.3"""


@pytest.mark.slow
def test_every_option_of_learning_changes_what_is_learnt(tmp_path, monkeypatch, capsys):
    base = [*SMALL, "--load_limit", "40", "--net", "2", "--nepochs", "1", "--rate_weight", "1e-3",
            "--batch_size", "8", "--lr", "0.01", "--warmup", "2", "--force",
            "--output", str(tmp_path)]  # fmt: skip
    seen: dict[bytes, str] = {}
    for options in ["", *re.split(r"[;\n]", LEARNING)]:
        assert run_demo(monkeypatch, *base, *options.split()) == 0, capsys.readouterr().err
        model = load_checkpoint(tmp_path)["model"]
        key = b"".join(model[name].numpy().tobytes() for name in sorted(model))
        former = seen.get(key)
        assert former is None, f"{options!r} ends with the weights of {former!r}"
        seen[key] = options
    assert run_demo(monkeypatch, *base, "--skip", "--tag", "again") == 0
    model = load_checkpoint(tmp_path)["model"]
    key = b"".join(model[name].numpy().tobytes() for name in sorted(model))
    assert seen[key] == ""  # and what is not of learning changes nothing


def test_the_final_protocol_tests_once(tmp_path, monkeypatch, capsys):
    options = [*SMALL, "--nepochs", "2", "--final", "--output", str(tmp_path)]
    assert run_demo(monkeypatch, *options) == 0
    text = capsys.readouterr().out
    assert text.count("test_acc=") == 1
    assert "val_acc" not in text
    assert "training part\n" in text
    metrics = json.loads((tmp_path / "metrics_final.json").read_text())
    assert metrics["words"] == {"train": 72, "test": 30}
    # run again with --reload: there is nothing left to learn, and the same is found
    assert run_demo(monkeypatch, *options, "--reload") == 0
    assert json.loads((tmp_path / "metrics_final.json").read_text()) == metrics


def test_a_folder_that_holds_a_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = [*SMALL, "--nepochs", "1", "--net", "0", "--tag", "first"]
    assert run_demo(monkeypatch, *options) == 0
    (folder,) = (tmp_path / "runs").iterdir()
    assert re.fullmatch(r"spatial_first_net0_h10_s0_[0-9a-f]{8}", folder.name)
    capsys.readouterr()
    assert run_demo(monkeypatch, *options) == 2
    message = capsys.readouterr().err
    assert "--reload continues it, --force overwrites it" in message
    assert len(message.splitlines()) == 1
    assert run_demo(monkeypatch, *options, "--force") == 0
    # the same options, more epochs: the same folder, whatever the date
    assert run_demo(monkeypatch, *options, "--nepochs", "2", "--reload") == 0
    assert len(json.loads((folder / "metrics_final.json").read_text())["epochs"]) == 2
    assert len(list((tmp_path / "runs").iterdir())) == 1
    # and another place, where --tmp says
    args = make_parser().parse_args([*options, "--tmp"])
    check(args)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "there"))
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", None)
    (tmp_path / "there").mkdir()
    assert run_folder(args).is_relative_to(tmp_path / "there")


BAD = [
    ("--net", "three"),
    ("--net", "3", "--circle"),
    ("--line", "--circle"),
    ("--net", "inf", "--line"),
    ("--net", "0", "--istat"),
    ("--nhidden", "0"),
    ("--dt", "nan"),
    ("--ifactor", "2", "--start_rate", "20"),
    ("--feedforward", "--rfactor", "2"),
    ("--sparse", "1.5"),
    ("--sparse_iter",),
    ("--dropout", "1"),
    ("--stretch", "1"),
    ("--shift_channels", "-1"),
    ("--vplot",),
    ("--shard",),
    ("--reload", "--force"),
    ("--resume", "nowhere"),
    ("--reload", "--tag", "never"),
    ("--device", "tpu"),
    ("--adex", "--adex_dt", "0.001"),
    ("--max_rate", "-1"),
    ("--epoch", "3"),
    ("--colour", "red"),
]


@pytest.mark.parametrize("bad", BAD, ids=" ".join)
def test_bad_options_are_one_line_and_status_2(bad, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_demo(monkeypatch, *SMALL, "--nepochs", "1", *bad) == 2
    message = capsys.readouterr().err
    assert len(message.splitlines()) == 1, message
    assert message.startswith("train_spatial.py: ")


def test_generated_words_stand_in_for_missing_ones(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("JARVIS_DATA", raising=False)
    monkeypatch.setenv("JARVIS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "tonic", None)
    options = ["--nepochs", "1", *SMALL[2:], "--output", str(tmp_path / "run")]
    assert run_demo(monkeypatch, *options) == 0
    assert re.match(
        r"SHD is not on this machine .*: generated words stand", capsys.readouterr().out
    )
    assert run_demo(monkeypatch, *options, "--dataset", "shd") == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_debugger_starts_where_a_defect_is(monkeypatch, capsys, tmp_path):
    import pdb

    started = []
    monkeypatch.setattr(pdb, "post_mortem", started.append)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr("jarvis.spatial.fit_spatial", None)  # a defect: not callable
    with pytest.raises(TypeError) as error:
        run_demo(monkeypatch, *SMALL, "--debug", "--output", str(tmp_path))
    sys.excepthook(error.type, error.value, error.tb)
    assert started == [error.tb]
    assert "TypeError" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.filterwarnings("always::UserWarning")
def test_what_the_library_warns_of_is_one_line(tmp_path, monkeypatch, capsys):
    options = [*SMALL, "--adex", "--dt", "4", "--nepochs", "1", "--ifactor", "0.1"]
    assert run_demo(monkeypatch, *options, "--output", str(tmp_path)) == 0
    shown = capsys.readouterr()
    assert re.search(r"^warning: dt=4 ms is large: .*ms\)$", shown.out, re.MULTILINE)
    assert shown.err == ""


@pytest.mark.slow
def test_killed_and_reloaded_ends_with_the_same_weights(tmp_path, monkeypatch):
    options = [*SMALL, "--net", "3e0.2", "--nepochs", "6", "--blend", "0.3"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    process = subprocess.Popen(
        [sys.executable, DEMO, *options, "--output", str(parts)],
        stdout=subprocess.PIPE, text=True, env=ENV,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch=2 "):
            time.sleep(0.01)
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert load_checkpoint(parts)["epoch"] < 6
    assert run_demo(monkeypatch, *options, "--output", str(parts), "--reload") == 0
    assert run_demo(monkeypatch, *options, "--output", str(whole)) == 0
    a, b = (load_checkpoint(folder) for folder in (whole, parts))
    assert all(torch.equal(a["model"][name], b["model"][name]) for name in a["model"])
    for x, y in zip(a["history"]["epochs"], b["history"]["epochs"], strict=True):
        assert {**x, "seconds": 0} == {**y, "seconds": 0}


@pytest.mark.slow
@needs_gloo
def test_two_processes_do_what_one_does(tmp_path, monkeypatch, capsys):
    # 72 words are 14 batches of 5, and one of 2; 71 would leave a rank without a word
    options = [*SMALL, "--load_limit", "71", "--batch_size", "5", "--net", "2", "--nepochs", "2",
               "--shift_channels", "5", "--sparse", "0.5", "--max_rate", "15"]  # fmt: skip
    assert run_demo(monkeypatch, *options, "--output", str(tmp_path / "one")) == 0
    together(DEMO, *options, "--shard", "--output", str(tmp_path / "two"))
    one, two = (load_checkpoint(tmp_path / name) for name in ("one", "two"))
    for name in one["model"]:
        a, b = one["model"][name], two["model"][name]
        if a.dtype == torch.bool:
            assert (a != b).float().mean() < 0.001
        else:
            torch.testing.assert_close(b, a, atol=2e-3, rtol=0)
            assert (a - b).abs().mean() < 1e-5, name
    for x, y in zip(one["history"]["epochs"], two["history"]["epochs"], strict=True):
        assert y["loss"] == pytest.approx(x["loss"], abs=1e-3)
        assert y["train_acc"] == pytest.approx(x["train_acc"], abs=0.03)


@pytest.mark.data("SHD")
def test_a_step_on_real_words(monkeypatch):
    demo = program()
    args = make_parser().parse_args(["--net", "3", "--nhidden", "20", "--load_limit", "64",
                                             "--load_limit_test", "32"])  # fmt: skip
    check(args)
    train, val, _ = demo["load"](args)
    assert train.source.startswith("SHD")
    model = demo["make_network"](args, train)
    run = SpatialRun(model, train, spatial_optimiser(model), epochs=2)
    history = fit_spatial(run, val, progress=False, log=lambda line: None)
    assert 10 <= history.epochs[0]["train_rate"] <= 40
    assert math.isfinite(history.epochs[1]["val_loss"])


def test_a_gradient_that_explodes_is_one_line_and_status_1(monkeypatch, capsys):
    def explode(args):
        raise FloatingPointError("the gradient of w_in is not finite: pass damping")

    monkeypatch.setattr(sys, "argv", ["train_spatial.py"])
    with pytest.raises(SystemExit) as stop:
        cli.run(make_parser(), explode)
    assert stop.value.code == 1
    assert "the gradient of w_in is not finite" in capsys.readouterr().err
