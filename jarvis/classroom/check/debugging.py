"""Checks of lesson 701: repaired networks of `jarvis.classroom.broken`; some are trained."""

import copy
import math

import torch
from torch import Tensor

from jarvis import datasets
from jarvis.classroom import broken
from jarvis.classroom.check._trial import accuracy_of, digits, growth_of, train
from jarvis.classroom.check._weights import fires_well
from jarvis.classroom.check.verdict import (
    Wrong,
    exercise,
    generator_from,
    near,
    number,
    seed_from,
)
from jarvis.encoding.encoders import poisson_encode
from jarvis.lif import RecurrentLIFLayer
from jarvis.neurons.layers import over_time
from jarvis.stdp.wta import WTAConfig
from jarvis.training.devices import seeded


@exercise(
    1,
    hints=(
        "A layer receives spikes only from the layer before it. In which order must you wake the "
        "layers?",
        "Measure the rate of a layer with over_time and model.neurons[k], multiply its weights by "
        "a factor a little above 1, and repeat until the rate is 10 %. Then take the next layer.",
        "for synapses, neurons in zip(model.synapses, model.neurons): multiply synapses[0].weight "
        "by 1.2 while neurons(over_time(synapses, x))[0].mean() < 0.1; then let x be those spikes.",
    ),
)
def wake(answer, rng) -> None:
    """`wake(model, x) -> model`: each layer of a `DeepReader` fires in 5 to 40 % of the steps."""
    g, depth = generator_from(rng), int(rng.integers(5, 8))
    draw = digits(32, poisson_encode, 25)
    sick = broken.DeepReader(seed_from(rng), depth)
    before = [p.detach().clone() for p in sick.parameters()]
    x, _ = draw(g)
    model = answer(sick, x)
    if not isinstance(model, broken.DeepReader):
        raise Wrong(f"Your wake should return the model, but returns {type(model).__name__}.")
    if len(model.neurons) != depth:
        raise Wrong(f"Your model has {len(model.neurons)} layers; the given model had {depth}.")
    x, _ = draw(g)  # not the pictures that were used to wake it
    rates, alone = _rates(model, x), _rates(model, torch.zeros_like(x))[-1]
    shown = ", ".join(f"{r:.1%}" for r in rates)
    if any(math.isnan(r) for r in rates):
        raise Wrong(f"The layers fire in {shown} of the steps: a weight is NaN or infinite.")
    same = [torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)]
    if all(same):
        raise Wrong(f"No weight has changed, and the layers fire in {shown} of the steps.")
    if max(rates) > 0.4:
        more = " No single factor fits all layers: each needs its own." * (min(rates) < 0.2)
        raise Wrong(f"The layers fire in {shown} of the steps; above 40 % is too much.{more}")
    if min(rates) < 0.05:
        first = next(k for k, r in enumerate(rates) if r < 0.05)
        where = "layer 1 is still too quiet: scale it up further."
        if first:
            where = f"layer {first} fires now, so scale layer {first + 1}, fed by these spikes."
        raise Wrong(f"The layers fire in {shown} of the steps: {where}")
    biases = [name.endswith("bias") and not kept for (name, _), kept in zip(
        model.named_parameters(), same, strict=True)]  # fmt: skip
    if any(biases) and alone > 0.5 * rates[-1]:
        raise Wrong(
            f"The last layer fires in {rates[-1]:.1%} of the steps, and in {alone:.1%} without any "
            "input: your biases make it fire, whatever the input is. Scale the weights alone."
        )


@torch.no_grad()
def _rates(model: broken.DeepReader, x: Tensor) -> list[float]:
    """Spikes per neuron and step, for each layer."""
    rates = []
    for synapses, neurons in zip(model.synapses, model.neurons, strict=True):
        x, _ = neurons(over_time(synapses, x))
        rates.append(x.mean().item())
    return rates


