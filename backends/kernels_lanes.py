"""One-qubit kernels for states of at least three qubits, written with explicit vectors of eight numbers.

A gate on qubit 3 or above combines two vectors of eight amplitudes. One on qubit 0, 1 or 2 mixes neighbours inside
a vector: ``out = A * x + B * swapped(x)``, with A and B holding the matrix entries that belong to each place.
Plain loops leave it to the compiler to find this, which it does badly where the loops are short.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core.extending import intrinsic
from numba.np import arrayobj

from qalgs.backends.kernels_math import FASTMATH, Floats

LANES = 8
_VECTOR = ir.VectorType(ir.DoubleType(), LANES)
_FLAGS = ("reassoc", "contract", "nsz", "arcp")


class Emit:
    """Writes vector instructions into one function."""

    def __init__(self, context: Any, builder: ir.IRBuilder) -> None:
        self.context = context
        self.builder = builder

    def place(self, kind: Any, array: ir.Value, index: ir.Value) -> ir.Value:
        """Return a pointer to the vector that starts at ``index``."""
        make: Any = arrayobj.make_array
        data = make(kind)(self.context, self.builder, array).data
        return self.builder.bitcast(self.builder.gep(data, [index]), _VECTOR.as_pointer())

    def load(self, kind: Any, array: ir.Value, index: ir.Value) -> ir.Value:
        """Load a vector."""
        value = self.builder.load(self.place(kind, array, index))
        value.align = 8
        return value

    def store(self, value: ir.Value, kind: Any, array: ir.Value, index: ir.Value) -> None:
        """Store a vector."""
        self.builder.store(value, self.place(kind, array, index)).align = 8

    def at(self, offset: int) -> ir.Value:
        """Return a constant index."""
        return self.context.get_constant(types.intp, offset)

    def swapped(self, value: ir.Value, q: int) -> ir.Value:
        """Return the vector with the places that differ in bit ``q`` exchanged."""
        return self.flipped(value, 1 << q)

    def flipped(self, value: ir.Value, x: int) -> ir.Value:
        """Return the vector with place k taken from place k ^ x."""
        mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [k ^ x for k in range(LANES)])
        return self.builder.shuffle_vector(value, value, mask) if x else value

    def zero(self) -> ir.Value:
        """Return the vector of zeros."""
        return ir.Constant(_VECTOR, [0.0] * LANES)

    def total(self, value: ir.Value) -> ir.Value:
        """Return the sum of a vector's numbers."""
        lanes = [self.builder.extract_element(value, ir.Constant(ir.IntType(32), k)) for k in range(LANES)]
        while len(lanes) > 1:
            lanes = [self.add(a, b) for a, b in zip(lanes[::2], lanes[1::2], strict=True)]
        return lanes[0]

    def mul(self, a: ir.Value, b: ir.Value) -> ir.Value:
        """Return a b."""
        return self.builder.fmul(a, b, flags=_FLAGS)

    def add(self, a: ir.Value, b: ir.Value) -> ir.Value:
        """Return a + b."""
        return self.builder.fadd(a, b, flags=_FLAGS)

    def sub(self, a: ir.Value, b: ir.Value) -> ir.Value:
        """Return a - b."""
        return self.builder.fsub(a, b, flags=_FLAGS)

    def splat(self, value: ir.Value) -> ir.Value:
        """Return the vector with ``value`` at every place."""
        one = self.builder.insert_element(
            ir.Constant(_VECTOR, ir.Undefined), value, ir.Constant(ir.IntType(32), 0)
        )
        mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return self.builder.shuffle_vector(one, one, mask)

    def product(self, a: ir.Value, b: ir.Value, x: ir.Value, y: ir.Value) -> tuple[ir.Value, ir.Value]:
        """Return re and im of (a + i b) (x + i y)."""
        return self.sub(self.mul(a, x), self.mul(b, y)), self.add(self.mul(a, y), self.mul(b, x))

    def pair(self, kind: Any, arrays: Any, places: Any, u: list[ir.Value], x: list[ir.Value]) -> None:
        """Store the matrix ``u`` times (x0 + i x1, x2 + i x3) at the two places."""
        for k, place in enumerate(places):
            a, b, c, d = u[4 * k : 4 * k + 4]
            re = self.add(
                self.sub(self.mul(a, x[0]), self.mul(b, x[1])), self.sub(self.mul(c, x[2]), self.mul(d, x[3]))
            )
            im = self.add(
                self.add(self.mul(a, x[1]), self.mul(b, x[0])), self.add(self.mul(c, x[3]), self.mul(d, x[2]))
            )
            self.store(re, kind, arrays[0], place)
            self.store(im, kind, arrays[1], place)

    def mixed(self, q: int, x: ir.Value, y: ir.Value, coef: list[ir.Value]) -> tuple[ir.Value, ir.Value]:
        """Return re and im of A * (x + i y) + B * swapped(x + i y)."""
        sx, sy = self.swapped(x, q), self.swapped(y, q)
        own, other = self.product(coef[0], coef[1], x, y), self.product(coef[2], coef[3], sx, sy)
        return self.add(own[0], other[0]), self.add(own[1], other[1])


