"""Discretisation of NIR's equations: conversion of LIF parameters to and from NIR.

NIR describes a neuron by a differential equation in seconds, without a time step; this package
integrates it with a dt in ms. The conversion follows Norse and snnTorch: a value on an edge is held
for one step (a spike is 1 for dt), and a synaptic current acts with its new value. Then::

    tau v' = -v + R I            is   v <- a v + (1 - a) R I             a = exp(-dt/tau)
    tau_syn I' = -I + w_in S     is   I <- b I + (1 - b) w_in S          b = exp(-dt/tau_syn)

which is `lif_step` with R = 1/(1 - a) and w_in = 1/(1 - b). A reader that takes forward Euler steps
uses a = 1 - dt/tau instead; ``integrator="euler"`` writes the tau for which a is the same. A neuron
fires above the threshold in NIR, but at or above it in `lif_step`, so the threshold is written one
float lower.

Source: Pedersen et al. 2024, Nat. Commun. 15:8122, its primitives.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

INTEGRATORS = ("exact", "euler")


def loss_of(tau: float, dt: float, integrator: str) -> float:
    """Fraction ``1 - a`` of the potential lost in a step `dt`; NIR's `tau` is in the unit of dt."""
    return dt / tau if integrator == "euler" else -math.expm1(-dt / tau)


def tau_to_nir(tau: float, dt: float, integrator: str) -> float:
    """Convert our time constant (ms) to NIR's (s), so that a reader's decay is exp(-dt/tau)."""
    return (dt / -math.expm1(-dt / tau) if integrator == "euler" else tau) / 1000


def tau_from_nir(seconds: float, dt: float, integrator: str) -> float:
    """The inverse of `tau_to_nir`, bit for bit."""
    guess = 1000 * seconds
    if integrator == "euler":
        guess = -dt / math.log1p(-dt / guess)
    return inverse(seconds, lambda tau: tau_to_nir(tau, dt, integrator), guess)


def threshold_to_nir(threshold: float, dtype: np.dtype) -> float:
    """The threshold that a number of `dtype` exceeds if and only if it is at or above ours."""
    return float(np.nextafter(dtype.type(threshold), dtype.type(-np.inf)))


def threshold_from_nir(threshold: float, dtype: np.dtype) -> float:
    """The inverse of `threshold_to_nir`."""
    guess = float(np.nextafter(dtype.type(threshold), dtype.type(np.inf)))
    return inverse(threshold, lambda value: threshold_to_nir(value, dtype), guess)


def milliseconds(seconds: float) -> float:
    """Convert seconds to ms, so that the result divided by 1000 is exactly the given number.

    Example:
        >>> milliseconds(0.07 / 1000)
        0.07
    """
    return inverse(seconds, lambda ms: ms / 1000, 1000 * seconds)


def each(function: Callable[[float], float], values: np.ndarray) -> np.ndarray:
    """Apply `function` to every value in float64, with a single call for equal values."""
    different, where = np.unique(values, return_inverse=True)
    found = np.array([function(float(value)) for value in different], dtype=np.float64)
    return found[where].reshape(values.shape)


def inverse(target: float, forward: Callable[[float], float], guess: float) -> float:
    """The shortest decimal number close to `guess` that `forward` maps to exactly `target`.

    If there is none, return `guess` itself.
    """
    short = [float(f"{guess:.{digits}g}") for digits in range(1, 17)]
    step = math.ulp(guess) if math.isfinite(guess) else 0.0
    near = [guess + k * step for k in (0, -1, 1, -2, 2)]
    return next((value for value in short + near if forward(value) == target), guess)


@dataclass
class Map:
    """A linear map during conversion, in float64."""

    weight: np.ndarray
    bias: np.ndarray | None


@dataclass
class Cells:
    """Neurons during conversion: a function that makes their layer, and the gain of their input."""

    name: str
    make: Callable[[], Any]
    gain: np.ndarray
    loop: Map | None = None


def fold(steps: list[Map | Cells]) -> None:
    """Move every gain, and every bias of a loop, into the linear map before the neurons."""
    for before, cells in pairwise([None, *steps]):
        if not isinstance(cells, Cells):
            continue
        scaled = bool((np.abs(cells.gain - 1.0) > 1e-6).any())  # less is rounding
        bias = None if cells.loop is None else cells.loop.bias
        if not scaled and bias is None:
            continue
        if not isinstance(before, Map):
            raise ValueError(
                f"{cells.name}: a resistance (or the bias of a loop) must go into the weights of a "
                "linear map before these neurons, but there is none: put one there (an identity)"
            )
        if bias is not None:
            before.bias = bias if before.bias is None else before.bias + bias
        if scaled:
            before.weight = before.weight * cells.gain[:, None]
            before.bias = None if before.bias is None else before.bias * cells.gain
            if cells.loop is not None:
                cells.loop.weight = cells.loop.weight * cells.gain[:, None]
