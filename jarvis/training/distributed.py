"""Training on several GPUs or machines: what `fit` asks of torch.distributed.

``torchrun --nproc_per_node=N program.py`` starts N processes, numbered by their rank. Each holds
the whole network and computes its part of every batch; torch's DistributedDataParallel averages the
gradients. In a single process, everything here does nothing and costs nothing.
"""

import gc
import os
import sys

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

_TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def launched() -> bool:
    """Whether torchrun started this process beside others."""
    return all(name in os.environ for name in _TORCHRUN) and int(os.environ["WORLD_SIZE"]) > 1


def _started() -> bool:
    return dist.is_available() and dist.is_initialized()


def start(device: torch.device) -> None:
    """Meet the other processes: over nccl for a CUDA device, over gloo for the CPU.

    Does nothing without torchrun, or if they have met. Beside nccl stands gloo, for the few numbers
    that live on the CPU (losses, counts, "stop").
    """
    if not launched() or _started():
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")


def stop() -> None:
    """Part from the other processes: at the end of a program, once."""
    if _started():
        # A wrapped model that is still about (reference cycles, a traceback's frames) keeps the
        # group's threads until the interpreter is gone, and they then abort the process.
        gc.collect()
        dist.destroy_process_group()


def leave(status: int = 0) -> None:
    """End a process that torchrun started, with an exit status; returns in a single process.

    After `stop` it ends at once, without taking the interpreter apart: gloo's threads may outlive
    the group, and would now and then abort a process whose work is done and written.
    """
    stop()
    if launched():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def rank() -> int:
    """This process's number: 0 in a single process, and before `start`."""
    return dist.get_rank() if _started() else 0


def world_size() -> int:
    """How many processes train together: 1 in a single process, and before `start`."""
    return dist.get_world_size() if _started() else 1


def local_rank() -> int:
    """This process's number on its machine, from torchrun."""
    return int(os.environ["LOCAL_RANK"]) if launched() else 0


def local_world_size() -> int:
    """How many processes torchrun started on this machine."""
    return int(os.environ["LOCAL_WORLD_SIZE"]) if launched() else 1


def is_main() -> bool:
    """Whether this process is the one that prints and writes files; true before `start` too."""
    return (rank() if _started() else int(os.environ["RANK"]) if launched() else 0) == 0


def wrap(model: nn.Module) -> nn.Module:
    """The model to train with: its gradients are averaged over all processes in ``backward``.

    It shares its parameters with `model`, which stays the one to evaluate and to save, and first
    gives every process those of rank 0.
    """
    # Without device_ids the input passes through untouched: one that is the same at every step
    # stays a view, whose first layer is computed once.
    return DistributedDataParallel(model) if world_size() > 1 else model


def share(n: int) -> slice:
    """Which of a batch's n samples are this process's; the shares differ by at most one.

    Example:
        >>> share(5)
        slice(0, 5, None)
    """
    return slice(n * rank() // world_size(), n * (rank() + 1) // world_size())


def total(*values: float) -> list[float]:
    """Sums over all processes, in float64; every one of them has to call this.

    Example:
        >>> total(0.5, 3)
        [0.5, 3]
    """
    if world_size() == 1:
        return list(values)
    sums = torch.tensor(values, dtype=torch.float64)
    dist.all_reduce(sums)
    return sums.tolist()


def total_(tensor: torch.Tensor) -> torch.Tensor:
    """The same for a tensor on the CPU, in place."""
    if world_size() > 1:
        dist.all_reduce(tensor)
    return tensor


def any_of(flag: bool) -> bool:
    """Whether the flag is up in any process, so that all of them do the same about it."""
    return total(float(flag))[0] > 0
