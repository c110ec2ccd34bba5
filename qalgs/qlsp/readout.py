"""Reading a solution with shots: Pauli tomography, observables, overlaps; every shot and setting is counted."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qiskit.quantum_info import SparsePauliOp

from qalgs.circuits.oracles import oracle_gate
from qalgs.circuits.state_preparation import prepare_state
from qalgs.errors import as_array, expect, invalid

from .execution import Executor, Program, Reading, basis_circuit

#: Angles (rx, ry) that turn the eigenbasis of a Pauli into the computational one.
_TURN = {"Z": (0.0, 0.0), "X": (0.0, -np.pi / 2), "Y": (np.pi / 2, 0.0)}
MAX_TOMOGRAPHY = 6


@dataclass(frozen=True, eq=False)
class Estimate:
    """A number with its standard error and its cost.

    Attributes:
        value: The estimate.
        std: Standard error from the shots (0 if exact).
        shots: Shots spent.
        circuits: Settings run.
    """

    value: float
    std: float
    shots: int
    circuits: int


def _check(executor: Executor, program: Program, rhs: NDArray[Any]) -> None:
    """Refuse what cannot be run."""
    expect(Executor, executor=executor)
    expect(Program, program=program)
    if program.template is not None and np.shape(rhs) != (2**program.template.num_qubits,):
        raise invalid("rhs", rhs, f"must be a vector of {2**program.template.num_qubits} entries")


def _measure(
    executor: Executor, program: Program, rhs: NDArray[Any], settings: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Counts of the system outcomes with all flags 0, a row a setting, and the total shots a setting."""
    circuit, turns = basis_circuit(program)
    order = {p.name: k for k, p in enumerate(circuit.parameters)}
    values = np.zeros((len(settings), len(order)))
    if program.template is not None:
        names = [p.name for p in program.circuit.parameters]
        values[:, [order[name] for name in names]] = program.values(rhs)
    for row, setting in enumerate(settings):
        for q in range(program.num_system):
            for k in (0, 1):
                values[row, order[turns[2 * q + k].name]] = _TURN[setting[q]][k]
    found = executor.sample(program, circuit, values, "bases")
    size = 2**program.num_system
    good = np.zeros((len(settings), size))
    for row, counts in enumerate(found):
        for outcome, count in counts.items():
            if outcome < size:
                good[row, outcome] += count
    return good, np.array([sum(counts.values()) for counts in found])


def _parities(n: int) -> NDArray[np.float64]:
    """``(-1)^{popcount(mask & outcome)}`` for all masks (rows) and outcomes (columns)."""
    index = np.arange(2**n)
    return 1.0 - 2.0 * (np.bitwise_count(index[:, None] & index[None, :]) % 2)


def check_readable(num_qubits: int) -> None:
    """Refuse a state of more qubits than tomography can read."""
    if num_qubits > MAX_TOMOGRAPHY:
        rule = f"must be at most {MAX_TOMOGRAPHY} for tomography"
        raise invalid("num_qubits", num_qubits, rule, "read observables instead")