@exercise(
    2,
    hints=(
        "A neuron's input is a sum of n_in terms. What is its mean if all weights are positive?",
        "Draw weights of both signs with mean 0. The standard deviation of a sum of n independent "
        "terms grows with the square root of n. How must the size of the weights depend on n_in?",
        "Draw normal or uniform numbers around 0 with generator=generator, and divide them by "
        "sqrt(n_in).",
    ),
)
def draw_weights(answer, rng) -> None:
    """`draw_weights(n_out, n_in, generator) -> [n_out, n_in]`: a good firing rate for any n_in."""
    fires_well(answer, rng)
    model = broken.drawn_reader(answer(100, 64, generator_from(rng)).detach(), seed_from(rng))
    loss = train(model, model.parameters(), digits(64, poisson_encode, 25), generator_from(rng), 40)
    if not loss < 2.1:
        raise Wrong(
            "Your layer is neither silent nor saturated, but after 40 training steps the network's "
            f"loss is still {loss:.2f}."
        )


@exercise(
    3,
    hints=(
        "beta is the fraction that remains after one step. Which factor of the equation is that?",
        "Solve beta = exp(-dt / tau) for tau.",
        "Take the natural logarithm of both sides: ln(beta) = -dt / tau.",
    ),
)
def tau_from_beta(answer, rng) -> None:
    """`tau_from_beta(beta, dt) -> tau (ms)` of a membrane that keeps a fraction beta per step."""
    for _ in range(4):
        beta, dt = rng.uniform(0.5, 0.97), float(rng.choice([0.1, 0.5, 2.0, 5.0]))
        tau, found = -dt / math.log(beta), number(answer(beta, dt), "Your tau")
        if near(found, tau):
            continue
        said = f"For beta = {beta:.3f} and dt = {dt:g} ms, you return {found:.3f} ms. "
        slips = {
            "That is beta itself, the factor per step.": beta,
            "You solved Euler's factor, beta = 1 - dt/tau, for tau. The exact factor is "
            "exp(-dt/tau).": dt / (1 - beta),
            "That would be right for dt = 1 ms: use dt.": -1 / math.log(beta),
            "That would be Euler's answer for dt = 1 ms.": 1 / (1 - beta),
            "The magnitude is right, but the sign is wrong: ln(beta) is negative.": -tau,
            "Your logarithm is to base 10. Use the natural logarithm.": -dt / math.log10(beta),
            "Your logarithm is to base 2. Use the natural logarithm.": -dt / math.log2(beta),
            "That is tau in seconds. Times are in ms here.": tau / 1000,
            "That is the inverse function, which computes beta from tau.": math.exp(-dt / beta),
            "Your fraction is upside down: tau is dt / -ln(beta).": 1 / tau,
            "You divide by dt where you should multiply by it.": -1 / (dt * math.log(beta)),
        }
        for words, slip in slips.items():
            if near(found, slip):
                raise Wrong(said + words)
        kept = math.exp(-dt / found) if found > 0 else math.inf
        raise Wrong(f"{said}A membrane with that tau keeps a fraction of {kept:.3f} per step.")
    g = generator_from(rng)
    net = broken.ported_network(number(answer(0.95, 1.0), "Your tau"), seed_from(rng))
    train(net, net.parameters(), lambda g: broken.cue(50, g), g, 40, 5e-3)
    accuracy = accuracy_of(net, lambda g: broken.cue(200, g), g)
    if accuracy < 0.9:
        raise Wrong(
            f"With your tau, the network reaches only {accuracy:.0%} correct in 40 training steps."
        )


