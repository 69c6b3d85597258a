"""The compiled loops beside threads, forks, other processes, and folders that cannot be written."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from jarvis import LIFLayer
from jarvis.kernels import cpu
from jarvis.kernels.loop_numba import GRAIN as BLOCK
from jarvis.training import Interruption

ROOT = Path(__file__).resolve().parents[2]
SUBNORMAL = np.uint32(71362).view(np.float32)  # 1e-40, whatever mode this is read in
LANES = 40 * BLOCK + 17  # for several threads, and not whole blocks


def large(seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return 0.3 * torch.rand(12, 1, LANES, generator=rng)


def train(x: torch.Tensor, backend: str = "numba") -> tuple[torch.Tensor, torch.Tensor]:
    """Spikes, and the gradient of their sum of squares."""
    leaf = x.clone().requires_grad_()
    spikes, _ = LIFLayer(backend=backend)(leaf)
    spikes.square().sum().backward()
    assert leaf.grad is not None
    return spikes.detach(), leaf.grad


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def interrupting(done: list[str]):
    """A compiler that is interrupted, and then goes on."""

    def njit(*args, **options):
        def compile_(loop):
            signal.raise_signal(signal.SIGINT)
            done.append("compiled")
            return loop

        return compile_

    return njit


def test_an_interruption_waits_for_the_compilation(monkeypatch):
    """LLVM calls Python functions, from which an exception does not reach the program."""
    done: list[str] = []
    monkeypatch.setattr(cpu, "njit", interrupting(done))
    former = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    try:
        with pytest.raises(KeyboardInterrupt):
            cpu.compiled(lambda: None, (), "a_loop")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, former)
    assert done == ["compiled"]
    with Interruption() as interruption:  # a run in progress notes it, and ends the batch
        assert cpu.compiled(lambda: None, (), "a_loop")
        assert interruption.requested
    assert done == ["compiled"] * 2


def test_lanes_are_shared_out_without_gap_or_overlap(threads):
    threads(3)
    for lanes in (1, BLOCK, BLOCK + 1, 5 * BLOCK + 3, LANES):
        for steps in (1, 10_000):
            seen = []

            def kernel(low, high, seen=seen):
                seen.append((low, high))

            cpu.over_lanes(kernel, lanes, steps, BLOCK)
            seen.sort()
            assert [low for low, _ in seen] == [0, *(high for _, high in seen[:-1])]
            assert seen[-1][1] == lanes
            assert len(seen) <= 3
            assert all(low % BLOCK == 0 for low, _ in seen)


@pytest.mark.parametrize("before", [False, True])
def test_loops_take_subnormal_numbers_as_zero_and_leave_the_callers_mode(threads, before):
    threads(2)
    seen = []

    def kernel(low, high):
        seen.append((threading.get_ident(), bool(SUBNORMAL * np.float32(1.0) == 0.0)))

    torch.set_flush_denormal(before)
    try:
        cpu.over_lanes(kernel, 2, 1 << 20, 1)
        assert bool(SUBNORMAL * np.float32(1.0) == 0.0) is before
    finally:
        torch.set_flush_denormal(False)
    assert len({thread for thread, _ in seen}) == 2
    assert all(flushed for _, flushed in seen)


def test_follows_torch_threads(threads):
    shares = []
    for count in (1, 2, 3):
        threads(count)
        seen = []
        cpu.over_lanes(lambda low, high, seen=seen: seen.append(low), LANES, 1000, BLOCK)
        shares.append(len(seen))
    assert shares == [1, 2, 3]
    seen = []
    cpu.over_lanes(lambda low, high: seen.append(threading.get_ident()), BLOCK, 10, BLOCK)
    assert seen == [threading.get_ident()]  # a small problem stays on the calling thread


def test_result_does_not_depend_on_threads(threads):
    x = large()
    threads(1)
    one = train(x)
    threads(3)
    many = train(x)
    assert torch.equal(one[0], many[0])
    assert torch.equal(one[1], many[1])
    eager = train(x, "eager")
    assert torch.equal(eager[0], many[0])
    torch.testing.assert_close(many[1], eager[1], rtol=1e-5, atol=1e-6)


def test_an_error_in_a_share_reaches_the_caller(threads):
    threads(3)

    def kernel(low, high):
        if low:
            raise ArithmeticError("in a worker")

    with pytest.raises(ArithmeticError, match="in a worker"):
        cpu.over_lanes(kernel, LANES, 1000, BLOCK)


def test_two_python_threads_at_once(threads):
    threads(2)
    inputs = [large(seed) for seed in range(4)]
    wanted = [train(x) for x in inputs]
    wrong = []

    def work(x, expected):
        torch.set_num_threads(2)  # a thread has its own setting
        for _ in range(5):
            found = train(x)
            if not all(torch.equal(p, q) for p, q in zip(found, expected, strict=True)):
                wrong.append(1)

    workers = [
        threading.Thread(target=work, args=case) for case in zip(inputs, wanted, strict=True)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert not worker.is_alive()
    assert not wrong


LOADER = """
    import sys, torch
    from unittest import mock
    from torch.utils.data import DataLoader, Dataset
    from jarvis import LIFLayer
    from jarvis.kernels import cpu

    class ThroughALayer(Dataset):
        # Its samples are spikes and gradients that a layer made in the worker, on two threads of
        # the kernels. Torch itself stays on the worker's one thread: its own OpenMP hangs in a
        # forked child.
        def __len__(self):
            return 2

        def __getitem__(self, index):
            x = 0.3 * torch.rand(12, 1, LANES, generator=torch.Generator().manual_seed(index))
            x.requires_grad_()
            with mock.patch.object(torch, "get_num_threads", return_value=2):
                spikes, _ = LIFLayer(backend="numba")(x)
                spikes.square().sum().backward()
            assert cpu._pool is not None
            return torch.cat([spikes.detach(), x.grad])[:, 0, -50:]

    if __name__ == "__main__":
        method = sys.argv[1]
        torch.set_num_threads(2)
        data = ThroughALayer()
        wanted = [data[0], data[1]]  # the pool runs now, with a thread that a fork will not copy
        assert wanted[0][:12].any() and wanted[0][12:].any()
        assert cpu._pool is not None
        loader = DataLoader(data, batch_size=None, num_workers=2, multiprocessing_context=method)
        for _ in range(2 if method == "fork" else 1):
            found = list(loader)
            assert all(torch.equal(p, q) for p, q in zip(found, wanted, strict=True))
        assert torch.equal(data[0], wanted[0])  # and the parent goes on
        print("the same")
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_data_loader_workers(method, tmp_path):
    """In a process of its own: once autograd has started threads, as an earlier test may have
    made it do, torch refuses every backward pass in a forked child."""
    if method not in torch.multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    script = tmp_path / "loader.py"
    script.write_text(textwrap.dedent(LOADER).replace("LANES", str(LANES)))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", script, method],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stdout) == (0, "the same\n"), done.stderr


