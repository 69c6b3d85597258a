"""Do delays and positions help on spoken digits, and does learning them help? A study.

python tools/delay_study.py                      # the tables, in Markdown
python tools/delay_study.py write                # insert them into docs/results.md
python tools/delay_study.py all                  # everything missing, in order; hours; resumes
python tools/delay_study.py run core --seeds 5   # the runs of the given parts or settings
python tools/delay_study.py why gradient         # a measurement on the networks of these runs

In each setting, the delays are either frozen at their random start (scale 0) or learned, at a
multiple of the weights' learning rate (`--delaygradscale`). The networks of part `core` learn from
all training words and are tested once; the others are measured on two held-out speakers after the
last epoch. Each setting and scale has one file. It contains the command and, for each seed, one bit
per word that tells whether the answer was right, so that networks can be compared word by word.
`--tiny FOLDER` tries the program in minutes, with small networks and generated words; results and
runs go into FOLDER.
"""

import argparse
import base64
import copy
import json
import math
import statistics
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn

from jarvis import SpatialNetwork
from jarvis.classroom.comparison import paired_interval
from jarvis.spatial import evaluate_words
from jarvis.support.downloads import MissingDataError
from jarvis.support.files import FolderInUseError, atomic_path, json_by_entry, locked

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "demos"), str(ROOT / "tools")]
from shd_table import RECIPE  # noqa: E402
from spatial_runs import (  # noqa: E402
    meant,
    parsed,
    percent,
    plain,
    starting_network,
    train,
    trained_network,
    words_of,
    write_between,
)
from train_spatial import make_run  # noqa: E402

import cli  # noqa: E402

del sys.path[:2]
RESULTS = ROOT / "results" / "delay_study"
RUNS = ROOT / "runs" / "delay_study"
SEEDS = 5  # number of seeds in part `core`

TINY = (
    "--nhidden 20 --nepochs 4 --dt 4 --load_limit 200 --load_limit_test 100 --warmup 5 --lr 0.01 "
    "--batch_size 8 --shift_channels 0 --jitter_channels 0 --dropout 0"
)


@dataclass(frozen=True)
class Setting:
    """A network and its initial delays; one run for each seed and each of `scales`.

    Args:
        part: the part of the study.
        title: the name of the setting in the tables.
        options: options of the demo in addition to the recipe.
        scales: learning rates of the delays, as multiples of the weights' learning rate; None
            without delays.
    """

    part: str
    title: str
    options: str
    scales: tuple[int | None, ...]


