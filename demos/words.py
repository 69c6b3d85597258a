"""Spoken digits for the demo programs: words for training, validation and testing."""

from typing import Any

from jarvis import datasets
from jarvis.datasets import SpokenDigits, held_out
from jarvis.support.downloads import MissingDataError

#: How much of each word is used by default, ms.
DURATIONS = {"shd": 1400.0, "generated": 600.0}


def add_options(add: Any) -> None:
    """Add --dataset and --final: the first two arguments of `spoken_digits`."""
    add(
        "--dataset",
        choices=("auto", "shd", "generated"),
        default="auto",
        help="spoken digits, or generated words like them; auto: generated words only if SHD is "
        "missing and cannot be downloaded",
    )
    add(
        "--final",
        action="store_true",
        help="learn from all training words and test at the end; otherwise two speakers are held "
        "out for evaluation, and the test words stay unseen",
    )


def in_steps(
    words: SpokenDigits | None, dt: float, duration: float, limit: int | None
) -> SpokenDigits | None:
    """The first `limit` words (None: all), in steps of `dt` ms up to `duration` ms."""
    if words is None:
        return None
    words = words.on_grid(dt, max(1, round(duration / dt)))
    return words if limit is None else words.subset(limit)


def spoken_digits(
    dataset: str, *, final: bool, check: bool = True
) -> tuple[str, SpokenDigits, SpokenDigits | None, SpokenDigits | None]:
    """Read spoken digits, or generate words that are like them.

    Args:
        dataset: "shd", "generated" or "auto". "auto" generates words only if SHD is missing and
            cannot be downloaded, and then prints a line about it.
        final: True to learn from all training words and to test; False to hold out two speakers
            for validation, so that the test words stay unseen.
        check: whether to check every event of the files for damage.

    Returns:
        "shd" or "generated", and the words for training, validation and testing (None for a part
        that is not used), with times in ms.

    Raises:
        MissingDataError: if SHD was asked for by name and is missing.
    """
    read = None
    if dataset != "generated":
        try:
            read = datasets.shd("train+val", check=check)
        except MissingDataError as error:
            if dataset == "shd":
                raise
            print(f"{str(error).split(': put')[0]}: generated words stand in for it")
    name = "generated" if read is None else "shd"
    make = datasets.shd_like if read is None else datasets.shd
    read = make("train+val") if read is None else read
    if final:
        return name, read, None, make("test")
    return (name, *held_out(read), None)
