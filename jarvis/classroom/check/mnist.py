"""Checks of notebook 05: the shortest run, a lesion, noise, a decision by the first spike."""

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


@exercise(1, "go through both lists in order, and stop at accuracy[-1] - allowed or more.")
def shortest(answer, rng) -> None:
    """`shortest(durations, accuracy, allowed) -> T`, the shortest run that is good enough."""
    cases = []
    for _ in range(30):
        durations = np.sort(rng.choice(np.arange(1, 60), 7, replace=False)).tolist()
        rise = rng.uniform(0.4, 0.95) - 0.3 * np.exp(-np.arange(7)) + rng.normal(0, 0.02, 7)
        accuracy = np.round(rise, 4).tolist()
        allowed = float(np.round(rng.uniform(0.01, 0.1), 4)) + 3e-5  # never on the edge
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
    "That is the index in the list. Return the run time there.": (
        lambda t, a, d: t.index(_first_good(t, a, d))
    ),
    "That is the accuracy. Return the run time at which it is reached.": (
        lambda t, a, d: a[t.index(_first_good(t, a, d))]
    ),
    "You compare with the best run. Compare with the longest, accuracy[-1].": (
        lambda t, a, d: _first_good(t, a, d, max(a) - d)
    ),
    "Your `allowed` is a share of the accuracy. It is a difference: accuracy[-1] - allowed.": (
        lambda t, a, d: _first_good(t, a, d, a[-1] * (1 - d))
    ),
    "You allow no loss of accuracy: `allowed` is not used.": (
        lambda t, a, d: _first_good(t, a, 0.0)
    ),
    "You return the longest run. Which is the shortest that is good enough?": (
        lambda t, a, d: t[-1]
    ),
    "You return the longest run below the limit. Return the first that reaches it.": (
        lambda t, a, d: max((n for n, x in zip(t, a, strict=True) if x < a[-1] - d), default=-1)
    ),
    "You wait until all longer runs are good, too. A single good one is enough.": (
        lambda t, a, d: next(n for k, n in enumerate(t) if min(a[k:]) >= a[-1] - d)
    ),
}


@exercise(2, "import copy, deepcopy the net; under no_grad, weight[:, torch.randperm(n)[:k]] = 0.")
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
                raise Wrong("You change the network that you are given: copy.deepcopy it first.")
            raise Wrong("The original is changed, too. copy.copy shares the weights: deepcopy.")
        after = hurt.state_dict()
        changed = {name for name in before if not torch.equal(after[name], before[name])}
        _check_columns(after, before, changed, share)
        deaf.append(tuple((after["synapses.1.1.weight"] == 0).all(0).tolist()))
    if deaf[1] != deaf[2]:
        raise Wrong("The same generator gave different columns: pass it to torch.randperm.")
    if deaf[1] == deaf[3]:
        raise Wrong("Two generators gave the same columns: they should be drawn at random.")


def _check_columns(after: dict, before: dict, changed: set, share: float) -> None:
    """`Wrong` unless only `share` of the columns of the second synapses were set to 0."""
    name = "synapses.1.1.weight"
    weight = after[name]
    columns, rows = (weight == 0).all(0), (weight == 0).all(1)
    n, found, expected = len(columns), int(columns.sum()), round(share * len(columns))
    others = sorted(changed - {name})
    if others and not changed & {name}:
        raise Wrong(f"You changed {others[0]}. The weights from layer 1 to layer 2 are {name}.")
    if rows.any() and not columns.all():
        raise Wrong(
            "You set rows to 0: that cuts all inputs of a neuron in layer 2. A column holds the "
            "outputs of one neuron in layer 1."
        )
    if found == 0 < expected and name in changed:
        if near((weight == 0).double().mean().item(), share, 0.4):
            raise Wrong("You cut single weights. A neuron falls silent when its column is 0.")
        raise Wrong("Weights have changed, but no column is 0.")
    if found == int(share * n) != expected:
        raise Wrong(f"{share:g} of {n} are {share * n:.1f} columns: round, do not truncate.")
    if found == n - expected != expected:
        raise Wrong(f"{found} of {n} columns are 0: you kept the fraction that should be removed.")
    if found != expected:
        raise Wrong(f"For a share of {share:g}, {found} of {n} columns are 0, not {expected}.")
    if others:
        raise Wrong(f"The columns are right, but {others[0]} has changed as well.")
    if not torch.equal(weight[:, ~columns], before[name][:, ~columns]):
        raise Wrong("The columns that are kept should be as they were.")


@exercise(3, "fresh noise has the shape [T, *values.shape], one noise for all steps values.shape.")
def noisy(answer, rng) -> None:
    """`noisy(values, generator, sigma, fresh, n_steps) -> currents [T, B, ...]`."""
    for fresh in rng.permutation([True, False]).tolist():
        seed, n_steps, sigma = seed_from(rng), int(rng.integers(8, 16)), rng.uniform(2, 3)
        values = torch.tensor(rng.random((64, 1, 6, 6)), dtype=torch.float32)
        values[rng.random(values.shape) < 0.3] = 0.0

        def drawn(values=values, seed=seed, sigma=sigma, fresh=fresh, n_steps=n_steps):
            generator = torch.Generator().manual_seed(seed)
            return answer(values, generator, sigma, fresh, n_steps)

        found = drawn()
        shape = (n_steps, *values.shape)
        if getattr(found, "shape", None) == values.shape:
            raise Wrong("The time axis is missing: constant_encode(values + noise, n_steps).")
        noise = array(found, shape, "the currents") - values.numpy()
        same = np.allclose(noise, noise[:1], atol=1e-6)
        if fresh and same:
            raise Wrong("With fresh=True each step should have its own noise; yours is the same.")
        if not fresh and not same:
            raise Wrong("With fresh=False all steps should have the same noise; yours changes.")
        if not np.array_equal(np.asarray(found), np.asarray(drawn())):
            raise Wrong("The same generator gave different noise: pass it to torch.randn.")
        _check_noise(noise, values.numpy(), sigma)


