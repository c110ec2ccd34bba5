"""Inner loops of Pauli sums with explicit vectors of eight numbers.

A term with flip mask x pairs amplitude i with i ^ x. The bits of x from 3 on choose which vector goes with which;
the lower three permute the places inside a vector, which is one instruction where the permutation is fixed: so
there is one loop for each of the eight, and for each kind of diagonal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.core.extending import intrinsic

from qalgs.backends.kernels_lanes import LANES, Emit

# what a group's diagonal D is: a table of real, of imaginary or of complex numbers, or a real constant
REAL, IMAGINARY, COMPLEX, CONSTANT = 1, 2, 3, 4
_tools: Any = cgutils
_VARIANTS = [(kind, low) for kind in (REAL, IMAGINARY, COMPLEX, CONSTANT) for low in range(LANES)]


def _switch(builder: ir.IRBuilder, context: Any, kind: ir.Value, low: ir.Value, write: Any) -> None:
    """Write one branch for each variant, with ``write(kind, low)`` as its body."""
    end = builder.append_basic_block("end")
    chosen = builder.add(builder.mul(kind, context.get_constant(types.intp, LANES)), low)
    switch = builder.switch(chosen, end)
    for one, other in _VARIANTS:
        block = builder.append_basic_block(f"variant{one}_{other}")
        switch.add_case(ir.Constant(chosen.type, LANES * one + other), block)
        builder.position_at_end(block)
        write(one, other)
        builder.branch(end)
    builder.position_at_end(end)


@intrinsic
def _dot(typing_context, kind, low, high, top, count, dr, di, sr, si, tr, ti):  # type: ignore[no-untyped-def]
    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        emit = Emit(context, builder)
        array = signature.args[5]
        kind, low, high, top, count, dr, di, sr, si, tr, ti = args
        result = _tools.alloca_once_value(builder, ir.Constant(ir.DoubleType(), 0.0))

        def write(kind: int, low: int) -> None:
            sums = [_tools.alloca_once(builder, emit.zero().type) for _ in range(2)]
            for place in sums:
                builder.store(emit.zero(), place)
            with _tools.for_range(builder, count) as loop:
                step = builder.mul(loop.index, emit.at(LANES))
                first = builder.add(step, builder.and_(step, builder.neg(top)))
                other = builder.xor(first, high)
                x, y = (emit.load(array, a, first) for a in (sr, si))
                u, v = (emit.flipped(emit.load(array, a, other), low) for a in (tr, ti))
                inner, cross = (emit.mul(x, u), emit.mul(y, v)), (emit.mul(x, v), emit.mul(y, u))
                if kind == CONSTANT:
                    parts = list(inner)
                elif kind == REAL:
                    d = emit.load(array, dr, first)
                    parts = [emit.mul(d, part) for part in inner]
                elif kind == IMAGINARY:
                    d = emit.load(array, di, first)
                    parts = [emit.mul(d, emit.sub(*cross))]
                else:
                    d, e = emit.load(array, dr, first), emit.load(array, di, first)
                    parts = [emit.mul(d, emit.add(*inner)), emit.mul(e, emit.sub(*cross))]
                for place, part in zip(sums, parts, strict=False):
                    builder.store(emit.add(builder.load(place), part), place)
            builder.store(emit.total(emit.add(*(builder.load(place) for place in sums))), result)

        _switch(builder, context, kind, low, write)
        return builder.load(result)

    integers = (types.intp,) * 5
    return types.float64(*integers, dr, di, sr, si, tr, ti), codegen


@intrinsic
def _add(typing_context, kind, low, high, count, scale, dr, di, sr, si, outr, outi):  # type: ignore[no-untyped-def]
    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        emit = Emit(context, builder)
        array = signature.args[5]
        kind, low, high, count, scale, dr, di, sr, si, outr, outi = args

        def write(kind: int, low: int) -> None:
            factor = emit.splat(scale)
            with _tools.for_range(builder, count) as loop:
                first = builder.mul(loop.index, emit.at(LANES))
                other = builder.xor(first, high)
                x, y = emit.load(array, sr, other), emit.load(array, si, other)
                if kind == CONSTANT:
                    values = emit.mul(factor, x), emit.mul(factor, y)
                elif kind == REAL:
                    d = emit.load(array, dr, other)
                    values = emit.mul(d, x), emit.mul(d, y)
                else:
                    e = emit.load(array, di, other)
                    d = emit.zero() if kind == IMAGINARY else emit.load(array, dr, other)
                    values = emit.product(d, e, x, y)
                for out, value in zip((outr, outi), values, strict=True):
                    emit.store(emit.add(emit.load(array, out, first), emit.flipped(value, low)), array, out, first)

        _switch(builder, context, kind, low, write)
        return context.get_dummy_value()

    integers = (types.intp,) * 4
    return types.void(*integers, types.float64, dr, di, sr, si, outr, outi), codegen


# Re sum_i conj(psi(i ^ x)) D(i) psi(i), D left out if constant, with x = high | low; t holds the vectors paired
# with s, ``count`` vectors are visited, and bit ``top`` of their index is skipped (0 for none)
dot_lanes: Callable[..., float] = _dot
# out(i) += D(i ^ x) psi(i ^ x) over ``count`` vectors, D = ``scale`` if constant
add_lanes: Callable[..., None] = _add