def _mixer(q: int) -> Callable[..., Any]:
    @intrinsic
    def mix(typing_context, re, im, index, coef):  # type: ignore[no-untyped-def]
        def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
            emit = Emit(context, builder)
            kind = signature.args[0]
            r, i, k, c = args
            coefs = [emit.load(signature.args[3], c, emit.at(LANES * m)) for m in range(4)]
            x, y = emit.mixed(q, emit.load(kind, r, k), emit.load(kind, i, k), coefs)
            emit.store(x, kind, r, k)
            emit.store(y, kind, i, k)
            return context.get_dummy_value()

        return types.void(re, im, index, coef), codegen

    return mix


def _back_mixer(q: int) -> Callable[..., Any]:
    @intrinsic
    def mix(typing_context, pr, pi, lr, li, index, coef, total):  # type: ignore[no-untyped-def]
        def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
            emit = Emit(context, builder)
            kind = signature.args[0]
            arrays, k, c, t = args[:4], args[4], args[5], args[6]
            x, y, u, v = (emit.load(kind, a, k) for a in arrays)
            sx, sy = emit.swapped(x, q), emit.swapped(y, q)
            products = (
                emit.add(emit.mul(u, x), emit.mul(v, y)),
                emit.sub(emit.mul(u, y), emit.mul(v, x)),
                emit.add(emit.mul(u, sx), emit.mul(v, sy)),
                emit.sub(emit.mul(u, sy), emit.mul(v, sx)),
            )
            for m, product in enumerate(products):
                place = emit.at(LANES * m)
                emit.store(emit.add(emit.load(kind, t, place), product), kind, t, place)
            coefs = [emit.load(kind, c, emit.at(LANES * m)) for m in range(4)]
            for first, second, a, b in ((x, y, arrays[0], arrays[1]), (u, v, arrays[2], arrays[3])):
                re, im = emit.mixed(q, first, second, coefs)
                emit.store(re, kind, a, k)
                emit.store(im, kind, b, k)
            return context.get_dummy_value()

        return types.void(pr, pi, lr, li, index, coef, total), codegen

    return mix


