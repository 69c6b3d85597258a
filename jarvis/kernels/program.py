"""Compiled loops of a neuron, generated from its step, kept as files and loaded when needed.

A `Program` belongs to one step with one set of options. Its loops are read from the cache folder if
they are stored there. Otherwise `expression` traces the step, `plan` chooses what to keep, and
`emit_numba` or `emit_triton` writes the source code. The name of a loop's file contains a digest of
everything that determines the loop, so a file is never out of date, and no step is traced again
while its file exists.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from typing import Any, NamedTuple

import torch
from torch import Tensor

from jarvis.kernels.expression import Step, Traced, read
from jarvis.kernels.fingerprint import fingerprint
from jarvis.kernels.generated import generated
from jarvis.surrogate import Spike

#: The files that determine a generated loop.
_MAKERS = (
    "expression.py", "plan.py", "emit.py", "emit_numba.py", "emit_triton.py", "functions.py",
    "functions_triton.py", "exponential.py", "logarithm.py", "sparse_loops.py", "vectors.py",
)  # fmt: skip


class Variant(NamedTuple):
    """A variant of a step's loops; each variant has its own source."""

    learned: tuple[str, ...] = ()  #: the numbers whose gradients are needed
    per_neuron: tuple[str, ...] = ()  #: the numbers that differ between neurons
    record: bool = False  #: whether the loop also yields what the step records
    recurrent: bool = False  #: whether a step's input includes the previous step's spikes


class Layout(NamedTuple):
    """What a loop reads and writes besides its input and its spikes, in order."""

    n_inputs: int
    n_states: int
    n_outputs: int
    kept: tuple[bool, ...]  #: for each value that is kept: True for a condition (a byte)
    reread: tuple[int, ...]  #: the inputs that the backward loop reads again
    derived: tuple[int, ...]  #: the states whose initial values the backward loop needs
    differentiable: tuple[bool, ...]  #: for each output, then each state: does a gradient reach it?
    near: bool  #: whether a loop marks where a gradient passes through the spikes


@dataclass(eq=False)
class Loop:
    """A pair of loops, forward and backward, for one backend."""

    key: str
    text: str  #: the generated source
    names: dict[str, Any]  #: what the source defines
    layout: Layout
    values: tuple[str, ...]  #: names of the numbers that the step reads, such as "half_step.xx"
    variant: Variant
    machine: dict[tuple, Callable] = field(default_factory=dict)  #: compiled by a backend

    @cached_property
    def learned(self) -> tuple[int, ...]:
        """Indices of the numbers whose gradients are needed."""
        return tuple(self.values.index(path) for path in self.variant.learned)

    @cached_property
    def per_neuron(self) -> tuple[int, ...]:
        """Indices of the numbers that differ between neurons."""
        return tuple(self.values.index(path) for path in self.variant.per_neuron)

    @cached_property
    def parameters(self) -> tuple[int, ...]:
        """Indices of the numbers that are passed to a loop as tensors, in order."""
        return (*self.per_neuron, *(i for i in self.learned if i not in self.per_neuron))


_programs: dict[tuple, "Program"] = {}


def program(name: str, step: Callable, params: Any, spike: Spike, inputs: Any, state: Any):
    """The program of a step with the options of these parameters; see `Step` for the arguments.

    Raises:
        Untraceable: if the step has no compiled form.
    """
    found = Step(step, params, spike, inputs, state)
    key = (step, *spike_options(spike), inputs, type(state), found.options, tuple(found.present))
    key = (*key, found.values)
    if key not in _programs:
        _programs[key] = Program(name, found, spike)
    return _programs[key]


def spike_options(spike: Spike) -> tuple[Callable, bool]:
    """The non-numeric options that determine a spike's derivative."""
    return getattr(spike.surrogate, "derivative", spike.surrogate), spike.detach_reset


class Program:
    """The loops of one step with one set of options."""

    def __init__(self, name: str, step: Step, spike: Spike) -> None:
        self.name, self.step = name, step
        base = fingerprint(step.step, *spike_options(spike), step.inputs, step.state)
        self._base = (base, step.options, tuple(step.present), step.values)
        self._readers = [_reader(path) for path in step.values]
        self._loops: dict[tuple[str, Variant], Loop] = {}

    def numbers(
        self, params: Any, surrogate: Any
    ) -> tuple[list[float | Tensor], dict[int, Tensor]]:
        """The numbers that a step reads, in the order of `Loop.values`; the tensors by index."""
        numbers = [get(params, surrogate) for get in self._readers]
        return numbers, {i: n for i, n in enumerate(numbers) if isinstance(n, Tensor)}

    def variant(self, tensors: dict[int, Tensor], record: bool, recurrent: bool) -> Variant:
        """The variant, which depends on which `tensors` are learned or differ between neurons."""
        if not tensors:
            return Variant((), (), record, recurrent)
        paths, wants = self.step.values, torch.is_grad_enabled()
        return Variant(
            tuple(paths[i] for i, value in tensors.items() if wants and value.requires_grad),
            tuple(paths[i] for i, value in tensors.items() if value.numel() > 1),
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
        made = generated(
            f"{self.name}_{backend}",
            (self._base, backend, variant),
            _MAKERS,
            lambda: self._generate(backend, variant),
        )
        layout = Layout(*made.names["LAYOUT"])
        return Loop(made.key, made.text, made.names, layout, self.step.values, variant)

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
        return _header(self, backend, variant, traced, chosen) + body


def _reader(path: str) -> Callable[[Any, Any], float | Tensor]:
    """A faster form of `read` for one number, called every time that a layer runs."""
    if path == "spike.slope":
        return lambda _, surrogate: surrogate.slope
    if any(part.isdigit() for part in path.split(".")):
        return lambda params, surrogate: read(params, surrogate, path)
    get = attrgetter(path)
    return lambda params, _: get(params)


def _header(program: Program, backend: str, variant: Variant, traced: Traced, chosen: Any) -> str:
    step = program.step
    layout = Layout(
        n_inputs=step.n_inputs,
        n_states=len(step.present),
        n_outputs=len(traced.outputs),
        kept=tuple(node.is_bool for node in chosen.kept),
        reread=tuple(int(node.value) for node in chosen.reread),
        derived=tuple(chosen.derived),
        differentiable=traced.differentiable,
        near=chosen.near is not None and backend == "numba",
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
