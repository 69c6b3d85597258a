"""Returns without a policy: the stored ones, and how they are measured."""

import json

import pytest

from conftest import ROOT
from jarvis.control.spaces import idle_action
from tools import idle_bodies

pytestmark = pytest.mark.control


def test_the_results_page_shows_the_stored_returns():
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    shown = text.split(idle_bodies.START)[1].split(idle_bodies.END)[0]
    assert shown.strip() == idle_bodies.table()


def test_they_can_be_measured_again():
    stored = json.loads(idle_bodies.RESULT.read_text(encoding="utf-8"))
    assert stored.keys() == set(idle_bodies.ENVIRONMENTS)
    found = idle_bodies.measured("CartPole-v1")
    for how in ("nothing", "random"):  # another version of gymnasium may draw other numbers
        assert found[how]["mean"] == pytest.approx(stored["CartPole-v1"][how]["mean"], rel=0.2)
    assert found["nothing"]["mean"] == found["nothing"]["length"]  # a point per step
    assert idle_bodies.measured("Pendulum-v1", 2)["nothing"]["length"] == 200


def test_to_do_nothing_is_the_middle_of_the_forces():
    gymnasium = pytest.importorskip("gymnasium")
    box = gymnasium.spaces.Box(-1.0, 3.0, (2,))
    assert idle_action(box).tolist() == [1.0, 1.0]
    assert idle_action(gymnasium.spaces.Discrete(3, start=2)) == 2
