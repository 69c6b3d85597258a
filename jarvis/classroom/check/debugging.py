"""Checks of notebook 10: each runs the fixed network of `jarvis.classroom.broken`, and most train
it.
"""

import copy
import math

import torch
from torch import Tensor

from jarvis import datasets
from jarvis.classroom import broken
from jarvis.classroom.check._trial import (
    LOOPS,
    Readout,
    accuracy_of,
    digits,
    growth_of,
    loop,
    train,
)
from jarvis.classroom.check._weights import fires_well
from jarvis.classroom.check.verdict import (
    Wrong,
    array,
    exercise,
    generator_from,
    near,
    number,
    seed_from,
)
from jarvis.encoding.encoders import poisson_encode, ttfs_encode
from jarvis.lif import RecurrentLIFLayer
from jarvis.networks.classifier import SpikingMLP
from jarvis.stdp.wta import WTAConfig
from jarvis.training.devices import seeded


@exercise(1, "a layer receives spikes only from the one before: in which order must they be woken?")
def wake(answer, rng) -> None:
    """`wake(model, x) -> model`: each hidden layer fires at 2 to 40 % of the steps."""
    g, depth = generator_from(rng), int(rng.integers(2, 5))
    draw = digits(64, poisson_encode, 25)
    sick = broken.deep_reader(seed_from(rng), depth, rng.uniform(0.005, 0.02))
    before = [p.detach().clone() for p in sick.parameters()]
    x, _ = draw(g)
    model = answer(sick, x)
    if not isinstance(model, SpikingMLP):
        raise Wrong(f"Your wake should return the model, but returns {type(model).__name__}.")
    if len(model.neurons) != depth:
        raise Wrong(f"It has {len(model.neurons)} hidden layers; the model given had {depth}.")
    x, _ = draw(g)  # other pictures than those used to wake it
    with torch.no_grad():
        rates = [s.mean().item() for s in model(x, return_spikes=True)[1]]
        alone = model(torch.zeros_like(x), return_spikes=True)[1][-1].mean().item()
    shown = ", ".join(f"{r:.1%}" for r in rates)
    if any(math.isnan(r) for r in rates):
        raise Wrong(f"The hidden layers fire at {shown} of the steps: a weight is NaN or infinite.")
    same = [torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)]
    if all(same) and min(rates) < 0.02:
        raise Wrong(f"No weight has changed, and the layers fire at {shown} of the steps.")
    if max(rates) > 0.4:
        more = " One factor for all layers does not fit: each needs its own." * (min(rates) < 0.2)
        raise Wrong(
            f"The hidden layers fire at {shown} of the steps; above 40 % is too much.{more}"
        )
    if min(rates) < 0.02:
        first = next(k for k, r in enumerate(rates) if r < 0.02)
        where = "is the input reaching it?" if first else "scale it up further."
        if first:
            where = f"layer {first} fires now, so scale layer {first + 1} using *its* spikes."
        raise Wrong(f"The hidden layers fire at {shown} of the steps: {where}")
    if alone > 0.5 * rates[-1]:
        raise Wrong(
            f"The last layer fires at {rates[-1]:.1%} of the steps, and at {alone:.1%} without any "
            "input: its biases fire it, so its spikes say nothing. Scale the weights."
        )
    loss = train(model, model.parameters(), draw, g, 30)
    if not loss < 2.0:
        raise Wrong(f"All layers fire ({shown}), but after 30 steps the loss is still {loss:.2f}.")


@exercise(2, "a neuron's input is a sum of n_in terms: what is its mean, and how large its spread?")
def draw_weights(answer, rng) -> None:
    """`draw_weights(n_out, n_in, generator) -> [n_out, n_in]`: a good firing rate for any n_in."""
    fires_well(answer, rng)
    model = broken.drawn_reader(answer(100, 64, generator_from(rng)).detach(), seed_from(rng))
    loss = train(model, model.parameters(), digits(64, poisson_encode, 25), generator_from(rng), 40)
    if not loss < 2.1:
        raise Wrong(
            f"It is neither silent nor saturated, but after 40 steps its loss is {loss:.2f}."
        )


