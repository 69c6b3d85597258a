"""The benchmarks run, compare before they time, and write what they say they write.

What measures for more than a moment is marked `bench`: `make bench` tries it before it measures,
`make test` leaves it out. The fewest rows run here, in tiny shapes, and the rest is arithmetic.
"""

import json
import sys

import pytest
import torch

from benchmarks import __main__ as program
from benchmarks import (
    adex,
    compile_time,
    explorers,
    generated,
    growth,
    handwritten,
    machine,
    neurons,
    peers,
    report,
    scaling,
    sparse,
    zoo,
)
from benchmarks.agreement import TAU, Disagreement, agree, compare, gradient
from benchmarks.row import Bar, Row
from benchmarks.zoo_peers import ZOO_PEERS
from jarvis import LIFLayer, datasets
from jarvis.adex import NormalisedAdExLayer, NormalisedAdExParams
from jarvis.kernels import cpu

ROWS = (
    "lif", "training", "recurrent", "adaptive", "adex", "generated", "learned", "user", "delays",
    "stdp", "scaling", "widgets", "gpu",
)  # fmt: skip
FEW = ("lif", "adaptive", "gpu")
KEYS = [
    "lif_5x2x8", "training", "training_fast_sigmoid_25", "training_triangle_1",
    "training_triangle_5", "training_conv",
    "recurrent", "sparse_recurrent_16_10%", "adaptive", "adex_5x2x8", "adex_biophysical",
    *(f"hand_{number}_5x2x8" for number in range(5)), "learned", "user",
    *(f"zoo_{name}" for name in zoo.kinds()),
    *(f"zoo_{peer.library}_{peer.name}" for peer in ZOO_PEERS), "delays", "delayed_0", "delayed_1",
    "delayed_2", "stdp_1", "stdp_2",
]  # fmt: skip


def quick(*more: str) -> int:
    return program.main(["--quick", "--repeats", "1", *more])


def wrong(**options):
    """A LIF that is not the one asked for."""
    layer = LIFLayer(backend="eager", **{"tau": TAU} | options)
    return lambda dtype: lambda x: layer(x)[0]


def check_report(rows, folder, printed):
    """What a run of `rows` has printed and written; returns what its JSON holds."""
    assert "| of the copy bandwidth |" in printed
    assert (folder / "lif.png").stat().st_size > 1000

    data = json.loads((folder / "cpu.json").read_text())
    assert data["schema"] == 1
    assert data["quick"] is True
    assert data["machine"]["threads"] == 1
    assert {"cpu", "cores", "torch", "numba", "python"} <= data["machine"].keys()
    assert min(data["limits"].values()) > 0
    assert min(len(row["entries"]) for row in data["rows"]) > 1
    for row in data["rows"]:
        for entry in row["entries"]:
            timed = {"cpu_ms", "wall_ms"} <= entry.keys()
            assert timed != ("skipped" in entry), entry
            assert not entry.get("skipped", "").startswith(("DISAGREES", "does not run")), entry
        names = [entry["name"] for entry in row["entries"]]
        assert len(names) == len(set(names))
        if not row["key"].startswith(("delay", "stdp")):  # whose only bars are other libraries
            assert any("times" in b["text"] or "bandwidth" in b["text"] for b in row["bars"])
        for bar in row["bars"]:
            assert ("ratio" in bar) == ("met" in bar)
    assert set(data["gpu"]) >= ({"ratio", "met"} if torch.cuda.is_available() else {"skipped"})
    assert {"scaling", "widgets"} & data.keys() == {"scaling", "widgets"} & set(rows)
    return data


@pytest.mark.slow
def test_quick_run_writes_its_report(tmp_path, capsys):
    threads = torch.get_num_threads()
    assert quick("--rows", *FEW, "--output", str(tmp_path)) == 0
    assert torch.get_num_threads() == threads
    data = check_report(FEW, tmp_path, capsys.readouterr().out)
    assert [row["key"] for row in data["rows"]] == ["lif_5x2x8", "adaptive"]


@pytest.mark.bench
def test_quick_run_of_every_row(tmp_path, capsys):
    assert quick("--rows", *ROWS, "--output", str(tmp_path)) == 0
    printed = capsys.readouterr().out
    assert "R^2 of a straight line" in printed
    for text in ("compute, ms", "redraw, ms", "memory after 3 moves, MB"):
        assert f"| explorer stdp | {text} |" in printed
    assert (tmp_path / "scaling.png").stat().st_size > 1000
    data = check_report(ROWS, tmp_path, printed)
    assert [row["key"] for row in data["rows"]] == KEYS
    assert data["scaling"].keys() == {"T", "B", "N"}


