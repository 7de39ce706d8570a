"""Attentive statistics of frames that many models share, compiled, in few passes.

torch reads and writes the hidden units of all models, as many numbers as a batch has frames, once
for each of bias, tanh, product with v, and again for each of their gradients; the weighted sums
of an utterance are products too small for a library. Here hidden units are read once forward and
once backward (`score`, `pass_scores`), and the frames of an utterance stay in the cache while all
models sum them (`pool`, `pass_pooled`). The two large products remain the library's.

Arrays of hidden units are float32, or bfloat16 as integers of 16 bits. Nothing that is compiled may
lie outside this file, its two `tiles` and `elementary`: see `compile_apart`.
"""

import numpy as np

from tokser.experiments.heads.compiled_function import compiled_function
from tokser.experiments.heads.frames.elementary import power, tangent
from tokser.experiments.heads.frames.tiles import (
    FRAMES,
    STRIP,
    WEIGHTINGS,
    moments,
    narrow,
    scores,
    widen,
    widen_half,
)
from tokser.experiments.heads.mlp.tiles import LANES, turn

__all__ = [
    "pass_pooled",
    "pass_scores",
    "pool",
    "score",
    "standardise",
    "turn_back",
    "turn_weights",
]

BLOCK = 512
"""Frames whose scores stay in the first cache while all hidden units of a model pass them."""

ZERO, ONE, HALF = (np.float32(n) for n in (0, 1, 0.5))
LOG2_E = np.float32(1.4426950408889634)


@compiled_function
def standardise(
    stored: np.ndarray, scaling: np.ndarray, rows: np.ndarray, rounded: np.ndarray
) -> None:
    """Write (x - mean) / deviation.

    Args:
        stored: x, [rows, dim], in float32, or float16 as integers of 16 bits.
        scaling: Means, then 1 / deviation, [2, dim].
        rows: [rows, dim].
        rounded: The same for products; or `rows`, if they take those.
    """
    mean, inverse = scaling[0], scaling[1]
    for i in range(len(rows)):
        own, out = stored[i], rows[i]
        for k in range(len(out)):
            out[k] = (widen_half(own[k]) - mean[k]) * inverse[k]
        _write(out, rounded[i])


@compiled_function
def turn_weights(weights: np.ndarray, turned: np.ndarray) -> None:
    """Write weights, [models, dim, hidden], as [models, hidden, dim]."""
    models, dim, num = weights.shape
    places, strip = np.empty(LANES, np.int64), np.empty((LANES, dim), np.float32)
    for model in range(models):
        for j in range(0, num, LANES):
            for k in range(0, dim, LANES):
                for r in range(LANES):
                    places[r] = (model * dim + k + r) * num
                turn((strip, k, dim), (weights, j), (places, 0))
            for c in range(LANES):
                _write(strip[c], turned[model, j + c])


@compiled_function
def turn_back(turned: np.ndarray, weights: np.ndarray) -> None:
    """Write [models, hidden, dim] as [models, dim, hidden], in float32."""
    models, num, dim = turned.shape
    strip, places = np.empty((LANES, dim), np.float32), np.arange(LANES) * dim
    for model in range(models):
        for j in range(0, num, LANES):
            for c in range(LANES):
                _read(turned[model, j + c], strip[c])
            for k in range(0, dim, LANES):
                to = (model * dim + k) * num + j
                turn((weights, to, num), (strip, k), (places, 0))


@compiled_function
def score(hidden: np.ndarray, bias: np.ndarray, vectors: np.ndarray, found: np.ndarray) -> None:
    """Write scores v^T tanh(z + b), and tanh(z + b) where z stood.

    Args:
        hidden: z, [models, hidden, rows].
        bias: b, [models, hidden].
        vectors: v, [models, heads, hidden].
        found: Scores, [models, heads, rows].
    """
    models, num, rows = hidden.shape
    values = np.empty(BLOCK, np.float32)
    found[:] = ZERO
    for model in range(models):
        for first in range(0, rows, BLOCK):
            last = min(first + BLOCK, rows)
            for j in range(num):
                row = hidden[model, j, first:last]
                own, factor = found[model, 0, first:last], vectors[model, 0, j]
                _activate(row, bias[model, j], own, factor, values)
                for head in range(1, vectors.shape[1]):
                    _add(found[model, head, first:last], values, vectors[model, head, j])


