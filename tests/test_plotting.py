"""What is drawn is the data, labelled; nothing given is changed."""

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

from jarvis import plotting


def test_raster_marks_every_spike_once(generator):
    spikes = torch.rand(20, 7, generator=generator).round()
    kept = spikes.clone()
    ax = plotting.raster(spikes, dt=0.5)
    marks = ax.collections[0].get_offsets()
    t, unit = spikes.nonzero(as_tuple=True)
    assert {(float(a), float(b)) for a, b in marks} == {
        (a * 0.5, float(b)) for a, b in zip(t.tolist(), unit.tolist(), strict=True)
    }
    assert ax.get_xlabel() == "time (ms)"
    assert torch.equal(spikes, kept)


def test_trace_with_spikes_and_threshold():
    v = torch.tensor([0.2, 0.9, 0.1], requires_grad=True)
    ax = plotting.trace(v, spikes=torch.tensor([0.0, 1.0, 0.0]), dt=2.0)
    potential, threshold, marks = ax.lines
    assert potential.get_xdata().tolist() == [2.0, 4.0, 6.0]
    np.testing.assert_allclose(potential.get_ydata(), [0.2, 0.9, 0.1], rtol=1e-6)
    assert threshold.get_ydata() == [1.0, 1.0] or list(threshold.get_ydata()) == [1.0, 1.0]
    assert marks.get_xdata().tolist() == [4.0]
    assert "ms" in ax.get_xlabel()


def test_images_share_one_scale():
    pictures = torch.stack([torch.zeros(3, 3), torch.full((3, 3), -2.0), torch.ones(3, 3)])
    axes = plotting.images(pictures, columns=2, symmetric=True, titles=["a", "b", "c"])
    assert axes.shape == (2, 2)
    limits = {ax.images[0].get_clim() for ax in axes.flat if ax.images}
    assert limits == {(-2.0, 2.0)}
    assert [ax.get_title() for ax in axes.flat] == ["a", "b", "c", ""]


def test_confusion_counts():
    ax = plotting.confusion_matrix([0, 0, 1, 2], torch.tensor([0, 1, 1, 2]), 3)
    shown = {tuple(map(int, text.get_position())): text.get_text() for text in ax.texts}
    assert shown == {(0, 0): "1", (1, 0): "1", (1, 1): "1", (2, 2): "1"}
    assert ax.images[0].get_array().tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]


def test_curves():
    ax = plotting.curves({"a": [0.1, 0.2], "b": [0.3]}, chance=0.5)
    assert [line.get_label() for line in ax.lines] == ["a", "b", "chance"]
    assert ax.get_legend() is not None


def test_draws_into_given_axes():
    _, given = plt.subplots()
    assert plotting.raster(torch.eye(3), ax=given) is given
    assert plotting.trace(torch.ones(3), ax=given) is given
    assert plotting.curves({"a": [1.0]}, ax=given) is given


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: plotting.raster(torch.ones(3)), r"\[T, N\]"),
        (lambda: plotting.trace(torch.ones(3, 2)), r"\[T\]"),
        (lambda: plotting.images(torch.ones(3)), r"\[N, H, W\]"),
        (lambda: plotting.images(torch.ones(0, 3, 3)), "N >= 1"),
        (lambda: plotting.confusion_matrix([1], [1, 2], 3), "predictions"),
    ],
)
def test_bad_input(call, says):
    with pytest.raises(ValueError, match=says):
        call()


@pytest.mark.parametrize("bad", [-1, 3])
def test_a_label_out_of_range_is_no_class(bad):
    for name, pair in (("targets", ([0, bad], [0, 1])), ("predicted", ([0, 1], [0, bad]))):
        with pytest.raises(ValueError, match=rf"confusion_matrix: {name} must lie in \[0, 3\)"):
            plotting.confusion_matrix(*pair, 3)
    with pytest.raises(ValueError, match=r"targets must be integers; got 0\.5"):
        plotting.confusion_matrix([0.5, 1.0], [0, 1], 3)
