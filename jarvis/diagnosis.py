"""`diagnose`: why nothing happens in a spiking network, and what to change."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from jarvis.layers import LIFLayer

# A unit counts as saturated when it fires at nine steps in ten, a layer as silent or saturated
# when most of its units are. The gradient bounds are those at which Adam, whose steps do not
# depend on a common factor, starts to see rounding rather than a direction.
_SATURATED, _MOST = 0.9, 0.9
_VANISHED, _EXPLODED = 1e-7, 1e3
_RATIO = 1e-4
_LARGE_INPUT = 20.0


@dataclass
class LayerReport:
    """Activity of one spiking layer over a batch."""

    name: str
    rate: float  #: mean spikes per unit and step, 0 to 1
    rate_hz: float  #: the same in Hz
    silent: float  #: share of units that never fire in the batch
    saturated: float  #: share of units that fire at nine steps in ten or more


@dataclass
class Diagnosis:
    """What `diagnose` found: per-layer activity, per-parameter gradients, and advice."""

    layers: list[LayerReport] = field(default_factory=list)
    gradients: dict[str, float] = field(default_factory=dict)  #: root mean square per parameter
    problems: list[str] = field(default_factory=list)

    @property
    def healthy(self) -> bool:
        return not self.problems

    def __str__(self) -> str:
        lines = [f"{'layer':<16}{'rate':>8}{'Hz':>8}{'silent':>9}{'saturated':>11}"]
        lines += [
            f"{x.name:<16}{x.rate:>8.3f}{x.rate_hz:>8.1f}{x.silent:>9.0%}{x.saturated:>11.0%}"
            for x in self.layers
        ]
        lines += ["", f"{'parameter':<32}{'gradient (rms)':>16}"]
        lines += [f"{name:<32}{rms:>16.2e}" for name, rms in self.gradients.items()]
        lines += [""] + ([f"! {p}" for p in self.problems] or ["nothing wrong found"])
        return "\n".join(lines)


def diagnose(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Diagnosis:
    """Run one batch forward and backward and say what would keep the network from learning.

    Finds silent and saturated layers, vanishing, exploding and missing gradients, and NaN. The
    model, its gradients and its mode are left as they were.

    Args:
        model: maps ``[T, B, ...]`` to scores ``[B, C]``; its spiking layers are `LIFLayer`.
        batch: ``(x [T, B, ...], labels [B])``, encoded.

    Returns:
        a `Diagnosis`; print it.

    Raises:
        ValueError: if the batch is empty, or the model has no LIFLayer.

    Example:
        >>> from jarvis import SpikingMLP
        >>> nothing = torch.zeros(10, 3, 4), torch.tensor([0, 1, 0])
        >>> found = diagnose(SpikingMLP((4, 8, 2)), nothing)
        >>> print(found.problems[0])
        input: no spikes or currents at all: raise the rate of the code, or look at the data
    """
    x, labels = batch
    layers = {n: m for n, m in model.named_modules() if isinstance(m, LIFLayer)}
    if not layers:
        raise ValueError("diagnose: the model has no LIFLayer")
    if not x.numel():
        raise ValueError(f"diagnose: the batch is empty, shape {tuple(x.shape)}")
    spikes: dict[str, Tensor] = {}

    def keep(name: str):
        def hook(module, args, output):
            spikes[name] = output[0].detach()

        return hook

    parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
    handles = [module.register_forward_hook(keep(name)) for name, module in layers.items()]
    try:
        scores = model(x)
        loss = nn.functional.cross_entropy(scores, labels.to(scores.device))
        if loss.requires_grad:
            found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
        else:
            found = [None] * len(parameters)
    finally:
        for handle in handles:
            handle.remove()

    result = Diagnosis()
    _judge_input(x, result)
    for name, train in spikes.items():
        _judge_layer(name, train, layers[name], result)
    for (name, _), gradient in zip(parameters.items(), found, strict=True):
        # double: a sum of squares of small gradients must not itself vanish
        rms = 0.0 if gradient is None else gradient.double().square().mean().sqrt().item()
        result.gradients[name] = rms
    _judge_gradients(result)
    if not torch.isfinite(loss):
        result.problems.append(
            f"loss: it is {loss.item()}: look for NaN in the input and lower the learning rate"
        )
    return result


def _judge_input(x: Tensor, result: Diagnosis) -> None:
    if x.isnan().any():
        result.problems.append("input: it contains NaN: mend the data before anything else")
    elif not x.any():
        result.problems.append(
            "input: no spikes or currents at all: raise the rate of the code, or look at the data"
        )
    elif x.abs().max() > _LARGE_INPUT:
        result.problems.append(
            f"input: values up to {x.abs().max().item():.4g}, many times the usual threshold of 1: "
            "scale pictures to [0, 1]"
        )


def _judge_layer(name: str, train: Tensor, layer: LIFLayer, result: Diagnosis) -> None:
    tau, dt = torch.as_tensor(layer.params.tau).max().item(), layer.params.dt
    if tau < dt / 2:
        result.problems.append(
            f"{name}: tau={tau:g} ms is less than half a step of dt={dt:g} ms, so v forgets "
            "everything from step to step: give tau in ms, not in seconds"
        )
    per_unit = train.float().mean(dim=(0, 1)).flatten()
    rate = per_unit.mean().item()
    report = LayerReport(
        name=name,
        rate=rate,
        rate_hz=1000.0 * rate / layer.params.dt,
        silent=(per_unit == 0).float().mean().item(),
        saturated=(per_unit >= _SATURATED).float().mean().item(),
    )
    result.layers.append(report)
    if math.isnan(rate):
        result.problems.append(f"{name}: its potential is NaN")
    elif report.silent >= _MOST:
        result.problems.append(
            f"{name}: silent ({report.silent:.0%} of its units never fire): raise the weights "
            "before it (gain) or its input, lower the threshold, or lengthen tau"
        )
    elif report.saturated >= _MOST:
        result.problems.append(
            f"{name}: saturated ({report.saturated:.0%} of its units fire at nearly every step): "
            "lower the weights before it, raise the threshold, or shorten tau"
        )


def _judge_gradients(result: Diagnosis) -> None:
    rms = result.gradients
    bad = [n for n, g in rms.items() if not math.isfinite(g)]
    if bad:
        result.problems.append(f"gradient: NaN or infinite in {', '.join(bad)}")
        return
    zero = [n for n, g in rms.items() if g == 0.0]
    if zero:
        result.problems.append(
            f"gradient: exactly zero in {', '.join(zero)}: a silent layer, a spike without a "
            "surrogate, or a detach() cuts the way back"
        )
    low = [n for n, g in rms.items() if 0.0 < g < _VANISHED]
    high = [n for n, g in rms.items() if g > _EXPLODED]
    weights = [n for n, g in rms.items() if n.endswith("weight") and g > 0.0]
    if not low and len(weights) > 1 and rms[weights[0]] < _RATIO * rms[weights[-1]]:
        low = [weights[0]]
    if low:
        result.problems.append(
            f"gradient: vanishing in {', '.join(low)}: take a wider surrogate (a smaller slope) "
            "or fewer layers, and look whether the potentials come near the threshold"
        )
    if high:
        result.problems.append(
            f"gradient: exploding in {', '.join(high)}: take a narrower surrogate (a larger "
            "slope), smaller recurrent weights, detach_reset=True, or clip the gradient"
        )
