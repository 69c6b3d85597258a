"""Segmentation: SpikeSEG compared with a detector that learns nothing, on the same scenes.

python tools/segmentation_study.py                       # the table, in Markdown
python tools/segmentation_study.py write                 # insert it into docs/spikeseg.md
python tools/segmentation_study.py run                   # all missing runs
python tools/segmentation_study.py run density --noise 0.02

Each method is measured on the first 450 scenes of the test split, which are used once. A network is
trained three times, with seeds 0, 1 and 2, and each of the three networks finds objects in all 450
scenes; the detector has no seeds. The options in `METHODS` are chosen on the first 45 scenes of the
validation split. Three methods have no options there: the networks of lesson 404 ("notebook" and
"all_scenes") and the guide's network are used as they are, with constants that were set by hand
during development.

Intervals of 95 % come from a bootstrap that draws networks and scenes (`paired_interval`). Three
networks are few, so the part of an interval that is due to training is a rough estimate; the means
of each network are stored as well. An interval of a share is at least as wide as Wilson's interval
for the number of scenes, because a bootstrap of equal answers has no width. All methods see the
same scenes, so differences between methods are computed scene by scene.

Each method has one file in results/segmentation, with the answers to each scene. A method takes
minutes on one core.
"""

import argparse
import itertools
import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from jarvis import SpikeSEG, datasets
from jarvis.classroom.comparison import paired_interval
from jarvis.classroom.satellites import HOW, masks_by, trained_finder
from jarvis.encoding import Events
from jarvis.stdp import (
    LayerwiseRun,
    SegmentConfig,
    fit_layers,
    make_layers,
    make_spikeseg,
    match,
    read_recipe,
    segment_by_density,
)
from jarvis.support.files import (
    FolderInUseError,
    atomic_path,
    json_by_entry,
    locked,
    write_between,
)

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from figure_study import wilson  # noqa: E402

sys.path.pop(0)
RESULTS, PAGE = ROOT / "results" / "segmentation", ROOT / "docs" / "spikeseg.md"
START, END = "<!-- segmentation: begin -->", "<!-- segmentation: end -->"
#: The test scenes are found in blocks. Lessons 404 and 405 show network k on block k.
N_VAL, BLOCK, N_BLOCKS = 45, 150, 3
SCENES = {"val": N_VAL, "test": BLOCK * N_BLOCKS}
NOISE = (0.0, 0.005, 0.01, 0.02, 0.04)
#: The noise at which all methods are trained and tuned, except for those tuned at each level.
LEARNT = 0.005
FIGURES = ("mean_iou", "two_instances", "false_alarms")

#: The values from which the three parameters of `density` are chosen, on validation scenes.
DENSITY = {"least": (2, 3, 4, 6, 8), "width": (3, 5), "smallest": (30, 60)}
#: The values for the network of lesson 404: a factor for both thresholds, and spikes per instance.
NETWORK = {"factor": (1.0, 1.5, 2.0), "min_spikes": (4, 8)}
UNTRAINED = {"factor": (4.0, 8.0, 12.0, 16.0, 20.0, 24.0), "min_spikes": (8,)}

Masks = list[list[torch.Tensor]]
Method = Callable[[Events], Masks]
#: A network's answers: for each figure of merit, the values of each scene that has any.
Answers = dict[str, list[list[float]]]


@cache
def notebook_network(
    seed: int, noise: float, counts: tuple[int, ...] = (1, 2), factor: float = 1.0, epochs: int = 1
) -> SpikeSEG:
    """The network of lesson 404, with thresholds times `factor`; untrained if `epochs` is 0."""
    return trained_finder(seed, counts=counts, noise=noise, factor=factor, epochs=epochs)


@cache
def guide_network(seed: int) -> tuple[SpikeSEG, SegmentConfig]:
    """The network of demos/configs/satellites.yaml, made as in train_spikeseg.py."""
    recipe = read_recipe(ROOT / "demos" / "configs" / "satellites.yaml")
    scenes = datasets.satellites("train", n=recipe.samples or 500)
    layers = make_layers(recipe, 2, torch.Generator().manual_seed(seed))
    fit_layers(LayerwiseRun(layers, recipe, seed), scenes.events, log=lambda line: None)
    return make_spikeseg(recipe, layers), recipe.segment


def scenes_of(split: str, n: int, noise: float) -> tuple[Events, Masks]:
    """Scenes as events, and the true masks of each scene."""
    data = datasets.satellites(split, n=n, noise=noise)
    truth = [data.masks(i)[:, : int(data.n_satellites[i])].unbind(1) for i in range(n)]
    return data.events, [list(masks) for masks in truth]


