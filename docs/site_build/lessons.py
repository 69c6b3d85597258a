"""Lessons on the site: grouped by part, with alternative texts, links to run them, and cards.

Everything is read from the notebooks and from the README's table when the site is built. The first
digit of a file name determines the part, and the heading of the notebook is the title. The time
comes from the notebook's head, and the picture on the card is one of the outputs.
"""

import base64
import copy
import html
import io
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from PIL import Image

DOCS = Path(__file__).resolve().parent.parent
ROOT = DOCS.parent
NOTEBOOKS = ROOT / "notebooks"

#: The parts of the series, by the first digit of a lesson's number.
PARTS = {
    1: "Neurons",
    2: "Codes",
    3: "Learning with gradients",
    4: "Local learning",
    5: "Delays and space",
    6: "The zoo",
    7: "Craft",
    8: "Bodies",
    9: "Build your own",
}
CARD_WIDTH = 560  #: width of the picture on a card, pixels
GITHUB = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)/?")


@dataclass(frozen=True)
class Lesson:
    """One notebook, as the site shows it."""

    path: Path
    notebook: Any  #: the notebook as nbformat reads it

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def number(self) -> str:
        return self.name.split("_")[0]

    @property
    def part(self) -> str:
        return PARTS[int(self.number[0])]

    @property
    def title(self) -> str:
        heading = next(c.source for c in self.notebook.cells if c.cell_type == "markdown")
        title = heading.splitlines()[0].removeprefix("# ")
        return re.sub(rf"^{self.number}\W+", "", title).strip()

    @property
    def time(self) -> str:
        """The learner's time stated in the head, such as "55 min"; "" if there is none."""
        for cell in self.notebook.cells[:3]:
            stated = re.search(r"\*\*Time\.?\*\*\.? *(\d+) minutes", cell.source)
            if stated:
                return f"{stated[1]} min"
        return ""

    @property
    def figures(self) -> list[tuple[int, str]]:
        """The index of each figure's cell, and the figure itself (PNG in base64)."""
        return [
            (index, output["data"]["image/png"])
            for index, cell in enumerate(self.notebook.cells)
            for output in cell.get("outputs", [])
            if "image/png" in output.get("data", {})
        ]

    def alt(self, index: int) -> str:
        """The alternative text of a cell's figures, "" if there is none.

        It is the cell's metadata ``mystnb.image.alt``, or the italic sentence with which the next
        Markdown cell begins.
        """
        given = self.notebook.cells[index].metadata.get("mystnb", {}).get("image", {}).get("alt")
        if given:
            return given
        for cell in self.notebook.cells[index + 1 :]:
            if cell.cell_type == "markdown":
                italic = re.match(r"\s*\*(?!\*)(.+?)(?<!\*)\*(?!\*)", cell.source, re.DOTALL)
                return plain(italic[1]) if italic else ""
        return ""

    @property
    def without_alt(self) -> list[int]:
        """The cells with a figure that has no alternative text."""
        return [index for index, _ in self.figures if not self.alt(index)]

    def card_figure(self) -> tuple[int, str] | None:
        """The figure on the lesson's card: from a cell tagged `card`, or else the middle one."""
        figures = self.figures
        for index, png in figures:
            if "card" in self.notebook.cells[index].metadata.get("tags", []):
                return index, png
        return figures[len(figures) // 2] if figures else None


def plain(markdown: str) -> str:
    """Markdown as plain text: no links, code marks, comments or formula signs."""
    text = re.sub(r"<!--.*?-->", "", markdown, flags=re.DOTALL)
    text = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text)
    return " ".join(re.sub(r"[`$*\\]", "", text).split())


def lessons() -> list[Lesson]:
    """All lessons in order."""
    paths = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
    return [read(path, path.stat().st_mtime_ns) for path in paths]


