"""Check that the parts of the library import only from the floors below, and draw the floors.

    python tools/floors.py                          print entries, floors and circular imports
    python tools/floors.py docs/images/floors.svg   draw the floors

An entry is a file or folder of ``jarvis/``. An entry may import from itself and from the entries
before it in `FLOORS`. Imports inside functions count, too.
"""

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "jarvis"

#: From the ground up; within a floor, an entry may import from the entries before it.
FLOORS = (
    ("support", "surrogate", "plotting", "kernels"),
    ("neurons",),
    ("lif", "adex", "encoding", "zoo"),
    ("datasets", "training", "networks"),
    ("stdp", "spatial", "control"),
    ("classroom",),
)


class Import(NamedTuple):
    """One name that a module imports from another module of the library."""

    module: str  #: the importing module, such as "stdp.wta"
    target: str  #: the module from which it imports
    name: str  #: the imported name


def entry_of(module: str) -> str:
    """The file or folder of ``jarvis/`` to which a module belongs."""
    return module.partition(".")[0]


def entries() -> list[str]:
    """The files and folders of ``jarvis/``, without its own ``__init__``."""
    return sorted(
        path.stem
        for path in LIBRARY.iterdir()
        if path.name != "__pycache__" and path.suffix in (".py", "") and path.stem != "__init__"
    )


def modules() -> dict[str, Path]:
    """Every module of the library, by its name within ``jarvis``.

    The name of a folder stands for its ``__init__``.
    """
    found = {}
    for path in sorted(LIBRARY.rglob("*.py")):
        parts = path.relative_to(LIBRARY).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name:
            found[name] = path
    return found


def imports() -> Iterator[Import]:
    """Every import of one module of the library by another, read from the sources."""
    known = modules()
    for module, path in known.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name.startswith("jarvis."):
                        yield Import(module, alias.name.removeprefix("jarvis."), "")
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("jarvis"):
                assert node.module is not None
                base = node.module.removeprefix("jarvis").removeprefix(".")
                for alias in node.names:
                    full = f"{base}.{alias.name}".removeprefix(".")
                    if full in known:  # a module that is imported by name from its folder
                        yield Import(module, full, alias.name)
                    else:
                        yield Import(module, base, alias.name)


def upward() -> list[str]:
    """Imports from a higher floor, or against the order within a floor."""
    order = [entry for floor in FLOORS for entry in floor]
    wrong = []
    for module, target, name in imports():
        here, there = entry_of(module), entry_of(target)
        if here != there and order.index(there) > order.index(here):
            wrong.append(f"jarvis.{module} imports {name} of jarvis.{target}")
    return sorted(set(wrong))


def circles() -> list[str]:
    """Modules that import one another in a circle; a folder's ``__init__`` imports its modules."""
    known = modules()
    graph: dict[str, set[str]] = {name: set() for name in known}
    for module, target, _ in imports():
        if module != target:
            graph[module].add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def private_across() -> list[str]:
    """Private names and modules that an entry imports from another entry."""
    return sorted(
        f"jarvis.{module} imports {name} of jarvis.{target}"
        for module, target, name in imports()
        if entry_of(module) != entry_of(target)
        and (name.startswith("_") or any(part.startswith("_") for part in target.split(".")))
    )


def draw(path: str) -> None:
    """Draw the floors as boxes, with the ground at the bottom."""
    from matplotlib import pyplot as plt

    sys.path.insert(0, str(ROOT))
    from jarvis.support.files import atomic_path

    # Reproducible output, with labels as text.
    plt.rcParams.update({"svg.hashsalt": "floors", "svg.fonttype": "none"})
    shown = (*FLOORS, ("notebooks", "demos"))
    figure, ax = plt.subplots(figsize=(7, 0.62 * len(shown)), layout="constrained")
    for level, floor in enumerate(shown):
        width = 12 / len(floor)
        for k, entry in enumerate(floor):
            box = plt.Rectangle((k * width + 0.08, level + 0.1), width - 0.16, 0.8)
            box.set(facecolor="#e8eef7" if level < len(FLOORS) else "#fdf1dc", edgecolor="#4a6b9a")
            ax.add_patch(box)
            ax.text((k + 0.5) * width, level + 0.5, entry, ha="center", va="center", fontsize=11)
    arrow = dict(arrowstyle="-|>", color="#4a6b9a")
    ax.annotate("", (12.35, 0.2), (12.35, len(shown) - 0.2), arrowprops=arrow)
    ax.text(12.55, len(shown) / 2, "imports", rotation=270, va="center", fontsize=10)
    ax.set(xlim=(0, 12.9), ylim=(0, len(shown)))
    ax.set_axis_off()
    form = path.rpartition(".")[2]
    if form not in figure.canvas.get_supported_filetypes():
        sys.exit(f"floors.py: {path} is not an image: its name must end in .svg or .png")
    try:
        with atomic_path(Path(path)) as part:
            figure.savefig(part, format=form, metadata={"Date": None} if form == "svg" else None)
    except OSError as error:
        sys.exit(f"floors.py: {error.strerror or error}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            print(f"entries of jarvis/ ({len(entries())}): {', '.join(entries())}")
            for level, floor in reversed(list(enumerate(FLOORS, start=1))):
                print(f"floor {level}: {', '.join(floor)}")
            print("imports that lead upward:", upward() or "none")
            print("circles:", circles() or "none")
            print("private names across folders:", private_across() or "none")
        case [path]:
            draw(path)
        case _:
            sys.exit(__doc__)
