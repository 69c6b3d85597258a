"""The site: its pages are true, it builds, and conversions from other libraries are right.

The build and the other libraries are tried where they are installed.
"""

import ast
import html as html_of
import importlib
import importlib.util
import inspect
import math
import os
import re
import subprocess
import sys
from typing import Any

import nbformat
import pytest
import torch
from torch import Tensor

import jarvis
from conftest import ROOT
from jarvis import LIFLayer

DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))
from site_build import lessons as site_lessons  # noqa: E402

PAGES = (
    "index", "start", "explorer", "path", "glossary", "results", "programs", "conventions",
    "equations", "api/index", "teaching", "extending", "architecture", "zoo", "sparse", "spikeseg",
)  # fmt: skip
#: What each API page documents: the names that these modules export.
DIAGRAMS = sorted((ROOT / "jarvis" / "classroom" / "diagrams").glob("[a-z]*.py"))
API = {
    page: [f"jarvis.{page}"]
    for page in ("surrogate", "lif", "adex", "encoding", "stdp", "spatial", "control", "neurons",
                 "zoo", "networks", "training", "datasets", "plotting")
} | {
    "classroom": [f"jarvis.classroom.{module}"
                  for module in ("check", "widgets", "broken", "comparison", "event_by_event",
                                 "lesson", "results", "satellites", "two_choices")]
                 + [f"jarvis.classroom.diagrams.{path.stem}" for path in DIAGRAMS],
}  # fmt: skip
#: Names without an underscore that are for the library itself.
INSIDE = {
    "jarvis.lif": {"RESETS"},
    "jarvis.surrogate": {
        "DEFAULT_SPIKE",
        "arctan",
        "fast_sigmoid",
        "sigmoid",
        "straight_through",
        "triangle",
    },
    "jarvis.plotting": {
        "BLUE",
        "GREEN",
        "GREY",
        "ORANGE",
        "PURPLE",
        "RED",
        "axes_of",
    },
    "jarvis.classroom.comparison": {"NOISE"},
    "jarvis.classroom.lesson": {"STYLE"},
    "jarvis.classroom.satellites": {"HOW"},
    "jarvis.classroom.two_choices": {"DT", "GOAL", "N_TRIALS", "PAIR"},
}
NOTEBOOKS = sorted((ROOT / "notebooks" / "sources").glob("[0-9]*.py"))


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def conf():
    spec = importlib.util.spec_from_file_location("docs_conf", DOCS / "conf.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def toctree(name: str) -> list[str]:
    """The entries of a page's tables of contents, one after the other."""
    trees = re.findall(r"```\{toctree\}\n:hidden:\n.*?\n\n(.*?)```", page(name), re.DOTALL)
    return " ".join(trees).split()


def test_every_page_exists_and_is_in_the_table_of_contents():
    assert {path.stem for path in DOCS.glob("*.md")} == {*PAGES} - {"api/index"}
    assert toctree("index") == list(PAGES[1:])
    assert {path.stem for path in (DOCS / "api").glob("*.md")} == {"index", "jarvis", *API}
    assert toctree("api/index") == ["jarvis", *API]
    linked = re.findall(r"^\| \[`(?:jarvis\.)?(\w+)`\]\(\1\.md\)", page("api/index"), re.MULTILINE)
    assert linked == toctree("api/index")


def documented(name: str) -> list[tuple[str, str]]:
    """Kind and full name of everything on an API page."""
    return re.findall(r"^\.\. auto(\w+):: ([\w.]+)$", page(f"api/{name}"), re.MULTILINE)


def exported(path: str) -> set[str]:
    """The names that a module exports; a file without `__all__` exports what it defines."""
    module = importlib.import_module(path)
    if hasattr(module, "__all__"):
        return set(module.__all__)
    found = set()
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
            found |= {name for name in names if name.isupper()}
    assert INSIDE.get(path, set()) <= found
    return {name for name in found if not name.startswith("_")} - INSIDE.get(path, set())


def test_every_folder_of_the_library_has_its_page():
    entries = {path.stem for path in (ROOT / "jarvis").iterdir() if path.suffix in (".py", "")}
    assert entries - {"__init__", "__pycache__", "kernels", "support"} == set(API)
    assert all(f"`jarvis.{name}`" in page("api/index") for name in ("kernels", "support"))


@pytest.mark.parametrize("name", API)
def test_api_page_has_every_exported_name_once_and_no_other(name):
    if name == "classroom":
        pytest.importorskip("ipywidgets")
    wanted = [f"{path}.{export}" for path in API[name] for export in exported(path)]
    assert sorted(full for _, full in documented(name)) == sorted(wanted)
    for kind, full in documented(name):
        path, _, last = full.rpartition(".")
        thing = getattr(importlib.import_module(path), last)
        if inspect.isclass(thing):
            wanted_kind = "exception" if issubclass(thing, BaseException) else "class"
        else:
            instance = type(thing).__name__ in ("Exercise", "Neuron")
            wanted_kind = "function" if callable(thing) and not instance else "data"
        assert kind == wanted_kind, full


def test_the_first_page_has_every_name_of_jarvis_once_with_its_entry():
    text = page("api/jarvis")
    links = re.findall(r"\[`(\w+)`\]\((\w+)\.md#(jarvis\.[\w.]+)\)", text)
    entries = {full for name in API for _, full in documented(name)}
    for name, home, full in links:
        assert full == f"jarvis.{home}.{name}"
        assert full in entries
        assert getattr(jarvis, name) is getattr(importlib.import_module(f"jarvis.{home}"), name)
    folders = re.findall(r"`(\w+)`", text.split("for the folders")[1].split(", so that")[0])
    names = [name for name, _, _ in links]
    assert sorted([*names, *folders, "__version__"]) == sorted(jarvis.__all__)


def test_path_page_shows_every_notebook(conf):
    shown = conf.fill(page("path"), "path")
    named = re.findall(r"^\| \[(\d{2,3}_\w+)\]\(notebooks/\1\.ipynb\)", shown, re.MULTILINE)
    assert sorted(named) == [path.stem for path in NOTEBOOKS]
    assert named == sorted(named)
    assert named[-1].endswith("_template")  # which is for later
    assert "<!-- lessons -->" in page("index")  # and all are built


def test_the_guide_has_the_table_of_lessons(conf):
    shown = conf.fill(page("teaching"), "teaching")
    rows = re.findall(r"^\| (\d{3}_\w+) \| \d+ \| \d+ \|", shown, re.MULTILINE)
    assert rows == [path.stem for path in NOTEBOOKS]
    assert "| lesson | cells | words |" in shown


def ways() -> list[str]:
    text = page("path").split("## Six ways through")[1]
    return re.findall(r"^- \*\*.*?(?=^- |^$)", text, re.S | re.M)


def lessons_of(way: str) -> list[str]:
    """The numbers of the lessons that a way names, such as "101 to 103, 201", in its order."""
    known, found = [path.stem[:3] for path in NOTEBOOKS], []
    for first, last in re.findall(r"(\d{3})(?: to (\d{3}))?", way):
        found += [n for n in known if first <= n <= (last or first)]
        assert {first, last or first} <= set(known), way
    return found


def needed(number: str) -> set[str]:
    """The lessons that the head of a lesson asks for, except for those of single sections."""
    (source,) = (path for path in NOTEBOOKS if path.stem.startswith(number))
    head = source.read_text(encoding="utf-8").replace("\n# ", " ")
    text = re.search(r"\*\*You need\.\*\*(.*?)\*\*Leads to", head, re.S)[1]
    text = re.sub(r"for section \d only, \S+", "", text)
    return set(re.findall(r"\]\((\d{3})_", text))


def test_ways_through_name_notebooks_that_exist_and_all_that_these_need():
    assert len(ways()) == 6
    for way in ways():
        path = lessons_of(way)
        for place, number in enumerate(path):
            assert needed(number) <= set(path[:place]), (number, way)


def test_every_source_in_the_code_is_on_the_equations_page(conf):
    markers = re.findall(r"<!-- equations: ([\w. ]+) -->", page("equations"))
    modules = " ".join(markers).split()
    assert len(modules) == len(set(modules))
    for module in modules:
        assert conf.sourced(module), module
    shown = " ".join(conf.fill(page("equations"), "equations").split())
    assert "h = exp(-dt/tau) v + i" in shown
    assert "Neuronal Dynamics, eq. 1.5" in shown
    found = 0
    for path in (ROOT / "jarvis").rglob("*.py"):
        for source in re.findall(r"^ *Sources?: (.*)$", path.read_text("utf-8"), re.MULTILINE):
            assert source.removesuffix('"""') in shown, path
            found += 1
    assert found > 50  # it did look
    for name in jarvis.SURROGATES:
        assert f"| `{name}` |" in shown


@pytest.mark.slow
def test_links_of_a_page_lead_to_what_is_on_the_site(conf):
    for target, there in {
        "../conventions.md#nir": "../conventions.md#nir",
        "../../notebooks/303_mnist.ipynb": "../notebooks/303_mnist.ipynb",
        "lif.md#jarvis.lif.LIFLayer": "#jarvis.lif.LIFLayer",
        "#stdp": "#stdp",
        "https://example.org": "https://example.org",
    }.items():
        assert conf.fill(f"[x]({target})", "api/stdp") == f"[x]({there})"
    assert conf.fill("see [x](../CONTRIBUTING.md).", "start") == "see x."
    assert conf.fill("![x](images/floors.svg)", "start") == "![x](images/floors.svg)"


def test_the_table_of_trained_neurons_is_that_of_the_stored_runs():
    spec = importlib.util.spec_from_file_location("zoo_table", ROOT / "tools" / "zoo_table.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    shown = page("zoo").split(tool.START)[1].split(tool.END)[0]
    assert shown.strip() == tool.text()
    assert all(f"| `{name}` |" in shown for name in tool.trainable())


def test_the_guide_names_the_exercises_as_the_notebooks_do():
    table = re.findall(r"^\| (\d{2,3}\.\d+) \| (.+?) \|.*\| (\d+) \|$", page("teaching"), re.M)
    rows, minutes = ({row[0]: row[k] for row in table} for k in (1, 2))
    titles = {}
    for path in NOTEBOOKS:
        text, lesson = path.read_text(encoding="utf-8"), path.stem.partition("_")[0]
        for number, title in re.findall(r"^# ### Exercise (\d+): (.+)$", text, re.MULTILINE):
            title, stated = re.fullmatch(r"(.+?)(?: \((\d+) min\))?", title).groups()  # type: ignore[union-attr]
            titles[f"{lesson}.{number}"] = title
            assert stated in (None, minutes.get(f"{lesson}.{number}")), title
    assert rows == titles
    plans = page("teaching").split("## What each exercise assesses")[0]
    assert set(re.findall(r"\b(\d{2,3}\.\d+)\b", plans)) <= set(rows)


def test_first_hour_runs(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", page("start"), re.DOTALL)
    exec(code, {})
    rate, gradient = map(float, capsys.readouterr().out.split())
    assert 0 < rate < 1
    assert gradient > 0


@pytest.mark.timeout(1200)  # a minute on an idle core
def test_the_site_builds_without_warnings(tmp_path):
    pytest.importorskip("sphinx", reason="needs the extra `docs`: make docs")
    pytest.importorskip("myst_nb")
    pytest.importorskip("sphinx_book_theme")
    run = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "-n", "--keep-going", "-q", "-b", "html",
         "-d", str(tmp_path / "doctrees"), str(DOCS), str(tmp_path / "html")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr

    def html(name: str) -> str:
        return (tmp_path / "html" / f"{name}.html").read_text(encoding="utf-8")

    for name in (*PAGES, *(f"notebooks/{path.stem}" for path in NOTEBOOKS)):
        assert str(ROOT) not in html(name), name
    for name in API:
        text = html(f"api/{name}")
        for _, full in documented(name):
            assert f'id="{full}"' in text, full
    assert "potential after the reset (threshold units: rest 0, threshold 1)" in html("api/lif")
    assert "table 1 and figure 4" in html("api/adex")  # a constant's comment, from its module
    assert 'href="lif.html#jarvis.lif.LIFLayer"' in html("api/jarvis")
    assert html("start").count("search-button-field") == 1  # one search field
    assert html("start").count('<form class="bd-search') == 1  # and what it opens
    check_the_lessons(html)
    check_that_nothing_comes_from_elsewhere(tmp_path / "html")


def check_the_lessons(html) -> None:
    """Their pages, the side bar's parts and the cards of a built site."""
    found = lessons_of_the_site()
    first = found[0]
    assert "<img" in html(f"notebooks/{first.name}")
    side = html("start")
    for part, group in site_lessons.parts(found).items():
        assert f'<span class="caption-text">{site_lessons.heading(part)}</span>' in side
        assert f"<h2>{site_lessons.heading(part)}" in html("index")
        for one in group:
            assert re.search(rf'href="notebooks/{one.name}.html">\s*{one.number} ', side), one.name
    cards = re.findall(r'<a class="jarvis-card" href="notebooks/(\w+)\.html">', html("index"))
    assert cards == [one.name for one in found]
    for one in found:
        text = html(f"notebooks/{one.name}")
        shown = re.findall(r'<img alt="([^"]*)"[^>]*_images/', text)
        wanted = [one.alt(index) for index, _ in one.figures if one.alt(index)]
        named = [html_of.unescape(alt) for alt in shown if not alt.startswith("../_images/")]
        assert set(wanted) <= set(named), one.name
        assert "Run it." in text
        assert "mybinder" not in text  # without an address


def check_that_nothing_comes_from_elsewhere(folder) -> None:
    """No script, style, font, picture or frame of another host, in any page, style or script."""
    pages = list(folder.rglob("*.html"))
    assert len(pages) > 40
    loads = (
        r"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^\s>]+"
    )
    links = r"<link\b[^>]*>"
    for path in pages:
        text = path.read_text(encoding="utf-8")
        assert re.findall(loads, text) == [], path.name
        for link in re.findall(links, text):
            if not re.search(r'rel="(?:canonical|alternate)"', link):
                assert not re.search(r"href=[\"']?(?:https?:)?//", link), (path.name, link)
        assert not re.search(r"@import|url\((?:https?:)?//", text), path.name
    for path in folder.rglob("*.css"):
        outside = re.findall(r"(?:@import\s+[\"']|url\([\"']?)(?:https?:)?//[^)\s]+",
                             path.read_text(encoding="utf-8"))  # fmt: skip
        assert outside == [], path.name
    mathjax = folder / "_static" / "mathjax" / "tex-chtml.js"
    assert mathjax.stat().st_size > 1e6
    assert list((mathjax.parent / "output").rglob("*.woff"))
    assert 'src="_static/mathjax/tex-chtml.js' in (folder / "conventions.html").read_text("utf-8")


# What the site makes of the lessons. -----------------------------------------------------------


def lessons_of_the_site():
    return site_lessons.lessons()


def test_lessons_are_in_order_and_each_has_a_part_a_title_and_a_card():
    found = lessons_of_the_site()
    assert [one.name for one in found if len(one.number) == 3] == sorted(
        one.name for one in found if len(one.number) == 3
    )
    assert {one.name for one in found} == {path.stem for path in NOTEBOOKS}
    for one in found:
        assert one.title, one.name
        assert not one.title[0].isdigit(), one.title
        assert one.card_figure() is not None or one.number == "999", one.name
    named = site_lessons.described((ROOT / "README.md").read_text(encoding="utf-8"))
    assert set(named) == {one.name for one in found}


@pytest.mark.parametrize("one", lessons_of_the_site(), ids=lambda one: one.name)
def test_every_figure_of_a_lesson_has_an_alternative_text_and_its_head_a_time(one):
    cells = one.without_alt
    assert not cells, f"begin the cell after {cells} with *The figure shows ...*"
    assert one.time, "its head must state **Time.** N minutes for you"


def made_lesson(*cells) -> Any:
    notebook = nbformat.v4.new_notebook(cells=list(cells))
    return site_lessons.Lesson(ROOT / "notebooks" / "101_a.ipynb", notebook)


def figure_cell(**metadata):
    output = nbformat.v4.new_output("display_data", {"image/png": "iVBORw0KGgo="})
    return nbformat.v4.new_code_cell("plot()", outputs=[output], metadata=metadata)


def test_a_lesson_as_the_site_shows_it():
    text = nbformat.v4.new_markdown_cell
    head = (
        "# Build a neuron\n\nSee [the glossary](../docs/glossary.md#leak) and [why](../README.md)."
    )
    said = "*The figure shows `v` against [time](102_b.ipynb), 3<!-- x 1 --> ms.* It rises."
    one = made_lesson(
        text(head + "\n\n**Time.** 55 minutes for you, 20 seconds for the machine."),
        figure_cell(jupyter={"source_hidden": True}), text(said),
        figure_cell(mystnb={"image": {"alt": "Given."}}), text("No italics. *Later* it is."),
        figure_cell(), text("**Bold**, not italic."),
    )  # fmt: skip
    assert (one.part, one.number, one.title, one.time) == (
        "Neurons", "101", "Build a neuron", "55 min"
    )  # fmt: skip
    assert one.alt(1) == "The figure shows v against time, 3 ms."
    assert one.alt(3) == "Given."
    assert one.without_alt == [5]
    shown = nbformat.reads(site_lessons.for_site(one, ""), as_version=4).cells
    assert shown[0].source.startswith("# 101 Build a neuron\n\n**Run it.**")
    assert "[the glossary](../glossary.md#leak) and why." in shown[0].source
    assert shown[1].metadata["mystnb"]["image"]["alt"] == one.alt(1)
    assert shown[1].metadata["tags"] == ["hide-input"]
    assert "[time](102_b.ipynb)" in shown[2].source
    assert one.notebook.cells[0].source.startswith("# Build")  # the original is as it was


def test_the_glossary_links_the_lessons_that_exist():
    first = lessons_of_the_site()[0]
    shown = site_lessons.linked(f"A line. *Lessons {first.number}, 888.*")
    link = f"[{first.number}](notebooks/{first.name}.ipynb)"
    assert shown == f"A line. *Lessons {link}, 888.*"


def test_links_to_run_a_lesson_come_from_one_setting():
    off, on = (
        site_lessons.run_links("101_a", address) for address in ("", "https://github.com/me/it")
    )
    assert "{download}`Download <../../notebooks/101_a.ipynb>`" in off
    assert "Colab" not in off
    assert "Binder" not in off
    assert "https://colab.research.google.com/github/me/it/blob/main/notebooks/101_a.ipynb" in on
    assert "https://mybinder.org/v2/gh/me/it/main?urlpath=lab/tree/notebooks/101_a.ipynb" in on
    assert "%pip install git+https://github.com/me/it" in on
    for wrong in ("github.com/me/it", "https://example.org/me/it", "https://github.com/me"):
        with pytest.raises(ValueError, match="jarvis_repository="):
            site_lessons.run_links("101_a", wrong)


def test_the_setting_is_off_in_the_configuration_unless_the_environment_has_it(conf):
    assert conf.jarvis_repository == os.environ.get("JARVIS_REPOSITORY", "")
    text = (DOCS / "conf.py").read_text(encoding="utf-8")
    assert re.findall(r"JARVIS_REPOSITORY", text) == ["JARVIS_REPOSITORY"]


# The conversions of docs/conventions.md, spike by spike. --------------------------------------

TAU, TAU_SYN, DT, T, N = 20.0, 5.0, 2.0, 300, 10  # ms
BETA, ALPHA = math.exp(-DT / TAU), math.exp(-DT / TAU_SYN)


def inputs() -> Tensor:
    g = torch.Generator().manual_seed(1)
    return 0.4 * torch.rand(T, 2, N, generator=g, dtype=torch.float64)


def ours(x: Tensor, tau: float = TAU, **options) -> Tensor:
    return LIFLayer(tau=tau, dt=DT, backend="eager", **options)(x)[0]


def run_steps(step, x: Tensor, state=None) -> Tensor:
    spikes = []
    for x_t in x:
        out, *rest = step(x_t) if state is None else step(x_t, *state)
        state = rest
        spikes.append(out)
    return torch.stack(spikes)


def equal(a: Tensor, b: Tensor) -> bool:
    assert b.sum() > 100
    return torch.equal(a, b)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("reset", ["subtract", "zero", "none"])
def test_snntorch(reset):
    snn = pytest.importorskip("snntorch")
    x, zero = inputs(), torch.zeros(2, N, dtype=torch.float64)
    beta, alpha = (torch.tensor(value, dtype=torch.float64) for value in (BETA, ALPHA))

    def leaky(delay: bool) -> Tensor:
        layer = snn.Leaky(beta=beta, reset_mechanism=reset, reset_delay=delay)
        return run_steps(layer, x, [zero])

    def synaptic(delay: bool) -> Tensor:
        layer = snn.Synaptic(alpha=alpha, beta=beta, reset_mechanism=reset, reset_delay=delay)
        return run_steps(layer, 0.3 * x, [zero, zero])

    assert equal(leaky(False), ours(x, reset=reset))
    assert equal(synaptic(False), ours(0.3 * x, tau_syn=TAU_SYN, reset=reset))
    assert torch.equal(leaky(True), leaky(False)) == (reset != "subtract")
    assert torch.equal(synaptic(True), synaptic(False)) == (reset == "none")
    assert equal(ours(x, tau=-DT / math.log(beta), reset=reset), leaky(False))  # and back
    if reset == "subtract":  # the delayed reset takes threshold / beta away
        assert 0.92 < leaky(True).sum() / leaky(False).sum() < 0.94
        h, last, spikes = zero, zero, []
        for x_t in x:
            h = BETA * (h - last / BETA) + x_t
            last = (h > 1).to(h)
            spikes.append(last)
        assert equal(leaky(True), torch.stack(spikes))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize("decay_input", [False, True])
def test_spikingjelly(reset, decay_input):
    pytest.importorskip("spikingjelly")
    from spikingjelly.activation_based import neuron

    tau = 1.0 / (1.0 - BETA)
    v_reset = None if reset == "subtract" else 0.0
    layer = neuron.LIFNode(tau=tau, decay_input=decay_input, v_reset=v_reset, step_mode="m")
    x = inputs()
    theirs = layer(tau * x if decay_input else x)
    assert equal(theirs, ours(x, reset=reset))
    assert equal(ours(x, tau=-DT / math.log(1 - 1 / tau), reset=reset), theirs)
    if reset == "zero":  # its v_reset is also its rest: shifted by it, the same neuron
        shifted = neuron.LIFNode(tau=tau, decay_input=False, v_reset=-0.5, v_threshold=0.5,
                                 step_mode="m")  # fmt: skip
        shifted.v = torch.full_like(x[0], -0.5)
        assert equal(shifted(x), ours(x, reset="zero"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_norse(reset):
    norse = pytest.importorskip("norse.torch")
    from norse.torch.functional import reset as resets

    def f64(**values: float) -> dict[str, Tensor]:
        return {k: torch.tensor(v, dtype=torch.float64) for k, v in values.items()}

    seconds, x = DT / 1000, inputs()
    method = resets.reset_subtract if reset == "subtract" else resets.reset_value

    def box(inverse: float, current: Tensor) -> Tensor:
        values = f64(tau_mem_inv=inverse, v_leak=0.0, v_th=1.0, v_reset=0.0)
        p = norse.LIFBoxParameters(**values, reset_method=method)
        return run_steps(norse.LIFBoxCell(p, dt=seconds), current)

    assert equal(box((1 - BETA) / seconds, x / (1 - BETA)), ours(x, reset=reset))
    tau = -DT / math.log(1 - seconds * 50.0)  # from 20 ms, by Euler's method
    assert tau == pytest.approx(18.98, abs=0.005)
    assert equal(box(50.0, 10 * x), ours(x, tau=tau, reset=reset))  # 10: 1 / (dt tau_mem_inv)
    if reset == "zero":
        p = norse.LIFParameters(**f64(
            tau_mem_inv=(1 - BETA) / seconds, tau_syn_inv=(1 - ALPHA) / seconds,
            v_leak=0.0, v_th=1.0, v_reset=0.0,
        ))  # fmt: skip
        theirs = run_steps(norse.LIFCell(p, dt=seconds), 0.3 * x / (1 - BETA))
        assert equal(theirs, ours(0.3 * x, tau_syn=TAU_SYN, reset="zero"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_brian2(reset):
    b2 = pytest.importorskip("brian2")
    import numpy as np

    b2.prefs.codegen.target = "numpy"
    came = torch.rand(T, N, generator=torch.Generator().manual_seed(2)) < 0.35
    x = 0.4 * came.double()[:, None]

    def theirs(schedule: str, equation: str = "dv/dt = -v/tau : 1", **options) -> Tensor:
        units, steps = np.nonzero(came.numpy().T)
        b2.defaultclock.dt = DT * b2.ms
        group = b2.NeuronGroup(
            N, equation, threshold="v >= 1", method="exact", namespace={"tau": TAU * b2.ms},
            reset="v -= 1" if reset == "subtract" else "v = 0", **options,
        )  # fmt: skip
        source = b2.SpikeGeneratorGroup(N, units, steps * DT * b2.ms)
        synapses = b2.Synapses(source, group, on_pre="v_post += 0.4")
        synapses.connect(i=np.arange(N), j=np.arange(N))
        monitor = b2.SpikeMonitor(group)
        network = b2.Network(group, source, synapses, monitor)
        network.schedule = schedule.split()
        network.run(T * DT * b2.ms, namespace={})
        spikes = torch.zeros(T, 1, N, dtype=torch.float64)
        at = np.round(np.asarray(monitor.t / b2.ms) / DT).astype(int)
        spikes[torch.from_numpy(at), 0, torch.from_numpy(np.array(monitor.i))] = 1.0
        return spikes

    changed = theirs("start groups synapses thresholds resets end")
    assert equal(changed[1:], ours(x, reset=reset)[:-1])
    waits = theirs("start groups synapses thresholds resets end",
                   "dv/dt = -v/tau : 1 (unless refractory)", refractory=3 * DT * b2.ms)  # fmt: skip
    assert equal(waits[1:], ours(x, reset=reset, refractory=2 * DT)[:-1])
    default = theirs("start groups thresholds synapses resets end")
    scaled = ours(BETA * x, reset=reset)[:-1]
    assert torch.equal(default[1:], scaled) == (reset == "subtract")


def test_the_examples_of_the_page_on_extending_run_in_order():
    """A newcomer copies them one after the other."""
    names: dict = {"__name__": "extending"}
    blocks = re.findall(r"^```python\n(.*?)^```", page("extending"), re.S | re.M)
    assert len(blocks) > 5
    for block in blocks:
        exec(compile(block, "extending.md", "exec"), names)
