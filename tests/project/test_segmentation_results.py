"""The kept results of segmentation: what the guide shows, and how its numbers are made."""

import json
import math
import runpy

import numpy as np
import pytest
import torch

from conftest import ROOT, in_use
from jarvis import datasets
from jarvis.stdp.spikeseg.segmentation import iou

SATELLITES = runpy.run_path(str(ROOT / "tools" / "segmentation_study.py"))
FIGURES = runpy.run_path(str(ROOT / "tools" / "figure_study.py"))
RESULTS = ROOT / "results" / "segmentation"
GUIDE = (ROOT / "docs" / "spikeseg.md").read_text(encoding="utf-8")


def kept(name: str) -> dict:
    path = RESULTS / f"{name}.json"
    if not path.exists():
        pytest.skip(f"{name}: no run yet")
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("study", "name"),
    [(SATELLITES, "segmentation"), (FIGURES, "figures")],
    ids=("satellites", "figures"),
)
def test_the_guide_shows_the_kept_runs(study, name):
    shown = GUIDE.split(f"<!-- {name}: begin -->")[1].split(f"<!-- {name}: end -->")[0]
    assert shown.strip() == study["table"]()


@pytest.mark.parametrize("name", SATELLITES["METHODS"])
def test_a_method_on_satellites_says_what_was_measured(name):
    study = SATELLITES["METHODS"][name]
    content = kept(f"satellites_{name}")
    assert content["title"] == study.title
    assert content["command"] == SATELLITES["command"](name)
    assert content["data"] == "generated, test split"
    assert content["grid"] == {option: list(values) for option, values in study.grid.items()}
    assert content["scenes"] == SATELLITES["SCENES"]
    measured = [row["noise"] for row in content["results"]]
    assert measured == sorted(measured)
    assert set(measured) <= set(study.noise)
    for row in content["results"]:
        assert len(row["blocks"]) == SATELLITES["N_BLOCKS"]
        assert len(row["networks"]) == study.networks
        answers = SATELLITES["answers"](name, row["noise"])
        assert len(answers) == study.networks
        for key, (low, high) in row["interval"].items():
            assert 0 <= low <= row["test"][key] <= high <= 1
            assert high - low > 0.01
            for found, network in zip(answers, row["networks"], strict=True):
                values = [value for scene in found[key] for value in scene]
                assert network[key] == pytest.approx(sum(values) / len(values), abs=1e-4)
            means = [network[key] for network in row["networks"]]
            assert row["test"][key] == pytest.approx(sum(means) / len(means), abs=2e-4)


def test_the_detectors_defaults_are_what_the_validation_scenes_chose():
    chosen = kept("satellites_density")["results"][0]["chosen"]
    assert chosen == {"least": 3, "width": 3, "smallest": 30}


@pytest.mark.parametrize("name", FIGURES["METHODS"])
def test_a_method_on_figures_says_how_it_was_chosen(name):
    title, told, _, grid, seeds = FIGURES["METHODS"][name]
    content = kept(f"figures_{name}")
    assert (content["title"], content["told"]) == (title, told)
    assert content["command"] == f"python tools/figure_study.py run {name}"
    assert content["scenes"] == FIGURES["SIZES"]
    assert content["data"] == datasets.figures("test", n=1).source
    assert [run["seed"] for run in content["runs"]] == list(seeds)
    assert len(content["tried"]) == math.prod(len(values) for values in grid.values())
    best = max(content["tried"], key=lambda row: row["val_acc"])
    assert {k: v for k, v in best.items() if k != "val_acc"} == content["chosen"]
    for run in content["runs"]:
        assert run["test_acc"] == pytest.approx(sum(run["test_by_kind"]) / 3, abs=1e-3)


@pytest.mark.parametrize(
    ("lesson", "method", "prefix"),
    [
        ("404_segmentation", "satellites_notebook", ""),
        ("405_counting_events", "satellites_notebook", "network_"),
        ("405_counting_events", "satellites_density", "detector_"),
    ],
)
def test_the_lessons_measure_the_first_block_of_the_kept_runs(lesson, method, prefix):
    """The same network, seed and scenes: 150 scenes at a noise of 0.5 %."""
    path = ROOT / "notebooks" / "results" / f"{lesson}.json"
    measured = json.loads(path.read_text(encoding="utf-8"))
    (row,) = (row for row in kept(method)["results"] if row["noise"] == 0.005)
    for key in SATELLITES["FIGURES"]:
        scale = 1 if key == "mean_iou" else 100
        assert measured[prefix + key] == pytest.approx(scale * row["blocks"][0][key], abs=0.01)


