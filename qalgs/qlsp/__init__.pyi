from .angles import Phases as Phases
from .angles import symmetric_phases as symmetric_phases
from .compare import Comparison as Comparison
from .compare import NoiseSweep as NoiseSweep
from .compare import compare as compare
from .compare import noise_sweep as noise_sweep
from .execution import Executor as Executor
from .execution import Program as Program
from .generators import graph_laplacian as graph_laplacian
from .generators import poisson as poisson
from .generators import random_system as random_system
from .generators import ridge_regression as ridge_regression
from .ledger import Ledger as Ledger
from .ledger import count_queries as count_queries
from .linear_system import Kind as Kind
from .linear_system import LinearSystem as LinearSystem
from .meta.preconditioner import ClassicalPreconditioner as ClassicalPreconditioner
from .meta.proximal import ProximalPoint as ProximalPoint
from .meta.residual import ResidualCorrection as ResidualCorrection
from .meta.starts import ConjugateGradient as ConjugateGradient
from .meta.starts import GradientDescent as GradientDescent
from .polynomials import ChebyshevSeries as ChebyshevSeries
from .polynomials import cks_inverse as cks_inverse
from .polynomials import eigenstate_filter as eigenstate_filter
from .polynomials import inverse_degree as inverse_degree
from .polynomials import kernel_reflection as kernel_reflection
from .polynomials import minimax_inverse as minimax_inverse
from .readout import expectation_value as expectation_value
from .readout import overlap as overlap
from .readout import tomography as tomography
from .resources import CostEstimate as CostEstimate
from .resources import SystemModel as SystemModel
from .resources import poisson_model as poisson_model
from .result import ErrorSplit as ErrorSplit
from .result import QLSPResult as QLSPResult
from .result import Step as Step
from .result import Verdict as Verdict
from .solvers.adiabatic import DiscreteAdiabatic as DiscreteAdiabatic
from .solvers.base import InnerSolver as InnerSolver
from .solvers.base import Solver as Solver
from .solvers.chebyshev import ChebyshevLCU as ChebyshevLCU
from .solvers.hhl import HHL as HHL
from .solvers.kernel import KernelReflection as KernelReflection
from .solvers.qsvt import QSVTInversion as QSVTInversion
from .solvers.vqls import VQLS as VQLS
from .verify import direction_error as direction_error
from .verify import error_split as error_split
from .verify import figure_two as figure_two
from .verify import kappa_hat as kappa_hat
from .verify import proximal_eta as proximal_eta

__all__ = [
    "HHL",
    "VQLS",
    "ChebyshevLCU",
    "ChebyshevSeries",
    "ClassicalPreconditioner",
    "Comparison",
    "ConjugateGradient",
    "CostEstimate",
    "DiscreteAdiabatic",
    "ErrorSplit",
    "Executor",
    "GradientDescent",
    "InnerSolver",
    "KernelReflection",
    "Kind",
    "Ledger",
    "LinearSystem",
    "NoiseSweep",
    "Phases",
    "Program",
    "ProximalPoint",
    "QLSPResult",
    "QSVTInversion",
    "ResidualCorrection",
    "Solver",
    "Step",
    "SystemModel",
    "Verdict",
    "cks_inverse",
    "compare",
    "count_queries",
    "direction_error",
    "eigenstate_filter",
    "error_split",
    "expectation_value",
    "figure_two",
    "graph_laplacian",
    "inverse_degree",
    "kappa_hat",
    "kernel_reflection",
    "minimax_inverse",
    "noise_sweep",
    "overlap",
    "poisson",
    "poisson_model",
    "proximal_eta",
    "random_system",
    "ridge_regression",
    "symmetric_phases",
    "tomography",
]
