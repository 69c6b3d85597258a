"""Give every loader damaged files, which it must refuse in one line or read without harm.

    python tools/fuzz/loaders.py [--count 10000] [--seed 0] [--only FORMAT]

A small valid file of each format (SHD as HDF5 and packed, NIR, MNIST's IDX, N-MNIST's recordings,
images) is damaged. Bits are flipped, or bytes are changed, cut off, inserted or removed. In HDF5, a
part may instead get another type or shape, 2**40 rows or NaN, or become a group. The file is then
loaded in a child process, with limits on time and memory. A fault is one of the following:

* an error that the package does not define, or whose message does not name the file;
* a message of several lines;
* a process that crashes or does not end within its limit;
* NaN or infinity in the loaded values, or a damaged file that is reported as the published one.

The exit status is 1 if there is a fault.
"""

import argparse
import contextlib
import gzip
import io
import os
import shutil
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import h5py
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

import jarvis
from jarvis import datasets, from_nir, to_nir
from tools.fuzz.common import Report, damaged, in_child

LIMIT, MEMORY = 25.0, 3 << 30  #: seconds and bytes allowed for one load

#: Relative number of files of each format.
SHARES = {"shd": 15, "shd.gz": 5, "nir": 20, "mnist": 20, "nmnist": 20, "picture": 20}

_KEYS = [f"word {k}".encode() for k in range(20)]


# -- valid files -----------------------------------------------------------------------------------


def shd_bytes() -> bytes:
    """Six words in SHD's schema."""
    random, buffer = np.random.default_rng(0), io.BytesIO()
    sizes = random.integers(3, 9, 6)
    with h5py.File(buffer, "w") as file:
        for name, kind in (("times", np.float16), ("units", np.uint16)):
            part = file.create_dataset(
                f"spikes/{name}", (6,), dtype=h5py.vlen_dtype(np.dtype(kind))
            )
            for k, size in enumerate(sizes):
                drawn = np.sort(random.uniform(0, 1.3, size))
                part[k] = drawn.astype(kind) if name == "times" else random.integers(0, 700, size)
        file["labels"] = np.array([3, 19, 0, 7, 7, 3])
        file["extra/speaker"] = np.array([0, 6, 3, 7, 11, 0])
        file["extra/keys"] = np.array(_KEYS)
    return buffer.getvalue()


