"""Damaged HDF5 files, which a child process reads first."""

import h5py
import numpy as np

from jarvis.support import hdf5


def write(path, **parts):
    with h5py.File(path, "w") as file:
        for name, values in parts.items():
            file[name] = values
    return path


def test_a_sound_file_has_no_fault(tmp_path):
    assert hdf5.fault_of(write(tmp_path / "a.h5", a=np.arange(5), b="text")) is None


def test_what_is_compressed_may_be_much_larger_than_the_file(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", data=np.zeros(10_000_000), compression="gzip")
    assert (tmp_path / "a.h5").stat().st_size < 200_000
    assert hdf5.fault_of(tmp_path / "a.h5") is None


def test_faults_are_one_line(tmp_path):
    path = write(tmp_path / "a.h5", a=np.arange(5000))
    whole = path.read_bytes()
    path.write_bytes(whole[:3000])
    fault = hdf5.fault_of(path)
    assert fault is not None
    assert "truncated" in fault
    assert "\n" not in fault
    path.write_bytes(b"")
    assert hdf5.fault_of(path) == "it is empty"
    with h5py.File(path, "w") as file:
        file.create_dataset("a", (2**50,), dtype="f4", chunks=(1024,))
    assert "too large for a file of" in (hdf5.fault_of(path) or "")


def test_a_file_that_takes_too_long_is_given_up(tmp_path, monkeypatch):
    path = write(tmp_path / "a.h5", a=np.arange(5))
    monkeypatch.setattr(hdf5, "_SECONDS", 0.0005)
    monkeypatch.setattr(hdf5, "_PER_MEGABYTE", 0.0)
    assert hdf5.fault_of(path) == "reading it does not end"


def test_a_file_that_ends_the_process_is_given_up(tmp_path, monkeypatch):
    path = write(tmp_path / "a.h5", a=np.arange(5))
    crash = tmp_path / "crash.py"
    crash.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    monkeypatch.setattr(hdf5, "__file__", str(crash))
    assert (hdf5.fault_of(path) or "").startswith("reading it ends the process")
