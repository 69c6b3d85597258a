"""What the programs make of hostile options: one line each, and nothing where it must not be."""

import io
import json
import os
import re
import signal
import stat
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

import cli
from conftest import ROOT, in_use
from jarvis.training import CheckpointError, History, load_checkpoint, save_checkpoint

DEMOS = ROOT / "demos"
ENV = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
TINY = """
n_steps: 6
samples: 40
input: {filter: dog, size: 5, threshold: 0.02}
conv1: {maps: 4, kernel_size: 3, threshold: 0.5, pool: 1, polarity: difference}
conv2: {maps: 5, kernel_size: 3, threshold: 6.0, pool: 1}
conv3: {maps: 3, kernel_size: 5, threshold: 2.0, pool: 1}
stdp: {a_plus: 0.05, a_minus: 0.04, converged_below: 0, max_epochs: 1}
wta: {theta_plus: 0.001, dead_after: 50, local_radius: 1, n_winners: 5}
"""
FAST = {
    "train_toy": ["--epochs", "1", "--hidden", "4", "--timesteps", "3"],
    "train_mnist": ["--epochs", "1", "--hidden", "4", "--timesteps", "2"],
    "train_yinyang": ["--epochs", "1", "--hidden", "4", "--batch-size", "500"],
    "train_spatial": ["--nepochs", "1", "--dataset", "generated", "--dt", "4", "--nhidden", "5",
                      "--load_limit", "24", "--load_limit_test", "10", "--device", "cpu"],
    "train_control": ["--hidden", "4", "--budget-steps", "200", "--directions", "2", "--episodes",
                      "2", "--test-episodes", "2"],
    "train_spikeseg": ["--config", "tiny.yaml"],
    "train_reward": ["stdp", "--epochs", "1", "--maps", "2", "--limit", "30"],
    "evaluate_spikeseg": ["stdp", "--samples", "6"],
}  # fmt: skip
#: Programs with the options that every training has.
TRAINING = ("train_toy", "train_mnist", "train_yinyang", "train_spatial")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of its own that programs run in, below the test's own folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.syspath_prepend(str(DEMOS))
    (tmp_path / "here" / "tiny.yaml").write_text(TINY)
    return tmp_path / "here"


def run(name, *options, capsys=None):
    """A program in this process: its status, and the lines that it says on standard error."""
    module = __import__(name)
    sys.argv, before = [f"{name}.py", *options], sys.argv
    try:
        cli.run(module.make_parser(), module.main, list(options))
        status = 0
    except SystemExit as stop:
        status = stop.code
    finally:
        sys.argv = before
    said = capsys.readouterr()
    lines = [line for line in said.err.splitlines() if "compiles its time loops" not in line]
    return SimpleNamespace(status=status, lines=lines, out=said.out)


def options_of(name):
    return __import__(name).make_parser()._actions


def refused(name, *options, capsys, says="", status=2):
    done = run(name, *options, capsys=capsys)
    assert done.status == status, (options, done)
    assert len(done.lines) == 1, (options, done)
    assert done.lines[0].startswith(f"{name}.py: "), done
    assert re.search(says, done.lines[0]), done


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize("name", FAST)
def test_every_float_option_refuses_what_no_number_is(name, here, capsys):
    """All of them, also those that this kind of run does not use."""
    tried = 0
    for action in options_of(name):
        kind = getattr(action.type, "__name__", "")
        if "float" not in kind and kind != "share":
            continue
        for value in ("nan", "inf", "-inf", "1e308", "1e-300", "1e400", "x", ""):
            option = f"{action.option_strings[0]}={value}"
            refused(name, *FAST[name], option, capsys=capsys, says=action.option_strings[0])
            tried += 1
    assert tried >= 8 * (name not in ("train_spikeseg",))


@pytest.mark.parametrize("name", FAST)
def test_no_option_takes_any_float_or_integer(name, here):
    """`float` lets NaN pass, and `int` numbers that do not fit in 64 bits."""
    for action in options_of(name):
        assert action.type not in (int, float), action.option_strings


@pytest.mark.parametrize("name", [n for n in FAST if n != "evaluate_spikeseg"])
def test_seeds_of_many_digits_work_or_are_refused(name, here, capsys, monkeypatch):
    parse = __import__(name).make_parser().parse_args
    for value in (20_000_000_000_000, 2**63 - 1):
        assert parse([*FAST[name], "--seed", str(value)]).seed == value
    for value in ("2e13", str(2**63), str(2**70), "-1", "1.5", "9" * 5000):
        refused(name, *FAST[name], f"--seed={value}", capsys=capsys, says="--seed")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["train_toy", "train_spatial", "train_spikeseg"])
def test_a_run_with_a_seed_of_fourteen_digits(name, here, capsys):
    done = run(name, *FAST[name], "--seed", "20000000000000", capsys=capsys)
    assert (done.status, done.lines) == (0, [])


