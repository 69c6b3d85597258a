"""Train a segmenting network layer by layer with STDP: no labels, no gradients.

python demos/train_spikeseg.py --dataset digits
python demos/train_spikeseg.py --config demos/configs/satellites.yaml --dataset satellites
"""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from itertools import count
from pathlib import Path

import torch

import cli
from jarvis.stdp import (
    DATASETS,
    PAPERS,
    ConfigError,
    LayerwiseRun,
    Recipe,
    Stimuli,
    fit_layers,
    layer_input,
    load_stimuli,
    make_layers,
    make_recipe,
    plain,
    read_recipe,
    restore_recipe,
)
from jarvis.training import CheckpointError, checkpoint_file
from jarvis.training.checkpoints import holds_run

CONFIGS = Path(__file__).resolve().parent / "configs"
log = logging.getLogger("train_spikeseg")


def make_parser() -> cli.Parser:
    parser = cli.Parser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add(
        "--config",
        "-c",
        type=cli.path,
        metavar="YAML",
        default=None,
        help="file with the architecture and learning rule; if neither this nor --paper is given, "
        "the file for the data set in demos/configs",
    )
    add("--paper", choices=tuple(PAPERS), default=None, help="start from the parameters of a paper")
    add(
        "--dataset",
        choices=DATASETS,
        default=None,
        help="training data; digits by default. mnist and nmnist are read from "
        "$JARVIS_DATA or the cache, or downloaded",
    )
    add(
        "--data-folder",
        type=cli.path,
        metavar="DIR",
        default=None,
        help="folder with the images of --dataset folder, one sub-folder per class",
    )
    add(
        "--output",
        "-o",
        type=cli.path,
        metavar="DIR",
        default="./runs",
        help="folder of all runs",
    )
    add(
        "--name",
        "-n",
        type=cli.file_name,
        default=None,
        help="folder of this run in --output; by default named after data set, date and time",
    )
    add(
        "--resume",
        "-r",
        type=cli.path,
        metavar="PATH",
        default=None,
        help="resume from a checkpoint or the folder of a run, with the options of that run",
    )
    add(
        "--epochs",
        type=cli.positive_int,
        default=None,
        help="largest number of epochs per layer; 50 unless set in the config",
    )
    add(
        "--n-classes",
        type=cli.positive_int,
        default=None,
        help="number of maps of conv3; 1 unless set in the config",
    )
    add(
        "--device",
        default="auto",
        help="auto, cpu, cuda or cuda:N; STDP learns from one stimulus at a time, always on the "
        "CPU",
    )
    add(
        "--seed",
        type=cli.seed,
        default=None,
        help="seed of initial weights, stimulus order and noise that revives maps; 42 by default",
    )
    add(
        "--log-level",
        choices=("DEBUG", "INFO", "WARNING", "ERROR"),
        default="INFO",
        help="lowest level of the messages to show",
    )
    add(
        "--no-tensorboard",
        action="store_true",
        help="write no TensorBoard events; by default they are written if TensorBoard is installed",
    )
    return parser


def choose_recipe(args, content: dict | None) -> Recipe:
    """The recipe set by --config, --paper and the data set, or the recipe of the resumed run."""
    options = {"n_classes": args.n_classes, "max_epochs": args.epochs}
    try:
        if args.config is not None:
            return read_recipe(args.config, args.paper, **options)
        if args.paper is not None:
            return make_recipe(paper=args.paper, **options)
        if content is None:
            return read_recipe(CONFIGS / f"{args.dataset}.yaml", **options)
        recipe = restore_recipe(content["recipe"])
        if args.n_classes is not None:
            if recipe.conv3 is None:
                raise ConfigError("n_classes sets the maps of conv3, but there is no conv3")
            recipe = replace(recipe, conv3=replace(recipe.conv3, maps=args.n_classes))
        if args.epochs is not None:
            for name, layer in recipe.layers.items():
                stdp = replace(layer.stdp, max_epochs=args.epochs)
                recipe = replace(recipe, **{name: replace(layer, stdp=stdp)})
        return recipe
    except ConfigError as error:
        raise cli.UsageError(str(error)) from None


