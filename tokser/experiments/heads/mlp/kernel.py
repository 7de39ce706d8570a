"""One epoch of one classifier, compiled: forward, backward and Adam on what a core's cache holds.

**How it works.** With small batches a step of training costs memory traffic, not arithmetic: a
model on 1,024 functionals has 141 thousand weights, with both moments of Adam 1.7 MB, which an
optimiser reads and writes at every step, beside a gradient of 0.6 MB. Three things keep that
traffic down. One thread trains one model to its end, so weights and moments stay in its core's own
cache from step to step. The gradient of a weight, dW[k, j] = sum_i h[i, k] dz[i, j], is summed over
the batch in a tile of registers (4 rows of up to 4 vectors of 16 floats), and Adam moves the tile's
weights at once: gradients of weights never reach memory. And widths are padded to whole vectors,
batches to whole tiles, so no inner loop has a remainder.

A step gathers the batch's inputs, computes all layers forward (`_forward`: product, LayerNorm,
ReLU), the error of the logits (`_measure_error`), dL/dz of all layers backward (`_backward`), and
then moves all weights (`_update`). Sums are float32 with fused multiply-adds in an order that the
compiler chooses: equal to torch's up to rounding, and equal to themselves whenever they are run.

**What must never happen.** No weight may move before dL/dz is known for every layer, for the errors
of a layer pass through the weights above it as they were. What pads weights, samples and features
must stay exactly 0: inputs and errors there are 0, so are the gradients, and Adam leaves a 0 whose
gradients were all 0 where it is; any other number would leak into every product. Threads share
nothing but inputs, labels and orders, which nobody writes: a result does not depend on how many
they are. And nothing that is compiled may lie outside this file, `tiles` and `workspace`: the
compiled code on disk is renewed when one of these changes, see `compile_apart`.
"""

import math

import numpy as np

from tokser.experiments.heads.compiled_function import compiled_function
from tokser.experiments.heads.mlp.tiles import (
    BETA_1,
    BETA_2,
    LANES,
    MOST_VECTORS,
    ROWS,
    adam_narrow,
    adam_wide,
    product_narrow,
    product_wide,
    turn,
)
from tokser.experiments.heads.mlp.workspace import BEFORE, FEW_SAMPLES, NARROW, PADDED, Workspace

__all__ = ["count_guesses", "gather", "train_epoch"]

DEPTH = 64
"""Rows of weights that stay in the first cache while all samples pass them."""
ADAM_EPSILON, NORM_EPSILON = 1e-8, 1e-5
"""As torch has them in Adam and LayerNorm."""


@compiled_function
def train_epoch(
    work: Workspace,
    inputs: np.ndarray,
    labels: np.ndarray,
    order: np.ndarray,
    batch_size: int,
    num_steps: int,
    learning_rate: float,
) -> int:
    """Take one step of Adam for each batch of `order`; the last may be smaller.

    Args:
        work: Parameters and memory, for batches of `batch_size`.
        inputs: Standardised functionals, padded, and a row of zeros, [train + 1, features].
        labels: Class numbers, [train].
        order: The order of this epoch, [train].
        batch_size: Utterances in a step.
        num_steps: Steps taken before.
        learning_rate: Of this epoch.

    Returns:
        Steps taken so far.
    """
    for first in range(0, len(order), batch_size):
        chosen = order[first : first + batch_size]
        rows = (len(chosen) + ROWS - 1) // ROWS * ROWS
        by_sample, by_feature = gather(work.gathered, inputs, chosen, rows)
        _forward(work, rows, by_sample, by_feature)
        _measure_error(work, labels, chosen, rows)
        _backward(work, rows)
        num_steps += 1
        correction = math.sqrt(1 - BETA_2**num_steps)
        rate = np.float32(learning_rate * correction / (1 - BETA_1**num_steps))
        _update(work, rows, by_sample, by_feature, rate, np.float32(ADAM_EPSILON * correction))
    return num_steps


