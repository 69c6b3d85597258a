"""The optimiser of spatial networks: Adam with gradients clipped per unit."""

from typing import Any

import torch
from torch import Tensor, nn

from jarvis.spatial.network import SpatialNetwork
from jarvis.support.checks import check_number


@torch.no_grad()
def clip_by_unit_(
    gradient: Tensor, values: Tensor, axis: int | None, clipping: float, eps: float = 1e-3
) -> None:
    """Clip the gradient of each unit to `clipping` times the norm of its parameters, in place.

    ``g <- g min(1, clipping max(|p|, eps) / |g|)``, where p and g are the parameters of a unit and
    their gradient. Small weights thus change little, whereas large weights may change more.

    Args:
        gradient: gradient of `values`; modified in place.
        values: the parameters.
        axis: axis along which the parameters of one unit lie: 0 of ``[n_pre, n_post]`` for the
            input weights of a neuron. None: all parameters belong to one unit.
        clipping: largest norm of a gradient, relative to the norm of the parameters.
        eps: lower limit of the norm of parameters, so that parameters at 0 can change.

    Source: Brock, De, Smith & Simonyan 2021, ICML (adaptive gradient clipping), eq. 3.

    Example:
        >>> w, g = torch.tensor([[3.0, 0.0], [4.0, 0.0]]), torch.tensor([[30.0, 1.0], [40.0, 0.0]])
        >>> clip_by_unit_(g, w, axis=0, clipping=2.0)
        >>> g.tolist()  # norms: 50 -> 2 * 5; 1 -> 2 * 0.001
        [[6.0, 0.0020000000949949026], [8.0, 0.0]]
    """
    dims = tuple(range(values.dim())) if axis is None else (axis,)
    if not dims:  # a single number
        p, g = values.abs(), gradient.abs()
    else:
        p = torch.linalg.vector_norm(values, dim=dims, keepdim=True)
        g = torch.linalg.vector_norm(gradient, dim=dims, keepdim=True)
    longest = clipping * p.clamp_min(eps)
    gradient.mul_((longest / g.clamp_min(1e-6)).clamp_max_(1.0))


class ClippedAdam(torch.optim.Adam):
    """Adam whose gradients are first clipped unit by unit (`clip_by_unit_`).

    The order within a step: clip; add ``weight_decay * p``; update the moments; update p.

    Args:
        groups: parameter groups, each with an "axis"; see `clip_by_unit_`.
        clipping: `clipping` of `clip_by_unit_`, for all groups; 0: no clipping.
        options: further options of `torch.optim.Adam`.
    """

    def __init__(self, groups: list[dict[str, Any]], clipping: float = 2.0, **options) -> None:
        super().__init__(groups, **options)
        self.clipping = clipping

    def step(self, closure=None):  # type: ignore[override]
        if self.clipping:
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        clip_by_unit_(p.grad, p, group["axis"], self.clipping)
        return super().step(closure)


def spatial_optimiser(
    network: SpatialNetwork,
    lr: float = 1e-3,
    *,
    delay_scale: float = 10.0,
    readout_scale: float = 1.0,
    weight_decay: float = 1e-5,
    clipping: float = 2.0,
) -> ClippedAdam:
    """The optimiser of a `SpatialNetwork`: parameters in ms learn `delay_scale` times as fast.

    Args:
        network: the network, already on its device.
        lr: learning rate of the weights, and of the parameter theta of delays.
        delay_scale: learning rate of delays and positions, as a multiple of `lr`; 0 freezes all
            parameters of the delays permanently.
        readout_scale: learning rate of the read-out, as a multiple of `lr`.
        weight_decay: added to the gradients as ``weight_decay * p``; divided by `delay_scale` for
            delays and positions.
        clipping: see `ClippedAdam`.

    Raises:
        ValueError: for a negative number.

    Source: Landsmeer et al. 2025, arXiv:2512.10011 (its code).
    """
    for name, value in (("lr", lr), ("delay_scale", delay_scale), ("readout_scale", readout_scale),
                        ("weight_decay", weight_decay), ("clipping", clipping)):  # fmt: skip
        check_number(name, value, at_least=0)
    if not delay_scale:
        network.delays.requires_grad_(False)
    in_ms = {"coordinates", "delays", "origin", "scale"}
    groups: dict[tuple, list[nn.Parameter]] = {}
    for name, p in network.named_parameters():
        if not p.requires_grad:
            continue
        owner, _, kind = name.partition(".")
        scaled = owner == "delays" and kind.split(".")[0] in in_ms
        # A unit's parameters are a column of [n_pre, n_post], but a row of positions or read-out.
        row = owner == "readout" or "coordinates" in kind
        axis = None if p.dim() < 2 else int(row)
        factor = delay_scale if scaled else readout_scale if owner == "readout" else 1.0
        groups.setdefault((scaled, axis, factor), []).append(p)
    return ClippedAdam(
        [
            {
                "params": params,
                "axis": axis,
                "lr": lr * factor,
                "weight_decay": weight_decay / delay_scale if scaled else weight_decay,
            }
            for (scaled, axis, factor), params in groups.items()
        ],
        clipping,
        fused=True,
    )
