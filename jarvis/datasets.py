"""Data sets behind one cache folder, and embedded ones where there is no network.

Every function returns an `ArrayDataset` for ``split="train" | "val" | "test"``. The splits are
fixed: they do not depend on a seed, so that two people mean the same samples.

Files are looked for in ``$JARVIS_DATA`` (read-only is fine), then in the cache,
``~/.cache/jarvis``, which ``$JARVIS_CACHE`` can move.
"""

import gzip
import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from jarvis.files import atomic_path

SPLITS = ("train", "val", "test")


class MissingDataError(FileNotFoundError):
    """A data set is neither on this machine nor to be downloaded; the message says what to do."""


class CorruptDataError(OSError):
    """A file of a data set is truncated or damaged; the message names it."""


class ArrayDataset(Dataset):
    """Samples in memory, as a torch Dataset: ``dataset[i] -> (input, target)``.

    Indexing with a list or slice gives a batch in one go, which is what DataLoader uses.

    Attributes:
        inputs: ``[N, ...]``, float32 in [0, 1], or uint8 that indexing scales to [0, 1].
        targets: ``[N]``, int64 class labels.
        n_classes: number of classes.
        source: in one line, what this is and where it came from.

    Raises:
        ValueError: if inputs and targets differ in length.
    """

    def __init__(self, inputs: Tensor, targets: Tensor, n_classes: int, source: str) -> None:
        if len(inputs) != len(targets):
            raise ValueError(f"{len(inputs)} inputs, but {len(targets)} targets")
        self.inputs, self.targets = inputs, targets.long()
        self.n_classes, self.source = n_classes, source

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index) -> tuple[Tensor, Tensor]:
        x = self.inputs[index]
        return (x.float() / 255.0 if x.dtype == torch.uint8 else x), self.targets[index]

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        x, y = self[torch.as_tensor(indices)]
        return list(zip(x, y, strict=True))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return tuple(self.inputs.shape[1:])

    def subset(self, n: int) -> "ArrayDataset":
        """The first n samples (all of them if there are fewer)."""
        return ArrayDataset(self.inputs[:n], self.targets[:n], self.n_classes, self.source)

    def __repr__(self) -> str:
        return f"{len(self)} samples of shape {self.shape}, {self.n_classes} classes: {self.source}"


def _check_split(split: str) -> None:
    if split not in SPLITS:
        raise ValueError(f"split={split!r} is not one of {', '.join(SPLITS)}")


