"""Checks of lesson 303: a first spike, a time constant, a lesion, short runs, decisions."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from jarvis.classroom.check.verdict import Wrong, array, exercise, near, number, seed_from
from jarvis.encoding.decoders import first_spike_decode
from jarvis.encoding.encoders import constant_encode
from jarvis.lif import LIFLayer
from jarvis.networks.classifier import SpikingMLP
from jarvis.neurons.layers import over_time
from jarvis.training.devices import seeded


@exercise(
    1,
    hints=(
        "When does the potential never reach 1? After many steps it approaches x / (1 - a).",
        "h_n >= 1 means a^n <= 1 - (1 - a) / x. Take the logarithm; ln a is negative.",
        "math.ceil(math.log(1 - (1 - a) / x) / math.log(a)), with a = math.exp(-1 / tau).",
    ),
)
def first_step(answer, rng) -> None:
    """`first_step(x, tau)`: the step, from 1, of the first spike; math.inf if there is none."""
    cases = []
    for _ in range(12):
        tau, exact = rng.uniform(5.0, 30.0), int(rng.integers(2, 30)) - rng.uniform(0.1, 0.9)
        a = math.exp(-1.0 / tau)
        cases.append(((1 - a) / (1 - a**exact), tau, math.ceil(exact)))
    for x in (1.0 + rng.random(), 5.0):
        cases.append((x, rng.uniform(5.0, 30.0), 1))
    found = []
    for x, tau, step in cases:
        given = answer(x, tau)
        if given == math.inf:
            raise Wrong(
                f"With x = {x:.4f} and tau = {tau:.2f} ms the neuron does fire, at step {step}."
            )
        found.append((number(given, "the step"), x, tau, step))
    if any(n != step for n, _, _, step in found):
        for words, slip in _FIRST_STEP_SLIPS.items():
            if all(near(n, slip(x, tau, step), 1e-6) for n, x, tau, step in found):
                raise Wrong(words)
        n, x, tau, step = next(case for case in found if case[0] != case[3])
        raise Wrong(f"With x = {x:.4f} and tau = {tau:.2f} ms you return {n:g}, not {step}.")
    weak = 0.5 * (1 - math.exp(-1 / 20))
    try:
        never = float(answer(weak, 20.0))
    except Wrong as wrong:
        raise Wrong(f"Where the potential never reaches 1: {wrong}") from None
    if never != math.inf:
        raise Wrong(
            f"With x = {weak:.3f} and tau = 20 ms the neuron never fires: return math.inf, not "
            f"{never}."
        )


def _exact_step(x: float, tau: float) -> float:
    a = math.exp(-1.0 / tau)
    return math.log(1 - (1 - a) / x) / math.log(a) if x < 1 else 1.0


#: Common mistakes, and the feedback for each.
_FIRST_STEP_SLIPS: dict[str, Callable] = {
    "You count the steps from 0. The first step is step 1.": lambda x, tau, n: n - 1,
    "You are one step late: the potential reaches 1 one step earlier.": lambda x, tau, n: n + 1,
    "You round down, but at that step the potential is still below 1: round up.": (
        lambda x, tau, n: math.floor(_exact_step(x, tau))
    ),
    "That is not a whole number. The spike comes at the end of a step: round "
    "up.": lambda x, tau, n: _exact_step(x, tau),
    "You return a time in units of tau. A step lasts 1 ms.": (
        lambda x, tau, n: _exact_step(x, tau) / tau
    ),
    "That is 1 / x, rounded up: the answer for a neuron without a leak.": lambda x, tau, n: (
        math.ceil(1 / x)
    ),
}


@exercise(
    2,
    hints=(
        "After one step the potential is exp(-dt / tau) times what it was.",
        "beta = exp(-dt / tau). Take the logarithm of both sides.",
        "-dt / math.log(beta).",
    ),
)
def time_constant(answer, rng) -> None:
    """`time_constant(beta, dt)`: the time constant of a decay by the factor beta per step."""
    for _ in range(3):
        beta, dt = rng.uniform(0.6, 0.95), rng.uniform(0.3, 2.5)
        found = number(answer(beta, dt), "tau")
        tau = -dt / math.log(beta)
        if near(found, tau, 0.005):
            continue
        slips = {
            "tau is a positive time; ln beta is negative.": -tau,
            "The step dt is missing: your result holds only for steps of 1 ms.": tau / dt,
            "You multiply by the logarithm. Solve beta = exp(-dt / tau) for tau.":
                -dt * math.log(beta),
            "That is 1 / tau. Return its inverse.": 1 / tau,
            "You use Euler's approximation, beta = 1 - dt / tau. The library's decay is exact.":
                dt / (1 - beta),
            "That is the half-life: use the natural logarithm, not the one to base 2.":
                tau * math.log(2),
            "You use the logarithm to base 10. Use the natural one, math.log.":
                -dt / math.log10(beta),
            "That is the factor itself, not the time constant.": beta,
        }  # fmt: skip
        for words, slip in slips.items():
            if near(found, slip, 1e-6):
                raise Wrong(words)
        raise Wrong(
            f"For beta = {beta:.3f} and dt = {dt:.2f} ms you return {found:.4g} ms; "
            f"exp(-dt / tau) would then be {math.exp(-dt / found) if found > 0 else math.inf:.3f}."
        )


@exercise(
    3,
    hints=(
        "The weight of nn.Linear is [outputs, inputs]. Which index stands for a neuron of layer 1?",
        "Copy with copy.deepcopy, and draw with torch.randperm(n, generator=generator).",
        "Under torch.no_grad(): weight[:, torch.randperm(n, generator=generator)[:k]] = 0.",
    ),
)
def lesion(answer, rng) -> None:
    """`lesion(net, share, generator) -> copy of net` with columns set to 0 in `synapses[1][1]`."""
    seed, n = seed_from(rng), 22
    deaf = []
    for share, draw in ((0.3, 0), (0.5, 1), (0.5, 1), (0.5, 2), (0.0, 3), (1.0, 3)):
        with seeded(seed):
            net = SpikingMLP((12, n, 9, 4))
        before = {name: value.clone() for name, value in net.state_dict().items()}
        hurt = answer(net, share, torch.Generator().manual_seed(seed + draw))
        if not isinstance(hurt, nn.Module) or set(hurt.state_dict()) != set(before):
            raise Wrong(f"lesion should return a network like `net`, not {type(hurt).__name__}.")
        if any(not torch.equal(value, before[name]) for name, value in net.state_dict().items()):
            if hurt is net:
                raise Wrong(
                    "You change the network that you are given: make a copy.deepcopy of it first."
                )
            raise Wrong(
                "The original has changed, too: copy.copy shares the weights. Use copy.deepcopy."
            )
        after = hurt.state_dict()
        changed = {name for name in before if not torch.equal(after[name], before[name])}
        _check_columns(after, before, changed, share)
        deaf.append(tuple((after["synapses.1.1.weight"] == 0).all(0).tolist()))
    if deaf[1] != deaf[2]:
        raise Wrong("The same seed gave different columns: pass the generator to torch.randperm.")
    if deaf[1] == deaf[3]:
        raise Wrong("Two different seeds gave the same columns: they should be drawn at random.")


def _check_columns(after: dict, before: dict, changed: set, share: float) -> None:
    """Raise `Wrong` unless only the weights to layer 2 changed: `share` of their columns is 0."""
    name = "synapses.1.1.weight"
    weight = after[name]
    columns, rows = (weight == 0).all(0), (weight == 0).all(1)
    n, found, expected = len(columns), int(columns.sum()), round(share * len(columns))
    others = sorted(changed - {name})
    if others and not changed & {name}:
        raise Wrong(f"You changed {others[0]}, but the weights from layer 1 to layer 2 are {name}.")
    if rows.any() and not columns.all():
        raise Wrong(
            "You set rows to 0, which removes all inputs of a neuron in layer 2. A column holds "
            "the outgoing weights of one neuron in layer 1."
        )
    if found == 0 < expected and name in changed:
        if near((weight == 0).double().mean().item(), share, 0.4):
            raise Wrong(
                "You set single weights to 0. A neuron has no effect when its whole column is 0."
            )
        raise Wrong("Weights have changed, but no column is 0.")
    if found == int(share * n) != expected:
        raise Wrong(f"{share:g} times {n} is {share * n:.1f} columns: use round, not int.")
    if found == n - expected != expected:
        raise Wrong(f"{found} of {n} columns are 0: you kept the fraction that should be set to 0.")
    if found != expected:
        raise Wrong(f"With share = {share:g}, {found} of {n} columns are 0, not {expected}.")
    if others:
        raise Wrong(f"The columns are right, but {others[0]} has changed as well.")
    if not torch.equal(weight[:, ~columns], before[name][:, ~columns]):
        raise Wrong("The other columns should keep their weights.")


@exercise(
    4,
    hints=(
        "Which accuracy is just good enough? The last entry belongs to the longest run.",
        "Go through both lists in order, and stop at accuracy[-1] - allowed or more.",
        "next(n for n, acc in zip(durations, accuracy) if acc >= accuracy[-1] - allowed).",
    ),
)
def shortest(answer, rng) -> None:
    """`shortest(durations, accuracy, allowed) -> T`, the shortest run that is good enough."""
    cases = []
    for _ in range(30):
        durations = np.sort(rng.choice(np.arange(1, 60), 7, replace=False)).tolist()
        rise = rng.uniform(0.4, 0.95) - 0.3 * np.exp(-np.arange(7)) + rng.normal(0, 0.02, 7)
        accuracy = np.round(rise, 4).tolist()
        allowed = float(np.round(rng.uniform(0.01, 0.1), 4)) + 3e-5  # never at the limit
        found = number(answer(list(durations), list(accuracy), allowed), "the run time")
        cases.append((found, durations, accuracy, allowed))
    wrong = [case for case in cases if case[0] != _first_good(*case[1:])]
    if not wrong:
        return
    for words, slip in _SHORTEST_SLIPS.items():
        if all(near(found, slip(*given), 1e-9) for found, *given in cases):
            raise Wrong(words)
    found, durations, accuracy, allowed = wrong[0]
    if found not in durations:
        raise Wrong(f"You return {found:g}, which is not one of the run times {durations}.")
    raise Wrong(
        f"For T = {durations} with accuracy {accuracy} and allowed = {allowed:.4f} you return "
        f"{found:g}; the first with at least {accuracy[-1] - allowed:.4f} is "
        f"{_first_good(durations, accuracy, allowed)}."
    )


def _first_good(durations, accuracy, allowed, least=None):
    """The first run time whose accuracy is at least `least`."""
    least = accuracy[-1] - allowed if least is None else least
    return next((t for t, a in zip(durations, accuracy, strict=True) if a >= least), -1)


#: Common mistakes, and the feedback for each.
_SHORTEST_SLIPS: dict[str, Callable] = {
    "That is an index into the list. Return the run time at that index.": (
        lambda t, a, d: t.index(_first_good(t, a, d))
    ),
    "That is the accuracy. Return the run time at which it is reached.": (
        lambda t, a, d: a[t.index(_first_good(t, a, d))]
    ),
    "You compare with the best accuracy. Compare with accuracy[-1], of the longest run.": (
        lambda t, a, d: _first_good(t, a, d, max(a) - d)
    ),
    "You treat `allowed` as a fraction of the accuracy. It is a difference: the limit is "
    "accuracy[-1] - allowed.": (lambda t, a, d: _first_good(t, a, d, a[-1] * (1 - d))),
    "You allow no loss of accuracy: `allowed` is not used.": (
        lambda t, a, d: _first_good(t, a, 0.0)
    ),
    "You return the longest run. Which is the shortest that is good enough?": (
        lambda t, a, d: t[-1]
    ),
    "You return the longest run below the limit. Return the first run that reaches it.": (
        lambda t, a, d: max((n for n, x in zip(t, a, strict=True) if x < a[-1] - d), default=-1)
    ),
    "You require that all longer runs are good enough, too. Return the first good one.": (
        lambda t, a, d: next(n for k, n in enumerate(t) if min(a[k:]) >= a[-1] - d)
    ),
}


@exercise(
    5,
    hints=(
        "first_spike_decode gives the step (from 0) of each class's first spike, and n_steps for a "
        "class that is silent.",
        "The answer comes at step first.amin(1). Compare currents.cumsum(0) at that step.",
        "masked_fill(first != step[:, None], -inf) removes later classes; then argmax(1).",
    ),
)
def decide(answer, rng) -> None:
    """`decide(net, images, n_steps, tau) -> answers [B], times [B] (ms)`."""
    tau, n_steps, n = rng.uniform(12, 20), int(rng.integers(9, 13)), 500
    net, images = _small_network(seed_from(rng), tau, n_steps, n)
    pair = answer(net, images, n_steps, tau)
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise Wrong("decide should return two things: the answers [B] and their times [B].")
    answers = array(pair[0], (n,), "the answers")
    times = array(pair[1], (n,), "the times")
    with torch.no_grad():
        _, hidden = net(constant_encode(images, n_steps), return_spikes=True)
        currents = over_time(net.output, hidden[-1])
        spikes, _ = LIFLayer(tau=tau)(currents)
    rows, first = torch.arange(n), first_spike_decode(spikes)
    step = first.amin(1)
    candidates = first == step[:, None]

    def of_candidates(worth: Tensor) -> np.ndarray:
        return worth.masked_fill(~candidates, -torch.inf).argmax(1).numpy()

    so_far = currents.cumsum(0)[step.long().clamp_max(n_steps - 1), rows]
    expected, when = of_candidates(so_far), (step + 1).clamp_max(n_steps).numpy()

    def same(found: np.ndarray, wanted) -> bool:  # another summation order may move a spike
        return bool(np.isclose(found, np.asarray(wanted)).mean() >= 0.99)

    if not same(times, when):
        last = spikes * torch.arange(1, n_steps + 1)[:, None, None]
        silent = step.numpy() == n_steps
        if same(times[~silent], when[~silent] - 1):
            raise Wrong("Your times start at 0, but the first step ends at 1 ms: add 1.")
        if same(times, first.double().mean(1)) or same(times, first.double().mean(1) + 1):
            raise Wrong("Your times are a mean over the classes. The earliest spike decides.")
        if same(times, last.amax((0, 2))):
            raise Wrong("Your times are those of the last spike, not of the first.")
        if same(times[~silent], when[~silent]):
            raise Wrong(f"Where no output fires, the time should be n_steps = {n_steps} ms.")
        k = int(np.argmax(times != when))
        raise Wrong(
            f"For one image, the outputs first fire at {(first[k] + 1).int().tolist()} ms "
            f"({n_steps + 1} means never). You return {times[k]:g}; it should be {when[k]:g}."
        )
    if same(answers, expected):
        return
    slips = {
        "Your times are right, but you return the class with the most spikes. The class that fires "
        "first is the answer.": (spikes.sum(0).argmax(1)),
        "Your times are right, but your answer uses all steps, like the network's own. At the "
        "first spike only the steps up to then are known.": currents.mean(0).argmax(1),
        "When several classes fire at once, you take the lowest class. Take the one with the "
        "largest total current so far.": first.argmin(1),
        "When several classes fire at once, you compare the currents of all steps. Only those up "
        "to then are known.": of_candidates(currents.sum(0)),
        "When several classes fire at once, you compare only the current of that step. Add up all "
        "steps so far with cumsum(0).": of_candidates(
            currents[step.long().clamp_max(n_steps - 1), rows]
        ),
        "Your answer is the class that fires last: use argmin, not argmax.": first.argmax(1),
    }
    for words, wanted in slips.items():
        if same(answers, wanted):
            raise Wrong(words)
    k = int(np.argmax(answers != expected))
    raise Wrong(
        f"For one image, the outputs first fire at {(first[k] + 1).int().tolist()} ms "
        f"({n_steps + 1} means never), with currents so far "
        f"{np.round(so_far[k].numpy(), 2).tolist()}. Your answer is {answers[k]:g}; it should "
        f"be {expected[k]}."
    )


def _small_network(seed: int, tau: float, n_steps: int, n: int) -> tuple[SpikingMLP, Tensor]:
    """An untrained network and images; outputs are scaled so that each class wins sometimes."""
    with seeded(seed), torch.no_grad():
        net = SpikingMLP((16, 24, 16, 5), tau=tau, gain=2.0)
        images = torch.rand(n, 1, 4, 4)
        _, hidden = net(constant_encode(images, n_steps), return_spikes=True)
        currents = net.output(hidden[-1].mean(0))
        scale, mean = 0.12 / currents.std(0).clamp_min(1e-6), currents.mean(0)
        net.output.weight.mul_(scale[:, None])
        net.output.bias.copy_(0.1 + (net.output.bias - mean) * scale)
    return net, images
