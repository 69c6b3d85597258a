"""The explorer for any neuron of the zoo: what it shows is what the definition does."""

import numpy as np
import pytest
import torch

from jarvis.adex import AdExParams, fixed_points, nullclines
from jarvis.adex.phase_plane import vector_field
from jarvis.classroom.explorers.figures import to_png
from jarvis.classroom.explorers.neuron_figure import draw_neuron
from jarvis.classroom.explorers.neuron_view import (
    NeuronSettings,
    compute_neuron,
    interval_rates,
    slider_ranges,
    units_of,
)
from jarvis.zoo import ZOO

every = pytest.mark.parametrize("name", ZOO)


@pytest.mark.slow
@every
def test_it_shows_the_neuron_of_the_zoo(name):
    view = compute_neuron(NeuronSettings(name=name))
    entry = ZOO[name]
    assert view.title == entry.title
    assert view.drive == entry.drive.usual
    assert len(view.spike_times) > 0
    assert view.times[-1] == pytest.approx(entry.drive.duration, rel=0.01)
    for values in view.variables.values():
        assert values.shape == view.times.shape
        assert np.isfinite(values).all()
    assert view.rates.shape == view.drives.shape


@pytest.mark.slow
@every
def test_its_figure_is_the_static_twin(name):
    figure = draw_neuron(name)
    assert to_png(figure).startswith(b"\x89PNG")


def test_the_response_is_that_of_the_eager_step():
    view = compute_neuron(NeuronSettings(name="adex", drive=420.0, values={"b": 20.0}))
    entry = ZOO["adex"]
    layer = entry.layer(entry.kind(**entry.values | {"b": 20.0}), backend="eager")
    x = torch.full((len(view.times), 1), 420.0, dtype=torch.float64)
    spikes, _, trace = layer(x, trace=True)
    np.testing.assert_allclose(view.variables["v"], trace.v[:, 0].numpy(), rtol=1e-9)
    np.testing.assert_allclose(view.variables["w"], trace.w[:, 0].numpy(), rtol=1e-9, atol=1e-9)
    assert len(view.spike_times) == int(spikes.sum()) > 3


def test_measured_nullclines_are_those_of_the_equations():
    """AdEx has its nullclines in closed form; here they are found from single steps."""
    view = compute_neuron(NeuronSettings(name="adex", drive=150.0))
    params = AdExParams(**ZOO["adex"].values)
    plane = view.plane
    assert plane.names == ("v", "w")
    low = plane.x < -55.0  # where a step does not reach the spike
    v_still, w_still = nullclines(params, 150.0, plane.x)
    (a, b), size = plane.limits[1], np.ptp(plane.limits[1])
    for found, wanted, rtol in (
        (plane.x_nullcline, v_still, 0.01),
        (plane.y_nullcline, w_still, 0.01),
    ):
        seen = low & np.isfinite(found)
        assert seen.sum() > 20
        np.testing.assert_allclose(found[seen], wanted[seen], atol=rtol * size)
        assert ((found[seen] >= a) & (found[seen] <= b)).all()
    stable = fixed_points(params, 150.0)[0]
    assert abs(np.interp(stable.v, plane.x, plane.x_nullcline) - stable.w) < 0.02 * size


def test_arrows_point_where_the_neuron_goes():
    view = compute_neuron(NeuronSettings(name="adex", drive=150.0))
    v, w, dv, dw = view.plane.arrows
    slow = v < -55.0
    wanted = vector_field(AdExParams(**ZOO["adex"].values), 150.0, v[slow], w[slow])
    for found, change in zip((dv, dw), wanted, strict=True):
        np.testing.assert_allclose(found[slow], change, atol=0.02 * np.abs(change).max())


def test_rates_are_means_of_intervals():
    fires = np.zeros((100, 4), bool)
    fires[10::10, 0] = True
    fires[50, 1] = True
    fires[[20, 30], 2] = True
    rates = interval_rates(fires, dt=0.5)
    assert rates[0] == pytest.approx(200.0)
    assert np.isnan(rates[1])
    assert rates[2] == pytest.approx(200.0)
    assert rates[3] == 0.0


@every
def test_sliders_hold_the_neurons_own_values(name):
    ranges = slider_ranges(name)
    params = ZOO[name].kind(**ZOO[name].values).values
    assert "dt" not in ranges
    for parameter, span in ranges.items():
        assert span.value == getattr(params, parameter)
        assert span.low <= span.value <= span.high
        assert span.low < span.high
        assert 0 < span.step < span.high - span.low
        assert parameter in units_of(name)


def test_wrong_settings_are_named():
    with pytest.raises(ValueError, match="neuron='hopfield' is not one of"):
        compute_neuron(NeuronSettings(name="hopfield"))
    with pytest.raises(ValueError, match="drive=nan must be finite"):
        compute_neuron(NeuronSettings(name="lif", drive=float("nan")))
    with pytest.raises(ValueError, match="tau=-3"):
        compute_neuron(NeuronSettings(name="lif", values={"tau": -3.0}))


def test_the_widget_moves():
    widgets = pytest.importorskip("jarvis.classroom.widgets")
    explorer = widgets.neuron("lif", drive=0.1)
    before = bytes(explorer.image.value)
    explorer.controls["tau"].value = 6.0
    assert bytes(explorer.image.value) != before
    assert not explorer.errors
    again = widgets.neuron("lif", drive=0.1, tau=6.0)
    twin = widgets.draw_neuron("lif", drive=0.1, tau=6.0)
    assert to_png(twin) == bytes(again.image.value)
    with pytest.raises(ValueError, match="no such setting: mass; choose from drive, tau"):
        widgets.neuron("lif", mass=1.0)
