"""Data sets: there is one function per set, each with ``split="train" | "val" | "test"``.

Every function returns an indexable Dataset. The splits are fixed and do not depend on a seed, so
that everyone uses the same samples.

Files are searched for in ``$JARVIS_DATA`` (read-only is fine), then in the cache,
``~/.cache/jarvis``, which ``$JARVIS_CACHE`` can relocate. Without files and without a network
connection, use the toy task, scikit-learn's digits, Yin-Yang, generated scenes or generated words
instead.
"""

from jarvis.datasets.arrays import SPLITS, ArrayDataset
from jarvis.datasets.augmentation import Augmentation
from jarvis.datasets.figures import FigureConfig, FigureDataset, figures
from jarvis.datasets.generated_recordings import nmnist_like
from jarvis.datasets.generated_words import shd_like
from jarvis.datasets.pictures import digits, fashion_mnist, folder, mnist
from jarvis.datasets.recordings import EventDataset, nmnist
from jarvis.datasets.scenes import SceneConfig, SceneDataset, satellites
from jarvis.datasets.shd_files import shd, shd_file
from jarvis.datasets.spoken_digits import CHANNELS, SpokenDigits, held_out
from jarvis.datasets.toy_task import toy
from jarvis.datasets.yin_yang import yinyang
from jarvis.support.downloads import (
    CorruptDataError,
    MissingDataError,
    cache_folder,
    data_folders,
    find,
)

__all__ = [
    "CHANNELS",
    "SPLITS",
    "ArrayDataset",
    "Augmentation",
    "CorruptDataError",
    "EventDataset",
    "FigureConfig",
    "FigureDataset",
    "MissingDataError",
    "SceneConfig",
    "SceneDataset",
    "SpokenDigits",
    "cache_folder",
    "data_folders",
    "digits",
    "fashion_mnist",
    "figures",
    "find",
    "folder",
    "held_out",
    "mnist",
    "nmnist",
    "nmnist_like",
    "satellites",
    "shd",
    "shd_file",
    "shd_like",
    "toy",
    "yinyang",
]
