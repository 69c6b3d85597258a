"""Draw the README's image: a digit processed by a trained spiking network.

python tools/picture.py docs/images/digit.gif   # animated
python tools/picture.py docs/images/digit.png   # still image: the last frame
python tools/picture.py docs/_static/digit.js   # the data, drawn by the site's first page
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.animation import FuncAnimation, PillowWriter
from torch import Tensor, nn

from jarvis import SpikingMLP, datasets, fit, over_time, plotting, poisson_encode
from jarvis.plotting import BLUE, GREEN, GREY, RED
from jarvis.support.files import atomic_path, check_replaceable
from jarvis.training import seeded

N_STEPS = 60  # steps of 1 ms
DIGIT = 3
TARGET_RATE = 0.04  # spikes per step: 40 Hz
FRAMES_PER_SECOND = 12.5  # one frame per ms of the network's time
PAUSE = 28  # extra frames that repeat the last picture
SIZE, DPI = (8.6, 2.55), 150  # inches; shown 860 pixels wide, so that 1 pt is about 1 pt
STYLE = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@dataclass
class Shown:
    """One digit, and the network's response to it."""

    image: Tensor  #: [8, 8]
    spikes: Tensor  #: [T, 64], spikes of the pixels
    hidden: Tensor  #: [T, 100], neurons sorted by preferred class
    preferred: Tensor  #: [100], the class with each neuron's largest output weight
    evidence: Tensor  #: [T, 10], cumulative output current of each class


def encode(x: Tensor, generator: torch.Generator) -> Tensor:
    return poisson_encode(x, N_STEPS, max_rate=200.0, generator=generator)


