"""Generated words that stand in for SHD: formant-like sweeps whose order in time is the class."""

from functools import lru_cache
from itertools import islice, permutations

import numpy as np
import torch

from jarvis.datasets.spoken_digits import CHANNELS, CLASSES, SpokenDigits, Words, split_of
from jarvis.support.checks import check_integer

#: First and last channel of the two formants of each sweep.
SWEEPS = (
    ((80, 160), (420, 330)),
    ((200, 120), (360, 520)),
    ((150, 260), (600, 540)),
    ((280, 210), (460, 640)),
)

#: A class is an order of the four sweeps: all of them have the same sweeps, and 20 of 24 are used.
ORDERS = tuple(islice(permutations(range(len(SWEEPS))), CLASSES))

SPEAKERS = 12

TEST_SPEAKERS = (4, 5)

SIZES = {"train": 2000, "test": 500}

SWEEP_MS = 110.0  # how long a sweep is

APART_MS = 70.0  # from one's onset to the next one's

WIDTH = 12.0  # standard deviation of a formant, channels

JITTER_MS = 3.0

NOISE = 0.1  # share of events anywhere, at any time


def shd_like(split: str = "train", *, n: int | None = None, n_events: int = 600) -> SpokenDigits:
    """Generated words that stand in for `shd`: its form, splits and number of classes.

    Args:
        split: "train", "val", "train+val" or "test", as of `shd`.
        n: words of the training part ("train" and "val" together) or of the test part; None: 2000
            and 500.
        n_events: mean number of events a word. SHD's have some 7500.

    Returns:
        Events of 700 channels, times in ms. `generate_words` says what a word is.

    Example:
        >>> shd_like("test")
        500 words, 700 channels, times in ms, 20 classes: generated words like SHD's, test part
    """
    return split_of(
        split, lambda part: generate_words(part, SIZES[part] if n is None else n, n_events)
    )


@lru_cache(maxsize=4)  # a training part is asked for once a split
def generate_words(part: str, n: int, n_events: int = 600) -> SpokenDigits:
    """Words of 12 invented speakers in SHD's form; test words are of two of them only.

    A word is four sweeps, one after the other and overlapping. In each of them two formants move
    in a straight line from one channel to another; events scatter about them, N(0, 12^2) channels.
    How often a channel fires tells nothing of the class, only when does. Each speaker has a pitch
    (channels times 0.9 to 1.1) and a tempo (times times 0.8 to 1.2); each word varies both a
    little more. A tenth of the events are noise.

    Args:
        part: "train" or "test".
        n: number of words; word i is the same whatever n is.
        n_events: mean number of events a word.

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
    """Times (float16, s) and channels (uint16) of one word, in order of time."""
    pitch, tempo = pitch * random.normal(1.0, 0.02), tempo * random.normal(1.0, 0.05)
    n = random.poisson(n_events)
    place = random.integers(len(order), size=n)  # which sweep of the word an event belongs to
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
