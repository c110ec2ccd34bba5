from .ansatz import hamiltonian_variational as hamiltonian_variational
from .ansatz import hardware_efficient as hardware_efficient
from .block_encodings import BlockEncoding as BlockEncoding
from .block_encodings import Dilation as Dilation
from .block_encodings import Shifted as Shifted
from .block_encodings import UserEncoding as UserEncoding
from .block_encodings_entries import Banded as Banded
from .block_encodings_entries import Fable as Fable
from .block_encodings_lcu import PauliLCU as PauliLCU
from .block_encodings_lcu import PoissonShifts as PoissonShifts
from .cross_terms import cross_term_circuit as cross_term_circuit
from .cross_terms import cross_term_observable as cross_term_observable
from .cross_terms import overlap_circuit as overlap_circuit
from .hamiltonians import heisenberg as heisenberg
from .hamiltonians import max_cut as max_cut
from .hamiltonians import tfim as tfim
from .hamiltonians import xxz as xxz
from .max3cut_encodings import Max3CutEncoding as Max3CutEncoding
from .max3cut_encodings import max3cut_encoding as max3cut_encoding
from .max3cut_qaoa import max3cut_qaoa as max3cut_qaoa
from .max3cut_qaoa import pennylane_qaoa as pennylane_qaoa
from .molecules import Molecule as Molecule
from .molecules import molecule as molecule
from .oracles import count_queries as count_queries
from .oracles import oracle_gate as oracle_gate
from .particles import magnetization_conserving as magnetization_conserving
from .particles import particle_conserving as particle_conserving
from .qaoa_layers import qaoa as qaoa
from .qasm3 import read_qasm3 as read_qasm3
from .qsvt import qsvt_circuit as qsvt_circuit
from .rotations import RotationForm as RotationForm
from .rotations import rotation_form as rotation_form
from .sectors import Sector as Sector
from .sectors import find_sector as find_sector
from .state_preparation import PreparationTemplate as PreparationTemplate
from .state_preparation import preparation_template as preparation_template
from .state_preparation import prepare_state as prepare_state

__all__ = [
    "Max3CutEncoding",
    "max3cut_encoding",
    "max3cut_qaoa",
    "pennylane_qaoa",
    "BlockEncoding",
    "Dilation",
    "Shifted",
    "UserEncoding",
    "Banded",
    "Fable",
    "PauliLCU",
    "PoissonShifts",
    "count_queries",
    "oracle_gate",
    "qsvt_circuit",
    "PreparationTemplate",
    "preparation_template",
    "prepare_state",
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
