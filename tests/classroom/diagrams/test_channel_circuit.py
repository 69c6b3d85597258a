"""The drawing of a membrane with channels."""

import pytest
from matplotlib import pyplot as plt

from drawings import check_texts
from jarvis.classroom.diagrams.channel_circuit import Channel, channel_circuit

CHANNELS = [
    Channel("leak", "$g_L$ = 10 nS", "$E_L$ = -54.4 mV", False, False, "green"),
    Channel("sodium", "$g_{Na} m^3 h$", "$E_{Na}$ = +50 mV", True, True, "red"),
    Channel("potassium", "$g_K n^4$", "$E_K$ = -77 mV", False, True, "blue"),
]


def test_texts_stand_in_the_drawing_and_apart():
    check_texts(channel_circuit(CHANNELS))


def test_it_draws_into_given_axes_and_names_its_parts():
    _, ax = plt.subplots()
    assert channel_circuit(CHANNELS, ax) is ax
    text = " ".join(text.get_text() for text in ax.texts)
    for channel in CHANNELS:
        assert all(part in text for part in (channel.name, channel.conductance, channel.reversal))


def plates(ax, color):
    """Lengths of the horizontal lines of a colour, from below: the plates of a battery."""
    lines = [line.get_xydata() for line in ax.lines if line.get_color() == color]
    flat = [(y[1][1], y[1][0] - y[0][0]) for y in lines if len(y) == 2 and y[0][1] == y[1][1]]
    return [length for _, length in sorted(flat)]


def test_the_long_plate_of_a_battery_is_the_positive_one():
    ax = channel_circuit(CHANNELS)
    long, short = plates(ax, "blue")  # outside positive: the long plate is the lower one
    assert long > short
    short, long = plates(ax, "red")
    assert long > short


def test_arrows_only_through_conductances_that_change():
    arrows = [text for text in channel_circuit(CHANNELS).texts if not text.get_text()]
    assert len(arrows) == 2


def test_what_is_not_a_channel_is_refused():
    with pytest.raises(TypeError, match="channel_circuit: channels"):
        channel_circuit(["leak"])  # type: ignore[list-item]
