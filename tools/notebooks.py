"""Build the notebooks from their sources by running them in full.

    python tools/notebooks.py build notebooks/sources/303_mnist.py ...   (all by default)
    python tools/notebooks.py build --fill notebooks/sources/303_mnist.py ...
    python tools/notebooks.py fill notebooks/sources/303_mnist.py ...
    python tools/notebooks.py text notebooks/sources/303_mnist.py ...
    python tools/notebooks.py figures notebooks/303_mnist.ipynb FOLDER

`build` runs a source in notebooks/sources in full and writes NNN_topic.ipynb, with outputs, to the
corresponding path in notebooks. `fill` replaces the marked numbers in the text (``97.8<!-- accuracy
0.3 --> %``) by those of the last full run, which are in notebooks/results, and prints the numbers
that changed; `build --fill` does this after the run. `text` updates only the Markdown cells. It
stops if the code has changed, because the outputs would no longer match. `figures` writes every
figure of a notebook as PNG, for inspection.
"""

import base64
import copy
import io
import json
import re
import sys
import time
from functools import cache
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from PIL import Image

from jarvis.classroom.results import disagreements, filled, marks
from jarvis.support.files import atomic_path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "notebooks" / "sources"
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def sources() -> list[Path]:
    """The sources of all notebooks."""
    return sorted(SOURCES.rglob("[0-9]*.py"))


def notebook_of(source: Path) -> Path:
    """The notebook built from a source."""
    return (ROOT / "notebooks" / source.relative_to(SOURCES)).with_suffix(".ipynb")


@cache
def _parsed(source: Path, changed: int):
    return jupytext.read(source)


def read(source: Path):
    """A source as a notebook. Parsing takes a while, so only changed files are parsed again."""
    return copy.deepcopy(_parsed(source, source.stat().st_mtime_ns))


def results_of(source: Path) -> Path:
    """The file in which the last cell of a source records its numbers."""
    return (SOURCES.parent / "results" / source.relative_to(SOURCES)).with_suffix(".json")


def measured_for(source: Path | None = None) -> dict[str, float]:
    """The numbers that a text may state: ``303_mnist:accuracy``, or ``accuracy`` in lesson 303."""
    folder, found = SOURCES.parent / "results", {}
    for path in sorted(folder.rglob("[0-9]*.json")):
        lesson = str(path.relative_to(folder).with_suffix(""))
        for name, value in json.loads(path.read_text(encoding="utf-8")).items():
            found[f"{lesson}:{name}"] = value
            if source is not None and path == results_of(source):
                found[name] = value
    return found


def markdown_of(source: Path) -> str:
    """All Markdown text of a source."""
    cells = read(source).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def fill(source: Path) -> None:
    """Write the measured numbers into the text of a source and of its notebook."""
    measured, before = measured_for(source), source.read_text(encoding="utf-8")
    parts = re.split(r"(?m)^(?=# %%)", before)
    for number, part in enumerate(parts):
        if part.startswith("# %% [markdown]"):
            parts[number] = filled(part, measured)
            for old, now in zip(marks(part), marks(parts[number]), strict=True):
                if old.written != now.written:
                    print(f"{source.name}: {old.name}: {old.written} -> {now.written}")
    if (new := "".join(parts)) != before:
        with atomic_path(source) as part:
            part.write_text(new, encoding="utf-8")
        take_text(source)
    if wrong := disagreements(markdown_of(source), measured):
        sys.exit("\n".join(f"{source.name}: {line}" for line in wrong))


def packed(png: str) -> str:
    """Recompress a base64 PNG losslessly."""
    target = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(png))) as picture:
        if picture.mode == "RGBA" and picture.getextrema()[3] == (255, 255):
            picture = picture.convert("RGB")  # an opaque image needs no alpha channel
        picture.save(target, "PNG", optimize=True)
    smaller = base64.b64encode(target.getvalue()).decode()
    return min(png, smaller, key=len)


def pack(notebook) -> None:
    """Recompress all PNG outputs. Remove sliders, which do not work without a kernel, and the
    message about compiling loops, which depends on the machine."""
    view = "application/vnd.jupyter.widget-view+json"
    for cell in notebook.cells:
        if cell.cell_type == "code":
            kept = (o for o in cell.outputs if view not in o.get("data", {}))
            cell.outputs = [o for o in kept if "compiles its time loops" not in o.get("text", "")]
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                data["image/png"] = packed(data["image/png"])


def build(source: Path) -> None:
    """Run one source from top to bottom, and write the notebook with its outputs."""
    notebook = jupytext.read(source)
    notebook.metadata = nbformat.from_dict(KERNEL)
    started = time.perf_counter()
    target = notebook_of(source)
    place = {"metadata": {"path": str(target.parent)}}
    client = NotebookClient(notebook, timeout=3600, resources=place)
    client.execute()
    notebook.metadata.pop("widgets", None)
    pack(notebook)
    for number, cell in enumerate(notebook.cells):
        cell.metadata.pop("execution", None)
        cell.id = f"cell-{number:02d}"  # stable, so that a rebuild changes only what has changed
    nbformat.write(notebook, target)
    size = target.stat().st_size / 1e6
    print(f"{target.relative_to(ROOT)}: {time.perf_counter() - started:.0f} s, {size:.2f} MB")


def take_text(source: Path) -> None:
    """Copy the Markdown of a source into its notebook, which must have the same code."""
    target = notebook_of(source)
    new, notebook = jupytext.read(source), nbformat.read(target, as_version=4)
    codes = [[c for c in book.cells if c.cell_type == "code"] for book in (new, notebook)]
    if [c.source for c in codes[0]] != [c.source for c in codes[1]]:
        sys.exit(f"{source.name}: its code has changed: build it")
    ran = iter(codes[1])
    notebook.cells = [next(ran) if c.cell_type == "code" else c for c in new.cells]
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
    nbformat.write(notebook, target)


def figures(path: Path, folder: Path) -> None:
    """Write every PNG output of a notebook to a folder, numbered by cell."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, cell in enumerate(nbformat.read(path, as_version=4).cells):
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                target = folder / f"{path.stem}-{number:02d}.png"
                with atomic_path(target) as part:
                    part.write_bytes(base64.b64decode(output["data"]["image/png"]))
                print(target)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["build", "--fill", *names]:
            for source in [Path(name).resolve() for name in names] or sources():
                build(source)
                fill(source)
        case ["build", *names]:
            for source in [Path(name).resolve() for name in names] or sources():
                build(source)
        case ["fill", *names] if names:
            for name in names:
                fill(Path(name).resolve())
        case ["text", *names] if names:
            for name in names:
                take_text(Path(name).resolve())
        case ["figures", path, folder]:
            figures(Path(path), Path(folder))
        case _:
            sys.exit(__doc__)