def score(method: Method, events: Events, truths: Masks) -> list[dict]:
    """For each scene: each satellite's IoU, whether a pair is told apart, and any false alarm."""
    rows = []
    for found, truth in zip(method(events), truths, strict=True):
        pairs = match(found, truth)  # as in SceneScore, but without counting pixels
        ious = {j: iou for _, j, iou in pairs}
        row = {"mean_iou": [ious.get(j, 0.0) for j in range(len(truth))]}
        row["two_instances"] = [len(found) == len(pairs) == 2] if len(truth) == 2 else []
        row["false_alarms"] = [] if truth else [bool(found)]
        rows.append(row)
    return rows


def means(rows: list[dict]) -> dict[str, float]:
    """The means of the figures of merit over the scenes."""
    pooled = {name: [value for row in rows for value in row[name]] for name in FIGURES}
    return {name: float(np.mean(values)) if values else np.nan for name, values in pooled.items()}


def by_figure(rows: list[dict]) -> Answers:
    """The rows of `score`, sorted by figure of merit."""
    return {name: [row[name] for row in rows if row[name]] for name in FIGURES}


def per_scene(runs: Sequence[Answers], name: str) -> tuple[np.ndarray, np.ndarray]:
    """A figure of merit, summed over each scene, and the number of values in each scene.

    Args:
        runs: for each network, its answers to the same scenes.
        name: the figure.

    Returns:
        sums ``[networks, scenes]`` and sizes ``[scenes]``.
    """
    sums = np.array([[float(sum(values)) for values in found[name]] for found in runs])
    return sums, np.array([len(values) for values in runs[0][name]], dtype=float)


def between(sums: np.ndarray, sizes: np.ndarray) -> tuple[float, float, float]:
    """A mean over all values, with its interval from a bootstrap of networks and scenes.

    The mean is a ratio, because scenes contain different numbers of values. It is linearised, so
    that it becomes a mean over scenes (Cochran 1977, Sampling Techniques, chapter 6).
    """
    ratio = sums.sum() / (len(sums) * sizes.sum())
    values = ratio + (sums - ratio * sizes) / sizes.mean()
    found = paired_interval(values, np.zeros_like(values))
    return found.mean, found.low, found.high


def intervals(runs: Sequence[Answers]) -> dict[str, list[float]]:
    """A 95 % interval of each figure of merit; see the docstring of this file."""
    out = {}
    for name in FIGURES:
        sums, sizes = per_scene(runs, name)
        mean, low, high = between(sums, sizes)
        if name != "mean_iou":
            lowest, highest = wilson(mean, len(sizes))
            low, high = min(low, lowest), max(high, highest)
        out[name] = [round(max(low, 0.0), 4), round(min(high, 1.0), 4)]
    return out


def differences(a: Sequence[Answers], b: Sequence[Answers]) -> dict[str, list[float]]:
    """How much larger each figure of merit is for a than for b, with a 95 % interval.

    Args:
        a, b: for each network, its answers to the same scenes. If b has a single run, all networks
            of a are compared with it.

    Returns:
        the difference and the ends of its interval. If no scene differs in a share, the interval
        is that of the share of differing scenes, to both sides.
    """
    out = {}
    for name in FIGURES:
        sums, sizes = per_scene(a, name)
        difference = sums - per_scene(b, name)[0]
        mean, low, high = between(difference, sizes)
        if not difference.any():
            high = wilson(0.0, len(sizes))[1]
            low = -high
        out[name] = [round(value, 4) for value in (mean, low, high)]
    return out


def worth(figures: dict[str, float]) -> float:
    """The score for choosing settings: IoU and pairs add to it, false alarms subtract from it."""
    return figures["mean_iou"] + figures["two_instances"] - figures["false_alarms"]


def best(grid: dict, make: Callable[..., Method], noise: float) -> dict:
    """The point of a grid that is best on the validation scenes, and its figures of merit there."""
    val = scenes_of("val", N_VAL, noise)
    tried = []
    for values in itertools.product(*grid.values()):
        chosen = dict(zip(grid, values, strict=True))
        tried.append((means(score(make(**chosen), *val)), chosen))
    figures, chosen = max(tried, key=lambda pair: worth(pair[0]))
    return {"chosen": chosen, "val": rounded(figures)}


def rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in figures.items()}


def density(least: int, width: int, smallest: int) -> Method:
    return lambda events: segment_by_density(events, least=least, width=width, smallest=smallest)


def network_at(noise: float, **options) -> Callable[..., Method]:
    """Return a function that turns settings into a segmentation method: the network of lesson 404,
    trained with seed 0 at this noise level.
    """
    return lambda factor, min_spikes: masks_by(
        notebook_network(0, noise, factor=factor, **options), replace(HOW, min_spikes=min_spikes)
    )


