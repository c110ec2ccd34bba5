"""A job on its region of the chip: native gates on its own qubits, bases of commuting Pauli terms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qalgs.errors import expect, invalid

from .chip import Bools, Chip, Floats
from .translate import to_layout

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.quantum_info import SparsePauliOp


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Basis:
    """One measurement basis of one job; K terms, w measured qubits.

    Attributes:
        rotation: The native gates that turn the basis into Z, on the region's n qubits.
        measured: Region qubits that are read out, rising; classical bit ``b`` is ``measured[b]``, shape (w,).
        terms: Which bits each term multiplies, shape (K, w).
        coefficients: Coefficient of each term, shape (K,).
    """

    rotation: QuantumCircuit = field(repr=False)
    measured: tuple[int, ...]
    terms: Bools = field(repr=False)
    coefficients: Floats = field(repr=False)

    def values(self, bits: NDArray[np.uint8]) -> Floats:
        """Return ``sum_k c_k prod_b (-1)**bit_b`` for each row of ``bits``, shape (S, w) to (S,)."""
        parity = (bits.astype(np.int64) @ self.terms.T.astype(np.int64)) & 1
        return (1.0 - 2.0 * parity) @ self.coefficients

    def estimate(self, packed: NDArray[np.uint8]) -> tuple[float, float]:
        """Return the mean of the basis' part of ⟨H⟩ and the variance of that mean.

        Args:
            packed: Shots as ``BitArray.array`` holds them, big-endian bytes, shape (S, ceil(w / 8)).
        """
        rows, counts = np.unique(packed, axis=0, return_counts=True)
        bits = np.unpackbits(rows, axis=1)[:, ::-1][:, : len(self.measured)]
        found, shots = self.values(bits), int(counts.sum())
        mean = float(counts @ found / shots)
        spread = float(counts @ (found - mean) ** 2 / shots)
        return mean, spread / max(1, shots - 1)

    def exact(self, probabilities: Floats) -> float:
        """Return the basis' part of ⟨H⟩ from the probabilities of its outcomes, shape (2**w,), bit 0 least."""
        w = len(self.measured)
        bits = (np.arange(2**w)[:, None] >> np.arange(w)[None, :]) & 1
        return float(np.asarray(probabilities, dtype=np.float64) @ self.values(bits.astype(np.uint8)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placed:
    """One job on its region of the chip, ready to be merged; region qubit ``i`` is ``layout[i]``.

    Attributes:
        name: The job.
        layout: Physical qubits, shape (n,).
        circuit: The job in native gates on n qubits, parameters free, routed inside the region.
        observable: ⟨H⟩ on the region's qubits, where routing has left them.
        bases: Measurement bases.
        constant: Coefficient of the identity.
    """

    name: str
    layout: tuple[int, ...]
    circuit: QuantumCircuit = field(repr=False)
    observable: SparsePauliOp = field(repr=False)
    bases: tuple[Basis, ...] = field(repr=False)
    constant: float

    @property
    def num_parameters(self) -> int:
        """Number of free parameters d, in the order of the job's own circuit."""
        return int(self.circuit.num_parameters)


def place(
    name: str,
    circuit: QuantumCircuit,
    observable: SparsePauliOp,
    layout: Iterable[int],
    device: Any,
    *,
    optimization_level: int = 1,
    seed: int = 0,
) -> Placed:
    """Translate a job to the qubits of a layout and group its observable into measurement bases.

    Args:
        name: The job, for messages.
        circuit: n qubits, no measurements.
        observable: Hermitian, on the same n qubits.
        layout: n physical qubits, connected by live couplers; logical qubit ``i`` starts on ``layout[i]``.
        device: A snapshot, Target, backend or chip.
        optimization_level: Qiskit's, 0 to 3.
        seed: Seed of the routing.

    Returns:
        The job on its qubits, with its measurement bases.

    Raises:
        InvalidInputError: If the layout or the observable does not fit the circuit.

    Example:
        >>> from qalgs.backends import DeviceSnapshot
        >>> from qalgs.circuits import hardware_efficient, tfim
        >>> manila = DeviceSnapshot.from_backend("fake_manila")
        >>> len(place("chain", hardware_efficient(2, 1), tfim(2), [0, 1], manila).bases)
        2
    """
    from qiskit import QuantumCircuit
    from qiskit.quantum_info import SparsePauliOp

    expect(QuantumCircuit, circuit=circuit)
    expect(SparsePauliOp, observable=observable)
    expect(Integral, optimization_level=optimization_level)
    chip = Chip.of(device)
    qubits = chip.check_layout(layout, f"layout of job {name!r}")
    if observable.num_qubits != circuit.num_qubits:
        raise invalid(
            f"observable of job {name!r}", observable.num_qubits, f"must act on {circuit.num_qubits} qubits"
        )
    native = to_layout(circuit, chip, qubits, optimization_level=optimization_level, seed=seed)
    if [p.name for p in native.parameters] != [p.name for p in circuit.parameters]:
        raise invalid(
            f"circuit of job {name!r}", circuit.name, "must keep all its parameters", "remove those without effect"
        )
    moved = observable if native.layout is None else observable.apply_layout(native.layout)
    return placed_from_isa(name, native, moved, qubits, chip)


def placed_from_isa(
    name: str, circuit: QuantumCircuit, observable: SparsePauliOp, layout: Sequence[int], device: Any
) -> Placed:
    """Return a job that is in native gates already, with its observable on the region's qubits.

    Args:
        name: The job.
        circuit: Native gates; qubit ``i`` is ``layout[i]``.
        observable: On the same qubits, routing accounted for.
        layout: Physical qubits.
        device: A snapshot, Target, backend or chip.
    """
    chip = Chip.of(device)
    constant, bases = _bases(observable, tuple(layout), chip)
    return Placed(
        name=name,
        layout=tuple(int(q) for q in layout),
        circuit=circuit,
        observable=observable,
        bases=bases,
        constant=constant,
    )


def _bases(observable: SparsePauliOp, layout: tuple[int, ...], chip: Chip) -> tuple[float, tuple[Basis, ...]]:
    from qiskit import QuantumCircuit

    reduced = observable.simplify()
    bare = ~(reduced.paulis.x.any(axis=1) | reduced.paulis.z.any(axis=1))
    constant = float(np.real(reduced.coeffs[bare].sum()))
    if bare.all():
        return constant, ()
    found = []
    for group in reduced[~bare].group_commuting(qubit_wise=True):
        x, z = group.paulis.x, group.paulis.z
        rotation = QuantumCircuit(len(layout))
        for q in np.flatnonzero(x.any(axis=0)):
            if (x[:, q] & z[:, q]).any():
                rotation.sdg(int(q))
            rotation.h(int(q))
        measured = np.flatnonzero((x | z).any(axis=0))
        found.append(
            Basis(
                rotation=to_layout(rotation, chip, layout) if rotation.data else rotation,
                measured=tuple(int(q) for q in measured),
                terms=(x | z)[:, measured],
                coefficients=np.real(group.coeffs).astype(np.float64),
            )
        )
    return constant, tuple(found)
