from .auto_program import ReferenceObservable as ReferenceObservable
from .auto_program import ReferenceProgram as ReferenceProgram
from .auto_program import exact_observable as exact_observable
from .auto_program import exact_program as exact_program
from .compiled_estimator import CompiledEstimator as CompiledEstimator
from .compiled_sampler import CompiledSampler as CompiledSampler
from .compiler import Program as Program
from .compiler import compile_circuit as compile_circuit
from .devices import fake_names as fake_names
from .devices import load_backend as load_backend
from .lightcone import light_cone as light_cone
from .noisy import NoisyEstimator as NoisyEstimator
from .noisy_sampler import NoisySampler as NoisySampler
from .observables import CompiledObservable as CompiledObservable
from .observables import compile_observable as compile_observable
from .pennylane_bridge import from_pennylane as from_pennylane
from .pennylane_bridge import observable_from_pennylane as observable_from_pennylane
from .pennylane_bridge import observable_to_pennylane as observable_to_pennylane
from .pennylane_bridge import to_pennylane as to_pennylane
from .pennylane_estimator import PennyLaneEstimator as PennyLaneEstimator
from .runtime import RuntimeEstimator as RuntimeEstimator
from .runtime import RuntimeSampler as RuntimeSampler
from .runtime_isa import check_isa as check_isa
from .snapshot import DeviceSnapshot as DeviceSnapshot
from .snapshot_problems import Problem as Problem
from .snapshot_summary import DeviceSummary as DeviceSummary
from .snapshot_summary import summarise as summarise

__all__ = [
    "CompiledEstimator",
    "CompiledObservable",
    "CompiledSampler",
    "DeviceSnapshot",
    "DeviceSummary",
    "NoisyEstimator",
    "NoisySampler",
    "PennyLaneEstimator",
    "Problem",
    "Program",
    "ReferenceObservable",
    "ReferenceProgram",
    "RuntimeEstimator",
    "RuntimeSampler",
    "check_isa",
    "compile_circuit",
    "compile_observable",
    "exact_observable",
    "exact_program",
    "fake_names",
    "from_pennylane",
    "light_cone",
    "load_backend",
    "summarise",
    "observable_from_pennylane",
    "observable_to_pennylane",
    "to_pennylane",
]