def nir_bytes(kind: int) -> bytes:
    """A NIR file with LIF neurons (with synaptic currents, recurrent) or integrators."""
    options = [dict(), dict(tau_syn=5.0), dict(recurrent=True), dict(tau=torch.rand(4) + 5.0)][kind]
    recurrent = options.pop("recurrent", False)
    neurons = (
        jarvis.RecurrentLIFLayer(4, reset="zero")
        if recurrent
        else jarvis.LIFLayer(reset="zero", **options)
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.nir"
        to_nir([nn.Linear(3, 4), neurons, nn.Linear(4, 2), jarvis.LeakyIntegrator()], path)
        return path.read_bytes()


def idx_bytes(images: bool, n: int = 60) -> bytes:
    """A file like MNIST's, with few entries."""
    shape = (n, 28, 28) if images else (n,)
    random = np.random.default_rng(1)
    values = random.integers(0, 256 if images else 10, shape, dtype=np.uint8)
    head = bytes([0, 0, 8, len(shape)]) + b"".join(s.to_bytes(4, "big") for s in shape)
    return head + values.tobytes()


def nmnist_bytes() -> bytes:
    """A recording of 40 events."""
    random = Random(2)
    times = sorted(random.randrange(300_000) for _ in range(40))
    entries = [(random.randrange(34), random.randrange(34), random.randrange(2), t) for t in times]
    return b"".join(bytes([x, y]) + (p << 23 | t).to_bytes(3, "big") for x, y, p, t in entries)


def picture_bytes(kind: str, mode: str) -> bytes:
    """A small image."""
    random, buffer = np.random.default_rng(3), io.BytesIO()
    bands = len(Image.new(mode, (1, 1)).getbands())
    if mode == "I;16":
        picture = Image.fromarray(random.integers(0, 65536, (20, 30)).astype(np.uint16))
    else:
        shape = (20, 30, bands) if bands > 1 else (20, 30)
        picture = Image.fromarray(random.integers(0, 256, shape, dtype=np.uint8), None)
        picture = picture if picture.mode == mode else picture.convert(mode)
    picture.save(buffer, kind)
    return buffer.getvalue()


# -- parts of other types --------------------------------------------------------------------------


def _other_part(random: Random, old: h5py.Dataset) -> Any:
    """An invalid replacement for a part of an HDF5 file; None stands for an empty group."""
    values = old[()] if old.shape is not None and h5py.check_vlen_dtype(old.dtype) is None else None
    numeric = values is not None and np.asarray(values).dtype.kind in "fiu"
    choices: list[Callable[[], Any]] = [
        lambda: np.float32(1.5),
        lambda: "text",
        lambda: np.array([b"a", b"b"]),
        lambda: np.zeros(6, np.dtype([("a", "i4"), ("b", "f4")])),
        lambda: None,
        lambda: np.zeros((6, 4), np.float16),
        lambda: np.zeros(0),
        lambda: np.full(6, np.nan),
        lambda: np.full(6, np.inf),
        lambda: np.full(6, 1e300),
        lambda: np.full(6, -1),
        lambda: np.array([0, 1, 2, 3, 4, 2**62]),
        lambda: np.array([0, 1, 2, 3, 4, 2**64 - 1], np.uint64),
        lambda: np.arange(6) + 1j,
        lambda: h5py.Empty("f4"),
        lambda: np.array([True, False] * 3),
    ]
    if numeric:
        choices += [
            lambda: np.asarray(values).astype(float) * np.nan,
            lambda: np.asarray(values).astype(np.float64) * 1e300,
            lambda: np.asarray(values)[..., None],
            lambda: np.asarray(values).astype(np.float64) - 1.5,
            lambda: np.asarray(values).astype("S8"),
            lambda: np.asarray(values).ravel()[:-1] if np.asarray(values).ndim else values,
        ]
    return random.choice(choices)()


def other_parts(data: bytes, random: Random) -> tuple[bytes, str]:
    """An HDF5 file with one part replaced by another type, shape, size or value."""
    buffer = io.BytesIO(data)
    with h5py.File(buffer, "a") as file:
        parts: list[str] = []
        file.visititems(lambda n, x: parts.append(n) if isinstance(x, h5py.Dataset) else None)
        name = random.choice(parts)
        old = file[name]
        lists = h5py.check_vlen_dtype(old.dtype)
        n = 6 if old.shape is None or not old.shape else old.shape[0]
        what = random.choice(("other", "other", "rows", "lists", "removed", "attribute"))
        if what == "lists" and not isinstance(lists, np.dtype):
            what = "other"
        if what == "other":
            new = _other_part(random, old)
            del file[name]
            if new is None:
                file.create_group(name)
            else:
                file[name] = new
            text = f"{name} is {'a group' if new is None else repr(new)[:60]}"
        elif what == "rows":
            kind, size = old.dtype, random.choice((2**31, 2**40, 2**50))
            del file[name]
            file.create_dataset(name, (size,), dtype=kind, chunks=(1024,))
            text = f"{name} has {size} rows"
        elif what == "lists":
            kind = random.choice((np.float32, np.float64, np.int64, np.uint8))
            value = random.choice((np.nan, -1, 700, 875.0, 1e30, 0.5, 65536 + 3))
            del file[name]
            part = file.create_dataset(name, (n,), dtype=h5py.vlen_dtype(np.dtype(kind)))
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                for k in range(n):
                    part[k] = np.full(4, value).astype(kind)
            text = f"{name} has lists of {np.dtype(kind)}, all {value}"
        elif what == "removed":
            del file[name]
            text = f"{name} removed"
        else:
            old.attrs["note"] = np.zeros(3)
            text = f"{name} has an attribute"
    return buffer.getvalue(), text


# -- loading ---------------------------------------------------------------------------------------


def _put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


class Format:
    """The valid files of a format, how they are damaged, and how they are loaded."""

    def __init__(self, name: str) -> None:
        self.name = name
        make: dict[str, Callable[[], list[bytes]]] = {
            "shd": lambda: [shd_bytes()],
            "shd.gz": lambda: [gzip.compress(shd_bytes(), mtime=0)],
            "nir": lambda: [nir_bytes(kind) for kind in range(4)],
            "mnist": lambda: [idx_bytes(True), idx_bytes(False)],
            "nmnist": lambda: [nmnist_bytes()],
            "picture": lambda: [
                picture_bytes(kind, mode)
                for kind, mode in (
                    ("PNG", "L"), ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "I;16"),
                    ("JPEG", "RGB"), ("TIFF", "L"), ("TIFF", "I;16"), ("BMP", "RGB"),
                    ("PPM", "RGB"), ("WEBP", "RGBA"),
                )
            ],
        }  # fmt: skip
        self.valid = make[name]()

    def damage(self, random: Random) -> tuple[int, bytes, str]:
        """The index of a valid file, its damaged bytes, and a description."""
        k = random.randrange(len(self.valid))
        data = self.valid[k]
        if self.name in ("shd", "nir") and random.random() < 0.4:
            return k, *other_parts(data, random)
        if self.name == "shd.gz" and random.random() < 0.2:
            size = random.choice((1 << 20, 1 << 27))
            return k, gzip.compress(bytes(size), 9) + data, f"a gzip bomb of {size} zeros before it"
        if self.name == "shd.gz" and random.random() < 0.3:
            inner, text = damaged(gzip.decompress(data), random)
            return k, gzip.compress(inner, 1), f"inside: {text}"
        return k, *damaged(data, random)

    def load(self, folder: Path, k: int, data: bytes) -> tuple[str, list[Tensor]]:
        """Write a file into a data folder and load it; returns its source and tensors to check."""
        place = folder / "data"
        if self.name in ("shd", "shd.gz"):
            suffix = "" if self.name == "shd" else ".gz"
            _put(place / f"SHD/shd_train.h5{suffix}", data)
            words = datasets.shd("train+val", download=False)
            _, labels = words[:]
            assert 0 <= labels.min() <= labels.max() < 20
            return words.source, [words.events.times, words.on_grid(1.0, 100).events.times]
        if self.name == "nir":
            network = from_nir(_put(place / "a.nir", data))
            spikes, _ = network(torch.ones(5, 2, 3))
            return "", [*network.state_dict().values(), spikes]
        if self.name == "mnist":
            for image, kind in ((True, "images-idx3"), (False, "labels-idx1")):
                given = data if image == (k == 0) else idx_bytes(image)
                _put(place / f"MNIST/raw/t10k-{kind}-ubyte", given)
            digits = datasets.mnist("test", download=False)
            assert 0 <= digits.targets.min() <= digits.targets.max() < 10
            return digits.source, [digits[:][0]]
        if self.name == "nmnist":
            _put(place / "NMNIST/Train/3/00001.bin", self.valid[0])
            _put(place / "NMNIST/Train/7/00002.bin", data)
            events = datasets.nmnist("train", download=False)
            return events.source, [events.binned(10).events.dense()]
        for i in range(4):
            _put(place / f"pictures/{i % 2}/{i:05d}.png", data)
        pictures = datasets.folder(place / "pictures", "train", size=(8, 8))
        return pictures.source, [pictures[:][0]]


