"""What else the machine did during a run, by the kernel's own counters."""

from pydantic import Field

from ocrprof.results.model.values import Value


class Surroundings(Value):
    """Between the spawn of a run and the end of its last process; None where the kernel does not tell."""

    seconds: float
    others_busy_cores: float | None = Field(
        default=None, description="cores' worth of work of other processes, on the cores that the target may use"
    )
    stolen_seconds: float | None = Field(default=None, description="that the hypervisor gave to others, of all cores")
    load_average: float | None = Field(default=None, description="of the last minute, at the end")
    waited: dict[str, float] = Field(
        default={}, description="seconds in which some task of the machine waited for cpu, io or memory (PSI)"
    )
    throttled_seconds: float | None = Field(default=None, description="held back by the CPU quota of a control group")
    swapped_bytes: int | None = Field(default=None, description="moved to or from swap")
    num_thermal_throttles: int | None = Field(default=None, description="times that a core slowed down for its heat")
