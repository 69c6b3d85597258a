"""Generated words as a substitute for SHD; the order of formant-like sweeps sets the class."""

from functools import lru_cache
from itertools import islice, permutations

import numpy as np
import torch

from jarvis.datasets.spoken_digits import CHANNELS, CLASSES, SpokenDigits, Words, split_of
from jarvis.support.checks import check_integer

#: For each sweep, the first and last channel of each of its two formants.
SWEEPS = (
    ((80, 160), (420, 330)),
    ((200, 120), (360, 520)),
    ((150, 260), (600, 540)),
    ((280, 210), (460, 640)),
)

#: Each class is one order of the same four sweeps; 20 of the 24 orders are used.
ORDERS = tuple(islice(permutations(range(len(SWEEPS))), CLASSES))

SPEAKERS = 12

TEST_SPEAKERS = (4, 5)

SIZES = {"train": 2000, "test": 500}

SWEEP_MS = 110.0  # duration of a sweep

APART_MS = 70.0  # from the onset of a sweep to the onset of the next

WIDTH = 12.0  # standard deviation of a formant, channels

JITTER_MS = 3.0

NOISE = 0.1  # fraction of events at random channels and times


def shd_like(split: str = "train", *, n: int | None = None, n_events: int = 600) -> SpokenDigits:
    """Generated words as a substitute for `shd`, with its format, splits and number of classes.

    Args:
        split: "train", "val", "train+val" or "test", as in `shd`.
        n: number of words in the training set ("train" and "val" together) or in the test set;
            None: 2000 or 500.
        n_events: mean number of events per word. SHD has about 7500.

    Returns:
        Events of 700 channels, with times in ms. `generate_words` describes the words.

    Example:
        >>> shd_like("test")
        500 words, 700 channels, times in ms, 20 classes: generated words like SHD's, test part
    """
    n_events = check_integer("shd_like: n_events", n_events, at_least=1)
    n = None if n is None else check_integer("shd_like: n", n, at_least=1)
    return split_of(
        split, lambda part: generate_words(part, SIZES[part] if n is None else n, n_events)
    )


@lru_cache(maxsize=4)  # the training set is requested once per split
def generate_words(part: str, n: int, n_events: int = 600) -> SpokenDigits:
    """Words of 12 fictitious speakers in SHD's format; test words come from only two of them.

    A word is a sequence of four overlapping sweeps. In each sweep, two formants move linearly from
    one channel to another; events scatter around them by N(0, 12^2) channels. The class cannot be
    determined from the spike counts of the channels, only from the spike times. Each speaker has a
    pitch (a factor of 0.9 to 1.1 on channels) and a tempo (a factor of 0.8 to 1.2 on times); each
    word varies both slightly. A tenth of the events are noise.

    Args:
        part: "train" or "test".
        n: number of words; word i does not depend on n.
        n_events: mean number of events per word.

    Example:
        >>> few, many = generate_words("test", 3), generate_words("test", 9)
        >>> few.counts.tolist() == many.counts[:3].tolist()
        True
    """
    check_integer("n", n, at_least=1)
    check_integer("n_events", n_events, at_least=1)
    people = np.random.default_rng(12)
    pitch, tempo = people.uniform(0.9, 1.1, SPEAKERS), people.uniform(0.8, 1.2, SPEAKERS)
    known = [s for s in range(SPEAKERS) if (s in TEST_SPEAKERS) == (part == "test")]
    parts, labels, speakers = [], [], []
    for i in range(n):
        random = np.random.default_rng((0 if part == "train" else 1, i))
        label, speaker = int(random.integers(CLASSES)), int(random.choice(known))
        parts.append(_word(random, ORDERS[label], pitch[speaker], tempo[speaker], n_events))
        labels.append(label)
        speakers.append(speaker)
    times, units = (np.concatenate(column) for column in zip(*parts, strict=True))
    offsets = np.concatenate([[0], np.cumsum([len(t) for t, _ in parts])]).astype(np.int64)
    names = ["-".join("abcd"[s] for s in order) for order in ORDERS]
    return SpokenDigits(
        Words(times, units, offsets),
        torch.tensor(labels),
        torch.tensor(speakers),
        names,
        f"generated words like SHD's, {'training' if part == 'train' else part} part",
    )


def _word(
    random: np.random.Generator, order: tuple[int, ...], pitch: float, tempo: float, n_events: int
) -> tuple[np.ndarray, np.ndarray]:
    """Times (float16, s) and channels (uint16) of one word, sorted by time."""
    pitch, tempo = pitch * random.normal(1.0, 0.02), tempo * random.normal(1.0, 0.05)
    n = random.poisson(n_events)
    place = random.integers(len(order), size=n)  # the sweep to which each event belongs
    formant, along = random.integers(2, size=n), random.random(n)
    first, last = np.array(SWEEPS)[np.array(order)[place], formant].T
    channel = (first + (last - first) * along) * pitch + random.normal(0.0, WIDTH, n)
    when = (place * APART_MS + along * SWEEP_MS) * tempo + random.normal(0.0, JITTER_MS, n)
    noise = random.random(n) < NOISE
    end = ((len(order) - 1) * APART_MS + SWEEP_MS) * tempo
    channel = np.where(noise, random.uniform(0, CHANNELS, n), channel)
    when = np.where(noise, random.uniform(0, end, n), when)
    fits = (channel >= 0) & (channel < CHANNELS) & (when >= 0)
    channel, when = channel[fits], when[fits]
    sequence = np.argsort(when, kind="stable")
    seconds = (when[sequence] / 1000.0).astype(np.float16)
    return seconds, channel[sequence].astype(np.uint16)