def toy(split: str = "train", *, n: int = 4096, n_features: int = 32) -> ArrayDataset:
    """The toy set: uniform numbers, labelled by the side of a plane on which they lie.

    ``x ~ U(0, 1)^32``, label 1 where ``x . linspace(-1, 1, 32) > 0``. The first 80 % of the
    samples are for training, the rest for testing; n/8 further ones are for validation.

    Args:
        split: "train" (3276), "val" (512) or "test" (820).
        n: number of training and test samples together.
        n_features: length of x.

    Returns:
        inputs ``[N, n_features]``.

    Example:
        >>> toy("test")
        820 samples of shape (32,), 2 classes: toy set, generated (seed 0)
    """
    _check_split(split)
    if n < 10 or n_features < 2:
        raise ValueError(f"n={n}, n_features={n_features}: at least 10 samples of 2 features")
    generator = torch.Generator().manual_seed(0)
    x = torch.rand((n + n // 8, n_features), generator=generator)
    y = x @ torch.linspace(-1.0, 1.0, n_features) > 0
    cut = int(0.8 * n)
    part = {"train": slice(0, cut), "test": slice(cut, n), "val": slice(n, None)}[split]
    return ArrayDataset(x[part], y[part], 2, "toy set, generated (seed 0)")


def digits(split: str = "train") -> ArrayDataset:
    """Scikit-learn's handwritten digits: 1797 real 8x8 pictures that come with the package.

    Args:
        split: "train" (1257), "val" (180) or "test" (360), a fixed permutation of the whole.

    Returns:
        inputs ``[N, 1, 8, 8]`` in [0, 1].

    Source: Alpaydin & Kaynak 1998, UCI Optical Recognition of Handwritten Digits (its test part).

    Example:
        >>> digits("test")
        360 samples of shape (1, 8, 8), 10 classes: digits, 8x8, from scikit-learn
    """
    _check_split(split)
    from sklearn.datasets import load_digits

    images, labels = (load_digits()[key] for key in ("images", "target"))  # type: ignore[call-overload]
    order = np.random.RandomState(0).permutation(len(labels))
    part = {"train": order[:1257], "val": order[1257:1437], "test": order[1437:]}[split]
    x = torch.from_numpy(images[part].astype(np.float32) / 16.0).unsqueeze(1)
    y = torch.from_numpy(labels[part])
    return ArrayDataset(x, y, 10, "digits, 8x8, from scikit-learn")


def mnist(split: str = "train", *, download: bool = True) -> ArrayDataset:
    """MNIST: 28x28 handwritten digits.

    Args:
        split: "train" (the first 55 000 training pictures), "val" (the last 5000) or "test"
            (10 000).
        download: fetch what is missing into the cache, checked by its MD5 sum.

    Returns:
        inputs ``[N, 1, 28, 28]``, kept as uint8; indexing gives float32 in [0, 1].

    Raises:
        MissingDataError: if it is not here and cannot be downloaded.
        CorruptDataError: if a file is truncated or damaged; it is named.

    Source: LeCun, Bottou, Bengio & Haffner 1998, Proc. IEEE 86(11):2278.
    """
    return _torchvision_mnist("MNIST", split, download)


def fashion_mnist(split: str = "train", *, download: bool = True) -> ArrayDataset:
    """Fashion-MNIST: 28x28 pictures of clothes, harder than the digits; splits as `mnist`.

    Source: Xiao, Rasul & Vollgraf 2017, arXiv:1708.07747.
    """
    return _torchvision_mnist("FashionMNIST", split, download)


def data_folders() -> list[Path]:
    """Where data is looked for, in this order: ``$JARVIS_DATA`` if set, then the cache."""
    given = os.environ.get("JARVIS_DATA")
    return ([Path(given)] if given else []) + [cache_folder()]


def cache_folder() -> Path:
    """The folder for what is downloaded or unpacked: ``$JARVIS_CACHE`` or ``~/.cache/jarvis``."""
    given = os.environ.get("JARVIS_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "jarvis"


def find(*relative: str) -> Path | None:
    """The first existing file among `relative`, paths below the data folders; else None."""
    for folder in data_folders():
        for name in relative:
            if (folder / name).is_file():
                return folder / name
    return None


def _torchvision_mnist(name: str, split: str, download: bool) -> ArrayDataset:
    _check_split(split)
    from torchvision import datasets as tv

    resources = dict(getattr(tv, name).resources)
    part = "t10k" if split == "test" else "train"
    images, labels = (
        _read_idx(name, f"{part}-{kind}-ubyte", resources, download)
        for kind in ("images-idx3", "labels-idx1")
    )
    if len(images) != len(labels):
        raise CorruptDataError(f"{name}: {len(images)} pictures, but {len(labels)} labels")
    keep = {"train": slice(0, 55000), "val": slice(55000, None), "test": slice(None)}[split]
    source = f"{name}, complete, as published"
    return ArrayDataset(images[keep].unsqueeze(1), labels[keep], 10, source)


def _read_idx(name: str, stem: str, resources: dict[str, str], download: bool) -> Tensor:
    """One file of the MNIST family as a tensor, unpacked or downloaded where need be."""
    from torchvision.datasets.mnist import read_image_file, read_label_file

    relative = f"{name}/raw/{stem}"
    path = find(relative, f"{relative}.gz")
    target = cache_folder() / relative
    if path is None:
        if not download:
            raise _missing(name, relative, "download=False")
        path = _download(name, relative, resources[f"{stem}.gz"])
    if path.suffix == ".gz":
        _unpack(path, target, resources[f"{stem}.gz"])
        path = target
    try:
        return read_image_file(str(path)) if "images" in stem else read_label_file(str(path))
    except Exception as error:  # torchvision asserts, reshapes and unpacks: any of them may fail
        raise CorruptDataError(
            f"{path} is truncated or damaged ({type(error).__name__}: {error}): "
            "delete it, and it is unpacked or downloaded anew"
        ) from error


def _missing(name: str, relative: str, why: str) -> MissingDataError:
    places = " or ".join(f"{folder / relative}.gz" for folder in data_folders())
    return MissingDataError(
        f"{name} is not on this machine ({why}): put {places} there and its companions beside it, "
        "or use the embedded digits, jarvis.datasets.digits(), which stand in for it"
    )


def _unpack(packed: Path, target: Path, md5: str) -> None:
    """Unpack a checked .gz into the cache; a file of that name is complete or absent."""
    if hashlib.md5(packed.read_bytes(), usedforsecurity=False).hexdigest() != md5:
        raise CorruptDataError(
            f"{packed} is truncated or damaged: its MD5 sum is not the published {md5}"
        )
    with atomic_path(target) as part, gzip.open(packed, "rb") as src, part.open("wb") as dst:
        shutil.copyfileobj(src, dst)


def _download(name: str, relative: str, md5: str) -> Path:
    """Fetch one file into the cache through torchvision; it appears there whole or not at all."""
    from torchvision import datasets as tv
    from torchvision.datasets.utils import download_url

    target = cache_folder() / f"{relative}.gz"
    target.parent.mkdir(parents=True, exist_ok=True)
    errors = []
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        mirrors = getattr(tv, name).mirrors
        for mirror in mirrors:
            try:
                download_url(f"{mirror}{target.name}", folder, filename=target.name, md5=md5)
            except (OSError, RuntimeError) as error:  # no network, a dead mirror, a wrong sum
                errors.append(str(error).splitlines()[0] if str(error) else repr(error))
                continue
            os.replace(Path(folder) / target.name, target)
            return target
    raise _missing(name, relative, f"download failed: {errors[-1]}")
