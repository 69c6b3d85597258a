"""What the tests of drawings share."""

from matplotlib.axes import Axes


def check_texts(ax: Axes) -> None:
    """Assert that all texts stand within the figure, and that no two overlap."""
    figure = ax.get_figure()
    assert figure is not None
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts if text.get_text()]
    assert boxes
    for k, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[:k])
