"""Elementary functions that generated loops need and Triton lacks or rounds differently."""

# pyright: reportAttributeAccessIssue=false

import triton
import triton.language as tl


@triton.jit
def divide(a, b):
    """a / b, correctly rounded, unlike Triton's own division of float32."""
    return tl.div_rn(a, b) if a.dtype == tl.float32 else a / b


@triton.jit
def precise_sqrt(x):
    """The square root, rounded correctly."""
    return tl.sqrt_rn(x) if x.dtype == tl.float32 else tl.sqrt(x)


@triton.jit
def log1p(z):
    """log(1 + z), by Kahan's formula: the rounding error of 1 + z cancels in the quotient."""
    u = 1.0 + z
    y = tl.log(u) * (z / (u - 1.0))
    y = tl.where(u - 1.0 < float("inf"), y, z)
    return tl.where(u == 1.0, z, y)


@triton.jit
def expm1(z):
    """exp(z) - 1, by Kahan's formula."""
    u = tl.exp(z)
    y = (u - 1.0) * (z / tl.log(u))
    y = tl.where((u > 0.0) & (u < float("inf")), y, u - 1.0)
    return tl.where(u == 1.0, z, y)


@triton.jit
def tanh(z):
    """The hyperbolic tangent."""
    e = expm1(2.0 * z)
    return tl.where(e < 1e30, e / (e + 2.0), 1.0)
