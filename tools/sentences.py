"""Draw random sentences from all texts of the project, to be read without context.

    python tools/sentences.py --seed 1                  100 sentences of all kinds
    python tools/sentences.py --seed 1 --of notebooks   only sentences from one folder

A reader who has not written these sentences counts those that had to be read twice; two of a
hundred are allowed. Every sentence has the same probability, whether it comes from lessons, pages,
docstrings, comments, messages or the help of options. Names of variables and formulas are shown as
they are.
"""

import ast
import io
import random
import re
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "demos"))

import cli  # noqa: E402

FEWEST = 5  #: words of a sentence; shorter pieces are headings or labels
END = re.compile(r"(?<=[.!?])[)\"”*]*\s+(?=[A-Z\"“(*`$])")


def files() -> list[Path]:
    """All files with text that people read."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "benchmarks" / "README.md"]
    pages += [path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts]
    code = [path for name in ("jarvis", "demos", "tools", "benchmarks", "docs", "notebooks")
            for path in (ROOT / name).rglob("*.py")
            if "_build" not in path.parts]  # fmt: skip
    configs = [*(ROOT / "demos").rglob("*.yaml"), ROOT / "Makefile"]
    scripts = [path for path in (ROOT / "docs").rglob("*.js") if "_build" not in path.parts]
    return sorted([*pages, *code, *configs, *scripts])


@cache
def pieces(path: Path) -> list[tuple[int, str]]:
    """The texts of a file, each with the line on which it begins."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return [(1, text)]
    found = []
    nodes = [ast.parse(text)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.JoinedStr):  # a message with inserted values is still one sentence
            parts = [part.value if isinstance(part, ast.Constant) else "x" for part in node.values]
            found.append((node.lineno, "".join(map(str, parts))))
            nodes += [part for part in node.values if not isinstance(part, ast.Constant)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append((node.lineno, node.value))
        else:
            nodes += ast.iter_child_nodes(node)
    comment: list[str] = []
    first = last = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            if comment and token.start[0] != last + 1:
                found.append((first, "\n".join(comment)))
                comment = []
            first = first if comment else token.start[0]
            last = token.start[0]
            comment.append(re.sub(r"^#:? ?", "", token.string))
    return [*found, (first, "\n".join(comment))]


def sentences(text: str) -> Iterator[str]:
    """The sentences of a text, without fenced code, tables, formulas and headings."""
    text = re.sub(r"```.*?```|<!--.*?-->|\$\$.*?\$\$|^\s*>>>.*$", "\n\n", text,
                  flags=re.DOTALL | re.MULTILINE)  # fmt: skip
    text = re.sub(r"^\s*(\||#+ |%%|\w+:: ?).*$", "\n", text, flags=re.MULTILINE)
    text = re.sub(r"^\s*(?:[-*]|\d+\.) |^ *[*\w, ]+: (?=\S)|^ *[A-Z]\w+:$", "\n\n", text,
                  flags=re.MULTILINE)  # fmt: skip
    for paragraph in re.split(r"\n\s*\n", text):
        for sentence in END.split(" ".join(paragraph.split())):
            words = sentence.split()
            if len(words) >= FEWEST and sentence[-1] in ".!?:" and sentence[0] not in "<{[":
                yield sentence


def drawn(seed: int, count: int, folder: str = "") -> list[tuple[str, str]]:
    """Sentences drawn without replacement, each with its place; only from `folder`, if given."""
    found = {
        sentence: f"{path.relative_to(ROOT).as_posix()}:{line}"
        for path in files()
        if path.suffix != ".js" and path.relative_to(ROOT).as_posix().startswith(folder)
        for line, text in sorted(pieces(path))
        for sentence in sentences(text)
    }
    chosen = random.Random(seed).sample(sorted(found), min(count, len(found)))
    return [(sentence, found[sentence]) for sentence in chosen]


def main() -> None:
    parser = cli.Parser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=cli.seed, default=0, help="seed of the draw")
    parser.add_argument("--count", type=cli.positive_int, default=100, help="number of sentences")
    parser.add_argument("--of", default="", metavar="FOLDER", help="only from this folder")
    args = parser.parse_args()
    for number, (sentence, place) in enumerate(drawn(args.seed, args.count, args.of), 1):
        print(f"{number}. {sentence}\n   ({place})")


if __name__ == "__main__":
    main()
