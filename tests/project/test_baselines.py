"""The baselines beside the results: what is stored, how it is made, and how the page is filled."""

import importlib.util
import json
import re
import sys

import numpy as np
import pytest
import torch
from torch import nn

from conftest import ROOT
from jarvis import Events, datasets
from jarvis.datasets import Augmentation

spec = importlib.util.spec_from_file_location("baselines", ROOT / "tools" / "baselines.py")
assert spec is not None
assert spec.loader is not None
tool = importlib.util.module_from_spec(spec)
sys.modules["baselines"] = tool  # where a frozen dataclass looks up its own annotations
spec.loader.exec_module(tool)

STORED = sorted(path.stem for path in tool.RESULTS.glob("*.json"))


def words(split: str, n: int = 40) -> datasets.SpokenDigits:
    return datasets.shd_like(split, n=n, n_events=200)


# -- what is stored --------------------------------------------------------------------------------


def test_every_stored_file_is_of_a_baseline_that_exists():
    assert set(STORED) <= set(tool.BASELINES)
    assert len(STORED) > 20


@pytest.mark.parametrize("name", STORED)
def test_a_stored_baseline_says_how_it_was_made(name):
    content, row = tool.head(name), tool.BASELINES[name]
    stored = tool.read(name)
    assert content == stored | {key: content[key] for key in ("task", "title", "input", "command")}
    assert content["command"] == f"python tools/baselines.py run {name}"
    assert content["epochs"] == row.epochs
    settings = [each["setting"] for each in content["tried"]]
    assert all(setting in row.settings for setting in settings)
    assert len({json.dumps(setting) for setting in settings}) == len(settings)
    for each in content["tried"]:
        assert 0 < each["val_acc"] <= 1
    seeds = [run["seed"] for run in content["runs"]]
    assert seeds == sorted(set(seeds))
    assert all(seed < row.seeds for seed in seeds)
    assert all(0 < run["test_acc"] <= 1 for run in content["runs"])
    if content["runs"]:
        assert content["data"]


@pytest.mark.parametrize("name", STORED)
def test_the_setting_is_the_one_that_is_best_on_validation_data(name):
    content, row = tool.read(name), tool.BASELINES[name]
    if not content["runs"]:
        pytest.skip("no run yet")
    if not content["tried"]:
        assert len(row.settings) == 1
        assert content["setting"] == row.settings[0]
        return
    assert content["setting"] == tool.preferred(row, content)
    assert len(content["tried"]) + len(tool.untried(name)) == len(row.settings)
    notes = "\n".join(tool.notes([name]))
    assert ("part of today's grid" in notes) == bool(tool.untried(name))


@pytest.mark.parametrize("name", [name for name in STORED if name.startswith("shd_")])
def test_on_spoken_digits_settings_are_chosen_on_held_out_speakers(name):
    content = tool.read(name)
    if content["tried"]:
        assert content["chosen_on"].endswith("training part, speakers 6 and 7")
    if content["runs"]:
        assert content["data"] == "SHD, rebuilt from the recordings, test part"


def test_networks_on_spoken_digits_are_of_the_size_of_the_spatial_ones():
    spatial = json.loads((ROOT / "results" / "shd" / "net_3.json").read_text())["parameters"]
    for kind, hidden, channels in (("gru", 109, 140), ("lif", 100, 700)):
        assert any(
            net == tool.WordNetwork(kind, hidden, channels)
            for net in (row.learn.__self__ for name, row in tool._shd() if hasattr(
                row.learn, "__self__"))
        )  # fmt: skip
        setting = tool.TRIED[kind][0]
        sizes = list(
            tool.count_parameters(tool.WordNetwork(kind, hidden, channels).make(setting, 20))
            .values()
        )  # fmt: skip
        assert sum(sizes[:-2]) == pytest.approx(spatial, rel=0.03)


