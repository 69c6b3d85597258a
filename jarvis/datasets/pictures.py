"""Labelled images: digits, MNIST, Fashion-MNIST, and your own folders of pictures."""

import hashlib
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from jarvis.datasets.arrays import SPLITS, ArrayDataset
from jarvis.support.checks import check_choice, check_integer
from jarvis.support.downloads import (
    CorruptDataError,
    MissingDataError,
    missing,
    read_idx,
)

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def _pictures(folder: Path, pattern: str) -> list[Path]:
    found = (p for p in folder.glob(pattern) if p.suffix.lower() in SUFFIXES and p.is_file())
    # Some systems store hidden companions (._name.jpg) beside the pictures: skip them.
    shown = (p for p in found if not any(n.startswith(".") for n in p.relative_to(folder).parts))
    return sorted(shown, key=lambda path: path.relative_to(folder).as_posix())


def listed(root: Path) -> tuple[list[Path], list[int], list[str]]:
    """The pictures below `root`, their labels (-1 without a class) and the names of the classes.

    Raises:
        MissingDataError: if there is no such folder, or no picture in it or in one of its classes.
        ValueError: if there are pictures both in `root` and in its sub-folders.
    """
    kinds = f"({' '.join(SUFFIXES)})"
    if not root.is_dir():
        raise MissingDataError(f"{root} is not a folder: give the folder that holds the pictures")
    flat = _pictures(root, "*")
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    inside = [_pictures(folder, "**/*") for folder in folders]
    if not flat and not any(inside):
        raise MissingDataError(f"{root} holds no pictures {kinds}, nor do its sub-folders")
    if flat and any(inside):
        raise ValueError(
            f"{root} holds pictures ({flat[0].name}) beside folders of pictures "
            f"({next(f.name for f, p in zip(folders, inside, strict=True) if p)}): "
            "give each class a folder, or put all pictures in one"
        )
    if flat:
        return flat, [-1] * len(flat), []
    for folder, pictures in zip(folders, inside, strict=True):
        if not pictures:
            raise MissingDataError(f"{folder} holds no pictures {kinds}: fill or remove this class")
    labels = [label for label, pictures in enumerate(inside) for _ in pictures]
    return [p for pictures in inside for p in pictures], labels, [f.name for f in folders]


def share(name: str) -> str:
    """The split of a picture, set by a hash of its name: 70 % train, 10 % val, 20 % test.

    Example:
        >>> [share(f"{i}.png") for i in range(4)]
        ['train', 'test', 'val', 'val']
    """
    bucket = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % 10
    return ("test", "test", "val", *["train"] * 7)[bucket]


def read_picture(path: Path, height: int, width: int) -> Tensor:
    """One greyscale picture, ``uint8 [height, width]``, scaled to cover that size and cropped.

    Transparent areas become white, as on paper. Values of 16 bits are scaled to 8 bits.

    Raises:
        CorruptDataError: if the file is corrupted or not a picture; the message names it.

    Warns:
        UserWarning: for a 16-bit file whose values need at most 12 bits, so that it is nearly
            black.
    """
    from PIL import Image, ImageOps

    try:
        if not path.is_file():  # reading a pipe could block forever
            raise ValueError("it is not a file")
        with Image.open(path) as image:
            image.load()
            upright = ImageOps.exif_transpose(image)
            if upright.has_transparency_data:
                seen = upright.convert("RGBA")
                paper = Image.new("RGBA", seen.size, (255, 255, 255, 255))
                upright = Image.alpha_composite(paper, seen)
            if upright.mode.startswith("I"):  # 16 bits, which Pillow would truncate
                wide = np.asarray(upright).astype(np.int64)
                if wide.min() < 0 or wide.max() > 65535:
                    raise ValueError("its values do not fit into 16 bits")
                if 255 < wide.max() < 4096:
                    warnings.warn(
                        f"{path.parent}: a picture of 16 bits ({path.name}) has no value above "
                        f"{wide.max()} of 65535, so it is nearly black: if these are 12-bit values "
                        "of a camera, multiply them by 16 and save them again",
                        UserWarning,
                        stacklevel=2,
                    )
                upright = Image.fromarray(np.rint(wide / 257.0).astype(np.uint8))
            if upright.mode == "F":
                raise ValueError("its values are floating-point numbers of unknown range")
            grey = upright.convert("L")
            return torch.from_numpy(np.array(ImageOps.fit(grey, (width, height))))
    except UserWarning:  # raised where warnings are turned into errors
        raise
    except Exception as error:  # decoders may raise any exception for damaged files
        raise CorruptDataError(
            f"{path} is truncated or damaged ({type(error).__name__}: {error}): "
            "replace or remove it"
        ) from error


