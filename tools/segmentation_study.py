"""Segmentation: SpikeSEG compared with a detector that learns nothing, on the same scenes.

python tools/segmentation_study.py                       # the table, in Markdown
python tools/segmentation_study.py write                 # insert it into docs/spikeseg.md
python tools/segmentation_study.py run                   # all missing runs
python tools/segmentation_study.py run density --noise 0.02

Every method is tuned on the first 45 scenes of the validation split, and used once on the first 450
scenes of the test split, in three blocks of 150. A network is trained three times, with seeds 0, 1
and 2, and each trained network is tested on one block. Intervals come from 2000 bootstrap samples
of the scenes; they include the differences between blocks, and therefore between seeds. Each method
and noise level has one entry in results/segmentation. A method takes minutes on one core.
"""

import argparse
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch

from jarvis import SpikeSEG, datasets
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
from jarvis.support.files import write_between, write_json

ROOT = Path(__file__).resolve().parent.parent
RESULTS, PAGE = ROOT / "results" / "segmentation", ROOT / "docs" / "spikeseg.md"
START, END = "<!-- segmentation: begin -->", "<!-- segmentation: end -->"
N_VAL, BLOCK, N_BLOCKS = 45, 150, 3
NOISE = (0.0, 0.005, 0.01, 0.02, 0.04)
#: The noise at which all methods are trained and tuned, except for those tuned at each level.
LEARNT = 0.005
FIGURES = ("mean_iou", "two_instances", "false_alarms")

#: The values from which the three parameters of `density` are chosen, on validation scenes.
DENSITY = {"least": (2, 3, 4, 6, 8), "width": (3, 5), "smallest": (30, 60)}
#: The values for the network of lesson 404: a factor for both thresholds, and spikes per instance.
NETWORK = {"factor": (1.0, 1.5, 2.0), "min_spikes": (4, 8)}

Masks = list[list[torch.Tensor]]
Method = Callable[[Events], Masks]


def notebook_network(
    seed: int, noise: float, counts: tuple[int, ...] = (1, 2), factor: float = 1.0, epochs: int = 1
) -> SpikeSEG:
    """The network of lesson 404, with thresholds times `factor`; untrained if `epochs` is 0."""
    return trained_finder(seed, counts=counts, noise=noise, factor=factor, epochs=epochs)


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


def intervals(rows: list[dict], n: int = 2000) -> dict[str, list[float]]:
    """95 % intervals from bootstrap samples of scenes (not of satellites)."""
    rng = np.random.default_rng(0)
    out = {}
    for name in FIGURES:
        kept = [row[name] for row in rows if row[name]]
        sums, sizes = (np.array([f(row) for row in kept], float) for f in (sum, len))
        drawn = rng.integers(len(kept), size=(n, len(kept)))
        low, high = np.percentile(sums[drawn].sum(1) / sizes[drawn].sum(1), (2.5, 97.5))
        out[name] = [round(float(low), 4), round(float(high), 4)]
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
    return {"chosen": chosen, "val": {k: round(v, 4) for k, v in figures.items()}}


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
    grid = {"factor": (4.0, 8.0, 16.0), "min_spikes": (8,)}
    setting = best(grid, network_at(LEARNT, epochs=0), LEARNT)
    factor, min_spikes = setting["chosen"].values()
    how = replace(HOW, min_spikes=min_spikes)
    return setting, lambda seed: masks_by(
        notebook_network(seed, LEARNT, factor=factor, epochs=0), how
    )


def set_guide(noise: float, again: bool) -> tuple[dict, Callable[[int], Method]]:
    return {"chosen": {}}, lambda seed: masks_by(*guide_network(seed))


#: For each method: title in the table, function that tunes the method, noise levels at which it is
#: measured, and whether it is tuned (and trained) again at each level.
METHODS: dict[str, tuple] = {
    "density": ("density and connection, no learning", set_density, NOISE, False),
    "notebook": ("SpikeSEG of lesson 404", set_notebook, NOISE, False),
    "guide": ("SpikeSEG of this guide", set_guide, (LEARNT, 0.02), False),
    "density_again": ("density, set again at this noise", set_density, (0.02, 0.04), True),
    "notebook_again": (
        "lesson 404, learnt and set again at this noise", set_notebook, (0.02,), True,
    ),
    "all_scenes": (
        "lesson 404, learnt from empty scenes as well", set_all_scenes, (LEARNT,), False,
    ),
    "untrained": (
        "lesson 404, initial weights, thresholds set anew", set_untrained, (LEARNT,), False,
    ),
}  # fmt: skip


def kept(name: str) -> dict:
    """The stored results of a method."""
    path = RESULTS / f"satellites_{name}.json"
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    return {"title": METHODS[name][0], "command": command(name), "results": []}


def command(name: str) -> str:
    return f"python tools/segmentation_study.py run {name}"


def measure(name: str, noise: float) -> dict:
    """Test a method: figures of merit for all scenes and for each block, and intervals."""
    _, make, _, again = METHODS[name]
    setting, method_of = make(noise, again)
    events, truths = scenes_of("test", BLOCK * N_BLOCKS, noise)
    blocks = []
    for seed in range(N_BLOCKS):
        part = slice(BLOCK * seed, BLOCK * (seed + 1))
        blocks.append(score(method_of(seed), events[part], truths[part]))
    rows = [row for block in blocks for row in block]
    return {
        "noise": noise,
        **setting,
        "test": {k: round(v, 4) for k, v in means(rows).items()},
        "interval": intervals(rows),
        "blocks": [{k: round(v, 4) for k, v in means(block).items()} for block in blocks],
    }


def make(name: str, noise: float) -> None:
    """Measure a method and store the result, unless it is stored already."""
    if any(row["noise"] == noise for row in kept(name)["results"]):
        return
    row = measure(name, noise)
    content = kept(name)
    content["results"] = sorted([*content["results"], row], key=lambda each: each["noise"])
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_json(RESULTS / f"satellites_{name}.json", content)
    print(f"{time.strftime('%H:%M:%S')} {name} noise={noise} {row['test']}", flush=True)


def table() -> str:
    """A table of all methods and noise levels; brackets contain 95 % of bootstrap samples."""
    lines = [
        "| noise, % of pixels | method | mean IoU | two come out as two | false alarms |",
        "|---|---|---|---|---|",
    ]
    for noise in NOISE:
        for name, (title, *_) in METHODS.items():
            for row in kept(name)["results"]:
                if row["noise"] == noise:
                    cells = [
                        f"{row['test'][key]:.2f} ({low:.2f} to {high:.2f})"
                        for key, (low, high) in row["interval"].items()
                    ]
                    lines.append(f"| {100 * noise:g} | {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("table", "write", "run"), default="table")
    parser.add_argument("names", nargs="*", help=f"methods, by default all: {', '.join(METHODS)}")
    parser.add_argument("--noise", nargs="+", type=float, help="only these noise levels")
    args = parser.parse_args()
    for name in args.names:
        if name not in METHODS:
            parser.error(f"{name}: not one of {', '.join(METHODS)}")
    if args.what == "run":
        for name in args.names or METHODS:
            for noise in METHODS[name][2]:
                if args.noise is None or noise in args.noise:
                    make(name, noise)
    if args.what == "write":
        write_between(PAGE, START, END, table())
    print(table())


if __name__ == "__main__":
    main()
