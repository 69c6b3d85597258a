"""JupyterLab as `make lab` starts it, on a copy of the notebooks; and what is left of it after."""

import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
MARK = "JARVIS_BROWSER_TEST"  #: what this test starts has it in its environment
# A learner is asked once whether news may be fetched; here nobody answers.
SETTINGS = '{"fetchNews": "false", "checkForUpdates": false}'


def command_of_make() -> list[str]:
    """The command line of `make lab`, without the folder that it opens."""
    outer = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")
    env = {name: value for name, value in os.environ.items() if name not in outer}
    shown = subprocess.run(
        ["make", "--no-print-directory", "-n", "lab"],
        cwd=ROOT, env=env, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    *words, folder = shlex.split(shown[-1])
    if folder != "notebooks" or words[1:2] != ["lab"]:
        raise RuntimeError(f"make lab runs {shown[-1]!r}; expected ... jupyter lab notebooks")
    return words


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def marked(folder: Path) -> list[psutil.Process]:
    """The processes that were started with this folder as their mark, ended ones left out."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            named = any(str(folder) in word for word in process.cmdline())
            if named or process.environ().get(MARK) == str(folder):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


class Lab:
    """JupyterLab on a copy of the notebooks, with settings, kernels' files and a token of its own.

    Args:
        folder: an empty folder for all of that.
        log: the file that the server writes to.
    """

    def __init__(self, folder: Path, log: Path) -> None:
        self.folder, self.log_file = folder, log
        self.notebooks = folder / "notebooks"
        shutil.copytree(
            ROOT / "notebooks", self.notebooks,
            ignore=shutil.ignore_patterns(".ipynb_checkpoints", "__pycache__"),
        )  # fmt: skip
        settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
        settings.mkdir(parents=True)
        (settings / "notification.jupyterlab-settings").write_text(SETTINGS)
        self.token, self.port = secrets.token_hex(16), free_port()
        self.env = os.environ | {
            MARK: str(folder),
            "JUPYTER_TOKEN": self.token,
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
            "IPYTHONDIR": str(folder / "ipython"),
        }
        self.command = [
            *command_of_make(), str(self.notebooks), "--no-browser", "--ip=127.0.0.1",
            f"--port={self.port}", "--ServerApp.port_retries=0",
        ]  # fmt: skip
        if os.geteuid() == 0:
            self.command.append("--allow-root")

    def start(self, seconds: float = 90.0) -> None:
        """Start it, and come back when it answers."""
        with self.log_file.open("w") as log:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, env=self.env, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + seconds
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > end:
                said = self.log_file.read_text()[-2000:]
                raise RuntimeError(f"JupyterLab does not answer; {self.log_file} ends:\n{said}")
            time.sleep(0.3)

    def _answers(self) -> bool:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/status",
            headers={"Authorization": f"token {self.token}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def url(self, notebook: str) -> str:
        """The address of a notebook, in a workspace of its own: nothing else is open there."""
        workspace = Path(notebook).stem
        return (
            f"http://127.0.0.1:{self.port}/lab/workspaces/{workspace}/tree/{notebook}"
            f"?token={self.token}"
        )

    def close(self) -> None:
        """Stop it as Ctrl-C would, with its kernels."""
        process = getattr(self, "process", None)
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def clean_up(folder: Path, seconds: float = 10.0) -> list[str]:
    """Wait until all marked processes have ended, kill those that have not, and name them."""
    end = time.monotonic() + seconds
    while (left := marked(folder)) and time.monotonic() < end:
        time.sleep(0.2)
    named = []
    for process in left:
        try:
            named.append(f"{process.pid}: {' '.join(process.cmdline())[:200]}")
            process.kill()
        except psutil.NoSuchProcess:
            continue
    return named
