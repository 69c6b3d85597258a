"""What a learner meets in JupyterLab: notebooks that run, sliders that move figures, no flicker."""

import io
import statistics
import time
from functools import cache

import nbformat
import numpy as np
import pytest
from matplotlib import pyplot as plt
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

from jarvis.classroom import lesson, widgets

from .film import Film
from .lab import Lab, command_of_make
from .page import Explorer, Notebook, wait

LESSON = "102_firing_rate.ipynb"  #: with the sliders of a LIF neuron
MADE = "explorers.ipynb"
# name: (the cell, the slider that is dragged, to which shares of its way: with time, in a hurry)
EXPLORERS = {
    "lif": ("widgets.lif(current=1.5)", "current I (units of v)", 0.9, 0.3),
    "adex": ("widgets.adex()", "current I (pA)", 0.9, 0.25),
    "neuron": ("widgets.neuron()", "tau_w (ms)", 0.9, 0.25),
    "code": ("widgets.code()", "T (steps of 1 ms)", 0.9, 0.1),
    "surrogate": ("widgets.surrogate()", "slope k (1/unit of v)", 0.0, 1.0),
    "stdp": ("widgets.stdp(bounds='soft')", "weight before (w_max = 1)", 0.9, 0.1),
}
# Two that fail on purpose: a setting that the library refuses, and a fault of ours.
WRONG = """wrong = widgets.lif()
wrong.controls["tau"].min = -10.0
wrong"""
BROKEN = """def fault(settings):
    raise RuntimeError("a <broken> compute")

broken = widgets.stdp()
broken._compute = fault
broken"""
# And two that flicker on purpose, to see that it would be seen.
HIDDEN = """import time

hidden = widgets.lif()
draw = hidden._redraw

def redraw():
    hidden.image.layout.visibility = "hidden"
    time.sleep(0.1)
    draw()
    hidden.image.layout.visibility = "visible"

hidden._redraw = redraw
hidden"""
REPLACED = """import ipywidgets

replaced = widgets.stdp()
draw_again = replaced._redraw

def redraw_anew():
    draw_again()
    new = ipywidgets.Image(value=replaced.image.value)
    replaced.children = (*replaced.children[:-1], new)

replaced._redraw = redraw_anew
replaced"""
ON_PURPOSE = {"wrong": WRONG, "broken": BROKEN, "hidden": HIDDEN, "replaced": REPLACED}
NUMBER = {name: k for k, name in enumerate([*EXPLORERS, *ON_PURPOSE])}
GONE = 0.3  #: less than that of a picture's dark pixels: it is not there
LATENCY_MS = 2000.0  #: of the median; two cores under a load of 8 have taken 710


def errors_of(saved) -> list[str]:
    """The errors in a notebook's outputs."""
    outputs = [output for cell in saved.cells for output in cell.get("outputs", [])]
    return [f"{o.ename}: {o.evalue}" for o in outputs if o.output_type == "error"]


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=int)


def on_the_screen(driver, explorer: Explorer) -> list[float]:
    """The part of the page in which the picture can be seen: left, top, right, bottom."""
    return driver.execute_script(
        "const b = arguments[0].getBoundingClientRect(), a = arguments[0].closest("
        "'.jp-WindowedPanel-outer').getBoundingClientRect();"
        "return [b.left, Math.max(b.top, a.top), b.right, Math.min(b.bottom, a.bottom)]",
        explorer.picture,
    )


def filmed(driver, explorer: Explorer, slider: str, to: float) -> list[float]:
    """Drag in a hurry; the share of dark pixels in the picture's place, in each frame."""
    box = on_the_screen(driver, explorer)
    with Film(driver) as film:
        explorer.drag(slider, to, 20, lambda step: time.sleep(0.03))
        explorer.settle()
    ink = film.ink(box)
    assert len(ink) >= 5, "too few frames to tell"
    return ink


def the_same_by_hand(name: str, explorer: Explorer, **more) -> bytes:
    """The picture that an explorer of our own makes of what the page's controls show.

    `more`: settings that no control shows.
    """
    ours = getattr(widgets, name)()
    shown = explorer.controls
    assert list(shown) == [control.description for control in ours.controls.values()]
    for control in ours.controls.values():
        text = shown[control.description]
        if hasattr(control, "options"):
            control.index = list(control._options_labels).index(text)
        else:
            control.value = type(control.value)(text)
    if more:
        ours.change(**more)
    assert not ours.errors
    return bytes(ours.image.value)


