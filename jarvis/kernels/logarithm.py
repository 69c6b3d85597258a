"""A vectorised log() for compiled loops, the counterpart of `exponential`.

``log(x) = n ln 2 + log(f)`` with f in [sqrt(1/2), sqrt(2)): n is taken from the bit pattern, and
``log(f) = 2 artanh(z)`` from its series in ``z = (f - 1)/(f + 1)``, ``|z| < 0.172``. x must be a
normal positive number. The error is at most 3e-7 (float32) or 4e-16 (float64), relative to the
larger of 1 and the magnitude of the result.

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


def fast_log(x):
    """log(x) of a float32 or a float64, for use inside a compiled loop."""
    return np.log(x)


def _make(dtype: type):
    double = dtype is np.float64
    integer = np.int64 if double else np.int32
    mantissa = integer(52 if double else 23)
    least = integer(np.array(math.sqrt(0.5), dtype).view(integer))
    one, two, ln2 = dtype(1), dtype(2), dtype(math.log(2))
    first, *rest = (dtype(1 / (2 * c + 1)) for c in range(10 if double else 4, -1, -1))
    rest = tuple(rest)

    def log(x):
        bits = dtype(x).view(integer)
        n = (bits - least) >> mantissa
        f = dtype(integer(bits - (n << mantissa)).view(dtype))
        z = (f - one) / (f + one)
        square = z * z
        series = first
        for c in rest:
            series = series * square + c
        return dtype(n) * ln2 + two * z * series

    return log


_LOG = {types.float32: _make(np.float32), types.float64: _make(np.float64)}


@overload(fast_log, inline="always")
def _fast_log(x):
    return _LOG.get(x)
