"""One epoch of one classifier, compiled: forward, backward and Adam on what a core's cache holds.

A small batch costs the traffic of Adam's state, not arithmetic. So a weight's gradient is made in
registers, a tile at a time, and moves the weight at once: it never reaches memory, and weights and
moments stay in the cache of the core from step to step. Tiles are LLVM vectors of 16 floats, which
LLVM cuts into those of the processor.

Everything compiled is in this file, because its cache on disk is renewed when the file changes.
Widths are padded to vectors; padded weights stay 0, for nothing ever flows through them.
"""

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar, cast

import numba
import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as _intrinsic

__all__ = ["LANES", "ROWS", "Workspace", "count_guesses", "gather", "train_epoch"]

LANES = 16
"""Floats in a vector."""
ROWS = 4
"""Rows of a tile."""
DEPTH = 64
"""Rows of weights that stay in the first cache while all samples pass them."""
FEW_SAMPLES = 32
"""Up to so many samples of a batch are gathered as they lie; of more, feature by feature."""
WIDE, NARROW, PADDED, WEIGHTS, VECTORS, BEFORE = range(6)
"""Columns of a layout: padded inputs; outputs; padded outputs; where the weights begin; where bias,
gain and shift begin; padded outputs of all layers before."""

BETA_1, BETA_2, ADAM_EPSILON, NORM_EPSILON = 0.9, 0.999, 1e-8, 1e-5
"""As torch has them in Adam and LayerNorm."""

_MOST_VECTORS = 4 if binding.get_host_cpu_features().get("avx512f", False) else 1
"""Vectors in a row of a tile: as many as the processor has registers for."""

_FLOAT, _INT = ir.FloatType(), ir.IntType(64)
_VECTOR = ir.VectorType(_FLOAT, LANES)

intrinsic: Any = _intrinsic

Function = TypeVar("Function", bound=Callable[..., Any])


def _compiled(function: Function) -> Function:
    """Compile for this processor at the first call, and keep the result on disk if one can."""
    plain = inspect.unwrap(function)  # checks of types do not compile
    options: Any = {
        "nogil": True,
        "error_model": "numpy",
        "fastmath": {"contract", "reassoc", "nsz"},
    }
    compiled: Any
    try:
        compiled = numba.njit(cache=True, **options)(plain)
    except RuntimeError:  # neither the package's folder nor the user's can be written
        compiled = numba.njit(**options)(plain)
    return cast("Function", compiled)


class Workspace(NamedTuple):
    """Memory of one training; flat, in parts by layer, then [samples, padded outputs].

    Attributes:
        state: Parameters, their moving means, and those of their squares, [3, parameters].
        layout: One row a layer; its columns are named above, [layers, 6].
        gathered: The batch's inputs.
        normed: Outputs of Linear with mean 0 and deviation 1; of the last layer, the logits.
        outputs: Those of ReLU.
        errors: dL/dz for the outputs z of Linear.
        scales: 1 / deviation, [layers, samples].
        vectors: Gradients of bias, gain and shift, [layers, 3, padded outputs].
        turned: A layer's weights, transposed.
        importance: Weight of each class in the loss, [classes].
    """

    state: np.ndarray
    layout: np.ndarray
    gathered: np.ndarray
    normed: np.ndarray
    outputs: np.ndarray
    errors: np.ndarray
    scales: np.ndarray
    vectors: np.ndarray
    turned: np.ndarray
    importance: np.ndarray


@_compiled
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


@_compiled
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


@_compiled
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
            _turn((gathered, feature * stride + first, stride), (flat, feature), (places, 0))
    return 1, stride


@_compiled
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


@_compiled
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


@_compiled
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


@_compiled
def _turn_weights(
    turned: np.ndarray, weights: np.ndarray, first: int, wide: int, padded: int
) -> None:
    places = np.empty(LANES, np.int64)
    for k in range(0, wide, LANES):
        for i in range(LANES):
            places[i] = first + (k + i) * padded
        for j in range(0, padded, LANES):
            _turn((turned, j * wide + k, wide), (weights, j), (places, 0))


@_compiled
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


@_compiled
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
            while padded - j >= _MOST_VECTORS * LANES:
                to, right = first + k * padded + j, (work.errors, rows * before + j, padded)
                _adam_wide(weights, means, squares, to, factor, right, rows, rate, epsilon)
                j += _MOST_VECTORS * LANES
            while j < padded:
                to, right = first + k * padded + j, (work.errors, rows * before + j, padded)
                _adam_narrow(weights, means, squares, to, factor, right, rows, rate, epsilon)
                j += LANES
        own = slice(vectors, vectors + 3 * padded)
        gradients = work.vectors[3 * before : 3 * before + 3 * padded]
        _adam_row(weights[own], means[own], squares[own], gradients, rate, epsilon)


