"""Where a start spends its time by line, sampled in a run of its own; never mixed with what was timed exactly."""

from pydantic import Field

from ocrprof.results.model.runs import RunStatus
from ocrprof.results.model.values import Location, Value


class StackLine(Value):
    """A line that was on the stack, and the function that holds it, as `Class.method` where Python tells so."""

    function: str
    location: Location


class HotLine(Value):
    """Wall time spent at one place of the program, whatever library it called there; hot lines share no time.

    `error_seconds` is one standard deviation: each of `num_stays` uninterrupted stays begins and ends between two
    samples, so each of its ends is known to one sampling period.
    """

    lines: list[StackLine] = Field(
        description="the program's own, the outermost first; the last is the innermost that still holds all of it"
    )
    seconds: float
    error_seconds: float
    share: float = Field(description="of what was sampled of this piece of the start")
    num_stays: int
    mostly_in: StackLine | None = Field(
        default=None, description="beneath the last line: the innermost function in which half of the time was spent"
    )


class SampledPiece(Value):
    """A phase, or all constructions of one kind and class, and the lines of the program that held them up.

    Loading modules is no part of it: imports are known exactly.
    """

    kind: str = Field(description="`phase`, or the kind of the constructions")
    name: str
    count: int = 1
    location: Location | None = Field(
        default=None,
        description="of the constructed thing's own function, where its frame was found: lines begin there, else with"
        " those of its callers",
    )
    seconds: float = Field(description="sampled on the main thread, without imports, in the sampled run")
    hot_lines: list[HotLine] = Field(default=[], description="of a twentieth of it and more, the longest first")


class Samples(Value):
    """Stacks of the main thread, taken by py-spy beside one further run. `failure`: why there are none, what to do."""

    sampler: str | None = Field(default=None, description="program and version")
    period_seconds: float = Field(description="mean time between two samples; the times between them are random")
    num_stacks: int = Field(default=0, description="of the main thread, each different from the one before")
    num_errors: int = Field(default=0, description="samples that could not be taken")
    run_seconds: float | None = Field(default=None, description="of the sampled run, to its milestone")
    first_seconds: float | None = Field(default=None, description="from the spawn to the first sample")
    waited_seconds: float | None = Field(default=None, description="for which the start was held up for the sampler")
    residual_seconds: float | None = Field(
        default=None,
        description="median deviation of the module bodies' ends as sampled from those recorded, after one shift for"
        " all of them: how well the two clocks agree",
    )
    num_anchors: int = Field(default=0, description="module bodies' beginnings and ends that were compared")
    pieces: list[SampledPiece] = []
    notes: list[str] = []
    failure: str | None = None
    stopped_by: RunStatus | None = Field(default=None, description="interrupted or timed_out, where that ended the run")
