"""Code generation for `compiled`: tiles of sums over frames, and bfloat16 as integers of 16 bits.

As in `mlp.tiles`: what numba makes of loops keeps such tiles in memory, and LLVM's vectors of 16
floats keep them in registers. A value x of a frame is read once for x and x^2.
"""

from collections.abc import Iterator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as _intrinsic

from tokser.experiments.heads.mlp.tiles import LANES, Emitter

__all__ = [
    "FRAMES",
    "STRIP",
    "WEIGHTINGS",
    "as_float",
    "moments",
    "narrow",
    "scores",
    "widen",
    "widen_half",
]

WEIGHTINGS = 3
"""Weightings of a tile: three learning rates are usual."""
_VECTORS = 2
STRIP = _VECTORS * LANES
"""Columns of a tile of `moments`."""
FRAMES = 4
"""Frames of a tile of `scores`."""

_INT, _INT_16, _INT_32 = ir.IntType(64), ir.IntType(16), ir.IntType(32)
_FLOAT, _VECTOR = ir.FloatType(), ir.VectorType(ir.FloatType(), LANES)

intrinsic: Any = _intrinsic


@intrinsic
def moments(typing: Any, mean: Any, square: Any, weights: Any, rows: Any, count: Any) -> Any:
    """mean[a, :] = sum_t w[a, t] x[t, :], square likewise of x^2: 3 weightings, 32 columns.

    Each array is a tuple: the array, where it begins, and the stride of its rows.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder)
        *out, factor, source = (
            emit.unpack(kind, value)
            for kind, value in zip(signature.args[:4], arguments[:4], strict=True)
        )
        sums = [_zeros(emit, WEIGHTINGS, _VECTORS) for _ in out]
        with cgutils.for_range(builder, arguments[4], intp=_INT) as loop:
            row = emit.shift(source[0], source[1], loop.index)
            values = [emit.load(row, number) for number in range(_VECTORS)]
            squares = [builder.fmul(x, x) for x in values]
            for a in range(WEIGHTINGS):
                place = builder.gep(emit.shift(factor[0], factor[1], a), [loop.index])
                weight = emit.spread(builder.load(place))
                for tile, terms in zip(sums, (values, squares), strict=True):
                    for place, term in zip(tile[a], terms, strict=True):
                        builder.store(emit.call("fma", weight, term, builder.load(place)), place)
        for (pointer, stride), tile in zip(out, sums, strict=True):
            for a, places in enumerate(tile):
                for number, place in enumerate(places):
                    emit.store(builder.load(place), emit.shift(pointer, stride, a), number)
        return context.get_dummy_value()

    return types.void(mean, square, weights, rows, types.int64), generate


@intrinsic
def scores(typing: Any, out: Any, linear: Any, square: Any, rows: Any, count: Any) -> Any:
    """out[a, t] = sum_d x[t, d] (l[a, d] + x[t, d] q[a, d]): 3 weightings, 4 frames.

    Arrays are given as for `moments`; `count` is the number of vectors in a row.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder)
        to, *sources = (
            emit.unpack(kind, value)
            for kind, value in zip(signature.args[:4], arguments[:4], strict=True)
        )
        sums = _zeros(emit, WEIGHTINGS, FRAMES)
        counts = (WEIGHTINGS, WEIGHTINGS, FRAMES)
        places = [
            [emit.shift(pointer, stride, number) for number in range(num)]
            for (pointer, stride), num in zip(sources, counts, strict=True)
        ]
        with cgutils.for_range(builder, arguments[4], intp=_INT) as loop:
            step = builder.mul(loop.index, ir.Constant(_INT, LANES))
            ones, twos, frames = (
                [emit.load(builder.gep(place, [step]), 0) for place in own] for own in places
            )
            for one, two, tile in zip(ones, twos, sums, strict=True):
                for x, place in zip(frames, tile, strict=True):
                    slope = emit.call("fma", x, two, one)
                    builder.store(emit.call("fma", x, slope, builder.load(place)), place)
        for a, tile in enumerate(sums):
            row = emit.shift(to[0], to[1], a)
            for t, total in enumerate(_totals(emit, tile)):
                builder.store(total, builder.gep(row, [ir.Constant(_INT, t)]))
        return context.get_dummy_value()

    return types.void(out, linear, square, rows, types.int64), generate


def _zeros(emit: Emitter, rows: int, columns: int) -> list[list[Any]]:
    tile = [
        [cgutils.alloca_once(emit.builder, _VECTOR) for _ in range(columns)] for _ in range(rows)
    ]
    for place in (place for places in tile for place in places):
        emit.builder.store(emit.constant(0.0), place)
    return tile


def _totals(emit: Emitter, tile: list[Any]) -> Iterator[Any]:
    """Yield the sum of each vector's elements."""
    kind = ir.FunctionType(_FLOAT, [_FLOAT, _VECTOR])
    name = f"llvm.vector.reduce.fadd.v{LANES}f32"
    function = cgutils.get_or_insert_function(emit.builder.module, kind, name)
    for place in tile:
        arguments = [ir.Constant(_FLOAT, 0.0), emit.builder.load(place)]
        yield emit.builder.call(function, arguments, fastmath=("reassoc",))


@intrinsic
def widen(typing: Any, value: Any) -> Any:
    """Return a float32, or the bfloat16 that an integer of 16 bits stands for, as a float32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (given,) = arguments
        if signature.args[0] == types.float32:
            return given
        bits = builder.shl(builder.zext(given, _INT_32), ir.Constant(_INT_32, 16))
        return builder.bitcast(bits, _FLOAT)

    return types.float32(value), generate


@intrinsic
def widen_half(typing: Any, value: Any) -> Any:
    """Return a float32, or the float16 that an integer of 16 bits stands for, as a float32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (given,) = arguments
        if signature.args[0] == types.float32:
            return given
        return builder.fpext(builder.bitcast(given, ir.HalfType()), _FLOAT)

    return types.float32(value), generate


@intrinsic
def narrow(typing: Any, value: Any, like: Any) -> Any:
    """Return a float32 as `widen` takes it: rounded to nearest, ties to even."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        given = arguments[0]
        if signature.args[1] == types.float32:
            return given
        bits = builder.bitcast(given, _INT_32)
        last = builder.and_(builder.lshr(bits, ir.Constant(_INT_32, 16)), ir.Constant(_INT_32, 1))
        bits = builder.add(bits, builder.add(last, ir.Constant(_INT_32, 0x7FFF)))
        return builder.trunc(builder.lshr(bits, ir.Constant(_INT_32, 16)), _INT_16)

    return like(types.float32, like), generate


@intrinsic
def as_float(typing: Any, bits: Any) -> Any:
    """Return the float32 of these 32 bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], _FLOAT)

    return types.float32(types.int32), generate