def test_the_lesson_on_figures_measures_the_first_kept_run():
    path = ROOT / "notebooks" / "results" / "405_counting_events.json"
    measured = json.loads(path.read_text(encoding="utf-8"))
    for name in FIGURES["METHODS"]:
        runs = [run["test_acc"] for run in kept(f"figures_{name}")["runs"]]
        assert measured[name] == pytest.approx(100 * sum(runs) / len(runs), abs=0.01)
    first = kept("figures_stdp")["runs"][0]["test_acc"]
    assert measured["known"] == pytest.approx(100 * first, abs=0.01)


def answers(*shares: tuple[str, str], ious: list[list[float]]) -> list[dict]:
    """Answers of networks with equal IoUs, and given bits for pairs and for false alarms."""
    names = SATELLITES["FIGURES"][1:]
    return [
        {"mean_iou": ious}
        | {k: [[float(b)] for b in bits] for k, bits in zip(names, each, strict=True)}
        for each in shares
    ]


def test_an_interval_of_equal_answers_is_wilsons():
    always = answers(("1" * 150, "0" * 150), ious=[[0.5], [0.7, 0.9]])
    found = SATELLITES["intervals"](always)
    assert found["false_alarms"] == pytest.approx([0.0, 0.025], abs=1e-3)
    assert found["two_instances"] == pytest.approx([0.975, 1.0], abs=1e-3)
    assert found["mean_iou"] == pytest.approx([0.7 - 0.2 / 1.5, 0.7 + 0.2 / 1.5], abs=1e-4)


def test_an_interval_contains_the_spread_between_networks():
    """Three networks that answer alike leave only the scenes to differ."""
    half = "01" * 75
    alike = answers(*[(half, half)] * 3, ious=[[0.5]])
    apart = answers(("0" * 150, half), (half, half), ("1" * 150, half), ious=[[0.5]])
    alike, apart = (SATELLITES["intervals"](each)["two_instances"] for each in (alike, apart))
    assert alike == pytest.approx(FIGURES["wilson"](0.5, 150), abs=0.01)
    assert apart[1] - apart[0] > 2 * (alike[1] - alike[0])


def test_differences_are_computed_scene_by_scene():
    hard = ["0" * 75 + "1" * 75, "0" * 70 + "1" * 80]  # five scenes differ
    (a,), (b,) = (answers((bits, "0" * 150), ious=[[0.5], [0.7, 0.9]]) for bits in hard)
    found = SATELLITES["differences"]([b], [a])
    mean, low, high = found["two_instances"]
    assert mean == pytest.approx(5 / 150, abs=1e-4)
    assert 0 < low < mean < high < 0.07  # one share alone is uncertain by 0.08 to both sides
    assert found["mean_iou"][0] == 0
    assert found["false_alarms"] == pytest.approx([0.0, -0.025, 0.025], abs=1e-3)
    three = [a | {"mean_iou": [[0.5 + x], [0.7 + x, 0.9 + x]]} for x in (0.0, 0.1, 0.2)]
    mean, low, high = SATELLITES["differences"](three, [a])["mean_iou"]
    assert mean == pytest.approx(0.1)
    assert 0 <= low < 0.05 < 0.15 < high <= 0.2  # networks are drawn as well


