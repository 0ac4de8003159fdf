"""The reports themselves, schema `ocrprof/1`."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from ocrprof.results.doctor import (
    BytecodeTree,
    Cache,
    GpuState,
    Interpreter,
    InterpreterStarts,
    Mount,
    Processors,
    Resources,
    WandbState,
)
from ocrprof.results.model.ablation import AblationReport
from ocrprof.results.model.action_plan import ActionPlan
from ocrprof.results.model.bytecode import Compilation
from ocrprof.results.model.calls import CallCounts
from ocrprof.results.model.check import CheckReport
from ocrprof.results.model.compare import ComparisonReport
from ocrprof.results.model.context import Environment, Observer, TargetInfo, Tool
from ocrprof.results.model.deprecations import DeprecatedModule
from ocrprof.results.model.file_systems import LoadedFrom
from ocrprof.results.model.finding import Finding
from ocrprof.results.model.history import HistoryReport
from ocrprof.results.model.hydra import HydraFigures, Instantiation
from ocrprof.results.model.imports import (
    ImportConditions,
    ImportRow,
    MilestoneUsage,
    PackageRow,
    ProcessImports,
    Saving,
    SourceReading,
    WhatIf,
    Why,
)
from ocrprof.results.model.loops import LoopStatistics, Memory
from ocrprof.results.model.processes import RankFigures, WorkerGroup
from ocrprof.results.model.repeats import Repeats
from ocrprof.results.model.run_pairs import ColdStarts, Overhead
from ocrprof.results.model.runs import Run, Segment
from ocrprof.results.model.samples import Samples
from ocrprof.results.model.sweep import SweepReport
from ocrprof.results.model.values import Value
from ocrprof.results.model.work import Construction, FileAccess, FileScan, NetworkWait
from ocrprof.target import Probe

SCHEMA = "ocrprof/1"


class StartupReport(Value):
    """`kind: startup`."""

    schema_: Literal["ocrprof/1"] = Field(default="ocrprof/1", alias="schema")
    kind: Literal["startup"] = "startup"
    created: str
    tool: Tool
    target: TargetInfo
    environment: Environment
    observer: Observer
    until: str
    probe: Probe | None = Field(default=None, description="the question put to the target; its argv ends with it")
    cache: Literal["warm", "cold"] = Field(default="warm", description="of the page cache before each counted run")
    repeats: Repeats | None = Field(default=None, description="None in reports of older versions")
    overhead: Overhead | None = None
    cold: ColdStarts | None = None
    runs: list[Run]
    summary: dict[str, Any] = {}  # Any: `time_to_<milestone>_seconds`, `phases`, recomputed from runs: Statistic dumps
    timeline: list[Segment] = Field(
        default=[],
        description="of the run that the tables tell of: the main process with its launchers from spawn to end, "
        "without a gap; of the others what is known to be a phase",
    )
    imports: list[ImportRow] = []
    packages: list[PackageRow] = []
    import_conditions: ImportConditions | None = None
    process_imports: list[ProcessImports] = Field(default=[], description="of every process that loaded anything")
    usage: list[MilestoneUsage] = []
    inserted_modules: list[str] = []
    instantiations: list[Instantiation] = []
    constructions: list[Construction] = []
    hydra: HydraFigures | None = Field(default=None, description="None for a program that composed nothing")
    file_access: list[FileAccess] = Field(default=[], description="at level full, up to the first step")
    loaded_from: list[LoadedFrom] = Field(default=[], description="file systems of the modules' trees")
    file_scans: list[FileScan] = Field(default=[], description="at level full, up to the first step")
    network: list[NetworkWait] = Field(default=[], description="at level full")
    calls: CallCounts | None = Field(default=None, description="at level full, from two further runs")
    deprecated_modules: list[DeprecatedModule] = []
    compilation: Compilation | None = Field(default=None, description="None where every module had its bytecode")
    workers: list[WorkerGroup] = []
    ranks: RankFigures | None = Field(default=None, description="None where there are not several")
    samples: Samples | None = Field(default=None, description="at level full, from a further run")
    sources: SourceReading | None = None
    savings: list[Saving] = []
    why: Why | None = None
    what_if: WhatIf | None = None
    findings: list[Finding] = []
    plan: ActionPlan | None = Field(default=None, description="None before it was judged, and of an unfinished start")

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class BaselineReport(Value):
    """`kind: baseline`: a start-up report and one measured training run."""

    schema_: Literal["ocrprof/1"] = Field(default="ocrprof/1", alias="schema")
    kind: Literal["baseline"] = "baseline"
    created: str
    tool: Tool
    target: TargetInfo
    environment: Environment
    observer: Observer
    startup: StartupReport | None
    run: Run | None
    loops: list[LoopStatistics] = []
    memory: Memory | None = None
    limits: dict[str, Any] = {}  # Any: what the measurement imposed on the target (num_train_batches, …)
    config: dict[str, Any] = {}  # Any: the target's composed configuration, credentials masked
    metrics: dict[str, float] = Field(default={}, description="the audited keys, `performance/val_batch_mean` …")
    logged_metrics: dict[str, float] = Field(default={}, description="what the target logged itself, last values")
    findings: list[Finding] = []

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class DoctorReport(Value):
    """`kind: doctor`: an interpreter, the machine and the folders under it; no program was started to be measured."""

    schema_: Literal["ocrprof/1"] = Field(default="ocrprof/1", alias="schema")
    kind: Literal["doctor"] = "doctor"
    created: str
    tool: Tool
    target: TargetInfo = Field(description="the interpreter as it was named, and the project's folder")
    environment: Environment
    seconds: float = Field(description="how long the examination took")
    interpreter: Interpreter
    starts: InterpreterStarts
    mounts: list[Mount] = []
    bytecode: list[BytecodeTree] = []
    processors: Processors
    resources: Resources
    gpus: list[GpuState] = []
    gpu_start_seconds: float | None = Field(default=None, description="of opening the driver; None without one")
    caches: list[Cache] = []
    wandb: WandbState
    not_read: list[str] = Field(default=[], description="what could not be read or measured, and why")
    findings: list[Finding] = []

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


Report = StartupReport | BaselineReport
"""What is told of a target's runs."""


AnyReport = Report | DoctorReport | AblationReport | CheckReport | SweepReport | ComparisonReport | HistoryReport
"""What a report.json may hold."""
