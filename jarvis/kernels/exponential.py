"""A vectorised exp() for compiled loops; numba's own exp() calls a library for each value.

``exp(z) = 2^n exp(r)`` with ``r = z - n ln 2``, ``|r| <= ln(2) / 2``: the power of 2 is
built from its bit pattern, and exp(r) from a Taylor series (8 terms in float32, 14 in float64). The
argument is clamped, so the result is always a normal number, never 0 or infinite; NaN stays NaN.
The relative error is at most 2e-7 (float32) or 5e-16 (float64).

Loops that use this function have `VERSION` in their names, because numba's cache checks only the
file that contains the loop itself.
"""

import math
import zlib
from pathlib import Path

import numpy as np
from numba import types
from numba.extending import overload

VERSION = f"{zlib.crc32(Path(__file__).read_bytes()):08x}"


def fast_exp(z):
    """exp(z) of a float32 or a float64, for use inside a compiled loop."""
    return np.exp(z)


def make_exp(dtype: type, overflows: bool = False):
    """exp() for one type. With `overflows`, results within a factor of sqrt(2) of the largest
    number are already infinite; torch's exp becomes infinite only beyond the largest number."""
    double = dtype is np.float64
    integer = np.int64 if double else np.int32
    low, high = dtype(-708 if double else -87), dtype((709 if double else 88) + overflows)
    log2e = dtype(1 / math.log(2))
    # Adding this rounds z log2(e) to an integer n, left in the low bits.
    magic = dtype(1.5 * 2.0 ** (52 if double else 23))
    ln2_high = dtype(6.93147180369123816490e-01 if double else 0.693359375)
    ln2_low = dtype(1.90821492927058770002e-10 if double else -2.12194440e-4)
    bias, mantissa = integer(1023 if double else 127), integer(52 if double else 23)
    first, *rest = (dtype(1 / math.factorial(c)) for c in range(13 if double else 7, -1, -1))
    rest = tuple(rest)

    def exp(z):
        z = low if z < low else z
        z = high if z > high else z
        w = z * log2e + magic
        bits = (dtype(w).view(integer) + bias) << mantissa
        w = w - magic
        z = z - w * ln2_high - w * ln2_low
        e = first
        for c in rest:
            e = e * z + c
        return e * dtype(integer(bits).view(dtype))

    return exp


_EXP = {types.float32: make_exp(np.float32), types.float64: make_exp(np.float64)}


@overload(fast_exp, inline="always")
def _fast_exp(z):
    return _EXP.get(z)
