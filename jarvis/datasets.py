"""Data sets behind one cache folder, and embedded ones where there is no network.

Every function returns an indexable Dataset for ``split="train" | "val" | "test"``. The splits are
fixed: they do not depend on a seed, so that two people mean the same samples.

Files are looked for in ``$JARVIS_DATA`` (read-only is fine), then in the cache,
``~/.cache/jarvis``, which ``$JARVIS_CACHE`` can move.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from jarvis.downloads import (
    CorruptDataError,
    MissingDataError,
    cache_folder,
    data_folders,
    find,
    missing,
    read_idx,
)
from jarvis.pictures import listed, read_picture, share
from jarvis.recordings import EventDataset, fetch_nmnist, read_nmnist
from jarvis.scenes import SceneConfig, SceneDataset
from jarvis.shd_files import shd
from jarvis.spoken_digits import SpokenDigits
from jarvis.word_generator import shd_like
from jarvis.yinyang import SAMPLES, draw_yinyang

__all__ = [
    "SPLITS",
    "ArrayDataset",
    "CorruptDataError",
    "EventDataset",
    "MissingDataError",
    "SceneConfig",
    "SceneDataset",
    "SpokenDigits",
    "cache_folder",
    "data_folders",
    "digits",
    "fashion_mnist",
    "find",
    "folder",
    "mnist",
    "nmnist",
    "satellites",
    "shd",
    "shd_like",
    "toy",
    "yinyang",
]

SPLITS = ("train", "val", "test")


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


def yinyang(split: str = "train") -> ArrayDataset:
    """The Yin-Yang set: points (x, y, 1 - x, 1 - y) of a disc in three classes, as published.

    Args:
        split: "train" (5000), "val" (1000) or "test" (1000), the published samples.

    Returns:
        inputs ``[N, 4]`` in [0, 1]; classes are yin, yang and dot.

    Source: Kriener, Göltz & Petrovici 2022, NICE, doi:10.1145/3517343.3517380.

    Example:
        >>> yinyang("test")
        1000 samples of shape (4,), 3 classes: Yin-Yang, generated (seed 40)
    """
    _check_split(split)
    n, seed = SAMPLES[split]
    x, y = draw_yinyang(n, seed)
    source = f"Yin-Yang, generated (seed {seed})"
    return ArrayDataset(torch.from_numpy(x).float(), torch.from_numpy(y), 3, source)


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


def nmnist(split: str = "train", *, download: bool = True) -> EventDataset:
    """N-MNIST: an event camera that shakes before each MNIST digit, 34x34 pixels, about 300 ms.

    Recordings are in the order of their numbers, which is MNIST's. Whatever part of the published
    60 000 and 10 000 is there is read, and `source` says how much that is.

    Args:
        split: "train", "val" (the training recordings whose number ends in 0; a rule by number
            means the same recordings however many are there) or "test".
        download: fetch what is missing into the cache; this needs the package tonic.

    Returns:
        Events of units ``(2, 34, 34)``, channel 0 ON and 1 OFF, times in ms; `binned` makes steps.

    Raises:
        MissingDataError: if it is not here and cannot be downloaded.
        CorruptDataError: if a file is empty, truncated or damaged; it is named.

    Source: Orchard, Jayawant, Cohen & Thakor 2015, Front. Neurosci. 9:437.
    """
    _check_split(split)
    part, published = ("Test", 10_000) if split == "test" else ("Train", 60_000)
    root = find(f"NMNIST/{part}", folder=True)
    if root is None:
        root = fetch_nmnist(part, download)
    files = sorted(root.glob("[0-9]/*.bin"), key=lambda path: (path.stem, path.parent.name))
    if not files:
        raise missing("N-MNIST", f"NMNIST/{part}", f"{root} has no <digit>/*.bin")
    kind = "test" if split == "test" else "training"
    source = f"N-MNIST, {kind} part, complete, as published"
    if len(files) != published:
        source = f"N-MNIST, {len(files)} of the {published} published {kind} recordings"
    if split != "test":
        files = [path for path in files if path.stem.endswith("0") == (split == "val")]
    targets = torch.tensor([int(path.parent.name) for path in files])
    return EventDataset(read_nmnist(files), targets, 10, source)


def satellites(split: str = "train", *, n: int = 500, **options) -> SceneDataset:
    """Generated event scenes: 0, 1 or 2 satellites cross a field of drifting stars, in noise.

    They stand in for recordings of the night sky. `jarvis.scenes` says what fires where.

    Args:
        split: "train", "val" or "test"; scene i of a split is the same whatever n is.
        n: number of scenes.
        options: fields of `SceneConfig`, such as ``noise=0.01``; the scenes stay the same else.

    Returns:
        Events of 10 steps and units ``(2, 128, 128)``, and the truth of each pixel and frame.

    Example:
        >>> satellites("test", n=3)
        3 scenes, 10 frames of 128x128 pixels, 0 to 2 satellites: generated, test split
    """
    _check_split(split)
    return SceneDataset(split, n, SceneConfig(**options))


def folder(
    path: str | Path, split: str = "train", *, size: int | tuple[int, int] = (160, 250)
) -> ArrayDataset:
    """Any folder of pictures, in grey and of one size.

    A sub-folder is a class; classes are numbered in the order of their names. Pictures that lie in
    `path` itself have no labels: targets -1, no classes. The split of a picture follows from a
    hash of its path below `path`: 70 % train, 10 % val, 20 % test, and further pictures move none.

    Args:
        path: the folder.
        split: "train", "val" or "test".
        size: height and width in pixels, or one number for both; a picture is scaled to cover
            them and what juts out is cut off evenly, so that nothing is squeezed.

    Returns:
        inputs ``[N, 1, height, width]``, kept as uint8; indexing gives float32 in [0, 1].

    Raises:
        MissingDataError: if the folder, a class or the split has no pictures.
        CorruptDataError: if a picture is truncated or damaged; it is named.
        ValueError: if pictures lie both in `path` and in its sub-folders.
    """
    _check_split(split)
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width) < 1:
        raise ValueError(f"size={size!r}: height and width must be at least 1 pixel")
    root = Path(path).expanduser()
    files, labels, classes = listed(root)
    shares = [share(file.relative_to(root).as_posix()) for file in files]
    keep = [i for i, name in enumerate(shares) if name == split]
    if not keep:
        counts = ", ".join(f"{shares.count(name)} {name}" for name in SPLITS)
        raise MissingDataError(
            f"{root}: none of its {len(files)} pictures fell into the {split} split ({counts}): "
            "add pictures, or use another split"
        )
    pictures = torch.stack([read_picture(files[i], height, width) for i in keep])
    targets = torch.tensor([labels[i] for i in keep])
    source = f"{len(files)} pictures of {root.name}, {split} share"
    return ArrayDataset(pictures.unsqueeze(1), targets, len(classes), source)


def _torchvision_mnist(name: str, split: str, download: bool) -> ArrayDataset:
    _check_split(split)
    from torchvision import datasets as tv

    resources = dict(getattr(tv, name).resources)
    part = "t10k" if split == "test" else "train"
    images, labels = (
        read_idx(name, f"{part}-{kind}-ubyte", resources, download)
        for kind in ("images-idx3", "labels-idx1")
    )
    if len(images) != len(labels):
        raise CorruptDataError(f"{name}: {len(images)} pictures, but {len(labels)} labels")
    keep = {"train": slice(0, 55000), "val": slice(55000, None), "test": slice(None)}[split]
    source = f"{name}, complete, as published"
    return ArrayDataset(images[keep].unsqueeze(1), labels[keep], 10, source)
