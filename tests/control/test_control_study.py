"""The study of neurons in control: its statistics, a tiny study in full, and the stored results."""

import doctest
import json
import math

import numpy as np
import pytest

from conftest import ROOT
from tools import control_study
from tools.control_study import PARTS, Study, best, matched, operations

pytestmark = [pytest.mark.control, pytest.mark.slow]

KEPT = [
    (name, neuron)
    for name, part in PARTS.items()
    for neuron in part.neurons
    if Study().read(name, neuron)
]


#: Kinds that have not run with all seeds yet, by part.
MISSING: dict[str, list[str]] = {}


def test_the_examples():
    assert doctest.testmod(control_study).failed == 0


def test_networks_of_equal_operations_have_the_right_size():
    part = PARTS["blind"]  # two observations and two choices
    n, rate = 32, 0.25
    content = {"hidden": n, "runs": [{"operations": 4 * n + rate * n**2}]}
    for size in (10, 32, 50):
        assert matched(content, 4 * size + rate * size**2, part) == size
    silent = {"hidden": n, "runs": [{"operations": 4.0 * n}]}
    assert matched(silent, 80.0, part) == 20


def test_all_kinds_of_a_part_try_as_many_settings():
    for part in PARTS.values():
        counts = {len(control_study.settings_of(part, neuron)) for neuron in part.neurons}
        assert len(counts) == 1


def test_traces_last_as_many_control_steps_for_all_kinds():
    part = PARTS["blind_forward"]
    lif, tanh = (control_study.policy_of(part, neuron, 1.0, 32) for neuron in ("lif", "tanh"))
    assert lif.tau_trace == (5.0, 25.0)
    assert (lif.steps, tanh.steps) == (10, 1)
    assert tanh.tau_trace == (0.5, 2.5)
    assert control_study.policy_of(PARTS["pole"], "lif", 1.0, 32).steps == 4


def test_the_control_on_ant_has_the_trace_of_the_spiking_networks():
    lif = control_study.policy_of(PARTS["ant"], "lif", 1.0, 32)
    tanh = control_study.policy_of(PARTS["ant_trace"], "tanh", 1.0, 32)
    assert (lif.readout, tanh.readout, lif.steps, tanh.steps) == ("trace", "trace", 4, 1)
    assert np.allclose(tanh.trace()[0], lif.trace()[0] ** lif.steps)  # per control step


def test_networks_without_rivals_in_their_part_are_compared_with_those_of_another(tmp_path):
    study = Study(tmp_path, tiny=True)
    runs = [{"return": value, "operations": 1.0, "changed": {}} for value in (1.0, 2.0)]
    content = {"hidden": 32, "parameters": 1160, "runs": runs}
    study.write("ant_trace", "tanh", content)
    assert "1.00 (1.00 to 1.00)" not in control_study.table(study, "ant_trace")
    study.write("ant", "lif", content | {"runs": [{**run, "return": 0.0} for run in runs]})
    assert "1.00 (1.00 to 1.00)" in control_study.table(study, "ant_trace")


def test_a_tiny_study_runs_and_resumes(tmp_path, capsys):
    words = ["run", "pole", "blind", "--neurons", "lif", "tanh", "--tiny", str(tmp_path)]
    control_study.main(words)
    shown = capsys.readouterr().out
    assert "| LIF |" in shown
    assert "| tanh |" in shown
    study = Study(tmp_path / "results", tiny=True)
    content = study.read("pole", "lif")
    assert content is not None
    assert [run["seed"] for run in content["runs"]] == [0, 1]
    assert content["setting"] == best(content["search"])
    assert content["runs"][0]["curve"][-1][0] >= study.part("pole").budget
    path = tmp_path / "results" / "pole" / "lif.json"
    before = path.read_text()
    content["runs"] = content["runs"][:1]
    study.write("pole", "lif", content)
    control_study.main(words)  # only the missing run is repeated, and ends as it did
    again = json.loads(path.read_text())
    for run in [*again["runs"], *json.loads(before)["runs"]]:
        del run["seconds"]
    first = json.loads(before)
    for run in first["runs"]:
        del run["seconds"]
    assert again == first
    control_study.main(["run", "blind_equal", "--neurons", "tanh", "--tiny", str(tmp_path)])
    equal = study.read("blind_equal", "tanh")
    reference = study.read("blind", "lif")
    assert equal is not None
    assert reference is not None
    assert operations(equal) == pytest.approx(operations(reference), rel=0.25)


def test_a_part_without_settings_says_which_to_run_first(tmp_path):
    with pytest.raises(SystemExit, match="run blind first"):
        control_study.main(["run", "blind_equal", "--neurons", "lif", "--tiny", str(tmp_path)])


def test_hours_are_those_stored_or_follow_from_the_speed(tmp_path):
    study = Study(tmp_path)
    part = study.part("ant")
    runs = [{"seconds": 1800.0, "curve": [[10, 0.0], [1_000_000, 1.0]]}] * 4
    search = [{"noise": 0.1, "scores": [1.0], "seconds": 360.0}, {"noise": 0.2, "scores": [1.0]}]
    study.write("ant", "lif", {"runs": runs, "search": search})
    assert (part.searched, part.search_budget) == (1, 500_000)
    assert control_study.hours(study) == pytest.approx((2.0, 0.1 + 0.25))


def test_a_single_run_has_no_interval():
    runs = [{"return": value, "operations": 8.0, "changed": {}} for value in (10.0, 20.0)]
    one = {"parameters": 10, "runs": runs[:1]}
    two = {"parameters": 10, "runs": runs}
    part = PARTS["ant"]
    assert control_study._row(part, "tanh", one, two, ())[3:] == ["10", "1", ""]
    mean, n, better = control_study._row(part, "tanh", two, two | {}, ())[3:]
    assert mean == "15 (10 to 20)"
    assert n == "2"
    assert better.startswith("0.50 (")


def test_reward_learning_is_a_part(tmp_path, capsys):
    control_study.main(["run", "pole_rstdp", "--neurons", "escape_lif", "--tiny", str(tmp_path)])
    assert "| LIF, escape noise |" in capsys.readouterr().out


# ---------------------------------------------------------------------------- stored results


def test_the_results_page_shows_the_stored_runs():
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert text.split("<!-- control -->")[1].split("<!-- end of control -->")[0].strip() == (
        control_study.tables().strip()
    )


def test_only_these_runs_are_missing():
    missing = {}
    for name, part in PARTS.items():
        for neuron in part.neurons:
            content = Study().read(name, neuron)
            found = 0 if content is None else len(content["runs"])
            if found != part.seeds:
                missing.setdefault(name, []).append(neuron)
    assert missing == MISSING


@pytest.mark.parametrize(("name", "neuron"), KEPT)
def test_stored_runs_are_those_of_the_program(name, neuron):
    content, part = Study().read(name, neuron), PARTS[name]
    assert content is not None
    assert content["budget"] == part.budget
    assert [run["seed"] for run in content["runs"]] == list(range(len(content["runs"])))
    tried = [control_study.tried(entry) for entry in content["search"]]
    if content["runs"] and part.found_in is None:
        assert tried == control_study.settings_of(part, neuron)
        assert content["setting"] == best(content["search"])
    for run in content["runs"]:
        assert math.isfinite(run["return"])
        assert part.budget <= run["curve"][-1][0]
        assert run["changed"].keys() >= part.changes.keys()