@cache
def read(path: Path, changed: int) -> Lesson:
    """One lesson. A file is read again only if it has changed; only tests validate it."""
    return Lesson(path, nbformat.v4.reads_json(path.read_text(encoding="utf-8")))


def parts(found: list[Lesson]) -> dict[str, list[Lesson]]:
    """The lessons of each part, in order."""
    groups: dict[str, list[Lesson]] = {}
    for lesson in found:
        groups.setdefault(lesson.part, []).append(lesson)
    return groups


def heading(part: str) -> str:
    """The heading above the lessons of a part: its number and name."""
    number = next((k for k, name in PARTS.items() if name == part), None)
    return part if number is None else f"{number} {part}"


# -------------------------------------------------------------------------------------- their pages


def slug(repository: str) -> str:
    """The OWNER/NAME part of a repository's URL, or "" if there is none.

    Raises:
        ValueError: if the URL is not that of a GitHub repository.
    """
    if not repository:
        return ""
    found = GITHUB.fullmatch(repository.removesuffix(".git"))
    if found is None:
        raise ValueError(
            f"jarvis_repository={repository!r} must be https://github.com/OWNER/NAME, or empty"
        )
    return found[1]


def run_links(name: str, repository: str) -> str:
    """The line "Run it" of a lesson: a download, and Colab and Binder if there is a URL."""
    links = [f"{{download}}`Download <../../notebooks/{name}.ipynb>`"]
    if owner := slug(repository):
        at = f"{owner}/blob/main/notebooks/{name}.ipynb"
        links.append(f"[Colab](https://colab.research.google.com/github/{at})")
        lab = f"{owner}/main?urlpath=lab/tree/notebooks/{name}.ipynb"
        links.append(f"[Binder](https://mybinder.org/v2/gh/{lab})")
    line = "**Run it.** " + " · ".join(links)
    if owner:
        line += f". In Colab, run `%pip install git+https://github.com/{owner}` first"
    return line + "."


def site_link(target: str) -> str | None:
    """A lesson's link as an address on the site; None if the site does not contain the target."""
    path, _, anchor = target.partition("#")
    if ":" in target or not path:
        return target
    where = (NOTEBOOKS / path).resolve()
    if where.parent == NOTEBOOKS:
        return target
    if not where.is_relative_to(DOCS):
        return None
    relative = Path(os.path.relpath(where, DOCS / "notebooks")).as_posix()
    return relative + (f"#{anchor}" if anchor else "")


def led(markdown: str) -> str:
    """A lesson's Markdown with links adapted to the site; links to other files are removed."""

    def link(found: re.Match[str]) -> str:
        target = site_link(found[2])
        return found[1] if target is None else f"[{found[1]}]({target})"

    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", link, markdown)


def for_site(lesson: Lesson, repository: str) -> str:
    """The notebook as the site shows it, with alternative texts, folded cells and run links."""
    notebook = copy.deepcopy(lesson.notebook)
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            cell.source = led(cell.source)
            continue
        if lesson.alt(index) and any("image/png" in o.get("data", {}) for o in cell.outputs):
            image = cell.metadata.setdefault("mystnb", {}).setdefault("image", {})
            image["alt"] = lesson.alt(index)
        if cell.metadata.get("jupyter", {}).get("source_hidden"):
            tags = cell.metadata.setdefault("tags", [])
            tags += [] if "hide-input" in tags else ["hide-input"]
    first = next(cell for cell in notebook.cells if cell.cell_type == "markdown")
    title, _, rest = first.source.partition("\n")
    title = f"# {lesson.number} {lesson.title}"
    first.source = f"{title}\n\n{run_links(lesson.name, repository)}\n{rest}"
    return nbformat.v4.writes_json(notebook)


