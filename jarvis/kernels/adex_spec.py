"""Specification of the compiled AdEx loops: options as compile-time flags, values as numbers."""

from typing import NamedTuple


class NormalisedValues(NamedTuple):
    """The numbers of the dimensionless loop, in the order in which it reads them."""

    decay: float
    decay_syn: float
    decay_w: float
    dt: float
    drive: float  #: dt a: from v to the adaptation
    b: float
    threshold: float
    v_t: float
    sharpness: float  #: 1/delta_t
    steepest: float
    growth: float  #: dt delta_t
    slope: float  #: of the surrogate


class NormalisedSpec(NamedTuple):
    """The dimensionless loop: its options, and its numbers."""

    surrogate: str
    detach: bool
    values: NormalisedValues


class AdExValues(NamedTuple):
    """The numbers of the biophysical loop, in the order in which it reads them."""

    e_l: float
    xx: float
    xw: float
    xi: float
    wx: float
    ww: float
    wi: float
    cross: float  #: v_cross - e_l, mV
    v_t: float  #: v_t - e_l, mV
    top: float  #: v_peak - e_l, mV
    delta_t: float
    sharpness: float  #: 1/delta_t
    tau: float
    rate: float  #: dt/tau
    dt: float
    peak: float
    reset_x: float
    reset_slope: float
    reset_bend: float
    per_c: float  #: 1/c
    b: float
    b_decay: float  #: b/tau_w


#: Inputs are clamped to this magnitude, so that no sum of them, and no state, becomes infinite.
LARGEST_INPUT = 1e15