def _check_noise(noise: np.ndarray, values: np.ndarray, sigma: float) -> None:
    """`Wrong` unless Gaussian, mean 0, standard deviation sigma, independent for each pixel."""
    size = float(noise.std())
    if (noise[:, values == 0] == 0).all():
        raise Wrong("Black pixels have no noise: add it to the picture, do not multiply.")
    if np.isclose(values + noise, 0, atol=1e-6).mean() > 0.1:
        raise Wrong("You clip values below 0. A current may have any sign: leave them.")
    if np.allclose(noise, noise[:, :1], atol=1e-5):
        raise Wrong("Every picture has the same noise: draw it for each, shape values.shape.")
    if np.allclose(noise, noise[..., :1, :1], atol=1e-5):
        raise Wrong("All pixels of a picture have the same noise: draw it for each pixel.")
    if abs(noise.mean()) > 0.15 * sigma:
        raise Wrong(f"Your noise has a mean of {noise.mean():.2f}: use torch.randn, not rand.")
    if near(size, sigma, 0.08):
        if np.abs(noise).max() < 2 * sigma:
            raise Wrong("Your noise has no tails: torch.randn is Gaussian, torch.rand is not.")
        return
    said = f"The standard deviation of your noise is {size:.2f}; sigma is {sigma:.2f}."
    if near(size, 1.0, 0.08):
        raise Wrong(f"{said} torch.randn has 1: multiply by sigma.")
    if near(size, np.sqrt(sigma), 0.08) or near(size, sigma**2, 0.08):
        raise Wrong(f"{said} sigma is not a variance: neither a square nor a root is needed.")
    raise Wrong(said)


@exercise(4, "first = first_spike_decode(spikes); step = first.amin(1); mask all that fire later.")
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
            raise Wrong("Your times start at 0. The first step ends at 1 ms: add 1.")
        if same(times, first.double().mean(1)) or same(times, first.double().mean(1) + 1):
            raise Wrong("Your times are the mean over the classes. The first spike decides.")
        if same(times, last.amax((0, 2))):
            raise Wrong("Your times are those of the last spike, not of the first.")
        if same(times[~silent], when[~silent]):
            raise Wrong(f"Where no output fires, the time should be n_steps = {n_steps} ms.")
        k = int(np.argmax(times != when))
        raise Wrong(
            f"One picture's outputs first fire at {(first[k] + 1).int().tolist()} ms "
            f"({n_steps + 1}: never); you return {times[k]:g}, but it should be {when[k]:g}."
        )
    if same(answers, expected):
        return
    slips = {
        "Your times are right, but you return the class with most spikes: the first one counts.": (
            spikes.sum(0).argmax(1)
        ),
        "Your times are right, but your answer uses all steps, like the network's own. At the "
        "first spike only the steps so far are known.": currents.mean(0).argmax(1),
        "Where several classes fire at once you take the lowest. Take the one with the largest "
        "current so far.": first.argmin(1),
        "Where several classes fire at once you compare the currents of all steps: only those up "
        "to then are known.": of_candidates(currents.sum(0)),
        "Where several classes fire at once you compare only the current of that step: sum all "
        "so far with cumsum(0).": of_candidates(currents[step.long().clamp_max(n_steps - 1), rows]),
        "Your answer is the class that fires last: argmin, not argmax.": first.argmax(1),
    }
    for words, wanted in slips.items():
        if same(answers, wanted):
            raise Wrong(words)
    k = int(np.argmax(answers != expected))
    raise Wrong(
        f"One picture's outputs first fire at {(first[k] + 1).int().tolist()} ms ({n_steps + 1}: "
        f"never), with currents so far {np.round(so_far[k].numpy(), 2).tolist()}; you answer "
        f"{answers[k]:g}, but it should be {expected[k]}."
    )


def _small_network(seed: int, tau: float, n_steps: int, n: int) -> tuple[SpikingMLP, Tensor]:
    """An untrained network and pictures; outputs are scaled so that each class wins sometimes."""
    with seeded(seed), torch.no_grad():
        net = SpikingMLP((16, 24, 16, 5), tau=tau, gain=2.0)
        images = torch.rand(n, 1, 4, 4)
        _, hidden = net(constant_encode(images, n_steps), return_spikes=True)
        currents = net.output(hidden[-1].mean(0))
        scale, mean = 0.12 / currents.std(0).clamp_min(1e-6), currents.mean(0)
        net.output.weight.mul_(scale[:, None])
        net.output.bias.copy_(0.1 + (net.output.bias - mean) * scale)
    return net, images