def digits(split: str = "train") -> ArrayDataset:
    """Scikit-learn's handwritten digits: 1797 real 8x8 images, which are part of scikit-learn.

    Args:
        split: "train" (1257), "val" (180) or "test" (360), from a fixed permutation of all images.

    Returns:
        inputs ``[N, 1, 8, 8]`` in [0, 1].

    Source: Alpaydin & Kaynak 1998, UCI Optical Recognition of Handwritten Digits (its test set).

    Example:
        >>> digits("test")
        360 samples of shape (1, 8, 8), 10 classes: digits, 8x8, from scikit-learn
    """
    check_choice("split", split, SPLITS)
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
        split: "train" (the first 55 000 training images), "val" (the last 5000) or "test" (10 000).
        download: whether to download missing files into the cache; their MD5 sums are verified.

    Returns:
        inputs ``[N, 1, 28, 28]``, stored as uint8; indexing returns float32 in [0, 1].

    Raises:
        MissingDataError: if the data set is not on this machine and cannot be downloaded.
        CorruptDataError: if a file is truncated or corrupted; the message names it.

    Source: LeCun, Bottou, Bengio & Haffner 1998, Proc. IEEE 86(11):2278.
    """
    return _torchvision_mnist("MNIST", split, download)


def fashion_mnist(split: str = "train", *, download: bool = True) -> ArrayDataset:
    """Fashion-MNIST: 28x28 images of clothes, harder than the digits; splits as in `mnist`.

    Source: Xiao, Rasul & Vollgraf 2017, arXiv:1708.07747.
    """
    return _torchvision_mnist("FashionMNIST", split, download)


def folder(
    path: str | Path, split: str = "train", *, size: int | tuple[int, int] = (160, 250)
) -> ArrayDataset:
    """Any folder of pictures, converted to greyscale and to a common size.

    Each sub-folder is a class; classes are numbered in alphabetical order. Pictures directly in
    `path` have no labels: their targets are -1, and there are no classes. The split of a picture is
    determined by a hash of its path relative to `path`: 70 % train, 10 % val, 20 % test. Adding
    pictures does not move others to a different split.

    Args:
        path: the folder.
        split: "train", "val" or "test".
        size: height and width in pixels, or one number for both; a picture is scaled to cover this
            size and cropped evenly, so that it is not distorted.

    Returns:
        inputs ``[N, 1, height, width]``, stored as uint8; indexing returns float32 in [0, 1].

    Raises:
        MissingDataError: if the folder, a class or the split has no pictures.
        CorruptDataError: if a picture is truncated or corrupted; the message names it.
        ValueError: if there are pictures both in `path` and in its sub-folders.
    """
    check_choice("split", split, SPLITS)
    if not isinstance(path, str | Path):
        raise TypeError(f"folder: path must be a path, not {type(path).__name__}")
    if not str(path):
        raise ValueError("folder: path is empty: give the folder that holds the pictures")
    sides = tuple(size) if isinstance(size, tuple | list) else (size, size)
    if len(sides) != 2:
        raise ValueError(f"folder: size={size!r} must be one number of pixels, or two")
    height, width = sides
    for side in (height, width):
        check_integer("size", side, at_least=1, why="it is a height or width, pixels")
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
    check_choice("split", split, SPLITS)
    from torchvision import datasets as tv

    resources = dict(getattr(tv, name).resources)
    part = "t10k" if split == "test" else "train"
    (images, verified), (labels, also) = (
        read_idx(name, f"{part}-{kind}-ubyte", resources, download)
        for kind in ("images-idx3", "labels-idx1")
    )
    if len(images) != len(labels):
        raise CorruptDataError(f"{name}: {len(images)} pictures, but {len(labels)} labels")
    published = 10_000 if part == "t10k" else 60_000
    keep = {"train": slice(0, 55000), "val": slice(55000, None), "test": slice(None)}[split]
    if not len(labels[keep]):
        raise missing(name, f"{name}/raw", f"{len(labels)} pictures leave none for {split}")
    source = f"{name}, complete, as published"
    if len(labels) != published:
        source = f"{name}, {len(labels)} pictures where {published} are published"
    elif not (verified and also):
        source = f"{name}, complete, unpacked by others and without a checksum"
    return ArrayDataset(images[keep].unsqueeze(1), labels[keep], 10, source)
