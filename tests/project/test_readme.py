"""What the README and the docs say is true of the files."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAMS = (ROOT / "docs" / "programs.md").read_text(encoding="utf-8")
SHARED = ("cli", "spatial_options", "words")  # modules of demos/ that are no programs
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "benchmarks" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "api").glob("*.md")),
]


def anchors(page: Path) -> set[str]:
    """What a link may name in a page: its headings, as GitHub and Sphinx spell them, and names."""
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.M)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    named = set(re.findall(r"^\(([\w-]+)\)=$", text, re.MULTILINE))
    named |= set(re.findall(r"""<\w+ id=["']([\w-]+)["']""", text))
    return slugs | named | set(re.findall(r"^\.\. auto\w+:: ([\w.]+)$", text, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"```python\n.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


def test_path_names_every_notebook_and_no_other():
    named = set(re.findall(r"notebooks/(\d{2,3}_\w+)\.ipynb", README))
    assert named == {p.stem for p in (ROOT / "notebooks").glob("[0-9]*.ipynb")}


@pytest.mark.parametrize(
    ("text", "prints"),
    [(README, "neurons.0: silent"), (PROGRAMS, "tensor([[1.0000]])")],
    ids=["README", "programs"],
)
def test_python_blocks_run_one_after_the_other(text, prints):
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert prints in run.stdout


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_programs_and_options_exist():
    shared = "".join((ROOT / "demos" / f"{name}.py").read_text() for name in SHARED)
    rows = re.findall(r"^\| `(demos/\w+\.py)` \|.*?\| (.*) \|$", PROGRAMS, re.MULTILINE)
    programs = {f"demos/{path.name}" for path in (ROOT / "demos").glob("*.py")}
    assert {program for program, _ in rows} == programs - {f"demos/{name}.py" for name in SHARED}
    for program, options in rows:
        source = (ROOT / program).read_text() + shared
        found = re.findall(r"--[a-z_-]+", options)
        assert found, program
        for option in found:
            assert f'"{option}"' in source, (program, option)


def test_architecture_names_every_part_of_the_library():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    entries = {path.stem for path in (ROOT / "jarvis").iterdir() if path.suffix in (".py", "")}
    for entry in entries - {"__init__", "__pycache__"}:
        assert re.search(rf"\b{entry}\b", text), entry
    for path in re.findall(r"`((?:jarvis|demos|notebooks|tests|tools)/[\w/.]*)`", text):
        assert (ROOT / path).exists(), path