PLACED = "--net 3 --possigma 50"
FREE = "--net inf --delaymu 100 --delaysigma 50"
#: Trials of the network without delays, as the recipe was chosen for networks with delays.
WITHOUT = {
    "10": ("time constants 10 and 5 ms", "--tau 10 --tau_syn 5"),
    "40": ("time constants 40 and 20 ms", "--tau 40 --tau_syn 20"),
    "100": ("time constants 100 and 50 ms", "--tau 100 --tau_syn 50"),
    "membrane": ("membranes of 100 ms", "--tau 100"),
    "synapse": ("synapses of 50 ms", "--tau_syn 50"),
    "slower": ("a third of the learning rate", "--lr 3e-4"),
    "faster": ("three times the learning rate", "--lr 3e-3"),
    "kept": ("no dropout", "--dropout 0"),
}
SETTINGS = {
    "core_none": Setting("core", "no delays", "--net 0", (None,)),
    # the best of the trials in `WITHOUT` and the recipe
    "core_none_tuned": Setting(
        "core", f"no delays, {WITHOUT['membrane'][0]}", f"--net 0 {WITHOUT['membrane'][1]}", (None,)
    ),
    "core_free": Setting("core", "free delays", FREE, (0, 10)),
    "core_placed": Setting("core", "3-D positions", PLACED, (0, 10)),
    # these and all further settings are measured on held-out speakers
    "none": Setting("scale", "no delays", "--net 0", (None,)),
    **{
        f"none_{name}": Setting("tuning", f"no delays, {title}", f"--net 0 {options}", (None,))
        for name, (title, options) in WITHOUT.items()
    },
    "placed": Setting("scale", "3-D positions, s.d. 50 ms", PLACED, (0, 10, 100)),
    "free": Setting("free", "free delays, 100 ± 50 ms", FREE, (0, 10, 100)),
    "placed_narrow": Setting("start", "3-D, s.d. 10 ms", "--net 3 --possigma 10", (0, 10)),
    "free_narrow": Setting("start", "free, 8 ± 1 ms", "--net inf", (0, 10)),
    "placed_bins": Setting(
        "readout", "3-D, read-out of 5 time bins", f"{PLACED} --time_bins 5", (0, 10)
    ),
    "flat": Setting("around", "2-D", "--net 2 --possigma 50", (0, 10)),
    "placed_30": Setting("around", "3-D, 30 hidden", f"{PLACED} --nhidden 30", (0, 10)),
    "free_30": Setting("around", "free, 30 hidden", f"{FREE} --nhidden 30", (0, 10)),
    "placed_forward": Setting("around", "3-D, feed-forward", f"{PLACED} --feedforward", (0, 10)),
    "free_forward": Setting("around", "free, feed-forward", f"{FREE} --feedforward", (0, 10)),
    "free_equal": Setting(
        "around", "free, 55 hidden: as many parameters as 3-D with 100", f"{FREE} --nhidden 55",
        (0, 10),
    ),
    # settings in which learning delays might help more
    "placed_short": Setting(
        "variants", "3-D, time constants 10 and 2 ms", f"{PLACED} --tau 10 --tau_syn 2", (0, 100)
    ),
    "placed_10": Setting("variants", "3-D, 10 hidden", f"{PLACED} --nhidden 10", (0, 10)),
    "free_10": Setting("variants", "free, 10 hidden", f"{FREE} --nhidden 10", (0, 10)),
}  # fmt: skip
PARTS = tuple(dict.fromkeys(setting.part for setting in SETTINGS.values()))
#: Networks on which `why` makes its measurements: setting and scale, with seed 0.
MEASURED = (("placed", 0), ("placed", 10), ("placed", 100), ("free", 0), ("free", 10))
BATCHES = 64
JITTERS = (1, 3, 10, 30)  # ms
BITS = (6, 4, 3, 2)


# ---------------------------------------------------------------------------------- results