def tomography(executor: Executor, program: Program, rhs: NDArray[Any]) -> Reading:
    """Reconstruct the solution state from all ``3**n`` Pauli settings and return its dominant eigenvector.

    Each Pauli string is averaged over every setting that contains it, conditioned on the flags; the density matrix
    by linear inversion (its real part for real systems) is then reduced to its leading eigenvector, which removes
    whatever part of the noise is close to white. Linear inversion may leave the set of states by a standard error
    (eigenvalues below 0, fidelities above 1), so the density matrix returned is the :func:`nearest_state`: unlike
    the raw estimate it is biased, by about that standard error, inwards where the state is nearly pure.

    Args:
        executor: Where to run.
        program: The solver's circuit.
        rhs: Right-hand side.

    Returns:
        The state, its density matrix and the cost.

    Raises:
        InvalidInputError: If there are more than six system qubits.

    Example:
        >>> from qalgs.circuits import prepare_state
        >>> program = Program(prepare_state([0.6, 0.8]), 1, None, 1.0, 1, True)
        >>> reading = tomography(Executor(shots=4000, seed=1), program, np.ones(2))
        >>> bool(np.allclose(np.abs(reading.vector), [0.6, 0.8], atol=0.05))
        True
    """
    _check(executor, program, rhs)
    n = program.num_system
    check_readable(n)
    settings = ["".join(s) for s in product("XZ" if program.real and n == 1 else "XYZ", repeat=n)]
    good, total = _measure(executor, program, rhs, settings)
    shots = int(total.sum())
    passed = float(good.sum())
    probability = passed / shots
    sums = good @ _parities(n).T
    expectation: dict[tuple[int, int], list[float]] = {}
    for row, setting in enumerate(settings):
        for mask in range(2**n):
            x = sum(1 << q for q in range(n) if mask >> q & 1 and setting[q] in "XY")
            z = sum(1 << q for q in range(n) if mask >> q & 1 and setting[q] in "YZ")
            entry = expectation.setdefault((x, z), [0.0, 0.0])
            entry[0] += sums[row, mask]
            entry[1] += float(good[row].sum())
    rho = np.zeros((2**n, 2**n), dtype=np.complex128)
    index = np.arange(2**n)
    for (x, z), (value, count) in expectation.items():
        if count == 0 or value == 0:
            continue
        signs = (1.0 - 2.0 * (np.bitwise_count(index & z) % 2)) * 1j ** (int.bit_count(x & z) % 4)
        rho[index ^ x, index] += signs * value / count
    if program.real:
        rho = rho.real.astype(np.complex128)
    rho = (rho + rho.conj().T) / 2**n / 2
    vector = np.linalg.eigh(rho)[1][:, -1] * np.sqrt(probability)
    error = float(np.sqrt(max(probability * (1 - probability), 1e-12) / shots))
    return Reading(vector, probability, error, shots, len(settings), nearest_state(rho) if passed else rho)