@_compiled
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
            while width - j >= _MOST_VECTORS * LANES:
                _product_wide((out[0], to + j, out[2]), factor, (right[0], b + j, width), count)
                j += _MOST_VECTORS * LANES
            while j < width:
                _product_narrow((out[0], to + j, out[2]), factor, (right[0], b + j, width), count)
                j += LANES


# Loops over one row, on slices: so they become vectors.


@_compiled
def _copy(out: np.ndarray, values: np.ndarray) -> None:
    for j in range(len(out)):
        out[j] = values[j]


@_compiled
def _add(out: np.ndarray, values: np.ndarray) -> None:
    for j in range(len(out)):
        out[j] += values[j]


@_compiled
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


@_compiled
def _rectify(out: np.ndarray, normed: np.ndarray, gain: np.ndarray, shift: np.ndarray) -> None:
    for j in range(len(out)):
        out[j] = max(normed[j] * gain[j] + shift[j], np.float32(0))


@_compiled
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


@_compiled
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


class _Emitter:
    """Writes LLVM instructions on vectors; what numba makes of loops leaves tiles in memory."""

    def __init__(self, context: Any, builder: Any) -> None:
        self.context, self.builder = context, builder

    def unpack(self, kind: Any, value: Any) -> Any:
        """Return (array, first, strides...) as the address of the first element, and strides."""
        array, first, *strides = cgutils.unpack_tuple(self.builder, value)
        return [self.address(kind[0], array, first), *strides]

    def address(self, kind: Any, array: Any, first: Any) -> Any:
        data = self.context.make_array(kind)(self.context, self.builder, array).data
        return self.builder.gep(data, [first])

    def shift(self, pointer: Any, stride: Any, times: Any) -> Any:
        times = ir.Constant(_INT, times) if isinstance(times, int) else times
        return self.builder.gep(pointer, [self.builder.mul(stride, times)])

    def load(self, pointer: Any, number: int) -> Any:
        return self.builder.load(self._at(pointer, number), align=4)

    def store(self, value: Any, pointer: Any, number: int) -> None:
        self.builder.store(value, self._at(pointer, number), align=4)

    def _at(self, pointer: Any, number: int) -> Any:
        pointer = self.builder.gep(pointer, [ir.Constant(_INT, LANES * number)])
        return self.builder.bitcast(pointer, _VECTOR.as_pointer())

    def constant(self, value: float) -> Any:
        return ir.Constant(_VECTOR, [float(np.float32(value))] * LANES)

    def spread(self, value: Any) -> Any:
        """Return a vector of equal elements."""
        undefined, first = ir.Constant(_VECTOR, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        vector = self.builder.insert_element(undefined, value, first)
        return self.builder.shuffle_vector(vector, undefined, lanes)

    def call(self, name: str, *arguments: Any) -> Any:
        """Call an operation of LLVM on vectors."""
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * len(arguments))
        function = cgutils.get_or_insert_function(
            self.builder.module, kind, f"llvm.{name}.v{LANES}f32"
        )
        return self.builder.call(function, arguments)

    def exchange(self, upper: Any, lower: Any, block: int) -> tuple[Any, Any]:
        """Exchange odd blocks of the upper vector with even blocks of the lower."""
        pairs = [
            (n + LANES - block, n + LANES) if n & block else (n, n + block) for n in range(LANES)
        ]
        kind = ir.VectorType(ir.IntType(32), LANES)
        masks = (ir.Constant(kind, list(lanes)) for lanes in zip(*pairs, strict=True))
        return tuple(self.builder.shuffle_vector(upper, lower, mask) for mask in masks)

    def tile(self, num_vectors: int) -> list[list[Any]]:
        """Reserve a tile of registers, [rows][vectors]."""
        return [
            [cgutils.alloca_once(self.builder, _VECTOR) for _ in range(num_vectors)]
            for _ in range(ROWS)
        ]

    def accumulate(
        self, tile: list[list[Any]], left: Sequence[Any], right: Sequence[Any], count: Any
    ) -> None:
        """tile[r, :] += sum_k left[r, k] right[k, :]; left is (pointer, row, step)."""
        with cgutils.for_range(self.builder, count, intp=_INT) as loop:
            row = self.shift(right[0], right[1], loop.index)
            column = self.shift(left[0], left[2], loop.index)
            vectors = [self.load(row, number) for number in range(len(tile[0]))]
            for r, places in enumerate(tile):
                factor = self.spread(self.builder.load(self.shift(column, left[1], r)))
                for vector, place in zip(vectors, places, strict=True):
                    total = self.call("fma", factor, vector, self.builder.load(place))
                    self.builder.store(total, place)

    def move(
        self, state: Sequence[Any], number: int, gradient: Any, rate: Any, epsilon: Any
    ) -> None:
        """Take a step of Adam with one vector of weight, mean and square."""
        weight, mean, square = (self.load(row, number) for row in state)
        change = self.builder.fsub(gradient, mean)
        mean = self.call("fma", change, self.constant(1 - BETA_1), mean)
        square = self.builder.fmul(square, self.constant(BETA_2))
        new = self.builder.fmul(gradient, gradient)
        square = self.call("fma", new, self.constant(1 - BETA_2), square)
        scale = self.builder.fadd(self.call("sqrt", square), epsilon)
        step = self.builder.fmul(rate, self.builder.fdiv(mean, scale))
        for value, row in zip((self.builder.fsub(weight, step), mean, square), state, strict=True):
            self.store(value, row, number)


