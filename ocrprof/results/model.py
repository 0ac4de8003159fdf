"""The schema of `report.json`, `ocrprof/1`. SI units, the unit in the name; raw samples are kept beside statistics."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

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
from ocrprof.target import Probe

SCHEMA = "ocrprof/1"

PHASES = (
    "interpreter",
    "site",
    "imports",
    "config",
    "data",
    "model",
    "loggers",
    "trainer",
    "workers",
    "sanity_check",
    "first_batch",
    "first_step",
    "after_first_step",
    "unattributed",
    "exit",
)
"""Exclusive, in the order in which a start usually passes through them; they add up to the wall time."""

Milestone = Literal["imports", "config", "model", "data", "first-batch", "first-step", "exit"]
Priority = Literal["P0", "P1", "P2", "P3"]
RunStatus = Literal["reached", "crashed", "ended_early", "timed_out", "interrupted", "not_recorded", "probe_ignored"]


class Value(BaseModel):
    """Base of every part of a report: unknown keys are errors, values do not change."""

    # A loss can be NaN, which JSON has no number for: "NaN" reads back as the same float.
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class Location(Value):
    """A line of source. `file` is as the interpreter named it, absolute where it could be made so."""

    file: str
    line: int


class Tool(Value):
    """Which ocrprof wrote the report; `commit` where it ran from a git checkout."""

    version: str
    commit: str | None = None


class TargetInfo(Value):
    """The command that was measured, verbatim, and a hash of the configuration it composed (none without Hydra)."""

    argv: list[str]
    cwd: str
    bundled: bool = False
    config_hash: str | None = None


class Gpu(Value):
    """One device as NVML names it."""

    name: str
    memory_bytes: int
    driver: str


class Environment(Value):
    """The machine and the software under the measurement."""

    cpu: str
    num_cores_usable: float
    num_cores_present: int
    memory_bytes: int
    gpus: list[Gpu] = []
    os: str
    python: str
    libraries: dict[str, str] = {}
    file_systems: dict[str, str] = {}
    git_commit: str | None = None
    load_average: float | None = None
    notes: list[str] = []


class Observer(Value):
    """What measuring cost: records written and lost, seconds the hooks took (calibrated: count times unit cost)."""

    records: int
    dropped: int
    cost_seconds: float
    notes: list[str] = []


class Phase(Value):
    """Exclusive seconds of one phase in one run."""

    name: str
    seconds: float


class Segment(Value):
    """A piece of one process's time in one phase. The pieces of a process do not overlap."""

    pid: int
    phase: str
    start_seconds: float = Field(description="from the spawn of the target")
    seconds: float


class Process(Value):
    """One recorded process of the target's tree."""

    pid: int
    parent_pid: int
    role: Literal["main", "worker", "rank", "launcher", "helper"]
    argv: list[str]
    start_seconds: float = Field(description="from the spawn of the target to this process's recorder")
    end_seconds: float | None = None
    num_loads: int = 0


class Run(Value):
    """One fresh process of the target. `wall_seconds` runs from spawn to the milestone, or to the end without one."""

    wall_seconds: float
    exit_code: int | None
    until: str
    status: RunStatus
    reached: bool
    warmup: bool = False
    phases: list[Phase] = []
    processes: list[Process] = []
    failing_phase: str | None = None
    stderr_tail: list[str] = []
    stack: list[str] = Field(default=[], description="of a target that hung, where py-spy could look")
    imports_anywhere_seconds: float = 0.0
    cpu_seconds: float | None = None


class Statistic(Value):
    """Median and spread of n values; `ci95` is the bootstrap 95 % interval of the median (none for n < 3)."""

    median: float
    mad: float
    ci95: tuple[float, float] | None = None
    n: int


class ImportRow(Value):
    """One module load. Self time excludes the loads nested in it. `importer` is the line that asked for it."""

    module: str
    self_seconds: float
    inclusive_seconds: float
    start_seconds: float
    route: str
    importer: Location | None = None
    importer_module: str | None = None
    file: str | None = None
    kind: str = Field(default="other", description="source, extension, builtin, frozen, namespace or other")
    phase: str
    pid: int
    depth: int
    thread: int = 0
    ok: bool = True
    error: str | None = None


