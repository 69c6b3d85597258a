"""The explorers against closed forms and the library, and every slider moved through its range."""

import gc
import json
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from conftest import ROOT
from jarvis import FIRING_PATTERNS, SURROGATES, LIFLayer, PairSTDP, constant_drive
from jarvis.distances import euclidean_delays
from jarvis.explorer_figures import ExplorerFigure, to_png
from jarvis.explorers import (
    LIF_DT,
    AdExSettings,
    CodeSettings,
    LIFSettings,
    STDPSettings,
    compute_adex,
    compute_code,
    compute_lif,
    compute_stdp,
)
from jarvis.layout_frames import (
    LayoutFilm,
    LayoutSettings,
    compute_layout,
    film_of_file,
    film_of_run,
)
from jarvis.surrogate_curves import SLOPES, SurrogateSettings, compute_surrogate

pytest.importorskip("ipywidgets")
from jarvis import widgets

LAYOUT = ROOT / "results" / "shd" / "layout.json"


def small_film(n_dims: int = 3) -> LayoutFilm:
    random = np.random.default_rng(0)
    places = [random.normal(0, 20, (4, n, n_dims)) for n in (30, 6)]
    return LayoutFilm(np.arange(4.0), *places)


MAKERS = {
    "lif": widgets.lif,
    "adex": widgets.adex,
    "code": widgets.code,
    "surrogate": widgets.surrogate,
    "stdp": widgets.stdp,
    "layout": lambda **start: widgets.layout(small_film(), **start),
}


# --- what is computed ---------------------------------------------------------------------------