@exercise(3, "what does net still know of the last batch when the next begins? Should it?")
def train_on(answer, rng) -> None:
    """`train_on(net, batches, optimizer) -> losses`, one float per batch."""
    seed, g = seed_from(rng), generator_from(rng)
    batches = [digits(n, poisson_encode, 25)(g) for n in (32, 32, 32, 32, 20)]

    def tried(loop, batches, *kind):
        net = broken.StreamReader(seed)
        return loop(net, batches, torch.optim.SGD(net.parameters(), 0.1), *kind)

    for some in (batches[:4], batches):
        try:
            found = tried(answer, some)
        except Wrong as wrong:
            if "second time" in str(wrong.__cause__):
                raise Wrong(
                    "RuntimeError in the second batch: its potentials in net.state still depend on "
                    "the graph of the first, and backward has already freed that."
                ) from wrong
            if "state." in str(wrong.__cause__):
                raise Wrong(
                    "The last batch is smaller, and the state of the previous one does not fit it."
                ) from wrong
            raise
        kept = found if isinstance(found, list | tuple) else [found]
        if any(isinstance(v, Tensor) and v.requires_grad for v in kept):
            raise Wrong(
                "The losses that you return are tensors with a grad_fn: as long as one is kept, so "
                "is the graph of its batch, and memory fills up. Keep floats: loss.item()."
            )
        if isinstance(found, list | tuple):
            found = [v.numpy() if isinstance(v, Tensor) else v for v in found]
            found = [number(v, "A loss") for v in found]
        found = array(found, (len(some),), "The losses")
        right = tried(loop, some, "")
        if all(near(a, b) for a, b in zip(found, right, strict=True)):
            continue
        for kind, words in LOOPS.items():
            slip = tried(loop, some, kind) if len(some) == 4 or kind[:2] == "no" else right
            if all(near(a, b, 1e-6) for a, b in zip(found, slip, strict=True)):
                raise Wrong(words)
        k = next(k for k in range(len(some)) if not near(found[k], right[k]))
        raise Wrong(f"Your loss of batch {k} is {found[k]:.4f}, the definition's {right[k]:.4f}.")


@exercise(4, "which axis do the layers take for time, and which axis of x is it?")
def cue_scores(answer, rng) -> None:
    """`cue_scores(net, x) -> [B, 2]` for `x [B, T, 32]`: the potentials at the last step."""
    g, net = generator_from(rng), broken.CueNetwork(seed_from(rng))
    n = int(rng.integers(8, 20))
    x = (broken.cue(n, g)[0] * torch.rand((1, n, 1), generator=g) * 4).transpose(0, 1)

    def after(spikes: Tensor) -> Tensor:
        return net.integrator(net.output(spikes))[0]

    found = answer(net, x)
    with torch.no_grad():
        v = after(net.neurons(net.inputs(x.transpose(0, 1)))[0])
        reshaped = after(net.neurons(net.inputs(x.reshape(x.transpose(0, 1).shape)))[0])
        slips = {
            "Nothing has changed: the layers still treat the batch as time.": net(x),
            "reshape keeps the numbers in their order and only splits them differently, so samples "
            "and steps are mixed. To swap two axes, transpose.": reshaped[-1],
            "That is the mean over time. The read-out takes the last step.": v.mean(0),
            "That is the sum over time. The read-out takes the last step.": v.sum(0),
            "Those are probabilities: a softmax was taken. Return the potentials; cross_entropy "
            "takes the softmax itself.": v[-1].softmax(-1),
            "Those are logarithms of probabilities. Return the potentials; cross_entropy takes "
            "the softmax itself.": v[-1].log_softmax(-1),
            "That is the integrator's input at the last step, without its memory.":
                net.output(net.neurons(net.inputs(x.transpose(0, 1)))[0][-1]),
        }  # fmt: skip
    shape = tuple(getattr(found, "shape", ()))
    if shape == (x.shape[1], 2):
        raise Wrong(f"{shape} has one row per step: axis 0 is time now, so the last step is v[-1].")
    if len(shape) == 3:
        raise Wrong(f"{shape} has all the steps: take the last one, v[-1].")
    values = torch.as_tensor(array(found, (n, 2), "The scores")).float()
    for words, slip in slips.items():
        if slip.shape == values.shape and torch.allclose(values, slip, atol=1e-5):
            raise Wrong(words)
    if not torch.allclose(values, v[-1], atol=1e-4):
        yours, ours = (", ".join(f"{s:.3f}" for s in part) for part in (values[0], v[-1, 0]))
        raise Wrong(f"Sample 0 gets the scores {yours}; in a batch of its own, time first, {ours}.")

    def draw(g):
        x, y = broken.cue(50, g)
        return x.transpose(0, 1), y

    train(lambda x: answer(net, x), net.parameters(), draw, g, 40, 5e-3)
    accuracy = accuracy_of(lambda x: answer(net, x), draw, g)
    if accuracy < 0.9:
        raise Wrong(f"The scores are right, but trained for 40 steps they reach {accuracy:.0%}.")