def nearest_state(rho: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return the density matrix closest to a Hermitian matrix of unit trace in Frobenius norm.

    The eigenvectors stay; the eigenvalues are projected on the probability simplex (Smolin, Gambetta and Smith,
    Phys. Rev. Lett. 108, 070502 (2012): the maximum-likelihood state under Gaussian noise).

    Args:
        rho: A Hermitian matrix of unit trace, (2**n, 2**n).

    Returns:
        A positive semidefinite matrix of unit trace; ``rho`` itself, up to rounding, if it was one.

    Example:
        >>> nearest_state(np.diag([1.2, 0.1, -0.3]).astype(complex)).real.diagonal().round(12).tolist()
        [1.0, 0.0, 0.0]
    """
    values, vectors = np.linalg.eigh(rho)
    falling = values[::-1]
    excess = (np.cumsum(falling) - 1.0) / np.arange(1, len(values) + 1)
    shift = excess[np.flatnonzero(falling > excess)[-1]]
    return (vectors * np.maximum(values - shift, 0.0)) @ vectors.conj().T


def expectation_value(
    executor: Executor, program: Program, rhs: NDArray[Any], observable: SparsePauliOp | ArrayLike
) -> Estimate:
    """Estimate ``<y|O|y>`` of the normalised solution state without reading the state out.

    Args:
        executor: Where to run.
        program: The solver's circuit.
        rhs: Right-hand side.
        observable: Hermitian operator on the system qubits.

    Returns:
        The estimate with its standard error and cost.

    Raises:
        InvalidInputError: If the observable does not fit.

    Example:
        >>> from qalgs.circuits import prepare_state
        >>> program = Program(prepare_state([0.6, 0.8]), 1, None, 1.0, 1, True)
        >>> executor = Executor(shots=4000, seed=1)
        >>> round(expectation_value(executor, program, np.ones(2), np.diag([1.0, -1.0])).value, 1)
        -0.3
    """
    _check(executor, program, rhs)
    matrix = (
        observable.to_matrix()
        if isinstance(observable, SparsePauliOp)
        else as_array("observable", observable, complex)
    )
    size = 2**program.num_system
    if matrix.shape != (size, size):
        raise invalid("observable", matrix.shape, f"must have shape ({size}, {size})")
    if executor.estimator is not None:
        return _by_estimator(executor, program, rhs, matrix)
    if executor.exact:
        v = executor.read(program, rhs).vector
        return Estimate(float(np.vdot(v, matrix @ v).real / np.vdot(v, v).real), 0.0, 0, 0)
    terms = SparsePauliOp.from_operator(matrix).simplify()
    groups = list(terms.group_commuting(qubit_wise=True))
    settings = []
    for group in groups:
        letters = ["Z"] * program.num_system
        for label in group.paulis.to_labels():
            for q, letter in enumerate(reversed(label)):
                if letter != "I":
                    letters[q] = letter
        settings.append("".join(letters))
    good, total = _measure(executor, program, rhs, settings)
    value = variance = 0.0
    parity = _parities(program.num_system)
    for row, group in enumerate(groups):
        masks = [int(sum(1 << q for q, c in enumerate(reversed(p)) if c != "I")) for p in group.paulis.to_labels()]
        per_outcome = group.coeffs.real @ parity[masks]
        count = max(good[row].sum(), 1.0)
        mean = float(good[row] @ per_outcome / count)
        value += mean
        variance += float(good[row] @ (per_outcome - mean) ** 2 / count) / count
    return Estimate(value, float(np.sqrt(variance)), int(total.sum()), len(settings))


def _by_estimator(
    executor: Executor, program: Program, rhs: NDArray[Any], matrix: NDArray[np.complex128]
) -> Estimate:
    """``<O P> / <P>`` with ``P`` the projector of the flags onto zero, as two observables of one circuit."""
    flags = program.circuit.num_qubits - program.num_system
    if flags > 8:
        raise invalid("flags", flags, "must be at most 8 for an estimator (2**flags terms)", "use a sampler")
    projector = SparsePauliOp(["".join(p) for p in product("IZ", repeat=flags)], np.full(2**flags, 2.0**-flags))
    inner = SparsePauliOp.from_operator(matrix).simplify(atol=1e-12)
    plain = SparsePauliOp("I" * program.num_system)
    ready = executor.translated(program, "estimator", lambda: program.circuit)
    observables = [projector.tensor(inner) if flags else inner, projector.tensor(plain) if flags else plain]
    if ready.layout is not None:
        observables = [o.apply_layout(ready.layout) for o in observables]
    values = dict(zip([p.name for p in program.circuit.parameters], program.values(rhs), strict=True))
    row = np.array([[values[p.name] for p in ready.parameters]], dtype=float)
    data = executor.estimator.run(executor.pubs(ready, row, observables)).result()[0].data
    (top, bottom), (top_error, bottom_error) = np.asarray(data.evs), np.asarray(data.stds)
    value = float(top / bottom)
    std = float(np.hypot(top_error, value * bottom_error) / abs(bottom))
    return Estimate(value, std, 0, 2)


def overlap(executor: Executor, program: Program, rhs: NDArray[Any], vector: ArrayLike) -> Estimate:
    """Estimate ``|<v|y>|^2`` of the normalised solution with ``v`` by running its preparation backwards.

    One setting suffices whatever the number of qubits: the ratio of "all zero" to "flags zero".

    Args:
        executor: Where to run.
        program: The solver's circuit.
        rhs: Right-hand side.
        vector: v, of the system's size.

    Returns:
        The estimate with its standard error and cost.

    Raises:
        InvalidInputError: If the vector does not fit.

    Example:
        >>> from qalgs.circuits import prepare_state
        >>> program = Program(prepare_state([0.6, 0.8]), 1, None, 1.0, 1, True)
        >>> round(overlap(Executor(shots=4000, seed=1), program, np.ones(2), [0.6, 0.8]).value, 6)
        1.0
    """
    _check(executor, program, rhs)
    v = np.asarray(vector)
    n = program.num_system
    if v.shape != (2**n,):
        raise invalid("vector", v.shape, f"must have shape ({2**n},)")
    if executor.exact:
        y = executor.read(program, rhs).vector
        value = abs(np.vdot(v, y)) ** 2 / (np.vdot(v, v).real * np.vdot(y, y).real)
        return Estimate(float(value), 0.0, 0, 0)
    circuit = program.circuit.copy()
    circuit.append(oracle_gate(prepare_state(v).inverse(), "U_v", adjoint=True), range(n))
    values = program.values(rhs)[None, :] if program.template is not None else np.zeros((1, 0))
    counts = executor.sample(program, circuit, values, f"overlap:{v.tobytes().hex()[:64]}:{hash(v.tobytes())}")[0]
    passed = sum(c for outcome, c in counts.items() if outcome < 2**n)
    value = counts.get(0, 0) / max(passed, 1)
    error = float(np.sqrt(max(value * (1 - value), 1.0 / max(passed, 1)) / max(passed, 1)))
    return Estimate(value, error, sum(counts.values()), 1)
