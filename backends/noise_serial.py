"""Aer's noise model with its serialised form kept: Aer writes and reads the whole model anew in every run."""

from __future__ import annotations

import copy
from typing import Any

from qiskit_aer.noise import NoiseModel


class SerialNoiseModel(NoiseModel):
    """A finished noise model that is serialised once.

    ``AerSimulator`` serialises its model in every run, which for four qubits takes longer (35 ms on
    ``fake_torino``) than the simulation. Nothing may be added to this model. Where Aer itself adds errors, for
    delays, it does so to a deep copy, which is an ordinary model again.

    Args:
        model: The model; its errors are shared, not copied.
    """

    def __init__(self, model: NoiseModel) -> None:
        super().__init__()
        self.__dict__.update(model.__dict__)
        self._serial = model.to_dict(serializable=True)

    def to_dict(self, serializable: bool = False) -> dict[str, Any]:
        """Return the model as a dictionary, for the simulator the one that was made first."""
        found: dict[str, Any] = self._serial if serializable else super().to_dict()
        return found

    def __deepcopy__(self, memo: dict[int, Any]) -> NoiseModel:
        plain = NoiseModel()
        memo[id(self)] = plain
        own = {name: value for name, value in self.__dict__.items() if name != "_serial"}
        plain.__dict__.update(copy.deepcopy(own, memo))
        return plain
