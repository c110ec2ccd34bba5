"""Every public callable with arguments that it accepts, for :mod:`test_wrong_types`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import networkx as nx
import numpy as np
from items_ground import MATRIX, QASM, manila
from items_nest import campaign, guadalupe, jobs
from qiskit import QuantumCircuit

from qalgs import backends, circuits, eigengame, nest, optimizers, qlsp
from qalgs.circuits import hardware_efficient, tfim
from qalgs.nest.joint import Tenant

Arguments = Callable[[], dict[str, Any]]


def graph() -> Any:
    return nx.complete_graph(3)


def ansatz() -> Any:
    return hardware_efficient(2, 1)


@cache
def coded(name: Any) -> Any:
    return circuits.max3cut_encoding(graph(), name)


@cache
def system() -> qlsp.LinearSystem:
    return qlsp.random_system(2, 2.0, seed=1)


@cache
def program() -> qlsp.Program:
    from qalgs.qlsp.solvers.base import problem_of

    return qlsp.QSVTInversion(epsilon=0.1).program(problem_of(system()), 0.1, dense=True)


def read(**more: Any) -> Arguments:
    return lambda: {"executor": qlsp.Executor(), "program": program(), "rhs": system().rhs, **more}


def named(**given: Any) -> Arguments:
    return lambda: dict(given)


def entangled() -> Any:
    import pennylane as qp

    qp.RX(0.3, 0)
    qp.CNOT([0, 1])
    return qp.expval(qp.PauliZ(0))


def players() -> eigengame.ExcitedStates:
    return eigengame.ExcitedStates(k=2, restarts=1, budget=5, seed=1)


def batch() -> dict[str, Any]:
    return {"jobs": [ansatz()], "snapshot": manila()}


@cache
def made() -> nest.Plan:
    return nest.plan([ansatz()], manila(), schedule=nest.Linear(2))


@cache
def placed() -> Any:
    return nest.place("a", ansatz(), tfim(2), [0, 1], manila())


def tenants() -> dict[str, Any]:
    bound = ansatz().assign_parameters([0.1, 0.2, 0.3, 0.4])
    tenant = Tenant(circuit=bound, layout=(0, 1), observable=tfim(2))
    return {"tenants": {"a": tenant}, "snapshot": manila(), "model": nest.CoherentZZ()}


@cache
def study() -> nest.Study:
    return nest.Study.grid(devices=[manila()], groups=[jobs()[:1]], strategies=[nest.BestMap(cycles=1)], seeds=[1])


def bowl(points: Any) -> Any:
    return (np.asarray(points) ** 2).sum(axis=1)


CALLS: dict[str, Arguments] = {
    "circuits.Banded": named(matrix=MATRIX),
    "circuits.Dilation": named(matrix=MATRIX),
    "circuits.Fable": named(matrix=MATRIX),
    "circuits.PauliLCU": named(operator=MATRIX),
    "circuits.PoissonShifts": named(bits=(1, 1)),
    "circuits.Shifted": lambda: {"base": circuits.Dilation(MATRIX), "eta": 2.0},
    "circuits.UserEncoding": lambda: {
        "circuit": circuits.Dilation(MATRIX).circuit(),
        "matrix": MATRIX,
        "alpha": 1.0,
    },
    "circuits.count_queries": lambda: {"circuit": ansatz()},
    "circuits.cross_term_circuit": lambda: {"ansatz": ansatz()},
    "circuits.cross_term_observable": lambda: {"operator": tfim(2)},
    "circuits.find_sector": lambda: {"hamiltonian": tfim(2)},
    "circuits.hamiltonian_variational": lambda: {"hamiltonian": tfim(2)},
    "circuits.hardware_efficient": named(num_qubits=2, reps=1),
    "circuits.heisenberg": named(n=3),
    "circuits.magnetization_conserving": named(num_qubits=3, num_ones=1),
    "circuits.max3cut_encoding": lambda: {"graph": graph()},
    "circuits.max3cut_qaoa": lambda: {"encoding": coded("one-hot")},
    "circuits.max_cut": lambda: {"graph": graph()},
    "circuits.molecule": named(geometry="H2"),
    "circuits.oracle_gate": lambda: {"circuit": circuits.prepare_state([0.6, 0.8]), "label": "U_b"},
    "circuits.overlap_circuit": lambda: {"ansatz": ansatz()},
    "circuits.particle_conserving": named(num_orbitals=2, num_particles=(1, 1)),
    "circuits.pennylane_qaoa": lambda: {"encoding": coded("qutrit")},
    "circuits.preparation_template": named(num_qubits=2, real=True),
    "circuits.prepare_state": named(vector=[0.6, 0.8]),
    "circuits.qaoa": lambda: {"cost": circuits.max_cut(graph())},
    "circuits.qsvt_circuit": lambda: {"encoding": circuits.Dilation(MATRIX), "phases": [0.1, 0.2, 0.1]},
    "circuits.read_qasm3": named(source=QASM),
    "circuits.rotation_form": lambda: {"circuit": ansatz()},
    "circuits.tfim": named(n=3),
    "circuits.xxz": named(n=3),
    "backends.CompiledEstimator": named(),
    "backends.CompiledObservable": lambda: {"operator": tfim(2)},
    "backends.CompiledSampler": named(),
    "backends.NoisyEstimator": lambda: {"snapshot": manila(), "layout": [0, 1]},
    "backends.NoisySampler": lambda: {"snapshot": manila(), "layout": [0, 1]},
    "backends.PennyLaneEstimator": named(device="default.qubit"),
    "backends.Program": lambda: {"circuit": ansatz()},
    "backends.ReferenceObservable": lambda: {"observable": tfim(2)},
    "backends.ReferenceProgram": lambda: {"circuit": ansatz()},
    "backends.RuntimeEstimator": named(mode="fake_manila"),
    "backends.RuntimeSampler": named(mode="fake_manila"),
    "backends.check_isa": lambda: {
        "circuit": QuantumCircuit(1),
        "target": backends.load_backend("fake_manila").target,
    },
    "backends.compile_circuit": lambda: {"circuit": ansatz()},
    "backends.compile_observable": lambda: {"observable": tfim(2)},
    "backends.exact_observable": lambda: {"observable": tfim(2)},
    "backends.exact_program": lambda: {"circuit": ansatz()},
    "backends.fake_names": named(),
    "backends.light_cone": lambda: {"circuit": ansatz(), "qubits": [0]},
    "backends.load_backend": named(device="fake_manila"),
    "backends.observable_to_pennylane": lambda: {"operator": tfim(2)},
    "backends.summarise": lambda: {"snapshot": manila()},
    "backends.to_pennylane": lambda: {"source": ansatz()},
    "backends.from_pennylane": lambda: {"source": entangled},
    "backends.observable_from_pennylane": lambda: {"operator": backends.observable_to_pennylane(tfim(2))},
    "eigengame.ExcitedStates": named(),
    "eigengame.PlayerRounds": lambda: {"solver": players(), "hamiltonian": tfim(2)},
    **{
        f"eigengame.{name}": lambda: {"hamiltonian": tfim(2), "restarts": 1, "budget": 5}
        for name in ("eigengame", "excited_states", "hotelling", "ssvqe", "vqd")
    },
    "eigengame.window_states": lambda: {"hamiltonian": tfim(2), "window": 0.1, "restarts": 1, "budget": 5},
    "eigengame.rank1_bound": named(values=np.array([0.5, -1.0]), residuals=np.array([0.1, 0.1])),
    "eigengame.scan": lambda: {"name": "H2", "lengths": [0.7], "solver": players()},
    "eigengame.shifted": named(hamiltonian=MATRIX),
    "eigengame.staggered_starts": named(values=[0.5, -1.0], contraction=[0.5]),
    "eigengame.top_eigenvectors": named(matrix=MATRIX, k=2, iterations=20),
    **{
        f"qlsp.{name}": named()
        for name in ("ChebyshevLCU", "DiscreteAdiabatic", "HHL", "KernelReflection", "VQLS")
    },
    "qlsp.QSVTInversion": named(),
    "qlsp.ClassicalPreconditioner": lambda: {"inner": qlsp.QSVTInversion()},
    "qlsp.ConjugateGradient": named(steps=2),
    "qlsp.GradientDescent": named(steps=2),
    "qlsp.Executor": named(),
    "qlsp.LinearSystem": named(A=MATRIX, b=np.ones(4)),
    "qlsp.Program": lambda: {
        "circuit": circuits.prepare_state([0.6, 0.8]),
        "num_system": 1,
        "template": None,
        "scale": 1.0,
        "max_degree": 1,
        "real": True,
    },
    "qlsp.ProximalPoint": lambda: {"inner": qlsp.QSVTInversion()},
    "qlsp.ResidualCorrection": lambda: {"inner": qlsp.QSVTInversion()},
    "qlsp.cks_inverse": named(kappa=2.0, epsilon=0.1),
    "qlsp.compare": lambda: {"solvers": [qlsp.QSVTInversion()], "system": system(), "epsilon": 0.1},
    "qlsp.count_queries": lambda: {"circuit": ansatz()},
    "qlsp.direction_error": named(x=[1.0, 0.0], y=[1.0, 1.0]),
    "qlsp.eigenstate_filter": named(gap=0.5, epsilon=0.1),
    "qlsp.error_split": named(found=[1.0, 0.0], target=[1.0, 1.0], reference=[0.0, 1.0]),
    "qlsp.expectation_value": read(observable=np.diag([1.0, -1.0])),
    "qlsp.figure_two": named(),
    "qlsp.graph_laplacian": lambda: {"graph": graph()},
    "qlsp.inverse_degree": named(kappa=2.0, epsilon=0.1),
    "qlsp.kappa_hat": named(kappa=2.0, eta=1.0),
    "qlsp.kernel_reflection": named(gap=0.5, epsilon=0.1),
    "qlsp.minimax_inverse": named(kappa=2.0, epsilon=0.1),
    "qlsp.noise_sweep": lambda: {
        "solvers": [qlsp.QSVTInversion()],
        "system": system(),
        "levels": (0.0,),
        "epsilon": 0.2,
        "shots": 10,
    },
    "qlsp.overlap": read(vector=[1.0, 0.0]),
    "qlsp.poisson": named(shape=4),
    "qlsp.poisson_model": named(bits=(2,)),
    "qlsp.proximal_eta": named(kappa=4.0, distance=0.5, epsilon=0.1),
    "qlsp.random_system": named(size=2, kappa=2.0),
    "qlsp.ridge_regression": named(),
    "qlsp.symmetric_phases": lambda: {"series": qlsp.minimax_inverse(2.0, 0.1).scaled(0.3)},
    "qlsp.tomography": lambda: {
        "executor": qlsp.Executor(shots=10, seed=1),
        "program": program(),
        "rhs": system().rhs,
    },
    **{f"nest.{name}": named() for name in ("BestMap", "BestMapRestarts", "NestJump", "Nest", "Qoncord")},
    **{
        f"nest.{name}": named()
        for name in ("RandomMap", "Reversed", "Cosine", "Flat", "InvertedReLU", "InvertedV")
    },
    **{f"nest.{name}": named() for name in ("Linear", "Step", "VShape", "CoherentZZ", "Convergence", "CostModel")},
    **{f"nest.{name}": named() for name in ("ErrorInflation", "FewestSeconds", "Ledger", "QubitWalk", "Rates")},
    **{f"nest.{name}": named() for name in ("Retry", "NoCrosstalk", "Restarts", "SingleRun")},
    "nest.Campaign": lambda: {"jobs": jobs(), "snapshot": guadalupe(), "evaluations": 3, "shots": 16},
    "nest.Custom": named(levels=[0.5, "best"]),
    "nest.EstimatorExecutor": lambda: {"estimator": backends.CompiledEstimator()},
    "nest.ExploreRefine": named(starts=1),
    "nest.Job": lambda: {"name": "a", "circuit": ansatz(), "observable": tfim(2)},
    "nest.JointExecutor": lambda: {"snapshot": guadalupe(), "coupling": nest.CoherentZZ()},
    "nest.Layout": named(qubits=(0, 1)),
    "nest.LocalExecutor": lambda: {"snapshot": guadalupe()},
    "nest.MaxMinEsp": named(slots=3),
    "nest.MergedExecutor": named(backend="fake_guadalupe"),
    "nest.Strategy": lambda: {"name": "own", "maps": nest.BestMap().maps, "training": nest.Restarts()},
    "nest.Study": lambda: {"cells": study().cells},
    "nest.bootstrap": named(samples=[1.0, 2.0, 3.0], resamples=100),
    "nest.circuit_seconds": lambda: {"circuit": ansatz(), "snapshot": manila(), "layout": [0, 1]},
    "nest.esp": lambda: {"circuit": QuantumCircuit(2), "snapshot": manila()},
    "nest.frontier": lambda: {**batch(), "fractions": (1.0,), "schedule": nest.Linear(1)},
    "nest.gate_counts": lambda: {"circuit": ansatz()},
    "nest.joint_circuit": tenants,
    "nest.joint_expectations": tenants,
    "nest.make_crosstalk": named(model="inflation:2:1"),
    "nest.make_schedule": named(kind="linear"),
    "nest.make_strategy": named(name="best-map"),
    "nest.merge": lambda: {"jobs": [placed()], "points": [np.zeros((1, 4))], "device": manila()},
    "nest.pack": lambda: {**batch(), "schedule": nest.Linear(1), "restarts": 2, "time_limit": 5.0},
    "nest.place": lambda: {
        "name": "a",
        "circuit": ansatz(),
        "observable": tfim(2),
        "layout": [0, 1],
        "device": manila(),
    },
    "nest.plan": lambda: {**batch(), "schedule": nest.Linear(1)},
    "nest.plan_with_drift": lambda: {
        "jobs": [ansatz()],
        "snapshots": [(0, manila())],
        "schedule": nest.Linear(1),
    },
    "nest.revise": lambda: {"made": made(), "snapshot": manila(), "at_slot": 1},
    "nest.sweep": named(devices=["fake_manila"], qubits=2, jobs=1, cycles=1),
    "nest.target_esp": named(esp=0.5),
    "nest.write_report": lambda: {"results": campaign().run(), "path": "report.html"},
    "max3cut.as_problem": lambda: {"graph": graph()},
    "max3cut.best_known": named(name="G1"),
    "max3cut.compare": lambda: {"graphs": [graph()], "methods": ("greedy",)},
    "max3cut.dsatur": lambda: {"graph": graph()},
    "max3cut.dwave_annealer": lambda: {"graph": graph(), "reads": 1, "sweeps": 10},
    "max3cut.exact_cpsat": lambda: {"graph": graph()},
    "max3cut.exact_milp": lambda: {"graph": graph()},
    "max3cut.fingerprint": lambda: {"graph": graph()},
    "max3cut.frieze_jerrum": lambda: {"graph": graph(), "rounds": 2},
    "max3cut.gnm": named(n=4, m=3),
    "max3cut.greedy": lambda: {"graph": graph()},
    "max3cut.iter_cells": lambda: {"graph": graph(), "max_candidates": 1000},
    "max3cut.iter_max3cut": lambda: {"graph": graph(), "max_candidates": 1000},
    "max3cut.max3cut": lambda: {"graph": graph(), "max_candidates": 1000},
    "max3cut.maximize_form": named(Q=MATRIX),
    "max3cut.noisy_primitives": named(device="fake_manila", num_qubits=2),
    "max3cut.planar_union": named(n=6),
    "max3cut.planted": named(n=6, m=5),
    "max3cut.read_gset": named(path="absent.txt"),
    "max3cut.regular": named(degree=2, n=4),
    "max3cut.run_qaoa": lambda: {"graph": graph(), "budget": 5, "samples": 8, "bias": 0.6},
    "max3cut.sbm": named(sizes=[2, 2], inside=0.5, outside=0.5),
    "max3cut.torus": named(rows=3, cols=3),
    "max3cut.upper_bound": lambda: {"graph": graph()},
    "max3cut.verify_gset": named(path="absent.txt"),
    "max3cut.vqa_job": lambda: {"graph": graph()},
    "max3cut.write_gset": lambda: {"graph": graph(), "path": "graph.txt"},
    **{f"optimizers.{name}": named() for name in ("COBYLA", "LBFGS", "SPSA", "Adam", "NelderMead")},
    "optimizers.minimize": lambda: {"optimizer": optimizers.COBYLA(), "fun": bowl, "x0": [1.0, 1.0], "budget": 5},
    "optimizers.resolve_step": named(step=0.1, cycle=0, cycles=2),
}

METHODS: dict[str, tuple[Callable[[], Any], Arguments]] = {
    "DeviceSnapshot.from_backend": (lambda: backends.DeviceSnapshot.from_backend, named(backend="fake_manila")),
    "DeviceSnapshot.inflate": (lambda: manila().inflate, named(factors={0: 1.5})),
    "DeviceSnapshot.subset": (lambda: manila().subset, named(layout=[0, 1])),
    "ExcitedStates.run": (lambda: players().run, lambda: {"hamiltonian": tfim(2)}),
    "LayoutCatalogue.for_circuit": (
        lambda: nest.LayoutCatalogue.for_circuit,
        lambda: {"circuit": ansatz(), "snapshot": manila()},
    ),
    "Campaign.run": (lambda: campaign().run, named()),
    "Study.grid": (
        lambda: nest.Study.grid,
        lambda: {
            "devices": [manila()],
            "groups": [jobs()[:1]],
            "strategies": [nest.BestMap(cycles=1)],
            "seeds": [1],
        },
    ),
    "COBYLA.start": (lambda: optimizers.COBYLA().start, named(x0=[1.0, 1.0])),
    "QSVTInversion.solve": (lambda: qlsp.QSVTInversion(epsilon=0.1).solve, lambda: {"system": system()}),
    "QSVTInversion.estimate": (lambda: qlsp.QSVTInversion(epsilon=0.1).estimate, lambda: {"system": system()}),
    "ProximalPoint.solve": (
        lambda: qlsp.ProximalPoint(qlsp.QSVTInversion(epsilon=0.1)).solve,
        lambda: {"system": system()},
    ),
}
"""Methods and class methods that users start from, with arguments that they accept."""

RECORDS = {
    f"{package}.{name}"
    for package, names in {
        "backends": ("DeviceSnapshot DeviceSummary Problem"),
        "circuits": ("BlockEncoding Max3CutEncoding Molecule PreparationTemplate RotationForm Sector"),
        "eigengame": (
            "EigenResult ExcitedStatesResult Finished LevelFound Note PlayerJob Progress RoundDone "
            "ScanPoint ScanResult"
        ),
        "max3cut": (
            "BestKnown Candidate FormResult Max3CutResult Notice Problem Progress QaoaResult "
            "ResultsTable Row UpperBound Verification VqaJob"
        ),
        "nest": (
            "Assignment CampaignResult Change Chip Crosstalk EspLayout EspLayoutPlugin Executor "
            "Frontier Interval JobResult LayoutCatalogue MergedStep Packing Plan Revision Schedule "
            "Verdict WalkStep"
        ),
        "optimizers": ("Minimum Optimizer OptimizerRun"),
        "qlsp": (
            "ChebyshevSeries Comparison CostEstimate ErrorSplit InnerSolver Kind Ledger NoiseSweep "
            "Phases QLSPResult Solver Step SystemModel Verdict"
        ),
    }.items()
    for name in names.split()
}
"""Results, events, protocols and tables: the package makes them, or users derive from them."""

NAMED_OTHERWISE = {
    ("nest.make_crosstalk", "model"): "crosstalk",
    ("nest.make_schedule", "kind"): "schedule",
    ("nest.make_strategy", "name"): "strategy",
    ("nest.place", "device"): "snapshot",
}
"""Arguments that go by the name of what they choose."""
