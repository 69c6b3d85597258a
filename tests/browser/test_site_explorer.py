"""The page that runs without installing: its numbers are the library's, and it can be dragged."""

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from jarvis.adex.physiological import FIRING_PATTERNS, AdExParams, step_response
from jarvis.classroom.explorers.views import (
    AdExSettings,
    LIFSettings,
    STDPSettings,
    compute_adex,
    compute_lif,
    compute_stdp,
)
from jarvis.lif import RESETS, LIFLayer
from jarvis.stdp.trace_rules import BOUNDS, INTERACTIONS, SAME_STEP, PairSTDP

from .lab import ROOT
from .page import wait
from .site import Server, SiteExplorer, build

MODELS = ROOT / "docs" / "_static" / "models.js"
SIZE = {"atol": 1e-6, "rtol": 1e-6}  #: how close the page's numbers are to the library's


@pytest.fixture(scope="module")
def server(folder):
    serving = Server(build(folder))
    yield serving
    serving.close()


@pytest.fixture
def page(driver, server):
    driver.get(server.url("explorer.html"))
    wait(lambda: len(driver.find_elements(By.CSS_SELECTOR, ".jarvis-plot .curve")) >= 4, "figures")
    return lambda model: SiteExplorer(driver, model)


def call(driver, expression: str, *arguments: Any) -> Any:
    """What models.js returns, in the page."""
    return driver.execute_script(f"const m = jarvisModels; return {expression};", *arguments)


def close(found: Any, wanted: np.ndarray) -> None:
    """Equal in size and within 1e-6; where the page has null, the library has NaN."""
    given = np.array([np.nan if x is None else x for x in found], dtype=float)
    assert given.shape == wanted.shape
    np.testing.assert_allclose(given, wanted, **SIZE)


# ------------------------------------------------------------------------ numbers, in the browser


@pytest.mark.parametrize("seed", range(8))
def test_lif_view_is_the_librarys(page, driver, seed):
    rng = np.random.default_rng(seed)
    given = dict(
        current=rng.uniform(0.0, 4.0), tau=rng.uniform(2.0, 50.0), threshold=rng.uniform(0.2, 2.0),
        reset=RESETS[seed % 3], refractory=rng.choice([0.0, rng.uniform(0.1, 20.0)]),
    )  # fmt: skip
    given = {key: value if key == "reset" else float(value) for key, value in given.items()}
    wanted, found = (
        compute_lif(LIFSettings(**given)),
        call(driver, "m.lifView(arguments[0])", given),
    )
    for ours, theirs in (
        ("times", "times"), ("h", "h"), ("v", "v"), ("spikeTimes", "spike_times"),
        ("currents", "currents"), ("rates", "rates"), ("line", "line"),
        ("closedForm", "closed_form"),
    ):  # fmt: skip
        close(found[ours], getattr(wanted, theirs))
    close([found["rate"]], np.array([wanted.rate]))


@pytest.mark.parametrize("seed", range(6))
def test_lif_under_a_random_input_is_the_layer(page, driver, seed):
    rng = np.random.default_rng(100 + seed)
    given = dict(
        tau=rng.uniform(2.0, 50.0), dt=rng.choice([0.1, 0.5, 1.0]), threshold=rng.uniform(0.5, 1.5),
        refractory=rng.choice([0.0, 1.5, 2.5, 7.0]),
    )  # fmt: skip
    given = {key: float(value) for key, value in given.items()} | {"reset": RESETS[seed % 3]}
    x = rng.uniform(-0.1, 0.3, 1000)
    layer = LIFLayer(**given)
    spikes, _, trace = layer(torch.from_numpy(x)[:, None], trace=True)
    found = call(driver, "m.lif(arguments[0], arguments[1])", x.tolist(), given)
    assert spikes.sum() > 5
    close(found["spikes"], spikes[:, 0].numpy())
    close(found["h"], trace.h[:, 0].numpy())
    close(found["v"], trace.v[:, 0].numpy())


