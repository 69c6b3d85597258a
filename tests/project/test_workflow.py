"""The GitHub workflow: what can be checked of it without GitHub.

It has never run here. `actionlint`, where it is installed, reads it as GitHub does.
"""

import re
import shutil
import subprocess

import pytest
import yaml

from conftest import ROOT

FOLDER = ROOT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
TEXT = (FOLDER / "ci.yml").read_text(encoding="utf-8")
CI = yaml.safe_load(TEXT)
JOBS = CI["jobs"]
EXPRESSION = r"\$\{\{ *(.*?) *\}\}"


def steps():
    return [(name, step) for name, job in JOBS.items() for step in job["steps"]]


def test_there_is_one_workflow_and_it_starts_on_changes():
    assert [path.name for path in FILES] == ["ci.yml"]
    assert set(CI[True]) == {"push", "pull_request", "workflow_dispatch"}  # YAML reads `on` as True
    assert CI[True]["push"] == {"branches": ["main"]}


def test_every_job_has_a_machine_a_limit_and_steps_that_do_one_thing():
    for name, job in JOBS.items():
        assert job["runs-on"] == "ubuntu-latest", name
        assert 0 < job["timeout-minutes"] <= 120, name
        assert set(job.get("needs", [])) <= set(JOBS), name
    for name, step in steps():
        assert ("uses" in step) != ("run" in step), (name, step)


def test_only_official_actions_each_pinned_by_its_major_version():
    for name, step in steps():
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]), (name, step["uses"])


def test_nothing_needs_a_secret_and_only_publishing_may_write():
    assert "secrets." not in TEXT
    assert CI["permissions"] == {"contents": "read"}
    rights = {name: job["permissions"] for name, job in JOBS.items() if "permissions" in job}
    assert rights == {"publish": {"pages": "write", "id-token": "write"}}


def test_the_site_is_published_from_main_after_everything_has_passed():
    publish = JOBS["publish"]
    assert set(publish["needs"]) == set(JOBS) - {"publish"}
    assert "github.ref == 'refs/heads/main'" in publish["if"]
    assert "github.event_name != 'pull_request'" in publish["if"]
    assert publish["steps"][-1]["uses"].startswith("actions/deploy-pages@")
    uses = [step.get("uses", "").split("@")[0] for step in JOBS["site"]["steps"]]
    assert uses[-1] == "actions/upload-pages-artifact"
    assert JOBS["site"]["steps"][-1]["with"]["path"] == "docs/_build/html"


def test_what_the_jobs_run_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = [step["run"] for _, step in steps() if "run" in step]
    targets = [
        found[1] for command in commands if (found := re.fullmatch(r"make ([\w-]+)", command))
    ]
    assert {"install", "test", "docs", "browser-test"} <= set(targets)
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    assert any("ruff check" in command for command in commands)
    assert any("ruff format --check" in command for command in commands)
    assert any("pyright" in command for command in commands)
    asked = {str(job.get("with", {}).get("python-version")) for _, job in steps() if "with" in job}
    assert "3.12" in asked
    requires = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    low, high = re.findall(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', requires)[0]
    assert JOBS["test"]["strategy"]["matrix"]["python"] == [f"3.{low}", f"3.{int(high) - 1}"]


def test_expressions_name_what_github_knows():
    known = r"(github\.(workflow|ref|server_url|repository)|matrix\.python"
    known += r"|steps\.deployment\.outputs\.page_url)"
    found = re.findall(EXPRESSION, TEXT)
    assert found
    for expression in found:
        assert re.fullmatch(known, expression), expression
    ids = [step["id"] for _, step in steps() if "id" in step]
    assert ids == ["deployment"]


def test_the_lesson_links_of_the_published_site_are_switched_on():
    (build,) = [step for step in JOBS["site"]["steps"] if step.get("run") == "make docs"]
    address = "${{ github.server_url }}/${{ github.repository }}"
    assert build["env"] == {"JARVIS_REPOSITORY": address}


def test_actionlint_has_nothing_to_say():
    if shutil.which("actionlint") is None:
        pytest.skip("actionlint is not installed")
    run = subprocess.run(
        ["actionlint", *map(str, FILES)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout
