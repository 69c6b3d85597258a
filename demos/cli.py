"""Code shared by the demo programs: options with units, one-line errors, exit status 2."""

import argparse
import io
import math
import os
import re
import reprlib
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from matplotlib.figure import Figure

from jarvis import SURROGATES, SurrogateSpike
from jarvis.support.downloads import CorruptDataError, MissingDataError
from jarvis.support.files import (
    FolderInUseError,
    atomic_path,
    check_replaceable,
    check_suffix,
    locked,
)
from jarvis.training import (
    CheckpointError,
    History,
    TrainingError,
    checkpoint_file,
    choose_device,
    distributed,
)
from jarvis.training.checkpoints import holds_run
from jarvis.zoo import find, hidden_layer, trainable

if TYPE_CHECKING:
    from jarvis.stdp import Recipe


class UsageError(ValueError):
    """Raised for incompatible options, which the message names."""


#: Smallest and largest absolute value in an option. Beyond these, products of 32-bit numbers are 0
#: or infinite.
SMALLEST, LARGEST = 1e-18, 1e18


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults, except for None, where the help text describes the default."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default is None else super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """An argument parser with one-line errors (printed once per machine) and exit status 2."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", _Help)
        super().__init__(*args, allow_abbrev=False, **kwargs)

    def error(self, message: str) -> NoReturn:
        line = f"{self.prog}: {_one_line(message)} (--help lists the options)\n"
        self.exit(2, None if distributed.local_rank() else line)

    def sizes(self, args: argparse.Namespace) -> list[str]:
        """Up to three options, with their values, that are likely to need the most memory."""
        found = []
        for action in self._actions:
            values = getattr(args, action.dest, None)
            if action.type is not positive_int or values is None or action.dest == "epochs":
                continue
            values = values if isinstance(values, list) else [values]
            default = action.default if isinstance(action.default, int) else 1
            found.append((max(values) / default, action.option_strings[0], values))
        large = [option for option in found if option[0] > 1] or found
        shown = sorted(large, key=lambda option: -option[0])[:3]
        return [f"{name} {' '.join(map(str, values))}" for _, name, values in shown]


def _one_line(message: str) -> str:
    return " ".join(message.split("\n"))


def _shown(text: str) -> str:
    return reprlib.repr(text)


def positive_int(text: str) -> int:
    """An argparse type: an integer from 1 to 2147483647."""
    value = _integer(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is less than 1")
    if value >= 1 << 31:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is more than {(1 << 31) - 1}")
    return value


def not_negative_int(text: str) -> int:
    """An argparse type: 0, or an integer that `positive_int` accepts."""
    return 0 if _integer(text) == 0 else positive_int(text)


def seed(text: str) -> int:
    """An argparse type: an integer from 0 to 9223372036854775807, which fits in 64 bits."""
    value = _integer(text)
    if not 0 <= value < 1 << 63:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is not between 0 and {(1 << 63) - 1}")
    return value


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is not a whole number") from None


def finite_float(text: str) -> float:
    """An argparse type: 0, or a finite number with an absolute value from 1e-18 to 1e18."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is not a number") from None
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{_shown(text)} is not finite")
    if value and not SMALLEST <= abs(value) <= LARGEST:
        large = abs(value) > LARGEST
        limit = f"large: at most {LARGEST:g}" if large else f"small: at least {SMALLEST:g}"
        raise argparse.ArgumentTypeError(f"{_shown(text)} is too {limit}")
    return value


def positive_float(text: str) -> float:
    """An argparse type: a number above 0 that `finite_float` accepts."""
    value = finite_float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is not positive and finite")
    return value


def not_negative_float(text: str) -> float:
    """An argparse type: a number of at least 0 that `finite_float` accepts."""
    value = finite_float(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is negative or not finite")
    return value


def share(text: str) -> float:
    """An argparse type: a number of at least 0 and below 1."""
    value = not_negative_float(text)
    if value >= 1:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is not below 1")
    return value


def path(text: str) -> str:
    """An argparse type: the name of a file or folder, which must not be empty."""
    if not text:
        raise argparse.ArgumentTypeError("the name is empty")
    return text


def file_of(suffix: str) -> Callable[[str], str]:
    """An argparse type: the name of a file that is written in one format.

    A name with the suffix of another format is refused, as in `jarvis.support.files.check_suffix`.
    """

    def checked(text: str) -> str:
        try:
            check_suffix(path(text), suffix)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{_shown(text)} does not end in {suffix}") from None
        return text

    return checked


def net(text: str) -> str:
    """An argparse type: the text that names a network's kind of delays.

    Text that asks for more than 1000 dimensions is refused.
    """
    digits = re.match(r"\d*", text)
    assert digits is not None
    if len(text) > 30 or len(digits[0]) > 9 or int(digits[0] or 0) > 1000:
        raise argparse.ArgumentTypeError(f"{_shown(text)} has more than 1000 dimensions")
    return text


def file_name(text: str) -> str:
    """An argparse type: part of a file name, without anything that leads to another folder."""
    if not text.strip(". ") or any(mark in text for mark in "/\\:\n"):
        raise argparse.ArgumentTypeError(f"{_shown(text)} is not a name within a folder")
    if len(os.fsencode(text)) > 100:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is longer than 100 bytes")
    return text


def add_neuron_options(parser: Parser, *, tau: float, readout: str, readouts: tuple) -> None:
    """Add --neuron --tau --threshold --surrogate --readout, shared by demos that use gradients."""
    parser.add_argument(
        "--neuron",
        choices=trainable(),
        default="lif",
        help="kind of the hidden neurons; their parameters are those in jarvis.zoo",
    )
    parser.add_argument(
        "--tau",
        type=positive_float,
        default=tau,
        metavar="MS",
        help="membrane time constant of LIF neurons and of the read-out in ms; a step is 1 ms",
    )
    parser.add_argument(
        "--threshold",
        type=positive_float,
        default=1.0,
        help="firing threshold of LIF neurons, in units of the potential (resting potential 0)",
    )
    parser.add_argument(
        "--surrogate",
        choices=list(SURROGATES),
        default=None,
        help="surrogate for the derivative of the spike; the default depends on the kind of "
        "neuron and is fast_sigmoid for LIF",
    )
    parser.add_argument(
        "--readout",
        choices=readouts,
        default=readout,
        help="how a class score is computed: mean, last or largest potential, or the "
        "rate, first spike or filtered trace of output neurons",
    )


def neuron_options(args: argparse.Namespace, **lif: Any) -> dict[str, Any]:
    """Arguments for a classifier's neurons, from the options of `add_neuron_options`.

    Args:
        args: the parsed options; the function fills in the surrogate.
        **lif: further options of LIF neurons.
    """
    chosen = args.surrogate
    args.surrogate = chosen or find(args.neuron).hidden.surrogate  # type: ignore[union-attr]
    options = dict(tau=args.tau, threshold=args.threshold, surrogate=SurrogateSpike(args.surrogate))
    if args.neuron == "lif":
        return options | lif
    return options | {"neurons": lambda n: hidden_layer(args.neuron, surrogate=chosen)}


def add_run_options(parser: Parser) -> None:
    """Add --seed --device --output --resume --plot, shared by all demos."""
    parser.add_argument(
        "--seed", type=seed, default=0, help="seed of weights, sample order and random codes"
    )
    parser.add_argument(
        "--device", default="auto", help="auto (CUDA if available), cpu, cuda or cuda:N"
    )
    parser.add_argument(
        "--output",
        type=path,
        metavar="DIR",
        default=None,
        help="folder for checkpoints and metrics_final.json",
    )
    add_force(parser)
    parser.add_argument(
        "--resume",
        type=path,
        metavar="PATH",
        default=None,
        help="resume from a checkpoint, or from the --output of a run",
    )
    add_plot(parser, "write a figure of the run to this file")


def add_force(parser: Parser) -> None:
    """Add --force."""
    parser.add_argument(
        "--force", action="store_true", help="overwrite another run in the --output folder"
    )


def add_plot(parser: Any, words: str) -> None:
    """Add --plot."""
    parser.add_argument("--plot", type=file_of(".png"), metavar="PNG", default=None, help=words)


def device(args: argparse.Namespace) -> torch.device:
    """The device that --device names.

    Raises:
        UsageError: if this machine does not have that device.
    """
    try:
        return choose_device(args.device)
    except ValueError as error:
        raise UsageError(str(error)) from None


def plain(args: argparse.Namespace, *left_out: str) -> dict[str, Any]:
    """The options that define a run, for its checkpoints and metrics.

    Options for the length, device and output of the run are left out. Of the others, only learning
    rates may change when a run is resumed (`jarvis.training.run.MAY_CHANGE`).
    """
    others = {"epochs", "device", "output", "force", "resume", "plot", *left_out}
    if getattr(args, "neuron", None) == "lif":  # as in old runs, which had no such option
        others.add("neuron")
    return {name: value for name, value in vars(args).items() if name not in others}


@contextmanager
def usage() -> Iterator[None]:
    """Turn a ValueError into a UsageError, in a block that makes objects from options."""
    try:
        yield
    except (ValueError, OverflowError) as error:
        raise error if isinstance(error, UsageError | CheckpointError) else UsageError(
            str(error)
        ) from None  # fmt: skip


@contextmanager
def output_folder(
    folder: str | Path | None,
    resume: str | Path | None,
    force: bool | None,
    how: str = "--resume it",
) -> Iterator[None]:
    """Lock the output folder, which must not contain another run.

    Args:
        folder: the folder; None if there is none.
        resume: the checkpoint to resume from, or the folder of its run.
        force: whether another run may be overwritten; None if the program has no --force.
        how: what the message suggests if the folder contains another run.

    Raises:
        UsageError: if the folder contains a run other than the one being resumed.
        FolderInUseError: if another program writes to the folder.
    """
    if folder is None or not distributed.is_main():
        yield
        return
    folder = Path(folder)
    with locked(folder):
        same = resume is not None and _is_in(checkpoint_file(resume), folder)
        if not (same or force) and holds_run(folder):
            overwrite = "" if force is None else ", --force overwrites it"
            raise UsageError(f"{folder} holds a run already: {how}{overwrite}")
        yield


def _is_in(file: Path, folder: Path) -> bool:
    return folder.resolve() in file.resolve().parents


def column(history: History, name: str) -> list[float]:
    """The values of a metric in all epochs.

    Raises:
        CheckpointError: if an epoch of the resumed run does not have this metric.
    """
    if not history.epochs or not all(
        isinstance(epoch.get(name), float) for epoch in history.epochs
    ):
        raise CheckpointError(f"the history of the resumed run has no {name}")
    return history.column(name)


def check_memory(n_bytes: float, where: torch.device, *options: str) -> None:
    """Refuse sizes that cannot fit in the memory of this machine.

    Args:
        n_bytes: a rough lower bound on the memory that the run needs, in bytes.
        where: the device. Only the CPU is checked; a GPU itself reports what does not fit.
        options: the options that determine the estimate, with their values; the option
            with the largest effect comes first.

    Raises:
        UsageError: if the estimate exceeds the memory of this machine.
    """
    there = memory()
    if where.type == "cpu" and n_bytes > there:
        raise UsageError(
            f"{' and '.join(options)} need about {n_bytes / 1e9:,.0f} GB of memory, but only "
            f"{there / 1e9:,.0f} GB are available: reduce them"
        )


def memory() -> float:
    """Bytes that this process may use, given the machine, its container and its limits."""
    found = [math.inf]
    if hasattr(os, "sysconf"):
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for file in ("memory.max", "memory/memory.limit_in_bytes"):  # limits of a container
        with suppress(OSError, ValueError):
            found.append(int((Path("/sys/fs/cgroup") / file).read_text()))
    with suppress(ImportError):
        import resource

        found += [x for x in resource.getrlimit(resource.RLIMIT_AS) if x > 0]
    return float(min(found))


def save_figure(figure: Figure, path: str) -> None:
    """Write a figure as PNG, completely or not at all; under torchrun only rank 0 writes.

    Raises:
        OSError: if the file cannot be written.
    """
    if not distributed.is_main():
        return
    with atomic_path(Path(path)) as part:
        figure.savefig(part, format="png", dpi=150)
    print(f"figure: {path}")


def read_stdp_run(path: str) -> dict[str, Any]:
    """The content of a run's checkpoint, including the arguments of train_spikeseg.py.

    Raises:
        CheckpointError: if the checkpoint is missing, damaged, or from another program.
    """
    from jarvis.stdp import DATASETS, read_run

    content = read_run(path)
    given = content["arguments"]
    folder = given.get("data_folder")
    if (
        given.get("dataset") not in DATASETS
        or (given["dataset"] == "folder") != isinstance(folder, str)
        or not isinstance(folder, str | None)
        or type(given.get("seed")) is not int
    ):
        raise CheckpointError(
            f"{checkpoint_file(path)} is not from a run of train_spikeseg.py: its arguments are "
            f"{', '.join(map(str, given)) or 'missing'}"
        )
    return content


def check_stdp_memory(dataset: str, recipe: "Recipe", n_samples: int | None) -> None:
    """Refuse sizes that do not fit in memory.

    Raises:
        UsageError: if the weights of a layer, or the scenes to be generated, do not fit.
    """
    cpu, maps = torch.device("cpu"), 2
    for name, layer in recipe.layers.items():
        weights = layer.maps * maps * layer.kernel_size**2
        sizes = f"{name}.maps {layer.maps}", f"{name}.kernel_size {layer.kernel_size}"
        check_memory(16.0 * weights, cpu, *sizes)
        maps = layer.maps
    if dataset == "satellites":
        frames = (n_samples or 500) * recipe.n_steps
        sizes = f"samples {n_samples or 500}", f"n_steps {recipe.n_steps}"
        check_memory(4.0 * 64 * 64 * frames, cpu, *sizes)


def run(
    parser: Parser, main: Callable[[argparse.Namespace], None], argv: list[str] | None = None
) -> None:
    """Parse the options, run the program, and report in one line any error that a user can cause.

    The exit status is 2 for a bad option, missing data, an unsuitable checkpoint or a folder that
    is in use; 1 for a failed run; and 130 after an interruption. Any other error is a bug and keeps
    its traceback. Under torchrun only rank 0 prints.
    """
    for stream in (sys.stdout, sys.stderr):  # file names may not be valid text
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if not distributed.is_main():
        with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
            _run(parser, main, argv)
    else:
        _run(parser, main, argv)


def _run(
    parser: Parser, main: Callable[[argparse.Namespace], None], argv: list[str] | None
) -> None:
    args = parser.parse_args(argv)
    try:
        if getattr(args, "plot", None) is not None:
            _check_plot(args.plot)  # before the run, not after it
        with _warnings_as_lines():
            main(args)
        status = 0
    except KeyboardInterrupt as stop:
        if distributed.is_main():
            print(str(stop) or "interrupted", file=sys.stderr)
        status = 130
    except (MissingDataError, CorruptDataError, CheckpointError, UsageError) as error:
        parser.error(str(error))
    except FolderInUseError as error:
        parser.error(_words(error))
    except (TrainingError, FloatingPointError) as error:  # a loss or gradient is not finite
        parser.exit(1, f"{parser.prog}: {_one_line(str(error))}\n")
    except OSError as error:  # a file cannot be read or written
        parser.exit(1, f"{parser.prog}: {_one_line(_words(error))}\n")
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        sizes = " or ".join(parser.sizes(args))
        parser.exit(1, f"{parser.prog}: out of memory: reduce {sizes or 'the sizes'}\n")
    # By now the exception has been released, and with it the frames that referenced the model.
    distributed.leave(status)
    if status:
        sys.exit(status)


@contextmanager
def _warnings_as_lines() -> Iterator[None]:
    """Print each warning of the library as one line, without the source code around it."""
    usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, UserWarning):
            print(f"warning: {_one_line(str(message))}")
        else:
            usual(message, category, *where, **more)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _check_plot(path: str) -> None:
    try:
        check_replaceable(Path(path))
    except OSError as error:
        raise UsageError(f"--plot: {_words(error)}") from None


def _words(error: OSError) -> str:
    """The message of an OSError, without the error number that `str` puts in front of it."""
    return str(error) if error.filename is not None else error.strerror or str(error)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory could not be allocated, or the requested size exceeds 64 bits."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    words = ("allocate", "out of memory", "not enough memory", "overflow", "negative dimension")
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)
