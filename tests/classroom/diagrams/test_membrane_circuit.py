"""The drawing of a membrane as a circuit."""

from matplotlib import pyplot as plt

from drawings import check_texts
from jarvis.classroom.diagrams.membrane_circuit import membrane_circuit


def test_texts_stand_in_the_drawing_and_apart():
    check_texts(membrane_circuit())


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
