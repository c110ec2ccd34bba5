r"""Estimated success probability (ESP) of a circuit on a layout, from calibration alone.

.. math::

    \mathrm{ESP} = \prod_g (1-\epsilon_g)\; \prod_q (1-r_q)\;
                   \prod_{\mathrm{delays}} e^{-t/T_1(q)}\, e^{-t/T_\phi(q)},
    \qquad \frac{1}{T_\phi} = \max\!\left(0, \frac{1}{T_2} - \frac{1}{2T_1}\right)

Gate errors already contain the decay during the gate, so idling counts only for delays that a scheduler put
into the circuit. The gate term is the product of Nishio et al., ACM JETC 16(3), 2020 (arXiv:1903.10963), Sec. III.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import TYPE_CHECKING

from qalgs.errors import expect, invalid

from .chip import Chip

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

    from qalgs.backends import DeviceSnapshot

GateCounts = Mapping[tuple[str, tuple[int, ...]], float]

_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "ps": 1e-12}


def gate_counts(circuit: QuantumCircuit, dt: float | None = None) -> dict[tuple[str, tuple[int, ...]], float]:
    """Count the operations of a circuit by name and qubits; the entry of a ``delay`` is its total in seconds.

    Args:
        circuit: Any circuit without control flow.
        dt: Sample time in seconds, for delays given in samples.

    Returns:
        Counts by ``(name, qubits)``.

    Raises:
        InvalidInputError: On control flow, on a delay in samples when ``dt`` is None, or on a symbolic delay.

    Example:
        >>> from qiskit import QuantumCircuit
        >>> circuit = QuantumCircuit(2)
        >>> _ = circuit.x(0), circuit.cx(0, 1), circuit.cx(0, 1)
        >>> gate_counts(circuit)
        {('x', (0,)): 1.0, ('cx', (0, 1)): 2.0}
    """
    from qiskit import QuantumCircuit

    expect(QuantumCircuit, circuit=circuit)
    expect(Real, type(None), dt=dt)
    counts: defaultdict[tuple[str, tuple[int, ...]], float] = defaultdict(float)
    place = {qubit: i for i, qubit in enumerate(circuit.qubits)}
    for instruction in circuit.data:
        name = instruction.operation.name
        qubits = tuple(place[q] for q in instruction.qubits)
        if getattr(instruction.operation, "blocks", None):
            raise invalid("circuit", name, "must have no control flow to be scored", "unroll it first")
        if name == "delay":
            counts[name, qubits] += _delay_seconds(instruction.operation, dt)
        elif name != "barrier":
            counts[name, qubits] += 1
    return dict(counts)


def esp(
    circuit: QuantumCircuit | GateCounts,
    snapshot: DeviceSnapshot,
    layout: Iterable[int] | None = None,
    *,
    gates: bool = True,
    readout: bool = True,
    idle: bool = True,
) -> float:
    """Return the estimated success probability of ``circuit`` with qubit ``i`` on physical qubit ``layout[i]``.

    Args:
        circuit: A circuit, or its gate counts as :func:`gate_counts` returns them. A circuit with gates that the
            device does not offer on these qubits is translated first (routing included).
        snapshot: The calibration.
        layout: Physical qubits, connected by live couplers. None reads the circuit's own qubits as physical.
        gates: Include the gate term.
        readout: Include the readout term, over the measured qubits, or over the whole layout if none is measured.
        idle: Include the decay during the delays of a scheduled circuit.

    Returns:
        A number in [0, 1]; 0 when a used gate or readout is dead.

    Raises:
        InvalidInputError: If the layout is disconnected, repeated, off the chip or of the wrong length, or if the
            counts name a gate that the device does not offer there.

    Example:
        >>> from qalgs.backends import DeviceSnapshot
        >>> from qalgs.circuits import hardware_efficient
        >>> manila = DeviceSnapshot.from_backend("fake_manila")
        >>> 0.8 < esp(hardware_efficient(2, 1), manila, [0, 1]) < 1.0
        True
    """
    from qiskit import QuantumCircuit

    expect(QuantumCircuit, Mapping, circuit=circuit)
    chip = Chip.of(snapshot)
    is_counts = isinstance(circuit, Mapping)
    counts = dict(circuit) if isinstance(circuit, Mapping) else gate_counts(circuit, chip.dt)
    if layout is None:
        if not is_counts and circuit.num_qubits > chip.num_qubits:  # type: ignore[union-attr]
            raise invalid("circuit", circuit, f"must have at most {chip.num_qubits} qubits")
        used = sorted({q for _, qubits in counts for q in qubits})
        place = {q: q for q in used}
        measured = used
    else:
        measured = list(chip.check_layout(layout))
        width = 1 + max((q for _, qubits in counts for q in qubits), default=-1)
        width = width if isinstance(circuit, Mapping) else circuit.num_qubits
        if width > len(measured) or (not is_counts and width < len(measured)):
            raise invalid(
                "layout", tuple(measured), f"must name one physical qubit for each of the {width} qubits"
            )
        place = dict(enumerate(measured))
    if not all(_is_native(chip, name, [place[q] for q in qubits]) for name, qubits in counts):
        if isinstance(circuit, Mapping) or layout is None:
            bad = next(k for k in counts if not _is_native(chip, k[0], [place[q] for q in k[1]]))
            raise invalid("circuit", bad, f"must use gates that {chip.name} offers there", "transpile it first")
        from .translate import to_layout

        counts = gate_counts(to_layout(circuit, chip, measured), chip.dt)
    return math.exp(log_esp(counts, chip, place, measured, gates=gates, readout=readout, idle=idle))


def log_esp(
    counts: GateCounts,
    chip: Chip,
    place: Mapping[int, int],
    register: Iterable[int],
    *,
    gates: bool = True,
    readout: bool = True,
    idle: bool = True,
) -> float:
    """Return the natural logarithm of the ESP; arguments as in :func:`esp`, all checked by the caller.

    Args:
        counts: Native operations.
        chip: The calibration.
        place: Physical qubit of each circuit qubit.
        register: Physical qubits that are read out if the circuit measures none.
        gates: Include the gate term.
        readout: Include the readout term.
        idle: Include the delay term.
    """
    terms = []
    read = []
    rates = chip.rates_idle
    for (name, qubits), count in counts.items():
        where = [place[q] for q in qubits]
        if name == "measure":
            read += where
        elif name == "delay":
            terms += [-count * float(rates[where[0]])] if idle else []
        elif gates and name != "reset" and count:
            one = float(chip.log_one[name][where[0]]) if len(where) == 1 else 0.0
            terms.append(count * (one if len(where) == 1 else _log_pair(chip, name, where[0], where[1])))
    if readout:
        terms += [float(chip.log_readout[q]) for q in sorted(set(read)) or register]
    return math.fsum(terms) if all(t > -math.inf for t in terms) else -math.inf


def _is_native(chip: Chip, name: str, where: list[int]) -> bool:
    if name in {"measure", "delay", "reset"}:
        return True
    if len(where) == 1:
        return name in chip.log_one and not math.isnan(chip.log_one[name][where[0]])
    return len(where) == 2 and name in chip.log_two and not math.isnan(_log_pair(chip, name, where[0], where[1]))


def _log_pair(chip: Chip, name: str, a: int, b: int) -> float:
    return float(chip.log_two[name][a, b])


def _delay_seconds(delay: object, dt: float | None) -> float:
    unit, amount = str(getattr(delay, "unit", "dt")), getattr(delay, "duration", 0)
    try:
        value = float(amount)
    except TypeError as error:
        raise invalid("delay", amount, "must be a number to be scored", "bind the circuit's parameters") from error
    if unit == "dt":
        if dt is None:
            raise invalid("delay", value, "must be in seconds when the device has no sample time dt")
        return value * dt
    return value * _SECONDS[unit]