def settings_of_adex(seed: int) -> dict[str, Any]:
    """Each published pattern, then random settings within the sliders' ranges."""
    pattern = list(FIRING_PATTERNS)[seed % len(FIRING_PATTERNS)]
    if seed < len(FIRING_PATTERNS):
        return {"pattern": pattern}
    rng = np.random.default_rng(seed)
    ranges = {"current": (0, 1000), "a": (-12, 20), "b": (0, 200), "tau_w": (10, 400),
              "v_reset": (-70, -44)}  # fmt: skip
    return {"pattern": pattern} | {key: float(rng.uniform(*span)) for key, span in ranges.items()}


@pytest.mark.parametrize("seed", range(20))
def test_adex_is_the_librarys_step_by_step(page, driver, seed):
    """Every step, begun at the library's state, ends within 1e-6 of the library's next state."""
    given = settings_of_adex(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a step that is large for these parameters
        wanted = compute_adex(AdExSettings(**given))
    found = call(
        driver,
        "(() => { const [given, v, w] = arguments;"
        "const p = {...m.patterns[given.pattern], ...given}; return v.map((_, t) => {"
        "const start = t ? {v: v[t - 1], w: w[t - 1]} : {};"
        "const one = m.adex([p.current], p, 0.1, start);"
        "return [one.v[0], one.w[0], one.spikeTimes.length]; }); })()",
        given, wanted.v.tolist(), wanted.w.tolist(),
    )  # fmt: skip
    v, w, spikes = np.array(found, dtype=float).T
    assert spikes.sum() == len(wanted.spike_times)
    np.testing.assert_allclose(v, wanted.v, **SIZE)
    np.testing.assert_allclose(w, wanted.w, **SIZE)


def sensitivity(given: dict[str, Any]) -> float:
    """How far the library's own trace moves, mV, when it starts 1e-11 mV higher."""
    pattern = FIRING_PATTERNS[given["pattern"]]
    changes = {k: v for k, v in given.items() if k not in ("pattern", "current")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        params = AdExParams.named(given["pattern"], **changes)
        current = given.get("current", pattern.current)
        runs = [step_response(params, current, 500.0, v=pattern.e_l + e) for e in (0.0, 1e-11)]
    return float(np.abs(runs[0].v - runs[1].v).max())


@pytest.mark.parametrize("seed", range(20))
def test_adex_view_is_the_librarys(page, driver, seed):
    """Over 500 ms, too, unless the neuron is chaotic: then rounding alone moves its spikes."""
    given = settings_of_adex(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = compute_adex(AdExSettings(**given))
    found = call(driver, "m.adexView(arguments[0])", given)
    close(found["line"], wanted.line)
    close(found["vNullcline"], wanted.v_nullcline)
    close(found["wNullcline"], wanted.w_nullcline)
    close([point["v"] for point in found["fixedPoints"]],
          np.array([point.v for point in wanted.fixed_points]))  # fmt: skip
    assert [p["stable"] for p in found["fixedPoints"]] == [p.stable for p in wanted.fixed_points]
    if sensitivity(given) > 1e-4:
        assert given["pattern"] in ("delayed_bursting", "irregular") or seed >= 8
        return
    close(found["v"], wanted.v)
    close(found["w"], wanted.w)
    close(found["spikeTimes"], wanted.spike_times)


def test_most_settings_are_not_chaotic():
    """So that the test above compares traces, not only nullclines."""
    assert sum(sensitivity(settings_of_adex(seed)) <= 1e-4 for seed in range(20)) >= 14


def test_the_patterns_are_the_librarys(page, driver):
    found = call(driver, "m.patterns")
    assert call(driver, "Object.keys(m.patterns)") == list(FIRING_PATTERNS)
    for name, pattern in FIRING_PATTERNS.items():
        params = AdExParams.named(name)
        wanted = {key: value for key, value in pattern._asdict().items() if key != "panel"}
        wanted |= {key: getattr(params, key) for key in ("v_t", "delta_t", "v_peak")}
        assert found[name] == wanted


@pytest.mark.parametrize("seed", range(9))
def test_stdp_view_is_the_librarys(page, driver, seed):
    rng = np.random.default_rng(seed)
    given = dict(
        a_plus=rng.uniform(0, 0.2), a_minus=rng.uniform(0, 0.2), tau_plus=rng.uniform(2, 60),
        tau_minus=rng.uniform(2, 60), weight=rng.uniform(0, 1),
    )  # fmt: skip
    given = {key: float(value) for key, value in given.items()} | {"bounds": BOUNDS[seed % 3]}
    wanted, found = (
        compute_stdp(STDPSettings(**given)),
        call(driver, "m.stdpView(arguments[0])", given),
    )
    for name in ("line", "window", "pairs", "changes"):
        close(found[name], getattr(wanted, name))
    close([found["area"]], np.array([wanted.area]))


@pytest.mark.parametrize("seed", range(12))
def test_stdp_over_random_trains_is_the_rule(page, driver, seed):
    rng = np.random.default_rng(200 + seed)
    rule = dict(
        a_plus=0.06, a_minus=0.07, tau_plus=float(rng.uniform(5, 40)),
        tau_minus=float(rng.uniform(5, 40)), dt=1.0, interaction=INTERACTIONS[seed % 2],
        bounds=BOUNDS[seed % 3], same_step=SAME_STEP[seed // 6],
    )  # fmt: skip
    pre, post = (torch.from_numpy((rng.random(400) < 0.1).astype(float)) for _ in range(2))
    ours, weight, state = PairSTDP(**rule), torch.tensor([[0.5]], dtype=torch.float64), None
    wanted = []
    for input_, output in zip(pre, post, strict=True):
        change, state = ours.step(input_.view(1, 1), output.view(1, 1), weight, state)
        weight = weight + change
        wanted.append(weight.item())
    found = call(driver, "m.pairSTDP(...arguments)", pre.tolist(), post.tolist(), 0.5, rule)
    assert np.ptp(wanted) > 0.05
    close(found, np.array(wanted))


# ----------------------------------------------------------------------------- what a reader does


@pytest.mark.parametrize(
    ("model", "slider"),
    [("lif", "current"), ("lif", "tau"), ("adex", "b"), ("stdp", "tau_minus")],
)
def test_dragging_a_slider_moves_the_figures_to_what_the_library_computes(
    page, driver, shot, model, slider
):
    explorer = page(model)
    before = explorer.paths()
    drawn = explorer.drag(slider, 0.8)
    wait(lambda: explorer.paths() != before, "other curves")
    shot(f"site-{model}-{slider}")
    assert len(drawn) >= 4, "the figure did not follow the mouse"
    assert drawn == sorted(drawn)
    low, high = (float(str(explorer.control(slider).get_attribute(k))) for k in ("min", "max"))
    assert explorer.settings[slider] == pytest.approx(low + 0.8 * (high - low), abs=0.05 * high)
    now, view = explorer.settings, explorer.view
    if model == "lif":
        close(view["v"], compute_lif(LIFSettings(**now)).v)
    elif model == "adex":
        wanted = compute_adex(AdExSettings(**now))
        close(view["spikeTimes"], wanted.spike_times)
    else:
        close(view["window"], compute_stdp(STDPSettings(**now)).window)


def test_menus_keys_and_the_button(page):
    explorer = page("adex")
    explorer.choose("pattern", "tonic")
    wait(lambda: explorer.settings["current"] == 500, "the pattern's current")
    assert explorer.settings["v_reset"] == -58
    assert "spikes in 500 ms" in explorer.said
    explorer.press("current", Keys.ARROW_LEFT, 3)
    wait(lambda: explorer.settings["current"] == 470, "three steps to the left")
    explorer.press("v_reset", Keys.HOME, 1)
    wait(lambda: explorer.settings["v_reset"] == -70, "the lowest reset")
    explorer.again()
    wait(lambda: explorer.settings["pattern"] == "bursting", "the pattern of the start")
    wait(lambda: explorer.settings["v_reset"] == -46, "its reset")


def test_every_control_can_be_reached_by_tab_and_says_what_it_is(page, driver):
    explorer = page("lif")
    wanted = ["current", "tau", "threshold", "reset", "refractory"]
    driver.execute_script("arguments[0].focus()", explorer.control("current"))
    reached = []
    for _ in range(6):
        here = driver.switch_to.active_element
        reached.append(here.get_attribute("name") or here.text)
        here.send_keys(Keys.TAB)
    assert reached == [*wanted, "Start again"]
    for name in wanted:
        identity = explorer.control(name).get_attribute("id")
        label = explorer.root.find_element(By.CSS_SELECTOR, f'label[for="{identity}"]')
        assert len(label.text) >= 5
    assert all(len(label) > 20 for label in explorer.labels())


def test_light_and_dark_have_different_colours_that_can_be_read(page, driver, shot):
    explorer = page("lif")
    curve = explorer.root.find_element(By.CSS_SELECTOR, ".jarvis-plot .curve.blue")

    def luminance(colour: str) -> float:
        red, green, blue = (
            x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4
            for x in (int(part) / 255 for part in colour[4:-1].split(", ")[:3])
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    found = {}
    for theme in ("light", "dark"):
        driver.execute_script("document.documentElement.dataset.theme = arguments[0]", theme)
        script = "return getComputedStyle(arguments[0]).stroke"
        stroke = driver.execute_script(script, curve)
        script = "return getComputedStyle(document.body).backgroundColor"
        ground = driver.execute_script(script)
        high, low = sorted([luminance(stroke), luminance(ground.replace("rgba", "rgb"))])[::-1]
        assert (high + 0.05) / (low + 0.05) > 3.0, theme  # WCAG 2.1, graphical objects
        found[theme] = stroke
        shot(f"site-{theme}")
    assert found["light"] != found["dark"]


def test_a_phone_shows_all_of_it(page, driver, shot):
    size = driver.get_window_size()
    driver.set_window_size(500, 900)  # as narrow as a headless window gets
    try:
        explorer = page("adex")
        wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        wait(lambda: driver.execute_script(wide) <= 0, "a page as wide as the window")
        shot("site-phone")
        assert explorer.paths()
    finally:
        driver.set_window_size(size["width"], size["height"])


def test_the_page_says_nothing_wrong_and_asks_for_nothing_elsewhere(page, driver, server):
    for model in ("lif", "adex", "stdp"):
        assert page(model).said
    names = driver.execute_script(
        "return performance.getEntriesByType('resource').map(entry => entry.name)"
    )
    assert any(name.endswith("models.js") or "models.js" in name for name in names)
    assert [name for name in names if not name.startswith(server.url(""))] == []
    severe = [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    assert [entry for entry in severe if "favicon" not in entry["message"]] == []


def test_the_landing_page_moves_and_can_be_stopped(driver, server, shot):
    driver.get(server.url("index.html"))
    button = wait(lambda: driver.find_elements(By.CSS_SELECTOR, ".jarvis-hero button"), "the film")[
        0
    ]
    picture = "return document.querySelector('.jarvis-hero canvas').toDataURL()"
    assert button.text == "Stop"
    first = driver.execute_script(picture)
    wait(lambda: driver.execute_script(picture) != first, "another picture", 10)
    driver.execute_script("arguments[0].click()", button)
    wait(lambda: button.text == "Play", "the end of the film")
    still = driver.execute_script(picture)
    shot("site-landing")
    for _ in range(5):
        driver.execute_async_script("setTimeout(arguments[0], 200)")
        assert driver.execute_script(picture) == still
    label = driver.find_element(By.CSS_SELECTOR, ".jarvis-hero canvas").get_attribute("aria-label")
    assert "until the network answers 3" in label