@pytest.mark.parametrize("reset", ["subtract", "zero", "none"])
@pytest.mark.parametrize("refractory", [0.0, 3.0])
def test_lif_is_the_library_step_by_step(reset, refractory):
    settings = LIFSettings(current=1.7, tau=12.0, threshold=0.9, reset=reset, refractory=refractory)
    view = compute_lif(settings)
    layer = LIFLayer(12.0, LIF_DT, 0.9, reset, refractory, backend="eager")
    x = torch.full((len(view.times), 1), constant_drive(1.7, 12.0, LIF_DT), dtype=torch.float64)
    spikes, _, trace = layer(x, trace=True)
    np.testing.assert_allclose(view.h, trace.h[:, 0].numpy(), rtol=1e-12)
    np.testing.assert_allclose(view.v, trace.v[:, 0].numpy(), rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(view.spike_times, view.times[spikes[:, 0].numpy() > 0])
    assert len(view.spike_times) > 3


@pytest.mark.parametrize("refractory", [0.0, 4.0])
def test_lif_rates_lie_on_the_closed_form(refractory):
    view = compute_lif(LIFSettings(refractory=refractory))
    assert view.spike_times[0] == pytest.approx(20 * np.log(3), abs=LIF_DT)
    fires = view.currents > 1.0
    assert not view.rates[~fires].any()
    formula = np.interp(view.currents, view.line, view.closed_form)
    late = 1000 / view.rates[fires] - 1000 / formula[fires]  # ms: up to the next step
    assert (late > -1e-9).all()
    assert (late <= LIF_DT + 1e-9).all()
    expected = 1000 / (refractory + 20 * np.log(1.5 / 0.5))
    assert view.rate == pytest.approx(expected)


def test_lif_without_reset_has_no_rate_and_a_silent_neuron_none():
    assert np.isnan(compute_lif(LIFSettings(reset="none")).rate)
    silent = compute_lif(LIFSettings(current=0.8))
    assert silent.rate == 0
    np.testing.assert_allclose(silent.v, 0.8 * (1 - np.exp(-silent.times / 20)), rtol=1e-9)


@pytest.mark.parametrize("pattern", FIRING_PATTERNS)
def test_adex_nullclines_are_where_nothing_changes(pattern):
    view = compute_adex(AdExSettings(pattern=pattern))
    p, current = AdExSettings(pattern=pattern).params(), FIRING_PATTERNS[pattern].current
    assert len(view.spike_times)
    away = -p.g_l * (view.line - p.e_l) + current
    upswing = p.g_l * p.delta_t * np.exp((view.line - p.v_t) / p.delta_t)
    np.testing.assert_allclose(view.v_nullcline, away + upswing, rtol=1e-9)
    np.testing.assert_allclose(view.w_nullcline, p.a * (view.line - p.e_l), atol=1e-9)
    assert bool(view.rests) == (current < p.rheobase) or any(not r.stable for r in view.rests)


def test_adex_takes_changed_values():
    usual, changed = (compute_adex(AdExSettings(b=b)) for b in (None, 80.0))
    assert len(changed.spike_times) < len(usual.spike_times)
    assert not compute_adex(AdExSettings(current=0.0)).spike_times.size


def test_code_keeps_what_its_codes_promise():
    view = compute_code(CodeSettings(digit=7, n_steps=40, max_rate=1000.0))
    bright = view.picture.ravel() == 1
    assert view.poisson[:, bright].all()  # 1000 Hz: a spike at every step of 1 ms
    assert np.array_equal(view.first.sum(0) == 1, view.picture.ravel() > 0)
    assert abs(view.from_first - view.picture).max() <= 1 / (2 * 39) + 1e-6
    np.testing.assert_allclose(view.from_poisson.ravel(), view.poisson.mean(0), rtol=1e-6)
    errors = [compute_code(CodeSettings(n_steps=n)).errors for n in (10, 1000)]
    assert (errors[1] < 0.3 * errors[0]).all()
    again = compute_code(CodeSettings(digit=7, n_steps=40, max_rate=1000.0))
    assert np.array_equal(view.poisson, again.poisson)


@pytest.mark.parametrize("bounds", ["hard", "soft", "none"])
def test_stdp_pairs_lie_on_the_window(bounds):
    settings = STDPSettings(tau_plus=15.0, tau_minus=30.0, bounds=bounds, weight=0.3)
    view = compute_stdp(settings)
    up, down = 0.05, 0.0525
    if bounds == "soft":
        up, down = up * 0.7, down * 0.3
    early = view.pairs < 0
    expected = up * np.exp(-np.abs(view.pairs) / 15)
    expected[early] = -down * np.exp(view.pairs[early] / 30)
    np.testing.assert_allclose(view.changes, expected, rtol=1e-9)
    assert view.area == pytest.approx(15 * up - 30 * down)
    assert {-80.0, 0.0, 80.0} <= set(view.pairs)


def test_stdp_stops_at_a_hard_bound():
    view = compute_stdp(STDPSettings(weight=0.99, a_plus=0.2))
    assert view.changes.max() == pytest.approx(0.01)
    assert view.window.max() == pytest.approx(PairSTDP(a_plus=0.2).a_plus)


@pytest.mark.parametrize("shape", SURROGATES)
def test_surrogate_curves_are_trainings(shape):
    view = compute_surrogate(SurrogateSettings(shape=shape, slope=4.0))
    formula = SURROGATES[shape].derivative(torch.from_numpy(view.x), 4.0)
    np.testing.assert_allclose(view.derivative, formula.numpy(), rtol=1e-12)
    assert np.array_equal(view.losses, view.others[SLOPES.index(4.0)])
    assert (
        np.ptp(view.others[:, 0]) == 0
    )  # one start: the surrogate does not change the forward way
    assert (view.others[:, -1] < view.others[:, 0]).all()
    assert (np.ptp(view.others[:, -1]) > 0) == (shape != "straight_through")


@pytest.mark.parametrize("n_dims", [1, 2, 3, 5])
def test_layout_delays_are_distances(n_dims):
    film = small_film(n_dims)
    view = compute_layout(LayoutSettings(film=film, frame=2, neuron=4))
    places = [torch.from_numpy(part[2]) for part in (film.inputs, film.hidden)]
    np.testing.assert_allclose(view.delays, euclidean_delays(*places)[:, 4].numpy())
    assert view.path.shape == (3, min(n_dims, 3))
    assert isinstance(widgets.draw_layout_frame(film, frame=2, neuron=4), Figure)


def test_films_come_from_runs_and_files(tmp_path):
    film = small_film()
    places = zip(torch.from_numpy(film.inputs), torch.from_numpy(film.hidden), strict=True)
    frames = [{"steps": 10 * k, "places": list(pair)} for k, pair in enumerate(places)]
    found = film_of_run(frames, batches_per_epoch=5)
    np.testing.assert_array_equal(found.hidden, film.hidden)
    assert found.epochs.tolist() == [0, 2, 4, 6]
    with pytest.raises(ValueError, match="there is no frame"):
        film_of_run([], 5)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        film_of_file(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text('{"epochs": [0], "inputs": [[[1, 2]]]}')
    with pytest.raises(ValueError, match="has no hidden"):
        film_of_file(tmp_path / "bad.json")
    (tmp_path / "bad.json").write_text('{"epochs": [0], "inputs": [[[1, 2]]], "hidden": [[[1]]]}')
    with pytest.raises(ValueError, match="are needed"):
        film_of_file(tmp_path / "bad.json")
    assert film_of_file(LAYOUT).inputs.shape[1:] == (700, 3)


# --- the widgets --------------------------------------------------------------------------------


def positions(control, n: int = 5) -> list:
    """Values through a control's whole range, its ends included."""
    if hasattr(control, "options"):
        return [o[1] if isinstance(o, tuple) else o for o in control.options]
    values = np.linspace(control.min, control.max, n)
    return [type(control.value)(round(v / control.step) * control.step) for v in values]


@pytest.mark.parametrize("name", MAKERS)
def test_every_slider_moves_the_figure_and_none_fails(name):
    explorer = MAKERS[name]()
    for key, control in explorer.controls.items():
        assert control.description
        seen, start = set(), control.value
        for value in positions(control):
            control.value = value
            assert not explorer.errors, (key, value, explorer.errors[-1], explorer.message.value)
            seen.add(bytes(explorer.image.value))
        assert len(seen) > 1, f"{key} changes nothing"
        control.value = start
    assert bytes(explorer.image.value).startswith(b"\x89PNG")


@pytest.mark.parametrize("name", MAKERS)
def test_numbers_have_units(name):
    units = ("(ms)", "(pA)", "(nS)", "(mV)", "(Hz)", "(units of", "(w_max", "(steps", "(1/unit")
    plain = {"digit", "picture", "seed", "frame", "neuron", "reset", "pattern", "shape", "bounds"}
    for key, control in MAKERS[name]().controls.items():
        assert key in plain or any(u in control.description for u in units), key


@pytest.mark.parametrize("name", ["lif", "adex", "code", "surrogate", "stdp"])
def test_a_static_twin_is_the_widgets_figure(name):
    explorer = MAKERS[name]()
    settings = {key: control.value for key, control in explorer.controls.items()}
    twin = getattr(widgets, f"draw_{name}")(**settings)
    assert isinstance(twin, ExplorerFigure)
    assert twin._repr_png_() == to_png(twin) == bytes(explorer.image.value)


def test_a_pattern_sets_the_sliders_and_draws_once():
    explorer = widgets.adex()
    before = explorer.moves
    explorer.controls["pattern"].value = "bursting"
    assert explorer.moves == before + 1
    published = FIRING_PATTERNS["bursting"]
    for key in ("current", "a", "b", "tau_w", "v_reset"):
        assert explorer.controls[key].value == getattr(published, key)


def test_what_is_wrong_is_said_in_words_and_kept_and_goes_away():
    explorer = widgets.lif()
    good = bytes(explorer.image.value)
    explorer.controls["tau"].min = -5.0
    explorer.controls["tau"].value = -5.0
    assert "tau=-5.0 must be positive" in explorer.message.value
    assert "Traceback" not in explorer.message.value
    assert len(explorer.errors) == 1
    assert bytes(explorer.image.value) == good
    explorer.controls["tau"].value = 20.0
    assert explorer.message.value == ""
    assert bytes(explorer.image.value) == good


def test_a_fault_of_ours_is_shown_too(monkeypatch):
    explorer = widgets.stdp()

    def broken(settings):
        raise RuntimeError("a <broken> compute")

    monkeypatch.setattr(explorer, "_compute", broken)
    explorer.controls["weight"].value = 0.9
    assert "RuntimeError: a &lt;broken&gt; compute" in explorer.message.value
    assert isinstance(explorer.errors[-1], RuntimeError)


def test_a_warning_is_a_note():
    explorer = widgets.adex(pattern="tonic")
    explorer.controls["current"].max = 1e6
    explorer.controls["current"].value = 1e5
    assert "two successive steps" in explorer.message.value
    assert not explorer.errors


@pytest.mark.parametrize(
    ("compute", "settings", "match"),
    [
        (compute_lif, LIFSettings(tau=0.0), "tau=0.0 must be positive"),
        (compute_lif, LIFSettings(current=float("nan")), "current=nan must be finite"),
        (compute_lif, LIFSettings(reset="hard"), "reset='hard' is not one of"),
        (compute_lif, LIFSettings(refractory=-1.0), "refractory=-1.0"),
        (compute_adex, AdExSettings(pattern="nervous"), "name='nervous' is not one of"),
        (compute_adex, AdExSettings(tau_w=-1.0), "tau_w=-1.0 must be positive"),
        (compute_adex, AdExSettings(current=float("inf")), "current=inf must be finite"),
        (compute_code, CodeSettings(digit=10), "digit=10 must be an integer from 0 to 9"),
        (compute_code, CodeSettings(n_steps=1), "n_steps=1 must be an integer from 2"),
        (compute_code, CodeSettings(max_rate=0.0), "max_rate=0.0 Hz"),
        (compute_stdp, STDPSettings(weight=1.5), "weight=1.5 must lie in"),
        (compute_stdp, STDPSettings(a_plus=-1.0), "a_plus=-1.0"),
        (compute_surrogate, SurrogateSettings(shape="box"), "surrogate='box' is not one of"),
        (compute_surrogate, SurrogateSettings(slope=0.0), "slope=0.0 must be positive"),
        (compute_layout, LayoutSettings(film=small_film(), frame=4), "frame=4 .* from 0 to 3"),
        (compute_layout, LayoutSettings(film=small_film(), neuron=-1), "neuron=-1"),
    ],
)  # fmt: skip
def test_bad_settings_are_named(compute, settings, match):
    with pytest.raises(ValueError, match=match):
        compute(settings)


def test_an_unknown_setting_is_named():
    with pytest.raises(ValueError, match=r"no such setting: amps; there are current, tau"):
        widgets.lif(amps=3)
    with pytest.raises(ValueError, match="slope=3 is not one of"):
        widgets.surrogate(slope=3)


def test_memory_does_not_grow():
    explorer = widgets.stdp()
    weight = explorer.controls["weight"]

    def move(n: int) -> None:
        for k in range(n):
            weight.value = (k % 40) / 40

    move(30)
    gc.collect()
    objects = len(gc.get_objects())
    move(60)
    gc.collect()
    assert len(gc.get_objects()) < objects + 60  # less than one a move
    tracemalloc.start()  # five times slower, so few moves: a PNG that stays would be 20 kB each
    try:
        move(5)
        before, _ = tracemalloc.get_traced_memory()
        move(12)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 12 * 4000, f"{(after - before) / 12:.0f} bytes a move"
    assert len(explorer.picture.ax.lines) == 5  # the same artists as in the beginning


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_without_ipywidgets_the_error_says_what_to_install():
    blocked = "import sys; sys.modules['ipywidgets'] = None; "
    found = run(blocked + "import jarvis.explorer_figures; import jarvis.widgets")
    assert "pip install 'jarvis-snn[lab]'" in found.stderr.splitlines()[-1]
    quiet = run("import sys, jarvis; assert not {'ipywidgets', 'numba'} & set(sys.modules)")
    assert quiet.returncode == 0, quiet.stderr


def test_the_benchmark_measures(tmp_path, capsys):
    from benchmarks import widgets as bench

    options = ["--explorers", "stdp", "--timed", "5", "--moves", "3"]
    bench.main([*options, "--output", str(tmp_path / "widgets.json")])  # its bars are not a test's
    row = json.loads((tmp_path / "widgets.json").read_text())["explorers"]["stdp"]
    assert 0 < row["compute_ms"] < row["redraw_ms"]
    assert row["moves"] == 3
    assert not row["errors"]
    assert "| stdp |" in capsys.readouterr().out
