"""Brief training of a network that a learner has fixed: for the checks of lessons 701 and 704."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from jarvis import datasets
from jarvis.classroom import broken
from jarvis.classroom.check.verdict import Wrong
from jarvis.encoding.encoders import poisson_encode
from jarvis.networks.probes import gradient_by_step
from jarvis.neurons.layers import over_time

Draw = Callable[[torch.Generator], tuple[Tensor, Tensor]]


def digits(n: int = 64, encode: Callable = poisson_encode, *args) -> Draw:
    """A function that draws batches of encoded digits."""
    data = datasets.digits("train")

    def draw(g: torch.Generator) -> tuple[Tensor, Tensor]:
        index = torch.randint(len(data), (n,), generator=g)
        x, y = data[index]
        return encode(x, *args, generator=g), y

    return draw


def train(model: Callable, parameters, draw: Draw, g, steps: int, lr: float = 2e-3) -> float:
    """Train for `steps` steps of Adam; return the mean loss of the last five steps."""
    parameters = list(parameters)
    optimizer, losses = torch.optim.Adam(parameters, lr), []
    for _ in range(steps):
        x, y = draw(g)
        loss = cross_entropy(model(x), y)
        if not loss.requires_grad:
            raise Wrong("No gradient reaches the weights: is there a detach() or .data in between?")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses[-5:]) / 5


@torch.no_grad()
def accuracy_of(model: Callable, draw: Draw, g) -> float:
    x, y = draw(g)
    return (model(x).argmax(1) == y).double().mean().item()


LOOPS = {
    "detach": "There is no error now, but each batch still starts with the potentials left by the"
    " previous one, so its loss depends on unrelated images. Reset the state before each batch.",
    "retain": "There is no error now, but the graph grows from batch to batch, and each batch still"
    " starts with the potentials left by the previous one. retain_graph only hides the problem:"
    " reset the state before each batch.",
    "no zero": "The state is right, but the gradients add up: zero_grad() is missing.",
    "no step": "The state is right, but the weights never change: optimizer.step() is missing.",
}


def loop(net: broken.StreamReader, batches, optimizer, kind: str) -> list[float]:
    """The training loop, correct ("") or with a common mistake."""
    losses = []
    for x, y in batches:
        if kind == "detach" and net.state is not None:
            net.state = net.state.detach()
        elif kind != "retain":
            net.state = None
        loss = cross_entropy(net(x), y)
        if kind != "no zero":
            optimizer.zero_grad()
        loss.backward(retain_graph=kind == "retain")
        if kind != "no step":
            optimizer.step()
        losses.append(loss.item())
    return losses


class Readout(nn.Module):
    def __init__(self, answer: Callable) -> None:
        super().__init__()
        self._answer = answer

    def forward(self, currents: Tensor) -> Tensor:
        return self._answer(currents)


def growth_of(net: broken.RowReader, x: Tensor, y: Tensor) -> tuple[float, float]:
    """The ratio of the input's gradients in the first and the last ten steps, and the mean rate."""
    rate = net.neurons(over_time(net.inputs, x))[0].mean().item()
    size = gradient_by_step(net, x, y)
    late = size[-10:].mean().item()
    return (size[:10].mean().item() / late if late else 0.0), rate
