"""Every place on a chip where a circuit fits, with its ESP: the pool that schedules and walks choose from."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from qalgs.errors import InfeasibleError, expect, invalid

from .chip import Bools, Chip, Floats, Ints
from .embeddings import embeddings, live_graph
from .subsets import connected_shapes
from .templates import Template, build_template
from .translate import Edges, flatten, interactions, is_connected, route_on_shape, routed_isa

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from qiskit import QuantumCircuit

    from qalgs.backends import DeviceSnapshot

_LEVEL = re.compile(r"^\s*(?:([0-9.eE+-]+)\s*\*\s*)?(best|worst|median|mean|max|min|[qp]\d+(?:\.\d+)?)\s*$")


class Layout(tuple[int, ...]):
    """Physical qubits by logical qubit, as a tuple that knows its ESP and its place in the catalogue.

    Args:
        qubits: Physical qubit of each logical qubit.
        esp: Estimated success probability there.
        rank: Position in the catalogue, 0 being the best.

    Attributes:
        esp: Estimated success probability there.
        rank: Position in the catalogue, 0 being the best.
    """

    esp: float
    rank: int

    def __new__(cls, qubits: Iterable[int], esp: float = math.nan, rank: int = -1) -> Layout:
        """Create the tuple and attach its score."""
        try:
            made = super().__new__(cls, (int(q) for q in qubits))
        except (TypeError, ValueError) as error:
            raise invalid("qubits", qubits, "must be a sequence of ints") from error
        try:
            made.esp, made.rank = float(esp), int(rank)
        except (TypeError, ValueError) as error:
            raise invalid("esp and rank", (esp, rank), "must be numbers") from error
        return made

    @property
    def qubits(self) -> tuple[int, ...]:
        """The physical qubits as a plain tuple."""
        return tuple(self)

    def __repr__(self) -> str:
        return f"Layout({list(self)}, esp={self.esp:.4f})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (Layout, (tuple(self), self.esp, self.rank))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LayoutCatalogue:
    """All scored layouts of one circuit on one device, best first.

    Attributes:
        name: The device.
        num_qubits: Qubits of the circuit, n.
        maps: Physical qubit by layout and logical qubit, shape (M, n).
        esp: ESP by layout, falling, shape (M,).
        log_esp: Its natural logarithm, shape (M,).
        duration: Seconds of one scheduled execution by layout, readout included, shape (M,).
        routed: Whether the circuit's interaction graph fits nowhere, so that SWAPs were inserted.
        note: What was left out, and why; empty if nothing was.
        chip: The calibration as arrays.
        circuit: The circuit.
    """

    name: str
    num_qubits: int
    maps: Ints = field(repr=False)
    esp: Floats = field(repr=False)
    log_esp: Floats = field(repr=False)
    duration: Floats = field(repr=False)
    routed: bool
    note: str
    chip: Chip = field(repr=False)
    circuit: QuantumCircuit = field(repr=False)
    member: Bools = field(repr=False)
    edges: Edges = field(repr=False)
    templates: tuple[Template, ...] = field(repr=False)
    shape_of: Ints = field(repr=False)
    terms: tuple[bool, bool, bool] = field(repr=False)

    @classmethod
    def for_circuit(
        cls,
        circuit: QuantumCircuit,
        snapshot: DeviceSnapshot,
        *,
        gates: bool = True,
        readout: bool = True,
        idle: bool = False,
        limit: int = 20_000,
        optimization_level: int = 1,
        exclude: Iterable[int] = (),
        seed: int = 0,
    ) -> LayoutCatalogue:
        """Find and score every layout of ``circuit`` on live couplers.

        Circuits whose interaction graph embeds in the chip are placed by VF2 without routing. All others (rings
        and all-to-all circuits on a heavy-hex lattice) are routed once per shape of connected subset. Either
        way the circuit is translated a handful of times, and every layout is scored from the gate counts (see
        :mod:`qalgs.nest.templates`).

        Args:
            circuit: The circuit; parameters may be free.
            snapshot: The device.
            gates: Score the gates.
            readout: Score the readout of the measured qubits (of all, if none is measured).
            idle: Score the idling of the circuit scheduled as late as possible.
            limit: Most layouts to keep; beyond it they are sampled evenly over the chip and ``note`` says so.
            optimization_level: Qiskit's, for the translation.
            exclude: Physical qubits not to use.
            seed: Seed of routing and sampling.

        Raises:
            InvalidInputError: If ``limit`` is below 1 or ``exclude`` names qubits that the device lacks.
            InfeasibleError: If the circuit fits nowhere; the message says why.
        """
        from qiskit import QuantumCircuit

        expect(QuantumCircuit, circuit=circuit)
        expect(Integral, limit=limit, optimization_level=optimization_level, seed=seed)
        expect(Iterable, exclude=exclude)
        chip = Chip.of(snapshot)
        n = circuit.num_qubits
        if limit < 1:
            raise invalid("limit", limit, "must be at least 1")
        excluded = set(exclude)
        for qubit in excluded:
            expect(Integral, exclude=qubit)
        banned = sorted(excluded)
        if banned and not (banned[0] >= 0 and banned[-1] < chip.num_qubits):
            raise invalid("exclude", banned, f"must hold qubits 0..{chip.num_qubits - 1} of {chip.name}")
        _require_room(chip, circuit)
        flat = flatten(circuit)
        edges = interactions(flat)
        how: dict[str, Any] = {"optimization_level": optimization_level, "seed": seed}
        graph = live_graph(chip, banned)
        templates: list[Template] = []
        found: list[Ints] = []
        note = ""
        if is_connected(n, edges):
            maps, note = embeddings(graph, n, edges, limit, induced=False, seed=seed)
            if len(maps):
                templates.append(build_template(flat, edges, chip, **how))
                found.append(maps)
        routed = not found
        if routed:
            shapes, note = connected_shapes(graph, n, limit)
            for shape in shapes:
                placed, start = route_on_shape(flat, n, shape.edges, seed=seed, trials=4)
                templates.append(build_template(placed, shape.edges, chip, start=start, **how))
                found.append(shape.maps)
        if not found:
            raise InfeasibleError(_no_room(chip, n, banned))
        return cls._scored(circuit, chip, edges, templates, found, routed, note, (gates, readout, idle))

    @classmethod
    def _scored(
        cls,
        circuit: QuantumCircuit,
        chip: Chip,
        edges: Edges,
        templates: Sequence[Template],
        found: Sequence[Ints],
        routed: bool,
        note: str,
        terms: tuple[bool, bool, bool],
    ) -> LayoutCatalogue:
        gates, readout, idle = terms
        logs, seconds = [], []
        for template, maps in zip(templates, found, strict=True):
            score = template.log_esp(chip, maps, gates=gates, readout=readout)
            duration, waiting = template.timing(chip, maps)
            if idle:
                score = score - (waiting * chip.rates_idle[maps]).sum(axis=1)
            logs.append(score)
            seconds.append(duration + chip.readout_duration[maps].max(axis=1))
        log_esp = np.concatenate(logs)
        shape = np.repeat(np.arange(len(found)), [len(m) for m in found])
        maps = np.concatenate([m[:, list(t.start)] for t, m in zip(templates, found, strict=True)])
        order = np.lexsort((*maps.T[::-1], -np.round(log_esp, 12)))
        order = order[log_esp[order] > -np.inf]
        if not len(order):
            raise InfeasibleError(f"{chip.name} must offer working gates, got ESP 0 on all {len(maps)} layouts")
        maps = maps[order]
        member = np.zeros((len(maps), chip.num_qubits), dtype=bool)
        member[np.arange(len(maps))[:, None], maps] = True
        return cls(
            name=chip.name,
            num_qubits=maps.shape[1],
            maps=maps,
            esp=np.exp(log_esp[order]),
            log_esp=log_esp[order],
            duration=np.concatenate(seconds)[order],
            routed=routed,
            note=note,
            chip=chip,
            circuit=circuit,
            member=member,
            edges=edges,
            templates=tuple(templates),
            shape_of=shape[order],
            terms=terms,
        )

    def __len__(self) -> int:
        return len(self.maps)

    def __getitem__(self, index: int) -> Layout:
        i = range(len(self))[index]
        return Layout(self.maps[i], self.esp[i], i)

    def __iter__(self) -> Iterator[Layout]:
        return (self[i] for i in range(len(self)))

    def best(self, allowed: Bools | None = None) -> Layout:
        """Return the layout of the highest ESP, among those that the mask ``allowed`` permits, shape (M,)."""
        return self[int(self._candidates(allowed)[0])]

    def worst(self) -> Layout:
        """Return the layout of the lowest ESP."""
        return self[len(self) - 1]

    def nearest(self, esp: float | str, allowed: Bools | None = None) -> Layout:
        """Return the layout whose ESP is closest to ``esp``; ties go to the better one.

        Args:
            esp: A number in [0, 1] or a level such as ``"median"`` (see :meth:`level`).
            allowed: Mask of the layouts to choose from, shape (M,).
        """
        target = self.level(esp, "esp")
        pool = self._candidates(allowed)
        return self[int(pool[np.argmin(np.abs(self.esp[pool] - target))])]

    def level(self, value: float | str, name: str = "level") -> float:
        """Return an ESP as a number.

        Args:
            value: A number in [0, 1]; or ``"best"``, ``"worst"``, ``"median"``, ``"mean"``, a percentile such as
                ``"q25"``, each with an optional factor as in ``"0.75*best"``.
            name: The argument, for the message.

        Raises:
            InvalidInputError: If it is none of these, NaN or outside [0, 1].
        """
        if not isinstance(value, str):
            return check_level(value, name)
        match = _LEVEL.match(str(check_target(value, name)))
        assert match is not None
        factor, key = float(match[1] or 1), match[2]
        if key[0] in "qp" and key[1:2].isdigit():
            if float(key[1:]) > 100:
                raise invalid(name, value, "must name a percentile of at most 100")
            base = float(np.percentile(self.esp, float(key[1:])))
        else:
            base = float(
                {"best": np.max, "max": np.max, "worst": np.min, "min": np.min}.get(
                    key, np.median if key == "median" else np.mean
                )(self.esp)
            )
        return check_level(factor * base, name)

    def index(self, layout: Iterable[int]) -> int:
        """Return the position of a layout.

        Raises:
            InvalidInputError: If the catalogue does not hold it.
        """
        wanted = np.asarray(tuple(layout))
        if wanted.shape == (self.num_qubits,):
            rows = np.flatnonzero((self.maps == wanted).all(axis=1))
            if len(rows):
                return int(rows[0])
        raise invalid("layout", wanted.tolist(), f"must be one of the {len(self)} layouts on {self.name}")

    def rescored(self, snapshot: DeviceSnapshot | Chip) -> Floats:
        """Return the ESP of the same layouts under another calibration (0 where a coupler died), shape (M,)."""
        chip = Chip.of(snapshot)
        gates, readout, idle = self.terms
        scores = np.full(len(self), -np.inf)
        for s, template in enumerate(self.templates):
            rows = np.flatnonzero(self.shape_of == s)
            if not len(rows):
                continue
            vertices = np.empty((len(rows), self.num_qubits), dtype=np.int64)
            vertices[:, list(template.start)] = self.maps[rows]
            alive = np.ones(len(rows), dtype=bool)
            for u, v in template.edges:
                alive &= chip.kind[vertices[:, u], vertices[:, v]] >= 0
            vertices, rows = vertices[alive], rows[alive]
            scores[rows] = template.log_esp(chip, vertices, gates=gates, readout=readout)
            if idle:
                scores[rows] -= (template.timing(chip, vertices)[1] * chip.rates_idle[vertices]).sum(axis=1)
        return np.exp(scores)

    def isa(self, layout: Iterable[int], *, optimization_level: int = 1, seed: int = 0) -> QuantumCircuit:
        """Return the circuit in the gates of ``layout``, as it was scored.

        Args:
            layout: A layout of this catalogue.
            optimization_level: Qiskit's.
            seed: Transpiler seed.

        Returns:
            A circuit on n qubits; qubit ``i`` is ``layout[i]`` and starts as logical qubit ``i``. Where SWAPs were
            inserted, ``observable.apply_layout(isa.layout)`` follows each logical qubit to where it ends.
        """
        index = self.index(layout)
        template = self.templates[int(self.shape_of[index])]
        return routed_isa(template, self.chip, self.maps[index], optimization_level, seed)

    def table(self, rows: int | None = 10) -> list[dict[str, object]]:
        """Return the best ``rows`` layouts (all if None) as records of rank, qubits, ESP and duration."""
        count = len(self) if rows is None else min(rows, len(self))
        return [
            {
                "rank": i + 1,
                "qubits": [int(q) for q in self.maps[i]],
                "esp": float(self.esp[i]),
                "duration": float(self.duration[i]),
            }
            for i in range(count)
        ]

    def to_dict(self) -> dict[str, object]:
        """Return the summary and all layouts as JSON values."""
        return {
            "device": self.name,
            "qubits": self.num_qubits,
            "layouts": len(self),
            "routed": self.routed,
            "note": self.note,
            "esp": {k: self.level(k) for k in ("worst", "q25", "median", "q75", "best")},
            "table": self.table(None),
        }

    def plot_histogram(self, ax: Axes | None = None, *, bins: int = 40) -> Axes:
        """Draw how many layouts offer which ESP."""
        import matplotlib.pyplot as plt

        axes: Axes = ax if ax is not None else plt.subplots()[1]
        axes.hist(self.esp, bins=bins, color="tab:blue", alpha=0.8)
        axes.axvline(self.esp[0], color="black", linewidth=1, label=f"best {self.esp[0]:.3f}")
        axes.axvline(float(np.median(self.esp)), color="grey", ls="--", label=f"median {np.median(self.esp):.3f}")
        axes.set(xlabel="ESP", ylabel="layouts", title=f"{len(self)} layouts of {self.num_qubits} on {self.name}")
        axes.legend()
        return axes

    def _candidates(self, allowed: Bools | None) -> Ints:
        if allowed is None:
            return np.arange(len(self))
        pool = np.flatnonzero(allowed)
        if not len(pool):
            raise InfeasibleError(
                f"no layout of {self.num_qubits} qubits on {self.name} is free; wait or use fewer"
            )
        return pool


def check_target(value: float | str, name: str) -> float | str:
    """Return a target ESP: a number, or a level such as ``"0.75*best"`` that a catalogue can read.

    Raises:
        InvalidInputError: If it is neither.
    """
    if not isinstance(value, str):
        return check_level(value, name)
    if _LEVEL.match(value) is None:
        raise invalid(name, value, "must be a number in [0, 1] or like 'best', '0.75*best', 'median', 'q25'")
    return value


def check_level(value: float, name: str) -> float:
    """Return ``value`` as an ESP.

    Raises:
        InvalidInputError: If it is NaN or outside [0, 1].
        TypeError: If it is not a number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | np.floating | np.integer):
        raise TypeError(f"{name} must be a number in [0, 1], got {type(value).__name__}")
    if not 0 <= value <= 1:
        raise invalid(name, float(value), "must be a number in [0, 1]")
    return float(value)


def _require_room(chip: Chip, circuit: QuantumCircuit) -> None:
    n = circuit.num_qubits
    if n < 1:
        raise invalid("circuit", n, "must have at least 1 qubit")
    if n > chip.num_qubits:
        raise InfeasibleError(
            f"circuit must have at most {chip.num_qubits} qubits to run on {chip.name}, got {n}; "
            "use a larger device"
        )
    if n > 1:
        chip.require_couplers()


def _no_room(chip: Chip, n: int, banned: Sequence[int]) -> str:
    dead = int((~chip.alive).sum())
    without = f", without qubits {list(banned)}" if banned else ""
    return (
        f"{chip.name} must hold {n} qubits connected by live couplers, got none "
        f"({dead} of {len(chip.couplers)} couplers dead{without}); use fewer qubits or another device"
    )
