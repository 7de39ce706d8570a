"""Elementary functions of a float32: parts of the loops in `compiled` that call them."""

import math

import numpy as np

from tokser.experiments.heads.compiled_function import inlined_function
from tokser.experiments.heads.frames.tiles import as_float

__all__ = ["power", "tangent"]

ONE = np.float32(1)
# 2^f on [-1/2, 1/2]: ln(2)^n / n!
C1, C2, C3, C4, C5, C6 = (np.float32(math.log(2) ** n / math.factorial(n)) for n in range(1, 7))
FARTHEST = np.float32(8.4)  # there tanh is 1 - 1e-7
# tanh(z) / z on |z| <= 8.4, numerator and denominator by powers of z^2, fitted; 4e-7 in float32
N0, N1, N2, N3, N4 = (
    np.float32(n) for n in (0.99999994, 0.13412699, 0.0035335771, 2.1252074e-5, 1.428831e-8)
)
D1, D2, D3, D4 = (np.float32(n) for n in (0.46746013, 0.026020521, 3.3484848e-4, 8.149076e-7))


@inlined_function
def power(exponent: np.float32) -> np.float32:
    """Return 2^y for |y| < 126, to float32 rounding."""
    whole = np.int32(exponent + np.float32(128.5)) - np.int32(128)
    part = exponent - np.float32(whole)
    value = C5 + part * C6
    value = C4 + part * value
    value = C3 + part * value
    value = C2 + part * value
    value = C1 + part * value
    value = ONE + part * value
    scale: np.float32 = as_float(np.int32((whole + np.int32(127)) << np.int32(23)))
    return np.float32(value * scale)


@inlined_function
def tangent(z: np.float32) -> np.float32:
    """Return tanh(z) to 4e-7: a rational function needs fewer operations than 2^y."""
    z = FARTHEST if z > FARTHEST else z
    z = -FARTHEST if z < -FARTHEST else z
    square = z * z
    upper = N3 + square * N4
    upper = N2 + square * upper
    upper = N1 + square * upper
    upper = N0 + square * upper
    lower = D3 + square * D4
    lower = D2 + square * lower
    lower = D1 + square * lower
    return np.float32(z * upper / (ONE + square * lower))
