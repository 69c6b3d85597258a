"""The settings with which Sphinx builds the site: `make docs`.

Lessons are shown with their committed outputs and are never run. Some content is collected at build
time, so that it is written down only once. `site_build.lessons` copies the lessons beside the pages
and makes their cards. The table of lessons comes from the README, and the equations come from the
docstrings of `jarvis`. A link such as `lif.md#jarvis.lif.LIFLayer` leads to the entry of that name.
A built site loads nothing from the internet: `site_build.offline` copies MathJax into it.
"""

import ast
import importlib.util
import inspect
import os
import re
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(DOCS))

from site_build import lessons, offline  # noqa: E402

#: The public URL of the repository, such as "https://github.com/OWNER/NAME". The links to Colab and
#: Binder on every lesson need it. If it is empty, there are no such links.
jarvis_repository = os.environ.get("JARVIS_REPOSITORY", "")

project = "jarvis"
author = "the jarvis contributors"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
exclude_patterns = ["_build"]
html_theme = "sphinx_book_theme"
html_title = "jarvis"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/favicon.svg"
html_context = {"default_mode": "auto"}  # light or dark, like the reader's system
html_theme_options = {
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "use_download_button": False,  # each lesson has its own line "Run it"
    "use_fullscreen_button": False,
    "navbar_persistent": [],  # its search field is left out: the side bar has one
}
mathjax_path = offline.SCRIPT
mathjax3_config = {  # so that \_ within \texttt is an underscore, as on GitHub
    "loader": {"load": ["[tex]/textmacros"]},
    "tex": {"packages": {"[+]": ["textmacros"]}},
}
templates_path: list[str] = []

nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3

default_role = "code"  # docstrings write `name` for code
napoleon_custom_sections = ["Source", "Sources"]
napoleon_use_rtype = False
autodoc_default_options = {"members": True, "exclude-members": "extra_repr"}
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings describe the arguments, with shapes and units
nitpicky = True
nitpick_ignore_regex = [("py:.*", r".*")]  # other packages have no entries here

SECTIONS = "Args|Attributes|Raises|Returns|Yields|Source|Sources|Example|Examples"


def notebook_table() -> str:
    """The README's table of notebooks."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split("## The path", 1)[1].split("\n## ", 1)[0]
    return "\n".join(line for line in section.splitlines() if line.startswith("|"))


def lesson_sizes() -> str:
    """The table of lessons: what each contains, and how long it takes a learner."""
    spec = importlib.util.spec_from_file_location("sizes", ROOT / "tools" / "lessons.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["sizes"] = module  # where dataclasses look up their module
    spec.loader.exec_module(module)
    return module.table()


def parts(docstring: str) -> tuple[str, str]:
    """A docstring's text before its first section, and its source ("" if it names none)."""
    text = inspect.cleandoc(docstring)
    found = re.search(r"^Sources?: *(.*?)(?=\n\s*\n|\Z)", text, re.MULTILINE | re.DOTALL)
    before = re.split(rf"^(?:{SECTIONS}):", text, maxsplit=1, flags=re.MULTILINE)[0]
    return before.strip(), " ".join(found[1].split()) if found else ""


def modules() -> dict[str, Path]:
    """Every module of the library by its name below `jarvis`, such as "stdp.trace_rules"."""
    library = ROOT / "jarvis"
    return {
        ".".join(path.relative_to(library).with_suffix("").parts): path
        for path in sorted(library.rglob("*.py"))
    }


def sourced(module: str) -> list[tuple[str, str, str]]:
    """Name, text and source of each docstring that names a source, in one module of `jarvis`."""
    tree = ast.parse(modules()[module].read_text(encoding="utf-8"))
    found = []

    def visit(node: ast.Module | ast.ClassDef | ast.FunctionDef, name: str) -> None:
        text, source = parts(ast.get_docstring(node) or "")
        if source:
            found.append((name, text, source))
        for child in node.body:
            if isinstance(child, ast.ClassDef | ast.FunctionDef):
                visit(child, f"{name}.{child.name}")

    visit(tree, f"jarvis.{module}")
    return found


def equations(named: str) -> str:
    """The equations of some modules, each with its source."""
    blocks = [
        f"(eq-{name})=\n\n**`{name}`**\n\n```{{eval-rst}}\n{text}\n\n*Source:* {source}\n```\n"
        for module in named.split()
        for name, text, source in sourced(module)
    ]
    return "\n".join(blocks)


def surrogates() -> str:
    """The table of surrogate derivatives."""
    from jarvis import SURROGATES

    lines = [
        "| name | derivative at x = v - threshold | usual slope k | source |",
        "|---|---|---|---|",
    ]
    for name, s in SURROGATES.items():
        formula = s.formula.replace("|", "\\|")
        lines.append(f"| `{name}` | `{formula}` | {s.slope:g} | {s.source} |")
    return "\n".join(lines)


