"""What every part of a report is made of."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Priority = Literal["P0", "P1", "P2", "P3"]


class Value(BaseModel):
    """Base of every part of a report: unknown keys are errors, values do not change."""

    # A loss can be NaN, which JSON has no number for: "NaN" reads back as the same float.
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class Location(Value):
    """A line of source. `file` is as the interpreter named it, absolute where it could be made so."""

    file: str
    line: int


class Statistic(Value):
    """Median and spread of n values; `ci95` is the bootstrap 95 % interval of the median (none for n < 3)."""

    median: float
    mad: float
    ci95: tuple[float, float] | None = None
    n: int


class Part(Value):
    """An exclusive share of something timed; the parts of one whole add up to it."""

    name: str
    seconds: float
    location: Location | None = None
