"""Lesson 304's checks: right answers pass, and each mistake is told by its name."""

import pytest
import torch

from jarvis.classroom.check import recurrent as check
from jarvis.lif import LIFState
from jarvis.neurons import RecurrentState

SEEDS = range(2)

MANY = range(20)


def shuffled(x, generator):
    return x[torch.randperm(len(x), generator=generator)]


def order_blind(shares):
    same = (shares**2).sum()
    return same + (1 - same) / 2


def by_simulation(shares):
    """All pairs of classes."""
    return sum(
        a * b * (1.0 if i == j else 0.5)
        for i, a in enumerate(shares.tolist())
        for j, b in enumerate(shares.tolist())
    )


def without_spikes(state):
    return state._replace(spikes=torch.zeros_like(state.spikes))


def radius_of(V):
    return torch.linalg.eigvals(V).abs().max()


def with_radius(V, radius):
    return V * (radius / radius_of(V))


def test_right_answers():
    for seed in MANY:
        assert check.shuffled(shuffled, seed=seed)
        assert check.order_blind(order_blind, seed=seed)
        assert check.order_blind(by_simulation, seed=seed)
        assert check.without_spikes(without_spikes, seed=seed)
        assert check.without_spikes(lambda s: RecurrentState(s.neurons, 0 * s.spikes), seed=seed)
        assert check.with_radius(with_radius, seed=seed)


@pytest.mark.parametrize("exercise", ["shuffled", "order_blind", "without_spikes", "with_radius"])
def test_a_stub_says_nothing(exercise, capsys):
    def stub(*args):
        """As in the lesson."""
        ...

    assert not getattr(check, exercise)(stub)
    assert not capsys.readouterr().out


def each_its_own(x, generator):
    return torch.stack([shuffled(part, generator) for part in x.unbind(1)], 1)


def in_place(x, generator):
    x.copy_(shuffled(x.clone(), generator))
    return x


def pixels(x, generator):
    return x.flatten()[torch.randperm(x.numel(), generator=generator)].view_as(x)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x, g: x[:, torch.randperm(x.shape[1], generator=g)], "shuffled the recordings"),
        (lambda x, g: x[torch.randint(len(x), (len(x),), generator=g)], "come twice"),
        (each_its_own, "has its own order"),
        (lambda x, g: x.clone(), "still in their old order"),
        (lambda x, g: x.flip(0), "reversed"),
        (lambda x, g: x[torch.randperm(len(x))], "pass the generator on"),
        (lambda x, g: x.roll(3, 0), "Two different seeds gave the same"),
        (pixels, "are mixed"),
        (lambda x, g: shuffled(x, g) + 1, "The values themselves"),
        (lambda x, g: torch.randperm(len(x), generator=g), "should have the shape"),
        (in_place, "changes the array"),
    ],
)
def test_shuffled(answer, words):
    for seed in SEEDS:
        assert words in check.shuffled(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p: (1 - (p**2).sum()) / 2, "add that case"),
        (lambda p: (p**2).sum(), "half of the time when they differ"),
        (lambda p: 0.5, "Your reader always guesses"),
        (lambda p: 1 / len(p) + (1 - 1 / len(p)) / 2, "equally frequent"),
        (lambda p: (p**2).sum() + 0.5, "count equal digits twice"),
        (lambda p: p.sum(), "the sum of their squares"),
        (lambda p: p.max(), "the most frequent class"),
        (lambda p: 100 * order_blind(p), "a percentage"),
        (lambda p: order_blind(p) - 0.01, "are the same with probability"),
        (lambda p: p**2, "should be one number"),
    ],
)
def test_order_blind(answer, words):
    for seed in SEEDS:
        assert words in check.order_blind(answer, seed=seed).words


def zeroed(state):
    state.spikes.zero_()
    return state


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (zeroed, "make new zeros"),
        (lambda s: 0 * s.spikes, "You return a tensor"),
        (lambda s: s.neurons, "the neurons alone"),
        (lambda s: (s.neurons, 0 * s.spikes), "not a tuple"),
        (lambda s: s._replace(spikes=torch.tensor(0.0)), "should have shape (7, 5)"),
        (lambda s: s._replace(spikes=0.0), "should have shape (7, 5)"),
        (lambda s: s._replace(spikes=s.spikes * 0.5), "not all 0"),
        (lambda s: s._replace(neurons=LIFState(0 * s.v)), "changed the neurons' potentials"),
        (lambda s: RecurrentState(LIFState(0 * s.v), 0 * s.spikes), "Keep their potentials"),
        (lambda s: RecurrentState(None, 0 * s.spikes), "Keep their potentials"),
    ],
)
def test_without_spikes(answer, words):
    for seed in SEEDS:
        assert words in check.without_spikes(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda V, r: V.clone(), "V is unchanged"),
        (lambda V, r: r * V, "You multiply by the given radius. Divide"),
        (lambda V, r: V / radius_of(V), "Multiply by the given radius"),
        (lambda V, r: V * radius_of(V) / r, "upside down"),
        (lambda V, r: V * radius_of(V) * r, "You multiply by the radius of V"),
        (lambda V, r: V * r / torch.linalg.matrix_norm(V, 2), "singular value"),
        (lambda V, r: V * r / V.norm(), "Frobenius"),
        (lambda V, r: V * r / V.abs().max(), "the largest weight"),
        (lambda V, r: V * r / torch.linalg.eigvals(V).real.max(), "largest real part"),
        (
            lambda V, r: V * r / torch.linalg.eigvals(V).abs().mean(),
            "the mean of the eigenvalues' absolute values",
        ),
        (lambda V, r: V * (r / torch.linalg.eigvals(V)[0]), "complex"),
        (lambda V, r: with_radius(V, r) + torch.eye(len(V)), "not a multiple of V"),
        (lambda V, r: 0.7 * with_radius(V, r), "has spectral radius"),
        (lambda V, r: V[:2], "should have the shape"),
    ],
)
def test_with_radius(answer, words):
    for seed in SEEDS:
        assert words in check.with_radius(answer, seed=seed).words
