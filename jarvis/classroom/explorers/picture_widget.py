"""An image in a page that reports pointer positions: a PNG and a few lines of JavaScript.

Without anywidget, `ipywidgets.Image` shows the same image but reports nothing.
"""

from collections.abc import Callable
from typing import Any

import ipywidgets
import traitlets

from jarvis.classroom.explorers.pointer import Pointer, pointers_of

# Only one message is in flight at a time. Pointer events that occur meanwhile are sent with the
# next message, so that a drag never queues up when the kernel is slower than the mouse.
SCRIPT = """
function render({ model, el }) {
  const picture = document.createElement("img");
  const drags = model.get("drags");
  picture.alt = model.get("alt");
  picture.draggable = false;
  Object.assign(picture.style, {
    display: "block", maxWidth: "100%", height: "auto",
    cursor: drags ? "crosshair" : "pointer", touchAction: drags ? "none" : "manipulation",
  });
  el.append(picture);

  let address = null;
  const show = () => {
    const last = address;
    address = URL.createObjectURL(new Blob([model.get("value")], { type: "image/png" }));
    picture.src = address;
    if (last) URL.revokeObjectURL(last);
  };
  show();

  // While the next picture loads, the element's size may briefly be 0, so the last scale is kept.
  let scale = null;
  const measure = () => {
    const width = picture.getBoundingClientRect().width;
    if (picture.complete && picture.naturalWidth && width) scale = picture.naturalWidth / width;
  };
  picture.addEventListener("load", measure);

  let held = false, waiting = false, events = [];
  const send = () => {
    if (waiting || !events.length) return;
    waiting = true;
    model.send({ events });
    events = [];
  };
  const add = (kind, event) => {
    if (kind === "move" && events.length > 400) return;
    measure();
    if (scale === null) return;
    const box = el.getBoundingClientRect();  // the picture begins at its left and top
    const x = scale * (event.clientX - box.left), y = scale * (event.clientY - box.top);
    events.push({ kind, x, y });
    send();
  };
  picture.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    if (drags) {
      picture.setPointerCapture(event.pointerId);
      held = true;
    }
    add("down", event);
  });
  picture.addEventListener("pointermove", (event) => { if (held) add("move", event); });
  const release = (event) => {
    if (held) add("up", event);
    held = false;
  };
  picture.addEventListener("pointerup", release);
  picture.addEventListener("pointercancel", release);

  const answered = () => {
    waiting = false;
    send();
  };
  model.on("change:value", show);
  model.on("msg:custom", answered);
  return () => {
    model.off("change:value", show);
    model.off("msg:custom", answered);
    if (address) URL.revokeObjectURL(address);
  };
}
export default { render };
"""

PointerPicture: Any = None  #: the widget's class; None if anywidget is not installed

try:
    from anywidget import AnyWidget
except ModuleNotFoundError:
    pass
else:

    class _PointerPicture(AnyWidget):
        """``value`` is the PNG; its pointer events go to the function given to `on_pointer`."""

        _esm = SCRIPT
        value = traitlets.Bytes().tag(sync=True)
        alt = traitlets.Unicode().tag(sync=True)
        drags = traitlets.Bool(False).tag(sync=True)

        def on_pointer(self, react: Callable[[list[Pointer]], None]) -> None:
            """Call `react` with the valid pointer events of each message."""

            def received(widget: Any, content: Any, buffers: Any) -> None:
                try:
                    events = content.get("events") if isinstance(content, dict) else None
                    if found := pointers_of(events):
                        react(found)
                finally:
                    self.send({"done": True})  # the page may now send the next events

            self.on_msg(received)

        def __repr__(self) -> str:  # the same in every session, so that notebooks do not change
            return f"PointerPicture(alt={self.alt!r})"

    PointerPicture = _PointerPicture


def picture_widget(
    layout: Any, alt: str = "", drags: bool = False,
    react: Callable[[list[Pointer]], None] | None = None,
) -> Any:  # fmt: skip
    """A widget whose ``value`` is a PNG.

    Args:
        layout: an ipywidgets layout.
        alt: description of the interaction, for those who cannot see the image.
        drags: whether moves with the button held are reported, or only presses.
        react: called with the pointer events; needs anywidget, see `PointerPicture`.
    """
    if react is None or PointerPicture is None:
        return ipywidgets.Image(format="png", layout=layout)
    picture = PointerPicture(alt=alt, drags=drags, layout=layout)
    picture.on_pointer(react)
    return picture
