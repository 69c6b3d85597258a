"""Choice of the device, and seeding of torch's random numbers for a block of code."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from jarvis.support.checks import check_integer
from jarvis.training import distributed


def own_random():
    """Restore torch's random state on all GPUs afterwards; listing the GPUs avoids a warning."""
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

    Raises:
        ValueError: for a seed beyond 64 bits.
    """
    check_integer("seed", seed, at_least=-(2**63), at_most=2**63 - 1)
    with own_random():
        torch.manual_seed(seed)
        yield


def choose_device(name: str = "auto") -> torch.device:
    """Return a device for "auto" (CUDA if available), "cpu", "cuda" or "cuda:N".

    Under torchrun, "cuda" assigns each process on this machine its own GPU, and so does "auto" if
    there are enough GPUs.

    Raises:
        ValueError: for an unknown device, or for CUDA where it is not available.
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
