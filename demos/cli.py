"""What the demo programs share: options with units, one-line errors, exit status 2."""

import argparse
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NoReturn

import torch
from matplotlib.figure import Figure

from jarvis import SURROGATES
from jarvis.support.downloads import CorruptDataError, MissingDataError
from jarvis.support.files import atomic_path
from jarvis.training import CheckpointError, TrainingError, choose_device, distributed


class UsageError(ValueError):
    """Options that do not fit together; the message says which."""


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults, but for None, which stands for one that the help text describes."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default is None else super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line (on each machine), with exit status 2."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", _Help)
        super().__init__(*args, allow_abbrev=False, **kwargs)

    def error(self, message: str) -> NoReturn:
        line = f"{self.prog}: {message} (--help lists the options)\n"
        self.exit(2, None if distributed.local_rank() else line)


def positive_int(text: str) -> int:
    """An argparse type: an integer of at least 1."""
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value


def positive_float(text: str) -> float:
    """An argparse type: a finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not positive and finite")
    return value


def not_negative_float(text: str) -> float:
    """An argparse type: a finite number of at least 0."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is negative or not finite")
    return value


def add_neuron_options(parser: Parser, *, tau: float, readout: str, readouts: tuple) -> None:
    """--tau --threshold --surrogate --readout, which every gradient-trained demo has."""
    parser.add_argument(
        "--tau",
        type=positive_float,
        default=tau,
        metavar="MS",
        help="membrane time constant in ms; a step is 1 ms",
    )
    parser.add_argument(
        "--threshold",
        type=positive_float,
        default=1.0,
        help="firing threshold, in units of the potential (rest is 0)",
    )
    parser.add_argument(
        "--surrogate",
        choices=list(SURROGATES),
        default="fast_sigmoid",
        help="stand-in for the spike's derivative",
    )
    parser.add_argument(
        "--readout",
        choices=readouts,
        default=readout,
        help="what becomes a class score: mean, last or largest potential, or the "
        "rate, first spike or filtered trace of output neurons",
    )


def add_run_options(parser: Parser) -> None:
    """--seed --device --output --resume --plot, which every demo has."""
    parser.add_argument(
        "--seed", type=int, default=0, help="of initial weights, order of samples and random codes"
    )
    parser.add_argument(
        "--device", default="auto", help="auto (CUDA where there is one), cpu, cuda or cuda:N"
    )
    parser.add_argument(
        "--output",
        metavar="DIR",
        default=None,
        help="folder for checkpoints and metrics_final.json",
    )
    parser.add_argument(
        "--resume",
        metavar="PATH",
        default=None,
        help="go on from a checkpoint, or from the --output of a run",
    )
    parser.add_argument(
        "--plot", metavar="PNG", default=None, help="write a figure of the run there"
    )


def device(args: argparse.Namespace) -> torch.device:
    """The device that --device names.

    Raises:
        UsageError: if this machine does not have it.
    """
    try:
        return choose_device(args.device)
    except ValueError as error:
        raise UsageError(str(error)) from None


def plain(args: argparse.Namespace, *left_out: str) -> dict[str, Any]:
    """The options that make a run what it is, for its checkpoints and metrics.

    Left out are those that say how long it is, where it runs and where it writes. Of what is left,
    learning rates may change when a run goes on (`jarvis.training.run.MAY_CHANGE`).
    """
    others = {"epochs", "device", "output", "resume", "plot", *left_out}
    return {name: value for name, value in vars(args).items() if name not in others}


def save_figure(figure: Figure, path: str) -> None:
    """Write a figure as PNG, whole or not at all; under torchrun only rank 0 does.

    Raises:
        OSError: if it cannot be written.
    """
    if not distributed.is_main():
        return
    with atomic_path(Path(path)) as part:
        figure.savefig(part, format="png", dpi=150)
    print(f"figure: {path}")


def run(parser: Parser, main: Callable[[argparse.Namespace], None]) -> None:
    """Parse, run, and turn what a user can cause into one line and an exit status.

    2 for a bad option, missing data or an unfit checkpoint; 1 for a run that failed; 130 after an
    interruption. Anything else is a defect, and keeps its traceback. Under torchrun only rank 0
    prints.
    """
    if not distributed.is_main():
        with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
            _run(parser, main)
    else:
        _run(parser, main)


def _run(parser: Parser, main: Callable[[argparse.Namespace], None]) -> None:
    args = parser.parse_args()
    try:
        main(args)
        status = 0
    except KeyboardInterrupt as stop:
        if distributed.is_main():
            print(str(stop) or "interrupted", file=sys.stderr)
        status = 130
    except (MissingDataError, CorruptDataError, CheckpointError, UsageError) as error:
        parser.error(str(error))
    except (TrainingError, FloatingPointError, OSError) as error:  # loss, gradients, disk
        parser.exit(1, f"{parser.prog}: {error}\n")
    # Here the exception is gone, and with it the frames that held the model.
    distributed.leave(status)
    if status:
        sys.exit(status)
