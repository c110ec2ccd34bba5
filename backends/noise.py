"""Noise of physical gates as Aer models it, in the Pauli basis.

Aer is the authority: every error here is the ``QuantumError`` that Aer's ``NoiseModel.from_backend`` would attach
to the gate (depolarising noise that fills up the thermal relaxation to the reported gate error), turned into a
Pauli transfer matrix

    R[i, j] = Tr(P_i E(P_j)) / 2**k,    P = I, X, Y, Z per qubit, first operand = least significant digit.

Density matrices then are real vectors ``r[i] = Tr(P_i rho)`` of length 4**n: relaxation and depolarisation become
almost diagonal, Clifford gates signed permutations, and Pauli expectations are read off.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qalgs.errors import InvalidInputError

if TYPE_CHECKING:
    from qiskit_aer.noise import NoiseModel

    from qalgs.backends.snapshot import DeviceSnapshot

FloatArray = NDArray[np.float64]
Key = tuple[Any, ...]

_ERRORS: dict[Key, FloatArray | None] = {}
"""Transfer matrices by the numbers that determine them; None is no error. Shared by all devices and layouts."""
_ERRORS_LIMIT = 50_000

_PAULIS = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]], dtype=complex)


def noise_model(snapshot: DeviceSnapshot, *, readout: bool = True) -> NoiseModel:
    """Return Aer's noise model of all qubits of ``snapshot``, with or without readout errors."""
    from qiskit.exceptions import QiskitError
    from qiskit_aer.noise import NoiseModel

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*has no QubitProperties.*")
        try:
            return NoiseModel.from_backend(snapshot.backend(), readout_error=readout)
        except QiskitError as error:
            raise _broken(snapshot, error) from error


def _pauli_basis(num_qubits: int) -> NDArray[np.complex128]:
    basis = np.ones((1, 1, 1), dtype=complex)
    for _ in range(num_qubits):
        basis = np.einsum("aij,bkl->abikjl", _PAULIS, basis).reshape(
            4 * len(basis), 2 * basis.shape[1], 2 * basis.shape[2]
        )
    return basis


def unitary_transfer(matrix: NDArray[np.complex128]) -> FloatArray:
    """Return the Pauli transfer matrix of ``rho -> U rho U^+`` for a 2**k x 2**k unitary ``U``."""
    basis = _pauli_basis(int(matrix.shape[0]).bit_length() - 1)
    moved = matrix @ basis @ matrix.conj().T
    return np.ascontiguousarray(np.einsum("iab,jba->ij", basis, moved).real / len(matrix))


def superop_transfer(superop: NDArray[np.complex128]) -> FloatArray:
    """Return the Pauli transfer matrix of a superoperator in Qiskit's column-stacking convention."""
    dim = math.isqrt(superop.shape[0])
    basis = _pauli_basis(dim.bit_length() - 1)
    stacked = basis.transpose(0, 2, 1).reshape(len(basis), -1)
    return np.ascontiguousarray((stacked.conj() @ superop @ stacked.T).real / dim)


def _key(snapshot: DeviceSnapshot, name: str, qubits: tuple[int, ...]) -> Key:
    times = tuple((snapshot.t1[q], snapshot.t2[q]) for q in qubits)
    return (name, snapshot.gate_errors[name, qubits], snapshot.gate_durations[name, qubits], times)


def gate_noise(
    snapshot: DeviceSnapshot, gates: Iterable[tuple[str, tuple[int, ...]]]
) -> dict[tuple[str, tuple[int, ...]], FloatArray | None]:
    """Return the error after each physical gate as a transfer matrix, None where Aer attaches none.

    Args:
        snapshot: The device.
        gates: Pairs ``(name, qubits)`` of the snapshot; the ideal gate is not included in the result.
    """
    wanted = {(name, tuple(qubits)): _key(snapshot, name, tuple(qubits)) for name, qubits in gates}
    # A private copy, so that another thread may clear the shared table meanwhile.
    found = {key: _ERRORS[key] for key in wanted.values() if key in _ERRORS}
    missing = {key: gate for gate, key in wanted.items() if key not in found}
    if missing:
        fresh = _from_aer(snapshot, missing)
        found.update(fresh)
        if len(_ERRORS) > _ERRORS_LIMIT:
            _ERRORS.clear()
        _ERRORS.update(fresh)
    return {gate: found[key] for gate, key in wanted.items()}