def test_answers_are_stored_and_read_again(tmp_path, monkeypatch):
    rows = [
        {"mean_iou": [], "two_instances": [], "false_alarms": [True]},
        {"mean_iou": [0.25], "two_instances": [], "false_alarms": []},
        {"mean_iou": [0.5, 1.0], "two_instances": [False], "false_alarms": []},
    ]
    make = SATELLITES["make"]
    packed = {"noise": 0.02, "seed": 0} | SATELLITES["packed"](SATELLITES["by_figure"](rows))
    measured = []

    def measure(name, noise):
        measured.append(noise)
        return {"noise": noise, "test": {}}, [packed | {"noise": noise}]

    monkeypatch.setitem(make.__globals__, "RESULTS", tmp_path)
    monkeypatch.setitem(make.__globals__, "measure", measure)
    for noise in (0.02, 0.01, 0.02):
        make("density", noise)
    assert measured == [0.02, 0.01]
    content = SATELLITES["kept"]("density")
    assert [row["noise"] for row in content["results"]] == [0.01, 0.02]
    (found,) = SATELLITES["answers"]("density", 0.02)
    assert found == {
        "mean_iou": [[0.25], [0.5, 1.0]], "two_instances": [[0.0]], "false_alarms": [[1.0]]
    }  # fmt: skip
    monkeypatch.setitem(make.__globals__, "SCENES", {"val": 45, "test": 900})
    with pytest.raises(SystemExit, match="another grid or other scenes"):
        make("density", 0.04)


def test_one_network_is_measured_on_all_blocks_and_shown_on_its_own(monkeypatch):
    measure, methods = SATELLITES["measure"], SATELLITES["METHODS"]
    for name, value in (("BLOCK", 3), ("N_BLOCKS", 2), ("SCENES", {"val": 3, "test": 6})):
        monkeypatch.setitem(measure.__globals__, name, value)

    def tuned(noise, again):  # network 0 finds nothing, network 1 a false object
        return (
            {"chosen": {}},
            lambda seed: (
                lambda events: [
                    [torch.ones(10, 128, 128, dtype=torch.bool)] * seed for _ in range(len(events))
                ]
            ),
        )

    monkeypatch.setitem(
        methods, "guide", methods["guide"]._replace(make=tuned, networks=2)
    )  # fmt: skip
    row, found = measure("guide", 0.005)
    assert [each["false_alarms"] for each in row["networks"]] == [0.0, 1.0]
    assert [each["false_alarms"] for each in row["blocks"]] == [0.0, 1.0]
    assert row["test"]["false_alarms"] == 0.5
    assert [(each["seed"], each["false_alarms"]) for each in found] == [(0, "00"), (1, "11")]


def test_a_study_in_progress_is_not_disturbed(tmp_path, monkeypatch, capsys):
    for study in (SATELLITES, FIGURES):
        main = study["main"]
        monkeypatch.setitem(main.__globals__, "RESULTS", tmp_path)
        monkeypatch.setattr("sys.argv", ["study", "run", "density"])
        monkeypatch.setitem(main.__globals__, "make", lambda *job: pytest.fail("not locked"))
        with in_use(tmp_path), pytest.raises(SystemExit):
            main()
        assert "in use" in capsys.readouterr().err


def test_means_and_bootstrap_by_hand():
    rows = [
        {"mean_iou": [], "two_instances": [], "false_alarms": [True]},
        {"mean_iou": [0.2], "two_instances": [], "false_alarms": []},
        {"mean_iou": [0.6, 1.0], "two_instances": [True], "false_alarms": []},
    ]
    found = SATELLITES["means"](rows)
    assert found == pytest.approx({"mean_iou": 0.6, "two_instances": 1.0, "false_alarms": 1.0})
    sums, sizes = SATELLITES["per_scene"]([SATELLITES["by_figure"](rows)], "mean_iou")
    assert sums == pytest.approx(np.array([[0.2, 1.6]]))
    assert sizes.tolist() == [1, 2]
    mean, low, high = SATELLITES["between"](sums, sizes)
    assert mean == pytest.approx(0.6)
    # linearised: 0.6 + (0.2 - 0.6) / 1.5, and 0.6 + (1.6 - 1.2) / 1.5
    assert (low, high) == pytest.approx((0.6 - 0.4 / 1.5, 0.6 + 0.4 / 1.5))
    assert SATELLITES["worth"](found) == pytest.approx(0.6)