@pytest.fixture(scope="module")
def explorers(driver, lab: Lab) -> list[Explorer]:
    """One cell an explorer, run in JupyterLab."""
    cells = ["from jarvis.classroom import widgets"]
    cells += [cell for cell, *_ in EXPLORERS.values()] + list(ON_PURPOSE.values())
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    made = new_notebook(
        cells=[new_code_cell(cell) for cell in cells], metadata={"kernelspec": kernel}
    )
    nbformat.write(made, lab.notebooks / MADE)
    notebook = Notebook(driver, lab, MADE)
    assert errors_of(notebook.run_all()) == []
    found = notebook.explorers()
    assert len(found) == len(NUMBER)
    return found


def drag_and_watch(driver, name: str, explorer: Explorer, slider: str, slow: float, fast: float):
    """Drag with time and in a hurry; the figure changes, is right, and is there in every frame."""
    explorer.show()
    assert explorer.cut() == []
    before, shown = explorer.png(), explorer.controls
    took = explorer.drag_and_time(slider, slow, steps=4)
    explorer.settle()
    between, moved = explorer.png(), explorer.controls
    assert moved[slider] != shown[slider]
    assert (pixels(between) != pixels(before)).any(axis=2).mean() > 0.002
    ink = filmed(driver, explorer, slider, fast)
    assert min(ink) > GONE * ink[0], f"the picture was gone in a frame: {ink}"
    assert explorer.watched("wrong") == []
    assert explorer.watched("frames") > 20
    assert explorer.controls[slider] != moved[slider]
    right = the_same_by_hand(name, explorer)
    assert right != between
    wait(lambda: explorer.png() == right, "the picture of what the controls show", 20)
    assert explorer.watched("errors") == []
    assert statistics.median(took) < LATENCY_MS
    return {
        "ms_to_picture": round(statistics.median(took)),
        "slowest_ms": round(max(took)),
        "frames_watched": explorer.watched("frames"),
        "frames_filmed": len(ink),
        "pictures_in_a_hurry": explorer.watched("loads.length"),
    }


def test_the_server_is_the_one_of_make_lab(lab):
    assert lab.command[: len(command_of_make())] == command_of_make()
    assert lab.command[0].endswith("jupyter")


def test_the_lesson_with_sliders_runs_and_its_slider_moves_the_figure(driver, lab, shot, measured):
    notebook = Notebook(driver, lab, LESSON)
    shot("102-opened")
    saved = notebook.run_all()
    assert errors_of(saved) == []
    ran = [cell.execution_count for cell in saved.cells if cell.cell_type == "code"]
    assert ran == list(range(1, len(ran) + 1))
    explorer = notebook.explorers()[0]
    explorer.show()
    shot("102-explorer")
    slider = "current I (units of v)"
    with plt.rc_context():
        lesson.begin()  # the lesson's style is that of the picture by hand, too
        measured["lesson 102"] = drag_and_watch(driver, "lif", explorer, slider, 0.9, 0.3)
    shot("102-explorer-dragged")


@pytest.mark.parametrize("name", EXPLORERS)
def test_every_explorer_moves_without_flicker(name, explorers, driver, shot, measured):
    explorer = explorers[NUMBER[name]]
    measured[name] = drag_and_watch(driver, name, explorer, *EXPLORERS[name][1:])
    shot(f"explorer-{name}")


def on_sheet(row: int, column: int) -> tuple[float, float]:
    """Where a pixel of the digit is in the picture of the code explorer, as it was drawn."""
    picture = widgets.code().picture
    sheet = picture.axes["picture"].get_window_extent()
    top, size = picture.figure.bbox.height - sheet.y1, sheet.width / 8
    return sheet.x0 + (column + 0.5) * size, top + (row + 0.5) * size


