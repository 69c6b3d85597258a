"""Fuzz the readers of checkpoints and of YAML recipes with damaged bytes and edited contents.

python tools/fuzz/checkpoints.py                       # 1000 files of each kind
python tools/fuzz/checkpoints.py --seed 3 --count 200

A damaged checkpoint must be refused with a CheckpointError, or lead to the same run, bit for bit,
as the intact checkpoint. An edited checkpoint is a readable file in which a value was changed: it
must be refused, or the run must resume and end with finite weights. A damaged recipe must be
refused with a ConfigError, or yield a Recipe. Every message must be one line that names the file,
and every reader must end within seconds.
"""

import argparse
import copy
import os
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent.parent
for folder in (ROOT, ROOT / "tools" / "fuzz"):
    sys.path.insert(0, str(folder))

from common import Report, damaged  # noqa: E402

from jarvis import SpikingMLP, datasets, poisson_encode, seeded  # noqa: E402
from jarvis.encoding import Events  # noqa: E402
from jarvis.stdp import (  # noqa: E402
    ConfigError,
    LayerwiseRun,
    Recipe,
    make_layers,
    make_recipe,
    read_recipe,
    read_run,
)
from jarvis.training import CheckpointError, GradientRun, Run, TrainingError, train  # noqa: E402

LIMIT = 60  # seconds after which a reader counts as hung

RECIPE = """paper: null
n_steps: 6
samples: 40
input: {filter: dog, size: 5, sigma_center: 1.0, threshold: 0.02, latency: rank}
conv1: &first {maps: 4, kernel_size: 3, threshold: 0.5, pool: 1, polarity: difference}
conv2:
  <<: *first
  maps: 5
  stdp: {a_plus: 5e-2, a_minus: 0.04}
stdp: {converged_below: 0, max_epochs: 2}
wta: {theta_plus: 0.001, dead_after: 50, local_radius: 1, n_winners: 5}
segment: {once: true, max_spikes: 10}
"""
#: Texts that are inserted into a recipe at random places.
YAML_WORDS = (
    "{}", "[]", "[1]", "? [1]\n: 2\n", "2020-99-99", "!!int abc", "9" * 5000, "0x" + "f" * 5000,
    "[" * 3000, "{a: " * 500, "&a [*a]", "*b", "!!python/object:os.system {}", "!!binary x", "~",
    "1e400", ".nan", ".inf", "-.inf", "yes", "'", '"', "\t", "\0", "\udcff", "<<: [*first, *first]",
    "99999999999", "-1", "0", "1e308", "1:30:00", "=", "!!timestamp x", "!!float x", "!!bool x",
    "!!set {1}", "|\n", "---\n", "%YAML 9.9\n", "x: 1\n", "n_steps: 3\n", "100000", "4096",
)  # fmt: skip
#: Values that replace others in a checkpoint.
VALUES = (
    None, True, -1, 0, 1, 10**20, 0.5, float("nan"), float("inf"), "", "conv9", [], {}, [1],
    {"a": 1}, torch.zeros(0), torch.tensor(float("nan")), torch.full((3,), float("inf")),
    torch.zeros(2).int(),
)  # fmt: skip


class Kind:
    """A kind of run: how to make and resume it, and a checkpoint from the middle of such a run."""

    def __init__(self, name: str, make: Callable[[], Run], folder: Path) -> None:
        self.name, self.make = name, make
        self.path = folder / f"{name}.pt"
        run = make()
        for _ in zip(range(2), run.steps(), strict=False):
            pass
        run.save(self.path)
        self.whole = self.path.read_bytes()
        self.end = weights(self.resumed())

    def resumed(self) -> Run:
        """A run that is resumed from the file and trained to its end."""
        return train(self.make(), resume=self.path, progress=False, log=lambda line: None)


def weights(run: Run) -> list[Tensor]:
    """All tensors that a run has learned."""
    if isinstance(run, GradientRun):
        return list(run.model.state_dict().values())
    assert isinstance(run, LayerwiseRun)
    return [value for layer in run.layers.values() for value in layer.state_dict().values()]


def gradient_run() -> Run:
    data = datasets.toy("train").subset(48)
    with seeded(0):
        model = SpikingMLP((32, 4, 2))
    return GradientRun(
        model, data, encode=lambda x, g: poisson_encode(x, 3, generator=g), batch_size=16, epochs=2
    )


def layerwise_run() -> Run:
    recipe = make_recipe(
        {"conv1": {"maps": 4, "threshold": 0.5, "pool": 1}, "conv2": {"maps": 3, "pool": 1},
         "stdp": {"converged_below": 0, "max_epochs": 2}, "train_conv1": True}
    )  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    run = LayerwiseRun(make_layers(recipe, 1, generator), recipe, 0, {"dataset": "digits"})
    run.batch_size = 5
    dense = torch.rand(4, 12, 1, 10, 10, generator=generator) < 0.1
    run.events = Events.from_dense(dense.float())
    return run


def places(content: Any, path: tuple = ()) -> Iterator[tuple]:
    """The paths to all entries of nested dicts and lists."""
    if isinstance(content, dict | list):
        for key, value in content.items() if isinstance(content, dict) else enumerate(content):
            yield (*path, key)
            yield from places(value, (*path, key))