@pytest.mark.parametrize("name", [*TRAINING, "train_spikeseg"])
@pytest.mark.parametrize("device", ["mps", "xpu", "meta", "cpu:3", "cuda:256", ""])
def test_devices(name, device, here, capsys):
    refused(name, *FAST[name], f"--device={device}", capsys=capsys, says="device=")


SIZES = [
    ("train_toy", "--hidden", "2000000000"),
    ("train_toy", "--timesteps", "2000000000"),
    ("train_mnist", "--hidden", "2000000000"),
    ("train_mnist", "--timesteps", "2000000000"),
    ("train_mnist", "--hidden", "1000000000 1000000000"),
    ("train_yinyang", "--hidden", "2000000000"),
    ("train_spatial", "--nhidden", "2000000000"),
    ("train_spatial", "--time_bins", "2000000000"),
    ("train_reward", "--maps", "2000000000"),
]


@pytest.mark.parametrize(("name", "option", "value"), SIZES)
def test_sizes_that_no_memory_holds_name_the_option(name, option, value, here, stdp, capsys):
    options = [*FAST[name], option, *value.split()]
    refused(name, *options, capsys=capsys, says=rf"{option} {value}.* need about [\d,]+ GB")


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:114] ... can't allocate memory"), True),
        (
            RuntimeError("Storage size calculation overflowed with sizes=[4611686018427387904]"),
            True,
        ),
        (RuntimeError("size mismatch"), False),
        (ValueError("allocate"), False),
    ],
)
def test_out_of_memory_is_one_line_that_names_the_options(error, is_memory, here, capsys):
    """What an estimate did not foresee; other errors stay what they are."""
    parser = cli.Parser(prog="program.py")
    parser.add_argument("--hidden", type=cli.positive_int, default=10)
    parser.add_argument("--steps", type=cli.positive_int, default=10)
    parser.add_argument("--rate", type=cli.positive_float, default=10.0)

    def main(args):
        raise error

    if not is_memory:
        with pytest.raises(type(error)):
            cli.run(parser, main, ["--hidden", "500"])
        return
    with pytest.raises(SystemExit) as stop:
        cli.run(parser, main, ["--hidden", "500", "--rate", "99"])
    assert stop.value.code == 1
    assert capsys.readouterr().err == "program.py: out of memory: reduce --hidden 500\n"


def test_the_types_of_options():
    for kind, good, bad in (
        (cli.positive_int, {"1": 1, "2147483647": 2147483647}, ("0", "2147483648", "1.0", "", "x")),
        (cli.not_negative_int, {"0": 0, "7": 7}, ("-1", "2147483648", "nan")),
        (cli.seed, {"0": 0, str(2**63 - 1): 2**63 - 1}, ("-1", str(2**63), "1e3")),
        (cli.finite_float, {"-2.5": -2.5, "0": 0.0, "1e18": 1e18}, ("1e19", "-1e-19", "nan")),
        (cli.positive_float, {"1e-18": 1e-18, "3": 3.0}, ("0", "-1", "1e-19", "nan", "1,5")),
        (cli.not_negative_float, {"0": 0.0, "-0.0": 0.0}, ("-1", "inf", "")),
        (cli.share, {"0": 0.0, "0.5": 0.5}, ("1", "-0.1", "nan")),
        (cli.path, {"a/../b": "a/../b"}, ("",)),
        (cli.net, {"3": "3", "inf": "inf", "1000g0.5": "1000g0.5"}, ("1001", "9" * 20)),
        (cli.file_name, {"a b": "a b", "x.y": "x.y"},
         ("", ".", "..", "../x", "/tmp/x", "a/b", "a\\b", "C:x", "x" * 101, "a\nb")),
    ):  # fmt: skip
        for text, value in good.items():
            assert kind(text) == value
            assert type(kind(text)) is type(value)
        for text in bad:
            with pytest.raises(cli.argparse.ArgumentTypeError) as error:
                kind(text)
            assert len(str(error.value)) < 120


# ---------------------------------------------------------------- files and folders


@pytest.mark.parametrize("option", ["--name", "--tag"])
@pytest.mark.parametrize("value", ["../x", "..", "/tmp/x", "a/b", "", "x" * 300])
def test_a_name_does_not_leave_the_output_folder(option, value, here, capsys):
    name = "train_spikeseg" if option == "--name" else "train_spatial"
    refused(name, *FAST[name], f"{option}={value}", capsys=capsys, says=option)
    assert [path.name for path in here.parent.iterdir()] == ["here"]
    assert [path.name for path in here.iterdir()] == ["tiny.yaml"]