@pytest.mark.parametrize(
    "name",
    [
        "digits_linear_values",
        "digits_majority",
        "toy_ttfs_linear_times",
        "toy_ttfs_linear_counts",
        "yinyang_linear_bins",
    ],
)
def test_a_stored_accuracy_is_met_again(name, tmp_path):
    content = tool.read(name)
    found = tool.BASELINES[name].learn(content["setting"], "test", 0, tmp_path)
    assert found.acc == pytest.approx(content["runs"][0]["test_acc"], abs=0.003)
    assert found.parameters == content["parameters"]
    assert found.data == content["data"]


def test_time_tells_more_than_counts_on_spoken_digits():
    counted, binned = (
        tool.read(f"shd_linear_{kind}")["runs"][0]["test_acc"] for kind in ("counts", "bins")
    )
    assert 0.5 < counted < binned - 0.15


def test_the_time_of_a_spike_tells_more_than_its_count():
    counted, timed = (
        tool.read(f"toy_ttfs_linear_{kind}")["runs"][0]["test_acc"] for kind in ("counts", "times")
    )
    assert counted < 0.55
    assert timed > 0.95


# -- features --------------------------------------------------------------------------------------


def two_samples() -> Events:
    times = torch.tensor([0.0, 4.9, 5.0, 12.0, 2.0])
    units = torch.tensor([0, 3, 3, 1, 2]).int()
    return Events(times, units, torch.tensor([0, 4, 5]), (4,))


def test_frames_count_spikes_of_neighbouring_channels_in_steps():
    counts = tool.frames(two_samples(), 2, 10.0, 2)  # the spike at 12 ms is too late
    assert counts.tolist() == [[[1, 1], [1, 0][::-1]], [[0, 1], [0, 0]]]


def test_counts_in_bins_are_those_of_the_frames():
    events = words("train")[:][0]
    frames = tool.frames(events, 10, 1400.0, 70)
    flat = tool.counts(events, 10, 1400.0, 70)
    assert flat.shape == (len(events), 700)
    assert np.array_equal(flat.toarray(), frames.transpose(0, 1).flatten(1).numpy())
    assert flat.sum() == len(events.times)


def test_spike_trains_in_bins_keep_all_spikes():
    spikes = torch.zeros(6, 1, 2)
    spikes[[0, 1, 5], 0, [1, 1, 0]] = 1.0
    assert tool.in_bins(spikes, 3).tolist() == [[0, 2, 0, 0, 1, 0]]
    assert tool.in_bins(spikes, 1).tolist() == [[1, 2]]


def test_deviations_are_those_of_the_columns():
    x = np.array([[0.0, 10.0], [2.0, 10.0], [4.0, 10.0]])
    assert tool.deviations(x) == pytest.approx(x.std(0))
    assert tool.deviations(tool.csr_matrix(x)) == pytest.approx(x.std(0))


def test_a_read_out_sees_features_of_equal_spread(tmp_path):
    """A feature in another unit is as important as before only where each is scaled."""
    g = torch.Generator().manual_seed(0)
    y = torch.arange(80) % 2
    noise = torch.randn(80, generator=g)
    x = torch.stack([0.001 * (y + 0.3 * torch.randn(80, generator=g)), noise], 1)
    learn = tool.linear(lambda on, seed: ((x, y), (x, y), "made"))
    together, each = (
        learn({"C": 0.01, "scale": scale}, "val", 0, tmp_path).acc for scale in ("all", "each")
    )
    assert each > 0.9
    assert together < 0.75


def test_yin_yang_spikes_keep_their_times_in_steps():
    spikes = tool.yinyang_steps(torch.tensor([[0.0, 0.5, 1.0, 0.24]]))
    assert spikes.shape == (tool.YINYANG_STEPS, 1, 4)
    assert spikes.argmax(0).tolist() == [[0, 20, 40, 10]]
    assert spikes.sum() == 4


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("toy_rate", (32 + 1) * 128 + (128 + 1) * 2),  # train_toy.py
        ("toy_ttfs", (32 + 1) * 128 + (128 + 1) * 2),
        ("yinyang", 2 * (4 + 3) * 30),  # train_yinyang.py --net inf --hidden 30: weights and delays
    ],
)
def test_recurrent_networks_have_about_as_many_parameters_as_ours(name, size):
    for kind in ("gru", "lif"):
        assert tool.read(f"{name}_{kind}")["parameters"] == pytest.approx(size, rel=0.04)


