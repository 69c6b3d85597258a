"""What a learner does with a notebook and an explorer, by mouse and keyboard."""

import base64
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from .lab import Lab

HERE = Path(__file__).parent
WATCH = (HERE / "watch.js").read_text(encoding="utf-8")
PICTURE = """
const done = arguments[1];
fetch(arguments[0].src).then(answer => answer.arrayBuffer()).then(buffer => {
  let text = "";
  for (const byte of new Uint8Array(buffer)) text += String.fromCharCode(byte);
  done(btoa(text));
}).catch(error => done("failed: " + error));
"""
PLACE = """
const box = arguments[0].getBoundingClientRect();
return [box.left, box.top, box.width, box.height, arguments[0].naturalWidth];
"""
BUSY = "return document.querySelector('.jp-Notebook-ExecutionIndicator').dataset.status !== 'idle'"
CONTROLS = r"""
const found = [];
for (const row of arguments[0].children) {
  const menu = row.querySelector("select"), number = row.querySelector(".widget-readout");
  if (!menu && !number) continue;
  const text = menu ? menu.selectedOptions[0].textContent : number.textContent;
  found.push([row.querySelector(".widget-label").textContent, text.replace("\u2212", "-")]);
}
return found;
"""
# Every label and number whose text does not fit, and every picture that leaves its cell.
CUT = """
const root = arguments[0], found = [];
for (const one of root.querySelectorAll(".widget-label, .widget-readout"))
  if (one.scrollWidth > one.clientWidth) found.push(one.textContent + " is cut");
const area = root.closest(".jp-OutputArea-child").getBoundingClientRect();
const picture = root.querySelector("img").getBoundingClientRect();
if (picture.right > area.right + 1) found.push("the picture is wider than its cell");
return found;
"""


