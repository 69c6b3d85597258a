"""Choose a device, and seed random numbers for a block of code or for a single purpose."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from jarvis.support.checks import check_integer
from jarvis.training import distributed


def own_random():
    """A context that restores torch's random state; listing all GPUs avoids a warning."""
    return torch.random.fork_rng(devices=range(torch.cuda.device_count()))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run a block with torch's random numbers seeded, and restore the previous state afterwards.

    This is for code that uses torch's global generator, such as the initialisation of nn.Linear.

    Example:
        >>> with seeded(0):
        ...     first = torch.nn.Linear(2, 2).weight
        >>> with seeded(0):
        ...     second = torch.nn.Linear(2, 2).weight
        >>> torch.equal(first, second)
        True

    Raises:
        ValueError: for a seed beyond 64 bits.
    """
    check_integer("seed", seed, at_least=-(2**63), at_most=2**63 - 1)
    with own_random():
        torch.manual_seed(seed)
        yield


def seed_for(purpose: str, seed: int, *, step: int = 0) -> int:
    """A seed for random numbers with one purpose, such as drawing the spikes of a rate code.

    Two generators with the same seed draw the same numbers. If values between 0 and 1 were drawn
    from seed 0, a rate code that starts from seed 0 compares each value with itself in the first
    step, and no input fires. A derived seed prevents this, whichever seed a user chooses.

    Args:
        purpose: a description; different descriptions give unrelated seeds.
        seed: the seed that the user chose; a 64-bit integer, signed or unsigned.
        step: number of the step from which the numbers are drawn, at least 0.

    Returns:
        a seed from 0 to 2**64 - 1.

    Raises:
        ValueError: for a seed of more than 64 bits or a negative step.

    Example:
        >>> generator = torch.Generator().manual_seed(seed_for("spikes", 0))
        >>> torch.rand(1, generator=generator).equal(torch.rand(1, generator=generator))
        False
    """
    seed = check_integer("seed_for: seed", seed, at_least=-(1 << 63), at_most=(1 << 64) - 1)
    step = check_integer("seed_for: step", step, at_least=0)
    key = (*purpose.encode(), step)
    derived = np.random.SeedSequence(seed % (1 << 64), spawn_key=key)
    return int(derived.generate_state(1, np.uint64)[0])


def choose_device(name: str = "auto") -> torch.device:
    """Return a device for "auto" (CUDA if available), "cpu", "cuda" or "cuda:N".

    Under torchrun, "cuda" assigns each process on this machine a GPU of its own, and so does "auto"
    if there are enough GPUs.

    Raises:
        ValueError: for an unknown device, or for CUDA if it is not available.
    """
    if not isinstance(name, str):
        raise TypeError(f"device must be a name, not {type(name).__name__}")
    together = distributed.launched()
    if name == "auto":
        enough = torch.cuda.device_count() >= distributed.local_world_size()
        name = "cuda" if enough and torch.cuda.is_available() else "cpu"
    if together and name == "cuda":
        name = f"cuda:{distributed.local_rank()}"
    elif together and name.startswith("cuda"):
        raise ValueError(f"device={name!r}: torchrun's processes need one GPU each: use cuda")
    # PyTorch knows further devices: "mps" and "xpu" for untested chips, "meta" for tensors without
    # data.
    found = re.fullmatch(r"cpu|cuda(?::(\d+))?", name)
    if found is None:
        raise ValueError(f"device={name!r} is not one of auto, cpu, cuda, cuda:N")
    if name != "cpu" and int(found[1] or 0) >= torch.cuda.device_count():
        raise ValueError(f"device={name!r}: this machine has {torch.cuda.device_count()} GPUs")
    return torch.device(name)