@cache
def density_setting(noise: float) -> dict:
    return best(DENSITY, density, noise)


def set_density(noise: float, again: bool) -> tuple[dict, Callable[[int], Method]]:
    setting = density_setting(noise if again else LEARNT)
    return setting, lambda seed: density(**setting["chosen"])


def set_notebook(noise: float, again: bool) -> tuple[dict, Callable[[int], Method]]:
    if not again:
        return {"chosen": {}}, lambda seed: masks_by(notebook_network(seed, LEARNT), HOW)
    setting = best(NETWORK, network_at(noise), noise)
    factor, min_spikes = setting["chosen"].values()
    how = replace(HOW, min_spikes=min_spikes)
    return setting, lambda seed: masks_by(notebook_network(seed, noise, factor=factor), how)


def set_all_scenes(noise: float, again: bool) -> tuple[dict, Callable[[int], Method]]:
    return {"chosen": {}}, lambda seed: masks_by(notebook_network(seed, LEARNT, (0, 1, 2)), HOW)


def set_untrained(noise: float, again: bool) -> tuple[dict, Callable[[int], Method]]:
    setting = best(UNTRAINED, network_at(LEARNT, epochs=0), LEARNT)
    factor, min_spikes = setting["chosen"].values()
    how = replace(HOW, min_spikes=min_spikes)
    return setting, lambda seed: masks_by(
        notebook_network(seed, LEARNT, factor=factor, epochs=0), how
    )


def set_guide(noise: float, again: bool) -> tuple[dict, Callable[[int], Method]]:
    return {"chosen": {}}, lambda seed: masks_by(*guide_network(seed))


class Study(NamedTuple):
    """A method and where it is measured.

    Args:
        title: name in the table.
        make: function that chooses the options and returns them, and the method for a seed.
        noise: noise levels at which the method is measured.
        again: whether it is tuned (and trained) again at each level.
        grid: the options to choose from; empty if there is nothing to choose.
        networks: number of networks; 1 for a method without seeds.
    """

    title: str
    make: Callable[[float, bool], tuple[dict, Callable[[int], Method]]]
    noise: tuple[float, ...]
    again: bool
    grid: dict[str, tuple]
    networks: int = N_BLOCKS


METHODS: dict[str, Study] = {
    "density": Study(
        "density and connection, no learning", set_density, NOISE, False, DENSITY, networks=1
    ),
    "notebook": Study("SpikeSEG of lesson 404", set_notebook, NOISE, False, {}),
    "guide": Study("SpikeSEG of this guide", set_guide, (LEARNT, 0.02), False, {}),
    "density_again": Study(
        "density, set again at this noise", set_density, (0.02, 0.04), True, DENSITY, networks=1
    ),
    "notebook_again": Study(
        "lesson 404, learned and set again at this noise", set_notebook, (0.02,), True, NETWORK
    ),
    "all_scenes": Study(
        "lesson 404, learned from empty scenes as well", set_all_scenes, (LEARNT,), False, {}
    ),
    "untrained": Study(
        "lesson 404, initial weights, thresholds set anew",
        set_untrained, (LEARNT,), False, UNTRAINED,
    ),
}  # fmt: skip
#: The method with which all others are compared.
REFERENCE = "density"


def kept(name: str) -> dict:
    """The stored results of a method.

    "results" has an entry for each noise level, and "answers" an entry for each network and level:
    its `packed` answers.
    """
    path = RESULTS / f"satellites_{name}.json"
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    return {
        "title": METHODS[name].title,
        "command": command(name),
        "data": datasets.satellites("test", n=1).source,
        "scenes": SCENES,
        "grid": {option: list(values) for option, values in METHODS[name].grid.items()},
        "results": [],
        "answers": [],
    }


def command(name: str) -> str:
    return f"python tools/segmentation_study.py run {name}"


def packed(found: Answers) -> dict:
    """Answers in a short form: shares as a text of zeros and ones."""
    ious = [[round(iou, 4) for iou in values] for values in found["mean_iou"]]
    bits = {name: "".join(f"{int(bit)}" for (bit,) in found[name]) for name in FIGURES[1:]}
    return {"mean_iou": ious} | bits


def answers(name: str, noise: float) -> list[Answers]:
    """The stored answers of each network of a method at a noise level."""
    entries = [entry for entry in kept(name)["answers"] if entry["noise"] == noise]
    return [
        {key: [[float(value)] if isinstance(value, str) else value for value in entry[key]]
         for key in FIGURES}
        for entry in entries
    ]  # fmt: skip