class Study:
    """The stored results, and the runs behind them.

    Args:
        results: folder of the JSON files.
        runs: folder of the runs, whose checkpoints the measurements need.
        tiny: whether to try the program on small networks and generated words.
    """

    def __init__(self, results: Path = RESULTS, runs: Path = RUNS, tiny: bool = False) -> None:
        self.results, self.runs, self.tiny = results, runs, tiny
        self.dataset = "generated" if tiny else "shd"

    def read(self, name: str) -> dict | None:
        """The content stored under a name; None if there is none."""
        path = self.results / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def write(self, name: str, content: dict) -> None:
        """Store a content as JSON in which each entry of a list fills one line."""
        with atomic_path(self.results / f"{name}.json") as part:
            part.write_text(json_by_entry(content) + "\n", encoding="utf-8")

    def options(self, name: str, scale: int | None) -> str:
        """The options of a setting's runs, except the seed."""
        setting = SETTINGS[name]
        length = "--final" if setting.part == "core" else "--nepochs 8"
        learning = "" if scale is None else f"--delaygradscale {scale}"
        words = [RECIPE, length, TINY if self.tiny else "", setting.options, learning]
        return " ".join(filter(None, words))

    def folder(self, name: str, scale: int | None, seed: int) -> Path:
        return self.runs / f"{file_of(name, scale)}_{seed}"

    def train(self, name: str, scale: int | None, seed: int) -> dict:
        """The metrics of a run, which is carried out or resumed unless its folder contains them."""
        options = f"{self.options(name, scale)} --seed {seed}"
        return train(options, self.folder(name, scale, seed), self.dataset)

    def network(self, name: str, scale: int | None, seed: int = 0) -> "Trained":
        """The network of a run before and after learning."""
        self.train(name, scale, seed)
        args = parsed(f"{self.options(name, scale)} --seed {seed}", self.dataset)
        network = trained_network(args, self.folder(name, scale, seed))
        return Trained(args, starting_network(args), network)

    def runs_of(self, name: str, scale: int | None) -> list[dict]:
        """The stored runs of a setting, ordered by seed."""
        return (self.read(file_of(name, scale)) or {"runs": []})["runs"]

    def make(self, name: str, scale: int | None, seed: int) -> None:
        """Carry out a run of a setting and store the result, unless it is stored already."""
        file, options = file_of(name, scale), self.options(name, scale)
        kept = self.read(file) or {"runs": []}
        if kept["runs"] and meant(kept["command"]) != plain(options):
            raise SystemExit(f"{file}.json contains runs with other options: {kept['command']}")
        if seed in [run["seed"] for run in kept["runs"]]:
            return
        metrics = self.train(name, scale, seed)
        part = "test" if "test" in metrics else "val"
        found = self.network(name, scale, seed)
        right = found.right(found.network)
        if abs(right.mean() - metrics[part]["acc"]) > 0.003:
            raise SystemExit(f"{file}: the accuracy of the checkpoint is not that of the run")
        run = {
            "seed": seed,
            "train_acc": round(metrics["train"]["acc"], 4),
            "acc": round(metrics[part]["acc"], 4),
            "rate": round(metrics[part]["rate"], 2),
            "seconds": round(sum(epoch["seconds"] for epoch in metrics["epochs"])),
            "threads": torch.get_num_threads(),
            "moved": moved(found.start, found.network),
            "right": packed(right),
        }
        setting = SETTINGS[name]
        head = {
            "title": setting.title,
            "scale": scale,
            "command": metrics["command"].replace(f" --seed {seed}", "") + " --seed SEED",
            "data": metrics["data"][part],
            "words": len(right),
            "hidden": metrics["arguments"]["nhidden"],
            "epochs": len(metrics["epochs"]),
            "parameters": metrics["parameters_without_readout"],
        }
        runs = sorted([*kept["runs"], run], key=lambda r: r["seed"])
        self.write(file, head | {"runs": runs})
        print(f"{time.strftime('%H:%M:%S')} {file} seed={seed} acc={run['acc']:.4f}", flush=True)

    def right(self, name: str, scale: int | None) -> dict[int, np.ndarray]:
        """For each seed, whether each word was classified correctly, ``[N]`` bool."""
        kept = self.read(file_of(name, scale)) or {"runs": []}
        return {run["seed"]: unpacked(run["right"], kept["words"]) for run in kept["runs"]}

    def measure(self, what: str, made: bool = False) -> None:
        """Make a measurement on each network of `MEASURED`, unless it is stored already.

        Args:
            what: a key of `WHY`.
            made: whether to leave out networks whose runs do not exist yet.
        """
        measurement = WHY[what]
        content = self.read(what) or {
            "command": f"python tools/delay_study.py why {what}",
            "networks": [],
        }
        for name, scale in MEASURED:
            title = f"{SETTINGS[name].title}, scale {scale}"
            known = [entry["network"] for entry in content["networks"]]
            if title in known or (made and not self.runs_of(name, scale)):
                continue
            found = measurement(self.network(name, scale))
            content["networks"].append({"network": title, "seed": 0} | found)
            self.write(what, content)
            print(f"{time.strftime('%H:%M:%S')} {what}: {title}", flush=True)


def file_of(name: str, scale: int | None) -> str:
    return name if scale is None else f"{name}_{scale}"


def packed(right: np.ndarray) -> str:
    """Bits as text: eight bits per byte, in base64."""
    return base64.b64encode(np.packbits(right).tobytes()).decode()


def unpacked(text: str, n: int) -> np.ndarray:
    """The first `n` bits of a text made by `packed`, ``[n]`` bool."""
    data = np.frombuffer(base64.b64decode(text), dtype=np.uint8)
    return np.unpackbits(data, count=n).astype(bool)


