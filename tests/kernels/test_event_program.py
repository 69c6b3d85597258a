"""What the event loops know of a neuron is generated from its flow."""

from dataclasses import replace

import pytest
import torch

from event_problems import NEURONS
from jarvis.kernels import event_loops
from jarvis.kernels.event_program import program
from jarvis.kernels.event_spec import EventModel
from jarvis.kernels.expression import Untraceable
from jarvis.spatial.event_neurons import EventLIF, LIFEventState, event_spec


def made(neuron):
    spec = event_spec(neuron, 10)
    return spec, program(spec.model, spec.params, "numba", event_loops.__name__)


def a_state(spec):
    random = torch.Generator().manual_seed(0)
    state = torch.rand(len(spec.start), 20, generator=random, dtype=torch.float64)
    return [0.9 * state[0], *(0.5 * each for each in state[1:])]


@pytest.mark.parametrize("name", NEURONS)
def test_each_function_is_what_autograd_says(name):
    spec, neuron = made(NEURONS[name])
    model, u = spec.model, neuron.numbers
    state = [x.requires_grad_() for x in a_state(spec)]
    x = torch.linspace(0.0, spec.dt, 20, dtype=torch.float64, requires_grad=True)
    dt = torch.tensor(spec.dt, dtype=torch.float64)
    after = model.flow(dt, model.state(*state), spec.params)
    pulls = [torch.linspace(-1, 1, 20).double() * (k + 1) for k in range(len(state))]
    before = torch.autograd.grad(tuple(after), state, pulls, retain_graph=True)
    level = model.level(x, model.state(*state), spec.params)
    slopes = torch.autograd.grad(level.sum(), [x, *state], allow_unused=True)
    guess = model.guess(model.state(*state), spec.params, dt)
    rise, *_ = spec.rates(*(each.detach() for each in state))

    def plain(*tensors):
        filled = [*tensors, torch.zeros(20)] if len(tensors) % 3 == 2 else tensors
        return zip(*(each.tolist() for each in filled), strict=True)

    def close(found, *expected):
        for each, theirs in zip(zip(*found, strict=True), expected, strict=False):
            theirs = torch.zeros(20).double() if theirs is None else theirs.detach()
            torch.testing.assert_close(
                torch.tensor(each, dtype=torch.float64), theirs, rtol=1e-10, atol=1e-12
            )

    names = neuron.names
    close([names["advance"](u, *s) for s in plain(*state)], *after)
    pairs = zip(plain(*state), plain(*pulls), strict=True)
    close([names["transposed"](u, *s, *g) for s, g in pairs], *before)
    timed = zip(x.tolist(), plain(*state), strict=True)
    close([names["within"](u, t, *s) for t, s in timed], level, *slopes)
    close([[names["guess"](u, *s)] for s in plain(*state)], guess)
    close([[names["slope"](u, *s)] for s in plain(*state)], rise)


def test_new_numbers_need_no_new_loop():
    neuron = EventLIF(dt=0.5)
    (_, one), (_, other) = made(neuron), made(replace(neuron, tau=17.0, threshold=0.3, dt=0.1))
    assert one.key == other.key
    assert one.numbers != other.numbers
    assert made(replace(neuron, tau=2.0))[1].key != one.key  # equal time constants: another formula
    assert made(replace(neuron, integrator="euler"))[1].key != one.key


def test_only_a_neuron_that_needs_it_remembers_its_current():
    assert [name for name in NEURONS if made(NEURONS[name])[1].remembers] == ["adex"]


def test_a_flow_that_decides_by_a_value_is_refused():
    spec, _ = made(EventLIF())

    def flow(x, s, p):
        return LIFEventState(s.v if s.v.sum() > 0 else -s.v, s.i)

    model = EventModel(LIFEventState, flow, spec.model.level, spec.model.guess)
    with pytest.raises(Untraceable, match="asks for the value of a tensor"):
        program(model, spec.params, "numba", event_loops.__name__)
