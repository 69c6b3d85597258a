"""`diagnose`: why a spiking network does not learn, and what to change."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from jarvis.lif import LIFParams
from jarvis.neurons.layer import SpikingLayer
from jarvis.support.checks import check_tensor, check_type, whole_numbers
from jarvis.training.devices import seeded

# A unit counts as saturated if it fires in nine steps out of ten, and a layer counts as silent or
# saturated if nine tenths of its units are.
_SATURATED, _MOST = 0.9, 0.9

# Bounds on the size of a gradient. A common factor of all gradients does not change Adam's steps,
# but beyond these bounds, Adam starts to follow rounding errors rather than a direction.
_VANISHED, _EXPLODED = 1e-7, 1e3

_RATIO = 1e-4

_GROWN = 1e3  # growth of the gradient over a recurrent layer's steps; at most about 10 if healthy

_LARGE_INPUT = 20.0

_CHANGED = 1e-4  # change of a score relative to the largest score; exceeds rounding errors


@dataclass
class LayerReport:
    """Activity of one spiking layer over a batch."""

    name: str
    rate: float  #: mean spikes per unit and step, 0 to 1
    rate_hz: float  #: mean firing rate of a unit, Hz
    silent: float  #: fraction of units that never fire in the batch
    saturated: float  #: fraction of units that fire in nine steps out of ten or more


@dataclass
class Diagnosis:
    """What `diagnose` found: per-layer activity, per-parameter gradients, and advice."""

    layers: list[LayerReport] = field(default_factory=list)
    gradients: dict[str, float] = field(default_factory=dict)  #: root mean square, by parameter
    problems: list[str] = field(default_factory=list)
    measures: dict[str, float] = field(default_factory=dict)  #: further measurements, by name

    @property
    def healthy(self) -> bool:
        return not self.problems

    def __str__(self) -> str:
        head = f"{'layer':<16}{'rate':>8}{'Hz':>8}{'silent':>9}{'saturated':>11}"
        lines = [head] * bool(self.layers)
        lines += [
            f"{x.name:<16}{x.rate:>8.3f}{x.rate_hz:>8.1f}{x.silent:>9.0%}{x.saturated:>11.0%}"
            for x in self.layers
        ]
        if self.gradients:
            lines += ["", f"{'parameter':<32}{'gradient (rms)':>16}"]
            lines += [f"{name:<32}{rms:>16.2e}" for name, rms in self.gradients.items()]
        lines += [f"{name:<32}{value:>16.4g}" for name, value in self.measures.items()]
        lines += [""] + ([f"! {p}" for p in self.problems] or ["nothing wrong found"])
        return "\n".join(lines)


def diagnose(model: nn.Module, batch: Any) -> Diagnosis:
    """Run a forward and a backward pass on one batch, and report what would prevent learning.

    The report covers silent and saturated layers; vanishing, exploding and missing gradients; NaN;
    time constants shorter than a step; scores that depend on previous calls (state carried over);
    and scores of a sample that depend on other samples (mixed-up axes). For a `ConvSTDP`, it
    reports which maps are dead, and why. The model's weights, gradients and mode are left
    unchanged.

    Args:
        model: a model that maps ``[T, B, ...]`` to scores ``[B, C]`` and has layers of neurons that
            fire (`LIFLayer` or any other `SpikingLayer`), or a model with its own method
            ``diagnose(batch)``, such as a `ConvSTDP`.
        batch: ``(x [T, B, ...], labels [B])``, with x encoded; for a `ConvSTDP`, `Events`.

    Returns:
        a `Diagnosis`, which can be printed.

    Raises:
        ValueError: if the batch is empty, no layer of the model fires, or its scores do not have
            one row per label.

    Example:
        >>> from jarvis import SpikingMLP
        >>> nothing = torch.zeros(10, 3, 4), torch.tensor([0, 1, 0])
        >>> found = diagnose(SpikingMLP((4, 8, 2)), nothing)
        >>> print(found.problems[0])
        input: no spikes or currents at all: raise the rate of the code, or look at the data
    """
    check_type("diagnose: model", model, nn.Module)
    itself = getattr(model, "diagnose", None)
    if itself is not None:
        return itself(batch)
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        kind = type(batch).__name__
        raise ValueError(
            f"diagnose: the batch: a {type(model).__name__} needs (x, labels), not {kind}"
        )
    x, labels = batch
    check_tensor("diagnose: the x of batch", x, "[T, B, ...]")
    labels = whole_numbers("diagnose: the labels of batch", labels)
    modules = dict(model.named_modules())
    layers = {n: m for n, m in modules.items() if isinstance(m, SpikingLayer) and m.fires}
    if not layers:
        raise ValueError("diagnose: the model has no SpikingLayer of neurons that fire")
    if not x.numel():
        raise ValueError(f"diagnose: the batch is empty, shape {tuple(x.shape)}")
    spikes: dict[str, Tensor] = {}
    currents: dict[str, Tensor] = {}  # input of recurrent layers

    def keep(name: str):
        def hook(module, args, output):
            spikes[name] = output[0].detach()
            given = args[0] if isinstance(args[0], Tensor) else args[0][0]  # the first of several
            if module.recurrent is not None and given.requires_grad:
                currents[name] = given

        return hook

    parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
    handles = [module.register_forward_hook(keep(name)) for name, module in layers.items()]
    try:
        scores = model(x)
        _check_scores(scores, x, labels)
        loss = nn.functional.cross_entropy(scores, labels.to(scores.device))
        found, stale = _gradients(loss, [*parameters.values(), *currents.values()])
    finally:
        for handle in handles:
            handle.remove()

    result = Diagnosis()
    _judge_input(x, result)
    for name, train in spikes.items():
        _judge_layer(name, train, layers[name], result)
    for name, gradient in zip(currents, found[len(parameters) :], strict=True):
        _judge_growth(name, gradient, result)
    for name, gradient in zip(parameters, found, strict=False):
        # in double precision, so that squares of small gradients do not underflow
        rms = 0.0 if gradient is None else gradient.double().square().mean().sqrt().item()
        result.gradients[name] = rms
    if stale:
        result.problems.append(f"state: {_STALE}")
    else:
        _judge_gradients(result)
        _judge_samples(model, x, labels, result)
    if not torch.isfinite(loss):
        result.problems.append(
            f"loss: it is {loss.item()}: look for NaN in the input and lower the learning rate"
        )
    return result


_STALE = (
    "the loss depends on the previous batch, and its graph is gone (backward through the graph a "
    "second time): start every batch from state=None, or detach the state if batches continue"
)


def _gradients(loss: Tensor, parameters: list[Tensor]) -> tuple[Sequence, bool]:
    """The gradients, and whether the graph of an earlier batch interfered."""
    none = [None] * len(parameters)
    if not loss.requires_grad:
        return none, False
    try:
        return torch.autograd.grad(loss, parameters, allow_unused=True), False
    except RuntimeError as error:
        if "second time" not in str(error):
            raise
        return none, True


def _check_scores(scores: Tensor, x: Tensor, labels: Tensor) -> None:
    if scores.dim() == 2 and len(scores) == len(labels):
        return
    shape, n = tuple(x.shape), len(labels)
    swapped = x.dim() > 1 and shape[0] == n != shape[1]
    raise ValueError(
        f"diagnose: the model gives scores {tuple(scores.shape)} for {n} labels, not [{n}, C]. "
        f"Its input is {shape}; time comes first, [T, B, ...]"
        + (": give it x.transpose(0, 1)" if swapped else "")
    )


@torch.no_grad()
def _judge_samples(model: nn.Module, x: Tensor, labels: Tensor, result: Diagnosis) -> None:
    """Check that scores depend neither on earlier inputs nor on other samples."""
    axes = [axis for axis in (1, 0) if axis < x.dim() and x.shape[axis] == len(labels)]
    if not axes or not x.isfinite().all():
        return
    x = x.clone()  # a view of one repeated step would be summed differently
    modes = [(module, module.training) for module in model.modules()]
    model.eval()  # in training mode, dropout and batch normalisation mix samples by design
    try:
        first, again = (_scores(model, x) for _ in range(2))
        scale = _CHANGED * first.abs().max().item()
        if (again - first).abs().max() > scale:
            result.problems.append(
                "state: the same batch gives other scores the second time: the model keeps its "
                "state from call to call (start every batch from state=None), or draws random "
                "numbers from a generator of its own"
            )
            return
        moved = [(_scores(model, _one_changed(x, axis)) - first)[1:].abs() for axis in axes]
    finally:
        for module, training in modes:
            module.training = training
    if len(labels) < 2 or any(m.max() <= scale for m in moved):
        return  # the entries of this axis are independent, so it holds the samples
    others = (moved[0].amax(1) > scale).double().mean().item()
    result.problems.append(
        f"batch: changing sample 0 alone changes the scores of {others:.0%} of the others: the "
        "model runs over the batch as if it were time. A layer's input is [T, B, ...], time "
        "first: x.transpose(0, 1)"
    )


def _one_changed(x: Tensor, axis: int) -> Tensor:
    """x with the values in entry 0 of an axis inverted: large where they were small."""
    x = x.clone()
    x.select(axis, 0).mul_(-1.0).add_(1.0 + x.max())
    return x


def _scores(model: nn.Module, x: Tensor) -> Tensor:
    with seeded(0):
        return model(x).detach().clone()


def _judge_input(x: Tensor, result: Diagnosis) -> None:
    if x.isnan().any():
        result.problems.append("input: it contains NaN: fix the data first")
    elif not x.any():
        result.problems.append(
            "input: no spikes or currents at all: raise the rate of the code, or look at the data"
        )
    elif x.abs().max() > _LARGE_INPUT:
        result.problems.append(
            f"input: values up to {x.abs().max().item():.4g}, many times the usual threshold of 1: "
            "scale pictures to [0, 1]"
        )


def _judge_time_constant(name: str, params: LIFParams, result: Diagnosis) -> None:
    tau, dt = torch.as_tensor(params.tau).max().item(), params.dt
    if tau < dt / 2:
        result.problems.append(
            f"{name}: tau={tau:g} ms is less than half a step of dt={dt:g} ms, so v forgets "
            "everything from step to step: give tau in ms, not in seconds"
        )
    elif tau < dt:
        kept, meant = math.exp(-dt / tau), -dt / math.log(tau) if tau < 1 else math.inf
        hint = f"; if {tau:g} was a factor per step (beta), tau is -dt/ln(beta) = {meant:.1f} ms"
        result.problems.append(
            f"{name}: tau={tau:g} ms is less than a step of dt={dt:g} ms: v keeps {kept:.0%} from "
            "one step to the next" + (hint if tau < 1 else "")
        )


def _judge_layer(name: str, train: Tensor, layer: SpikingLayer, result: Diagnosis) -> None:
    params = layer.params
    easier, harder = "make the neurons easier to excite", "make the neurons harder to excite"
    if isinstance(params, LIFParams):
        _judge_time_constant(name, params, result)
        easier = "lower the threshold, or lengthen tau"
        harder = "raise the threshold, or shorten tau"
    per_unit = train.float().mean(dim=(0, 1)).flatten()
    rate = per_unit.mean().item()
    report = LayerReport(
        name=name,
        rate=rate,
        rate_hz=1000.0 * rate / getattr(params, "dt", math.nan),
        silent=(per_unit == 0).float().mean().item(),
        saturated=(per_unit >= _SATURATED).float().mean().item(),
    )
    result.layers.append(report)
    if math.isnan(rate):
        result.problems.append(f"{name}: its potential is NaN")
    elif report.silent >= _MOST:
        result.problems.append(
            f"{name}: silent ({report.silent:.0%} of its units never fire): raise the weights "
            f"before it (gain) or its input, {easier}"
        )
    elif report.saturated >= _MOST:
        result.problems.append(
            f"{name}: saturated ({report.saturated:.0%} of its units fire at nearly every step): "
            f"lower the weights before it, {harder}"
        )


def _judge_growth(name: str, gradient: Tensor | None, result: Diagnosis) -> None:
    """Check how much the gradient of a recurrent layer's input grows backward through time."""
    if gradient is None or len(gradient) < 10:
        return
    size = gradient.double().flatten(1).norm(dim=1)
    tenth = len(size) // 10
    growth = (size[:tenth].mean() / size[-tenth:].mean()).item()
    if math.isnan(growth) and size[-tenth:].isfinite().all() and size[-tenth:].any():
        growth = math.inf  # NaN in earlier steps means that the gradient has overflowed
    result.measures[f"{name}: gradient, first steps/last"] = growth
    if growth > _GROWN:
        result.problems.append(
            f"{name}: from its last steps back to its first the gradient grows {growth:.1g}-fold: "
            "the early steps dominate all others, and longer sequences will overflow: use a "
            "narrower surrogate (a larger slope) or smaller recurrent weights"
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
            "surrogate, or a detach() blocks it"
        )
    low = [n for n, g in rms.items() if 0.0 < g < _VANISHED]
    high = [n for n, g in rms.items() if g > _EXPLODED]
    weights = [n for n, g in rms.items() if n.endswith("weight") and g > 0.0]
    if not low and len(weights) > 1 and rms[weights[0]] < _RATIO * rms[weights[-1]]:
        low = [weights[0]]
    if low:
        result.problems.append(
            f"gradient: vanishing in {', '.join(low)}: use a wider surrogate (a smaller slope) "
            "or fewer layers, and check whether the potentials come near the threshold"
        )
    if high:
        result.problems.append(
            f"gradient: exploding in {', '.join(high)}: use a narrower surrogate (a larger "
            "slope), smaller recurrent weights, detach_reset=True, or clip the gradient"
        )
