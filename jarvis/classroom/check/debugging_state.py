"""Checks of lesson 704: resetting a state, the order of axes, modes, and a timed read-out."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from jarvis.classroom import broken
from jarvis.classroom.check._trial import LOOPS, Readout, accuracy_of, digits, loop, train
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
from jarvis.lif import LIFLayer, LIFState
from jarvis.networks.probes import SavedBytes


@exercise(
    1,
    hints=(
        "What does net still hold from the last batch when the next one begins? Should it?",
        "Reset the state of the network before each batch, and convert a loss to a float before "
        "you keep it.",
        "net.state = None; loss = cross_entropy(net(x), y); then zero_grad, backward, step; append "
        "loss.item().",
    ),
)
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
                    "The second batch raises a RuntimeError: the potentials in net.state still "
                    "depend on the graph of the first batch, which backward has already freed."
                ) from wrong
            if "state." in str(wrong.__cause__):
                raise Wrong(
                    "The last batch is smaller, and the state that the previous batch left has "
                    "another size."
                ) from wrong
            raise
        kept = found if isinstance(found, list | tuple) else [found]
        if any(isinstance(v, Tensor) and v.requires_grad for v in kept):
            raise Wrong(
                "The losses that you return are tensors with a grad_fn. Each one keeps the graph "
                "of its batch in memory, and memory fills up. Keep floats: loss.item()."
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
        raise Wrong(f"Your loss of batch {k} is {found[k]:.4f}; it should be {right[k]:.4f}.")


@exercise(
    2,
    hints=(
        "The state of a sample is one row of state.v and one row of state.i.",
        "torch.where chooses between two tensors row by row if the condition has the shape [B, 1]. "
        "At rest, both fields are 0.",
        "keep = ~ended[:, None]; then state._replace(v=state.v * keep, i=state.i * keep).",
    ),
)
def begin_anew(answer, rng) -> None:
    """`begin_anew(state, ended) -> state`: resets the rows of ended samples, keeps the others."""
    layer = LIFLayer(tau=20.0, tau_syn=5.0)
    for dtype in (torch.float64, torch.float32):
        n, m, g = int(rng.integers(5, 9)), int(rng.integers(9, 13)), generator_from(rng)
        x = torch.rand((20, n, m), generator=g, dtype=dtype)
        _, state = layer(0.3 * x)
        ended = torch.rand(n, generator=g) < 0.5
        ended[0], ended[1] = True, False
        before = [value.clone() for value in (state.v, state.i)]
        found = answer(state, ended)
        if not isinstance(found, LIFState):
            raise Wrong(f"begin_anew should return an LIFState, not {type(found).__name__}.")
        for name, old, new in zip("vi", before, (found.v, found.i), strict=True):
            if not torch.equal(getattr(state, name), old):
                raise Wrong(
                    f"You change state.{name} in place, so the state changes for all code that "
                    "still uses it. Return new tensors."
                )
            _check_rows(name, old, new, ended)
        others = [k for k in ("refractory", "adaptation") if getattr(found, k) is not None]
        if others:
            raise Wrong(f"state.{others[0]} was None before the call, but has a value afterwards.")
        layer(x, found)  # fits the layer
    _, other = layer(torch.zeros(1, 4, 3, device="meta"))
    moved = answer(other, torch.tensor([True, False, True, False], device="meta"))
    if moved.v is None or moved.v.device.type != "meta":
        raise Wrong("For a state on another device, you return a state on the CPU: use zeros_like.")


def _check_rows(name: str, old: Tensor, new, ended: Tensor) -> None:
    """Raise `Wrong` unless a field is 0 where a sample has ended and unchanged elsewhere."""
    if not isinstance(new, Tensor):
        raise Wrong(f"state.{name} should be a tensor, but is {new!r:.40}.")
    if new.shape != old.shape:
        raise Wrong(
            f"state.{name} has the shape {tuple(new.shape)}; before the call it was "
            f"{tuple(old.shape)}."
        )
    if new.dtype != old.dtype:
        raise Wrong(f"state.{name} was {old.dtype} before the call, but is {new.dtype} afterwards.")
    if torch.equal(new, torch.where(ended[:, None], 0.0, old)):
        return
    if torch.equal(new, torch.where(ended[:, None], old, 0.0)):
        raise Wrong(
            "Yours is the wrong way round: you reset the samples that continue, and keep those "
            "that have ended."
        )
    if not new.any():
        raise Wrong(f"state.{name} is 0 for all samples: keep the samples that have not ended.")
    if torch.equal(new, old):
        raise Wrong(
            f"state.{name} is unchanged: a new recording would begin with the state that the "
            "previous one left."
        )
    row = int((new != torch.where(ended[:, None], 0.0, old)).any(1).nonzero()[0])
    kind = "has ended" if ended[row] else "continues"
    raise Wrong(f"Sample {row} {kind}, but row {row} of state.{name} does not reflect that.")


@exercise(
    3,
    hints=(
        "Which axis do the layers treat as time, and which axis of x is time?",
        "Swap the first two axes of x before the first layer. After that, everything is [T, B, "
        "...].",
        "Start with x.transpose(0, 1). At the end, the last step is v[-1], of shape [B, 2].",
    ),
)
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
        unchanged = after(net.neurons(net.inputs(x))[0])[-1]  # [T, 2]: time and batch mixed up
        slips = {
            "That is the output of the network as it was: the layers still treat the batch as "
            "time.": net(x),
            "reshape keeps the numbers in their order and only groups them differently, so samples "
            "and steps are mixed. To swap two axes, use transpose.": reshaped[-1],
            "That is the mean over time. The read-out takes the last step.": v.mean(0),
            "That is the sum over time. The read-out takes the last step.": v.sum(0),
            "Those are probabilities, from a softmax. Return the potentials; cross_entropy "
            "applies the softmax itself.": v[-1].softmax(-1),
            "Those are logarithms of probabilities. Return the potentials; cross_entropy applies "
            "the softmax itself.": v[-1].log_softmax(-1),
            "That is the integrator's input at the last step, without its memory.":
                net.output(net.neurons(net.inputs(x.transpose(0, 1)))[0][-1]),
        }  # fmt: skip
    shape = tuple(getattr(found, "shape", ()))
    if shape == (x.shape[1], 2) and torch.allclose(found, unchanged, atol=1e-5):
        raise Wrong(
            f"Your result {shape} has one row per step. v[-1] is the last step only if time comes "
            "first, and the layers still treat the batch as time: transpose x."
        )
    if shape == (x.shape[1], 2):
        raise Wrong(
            f"Your result {shape} has one row per step: axis 0 is time now, so the last step is "
            "v[-1]."
        )
    if len(shape) == 3:
        raise Wrong(f"Your result {shape} has all the steps: take the last one, v[-1].")
    values = torch.as_tensor(array(found, (n, 2), "The scores")).float()
    for words, slip in slips.items():
        if slip.shape == values.shape and torch.allclose(values, slip, atol=1e-5):
            raise Wrong(words)
    if not torch.allclose(values, v[-1], atol=1e-4):
        yours, ours = (", ".join(f"{s:.3f}" for s in part) for part in (values[0], v[-1, 0]))
        raise Wrong(
            f"Your scores for sample 0 are {yours}; with time as the first axis they are {ours}."
        )

    def draw(g):
        x, y = broken.cue(50, g)
        return x.transpose(0, 1), y

    train(lambda x: answer(net, x), net.parameters(), draw, g, 40, 5e-3)
    accuracy = accuracy_of(lambda x: answer(net, x), draw, g)
    if accuracy < 0.9:
        raise Wrong(
            f"Your scores are right, but after 40 training steps they reach only {accuracy:.0%} "
            "correct."
        )


@exercise(
    4,
    hints=(
        "List everything that a call of the network may change or keep: modes, running averages, "
        "graphs.",
        "Save the mode of every module of net.modules(), call net.eval(), compute under "
        "torch.no_grad(), and restore the modes. Weight each batch by its size.",
        "modes = [(m, m.training) for m in net.modules()] ... for m, mode in modes: m.training = "
        "mode; sum cross_entropy(scores, y, reduction='sum').item() over the batches, and divide "
        "by the number of samples.",
    ),
)
def validate(answer, rng) -> None:
    """`validate(net, batches) -> loss, accuracy` as floats; it changes and keeps nothing."""
    g, net = generator_from(rng), broken.NormedReader(seed_from(rng))
    net.extra = nn.Dropout(0.5)  # a module that is in evaluation mode already
    batches = [digits(n, poisson_encode, 25)(g) for n in (48, 32, 7)]
    for x, _ in batches[:2]:
        net(x)  # gives running averages that differ from the averages of a single batch
    before = {name: value.clone() for name, value in net.state_dict().items()}
    for start in (True, False):
        net.train(start)
        net.extra.eval()
        modes = [m.training for m in net.modules()]
        with SavedBytes() as saved:
            pair = answer(net, batches)
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise Wrong("validate should return two numbers: the mean loss and the accuracy.")
        if any(isinstance(v, Tensor) and v.requires_grad for v in pair) or saved.now:
            raise Wrong(
                f"A graph is kept ({saved.now} bytes): compute under torch.no_grad() and return "
                "floats."
            )
        if saved.most:
            raise Wrong("A graph is built and then freed: compute under torch.no_grad().")
        if any(isinstance(v, Tensor) for v in pair):
            raise Wrong("You return tensors. Return floats: value.item().")
        after = net.state_dict()
        moved = [name for name in before if not torch.equal(before[name], after[name])]
        if any("running" in name or "tracked" in name for name in moved):
            raise Wrong(
                f"{moved[0]} has changed: the network was in training mode. Call net.eval()."
            )
        if moved:
            raise Wrong(f"{moved[0]} has changed: validation must not train.")
        if [m.training for m in net.modules()] != modes:
            words = "You leave the network in evaluation mode, but it was in training mode before."
            if not start:
                words = (
                    "You leave the network in training mode, but it was in evaluation mode before."
                )
            elif net.training:
                words = (
                    "net.train() puts every module into training mode, even one that was in "
                    "evaluation mode before. Restore the mode of each module."
                )
            raise Wrong(words)
        loss, accuracy = number(pair[0], "The loss"), number(pair[1], "The accuracy")
        _check_means(loss, accuracy, net, batches)


@torch.no_grad()
def _check_means(loss: float, accuracy: float, net: nn.Module, batches) -> None:
    """Raise `Wrong` unless loss and accuracy are the means over all samples."""
    training = net.training
    net.eval()
    scores = [(net(x), y) for x, y in batches]
    net.train(training)
    each = [cross_entropy(s, y).item() for s, y in scores]
    right = [(s.argmax(1) == y).double().mean().item() for s, y in scores]
    sizes = [len(y) for _, y in batches]
    wanted = [sum(n * v for n, v in zip(sizes, part, strict=True)) / sum(sizes)
              for part in (each, right)]  # fmt: skip
    if near(loss, wanted[0]) and near(accuracy, wanted[1]):
        return
    if near(loss, sum(each) / 3) or near(accuracy, sum(right) / 3):
        raise Wrong(
            "That is the mean over batches, so a sample of the last batch, which has only "
            f"{sizes[-1]}, counts for more than the others. Weight each batch by its size."
        )
    if near(loss, wanted[1]) and near(accuracy, wanted[0]):
        raise Wrong("Your two numbers are swapped: return the loss first, then the accuracy.")
    if near(accuracy, 100 * wanted[1]):
        raise Wrong(f"The accuracy should be a fraction, {wanted[1]:.3f}, not a percentage.")
    if near(loss, wanted[0] * sum(sizes)):
        raise Wrong("That is the sum of the losses. Divide by the number of samples.")
    raise Wrong(
        f"You return {loss:.4f} and {accuracy:.4f}, but the loss is {wanted[0]:.4f} and the "
        f"accuracy {wanted[1]:.4f}."
    )


@exercise(
    5,
    hints=(
        "Which value does a spike at step t represent?",
        "Multiply the current of each step by a weight for that step, and sum over time.",
        "weights = torch.linspace(1, 0, len(currents)); torch.tensordot(weights, currents, dims=1) "
        "is the sum.",
    ),
)
def scores(answer, rng) -> None:
    """`scores(currents [T, B, C]) -> [B, C]`: an early current counts for more than a late one."""
    n_steps = int(rng.integers(20, 40))
    steps = torch.arange(0, n_steps - 1, 3)
    pulses = torch.zeros(n_steps, len(steps), 2)
    pulses[steps, range(len(steps)), 0] = 1.0
    found = answer(pulses)
    if tuple(getattr(found, "shape", ())) == (n_steps, 2):
        raise Wrong(
            "Your scores have one row per step. Sum over time, which is axis 0; the batch is axis "
            "1."
        )
    worth = torch.as_tensor(array(found, (len(steps), 2), "The scores"))[:, 0]
    differ = worth.diff()
    if worth.abs().max() < 1e-9:
        raise Wrong("A current of 1 in one step leaves your score at 0.")
    if differ.abs().max() < 1e-6 * worth.abs().max():
        raise Wrong(
            f"A current of 1 adds {worth[0]:.3g} to your score, whenever it comes. Each input "
            "fires once, and only the time of its spike carries its value: this read-out ignores "
            "the time."
        )
    if (differ >= 0).all():
        raise Wrong(
            "In your scores, a late current counts for more than an early one: it should be the "
            "opposite."
        )
    if (differ > 0).any():
        t = int(steps[1:][differ > 0][0])
        raise Wrong(f"A current at step {t} counts for more than one three steps earlier.")
    if (differ[: len(differ) // 2] == 0).all() or (differ[len(differ) // 2 :] == 0).all():
        k = int((differ == 0).nonzero()[0])
        raise Wrong(
            f"A current at step {int(steps[k])} counts as much as one at step {int(steps[k + 1])}: "
            "let the weight fall over the whole sequence."
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
            f"Early currents count for more, but after 150 training steps the network reaches only "
            f"{accuracy:.0%} correct."
        )
