"""The explorers against closed forms and the library, and every slider moved through its range.

Then the pointer on their pictures: events as a page sends them, what they choose and draw.
"""

import gc
import io
import json
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import torch
from PIL import Image

from jarvis import SURROGATES, LIFLayer, PairSTDP, constant_drive
from jarvis.adex import FIRING_PATTERNS
from jarvis.classroom.explorers.figures import ExplorerFigure, to_png
from jarvis.classroom.explorers.pointer import Pointer, pointers_of
from jarvis.classroom.explorers.surrogate_curves import SLOPES, SurrogateSettings, compute_surrogate
from jarvis.classroom.explorers.views import (
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

pytest.importorskip("ipywidgets")
from jarvis.classroom import widgets

MAKERS = {
    "lif": widgets.lif,
    "adex": widgets.adex,
    "code": widgets.code,
    "surrogate": widgets.surrogate,
    "stdp": widgets.stdp,
    "neuron": lambda **start: widgets.neuron("lif", **start),
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
    upstroke = p.g_l * p.delta_t * np.exp((view.line - p.v_t) / p.delta_t)
    np.testing.assert_allclose(view.v_nullcline, away + upstroke, rtol=1e-9)
    np.testing.assert_allclose(view.w_nullcline, p.a * (view.line - p.e_l), atol=1e-9)
    assert bool(view.fixed_points) == (current < p.rheobase) or any(
        not r.stable for r in view.fixed_points
    )


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


@pytest.mark.slow
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


def positions(control, n: int = 5) -> list:
    """Values through a control's whole range, its ends included."""
    if hasattr(control, "options"):
        return [o[1] if isinstance(o, tuple) else o for o in control.options]
    values = np.linspace(control.min, control.max, n)
    return [type(control.value)(round(v / control.step) * control.step) for v in values]


@pytest.mark.slow
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
    units = (
        "(ms)",
        "(pA)",
        "(nS)",
        "(mV)",
        "(Hz)",
        "(units of",
        "(w_max",
        "(steps",
        "(1/unit",
        "(no unit",
        "(per step",
    )
    plain = {"digit", "picture", "seed", "reset", "pattern", "shape", "bounds"}
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
    assert "tau=-5.0 ms must be positive" in explorer.message.value
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
        (compute_lif, LIFSettings(tau=0.0), "tau=0.0 ms must be positive"),
        (compute_lif, LIFSettings(current=float("nan")), "current=nan must be finite"),
        (compute_lif, LIFSettings(reset="hard"), "reset='hard' is not one of"),
        (compute_lif, LIFSettings(refractory=-1.0), "refractory=-1.0"),
        (compute_adex, AdExSettings(pattern="nervous"), "name='nervous' is not one of"),
        (compute_adex, AdExSettings(tau_w=-1.0), "tau_w=-1.0 ms must be positive"),
        (compute_adex, AdExSettings(current=float("inf")), "current=inf must be finite"),
        (compute_code, CodeSettings(digit=10), "digit=10 must be an integer from 0 to 9"),
        (compute_code, CodeSettings(n_steps=1), "n_steps=1 must be an integer from 2"),
        (compute_code, CodeSettings(max_rate=0.0), "max_rate=0.0 Hz"),
        (compute_code, CodeSettings(drawn=[[0.0] * 8] * 7), r"drawn .* not of shape \(7, 8\)"),
        (compute_code, CodeSettings(drawn="a digit"), "drawn='a digit' must be 8 rows"),
        (compute_code, CodeSettings(drawn=np.full((8, 8), 16)), r"drawn .* \[0, 1\]"),
        (compute_code, CodeSettings(drawn=np.full((8, 8), np.nan)), "drawn .* nan"),
        (compute_stdp, STDPSettings(weight=1.5), "weight=1.5 must lie in"),
        (compute_stdp, STDPSettings(a_plus=-1.0), "a_plus=-1.0"),
        (compute_surrogate, SurrogateSettings(shape="box"), "surrogate='box' is not one of"),
        (compute_surrogate, SurrogateSettings(slope=0.0), "slope=0.0 must be positive"),
    ],
)  # fmt: skip
def test_bad_settings_are_named(compute, settings, match):
    with pytest.raises(ValueError, match=match):
        compute(settings)


def test_an_unknown_setting_is_named():
    with pytest.raises(ValueError, match=r"no such setting: amps; choose from current, tau"):
        widgets.lif(amps=3)
    with pytest.raises(ValueError, match="slope=3 is not one of"):
        widgets.surrogate(slope=3)


@pytest.mark.slow
def test_memory_does_not_grow():
    explorer = widgets.stdp()
    weight = explorer.controls["weight"]

    def move(n: int) -> None:
        for k in range(n):
            weight.value = (k % 40) / 40

    move(10)
    gc.collect()
    objects = len(gc.get_objects())
    move(25)
    gc.collect()
    assert len(gc.get_objects()) < objects + 25  # less than one a move
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