# ---------------------------------------------------------------------------- measurements


@dataclass
class Trained:
    """A run: its arguments, and its network before the first step and after the last step."""

    args: argparse.Namespace
    start: SpatialNetwork
    network: SpatialNetwork

    def right(self, network: SpatialNetwork) -> np.ndarray:
        """For each word on which the run is measured, whether a network classifies it correctly."""
        words = words_of(self.args)[1]
        return (evaluate_words(network, words)["predicted"] == words.targets).numpy()


@torch.no_grad()
def delays_of(network: SpatialNetwork) -> list[Tensor]:
    """The delays of all synapses, ms: one tensor ``[synapses]`` for each connection."""
    found = []
    for matrix, (pre, post) in zip(network.delays(), network.delays.connections, strict=True):
        exists = torch.ones_like(matrix, dtype=torch.bool)
        if pre == post:
            exists.fill_diagonal_(False)
        found.append(matrix[exists])
    return found


def moved(start: SpatialNetwork, end: SpatialNetwork) -> dict:
    """How far delays (and positions) have moved from the start to the end, ms.

    Returns:
        "median" and "most" (95 % quantile) of ``|change|`` over all delays; "start" and "end", the
        mean and standard deviation of the delays; "silent", the fraction of delays at 0; and, if
        there are positions, "places", the median distance that a neuron moved.
    """
    before, after = torch.cat(delays_of(start)), torch.cat(delays_of(end))
    change = (after - before).abs().numpy()
    result: dict = {
        "median": rounded(np.quantile(change, 0.5)),
        "most": rounded(np.quantile(change, 0.95)),
        "start": [rounded(before.mean()), rounded(before.std())],
        "end": [rounded(after.mean()), rounded(after.std())],
        "silent": rounded((after == 0).float().mean()),
    }
    if start.delays.positions and end.delays.positions:
        pairs = zip(start.delays.positions, end.delays.positions, strict=True)
        ways = [(q - p).detach().norm(dim=1) for p, q in pairs]
        result["places"] = rounded(torch.cat(ways).median())
    return result


def rounded(value) -> float:
    return float(f"{float(value):.4g}")


def gradient(found: Trained) -> dict:
    """Signal and noise of the gradient, before the first step and after the last step.

    They are estimated for each group of parameters from `BATCHES` batches, as in training. "signal"
    is the norm of the expected gradient. (Noise increases the square of a mean over so few batches;
    this increase is subtracted.) "noise" is the root of the summed variances of a batch's gradient,
    in nats per unit. "ratio" is signal divided by noise: at 1, a single batch shows the direction.
    """
    return {
        "start": signal_and_noise(found.args, found.start),
        "end": signal_and_noise(found.args, found.network),
    }


def signal_and_noise(args: argparse.Namespace, network: SpatialNetwork) -> dict:
    network = copy.deepcopy(network).train().requires_grad_(True)
    # Frozen delays have a gradient as well: the gradient from which they would learn.
    free = argparse.Namespace(**vars(args) | {"delaygradscale": args.delaygradscale or 1.0})
    words = words_of(args)[0]
    run = make_run(free, network, words)
    torch.manual_seed(0)  # for dropout
    order = torch.randperm(len(words), generator=torch.Generator().manual_seed(0))
    sums: dict[str, Tensor] = {}
    squares: dict[str, Tensor] = {}
    batches = order.split(args.batch_size)[:BATCHES]
    for index in batches:
        network.zero_grad()
        run.forward(index, slice(None))[0].backward()
        for name, p in network.named_parameters():
            assert p.grad is not None
            g = p.grad.double()
            sums[name] = sums.get(name, torch.zeros_like(g)) + g
            squares[name] = squares.get(name, torch.zeros_like(g)) + g.square()
    n = len(batches)
    result = {}
    for name in sums:
        mean = sums[name] / n
        variance = ((squares[name] / n - mean.square()).clamp_min(0) * n / (n - 1)).sum().item()
        signal = math.sqrt(max(0.0, mean.square().sum().item() - variance / n))
        noise = math.sqrt(variance)
        result[name] = {
            "signal": rounded(signal),
            "noise": rounded(noise),
            "ratio": rounded(signal / noise) if noise else None,
        }
    return result