@exercise(5, "beta is what is left after one step: which factor of the equation is that?")
def tau_from_beta(answer, rng) -> None:
    """`tau_from_beta(beta, dt) -> tau (ms)` of a membrane that keeps a fraction beta per step."""
    for _ in range(4):
        beta, dt = rng.uniform(0.5, 0.97), float(rng.choice([0.1, 0.5, 2.0, 5.0]))
        tau, found = -dt / math.log(beta), number(answer(beta, dt), "Your tau")
        if near(found, tau):
            continue
        said = f"For beta = {beta:.3f} and dt = {dt:g} ms you return {found:.3f} ms. "
        slips = {
            "That is beta itself, the factor per step.": beta,
            "That is Euler's factor solved for tau, beta = 1 - dt/tau. The exact one is "
            "exp(-dt/tau).": dt / (1 - beta),
            "That would be right for dt = 1 ms: use dt.": -1 / math.log(beta),
            "That would be Euler's answer for dt = 1 ms.": 1 / (1 - beta),
            "The size is right, the sign is not: ln(beta) is negative.": -tau,
            "The logarithm is to base 10; it must be the natural one.": -dt / math.log10(beta),
            "The logarithm is to base 2; it must be the natural one.": -dt / math.log2(beta),
            "That is tau in seconds. Times are in ms here.": tau / 1000,
            "That is the inverse: beta from a tau.": math.exp(-dt / beta),
            "It is upside down: tau is dt / -ln(beta).": 1 / tau,
            "dt divides where it should multiply.": -1 / (dt * math.log(beta)),
        }
        for words, slip in slips.items():
            if near(found, slip):
                raise Wrong(said + words)
        kept = math.exp(-dt / found) if found > 0 else math.inf
        raise Wrong(f"{said}A membrane with that tau keeps {kept:.3f} per step.")
    g = generator_from(rng)
    net = broken.ported_network(number(answer(0.95, 1.0), "Your tau"), seed_from(rng))
    train(net, net.parameters(), lambda g: broken.cue(50, g), g, 40, 5e-3)
    accuracy = accuracy_of(net, lambda g: broken.cue(200, g), g)
    if accuracy < 0.9:
        raise Wrong(f"With it the network reaches {accuracy:.0%} in 40 steps.")


