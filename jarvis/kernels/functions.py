"""Elementary functions for generated CPU loops: vectorised, and accurate over the whole range.

They agree with torch at the edges of this range: exp overflows to infinity, log(0) is -infinity,
the log of a negative number is NaN, and NaN propagates. The smallest result of exp is the smallest
normal number.
"""

import math
from collections.abc import Callable

import numpy as np
from numba import njit, types
from numba.extending import intrinsic, overload

from jarvis.kernels.exponential import make_exp
from jarvis.kernels.logarithm import fast_log

#: Compiles a function inline, into the functions that call it.
inline = njit(forceinline=True, error_model="numpy")


@intrinsic
def select(typing, condition, yes, no):
    """``yes if condition else no`` for two values that have been computed already.

    It becomes a single instruction. Numba splits a conditional expression into three blocks, and
    compiling many blocks takes long. For compiled code only.
    """
    kind = typing.unify_types(yes, no)
    return kind(types.boolean, kind, kind), lambda context, builder, _, args: builder.select(*args)


def _typed(make: Callable[[type], Callable]) -> Callable:
    """A function for compiled code, made from its implementation for each type."""
    made = {types.float32: make(np.float32), types.float64: make(np.float64)}

    def function(z):
        raise NotImplementedError("for compiled code only")

    @overload(function)
    def _implementation(z):
        return made.get(z)

    return function


def _exp_of(dtype: type) -> Callable:
    return make_exp(dtype, overflows=True)


def _log_of(dtype: type) -> Callable:
    least, infinity = np.finfo(dtype).tiny, dtype(math.inf)
    nan = dtype(math.nan)

    def implementation(z):
        y = fast_log(z)
        y = y if z < infinity else z
        y = y if z >= least else -infinity
        return y if z > -least else nan  # NaN also for a NaN, since every comparison is false

    return implementation


_exp, _log = _typed(_exp_of), _typed(_log_of)


@inline
def exp(z):
    return _exp(z)


@inline
def log(z):
    return _log(z)


def _log1p_of(dtype: type) -> Callable:
    one = dtype(1)

    def implementation(z):
        # Kahan: the rounding error of 1 + z cancels in the quotient.
        u = one + z
        y = log(u) * (z / (u - one))
        y = y if u - one < dtype(math.inf) else z
        return z if u == one else y

    return implementation


def _expm1_of(dtype: type) -> Callable:
    one = dtype(1)

    def implementation(z):
        u = exp(z)
        y = (u - one) * (z / log(u))
        y = y if u - one > -one and u < dtype(math.inf) else u - one
        return z if u == one else y

    return implementation


_log1p, _expm1 = _typed(_log1p_of), _typed(_expm1_of)


@inline
def log1p(z):
    return _log1p(z)


@inline
def expm1(z):
    return _expm1(z)


def _tanh_of(dtype: type) -> Callable:
    one, two = dtype(1), dtype(2)

    def implementation(z):
        e = expm1(two * z)
        return e / (e + two) if e < dtype(1e30) else one

    return implementation


_tanh = _typed(_tanh_of)


@inline
def tanh(z):
    return _tanh(z)
