"""The figure of the layout player: neuron positions in a frame, and the delays of one neuron."""

import numpy as np
from matplotlib.figure import Figure

from jarvis.classroom.explorers.figures import Picture
from jarvis.classroom.explorers.layout_frames import (
    LayoutFilm,
    LayoutSettings,
    LayoutView,
    compute_layout,
)
from jarvis.classroom.explorers.pointer import Pointer, from_bottom
from jarvis.plotting import BLUE, GREY, RED

GROUPS = 10  #: number of groups of input channels, from low to high, each with its own colour


class LayoutPicture(Picture):
    """`LayoutView`: positions in the plane or in space, and delays by channel.

    Args:
        n_dims: dimensions of positions; three or more are drawn in space, fewer in a plane.
    """

    size = (9.5, 3.9)

    def __init__(self, n_dims: int) -> None:
        self.in_space = n_dims >= 3
        super().__init__()

    def _make(self) -> None:
        import matplotlib as mpl

        grid = self.figure.add_gridspec(1, 2, width_ratios=(1, 1.1), wspace=0.15)
        options = {"projection": "3d"} if self.in_space else {}
        self.ax = self.figure.add_subplot(grid[0], **options)  # type: ignore[arg-type]
        none = ([], [], []) if self.in_space else ([], [])
        colours = mpl.colormaps["plasma"](np.linspace(0.0, 0.95, GROUPS))
        self.inputs = [self.ax.plot(*none, "o", color=c, ms=2)[0] for c in colours]
        (self.hidden,) = self.ax.plot(*none, "o", color="black", ms=3)
        (self.path,) = self.ax.plot(*none, "-", color=RED, lw=1.5)
        (self.chosen,) = self.ax.plot(*none, "o", color=RED, ms=8)
        self.ax.set(xlabel="x (ms)", ylabel="y (ms)")
        if self.in_space:
            self.ax.set(zlabel="z (ms)")
        else:
            self.ax.set_aspect("equal")
        self.right = self.figure.add_subplot(grid[1])
        (self.before,) = self.right.plot([], [], ".", color=GREY, ms=2, label="first frame")
        (self.delays,) = self.right.plot([], [], ".", color=BLUE, ms=3, label="this frame")
        self.right.set(xlabel="input channel", ylabel="delay to the chosen neuron (ms)")
        self.right.legend(fontsize=7, loc="upper right")

    def _put(self, artist, positions: np.ndarray) -> None:
        if positions.shape[1] == 1:  # one dimension is drawn on a line at height 0
            positions = np.pad(positions, ((0, 0), (0, 1)))
        columns = [positions[:, k] for k in range(positions.shape[1])]
        artist.set_data_3d(*columns) if self.in_space else artist.set_data(*columns)

    def pixels(self) -> np.ndarray:
        """Where hidden neurons are shown: ``[n_hidden, 2]`` pixels from the left and the top."""
        if self.in_space:
            from mpl_toolkits.mplot3d import proj3d

            points = self.hidden.get_data_3d()  # type: ignore[attr-defined]
            x, y, _ = proj3d.proj_transform(*points, self.ax.get_proj())  # type: ignore[attr-defined]
        else:
            x, y = self.hidden.get_data()
        shown = self.ax.transData.transform(np.stack([x, y], 1))
        return np.stack([shown[:, 0], self.figure.bbox.height - shown[:, 1]], 1)

    def nearest(self, pointer: Pointer) -> int | None:
        """The hidden neuron nearest to the pointer; None outside the panel of positions."""
        if from_bottom(self.ax, pointer) is None:
            return None
        away = np.hypot(*(self.pixels() - [pointer.x, pointer.y]).T)
        return int(away.argmin())

    def _set(self, view: LayoutView) -> None:
        for artist, group in zip(self.inputs, np.array_split(view.inputs, GROUPS), strict=True):
            self._put(artist, group)
        self._put(self.hidden, view.hidden)
        self._put(self.path, view.path)
        self._put(self.chosen, view.path[-1:])
        limits = (-1.05 * view.reach, 1.05 * view.reach)
        self.ax.set(xlim=limits, ylim=limits)
        if self.in_space:
            self.ax.set(zlim=limits)
        channels = np.arange(len(view.delays))
        self.before.set_data(channels, view.before)
        self.delays.set_data(channels, view.delays)
        self.right.set(xlim=(-1, len(channels)), ylim=(0, 1.1 * view.longest))
        self.ax.set_title(f"epoch {view.epoch:g}; colour: channel, low to high", fontsize=10)
        mean, spread = view.delays.mean(), view.delays.std()
        self.right.set_title(f"delays: mean {mean:.1f} ms, spread {spread:.1f} ms", fontsize=10)


def draw_layout_frame(film: LayoutFilm, frame: int = 0, neuron: int = 0) -> Figure:
    """The static version of the layout player: a Figure of one frame, for one hidden neuron.

    Args:
        film: a film from `film_of_run` or `film_of_file`.
        frame: index of the frame, from 0.
        neuron: index of the hidden neuron, from 0.

    Raises:
        ValueError: for a frame or a neuron that is not in the film.
    """
    view = compute_layout(LayoutSettings(film=film, frame=frame, neuron=neuron))
    return LayoutPicture(film.inputs.shape[2]).show(view)