def _from_aer(
    snapshot: DeviceSnapshot, missing: dict[Key, tuple[str, tuple[int, ...]]]
) -> dict[Key, FloatArray | None]:
    """Ask Aer for the errors of a target that has the missing gates and nothing else."""
    from qiskit.exceptions import QiskitError
    from qiskit_aer.noise.device import basic_device_gate_errors

    gates = set(missing.values())
    part = replace(
        snapshot,
        operations=tuple(sorted({n for n, _ in gates})),
        gate_errors={g: snapshot.gate_errors[g] for g in gates},
        gate_durations={g: snapshot.gate_durations[g] for g in gates},
    )
    try:
        listed = basic_device_gate_errors(target=part.target())
    except QiskitError as error:
        raise _broken(snapshot, error) from error
    errors = {(name, tuple(qubits)): error for name, qubits, error in listed}
    transfers = dict(zip(errors, executed([*errors.values()]), strict=True))
    return {key: transfers.get(gate) for key, gate in missing.items()}


def _broken(snapshot: DeviceSnapshot, error: Exception) -> InvalidInputError:
    text = " ".join(str(error).strip("'\"").split())
    return InvalidInputError(
        f"the calibration of {snapshot.name} cannot be simulated: {text}; see its problems, choose other qubits"
    )


def executed(errors: Sequence[Any]) -> list[FloatArray]:
    """Return the transfer matrices of ``QuantumError`` objects as Aer executes them.

    Aer's executor drops Kraus terms of negligible weight, which costs up to 1e-9 of the trace per gate against the
    error's own superoperator. To equal Aer's density matrices, its executor is asked: each error is attached to an
    identity gate with a label of its own.
    """
    from qiskit import QuantumCircuit
    from qiskit.circuit.library import UnitaryGate
    from qiskit_aer import AerSimulator
    from qiskit_aer.noise import NoiseModel

    if not errors:
        return []
    model = NoiseModel(basis_gates=["unitary"])
    circuits = []
    for k, error in enumerate(errors):
        width = error.num_qubits
        model.add_all_qubit_quantum_error(error, f"error{k}")
        circuit = QuantumCircuit(width)
        circuit.append(UnitaryGate(np.eye(2**width), label=f"error{k}"), range(width))
        circuit.save_superop()
        circuits.append(circuit)
    result = AerSimulator(method="superop", noise_model=model, max_parallel_threads=1).run(circuits).result()
    return [superop_transfer(np.asarray(result.data(k)["superop"])) for k in range(len(errors))]


def delay_noise(snapshot: DeviceSnapshot, qubit: int, seconds: float) -> FloatArray | None:
    """Return the relaxation of an idle qubit as Aer's noise model adds it to ``delay``, or None."""
    t1, t2 = snapshot.t1[qubit], snapshot.t2[qubit]
    if (t1 is None and t2 is None) or seconds <= 0:
        return None
    key = ("delay", seconds, t1, t2)
    found = _ERRORS.get(key)
    if found is None:
        from qiskit.exceptions import QiskitError
        from qiskit_aer.noise import thermal_relaxation_error

        first = math.inf if t1 is None else t1
        second = 2 * first if t2 is None else min(t2, 2 * first)
        try:
            relaxation = thermal_relaxation_error(first, second, seconds)
        except QiskitError as error:
            raise _broken(snapshot, error) from error
        found = _ERRORS[key] = executed([relaxation])[0]
    return found


def readout_flips(snapshot: DeviceSnapshot) -> FloatArray:
    """Return ``(p(1|0), p(0|1))`` per qubit, shape ``(num_qubits, 2)``; zero where the device reports none."""
    flips = np.zeros((snapshot.num_qubits, 2))
    for q in range(snapshot.num_qubits):
        pair, mean = snapshot.readout_flips[q], snapshot.readout_error[q]
        if pair is not None:
            flips[q] = pair
        elif mean is not None:
            flips[q] = mean
    return flips
