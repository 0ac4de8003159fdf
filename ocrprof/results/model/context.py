"""What was measured, by what, on which machine."""

from pydantic import Field

from ocrprof.results.model.values import Value


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
    """What measuring cost: records written and lost, and seconds: timed, and calibrated as count times cost of one."""

    records: int
    dropped: int
    cost_seconds: float
    num_loads: int = Field(default=0, description="among the records")
    load_seconds: float = Field(default=0.0, description="calibrated, of one load's record")
    other_seconds: float = Field(default=0.0, description="calibrated, of one other record")
    timed_seconds: float = Field(
        default=0.0, description="to start the recorder and its hooks, and to write to the file"
    )
    notes: list[str] = []
