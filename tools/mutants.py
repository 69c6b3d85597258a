"""Draw and run mutants of the package's core: how many small mistakes do the tests notice?

python tools/mutants.py draw --seed 1 --count 100 --output mutants.json
python tools/mutants.py run mutants.json --output before.json             # resumes where it stopped
python tools/mutants.py run mutants.json --output after.json --tree ../other_checkout
python tools/mutants.py run mutants.json --output before.json --first 80  # only the first 80

A mutant is one small change of one function: a sign is flipped; a comparison, a number or a
condition is changed; an index is moved by one; or a `.detach()` or a check is removed. A mutant is
identified by its function, by its position in the function's syntax tree and by the text at this
position. Its file does not matter, so that the same mutants can be run before and after functions
move. A mutant whose code no longer exists counts as vanished.

The tree is copied into a temporary folder and mutated there; the checkout stays as it is. A mutant
runs against the tests that import its module: the most direct importers first, up to a total of
`BUDGET` seconds (measured without the mutant). Tests that fail without any mutant are left out and
listed in the results under "baseline". Numba's cache stays in the temporary folder, for a run that
is resumed. Set JARVIS_DATA for tests on real data, which use a copy of that folder. The program
needs POSIX.
"""

import argparse
import ast
import contextlib
import difflib
import functools
import hashlib
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from itertools import takewhile
from pathlib import Path

PACKAGE = "jarvis"
#: Modules and folders from which no mutants are drawn: plots, lessons, layouts and Triton loops.
EXCLUDED = ("plotting", "classroom", "layout", "*triton*")
#: Test files that are not run, because they do not test the core, or take minutes.
EXCLUDED_TESTS = (
    "browser", "test_style", "test_docs", "test_readme", "test_notebooks", "test_benchmarks",
    "*triton*",
)  # fmt: skip
#: The folder of compiled loops, which import one another and are cached by numba.
COMPILED = "kernels"
KINDS = ("sign", "comparison", "constant", "off by one", "detach", "condition", "check")