@compiled_function
def _activate(
    row: np.ndarray, bias: np.float32, found: np.ndarray, factor: np.float32, values: np.ndarray
) -> None:
    """Take z to h = tanh(z + b), and add v h to scores."""
    for i in range(len(row)):
        value = tangent(widen(row[i]) + bias)
        values[i] = value
        found[i] += factor * value
        row[i] = narrow(value, row[i])


@compiled_function
def _add(out: np.ndarray, values: np.ndarray, factor: np.float32) -> None:
    for i in range(len(out)):
        out[i] += factor * values[i]


@compiled_function
def pass_scores(
    hidden: np.ndarray,
    vectors: np.ndarray,
    errors: np.ndarray,
    to_vectors: np.ndarray,
    to_bias: np.ndarray,
) -> None:
    """Write gradients of v and b, and that of z where tanh(z + b) stood.

    Args:
        hidden: tanh(z + b), [models, hidden, rows].
        vectors: v, [models, heads, hidden].
        errors: Gradients of scores, [models, heads, rows].
        to_vectors: [models, heads, hidden].
        to_bias: [models, hidden].
    """
    models, num, rows = hidden.shape
    heads = vectors.shape[1]
    values, shared = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    to_vectors[:] = ZERO
    to_bias[:] = ZERO
    for model in range(models):
        for first in range(0, rows, BLOCK):
            last = min(first + BLOCK, rows)
            error = errors[model, 0, first:last]
            for j in range(num):
                row = hidden[model, j, first:last]
                if heads == 1:
                    slope, total = _pass_unit(row, error, vectors[model, 0, j])
                    to_vectors[model, 0, j] += total
                else:
                    _read(row, values)
                    shared[:] = ZERO
                    for head in range(heads):
                        error = errors[model, head, first:last]
                        to_vectors[model, head, j] += _dot(error, values)
                        _add(shared[: last - first], error, vectors[model, head, j])
                    slope, _ = _pass_unit(row, shared, ONE)
                to_bias[model, j] += slope


@compiled_function
def _read(row: np.ndarray, values: np.ndarray) -> None:
    for i in range(len(row)):
        values[i] = widen(row[i])


@compiled_function
def _write(values: np.ndarray, row: np.ndarray) -> None:
    for i in range(len(row)):
        row[i] = narrow(values[i], row[i])


@compiled_function
def _dot(errors: np.ndarray, values: np.ndarray) -> np.float32:
    total = ZERO
    for i in range(len(errors)):
        total += errors[i] * values[i]
    return total


@compiled_function
def _pass_unit(
    row: np.ndarray, errors: np.ndarray, factor: np.float32
) -> tuple[np.float32, np.float32]:
    """Write dz = v e (1 - h^2); return its sum, and that of e h."""
    slope, total = ZERO, ZERO
    for i in range(len(row)):
        value = widen(row[i])
        total += errors[i] * value
        error = factor * errors[i] * (ONE - value * value)
        slope += error
        row[i] = narrow(error, row[i])
    return slope, total


@compiled_function
def pool(
    found: np.ndarray,
    rows: np.ndarray,
    ends: np.ndarray,
    pooled: np.ndarray,
    least: np.float32,
) -> None:
    """Write weighted means and standard deviations, and weights where scores stood.

    Args:
        found: Scores of frames, [models, heads, rows].
        rows: Frames, [rows, dim].
        ends: Row after the last one of each utterance, [batch].
        pooled: Means, then deviations, [models, batch, 2, heads, dim].
        least: Variance that smaller ones count as.
    """
    models, heads, num_rows = found.shape
    dim, count = rows.shape[1], models * heads
    padded = (count + WEIGHTINGS - 1) // WEIGHTINGS * WEIGHTINGS
    weights = found.reshape(count, num_rows)
    own = np.zeros((padded, num_rows), np.float32)
    mean, square = np.empty((padded, dim), np.float32), np.empty((padded, dim), np.float32)
    first = 0
    for place in range(len(ends)):
        last = ends[place]
        for a in range(count):
            _softmax(weights[a, first:last], own[a])
        for column in range(0, dim, STRIP):
            for a in range(0, padded, WEIGHTINGS):
                to = a * dim + column
                moments(
                    (mean, to, dim),
                    (square, to, dim),
                    (own, a * num_rows, num_rows),
                    (rows, first * dim + column, dim),
                    last - first,
                )
        for a in range(count):
            model, head = a // heads, a % heads
            own_pooled = pooled[model, place]
            _deviate(own_pooled[0, head], own_pooled[1, head], mean[a], square[a], least)
        first = last


