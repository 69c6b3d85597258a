"""The drawing of a layer unrolled in time."""

import math
import re

import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import same_color
from matplotlib.text import Annotation

from jarvis.classroom.diagrams.unrolled_graph import unrolled_graph
from jarvis.plotting import BLUE, RED

BOTH = pytest.mark.parametrize("recurrent", [False, True])


def arrows(ax, color):
    """The arrows of one colour, as (from, to), each end named by the nearest node."""
    nodes = {
        text.get_text().translate({ord(letter): None for letter in "${}_"}): text.get_position()
        for text in ax.texts
        if re.fullmatch(r"loss|\$[xhs]_\{\d\}\$", text.get_text())
    }

    def nearest(point):
        return min(nodes, key=lambda name: math.dist(nodes[name], point))

    drawn = [text for text in ax.texts if isinstance(text, Annotation)]
    return sorted(
        (nearest(arrow.xyann), nearest(arrow.xy))
        for arrow in drawn
        if same_color(arrow.arrow_patch.get_edgecolor(), color)
    )


def forward(n_steps, recurrent):
    """What a layer of LIF neurons computes: from where to where values go."""
    steps = range(1, n_steps + 1)
    found = [pair for k in steps for pair in ((f"x{k}", f"h{k}"), (f"h{k}", f"s{k}"))]
    found += [(f"s{k}", "loss") for k in steps]
    found += [(f"h{k}", f"h{k + 1}") for k in steps[:-1]]
    if recurrent:
        found += [(f"s{k}", f"h{k + 1}") for k in steps[:-1]]
    return sorted(found)


@BOTH
@pytest.mark.parametrize("n_steps", [2, 3, 8])
def test_texts_stand_in_the_drawing_and_apart(n_steps, recurrent):
    ax = unrolled_graph(n_steps, recurrent=recurrent)
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts if text.get_text()]
    legend = ax.get_legend().get_window_extent()
    for box in boxes:
        assert ax.figure.bbox.x0 <= box.x0 <= box.x1 <= ax.figure.bbox.x1
        assert ax.figure.bbox.y0 <= box.y0 <= box.y1 <= ax.figure.bbox.y1
        assert not box.overlaps(legend)
    for k, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:k])


@BOTH
@pytest.mark.parametrize("n_steps", [2, 3, 5])
def test_the_gradient_goes_back_along_every_arrow(n_steps, recurrent):
    ax = unrolled_graph(n_steps, recurrent=recurrent)
    assert arrows(ax, BLUE) == forward(n_steps, recurrent)
    assert arrows(ax, RED) == sorted((b, a) for a, b in forward(n_steps, recurrent))


def test_the_legend_explains_the_two_kinds_of_arrows():
    ax = unrolled_graph()
    assert {line.get_label(): line.get_color() for line in ax.lines} == {
        "forward": BLUE,
        "backward": RED,
    }
    for arrow in (text.arrow_patch for text in ax.texts if isinstance(text, Annotation)):
        backward = same_color(arrow.get_edgecolor(), RED)
        assert arrow.get_linestyle() == ("--" if backward else "-")


def test_weights_are_named_once_per_step():
    names = [text.get_text() for text in unrolled_graph(4, recurrent=True).texts]
    assert [names.count(name) for name in ("$W$", "$V$", "leak")] == [4, 3, 3]
    assert "$V$" not in [text.get_text() for text in unrolled_graph(4).texts]


def test_it_draws_into_given_axes():
    _, ax = plt.subplots()
    assert unrolled_graph(2, ax=ax) is ax
    assert len(plt.get_fignums()) == 1


@pytest.mark.parametrize("n_steps", [1, 9, 2.5])
def test_it_refuses_other_numbers_of_steps(n_steps):
    with pytest.raises((TypeError, ValueError), match="unrolled_graph: n_steps"):
        unrolled_graph(n_steps)
