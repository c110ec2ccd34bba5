from .events import Finished as Finished
from .events import LevelFound as LevelFound
from .events import Note as Note
from .events import Progress as Progress
from .events import RoundDone as RoundDone
from .result import ExcitedStatesResult as ExcitedStatesResult
from .solver import ExcitedStates as ExcitedStates

__all__ = [
    "ExcitedStates",
    "ExcitedStatesResult",
    "Finished",
    "LevelFound",
    "Note",
    "Progress",
    "RoundDone",
]
