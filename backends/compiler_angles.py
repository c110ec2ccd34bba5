"""Angles of a circuit as functions of its parameters: affine ones as a sparse matrix, the others as tapes.

Every distinct angle of a circuit is one *slot*. Slots that are affine in the parameters, nearly all in practice,
are evaluated inside the kernels as ``base + A @ values``. The rest (sines, products of parameters, ...) are
evaluated with NumPy over the whole batch from the expression's own list of operations, with their derivatives by
forward accumulation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from qiskit.circuit import Parameter, ParameterExpression

from qalgs.errors import invalid

Floats = npt.NDArray[np.float64]
# value, and derivative by parameter column
Dual = tuple[Floats | float, dict[int, Floats | float]]

_UNARY: dict[str, tuple[Callable[..., Floats], Callable[..., Floats]]] = {
    "SIN": (np.sin, np.cos),
    "COS": (np.cos, lambda x: -np.sin(x)),
    "TAN": (np.tan, lambda x: 1 + np.tan(x) ** 2),
    "ASIN": (np.arcsin, lambda x: 1 / np.sqrt(1 - x * x)),
    "ACOS": (np.arccos, lambda x: -1 / np.sqrt(1 - x * x)),
    "ATAN": (np.arctan, lambda x: 1 / (1 + x * x)),
    "EXP": (np.exp, np.exp),
    "LOG": (np.log, lambda x: 1 / x),
    "ABS": (np.abs, np.sign),
    "SIGN": (np.sign, lambda x: np.zeros_like(x)),
    "CONJ": (np.asarray, lambda x: np.ones_like(x)),  # the parameters are real
}
_REVERSED = {"RSUB": "SUB", "RDIV": "DIV", "RPOW": "POW"}
_BINARY = ("ADD", "SUB", "MUL", "DIV", "POW")

# operation name, operands: ("column", j), ("number", x) or None for the top of the stack
Step = tuple[str, tuple[str, float] | None, tuple[str, float] | None]


class Scaled:
    """A multiple of a parameter column, or of an expression given by its operations on columns."""

    __slots__ = ("factor", "source")

    def __init__(self, source: int | tuple[Step, ...], factor: float = 1.0) -> None:
        self.source = source
        self.factor = factor

    def __neg__(self) -> Scaled:
        return Scaled(self.source, -self.factor)

    def __truediv__(self, divisor: float) -> Scaled:
        return Scaled(self.source, self.factor / divisor)


class Slots:
    """The distinct angles of one circuit.

    Attributes:
        base: Constant part of each slot, shape (K,).
        rows, cols, coef: The affine part: ``slot[rows[k]] += coef[k] * values[cols[k]]``.
        tapes: The other slots, as ``(slot, tape)``.
    """

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self._columns = {p: j for j, p in enumerate(parameters)}
        self._known: dict[object, int] = {}
        self._base: list[float] = []
        self._entries: list[tuple[int, int, float]] = []
        self.tapes: list[tuple[int, tuple[Step, ...]]] = []

    def __len__(self) -> int:
        return len(self._base)

    def add(self, angle: float | ParameterExpression | Scaled, where: object) -> int:
        """Return the slot of ``angle``; equal expressions share one.

        Raises:
            ValueError: If the angle is complex or not finite; ``where``, as a string, names the instruction.
        """
        if type(angle) is Scaled:
            key = angle.source, angle.factor
            known = self._known.get(key)
            if known is None:
                known = self._known[key] = self._scaled(angle, where)
            return known
        if isinstance(angle, ParameterExpression) and angle.parameters:
            known = self._known.get(angle)
            if known is None:
                known = self._known[angle] = self._expression(angle, where)
            return known
        value = _real(angle, where)
        self._base.append(value)
        return len(self._base) - 1

    def _expression(self, angle: ParameterExpression, where: object) -> int:
        slot = len(self._base)
        if isinstance(angle, Parameter):
            self._base.append(0.0)
            if angle not in self._columns:
                raise invalid(f"{where}: parameter", angle, "must belong to the circuit")
            self._entries.append((slot, self._columns[angle], 1.0))
            return slot
        return self._tape(tape_of(angle, self._columns, where), 1.0, where)

    def _scaled(self, angle: Scaled, where: object) -> int:
        if not isinstance(angle.source, int):
            return self._tape(angle.source, angle.factor, where)
        self._base.append(0.0)
        self._entries.append((len(self._base) - 1, angle.source, angle.factor))
        return len(self._base) - 1

    def _tape(self, tape: tuple[Step, ...], factor: float, where: object) -> int:
        slot = len(self._base)
        line = _affine(tape, where)
        if line is None:
            self._base.append(0.0)
            self.tapes.append((slot, tape if factor == 1.0 else (*tape, ("MUL", None, ("number", factor)))))
        else:
            self._base.append(factor * line[0])
            self._entries += [(slot, j, factor * c) for j, c in line[1].items() if c != 0.0]
        return slot

    def arrays(self) -> tuple[Floats, npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
        """Return ``base, rows, cols, coef``."""
        rows = np.array([e[0] for e in self._entries], dtype=np.int64)
        cols = np.array([e[1] for e in self._entries], dtype=np.int64)
        coef = np.array([e[2] for e in self._entries], dtype=np.float64)
        return np.array(self._base, dtype=np.float64), rows, cols, coef

    @property
    def varying(self) -> npt.NDArray[np.bool_]:
        """Whether each slot depends on a parameter."""
        flags = np.zeros(len(self._base), dtype=np.bool_)
        flags[[e[0] for e in self._entries]] = True
        flags[[t[0] for t in self.tapes]] = True
        return flags


def tape_of(
    angle: ParameterExpression, columns: Mapping[Parameter, int], where: object = "circuit"
) -> tuple[Step, ...]:
    """Return an expression's operations in reverse Polish order, parameters as columns."""

    def operand(x: object) -> tuple[str, float] | None:
        if x is None:
            return None
        if type(x) is float and math.isfinite(x):
            return ("number", x)
        if isinstance(x, ParameterExpression) and x.parameters:
            try:
                return ("column", columns[x])
            except KeyError:
                raise invalid(f"{where}: parameter", x, "must belong to the circuit") from None
        return ("number", _real(x, where))

    return tuple(
        (str(step.op).rpartition(".")[2], operand(step.lhs), operand(step.rhs)) for step in angle._qpy_replay
    )


