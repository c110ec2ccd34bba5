from .bounds import UpperBound as UpperBound
from .bounds import upper_bound as upper_bound
from .form import FormResult as FormResult
from .form import maximize_form as maximize_form
from .generators import gnm as gnm
from .generators import planar_union as planar_union
from .generators import planted as planted
from .generators import regular as regular
from .generators import sbm as sbm
from .generators import torus as torus
from .instances import Verification as Verification
from .instances import fingerprint as fingerprint
from .instances import read_gset as read_gset
from .instances import verify_gset as verify_gset
from .instances import write_gset as write_gset
from .problem import Notice as Notice
from .problem import Problem as Problem
from .problem import as_problem as as_problem
from .qaoa import QaoaResult as QaoaResult
from .qaoa import VqaJob as VqaJob
from .qaoa import run_qaoa as run_qaoa
from .qaoa import vqa_job as vqa_job
from .qaoa_machines import noisy_primitives as noisy_primitives
from .registry import BEST_KNOWN as BEST_KNOWN
from .registry import BestKnown as BestKnown
from .registry import best_known as best_known
from .report import compare as compare
from .result import Candidate as Candidate
from .result import Max3CutResult as Max3CutResult
from .result import Progress as Progress
from .rivals import dsatur as dsatur
from .rivals import dwave_annealer as dwave_annealer
from .rivals import exact_cpsat as exact_cpsat
from .rivals import exact_milp as exact_milp
from .rivals import frieze_jerrum as frieze_jerrum
from .rivals import greedy as greedy
from .solver import iter_cells as iter_cells
from .solver import iter_max3cut as iter_max3cut
from .solver import max3cut as max3cut
from .table import ResultsTable as ResultsTable
from .table import Row as Row

__all__ = [
    "gnm",
    "planar_union",
    "planted",
    "regular",
    "sbm",
    "torus",
    "noisy_primitives",
    "QaoaResult",
    "run_qaoa",
    "vqa_job",
    "VqaJob",
    "compare",
    "ResultsTable",
    "Row",
    "dsatur",
    "dwave_annealer",
    "exact_cpsat",
    "exact_milp",
    "frieze_jerrum",
    "greedy",
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
