"""The fuzzers of command lines and checkpoints, in small, and whether they can find anything."""

import importlib
import os
import subprocess
import sys

import pytest

from conftest import ROOT

FUZZ = ROOT / "tools" / "fuzz"
pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the fuzzers fork"),
    pytest.mark.slow,
]


def fuzz(name: str, *arguments: str) -> str:
    """Run a fuzzer in a process of its own: threads of this one forbid forks."""
    done = subprocess.run(
        [sys.executable, str(FUZZ / f"{name}.py"), *arguments],
        capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{name} {' '.join(arguments[:2])}: 0 faults" in done.stdout
    return done.stdout


def test_hostile_command_lines():
    said = fuzz("command_lines", "--seed", "7", "--count", "12")
    assert "with status 0" in said
    assert "with status 2" in said


def test_damaged_checkpoints_and_recipes():
    said = fuzz("checkpoints", "--seed", "7", "--count", "15")
    assert "refused" in said
    assert "taken" in said


@pytest.fixture
def common(monkeypatch):
    monkeypatch.syspath_prepend(str(FUZZ))
    return importlib.import_module("common")


@pytest.fixture
def command_lines(common):
    before = list(sys.path)
    yield importlib.import_module("command_lines")
    sys.path[:] = before


def test_every_kind_of_damage_is_another_file(common):
    from random import Random

    data, kinds = bytes(range(256)) * 4, set()
    for seed in range(300):
        changed, what = common.damaged(data, Random(seed))
        assert (changed, what) == common.damaged(data, Random(seed))
        kinds.add(what.split()[-1] if changed else "empty")
        assert common.damaged(b"", Random(seed))[0] is not None
    assert {"flipped", "random", "removed", "zero", "empty", "end"} <= kinds


def test_a_child_is_caught_whatever_it_does(common):
    def says():
        print("out")
        print("err", file=sys.stderr)
        raise SystemExit("stopped")

    def hangs():
        import signal
        import time

        signal.signal(signal.SIGINT, signal.SIG_IGN)
        time.sleep(600)

    def waits():
        import time

        time.sleep(600)

    found = common.in_child(says, limit=60)
    assert found[:3] == (1, "out\n", "err\nstopped\n")
    found = common.in_child(lambda: 1 / 0, limit=60)
    assert found.status == 70
    assert "ZeroDivisionError" in found.stderr
    assert common.in_child(lambda: os.kill(os.getpid(), 11), limit=60).status == -11
    found = common.in_child(waits, limit=0.1, grace=60, interrupt=True)
    assert (found.status, found.hung) == (70, False)
    found = common.in_child(hangs, limit=0.5, grace=0.1, interrupt=True)
    assert (found.status, found.hung) == (-9, True)
    found = common.in_child(lambda: bytearray(1 << 32), limit=60, memory=1 << 30)
    assert "MemoryError" in found.stderr


def test_faults_are_found(command_lines, common, tmp_path):
    """Of commands that never ran: what would be reported of them."""
    work = tmp_path / "work"
    (work / "a folder").mkdir(parents=True)
    command_lines.make_special(work)
    before = command_lines.snapshot(work)

    def faults(status=0, out="", err="", hung=False, command=()):
        outcome = common.Outcome(status, out, err, 1.0, hung)
        return list(command_lines.faults(list(command), outcome, before, work))

    assert faults() == faults(2, err="p: one\n") == faults(130, err="stopped\n") == []
    assert faults(0, err="jarvis compiles its time loops for this machine\n") == []
    assert faults(hung=True) == ["hang"]
    assert faults(-11) == ["crash by signal 11"]
    assert faults(70, err="Traceback ...\n") == faults(3) == ["traceback"]
    assert faults(0, err="a warning\n") == ["a message on standard error"]
    assert faults(1, err="two\nlines\n") == ["2 lines of error"]
    assert faults(2) == ["0 lines of error"]
    for text in ("loss=nan", "val_acc=inf x", "rate=-inf"):
        assert faults(out=text) == ["a metric that is not finite"]
    assert faults(command=["--resume=damaged1.pt"]) == ["a damaged checkpoint was accepted"]
    assert faults(2, err="p: no\n", command=["--resume=damaged1.pt"]) == []
    (tmp_path / "x").touch()
    assert faults(command=["--name=../x"]) == ["changed: beside"]
    assert faults(command=["--output=../x"]) == []  # as asked for
    (tmp_path / "x").unlink()
    (work / "to file").unlink()
    (work / "to file").touch()
    (work / ".a.part").touch()
    assert faults() == ["changed: kinds", "a temporary file was left behind"]


def test_commands_reach_every_program_and_option(command_lines):
    from random import Random

    drawn = [command_lines.draw_command(Random(f"0/{k}")) for k in range(1500)]
    assert drawn[:20] == [command_lines.draw_command(Random(f"0/{k}")) for k in range(20)]
    for name in command_lines.PROGRAMS:
        words = {
            word.partition("=")[0] for program, words in drawn if program == name for word in words
        }
        for action in command_lines.options_of(name):
            assert not action.option_strings or words & set(action.option_strings), action.dest
    values = {word.partition("=")[2] for _, words in drawn for word in words}
    assert {"nan", "inf", "1e308", str(2**70), "../x", "mps", "\udcff", "pipe"} <= values
    assert not any(value.startswith("/dev") for value in values)