def measure(name: str, noise: float) -> tuple[dict, list[dict]]:
    """Test a method: its figures of merit at a noise level, and each network's answers."""
    study = METHODS[name]
    setting, method_of = study.make(noise, study.again)
    events, truths = scenes_of("test", SCENES["test"], noise)
    parts = [slice(start, start + BLOCK) for start in range(0, SCENES["test"], BLOCK)]
    runs = []
    for seed in range(study.networks):
        method = method_of(seed)
        blocks = [score(method, events[part], truths[part]) for part in parts]
        runs.append([row for block in blocks for row in block])
    found = [by_figure(rows) for rows in runs]
    own = [runs[k % study.networks][part] for k, part in enumerate(parts)]
    result = {
        "noise": noise,
        **setting,
        "test": rounded(means([row for rows in runs for row in rows])),
        "interval": intervals(found),
        "networks": [rounded(means(rows)) for rows in runs],
        "blocks": [rounded(means(rows)) for rows in own],
    }
    return result, [{"noise": noise, "seed": k} | packed(each) for k, each in enumerate(found)]


def make(name: str, noise: float) -> None:
    """Measure a method and store the result, unless it is stored already.

    Raises:
        SystemExit: if the stored results are from another grid or other scenes.
    """
    content = kept(name)
    grid = {option: list(values) for option, values in METHODS[name].grid.items()}
    if (content["grid"], content["scenes"]) != (grid, SCENES):
        raise SystemExit(f"satellites_{name}.json has runs from another grid or other scenes: "
                         "delete it to repeat them")  # fmt: skip
    if any(row["noise"] == noise for row in content["results"]):
        return
    result, found = measure(name, noise)
    content["results"] = sorted([*content["results"], result], key=lambda row: row["noise"])
    content["answers"] = sorted(
        [*content["answers"], *found], key=lambda row: (row["noise"], row["seed"])
    )
    with atomic_path(RESULTS / f"satellites_{name}.json") as part:
        part.write_text(json_by_entry(content) + "\n", encoding="utf-8")
    print(f"{time.strftime('%H:%M:%S')} {name} noise={noise} {result['test']}", flush=True)


def results() -> list[tuple[str, dict]]:
    """The stored results of all methods, ordered by noise level."""
    found = [(name, row) for name in METHODS for row in kept(name)["results"]]
    return sorted(found, key=lambda pair: pair[1]["noise"])


def table() -> str:
    """The tables of all methods and noise levels, and of the differences to the detector."""
    lines = [
        "| noise, % of pixels | method | networks | mean IoU | two come out as two | "
        "false alarms |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in results():
        cells = [
            f"{row['test'][key]:.2f} ({low:.2f} to {high:.2f})"
            for key, (low, high) in row["interval"].items()
        ]
        n = METHODS[name].networks if METHODS[name].networks > 1 else ""
        lines.append(
            f"| {100 * row['noise']:g} | {METHODS[name].title} | {n} | {' | '.join(cells)} |"
        )
    rows = difference_rows()
    if rows:
        lines += [
            "",
            "| noise, % of pixels | difference from the detector, on the same scenes | mean IoU | "
            "two come out as two | false alarms |",
            "|---|---|---|---|---|",
            *rows,
        ]
    return "\n".join(lines)


def difference_rows() -> list[str]:
    """Rows of a table: each method minus the detector, at noise levels at which both are stored."""
    lines = []
    for name, row in results():
        reference = answers(REFERENCE, row["noise"])
        if name == REFERENCE or not reference:
            continue
        found = differences(answers(name, row["noise"]), reference)
        cells = [f"{mean:+.2f} ({low:+.2f} to {high:+.2f})" for mean, low, high in found.values()]
        lines.append(f"| {100 * row['noise']:g} | {METHODS[name].title} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("table", "write", "run"), default="table")
    parser.add_argument("names", nargs="*", help=f"methods, by default all: {', '.join(METHODS)}")
    parser.add_argument("--noise", nargs="+", type=float, help="only these noise levels")
    args = parser.parse_args()
    for name in args.names:
        if name not in METHODS:
            parser.error(f"{name}: not one of {', '.join(METHODS)}")
    try:
        with locked(RESULTS) if args.what == "run" else nullcontext():
            if args.what == "run":
                for name in args.names or METHODS:
                    for noise in METHODS[name].noise:
                        if args.noise is None or noise in args.noise:
                            make(name, noise)
    except FolderInUseError as error:
        parser.error(error.strerror)
    if args.what == "write":
        write_between(PAGE, START, END, table())
    print(table())


if __name__ == "__main__":
    main()
