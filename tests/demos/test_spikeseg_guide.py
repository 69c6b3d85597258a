"""The training guide does what it says: its examples run, its tables are the programs'."""

import importlib
import re
from dataclasses import fields
from pathlib import Path

import pytest
import torch
import yaml

from conftest import ROOT
from jarvis.stdp.order_rule import STDPConfig
from jarvis.stdp.recipe import make_recipe
from jarvis.stdp.wta import WTAConfig

GUIDE = (ROOT / "docs" / "spikeseg.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def test_the_examples_run_and_learn():
    space: dict = {}
    first, second = blocks("python")
    exec(first, space)
    config, learner, weight = (space[name] for name in ("config", "learner", "weight"))
    fresh = space["SpikeSEG"].from_paper(
        "igarss2023", n_classes=1, in_channels=2, generator=torch.Generator().manual_seed(0)
    )
    before = fresh.encoder["conv2"].weight
    assert int(space["wta"].wins.sum()) > 0
    changed = (weight != before).flatten(1).any(1)
    assert torch.equal(changed, space["wta"].wins > 0)  # winners learn, and nobody else
    step = (weight - before).abs().max()
    assert 0 < step <= int(space["wta"].wins.max()) * config.a_plus * 0.25 + 1e-6
    assert learner.convergence(weight) != pytest.approx(learner.convergence(before), abs=1e-6)
    exec(second, space)
    assert set(space["run"].stopped) == {"conv2", "conv3"}
    assert len(space["found"]) == 2


def test_the_example_config_is_one():
    (text,) = blocks("yaml")
    recipe = make_recipe(yaml.safe_load(text))
    assert recipe.conv2.stdp.a_minus == 0.01
    assert recipe.conv3 is not None
    assert recipe.conv3.stdp.max_epochs == 20


@pytest.fixture
def programs(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "demos"))
    names = ("train_spikeseg", "evaluate_spikeseg", "train_reward")
    return {name: importlib.import_module(name).make_parser() for name in names}


def test_the_table_of_options_is_the_programs(programs):
    listed = re.findall(r"^\| `(--[a-z-]+)`(?:, `(-[a-z])`)? \| (.*?) \|", GUIDE, re.MULTILINE)
    table = {flag: (short, default) for flag, short, default in listed}
    actions = {
        a.option_strings[0]: a for a in programs["train_spikeseg"]._actions if a.dest != "help"
    }
    assert set(table) == set(actions)
    for flag, action in actions.items():
        short, default = table[flag]
        assert action.option_strings[1:] == ([short] if short else []), flag
        if isinstance(action.default, str):
            assert default == f"`{action.default}`"


def test_commands_are_accepted_by_their_programs(programs):
    commands = [line.split("#")[0].split() for line in "".join(blocks("bash")).splitlines()]
    commands = [words for words in commands if words]
    in_tables = re.findall(r"`((?:train|evaluate)_\w+\.py [^`]+)`", GUIDE)
    commands += [
        ["python", f"demos/{command}", *rest] for command, *rest in map(str.split, in_tables)
    ]
    assert len(commands) >= 10
    for words in commands:
        assert (ROOT / words[1]).exists()
        programs[Path(words[1]).stem].parse_args(words[2:])


def test_stopping_rules_are_stated_with_their_numbers():
    config = STDPConfig()
    assert f"`converged_below` ({config.converged_below:g})" in GUIDE
    assert f"`converged_ratio` ({config.converged_ratio:g})" in GUIDE
    assert f"`max_epochs` ({config.max_epochs})" in GUIDE
    assert "theta_rest" in {f.name for f in fields(WTAConfig)}
    reasons = set(re.findall(r"^\| `(C_l|maps|epochs)` \|", GUIDE, re.MULTILINE))
    assert reasons == {"C_l", "maps", "epochs"}
