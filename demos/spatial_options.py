"""The options of ``demos/train_spatial.py``, and which of them define a run."""

import argparse
import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import cli
import words
from jarvis.training import distributed

#: Options that may differ when a run is resumed: where and how long it runs, where it writes.
MAY_DIFFER = ("nepochs", "reload", "force", "skip", "tmp", "debug", "shard", "vplot")


class Parser(cli.Parser):
    """Accepts ``--batch-size`` for ``--batch_size``."""

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[override]
        given = sys.argv[1:] if args is None else args
        known = []
        for word in given:
            name, equals, value = word.partition("=")
            known.append(
                name.replace("-", "_").replace("__", "--", 1) + equals + value
                if word.startswith("--") and not word.startswith("---")
                else word
            )
        return super().parse_known_args(known, namespace)


def make_parser(doc: str = "Train a spatial network on spoken digits.") -> Parser:
    """All options of ``demos/train_spatial.py``; the first line of `doc` describes the program."""
    parser = Parser(description=doc.splitlines()[0])
    whole, above, least = cli.positive_int, cli.positive_float, cli.not_negative_float
    share = cli.share

    add = parser.add_argument_group("network").add_argument
    add(
        "--net",
        type=cli.net,
        default="inf",
        help="type of delays: 0 (none), inf (free, one per synapse), a number D (distances between "
        "positions in D dimensions), DeEPS (such distances, each stretched by a factor of up to "
        "1 + EPS) or DgEPS (positions on a grid)",
    )
    add("--nhidden", type=whole, default=100, help="hidden neurons")
    add(
        "--delaymu",
        type=least,
        default=8.0,
        metavar="MS",
        help="initial mean of free delays, ms",
    )
    add(
        "--delaysigma",
        type=least,
        default=1.0,
        metavar="MS",
        help="initial standard deviation of free delays, ms",
    )
    add(
        "--possigma",
        type=least,
        default=20.0,
        metavar="MS",
        help="initial standard deviation of positions, ms",
    )
    add("--line", action="store_true", help="input channels start on a line of length 4 possigma")
    add(
        "--circle",
        action="store_true",
        help="inputs start on a circle of radius 2 possigma, hidden neurons on one of radius "
        "possigma (--net 2)",
    )
    add("--istat", action="store_true", help="input channels keep their initial positions")
    add(
        "--wstat",
        action="store_true",
        help="all weights of a matrix start at the same value, the mean of random weights",
    )
    add(
        "--signed",
        action="store_true",
        help="initial weights have random signs: a third of the input weights and half of the "
        "recurrent ones are negative",
    )
    add(
        "--time_bins",
        type=whole,
        default=1,
        metavar="N",
        help="the read-out counts spikes in each of N equal parts of --duration",
    )
    add("--pos", action="store_true", help="every synapse is excitatory: |w| is used instead of w")
    add(
        "--ifactor",
        type=above,
        default=None,
        help="input weights start at |U(-0.2, 0.8)| 400 ifactor / (700 nhidden); by default they "
        "are scaled to --start_rate instead",
    )
    add(
        "--rfactor",
        type=above,
        default=1.0,
        help="recurrent weights start at |U(-0.2, 0.8)| 35 rfactor / nhidden^2",
    )
    add("--feedforward", action="store_true", help="no synapses between hidden neurons")
    add(
        "--start_rate",
        type=above,
        default=None,
        metavar="HZ",
        help="initial mean firing rate on 64 training words; 20 Hz unless --ifactor is given",
    )

    add = parser.add_argument_group("neuron").add_argument
    add(
        "--dt",
        type=above,
        default=0.5,
        metavar="MS",
        help="time step, ms; a shorter one is more accurate and takes proportionally longer",
    )
    add("--tau", type=above, default=10.0, metavar="MS", help="membrane time constant, ms")
    add("--tau_syn", type=above, default=2.0, metavar="MS", help="synaptic time constant, ms")
    add(
        "--integrator",
        choices=("exact", "euler"),
        help="integration scheme; by default exact for LIF, and euler, as in the paper, for --adex",
    )
    add(
        "--adex",
        action="store_true",
        help="adaptive exponential neurons (dimensionless) instead of LIF",
    )
    add(
        "--adex_a",
        type=cli.finite_float,
        default=0.01,
        metavar="A",
        help="how strongly the potential drives the adaptation, 1/ms^2",
    )
    add(
        "--adex_b",
        type=cli.finite_float,
        default=0.02,
        metavar="B",
        help="increase of the adaptation at each spike, 1/ms",
    )
    add(
        "--adex_tau",
        type=above,
        default=200.0,
        metavar="MS",
        help="time constant of the adaptation, ms",
    )
    add(
        "--adex_dt",
        type=above,
        default=0.1,
        metavar="DELTA_T",
        help="slope factor of the exponential (smaller is sharper), in units of the threshold",
    )
    add(
        "--iadapt0",
        type=cli.finite_float,
        default=0.1,
        metavar="W",
        help="adaptation at the beginning of a word, 1/ms",
    )

    add = parser.add_argument_group("learning").add_argument
    add("--nepochs", "--epochs", type=whole, default=30, help="passes over the training words")
    add("--batch_size", type=whole, default=32, help="words per step, over all processes")
    add("--lr", type=above, default=1e-3, help="learning rate of weights")
    add(
        "--delaygradscale",
        type=least,
        default=10.0,
        help="learning rate of delays and positions, as a multiple of --lr; 0: do not train them",
    )
    add(
        "--readoutgradscale",
        type=above,
        default=1.0,
        help="learning rate of the read-out, as a multiple of --lr",
    )
    add(
        "--warmup",
        type=cli.not_negative_int,
        default=500,
        help="number of warm-up steps, during which the learning rate rises",
    )
    add(
        "--decay_steps",
        type=cli.not_negative_int,
        default=10_000,
        help="steps until the learning rate has fallen to a tenth along half a cosine; 0: until "
        "the end of the run",
    )
    add(
        "--weight_decay",
        type=least,
        default=1e-5,
        help="weight decay; for delays and positions it is divided by delaygradscale",
    )
    add(
        "--clip",
        type=least,
        default=2.0,
        help="largest norm of the gradient of a neuron's weights, as a multiple of the norm "
        "of these weights; 0: no limit",
    )
    add(
        "--tgtfreq",
        type=least,
        default=10.0,
        metavar="HZ",
        help="target firing rate of the regularisation, Hz",
    )
    add(
        "--population_freq",
        action="store_true",
        help="regularise the mean rate of all neurons, not the rate of each neuron",
    )
    add(
        "--rate_weight",
        type=least,
        default=1e-6,
        help="strength of the firing-rate regularisation: nats per Hz^2, summed over neurons",
    )
    add(
        "--max_rate",
        type=least,
        default=0.0,
        metavar="HZ",
        help="weaken the synapses of a neuron by 1 %% after each step in which it fires faster "
        "than this, Hz; 0: never",
    )
    add(
        "--surrogate",
        type=least,
        default=1.0,
        metavar="SLOPE",
        help="slope of the surrogate through which spike counts are differentiated",
    )
    add(
        "--damping",
        type=least,
        default=0.0,
        metavar="G",
        help="damp the gradient after every 10 steps of the backward pass: g -> g/(1 + |g|/G), "
        "after which the gradient is no longer exact; 0: never",
    )
    add(
        "--average",
        type=least,
        default=0.0,
        metavar="SHARE",
        help="evaluate an exponential moving average of the weights with this decay per step",
    )
    add(
        "--dropout",
        type=share,
        default=0.0,
        metavar="P",
        help="dropout: probability that the read-out ignores a neuron for a word",
    )
    add(
        "--smoothing",
        type=share,
        default=0.0,
        metavar="P",
        help="label smoothing: share of a label's probability that is spread over all classes",
    )

    add = parser.add_argument_group("pruning").add_argument
    add(
        "--sparse",
        type=above,
        default=1.0,
        metavar="DENSITY",
        help="share of the synapses of each matrix to keep; the others, with the smallest weights, "
        "are permanently pruned after each epoch",
    )
    add(
        "--sparse_iter",
        action="store_true",
        help="prune gradually: a tenth of all synapses after each epoch",
    )

    add = parser.add_argument_group("data").add_argument
    words.add_options(add)
    add(
        "--load_limit",
        type=whole,
        default=None,
        metavar="N",
        help="use only the first N training words",
    )
    add(
        "--load_limit_test",
        type=whole,
        default=None,
        metavar="N",
        help="use only the first N held-out words and the first N test words",
    )
    add(
        "--duration",
        type=above,
        default=None,
        metavar="MS",
        help="how much of each word is used, ms; by default 1400 for SHD, 600 for generated words",
    )
    add(
        "--shift_channels",
        type=cli.not_negative_int,
        default=0,
        metavar="N",
        help="shift each training word by up to N channels up or down, at random each time",
    )
    add(
        "--shift_time",
        type=least,
        default=0.0,
        metavar="MS",
        help="delay each training word by up to this many ms",
    )
    add(
        "--stretch",
        type=least,
        default=0.0,
        metavar="S",
        help="stretch each training word in time by a factor from 1 - S to 1 + S",
    )
    add(
        "--jitter_channels",
        type=least,
        default=0.0,
        metavar="N",
        help="shift each event of a training word independently, with a standard deviation of N "
        "channels",
    )
    add(
        "--jitter_time",
        type=least,
        default=0.0,
        metavar="MS",
        help="shift each event of a training word independently in time, with this standard "
        "deviation in ms",
    )
    add(
        "--mask_channels",
        type=least,
        default=0.0,
        metavar="N",
        help="remove a band of up to N channels from each training word",
    )
    add(
        "--mask_time",
        type=least,
        default=0.0,
        metavar="MS",
        help="remove a stretch of up to this many ms from each training word",
    )
    add(
        "--drop",
        type=least,
        default=0.0,
        metavar="P",
        help="remove up to this share of each training word's events",
    )
    add(
        "--blend",
        type=least,
        default=0.0,
        metavar="P",
        help="probability that a training word is mixed with another word of its class",
    )
    add("--augment", action="store_true", help="short for --shift_channels 40 --blend 0.5")
    add("--skip", action="store_true", help="do not check every event of the files for damage")

    add = parser.add_argument_group("run").add_argument
    add(
        "--seed",
        type=cli.seed,
        default=0,
        help="seed of the network, the order of words and their augmentation",
    )
    add("--device", default="auto", help="auto (CUDA if available), cpu, cuda or cuda:N")
    add(
        "--shard",
        action="store_true",
        help="split each batch among the processes of torchrun --nproc_per_node=N",
    )
    add(
        "--output",
        type=cli.path,
        metavar="DIR",
        default=None,
        help="folder of the run; by default a folder in ./runs, named after the options",
    )
    add(
        "--tmp",
        action="store_true",
        help="create the default folder in the system's folder for temporary files",
    )
    add(
        "--tag",
        type=cli.file_name,
        default="default",
        help="a label in the folder names of runs that belong together",
    )
    add("--force", action="store_true", help="overwrite a run that is already in the folder")
    add("--reload", action="store_true", help="resume the run in the folder, bit for bit")
    add(
        "--resume",
        type=cli.path,
        metavar="PATH",
        default=None,
        help="continue from a checkpoint, or from the folder of a run",
    )
    add(
        "--vplot",
        action="store_true",
        help="draw the layout after each epoch (layout.png) and make a film of it (layout.gif)",
    )
    cli.add_plot(parser, "write a figure of the run to this file")
    add("--debug", action="store_true", help="start the debugger on an unexpected error")
    return parser


