"""The schema of `report.json`, `ocrprof/1`. SI units, the unit in the name; raw samples are kept beside statistics."""

from ocrprof.results.model.calls import CallCounts, RepeatedCalls
from ocrprof.results.model.checks import ColdPair, ColdStarts, FileSize, Overhead, OverheadPair
from ocrprof.results.model.context import Environment, Gpu, Observer, TargetInfo, Tool
from ocrprof.results.model.deprecations import DeprecatedModule
from ocrprof.results.model.hydra import Calls, Composition, ConfigFile, Conversion, HydraFigures, Instantiation
from ocrprof.results.model.imports import (
    Hop,
    ImportParts,
    ImportRow,
    LazyPair,
    PackageRow,
    Saving,
    SourceReading,
    Touch,
    Verification,
    WhatIf,
    Why,
)
from ocrprof.results.model.loops import LoopStatistics, Memory, MemorySample
from ocrprof.results.model.reports import (
    SCHEMA,
    AnyReport,
    BaselineReport,
    DoctorReport,
    Finding,
    Report,
    StartupReport,
)
from ocrprof.results.model.runs import PHASES, Milestone, Phase, Process, Run, RunStatus, Segment
from ocrprof.results.model.values import Location, Part, Priority, Statistic, Value
from ocrprof.results.model.work import Construction, FileAccess, NetworkWait

__all__ = [
    "PHASES",
    "SCHEMA",
    "AnyReport",
    "BaselineReport",
    "CallCounts",
    "Calls",
    "ColdPair",
    "ColdStarts",
    "Composition",
    "ConfigFile",
    "Construction",
    "Conversion",
    "DeprecatedModule",
    "DoctorReport",
    "Environment",
    "FileAccess",
    "FileSize",
    "Finding",
    "Gpu",
    "Hop",
    "HydraFigures",
    "ImportParts",
    "ImportRow",
    "Instantiation",
    "LazyPair",
    "Location",
    "LoopStatistics",
    "Memory",
    "MemorySample",
    "Milestone",
    "NetworkWait",
    "Observer",
    "Overhead",
    "OverheadPair",
    "PackageRow",
    "Part",
    "Phase",
    "Priority",
    "Process",
    "RepeatedCalls",
    "Report",
    "Run",
    "RunStatus",
    "Saving",
    "Segment",
    "SourceReading",
    "StartupReport",
    "Statistic",
    "TargetInfo",
    "Tool",
    "Touch",
    "Value",
    "Verification",
    "WhatIf",
    "Why",
]