@pytest.mark.parametrize("name", [*TRAINING, "evaluate_spikeseg"])
def test_a_plot_never_replaces_what_is_no_file(name, here, stdp, capsys):
    """And it is refused before the work."""
    os.mkfifo("pipe")
    (here / "link").symlink_to("pipe")
    for path, says in (("pipe", "a FIFO"), ("link", "a FIFO"), (".", "a folder"), ("", "--plot")):
        refused(name, *FAST[name], f"--plot={path}", capsys=capsys, says=says)
    assert stat.S_ISFIFO(os.lstat("pipe").st_mode)
    assert (here / "link").is_symlink()
    assert not (here / "runs").exists()


def test_a_plot_through_a_link_writes_its_target(here, capsys):
    (here / "link.png").symlink_to("target.png")
    assert run("train_toy", *FAST["train_toy"], "--plot", "link.png", capsys=capsys).status == 0
    assert (here / "link.png").is_symlink()
    assert (here / "target.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["train_toy", "train_spikeseg"])
def test_paths_that_are_no_text(name, here, monkeypatch):
    """A name of bytes that are no UTF-8, from the command line to the terminal and the log."""
    output, plot = os.fsdecode(b"run\xff"), os.fsdecode(b"\xfe.png")
    options = [*FAST[name], "--output", output, *(["--plot", plot] * (name == "train_toy"))]
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", errors="strict") for _ in range(2)]
    for stream, of in zip(streams, ("stdout", "stderr"), strict=True):
        monkeypatch.setattr(sys, of, stream)
    module = __import__(name)
    cli.run(module.make_parser(), module.main, options)
    said, errors = (stream.detach().getvalue() for stream in streams)
    assert b"Traceback" not in errors
    assert b"Logging error" not in errors
    assert b"run\xff" in os.listdir(b".")
    expected = b"figure: \\udcfe.png" if name == "train_toy" else b"evaluate_spikeseg.py run\\udcff"
    assert expected in said


@pytest.fixture
def stdp(here, capsys):
    """A small run of train_spikeseg.py, in the folder stdp."""
    options = [*FAST["train_spikeseg"], "-o", ".", "-n", "stdp"]
    assert run("train_spikeseg", *options, capsys=capsys).status == 0
    return here / "stdp"


def test_a_folder_with_another_run_is_refused_unless_forced(here, capsys):
    toy, other = FAST["train_toy"], FAST["train_mnist"]
    assert run("train_toy", *toy, "--output", "run", capsys=capsys).status == 0
    before = (here / "run" / "checkpoint_latest.pt").read_bytes()
    says = "run holds a run already: --resume it, --force overwrites it"
    refused("train_toy", *toy, "--output", "run", capsys=capsys, says=says)
    refused("train_mnist", *other, "--output", "run", capsys=capsys, says=says)
    (here / "link").symlink_to("run")
    refused("train_toy", *toy, "--output", "link", capsys=capsys, says="holds a run already")
    # another run that is resumed does not overwrite it either
    assert run("train_toy", *toy, "--output", "second", "--seed=1", capsys=capsys).status == 0
    refused("train_toy", *toy, "--seed=1", "--output", "run", "--resume", "second",
            capsys=capsys, says=says)  # fmt: skip
    assert (here / "run" / "checkpoint_latest.pt").read_bytes() == before
    longer = [*toy, "--epochs", "2", "--output", "run"]
    assert run("train_toy", *longer, "--resume", "run", capsys=capsys).status == 0
    assert load_checkpoint(here / "run")["epoch"] == 2
    assert run("train_mnist", *other, "--output", "run", "--force", capsys=capsys).status == 0
    assert load_checkpoint(here / "run")["arguments"]["dataset"] == "digits"
    assert "force" not in load_checkpoint(here / "run")["arguments"]


@pytest.mark.parametrize("name", ["train_toy", "train_yinyang", "train_spatial", "train_reward"])
def test_a_program_does_not_write_into_a_run_of_another_kind(name, here, stdp, capsys):
    before = sorted((path.name, path.stat().st_mtime_ns) for path in stdp.rglob("*"))
    refused(name, *FAST[name], "--output", "stdp", capsys=capsys, says="stdp holds a run already")
    assert sorted((path.name, path.stat().st_mtime_ns) for path in stdp.rglob("*")) == before


def test_a_named_run_of_spikeseg_does_not_write_into_a_run_of_another_kind(here, capsys):
    assert run("train_toy", *FAST["train_toy"], "--output", "runs/a", capsys=capsys).status == 0
    options = [*FAST["train_spikeseg"], "--name", "a"]
    refused("train_spikeseg", *options, capsys=capsys, says="a holds a run already")


def test_runs_of_the_same_second_get_folders_of_their_own(here, capsys):
    for _ in range(3):
        assert run("train_spikeseg", *FAST["train_spikeseg"], capsys=capsys).status == 0
    assert len(list((here / "runs").glob("digits_*"))) == 3
    import train_spikeseg

    names = [train_spikeseg.new_folder(here / "x").name for _ in range(3)]
    assert names == ["x", "x_2", "x_3"]


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in FAST if n != "evaluate_spikeseg"])
def test_a_folder_that_another_program_writes_to_is_refused(name, here, stdp, capsys):
    folder = here / "run"
    options = ["-o", ".", "-n", "run"] if name == "train_spikeseg" else ["--output", "run"]
    with in_use(folder):
        refused(name, *FAST[name], *options, capsys=capsys, says="run is in use by another")
        assert {path.name for path in folder.iterdir()} == {".lock"}
    assert run(name, *FAST[name], *options, capsys=capsys).status == 0
    assert not (folder / ".lock").exists()


