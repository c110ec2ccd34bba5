from .bounds import UpperBound as UpperBound
from .bounds import upper_bound as upper_bound
from .form import FormResult as FormResult
from .form import maximize_form as maximize_form
from .instances import Verification as Verification
from .instances import fingerprint as fingerprint
from .instances import read_gset as read_gset
from .instances import verify_gset as verify_gset
from .instances import write_gset as write_gset
from .problem import Notice as Notice
from .problem import Problem as Problem
from .problem import as_problem as as_problem
from .registry import BEST_KNOWN as BEST_KNOWN
from .registry import BestKnown as BestKnown
from .registry import best_known as best_known
from .result import Candidate as Candidate
from .result import Max3CutResult as Max3CutResult
from .result import Progress as Progress
from .solver import iter_cells as iter_cells
from .solver import iter_max3cut as iter_max3cut
from .solver import max3cut as max3cut

__all__ = [
    "BEST_KNOWN",
    "BestKnown",
    "Candidate",
    "FormResult",
    "Max3CutResult",
    "Notice",
    "Problem",
    "Progress",
    "UpperBound",
    "Verification",
    "as_problem",
    "best_known",
    "fingerprint",
    "iter_cells",
    "iter_max3cut",
    "max3cut",
    "maximize_form",
    "read_gset",
    "upper_bound",
    "verify_gset",
    "write_gset",
]
