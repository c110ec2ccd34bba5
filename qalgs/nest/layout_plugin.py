"""Our layouts inside Qiskit: a layout-stage plugin for ``generate_preset_pass_manager``.

The entry point ``qiskit.transpiler.layout`` offers ``qalgs_esp``::

    from qalgs.nest.layout_plugin import target_esp
    pm = generate_preset_pass_manager(2, backend=backend, layout_method="qalgs_esp")     # the best ESP
    with target_esp("0.75*best"):
        pm = generate_preset_pass_manager(2, backend=backend, layout_method="qalgs_esp") # a chosen one

Qiskit's own layout methods look for the best place; this one goes to any ESP that is asked for, and never uses
a dead coupler.
"""

from __future__ import annotations

import contextvars
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from qiskit.converters import dag_to_circuit
from qiskit.transpiler import AnalysisPass, Layout, PassManager
from qiskit.transpiler.exceptions import TranspilerError
from qiskit.transpiler.passes import SetLayout
from qiskit.transpiler.passes.layout.vf2_layout import VF2LayoutStopReason
from qiskit.transpiler.preset_passmanagers import common
from qiskit.transpiler.preset_passmanagers.plugin import PassManagerStagePlugin

from qalgs.errors import QalgsError

from .layouts import LayoutCatalogue

_TARGET: contextvars.ContextVar[float | str] = contextvars.ContextVar("qalgs_target_esp", default="best")


@contextmanager
def target_esp(esp: float | str) -> Iterator[None]:
    """Set the ESP that pass managers built inside aim at: a number, or a level such as ``"0.75*best"``.

    Args:
        esp: A number in [0, 1], or a level.

    Yields:
        Nothing; the target holds inside the ``with`` block.

    Example:
        >>> with target_esp("0.9*best"):
        ...     pass
    """
    token = _TARGET.set(esp)
    try:
        yield
    finally:
        _TARGET.reset(token)


class EspLayout(AnalysisPass):
    """Choose the initial layout whose ESP is closest to a target.

    Args:
        target: The device's Qiskit ``Target``.
        esp: A number in [0, 1], or a level of the catalogue such as ``"best"`` or ``"median"``.
        readout: Whether readout errors count.
        seed: Seed of routing and sampling.
    """

    def __init__(self, target: Any, esp: float | str = "best", *, readout: bool = True, seed: int = 0) -> None:
        super().__init__()
        self.target, self.esp, self.readout, self.seed = target, esp, readout, seed

    def run(self, dag: Any) -> None:
        """Set ``property_set["layout"]`` and, for the curious, ``property_set["qalgs_esp"]``."""
        try:
            catalogue = LayoutCatalogue.for_circuit(
                dag_to_circuit(dag), self.target, readout=self.readout, seed=self.seed
            )
            chosen = catalogue.nearest(self.esp)
        except QalgsError as error:
            raise TranspilerError(f"layout method qalgs_esp: {error}") from error
        layout = Layout({qubit: chosen[i] for i, qubit in enumerate(dag.qubits)})
        for register in dag.qregs.values():
            layout.add_register(register)
        self.property_set["layout"] = layout
        self.property_set["qalgs_esp"] = chosen.esp
        # Else the routing stage would run VF2PostLayout and move the circuit to what it thinks is best.
        self.property_set["VF2Layout_stop_reason"] = VF2LayoutStopReason.SOLUTION_FOUND


class EspLayoutPlugin(PassManagerStagePlugin):
    """The layout stage behind ``layout_method="qalgs_esp"``."""

    def pass_manager(self, pass_manager_config: Any, optimization_level: int | None = None) -> PassManager:
        """Return the stage: the user's initial layout if there is one, else ours; then ancillas and embedding."""
        target = pass_manager_config.target
        stage = PassManager()
        if pass_manager_config.initial_layout is not None:
            stage.append(SetLayout(pass_manager_config.initial_layout))
        elif target is None or target.num_qubits is None:
            raise TranspilerError("layout method qalgs_esp needs a target with errors; pass backend= or target=")
        else:
            seed = pass_manager_config.seed_transpiler
            stage.append(EspLayout(target, _TARGET.get(), seed=0 if seed is None else abs(int(seed))))
        coupling = target if target is not None else pass_manager_config.coupling_map
        stage += common.generate_embed_passmanager(coupling)
        return stage