@pytest.mark.slow
def test_two_programs_at_once_and_a_kill(here):
    """The second is refused; after the first is killed, its run is resumed, and no file is left."""
    options = ["--epochs", "500", *FAST["train_toy"][2:], "--output", "run"]
    program = [sys.executable, str(DEMOS / "train_toy.py")]
    first = subprocess.Popen([*program, *options], stdout=subprocess.PIPE, text=True, env=ENV)
    assert first.stdout is not None
    while not first.stdout.readline().startswith("epoch=2 "):
        assert first.poll() is None
    second = subprocess.run(
        [*program, *options, "--resume", "run"], capture_output=True, text=True, env=ENV
    )
    assert second.returncode == 2
    assert f"run is in use by another program (process {first.pid})" in second.stderr
    first.send_signal(signal.SIGKILL)
    first.communicate()
    (here / "run" / f".x.{'0' * 8}-1-{'0' * 8}.part").touch()  # of another machine
    epoch = load_checkpoint(here / "run")["epoch"]
    options[1] = str(epoch + 1)
    third = subprocess.run(
        [*program, *options, "--resume", "run"], capture_output=True, text=True, env=ENV
    )
    assert third.returncode == 0, third.stderr
    left = {path.name for path in (here / "run").iterdir()}
    assert left - {f".x.{'0' * 8}-1-{'0' * 8}.part"} == {
        "checkpoint_best.pt", "checkpoint_latest.pt", "metrics_final.json"
    }  # fmt: skip


# ---------------------------------------------------------------- checkpoints


@pytest.mark.parametrize("name", ["train_spikeseg", "evaluate_spikeseg", "train_reward"])
@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("arguments", {}),
        ("arguments", {"dataset": "cifar", "data_folder": None, "seed": 1}),
        ("arguments", {"dataset": ["digits"], "data_folder": None, "seed": 1}),
        ("arguments", {"dataset": "digits", "data_folder": 3, "seed": 1}),
        ("arguments", {"dataset": "digits", "data_folder": None, "seed": "1"}),
        ("recipe", {"conv1": 1}),
        ("layers", {"conv1": {}}),
        ("kind", "gradient"),
    ],
)
def test_runs_of_stdp_that_were_edited_are_refused(name, place, value, here, stdp, capsys):
    content = torch.load(stdp / "checkpoints" / "checkpoint_latest.pt", weights_only=True)
    save_checkpoint(here / "edited.pt", {**content, place: value})
    given = ["--resume", "edited.pt"] if name == "train_spikeseg" else ["edited.pt"]
    refused(name, *given, *FAST[name][len(given) :], capsys=capsys, says=r"edited\.pt")


def test_a_history_without_the_metric_is_said(here, capsys):
    with pytest.raises(CheckpointError, match="no test_acc"):
        cli.column(History([{"loss": 1.0}]), "test_acc")
    assert cli.column(History([{"test_acc": 0.5}]), "test_acc") == [0.5]
    toy = [*FAST["train_toy"], "--output", "run"]
    assert run("train_toy", *toy, capsys=capsys).status == 0
    content = load_checkpoint(here / "run")
    del content["history"]["epochs"][0]["test_acc"]
    save_checkpoint(here / "run" / "checkpoint_latest.pt", content)
    refused("train_toy", *toy, "--resume", "run", capsys=capsys, says="has no test_acc")


def test_a_plot_of_the_default_data_and_recipe(here, capsys):
    """digits.yaml has thresholds beyond the default theta_max."""
    config = (DEMOS / "configs" / "digits.yaml").read_text()
    (here / "c.yaml").write_text(config + "samples: 60\n")
    options = ["-c", "c.yaml", "-o", ".", "-n", "d", "--epochs", "1", "--no-tensorboard"]
    assert run("train_spikeseg", *options, capsys=capsys).status == 0
    said = run("evaluate_spikeseg", "d", "--samples", "20", "--plot", "x.png", capsys=capsys)
    assert (said.status, said.lines) == (0, [])
    assert (here / "x.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((here / "d" / "metrics_final.json").read_text())["layers"]["conv3"]["learnt"]