def test_a_draw_is_four_fifths_and_differs_by_seed():
    assert len(tool.drawn(900, 0)) == 720
    assert len(set(tool.drawn(900, 0).tolist())) == 720
    assert not torch.equal(tool.drawn(900, 0), tool.drawn(900, 1))


def test_shuffling_keeps_the_weights_of_each_map():
    weight = torch.arange(24.0).view(2, 3, 2, 2)
    shuffled = weight.clone()
    tool.shuffle_(shuffled, torch.Generator().manual_seed(0))
    assert not torch.equal(shuffled, weight)
    assert torch.equal(shuffled.flatten(1).sort().values, weight.flatten(1))


# -- learners --------------------------------------------------------------------------------------


def test_thresholds_of_shuffled_layers_are_multiplied(tmp_path):
    learn = tool.BASELINES["digits_shuffled"].learn
    chosen = json.loads((tool.RESULTS / "digits_shuffled.json").read_text())["setting"]
    right, silent = (
        learn({"thresholds": factor}, "val", 0, tmp_path).acc
        for factor in (chosen["thresholds"], 1000.0)
    )
    assert right > 0.9
    assert silent < 0.2  # no spike reaches the second layer


def test_the_most_frequent_class_is_that_of_the_training_part(monkeypatch, tmp_path):
    def part(labels):
        return datasets.ArrayDataset(torch.zeros(len(labels), 1), torch.tensor(labels), 3, "made")

    monkeypatch.setattr(tool, "parts", lambda name, on: (part([0, 2, 2]), part([0, 0, 0, 2])))
    assert tool.majority("made")({}, "test", 0, tmp_path).acc == 0.25


def test_the_penalty_of_a_linear_read_out_matters(tmp_path):
    x = torch.randn(60, 5, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] > 0).long()
    learn = tool.linear(lambda on, seed: ((x[:40], y[:40]), (x[40:], y[40:]), "made"))
    loose, tight = (learn({"C": c}, "val", 0, tmp_path) for c in (100.0, 1e-6))
    assert loose.acc > 0.9
    assert loose.train_acc == 1.0
    assert tight.train_acc < 1.0
    assert loose.parameters == 6
    assert loose.data == "made"


def test_a_network_learns_and_its_read_out_is_counted_apart(tmp_path):
    x = torch.rand(200, 4, generator=torch.Generator().manual_seed(0))
    made = datasets.ArrayDataset(x, (x[:, 0] > x[:, 1]).long(), 2, "made")
    learn = tool.network(
        tool.rectifiers(8), lambda on, seed: (made, made), epochs=20, batch_size=20
    )
    found = learn({"lr": 0.03}, "test", 0, tmp_path)
    assert found.acc > 0.9
    assert (found.parameters, found.without_readout) == (5 * 8 + 9 * 2, 5 * 8)


@pytest.mark.slow
@pytest.mark.parametrize("kind", tool.TRIED)
def test_each_network_on_words_learns(kind):
    train, test = words("train", 240), words("test", 60)
    net = tool.WordNetwork(kind, 30, 70, Augmentation())
    setting = tool.TRIED[kind][0] | {"lr": 0.02, "dropout": 0.0}
    found = net.train(setting, train, test, epochs=15, seed=0)
    assert found.train_acc > 0.15  # guessing: 0.05
    assert 0 <= found.acc <= 1
    assert found.data == test.source


def test_only_training_words_are_changed_and_each_time_in_another_way():
    events = words("train")[:4][0]
    net = tool.WordNetwork("gru", 4, 140)
    g = torch.Generator().manual_seed(0)
    first, second = (net.encode(events, g, training=True) for _ in range(2))
    assert first.shape == (140, 4, 140)
    assert not torch.equal(first, second)
    plain = net.encode(events, g, training=False)
    assert torch.equal(plain, tool.frames(events, 140, 1400.0, 140))
    as_they_are = tool.WordNetwork("gru", 4, 140, Augmentation())
    assert torch.equal(as_they_are.encode(events, g, training=True), plain)