@compiled_function
def count_guesses(
    work: Workspace, inputs: np.ndarray, labels: np.ndarray, counts: np.ndarray, most_rows: int
) -> None:
    """Add to `counts` [truth, guess] what the model makes of `inputs`, laid out as in training."""
    last = work.layout[-1]
    for first in range(0, len(labels), most_rows):
        chosen = np.arange(first, min(first + most_rows, len(labels)))
        rows = (len(chosen) + ROWS - 1) // ROWS * ROWS
        by_sample, by_feature = gather(work.gathered, inputs, chosen, rows)
        _forward(work, rows, by_sample, by_feature)
        for i, number in enumerate(chosen):
            place = rows * last[BEFORE] + i * last[PADDED]
            guess = np.argmax(work.normed[place : place + last[NARROW]])
            counts[labels[number], guess] += 1


@compiled_function
def gather(
    gathered: np.ndarray, inputs: np.ndarray, chosen: np.ndarray, rows: int
) -> tuple[int, int]:
    """Copy the chosen inputs, and 0 up to `rows`; return the strides by sample and by feature.

    Strides are odd multiples of a cache line: powers of two would fill a few sets of the cache.
    """
    num_features, count, zeros = inputs.shape[1], len(chosen), len(inputs) - 1
    if rows <= FEW_SAMPLES:
        stride = num_features // (2 * LANES) * 2 * LANES + LANES
        for i in range(rows):
            source = inputs[chosen[i] if i < count else zeros]
            _copy(gathered[i * stride : i * stride + num_features], source)
        return stride, 1
    stride = (rows + LANES) // (2 * LANES) * 2 * LANES + LANES
    flat, places = inputs.reshape(-1), np.empty(LANES, np.int64)
    for first in range(0, rows, LANES):
        for i in range(LANES):
            places[i] = num_features * (chosen[first + i] if first + i < count else zeros)
        for feature in range(0, num_features, LANES):
            turn((gathered, feature * stride + first, stride), (flat, feature), (places, 0))
    return 1, stride


@compiled_function
def _forward(work: Workspace, rows: int, by_sample: int, by_feature: int) -> None:
    """Compute all layers for the gathered inputs."""
    left = (work.gathered, 0, by_sample, by_feature)
    last = len(work.layout) - 1
    for layer in range(last + 1):
        wide, narrow, padded, weights, vectors, before = work.layout[layer]
        first = rows * before
        bias = work.state[0, vectors : vectors + padded]
        for i in range(rows):
            _copy(work.normed[first + i * padded : first + (i + 1) * padded], bias)
        _multiply((work.normed, first, padded), left, (work.state[0], weights), rows, wide, padded)
        left = (work.outputs, first, padded, 1)
        if layer == last:
            return
        gain = work.state[0, vectors + padded : vectors + padded + narrow]
        shift = work.state[0, vectors + 2 * padded : vectors + 2 * padded + narrow]
        for i in range(rows):
            place = first + i * padded
            normed = work.normed[place : place + narrow]
            work.scales[layer * rows + i] = _normalise(normed)
            _rectify(work.outputs[place : place + narrow], normed, gain, shift)
            for j in range(place + narrow, place + padded):
                work.outputs[j] = 0


@compiled_function
def _measure_error(work: Workspace, labels: np.ndarray, chosen: np.ndarray, rows: int) -> None:
    """Write dL/dlogits of the weighted cross-entropy: w_i (softmax(y_i) - onehot_i) / sum w."""
    _, narrow, padded, _, _, before = work.layout[-1]
    total = np.float32(0)
    for number in chosen:
        total += work.importance[labels[number]]
    for i in range(rows):
        place = rows * before + i * padded
        errors = work.errors[place : place + padded]
        errors[:] = 0
        if i < len(chosen):
            label = labels[chosen[i]]
            logits = work.normed[place : place + narrow]
            highest, norm = logits.max(), np.float32(0)
            for j in range(narrow):
                errors[j] = np.exp(logits[j] - highest)
                norm += errors[j]
            share = work.importance[label] / total
            for j in range(narrow):
                errors[j] = (errors[j] / norm - (j == label)) * share