def objective(model: nn.Module, x: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy plus rate regularisation, which keeps the hidden spikes sparse."""
    scores, (hidden,) = model(x, return_spikes=True)
    excess = (hidden.mean((0, 1)) - TARGET_RATE).clamp_min(0.0)
    return nn.functional.cross_entropy(scores, targets) + 20.0 * excess.square().sum(), scores


def run_network() -> Shown:
    train, test = datasets.digits("train"), datasets.digits("test")
    with seeded(0):
        model = SpikingMLP((64, 100, 10))
    fit(model, train, test_set=test, epochs=30, batch_size=32, lr=3e-3, encode=encode,
        objective=objective)  # fmt: skip
    sample = int((test.targets == DIGIT).nonzero()[0])
    x, _ = test[sample : sample + 1]
    with torch.no_grad():
        spikes = encode(x, torch.Generator().manual_seed(0))
        _, (hidden,) = model(spikes, return_spikes=True)
        evidence = over_time(model.output, hidden)[:, 0].cumsum(0)
        preferred = model.output.weight.argmax(0)
    order = preferred.argsort(stable=True)
    return Shown(x[0, 0], spikes[:, 0].flatten(1), hidden[:, 0, order], preferred[order], evidence)


class Picture:
    """Four panels: the digit, its spikes, the hidden neurons' spikes, the evidence."""

    def __init__(self, shown: Shown) -> None:
        self.shown = shown
        self.answer = int(shown.evidence[-1].argmax())
        self.figure, axes = plt.subplots(
            1, 4, figsize=SIZE, layout="constrained", width_ratios=(0.75, 1, 1, 1.15)
        )
        self._draw_digit(axes[0])
        self._draw_spikes(axes[1], axes[2])
        self._draw_evidence(axes[3])

    def _draw_digit(self, ax) -> None:
        ax.imshow(self.shown.image, cmap="gray")
        ax.set(title="a digit", xticks=[], yticks=[])
        self.firing = ax.scatter([], [], s=22, color=GREEN)
        self.clock = ax.set_xlabel(f"{N_STEPS} ms")

    def _draw_spikes(self, left, right) -> None:
        plotting.raster(self.shown.spikes, ax=left, color=GREEN)
        left.set(title="spikes of its pixels", ylabel="pixel", yticks=(0, 31, 63), ylim=(64, -1))
        preferred, answer = self.shown.preferred, self.answer
        for mine, color in ((preferred != answer, BLUE), (preferred == answer, RED)):
            plotting.raster(self.shown.hidden * mine, ax=right, color=color)
        classes = preferred.unique().tolist()
        middle = [float((preferred == k).nonzero().float().mean()) for k in classes]
        right.set(title="spikes of 100 hidden neurons", ylabel="preferred class")
        right.set_yticks(middle, classes)
        right.get_yticklabels()[classes.index(answer)].set(color=RED, weight="bold")
        right.tick_params(axis="y", length=0)
        self.rasters = [*left.collections, *right.collections]
        for ax in (left, right):
            ax.set(xlim=(-1, N_STEPS), xticks=(0, 20, 40, 60))
        self.offsets = [np.asarray(raster.get_offsets()) for raster in self.rasters]

    def _draw_evidence(self, ax) -> None:
        evidence, answer = self.shown.evidence, self.answer
        self.lines = []
        for k in range(evidence.shape[1]):
            style = dict(color=RED, lw=2.2, zorder=3) if k == answer else dict(color=GREY, lw=0.9)
            self.lines += ax.plot([], [], **style)
        self.label = ax.text(0, 0, f" {answer}", color=RED, size=16, weight="bold", va="center")
        low, high = float(evidence.min()), float(evidence.max())
        room = 0.08 * (high - low)
        ax.set(
            title="evidence for each class",
            xlabel="time (ms)",
            ylabel="summed current",
            xlim=(0, N_STEPS + 10),
            ylim=(low - room, high + room),
            xticks=(0, 20, 40, 60),
        )

    def draw(self, step: int) -> None:
        """Draw the state after the first `step` ms."""
        now = step - 1
        ends = step == N_STEPS
        rows, columns = np.nonzero(self.shown.spikes[now].reshape(8, 8).numpy())
        self.firing.set_offsets(np.column_stack([columns, rows])[: 0 if ends else None])
        self.clock.set_text(f"{step} ms")
        for raster, offsets in zip(self.rasters, self.offsets, strict=True):
            raster.set_offsets(offsets[offsets[:, 0] <= now])
        for line, values in zip(self.lines, self.shown.evidence.T, strict=True):
            line.set_data(range(1, step + 1), values[:step])
        self.label.set_position((step, float(self.shown.evidence[now, self.answer])))
        self.label.set_text(f" {self.answer}" if ends else "")


def save(picture: Picture, path: Path) -> None:
    """Write the film (.gif) or the still image (.png), completely or not at all."""
    with atomic_path(path) as part:
        (save_film if path.suffix == ".gif" else save_still)(picture, part)


def save_film(picture: Picture, path: Path) -> None:
    frames = [*range(1, N_STEPS + 1), *[N_STEPS] * PAUSE]
    film = FuncAnimation(picture.figure, picture.draw, frames=frames)
    film.save(str(path), writer=PillowWriter(fps=FRAMES_PER_SECOND), dpi=DPI)


def save_still(picture: Picture, path: Path) -> None:
    picture.draw(N_STEPS)
    picture.figure.savefig(path, format="png", dpi=DPI)


def data(shown: Shown) -> str:
    """A script that sets `window.jarvisDigit`: spikes as (step, unit), and evidence by step."""
    fields = {
        "image": [[round(value, 3) for value in row] for row in shown.image.tolist()],
        "spikes": shown.spikes.nonzero().tolist(),
        "hidden": shown.hidden.nonzero().tolist(),
        "preferred": shown.preferred.tolist(),
        "evidence": [[round(value, 3) for value in row] for row in shown.evidence.tolist()],
        "answer": int(shown.evidence[-1].argmax()),
    }
    text = json.dumps(fields, separators=(",", ":"))
    made = "// Made by tools/picture.py: a digit, and a trained network's spikes."
    return f"{made}\nwindow.jarvisDigit = {text};\n"


def main(name: str) -> None:
    path = Path(name)
    if path.suffix not in (".gif", ".png", ".js"):
        raise SystemExit(f"{path}: the image must be a .gif or .png file, and its data a .js file")
    check_replaceable(path)  # an error should come before the training
    if path.suffix == ".js":
        with atomic_path(path) as part:
            part.write_text(data(run_network()), encoding="utf-8")
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
        return
    with plt.rc_context(STYLE):
        picture = Picture(run_network())
        save(picture, path)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        main(sys.argv[1])
    except OSError as error:
        sys.exit(f"picture.py: {error.strerror or error}")