def test_words_look_to_a_baseline_as_they_do_to_train_shd(monkeypatch):
    """The inputs, their scale and the changes of the training words are those of the demo."""
    args = tool.train_shd.make_parser().parse_args(["--dataset", "shd"])
    net = tool.BASELINES["shd_gru_recipe"].learn.__self__
    part, g = words("train", 40), torch.Generator().manual_seed(0)
    on_grid = tool.train_shd.in_steps(part, args.dt, tool.train_shd.duration(args), None)
    theirs = torch.log1p(on_grid[:8][0].frames(args.pool))
    assert torch.equal(net.encode(part[:8][0], g, training=False), theirs)
    augmentation = tool.train_shd.augmentation(args)
    assert (net.augmentation, net.batch_size, net.epochs) == (augmentation, args.batch_size, 60)
    changed = net.encode(part[:8][0], g, training=True)
    g.manual_seed(0)
    events = on_grid.batch(torch.arange(8), augmentation, g)[0]
    assert torch.equal(changed, torch.log1p(events.frames(args.pool)))

    factors = []
    monkeypatch.setattr(
        tool.WordNetwork, "train", lambda self, *args, **options: factors.append(self.factors)
    )
    net.train(tool.TRIED["gru"][0], part, part, epochs=1, seed=0)
    network = tool.train_shd.make_network(args, 140, 20)
    encode = lambda events, _: torch.log1p(events.frames(args.pool))  # noqa: E731
    network.equalise_(tool.train_shd.spread_of(on_grid, encode), args.equalise)
    assert torch.tensor(factors[0]).tolist() == network.scale.tolist()
    scaled = tool.replace(net, factors=factors[0]).encode(part[:8][0], g, training=False)
    assert torch.equal(scaled, theirs * network.scale)


@pytest.mark.parametrize("kind", ["gru_large", "lif_large", "gru_recipe", "lif_recipe"])
def test_larger_networks_on_words_have_as_many_parameters_as_train_shd(kind):
    args = tool.train_shd.make_parser().parse_args(["--dataset", "shd", "--hidden", "240", "240"])
    size = sum(tool.count_parameters(tool.train_shd.make_network(args, 140, 20)).values())
    row = tool.BASELINES[f"shd_{kind}"]
    network = row.learn.__self__.make(row.settings[0], 20)
    assert sum(tool.count_parameters(network).values()) == pytest.approx(size, rel=0.01)


def test_recurrence_is_what_the_kinds_differ_in():
    setting = tool.TRIED["lif"][0]
    layers = {
        kind: tool.WordNetwork(kind, 6, 70).make(setting, 20).neurons[0]
        for kind in ("lif", "feedforward")
    }
    assert layers["lif"].recurrent == 6
    assert layers["feedforward"].recurrent is None
    assert layers["lif"].params == layers["feedforward"].params
    assert all(layer.params.dt == tool.DT for layer in layers.values())


@pytest.mark.slow
def test_a_run_that_was_interrupted_ends_as_if_it_had_not_been(tmp_path, monkeypatch):
    train, test = words("train", 96), words("test", 20)
    net, setting = tool.WordNetwork("lif", 8, 70), tool.TRIED["lif"][0]
    whole = net.train(setting, train, test, epochs=2, seed=1)
    schedule = tool.cosine
    monkeypatch.setattr(tool, "cosine", lambda step, n: schedule(step, 6))  # as of two epochs
    net.train(setting, train, test, epochs=1, seed=1, folder=tmp_path)
    assert (tmp_path / "checkpoint_latest.pt").exists()
    resumed = net.train(setting, train, test, epochs=2, seed=1, folder=tmp_path)
    assert resumed == whole


def test_a_gru_reads_all_steps():
    torch.manual_seed(0)
    model = tool.GRUClassifier(3, 4, 2).eval()
    x = torch.rand(5, 2, 3)
    states, _ = model.hidden(x)
    assert torch.allclose(model(x), nn.functional.linear(
        states.mean(0), model.output.weight, model.output.bias))  # fmt: skip


# -- runs and tables -------------------------------------------------------------------------------


