"""From published states to a result: order, certify, diagonalise, judge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from qalgs.backends import exact_observable, exact_program
from qalgs.eigengame.arena import Arena
from qalgs.eigengame.events import Snapshot
from qalgs.eigengame.exact import prepared
from qalgs.eigengame.post import Ritz, amplification, multiplets, ritz
from qalgs.eigengame.result import Costs, ExcitedStatesResult
from qalgs.eigengame.sequential import COLLAPSE
from qalgs.results import Status, versions
from qalgs.seeds import keyed

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]
_MAX_QUBITS = 16
_NONE = np.empty((0, 0), dtype=complex)
DOUBTFUL = 0.05


def vectors(arena: Arena, found: list[Snapshot]) -> Complex:
    """Return the noiseless state vectors of the final circuits, or an empty array if they are too large."""
    if arena.problem.num_qubits > _MAX_QUBITS and not all(s.vector.size for s in found):
        return _NONE
    rows = [
        s.vector
        if s.vector.size
        else exact_program(prepared(arena.problem.ansatz, s.preparation)).states(s.parameters[None, :])[0]
        for s in found
    ]
    return np.array(rows)


def assemble(arena: Arena, found: list[Snapshot], *, schedule: str, critical_path: int) -> ExcitedStatesResult:
    """Build the result from the players' snapshots in the order in which they were found."""
    problem, players = arena.problem, arena.players
    readout = getattr(players, "readout", None)
    states = vectors(arena, found)
    if readout is None:
        images = np.asarray(exact_observable(problem.hamiltonian).apply(states))
        h, s = states.conj() @ images.T, states.conj() @ states.T
        energies = h.diagonal().real.copy()
        errors = np.zeros(len(found))
        variances = np.maximum((np.abs(images) ** 2).sum(axis=1) - energies**2, 0.0)
        span = ritz(h, s)
        attenuations = np.ones(len(found))
    else:
        measured = readout(found, keyed(arena.root, "ritz"))
        energies, errors, variances = measured.energies, measured.errors, measured.variances
        span, s, attenuations = measured.ritz, measured.overlaps, measured.attenuations
    order = np.argsort(energies, kind="stable")
    energies, errors, variances, s = energies[order], errors[order], variances[order], s[np.ix_(order, order)]
    states = states[order] if states.size else states
    shifts = np.array([arena.shifts.get(int(i), 0.0) for i in order])
    resolution = max(1e-5 * arena.sigma, 3.0 * float(errors.max(initial=0.0)))
    overlaps = np.abs(s)
    leak = problem.sector.leakage(states) if problem.sector is not None and states.size else np.zeros(len(found))
    status = _judge(arena, [found[int(i)] for i in order], overlaps, leak)
    if not players.has_shots and status is not Status.STALLED:
        _certify(arena, variances)
    offset = problem.offset
    diagnostics = amplification(
        arena.method, energies, np.array([arena.shifts.get(i, 0.0) for i in range(len(found))]), variances
    )
    return ExcitedStatesResult(
        energies=energies + offset,
        errors=errors,
        states=states if problem.num_qubits <= _MAX_QUBITS else _NONE,
        parameters=np.array([found[int(i)].parameters for i in order]),
        history=tuple(arena.history),
        overlaps=overlaps,
        variances=variances,
        multiplets=multiplets(energies, resolution),
        costs=Costs(
            gradients=players.gradients,
            evaluations=players.evaluations,
            per_state=tuple(arena.counts.get(i, 0) for i in range(len(found))),
            critical_path=critical_path,
            circuits=players.circuits,
            shots=players.shots,
            two_qubit_gates=sum(item.operation.num_qubits == 2 for item in problem.ansatz.data),
        ),
        status=status,
        method=arena.method,
        schedule=schedule,
        penalties=shifts + (0.0 if arena.method in {"vqd", "ssvqe"} else offset),
        ritz=_shifted(span, offset),
        amplification=diagnostics,
        attenuations=attenuations[order],
        leakages=leak,
        notes=tuple(arena.notes),
        seed=arena.root,
        versions=versions(),
        problem=problem,
    )


def _shifted(span: Ritz, offset: float) -> Ritz:
    return replace(span, energies=span.energies + offset)


def _judge(arena: Arena, found: list[Snapshot], overlaps: Real, leak: Real) -> Status:
    """Say how the run ended, and warn about what must not pass silently."""
    close = np.triu(overlaps**2, 1)
    status = Status.CONVERGED
    if any(s.status is not Status.CONVERGED for s in found):
        status = Status.BUDGET if any(s.status is Status.BUDGET for s in found) else Status.STALLED
    if status is Status.BUDGET and arena.players.has_shots and _settled(arena):
        status = Status.CONVERGED
    # L-BFGS reports a failed line search at machine precision; a stationary state is converged all the same.
    if status is Status.STALLED and not arena.players.has_shots and _stationary(arena, found):
        status = Status.CONVERGED
    if close.max(initial=0.0) > COLLAPSE:
        i, j = np.unravel_index(close.argmax(), close.shape)
        arena.note(
            f"levels {i} and {j} overlap by {close.max():.2f}; one is a duplicate: raise penalty or restarts"
        )
        status = Status.STALLED
    if leak.max(initial=0.0) > 1e-3:
        arena.note(
            f"level {int(leak.argmax())} has weight {leak.max():.2g} outside the sector; use ansatz='givens'"
        )
        status = Status.STALLED
    return status


def _certify(arena: Arena, variances: Real) -> None:
    """Warn about states that are no eigenstates, although their minimisation has ended."""
    worst = int(variances.argmax())
    deviation = float(np.sqrt(variances[worst]))
    if deviation > DOUBTFUL * arena.sigma:
        arena.note(
            f"level {worst} is no eigenstate (standard deviation of H {deviation:.3g}); use a more expressive "
            "ansatz, more restarts or a larger budget"
        )


def _settled(arena: Arena) -> bool:
    """Whether every player's measured energy has stopped moving, to 3 standard errors of its own scatter."""
    for state in {e.state for e in arena.history}:
        energies = np.array([e.energy for e in arena.history if e.state == state])
        size = len(energies) // 8
        if size < 4:
            return False
        last, before = energies[-size:], energies[-2 * size : -size]
        error = np.sqrt((last.var(ddof=1) + before.var(ddof=1)) / size)
        if abs(last.mean() - before.mean()) > 3 * error + 1e-6 * arena.sigma:
            return False
    return True


def _stationary(arena: Arena, found: list[Snapshot]) -> bool:
    last = {e.state: e.grad_norm for e in arena.history}
    return all(value < 1e-3 * max(arena.sigma, 1e-12) for value in last.values()) and bool(found)
