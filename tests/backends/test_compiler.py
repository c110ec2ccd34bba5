"""The compiled engine against Qiskit: states, derivatives, caching and refusals."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from engine_cases import STANDARD, random_circuit
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import XXPlusYYGate
from qiskit.quantum_info import Statevector, random_unitary

from qalgs.backends import Program, compile_circuit
from qalgs.backends.compiler_structure import structure

pytestmark = pytest.mark.filterwarnings("ignore::scipy.sparse.SparseEfficiencyWarning")


@pytest.mark.parametrize("num_qubits", range(1, 9))
@pytest.mark.parametrize("free", [False, True])
def test_states_equal_qiskit(num_qubits: int, free: bool, rng: np.random.Generator) -> None:
    for _ in range(15):
        circuit = random_circuit(rng, num_qubits, int(rng.integers(1, 30)), free=free)
        values = rng.normal(size=(2, circuit.num_parameters)) * 0.6
        states = compile_circuit(circuit).states(values)
        for row, state in zip(values, states, strict=True):
            reference = Statevector(circuit.assign_parameters(row)).data
            assert np.abs(state - reference).max() < 1e-12, str(circuit.draw())


def test_dense_matrices_that_come_again_are_kept_once(rng: np.random.Generator) -> None:
    tops = [random_unitary(16, seed=int(rng.integers(1 << 30))).data for _ in range(2)]
    # alike in their first sixteen rows
    first, second = (np.kron(np.diag([0.0, 1.0]), top) + np.kron(np.diag([1.0, 0.0]), np.eye(16)) for top in tops)
    circuit = QuantumCircuit(6)
    circuit.h(range(6))
    for matrix, qubits in ((first, [0, 1, 2, 3, 4]), (second, [1, 2, 3, 4, 5]), (first, [5, 3, 1, 0, 2])):
        circuit.unitary(matrix, qubits)
        circuit.t(0)
    program = compile_circuit(circuit)
    assert program.floats.size < 3 * 2 * 32**2  # two matrices of three
    assert program.floats.size >= 2 * 2 * 32**2
    assert np.abs(program.states([])[0] - Statevector(circuit).data).max() < 1e-12


@pytest.mark.parametrize("num_qubits", range(1, 9))
def test_vjp_equals_central_differences(num_qubits: int, rng: np.random.Generator) -> None:
    step = 1e-5
    for _ in range(8):
        circuit = random_circuit(rng, num_qubits, int(rng.integers(5, 30)), free=True)
        program = compile_circuit(circuit)
        values = rng.normal(size=(3, program.num_parameters)) * 0.6
        size = 2**num_qubits
        cotangents = rng.normal(size=(3, size)) + 1j * rng.normal(size=(3, size))
        cotangents /= np.linalg.norm(cotangents, axis=1)[:, None]
        grads = program.vjp(values, cotangents)
        for p in range(program.num_parameters):
            shift = np.eye(program.num_parameters)[p] * step
            difference = (program.states(values + shift) - program.states(values - shift)) / (2 * step)
            expected = np.einsum("bi,bi->b", cotangents.conj(), difference)
            assert np.abs(grads[:, p] - expected).max() < 1e-6, str(circuit.draw())


def test_program_is_cached_and_follows_changes_in_place() -> None:
    theta = Parameter("t")
    circuit = QuantumCircuit(2)
    circuit.rx(theta, 0)
    circuit.cx(0, 1)
    program = compile_circuit(circuit)
    assert compile_circuit(circuit) is program
    before = program.states([0.3])
    circuit.data[1] = circuit.data[1].replace(qubits=(circuit.qubits[1], circuit.qubits[0]))
    after = compile_circuit(circuit).states([0.3])
    assert np.allclose(after[0], Statevector(circuit.assign_parameters([0.3])).data, atol=1e-14)
    assert not np.allclose(before, after)
    circuit.assign_parameters([0.7], inplace=True)
    assert np.allclose(compile_circuit(circuit).states([])[0], Statevector(circuit).data, atol=1e-14)
    circuit.global_phase = 0.4
    assert np.allclose(compile_circuit(circuit).states([])[0], Statevector(circuit).data, atol=1e-14)


def test_circuits_of_one_structure_share_the_compilation(rng: np.random.Generator) -> None:
    def build(names: list[str], numbers: npt.NDArray[np.float64]) -> QuantumCircuit:
        a, b = (Parameter(name) for name in names)
        circuit = QuantumCircuit(3, global_phase=numbers[0])
        circuit.rx(a, 0)
        circuit.u(numbers[1], a * b, numbers[2], 1)
        circuit.barrier()
        circuit.crz(numbers[3], 0, 1)
        circuit.append(XXPlusYYGate(numbers[4], b.sin()), [2, 0])
        circuit.rzz(2 * b, 1, 2)
        circuit.r(numbers[5], numbers[6], 2)
        return circuit

    programs = []
    for names in (["x", "y"], ["p", "q"], ["fixed0", "fixed_"], ["x", "y"]):
        circuit = build(names, rng.normal(size=7))
        program = compile_circuit(circuit)
        programs.append(program)
        values = rng.normal(size=(2, 2))
        for row, state in zip(values, program.states(values), strict=True):
            bound = circuit.assign_parameters(row)
            assert np.abs(state - Statevector(bound).data).max() < 1e-12
            assert np.abs(compile_circuit(bound).states([])[0] - Statevector(bound).data).max() < 1e-12
        cotangents = rng.normal(size=(2, 8)) + 0j
        fresh = Program(circuit)
        assert np.abs(program.vjp(values, cotangents) - fresh.vjp(values, cotangents)).max() < 1e-12
    assert len({id(p._tables) for p in programs}) == 1
    assert [p.name for p in programs[1].parameters] == ["p", "q"]
    with pytest.raises(ValueError, match=r"instruction 3 \(crz on qubits \[0, 1\]\): angle must be a finite"):
        compile_circuit(build(["x", "y"], np.array([0, 0, 0, np.nan, 0, 0, 0])))


@pytest.mark.parametrize("name", STANDARD)
def test_every_standard_gate_shares_its_structure(name: str, rng: np.random.Generator) -> None:
    gate = STANDARD[name]
    a, b = Parameter("a"), Parameter("b")
    for angles in ([a] * 4, [2 * a - b, a * b, -b, b.sin()], [0.3, a, 1.1, -0.4], [0.3, -2.0, 0.7, 1.9]):
        circuit = QuantumCircuit(4)
        for k in range(4):
            circuit.u(*rng.normal(size=3), k)
        qubits = [int(q) for q in rng.choice(4, gate.num_qubits, replace=False)]
        circuit.append(gate.base_class(*angles[: len(gate.params)]), qubits)
        circuit.append(gate.base_class(*angles[: len(gate.params)][::-1]), qubits[::-1])
        found = structure(circuit, circuit.parameters)
        assert found is not None
        program, direct = compile_circuit(circuit), Program(circuit)
        values = rng.normal(size=(2, circuit.num_parameters))
        bras = rng.normal(size=(2, 16)) + 1j * rng.normal(size=(2, 16))
        for row, state in zip(values, program.states(values), strict=True):
            assert np.abs(state - Statevector(circuit.assign_parameters(row)).data).max() < 1e-12
        assert np.allclose(program.vjp(values, bras), direct.vjp(values, bras), rtol=0.0, atol=1e-12)


def test_chains_of_diagonal_and_permuting_gates_are_few_operations() -> None:
    n = 6
    circuit = QuantumCircuit(n)
    circuit.h(range(n))
    for a in range(n):
        for b in range(a + 1, n):
            circuit.rzz(0.1 * (a + b), a, b)
    for a in range(n - 1):
        circuit.cx(a, a + 1)
    circuit.rz(0.3, range(n))
    program = compile_circuit(circuit)
    # a product start, one diagonal group, one permutation, the phases on top
    assert program.num_operations == n + 3
    assert np.abs(program.states([])[0] - Statevector(circuit).data).max() < 1e-12