@pytest.mark.slow
def test_every_row_agrees_and_runs():
    """As `test_quick_run_of_every_row`, but built and called once in place of timed."""
    rows = [make() for make in program._rows(program.GROUPS, True, None, "not here")]
    assert [row.key for row in rows] == KEYS
    for row in rows:
        for entry in row.entries:
            assert (entry.call is None) == bool(entry.skipped), entry
            assert not entry.skipped.startswith(("DISAGREES", "does not run")), entry
            if entry.call is not None:
                entry.call()
    entries = {row.key: {entry.name: entry for entry in row.entries} for row in rows}
    assert "same counts of" in entries["delays"]["jarvis"].agreement
    assert "same spikes" in entries["lif_5x2x8"]["jarvis"].agreement
    assert "same spikes" in entries["hand_0_5x2x8"]["generated, forward"].agreement


def test_without_ipywidgets_the_explorers_are_a_skipped_line(tmp_path, monkeypatch):
    (tmp_path / "ipywidgets.py").write_text("raise ModuleNotFoundError('not installed')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = explorers.measure(quick=True)
    assert "pip install 'jarvis-snn[lab]'" in found["skipped"]


@pytest.mark.slow
def test_an_explorer_with_an_error_fails_the_run(monkeypatch, capsys):
    row = {"compute_ms": 1.0, "redraw_ms": 250.0, "growth_mb": 0.1, "moves": 1000}
    bars = {"compute_ms": 10.0, "redraw_ms": 200.0, "growth_mb": 5.0}
    found = {"bars": bars, "explorers": {"lif": {**row, "errors": []}}}
    monkeypatch.setattr(explorers, "measure", lambda quick: found)
    assert quick("--rows", "widgets") == 0
    printed = capsys.readouterr().out
    assert "| explorer lif | compute, ms | 1.00 | <= 10 | met |" in printed
    assert "| explorer lif | redraw, ms | 250.00 | <= 200 | MISSED |" in printed
    assert "| explorer lif | memory after 1000 moves, MB | 0.10 | <= 5 | met |" in printed
    found["explorers"]["lif"]["errors"] = ["tau=0.0 must be positive"]
    assert quick("--rows", "widgets") == 1
    assert "explorers with errors: lif: tau=0.0 must be positive" in capsys.readouterr().err


def test_every_bar_names_a_row_entry():
    shape = (3, 1, 4)
    rows = [
        neurons.lif(shape, None, "none"),
        neurons.adaptive(shape),
        neurons.recurrent((3, 1, 16)),
    ]
    rows += [adex.adex(shape), adex.biophysical(shape), generated.by_hand("LIF", shape)]
    for row in [*rows, generated.learned(shape), generated.user(shape)]:
        names = {entry.name for entry in row.entries}
        assert {bar.over for bar in row.bars} | {bar.under for bar in row.bars} <= names


#: Options of a LIF loop by hand: each one, and several at a time.
LOOPS = (
    {},
    {"reset": "zero"},
    {"tau_syn": 5.0, "adaptation": 0.2, "tau_adapt": 50.0},
    {"refractory": 2.0},
    {"reset": "zero", "adaptation": 0.2, "refractory": 2.0},
    {"tau_syn": 5.0, "refractory": 3.0},
    {"reset": "zero", "tau_syn": 5.0, "adaptation": 0.3, "refractory": 2.0},
)


def by_hand_and_by_step() -> list:
    """Each loop by hand, and the layer that runs the same neuron step by step."""
    params = NormalisedAdExParams(b=0.05, delta_t=0.15)
    adexes = handwritten.adex(params), NormalisedAdExLayer(params, backend="eager")
    lifs = [
        (handwritten.lif(tau=TAU, **options), LIFLayer(tau=TAU, backend="eager", **options))
        for options in LOOPS
    ]
    return [*lifs, adexes]


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_loops_by_hand_are_the_steps(threads, monkeypatch):
    """In float64, with all their options: no loop of the library takes part."""
    monkeypatch.setattr(handwritten, "GRAIN", 16)
    monkeypatch.setattr(cpu, "_MIN_WORK", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    rng = torch.Generator().manual_seed(1)
    shape = (40, 3, 21)  # no multiple of a vector
    x = 0.4 * torch.rand(shape, generator=rng, dtype=torch.float64)
    g = torch.randn(shape, generator=rng, dtype=torch.float64)
    for by_hand, layer in by_hand_and_by_step():
        want = gradient(lambda x, layer=layer: layer(x)[0], x, g)
        assert "same spikes" in compare(gradient(by_hand, x, g), want, 1e-9)


def test_loops_by_hand_in_float32_and_with_nan():
    x = 0.3 * torch.rand(30, 2, 5, generator=torch.Generator().manual_seed(2))
    x[3, 0, 2] = torch.nan
    for by_hand in (handwritten.lif(reset="zero"), handwritten.lif(), handwritten.adex()):
        spikes, gradients = gradient(by_hand, x, torch.ones(()).expand(x.shape))
        assert spikes.dtype == gradients.dtype == torch.float32
        assert spikes[3:, 0, 2].isnan().all()
        keep = [0, 1, 3, 4]
        assert not spikes[:, :, keep].isnan().any()
        assert not gradients[:, :, keep].isnan().any()


def test_a_reset_that_is_not_written_by_hand():
    with pytest.raises(ValueError, match="reset='none'"):
        handwritten.lif(reset="none")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"tau": 19.0}, "spikes differ"),
        ({"reset": "zero"}, "spikes differ"),
        ({"surrogate": "sigmoid"}, "gradients differ"),
        ({"detach_reset": False}, "gradients differ"),
    ],
)
def test_agreement_catches_a_wrong_peer(options, match):
    assert "same spikes" in agree(wrong())
    with pytest.raises(Disagreement, match=match):
        agree(wrong(**options))