def test_a_drag_draws_on_the_sheet(explorers, driver, shot, measured):
    explorer, at = explorers[NUMBER["code"]], cache(on_sheet)
    explorer.show()

    def shown(drawn: np.ndarray) -> bytes:
        return the_same_by_hand("code", explorer, drawn=drawn)

    drawn = np.zeros((8, 8))
    explorer.push("empty the sheet")
    wait(lambda: explorer.png() == shown(drawn), "an empty sheet", 20)
    explorer.press(at(1, 2), at(6, 2), at(6, 5))
    drawn[1:7, 2] = drawn[6, 2:6] = 1
    wait(lambda: explorer.png() == shown(drawn), "an L on the sheet", 20)
    # Around and around, where a wrong place would draw inside; pictures load meanwhile.
    explorer.press(*(at(*corner) for corner in 4 * [(0, 0), (0, 7), (7, 7), (7, 0)]), at(0, 0))
    drawn[[0, 7]] = drawn[:, [0, 7]] = 1
    wait(lambda: explorer.png() == shown(drawn), "a frame around it", 20)
    # In one stroke, and in a hurry: more moves than the kernel can draw.
    way = [at(row, column) for row in range(8) for column in ((0, 7) if row % 2 else (7, 0))]
    pictures = explorer.watched("loads.length")
    explorer.press(*way)
    wait(lambda: explorer.png() == shown(np.ones((8, 8))), "a white sheet", 20)
    measured["a stroke over the sheet"] = {
        "moves": len(way) - 1, "pictures": explorer.watched("loads.length") - pictures,
    }  # fmt: skip
    explorer.push("rub out")
    explorer.press(at(0, 7), at(7, 0))
    explorer.settle()
    shot("code-drawn")
    rubbed = pixels(explorer.png())
    assert (rubbed != pixels(shown(np.ones((8, 8))))).any(axis=2).mean() > 0.002
    x, y = at(0, 7)
    assert not rubbed[round(y), round(x)].any()
    explorer.push("the digit again")
    wait(lambda: explorer.png() == the_same_by_hand("code", explorer), "the digit", 20)
    assert explorer.watched("wrong") == []
    assert explorer.watched("errors") == []


def test_a_refused_setting_is_said_in_the_page_and_goes_away(explorers, driver, shot):
    explorer = explorers[NUMBER["wrong"]]
    explorer.show()
    before = explorer.png()
    assert explorer.message == ""
    explorer.drag("tau (ms)", 0.0, 1)
    wait(lambda: explorer.message, "a word on tau", 20)
    assert "Error: tau=-10.0 ms must be positive" in explorer.message
    assert "The figure shows the last good setting" in explorer.message
    assert explorer.png() == before
    assert explorer.watched("wrong") == []
    shot("error-refused-setting")
    explorer.drag("tau (ms)", 0.9, 1)
    wait(lambda: explorer.message == "", "the end of the error", 20)
    wait(lambda: explorer.png() != before, "another picture", 20)
    assert "Error: tau=-10.0" in explorer.watched("errors")[0]


def test_a_fault_of_ours_is_said_in_the_page(explorers, driver, shot):
    explorer = explorers[NUMBER["broken"]]
    explorer.show()
    before = explorer.png()
    explorer.drag("weight before (w_max = 1)", 0.9, 2)
    wait(lambda: explorer.message, "a word on the fault", 20)
    assert "Error: RuntimeError: a <broken> compute" in explorer.message
    assert explorer.png() == before
    assert explorer.watched("wrong") == []
    shot("error-our-fault")


def test_a_flicker_would_be_seen(explorers, driver, shot):
    hidden = explorers[NUMBER["hidden"]]
    hidden.show()
    ink = filmed(driver, hidden, "current I (units of v)", 0.9)
    assert min(ink) < GONE * ink[0]
    replaced = explorers[NUMBER["replaced"]]
    replaced.show()
    replaced.drag("weight before (w_max = 1)", 0.9, 2)
    wait(lambda: replaced.watched("wrong"), "a word on the picture that was replaced", 20)
    assert "the picture was taken out of the page" in replaced.watched("wrong")


def test_a_narrow_window_keeps_everything_in_its_cell(explorers, driver, shot):
    size = driver.get_window_size()
    driver.set_window_size(1024, 700)
    try:
        for name in EXPLORERS:
            explorer = explorers[NUMBER[name]]
            explorer.show()
            assert explorer.cut() == [], name
        shot("narrow")
        # The picture is smaller than it was drawn: a press is where it is seen all the same.
        explorer = explorers[NUMBER["code"]]
        explorer.show()
        drawn = np.zeros((8, 8))
        explorer.push("draw")
        explorer.push("empty the sheet")
        empty = the_same_by_hand("code", explorer, drawn=drawn)
        wait(lambda: explorer.png() == empty, "an empty sheet", 20)
        explorer.press(on_sheet(5, 6))
        drawn[5, 6] = 1
        wanted = the_same_by_hand("code", explorer, drawn=drawn)
        wait(lambda: explorer.png() == wanted, "one pixel on the sheet", 20)
        explorer.push("the digit again")
    finally:
        driver.set_window_size(size["width"], size["height"])