DEFAULTS = "tests/project/test_defaults.py"  #: reads every signature but imports no module by name
LIMIT = 150.0  #: seconds of processor time per mutant; a busy machine needs up to twice as much
BUDGET = 40.0  #: processor seconds for a mutant's tests, measured without the mutant
QUICK = 3.0  #: seconds; slower tests come last, so that a few of them do not use up the budget
QUICK_SHARE = 0.75  #: largest fraction of the budget for quick tests
LIMIT_BASELINE = 300.0  #: seconds of processor time for a test file without a mutant
PATIENCE = 3.0  #: seconds by the clock per second of a limit, if a test waits for ever
DEPTH = 1  #: largest number of imports between the mutant's module and one that a test imports
NOT_COPIED = (".git", ".venv", "runs", "_build", "__pycache__", ".*_cache", ".hypothesis", "*.egg*")

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
}  # fmt: skip
SYMBOLS = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
    ast.Add: "+", ast.Sub: "-",
}  # fmt: skip
#: Parts of a syntax tree that are never changed: they are only text, or do not affect behaviour.
UNTOUCHED = {"annotation", "returns", "decorator_list", "type_params", "msg"}
MESSAGES = {"warn", "warning", "info", "debug", "error", "log", "print", "cast"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
JOINED = (ast.JoinedStr, ast.List, ast.ListComp, ast.Tuple)


@dataclass(frozen=True)
class Site:
    """A place where a file can be mutated, and the mutation.

    Args:
        path: the path from the function to the node, such as ``body[3].test.ops[0]``.
        text: the source of the node; `new` is its source after the mutation.
        context: the statement that contains the node, or the statement's head.
        start, end: the bytes of the file that `replacement` replaces.
    """

    kind: str
    path: str
    text: str
    new: str
    context: str
    start: int
    end: int
    replacement: str


@dataclass(frozen=True)
class Mutant:
    """A mutant in the form in which it is stored.

    Args:
        function: the qualified name of the function, or of a value outside functions.
        module: the module's stem, if two modules define this name.
        shape: a checksum of the whole function, to distinguish functions of the same name.
        drawn_from: the file from which the mutant was drawn; not used by the program.
    """

    function: str
    module: str | None
    kind: str
    path: str
    text: str
    new: str
    context: str
    shape: str
    drawn_from: str


# ---------------------------------------------------------------- where a file can be mutated


def is_type_checking(node: ast.AST) -> bool:
    """Whether the node is ``if TYPE_CHECKING:``."""
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def scopes(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.stmt]]:
    """Functions, methods, and named values outside of these, by qualified name."""
    for node in body:
        if isinstance(node, FUNCTIONS):
            yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from scopes(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id != "__all__":
                yield prefix + target.id, node
        elif isinstance(node, (ast.If, ast.Try, ast.With)) and not is_type_checking(node):
            for field in ("body", "handlers", "orelse", "finalbody"):
                for part in getattr(node, field, []):
                    inner = part.body if isinstance(part, ast.ExceptHandler) else [part]
                    yield from scopes(inner, prefix)


def integer(node: ast.AST) -> int | None:
    """The value of a whole number in the source, including its sign; None for other nodes."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = integer(node.operand)
        return None if value is None else -value
    return node.value if isinstance(node, ast.Constant) and type(node.value) is int else None


def name_of(call: ast.Call) -> str:
    """The last part of the name of the called function."""
    return ast.unparse(call.func).rpartition(".")[2]


class Source:
    """A file of the package: its bytes, its syntax tree, and its sites."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path.read_bytes()
        self.tree = ast.parse(self.data)
        self._lines = [0]
        for line in self.data.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Where a node starts and ends, in bytes."""
        start = self._lines[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        end = self._lines[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
        return start, end

    def code(self, node: ast.AST) -> str:
        """The source of a node, exactly as it is written."""
        start, end = self.span(node)
        return self.data[start:end].decode()

    def operator(self, low: int, high: int, symbol: str) -> tuple[int, int]:
        """The position of an operator between two operands, where comments may stand as well."""
        between = re.sub(rb"#[^\n]*", lambda found: b" " * len(found[0]), self.data[low:high])
        start = low + between.index(symbol.encode())
        return start, start + len(symbol)

    def mutated(self, site: Site) -> bytes:
        """The file with one site changed, and the rest of its text unchanged."""
        return self.data[: site.start] + site.replacement.encode() + self.data[site.end :]

    def scopes(self) -> Iterator[tuple[str, ast.stmt]]:
        yield from scopes(self.tree.body)

    def sites(self, scope: ast.stmt) -> list[Site]:
        """All sites of a function, in the order of its source."""
        return list(self._walk(scope, "", "", set()))

    def _walk(self, node: ast.AST, path: str, context: str, taken: set[int]) -> Iterator[Site]:
        silent = isinstance(node, ast.Call) and name_of(node) in MESSAGES
        if silent or isinstance(node, (ast.Raise, ast.JoinedStr)) or is_type_checking(node):
            return
        yield from self._here(node, path, context, taken)
        for step, child in children(node):
            inner = context
            if isinstance(getattr(node, "body", None), list):  # only its head, without its body
                has_context = isinstance(child, (ast.stmt, ast.ExceptHandler, ast.match_case))
                inner = "" if has_context else ast.unparse(child)
            elif isinstance(node, ast.stmt):
                inner = ast.unparse(node)
            yield from self._walk(child, f"{path}.{step}" if path else step, inner, taken)

    def _here(self, node: ast.AST, path: str, context: str, taken: set[int]) -> Iterator[Site]:
        """The sites of one node; `taken` collects numbers that are mutated as indices."""
        at = dict(path=path, context=context)
        match node:
            case ast.BinOp(op=ast.Add() | ast.Sub()):
                if not isinstance(node.left, JOINED) and not isinstance(node.right, JOINED):
                    yield self._sign(node, node.left, node.right, at)
            case ast.AugAssign(op=ast.Add() | ast.Sub()) if not isinstance(node.value, JOINED):
                yield self._sign(node, node.target, node.value, at)
            case ast.UnaryOp(op=ast.USub()):
                start, _ = self.span(node)
                new = ast.unparse(node.operand)
                yield Site("sign", text=ast.unparse(node), new=new, start=start, end=start + 1,
                           replacement="", **at)  # fmt: skip
            case ast.Compare():
                yield from self._comparisons(node, at)
            case ast.Constant(value=int() | float()) if id(node) not in taken:
                for new in other_numbers(node.value):
                    yield self._whole("constant", node, new, at)
            case ast.Subscript():
                yield from self._indices(node, at, taken)
            case ast.Call(func=ast.Name("range") | ast.Attribute(attr="range" | "arange")):
                for i, argument in enumerate(node.args):
                    yield from self._off_by_one(argument, f"args[{i}]", at, taken)
            case ast.Call(func=ast.Attribute(attr="detach"), args=[], keywords=[]):
                value, (_, end) = node.func.value, self.span(node)
                start = self.data.rindex(b".", 0, end)
                yield Site("detach", text=ast.unparse(node), new=ast.unparse(value), start=start,
                           end=end, replacement="", **at)  # fmt: skip
            case ast.If() | ast.While() | ast.IfExp():
                yield from self._condition(node, at)
                if isinstance(node, ast.If):
                    yield from self._check(node, at)

    def _whole(self, kind: str, node: ast.AST, new: str, at: dict) -> Site:
        """A site at which the whole node is replaced."""
        start, end = self.span(node)
        return Site(kind, text=ast.unparse(node), new=new, start=start, end=end,
                    replacement=new, **at)  # fmt: skip

    def _sign(self, node: ast.BinOp | ast.AugAssign, left: ast.AST, right: ast.AST, at: dict):
        other = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        start, end = self.operator(self.span(left)[1], self.span(right)[0], SYMBOLS[type(node.op)])
        if isinstance(node, ast.BinOp):
            changed = ast.BinOp(node.left, other, node.right)
        else:
            changed = ast.AugAssign(node.target, other, node.value)
        return Site("sign", text=ast.unparse(node), new=ast.unparse(changed), start=start, end=end,
                    replacement=SYMBOLS[type(other)], **at)  # fmt: skip

    def _comparisons(self, node: ast.Compare, at: dict) -> Iterator[Site]:
        operands = [node.left, *node.comparators]
        for i, op in enumerate(node.ops):
            if type(op) not in COMPARISONS:
                continue
            other = COMPARISONS[type(op)]()
            changed = ast.Compare(node.left, [*node.ops], node.comparators)
            changed.ops[i] = other
            low, high = self.span(operands[i])[1], self.span(operands[i + 1])[0]
            start, end = self.operator(low, high, SYMBOLS[type(op)])
            yield Site("comparison", text=ast.unparse(node), new=ast.unparse(changed), start=start,
                       end=end, replacement=SYMBOLS[type(other)],
                       **at | {"path": f"{at['path']}.ops[{i}]"})  # fmt: skip

    def _indices(self, node: ast.Subscript, at: dict, taken: set[int]) -> Iterator[Site]:
        several = isinstance(node.slice, ast.Tuple)
        for i, part in enumerate(node.slice.elts if several else [node.slice]):
            step = f"slice.elts[{i}]" if several else "slice"
            if isinstance(part, ast.Slice):
                for name in ("lower", "upper"):
                    if (bound := getattr(part, name)) is not None:
                        yield from self._off_by_one(bound, f"{step}.{name}", at, taken)
            elif integer(part) is not None or isinstance(part, ast.BinOp):
                yield from self._off_by_one(part, step, at, taken)

    def _off_by_one(self, node: ast.expr, step: str, at: dict, taken: set[int]) -> Iterator[Site]:
        at = at | {"path": f"{at['path']}.{step}" if at["path"] else step}
        number = integer(node)
        if number is not None:
            taken.update(id(part) for part in ast.walk(node))
            for change in (1, -1):
                yield self._whole("off by one", node, str(number + change), at)
        elif not isinstance(node, (ast.Constant, ast.Starred)):
            start, end = self.span(node)
            for op in (ast.Add(), ast.Sub()):
                new = ast.unparse(ast.BinOp(node, op, ast.Constant(1)))
                replacement = f"({self.code(node)}) {SYMBOLS[type(op)]} 1"
                yield Site("off by one", text=ast.unparse(node), new=new, start=start, end=end,
                           replacement=replacement, **at)  # fmt: skip

    def _condition(self, node: ast.If | ast.While | ast.IfExp, at: dict) -> Iterator[Site]:
        test = node.test
        equality = isinstance(test, ast.Compare) and isinstance(test.ops[0], (ast.Eq, ast.NotEq))
        if isinstance(test, ast.Constant) or (equality and len(test.ops) == 1):
            return  # another mutant already negates this comparison
        start, end = self.span(test)
        head = at["context"] if isinstance(node, ast.IfExp) else ast.unparse(test)
        yield Site("condition", f"{at['path']}.test" if at["path"] else "test", ast.unparse(test),
                   ast.unparse(ast.UnaryOp(ast.Not(), test)), head, start, end,
                   f"(not ({self.code(test)}))")  # fmt: skip

    def _check(self, node: ast.If, at: dict) -> Iterator[Site]:
        *before, last = node.body
        plain = all(isinstance(part, (ast.Assign, ast.AnnAssign)) for part in before)
        if not isinstance(last, ast.Raise) or not plain or node.orelse:
            return
        error = last.exc.func if isinstance(last.exc, ast.Call) else last.exc
        text = f"if {ast.unparse(node.test)}: raise {ast.unparse(error) if error else ''}".strip()
        start, end = self.span(node)
        is_elif = self.data[start:].startswith(b"elif")
        replacement = f"else:\n{' ' * (node.col_offset + 4)}pass" if is_elif else "pass"
        yield Site("check", at["path"], text, "pass", text, start, end, replacement)


def children(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The parts of a node that may be changed, with the step that leads to each of them."""
    for field, value in ast.iter_fields(node):
        if field in UNTOUCHED:
            continue
        if isinstance(value, list):
            for i, part in enumerate(value):
                if isinstance(part, ast.AST):
                    yield f"{field}[{i}]", part
        elif isinstance(value, ast.AST):
            yield field, value


def other_numbers(value: int | float) -> list[str]:
    """The values that replace a number."""
    if isinstance(value, bool):
        return []
    if isinstance(value, int):
        return ["1"] if value == 0 else sorted({str(value + 1), str(2 * value)})
    if value == 0:
        return ["1.0"]
    return [repr((10 if abs(value) < 0.01 else 2) * value)]


# ---------------------------------------------------------------- drawing and finding


def is_excluded(path: Path, patterns: tuple[str, ...]) -> bool:
    names = [*path.parts[:-1], path.stem]
    return any(fnmatch(name, pattern) for name in names for pattern in patterns)


def sources(tree: Path) -> list[Source]:
    """All files of the package."""
    return [Source(path) for path in sorted((tree / PACKAGE).rglob("*.py"))]


def shape(scope: ast.stmt) -> str:
    return f"{zlib.crc32(ast.unparse(scope).encode()):08x}"


def candidates(tree: Path) -> tuple[list[Source], dict[str, list[tuple[Source, Site, Mutant]]]]:
    """The files of the package, and every possible site of each kind of mutant."""
    files = sources(tree)
    homes: dict[str, set[Path]] = {}
    for source in files:
        for name, _ in source.scopes():
            homes.setdefault(name, set()).add(source.path)
    pools: dict[str, list[tuple[Source, Site, Mutant]]] = {kind: [] for kind in KINDS}
    for source in files:
        if is_excluded(source.path.relative_to(tree / PACKAGE), EXCLUDED):
            continue
        for name, scope in source.scopes():
            module = source.path.stem if len(homes[name]) > 1 else None
            file = source.path.relative_to(tree).as_posix()
            form = shape(scope)
            for site in source.sites(scope):
                what = (site.kind, site.path, site.text, site.new, site.context)
                mutant = Mutant(name, module, *what, form, file)
                pools[site.kind].append((source, site, mutant))
    return files, pools


def draw(tree: Path, seed: int, count: int, among=None) -> list[Mutant]:
    """Draw mutants, one of each kind at a time; a function repeats only when all have been used.

    ``among`` is the output of `candidates`, if it is used for several draws.
    """
    files, found = among or candidates(tree)
    pools = {kind: list(pool) for kind, pool in found.items()}
    rng = random.Random(seed)
    for pool in pools.values():
        rng.shuffle(pool)
        pool.reverse()  # so that pop() takes the first one
    print(", ".join(f"{kind}: {len(pool)}" for kind, pool in pools.items()), "sites")
    return take(files, pools, count)


def take(
    files: list[Source], pools: dict[str, list[tuple[Source, Site, Mutant]]], count: int
) -> list[Mutant]:
    """Go round the shuffled pools; take each one's next mutant that is sound and can be found."""
    chosen: list[Mutant] = []
    later: dict[str, list] = {kind: [] for kind in pools}
    used: set[tuple[str, str]] = set()
    while len(chosen) < count and any(pools.values()):
        for kind, pool in pools.items():
            while pool and len(chosen) < count:
                source, site, mutant = pool.pop()
                if (mutant.drawn_from, mutant.function) in used:
                    later[kind].append((source, site, mutant))
                elif is_sound(source, site) and locate(files, mutant)[:2] == (source, site):
                    used.add((mutant.drawn_from, mutant.function))
                    chosen.append(mutant)
                    break
            if not pool and later[kind]:  # every function has been used
                pool.extend(reversed(later[kind]))
                later[kind].clear()
                used -= {(m.drawn_from, m.function) for _, _, m in pool}
    return chosen


def is_sound(source: Source, site: Site) -> bool:
    """Whether the mutated file is valid Python and its syntax tree differs from the original."""
    try:
        tree = ast.parse(source.mutated(site))
    except SyntaxError:
        return False
    return ast.dump(tree) != ast.dump(source.tree)


def locate(files: list[Source], mutant: Mutant) -> tuple[Source | None, Site | None, str]:
    """Where a mutant is in a tree, and how it was found; (None, None, reason) if it vanished.

    The function is identified by its name, in any file, and the site by its text. These matches are
    tried, in order: the same place in the same statement ("same"), another place in that statement
    ("moved"), the same place in an edited statement ("edited"), and a similar statement
    ("similar").
    """
    found: list[tuple[tuple, Source, Site, str]] = []
    named = False
    for source in files:
        for name, scope in source.scopes():
            if name != mutant.function:
                continue
            named = True
            own = (shape(scope) == mutant.shape, source.path.stem == mutant.module)
            for site in source.sites(scope):
                if (site.kind, site.text, site.new) != (mutant.kind, mutant.text, mutant.new):
                    continue
                how, rank = likeness(site, mutant)
                if how and (mutant.module is None or any(own) or how == "same"):
                    found.append(((*own, *rank), source, site, how))
    if not found:
        return None, None, "its node is gone" if named else "its function is gone"
    _, source, site, how = max(found, key=lambda one: one[0])
    return source, site, how


def likeness(site: Site, mutant: Mutant) -> tuple[str, tuple]:
    """How similar a site with the same text is: a word ("" if too little), and a sort key."""
    path, context = site.path == mutant.path, site.context == mutant.context
    pairs = zip(reversed(site.path.split(".")), reversed(mutant.path.split(".")), strict=False)
    ends = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
    close = difflib.SequenceMatcher(None, site.context, mutant.context).ratio()
    how = "same" if path and context else "moved" if context else "edited" if path else "similar"
    rank = (("similar", "edited", "moved", "same").index(how), close, ends)
    return (how if how != "similar" or close > 0.5 else ""), rank


# ---------------------------------------------------------------- which tests concern a module


class Imports:
    """The imports of all modules of the package and of all tests."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree
        self.modules = {self._dotted(path): path for path in sorted((tree / PACKAGE).rglob("*.py"))}
        self._parsed = {name: ast.parse(path.read_bytes()) for name, path in self.modules.items()}
        self._packages = {n for n, path in self.modules.items() if path.stem == "__init__"}
        self.of = {name: self._imports(tree, name) for name, tree in self._parsed.items()}
        self._add_dynamic()
        self.tests: dict[Path, set[str]] = {}
        for path in sorted((tree / "tests").rglob("test_*.py")):
            if not is_excluded(path.relative_to(tree / "tests"), EXCLUDED_TESTS):
                self.tests[path] = self._imports(ast.parse(path.read_bytes()), "")

    def _dotted(self, path: Path) -> str:
        parts = path.relative_to(self.tree).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def name(self, path: Path) -> str:
        """The dotted name of a module's file."""
        return self._dotted(path)

    @functools.cache  # noqa: B019  (one object in a run)
    def _bindings(self, module: str) -> dict[str, str]:
        """The names that a module imports, and what each of them refers to."""
        names: dict[str, str] = {}
        trees = [self._parsed[module]] if module in self._parsed else []
        stub = self.modules[module].with_suffix(".pyi") if trees else Path()
        if stub.is_file():  # names that are imported on first use
            trees.append(ast.parse(stub.read_bytes()))
        for node in (node for tree in trees for node in ast.walk(tree)):
            names.update(self._bound(node, module))
        return names

    def _bound(self, node: ast.AST, module: str) -> dict[str, str]:
        """The names that one import binds."""
        if isinstance(node, ast.Import):
            return {a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0]
                    for a in node.names}  # fmt: skip
        if not isinstance(node, ast.ImportFrom):
            return {}
        base = node.module or ""
        if node.level:
            above = module.split(".")
            above = above[: len(above) - node.level + (module in self._packages)]
            base = ".".join([*above, *base.split(".")] if base else above)
        return {a.asname or a.name: base if a.name == "*" else f"{base}.{a.name}"
                for a in node.names}  # fmt: skip

    def _origins(self, dotted: str, seen: frozenset[str] = frozenset()) -> set[str]:
        """The modules to which a dotted name leads, through packages that re-export names."""
        if dotted in self.modules or dotted in seen:
            return {dotted} & set(self.modules)
        parent, _, name = dotted.rpartition(".")
        if not parent:
            return set()
        if parent not in self.modules:
            return self._origins(parent, seen | {dotted})
        target = self._bindings(parent).get(name, "")
        if not target.startswith(PACKAGE):
            return {parent}
        through = set() if parent in self._packages else {parent}
        return through | self._origins(target, seen | {dotted})

    def _imports(self, tree: ast.Module, module: str) -> set[str]:
        """The modules that a file uses: imported, reached as attributes, or named in strings."""
        names: dict[str, str] = {}
        wanted: set[str] = set()
        for node in ast.walk(tree):
            bound = self._bound(node, module)
            names.update(bound)
            wanted.update(bound.values())
            if isinstance(node, ast.Import):
                wanted.update(alias.name for alias in node.names)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                root, _, rest = ast.unparse(node).partition(".")
                if root in names:
                    wanted.add(f"{names[root]}.{rest}")
            elif isinstance(node, ast.Constant):
                wanted.update(re.findall(rf"\A{PACKAGE}(?:\.\w+)+\Z", str(node.value)))
        wanted = {name for name in wanted if name.split(".")[0] == PACKAGE}
        return {origin for name in wanted for origin in self._origins(name)} - {module}

    def _add_dynamic(self) -> None:
        """Add the modules of ``import_module(f"jarvis.kernels.{family}_{backend}")``."""
        static = set().union(*self.of.values())
        for name, tree in self._parsed.items():
            for node in ast.walk(tree):
                if not isinstance(node, ast.JoinedStr):
                    continue
                pattern = "".join(
                    re.escape(str(part.value)) if isinstance(part, ast.Constant) else r"\w+"
                    for part in node.values
                )
                if pattern.startswith(PACKAGE + r"\."):
                    found = {other for other in self.modules if re.fullmatch(pattern, other)}
                    self.of[name] |= found - static

    def distances(self, module: str) -> dict[str, int]:
        """How many imports away each importer is; imports among compiled loops do not count."""
        found = {module: 0}
        queue = deque([module])
        while queue:
            current = queue.popleft()
            for name, imported in self.of.items():
                if current not in imported or name in self._packages:
                    continue
                inner = COMPILED in name.split(".") and COMPILED in module.split(".")
                distance = found[current] + (not inner)
                if distance <= DEPTH and distance < found.get(name, DEPTH + 1):
                    found[name] = distance
                    queue.append(name)
        return found

    def importers(self, module: str) -> set[str]:
        """All modules that import the given module, directly or indirectly."""
        found, queue = {module}, deque([module])
        while queue:
            current = queue.popleft()
            more = {name for name, imported in self.of.items() if current in imported} - found
            found |= more
            queue.extend(more)
        return found

    def matching(self, module: str) -> list[Path]:
        """Files whose tests concern a module, nearest first; the module's examples come second."""
        near = self.distances(module)
        path = self.modules[module]
        folders = path.relative_to(self.tree / PACKAGE).parent.parts
        words = {*path.stem.split("_"), *folders}
        ranked: list[tuple[tuple, Path]] = []
        for test, imported in self.tests.items():
            reached = [near[name] for name in imported if name in near]
            named = test.stem == f"test_{path.stem}"
            if not reached and not named:
                continue
            there = test.relative_to(self.tree / "tests").parent.parts == folders
            shared = len(words & set(test.stem.removeprefix("test_").split("_")))
            rank = (-1 if named else min(reached), not there if named else module not in imported)
            ranked.append(((*rank, -shared, len(imported), test.stem), test))
        if b">>> " in path.read_bytes():
            ranked.append(((-0.5,), path))
        if (defaults := self.tree / DEFAULTS).exists():
            ranked.append(((-0.25,), defaults))
        return [file for _, file in sorted(ranked)]


