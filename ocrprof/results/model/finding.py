"""What a rule finds in a report."""

from typing import Any, Literal

from pydantic import Field

from ocrprof.results.model.values import Location, Priority, Value


class Finding(Value):
    """One thing to change (or to know): measured seconds, where, the evidence, and what to do about it."""

    code: str
    title: str
    priority: Priority
    seconds: float
    share: float = Field(description="of the measured time the priority was judged by")
    effect: Literal["saves", "moves", "tells"] = Field(
        default="saves",
        description="mended: its seconds are gone before the milestone, or fall elsewhere; `tells` is nothing to mend",
    )
    location: Location | None = None
    evidence: dict[str, Any] = {}  # Any: figures and names by label, JSON values only
    advice: str
    intervals: list[tuple[float, float]] = Field(
        default=[], exclude=True, description="when it was paid, in the run that the tables tell of: from the spawn"
    )