@pytest.fixture
def made(monkeypatch, tmp_path):
    """One baseline with three settings, of which the second is the best."""
    calls = []

    def learn(setting, on, seed, folder):
        calls.append((setting["a"], on, seed))
        acc = {1: 0.5, 2: 0.75, 3: 0.625}[setting["a"]] + seed / 64
        return tool.Outcome(acc, 1.0, 7, 5, f"made, {on}")

    rows = {
        "toy_made": tool.Baseline("toy", "made", "numbers", learn, tool.grid(a=(1, 2, 3)), 2),
        "toy_single": tool.Baseline("toy", "single", "numbers", learn, ({"a": 2},)),
    }
    monkeypatch.setattr(tool, "BASELINES", rows)
    monkeypatch.setattr(tool, "RESULTS", tmp_path / "results")
    return calls


def test_settings_are_chosen_on_validation_data_and_tests_are_made_once(made):
    tool.run(["toy_made", "toy_single"], None)
    assert made[:3] == [(1, "val", 0), (2, "val", 0), (3, "val", 0)]
    assert sorted(made[3:]) == [(2, "test", 0), (2, "test", 0), (2, "test", 1)]
    content = tool.read("toy_made")
    assert content["setting"] == {"a": 2}
    assert content["chosen_on"] == "made, val"
    assert content["data"] == "made, test"
    assert [run["test_acc"] for run in content["runs"]] == [0.75, 0.7656]
    assert tool.read("toy_single")["tried"] == []
    del made[:]
    tool.run(["toy_made", "toy_single"], None)
    assert made == []
    assert tool.missing("toy_made") == []


def test_runs_of_other_settings_are_not_mixed(made):
    tool.run(["toy_made"], 1)
    content = tool.read("toy_made")
    content["tried"][0]["setting"] = {"a": 4}
    tool.store("toy_made", content)
    with pytest.raises(SystemExit, match="other settings"):
        tool.run(["toy_made"], 2)


def test_a_setting_that_turns_out_better_later_is_reported(made):
    tool.run(["toy_made"], 1)
    content = tool.read("toy_made")
    content["tried"][0]["val_acc"] = 0.99
    tool.store("toy_made", content)
    with pytest.raises(SystemExit, match="now the best"):
        tool.run(["toy_made"], 2)


def test_of_equally_good_settings_the_first_in_the_grid_is_preferred(made):
    row = tool.BASELINES["toy_made"]
    tried = [{"setting": {"a": a}, "val_acc": acc} for a, acc in ((3, 0.9), (2, 0.9), (1, 0.5))]
    assert tool.preferred(row, {"tried": tried}) == {"a": 2}


def test_a_grid_that_grows_does_not_change_what_stored_runs_claim(made, monkeypatch):
    tool.run(["toy_made"], None)
    before = tool.table(["toy_made"])
    assert "grid" not in before
    row = tool.BASELINES["toy_made"]
    monkeypatch.setitem(
        tool.BASELINES, "toy_made", tool.replace(row, settings=(*row.settings, {"a": 4}))
    )
    assert tool.untried("toy_made") == [{"a": 4}]
    assert tool.untried("toy_single") == []
    note = "*Chosen from a part of today's grid: toy, made, numbers (3 of 4 settings).*"
    assert tool.table(["toy_made"]) == f"{before}\n\n{note}"
    content = tool.read("toy_made")
    tool.store("toy_made", content | {
        "tried": [*content["tried"], {"setting": {"a": 4}, "val_acc": 0.99}]
    })  # fmt: skip
    assert "*Another setting, tried after" in tool.table(["toy_made"])
    assert "part of today's grid" not in tool.table(["toy_made"])


def test_missing_settings_are_tried_even_if_all_runs_exist(made, monkeypatch):
    tool.run(["toy_made"], None)
    row = tool.BASELINES["toy_made"]
    monkeypatch.setitem(
        tool.BASELINES, "toy_made", tool.replace(row, settings=({"a": 1}, {"a": 2}, {"a": 3}))
    )
    content = tool.read("toy_made")
    tool.store("toy_made", content | {"tried": content["tried"][1:]})
    del made[:]
    tool.run(["toy_made"], None)
    assert made == [(1, "val", 0)]


