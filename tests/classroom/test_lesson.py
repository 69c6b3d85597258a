"""The beginning of a lesson."""

import io

import pytest
from matplotlib import font_manager
from matplotlib import pyplot as plt
from PIL import Image

from jarvis import plotting
from jarvis.classroom import lesson


@pytest.fixture(autouse=True)
def _own_style():
    with plt.rc_context():
        yield


def test_one_line_of_versions(capsys):
    lesson.begin("numba")
    (line,) = capsys.readouterr().out.splitlines()
    names = [part.split()[0] for part in line.split(", ")]
    assert names == ["Python", "jarvis", "torch", "numpy", "numba"]
    assert all(part.split()[1][0].isdigit() for part in line.split(", "))
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        lesson.begin("no_such_package")


def test_a_figure_is_large_enough_to_read(capsys):
    plt.rcdefaults()
    lesson.begin()
    fig, ax = plt.subplots()
    lines = [ax.plot([0, 1], [0, 1], label="line")[0] for _ in range(4)]
    legend = ax.legend(title="lines")
    ax.set(title="title", xlabel="time (ms)", ylabel="potential")
    fig.canvas.draw()
    texts = [*ax.get_xticklabels(), *ax.get_yticklabels(), ax.xaxis.label, ax.yaxis.label,
             ax.title, *legend.get_texts(), legend.get_title()]  # fmt: skip
    assert all(text.get_fontsize() >= 9 for text in texts)
    assert not legend.get_frame_on()
    assert fig.get_constrained_layout()
    file = io.BytesIO()
    fig.savefig(file, format="png")
    with Image.open(file) as picture:
        assert picture.size == (704, 330)
    colors = [line.get_color() for line in lines]
    assert colors[0] == plotting.BLUE
    assert not {plotting.ORANGE, plotting.RED} <= set(colors)  # neighbours for a colour-blind eye
    assert font_manager.FontProperties(size="medium").get_size_in_points() >= 9
