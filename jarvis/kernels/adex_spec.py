"""What the compiled AdEx loops are made for: options as compile-time flags, values as numbers."""

import math
from typing import NamedTuple

from jarvis.adex import AdExParams, NormalisedAdExParams
from jarvis.adex_step import reset_rates
from jarvis.lif import exp_decay
from jarvis.surrogate import SurrogateSpike


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


def normalised_spec(
    params: NormalisedAdExParams, surrogate: SurrogateSpike, detach: bool
) -> NormalisedSpec:
    """The loop for a dimensionless layer."""
    p = params
    values = NormalisedValues(
        decay=float(exp_decay(p.tau, p.dt)),
        decay_syn=float(exp_decay(p.tau_syn, p.dt)),
        decay_w=float(exp_decay(p.tau_w, p.dt)),
        dt=p.dt,
        drive=p.dt * p.a,
        b=p.b,
        threshold=p.threshold,
        v_t=p.v_t,
        sharpness=1.0 / p.delta_t,
        steepest=p.steepest,
        growth=p.dt * p.delta_t,
        slope=surrogate.slope,
    )
    return NormalisedSpec(surrogate.name, detach, values)


def adex_values(params: AdExParams) -> AdExValues:
    """The numbers for a biophysical layer."""
    p, reset = params, reset_rates(params)
    return AdExValues(
        p.e_l,
        *p.half_step,
        cross=p.v_cross - p.e_l,
        v_t=p.v_t - p.e_l,
        top=p.v_peak - p.e_l,
        delta_t=p.delta_t,
        sharpness=1.0 / p.delta_t,
        tau=p.tau,
        rate=p.dt / p.tau,
        dt=p.dt,
        peak=math.exp(-(p.v_peak - p.v_t) / p.delta_t),
        reset_x=reset.x,
        reset_slope=reset.slope,
        reset_bend=reset.bend,
        per_c=1.0 / p.c,
        b=p.b,
        b_decay=p.b / p.tau_w,
    )
