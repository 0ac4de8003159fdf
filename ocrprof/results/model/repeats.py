"""How often a start was to be repeated, and why that often."""

from pydantic import Field

from ocrprof.results.model.values import Value


class Repeats(Value):
    """The runs that were planned; fewer were made where one of them failed."""

    num_warmup: int
    num_counted: int
    chosen_by_seconds: float | None = Field(
        default=None, description="duration of the first run, by which the number was chosen; None: it was asked for"
    )