def wait(found: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    """The first true value of `found`, or an error that says what did not come."""
    end = time.monotonic() + seconds
    while True:
        try:
            if value := found():
                return value
        except StaleElementReferenceException:
            pass  # the page was just redrawn
        if time.monotonic() > end:
            raise AssertionError(f"within {seconds:g} s: {what} did not come")
        time.sleep(0.05)


class Notebook:
    """A notebook, opened in the browser."""

    def __init__(self, driver: Chrome, lab: Lab, name: str) -> None:
        self.driver, self.path = driver, lab.notebooks / name
        driver.get(lab.url(name))
        n_cells = len(nbformat.read(self.path, as_version=4).cells)
        wait(lambda: len(self._all(".jp-Notebook .jp-Cell")) == n_cells, f"{n_cells} cells", 90)
        wait(lambda: self.status() == "idle", "a kernel that is ready", 90)

    def _all(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def status(self) -> str | None:
        """What the notebook's toolbar shows of the kernel: idle, busy, ..."""
        found = self._all(".jp-Notebook-ExecutionIndicator")
        return found[0].get_attribute("data-status") if found else None

    def prompts(self) -> list[str]:
        """What stands before each code cell: [ ]:, [*]: or its number."""
        return self.driver.execute_script(
            "return [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]"
            ".map(one => one.textContent)"
        )

    def choose(self, menu: str, item: str) -> None:
        """Click an item of the menu bar's menus."""
        for css, text in ((".lm-MenuBar-itemLabel", menu), (".lm-Menu-itemLabel", item)):
            wait(lambda css=css, text=text: self._click(css, text), f"{text} in the menu", 15)

    def _click(self, css: str, text: str) -> bool:
        for one in self._all(css):
            if one.text == text:
                one.click()
                return True
        return False

    def run_all(self, seconds: float = 200.0) -> nbformat.NotebookNode:
        """Run > Run All Cells; when none is left to run, save, and read what is in the file."""
        before = self.prompts()

        def started() -> bool:  # JupyterLab may still be loading, and do nothing
            self.choose("Run", "Run All Cells")
            with suppress(AssertionError):
                wait(lambda: self.prompts() != before, "a start", 8)
            return self.prompts() != before

        wait(started, "a start", 30)  # not told by the status: the kernel may just have come

        def ran() -> bool:
            return self.status() == "idle" and "[*]:" not in self.prompts()

        wait(ran, "the end of all cells", seconds)
        return self.save()

    def save(self) -> nbformat.NotebookNode:
        """Save by the keyboard, and read the file."""
        before = self.path.stat().st_mtime_ns
        ActionChains(self.driver).key_down(Keys.CONTROL).send_keys("s").key_up(
            Keys.CONTROL
        ).perform()
        wait(lambda: self.path.stat().st_mtime_ns != before, "the saved file", 30)

        def whole() -> nbformat.NotebookNode | None:
            with suppress(nbformat.reader.NotJSONError):  # it is being written
                return nbformat.read(self.path, as_version=4)
            return None

        return wait(whole, "the whole of the saved file", 30)

    def explorers(self) -> list["Explorer"]:
        """All explorers of the notebook, in their order."""
        found = self._all(".jp-OutputArea-output .widget-vbox")
        return [Explorer(self.driver, one) for one in found]


class Explorer:
    """Sliders, a line for what is wrong, a picture; watched from here on for flicker."""

    def __init__(self, driver: Chrome, root: WebElement) -> None:
        self.driver, self.root = driver, root

    def show(self) -> None:
        """Scroll to it, wait until all is where it stays, and begin to watch."""
        seen: list[list[float]] = []

        def still() -> bool:
            self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", self.root)
            seen.append(self.driver.execute_script(PLACE, self.picture))
            time.sleep(0.1)
            return len(seen) > 3 and seen[-1] == seen[-2] == seen[-3] and seen[-1][-1] > 0

        wait(still, "a picture that stays in its place")
        self.driver.execute_script("if (window.jarvisWatch) window.jarvisWatch.on = false")
        self.driver.execute_script(WATCH, self.root)

    @property
    def picture(self) -> WebElement:
        return self.root.find_element(By.TAG_NAME, "img")

    @property
    def controls(self) -> dict[str, str]:
        """What each control shows, by its label; a minus is a hyphen here."""
        return dict(self.driver.execute_script(CONTROLS, self.root))

    @property
    def message(self) -> str:
        """The visible text of the line for notes and errors."""
        return "\n".join(a.text for a in self.root.find_elements(By.CSS_SELECTOR, "[role=alert]"))

    def png(self) -> bytes:
        """The picture that the page shows, byte by byte."""
        text = self.driver.execute_async_script(PICTURE, self.picture)
        return base64.b64decode(text, validate=True)

    def cut(self) -> list[str]:
        """What does not fit its place."""
        return self.driver.execute_script(CUT, self.root)

    def watched(self, what: str) -> Any:
        """A field of what watch.js has seen."""
        return self.driver.execute_script(f"return window.jarvisWatch.{what}")

    def _handle(self, label: str) -> tuple[WebElement, WebElement]:
        for row in self.root.find_elements(By.CSS_SELECTOR, ".widget-inline-hbox"):
            if row.find_element(By.CSS_SELECTOR, ".widget-label").text == label:
                return (row.find_element(By.CSS_SELECTOR, ".noUi-handle"),
                        row.find_element(By.CSS_SELECTOR, ".noUi-base"))  # fmt: skip
        raise AssertionError(f"no slider {label!r}; there are {', '.join(self.controls)}")

    def drag(
        self, label: str, to: float, steps: int, after: Callable[[int], None] = lambda step: None
    ) -> None:
        """Take a slider's knob, move it to a share of its way in steps, let go at the end.

        `after` is called with 0 before the first step, and after each with its number.
        """
        handle, bar = self._handle(label)
        box, way = handle.rect, bar.rect
        total = way["x"] + to * way["width"] - (box["x"] + box["width"] / 2)
        ActionChains(self.driver, duration=0).click_and_hold(handle).perform()
        try:
            after(0)
            done = 0
            for step in range(1, steps + 1):
                by = round(total * step / steps) - done
                done += by
                ActionChains(self.driver, duration=0).move_by_offset(by, 0).perform()
                after(step)
        finally:
            with suppress(WebDriverException):  # the first failure is the one to be told
                ActionChains(self.driver, duration=0).release().perform()

    def press(self, *places: tuple[float, float]) -> None:
        """Press the mouse on a place of the picture, go to the others, let go.

        Places are pixels of the picture, from its left and top.
        """
        left, top, width, _, natural = self.driver.execute_script(PLACE, self.picture)
        at = [(round(left + x * width / natural), round(top + y * width / natural))
              for x, y in places]  # fmt: skip
        actions = ActionChains(self.driver, duration=40)
        mouse = actions.w3c_actions.pointer_action
        mouse.move_to_location(*at[0]).pointer_down()
        for place in at[1:]:
            mouse.move_to_location(*place)
        mouse.pointer_up()
        actions.perform()

    def push(self, text: str) -> None:
        """Push the button with this text."""
        buttons = self.root.find_elements(By.TAG_NAME, "button")
        next(button for button in buttons if button.text == text).click()

    def drag_and_time(self, label: str, to: float, steps: int) -> list[float]:
        """Drag, waiting at each step for the new picture: ms from pointer event to picture."""
        took: list[float] = []

        def after(step: int) -> None:
            if step:
                wait(lambda: self.watched("loads.length"), f"a picture after {label!r} moved", 20)
                took.append(self.watched("loads[0][0]") - self.watched("moved"))
                time.sleep(0.05)
            self.driver.execute_script("jarvisWatch.moved = null; jarvisWatch.loads = []")

        self.drag(label, to, steps, after)
        return took

    def settle(self, seconds: float = 0.6) -> None:
        """Wait until no new picture has come for a while, and the kernel rests."""
        seen, since = -1, time.monotonic()
        end = since + 30
        while time.monotonic() - since < seconds and time.monotonic() < end:
            time.sleep(0.1)
            now, busy = self.watched("loads.length"), self.driver.execute_script(BUSY)
            if now != seen or busy:
                seen, since = now, time.monotonic()
