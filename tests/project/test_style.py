"""Lint, format and types, as tests."""

import os
import subprocess
import sys

import pytest
import yaml

from conftest import ROOT


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("command", [("check",), ("format", "--check")], ids=["lint", "format"])
def test_ruff(command):
    result = run("ruff", *command, "--no-cache", ".")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.slow
def test_pyright():
    result = run("pyright", "--pythonpath", sys.executable)
    if "error" in result.stderr.lower() and "npm" in result.stderr and not os.environ.get("CI"):
        pytest.skip("pyright could not be fetched from the npm registry")
    assert result.returncode == 0, result.stdout + result.stderr


def test_hooks_call_the_tools_that_these_tests_call():
    result = run("pre_commit", "validate-config", ".pre-commit-config.yaml")
    assert result.returncode == 0, result.stdout + result.stderr
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert {repo["repo"] for repo in hooks} == {"local"}
    for hook in (hook for repo in hooks for hook in repo["hooks"]):
        assert hook["entry"].startswith(".venv/bin/python -m "), hook["id"]
        assert hook["language"] == "system"