class FixedDelays(nn.Module):
    """Fixed delays, ms, that replace a network's delays."""

    def __init__(self, matrices: list[Tensor]) -> None:
        super().__init__()
        self.matrices = matrices

    def forward(self) -> list[Tensor]:
        return self.matrices


@torch.no_grad()
def precision(found: Trained) -> dict:
    """The accuracy of a trained network with changed delays, on the words on which it is measured.

    "own" keeps the delays; "start" restores the initial delays; "jitter" adds to each delay a
    normal random number, with a given standard deviation in ms, and replaces negative delays by 0;
    "shuffled" permutes the delays among the synapses of a connection. The weights stay as they are.
    """
    own, start = found.network.delays(), found.start.delays()
    random = torch.Generator().manual_seed(0)

    def with_delays(matrices: list[Tensor]) -> float:
        network = copy.deepcopy(found.network)
        network.delays = FixedDelays(matrices)  # type: ignore[assignment]
        return rounded(found.right(network).mean())

    def normal(matrix: Tensor) -> Tensor:
        return torch.randn(matrix.shape, generator=random)

    def dealt(matrix: Tensor) -> Tensor:
        order = torch.randperm(matrix.numel(), generator=random)
        return matrix.flatten()[order].view_as(matrix)

    jitter = {str(s): with_delays([(d + s * normal(d)).clamp_min(0) for d in own]) for s in JITTERS}
    return {
        "own": with_delays(own),
        "start": with_delays(start),
        "jitter": jitter,
        "shuffled": with_delays([dealt(d) for d in own]),
    }


def quantised(weights: Tensor, bits: int) -> Tensor:
    """Weights rounded to ``2^bits - 1`` equally spaced values around 0, with least squared error.

    Example:
        >>> quantised(torch.tensor([-1.0, 0.1, 0.2, 1.0]), bits=2).tolist()
        [-1.0, 0.0, 0.0, 1.0]
    """
    top = 2 ** (bits - 1) - 1
    steps = weights.abs().max() / top * torch.linspace(0.02, 1.0, 50)
    tried = [(weights / step).round().clamp(-top, top) * step for step in steps]
    return min(tried, key=lambda w: (w - weights).square().sum().item())


@torch.no_grad()
def coarse(found: Trained) -> dict:
    """The accuracy of a trained network with weights rounded to few bits, without retraining."""
    result = {"full": rounded(found.right(found.network).mean())}
    for bits in BITS:
        network = copy.deepcopy(found.network)
        for weights in (network.w_in, network.w_rec):
            weights.copy_(quantised(weights, bits))
        result[str(bits)] = rounded(found.right(network).mean())
    return {"bits": result}


WHY = {"gradient": gradient, "precision": precision, "coarse": coarse}


# ------------------------------------------------------------------------------ comparisons


def paired(a: np.ndarray, b: np.ndarray, draws: int = 4000) -> dict:
    """Compare two kinds of networks on the same words, seed by seed.

    Args:
        a: ``[seeds, words]`` bool, whether each word was right.
        b: as `a`, for the other kind; each kind has one run per seed.
        draws: number of draws of the bootstrap.

    Returns:
        "mean" of a - b; "low" and "high", the ends of its 95 % interval by a bootstrap that draws
        both seeds and words; "each", the difference for each seed; "spread", half the width of the
        95 % interval by Student's t over seeds (None for a single seed); "p_each" and "p",
        McNemar's exact test for each seed and for all seeds together. In "p", the same word counts
        once for each seed.

    Example:
        >>> a, b = np.array([[1, 1, 1, 1, 0]] * 2, bool), np.array([[0, 0, 1, 1, 0]] * 2, bool)
        >>> result = paired(a, b)
        >>> round(result["mean"], 3), result["each"], result["p_each"], result["p"]
        (0.4, [0.4, 0.4], [0.5, 0.5], 0.125)
    """
    interval = paired_interval(a, b, draws=draws)
    difference = a.astype(float) - b.astype(float)
    n_seeds = len(difference)
    each = difference.mean(1)
    spread = None
    if n_seeds > 1:
        spread = stats.t.ppf(0.975, n_seeds - 1) * each.std(ddof=1) / math.sqrt(n_seeds)
    return {
        "mean": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "each": [float(x) for x in each],
        "spread": spread if spread is None else float(spread),
        "p_each": [mcnemar(*pair) for pair in zip(a, b, strict=True)],
        "p": mcnemar(a, b),
    }