# ---------------------------------------------------------------- running


class Workshop:
    """A copy of the tree in a temporary folder, in which tests run on mutants."""

    def __init__(self, tree: Path, folder: Path) -> None:
        self.folder = folder
        self.tree = folder / "tree"
        self.clear()
        shutil.copytree(tree, self.tree, ignore=shutil.ignore_patterns(*NOT_COPIED))
        self.imports = Imports(self.tree)
        self.files = sources(self.tree)
        self.cache = folder / "numba"
        self.cache.mkdir(exist_ok=True)
        self.chosen: dict[str, list[str]] = {}
        self.data = folder / "data"  # also a copy, because a mutant could damage it
        if "JARVIS_DATA" in os.environ:
            shutil.copytree(os.environ["JARVIS_DATA"], self.data)

    def clear(self) -> None:
        """Remove everything except numba's cache, so that a resumed run need not compile again."""
        for part in ("tree", "data", "scratch", "numba_of_one"):
            shutil.rmtree(self.folder / part, ignore_errors=True)

    def fresh_cache(self, module: str) -> Path:
        """A numba cache without the loops that may depend on this module.

        Numba tracks the file that contains a loop, but not the files from which the loop is made.
        """
        cache = self.folder / "numba_of_one"
        shutil.rmtree(cache, ignore_errors=True)
        shutil.copytree(self.cache, cache)
        for path in self.stale(module):
            (cache / path.relative_to(self.cache)).unlink()
        return cache

    def stale(self, module: str) -> list[Path]:
        """The files in numba's cache that depend on a module of the compiled loops."""
        if COMPILED not in module.split("."):
            return []
        names = {name.rpartition(".")[2] for name in self.imports.importers(module)}
        return [path for path in self.cache.rglob("*.nb?") if path.name.split(".")[0] in names]

    def pytest(
        self, arguments: list[str], limit: float, cache: Path, keep_bytecode: bool = False
    ) -> tuple[int | None, str, float]:
        """Run tests; returns exit status (None: stopped at the limit), output, processor time."""
        scratch = self.folder / "scratch"
        shutil.rmtree(scratch, ignore_errors=True)
        (scratch / "tmp").mkdir(parents=True)
        env = {
            **os.environ,
            "PYTHONPATH": str(self.tree),
            "NUMBA_CACHE_DIR": str(cache),
            "JARVIS_CACHE": str(scratch / "data"),
            "TMPDIR": str(scratch / "tmp"),
            "HYPOTHESIS_STORAGE_DIRECTORY": str(scratch / "hypothesis"),
            "OMP_NUM_THREADS": "1",
            "http_proxy": "http://127.0.0.1:9",  # so that nothing is downloaded
            "https_proxy": "http://127.0.0.1:9",
        }
        if self.data.exists():
            env["JARVIS_DATA"] = str(self.data)
        if not keep_bytecode:
            env["PYTHONDONTWRITEBYTECODE"] = "1"
        listed = scratch / "arguments"
        listed.write_text("\n".join(arguments), encoding="utf-8")
        seconds = int(limit)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with (scratch / "output").open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not bench",
                 "--hypothesis-seed=0", f"@{listed}"],
                cwd=self.tree, env=env, stdout=output, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, start_new_session=True,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 9)),
            )  # fmt: skip
            try:
                ended = wait_for(process, PATIENCE * limit)
            finally:
                end_all(process)
        status = process.returncode
        if not ended or status == -signal.SIGXCPU:
            status = None
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        text = (scratch / "output").read_text(encoding="utf-8", errors="replace")
        return status, text, took

    def measure(self, file: Path, module: str | None) -> dict:
        """How long each test of a file takes without a mutant, and which tests fail.

        With a `module`, numba must recompile everything that depends on it, as for a mutant.
        """
        cache = self.cache if module is None else self.fresh_cache(module)
        name = file.relative_to(self.tree).as_posix()
        arguments = ["--durations=0", "--durations-min=0", name]
        before = len(list(cache.rglob("*")))
        status, text, took = self.pytest(arguments, LIMIT_BASELINE, cache, keep_bytecode=True)
        if module is None and status is not None and len(list(cache.rglob("*"))) > before:
            # Much of this time was spent on compiling, which the mutants do not need to repeat.
            status, text, took = self.pytest(arguments, LIMIT_BASELINE, cache, keep_bytecode=True)
        tests: dict[str, float] = {}
        calls = set()
        for seconds, when, test in re.findall(
            r"^([\d.]+)s (setup|call|teardown) +(\S.*)$", text, re.MULTILINE
        ):
            tests[test] = tests.get(test, 0.0) + float(seconds)
            if when == "call":
                calls.add(test)
        failed = [line.partition(" ")[2] for line in text.splitlines()
                  if line.startswith(("FAILED ", "ERROR "))]  # fmt: skip
        bad = {max((t for t in tests if line.startswith(t)), key=len, default=line)
               for line in failed}  # fmt: skip
        if status not in (0, 1, 5):  # 5 means that the file has no tests
            bad.add(f"{name}: {'over the limit' if status is None else f'status {status}'}")
            tests = {}
        # pytest reports seconds by the clock, which are scaled to processor time.
        clock = re.findall(r" in ([\d.]+)s(?: \([\d:]+\))?[ =]*$", text, re.MULTILINE)
        share = min(1.0, took / float(clock[-1])) if clock and float(clock[-1]) else 1.0
        good = {test: round(share * s, 2) for test, s in tests.items() if test in calls - bad}
        return {"seconds": round(took, 1), "tests": good, "left out": sorted(bad)}

    def choose(self, module: str, baseline: dict[str, dict]) -> list[str]:
        """The tests for a module's mutants: the nearest tests, as many as fit into the budget."""
        if module in self.chosen:
            return self.chosen[module]
        chosen: list[str] = []
        slow: list[tuple[str, float]] = []
        spent = 0.0
        for file in self.imports.matching(module):
            for test, seconds in self.measured(file, module, baseline)["tests"].items():
                if seconds <= QUICK and spent + seconds <= QUICK_SHARE * BUDGET:
                    chosen.append(test)
                    spent += seconds
                else:
                    slow.append((test, seconds))
            if spent > 0.9 * QUICK_SHARE * BUDGET:
                break
        for test, seconds in slow:
            if spent + seconds <= BUDGET:
                chosen.append(test)
                spent += seconds
        self.chosen[module] = chosen
        return chosen

    def measured(self, file: Path, module: str, baseline: dict[str, dict]) -> dict:
        """The times of a file's tests, run as for a module's mutants; measured once, and kept."""
        key = file.relative_to(self.tree).as_posix()
        if key not in baseline:
            baseline[key] = self.measure(file, None)
            say(f"without a mutant: {key}: {describe(baseline[key])}")
        warm = baseline[key]
        if not warm["tests"] or not self.stale(module):
            return warm
        key = f"{key}, compiling for {module}"
        if key not in baseline:
            cold = self.measure(file, module)
            out = set(warm["left out"] + cold["left out"])
            cold["tests"] = {t: s for t, s in cold["tests"].items() if t not in out}
            baseline[key] = cold
            say(f"without a mutant: {key}: {describe(cold)}")
        return baseline[key]

    def run(self, mutant: Mutant, baseline: dict[str, dict]) -> dict:
        """Run the tests on one mutant; returns the result."""
        source, site, how = locate(self.files, mutant)
        if source is None or site is None:
            return {"status": "vanished", "found": how}
        module = self.imports.name(source.path)
        result: dict = {"file": source.path.relative_to(self.tree).as_posix(), "found": how}
        result["line"] = source.data[: site.start].count(b"\n") + 1
        tests = self.choose(module, baseline)
        result["tests"] = len(tests)
        if not tests:
            return result | {"status": "no tests"}
        cache = self.fresh_cache(module) if COMPILED in module.split(".") else self.cache
        times = source.path.stat()
        try:
            source.path.write_bytes(source.mutated(site))
            status, text, took = self.pytest(["-x", *tests], LIMIT, cache)
            if status is None and took < 0.8 * LIMIT:  # the test waits, or the machine was busy
                status, text, took = self.pytest(["-x", *tests], LIMIT, cache)
        finally:
            source.path.write_bytes(source.data)
            os.utime(source.path, ns=(times.st_atime_ns, times.st_mtime_ns))
        result["seconds"] = round(took, 1)
        if status is None:
            return result | {"status": "timed out"}
        if status == 0:
            return result | {"status": "survived"}
        # A status above 2 means that pytest did not find the tests, perhaps because of the mutant.
        if status > 2 and self.pytest(["--collect-only", *tests], LIMIT, cache)[0] != 0:
            return result | {"status": "no tests"}
        by = [line for line in text.splitlines() if line.startswith(("FAILED ", "ERROR"))]
        return result | {"status": "killed", "by": by[0][:300] if by else f"status {status}"}


