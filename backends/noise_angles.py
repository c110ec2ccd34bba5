"""Angles of a circuit as functions of its parameters: affine ones as one matrix, the others by expression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Parameter, ParameterExpression

FloatArray = NDArray[np.float64]


def _constant(value: Any) -> float | None:
    """Return a derivative as a number, or None if it still depends on a parameter."""
    if isinstance(value, ParameterExpression):
        if value.parameters:
            return None
        value = value.numeric()
    return float(np.real(value))


class AngleMap:
    """The map from parameter values (B, P) to angles (B, A).

    Args:
        expressions: One expression per angle.
        parameters: The parameters of the circuit, in the order of the values.
    """

    def __init__(self, expressions: Sequence[ParameterExpression], parameters: Sequence[Parameter]) -> None:
        self.parameters = tuple(parameters)
        index = {p: i for i, p in enumerate(self.parameters)}
        self.matrix = np.zeros((len(expressions), len(self.parameters)))
        self.offset = np.zeros(len(expressions))
        self._curved: list[tuple[int, ParameterExpression, list[tuple[int, Parameter, Any]]]] = []
        for row, expression in enumerate(expressions):
            slopes = {p: expression.gradient(p) for p in expression.parameters}
            constants = {p: _constant(s) for p, s in slopes.items()}
            if any(c is None for c in constants.values()):
                self._curved.append((row, expression, [(index[p], p, s) for p, s in slopes.items()]))
                continue
            for p, c in constants.items():
                self.matrix[row, index[p]] = c
            zero = expression.bind(dict.fromkeys(expression.parameters, 0.0))
            self.offset[row] = float(np.real(zero.numeric()))

    def __call__(self, values: FloatArray) -> FloatArray:
        """Return the angles (B, A) for parameter values (B, P)."""
        angles = values @ self.matrix.T + self.offset
        for row, expression, slopes in self._curved:
            for b in range(len(values)):
                bound = expression.bind({p: float(values[b, i]) for i, p, _ in slopes})
                angles[b, row] = float(np.real(bound.numeric()))
        return np.ascontiguousarray(angles)

    def pull_back(self, values: FloatArray, gradients: FloatArray) -> FloatArray:
        """Return the gradient by the parameters (B, P) from the gradient by the angles (B, A): the chain rule."""
        pulled = gradients @ self.matrix
        for row, _, slopes in self._curved:
            for b in range(len(values)):
                point = {p: float(values[b, i]) for i, p, _ in slopes}
                for i, _, slope in slopes:
                    if isinstance(slope, ParameterExpression):
                        bound = slope.bind({p: point[p] for p in slope.parameters})
                        slope = bound.numeric()
                    pulled[b, i] += gradients[b, row] * float(np.real(slope))
        return pulled
