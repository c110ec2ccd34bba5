"""What a plan costs: seconds of the machine, shots, money, and who pays.

The seconds are those of :mod:`qalgs.nest.usage`, with slots in place of cycles: jobs of one slot run in the same
shots, a shot lasts as long as the longest circuit in it plus the repetition delay, and every evaluation is one
submission with its overhead. Circuit durations are those of the scheduled circuit under the target's own gate
durations, readout included.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qalgs.errors import expect, invalid

from .chip import Chip
from .requests import Request
from .translate import layout_target, to_layout
from .usage import Load, Pace, Rates, Sharing, Usage, usage

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

    from qalgs.backends import DeviceSnapshot


@dataclass(frozen=True, kw_only=True)
class CostModel:
    """What an evaluation takes and what a second costs.

    Attributes:
        rates: Repetition delay, overhead per submission, price, and how jobs of one slot share it.
        shots: Shots per evaluation and measurement basis, for jobs that do not say.
        evaluations: Evaluations per cycle, for jobs that do not say.

    Raises:
        InvalidInputError: If a count is below 1.
    """

    rates: Rates = field(default_factory=Rates)
    shots: int = 1024
    evaluations: int = 72

    def __post_init__(self) -> None:
        expect(Rates, rates=self.rates)
        for name in ("shots", "evaluations"):
            value = getattr(self, name)
            if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
                raise invalid(name, value, "must be an int of at least 1")

    @classmethod
    def of(
        cls,
        *,
        shots: int = 1024,
        evaluations: int = 72,
        repetition_delay: float = 250e-6,
        overhead: float = 0.0,
        price: float = 1.6,
        currency: str = "USD",
        sharing: Sharing = "qubit_seconds",
    ) -> CostModel:
        """Build the model from plain numbers; arguments as in :class:`~qalgs.nest.usage.Rates`."""
        rates = Rates(
            repetition_delay=repetition_delay, overhead=overhead, price=price, currency=currency, sharing=sharing
        )
        return cls(rates=rates, shots=shots, evaluations=evaluations)

    def load(self, request: Request, slot: int, duration: float, length: int = 1) -> Load:
        """Return what one cycle of a job asks of the machine from a slot on, ``length`` slots long."""
        return Load(
            job=request.name,
            cycle=slot,
            evaluations=request.evaluations or self.evaluations,
            bases=request.bases,
            shots=request.shots or self.shots,
            duration=duration,
            qubits=request.catalogue.num_qubits,
            length=length,
        )

    def usage(self, loads: Sequence[Load], num_qubits: int, pace: Pace = "together") -> Usage:
        """Return seconds, shots and money of the loads, slots taken from their ``cycle``."""
        return usage(loads, num_qubits, self.rates, pace)

    def serial_seconds(self, requests: Iterable[Request]) -> float:
        """Return the seconds of all jobs one after another, each on its best layout."""
        return sum(r.cycles * self.cycle_seconds(r, float(r.catalogue.duration[0])) for r in requests)

    def circuits(self, request: Request) -> int:
        """Return the circuits of one cycle of a job: evaluations times measurement bases."""
        return (request.evaluations or self.evaluations) * request.bases

    def cycle_seconds(self, request: Request, duration: float | None = None) -> float:
        """Return the seconds of one cycle of a job alone, by default on its quickest layout."""
        load = self.load(request, 0, float(request.catalogue.duration.min()) if duration is None else duration)
        one = load.bases * load.shots * (load.duration + self.rates.repetition_delay) + self.rates.overhead
        return load.evaluations * one

    def circuit_seconds(self, request: Request) -> float:
        """Return the seconds of one circuit of a job alone on its quickest layout, without overhead."""
        load = self.load(request, 0, float(request.catalogue.duration.min()))
        return load.shots * (load.duration + self.rates.repetition_delay)

    def to_dict(self) -> dict[str, Any]:
        """Return the model as JSON values."""
        rates = self.rates
        return {
            "shots": self.shots,
            "evaluations": self.evaluations,
            "repetition_delay": rates.repetition_delay,
            "overhead": rates.overhead,
            "price": rates.price,
            "currency": rates.currency,
            "sharing": rates.sharing,
        }


def circuit_seconds(circuit: QuantumCircuit, snapshot: DeviceSnapshot, layout: Iterable[int]) -> float:
    """Return the duration of one execution in seconds: the circuit's critical path on ``layout``, plus readout.

    Args:
        circuit: Any circuit; it is translated to the layout's gates first if need be.
        snapshot: The calibration.
        layout: Physical qubit of each circuit qubit.

    Example:
        >>> from qalgs.backends import DeviceSnapshot
        >>> from qalgs.circuits import hardware_efficient
        >>> manila = DeviceSnapshot.from_backend("fake_manila")
        >>> 5e-6 < circuit_seconds(hardware_efficient(2, 1), manila, [0, 1]) < 1e-5
        True
    """
    from qiskit import QuantumCircuit

    expect(QuantumCircuit, circuit=circuit)
    chip = Chip.of(snapshot)
    qubits = chip.check_layout(layout)
    target = layout_target(chip, qubits)
    plain = circuit.remove_final_measurements(inplace=False)
    isa = to_layout(plain, chip, qubits)
    length = float(isa.estimate_duration(target, unit="s")) if isa.size() else 0.0
    return length + float(chip.readout_duration[list(qubits)].max())