def wait_for(process: subprocess.Popen, limit: float) -> bool:
    """Whether a process ends within the limit. Its number stays reserved until `end_all`."""
    until = time.monotonic() + limit
    while time.monotonic() < until:
        if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG):
            return True
        time.sleep(0.05)
    return False


def end_all(process: subprocess.Popen) -> None:
    """End a process and all processes that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def describe(measured: dict) -> str:
    out = f", left out: {measured['left out']}" if measured["left out"] else ""
    return f"{len(measured['tests'])} tests, {measured['seconds']} s{out}"


def say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, flush=True)


def digest(tree: Path) -> str:
    """A checksum of the package and its tests; results are valid only for this state."""
    total = hashlib.sha256()
    for part in (PACKAGE, "tests"):
        for path in sorted((tree / part).rglob("*.py")):
            total.update(path.relative_to(tree).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()[:16]


def write(path: Path, content: dict | list) -> None:
    """Write a file so that it is complete at any moment."""
    if path.exists() and not path.is_file():
        sys.exit(f"mutants.py: {path} is not a regular file")
    path = Path(os.path.realpath(path))  # so that a symbolic link stays in place
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(path)


def run_all(tree: Path, mutants: list[Mutant], output: Path) -> dict:
    """Run the mutants that have no result yet, and store each result at once."""
    state: dict = {"tree": digest(tree), "baseline": {}, "results": []}
    if output.exists():
        kept = json.loads(output.read_text(encoding="utf-8"))
        if kept["tree"] != state["tree"]:
            raise SystemExit(f"{output} contains results of another tree: choose another --output")
        state = kept
    done = [result["mutant"] for result in state["results"]]
    left = [mutant for mutant in mutants if asdict(mutant) not in done]
    if not left:
        return state
    name = f"mutants-{zlib.crc32(str(output.resolve()).encode()):08x}-{state['tree']}"
    workshop = Workshop(tree, Path(tempfile.gettempdir()) / name)
    try:
        for mutant in left:
            result = workshop.run(mutant, state["baseline"])
            state["results"].append({"mutant": asdict(mutant), **result})
            write(output, state)
            counts = f"{len(state['results'])}/{len(mutants)}"
            change = f"{mutant.text} -> {mutant.new}".replace("\n", " ")
            say(f"{counts} {result['status']}: {mutant.function}: {mutant.kind}: {change[:100]}")
    finally:
        write(output, state)
        workshop.clear()
    return state


def report(state: dict) -> str:
    """Counts by kind and status, and the mutants that no test noticed."""
    results = state["results"]
    names = ("killed", "survived", "timed out", "vanished", "no tests")
    counts = Counter(result["status"] for result in results)
    lines = [", ".join(f"{counts[name]} {name}" for name in names)]
    for kind in KINDS:
        of_kind = Counter(r["status"] for r in results if r["mutant"]["kind"] == kind)
        shown = ", ".join(f"{of_kind[name]} {name}" for name in names if of_kind[name])
        lines.append(f"  {kind}: {shown or 'none'}")
    for status in names[1:]:
        for result in results:
            if result["status"] == status:
                m = result["mutant"]
                where = f"{result['file']}:{result['line']}" if "file" in result else ""
                lines.append(
                    f"{status}: {m['function']} {where}\n    {m['kind']}: {m['text']} -> {m['new']}"
                )
    out = {bad for measured in state["baseline"].values() for bad in measured["left out"]}
    lines += [f"left out, fails without a mutant: {bad}" for bad in sorted(out)]
    return "\n".join(lines)


def positive(text: str) -> int:
    """An argparse type: an integer of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a whole number of at least 1")
    return value


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    drawing = commands.add_parser("draw", help="write a list of mutants")
    drawing.add_argument("--seed", type=int, default=0)
    drawing.add_argument("--count", type=positive, default=100)
    running = commands.add_parser("run", help="run the tests on each mutant")
    running.add_argument("mutants", type=Path)
    running.add_argument("--first", type=positive, help="number of mutants to run")
    for command in (drawing, running):
        command.add_argument("--output", type=Path, required=True)
        command.add_argument(
            "--tree", type=Path, default=Path(__file__).resolve().parent.parent, help="the checkout"
        )
    args = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit("stopped"))  # so that the copy is removed
    if args.command == "draw":
        mutants = draw(args.tree.resolve(), args.seed, args.count)
        write(args.output, [asdict(mutant) for mutant in mutants])
        print(f"{len(mutants)} mutants in {args.output}")
    else:
        try:
            listed = json.loads(args.mutants.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            parser.error(f"{args.mutants} is not a list of mutants: {error}")
        mutants = [Mutant(**entry) for entry in listed[: args.first]]
        print(report(run_all(args.tree.resolve(), mutants, args.output)))


if __name__ == "__main__":
    main()
