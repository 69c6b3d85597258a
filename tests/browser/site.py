"""The pages of the site that run in the browser, built from source, and what a reader does."""

import functools
import http.server
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from .lab import ROOT

#: All pages but these and what they need are left out, so that the build takes seconds.
KEPT = ("explorer", "glossary", "start")
KNOB = 16.0  #: pixels, of a slider's knob
#: Notes for which values of a control the figures are drawn, frame by frame.
WATCH = """
const [root, name] = arguments;
const drawn = window.jarvisDrawn = [];
const look = () => {
  const value = root.view.now[name];
  if (drawn[drawn.length - 1] !== value) drawn.push(value);
  if (window.jarvisDrawn === drawn) requestAnimationFrame(look);
};
look();
"""


def build(folder: Path) -> Path:
    """Build the explorers' page with the site's own configuration; returns the HTML's folder."""
    docs = ROOT / "docs"
    left_out = [p.stem + ".md" for p in docs.glob("*.md") if p.stem not in (*KEPT, "index")]
    left_out += ["_build", "notebooks/*", "api/*"]
    html = folder / "html"
    subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-b", "html", "-d", str(folder / "doctrees"),
         "-D", f"exclude_patterns={','.join(left_out)}", str(docs), str(html)],
        check=True, capture_output=True,
    )  # fmt: skip
    return html


class Server:
    """Serves a folder on this machine, and remembers what was asked for."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:
                asked.append(self.path)

        self._server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))
        )
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def url(self, page: str) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/{page}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class SiteExplorer:
    """One explorer of the page: its controls, what it says, and its figures."""

    def __init__(self, driver: Chrome, model: str) -> None:
        self.driver = driver
        css = f'.jarvis-explorer[data-model="{model}"]'
        self.root = driver.find_element(By.CSS_SELECTOR, css)
        driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", self.root)

    def control(self, name: str) -> WebElement:
        return self.root.find_element(By.NAME, name)

    @property
    def said(self) -> str:
        return self.root.find_element(By.CLASS_NAME, "jarvis-said").text

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of what is shown now."""
        return self.driver.execute_script("return arguments[0].view.now", self.root)

    @property
    def view(self) -> dict[str, Any]:
        """The arrays of what is shown now."""
        return self.driver.execute_script("return arguments[0].view.view", self.root)

    def paths(self) -> list[str]:
        """The drawn curves, point by point."""
        found = self.root.find_elements(By.CSS_SELECTOR, ".jarvis-plot .curve")
        return [str(path.get_attribute("d")) for path in found]

    def labels(self) -> list[str]:
        found = self.root.find_elements(By.CSS_SELECTOR, ".jarvis-plot")
        return [str(plot.get_attribute("aria-label")) for plot in found]

    def drag(self, name: str, to: float) -> list[float]:
        """Take a slider's knob by the mouse and move it to a share of its way, in ten steps.

        Returns the values for which the figures were drawn on the way. (One chain of actions: from
        one chain to the next, chromedriver forgets what the browser drags.)
        """
        slider = self.control(name)
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", slider)
        self.driver.execute_script(WATCH, self.root, name)
        low, high, now = (float(str(slider.get_attribute(key))) for key in ("min", "max", "value"))
        way = slider.rect["width"] - KNOB
        start = (now - low) / (high - low) * way - way / 2
        total, done = to * way - way / 2 - start, 0
        actions = ActionChains(self.driver, duration=50)
        actions.move_to_element_with_offset(slider, round(start), 0).click_and_hold()
        for step in range(1, 11):
            by = round(total * step / 10) - done
            done += by
            actions.move_by_offset(by, 0)
        actions.release().perform()
        return self.driver.execute_script("return window.jarvisDrawn")

    def press(self, name: str, key: str, times: int) -> None:
        """Focus a control by the keyboard's means, and press a key."""
        self.control(name).send_keys(*([key] * times))

    def choose(self, name: str, option: str) -> None:
        """Choose an option of a menu by the mouse."""
        menu = self.control(name)
        menu.find_element(By.CSS_SELECTOR, f'option[value="{option}"]').click()

    def again(self) -> None:
        self.root.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
