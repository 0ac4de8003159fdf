"""The facts of an environment: what `ocrprof doctor` reads and measures, before any rule has judged it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

MountRole = Literal["interpreter", "site-packages", "project", "data", "temporary"]
TreeRole = Literal["standard library", "site-packages", "project"]


class Fact(BaseModel):
    """Base of every fact: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Mount(Fact):
    """A folder that a run depends on, the file system under it, and what it takes to look up and to read its files.

    `first` is the first touch by this examination, which pays for what the kernel had not cached; `again` the second.
    A read is open, up to 64 KiB, close. The bulk read takes one large file's beginning.
    """

    role: MountRole
    path: str
    file_system: str = Field(description="type of the mount: ext4, overlay, nfs4, 9p …; `unknown` where unreadable")
    mount_point: str | None = None
    source: str | None = None
    read_only: bool = False
    num_files: int = 0
    stat_first_seconds: list[float] = []
    stat_again_seconds: list[float] = []
    read_first_seconds: list[float] = []
    read_again_seconds: list[float] = []
    bulk_bytes: int = 0
    bulk_seconds: float | None = None
    bulk_cached_share: float | None = Field(default=None, description="held by the kernel; None where it cannot tell")
    error: str | None = None


class Package(Fact):
    """A top-level package or module of a tree, and how many source files it has."""

    name: str
    num_sources: int


class BytecodeTree(Fact):
    """The source files below a folder and their cached bytecode; test folders are left out.

    A package is cold when no file of it has bytecode for this interpreter: nothing has loaded it yet, or nothing was
    allowed to keep the bytecode. In others, a file without bytecode is one that no start has asked for.
    """

    role: TreeRole
    path: str
    num_sources: int
    num_missing: int
    num_checked: int = Field(description="of those with bytecode, compared with their source within the time limit")
    num_stale: int = Field(description="of `num_checked`: older than their source, so compiled anew")
    cold_packages: list[Package] = Field(default=[], description="the largest first")
    num_cold_sources: int = 0
    unwritable: str | None = Field(default=None, description="a folder of a cold package that takes no bytecode")
    complete: bool = Field(default=True, description="False: the walk was cut short by its time limit")
    compile_seconds: list[float] = Field(default=[], description="CPU time of compiling each file of a random sample")
    load_seconds: list[float] = Field(default=[], description="CPU time of loading the same code from its bytecode")


class PathEntry(Fact):
    """One entry of `sys.path`; `expected_absent` for the interpreter's own zip file, which rarely exists."""

    path: str
    exists: bool
    expected_absent: bool = False


class Finder(Fact):
    """An entry of `sys.meta_path` beyond the interpreter's own, and what asking it for an absent module takes."""

    name: str
    lookup_seconds: list[float]


class Distribution(Fact):
    """An installed distribution, by its metadata folder."""

    name: str
    version: str
    path: str


class Interpreter(Fact):
    """The examined Python, told by itself."""

    executable: str
    version: str
    prefix: str
    standard_library: str
    site_packages: list[str]
    dont_write_bytecode: bool
    optimize: int
    pycache_prefix: str | None = None
    path: list[PathEntry]
    lookup_seconds: list[float] = Field(description="of asking every finder for a module that is nowhere")
    finders: list[Finder] = []
    num_distributions: int
    libraries: dict[str, str] = {}
    duplicates: list[Distribution] = Field(default=[], description="those of one name in one folder")
    clashing: list[Distribution] = Field(default=[], description="those that install over each other's files")


class SiteLine(Fact):
    """A line of a `.pth` file that runs code, or a `sitecustomize`; empty `seconds` where it could not be timed."""

    file: str
    line: int
    text: str
    seconds: list[float] = []


class InterpreterStarts(Fact):
    """Wall seconds of empty programs, spawn to exit, taken in turn.

    `bare` is `-I -S`, without `site`; `plain` without options; `launched` by the name that was given, where that is a
    launcher (a pyenv shim) and not the interpreter. `debug_variables` are settings meant for debugging; with any set,
    a program that loads `num_modules` modules of the standard library is timed with and without them.
    """

    bare_seconds: list[float]
    plain_seconds: list[float]
    launched_seconds: list[float] = []
    site_lines: list[SiteLine] = []
    debug_variables: dict[str, str] = {}
    num_modules: int = 0
    with_variables_seconds: list[float] = []
    without_variables_seconds: list[float] = []


class ParallelLoop(Fact):
    """One OpenMP loop over the same memory, shared among `num_threads` threads, and among as many as there are cores.

    By the OpenMP runtime at `runtime`, in a process of the examined interpreter, the two in turn.
    """

    runtime: str
    num_threads: int
    num_fitting: int
    threads_seconds: list[float]
    fitting_seconds: list[float]


class BusyProcess(Fact):
    """Another process and the cores that it kept busy, on average over the examination."""

    pid: int
    name: str
    cores: float


class Processors(Fact):
    """Cores and who else uses them. `wall` and `cpu` are of short loops that do nothing but compute."""

    num_present: int
    num_affinity: int | None = None
    quota_cores: float | None = Field(default=None, description="the cgroup's CPU quota; None without one")
    num_usable: float
    throttled_share: float | None = Field(
        default=None, description="of the cgroup's periods so far, those cut off by its quota"
    )
    thread_variables: dict[str, str] = {}
    num_openmp_threads: int | None = Field(default=None, description="OMP_NUM_THREADS, or OpenMP's default")
    parallel_loop: ParallelLoop | None = None
    loop_wall_seconds: list[float]
    loop_cpu_seconds: list[float]
    others_busy_cores: float | None = Field(
        default=None, description="mean over the examination, our own work left out"
    )
    busiest: list[BusyProcess] = Field(default=[], description="of the processes that can be seen from here")
    load_average: float | None = None
    pressure: dict[str, float] = Field(
        default={}, description="PSI, share of the last 10 s in which some task waited: cpu, memory, io"
    )


class Resources(Fact):
    """Limits that a DataLoader with workers runs into."""

    shared_memory_bytes: int | None = None
    shared_memory_free_bytes: int | None = None
    max_open_files: int
    max_open_files_hard: int | None = Field(default=None, description="what it may be raised to; None: no limit")


class GpuProcess(Fact):
    """A process on a GPU; its name where it can be seen from here."""

    pid: int
    name: str | None = None
    memory_bytes: int | None = None


class GpuState(Fact):
    """A GPU at the moment of the examination, by NVML; None for what the device does not tell."""

    index: int
    name: str
    driver: str
    persistence: bool | None = None
    util_percent: float | None = None
    memory_bytes: int
    memory_used_bytes: int
    clock_mhz: float | None = None
    max_clock_mhz: float | None = None
    temperature_celsius: float | None = None
    throttle_reasons: list[str] = []
    processes: list[GpuProcess] = []


class Cache(Fact):
    """A folder in which compiled kernels or weights are kept between runs."""

    name: str
    path: str
    chosen_by: str = Field(description="the environment variable that says so, or `default`")
    exists: bool
    num_files: int = 0
    num_bytes: int = 0
    complete: bool = True
    file_system: str | None = None


class WandbState(Fact):
    """Whether `wandb.init` would reach for the network, and whether it would find a login. Never the key itself."""

    version: str | None = Field(default=None, description="None: not installed in the examined interpreter")
    mode: str
    mode_from: str
    login_from: str | None = Field(default=None, description="where a key was found; None: nowhere")
