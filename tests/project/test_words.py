"""Words that are retired: the field has better ones, and so has English.

Each is kept out of what people read: lessons, docs, read-me, docstrings, comments, messages and the
help of options. Code between backticks and fences is not read.
"""

import importlib.util
import re
from pathlib import Path

import pytest

from conftest import ROOT


def _module(path: Path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tool = _module(ROOT / "tools" / "sentences.py")

COUNTED = "row|box|line|column|bar|dot|curve|number|map|value|file|weight|panel|spike|seed|function"
PER = "step|class|neuron|sample|row|seed|unit|spike|word|epoch|map|pixel|synapse|digit|layer|bin"
PER += "|method|run|line|lesson|notebook|learner|term|set|concept|file|picture|figure|frame"
PER += "|class spike"
NEURAL = "trained|learned|learnt|hidden|neuron's|neurons'"

#: What is retired: a pattern, what to write, what it finds, and what it must let pass.
RETIRED = {
    rf"\b(?:(?:words|samples|spikes|steps|seconds|[Mm]inutes|seeds)|"
    rf"(?:a|an|one|two|three|\d+) (?:{COUNTED})s?) an? (?:{PER})\b": (
        '"per" or "for each"', "one box a class spike", "one box per class spike"),
    r"\b(?:eligibility|synapse's|fading|decaying) marks?\b|\bmarks? (?:decay|fade|wait)s?\b"
    r"|\bmarks? (?:of|at|in|on) (?:a|the|each|every) synaps": (
        "eligibility trace", "the mark decays", "marks what is not known"),
    r"\b(?:the|this|its|signed|negative|positive|of|by|times) surprise\b": (
        "reward prediction error", "times the surprise", "it comes as a surprise"),
    r"\bprices? (?:of|on|for) (?:\w+ )?(?:rates?|spikes?)\b": (
        "rate regularisation", "price of rates", "exactness has its price"),
    rf"(?<!in the )(?<!in )(?<!take the )\bplaces? of (?:the |a |its )?neurons?\b"
    rf"|\b(?:{NEURAL}) places?\b": (
        "position", "trained places", "units in the place of neurons"),
    r"\bmend(?:s|ed|ing)?\b": ("fix", "why it fails, and mend it", "recommended, amended"),
    r"\btir(?:e|es|ed|ing|edness)\b": (
        "adaptation; of a synapse, depression", "a tiring neuron", "retired, entire"),
    r"\bupswings?\b": ("upstroke", "the upswing of a spike", "the upstroke of a spike"),
    r"\bluck\b|\bcoins?\b": ('"chance", "random"', "has no luck in it", "a coincidence"),
    r"\b(?:a|no|stable|unstable|two|one|second|each|every) rests?\b(?! of)": (
        "fixed point, or resting potential", "find a rest", "the rest of the step; at rest"),
    r"\b(?:by|for|within|of) some (?:ms|s)\b": (
        '"by a few ms", or the number', "shifted by some ms", "for some time"),
    r"\b1 = all\b": ("score (fraction)", "figure (1 = all)", "1 = alive"),
    r"(?:\A|[.!?:]\s|\|\s|-\s)Level (?:is|are|with)\b": (
        "the subject first", "Best is A. Level are also places", "The level is high"),
    r"(?:\A|[.!?:)]\s|\|\s|\n\n)Who(?:ever)? [^.?!|]*[.|]": (
        "a subject: readers, a program, reporting ...", "Who reports spikes hides this.",
        "Who is right? Ask those who know."),
}  # fmt: skip
SPELLED = {
    "HULK": "Hierarchical Unravelling of Linked Kernels",
    "SMASH": "Similarity Matching through Active Spike Hashing",
    "ASH": "Active Spike Hashing",
}


def without_code(text: str) -> str:
    """A text without what stands between fences and backticks."""
    text = re.sub(r"```.*?```", " ", text, flags=re.DOTALL)
    return re.sub(r"`[^`\n]*`", " ", text)


def pieces(path: Path) -> list[tuple[int, str]]:
    """The texts of a file without code, each with the line on which it begins."""
    return [(line, without_code(text)) for line, text in tool.pieces(path)]


def retired(text: str) -> list[str]:
    """What a text should not say, each with what to say instead."""
    found = []
    flat = re.sub(r"(?<!\n)\n(?!\n)", " ", text)
    for pattern, (better, *_) in RETIRED.items():
        for hit in re.finditer(pattern, flat):
            line = text[: hit.start()].count("\n")
            found.append(f"+{line}: {' '.join(hit[0].split())!r}: write {better}")
    return found


def not_spelled(text: str) -> list[str]:
    """Short names that a text has not spelled out by the end of the paragraph of first use."""
    found = []
    for short, long in SPELLED.items():
        first = re.search(rf"\b{short}\b", text)
        if first:
            end = text.find("\n\n", first.end())
            before = " ".join(text[: end if end >= 0 else None].split())
            if long.lower() not in before.lower():
                found.append(f"{short}: spell it out at its first use: {long}")
    return found


def folder_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0] if path.parent != ROOT else "."


