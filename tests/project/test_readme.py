"""What the README and the docs say is true of the files."""

import re
import subprocess
import sys

import pytest

from conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_path_names_every_notebook_and_no_other():
    named = set(re.findall(r"notebooks/(\d\d_\w+)\.ipynb", README))
    assert named == {p.stem for p in (ROOT / "notebooks").glob("[0-9]*.ipynb")}


def test_python_blocks_run_one_after_the_other():
    code = "\n".join(re.findall(r"```python\n(.*?)```", README, re.DOTALL))
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "neurons.0: silent" in run.stdout


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_programs_and_options_exist():
    for program, options in re.findall(r"^\| `(demos/\w+\.py)` \|.*?\| (.*) \|$", README, re.M):
        source = (ROOT / program).read_text() + (ROOT / "jarvis" / "cli.py").read_text()
        source += (ROOT / "jarvis" / "spatial_options.py").read_text()
        for option in re.findall(r"--[a-z-]+", options):
            assert f'"{option}"' in source, (program, option)


def test_architecture_names_every_module():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`jarvis/(\w+)\.py`", text))
    files = {p.stem for p in (ROOT / "jarvis").glob("*.py")} - {"__init__", "version"}
    assert named == files
