"""What a start builds, opens and connects to."""

from typing import Any

from pydantic import Field

from ocrprof.results.model.values import Location, Part, Value


class FileAccess(Value):
    """Files opened and folders listed by Python code in one folder, while one kind of work went on."""

    phase: str
    during: str | None = Field(default=None, description="the innermost span that decides the phase")
    folder: str
    num_opened: int
    num_listed: int
    num_by_imports: int


class FileScan(Value):
    """Files opened or folders listed one after another: fifty or more, each within 100 ms of the one before."""

    phase: str
    during: str | None = Field(default=None, description="the innermost span that decides the phase")
    folder: str = Field(description="of the first of them")
    num_accesses: int
    start_seconds: float
    seconds: float = Field(description="from the first access to the last one, with what the program did in between")
    location: Location | None = Field(default=None, description="the program's line that was at it")


class NetworkWait(Value):
    """Connections to a host and look-ups of its name; `seconds` is of those that Python's `socket` module made."""

    phase: str
    host: str
    num_connections: int
    num_lookups: int
    seconds: float


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
