"""Reports of the measurements: tables, JSON and two plots."""

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from jarvis.support.files import write_json

# Measurements of an explorer; a move is defined in benchmarks/widgets.py.
EXPLORER = {
    "compute_ms": "compute, ms",
    "redraw_ms": "redraw, ms",
    "growth_mb": "memory after {} moves, MB",
}


def _bar(bar: dict) -> list[str]:
    sign = ">=" if bar["at_least"] else "<="
    bound = f"{sign} {bar['bound']:g}"
    if "ratio" not in bar:
        return ["", bound, "not measured"]
    return [f"{bar['ratio']:.2f}", bound, "met" if bar["met"] else "MISSED"]


def _table(head: list[str], body: list[list[str]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(cells) + " |" for cells in body] + [""]


def ratios(data: dict) -> list[str]:
    """All measured ratios and their bars, in Markdown."""
    body = []
    for row in data["rows"]:
        for bar in row["bars"]:
            body.append([row["title"], bar["text"], *_bar(bar)])
    if compiling := data.get("compile"):
        kinds = (key.removesuffix("_bar_s") for key in compiling if key.endswith("_bar_s"))
        for kind in kinds:
            met = "met" if compiling[f"{kind}_met"] else "MISSED"
            seconds, bound = compiling[f"{kind}_s"], compiling[f"{kind}_bar_s"]
            body.append(["first call", f"{kind}, s", f"{seconds:.2f}", f"<= {bound:g}", met])
    classroom = data.get("widgets", {})
    for name, row in classroom.get("explorers", {}).items():
        for key, text in EXPLORER.items():
            bar = {"bound": classroom["bars"][key], "at_least": False, "ratio": row[key]}
            cells = _bar(bar | {"met": row[key] <= bar["bound"]})
            body.append([f"explorer {name}", text.format(row["moves"]), *cells])
    gpu = data.get("gpu", {})
    if "ratio" in gpu:
        cells = _bar(gpu | {"at_least": True})
        body.append([f"LIF on {gpu['device']}", "of the copy bandwidth", *cells])
    return _table(["workload", "jarvis is, or takes", "measured", "bar", ""], body)


def times(data: dict) -> list[str]:
    """All times, and how well each peer agrees, in Markdown."""
    lines = []
    for row in data["rows"]:
        body = []
        for entry in row["entries"]:
            if "skipped" in entry:
                body.append([entry["name"], "", "", f"skipped: {entry['skipped']}"])
            else:
                ms = [f"{entry[clock]:.2f}" for clock in ("cpu_ms", "wall_ms")]
                body.append([entry["name"], *ms, entry["agreement"]])
        lines += [f"**{row['title']}**", ""]
        lines += _table(["", "CPU, ms", "wall, ms", "agreement"], body)
    return lines


def summary(data: dict) -> str:
    """The machine, all ratios and all slopes, in Markdown."""
    machine, limits = data["machine"], data["limits"]
    extras = "".join(f", {name} {machine[name]}" for name in ("jax", "spyx") if name in machine)
    lines = [
        f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} thread(s), "
        f"torch {machine['torch']}, numba {machine['numba']}{extras}; "
        f"copy {limits['copy_gb_s']} GB/s, matrix product {limits['product_gflop_s']} GFLOP/s; "
        f"minimum of {data['repeats']}, ratios of {data['clock']} time.",
        "",
        *ratios(data),
    ]
    for name, axis in data.get("scaling", {}).items():
        found = ", ".join(
            f"{kind} {axis['r2'][kind]:.3f} ({axis['slope'][kind]:.2f})" for kind in axis["r2"]
        )
        lines.append(f"* time against {name}, R^2 of a straight line (slope, logarithmic): {found}")
    if memory := data.get("memory"):
        found = ", ".join(
            f"T={m['T']} at {m['density']:.0%}: {m['peak_mb']:.1f} ({m['synapses_times_T_mb']})"
            for m in memory
        )
        lines.append(f"* peak memory of the delay layer, MB (T times synapses would be): {found}")
    if data.get("spyx_compile_ms"):
        found = ", ".join(f"{shape}: {ms:.0f}" for shape, ms in data["spyx_compile_ms"].items())
        lines.append(f"* compile time of spyx, once for each shape, ms: {found}")
    for part in ("widgets", "gpu"):
        if "skipped" in data.get(part, {}):
            lines.append(f"* {data[part]['skipped']}")
    return "\n".join(lines)


def text(data: dict) -> str:
    """The whole report."""
    return "\n".join([*times(data), summary(data)])


def _figure(width: float, height: float, columns: int):
    matplotlib.use("Agg")
    figure = Figure(figsize=(width, height), layout="constrained", dpi=110)
    return figure, figure.subplots(1, columns, squeeze=False)[0]


def plot_lif(data: dict, path: Path) -> None:
    """One bar chart per shape: the time of each implementation."""
    rows = [row for row in data["rows"] if row["key"].startswith("lif_")]
    clock = f"{data['clock']}_ms"
    figure, axes = _figure(4.2 * len(rows), 4.0, len(rows))
    for ax, row in zip(axes, rows, strict=True):
        shown = sorted((e[clock], e["name"]) for e in row["entries"] if clock in e)[::-1]
        colours = {"jarvis": "C1"}
        labels = [name.split(":")[0].split(" (")[0] for _, name in shown]
        values = [ms for ms, _ in shown]
        bars = ax.barh(labels, values, color=[colours.get(name, "C0") for name in labels])
        ax.bar_label(bars, fmt="%.3g", padding=2)
        ax.set(
            xscale="log", xlabel=f"{data['clock']} time, ms", title=row["title"].split(", ", 1)[1]
        )
        ax.set_xlim(right=max(values) * 3)
    figure.suptitle("LIF, forward + backward")
    figure.savefig(path)


def plot_scaling(data: dict, path: Path) -> None:
    """Time against T, B and N on linear axes, up to the time of the eager step."""
    figure, axes = _figure(12, 3.8, len(data["scaling"]))
    for ax, (name, axis) in zip(axes, data["scaling"].items(), strict=True):
        for kind, ms in axis["ms"].items():
            label = f"{kind}: R² {axis['r2'][kind]:.3f}, slope (log) {axis['slope'][kind]:.2f}"
            ax.plot(axis["sizes"][: len(ms)], ms, "o-", label=label)
        ax.set(xlabel=name, title=f"time against {name}", xlim=(0, None))
        ax.set_ylim(0, 1.4 * max(axis["ms"]["eager, unbind"]))
        ax.legend(fontsize="small", loc="upper left")
    axes[0].set_ylabel(f"LIF, forward + backward, {data['clock']} ms")
    figure.savefig(path)


def write(data: dict, folder: Path) -> None:
    """Write the JSON and the plots of the measurements."""
    write_json(folder / "cpu.json", data)
    if any(row["key"].startswith("lif_") for row in data["rows"]):
        plot_lif(data, folder / "lif.png")
    if data.get("scaling"):
        plot_scaling(data, folder / "scaling.png")


def refresh(page: Path, data: dict) -> None:
    """Insert the machine and the ratios between the two markers in the page."""
    start, end = "<!-- results -->", "<!-- end of results -->"
    before, rest = page.read_text(encoding="utf-8").split(start)
    _, after = rest.split(end)
    page.write_text(f"{before}{start}\n{summary(data)}\n{end}{after}", encoding="utf-8")