class PackageRow(Value):
    """The loads of one top-level package, summed over its modules; `first_importer` is who asked for it first.

    `dominated_seconds` is the self time of all that came in only through this package: what a start without it would
    have saved at most (an import of something already loaded leaves no record, so a second way in can stay unseen).
    """

    package: str
    owner: Literal["program", "installed", "stdlib"] = "installed"
    self_seconds: float
    inclusive_seconds: float
    dominated_seconds: float = 0.0
    dominated_packages: list[str] = Field(default=[], description="the others among them, the longest first")
    num_modules: int
    first_importer: Location | None = None
    chain: list[str] = Field(default=[], description="from the program's own file to the package, `module (file:line)`")


class Instantiation(Value):
    """One Hydra target with one set of arguments. `seconds` is inclusive, of all `count` calls together."""

    target: str
    config_path: str
    config_paths: list[str] = []
    count: int
    seconds: float
    each_seconds: list[float] = []
    duplicate: bool
    location: Location | None = None
    callers: list[Location] = Field(default=[], description="the lines that called `instantiate`")
    overhead_seconds: float | None = Field(
        default=None, description="Hydra's own work on the node before it calls the target, without imports"
    )
    imports_seconds: float | None = Field(
        default=None, description="loading modules: to find the target, and inside its call"
    )


class FileAccess(Value):
    """Files opened and folders listed by Python code in one folder, while one kind of work went on."""

    phase: str
    during: str | None = Field(default=None, description="the innermost span that decides the phase")
    folder: str
    num_opened: int
    num_listed: int
    num_by_imports: int


class NetworkWait(Value):
    """Connections to a host and look-ups of its name; `seconds` is of those that Python's `socket` module made."""

    phase: str
    host: str
    num_connections: int
    num_lookups: int
    seconds: float


class Part(Value):
    """An exclusive share of something timed; the parts of one whole add up to it."""

    name: str
    seconds: float
    location: Location | None = None


class ConfigFile(Value):
    """One configuration file that Hydra read, `count` times: each composition reads it again."""

    path: str
    own: bool = Field(description="False for the files that come with Hydra and its plugins")
    count: int
    seconds: float


class Composition(Value):
    """One composition of a configuration. The four parts are exclusive; `seconds` holds more than them."""

    config: str | None
    purpose: str = Field(description="`get_mode` or `run` of hydra.main, else the function that asked for it")
    location: Location | None = Field(default=None, description="the line outside Hydra that led to it")
    start_seconds: float
    seconds: float
    num_configs: int | None = Field(default=None, description="entries of the list of defaults")
    depth: int | None = Field(default=None, description="of the program's own tree of defaults")
    num_files: int
    num_overrides: int | None = None
    num_deepcopies: int | None = None
    overrides_seconds: float
    read_seconds: float
    defaults_seconds: float = Field(description="building the tree of defaults, without reading its files")
    merge_seconds: float


class Calls(Value):
    """Calls of one function and their exclusive seconds: what it calls of the same table is not in them."""

    name: str
    count: int
    seconds: float
    location: Location | None = None


class Conversion(Value):
    """A call of `instantiate` for which Hydra turned that many elements of plain containers into its own nodes."""

    num_elements: int
    seconds: float
    location: Location | None = None


class HydraFigures(Value):
    """What configuration by Hydra and OmegaConf cost the main process, up to the milestone."""

    seconds: float = Field(description="in which any part of it ran, once each; not `instantiate`")
    plugins_seconds: float = 0.0
    plugins: list[Part] = Field(default=[], description="modules that the plugin scan loaded, the longest first")
    logging_seconds: float = 0.0
    compositions: list[Composition] = []
    files: list[ConfigFile] = Field(default=[], description="the longest first")
    omegaconf: list[Calls] = Field(default=[], description="conversions, and `parse` of interpolations")
    resolvers: list[Calls] = Field(default=[], description="the longest first")
    instantiate_calls: int = 0
    instantiate_overhead_seconds: float = Field(
        default=0.0, description="in `instantiate`, but in no target and in no import"
    )
    conversions: list[Conversion] = Field(default=[], description="of 10,000 elements and more")