# -- compilation, in processes of their own -------------------------------------------------------

PROGRAM = """
    import sys, time
    import jarvis
    assert "numba" not in sys.modules, "importing jarvis must not import numba"
    import torch
    start = time.perf_counter()
    x = (torch.arange(24.0).view(4, 2, 3) / 20).requires_grad_()
    spikes, _ = jarvis.LIFLayer(backend="numba")(x)
    spikes.sum().backward()
    print(spikes.sum().item(), round(x.grad.sum().item(), 6), time.perf_counter() - start)
"""


IGNORED = shutil.ignore_patterns("__pycache__")


def program(tmp_path: Path, **env: str) -> subprocess.Popen:
    """PROGRAM, on a copy of the package that has compiled nothing yet."""
    copy = tmp_path / "jarvis"
    if not copy.exists():
        shutil.copytree(ROOT / "jarvis", copy, ignore=IGNORED)
    inherited = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    settings = {**inherited, "PYTHONPATH": str(tmp_path), "HOME": str(tmp_path), **env}
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)],
        cwd=tmp_path,
        env=settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen) -> tuple[list[str], str]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.split(), err


def wanted() -> list[str]:
    x = (torch.arange(24.0).view(4, 2, 3) / 20).requires_grad_()
    spikes, _ = LIFLayer(backend="eager")(x)
    spikes.sum().backward()
    assert x.grad is not None
    return [str(spikes.sum().item()), str(round(x.grad.sum().item(), 6))]


