"""Compiled loops of a neuron: generated from its step, kept as files, loaded when they are needed.

A `Program` belongs to one step with one set of options. Its loops come from the cache folder if
they are there, and otherwise from tracing the step (`expression`), choosing what to keep (`plan`)
and writing source (`emit_numba`, `emit_triton`). The name of a loop's file holds a digest of
everything that the loop follows from, so a file is never out of date, and a neuron whose file is
there is not traced again.
"""

import ast
import hashlib
import linecache
import logging
import os
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch

from jarvis.kernels.expression import Step, Traced, read
from jarvis.kernels.fingerprint import fingerprint
from jarvis.support.downloads import cache_folder
from jarvis.support.files import atomic_path
from jarvis.surrogate import Spike

logger = logging.getLogger("jarvis.kernels")

_HERE = Path(__file__).parent

_END = "\n# the end\n"  #: of every generated file, so that half a file is not taken for one

_WRITTEN = 1_000_000_000.0  #: the time of every generated file, whose name says what is in it

#: The files that decide what a generated loop is.
_MAKERS = (
    "expression.py", "plan.py", "emit.py", "emit_numba.py", "emit_triton.py", "functions.py",
    "functions_triton.py", "exponential.py", "logarithm.py",
)  # fmt: skip


class Variant(NamedTuple):
    """Which loops of a step: each variant has source of its own."""

    learned: tuple[str, ...] = ()  #: the numbers whose gradient is wanted
    per_neuron: tuple[str, ...] = ()  #: the numbers that differ from neuron to neuron
    record: bool = False  #: whether the loop also yields what the step records
    recurrent: bool = False  #: whether a step's input includes what the step before has sent


class Layout(NamedTuple):
    """What a loop reads and writes besides its input and its spikes, in order."""

    n_inputs: int
    n_states: int
    n_outputs: int
    kept: tuple[bool, ...]  #: what is kept for the backward loop: True for a condition (a byte)
    reread: tuple[int, ...]  #: the inputs that the backward loop reads again
    derived: tuple[int, ...]  #: the states whose first value the backward loop needs
    differentiable: tuple[bool, ...]  #: whether a gradient reaches each output, then each state


@dataclass(eq=False)
class Loop:
    """A pair of loops, forward and backward, for one backend."""

    key: str
    text: str  #: the generated source
    names: dict[str, Any]  #: what the source defines
    layout: Layout
    values: tuple[str, ...]  #: the numbers that the step reads, by path
    variant: Variant
    machine: dict[tuple, Callable] = field(default_factory=dict)  #: what a backend has compiled

    @cached_property
    def learned(self) -> tuple[int, ...]:
        """Indices of the numbers whose gradient is wanted."""
        return tuple(self.values.index(path) for path in self.variant.learned)

    @cached_property
    def per_neuron(self) -> tuple[int, ...]:
        """Indices of the numbers that differ from neuron to neuron."""
        return tuple(self.values.index(path) for path in self.variant.per_neuron)

    @cached_property
    def parameters(self) -> tuple[int, ...]:
        """Indices of the numbers that a loop is given as tensors, in their order."""
        return (*self.per_neuron, *(i for i in self.learned if i not in self.per_neuron))


_programs: dict[tuple, "Program"] = {}


def program(name: str, step: Callable, params: Any, spike: Spike, inputs: Any, state: Any):
    """The program of a step with the options of these parameters; see `Step` for the arguments.

    Raises:
        Untraceable: if the step has no compiled form.
    """
    found = Step(step, params, spike, inputs, state)
    options = tuple((path, repr(value)) for path, value in sorted(found.structure.items()))
    key = (step, _function_of(spike), spike.detach_reset, inputs, type(state), options)
    key = (*key, tuple(found.present), found.values)
    if key not in _programs:
        _programs[key] = Program(name, found, spike, options)
    return _programs[key]


def _function_of(spike: Spike) -> Callable:
    """What decides the spike's derivative."""
    return getattr(spike.surrogate, "derivative", spike.surrogate)


