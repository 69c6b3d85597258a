"""Every frame that the browser puts on the screen, by the DevTools protocol."""

import base64
import io
import json
import threading
import urllib.request
from types import TracebackType

import numpy as np
import websocket
from PIL import Image
from selenium.webdriver import Chrome

WIDTH = 960  #: of a frame, px; smaller than the page, so that frames come fast


class Film:
    """`with Film(driver) as film: ...`; afterwards `film.frames` has what was to be seen.

    A script in the page cannot tell whether a picture is on the screen: while the next one loads,
    Chromium still paints the last one. So frames are taken where the screen would get them. One
    comes whenever something has changed.
    """

    def __init__(self, driver: Chrome) -> None:
        address = driver.capabilities["goog:chromeOptions"]["debuggerAddress"]
        with urllib.request.urlopen(f"http://{address}/json/list", timeout=20) as answer:
            pages = [page for page in json.load(answer) if page["type"] == "page"]
        self.width = driver.execute_script("return innerWidth")
        self.frames: list[bytes] = []
        self._socket = websocket.create_connection(
            pages[0]["webSocketDebuggerUrl"], timeout=20, suppress_origin=True
        )
        self._sent = 0
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> "Film":
        self._send("Page.startScreencast", format="jpeg", quality=80, maxWidth=WIDTH)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._socket.close()
        self._thread.join(20)

    def _send(self, method: str, **params: object) -> None:
        self._sent += 1
        self._socket.send(json.dumps({"id": self._sent, "method": method, "params": params}))

    def _listen(self) -> None:
        while True:
            try:
                message = json.loads(self._socket.recv() or "{}")
                if message.get("method") == "Page.screencastFrame":
                    self._send("Page.screencastFrameAck", sessionId=message["params"]["sessionId"])
                    self.frames.append(base64.b64decode(message["params"]["data"]))
            except (websocket.WebSocketException, OSError, ValueError):
                return  # closed

    def ink(self, box: list[float]) -> list[float]:
        """The share of dark pixels in a place of the page (left, top, right, bottom), by frame."""
        shares = []
        for frame in self.frames:
            picture = Image.open(io.BytesIO(frame)).convert("L")
            scale = picture.width / self.width
            part = picture.crop([round(scale * x) for x in box])
            shares.append(float((np.asarray(part) < 160).mean()))
        return shares
