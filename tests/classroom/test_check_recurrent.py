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


def with_spikes_of(state, order):
    return state._replace(spikes=state.spikes[order])


def radius_of(V):
    return torch.linalg.eigvals(V).abs().max()


def with_radius(V, radius):
    return V * (radius / radius_of(V))


def one_by_one(state, order):
    """Each sample by itself, in a new state."""
    return RecurrentState(state.neurons, torch.stack([state.spikes[b] for b in order.tolist()]))


def test_right_answers():
    for seed in MANY:
        assert check.shuffled(shuffled, seed=seed)
        assert check.order_blind(order_blind, seed=seed)
        assert check.order_blind(by_simulation, seed=seed)
        assert check.with_spikes_of(with_spikes_of, seed=seed)
        assert check.with_spikes_of(one_by_one, seed=seed)
        assert check.with_radius(with_radius, seed=seed)


@pytest.mark.parametrize("exercise", ["shuffled", "order_blind", "with_spikes_of", "with_radius"])
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


def in_the_state(state, order):
    state.spikes.copy_(state.spikes[order])
    return state


def handed_on(state, order):
    spikes = torch.zeros_like(state.spikes)
    spikes[order] = state.spikes
    return state._replace(spikes=spikes)


def potentials_of(state, order):
    return state._replace(neurons=LIFState(state.v[order]))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (in_the_state, "make a new state"),
        (lambda s, order: s.spikes[order], "You return a tensor"),
        (lambda s, order: s.neurons, "the neurons alone"),
        (lambda s, order: (s.neurons, s.spikes[order]), "not a tuple"),
        (lambda s, order: s._replace(spikes=s.spikes[order[0]]), "should have shape (7, 7)"),
        (lambda s, order: s._replace(spikes=0.0), "should have shape (7, 7)"),
        (lambda s, order: s, "still has its own spikes"),
        (potentials_of, "still has its own spikes"),
        (handed_on, "the other way round"),
        (lambda s, order: s._replace(spikes=s.spikes[:, order]), "exchange neurons"),
        (lambda s, order: s._replace(spikes=0 * s.spikes), "no spikes any more"),
        (lambda s, order: s._replace(spikes=s.spikes[order[:1]].expand(7, 7)), "the same donor"),
        (lambda s, order: s._replace(spikes=1 - s.spikes), "does not have the spikes"),
        (lambda s, order: potentials_of(with_spikes_of(s, order), order), "have come along"),
        (lambda s, order: RecurrentState(LIFState(0 * s.v), s.spikes[order]), "as well"),
        (lambda s, order: RecurrentState(None, s.spikes[order]), "as well"),
    ],
)
def test_with_spikes_of(answer, words):
    for seed in SEEDS:
        assert words in check.with_spikes_of(answer, seed=seed).words


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
