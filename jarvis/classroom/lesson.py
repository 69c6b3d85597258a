"""How a lesson begins: it sets the style of its figures and prints the versions that it uses."""

import platform
from importlib import import_module

#: Settings that make figures readable on a page and on a high-resolution screen.
STYLE = {
    "figure.figsize": (6.4, 3.0),
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "figure.titlesize": 11,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.title_fontsize": 9,
    "legend.frameon": False,
}


def begin(*packages: str) -> None:
    """Set the lessons' figure style, and print the versions of the packages in one line.

    Figures have 110 dots per inch, fonts of 9 points or more, the colours of `jarvis.plotting`,
    a constrained layout, and legends without a frame. Call this function once, in a lesson's first
    cell; `plt.rcParams` can still be changed later.

    Args:
        *packages: further packages whose version is printed, such as ``"numba"``.

    Raises:
        ModuleNotFoundError: if one of the packages is not installed.

    Example:
        >>> begin()  # doctest: +ELLIPSIS
        Python 3..., jarvis ..., torch ..., numpy ...
        >>> from matplotlib import pyplot as plt
        >>> plt.rcParams["figure.dpi"]
        110.0
    """
    from cycler import cycler
    from matplotlib import pyplot as plt

    from jarvis import plotting

    colors = (plotting.BLUE, plotting.ORANGE, plotting.GREEN, plotting.PURPLE, plotting.RED)
    plt.rcParams.update(STYLE)  # pyright: ignore[reportArgumentType, reportCallIssue]
    plt.rcParams["axes.prop_cycle"] = cycler(color=[*colors, plotting.GREY])
    versions = [f"Python {platform.python_version()}"]
    for name in ("jarvis", "torch", "numpy", *packages):
        versions.append(f"{name} {getattr(import_module(name), '__version__', '(no version)')}")
    print(", ".join(versions))