class Construction(Value):
    """One timed construction or call during the start: a LightningModule, a data set, a logger, a Trainer."""

    kind: str
    name: str
    seconds: float
    self_seconds: float
    start_seconds: float
    phase: str
    location: Location | None = None
    attributes: dict[str, Any] = {}  # Any: a hook's own facts (num_workers, lengths), JSON values only
    parts: list[Part] = Field(default=[], description="of a LightningModule's `__init__`: what it spends its time on")


class Finding(Value):
    """One thing to change (or to know): measured seconds, where, the evidence, and what to do about it."""

    code: str
    title: str
    priority: Priority
    seconds: float
    share: float = Field(description="of the measured time the priority was judged by")
    location: Location | None = None
    evidence: dict[str, Any] = {}  # Any: figures and names by label, JSON values only
    advice: str


class Hop(Value):
    """A module on the way to another one, and its line that leads on; None where that line is not known, or the end."""

    module: str
    location: Location | None = None


class Touch(Value):
    """The moment at which a module was first needed: `how` says by what, `location` is the line."""

    phase: str
    start_seconds: float
    location: Location | None = None
    how: str


class Why(Value):
    """How a module came to be loaded. Importers that depend on the module itself are not told.

    `dominated_seconds` is the self time of the `num_dominated` modules that nothing else leads to, itself included.
    """

    module: str
    phase: str
    self_seconds: float
    dominated_seconds: float
    num_dominated: int
    chain: list[Hop] = Field(description="from the program's file to the first load of the module")
    importers: list[Hop] = Field(default=[], description="the others that would have loaded it anyway")
    other_chains: list[list[Hop]] = Field(default=[], description="the shortest ways through the first of them")
    deferred: list[Hop] = Field(default=[], description="those that import it inside a function")


class Saving(Value):
    """A heavy import, and what deferring it would save by prediction: `seconds` of self time that would not be spent.

    `used` is a use that the records show before the milestone: the load would then only move there.
    """

    module: str
    owner: Literal["program", "installed", "stdlib"] = "installed"
    seconds: float
    num_modules: int
    packages: list[Part] = Field(default=[], description="what it is made of, the longest first")
    lines: list[Location] = Field(default=[], description="the program's, to be deferred; none: not in its hands")
    held_by: list[Hop] = Field(default=[], description="the importers in whose hands it is, where `lines` is empty")
    used: Touch | None = None


class LazyPair(Value):
    """One ordinary run and one with the module loaded lazily, taken in turn; loads are those of the whole run."""

    lazy_first: bool
    ordinary_seconds: float
    lazy_seconds: float
    ordinary_loading_seconds: float
    lazy_loading_seconds: float


class Verification(Value):
    """What loading a module lazily did save: medians of the paired differences, ordinary run minus lazy one.

    `refused`: why the module cannot be lazy. `failure`: how a run ended that did not reach the milestone with it.
    """

    seed: int = Field(description="of the random order within the pairs")
    pairs: list[LazyPair] = []
    saving: Statistic | None = None
    loading_saving: Statistic | None = None
    num_not_loaded: int = Field(default=0, description="of the predicted modules, in the last lazy run")
    loaded_anyway: list[str] = Field(default=[], description="the others of them")
    touch: Touch | None = Field(default=None, description="what loaded the module before the milestone after all")
    refused: str | None = None
    failure: str | None = None
    stderr_tail: list[str] = []


class WhatIf(Value):
    """What a start without one module would save: predicted by the self time of all `modules` that it dominates."""

    module: str
    phase: str = Field(description="in which it is loaded")
    predicted_seconds: float = Field(description="median of the counted runs")
    num_modules: int
    modules: list[str] = []
    packages: list[Part] = []
    used: Touch | None = None
    verification: Verification | None = None


