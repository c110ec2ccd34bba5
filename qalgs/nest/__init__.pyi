from .campaign import Campaign as Campaign
from .chip import Chip as Chip
from .convergence import Convergence as Convergence
from .costs import CostModel as CostModel
from .costs import circuit_seconds as circuit_seconds
from .crosstalk import CoherentZZ as CoherentZZ
from .crosstalk import Crosstalk as Crosstalk
from .crosstalk import ErrorInflation as ErrorInflation
from .crosstalk import NoCrosstalk as NoCrosstalk
from .crosstalk import make_crosstalk as make_crosstalk
from .drift import Change as Change
from .drift import Revision as Revision
from .drift import plan_with_drift as plan_with_drift
from .drift import revise as revise
from .estimator_executor import EstimatorExecutor as EstimatorExecutor
from .executor import Executor as Executor
from .executor import LocalExecutor as LocalExecutor
from .frontiers import Frontier as Frontier
from .frontiers import frontier as frontier
from .jobs import Job as Job
from .joint import joint_circuit as joint_circuit
from .joint import joint_expectations as joint_expectations
from .joint_executor import JointExecutor as JointExecutor
from .layout_plugin import EspLayout as EspLayout
from .layout_plugin import EspLayoutPlugin as EspLayoutPlugin
from .layout_plugin import target_esp as target_esp
from .layouts import Layout as Layout
from .layouts import LayoutCatalogue as LayoutCatalogue
from .ledger import Ledger as Ledger
from .machine import MergedExecutor as MergedExecutor
from .merge import MergedStep as MergedStep
from .merge import merge as merge
from .merge import place as place
from .metrics import Interval as Interval
from .metrics import bootstrap as bootstrap
from .packing import Packing as Packing
from .packing import pack as pack
from .report_html import write_report as write_report
from .result import CampaignResult as CampaignResult
from .result import JobResult as JobResult
from .schedules import Cosine as Cosine
from .schedules import Custom as Custom
from .schedules import Flat as Flat
from .schedules import InvertedReLU as InvertedReLU
from .schedules import InvertedV as InvertedV
from .schedules import Linear as Linear
from .schedules import Schedule as Schedule
from .schedules import Step as Step
from .schedules import VShape as VShape
from .schedules import make_schedule as make_schedule
from .space_time import FewestSeconds as FewestSeconds
from .space_time import MaxMinEsp as MaxMinEsp
from .space_time import plan as plan
from .space_time_plan import Assignment as Assignment
from .space_time_plan import Plan as Plan
from .strategies import BestMap as BestMap
from .strategies import BestMapRestarts as BestMapRestarts
from .strategies import Nest as Nest
from .strategies import NestJump as NestJump
from .strategies import Qoncord as Qoncord
from .strategies import RandomMap as RandomMap
from .strategies import Reversed as Reversed
from .strategies import Strategy as Strategy
from .strategies import make_strategy as make_strategy
from .study import Study as Study
from .submission import Retry as Retry
from .success import esp as esp
from .success import gate_counts as gate_counts
from .sweeps import Verdict as Verdict
from .sweeps import sweep as sweep
from .training import ExploreRefine as ExploreRefine
from .training import Restarts as Restarts
from .training import SingleRun as SingleRun
from .usage import Rates as Rates
from .walk import QubitWalk as QubitWalk
from .walk import WalkStep as WalkStep

__all__ = [
    "Assignment",
    "BestMap",
    "BestMapRestarts",
    "Campaign",
    "CampaignResult",
    "Change",
    "Chip",
    "CoherentZZ",
    "Convergence",
    "Cosine",
    "CostModel",
    "Crosstalk",
    "Custom",
    "ErrorInflation",
    "EspLayout",
    "EspLayoutPlugin",
    "EstimatorExecutor",
    "Executor",
    "ExploreRefine",
    "FewestSeconds",
    "Flat",
    "Frontier",
    "Interval",
    "InvertedReLU",
    "InvertedV",
    "Job",
    "JobResult",
    "Layout",
    "LayoutCatalogue",
    "Ledger",
    "Linear",
    "LocalExecutor",
    "MaxMinEsp",
    "MergedExecutor",
    "MergedStep",
    "Nest",
    "NestJump",
    "NoCrosstalk",
    "Packing",
    "Plan",
    "Qoncord",
    "QubitWalk",
    "RandomMap",
    "Rates",
    "Restarts",
    "Retry",
    "Reversed",
    "Revision",
    "Schedule",
    "SingleRun",
    "Step",
    "Strategy",
    "Study",
    "JointExecutor",
    "VShape",
    "Verdict",
    "WalkStep",
    "bootstrap",
    "circuit_seconds",
    "esp",
    "frontier",
    "gate_counts",
    "joint_circuit",
    "joint_expectations",
    "make_crosstalk",
    "make_schedule",
    "make_strategy",
    "merge",
    "pack",
    "place",
    "plan",
    "plan_with_drift",
    "revise",
    "sweep",
    "target_esp",
    "write_report",
]