@exercise(
    4,
    hints=(
        "In each step of the backward pass, two factors multiply the gradient. Which of them is "
        "too large here?",
        "A narrow surrogate is near 0 for most neurons at most times, so few neurons pass the "
        "gradient on.",
        "Use the library's default surrogate and weights: RecurrentLIFLayer(n_hidden).",
    ),
)
def steady(answer, rng) -> None:
    """`steady(n_hidden) -> RecurrentLIFLayer` in which gradients neither explode nor vanish."""
    draw = digits(64, broken.rows)
    with seeded(seed_from(rng)):
        layer = answer(64)
    if not isinstance(layer, RecurrentLIFLayer):
        raise Wrong(f"steady should return a RecurrentLIFLayer, not {type(layer).__name__}.")
    if tuple(layer.weight.shape) != (64, 64):
        raise Wrong(
            "For n_hidden = 64, the weight of your layer has the shape "
            f"{tuple(layer.weight.shape)}."
        )
    std, kind = layer.weight.detach().square().mean().sqrt().item(), layer.surrogate
    g, net = generator_from(rng), broken.RowReader(layer, seed_from(rng))
    x, y = draw(g)
    growth, rate = growth_of(net, x, y)
    share = _share(net, x)
    if rate < 0.005 or rate > 0.6:
        what = "silent" if rate < 0.3 else "saturated"
        raise Wrong(f"Your neurons fire in {rate:.1%} of the steps: they are {what}.")
    if share < 0.1:
        raise Wrong(
            f"Your neurons receive {share:.0%} as much current from each other as from the input "
            f"(the rms of the recurrent weights is {std:.2g}; 1/sqrt(64) is 0.125), so they hardly "
            "affect each other. Use larger weights, and reduce the other factor of the gradient."
        )
    if not growth < 100:
        wide = getattr(kind, "name", "") != "fast_sigmoid"
        size = "overflows" if not math.isfinite(growth) else f"grows {growth:.1g}-fold"
        raise Wrong(
            f"Over the 80 steps of the backward pass, the gradient {size}. "
            + (
                f"The surrogate, {kind}, is wide: most neurons pass on most of the gradient. "
                if wide
                else ""
            )
            + f"The rms of the recurrent weights is {std:.2g}; 1/sqrt(64) is 0.125."
        )
    if growth < 1e-6:
        raise Wrong(
            f"The gradient in the first steps is {growth:.0e} times the gradient in the last "
            "steps: it has vanished."
        )
    loss = train(net, net.parameters(), draw, g, 40, 5e-3)
    if not loss < 2.1:
        said = f"The gradient keeps its size, but after 40 training steps the loss is {loss:.2f}. "
        if share > 1:
            raise Wrong(
                f"{said}The neurons receive {share:.1f} times as much current from each other as "
                f"from the input: the rms of the recurrent weights is {std:.2g}."
            )
        raise Wrong(f"{said}The surrogate is {kind}: do enough neurons pass the gradient on?")


@torch.no_grad()
def _share(net: broken.RowReader, x: Tensor) -> float:
    """The current from other neurons, relative to the current from the input (rms values)."""
    currents = over_time(net.inputs, x)
    spikes, _ = net.neurons(currents)
    from_others = spikes @ net.neurons.weight.T
    return (from_others.square().mean() / currents.square().mean()).sqrt().item()