def attempt(kind: Format, folder: Path, k: int, data: bytes) -> None:
    """Load a file, and print the outcome: a word, and details."""
    os.environ["JARVIS_DATA"], os.environ["JARVIS_CACHE"] = str(folder / "data"), str(folder / "c")
    try:
        source, tensors = kind.load(folder, k, data)
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        text = str(error)
        where = f"{type(error).__name__} at {frames[-1].filename}:{frames[-1].lineno}: {text[:300]}"
        known = type(error).__module__.startswith("jarvis")
        # A NIR file can be valid but contain a network that no layer can represent.
        known |= kind.name == "nir" and type(error) is ValueError
        if not known:
            print("traceback", where.replace("\n", "\\n"), sep="\t")
        elif "\n" in text:
            print("lines", where.replace("\n", "\\n"), sep="\t")
        elif isinstance(error, OSError) and str(folder) not in text:
            print("unnamed", where, sep="\t")
        else:
            print("refused", where, sep="\t")
        return
    if any(not t.isfinite().all() for t in tensors if t.is_floating_point()):
        print("nan", f"values that are not finite in {source or 'the network'}", sep="\t")
    elif "as published" in source and kind.name != "shd":
        print("published", source, sep="\t")
    else:
        print("accepted", source, sep="\t")


def main(given: list[str] | None = None) -> int:
    """Run the fuzzer; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000, help="number of files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=SHARES, help="test only this format")
    options = parser.parse_args(given)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    random, report = Random(options.seed), Report("loaders")
    shares = {n: s for n, s in SHARES.items() if options.only in (None, n)}
    formats = {name: Format(name) for name in shares}
    with tempfile.TemporaryDirectory() as place:
        for name, kind in formats.items():  # valid files must be readable
            for k, data in enumerate(kind.valid):
                with contextlib.redirect_stdout(io.StringIO()):  # this also imports and compiles
                    attempt(kind, Path(place) / "warm", k, data)
                outcome = in_child(
                    lambda kind=kind, k=k, data=data: attempt(kind, Path(place) / "valid", k, data),
                    limit=LIMIT,
                )
                if not outcome.stdout.startswith("accepted"):
                    report.find("valid", f"{name} {k}", outcome.stdout + outcome.stderr)
                shutil.rmtree(Path(place) / "valid", ignore_errors=True)
        with contextlib.suppress(KeyboardInterrupt):  # so that the totals so far are shown
            for number in range(options.count):
                name = random.choices(list(shares), list(shares.values()))[0]
                kind = formats[name]
                k, data, how = kind.damage(random)
                folder = Path(place) / str(number)
                outcome = in_child(
                    lambda kind=kind, folder=folder, k=k, data=data: attempt(kind, folder, k, data),
                    limit=LIMIT,
                    memory=MEMORY,
                )
                what = f"#{number} {name} {k}: {how}"
                report.judge(what, outcome)
                shutil.rmtree(folder, ignore_errors=True)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
