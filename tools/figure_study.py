"""Compare methods that find figures among strokes of equal density, and list what each is told.

python tools/figure_study.py                 # the table, in Markdown
python tools/figure_study.py write           # insert it into docs/spikeseg.md
python tools/figure_study.py run             # missing runs; takes minutes on one core

A method gives each position in a scene one score per map, normalised on the training scenes. The
answer to a scene is the map and position with the highest score, or "none" if that score is below a
threshold. The answer "none" is right if there is no figure; any other answer is right if it names
the right figure, within 6 pixels of the figure's position. Always answering "none" is right in a
third of the scenes, and is one of the answers from which a threshold is chosen.

Methods learn from 1200 training scenes. The map for the ring, the map for the star, the threshold,
and the options in `METHODS` are chosen on 150 validation scenes with their labels, for every
method, including those that learn without labels; the 600 test scenes are used once. The grids of
options are not equally large: density has ten points, k-means one, and STDP two. The other
constants of k-means and STDP (such as the number of maps) were set by hand during development, and
no record tells on which scenes.

Intervals are Wilson's 95 % intervals. Methods that draw random numbers run with 5 seeds.
"""

import argparse
import itertools
import json
import math
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from sklearn.cluster import MiniBatchKMeans
from sklearn.svm import LinearSVC
from torch import Tensor

from jarvis import STDPConfig, WTAConfig, datasets
from jarvis.datasets import FigureDataset
from jarvis.encoding import Events, filters
from jarvis.stdp import ConvSTDP
from jarvis.support.files import FolderInUseError, locked, write_between, write_json

ROOT = Path(__file__).resolve().parent.parent
RESULTS, PAGE = ROOT / "results" / "segmentation", ROOT / "docs" / "spikeseg.md"
START, END = "<!-- figures: begin -->", "<!-- figures: end -->"
SIZES = {"train": 1200, "val": 150, "test": 600}
SEEDS = range(5)
K = 11  # side of a window, in units of two pixels
EDGE = 6  # minimum distance of a figure's centre from the border, in units of two pixels


class Maps(NamedTuple):
    """Scores ``[N, maps, 24, 24]`` of each split: one for each square of two by two pixels."""

    train: Tensor
    val: Tensor
    test: Tensor


def normalised(maps: Maps) -> Maps:
    mean, std = maps.train.mean((0, 2, 3)), maps.train.std((0, 2, 3)).clamp(min=1e-6)
    return Maps(*((part - mean[:, None, None]) / std[:, None, None] for part in maps))