# --- the pointer on a picture -------------------------------------------------------------------

WHITE = (255, 255, 255)  # ink on the sheet


def send(explorer, *events) -> None:
    """One message, as a page sends it: events (kind, x, y) in pixels of the picture."""
    pytest.importorskip("anywidget")
    named = [dict(zip(("kind", "x", "y"), event, strict=True)) for event in events]
    explorer.image._handle_custom_msg({"events": named}, [])
    assert not explorer.errors, explorer.errors[-1]


def colour(explorer, x: float, y: float) -> tuple[int, ...]:
    """What the picture shows there."""
    return Image.open(io.BytesIO(explorer.image.value)).convert("RGB").getpixel((int(x), int(y)))


def on_sheet(explorer, row: float, column: float) -> tuple[float, float]:
    """Where a pixel of the digit is in the picture, by where its axes are."""
    box = explorer.picture.axes["picture"].get_window_extent()
    top = explorer.picture.figure.bbox.height - box.y1
    return box.x0 + (column + 0.5) * box.width / 8, top + (row + 0.5) * box.height / 8


def stroke(explorer, *pixels: tuple[float, float]) -> list[tuple[str, float, float]]:
    """Press on the first pixel, go to the others in straight lines, let go."""
    places = [on_sheet(explorer, *pixel) for pixel in pixels]
    return [("down", *places[0]), *(("move", *p) for p in places), ("up", *places[-1])]


def row_of(explorer, kind: str) -> list:
    """The buttons, or the pen's menu, of the code explorer."""
    rows = [child for child in explorer.children if type(child).__name__ == "HBox"]
    return [widget for row in rows for widget in row.children if type(widget).__name__ == kind]


def test_a_stroke_draws_exactly_these_pixels():
    explorer = widgets.code()
    empty, again = row_of(explorer, "Button")
    digit = bytes(explorer.image.value)
    empty.click()
    assert not np.any(explorer.settings.drawn)
    before = explorer.moves
    send(explorer, *stroke(explorer, (1, 2), (6, 2), (6, 5)))
    expected = np.zeros((8, 8))
    expected[1:7, 2] = expected[6, 2:6] = 1
    np.testing.assert_array_equal(explorer.settings.drawn, expected)
    assert explorer.moves == before + 1  # a message is one move, however many events it has
    assert colour(explorer, *on_sheet(explorer, 4, 2)) == WHITE
    assert colour(explorer, *on_sheet(explorer, 2, 4)) == (0, 0, 0)
    view = compute_code(explorer.settings)
    np.testing.assert_array_equal(view.picture, expected)
    assert view.first.sum() == 9
    twin = widgets.draw_code(digit=3, drawn=expected)
    assert to_png(twin) == explorer.image.value
    again.click()
    assert bytes(explorer.image.value) == digit


def test_a_stroke_in_several_messages_has_no_gaps():
    explorer = widgets.code(drawn=np.zeros((8, 8)))
    for event in stroke(explorer, (0, 0), (0, 7), (7, 7)):
        send(explorer, event)
    expected = np.zeros((8, 8))
    expected[0] = expected[:, 7] = 1
    np.testing.assert_array_equal(explorer.settings.drawn, expected)
    send(explorer, ("move", *on_sheet(explorer, 4, 4)))  # the button is not held any more
    np.testing.assert_array_equal(explorer.settings.drawn, expected)


def test_the_pen_can_rub_out_and_begins_with_the_digit():
    explorer = widgets.code(digit=7)
    digit = compute_code(CodeSettings(digit=7)).picture
    row, column = (int(k[0]) for k in np.nonzero(digit))
    (pen,) = row_of(explorer, "ToggleButtons")
    pen.value = 0.0
    send(explorer, *stroke(explorer, (row, column)))
    expected = digit.copy()
    expected[row, column] = 0
    np.testing.assert_array_equal(explorer.settings.drawn, expected)
    explorer.controls["n_steps"].value = 20  # what was drawn stays
    np.testing.assert_array_equal(explorer.settings.drawn, expected)


@pytest.mark.parametrize(("key", "value"), [("digit", 5), ("picture", 4)])
def test_a_slider_of_the_digit_takes_a_digit_again(key, value):
    explorer = widgets.code()
    send(explorer, *stroke(explorer, (0, 0), (7, 0)))
    assert explorer.settings.drawn is not None
    explorer.controls[key].value = value
    assert explorer.settings.drawn is None
    assert to_png(widgets.draw_code(**{"digit": 3, key: value})) == explorer.image.value