@exercise(6, "which value does a spike at step t stand for?")
def scores(answer, rng) -> None:
    """`scores(currents [T, B, C]) -> [B, C]`: an early current counts for more than a late one."""
    n_steps = int(rng.integers(20, 40))
    steps = torch.arange(0, n_steps - 1, 3)
    pulses = torch.zeros(n_steps, len(steps), 2)
    pulses[steps, range(len(steps)), 0] = 1.0
    found = answer(pulses)
    if tuple(getattr(found, "shape", ())) == (n_steps, 2):
        raise Wrong(
            "There is one row per step: the batch is axis 1, and time, axis 0, should vanish."
        )
    worth = torch.as_tensor(array(found, (len(steps), 2), "The scores"))[:, 0]
    differ = worth.diff()
    if worth.abs().max() < 1e-9:
        raise Wrong("A current of 1 in one step leaves the score at 0.")
    if differ.abs().max() < 1e-6 * worth.abs().max():
        raise Wrong(
            f"A current of 1 is worth {worth[0]:.3g}, whenever it comes. Each input fires once, so "
            "its spikes count the same for every picture: this read-out cannot tell them apart."
        )
    if (differ >= 0).all():
        raise Wrong("A late current is worth more than an early one: it should be the opposite.")
    if (differ > 0).any():
        t = int(steps[1:][differ > 0][0])
        raise Wrong(f"A current at step {t} is worth more than one three steps earlier.")
    if (differ[: len(differ) // 2] == 0).all() or (differ[len(differ) // 2 :] == 0).all():
        k = int((differ == 0).nonzero()[0])
        raise Wrong(
            f"A current at step {int(steps[k])} and one at {int(steps[k + 1])} are worth the same: "
            "let the worth fall over the whole sequence."
        )
    rule = torch.linspace(-1.0, 1.0, 32)

    def draw(g: torch.Generator, n: int = 128) -> tuple[Tensor, Tensor]:
        x = torch.rand((n, 32), generator=g)
        return ttfs_encode(x, 50), (x @ rule > 0).long()

    net, g = broken.spike_reader(Readout(answer), seed_from(rng)), generator_from(rng)
    train(net, net.parameters(), draw, g, 150, 1e-2)
    accuracy = accuracy_of(net, lambda g: draw(g, 500), g)
    if accuracy < 0.75:
        raise Wrong(
            f"Early currents count more, but after 150 steps of training it reaches {accuracy:.0%}."
        )


@exercise(7, "which two factors multiply a gradient at each step back, and is either too large?")
def steady(answer, rng) -> None:
    """`steady(n_hidden) -> RecurrentLIFLayer` in which gradients neither explode nor vanish."""
    draw = digits(64, broken.rows)
    with seeded(seed_from(rng)):
        layer = answer(64)
    if not isinstance(layer, RecurrentLIFLayer):
        raise Wrong(f"It should return a RecurrentLIFLayer, not {type(layer).__name__}.")
    if tuple(layer.weight.shape) != (64, 64):
        raise Wrong(f"For n_hidden = 64 its weight has the shape {tuple(layer.weight.shape)}.")
    std, kind = layer.weight.detach().square().mean().sqrt().item(), layer.surrogate
    if std < 1e-3:
        raise Wrong("The recurrent weights are 0: these neurons are no longer connected.")
    g, net = generator_from(rng), broken.RowReader(layer, seed_from(rng))
    growth, rate = growth_of(net, *draw(g))
    if rate < 0.005 or rate > 0.6:
        what = "silent" if rate < 0.3 else "saturated"
        raise Wrong(f"The neurons fire at {rate:.1%} of the steps: {what}.")
    if not growth < 100:
        wide = getattr(kind, "name", "") != "fast_sigmoid"
        size = "overflows" if not math.isfinite(growth) else f"grows {growth:.1g}-fold"
        raise Wrong(
            f"Going back through 80 steps the gradient {size}. "
            + (f"The surrogate, {kind}, is wide: most spikes pass on most of it. " if wide else "")
            + f"The recurrent weights are {std:.2g} (rms); 1/sqrt(64) is 0.125."
        )
    if growth < 1e-6:
        raise Wrong(
            f"The gradient of the first steps is {growth:.0e} of that of the last: it has vanished."
        )
    loss = train(net, net.parameters(), draw, g, 40, 5e-3)
    if not loss < 2.1:
        raise Wrong(
            f"The gradient is stable, but after 40 steps the loss is {loss:.2f}; recurrent spikes "
            f"dominate the input: recurrent weights are {std:.2g} (rms)."
        )


@exercise(8, "what keeps a map that lost below the threshold? What would hold a winner back?")
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
            f"{total} wins in {n_seen} stimuli: potentials reach {highest:.1f}, and the thresholds "
            f"are at {limit:.1f}."
        )
    if total < 0.5 * n_seen:
        raise Wrong(
            f"Only {total} wins in {n_seen} stimuli: wins raise the thresholds (now up to "
            f"{limit:.1f}) faster than they decay. Try a smaller theta_plus or tau_theta."
        )
    if dead:
        low = config.theta_rest
        raise Wrong(
            f"{dead} of 40 maps are dead (fewer than one win in 100 stimuli). The threshold is "
            f"{low:g}, potentials reach {highest:.1f}"
            + (
                "."
                if config.enable_homeostasis
                else "; homeostasis is off, so a winner keeps winning."
            )
            + (" A map that loses once stays below it for good." if low > 15 else "")
        )