def zoo() -> str:
    """The table of all kinds of neurons."""
    from jarvis.zoo import ZOO

    head = ("name", "neuron", "variables", "named sets", "integration, largest dt", "gradient")
    rows = [head, ("---",) * len(head)]
    for name, entry in ZOO.items():
        kind = entry.kind
        sets = ", ".join(f"`{each}`" for each in kind.params.named_sets)
        variables = ", ".join(kind.state._fields)
        rows.append((f"`{name}`", entry.title, variables, sets, entry.numerics, entry.gradient))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def on_site(target: str, page: str) -> str | None:
    """A page's link as an address on the site; None if the site does not contain the target."""
    path, _, anchor = target.partition("#")
    if anchor.startswith("jarvis."):  # a documented name, which Sphinx finds
        return f"#{anchor}"
    if ":" in target or not path:
        return target
    place = (DOCS / page).parent
    where = (place / path).resolve()
    if where.parent == ROOT / "notebooks":  # copied beside the pages
        where = DOCS / "notebooks" / where.name
    if not where.is_relative_to(DOCS):
        return None
    return Path(os.path.relpath(where, place)).as_posix() + (f"#{anchor}" if anchor else "")


def fill(text: str, page: str) -> str:
    """A page with its markers filled in, and with its links leading to pages of the site."""

    def link(found: re.Match[str]) -> str:
        target = on_site(found[2], page)
        return found[1] if target is None else f"[{found[1]}]({target})"

    text = text.replace("<!-- notebooks -->", notebook_table())
    if "<!-- lesson sizes -->" in text:
        text = text.replace("<!-- lesson sizes -->", lesson_sizes())
    text = lessons.linked(text) if page == "glossary" else text
    for marker, made in lessons.MARKERS.items():
        if f"<!-- {marker} -->" in text:
            text = text.replace(f"<!-- {marker} -->", made())
    if "<!-- zoo -->" in text:
        text = text.replace("<!-- zoo -->", zoo())
    if "<!-- surrogates -->" in text:
        text = text.replace("<!-- surrogates -->", surrogates())
    named = " ".join(re.findall(r"<!-- equations: ([\w. ]+) -->", text)).split()
    others = [name for name in modules() if name not in named]
    text = re.sub(r"(?<!!)\[([^\]]+)\]\(([^)]+)\)", link, text)
    text = text.replace("<!-- other equations -->", equations(" ".join(others)))
    return re.sub(r"<!-- equations: ([\w. ]+) -->", lambda m: equations(m[1]), text)


def comment_of(name: str) -> list[str] | None:
    """The `#:` comment of a constant that a folder re-exports; None if the folder does not."""
    from sphinx.pycode import ModuleAnalyzer

    folder, _, constant = name.rpartition(".")
    stub = ROOT / folder.replace(".", "/") / "__init__.pyi"
    code = stub.read_text("utf-8") if stub.exists() else ModuleAnalyzer.for_module(folder).code
    for node in ast.parse(code).body:
        if isinstance(node, ast.ImportFrom) and constant in [alias.name for alias in node.names]:
            home = f"{folder}.{node.module}" if node.level else node.module
            return ModuleAnalyzer.for_module(home).find_attr_docs().get(("", constant), [])
    return None


def as_rst(app, what, name, obj, options, lines: list[str]) -> None:
    """Escape text in a docstring that looks like markup: ``tau, **options:`` and ``|w| is``."""
    for k, line in enumerate(lines):
        line = re.sub(r"(?<=, )\*\*(?=\w+:)", r"\\*\\*", line)
        lines[k] = re.sub(r"(?<= )\|(\w)\|(?= is)", r"\\|\1\\|", line)


def setup(app) -> None:
    plain: dict[str, list[str]] = {}

    def comment(app, what, name: str, obj, options, lines: list[str]) -> None:
        # autodoc does not find the comment here, and would show the docstring of the type instead
        if what == "data" and (found := comment_of(name)) is not None:
            lines[:] = found

    def read(app, name: str, source: list[str]) -> None:
        if (DOCS / f"{name}.md").exists():
            source[0] = fill(source[0], name)

    def keep(app, what, name, obj, options, lines: list[str]) -> None:
        plain[name] = list(lines)

    def restore(app, what, name, obj, options, lines: list[str]) -> None:
        # napoleon mistakes text before a colon for the type of an attribute
        if what in ("attribute", "data", "property"):
            lines[:] = plain[name]

    def pages(app) -> None:
        lessons.write_pages(DOCS / "notebooks", app.config.jarvis_repository)

    def finish(app, exception: Exception | None) -> None:
        if exception is None and app.builder.format == "html":
            offline.copy_mathjax(Path(app.outdir) / "_static")
            lessons.write_cards(Path(app.outdir) / "_static")

    app.add_config_value("jarvis_repository", "", "env", str)
    app.connect("builder-inited", pages)
    app.connect("build-finished", finish)
    app.connect("source-read", read)
    app.connect("autodoc-process-docstring", comment, priority=50)
    app.connect("autodoc-process-docstring", as_rst, priority=100)
    app.connect("autodoc-process-docstring", keep, priority=200)  # then napoleon, at 500
    app.connect("autodoc-process-docstring", restore, priority=900)