def test_nan_is_no_agreement():
    with pytest.raises(Disagreement):
        agree(lambda dtype: lambda x: LIFLayer(tau=TAU)(x)[0] * float("nan"))


@pytest.mark.slow
def test_a_wrong_peer_is_not_timed_and_fails_the_run(monkeypatch, capsys):
    broken = peers.Peer("broken", "torch", wrong(threshold=0.9), {})
    kept = [peer for peer in peers.PEERS if peer.module != "torch"]
    monkeypatch.setattr(neurons, "PEERS", (*kept, broken))
    assert quick("--rows", "lif") == 1
    captured = capsys.readouterr()
    assert "| broken |  |  | skipped: DISAGREES" in captured.out
    assert "no agreement: broken" in captured.err


def test_a_peer_with_another_interface_is_skipped():
    def check() -> str:
        raise AttributeError("no such layer")

    row = Row("row", "row", bars=[Bar("faster", "peer", "ours", 2)])
    row.add("ours", lambda: None)
    row.add("peer", lambda: None, check)
    found = row.measure(1, "cpu")
    assert "does not run" in found["entries"][1]["skipped"]
    assert found["bars"] == [{"text": "faster", "bound": 2, "at_least": True}]


@pytest.mark.slow
def test_interleaved_minimum():
    order = []
    first, warm = [0.1], [0.1]
    times = {
        "a": iter(first + warm + [3.0, 5.0, 7.0] + warm + [9.0, 2.0, 8.0]),
        "b": iter(first + warm + [4.0, 6.0, 6.0] + warm + [6.0, 7.0, 9.0]),
    }

    def call(name):
        def run():
            order.append(name)
            value = next(times[name])
            return machine.Time(value, value + 1)

        return run

    best = machine.interleave({"a": call("a"), "b": call("b")}, 2)
    # the first run of all, and the first of each turn, warm up and do not count
    assert best == {"a": machine.Time(2.0, 3.0), "b": machine.Time(4.0, 5.0)}
    assert "".join(order) == "ab" + 2 * "aaaabbbb"


def test_bars():
    row = Row("row", "row")
    row.add("fast", lambda: machine.Time(1.0, 1.0))
    row.add("slow", lambda: machine.Time(3.0, 3.0))
    row.bars = [
        Bar("faster", "slow", "fast", 2),
        Bar("much faster", "slow", "fast", 4),
        Bar("times", "slow", "fast", 2, at_least=False),
    ]
    bars = row.measure(1, "wall")["bars"]
    assert [bar["ratio"] for bar in bars] == [3.0] * 3
    assert [bar["met"] for bar in bars] == [True, False, False]


