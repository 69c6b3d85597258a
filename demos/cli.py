"""Shared by the demo programs: options with units, one-line errors, exit status 2."""

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
    """Options that are incompatible; the message says which."""


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults, except for None, where the help text describes the default."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default is None else super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """An argument parser with one-line errors (one per machine) and exit status 2."""

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


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def positive_float(text: str) -> float:
    """An argparse type: a finite number above 0."""
    value = _number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not positive and finite")
    return value


def not_negative_float(text: str) -> float:
    """An argparse type: a finite number of at least 0."""
    value = _number(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is negative or not finite")
    return value


def add_neuron_options(parser: Parser, *, tau: float, readout: str, readouts: tuple) -> None:
    """Add --tau --threshold --surrogate --readout, shared by all gradient-trained demos."""
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
        help="firing threshold, in units of the potential (resting potential 0)",
    )
    parser.add_argument(
        "--surrogate",
        choices=list(SURROGATES),
        default="fast_sigmoid",
        help="surrogate for the spike's derivative",
    )
    parser.add_argument(
        "--readout",
        choices=readouts,
        default=readout,
        help="how a class score is computed: mean, last or largest potential, or the "
        "rate, first spike or filtered trace of output neurons",
    )


def add_run_options(parser: Parser) -> None:
    """Add --seed --device --output --resume --plot, shared by all demos."""
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of weights, order of samples and random codes"
    )
    parser.add_argument(
        "--device", default="auto", help="auto (CUDA if available), cpu, cuda or cuda:N"
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
        help="resume from a checkpoint, or from the --output of a run",
    )
    parser.add_argument(
        "--plot", metavar="PNG", default=None, help="write a figure of the run to this file"
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
    """The options that define a run, for its checkpoints and metrics.

    Options for its length, its device and its output are left out. Of the others, only learning
    rates may change when a run is resumed (`jarvis.training.run.MAY_CHANGE`).
    """
    others = {"epochs", "device", "output", "resume", "plot", *left_out}
    return {name: value for name, value in vars(args).items() if name not in others}


def save_figure(figure: Figure, path: str) -> None:
    """Write a figure as PNG, completely or not at all; under torchrun only rank 0 writes.

    Raises:
        OSError: if it cannot be written.
    """
    if not distributed.is_main():
        return
    with atomic_path(Path(path)) as part:
        figure.savefig(part, format="png", dpi=150)
    print(f"figure: {path}")


def run(parser: Parser, main: Callable[[argparse.Namespace], None]) -> None:
    """Parse, run, and report errors that a user can cause in one line with an exit status.

    2 for a bad option, missing data or an unsuitable checkpoint; 1 for a failed run; 130 after an
    interruption. Anything else is a bug and keeps its traceback. Under torchrun only rank 0
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
    # Here the exception has been released, and with it the frames that referenced the model.
    distributed.leave(status)
    if status:
        sys.exit(status)
