"""Interactive explorers for the classroom, based on ipywidgets, each with a static version.

Every function returns an `Explorer`, a box to be displayed by the last line of a cell. It computes
with the compiled loops (`explorers.views`) and draws into a single figure by updating its artists
(`explorers.figures`), so that nothing flickers or accumulates. Errors are shown in the widget and
kept in `Explorer.errors`, because an exception in a callback does not stop a notebook. If anywidget
is installed, users can draw a digit on the figure of `code`.

    from jarvis.classroom import widgets
    widgets.lif(current=1.5)
    widgets.draw_lif(current=1.5)  # the static version, in a separate cell: a plain Figure
"""

from dataclasses import make_dataclass
from typing import Any

import numpy as np

try:
    import ipywidgets
except ModuleNotFoundError as error:
    raise ImportError(
        "jarvis.classroom.widgets needs ipywidgets, which is not installed: "
        "pip install 'jarvis-snn[lab]'. The static figures of "
        "jarvis.classroom.explorers.figures work without it"
    ) from error

from jarvis.adex.physiological import FIRING_PATTERNS
from jarvis.classroom.explorers.box import ROW, WIDE, Explorer, PointerHandler, choice, slider
from jarvis.classroom.explorers.figures import (
    AdExPicture,
    CodePicture,
    LIFPicture,
    STDPPicture,
    SurrogatePicture,
    draw_adex,
    draw_code,
    draw_lif,
    draw_stdp,
    draw_surrogate,
)
from jarvis.classroom.explorers.neuron_figure import NeuronPicture, draw_neuron
from jarvis.classroom.explorers.neuron_view import (
    NeuronSettings,
    NeuronView,
    compute_neuron,
    slider_ranges,
    units_of,
)
from jarvis.classroom.explorers.picture_widget import PointerPicture
from jarvis.classroom.explorers.pointer import Pointer
from jarvis.classroom.explorers.surrogate_curves import (
    SLOPES,
    SurrogateSettings,
    compute_surrogate,
    train_all,
)
from jarvis.classroom.explorers.views import (
    AdExSettings,
    CodeSettings,
    LIFSettings,
    STDPSettings,
    code_picture,
    compute_adex,
    compute_code,
    compute_lif,
    compute_stdp,
)
from jarvis.lif import RESETS
from jarvis.stdp.trace_rules import BOUNDS
from jarvis.surrogate import SURROGATES
from jarvis.zoo import find

__all__ = [
    "Explorer", "adex", "code", "draw_adex", "draw_code", "draw_lif", "draw_neuron", "draw_stdp",
    "draw_surrogate", "lif", "neuron", "stdp", "surrogate",
]  # fmt: skip


def _started(settings: type, values: dict[str, Any], **fixed: Any) -> Any:
    try:
        return settings(**fixed, **values)
    except TypeError:
        names = [name for name in settings.__dataclass_fields__ if name not in fixed]  # type: ignore[attr-defined]
        wrong = sorted(set(values) - set(names))
        raise ValueError(
            f"no such setting: {', '.join(wrong)}; choose from {', '.join(names)}"
        ) from None


def lif(**start: Any) -> Explorer:
    """A LIF neuron with a constant current: potential, spikes, and rate against current.

    Args:
        **start: initial values of `LIFSettings`: current, tau, threshold, reset, refractory.

    Example:
        >>> explorer = lif(current=2.0)
        >>> explorer.controls["tau"].value = 10.0
        >>> len(explorer.errors), bytes(explorer.image.value[1:4])
        (0, b'PNG')
    """
    at = _started(LIFSettings, start)
    controls = {
        "current": slider("current I (units of v)", at.current, 0.0, 4.0, 0.05),
        "tau": slider("tau (ms)", at.tau, 2.0, 50.0, 1.0),
        "threshold": slider("threshold (units of v)", at.threshold, 0.2, 2.0, 0.1),
        "reset": choice("reset", at.reset, RESETS),
        "refractory": slider("refractory period (ms)", at.refractory, 0.0, 20.0, 0.5),
    }
    return Explorer(at, controls, compute_lif, LIFPicture())


def adex(**start: Any) -> Explorer:
    """An AdEx neuron: its firing pattern over time and in the phase plane.

    The menu sets the sliders, and all other parameters, to the values of a published pattern.

    Args:
        **start: initial values of `AdExSettings`: pattern, current, a, b, tau_w, v_reset.
    """
    names = ("current", "a", "b", "tau_w", "v_reset")
    at = _started(AdExSettings, start)
    at.params()  # reports an unknown pattern or a value out of range

    def published(pattern: str) -> dict[str, float]:
        values = FIRING_PATTERNS[pattern]._asdict()
        return {name: values[name] for name in names}

    given = {name: getattr(at, name) for name in names if getattr(at, name) is not None}
    first = published(at.pattern) | given
    controls = {
        "pattern": choice("pattern (sets the sliders)", at.pattern, FIRING_PATTERNS),
        "current": slider("current I (pA)", first["current"], 0.0, 1000.0, 10.0),
        "a": slider("a, coupling to V (nS)", first["a"], -12.0, 20.0, 1.0),
        "b": slider("b, increase per spike (pA)", first["b"], 0.0, 200.0, 5.0),
        "tau_w": slider("tau_w (ms)", first["tau_w"], 10.0, 400.0, 5.0),
        "v_reset": slider("reset potential (mV)", first["v_reset"], -70.0, -44.0, 1.0),
    }
    return Explorer(at, controls, compute_adex, AdExPicture(), {"pattern": published})