def run_tape(tape: Sequence[Step], values: Floats) -> Dual:
    """Evaluate a tape and its derivatives.

    Args:
        tape: The operations, in reverse Polish order.
        values: Parameter values, shape (B, P).

    Returns:
        Value of shape (B,) and, for each parameter column that occurs, the derivative of shape (B,).
    """
    stack: list[Dual] = []
    for name, left, right in tape:
        if name in _UNARY:
            x, dx = _fetch(left, stack, values)
            f, df = _UNARY[name]
            slope = df(np.asarray(x, dtype=np.float64))
            stack.append((f(x), {j: slope * d for j, d in dx.items()}))
            continue
        b = _fetch(right, stack, values)
        a = _fetch(left, stack, values)
        if name in _REVERSED:
            a, b = b, a
        stack.append(_binary(_REVERSED.get(name, name), a, b))
    return stack[-1]


def _fetch(operand: tuple[str, float] | None, stack: list[Dual], values: Floats) -> Dual:
    if operand is None:
        return stack.pop()
    if operand[0] == "number":
        return operand[1], {}
    j = int(operand[1])
    return values[:, j], {j: 1.0}


def _binary(name: str, a: Dual, b: Dual) -> Dual:
    (x, dx), (y, dy) = a, b
    px: Floats | float
    py: Floats | float
    if name == "ADD":
        z, px, py = x + y, 1.0, 1.0
    elif name == "SUB":
        z, px, py = x - y, 1.0, -1.0
    elif name == "MUL":
        z, px, py = x * y, y, x
    elif name == "DIV":
        z, px, py = x / y, 1 / y, -x / (y * y)
    else:
        x = np.asarray(x, dtype=np.float64)
        z = x**y
        px = y * x ** (y - 1.0) if dx else 0.0
        py = z * np.log(x) if dy else 0.0
    grad: dict[int, Floats | float] = {j: px * d for j, d in dx.items()}
    for j, d in dy.items():
        grad[j] = grad[j] + py * d if j in grad else py * d
    return z, grad


def _affine(tape: Sequence[Step], where: object) -> tuple[float, dict[int, float]] | None:
    """Return constant and coefficients if the tape is affine in the parameters, else None."""
    if len(tape) == 1 and tape[0][0] == "MUL":  # a multiple of one parameter, the usual case
        _, left, right = tape[0]
        if left is not None and right is not None and {left[0], right[0]} == {"number", "column"}:
            (number, column) = (left, right) if left[0] == "number" else (right, left)
            return 0.0, {int(column[1]): number[1]}
    stack: list[tuple[float, dict[int, float]]] = []

    def fetch(operand: tuple[str, float] | None) -> tuple[float, dict[int, float]]:
        if operand is None:
            return stack.pop()
        return (operand[1], {}) if operand[0] == "number" else (0.0, {int(operand[1]): 1.0})

    for name, left, right in tape:
        if name in _UNARY:
            x, dx = fetch(left)
            if any(dx.values()):
                return None
            stack.append((float(_UNARY[name][0](x)), {}))
            continue
        base = _REVERSED.get(name, name)
        if base not in _BINARY:
            raise invalid(f"{where}: operation", name, "must be real arithmetic or an elementary function")
        b = fetch(right)
        a = fetch(left)
        if name in _REVERSED:
            a, b = b, a
        (x, dx), (y, dy) = a, b
        if base in ("ADD", "SUB"):
            sign = 1.0 if base == "ADD" else -1.0
            merged = {j: dx.get(j, 0.0) + sign * dy.get(j, 0.0) for j in dx | dy}
            stack.append((x + sign * y, merged))
        elif base == "MUL" and not any(dy.values()):
            stack.append((x * y, {j: c * y for j, c in dx.items()}))
        elif base == "MUL" and not any(dx.values()):
            stack.append((x * y, {j: c * x for j, c in dy.items()}))
        elif base == "DIV" and not any(dy.values()) and y != 0.0:
            stack.append((x / y, {j: c / y for j, c in dx.items()}))
        elif base == "POW" and not any(dx.values()) and not any(dy.values()) and x > 0.0:
            stack.append((x**y, {}))
        else:
            return None
    return stack[-1]


def _real(x: object, where: object) -> float:
    try:
        number = complex(x.numeric() if isinstance(x, ParameterExpression) else x)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise invalid(f"{where}: angle", x, "must be a real number or a parameter expression") from error
    if abs(number.imag) > 1e-12 or not np.isfinite(number.real):
        raise invalid(f"{where}: angle", x, "must be a finite real number")
    return number.real