def write_pages(folder: Path, repository: str) -> None:
    """Write all lessons into ``docs/notebooks``, which git ignores; remove all other files."""
    folder.mkdir(exist_ok=True)
    wanted = {f"{lesson.name}.ipynb": for_site(lesson, repository) for lesson in lessons()}
    for old in folder.iterdir():
        if old.name not in wanted:
            old.unlink()
    for name, text in wanted.items():
        page = folder / name
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def linked(glossary: str) -> str:
    """The glossary, with links to the lessons that are named at the end of an entry."""
    names = {one.number: one.name for one in lessons()}

    def links(found: re.Match[str]) -> str:
        numbers = found[2].split(", ")
        shown = [f"[{n}](notebooks/{names[n]}.ipynb)" if n in names else n for n in numbers]
        return f"*{found[1]} {', '.join(shown)}.*"

    return re.sub(r"\*(Lessons?) ([\d, ]+)\.\*", links, glossary)


def toctrees() -> str:
    """A hidden table of contents for each part; the side bar shows it below the part's name."""
    blocks = []
    for part, group in parts(lessons()).items():
        rows = [f"{one.number} {one.title} <notebooks/{one.name}>" for one in group]
        head = ["```{toctree}", ":hidden:", ":maxdepth: 1", f":caption: {heading(part)}", ""]
        blocks.append("\n".join([*head, *rows, "```"]))
    return "\n\n".join(blocks)


# ---------------------------------------------------------------------------------------- the cards


def described(readme: str) -> dict[str, list[str]]:
    """For each lesson, by name, the cells of its row in the README's table except the first."""
    rows = re.findall(r"^\| \[(\d+_\w+)\]\([^)]*\) \| (.+) \|$", readme, re.MULTILINE)
    return {name: [cell.strip() for cell in rest.split(" | ")] for name, rest in rows}


def cards() -> str:
    """The lessons of each part as cards, in Markdown."""
    rows = described((ROOT / "README.md").read_text(encoding="utf-8"))
    blocks = []
    for part, group in parts(lessons()).items():
        blocks.append(f'## {heading(part)}\n\n```{{raw}} html\n<div class="jarvis-cards">')
        blocks += [card(lesson, rows.get(lesson.name, [""])[0]) for lesson in group]
        blocks.append("</div>\n```\n")
    return "\n".join(blocks)


def card(lesson: Lesson, what: str) -> str:
    """One card: a picture, the number, the title, the time, and what the learner does."""
    figure, picture = lesson.card_figure(), ""
    if figure:
        alt = html.escape(lesson.alt(figure[0]), quote=True)
        picture = f'<img src="_static/cards/{lesson.name}.png" alt="{alt}" loading="lazy">'
    said = html.escape(plain(what))
    time = f'<span class="time">{lesson.time}</span>' if lesson.time else ""
    return (
        f'<a class="jarvis-card" href="notebooks/{lesson.name}.html">'
        f'<span class="picture">{picture}</span>'
        f'<span class="head"><span class="number">{lesson.number}</span>{time}</span>'
        f'<span class="title">{html.escape(plain(lesson.title))}</span>'
        f'<span class="what">{said[:1].upper()}{said[1:]}</span></a>'
    )


def write_cards(static: Path) -> None:
    """Write the cards' pictures into the folder ``_static/cards`` of a built site."""
    folder = static / "cards"
    folder.mkdir(parents=True, exist_ok=True)
    for lesson in lessons():
        if figure := lesson.card_figure():
            with Image.open(io.BytesIO(base64.b64decode(figure[1]))) as picture:
                small = picture.convert("RGB")
                small.thumbnail((CARD_WIDTH, CARD_WIDTH), Image.Resampling.LANCZOS)
                small.save(folder / f"{lesson.name}.png", optimize=True)


def hero() -> str:
    """The scripts that animate the picture on the landing page."""
    scripts = "".join(f'<script src="_static/{name}.js"></script>' for name in ("digit", "hero"))
    return f"```{{raw}} html\n{scripts}\n```"


#: Content that a page can request by a comment such as <!-- cards -->.
MARKERS: dict[str, Callable[[], str]] = {"lessons": toctrees, "cards": cards, "hero": hero}
