import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

import pytest

from conftest import ROOT
from jarvis.support.files import (
    FolderInUseError,
    atomic_path,
    locked,
    temporary_folder,
    write_between,
    write_json,
)

ROOT_USER = os.name == "posix" and os.geteuid() == 0
posix = pytest.mark.skipif(os.name != "posix", reason="FIFOs, links and forks are needed")


def test_replaces_whole_or_not_at_all(tmp_path):
    target = tmp_path / "deep" / "file.txt"
    with atomic_path(target) as part:
        part.write_text("first")

    def stopped_halfway():
        with atomic_path(target) as part:
            part.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        stopped_halfway()
    assert target.read_text() == "first"
    assert [p.name for p in target.parent.iterdir()] == ["file.txt"]


def test_a_full_disk_is_told_and_keeps_the_old_file(tmp_path):
    target = tmp_path / "file.txt"
    target.write_text("old")
    with (
        pytest.raises(OSError, match=r"could not write .*file\.txt: No space"),
        atomic_path(target),
    ):
        raise OSError(28, "No space left on device")
    assert target.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_where_a_folder_should_be(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(OSError, match="could not write"), atomic_path(tmp_path / "a" / "b"):
        pass


def test_json_without_nan(tmp_path):
    write_json(tmp_path / "x.json", {"a": 1.5})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": 1.5}
    with pytest.raises(ValueError):
        write_json(tmp_path / "x.json", {"a": float("nan")})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": 1.5}


@posix
def test_only_regular_files_are_replaced(tmp_path):
    """Never a device, here a FIFO for it: root may replace any."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "to pipe").symlink_to("pipe")
    (tmp_path / "to itself").symlink_to("to itself")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "socket"))
        for name, says in (
            ("folder", "it is a folder, not a regular file"),
            ("pipe", "it is a FIFO, not a regular file"),
            ("to pipe", "it is a FIFO, not a regular file"),
            ("socket", "it is a socket, not a regular file"),
            ("to itself", "Too many levels of symbolic links"),
        ):
            before = os.lstat(tmp_path / name)
            message = f"could not write {tmp_path / name}: {says}"
            with pytest.raises(OSError, match=re.escape(message)) as error:
                write_json(tmp_path / name, {})
            assert error.value.strerror == message
            assert os.lstat(tmp_path / name).st_ino == before.st_ino
    assert not list(tmp_path.glob(".*"))


@posix
@pytest.mark.skipif(not ROOT_USER, reason="only root makes devices")
def test_a_device_stays_what_it_is(tmp_path):
    path = tmp_path / "device"
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except OSError:
        pytest.skip("no devices can be made here")
    with pytest.raises(OSError, match="it is a device, not a regular file"):
        write_json(path, {})
    assert stat.S_ISCHR(path.stat().st_mode)


@posix
def test_a_link_stays_and_its_target_is_written(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "target").write_text("old")
    (tmp_path / "link").symlink_to("deep/target")
    (tmp_path / "to link").symlink_to("link")
    (tmp_path / "to nothing").symlink_to("deep/new/file")
    for name, target in (("to link", "deep/target"), ("to nothing", "deep/new/file")):
        write_json(tmp_path / name, name)
        assert (tmp_path / name).is_symlink()
        assert json.loads((tmp_path / target).read_text()) == name
        assert not (tmp_path / target).is_symlink()
    assert (tmp_path / "link").is_symlink()


@posix
def test_an_existing_file_keeps_its_permissions(tmp_path):
    path = tmp_path / "file"
    path.write_text("secret")
    path.chmod(0o640)
    write_json(path, 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    write_json(tmp_path / "new", 1)
    (tmp_path / "usual").touch()
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "usual").stat().st_mode


@posix
@pytest.mark.skipif(ROOT_USER, reason="root may write everything")
def test_a_write_protected_file_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_text("kept")
    path.chmod(0o444)
    with pytest.raises(PermissionError, match="it is write-protected"):
        write_json(path, 1)
    assert path.read_text() == "kept"


def test_a_name_of_the_greatest_length(tmp_path):
    write_json(tmp_path / ("x" * 255), 1)
    assert [len(path.name) for path in tmp_path.iterdir()] == [255]


def in_a_process(call):
    """Call a function in a forked process that is killed when it calls its argument."""
    child = os.fork()
    if not child:
        try:
            call(lambda: os.kill(os.getpid(), signal.SIGKILL))
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL


@posix
def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path):
    def writes_half(kill):
        with atomic_path(tmp_path / "file") as part:
            part.write_text("half")
            kill()

    def downloads_half(kill):
        with temporary_folder(tmp_path) as folder:
            (folder / "data").write_text("half")
            kill()

    for leave, what in ((writes_half, "is_file"), (downloads_half, "is_dir")):
        in_a_process(leave)
        (left,) = tmp_path.glob(".*.part")
        assert getattr(left, what)()
        write_json(tmp_path / "another", 1)
        assert [path.name for path in tmp_path.iterdir()] == ["another"]


@posix
def test_what_others_still_write_stays(tmp_path):
    """Of this process, of another one that runs, and of another machine, until it is old."""
    with temporary_folder(tmp_path) as folder, atomic_path(tmp_path / "outer") as part:
        part.write_text("outer")
        machine = folder.name.split(".")[2].split("-")[0]
        parent = f".file.{machine}-{os.getppid()}-0123abcd.part"
        other = ".file.00000000-1-0123abcd.part"
        for name in (parent, other, ".file.0123abcd.part"):
            (tmp_path / name).write_text("")
        write_json(tmp_path / "inner", 1)
        assert {parent, other, folder.name, part.name} < {p.name for p in tmp_path.iterdir()}
    assert (tmp_path / "outer").read_text() == "outer"
    left = [parent, other, ".file.0123abcd.part"]
    assert sorted(p.name for p in tmp_path.glob(".*")) == sorted(left)


def test_what_is_a_day_old_is_abandoned_and_other_names_are_not_touched(tmp_path, monkeypatch):
    ours = [".file.00000000-1-0123abcd.part", ".file.0123abcd.part"]
    theirs = ["file.part", ".hidden", ".x.part", ".file.xyz.part"]
    for name in ours + theirs:
        (tmp_path / name).write_text("")
    later = time.time() + 25 * 3600
    monkeypatch.setattr("jarvis.support.files.time.time", lambda: later)
    write_json(tmp_path / "new", 1)
    assert {path.name for path in tmp_path.iterdir()} == {"new", *theirs}


def test_a_temporary_folder_is_removed_and_made_with_its_parents(tmp_path):
    with temporary_folder(tmp_path / "a" / "b") as folder:
        (folder / "inside").mkdir()
        (folder / "inside" / "file").write_text("x")
        assert folder.parent == tmp_path / "a" / "b"
    assert list((tmp_path / "a" / "b").iterdir()) == []


HOLD = """
import sys, time
from pathlib import Path
from jarvis.support.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_lock_keeps_others_out_and_ends_with_a_kill(tmp_path):
    """Another program holds the folder; when it is killed, the folder is free again."""
    folder = tmp_path / "run"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        says = rf"{re.escape(str(folder))} is in use by another program \(process {other.pid}\)"
        for _ in range(2):  # a refusal does not take the lock away
            with pytest.raises(FolderInUseError, match=says), locked(folder):
                raise AssertionError("both have it")
        other.kill()
    assert (folder / ".lock").exists()
    with locked(folder):
        (folder / "file").touch()
    assert [path.name for path in folder.iterdir()] == ["file"]


@posix
def test_a_lock_is_of_one_thread_and_may_be_nested(tmp_path):
    refused = []

    def try_it():
        try:
            with locked(tmp_path):
                refused.append("not at all")
        except FolderInUseError as error:
            refused.append(str(error).partition("in use by another ")[2][:7])

    with locked(tmp_path):
        with locked(tmp_path / "." / ""):
            pass
        (tmp_path / "link").symlink_to(tmp_path)
        with locked(tmp_path / "link"):
            pass
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
        child = os.fork()
        if not child:  # a fork has no part in it
            try_it()
            os._exit(int(refused[-1] != "program"))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    try_it()
    assert refused == ["thread", "not at all"]


def test_a_folder_that_was_made_for_nothing_goes_with_its_lock(tmp_path):
    with locked(tmp_path / "new"):
        pass
    (tmp_path / "old").mkdir()
    with locked(tmp_path / "old"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


@posix
def test_a_folder_that_cannot_be_locked_says_why(tmp_path):
    (tmp_path / "file").touch()
    for name, says in (("file", "it is not a folder"), ("file/x", "Not a directory")):
        match = f"could not write to .*{name}: {says}"
        with pytest.raises(OSError, match=match), locked(tmp_path / name):
            pass
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / ".lock").symlink_to(tmp_path / "file")
    with pytest.raises(OSError, match=r"could not write to .*odd"), locked(tmp_path / "odd"):
        pass


def test_what_stands_between_two_markers_is_replaced(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- a -->\nold\n<!-- b -->\nafter\n")
    write_between(page, "<!-- a -->", "<!-- b -->", "new")
    assert page.read_text() == "before\n<!-- a -->\nnew\n<!-- b -->\nafter\n"
    for start, end in (("<!-- x -->", "<!-- b -->"), ("<!-- a -->", "<!-- x -->")):
        with pytest.raises(ValueError, match="unpack"):
            write_between(page, start, end, "other")
    assert "new" in page.read_text()