def test_slope():
    assert scaling.slope([1, 2, 4], [5.0, 10.0, 20.0]) == pytest.approx(1)
    assert scaling.slope([1, 2, 4], [5.0, 20.0, 80.0]) == pytest.approx(2)
    assert scaling.straightness([1, 2, 4], [5.0, 7.0, 11.0]) == pytest.approx(1)
    assert scaling.straightness([1, 2, 4, 8], [1.0, 4.0, 16.0, 64.0]) < 0.97


@pytest.mark.bench
def test_first_call_is_cached(tmp_path):
    cold = compile_time.first_call("a user's neuron", str(tmp_path))
    assert min(cold) > 0
    assert len(list((tmp_path / "loops").glob("qif_numba_*.py"))) == 1
    assert len(list((tmp_path / "numba").rglob("*.nbc"))) == 2
    cached = compile_time.first_call("a user's neuron", str(tmp_path))
    assert sum(cached) < sum(cold) / 2


def test_the_page_shows_the_results_in_the_repository(tmp_path):
    data = json.loads((program.RESULTS / "cpu.json").read_text())
    page = (program.RESULTS.parent / "README.md").read_text()
    assert report.summary(data) in page
    training = json.loads((program.RESULTS / "training.json").read_text())
    assert report.summary(training) in page
    assert min(data["repeats"], training["repeats"]) >= 7
    assert data["quick"] is False
    assert "R^2 of a straight line" in report.text(data)
    report.write(data, tmp_path)
    assert json.loads((tmp_path / "cpu.json").read_text()) == data
    assert (tmp_path / "scaling.png").stat().st_size > 1000


@pytest.mark.slow
def test_growth_of_a_spatial_networks_step(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(growth, "spoken", lambda: datasets.shd_like("train", n=8, n_events=200))
    monkeypatch.setattr(growth, "RESULTS", tmp_path / "kept.json")
    monkeypatch.setattr(growth, "PLOT", tmp_path / "kept.png")
    options = ["--quick", "--repeats", "1", "--threads", "1"]
    threads = torch.get_num_threads()
    try:
        where = ["--output", str(tmp_path / "g.json"), "--plot", str(tmp_path / "g.png")]
        growth.main([*options, *where])
        assert len(list(tmp_path.iterdir())) == 2
        found = json.loads((tmp_path / "g.json").read_text())
        monkeypatch.setattr(growth, "measure", lambda repeats, quick: dict(found))
        growth.main(options)
        assert len(list(tmp_path.iterdir())) == 2  # a quick look replaces nothing measured
    finally:
        torch.set_num_threads(threads)
    assert found["command"].endswith("--threads 1 --quick")
    assert found["data"].startswith("generated")
    assert [size for size, _ in found["hidden"]] == [25, 50, 100]
    assert all(ms > 0 for name in growth.SIZES for _, ms in found[name])
    assert (tmp_path / "g.png").stat().st_size > 1000
    assert json.loads(capsys.readouterr().out.splitlines()[-1]).keys() == growth.SIZES.keys()


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the memory from /proc")
def test_when_zeros_pay(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sparse, "PICTURE", tmp_path / "kept.png")
    monkeypatch.setattr(sparse, "RESULTS", tmp_path / "kept")
    folder = tmp_path / "g"
    assert sparse.main(["--quick", "--repeats", "1", "--output", str(folder)]) == 0
    found = json.loads((folder / "sparse.json").read_text())
    assert len(found["cells"]) == 4
    assert all(cell[mode] > 0 for cell in found["cells"] for mode in sparse.MODES)
    assert found["memory_mb"].keys() == {"auto", "never"}
    smooth, compact = found["support"]
    assert smooth["support"] == [1.0, 1.0]
    assert max(compact["support"]) < 0.9
    assert (folder / "sparse.png").stat().st_size > 1000
    # Without a folder a quick look replaces nothing measured. (It need not measure again.)
    monkeypatch.setattr(sparse, "measure", lambda *given: {"cells": found["cells"]})
    monkeypatch.setattr(sparse, "peak_memory", lambda mode, quick: found["memory_mb"][mode])
    monkeypatch.setattr(sparse, "support", lambda quick: found["support"])
    assert sparse.main(["--quick", "--repeats", "1"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["g"]


def test_the_worst_choice_is_the_one_furthest_from_the_better_way():
    cells = [
        {"auto": 1.0, "always": 1.0, "never": 2.0},
        {"auto": 3.0, "always": 4.0, "never": 2.0},
        {"auto": 2.0, "always": 1.6, "never": 2.0},
    ]
    assert sparse.worst(cells) == (1.5, cells[1])
