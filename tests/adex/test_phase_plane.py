"""The phase plane against the neuron that lives in it."""

import numpy as np
import pytest
import torch

from jarvis import AdExLayer, AdExParams
from jarvis.adex import FIRING_PATTERNS, AdExState, step_response
from jarvis.adex.phase_plane import (
    fixed_points,
    nullclines,
    phase_plane,
    potential,
    trajectory,
    vector_field,
)


def settle(params, current, v, w, duration=3000.0):
    """The state after some time, and how often it spiked on the way."""
    x = torch.full((round(duration / params.dt), 1), float(current), dtype=torch.float64)
    start = AdExState(*(torch.full((1,), float(part), dtype=torch.float64) for part in (v, w)))
    spikes, state = AdExLayer(params)(x, start)
    return state.v.item(), state.w.item(), int(spikes.sum())


@pytest.mark.parametrize("name", FIRING_PATTERNS)
def test_slopes_are_those_of_the_step(name):
    fine = AdExParams.named(name, dt=1e-4)
    v, w = np.array([-70.0, -55.0, -48.0]), np.array([0.0, 40.0, -30.0])
    start = AdExState(*(torch.from_numpy(part)[None] for part in (v, w)))
    _, end = AdExLayer(fine)(torch.full((1, 1, 3), 200.0, dtype=torch.float64), start)
    dv, dw = vector_field(fine, 200.0, v, w)
    assert ((end.v[0] - start.v[0]) / 1e-4).tolist() == pytest.approx(
        dv.tolist(), rel=1e-3, abs=1e-5
    )
    assert ((end.w[0] - start.w[0]) / 1e-4).tolist() == pytest.approx(
        dw.tolist(), rel=1e-3, abs=1e-5
    )


@pytest.mark.parametrize("current", [-100.0, 0.0, 150.0])
@pytest.mark.parametrize("name", FIRING_PATTERNS)
def test_nothing_moves_at_a_rest(name, current):
    params = AdExParams.named(name)
    found = fixed_points(params, current)
    assert len(found) == (1 if params.a <= -params.g_l else 2) or current > params.rheobase
    for rest in found:
        dv, dw = vector_field(params, current, rest.v, rest.w)
        assert abs(dv) < 1e-7
        assert abs(dw) < 1e-9
        still_v, still_w = nullclines(params, current, rest.v)
        assert still_v == pytest.approx(rest.w, abs=1e-6)
        assert still_w == pytest.approx(rest.w)


def test_a_rest_far_below_is_found_too():
    params = AdExParams(a=-29.9, dt=0.01)  # leak and adaptation all but cancel
    low, high = fixed_points(params, -5e4)
    assert low.v == pytest.approx(params.e_l - 5e4 / 0.1, rel=1e-9)
    dv, dw = vector_field(params, -5e4, high.v, high.w)
    assert max(abs(dv), abs(dw)) < 1e-6


@pytest.mark.parametrize("name", ["tonic", "bursting", "transient"])
def test_a_stable_rest_is_where_the_neuron_goes_and_an_unstable_one_is_not(name):
    params = AdExParams.named(name)
    low, high = fixed_points(params, 20.0)
    assert low.stable
    assert not high.stable
    v, w, n = settle(params, 20.0, low.v + 1.0, low.w)
    assert (v, w) == pytest.approx((low.v, low.w), abs=1e-3)
    assert n == 0
    assert settle(params, 20.0, high.v + 0.1, high.w, 200.0)[2] > 0  # off into a spike
    assert settle(params, 20.0, high.v - 0.1, high.w, 200.0)[2] == 0  # or back


@pytest.mark.parametrize("name", ["tonic", "adapting", "initial_burst", "bursting", "delayed"])
def test_the_stable_rest_ends_at_the_rheobase(name):
    params = AdExParams.named(name)
    assert any(rest.stable for rest in fixed_points(params, params.rheobase - 0.01))
    assert not any(rest.stable for rest in fixed_points(params, params.rheobase + 0.01))


def test_the_picture_has_what_it_says():
    ax = phase_plane(AdExParams.named("tonic"), 100.0)
    assert ax.get_legend_handles_labels()[1] == ["dV/dt = 0", "dw/dt = 0", "reset"]
    circles = [line for line in ax.lines if line.get_marker() == "o"]
    assert [line.get_markerfacecolor() for line in circles] == ["black", "white"]
    assert ax.get_xlabel() == "potential V (mV)"


def test_orbits_and_potentials_are_drawn_through_each_spike():
    params = AdExParams.named("bursting")
    response = step_response(params, 210.0, 200.0)
    n = len(response.spike_times)
    assert n == 5
    ax = trajectory(response, phase_plane(params, 210.0))
    path, squares = ax.lines[-2:]
    assert np.isnan(path.get_xdata()).sum() == n
    assert np.all(squares.get_ydata() > response.w[0])
    assert squares.get_xdata() == pytest.approx(np.full(n, params.v_reset), abs=0.5)

    ax = potential(response, peak=10.0)
    line, marks = ax.lines
    assert (line.get_ydata() == 10.0).sum() == n
    assert np.all(np.diff(line.get_xdata()) >= 0)
    assert marks.get_xdata().tolist() == response.spike_times.tolist()


def test_step_response_starts_where_it_is_told():
    params = AdExParams.named("tonic")
    response = step_response(params, 0.0, 0.1, v=-60.0, w=20.0)
    assert response.times.tolist() == [0.1]
    assert response.v[0] == pytest.approx(-60.0 - 0.1 * (10.0 * 10.0 + 20.0) / 200.0, abs=2e-3)
    with pytest.raises(ValueError, match=r"duration=0\.01 ms"):
        step_response(params, 0.0, 0.01)


def test_arrows_have_one_length_and_the_direction_of_the_field():
    params, ranges = AdExParams.named("tonic"), ((-80.0, -40.0), (-50.0, 200.0))
    ax = phase_plane(params, 300.0, v=ranges[0], w=ranges[1])
    (arrows,) = [c for c in ax.collections if hasattr(c, "U")]
    for places, (low, high) in ((arrows.X, ax.get_xlim()), (arrows.Y, ax.get_ylim())):
        assert low < places.min() < places.max() < high  # none on the border of the plot
    np.testing.assert_allclose(np.hypot(arrows.U, arrows.V), 1.0, rtol=1e-9)
    dv, dw = vector_field(params, 300.0, arrows.X, arrows.Y)
    angle = np.arctan2(dw / 250.0, dv / 40.0)
    np.testing.assert_allclose(np.arctan2(arrows.V, arrows.U), angle, atol=1e-9)
