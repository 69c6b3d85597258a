"""The drawing of a membrane as a circuit."""

import pytest
from matplotlib import pyplot as plt

from jarvis.classroom.diagrams.membrane_circuit import membrane_circuit


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def test_texts_stand_in_the_drawing_and_apart():
    ax = membrane_circuit()
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts if text.get_text()]
    for box in boxes:
        assert ax.figure.bbox.x0 <= box.x0 <= box.x1 <= ax.figure.bbox.x1
        assert ax.figure.bbox.y0 <= box.y0 <= box.y1 <= ax.figure.bbox.y1
    for k, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:k])


def test_it_draws_into_given_axes():
    _, ax = plt.subplots()
    assert membrane_circuit(ax) is ax
    assert len(plt.get_fignums()) == 1


def test_it_names_its_parts():
    text = " ".join(text.get_text() for text in membrane_circuit().texts)
    for part in ("current I", "capacitance C", "resistance R", "battery $E_L$", "inside", "V"):
        assert part in text


def test_each_branch_leads_from_the_inside_to_the_outside():
    ax = membrane_circuit()
    ends = [point for line in ax.lines for point in (line.get_xydata()[0], line.get_xydata()[-1])]
    for height in (0.0, 4.0):
        at_the_wire = sorted(x for x, y in ends if y == height)
        assert at_the_wire == [0.0, 0.0, 2.2, 5.4, 5.4]
