"""The glossary: its form, where its terms are taught, and the links that lead to it.

    python tests/project/test_glossary.py

lists the terms whose lessons do not use them, with the lessons that do.
"""

import re
from pathlib import Path

from test_readme import anchors

from conftest import ROOT

PAGE = ROOT / "docs" / "glossary.md"
SOURCES = ROOT / "notebooks" / "sources"
#: The lessons of the series, by part.
SERIES = {
    *range(101, 106), *range(201, 204), *range(301, 305), *range(401, 406), *range(501, 506),
    *range(601, 606), *range(701, 705), *range(801, 804),
}  # fmt: skip
#: Terms under other words in a lesson, where their own and the "also" of their line do not do.
OTHER_WORDS = {
    "Automatic differentiation": ["autograd", "differentiat"],
    "Balanced excitation and inhibition": ["balance"],
    "Bistability": ["bistable"],
    "Convergence": ["C_l", "converge"],
    "Delta code": ["delta encod", "delta_encode"],
    "Detach": ["detach"],
    "Detached reset": ["detach"],
    "Encoding": ["encode"],
    "Fluctuation-driven firing": ["fluctuation"],
    "Lateral inhibition": ["inhibit"],
    "ON and OFF channels": ["ON and OFF", "ON channel", "OFF channel"],
    "Poisson process": ["Poisson"],
    "Presynaptic neuron": ["presynaptic"],
    "Postsynaptic neuron": ["postsynaptic"],
    "Short-term depression": ["depress"],
    "Tonic firing": ["tonic"],
    "Type I neuron": ["type I"],
    "Type II neuron": ["type II"],
}


def slug(term: str) -> str:
    return re.sub(r"[^\w\- ]", "", term.lower()).replace(" ", "-")


def entries() -> list[tuple[str, str]]:
    """Every term, and all that stands below it."""
    blocks = re.split(r"^### ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    found = []
    for block in blocks:
        term, text = block.split("\n", 1)
        found.append((term.strip(), re.split(r"^## ", text, flags=re.MULTILINE)[0].strip()))
    return found


def lessons(text: str) -> list[int]:
    """The lessons that an entry names at its end."""
    named = re.search(r"\*Lessons? ([\d, ]+)\.\*$", text)
    return [int(number) for number in named[1].split(", ")] if named else []


def written() -> dict[int, Path]:
    """The lessons that have been written in the form of the series."""
    return {int(path.stem[:3]): path for path in SOURCES.glob("[0-9][0-9][0-9]_*.py")}


def plain(text: str) -> str:
    """Lower case, with one kind of space, and without the marks of comments and Markdown."""
    return re.sub(r"[-\s#*_`]+", " ", text.lower())


def names(term: str, text: str) -> list[str]:
    """What a lesson may call a term."""
    also = re.findall(r"Also \*([^*]+)\*", text)
    return [plain(word) for word in (term, *also, *OTHER_WORDS.get(term, []))]


def test_terms_are_sorted_unique_and_one_line_each():
    found = entries()
    slugs = [slug(term) for term, _ in found]
    assert len(found) > 100
    assert slugs == sorted(set(slugs))
    for term, text in found:
        assert text, term
        assert "\n" not in text, f"{term}: one line"
        assert text[0].isupper(), term
        assert text.endswith((".", ".*")), term
    letters = re.findall(r"^## (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert letters == sorted({term[0].upper() for term, _ in found})


def test_a_terms_anchor_is_the_term_in_lower_case_with_hyphens():
    there = anchors(PAGE)
    assert {slug(term) for term, _ in entries()} <= there
    assert {"membrane-time-constant", "stdp", "f-i-curve", "winner-take-all", "wta"} <= there


def test_every_term_says_where_it_is_taught_or_where_to_look():
    for term, text in entries():
        named = lessons(text)
        elsewhere = re.fullmatch(r"See \[[^\]]+\]\(#([\w-]+)\)\.", text)
        page = re.search(r"\*\[[^\]]+\]\([\w.]+\.md[^)]*\)\.\*$", text)
        assert bool(named) + bool(elsewhere) + bool(page) == 1, term
        assert named == sorted(set(named)), term
        if elsewhere:
            target = {slug(other): line for other, line in entries()}[elsewhere[1]]
            assert not target.startswith("See "), f"{term}: leads to an entry that leads on"


def test_lessons_named_are_of_the_series_and_exist_once_all_are_written():
    named = {number for _, text in entries() for number in lessons(text)}
    assert named <= SERIES
    assert set(written()) - {999} == SERIES


def not_used() -> list[str]:
    """The terms that a written lesson should teach and never says."""
    taught = {number: plain(path.read_text(encoding="utf-8")) for number, path in written().items()}
    found = []
    for term, text in entries():
        words = names(term, text)
        there = [n for n, lesson in taught.items() if any(word in lesson for word in words)]
        missing = [n for n in lessons(text) if n in taught and n not in there]
        if missing:
            found.append(f"{term}: not in {missing}, but in {sorted(there)}")
    return found


def test_a_written_lesson_uses_the_terms_that_it_teaches():
    assert not not_used(), "correct docs/glossary.md:\n" + "\n".join(not_used())


def links_of(path: Path) -> list[str]:
    return re.findall(r"glossary\.md#([^)\s]+)\)", path.read_text(encoding="utf-8"))


def test_links_of_lessons_lead_to_terms():
    known = {slug(term) for term, _ in entries()}
    for path in SOURCES.rglob("[0-9]*.py"):
        wrong = sorted(set(links_of(path)) - known)
        assert not wrong, f"{path.name}: add to docs/glossary.md, or correct the link: {wrong}"


if __name__ == "__main__":
    print("\n".join(not_used()))
