"""The study of delays: its statistics by hand, a tiny study in full, and what is kept of it."""

import doctest
import json
import math
import runpy

import numpy as np
import pytest
import torch
from scipy import stats

from conftest import ROOT
from jarvis import SpatialNetwork
from jarvis.spatial.delays import make_delays
from spatial_options import check, make_parser
from tools import delay_study
from tools.delay_study import PAIRS, SETTINGS, Study, file_of, meant, plain

RUNS = [(name, scale) for name, setting in SETTINGS.items() for scale in setting.scales]
KEPT = [run for run in RUNS if Study().read(file_of(*run))]


def test_the_examples():
    assert doctest.testmod(delay_study).failed == 0


# ------------------------------------------------------------------------------- statistics


def test_bits_are_kept():
    right = np.random.default_rng(0).random(2264) < 0.8
    text = delay_study.packed(right)
    assert len(text) == 4 * math.ceil(2264 / 8 / 3)
    assert (delay_study.unpacked(text, 2264) == right).all()


def test_mcnemar_is_the_binomial_test_of_what_differs():
    a = np.array([1, 1, 1, 1, 1, 0, 1, 0], bool)
    b = np.array([1, 0, 0, 0, 0, 1, 1, 0], bool)
    # 5 words differ, 4 of them for a: 2 (1 + 5) / 2^5
    assert delay_study.mcnemar(a, b) == pytest.approx(12 / 32)
    assert delay_study.mcnemar(b, a) == pytest.approx(12 / 32)
    assert delay_study.mcnemar(a, a) == 1.0


def test_the_interval_is_that_of_a_bootstrap_over_seeds_and_words():
    random = np.random.default_rng(1)
    b = random.random((5, 300)) < 0.7
    better = np.array([0.0, 0.05, 0.1, 0.15, 0.2])[:, None]
    a = b | (random.random((5, 300)) < better)
    found = delay_study.paired(a, b)
    drawn = []
    for _ in range(4000):  # the same in plain words
        seeds, words = random.integers(0, 5, 5), random.integers(0, 300, 300)
        drawn.append((a[seeds][:, words].astype(float) - b[seeds][:, words]).mean())
    assert found["low"] == pytest.approx(np.quantile(drawn, 0.025), abs=4e-3)
    assert found["high"] == pytest.approx(np.quantile(drawn, 0.975), abs=4e-3)
    each = a.mean(1) - b.mean(1)
    assert found["each"] == pytest.approx(each)
    assert found["mean"] == pytest.approx(each.mean())
    by_seed = stats.ttest_1samp(each, 0).confidence_interval(0.95)
    assert found["mean"] + found["spread"] == pytest.approx(by_seed.high)
    assert found["p"] < min(found["p_each"])
    # of one seed only the words are drawn
    one = delay_study.paired(a[4:], b[4:])
    assert one["spread"] is None
    half = 1.96 * (a[4].astype(float) - b[4]).std() / math.sqrt(300)
    assert one["high"] - one["mean"] == pytest.approx(half, rel=0.1)


def test_how_far_delays_moved():
    start, end = (SpatialNetwork(5, 3, 2, "inf", delay_mean=9.0, seed=1) for _ in range(2))
    with torch.no_grad():
        end.delays.delays[0].add_(2.0)
        end.delays.delays[1].diagonal().add_(100.0)  # no synapse is there
        end.delays.delays[1][0, 1] = -5.0  # and this delay is limited to 0
    found = delay_study.moved(start, end)
    assert found["median"] == 2.0
    assert found["silent"] == pytest.approx(1 / 21, rel=1e-3)
    assert "places" not in found
    start, end = (SpatialNetwork(5, 3, 2, "2", position_std=9.0, seed=1) for _ in range(2))
    with torch.no_grad():
        for points in end.delays.coordinates:
            points.add_(torch.tensor([3.0, 4.0]))
    found = delay_study.moved(start, end)
    assert found["places"] == pytest.approx(5.0, rel=1e-4)
    assert found["median"] < 1e-4  # all went the same way


