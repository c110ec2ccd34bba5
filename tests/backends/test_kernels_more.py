"""Kernels on the roads that small or well-behaved inputs miss, against NumPy; fast enough for plain Python."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import SparsePauliOp, Statevector

from qalgs.backends import (
    CompiledObservable,
    compile_circuit,
    compiler_wires,
    kernels_trajectories,
    noise_kernels,
    observables,
)

Integers = npt.NDArray[np.int64]


@pytest.mark.parametrize("label", ["XIIIIZIIIIZ", "IIZIXIYIIIZ", "XIIYIIIIIZX", "IIIIIXIIXII", "ZIIIZIIIIII"])
def test_sums_are_taken_block_by_block(
    label: str, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Eleven qubits are two blocks of ten; Z beside the label makes its diagonal no constant.
    monkeypatch.setattr(observables, "TABLE_ENTRIES", 0)
    other = label.replace("I", "Z", 1)
    operator = SparsePauliOp([label, other], [0.7, -0.4])
    compiled = CompiledObservable(operator)
    states = rng.normal(size=(2, 1 << 11)) + 1j * rng.normal(size=(2, 1 << 11))
    states /= np.linalg.norm(states, axis=1)[:, None]
    expected = (operator.to_matrix(sparse=True) @ states.T).T
    assert np.abs(compiled.apply(states) - expected).max() < 1e-13
    assert np.allclose(
        compiled.expectation(states), np.einsum("bi,bi->b", states.conj(), expected).real, atol=1e-13
    )


class View(ctypes.Structure):
    """What a C function tells of one instruction, as Qiskit's does, in an order of its own."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("clbits", ctypes.POINTER(ctypes.c_uint32)),
        ("qubits", ctypes.POINTER(ctypes.c_uint32)),
        ("num_clbits", ctypes.c_uint32),
        ("num_qubits", ctypes.c_uint32),
    )


def reader(instructions: list[tuple[list[int], list[int]]]) -> tuple[int, Integers, object]:
    """Return the address of a C function that shows the instructions, the fields' offsets, and what must live."""
    word = ctypes.c_uint64
    kept = [[(ctypes.c_uint32 * max(len(p), 1))(*p) for p in parts] for parts in instructions]

    def show(circuit: int, index: int, out: int) -> None:
        assert circuit == 77
        view = View.from_address(out)
        pointer = ctypes.POINTER(ctypes.c_uint32)
        view.qubits, view.clbits = (ctypes.cast(a, pointer) for a in kept[index])
        view.num_qubits, view.num_clbits = (len(p) for p in instructions[index])

    function = ctypes.CFUNCTYPE(None, word, word, word)(show)
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address is not None
    names = ("qubits", "clbits", "num_qubits", "num_clbits")
    return address, np.array([getattr(View, name).offset for name in names]), (function, kept)


def test_wires_are_read_from_structures_in_memory() -> None:
    address, fields, alive = reader([([3, 1], []), ([0], [1]), ([], []), ([2, 0, 1], [0, 1])])
    expected = [2, 3, 1, 0, 1, 0, 1, 1, 0, 0, 3, 2, 0, 1, 2, 0, 1]
    out = np.full(20, -1)
    assert compiler_wires._read(address, 77, 4, fields, out) == len(expected)
    assert out.tolist() == expected + [-1] * 3
    # what was read before is compared, and what does not fit is counted but not written
    assert compiler_wires._read(address, 77, 4, fields, out) == len(expected)
    short = np.full(5, -1)
    assert compiler_wires._read(address, 77, 4, fields, short) == len(expected)
    assert short.tolist() == expected[:5]
    out[7] = 0
    assert compiler_wires._read(address, 77, 4, fields, out) == -1
    assert compiler_wires._read(address, 77, 0, fields, out) == 0
    assert alive


@pytest.mark.parametrize("angles", ["free", "mixed"])
def test_slopes_of_groups_of_phases(angles: str, rng: np.random.Generator) -> None:
    n = 4
    pairs = [(a, b) for a in range(n) for b in range(a)]
    free = ParameterVector("t", len(pairs) + n)
    circuit = QuantumCircuit(n)
    circuit.h(range(n))
    for k, (a, b) in enumerate(pairs):
        circuit.rzz(free[k] if angles == "free" or k % 2 else 0.3 * k, a, b)
    for q in range(n):
        circuit.rz(free[len(pairs) + q], q)
    circuit.ry(0.4, range(n))
    for a, b in pairs:
        circuit.cp(2 * free[-1], a, b)
    circuit.rx(0.7, range(n))
    program = compile_circuit(circuit)
    point = rng.normal(size=circuit.num_parameters)
    bra = rng.normal(size=1 << n) + 1j * rng.normal(size=1 << n)
    found = program.vjp(point, bra)[0]
    step = 1e-5
    for p, shift in enumerate(step * np.eye(len(point))):
        ends = [Statevector(circuit.assign_parameters(point + s * shift)).data for s in (1, -1)]
        assert np.isclose(found[p], np.vdot(bra, ends[0] - ends[1]) / (2 * step), atol=1e-8)


def test_probabilities_that_rounding_makes_negative_are_zero() -> None:
    spectra = np.array([[1.0, 1.0 + 1e-9], [1.0, -1.0 - 1e-9]])
    found = noise_kernels.probabilities(spectra, np.zeros((1, 2)))
    assert found.tolist() == [[1.0, 0.0], [0.0, 1.0]]


def uniform(kernel: Callable[[npt.NDArray[np.uint64]], int], draws: int = 400) -> list[int]:
    """Call a kernel with the words of one generator."""
    source = np.array([5], dtype=np.uint64)
    return [kernel(source) for _ in range(draws)]


def test_impossible_operators_are_never_drawn_nor_missed_by_rounding() -> None:
    re, im, rho = np.array([1.0, 0.0]), np.zeros(2), np.empty(32)
    weights = np.zeros((4, 32))
    weights[1, 0] = 0.3  # 0.3 |0><0|
    weights[2, 6] = 1.0  # |1><1|, impossible in |0>
    weights[3, 0] = 0.2  # together less than the norm, as if digits were lost
    channel = np.array([0, -1, 0, 4])
    with np.errstate(over="ignore"):
        drawn = uniform(lambda s: kernels_trajectories.choose(channel, -1.0, weights, re, im, s, rho))
    assert set(drawn) == {1, 3}
    assert abs(drawn.count(1) - 0.3 * 400) < 5 * np.sqrt(400 * 0.3 * 0.7)


def test_outcomes_are_states_of_the_support() -> None:
    re, im = np.array([0.0, 0.6, 0.0, 0.0]), np.array([0.0, 0.0, 0.8, 0.0])
    with np.errstate(over="ignore"):
        drawn = uniform(lambda s: kernels_trajectories.outcome(re, im, 1.0, s))
        late = uniform(lambda s: kernels_trajectories.outcome(re, im, 1e6, s), 20)
    assert set(drawn) == {1, 2}
    assert abs(drawn.count(1) - 0.36 * 400) < 5 * np.sqrt(400 * 0.36 * 0.64)
    assert set(late) == {2}  # a norm too large leaves the last state that is possible
