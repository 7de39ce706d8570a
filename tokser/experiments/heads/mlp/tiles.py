"""Code generation: LLVM instructions for tiles of vectors, which the kernel calls as functions.

What numba makes of loops over a tile keeps the tile in memory. So the few operations whose operands
must stay in registers are written as LLVM instructions on vectors of 16 floats, which LLVM cuts
into those of the processor: the product of a tile, the product that moves a weight by Adam at once,
and the transposition of 16 x 16 values. Only their arithmetic is here; what they are called with,
and in which order, is `kernel`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as _intrinsic

__all__ = [
    "BETA_1",
    "BETA_2",
    "LANES",
    "MOST_VECTORS",
    "ROWS",
    "Emitter",
    "adam_narrow",
    "adam_wide",
    "product_narrow",
    "product_wide",
    "turn",
]

LANES = 16
"""Floats in a vector."""
ROWS = 4
"""Rows of a tile."""
MOST_VECTORS = 4 if binding.get_host_cpu_features().get("avx512f", False) else 1
"""Vectors in a row of a tile: as many as the processor has registers for."""
BETA_1, BETA_2 = 0.9, 0.999
"""Decay of the two moments, as torch has it in Adam."""

_FLOAT, _INT = ir.FloatType(), ir.IntType(64)
_VECTOR = ir.VectorType(_FLOAT, LANES)

intrinsic: Any = _intrinsic


class Emitter:
    """Writes LLVM instructions on vectors; what numba makes of loops leaves tiles in memory.

    Args:
        context: Of the code generation.
        builder: Writes instructions.
    """

    def __init__(self, context: Any, builder: Any) -> None:
        self.context, self.builder = context, builder

    def unpack(self, kind: Any, value: Any) -> Any:
        """Return (array, first, strides...) as the address of the first element, and strides."""
        array, first, *strides = cgutils.unpack_tuple(self.builder, value)
        return [self.address(kind[0], array, first), *strides]

    def address(self, kind: Any, array: Any, first: Any) -> Any:
        """Return the address of an element of an array."""
        data = self.context.make_array(kind)(self.context, self.builder, array).data
        return self.builder.gep(data, [first])

    def shift(self, pointer: Any, stride: Any, times: Any) -> Any:
        """Return the address so many strides further."""
        times = ir.Constant(_INT, times) if isinstance(times, int) else times
        return self.builder.gep(pointer, [self.builder.mul(stride, times)])

    def load(self, pointer: Any, number: int) -> Any:
        """Return the vector of this number behind an address."""
        return self.builder.load(self._at(pointer, number), align=4)

    def store(self, value: Any, pointer: Any, number: int) -> None:
        """Write a vector there."""
        self.builder.store(value, self._at(pointer, number), align=4)

    def _at(self, pointer: Any, number: int) -> Any:
        pointer = self.builder.gep(pointer, [ir.Constant(_INT, LANES * number)])
        return self.builder.bitcast(pointer, _VECTOR.as_pointer())

    def constant(self, value: float) -> Any:
        """Return a vector of this value."""
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
            emit = Emitter(context, builder)
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
            emit = Emitter(context, builder)
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
def turn(typing: Any, out: Any, rows: Any, places: Any) -> Any:
    """Transpose 16 x 16 values: out[c, r] = rows[places[r] + c], out is (array, first, stride)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder)
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


product_wide, product_narrow = _product_tile(MOST_VECTORS), _product_tile(1)
adam_wide, adam_narrow = _adam_tile(MOST_VECTORS), _adam_tile(1)