class Program:
    """The loops of one step with one set of options."""

    def __init__(self, name: str, step: Step, spike: Spike, options: tuple) -> None:
        self.name, self.step = name, step
        base = fingerprint(
            step.step, _function_of(spike), spike.detach_reset, step.inputs, step.state
        )
        self._base = (base, options, tuple(step.present), step.values)
        self._loops: dict[tuple[str, Variant], Loop] = {}

    def numbers(self, params: Any, surrogate: Any) -> list[float | torch.Tensor]:
        """The numbers that the step reads, in the order of `Loop.values`."""
        return [read(params, surrogate, path) for path in self.step.values]

    def variant(
        self, numbers: list[float | torch.Tensor], record: bool, recurrent: bool
    ) -> Variant:
        """The loop for these numbers: those that need a gradient, and those of many values."""
        named = list(zip(self.step.values, numbers, strict=True))
        tensors = [(path, value) for path, value in named if isinstance(value, torch.Tensor)]
        wants = torch.is_grad_enabled()
        return Variant(
            tuple(path for path, value in tensors if wants and value.requires_grad),
            tuple(path for path, value in tensors if value.numel() > 1),
            record,
            recurrent,
        )

    def loop(self, backend: str, variant: Variant) -> Loop:
        """The loops for "numba" or "triton".

        Raises:
            Untraceable: if the step has no compiled form.
        """
        found = self._loops.get((backend, variant))
        if found is None:
            found = self._loops[backend, variant] = self._load(backend, variant)
        return found

    def _load(self, backend: str, variant: Variant) -> Loop:
        key = hashlib.sha256(repr((self._base, backend, variant, _versions())).encode()).hexdigest()
        stem = "".join(c if c.isalnum() else "_" for c in self.name).lower()
        path = cache_folder() / "loops" / f"{stem}_{backend}_{key[:16]}.py"
        text = _read(path)
        if text is None:
            text = self._generate(backend, variant)
            try:
                with atomic_path(path) as part:
                    part.write_text(text, encoding="utf-8")
                    # numba's cache goes by a file's time: that of another process is the same.
                    os.utime(part, (_WRITTEN, _WRITTEN))
            except OSError as error:
                logger.info("the source of a compiled loop is not kept: %s", error)
        layout = _layout(text)
        file = str(path) if path.is_file() else f"<{path.stem}>"
        # Tracebacks and Triton read the source from here, whatever becomes of the file.
        linecache.cache[file] = (len(text), None, text.splitlines(True), file)
        module = ModuleType(f"jarvis.kernels.loops.{path.stem}")
        module.__file__ = file
        sys.modules[module.__name__] = module  # numba looks a cached function's module up
        exec(compile(text, file, "exec"), module.__dict__)
        return Loop(key[:16], text, module.__dict__, layout, self.step.values, variant)

    def _generate(self, backend: str, variant: Variant) -> str:
        from jarvis.kernels.emit_numba import NumbaEmitter
        from jarvis.kernels.emit_triton import TritonEmitter
        from jarvis.kernels.plan import plan

        traced = self.step.trace(variant.learned, variant.record)
        index = self.step.values.index
        per_neuron = [index(path) for path in variant.per_neuron]
        chosen = plan(traced, per_neuron, variant.recurrent)
        emitter = {"numba": NumbaEmitter, "triton": TritonEmitter}[backend]
        learned = [index(path) for path in variant.learned]
        body = emitter(chosen, per_neuron, learned, variant.recurrent).source()
        return _header(self, variant, traced, chosen) + body + _END


def _header(program: Program, variant: Variant, traced: Traced, chosen: Any) -> str:
    step = program.step
    layout = Layout(
        n_inputs=step.n_inputs,
        n_states=len(step.present),
        n_outputs=len(traced.outputs),
        kept=tuple(node.is_bool for node in chosen.kept),
        reread=tuple(int(node.value) for node in chosen.reread),
        derived=tuple(chosen.derived),
        differentiable=traced.differentiable,
    )
    origin = step.step
    lines = [
        f'"""The time loop of {program.name}, forward and backward. Generated: do not edit.',
        "",
        f"From `{origin.__module__}.{origin.__qualname__}` with {step.structure or 'no options'}.",
        f"States: {', '.join(step.present)}. Numbers: {', '.join(step.values)}.",
        f"Learned: {', '.join(variant.learned) or 'none'}. "
        f"One per neuron: {', '.join(variant.per_neuron) or 'none'}.",
        '"""',
        "",
        f"LAYOUT = {tuple(layout)!r}",
        "",
    ]
    return "\n".join(lines)


def _read(path: Path) -> str | None:
    """The text of a generated file; None if it is not there, or spoiled."""
    try:
        text = path.read_text(encoding="utf-8")
        _layout(text)
        compile(text, str(path), "exec")
    except (OSError, ValueError, SyntaxError, TypeError):
        return None
    return text if text.endswith(_END) else None


def _layout(text: str) -> Layout:
    """The layout that a generated file states."""
    line = next((line for line in text.splitlines() if line.startswith("LAYOUT = ")), "")
    return Layout(*ast.literal_eval(line.removeprefix("LAYOUT = ")))


@cache
def _versions() -> tuple[str, ...]:
    """The versions of everything that makes a loop."""
    makers = zlib.crc32(b"".join((_HERE / name).read_bytes() for name in _MAKERS))
    python = ".".join(map(str, sys.version_info[:2]))
    return (f"{makers:08x}", python, torch.__version__, version("numba"))