@compiled_function
def _backward(work: Workspace, rows: int) -> None:
    """Compute dL/dz of all layers, and the gradients of biases, gains and shifts."""
    work.vectors[:] = 0
    for layer in range(len(work.layout) - 1, -1, -1):
        wide, _, padded, weights, _, before = work.layout[layer]
        first = rows * before
        for i in range(rows):
            place = first + i * padded
            _add(
                work.vectors[3 * before : 3 * before + padded], work.errors[place : place + padded]
            )
        if layer > 0:
            _turn_weights(work.turned, work.state[0], weights, wide, padded)
            below = rows * work.layout[layer - 1, BEFORE]
            work.errors[below:first] = 0
            left = (work.errors, first, padded, 1)
            _multiply((work.errors, below, wide), left, (work.turned, 0), rows, padded, wide)
            _pass_block(work, layer - 1, rows)


@compiled_function
def _turn_weights(
    turned: np.ndarray, weights: np.ndarray, first: int, wide: int, padded: int
) -> None:
    places = np.empty(LANES, np.int64)
    for k in range(0, wide, LANES):
        for i in range(LANES):
            places[i] = first + (k + i) * padded
        for j in range(0, padded, LANES):
            turn((turned, j * wide + k, wide), (weights, j), (places, 0))


@compiled_function
def _pass_block(work: Workspace, layer: int, rows: int) -> None:
    """Take the errors of a block from its outputs to those of its Linear."""
    _, narrow, padded, _, vectors, before = work.layout[layer]
    gain = work.state[0, vectors + padded : vectors + padded + narrow]
    gains = work.vectors[3 * before + padded : 3 * before + padded + narrow]
    shifts = work.vectors[3 * before + 2 * padded : 3 * before + 2 * padded + narrow]
    for i in range(rows):
        own = slice(rows * before + i * padded, rows * before + i * padded + narrow)
        errors, normed, outputs = work.errors[own], work.normed[own], work.outputs[own]
        _pass_row(errors, normed, outputs, gain, gains, shifts, work.scales[layer * rows + i])


@compiled_function
def _update(
    work: Workspace,
    rows: int,
    by_sample: int,
    by_feature: int,
    rate: np.float32,
    epsilon: np.float32,
) -> None:
    """Move all parameters; the gradient of a weight is dW = h^T dz, h the layer's inputs."""
    weights, means, squares = work.state[0], work.state[1], work.state[2]
    for layer in range(len(work.layout) - 1, -1, -1):
        wide, _, padded, first, vectors, before = work.layout[layer]
        left, place, row, step = work.gathered, 0, by_feature, by_sample
        if layer > 0:
            left, row, step = work.outputs, 1, wide
            place = rows * work.layout[layer - 1, BEFORE]
        # Downwards, as the forward pass goes upwards: what was used last is still in the cache.
        for k in range(wide - ROWS, -1, -ROWS):
            factor, j = (left, place + k * row, row, step), 0
            while padded - j >= MOST_VECTORS * LANES:
                to, right = first + k * padded + j, (work.errors, rows * before + j, padded)
                adam_wide(weights, means, squares, to, factor, right, rows, rate, epsilon)
                j += MOST_VECTORS * LANES
            while j < padded:
                to, right = first + k * padded + j, (work.errors, rows * before + j, padded)
                adam_narrow(weights, means, squares, to, factor, right, rows, rate, epsilon)
                j += LANES
        own = slice(vectors, vectors + 3 * padded)
        gradients = work.vectors[3 * before : 3 * before + 3 * padded]
        _adam_row(weights[own], means[own], squares[own], gradients, rate, epsilon)