def test_weights_of_few_bits():
    weights = torch.randn(50, 40, generator=torch.Generator().manual_seed(0))
    errors = []
    for bits in (2, 3, 4, 6):
        coarse = delay_study.quantised(weights, bits)
        assert len(coarse.unique()) <= 2**bits - 1
        errors.append((coarse - weights).square().mean().item())
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.01


# --------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(("name", "scale"), RUNS)
def test_a_setting_is_a_command(name, scale):
    options = Study().options(name, scale)
    args = make_parser().parse_args(options.split())
    check(args)
    core = SETTINGS[name].part == "core"
    assert (args.final, args.nepochs) == ((True, 12) if core else (False, 8))
    assert (scale is None) == (args.net == "0")
    if scale is not None:
        assert args.delaygradscale == scale


def test_the_core_is_what_the_results_on_spoken_digits_are():
    table = runpy.run_path(str(ROOT / "tools" / "shd_table.py"))
    same = {"core_none": "net_0", "core_free": "net_inf", "core_placed": "net_3"}
    for ours, theirs in same.items():
        options = f"{table['RECIPE']} {table['KINDS'][theirs].options} --final"
        scale = SETTINGS[ours].scales[-1]
        assert plain(Study().options(ours, scale)) == plain(options)


def test_the_tuned_network_without_delays_is_the_best_of_the_trials():
    study, without = Study(), delay_study.WITHOUT
    names = ["none", *(f"none_{name}" for name in without)]
    found = {n: run["acc"] for n in names for run in study.runs_of(n, None) if run["seed"] == 0}
    assert set(found) == set(names)
    best = SETTINGS[max(found, key=lambda name: found[name])]
    tuned = SETTINGS["core_none_tuned"]
    assert (tuned.title, tuned.options) == (best.title, best.options)


def test_as_many_parameters_as_positions():
    def count(net: str, hidden: int) -> int:
        delays = make_delays(net, (700, hidden), ((0, 1), (1, 1)))
        return delays.n_synapses + delays.n_parameters

    options = SETTINGS["free_equal"].options.split()
    hidden = int(options[options.index("--nhidden") + 1])
    assert count("inf", hidden) == pytest.approx(count("3", 100), rel=0.01)


def test_jobs_come_seed_by_seed():
    jobs = list(delay_study.jobs(["core"], range(2)))
    assert len(jobs) == 12
    assert [seed for *_, seed in jobs] == [0] * 6 + [1] * 6
    assert [scale for _, scale, _ in jobs[2:4]] == [0, 10]
    assert all(pair in RUNS for pairs in PAIRS for pair in pairs)


# ------------------------------------------------------------------------------ a tiny study