def test_settings_at_the_edge_of_the_grid_are_named(made):
    tried = tool.grid(C=(0.1, 1.0, 10.0), scale=("all", "each"), dropout=(0.0, 0.3))
    edge = tool.at_edge({"C": 10.0, "scale": "all", "dropout": 0.0}, tried)
    assert edge == ["C = 10, the highest"]
    assert tool.at_edge({"C": 1.0, "scale": "all", "dropout": 0.3}, tried) == [
        "dropout = 0.3, the highest"
    ]
    tool.run(["toy_made"], None)
    content = tool.read("toy_made")
    for each in content["tried"]:
        each["val_acc"] = 0.5
    tool.store("toy_made", content | {"setting": {"a": 1}})
    note = "toy, made, numbers (a = 1, the lowest, as good as 2 others)"
    assert tool.notes(["toy_made"]) == ["", f"*Chosen at the edge of the grid: {note}.*"]


def test_a_row_shows_mean_and_spread(made):
    tool.run(["toy_made", "toy_single"], None)
    *_, first, second = tool.table(["toy_made", "toy_single", "toy_missing"]).splitlines()
    assert first == "| toy | made | numbers | 7 | 75.8 ± 1.1 | 2 |"
    assert second == "| toy | single | numbers | 7 | 75.0 | 1 |"


def test_a_page_is_filled_between_its_markers_and_nowhere_else():
    page = (
        "before\n<!-- baselines: published -->\nold\n<!-- end of baselines: published -->\nafter\n"
    )
    filled = tool.filled(page)
    assert filled.startswith("before\n<!-- baselines: published -->\n| published for SHD |")
    assert filled.endswith("|\n<!-- end of baselines: published -->\nafter\n")
    assert "old" not in filled
    assert tool.filled(filled) == filled
    with pytest.raises(SystemExit, match="wrong is not a table"):
        tool.filled("<!-- baselines: wrong -->")
    with pytest.raises(SystemExit, match="not closed"):
        tool.filled("<!-- baselines: published -->")


def test_the_results_page_shows_what_is_stored():
    text = tool.PAGE.read_text(encoding="utf-8")
    if not re.search(r"<!-- baselines: ", text):
        pytest.skip("the page has no markers for baselines")
    assert tool.filled(text) == text


def test_every_baseline_has_its_place_in_a_table():
    shown = tool._names(tool._toy, tool._pictures, tool._stdp, tool._yinyang, tool._shd)
    assert sorted(shown) == sorted(tool.BASELINES)
    text = "\n".join(make() for make in tool.TABLES.values())
    for name in STORED:
        content = tool.read(name)
        if content["runs"] and not name.startswith("yinyang_relu"):
            assert content["title"] in text


def test_names_are_of_baselines_or_of_data_sets():
    assert tool.named(["toy_rate_relu"]) == ["toy_rate_relu"]
    assert all(name.startswith("digits_") for name in tool.named(["digits"]))
    assert len(tool.named(["digits"])) > 3
    assert tool.named([]) == list(tool.BASELINES)


def test_a_recurrent_spiking_network_learns_the_order_of_its_inputs(tmp_path):
    """Two classes with equal counts: only the order of the steps differs."""
    order = torch.arange(80) % 2
    x = torch.zeros(80, 2, 12)
    x[order == 0, 0, :4] = x[order == 0, 1, 8:] = 1.0
    x[order == 1, 1, :4] = x[order == 1, 0, 8:] = 1.0
    made = datasets.ArrayDataset(x, order, 2, "made")
    learn = tool.network(
        lambda _, setting: tool.lif_network(2, 16, 2, setting["tau"], 1.0),
        lambda on, seed: (made, made), epochs=30, batch_size=20, optimizer=tool.fast_readout,
        encode=lambda x, generator: x.permute(2, 0, 1),
    )  # fmt: skip
    found = learn({"lr": 0.01, "tau": 5.0}, "test", 0, tmp_path)
    assert found.acc > 0.9
    assert found.parameters == (2 + 1 + 16) * 16 + (16 + 1) * 2  # with recurrent synapses