class SourceReading(Value):
    """The reading of the loaded modules' source files for their imports: after the runs, in no measured time."""

    num_files: int
    num_unreadable: int = 0
    seconds: float


class OverheadPair(Value):
    """Two starts, one after the other: recorded as all others, and with the marks of the milestones alone."""

    recorded_seconds: float
    marks_only_seconds: float
    recorded_first: bool


class Overhead(Value):
    """What recording added to a start, measured by pairs in random order; `seed` gives that order again."""

    seed: int
    pairs: list[OverheadPair]
    stopped_by: RunStatus | None = Field(default=None, description="how the run ended that ended the check early")
    difference_seconds: Statistic | None = Field(default=None, description="recorded less marks only, within a pair")
    marks_only_seconds: Statistic | None = None


class FileSize(Value):
    """A file, and bytes of it."""

    path: str
    bytes: int


class ColdPair(Value):
    """A start with the files that it reads out of the page cache, and the next one, which finds them there."""

    cold_seconds: float
    warm_seconds: float


class ColdStarts(Value):
    """Cold starts against warm ones. Only the page cache was cold: not directory entries, nor a server's cache."""

    num_files: int
    bytes: int
    largest: list[FileSize] = []
    resident_share: float = Field(description="of these bytes, in the page cache after the last eviction")
    resident: list[FileSize] = Field(default=[], description="what stayed, the largest first")
    achieved: bool = Field(description="False: no eviction left a twentieth or less, so there is no cold figure")
    pairs: list[ColdPair] = []
    stopped_by: RunStatus | None = Field(default=None, description="how the run ended that ended the pairs early")
    cold_seconds: Statistic | None = None
    warm_seconds: Statistic | None = None
    difference_seconds: Statistic | None = Field(default=None, description="cold less warm, within a pair")


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
    inserted_modules: list[str] = []
    instantiations: list[Instantiation] = []
    constructions: list[Construction] = []
    hydra: HydraFigures | None = Field(default=None, description="None for a program that composed nothing")
    file_access: list[FileAccess] = Field(default=[], description="at level full, up to the first step")
    network: list[NetworkWait] = Field(default=[], description="at level full")
    sources: SourceReading | None = None
    savings: list[Saving] = []
    why: Why | None = None
    what_if: WhatIf | None = None
    findings: list[Finding] = []

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class LoopStatistics(Value):
    """Batch times of one loop, every one in order; the statistics leave out the first `num_warmup`."""

    name: Literal["train", "validation"]
    num_batches: int
    num_warmup: int
    total_seconds: float
    mean_seconds: float | None
    median_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None
    std_seconds: float | None
    samples_per_sec: float | None = None
    batch_size: int | None = None
    num_workers: int | None = None
    batch_seconds: list[float] = []
    parts: dict[str, list[float]] = Field(
        default={}, description="exclusive seconds of each part of each batch: fetch, transfer, forward, …"
    )
    part_locations: dict[str, Location] = {}
    outside_batches: list[Part] = Field(
        default=[], description="the rest of `total_seconds`, before, between and after the batches, the longest first"
    )


class MemorySample(Value):
    """The target's process tree at one moment. PSS counts shared pages once; GPU bytes are the tree's own."""

    at_seconds: float
    rss_bytes: int
    pss_bytes: int | None = None
    num_processes: int
    gpu_bytes: int | None = None
    gpu_util_percent: float | None = None


class Memory(Value):
    """Peaks of the process tree, and the CUDA allocator's own peaks where there is one."""

    peak_rss_bytes: int
    peak_pss_bytes: int | None = None
    share_of_machine: float
    gpu_allocated_bytes: int | None = None
    gpu_reserved_bytes: int | None = None
    gpu_peak_bytes: int | None = None
    samples: list[MemorySample] = []


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
AnyReport = Report | DoctorReport
"""What a report.json may hold."""
