from .compiled_estimator import CompiledEstimator as CompiledEstimator
from .compiled_sampler import CompiledSampler as CompiledSampler
from .compiler import compile_circuit as compile_circuit
from .compiler import Program as Program
from .devices import fake_names as fake_names
from .devices import load_backend as load_backend
from .lightcone import light_cone as light_cone
from .noisy import NoisyEstimator as NoisyEstimator
from .observables import compile_observable as compile_observable
from .noisy_sampler import NoisySampler as NoisySampler
from .observables import CompiledObservable as CompiledObservable
from .runtime import RuntimeEstimator as RuntimeEstimator
from .runtime import RuntimeSampler as RuntimeSampler
from .runtime_isa import check_isa as check_isa
from .snapshot import DeviceSnapshot as DeviceSnapshot
from .snapshot_problems import Problem as Problem

__all__ = [
    "CompiledEstimator",
    "CompiledObservable",
    "CompiledSampler",
    "DeviceSnapshot",
    "NoisyEstimator",
    "NoisySampler",
    "Problem",
    "Program",
    "RuntimeEstimator",
    "RuntimeSampler",
    "check_isa",
    "compile_circuit",
    "compile_observable",
    "fake_names",
    "light_cone",
    "load_backend",
]