def edit(content: Any, random: Random) -> str:
    """Change one entry of a checkpoint's content; returns a description of the change."""
    place = random.choice(list(places(content)))
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    name, value = ".".join(map(str, place)), inner[place[-1]]
    choice = random.random()
    if choice < 0.3:
        del inner[place[-1]]
        return f"{name} removed"
    if isinstance(value, Tensor) and value.numel() and choice < 0.7:
        changed = value.clone()
        what = random.choice((float("nan"), float("inf"), -1, 1e30, "shape", "dtype"))
        if what == "shape":
            changed = changed.flatten()[:-1]
        elif what == "dtype":
            changed = changed.double() if changed.dtype != torch.float64 else changed.int()
        elif changed.is_floating_point() or what == -1:
            changed.view(-1)[random.randrange(changed.numel())] = (
                what if changed.dtype != torch.uint8 else 7
            )
        inner[place[-1]] = changed
        return f"{name}: {what}"
    inner[place[-1]] = random.choice(VALUES)
    return f"{name} = {str(inner[place[-1]])[:60]}"


@contextmanager
def limited() -> Iterator[None]:
    """A context that raises a TimeoutError after `LIMIT` seconds."""

    def stop(number: int, frame: object) -> None:
        raise TimeoutError(f"not ended after {LIMIT} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def tried(call: Callable[[], Any], refusal: type[Exception], path: Path) -> tuple[str, Any]:
    """What a reader does with a file: "taken", with the result; "refused"; or a fault, in words."""
    try:
        with limited(), warnings.catch_warnings():
            warnings.simplefilter("error")
            return "taken", call()
    except refusal as error:
        message = str(error)
        if len(message.splitlines()) != 1:
            return "a message of several lines", message
        if path.name not in message:
            return "a message that does not name the file", message
        if "weights_only=False" in message:
            return "a message that advises running code", message
        return "refused", message
    except TrainingError as error:  # reports that a loss is not finite
        return "refused", str(error)
    except TimeoutError as error:
        return "hang", str(error)
    except Exception as error:
        return "traceback", f"{type(error).__name__}: {error}"


def fuzz_bytes(kind: Kind, random: Random) -> tuple[str, str, str]:
    """Try a checkpoint with damaged bytes; returns the outcome, the damage, and details."""
    data, what = damaged(kind.whole, random)
    kind.path.write_bytes(data)
    outcome, result = tried(kind.resumed, CheckpointError, kind.path)
    if outcome == "taken" and not all(map(torch.equal, weights(result), kind.end)):
        outcome = "other weights from damaged bytes"
    return outcome, f"{kind.name}: {what}", "" if outcome == "taken" else str(result)


def fuzz_content(kind: Kind, random: Random) -> tuple[str, str, str]:
    """Try a checkpoint with edited content; returns the outcome, the change, and details."""
    kind.path.write_bytes(kind.whole)
    content = copy.deepcopy(torch.load(kind.path, weights_only=True))
    what = edit(content, random)
    torch.save(content, kind.path)
    outcome, result = tried(kind.resumed, CheckpointError, kind.path)
    if outcome == "taken" and not all(bool(w.isfinite().all()) for w in weights(result)):
        outcome = "weights that are not finite"
    if kind.name == "layerwise" and outcome in ("taken", "refused"):
        read, message = tried(lambda: read_run(kind.path), CheckpointError, kind.path)
        if read not in ("taken", "refused"):
            outcome, result = read, message
    return outcome, f"{kind.name}: {what}", "" if outcome == "taken" else str(result)


def fuzz_recipe(path: Path, random: Random) -> tuple[str, str, str]:
    """Try a recipe with damaged bytes, or with words that have a meaning in YAML."""
    data = RECIPE.encode()
    if random.random() < 0.3:
        data, what = damaged(data, random)
    else:
        word = random.choice(YAML_WORDS)
        lines = RECIPE.splitlines()
        at = random.randrange(len(lines))
        key, _, value = lines[at].partition(": ")
        new = random.choice((f"{key}: {word}", f"{key}: {{x: {word}}}", word, f"{word}: {value}"))
        if "{" in value and random.random() < 0.5:  # change one of the values in braces
            parts = value.split(", ")
            k = random.randrange(len(parts))
            parts[k] = f"{parts[k].partition(': ')[0]}: {word}"
            new = f"{key}: {', '.join(parts)}"
        lines[at] = new
        data, what = "\n".join(lines).encode("utf-8", "surrogateescape"), new[:80]
    path.write_bytes(data)
    outcome, result = tried(lambda: read_recipe(path), ConfigError, path)
    if outcome == "taken" and not isinstance(result, Recipe):
        outcome = "no recipe"
    return outcome, f"recipe: {what!r}", "" if outcome == "taken" else str(result)


def fuzz(seed: int, count: int, verbose: bool = False) -> int:
    """Run all tries; returns the exit status, which is 1 if there were faults."""
    report = Report(f"checkpoints --seed {seed}")
    with tempfile.TemporaryDirectory(prefix="jarvis-fuzz-") as name:
        folder = Path(name)
        kinds = [
            Kind("gradient", gradient_run, folder),
            Kind("layerwise", layerwise_run, folder),
        ]
        for k in range(count):
            random = Random(f"{seed}/{k}")
            tries = [fuzz_recipe(folder / "recipe.yaml", random)]
            for kind in kinds:
                tries += [fuzz_bytes(kind, random), fuzz_content(kind, random)]
            for outcome, what, details in tries:
                if outcome in ("taken", "refused"):
                    report.count(outcome)
                    if verbose:
                        print(f"{k}: {what}: {outcome} {details}")
                else:
                    report.find(outcome, f"{k}: {what}", details)
    return report.close()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="seed of the damage")
    parser.add_argument("--count", type=int, default=1000, help="number of files of each kind")
    parser.add_argument("--verbose", action="store_true", help="show every file and its message")
    args = parser.parse_args(argv)
    return fuzz(args.seed, args.count, args.verbose)


if __name__ == "__main__":
    sys.exit(main())
