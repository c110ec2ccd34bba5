"""CompiledSampler: distributions, registers, seeds and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Parameter
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit.quantum_info import Statevector

from qalgs.backends import CompiledSampler


def registers() -> QuantumCircuit:
    theta = Parameter("t")
    circuit = QuantumCircuit(QuantumRegister(3), ClassicalRegister(2, "alpha"), ClassicalRegister(10, "beta"))
    circuit.ry(theta, 0)
    circuit.cx(0, 1)
    circuit.ry(2 * theta, 2)
    circuit.cx(2, 1)
    circuit.measure(2, circuit.cregs[0][0])
    circuit.measure(0, circuit.cregs[1][9])
    circuit.measure(1, circuit.cregs[1][1])
    return circuit


@pytest.mark.parametrize("engine", ["compiled", "aer"])
def test_partial_measurement_into_several_registers(engine: str) -> None:
    circuit, shots = registers(), 20_000
    values = np.linspace(0.2, 1.2, 6).reshape(3, 2, 1)
    data = CompiledSampler(seed=1, engine=engine).run([(circuit, values)], shots=shots).result()[0].data
    assert data.alpha.shape == data.beta.shape == (3, 2)
    assert (data.alpha.num_bits, data.beta.num_bits, data.beta.num_shots) == (2, 10, shots)
    unitary = circuit.remove_final_measurements(inplace=False)
    for index in np.ndindex(3, 2):
        exact = Statevector(unitary.assign_parameters(values[index])).probabilities()
        joint = zip(data.alpha[index].get_bitstrings(), data.beta[index].get_bitstrings(), strict=True)
        found = np.zeros(8)
        for a, b in joint:
            assert set(a[:1] + b[1:8] + b[9:]) == {"0"}
            found[int(b[0]) + 2 * int(b[8]) + 4 * int(a[1])] += 1 / shots
        assert (np.abs(found - exact) <= 5 * np.sqrt(exact * (1 - exact) / shots) + 1e-12).all()


def test_pub_forms_and_shots() -> None:
    circuit = QuantumCircuit(2)
    circuit.x(1)
    circuit.measure_all()
    sampler = CompiledSampler(default_shots=7)
    pubs = [circuit, (circuit,), (circuit, None, 3), SamplerPub.coerce(circuit, 5)]
    counts = [r.data.meas.get_counts() for r in sampler.run(pubs).result()]
    assert counts == [{"10": 7}, {"10": 7}, {"10": 3}, {"10": 5}]


def test_no_two_pubs_or_calls_share_shots() -> None:
    circuit = QuantumCircuit(8)
    circuit.h(range(8))
    circuit.measure_all()

    def draws(sampler: CompiledSampler) -> list[str]:
        return ["".join(r.data.meas.get_bitstrings()) for r in sampler.run([circuit, circuit], shots=20).result()]

    sampler = CompiledSampler(seed=2)
    first = draws(sampler)
    assert len({*first, *draws(sampler)}) == 4
    assert draws(CompiledSampler(seed=2)) == first


def test_changed_measurements_are_seen() -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.x(0)
    circuit.measure([0, 1], [0, 1])
    sampler = CompiledSampler()
    assert sampler.run([circuit], shots=1).result()[0].data.c.get_counts() == {"01": 1}
    circuit.data[1] = circuit.data[1].replace(clbits=(circuit.clbits[1],))
    circuit.data[2] = circuit.data[2].replace(clbits=(circuit.clbits[0],))
    assert sampler.run([circuit], shots=1).result()[0].data.c.get_counts() == {"10": 1}


def test_refusals() -> None:
    sampler = CompiledSampler()
    late = QuantumCircuit(2, 2)
    late.measure(0, 0)
    late.cx(0, 1)
    with pytest.raises(ValueError, match=r"instruction 1 \(cx on qubits \[0, 1\]\) must not follow"):
        sampler.run([late])
    with pytest.raises(ValueError, match="must measure at least one qubit; add measure_all"):
        sampler.run([QuantumCircuit(1)])
    with pytest.raises(ValueError, match="must have its parameters bound, got none for t"):
        sampler.run([registers()])
    with pytest.raises(ValueError, match="shots must be a positive integer, got 0"):
        sampler.run([registers()], shots=0)
    with pytest.raises(ValueError, match="pubs must be a list of sampler PUBs"):
        sampler.run(registers())
