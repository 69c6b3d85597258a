"""Choice of the device, and seeding of torch's random numbers for a block of code."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from jarvis.training import distributed


def own_random():
    """Restore torch's random state afterwards, on all GPUs (listed, or torch warns of several)."""
    return torch.random.fork_rng(devices=range(torch.cuda.device_count()))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run a block with torch's random numbers seeded, and restore the previous state afterwards.

    For code that uses torch's global generator, such as the initialisation of nn.Linear.

    Example:
        >>> with seeded(0):
        ...     first = torch.nn.Linear(2, 2).weight
        >>> with seeded(0):
        ...     second = torch.nn.Linear(2, 2).weight
        >>> torch.equal(first, second)
        True
    """
    with own_random():
        torch.manual_seed(seed)
        yield


def choose_device(name: str = "auto") -> torch.device:
    """ "auto" (CUDA where there is one), "cpu", "cuda" or "cuda:N" -> a device.

    Under torchrun, "cuda" gives each process on this machine its own GPU, and so does "auto" if
    there are enough GPUs.

    Raises:
        ValueError: for an unknown device, or CUDA where there is none.
    """
    together = distributed.launched()
    if name == "auto":
        enough = torch.cuda.device_count() >= distributed.local_world_size()
        name = "cuda" if enough and torch.cuda.is_available() else "cpu"
    if together and name == "cuda":
        name = f"cuda:{distributed.local_rank()}"
    elif together and name.startswith("cuda"):
        raise ValueError(f"device={name!r}: torchrun's processes need one GPU each: use cuda")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"device={name!r} is not one of auto, cpu, cuda, cuda:N") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device={name!r}: this machine has {torch.cuda.device_count()} GPUs")
    return device