def test_scenes_are_scored_as_by_scene_score():
    events, truth = SATELLITES["scenes_of"]("test", 3, 0.005)
    assert [len(masks) for masks in truth] == [0, 1, 2]
    answers = [[truth[1][0]], [truth[1][0]], [truth[2][1], truth[2][0]]]
    rows = SATELLITES["score"](lambda events: answers, events, truth)
    assert [row["mean_iou"] for row in rows] == [[], [1.0], [1.0, 1.0]]
    assert [row["two_instances"] for row in rows] == [[], [], [True]]
    assert [row["false_alarms"] for row in rows] == [[True], [], []]
    both = truth[2][0] | truth[2][1]
    rows = SATELLITES["score"](lambda events: [[], [], [both]], events, truth)
    best = max(iou(both, mask) for mask in truth[2])
    assert [sorted(row["mean_iou"]) for row in rows] == [[], [0.0], [0.0, best]]
    assert rows[2]["two_instances"] == [False]
    assert rows[0]["false_alarms"] == [False]


def perfect(data) -> torch.Tensor:
    """Scores that know the answer: 1 at the figure of a kind, 0 elsewhere."""
    scores = torch.zeros(len(data), 3, 24, 24)  # the first map means nothing
    for i, (kind, centre) in enumerate(zip(data.kinds.tolist(), data.centres, strict=True)):
        if kind:
            y, x = (centre / 2).long().tolist()
            scores[i, kind, y, x] = 1.0
    return scores


def test_perfect_scores_are_right_and_empty_ones_are_a_third():
    data = {split: datasets.figures(split, n=12) for split in ("train", "val", "test")}
    maps = FIGURES["Maps"](*map(perfect, data.values()))
    found = FIGURES["measure"](maps, data)
    assert found["maps"] == [1, 2]
    assert (found["val_acc"], found["test_acc"]) == (1.0, 1.0)
    moved = FIGURES["Maps"](*(part.roll((5, 5), (2, 3)) for part in maps))  # 10 pixels away
    assert FIGURES["measure"](moved, data)["test_acc"] <= 0.5
    swapped = FIGURES["Maps"](maps.train, maps.val, maps.test[:, [0, 2, 1]])
    assert FIGURES["measure"](swapped, data)["test_by_kind"] == [1.0, 0.0, 0.0]


def test_scores_that_know_nothing_never_do_worse_than_none_on_validation_scenes():
    data = {split: datasets.figures(split, n=12) for split in ("train", "val", "test")}
    opposite = FIGURES["Maps"](*(-perfect(part) for part in data.values()))  # highest elsewhere
    found = FIGURES["measure"](opposite, data)
    assert (found["val_acc"], found["threshold"]) == (0.3333, None)
    assert (found["test_acc"], found["test_by_kind"]) == (0.3333, [1.0, 0.0, 0.0])


def test_runs_from_other_grids_are_not_mixed_and_missing_seeds_are_added(tmp_path, monkeypatch):
    make, methods = FIGURES["make"], FIGURES["METHODS"]
    sizes = dict.fromkeys(("train", "val", "test"), 12)
    monkeypatch.setitem(make.__globals__, "RESULTS", tmp_path)
    monkeypatch.setitem(make.__globals__, "SIZES", sizes)
    made = []

    def method(data, sign, seed):
        made.append((sign, seed))
        return FIGURES["Maps"](*(sign * perfect(part) for part in data.values()))

    title, told, _, _, _ = methods["density"]
    row = (title, told, method, {"sign": (-1, 1)}, range(1))
    monkeypatch.setitem(methods, "density", row)
    make("density")
    assert made == [(-1, 0), (1, 0), (1, 0)]
    del made[:]
    monkeypatch.setitem(methods, "density", (*row[:4], range(2)))
    make("density")
    assert made == [(1, 1)]
    content = FIGURES["kept"]("density")
    assert [run["seed"] for run in content["runs"]] == [0, 1]
    assert content["chosen"] == {"sign": 1}
    monkeypatch.setitem(methods, "density", (*row[:3], {"sign": (-1, 1, 2)}, range(2)))
    with pytest.raises(SystemExit, match="another grid"):
        make("density")


def test_wilsons_interval():
    low, high = FIGURES["wilson"](0.5, 100)
    assert (low, high) == pytest.approx((0.404, 0.596), abs=1e-3)
    assert FIGURES["wilson"](1.0, 10)[1] == pytest.approx(1.0)
