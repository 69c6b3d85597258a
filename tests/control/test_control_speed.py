"""tools/control_speed.py: the same episodes, with the policy and without."""

import importlib.util

import pytest

from conftest import ROOT

pytestmark = pytest.mark.control


def test_it_measures_both(capsys):
    spec = importlib.util.spec_from_file_location(
        "control_speed", ROOT / "tools" / "control_speed.py"
    )
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    found = tool.measure("CartPole-v1", "lif", 8, 300, 4, 1)
    assert found["steps"] > 100
    assert 0.05 < found["looped"] / found["bare"] < 1.5
