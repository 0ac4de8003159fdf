"""Functions of the program that are called again with the same arguments during the start."""

from pydantic import Field

from ocrprof.results.model.runs import RunStatus
from ocrprof.results.model.values import Location, Value


class RepeatedCalls(Value):
    """One function of the program: each repetition had equal plain arguments and, when counted, an equal plain result.

    `seconds` is that of the repetitions, without those made by a repetition of `inside` (`inside_seconds`).
    """

    function: str
    is_method: bool = False
    location: Location
    num_calls: int
    num_repeated: int
    seconds: float | None = Field(description="None: its calls were counted, and could not be timed")
    inside_seconds: float = 0.0
    inside: str | None = None
    example: str = Field(description="arguments of the first call, without what may be a credential")
    callers: list[Location] = Field(default=[], description="of the repetitions, the most frequent first")
    spans: dict[str, float] = Field(default={}, description="seconds by the work around them; '' for none")


class CallCounts(Value):
    """What two further runs tell of the program's own functions: calls counted in one, timed in the other."""

    num_functions: int = Field(description="of the program, called on the main thread up to the milestone")
    counted_seconds: float = Field(description="wall time of the run that counted, which that slowed down")
    timed_seconds: float | None = Field(default=None, description="wall time of the run that timed; None: no need")
    repeated: list[RepeatedCalls] = Field(default=[], description="the longest first")
    stopped_by: RunStatus | None = Field(default=None, description="how the run ended that gave no answer")
    notes: list[str] = []
