from .classical import EigenResult as EigenResult
from .classical import rank1_bound as rank1_bound
from .classical import shifted as shifted
from .classical import staggered_starts as staggered_starts
from .classical import top_eigenvectors as top_eigenvectors
from .events import Finished as Finished
from .events import LevelFound as LevelFound
from .events import Note as Note
from .events import Progress as Progress
from .events import RoundDone as RoundDone
from .functions import eigengame as eigengame
from .functions import excited_states as excited_states
from .functions import hotelling as hotelling
from .functions import ssvqe as ssvqe
from .functions import vqd as vqd
from .functions import window_states as window_states
from .players import PlayerJob as PlayerJob
from .players import PlayerRounds as PlayerRounds
from .result import ExcitedStatesResult as ExcitedStatesResult
from .scanning import ScanPoint as ScanPoint
from .scanning import ScanResult as ScanResult
from .scanning import scan as scan
from .solver import ExcitedStates as ExcitedStates

__all__ = [
    "EigenResult",
    "ExcitedStates",
    "ExcitedStatesResult",
    "Finished",
    "LevelFound",
    "Note",
    "PlayerJob",
    "PlayerRounds",
    "Progress",
    "RoundDone",
    "ScanPoint",
    "ScanResult",
    "eigengame",
    "excited_states",
    "hotelling",
    "rank1_bound",
    "scan",
    "shifted",
    "ssvqe",
    "staggered_starts",
    "top_eigenvectors",
    "vqd",
    "window_states",
]
