"""The benchmarks run, compare before they time, and write what they say they write."""

import json

import pytest
import torch

from benchmarks import __main__ as program
from benchmarks import compile_time, explorers, growth, machine, neurons, peers, report, scaling
from benchmarks.agreement import TAU, Disagreement, agree
from benchmarks.row import Bar, Row
from jarvis import LIFLayer, datasets

ROWS = ("lif", "training", "recurrent", "adaptive", "delays", "stdp", "scaling", "widgets", "gpu")


def quick(*more: str) -> int:
    return program.main(["--quick", "--repeats", "1", *more])


def wrong(**options):
    """A LIF that is not the one asked for."""
    layer = LIFLayer(backend="eager", **{"tau": TAU} | options)
    return lambda dtype: lambda x: layer(x)[0]


def test_quick_run_writes_its_report(tmp_path, capsys):
    threads = torch.get_num_threads()
    assert quick("--rows", *ROWS, "--output", str(tmp_path)) == 0
    assert torch.get_num_threads() == threads
    printed = capsys.readouterr().out
    assert "| of the copy bandwidth |" in printed
    assert "R^2 of a straight line" in printed
    for text in ("compute, ms", "redraw, ms", "memory after 3 moves, MB"):
        assert f"| explorer stdp | {text} |" in printed
    for name in ("lif.png", "scaling.png"):
        assert (tmp_path / name).stat().st_size > 1000

    data = json.loads((tmp_path / "cpu.json").read_text())
    assert data["schema"] == 1
    assert data["quick"] is True
    assert data["machine"]["threads"] == 1
    assert {"cpu", "cores", "torch", "numba", "python"} <= data["machine"].keys()
    assert min(data["limits"].values()) > 0
    assert [row["key"] for row in data["rows"]] == [
        "lif_5x2x8", "training", "recurrent", "adaptive", "delays", "stdp_1", "stdp_2",
    ]  # fmt: skip
    for row in data["rows"]:
        for entry in row["entries"]:
            timed = {"cpu_ms", "wall_ms"} <= entry.keys()
            assert timed != ("skipped" in entry), entry
            assert not entry.get("skipped", "").startswith(("DISAGREES", "does not run")), entry
        names = [entry["name"] for entry in row["entries"]]
        assert len(names) == len(set(names))
        if not row["key"].startswith(("delays", "stdp")):  # whose only bars are other libraries
            assert any("times" in b["text"] or "bandwidth" in b["text"] for b in row["bars"])
        for bar in row["bars"]:
            assert ("ratio" in bar) == ("met" in bar)
    assert data["scaling"].keys() == {"T", "B", "N"}
    assert set(data["gpu"]) >= ({"ratio", "met"} if torch.cuda.is_available() else {"skipped"})


def test_without_ipywidgets_the_explorers_are_a_skipped_line(tmp_path, monkeypatch):
    (tmp_path / "ipywidgets.py").write_text("raise ModuleNotFoundError('not installed')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = explorers.measure(quick=True)
    assert "pip install 'jarvis-snn[lab]'" in found["skipped"]


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
    rows = [neurons.lif((3, 1, 4), None, "none"), neurons.adaptive((3, 1, 4))]
    for row in [*rows, neurons.recurrent((3, 1, 16))]:
        names = {entry.name for entry in row.entries}
        assert {bar.over for bar in row.bars} | {bar.under for bar in row.bars} <= names


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


def test_first_call_is_cached(tmp_path):
    assert compile_time.first_call(str(tmp_path)) > 0
    assert any(tmp_path.rglob("*.nbc"))


def test_the_page_shows_the_results_in_the_repository():
    data = json.loads((program.RESULTS / "cpu.json").read_text())
    page = (program.RESULTS.parent / "README.md").read_text()
    assert report.summary(data) in page
    assert data["repeats"] >= 7
    assert data["quick"] is False


def test_growth_of_a_spatial_networks_step(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(growth, "spoken", lambda: datasets.shd_like("train", n=8, n_events=200))
    monkeypatch.setattr(growth, "RESULTS", tmp_path / "kept.json")
    monkeypatch.setattr(growth, "PLOT", tmp_path / "kept.png")
    threads = torch.get_num_threads()
    try:
        growth.main(["--quick", "--repeats", "1", "--threads", "1"])
        assert not list(tmp_path.iterdir())  # a quick look does not replace what was measured
        where = ["--output", str(tmp_path / "g.json"), "--plot", str(tmp_path / "g.png")]
        growth.main(["--quick", "--repeats", "1", "--threads", "1", *where])
    finally:
        torch.set_num_threads(threads)
    found = json.loads((tmp_path / "g.json").read_text())
    assert found["command"].endswith("--threads 1 --quick")
    assert found["data"].startswith("generated")
    assert [size for size, _ in found["hidden"]] == [25, 50, 100]
    assert all(ms > 0 for name in growth.SIZES for _, ms in found[name])
    assert (tmp_path / "g.png").stat().st_size > 1000
    assert json.loads(capsys.readouterr().out.splitlines()[-1]).keys() == growth.SIZES.keys()
