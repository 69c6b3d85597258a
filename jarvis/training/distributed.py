"""Training on several GPUs or machines: the functions of torch.distributed that `fit` needs.

``torchrun --nproc_per_node=N program.py`` starts N processes, numbered by their rank. Each holds
the whole network and computes its part of every batch; torch's DistributedDataParallel averages the
gradients. In a single process, everything in this module is a no-op.
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
    """Whether torchrun started this process and others along with it."""
    return all(name in os.environ for name in _TORCHRUN) and int(os.environ["WORLD_SIZE"]) > 1


def _started() -> bool:
    return dist.is_available() and dist.is_initialized()


def start(device: torch.device) -> None:
    """Join the process group, using nccl for a CUDA device and gloo for the CPU.

    The function does nothing without torchrun or if the group exists already. Along with nccl, gloo
    is used for the few numbers on the CPU (losses, counts, stop flags).
    """
    if not launched() or _started():
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")


def stop() -> None:
    """Leave the process group. Call this once, at the end of a program."""
    if _started():
        # If a wrapped model is still referenced (by reference cycles or a traceback's frames), the
        # group's threads live until the interpreter exits, and then abort the process.
        gc.collect()
        dist.destroy_process_group()


def leave(status: int = 0) -> None:
    """Exit a process started by torchrun with an exit status; return if there is a single process.

    After `stop`, the process exits immediately, without shutting down the interpreter: gloo's
    threads may outlive the group, and would occasionally abort a process whose work is done and
    saved.
    """
    stop()
    if launched():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def rank() -> int:
    """The rank of this process; 0 in a single process and before `start`."""
    return dist.get_rank() if _started() else 0


def world_size() -> int:
    """Number of processes that train together; 1 in a single process and before `start`."""
    return dist.get_world_size() if _started() else 1


def local_rank() -> int:
    """The rank of this process on its machine, as set by torchrun."""
    return int(os.environ["LOCAL_RANK"]) if launched() else 0


def local_world_size() -> int:
    """Number of processes that torchrun started on this machine."""
    return int(os.environ["LOCAL_WORLD_SIZE"]) if launched() else 1


def is_main() -> bool:
    """Whether this is the process that prints and writes files; can be called before `start`."""
    return (rank() if _started() else int(os.environ["RANK"]) if launched() else 0) == 0


def wrap(model: nn.Module) -> nn.Module:
    """The model to train with, whose gradients ``backward`` averages over all processes.

    It shares its parameters with `model`, which remains the model to evaluate and save. Wrapping
    copies the parameters of rank 0 to every process.
    """
    # Without device_ids, the input passes through unchanged. A constant input thus stays a view,
    # and the first layer is computed only once.
    return DistributedDataParallel(model) if world_size() > 1 else model


def share(n: int) -> slice:
    """This process's share of a batch of n samples; shares differ by at most one sample.

    Example:
        >>> share(5)
        slice(0, 5, None)
    """
    return slice(n * rank() // world_size(), n * (rank() + 1) // world_size())


def total(*values: float) -> list[float]:
    """The sum of each value over all processes, in float64; every process has to call this.

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
    """Sum of a CPU tensor over all processes, in place."""
    if world_size() > 1:
        dist.all_reduce(tensor)
    return tensor


def any_of(flag: bool) -> bool:
    """Whether the flag is set in any process, so that all of them can react to it."""
    return total(float(flag))[0] > 0
