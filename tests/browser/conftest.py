"""The browser, JupyterLab, and what is kept of them in runs/browser."""

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from .lab import MARK, ROOT, Lab, clean_up

HERE = Path(__file__).parent
KEPT = ROOT / "runs" / "browser"
MEASURED: dict[str, dict] = {}
OPEN: list = []  #: the browser, while there is one
STARTED: list[Path] = []  #: this session's temporary folder, as soon as there is one


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Only where this folder is named: the plain `pytest` needs no browser."""
    named = [config.invocation_params.dir / arg.split("::")[0] for arg in config.args]
    return None if any(HERE in (p.resolve(), *p.resolve().parents) for p in named) else True


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A temporary folder; at the end no process that has to do with it may run."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that all is closed then, too
    shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir(parents=True)
    made = Path(tempfile.mkdtemp(prefix="jarvis-browser-")).resolve()
    STARTED.append(made)
    yield made
    left = clean_up(made)
    shutil.rmtree(made, ignore_errors=True)
    assert not left, f"these processes were left and have been killed: {left}"


@pytest.fixture(scope="session")
def lab(folder: Path) -> Iterator[Lab]:
    server = Lab(folder, KEPT / "lab.log")
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def driver(folder: Path):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    found = {
        name: shutil.which(os.environ.get(name.upper(), name))
        for name in ("chromium", "chromedriver")
    }
    for name, path in found.items():
        if not path:
            pytest.fail(
                f"{name} was not found: run tools/install_browser.sh, or set {name.upper()}"
            )
    options = webdriver.ChromeOptions()
    options.binary_location = found["chromium"]
    # /dev/shm may be small in a container; the rest keeps it from talking to anybody.
    for option in ("--headless=new", "--window-size=1440,1000", f"--user-data-dir={folder}/browser",
                   "--disable-dev-shm-usage", "--force-device-scale-factor=1",
                   "--no-first-run", "--disable-background-networking"):  # fmt: skip
        options.add_argument(option)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # which Chromium refuses to root
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = Service(
        found["chromedriver"], env=os.environ | {MARK: str(folder)},
        log_output=str(KEPT / "chromedriver.log"),
    )  # fmt: skip
    browser = webdriver.Chrome(options=options, service=service)
    browser.set_page_load_timeout(90)
    browser.set_script_timeout(30)
    OPEN.append(browser)
    try:
        yield browser
    finally:
        OPEN.remove(browser)
        keep_console(browser)
        browser.quit()  # what it cannot end, `folder` ends


def keep_console(browser) -> None:
    """Add what the page has said since the last time to console.log."""
    from selenium.common.exceptions import WebDriverException

    console = KEPT / "console.log"
    with console.open("a", encoding="utf-8") as log, suppress(WebDriverException):  # it crashed
        for entry in browser.get_log("browser"):
            log.write(f"{entry['level']}: {entry['message']}\n")


@pytest.fixture
def shot(driver) -> Callable[[str], None]:
    """`shot(name)` keeps what the browser shows."""
    return lambda name: driver.save_screenshot(str(KEPT / f"{name}.png"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """After a failure, keep what the browser shows and what the page has said."""
    report = yield
    if report.failed and OPEN:
        from selenium.common.exceptions import WebDriverException

        with suppress(WebDriverException):  # a browser that crashed; the failure says so
            OPEN[-1].save_screenshot(str(KEPT / f"failed-{item.name}-{report.when}.png"))
        keep_console(OPEN[-1])
    return report


@pytest.fixture(scope="session")
def measured(folder: Path) -> Iterator[dict[str, dict]]:
    """What was measured, by explorer; written to measured.json."""
    yield MEASURED
    (KEPT / "measured.json").write_text(json.dumps(MEASURED, indent=1) + "\n", encoding="utf-8")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if STARTED:
        terminalreporter.write_line(f"screenshots and logs: {KEPT.relative_to(ROOT)}/")
    for name, row in MEASURED.items():
        values = ", ".join(f"{key} {value}" for key, value in row.items())
        terminalreporter.write_line(f"{name}: {values}")