def _product_tile(num_vectors: int) -> Any:
    """Make `out[r, :] += sum_k left[r, k] right[k, :]` for 4 rows and some vectors.

    Each factor is a tuple: array, where it begins, and its strides.
    """

    @intrinsic
    def product(typing: Any, out: Any, left: Any, right: Any, count: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            emit = _Emitter(context, builder)
            to, *factors = (
                emit.unpack(kind, value)
                for kind, value in zip(signature.args[:3], arguments[:3], strict=True)
            )
            rows = [emit.shift(to[0], to[1], r) for r in range(ROWS)]
            tile = emit.tile(num_vectors)
            for row, places in zip(rows, tile, strict=True):
                for number, place in enumerate(places):
                    builder.store(emit.load(row, number), place)
            emit.accumulate(tile, factors[0], factors[1], arguments[3])
            for row, places in zip(rows, tile, strict=True):
                for number, place in enumerate(places):
                    emit.store(builder.load(place), row, number)
            return context.get_dummy_value()

        return types.void(out, left, right, types.int64), generate

    return product


def _adam_tile(num_vectors: int) -> Any:
    """Make a step of Adam for 4 rows and some vectors of a weight.

    g[r, :] = sum_i left[r, i] right[i, :]; m += (1 - b1) (g - m); s = b2 s + (1 - b2) g g;
    w -= rate m / (sqrt(s) + epsilon), and both have the corrections of bias in them.
    """

    @intrinsic
    def adam(
        typing: Any, weights: Any, means: Any, squares: Any, first: Any, left: Any, right: Any,
        count: Any, rate: Any, epsilon: Any,
    ) -> Any:  # fmt: skip
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            emit = _Emitter(context, builder)
            *state, first, left, right, count, rate, epsilon = arguments
            factor = emit.unpack(signature.args[4], left)
            other = emit.unpack(signature.args[5], right)
            tile = emit.tile(num_vectors)
            for place in (place for places in tile for place in places):
                builder.store(emit.constant(0.0), place)
            emit.accumulate(tile, factor, other, count)
            rate, epsilon = emit.spread(rate), emit.spread(epsilon)
            begin = [emit.address(signature.args[n], x, first) for n, x in enumerate(state)]
            for r, places in enumerate(tile):
                rows = [emit.shift(pointer, other[1], r) for pointer in begin]
                for number, place in enumerate(places):
                    emit.move(rows, number, builder.load(place), rate, epsilon)
            return context.get_dummy_value()

        integer, real = types.int64, types.float32
        arrays = (weights, means, squares)
        return types.void(*arrays, integer, left, right, integer, real, real), generate

    return adam


@intrinsic
def _turn(typing: Any, out: Any, rows: Any, places: Any) -> Any:
    """Transpose 16 x 16 values: out[c, r] = rows[places[r] + c], out is (array, first, stride)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = _Emitter(context, builder)
        to, source, where = (
            emit.unpack(kind, value) for kind, value in zip(signature.args, arguments, strict=True)
        )
        vectors = []
        for r in range(LANES):
            place = builder.load(builder.gep(where[0], [ir.Constant(_INT, r)]))
            vectors.append(emit.load(builder.gep(source[0], [place]), 0))
        for block in (1, 2, 4, 8):
            for r in (r for r in range(LANES) if not r & block):
                upper, lower = vectors[r], vectors[r + block]
                vectors[r], vectors[r + block] = emit.exchange(upper, lower, block)
        for c, vector in enumerate(vectors):
            emit.store(vector, emit.shift(to[0], to[1], c), 0)
        return context.get_dummy_value()

    return types.void(out, rows, places), generate


_product_wide, _product_narrow = _product_tile(_MOST_VECTORS), _product_tile(1)
_adam_wide, _adam_narrow = _adam_tile(_MOST_VECTORS), _adam_tile(1)
