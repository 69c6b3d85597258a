"""Folders of pictures: which files there are, which split each is in, and reading one in grey."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from jarvis.downloads import CorruptDataError, MissingDataError

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def _pictures(folder: Path, pattern: str) -> list[Path]:
    found = (p for p in folder.glob(pattern) if p.suffix.lower() in SUFFIXES and p.is_file())
    # Some systems keep hidden twins (._name.jpg) beside the pictures: these are not pictures.
    shown = (p for p in found if not any(n.startswith(".") for n in p.relative_to(folder).parts))
    return sorted(shown, key=lambda path: path.relative_to(folder).as_posix())


def listed(root: Path) -> tuple[list[Path], list[int], list[str]]:
    """The pictures below `root`, their labels (-1: none) and the names of the classes.

    Raises:
        MissingDataError: if there is no such folder, or no picture in it or in one of its classes.
        ValueError: if pictures lie both in `root` and in its sub-folders.
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
    """The split of a picture, from a hash of its name: 70 % train, 10 % val, 20 % test.

    Example:
        >>> [share(f"{i}.png") for i in range(4)]
        ['train', 'test', 'val', 'val']
    """
    bucket = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % 10
    return ("test", "test", "val", *["train"] * 7)[bucket]


def read_picture(path: Path, height: int, width: int) -> Tensor:
    """One picture in grey, ``uint8 [height, width]``: scaled to cover that, then cut in the middle.

    Raises:
        CorruptDataError: if the file is damaged or no picture; it is named.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            image.load()
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I"):  # 16 bits: Pillow's own conversion cuts them off
                wide = np.asarray(upright).astype(np.int64)
                if wide.min() < 0 or wide.max() > 65535:
                    raise ValueError("its values do not fit into 16 bits")
                upright = Image.fromarray(np.rint(wide / 257.0).astype(np.uint8))
            if upright.mode == "F":
                raise ValueError("its values are floating-point numbers of no known range")
            grey = upright.convert("L")
            return torch.from_numpy(np.array(ImageOps.fit(grey, (width, height))))
    except Exception as error:  # decoders of damaged files raise nearly anything
        raise CorruptDataError(
            f"{path} is truncated or damaged ({type(error).__name__}: {error}): "
            "replace or remove it"
        ) from error
