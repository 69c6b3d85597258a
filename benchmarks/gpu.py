"""Benchmark row for the GPU: LIF in Triton, compared with the GPU's memory bandwidth."""

import torch

from benchmarks.neurons import both_ways
from benchmarks.peers import ours

SHAPE = (100, 256, 4096)
BAR = 0.7


def _best(call, repeats: int) -> float:
    """Shortest time of `call` on the GPU, ms."""
    call()
    best = float("inf")
    for _ in range(repeats):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        call()
        end.record()
        torch.cuda.synchronize()
        best = min(best, start.elapsed_time(end))
    return best


def measure(repeats: int) -> dict:
    """LIF's fraction of the copy bandwidth, at 24 B per element-step, or why there is none."""
    if not torch.cuda.is_available():
        return {"skipped": "no CUDA here: the GPU row was not measured"}
    x, g = 0.3 * torch.rand(SHAPE, device="cuda"), torch.rand(SHAPE, device="cuda")
    small = 0.3 * torch.rand(60, 3, 16, dtype=torch.float64)
    same = torch.equal(
        ours("triton")(small.dtype)(small.cuda()).cpu(), ours("eager")(small.dtype)(small)
    )
    target = torch.empty_like(g)

    def copy() -> None:
        for _ in range(3):
            target.copy_(g)

    limit = _best(copy, repeats)
    lif = _best(both_ways(ours("triton")(x.dtype), x, g), repeats)
    return {
        "device": torch.cuda.get_device_name(),
        "shape": list(SHAPE),
        "agreement": "same spikes" if same else "DISAGREES: other spikes than the eager step",
        "lif_ms": round(lif, 4),
        "limit_ms": round(limit, 4),
        "element_steps_s": round(x.numel() / lif * 1e3),
        "ratio": round(limit / lif, 3),
        "bound": BAR,
        "met": same and limit / lif >= BAR,
    }
