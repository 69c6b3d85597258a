"""The drawing of one step of a neuron."""

import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import same_color
from matplotlib.text import Annotation

from jarvis.classroom.diagrams.step_graph import step_graph


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def test_texts_stand_in_the_drawing_and_apart():
    ax = step_graph()
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts if text.get_text()]
    for k, box in enumerate(boxes):
        assert ax.figure.bbox.x0 <= box.x0 <= box.x1 <= ax.figure.bbox.x1
        assert not any(box.overlaps(other) for other in boxes[:k])


def test_three_kinds_of_arrows_are_explained():
    ax = step_graph()
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["forward and back", "forward, and back by the surrogate", "forward only"]
    arrows = [t.arrow_patch.get_edgecolor() for t in ax.texts if isinstance(t, Annotation)]
    counts = {
        line.get_label(): sum(same_color(line.get_color(), color) for color in arrows)
        for line in ax.lines
    }
    assert counts == dict(zip(labels, (5, 1, 3), strict=True))


def test_it_draws_into_given_axes():
    _, ax = plt.subplots()
    assert step_graph(ax) is ax