def neuron(name: str = "adex", **start: Any) -> Explorer:
    """Any neuron of the `jarvis.zoo` with a constant input, with a slider for each parameter.

    The explorer shows the variables over time, the rate against the input and, for a neuron with
    two variables, the phase plane. All of them are computed from the neuron's definition.

    Args:
        name: a name in `jarvis.zoo.ZOO`.
        **start: initial values of the input (`drive`) and of parameters.

    Example:
        >>> explorer = neuron("lif", drive=0.1)
        >>> explorer.controls["tau"].value = 10.0
        >>> len(explorer.errors)
        0
    """
    usual, ranges, units = find(name).drive, slider_ranges(name), units_of(name)
    wrong = sorted(set(start) - {"drive", *ranges})
    if wrong:
        raise ValueError(
            f"no such setting: {', '.join(wrong)}; choose from drive, {', '.join(ranges)}"
        )
    fields = [("name", str, name), ("drive", float, usual.usual)]
    fields += [(each, float, span.value) for each, span in ranges.items()]
    settings: Any = make_dataclass("Settings", fields, frozen=True, kw_only=True)
    at = settings(**start)

    def compute(now: Any) -> NeuronView:
        values = {each: getattr(now, each) for each in ranges}
        return compute_neuron(NeuronSettings(name=name, drive=now.drive, values=values))

    step = (usual.high - usual.low) / 200.0
    controls = {"drive": slider(f"input ({usual.unit})", at.drive, usual.low, usual.high, step)}
    for each, span in ranges.items():
        label = f"{each} ({units[each] or 'no unit'})"
        controls[each] = slider(label, getattr(at, each), span.low, span.high, span.step)
    return Explorer(at, controls, compute, NeuronPicture())


def code(**start: Any) -> Explorer:
    """A digit or your own drawing as Poisson trains and as first spikes, decoded after T steps.

    Press and drag on the figure to draw on the digit. Moving one of the digit's sliders brings a
    digit back.

    Args:
        **start: initial values of `CodeSettings`: digit, picture, n_steps, max_rate, seed, drawn.
    """
    at = _started(CodeSettings, start)
    code_picture(at)  # reports an image that does not exist or cannot be encoded
    controls = {
        "digit": slider("digit", at.digit, 0, 9, 1),
        "picture": slider("picture of the digit", at.picture, 0, 19, 1),
        "n_steps": slider("T (steps of 1 ms)", at.n_steps, 2, 200, 1),
        "max_rate": slider("rate of white (Hz)", float(at.max_rate), 10.0, 1000.0, 10.0),
        "seed": slider("random seed", at.seed, 0, 20, 1),
    }
    figure = CodePicture()
    pen = ipywidgets.ToggleButtons(options=[("draw", 1.0), ("rub out", 0.0)])
    pen.style.button_width = "90px"
    empty = ipywidgets.Button(description="empty the sheet")
    again = ipywidgets.Button(description="the digit again")
    tools = ipywidgets.HBox([pen, empty, again], layout={"align_items": "baseline"})

    def by_hand(events: list[Pointer], now: CodeSettings) -> dict[str, Any]:
        sheet = code_picture(now).numpy()
        figure.pen.ink = float(pen.value or 0.0)
        drawn = figure.pen.draw(sheet, events)
        return {} if (drawn == sheet).all() else {"drawn": drawn.tolist()}

    def digit(_: int) -> dict[str, Any]:
        return {"drawn": None}

    explorer = Explorer(
        at, controls, compute_code, figure, {"digit": digit, "picture": digit},
        PointerHandler(by_hand, "Press and drag on the picture to draw on it", drags=True),
        [tools] if PointerPicture else [],
    )  # fmt: skip
    empty.on_click(lambda _: explorer.change(drawn=np.zeros((8, 8)).tolist()))
    again.on_click(lambda _: explorer.change(drawn=None))
    return explorer


def surrogate(**start: Any) -> Explorer:
    """A surrogate's derivative, and how a small network learned with it.

    All trainings that the sliders can select run at the start, once per session (a few seconds).

    Args:
        **start: initial values of `SurrogateSettings`: shape, slope (one of `SLOPES`).
    """
    at = _started(SurrogateSettings, start)
    if at.slope not in SLOPES:
        raise ValueError(f"slope={at.slope!r} is not one of {', '.join(f'{k:g}' for k in SLOPES)}")
    train_all()
    slopes = [(f"{slope:g}", slope) for slope in SLOPES]
    controls = {
        "shape": choice("shape", at.shape, SURROGATES),
        "slope": ipywidgets.SelectionSlider(
            value=float(at.slope), options=slopes, description="slope k (1/unit of v)",
            style=WIDE, layout=ROW,
        ),
    }  # fmt: skip
    return Explorer(at, controls, compute_surrogate, SurrogatePicture())


def stdp(**start: Any) -> Explorer:
    """The STDP window in closed form, with weight changes simulated for pairs of spikes.

    Args:
        **start: initial values of `STDPSettings`: a_plus, a_minus, tau_plus, tau_minus, bounds,
            weight.
    """
    at = _started(STDPSettings, start)
    controls = {
        "a_plus": slider("a_plus (units of w)", at.a_plus, 0.0, 0.2, 0.0025),
        "a_minus": slider("a_minus (units of w)", at.a_minus, 0.0, 0.2, 0.0025),
        "tau_plus": slider("tau_plus (ms)", at.tau_plus, 2.0, 60.0, 1.0),
        "tau_minus": slider("tau_minus (ms)", at.tau_minus, 2.0, 60.0, 1.0),
        "bounds": choice("bounds", at.bounds, BOUNDS),
        "weight": slider("weight before (w_max = 1)", at.weight, 0.0, 1.0, 0.01),
    }
    return Explorer(at, controls, compute_stdp, STDPPicture())
