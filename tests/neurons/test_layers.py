"""What all layers share: `over_time`, and the decay of a trace."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from jarvis import (
    LeakyIntegrator,
    LIFLayer,
    LIFParams,
    constant_drive,
    constant_encode,
    lif_step,
    over_time,
)
from jarvis.adex import AdEx, NormalisedAdEx
from jarvis.lif import LIF, LIFState
from jarvis.neurons import exp_decay


class Functional(nn.Module):
    """Dropout that no list of modules shows."""

    def forward(self, x):
        return nn.functional.dropout(x, 0.5)


@pytest.mark.parametrize(
    "module",
    [
        nn.Dropout(0.5),
        nn.Sequential(nn.Linear(200, 200), nn.Dropout(0.5)),
        Functional(),
        lambda x: x * torch.rand_like(x),
    ],
    ids=["Dropout", "Sequential", "in a module", "function"],
)
def test_every_step_has_its_own_mask(module):
    values = torch.ones(3, 200)
    constant = constant_encode(values, 4)
    torch.manual_seed(7)
    out = over_time(module, constant)
    torch.manual_seed(7)
    expected = over_time(module, constant.contiguous())
    assert torch.equal(out, expected)
    assert not torch.equal(out[0], out[1])


def test_a_constant_input_is_computed_once_without_randomness():
    calls = []

    def module(x):
        calls.append(len(x))
        return 2 * x

    out = over_time(module, constant_encode(torch.ones(3, 5), 4))
    assert calls == [3]
    assert out.shape == (4, 3, 5)
    calls.clear()
    still = nn.Sequential(nn.Dropout(0.5), nn.Linear(5, 2)).eval()
    constant = constant_encode(torch.ones(3, 5), 4)
    assert over_time(still, constant).stride(0) == 0  # no dropout in evaluation: computed once


def test_the_random_state_is_left_where_a_contiguous_input_leaves_it():
    constant = constant_encode(torch.ones(3, 5), 4)
    after = []
    for x in (constant, constant.contiguous()):
        torch.manual_seed(3)
        over_time(Functional(), x)
        after.append(torch.get_rng_state())
    assert torch.equal(*after)


@pytest.mark.parametrize("module", [None, 3, [nn.Linear(2, 2)], nn.Linear])
def test_what_is_no_module_is_named(module):
    with pytest.raises(TypeError, match="over_time: module must be a module or a function"):
        over_time(module, torch.ones(2, 1, 2))


@pytest.mark.parametrize("dt", [-1.0, math.nan, math.inf])
def test_time_does_not_run_backwards(dt):
    for tau in (20.0, torch.tensor([20.0])):
        with pytest.raises(ValueError, match="exp_decay: dt="):
            exp_decay(tau, dt)
    with pytest.raises(ValueError, match="constant_drive: dt="):
        constant_drive(1.0, 20.0, dt)


@pytest.mark.parametrize("tau", [0.0, -1.0, math.nan])
def test_time_constants_are_positive(tau):
    with pytest.raises(ValueError, match="exp_decay: tau="):
        exp_decay(tau, 1.0)
    with pytest.raises(ValueError, match="constant_drive: tau="):
        constant_drive(1.0, tau)
    with pytest.raises(ValueError, match="constant_drive: tau_syn="):
        constant_drive(1.0, 20.0, 1.0, tau)


def test_decays_of_all_kinds_of_numbers():
    assert exp_decay(math.inf, 1.0) == 1.0
    assert exp_decay(20.0, 0.0) == 1.0
    assert exp_decay(np.uint8(20), np.uint8(3)) == math.exp(-3 / 20)
    currents = np.array([0.0, 1.0])
    np.testing.assert_allclose(constant_drive(currents, 10.0), currents * (1 - math.exp(-0.1)))
    for current in (math.nan, torch.tensor([1.0, math.inf]), np.array([math.nan])):
        with pytest.raises(ValueError, match="constant_drive: current"):
            constant_drive(current)


def test_an_infinite_threshold_is_not_subtracted():
    for threshold in (math.inf, torch.tensor([1.0, math.inf])):
        with pytest.raises(ValueError, match=r"threshold=inf cannot be subtracted"):
            LIFLayer(threshold=threshold)
        for reset in ("none", "zero"):
            spikes, state = LIFLayer(threshold=threshold, reset=reset)(torch.ones(30, 1, 2))
            assert state.v.isfinite().all()
            assert spikes[..., -1].sum() == 0


def test_arrays_are_one_value_per_neuron():
    tau = np.array([5.0, 20.0], dtype=np.float64)
    x = torch.rand(10, 3, 2)
    spikes, state = LIFLayer(tau=tau, threshold=np.float32(0.7))(x)
    expected, known = LIFLayer(tau=torch.tensor([5.0, 20.0]), threshold=0.7)(x)
    assert torch.equal(spikes, expected)
    torch.testing.assert_close(state.v, known.v)
    assert LIFParams(tau=np.array(3)).tau == 3.0
    v, _ = LeakyIntegrator(tau=tau)(x)
    torch.testing.assert_close(v, LeakyIntegrator(tau=torch.tensor([5.0, 20.0]))(x)[0])
    with pytest.raises(ValueError, match="tau must be positive"):
        LIFLayer(tau=np.array([5.0, -1.0]))
    with pytest.raises(TypeError, match="tau must be numbers"):
        LIFLayer(tau=np.array(["a", "b"]))


def test_a_step_names_what_does_not_fit():
    x, params = torch.ones(2, 3), LIFParams()
    with pytest.raises(TypeError, match="lif_step: x must be a floating-point tensor"):
        lif_step([1.0], None, params)
    with pytest.raises(TypeError, match="lif_step: params must be a LIFParams"):
        lif_step(x, None, 20.0)
    with pytest.raises(TypeError, match="lif_step: state must be a LIFState"):
        lif_step(x, torch.zeros(2, 3), params)
    with pytest.raises(ValueError, match=r"x \(2, 3\) and state\.v \(2, 4\) do not fit"):
        lif_step(x, LIFState(torch.zeros(2, 4)), params)


def test_arrays_are_values_per_neuron_for_any_neuron():
    for kind, name in ((LIF, "tau"), (NormalisedAdEx, "tau_w"), (AdEx, "a")):
        array = np.array([5.0, 40.0, 3])
        params = kind(**{name: array}).values
        assert torch.equal(getattr(params, name), torch.tensor([5.0, 40.0, 3.0]))
    with pytest.raises(TypeError, match="a must be numbers, not an array of"):
        AdEx(a=np.array(["much"]))


def test_formulas_about_one_neuron_take_one_value_of_each_number():
    learned = torch.tensor([5.0], requires_grad=True)
    plain = LIFParams(tau=learned, threshold=torch.tensor(0.5)).plain()
    assert (plain.tau, plain.threshold) == (5.0, 0.5)
    assert all(isinstance(value, float) for value in (plain.tau, plain.threshold))
    assert LIFParams(tau=7.0).plain().tau == 7.0
    with pytest.raises(ValueError, match=r"threshold of shape \(2,\): give one threshold for all"):
        LIFParams(tau=learned, threshold=torch.tensor([0.5, 1.0])).plain()