def highest(scores: Tensor) -> tuple[Tensor, Tensor]:
    """The highest score of each map ``[N, maps]`` and its position in pixels ``[N, maps, 2]``."""
    inner = scores[:, :, EDGE:-EDGE, EDGE:-EDGE]
    value, index = inner.flatten(2).max(2)
    place = torch.stack([index // inner.shape[3], index % inner.shape[3]], 2)
    return value, 2.0 * (place + EDGE) + 0.5


def right(scores: Tensor, data: FigureDataset, named: list[int], threshold: float) -> Tensor:
    """Which scenes get a right answer, ``[N]`` bool."""
    value, place = highest(scores[:, named])
    best, which = value.max(1)
    kind = torch.where(best >= threshold, which + 1, 0)
    off = (place[torch.arange(len(which)), which] - data.centres).abs().amax(1)
    return (kind == data.kinds) & ((kind == 0) | (off <= 6))


def named_maps(scores: Tensor, data: FigureDataset) -> list[int]:
    """For ring and for star: the map that best finds the figure and scores lower elsewhere."""
    value, place = highest(scores)
    near = (place - data.centres[:, None]).abs().amax(2) <= 6
    chosen = []
    for kind in (1, 2):
        own = data.kinds == kind
        beaten = (value[own][:, None] > value[~own][None]).float().mean(1)  # [own, maps]
        chosen.append(int((beaten * near[own]).mean(0).argmax()))
    return chosen


def judge(maps: Maps, data: dict[str, FigureDataset]) -> dict:
    """The maps and the threshold that are best on the validation scenes, with their accuracy.

    An infinite threshold, which always answers "none", comes first, so that a method which is no
    better than that on the validation scenes does no worse on the test scenes.
    """
    maps = normalised(maps)
    named = named_maps(maps.val, data["val"])
    values = [math.inf, *highest(maps.val[:, named])[0].flatten().unique().tolist()]
    shares = [right(maps.val, data["val"], named, v).float().mean().item() for v in values]
    best = max(range(len(values)), key=shares.__getitem__)
    return {"maps": named, "threshold": values[best], "val_acc": round(shares[best], 4)}


def measure(maps: Maps, data: dict[str, FigureDataset]) -> dict:
    """The output of `judge`, and the test accuracy: on all scenes, and for each kind of scene.

    The threshold is None if it is infinite, because JSON has no infinity.
    """
    found = judge(maps, data)
    answers = right(normalised(maps).test, data["test"], found["maps"], found["threshold"])
    kinds = data["test"].kinds
    return {
        **found,
        "threshold": found["threshold"] if math.isfinite(found["threshold"]) else None,
        "test_acc": round(answers.float().mean().item(), 4),
        "test_by_kind": [round(answers[kinds == k].float().mean().item(), 4) for k in range(3)],
    }


def counts(data: FigureDataset) -> Tensor:
    """Events of each pixel, ``[N, 1, H, W]``."""
    return data.events.dense().sum(0)


def density(parts: dict, width: int, sign: int, seed: int) -> Maps:
    """The number of events around each position, times `sign`: equal maps for ring and star."""

    def around(data: FigureDataset) -> Tensor:
        mean = F.avg_pool2d(counts(data), width, 1, width // 2, count_include_pad=False)
        return sign * F.avg_pool2d(mean, 2).repeat(1, 2, 1, 1)

    return Maps(*map(around, parts.values()))


def smooth(data: FigureDataset, sigma: float) -> Tensor:
    """Counts smoothed with a Gaussian, one value per 2x2 pixels, ``[N, 1, 24, 24]``."""
    blurred = gaussian_filter(counts(data).numpy(), (0, 0, sigma, sigma))
    return F.avg_pool2d(torch.from_numpy(blurred), 2)


def hog(data: FigureDataset, sigma: float, bins: int = 8) -> Tensor:
    """Histograms of oriented gradients in cells of 4x4 pixels, normalised: ``[N, 8, 24, 24]``.

    Source: Dalal & Triggs 2005, CVPR; here, cells overlap by half, and a block is the whole window.
    """
    blurred = gaussian_filter(counts(data)[:, 0].numpy(), (0, sigma, sigma))
    gy, gx = np.gradient(blurred, axis=(1, 2))
    at = np.mod(np.arctan2(gy, gx), np.pi) / np.pi * bins
    low = np.floor(at).astype(int) % bins
    out = np.zeros((len(at), bins, *at.shape[1:]), np.float32)
    for b in range(bins):  # interpolates linearly between the two nearest directions
        share = (low == b) * (1 - at % 1) + ((low + 1) % bins == b) * (at % 1)
        out[:, b] = np.hypot(gy, gx) * share
    cells = F.avg_pool2d(torch.from_numpy(out), 4, 2, 1)
    energy = F.avg_pool2d((cells**2).sum(1, keepdim=True), K, 1, K // 2).sqrt()
    return cells / (energy + 1e-3)


def first_layer(events: Events) -> ConvSTDP:
    """Fixed Gabor filters of four directions; at 7 % of the positions, one of the four fires."""
    layer = ConvSTDP(1, 4, 7, 1.0, 0.0, wta=WTAConfig(enable_homeostasis=False))
    layer.weight.copy_(filters.gabor(7, 2.0, 0.2, 4))
    layer.thresholds.fill_(layer.potentials(events[:100]).quantile(0.93).item())
    return layer


def strokes(parts: dict) -> dict[str, Events]:
    """The responses of the first layer: events of units ``(4, 24, 24)``."""
    layer = first_layer(parts["train"].events)
    return {k: layer.respond(d.events, pool=2, inhibit=True) for k, d in parts.items()}


def windows(maps: Tensor, ids: list[int], places: np.ndarray) -> Tensor:
    """Windows ``[n, C, K, K]`` around positions ``[n, 2]`` of the scenes `ids`."""
    wide = F.pad(maps, (K // 2,) * 4)
    pairs = zip(ids, places.tolist(), strict=True)
    return torch.stack([wide[i, :, y : y + K, x : x + K] for i, (y, x) in pairs])


def correlation(maps: Tensor, templates: Tensor, mean: Tensor) -> Tensor:
    """Normalised correlation with each template, ``[N, templates, 24, 24]``."""
    x, ones = maps - mean[:, None, None], torch.ones(1, 1, K, K)
    energy = F.conv2d((x**2).sum(1, keepdim=True), ones, padding=K // 2).clamp(min=1e-6).sqrt()
    size = templates.flatten(1).norm(dim=1)[:, None, None]
    return F.conv2d(x, templates, padding=K // 2) / energy / size


def placed(data: FigureDataset, kind: int) -> tuple[list[int], np.ndarray]:
    """The scenes with a figure, and the figure's position, in units of two pixels."""
    ids = (data.kinds == kind).nonzero()[:, 0]
    return ids.tolist(), (data.centres[ids] / 2 - 0.25).round().long().numpy()


def template(parts: dict, sigma: float, seed: int) -> Maps:
    """The mean of all labelled training figures, correlated with the scene at each position."""
    x = {name: smooth(data, sigma) for name, data in parts.items()}
    mean = x["train"].mean((0, 2, 3))
    kinds = [windows(x["train"], *placed(parts["train"], k)).mean(0) for k in (1, 2)]
    templates = torch.stack(kinds) - mean[:, None, None]
    return Maps(*(correlation(part, templates, mean) for part in x.values()))


def hog_svm(parts: dict, sigma: float, c: float, seed: int) -> Maps:
    """Linear support vector machines on HOG at each position, with one round of hard negatives."""
    x = {name: hog(data, sigma) for name, data in parts.items()}
    data, rng, n = parts["train"], np.random.default_rng(seed), len(parts["train"])
    known = [placed(data, k) for k in (1, 2)]
    ids = np.repeat(np.arange(n), 4)
    places = rng.integers(EDGE, 24 - EDGE, (4 * n, 2))
    for hard in (False, True):
        centres = data.centres[ids] / 2
        far = ~((centres - torch.from_numpy(places)).abs().amax(1) <= 3).numpy()  # NaN: no figure
        others = windows(x["train"], ids[far].tolist(), places[far])
        figures_of = [windows(x["train"], *known[k]) for k in (0, 1)]
        samples = torch.cat([*figures_of, others]).flatten(1).numpy()
        labels = np.repeat([1, 2, 0], [len(figures_of[0]), len(figures_of[1]), len(others)])
        fitted = [LinearSVC(C=c, random_state=seed).fit(samples, labels == k) for k in (1, 2)]
        weight = torch.tensor(np.stack([f.coef_[0] for f in fitted])).float().view(2, -1, K, K)
        bias = torch.tensor(np.stack([f.intercept_ for f in fitted])).float()[:, 0]
        scores = {k: F.conv2d(v, weight, bias, padding=K // 2) for k, v in x.items()}
        if not hard:  # adds the two highest scores of each scene, as negatives if far off
            _, found = highest(scores["train"])
            wrong = ((found - 0.5) / 2).long().numpy()
            ids = np.concatenate([ids, np.arange(n), np.arange(n)])
            places = np.concatenate([places, wrong[:, 0], wrong[:, 1]])
    return Maps(*scores.values())


def clusters(parts: dict, k: int, seed: int) -> Maps:
    """k-means on windows of the first layer's responses, at random positions, without labels."""
    x = {name: events.dense().sum(0) for name, events in strokes(parts).items()}
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, len(parts["train"]), 20000).tolist()
    some = windows(x["train"], ids, rng.integers(EDGE, 24 - EDGE, (20000, 2)))
    mean = x["train"].mean((0, 2, 3))
    some = F.normalize((some - mean[:, None, None]).flatten(1), dim=1)
    fitted = MiniBatchKMeans(k, n_init=3, batch_size=2048, random_state=seed).fit(some.numpy())
    centres = torch.tensor(fitted.cluster_centers_).float().view(k, -1, K, K)
    return Maps(*(correlation(part, centres, mean) for part in x.values()))


def stdp(parts: dict, theta: float, seed: int, epochs: int = 12, n_maps: int = 32) -> Maps:
    """Maps that learn the first layer's responses by STDP, unlabelled; potentials are scores."""
    heard, generator = strokes(parts), torch.Generator().manual_seed(seed)
    rule = STDPConfig(a_plus=0.02, a_minus=0.01, init_std=0.05)
    wta = WTAConfig(theta_rest=theta, theta_plus=0.05, tau_theta=500.0, theta_max=400.0,
                    n_winners=16, local_radius=3)  # fmt: skip
    layer = ConvSTDP(4, n_maps, K, theta, 0.0, rule, wta, generator=generator)
    for _ in range(epochs):
        layer.learn(heard["train"], torch.randperm(SIZES["train"], generator=generator), generator)
    return Maps(*(layer.potentials(events) for events in heard.values()))


def untrained(parts: dict, seed: int) -> Maps:
    return stdp(parts, 20.0, seed, epochs=0)


#: For each method: title, what it is told apart from the 150 labelled validation scenes, function,
#: option grid, seeds.
METHODS: dict[str, tuple[str, str, Callable[..., Maps], dict[str, tuple], range]] = {
    "density": ("local density of events", "nothing", density,
                {"width": (9, 15, 19, 23, 27), "sign": (1, -1)}, range(1)),
    "untrained": ("the network before it learns", "nothing", untrained, {}, SEEDS),
    "stdp": ("**the network**: 32 maps, STDP", "nothing", stdp, {"theta": (15.0, 20.0)}, SEEDS),
    "clusters": ("k-means, 32 centres, on the network's first layer", "nothing", clusters,
                 {"k": (32,)}, SEEDS),
    "template": ("mean of the figures, normalised correlation", "place and kind", template,
                 {"sigma": (0.5, 0.7, 1.0, 1.5)}, range(1)),
    "hog_svm": ("HOG and a linear support vector machine", "place and kind", hog_svm,
                {"sigma": (0.7, 1.0), "c": (0.01, 0.1)}, SEEDS),
}  # fmt: skip


def file_of(name: str) -> Path:
    return RESULTS / f"figures_{name}.json"


def kept(name: str) -> dict | None:
    """The stored results of a method, if any."""
    path = file_of(name)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def make(name: str) -> None:
    """Choose a method's options and run all seeds, unless this was done; store the results.

    Raises:
        SystemExit: if the stored runs are from another grid or other scenes.
    """
    title, told, method, grid, seeds = METHODS[name]
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    content = kept(name)
    if content is not None:
        tried = [{k: v for k, v in row.items() if k != "val_acc"} for row in content["tried"]]
        if tried != points or content["scenes"] != SIZES:
            raise SystemExit(f"{file_of(name)} has runs from another grid or other scenes: "
                             "delete it to repeat them")  # fmt: skip
    known = [] if content is None else [run["seed"] for run in content["runs"]]
    missing = [seed for seed in seeds if seed not in known]
    if not missing:
        return
    data = {split: datasets.figures(split, n=n) for split, n in SIZES.items()}
    if content is None:
        judged = [(judge(method(data, **point, seed=0), data), point) for point in points]
        content = {
            "title": title,
            "command": f"python tools/figure_study.py run {name}",
            "told": told,
            "data": data["test"].source,
            "chosen": max(judged, key=lambda pair: pair[0]["val_acc"])[1],
            "tried": [{**point, "val_acc": found["val_acc"]} for found, point in judged],
            "scenes": SIZES,
            "runs": [],
        }
    for seed in missing:
        maps = method(data, **content["chosen"], seed=seed)
        content["runs"].append({"seed": seed, **measure(maps, data)})
    content["runs"].sort(key=lambda run: run["seed"])
    write_json(file_of(name), content)
    shares = [run["test_acc"] for run in content["runs"]]
    print(f"{time.strftime('%H:%M:%S')} {name} {shares}", flush=True)


def wilson(share: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % interval of a fraction of n cases."""
    middle = (share + z**2 / 2 / n) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * (share * (1 - share) / n + z**2 / 4 / n**2) ** 0.5
    return middle - half, middle + half


def table() -> str:
    """Test accuracy of each method, with the range over seeds if there are several."""
    lines = [
        "| method | supervision beyond 150 labelled validation scenes | right, % | "
        "95 % interval of one run | seeds |",
        "|---|---|---|---|---|",
    ]
    for name, (title, told, *_) in METHODS.items():
        content = kept(name)
        if content is None:
            continue
        runs = content["runs"]
        shares = [run["test_acc"] for run in runs]
        mean = statistics.mean(shares)
        low, high = wilson(mean, SIZES["test"])
        spread = f"{len(runs)}: {100 * min(shares):.1f} to {100 * max(shares):.1f}"
        lines.append(
            f"| {title} | {told} | {100 * mean:.1f} | {100 * low:.1f} to {100 * high:.1f} | "
            f"{spread if len(runs) > 1 else ''} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("table", "write", "run"), default="table")
    parser.add_argument("names", nargs="*", help=f"methods, by default all: {', '.join(METHODS)}")
    args = parser.parse_args()
    for name in args.names:
        if name not in METHODS:
            parser.error(f"{name}: not one of {', '.join(METHODS)}")
    try:
        with locked(RESULTS) if args.what == "run" else nullcontext():
            if args.what == "run":
                for name in args.names or METHODS:
                    make(name)
    except FolderInUseError as error:
        parser.error(error.strerror)
    if args.what == "write":
        write_between(PAGE, START, END, table())
    print(table())


if __name__ == "__main__":
    main()
