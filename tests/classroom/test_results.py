"""The numbers of a text against those of a run."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jarvis.classroom.results import disagreements, filled, marks, record


def test_a_full_run_stores_and_a_shortened_one_does_not(tmp_path, capsys):
    path = tmp_path / "results" / "numbers.json"
    record(path, {"accuracy": 0.5}, full=False)
    assert "nothing is recorded" in capsys.readouterr().out
    assert not path.exists()
    record(path, {"accuracy": 97.81, "spikes": 20}, full=True)
    assert json.loads(path.read_text()) == {"accuracy": 97.81, "spikes": 20.0}
    assert capsys.readouterr().out == "2 numbers recorded in numbers.json\n"
    record(path, {"accuracy": 0.5}, full=False)  # a shortened run may measure less
    assert json.loads(path.read_text())["accuracy"] == 97.81
    record(path, {"accuracy": 96}, full=True)
    assert json.loads(path.read_text()) == {"accuracy": 96.0}


def test_a_shortened_run_with_a_name_that_no_full_run_measured(tmp_path):
    path = tmp_path / "numbers.json"
    record(path, {"a": 1}, full=True)
    with pytest.raises(AssertionError, match=r"last full run: b, c\. Run it in full"):
        record(path, {"c": 1, "a": 1, "b": 2}, full=False)


def test_numbers_that_no_text_can_state(tmp_path):
    path = tmp_path / "numbers.json"
    with pytest.raises(ValueError, match="must be finite, but a = nan, b = inf"):
        record(path, {"a": float("nan"), "b": float("inf"), "c": 1}, full=True)
    assert not path.exists()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("It is 97.8<!-- x 0.3 --> %.", 97.8),
        ("It is 97.8 %<!-- x 0.3 -->.", 97.8),
        ("It is **97.8 %**<!-- x 0.3 -->.", 97.8),
        ("It is $97.8\\%$<!-- x 0.3 -->.", 97.8),
        ("-1.2<!-- x 0.3 -->", -1.2),
        ("v = \u22121.2<!-- x 0.3 --> mV", -1.2),
        ("(+3<!-- x 0.3 -->)", 3),
        ("from 5-97<!-- x 0.3 -->", 97),
        ("$-1.2$<!-- x 0.3 -->", -1.2),
        ("in 1 200<!-- x 0.3 --> steps", 1200),
        ("in 2012 200<!-- x 0.3 --> steps", 200),
        ("in 1,200,000.5<!-- x 0.3 --> steps", 1200000.5),
        ("in 1\u202f200<!-- x 0.3 --> steps", 1200),
        ("in 0.5,200<!-- x 0.3 -->", 200),
        ("within 1e-6<!-- x 0.3 -->", 1e-6),
        ("within 2.5E\u22123<!--x 0.3-->", 2.5e-3),
        ("1234567<!-- x 0.3 -->", 1234567),
    ],
)
def test_numbers_as_people_write_them(text, value):
    (mark,) = marks(text)
    assert (mark.name, mark.tolerance, mark.relative) == ("x", 0.3, False)
    assert mark.value == value
    assert text[mark.start :].startswith(mark.written)
    assert disagreements(text, {"x": value + 0.29}) == []
    assert disagreements(text, {"x": value - 0.29}) == []
    assert len(disagreements(text, {"x": value + 0.31})) == 1
    assert len(disagreements(text, {"x": value - 0.31})) == 1


def test_several_marks_and_other_comments():
    text = "<!-- notebooks -->\n<!-- part 3 -->\n4<!-- rate, mean 1e-2 --> Hz, 10<!-- 303:n 5% -->."
    found = marks(text)
    assert [(m.name, m.value, m.tolerance, m.relative) for m in found] == [
        ("rate, mean", 4.0, 0.01, False),
        ("303:n", 10.0, 0.05, True),
    ]
    assert disagreements(text, {"rate, mean": 4.0, "303:n": 10.5}) == []
    assert disagreements(text, {"rate, mean": 4.02, "303:n": 10.6}) == [
        "the text says 4 for rate, mean, the full run measured 4.02",
        "the text says 10 for 303:n, the full run measured 10.6",
    ]
    assert "303:n, which no run has measured" in disagreements(text, {"rate, mean": 4.0})[0]
    assert marks("no number, <b>5</b>, or in `7<!-- x -->`\n```\n7<!-- y 1 -->\n```") == []


@pytest.mark.parametrize(
    "text",
    ["7<!-- x -->", "7<!-- 0.3 -->", "7 %<!-- x 0.3 ms -->", "7<!---->", "7<!-- x\n0.3 -->"],
)
def test_a_mark_without_name_or_tolerance(text):
    with pytest.raises(ValueError, match=r"needs a name and a tolerance.*7"):
        marks(text)


@pytest.mark.parametrize("text", ["six<!-- x 0 -->", "(see 7)<!-- x 0 -->", "10^{-6}<!-- x 0 -->"])
def test_a_mark_without_a_number(text):
    with pytest.raises(ValueError, match="no number that can be read"):
        marks(text)


@pytest.mark.parametrize(
    ("text", "value", "wanted"),
    [
        ("97.8<!-- x 0.3 --> %", 96.04, "96.0<!-- x 0.3 --> %"),
        ("7<!-- x 1 -->", 8.9, "9<!-- x 1 -->"),
        ("1,200<!-- x 1 -->", 12345.6, "12,346<!-- x 1 -->"),
        ("1 200<!-- x 1 -->", 800.2, "800<!-- x 1 -->"),
        ("1e-6<!-- x 1 -->", 2.34e-12, "2e-12<!-- x 1 -->"),
        ("1.0e3<!-- x 1 -->", 2.34e4, "2.3e4<!-- x 1 -->"),
        ("-1.2<!-- x 1 -->", 0.04, "0.0<!-- x 1 -->"),
        ("1.2<!-- x 1 -->", -0.04, "0.0<!-- x 1 -->"),
        ("\u22121.2<!-- x 1 -->", -3, "\u22123.0<!-- x 1 -->"),
        ("+1.2<!-- x 1 -->", 3, "+3.0<!-- x 1 -->"),
        ("1<!-- x 1 --> and 20<!-- y 1 --> and 3<!-- x 1 -->", 5.0,
         "5<!-- x 1 --> and 20<!-- y 1 --> and 5<!-- x 1 -->"),
    ],
)  # fmt: skip
def test_filled(text, value, wanted):
    assert filled(text, {"x": value}) == wanted


@given(
    value=st.floats(-1e6, 1e6),
    like=st.sampled_from(
        ["97.8", "-1.234", "1,200", "1 200.5", "1.25e-6", "\u22123", "+5", "0.00"]
    ),
)
def test_a_filled_number_is_read_back_as_the_measured_one(value, like):
    text = filled(f"about {like}<!-- x 1 -->.", {"x": value})
    (mark,) = marks(text)
    decimals = len(like.partition("e")[0].partition(".")[2])
    allowed = 0.51 * 10**-decimals * (abs(value) * 10 if "e" in like else 1)
    assert abs(mark.value - value) <= allowed + 1e-9
    assert filled(text, {"x": value}) == text


def test_percent_signs_never_change_a_number(tmp_path: Path):
    assert disagreements("50 %<!-- x 1 -->", {"x": 0.5}) != []