@compiled_function
def _multiply(
    out: tuple[np.ndarray, int, int],
    left: tuple[np.ndarray, int, int, int],
    right: tuple[np.ndarray, int],
    rows: int,
    depth: int,
    width: int,
) -> None:
    """out[rows, width] += left[rows, depth] right[depth, width]."""
    for k in range(0, depth, DEPTH):
        count = min(DEPTH, depth - k)
        for i in range(0, rows, ROWS):
            factor = (left[0], left[1] + i * left[2] + k * left[3], left[2], left[3])
            to, b, j = out[1] + i * out[2], right[1] + k * width, 0
            while width - j >= MOST_VECTORS * LANES:
                product_wide((out[0], to + j, out[2]), factor, (right[0], b + j, width), count)
                j += MOST_VECTORS * LANES
            while j < width:
                product_narrow((out[0], to + j, out[2]), factor, (right[0], b + j, width), count)
                j += LANES


# Loops over one row, on slices: so they become vectors.


@compiled_function
def _copy(out: np.ndarray, values: np.ndarray) -> None:
    for j in range(len(out)):
        out[j] = values[j]


@compiled_function
def _add(out: np.ndarray, values: np.ndarray) -> None:
    for j in range(len(out)):
        out[j] += values[j]


@compiled_function
def _normalise(values: np.ndarray) -> np.float32:
    """Bring values to mean 0 and deviation 1; return 1 / deviation."""
    count = np.float32(len(values))
    mean, variance = np.float32(0), np.float32(0)
    for j in range(len(values)):
        mean += values[j]
    mean /= count
    for j in range(len(values)):
        values[j] -= mean
        variance += values[j] * values[j]
    scale: np.float32 = np.float32(1) / np.sqrt(variance / count + np.float32(NORM_EPSILON))
    for j in range(len(values)):
        values[j] *= scale
    return scale


@compiled_function
def _rectify(out: np.ndarray, normed: np.ndarray, gain: np.ndarray, shift: np.ndarray) -> None:
    for j in range(len(out)):
        out[j] = max(normed[j] * gain[j] + shift[j], np.float32(0))


@compiled_function
def _pass_row(
    errors: np.ndarray,
    normed: np.ndarray,
    outputs: np.ndarray,
    gain: np.ndarray,
    gains: np.ndarray,
    shifts: np.ndarray,
    scale: np.float32,
) -> None:
    """Take dL/da of one sample to dL/dz, and add to the gradients of gain and shift.

    With n the normed z, sigma its deviation, a = relu(n g + s) and e = dL/da [a > 0]:
    dg = sum e n, ds = sum e, and with u = e g, dz = (u - mean(u) - n mean(u n)) / sigma.
    """
    count, mean, shared = np.float32(len(errors)), np.float32(0), np.float32(0)
    for j in range(len(errors)):
        error = errors[j] if outputs[j] > 0 else np.float32(0)
        gains[j] += error * normed[j]
        shifts[j] += error
        errors[j] = error * gain[j]
    for j in range(len(errors)):
        mean += errors[j]
        shared += errors[j] * normed[j]
    mean, shared = mean / count, shared / count
    for j in range(len(errors)):
        errors[j] = (errors[j] - mean - normed[j] * shared) * scale


@compiled_function
def _adam_row(
    weights: np.ndarray,
    means: np.ndarray,
    squares: np.ndarray,
    gradients: np.ndarray,
    rate: np.float32,
    epsilon: np.float32,
) -> None:
    for j in range(len(weights)):
        means[j] += (gradients[j] - means[j]) * np.float32(1 - BETA_1)
        new = gradients[j] * gradients[j] * np.float32(1 - BETA_2)
        squares[j] = squares[j] * np.float32(BETA_2) + new
        weights[j] -= rate * means[j] / (np.sqrt(squares[j]) + epsilon)
