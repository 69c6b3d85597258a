"""The drawing of one step of a neuron."""

from matplotlib import pyplot as plt
from matplotlib.colors import same_color
from matplotlib.text import Annotation

from drawings import check_texts
from jarvis.classroom.diagrams.step_graph import step_graph


def test_texts_stand_in_the_drawing_and_apart():
    check_texts(step_graph())


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