@compiled_function
def _softmax(values: np.ndarray, copy: np.ndarray) -> None:
    highest = values[0]
    for i in range(len(values)):
        highest = max(highest, values[i])
    total = ZERO
    for i in range(len(values)):
        exponent = (values[i] - highest) * LOG2_E
        exponent = np.float32(-125) if exponent < np.float32(-125) else exponent
        copy[i] = power(exponent)
        total += copy[i]
    inverse = ONE / total
    for i in range(len(values)):
        copy[i] *= inverse
        values[i] = copy[i]


@compiled_function
def _deviate(
    out: np.ndarray,
    deviations: np.ndarray,
    mean: np.ndarray,
    square: np.ndarray,
    least: np.float32,
) -> None:
    for i in range(len(out)):
        out[i] = mean[i]
        variance = square[i] - mean[i] * mean[i]
        deviations[i] = np.sqrt(least if variance < least else variance)


@compiled_function
def pass_pooled(
    weights: np.ndarray,
    rows: np.ndarray,
    ends: np.ndarray,
    pooled: np.ndarray,
    errors: np.ndarray,
    found: np.ndarray,
    least: np.float32,
) -> None:
    """Write gradients of scores.

    With dm' = dm - m ds / s and dq = ds / (2 s), a weight gets da_t = dm' x_t + dq x_t^2, and its
    score a_t (da_t - sum_u a_u da_u).

    Args:
        weights: Of frames, [models, heads, rows].
        rows: Frames, [rows, dim].
        ends: Row after the last one of each utterance, [batch].
        pooled: Means m, then deviations s, [models, batch, 2, heads, dim].
        errors: Their gradients, as they are.
        found: Gradients of scores, [models, heads, rows].
        least: Deviation that passes no gradient.
    """
    models, heads, _ = found.shape
    dim, count = rows.shape[1], models * heads
    padded = (count + WEIGHTINGS - 1) // WEIGHTINGS * WEIGHTINGS
    linear, square = np.zeros((padded, dim), np.float32), np.zeros((padded, dim), np.float32)
    first = 0
    for place in range(len(ends)):
        last = ends[place]
        for a in range(count):
            head, own, error = a % heads, pooled[a // heads, place], errors[a // heads, place]
            _undeviate(
                (linear[a], square[a]),
                (own[0, head], own[1, head]),
                (error[0, head], error[1, head]),
                least,
            )
        _pass_weights(linear, square, rows, first, last, found)
        for a in range(count):
            model, head = a // heads, a % heads
            _unsoftmax(found[model, head, first:last], weights[model, head, first:last])
        first = last


@compiled_function
def _pass_weights(
    linear: np.ndarray,
    square: np.ndarray,
    rows: np.ndarray,
    first: int,
    last: int,
    found: np.ndarray,
) -> None:
    """Write da_t = l x_t + q x_t^2 of an utterance, a few frames at a time; the last ones twice."""
    _, heads, _ = found.shape
    padded, dim = linear.shape
    tile = np.empty((padded, FRAMES), np.float32)
    is_short = last - first < FRAMES
    step, stride = (1, 0) if is_short else (FRAMES, dim)
    for at in range(first, last, step):
        begin = min(at, last - step)
        for a in range(0, padded, WEIGHTINGS):
            scores(
                (tile, a * FRAMES, FRAMES),
                (linear, a * dim, dim),
                (square, a * dim, dim),
                (rows, begin * dim, stride),
                dim // LANES,
            )
        for a in range(found.shape[0] * heads):
            for t in range(step):
                found[a // heads, a % heads, begin + t] = tile[a, t]


@compiled_function
def _undeviate(
    found: tuple[np.ndarray, np.ndarray],
    pooled: tuple[np.ndarray, np.ndarray],
    errors: tuple[np.ndarray, np.ndarray],
    least: np.float32,
) -> None:
    """Write dm' and dq of m and s, and of their gradients."""
    linear, square = found
    (mean, deviation), (to_mean, to_deviation) = pooled, errors
    for i in range(len(linear)):
        share = to_deviation[i] / deviation[i] if deviation[i] > least else ZERO
        square[i] = HALF * share
        linear[i] = to_mean[i] - mean[i] * share


@compiled_function
def _unsoftmax(errors: np.ndarray, weights: np.ndarray) -> None:
    total = _dot(errors, weights)
    for i in range(len(errors)):
        errors[i] = weights[i] * (errors[i] - total)