def check(args: argparse.Namespace) -> None:
    """Check combinations of options, and expand options that are short for others.

    Raises:
        UsageError: for incompatible options.
    """
    if args.line and args.circle:
        raise cli.UsageError("--line and --circle: inputs start on one or the other")
    if args.ifactor is not None and args.start_rate is not None:
        raise cli.UsageError("--ifactor and --start_rate both set the input weights: give one")
    if args.feedforward and args.rfactor != 1:
        raise cli.UsageError("--rfactor: with --feedforward there are no recurrent weights")
    if args.sparse > 1:
        raise cli.UsageError(f"--sparse {args.sparse:g}: a density is at most 1")
    if args.sparse_iter and args.sparse == 1:
        raise cli.UsageError("--sparse_iter needs --sparse DENSITY, the density to reach")
    if args.signed and (args.wstat or args.pos):
        raise cli.UsageError("--signed: with --wstat or --pos the signs of weights are not random")
    if args.average >= 1:
        raise cli.UsageError(f"--average {args.average:g}: it must be a share below 1")
    if args.average and args.sparse < 1:
        raise cli.UsageError("--average and --sparse: pruning does not work with a running average")
    if args.reload and (args.resume or args.force):
        raise cli.UsageError(
            "--reload continues the run in its folder: leave out --resume and --force"
        )
    if args.shard != distributed.launched():
        raise cli.UsageError(
            "--shard needs several processes: torchrun --nproc_per_node=N demos/train_spatial.py"
            if args.shard
            else "torchrun started several processes: give --shard, so that they train together"
        )
    if args.vplot and args.net in ("0", "inf"):
        raise cli.UsageError(f"--vplot: with --net {args.net} neurons have no positions to draw")
    if args.augment:
        args.shift_channels = args.shift_channels or 40
        args.blend = args.blend or 0.5
        args.augment = False


def run_folder(args: argparse.Namespace) -> Path:
    """The folder of the run, named after its options, so that the same options find it again."""
    if args.output is not None:
        return Path(args.output)
    text = json.dumps(identity(args), sort_keys=True)
    short = hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    name = f"spatial_{args.tag}_net{args.net}_h{args.nhidden}_s{args.seed}_{short}"
    return (Path(tempfile.gettempdir()) if args.tmp else Path()) / "runs" / name


def identity(args: argparse.Namespace) -> dict[str, Any]:
    """The options that define a run."""
    return cli.plain(args, *MAY_DIFFER)


def command(args: argparse.Namespace) -> str:
    """The command that repeats this run, without the options for where it writes."""
    words = ["python demos/train_spatial.py"]
    parser = make_parser()
    for name, value in vars(args).items():
        if name in ("output", "plot", "resume", "reload", "force", "tmp", "debug", "device"):
            continue
        if value != parser.get_default(name):
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            words.append(f"--{name}" if value is True else f"--{name} {value}")
    return " ".join(words)