@pytest.mark.slow
def test_a_tiny_study(tmp_path, monkeypatch):
    """Frozen delays stay, learned ones move; what is kept is what a checkpoint says."""
    study = Study(tmp_path / "results", tmp_path / "runs", tiny=True)
    for scale in (0, 10):
        study.make("placed", scale, 0)
    frozen, learned = (study.runs_of("placed", scale)[0] for scale in (0, 10))
    assert {frozen["moved"][k] for k in ("median", "most", "places")} == {0.0}
    assert frozen["moved"]["start"] == frozen["moved"]["end"] == learned["moved"]["start"]
    assert 0.1 < learned["moved"]["median"] < learned["moved"]["most"] < 20
    for run, scale in ((frozen, 0), (learned, 10)):
        assert study.right("placed", scale)[0].mean() == pytest.approx(run["acc"])
        assert run["acc"] > 0.1
    # the start of both is the same, and both learned
    a, b = (study.network("placed", scale) for scale in (0, 10))
    for p, q, r in zip(a.start.parameters(), b.start.parameters(), a.network.parameters(),
                       strict=True):  # fmt: skip
        assert torch.equal(p, q)
        assert r.shape == p.shape
    assert not torch.equal(a.start.w_rec, a.network.w_rec)

    # measurements
    kept = delay_study.precision(b)
    assert kept["own"] == pytest.approx(learned["acc"])
    still = delay_study.precision(a)
    assert still["own"] == still["start"] == pytest.approx(frozen["acc"])
    assert kept["shuffled"] < kept["own"]
    few = delay_study.coarse(b)["bits"]
    assert few["full"] == pytest.approx(learned["acc"])
    with monkeypatch.context() as patch:
        patch.setattr(delay_study, "quantised", lambda weights, bits: 0 * weights)
        assert delay_study.coarse(b)["bits"]["2"] < 0.15  # one answer to all words
    monkeypatch.setattr(delay_study, "BATCHES", 8)
    found = delay_study.gradient(a)  # frozen delays have one, too
    assert found["start"].keys() == found["end"].keys() == dict(b.start.named_parameters()).keys()
    check_signal(a, found["start"])

    # what is made is not made again, and other options are refused
    monkeypatch.setattr(delay_study, "train", None)
    study.make("placed", 10, 0)
    monkeypatch.setattr(delay_study, "MEASURED", (("placed", 0), ("free", 0)))
    monkeypatch.setattr(delay_study, "WHY", {"few": lambda found: {}})
    monkeypatch.setattr(Study, "network", lambda *_: None)
    study.measure("few", made=True)
    assert [entry["network"] for entry in study.read("few")["networks"]] == [
        "3-D positions, s.d. 50 ms, scale 0"
    ]
    other = Study(tmp_path / "results", tmp_path / "runs")
    with pytest.raises(SystemExit, match="other options"):
        other.make("placed", 10, 1)
    shown = delay_study.tables(study)
    change = learned["acc"] - frozen["acc"]
    assert f"{100 * learned['acc']:.1f} ({100 * change:+.1f} ±" in shown
    assert "\n\n\n" not in shown


def check_signal(found, measured) -> None:
    """Signal and noise of the read-out's bias, whose gradient has a closed form."""
    words = delay_study.words_of(found.args)[0]
    network = found.start.eval()
    order = torch.randperm(len(words), generator=torch.Generator().manual_seed(0))
    gradients = []
    for index in order.split(found.args.batch_size)[: delay_study.BATCHES]:
        events, labels = words[index]
        with torch.no_grad():
            shares = network(events).scores.softmax(1)
        n, smoothed = shares.shape[1], found.args.smoothing
        target = torch.nn.functional.one_hot(labels, n) * (1 - smoothed) + smoothed / n
        gradients.append((shares - target).mean(0).double())
    gradients = torch.stack(gradients)
    noise = gradients.var(0).sum()
    signal = gradients.mean(0).square().sum() - noise / len(gradients)
    assert measured["readout.bias"]["noise"] == pytest.approx(noise.sqrt().item(), rel=1e-3)
    assert measured["readout.bias"]["signal"] == pytest.approx(
        signal.clamp_min(0).sqrt().item(), rel=1e-3
    )


# ------------------------------------------------------------------------------ what is kept


@pytest.mark.parametrize(("name", "scale"), KEPT or [RUNS[0]])
def test_a_kept_result_is_of_its_command(name, scale):
    content = Study().read(file_of(name, scale))
    if content is None:
        pytest.skip("nothing is kept yet")
    assert meant(content["command"]) == plain(Study().options(name, scale))
    assert content["title"] == SETTINGS[name].title
    assert content["data"].startswith("SHD, rebuilt from the recordings")
    assert content["words"] == (2290 if SETTINGS[name].part == "core" else 1210)
    right = Study().right(name, scale)
    assert sorted(right) == [run["seed"] for run in content["runs"]]
    for run in content["runs"]:
        assert right[run["seed"]].mean() == pytest.approx(run["acc"], abs=0.003)
        assert 0.05 < run["acc"] < 1
        assert (run["moved"]["most"] > 0) == bool(scale)
    text = (delay_study.RESULTS / f"{file_of(name, scale)}.json").read_text(encoding="utf-8")
    assert text == delay_study.json_by_entry(json.loads(text)) + "\n"


def test_the_results_page_shows_the_study():
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    if "<!-- delay study -->" not in text:
        pytest.skip("the page has no place for the study yet")
    shown = text.split("<!-- delay study -->")[1].split("<!-- end of delay study -->")[0].strip()
    assert shown == delay_study.tables()