@pytest.mark.slow
def test_two_processes_at_once_then_a_cached_start_then_spoiled_files(tmp_path):
    chosen = {"NUMBA_CACHE_DIR": str(tmp_path / "chosen")}  # the user's choice of a folder holds
    together = [program(tmp_path, **chosen), program(tmp_path, **chosen)]
    said = []
    for out, err in map(finish, together):
        assert out[:2] == wanted()
        said.append(err.count("compiles its time loops"))
        assert len(err.splitlines()) == said[-1], err
    # One line, however many loops. On a busy machine, the second may find the files of the first.
    assert set(said) in ({1}, {0, 1})
    out, err = finish(program(tmp_path, **chosen))
    assert out[:2] == wanted()
    assert err == ""  # from the cache: nothing to wait for, nothing to say
    assert not list((tmp_path / "jarvis").rglob("*.nb*"))

    files = sorted((tmp_path / "chosen").rglob("*.nb*"))
    assert len(files) == 4  # an index and a code file, forward and backward
    for file, spoilt in zip(files, (b"no pickle", b"", b"", b"no pickle"), strict=True):
        file.write_bytes(spoilt)
    out, err = finish(program(tmp_path, **chosen))
    assert out[:2] == wanted()
    assert "compiles" in err


def test_no_folder_can_be_written(tmp_path):
    """Neither beside the package nor at home: each process compiles for itself."""
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where numba wants folders")  # also holds for root, unlike a mode
    shutil.copytree(ROOT / "jarvis", tmp_path / "jarvis", ignore=IGNORED)
    beside = tmp_path / "jarvis" / "kernels" / "__pycache__"
    beside.write_text("a file where numba wants a folder")
    settings = dict(HOME=str(blocked), XDG_CACHE_HOME=str(blocked), PYTHONDONTWRITEBYTECODE="1")
    out, err = finish(program(tmp_path, **settings))
    assert out[:2] == wanted()
    assert "compiles" in err
    assert beside.is_file()


def test_every_loop_has_a_cache_file_of_its_own():
    """Two loops in one file could take each other's number when two processes start at once."""
    from jarvis.kernels.loop_numba import _compiled

    names = []
    for layer in (LIFLayer(), LIFLayer(reset="none")):
        layer(torch.rand(2, 1, 2))
        _, tensors = layer._program.numbers(layer.params, layer.surrogate)
        loop = layer._program.loop("numba", layer._program.variant(tensors, False, False))
        for backward in (False, True):
            for dtype in (torch.float32, torch.float64):
                for flag in (False, True):
                    made = _compiled(loop, backward, flag, dtype, [None] * 3)
                    names.append(made._cache._impl.filename_base)
    assert len(names) == len(set(names)) == 16


def test_a_fork_waits_for_a_compilation():
    """A child born in the middle of one would inherit numba's lock, held for ever."""
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    program = """
        import os, sys, threading, time, torch
        from jarvis import LIFLayer
        from jarvis.kernels import cpu

        holds = threading.Event()
        def compile_slowly():
            with cpu._compiling:
                holds.set()
                time.sleep(0.3)
        thread = threading.Thread(target=compile_slowly)
        thread.start()
        holds.wait()
        child = os.fork()
        spikes, _ = LIFLayer(backend="numba", threshold=0.5)(torch.ones(2, 1, 1))
        if child == 0:
            os._exit(int(spikes.sum().item()))
        thread.join()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
