"""The drawing of a synapse."""

import numpy as np
from matplotlib import pyplot as plt

from drawings import check_texts
from jarvis.classroom.diagrams.synapse_chain import synapse_chain


def test_texts_stand_in_the_drawing_and_apart():
    check_texts(synapse_chain())


def test_it_draws_into_given_axes():
    _, ax = plt.subplots()
    assert synapse_chain(ax) is ax
    assert len(plt.get_fignums()) == 1


def test_its_curves_are_computed():
    spike, current, potential = (line.get_xydata() for line in synapse_chain().lines)
    arrived = [curve[np.argmax(curve[:, 1] > 0.01), 0] - curve[0, 0]
               for curve in (spike, current, potential)]  # fmt: skip
    assert np.allclose(np.array(arrived) / 2.3 * 60, 8.0, atol=0.3)  # ms
    peak = potential[np.argmax(potential[:, 1]), 0] - potential[0, 0]
    # tau tau_syn/(tau - tau_syn) ln(tau/tau_syn) = 9.24 ms after the spike at 8 ms, of 60 ms
    assert np.isclose(peak / 2.3 * 60, 8 + 20 / 3 * np.log(4), atol=0.2)