def test_beside_the_sheet_nothing_is_drawn():
    explorer = widgets.code(drawn=np.zeros((8, 8)))
    before = explorer.moves
    inside = [on_sheet(explorer, 3, k) for k in range(8)]
    send(explorer, ("down", 500, 60), *(("move", *p) for p in inside), ("up", *inside[-1]))
    send(explorer, ("move", *inside[2]), ("up", *inside[3]))
    assert explorer.moves == before
    # Out of the sheet to the left and back: only the pixels on the way.
    send(explorer, *stroke(explorer, (3, 1), (3, -4), (5, -4), (5, 0)))
    expected = np.zeros((8, 8))
    expected[3, :2] = expected[5, 0] = 1
    np.testing.assert_array_equal(explorer.settings.drawn, expected)


def test_junk_from_a_page_is_ignored():
    pytest.importorskip("anywidget")
    explorer = widgets.code()
    before = explorer.moves
    junk = [None, 7, "down", {"kind": "down"}, {"kind": "down", "x": None, "y": 1.0}]
    nowhere = (float("nan"), float("inf"), -float("inf"), 1e300, 10**400, True, "90", [90])
    junk += [{"kind": "down", "x": x, "y": 150.0} for x in nowhere]
    junk += [{"kind": "hover", "x": 100.0, "y": 150.0}, {"kind": ["down"], "x": 100, "y": 150}]
    for content in (None, "text", {}, {"events": None}, {"events": "down"}, {"events": junk}):
        explorer.image._handle_custom_msg(content, [])
    assert (explorer.moves, list(explorer.errors)) == (before, [])
    good = {"kind": "down", "x": 100, "y": 150.5}
    assert pointers_of([*junk, good]) == [Pointer("down", 100.0, 150.5)]


def test_a_fault_under_the_pointer_is_shown_and_the_page_is_answered(monkeypatch):
    explorer = widgets.code()
    answers = []
    monkeypatch.setattr(type(explorer.image), "send", lambda self, content: answers.append(content))
    send(explorer, ("down", 1, 1))
    monkeypatch.setattr(explorer.picture.pen, "draw", lambda sheet, events: 1 / 0)
    with pytest.raises(AssertionError, match="division"):
        send(explorer, ("down", 100, 150))
    assert "ZeroDivisionError: division by zero" in explorer.message.value
    assert len(answers) == 2  # without an answer the page would send nothing more


@pytest.mark.slow
def test_memory_does_not_grow_with_strokes():
    explorer = widgets.code(drawn=np.zeros((8, 8)))
    (pen,) = row_of(explorer, "ToggleButtons")

    def draw(n: int) -> None:
        for k in range(n):
            pen.value = float(k % 2 == 0)
            send(explorer, *stroke(explorer, (0, 0), (7, 7)))

    draw(10)
    gc.collect()
    objects = len(gc.get_objects())
    draw(20)
    gc.collect()
    assert len(gc.get_objects()) < objects + 20
    assert explorer.moves == 31


def test_without_anywidget_all_but_the_pointer_works():
    blocked = """
import sys
sys.modules["anywidget"] = None
from jarvis.classroom import widgets
explorer = widgets.code()
assert type(explorer.image).__name__ == "Image"
before = bytes(explorer.image.value)
explorer.controls["digit"].value = 5
assert bytes(explorer.image.value) != before
assert not explorer.errors and not explorer.message.value
print(explorer.children[-3].value)
"""
    found = run(blocked)
    assert found.returncode == 0, found.stderr
    assert "That is off here: it needs anywidget, pip install" in found.stdout


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_without_ipywidgets_the_error_says_what_to_install():
    found = run(
        "import sys, jarvis; assert not {'ipywidgets', 'numba'} & set(sys.modules); "
        "sys.modules['ipywidgets'] = None; "
        "import jarvis.classroom.explorers.figures; import jarvis.classroom.widgets"
    )
    assert "pip install 'jarvis-snn[lab]'" in found.stderr.splitlines()[-1]


def test_the_benchmark_measures(tmp_path, capsys):
    from benchmarks import widgets as bench

    options = ["--explorers", "stdp", "--timed", "5", "--moves", "3"]
    bench.main([*options, "--output", str(tmp_path / "widgets.json")])  # its bars are not a test's
    row = json.loads((tmp_path / "widgets.json").read_text())["explorers"]["stdp"]
    assert 0 < row["compute_ms"] < row["redraw_ms"]
    assert row["moves"] == 3
    assert not row["errors"]
    assert "| stdp |" in capsys.readouterr().out


def test_the_benchmark_uses_the_pointer():
    from benchmarks import widgets as bench

    explorer = widgets.code()
    before = explorer.moves
    for events in bench._messages(explorer, 9):
        explorer._point(events)
    assert (explorer.moves, len(explorer.errors)) == (before + 8, 0)