@intrinsic
def _pair(typing_context, re, im, index, step, a, b, c, d, e, f, g, h):  # type: ignore[no-untyped-def]
    """Apply ((a + ib, c + id), (e + if, g + ih)) to the vectors at ``index`` and ``index + step``."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        emit = Emit(context, builder)
        kind = signature.args[0]
        r, i, first, step = args[:4]
        second = builder.add(first, step)
        u = [emit.splat(v) for v in args[4:]]
        x = [emit.load(kind, array, place) for place in (first, second) for array in (r, i)]
        emit.pair(kind, (r, i), (first, second), u, x)
        return context.get_dummy_value()

    return types.void(re, im, index, step, a, b, c, d, e, f, g, h), codegen


@intrinsic
def _back_pair(typing_context, pr, pi, lr, li, index, step, total, a, b, c, d, e, f, g, h):  # type: ignore[no-untyped-def]
    """Add conj(lambda_a) psi_b of the two vectors to the sums in ``total``, then do as ``_pair`` for both."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        emit = Emit(context, builder)
        kind = signature.args[0]
        arrays, first, step, total = args[:4], args[4], args[5], args[6]
        places = (first, builder.add(first, step))
        u = [emit.splat(v) for v in args[7:]]
        psi = [emit.load(kind, array, place) for place in places for array in arrays[:2]]
        bra = [emit.load(kind, array, place) for place in places for array in arrays[2:]]
        for m in range(4):
            lr, li, xr, xi = (*bra[2 * (m // 2) : 2 * (m // 2) + 2], *psi[2 * (m % 2) : 2 * (m % 2) + 2])
            products = (
                emit.add(emit.mul(lr, xr), emit.mul(li, xi)),
                emit.sub(emit.mul(lr, xi), emit.mul(li, xr)),
            )
            for part, product in enumerate(products):
                place = emit.at(LANES * (2 * m + part))
                emit.store(emit.add(emit.load(kind, total, place), product), kind, total, place)
        emit.pair(kind, arrays[:2], places, u, psi)
        emit.pair(kind, arrays[2:], places, u, bra)
        return context.get_dummy_value()

    return types.void(pr, pi, lr, li, index, step, total, a, b, c, d, e, f, g, h), codegen


# to type checkers an intrinsic has one argument more than its callers give
_apply_pair: Callable[..., Any] = _pair
_apply_back_pair: Callable[..., Any] = _back_pair
_mix0, _mix1, _mix2 = _mixer(0), _mixer(1), _mixer(2)
_back0, _back1, _back2 = _back_mixer(0), _back_mixer(1), _back_mixer(2)


@njit(cache=True, forceinline=True)
def spread(u: Floats, q: int, coef: Floats) -> None:
    """Write A and B (real and imaginary parts, 8 numbers each) of the matrix ``u`` on qubit ``q``."""
    for k in range(8):
        own = 6 * ((k >> q) & 1)  # u00 or u11
        other = 2 + 2 * ((k >> q) & 1)  # u01 or u10
        coef[k] = u[own]
        coef[8 + k] = u[own + 1]
        coef[16 + k] = u[other]
        coef[24 + k] = u[other + 1]


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def apply_low(re: Floats, im: Floats, q: int, u: Floats, coef: Floats) -> None:
    """Apply a 2 x 2 matrix to qubit ``q`` < 3 of a state of at least three qubits; ``coef`` is scratch (32)."""
    spread(u, q, coef)
    if q == 0:
        for k in range(0, re.shape[0], 8):
            _mix0(re, im, k, coef)
    elif q == 1:
        for k in range(0, re.shape[0], 8):
            _mix1(re, im, k, coef)
    else:
        for k in range(0, re.shape[0], 8):
            _mix2(re, im, k, coef)


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def back_low(pr: Floats, pi: Floats, lr: Floats, li: Floats, q: int, u: Floats, t: Floats, coef: Floats) -> None:
    """Write T_ab = sum conj(lambda_a) psi_b for qubit ``q`` < 3, then apply ``u``; ``coef`` is scratch (64)."""
    spread(u, q, coef[:32])
    total = coef[32:64]
    for k in range(32):
        total[k] = 0.0
    if q == 0:
        for k in range(0, pr.shape[0], 8):
            _back0(pr, pi, lr, li, k, coef, total)
    elif q == 1:
        for k in range(0, pr.shape[0], 8):
            _back1(pr, pi, lr, li, k, coef, total)
    else:
        for k in range(0, pr.shape[0], 8):
            _back2(pr, pi, lr, li, k, coef, total)
    for k in range(8):
        t[k] = 0.0
    for k in range(8):
        bit = (k >> q) & 1
        own = 6 * bit
        other = 2 + 2 * bit
        t[own] += total[k]
        t[own + 1] += total[8 + k]
        t[other] += total[16 + k]
        t[other + 1] += total[24 + k]


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def apply_high(re: Floats, im: Floats, q: int, u: Floats) -> None:
    """Apply a 2 x 2 matrix to qubit ``q`` >= 3."""
    a, b, c, d, e, f, g, h = u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7]
    s = 1 << q
    for base in range(0, re.shape[0], 2 * s):
        for k in range(base, base + s, LANES):
            _apply_pair(re, im, k, s, a, b, c, d, e, f, g, h)


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def back_high(pr: Floats, pi: Floats, lr: Floats, li: Floats, q: int, u: Floats, t: Floats, total: Floats) -> None:
    """As ``back_low`` for qubit ``q`` >= 3; ``total`` is scratch (64)."""
    a, b, c, d, e, f, g, h = u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7]
    s = 1 << q
    for k in range(8 * LANES):
        total[k] = 0.0
    for base in range(0, pr.shape[0], 2 * s):
        for k in range(base, base + s, LANES):
            _apply_back_pair(pr, pi, lr, li, k, s, total, a, b, c, d, e, f, g, h)
    for m in range(8):
        t[m] = 0.0
        for k in range(LANES):
            t[m] += total[LANES * m + k]