def mcnemar(a: np.ndarray, b: np.ndarray) -> float:
    """Two-sided p of McNemar's exact test: are as many words right only in `a` as only in `b`?"""
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    return float(stats.binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


# ----------------------------------------------------------------------------------- tables

#: The comparisons within part `core`: the first network minus the second.
PAIRS = (
    (("core_free", 10), ("core_free", 0)),
    (("core_placed", 10), ("core_placed", 0)),
    (("core_placed", 10), ("core_free", 10)),
    (("core_placed", 0), ("core_free", 0)),
    (("core_free", 0), ("core_none", None)),
    (("core_placed", 0), ("core_none", None)),
    (("core_free", 0), ("core_none_tuned", None)),
    (("core_placed", 0), ("core_none_tuned", None)),
    (("core_none_tuned", None), ("core_none", None)),
)


def title_of(name: str, scale: int | None) -> str:
    state = {None: "", 0: ", frozen"}.get(scale, ", learned")
    return SETTINGS[name].title + state


def core_table(study: Study) -> str:
    """Test accuracy of the networks of part `core`."""
    rows = []
    for name, setting in SETTINGS.items():
        for scale in setting.scales if setting.part == "core" else ():
            content = study.read(file_of(name, scale))
            if content is None:
                continue
            values = [float(right.mean()) for right in study.right(name, scale).values()]
            each = ", ".join(f"{100 * value:.1f}" for value in values)
            rows.append(
                f"| {title_of(name, scale)} | {content['parameters']:,} | "
                f"{percent(values, content['words'])} | {each} |"
            )
    head = ["| 100 hidden neurons | learned parameters | test accuracy, % | seed by seed |",
            "|---|---|---|---|"]  # fmt: skip
    return "\n".join(head + rows) if rows else ""


Rights = dict[int, np.ndarray]  # for each seed, whether each word was right, ``[N]`` bool


def compared(pairs: Iterable[tuple[str, Rights, Rights]]) -> str:
    """A table of differences between networks, on the same words.

    Args:
        pairs: for each row a title, and the answers of the two kinds of networks. A pair without a
            common seed is left out.
    """
    rows = []
    for title, a, b in pairs:
        seeds = sorted(a.keys() & b.keys())
        if not seeds:
            continue
        found = paired(np.stack([a[s] for s in seeds]), np.stack([b[s] for s in seeds]))
        each = ", ".join(f"{100 * x:+.1f}" for x in found["each"])
        by_seed = "" if found["spread"] is None else f" ± {100 * found['spread']:.1f}"
        mean = f"{100 * found['mean']:+.1f}"
        rows.append(
            f"| {title} | {f'**{mean}**' if len(seeds) > 2 else mean} | "
            f"{100 * found['low']:+.1f} to {100 * found['high']:+.1f} | "
            f"{mean}{by_seed} | {each} | {chance(found['p'])} |"
        )
    head = ["| difference, percentage points | mean | 95 %, words and seeds | 95 %, seeds (t) | "
            "seed by seed | McNemar p, all seeds |", "|---|---|---|---|---|---|"]  # fmt: skip
    return "\n".join(head + rows) if rows else ""


def pair_table(study: Study) -> str:
    """Differences between the networks of part `core`."""
    return compared(
        (f"{title_of(*first)} − {title_of(*second)}", study.right(*first), study.right(*second))
        for first, second in PAIRS
    )


def chance(p: float) -> str:
    return f"{p:.2g}" if p >= 1e-4 else "< 0.0001"


def held_out_table(study: Study) -> str:
    """Accuracy on held-out speakers by setting and scale, and the gain from learning delays."""
    outer = {n: s for n, s in SETTINGS.items() if s.part != "core"}
    scales = sorted({x for s in outer.values() for x in s.scales if x is not None})
    rows = []
    for name, setting in outer.items():
        cells = [held_out_cell(study, name, scale, None in setting.scales) for scale in scales]
        if any(cells):
            rows.append(f"| {setting.title} | " + " | ".join(cells) + " |")
    head = ["| speakers 6 and 7, %, after 8 epochs | frozen, or none | "
            + " | ".join(f"× {scale}" for scale in scales[1:]) + " |",
            "|---|" + "---|" * len(scales)]  # fmt: skip
    return "\n".join(head + rows) if rows else ""


def held_out_cell(study: Study, name: str, scale: int, without: bool) -> str:
    """An accuracy, and the gain over frozen delays, ± half its 95 % interval over words."""
    right = study.right(name, None if without else scale) if not (without and scale) else {}
    if not right:
        return ""
    text = f"{100 * np.mean([r.mean() for r in right.values()]):.1f}"
    frozen = study.right(name, 0)
    seeds = sorted(right.keys() & frozen.keys())
    if not scale or not seeds:
        return text
    change = np.stack([right[s].astype(float) - frozen[s] for s in seeds]).mean(0)
    half = 1.96 * change.std() / math.sqrt(len(change))
    return f"{text} ({100 * change.mean():+.1f} ± {100 * half:.1f})"


def moved_table(study: Study) -> str:
    """How far learned delays moved."""
    rows = []
    for name, setting in SETTINGS.items():
        for scale in setting.scales:
            if not scale or not (runs := study.runs_of(name, scale)):
                continue
            moves = [run["moved"] for run in runs]
            mean = {k: statistics.mean(m[k] for m in moves) for k in ("median", "most")}
            ends = [statistics.mean(m["end"][k] for m in moves) for k in range(2)]
            starts = [statistics.mean(m["start"][k] for m in moves) for k in range(2)]
            where = "test, 12 epochs" if setting.part == "core" else "8 epochs"
            rows.append(
                f"| {setting.title} ({where}) | {scale} | {mean['median']:.2g} | "
                f"{mean['most']:.2g} | {starts[0]:.0f} ± {starts[1]:.0f} | "
                f"{ends[0]:.0f} ± {ends[1]:.0f} |"
            )
    head = ["| setting | scale | median change of a delay, ms | 95 % are below, ms | "
            "delays at the start, ms | at the end |", "|---|---|---|---|---|---|"]  # fmt: skip
    return "\n".join(head + rows) if rows else ""


#: Groups of parameters, as named in the tables.
GROUPS = {
    "w_in": "input weights",
    "w_rec": "recurrent weights",
    "delays.coordinates.0": "positions of inputs",
    "delays.coordinates.1": "positions of hidden neurons",
    "delays.delays.0": "input delays",
    "delays.delays.1": "recurrent delays",
    "readout.weight": "read-out",
}


def gradient_table(study: Study) -> str:
    """The ratio of signal to noise in a batch's gradient."""
    content = study.read("gradient")
    if content is None:
        return ""
    groups = list(GROUPS)
    lines = [
        "| gradient of one batch, signal / noise | " + " | ".join(GROUPS[g] for g in groups) + " |",
        "|---|" + "---|" * len(groups),
    ]
    for entry in content["networks"]:
        for when in ("start", "end"):
            ratios = [entry[when].get(group, {}).get("ratio") for group in groups]
            cells = ["" if ratio is None else f"{ratio:.2f}" for ratio in ratios]
            lines.append(f"| {entry['network']}, {when} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def precision_table(study: Study) -> str:
    """Accuracy with delays that differ from those with which the weights were trained."""
    content = study.read("precision")
    if content is None:
        return ""
    lines = [
        "| speakers 6 and 7, %, with delays | as trained | as at the start | "
        + " | ".join(f"jittered by {s} ms" for s in JITTERS)
        + " | shuffled |",
        "|---|" + "---|" * (len(JITTERS) + 3),
    ]
    for entry in content["networks"]:
        values = [entry["own"], entry["start"], *entry["jitter"].values(), entry["shuffled"]]
        cells = " | ".join(f"{100 * value:.1f}" for value in values)
        lines.append(f"| {entry['network']} | {cells} |")
    return "\n".join(lines)


def coarse_table(study: Study) -> str:
    """Accuracy with weights of few bits."""
    content = study.read("coarse")
    if content is None:
        return ""
    lines = [
        "| speakers 6 and 7, %, with weights of | 32 bits | "
        + " | ".join(f"{bits} bits" for bits in BITS)
        + " |",
        "|---|" + "---|" * (len(BITS) + 1),
    ]
    for entry in content["networks"]:
        cells = " | ".join(f"{100 * value:.1f}" for value in entry["bits"].values())
        lines.append(f"| {entry['network']} | {cells} |")
    return "\n".join(lines)


def tables(study: Study | None = None) -> str:
    """The tables that docs/results.md shows between this study's markers."""
    study = study or Study()
    parts = (core_table, pair_table, held_out_table, moved_table, precision_table, gradient_table,
             coarse_table)  # fmt: skip
    return "\n\n".join(filter(None, (part(study) for part in parts)))


# ---------------------------------------------------------------------------- the whole study

Job = tuple[str, int | None, int]


def jobs(names: list[str], seeds: range) -> Iterator[Job]:
    """The runs of the given parts or settings: all runs of one seed before the next seed."""
    for seed in seeds:
        for name, setting in SETTINGS.items():
            if name in names or setting.part in names:
                for scale in setting.scales:
                    yield name, scale, seed


def make_all(study: Study) -> None:
    """Carry out everything that is missing, the most informative runs first."""

    def make(names: list[str], seeds: range) -> None:
        for job in jobs(names, seeds):
            study.make(*job)

    make(["core"], range(1))
    make(["scale", "start"], range(1))
    for what in WHY:
        study.measure(what, made=True)
    make(["core"], range(1, SEEDS))
    make(list(PARTS), range(1))
    for what in WHY:
        study.measure(what)


def main() -> None:
    parser = cli.Parser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "what", nargs="?", choices=("table", "write", "all", "run", "why"), default="table",
        help="what to do before the tables are printed",
    )  # fmt: skip
    parser.add_argument(
        "names", nargs="*", help="run: parts or settings; why: measurements; by default all"
    )
    parser.add_argument("--seeds", type=cli.positive_int, default=1, help="run: number of seeds")
    parser.add_argument(
        "--tiny", type=Path, metavar="FOLDER", help="try it on small networks and generated words"
    )
    args = parser.parse_args()
    known = {"run": (*PARTS, *SETTINGS), "why": tuple(WHY)}.get(args.what, ())
    for name in args.names:
        if name not in known:
            parser.error(f"{args.what} {name}: not one of {', '.join(known) or 'none'}")
    study = Study()
    if args.tiny:
        study = Study(args.tiny / "results", args.tiny / "runs", tiny=True)
    making = args.what in ("all", "run", "why")
    try:
        with locked(study.results) if making else nullcontext():
            make_missing(args, study)
    except FolderInUseError as error:
        parser.error(error.strerror)
    except MissingDataError as error:
        parser.error(str(error))
    print(tables(study))


def make_missing(args: argparse.Namespace, study: Study) -> None:
    """Do what the command line asks for, except for printing the tables."""
    if args.what in ("all", "run", "why"):
        words_of(parsed(RECIPE, study.dataset))  # so that missing data are reported at once
    if args.what == "all":
        make_all(study)
    if args.what == "run":
        for job in jobs(args.names or list(PARTS), range(args.seeds)):
            study.make(*job)
    if args.what == "why":
        for what in args.names or WHY:
            study.measure(what)
    if args.what == "write":
        write_between("delay study", tables(study))


if __name__ == "__main__":
    main()
