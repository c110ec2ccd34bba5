"""The transpiler plugin: Qiskit's own pass managers place circuits on the ESP that was asked for."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
import pytest
import stevedore
from qiskit import QuantumCircuit
from qiskit.circuit.library import efficient_su2
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit.transpiler import PassManager, PassManagerConfig, generate_preset_pass_manager
from qiskit.transpiler.exceptions import TranspilerError
from qiskit.transpiler.preset_passmanagers.plugin import PassManagerStagePluginManager

from qalgs.backends import DeviceSnapshot, load_backend
from qalgs.nest import LayoutCatalogue
from qalgs.nest.layout_plugin import EspLayout, EspLayoutPlugin, target_esp


@pytest.fixture(scope="module")
def brisbane() -> DeviceSnapshot:
    return DeviceSnapshot.from_backend("fake_brisbane")


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Offer the plugin as the installed entry point does, whatever the state of the installation."""
    group = "qiskit.transpiler.layout"
    known = [e for e in stevedore.ExtensionManager(group).list_entry_points() if e.name != "qalgs_esp"]
    ours = EntryPoint("qalgs_esp", "qalgs.nest.layout_plugin:EspLayoutPlugin", group)
    monkeypatch.setitem(stevedore.ExtensionManager.ENTRY_POINT_CACHE, group, [*known, ours])


def staged(level: int, esp: float | str = "best", **options: Any) -> PassManager:
    """A preset pass manager that finds our layout method by name."""
    backend = load_backend("fake_brisbane")
    with target_esp(esp):
        return generate_preset_pass_manager(
            level, backend=backend, layout_method="qalgs_esp", seed_transpiler=1, **options
        )


@pytest.mark.parametrize("level", [0, 1, 2, 3])
@pytest.mark.parametrize("esp", ["best", "0.75*best", 0.5])
def test_the_layout_is_the_nearest_of_the_catalogue(
    brisbane: DeviceSnapshot, level: int, esp: float | str
) -> None:
    circuit = efficient_su2(5, entanglement="linear", reps=2)
    isa = staged(level, esp).run(circuit)
    catalogue = LayoutCatalogue.for_circuit(circuit, brisbane)
    placed = tuple(isa.layout.initial_index_layout(filter_ancillas=True))
    assert catalogue.esp[catalogue.index(placed)] == pytest.approx(catalogue.nearest(esp).esp, rel=1e-12)


def test_a_ring_is_placed_routed_and_still_right() -> None:
    circuit = efficient_su2(4, entanglement="circular", reps=1)
    values = np.linspace(0.2, 1.5, circuit.num_parameters)
    isa = staged(1, "median").run(circuit.assign_parameters(values))
    observable = SparsePauliOp(["ZZII", "IXXI", "YIIY"], [1, 0.5, 0.25])
    exact = Statevector(circuit.assign_parameters(values)).expectation_value(observable)
    used = sorted({isa.find_bit(q).index for i in isa.data for q in i.qubits})
    small = QuantumCircuit(len(used))
    for i in isa.data:
        small.append(i.operation, [used.index(isa.find_bit(q).index) for q in i.qubits])
    ends = [used.index(q) for q in isa.layout.final_index_layout(filter_ancillas=True)]
    moved = observable.apply_layout(ends, num_qubits=len(used))
    assert Statevector(small).expectation_value(moved) == pytest.approx(exact, abs=1e-10)


def test_the_users_own_layout_wins() -> None:
    isa = staged(1, initial_layout=[10, 11, 12]).run(efficient_su2(3, reps=1, entanglement="linear"))
    assert isa.layout.initial_index_layout(filter_ancillas=True) == [10, 11, 12]


def test_property_set_and_scope(brisbane: DeviceSnapshot) -> None:
    backend = load_backend("fake_brisbane")
    circuit = efficient_su2(3, entanglement="linear", reps=1)
    manager = PassManager([EspLayout(backend.target, "median")])
    manager.run(circuit)
    catalogue = LayoutCatalogue.for_circuit(circuit, brisbane)
    assert manager.property_set["qalgs_esp"] == pytest.approx(catalogue.nearest("median").esp)
    with target_esp(0.1), target_esp(0.2):
        inner = EspLayoutPlugin().pass_manager(PassManagerConfig.from_backend(backend), 1)
    assert any(isinstance(p, EspLayout) and p.esp == 0.2 for p in inner.to_flow_controller().tasks)


def test_refusals() -> None:
    with pytest.raises(TranspilerError, match="needs a target"):
        EspLayoutPlugin().pass_manager(PassManagerConfig(), 1)
    manila = load_backend("fake_manila")
    with pytest.raises(TranspilerError, match="qalgs_esp: circuit must have at most 5 qubits"):
        PassManager([EspLayout(manila.target)]).run(QuantumCircuit(6))
    with pytest.raises(TranspilerError, match="esp must be a number"):
        PassManager([EspLayout(manila.target, 7.0)]).run(efficient_su2(2, reps=1))


def test_the_plugin_is_offered_beside_qiskits_own() -> None:
    offered = PassManagerStagePluginManager().layout_plugins.names()
    assert {"qalgs_esp", "sabre", "trivial"} <= set(offered)
    manager = generate_preset_pass_manager(1, backend=load_backend("fake_manila"), layout_method="qalgs_esp")
    circuit = efficient_su2(3, entanglement="linear", reps=1)
    placed = manager.run(circuit).layout.initial_index_layout(filter_ancillas=True)
    catalogue = LayoutCatalogue.for_circuit(circuit, DeviceSnapshot.from_backend("fake_manila"))
    assert catalogue.index(placed) == 0 or catalogue.esp[catalogue.index(placed)] == catalogue.esp[0]