@exercise(
    5,
    hints=(
        "Which of the numbers in the formula becomes infinite, and for which sign of z?",
        "The curve is symmetric, so you may use exp(-k |z|), which never exceeds 1. Or write the "
        "curve in terms of the logistic function itself, which PyTorch computes without overflow.",
        "With s = torch.sigmoid(k * z) the derivative is k * s * (1 - s).",
    ),
)
def stable_bell(answer, rng) -> None:
    """`stable_bell(z, k)`: the derivative of the logistic function of kz, finite for every z."""
    for k in (25.0, float(rng.uniform(2, 60))):
        z = torch.cat([torch.linspace(-8, 8, 201) / k, torch.tensor([-1e4, -50.0, -4.0, 4.0, 1e4])])
        z = z[torch.randperm(len(z), generator=generator_from(rng))].view(2, 103)
        found = answer(z, k)
        if not isinstance(found, Tensor):
            raise Wrong(f"stable_bell should return a tensor, not {type(found).__name__}.")
        if found.shape != z.shape:
            raise Wrong(
                f"For z with the shape {tuple(z.shape)}, you return the shape {tuple(found.shape)}."
            )
        if found.dtype != torch.float32:
            raise Wrong(
                f"You return {found.dtype} for float32. Double precision only moves the limit: the "
                "formula can be written so that nothing overflows."
            )
        s = torch.sigmoid(k * z.double())
        right = k * s * (1 - s)
        bad = ~found.isfinite()
        if bad.any():
            at = z[bad]
            raise Wrong(
                f"For k = {k:.3g} and z = {at[at.abs().argmin()]:.4g}, you return {found[bad][0]}."
            )
        if torch.allclose(found.double(), right, atol=1e-6 * k, rtol=1e-4):
            continue
        for slip, words in (
            (right / k, "The factor k is missing: differentiate 1 / (1 + exp(-k z)) with "
             "respect to z."),
            (s, "That is the logistic function. The surrogate is its derivative."),
            (s * (1 - s) * k * k, "You have one factor k too many."),
            (1 / (1 + k * z.double().abs()) ** 2, "That is the fast sigmoid surrogate. It does not "
             "overflow, but it is another curve."),
        ):  # fmt: skip
            if torch.allclose(found.double(), slip, atol=1e-6 * k, rtol=1e-4):
                raise Wrong(words)
        worst = (found - right).abs().argmax()
        raise Wrong(
            f"For k = {k:.3g} and z = {z.flatten()[worst]:.4g}, you return "
            f"{found.flatten()[worst]:.4g}; the derivative is {right.flatten()[worst]:.4g}."
        )
    hidden = answer(torch.tensor([0.0, math.nan]), 25.0)
    if not hidden.isnan()[1]:
        raise Wrong(
            "You return a finite number when z is NaN, which would hide a broken forward pass. "
            "Avoid the overflow instead of covering it up."
        )
    g, net = generator_from(rng), broken.belled_reader(answer, seed_from(rng))
    loss = train(net, net.parameters(), digits(64, poisson_encode, 25), g, 30)
    if not loss < 2.2:
        raise Wrong(
            f"The curve is right, but after 30 training steps the loss is still {loss:.2f}."
        )


@exercise(
    6,
    hints=(
        "What keeps a map below the threshold once it has lost a few times?",
        "A lower threshold lets every map fire. Homeostasis holds back the maps that win.",
        "Use a theta_rest of about 6, homeostasis (on by default), and a tau_theta of about 1000 "
        "pictures.",
    ),
)
def competition(answer, rng) -> None:
    """`competition() -> WTAConfig` with which all 40 maps learn."""
    config = answer()
    if not isinstance(config, WTAConfig):
        raise Wrong(f"Your competition should return a WTAConfig, not {type(config).__name__}.")
    g, layer = generator_from(rng), broken.stroke_finder(copy.copy(config), seed_from(rng))
    events = broken.retina(datasets.digits("train").inputs)
    for _ in range(3):
        layer.learn(events, torch.randperm(len(events), generator=g), g)
    n_seen, wins, limit = int(layer.n_seen), layer.wins, layer.thresholds.max().item()
    dead, total = int((wins < 0.01 * n_seen).sum()), int(wins.sum())
    highest = layer.potentials(events).amax().item()
    if total < 0.01 * n_seen:
        raise Wrong(
            f"There are {total} wins in {n_seen} stimuli: potentials reach {highest:.1f}, and "
            f"thresholds are up to {limit:.1f}."
        )
    if total < 0.5 * n_seen:
        raise Wrong(
            f"There are only {total} wins in {n_seen} stimuli: wins raise the thresholds (now up "
            f"to {limit:.1f}) faster than the thresholds decay. Try a smaller theta_plus or "
            "tau_theta."
        )
    if dead:
        low = config.theta_rest
        raise Wrong(
            f"{dead} of 40 maps are dead (fewer than one win in 100 stimuli). The threshold is "
            f"{low:g}, and potentials reach {highest:.1f}"
            + (
                "."
                if config.enable_homeostasis
                else "; homeostasis is off, so a winner keeps winning."
            )
            + (" A map that loses once stays below the threshold for good." if low > 15 else "")
        )