def settle(args) -> dict | None:
    """Fill in missing options from the run given by --resume, or from the defaults."""
    content = None
    before: dict = {}
    if args.resume is not None:
        content = cli.read_stdp_run(args.resume)
        before = content["arguments"]
    for key, default in (("dataset", "digits"), ("data_folder", None), ("seed", 42)):
        given, was = getattr(args, key), before.get(key, default)
        if content is not None and given is not None and given != was:
            raise CheckpointError(
                f"{args.resume} belongs to another run: its {key} was {was}, here it is {given}"
            )
        setattr(args, key, was if given is None else given)
    if (args.dataset == "folder") != (args.data_folder is not None):
        raise cli.UsageError("--dataset folder and --data-folder DIR go together")
    return content


def run_folder(args) -> Path:
    """The output folder: a new one, or the folder of the resumed run."""
    if args.resume is not None and args.name is None:
        file = checkpoint_file(args.resume)
        return file.parent.parent if file.parent.name == "checkpoints" else file.parent
    name = args.name or f"{args.dataset}_{datetime.now():%Y%m%d_%H%M%S}"
    folder = Path(args.output) / name
    resumed = None if args.resume is None else checkpoint_file(args.resume).resolve()
    other = resumed is None or folder.resolve() not in resumed.parents
    if args.name is not None and other and holds_run(folder):
        raise cli.UsageError(f"{folder} holds a run already: --resume it, or choose another --name")
    if args.resume is None and args.name is None:
        folder = new_folder(folder)
    return folder


def new_folder(folder: Path) -> Path:
    """Create a folder, with a number added to its name if it already exists."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise cli.UsageError(f"--output {folder.parent} is not a folder") from None
    for n in count(2):
        with suppress(FileExistsError):
            folder.mkdir()
            break
        folder = folder.with_name(f"{folder.name.removesuffix(f'_{n - 1}')}_{n}")
    return folder


@contextmanager
def logging_to(folder: Path, level: str) -> Iterator[None]:
    """Log plain lines to the terminal, and lines with a time stamp to a file."""
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    file = folder / "logs" / f"train_{datetime.now():%Y%m%d_%H%M%S}.log"
    log.setLevel(level)
    log.propagate = False
    log.handlers = [
        logging.StreamHandler(sys.stdout),
        logging.FileHandler(file, encoding="utf-8", errors="backslashreplace"),
    ]
    for handler, form in zip(
        log.handlers, ("%(message)s", "%(asctime)s %(levelname)s %(message)s"), strict=True
    ):
        handler.setFormatter(logging.Formatter(form))
    try:
        yield
    except KeyboardInterrupt as stop:  # cli.run reports it on the terminal
        log.handlers[1].handle(
            log.makeRecord(log.name, logging.WARNING, "", 0, str(stop), (), None)
        )
        raise
    finally:
        for handler in log.handlers:
            handler.close()
        log.handlers = []


def main(args) -> None:
    cli.device(args)
    content = settle(args)
    recipe = choose_recipe(args, content)
    cli.check_stdp_memory(args.dataset, recipe, recipe.samples)
    with cli.usage():
        stimuli = load_stimuli(
            args.dataset, "train", recipe, folder=args.data_folder, limit=recipe.samples
        )
        generator = torch.Generator().manual_seed(args.seed)
        layers = make_layers(recipe, stimuli.events.shape[0], generator)
    arguments = {key: getattr(args, key) for key in ("dataset", "data_folder", "seed")}
    run = LayerwiseRun(layers, recipe, args.seed, arguments)
    try:  # does every layer fit the output of the layer before it?
        layer_input(layers, recipe, stimuli.events[:1])
    except ValueError as error:
        raise cli.UsageError(f"a layer's pool does not fit the images: {error}") from None
    folder = run_folder(args)
    with (
        cli.output_folder(folder, args.resume, None, "--resume it, or choose another --name"),
        logging_to(folder, args.log_level),
    ):
        _train(args, run, stimuli, folder)


def _train(args, run: LayerwiseRun, stimuli: Stimuli, folder: Path) -> None:
    log.info("%r", stimuli)
    for name, layer in run.layers.items():
        log.info("%s: %s, %s", name, layer, "learns" if name in run.learning else "fixed")
    log.debug("recipe: %s", plain(run.recipe))
    if args.device.startswith("cuda"):
        log.warning("STDP learns on the CPU; --device %s is not used", args.device)
    started = time.perf_counter()
    fit_layers(
        run,
        stimuli.events,
        output=folder,
        resume=args.resume,
        tensorboard=not args.no_tensorboard,
        log=log.info,
    )
    log.info("learned in %.1f s; to evaluate: python demos/evaluate_spikeseg.py %s",
             time.perf_counter() - started, folder)  # fmt: skip


if __name__ == "__main__":
    cli.run(make_parser(), main)
