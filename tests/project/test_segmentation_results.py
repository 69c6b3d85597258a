"""The kept results of segmentation: what the guide shows, and how its numbers are made."""

import json
import math
import runpy

import pytest
import torch

from conftest import ROOT
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
    title, _, levels, _ = SATELLITES["METHODS"][name]
    content = kept(f"satellites_{name}")
    assert content["title"] == title
    assert content["command"] == SATELLITES["command"](name)
    measured = [row["noise"] for row in content["results"]]
    assert measured == sorted(measured)
    assert set(measured) <= set(levels)
    for row in content["results"]:
        assert len(row["blocks"]) == SATELLITES["N_BLOCKS"]
        for key, (low, high) in row["interval"].items():
            assert 0 <= low <= row["test"][key] <= high <= 1
            blocks = [block[key] for block in row["blocks"]]
            assert min(blocks) - 1e-4 <= row["test"][key] <= max(blocks) + 1e-4


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


def test_means_and_bootstrap_by_hand():
    rows = [
        {"mean_iou": [], "two_instances": [], "false_alarms": [True]},
        {"mean_iou": [0.2], "two_instances": [], "false_alarms": []},
        {"mean_iou": [0.6, 1.0], "two_instances": [True], "false_alarms": []},
    ]
    found = SATELLITES["means"](rows)
    assert found == pytest.approx({"mean_iou": 0.6, "two_instances": 1.0, "false_alarms": 1.0})
    between = SATELLITES["intervals"](rows)
    assert between["mean_iou"] == [0.2, 0.8]  # only the one scene, or only the other
    assert between["two_instances"] == [1.0, 1.0]
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


def test_wilsons_interval():
    low, high = FIGURES["wilson"](0.5, 100)
    assert (low, high) == pytest.approx((0.404, 0.596), abs=1e-3)
    assert FIGURES["wilson"](1.0, 10)[1] == pytest.approx(1.0)
