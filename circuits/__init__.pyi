from .ansatz import hamiltonian_variational as hamiltonian_variational
from .ansatz import hardware_efficient as hardware_efficient
from .hamiltonians import heisenberg as heisenberg
from .hamiltonians import max_cut as max_cut
from .hamiltonians import tfim as tfim
from .hamiltonians import xxz as xxz
from .molecules import Molecule as Molecule
from .molecules import molecule as molecule
from .particles import magnetization_conserving as magnetization_conserving
from .particles import particle_conserving as particle_conserving
from .qaoa_layers import qaoa as qaoa
from .qasm3 import read_qasm3 as read_qasm3
from .sectors import Sector as Sector
from .sectors import find_sector as find_sector

from .cross_terms import cross_term_circuit as cross_term_circuit
from .cross_terms import cross_term_observable as cross_term_observable
from .cross_terms import overlap_circuit as overlap_circuit
from .rotations import RotationForm as RotationForm
from .rotations import rotation_form as rotation_form

__all__ = [
    "Molecule",
    "RotationForm",
    "Sector",
    "cross_term_circuit",
    "cross_term_observable",
    "find_sector",
    "hamiltonian_variational",
    "hardware_efficient",
    "heisenberg",
    "magnetization_conserving",
    "max_cut",
    "molecule",
    "overlap_circuit",
    "particle_conserving",
    "qaoa",
    "read_qasm3",
    "rotation_form",
    "tfim",
    "xxz",
]