@pytest.mark.parametrize("folder", sorted({folder_of(path) for path in tool.files()}))
def test_retired_words_stay_out(folder):
    found = []
    for path in (path for path in tool.files() if folder_of(path) == folder):
        texts = sorted(pieces(path))
        wrong = [f"line {line}{what}" for line, text in texts for what in retired(text)]
        if path.name != "glossary.md":  # where each is spelled out in its own entry
            wrong += not_spelled("\n\n".join(text for _, text in texts))
        found += [f"{path.relative_to(ROOT)}: {what}" for what in wrong]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("pattern", RETIRED)
def test_each_pattern_finds_what_it_retires_and_lets_pass_what_it_should(pattern):
    _, bad, good = RETIRED[pattern]
    assert re.search(pattern, bad), bad
    assert not re.search(pattern, good), good


def test_short_names_have_to_be_spelled_out_where_they_first_stand():
    assert not_spelled("SMASH joins them.\n\nSimilarity Matching through Active Spike Hashing.")
    assert not not_spelled("SMASH (Similarity Matching through\nActive Spike Hashing) joins them.")


def test_all_kinds_of_text_are_read(tmp_path):
    path = tmp_path / "a.py"
    path.write_text('"""Or\nmend it."""\nx = f"a {1} coin"\n# by\n# some ms\ny = "`luck`"\n')
    found = [what for _, text in pieces(path) for what in retired(text)]
    assert sorted(re.findall(r"'(.*?)'", "".join(found))) == ["by some ms", "coin", "mend"]
    assert sorted(line for line, _ in pieces(path)) == [1, 3, 4, 6]
    assert len(tool.files()) > 150


PROSE = """# A heading

A first sentence, of `code` and 0.5 ms. A second one, which
goes on ("so")! Short one.

- an item of a list that ends.

| a table | has no sentences here. |

    values: what an argument is, in ms.

$$x = 1$$
"""


def test_sentences_are_split_where_they_end():
    assert list(tool.sentences(PROSE)) == [
        "A first sentence, of `code` and 0.5 ms.",
        'A second one, which goes on ("so")!',
        "an item of a list that ends.",
        "what an argument is, in ms.",
    ]


def test_a_draw_is_of_its_seed_and_of_its_folder():
    some = tool.drawn(1, 40, "docs")
    assert some == tool.drawn(1, 40, "docs") != tool.drawn(2, 40, "docs")
    assert len(some) == 40
    assert all(place.startswith("docs/") for _, place in some)
    # All sentences, because a small draw may contain none from demos, after any edit of a text
    folders = {place.partition("/")[0] for _, place in tool.drawn(1, 1_000_000)}
    assert {"docs", "jarvis", "notebooks", "demos", "tools"} <= folders
