"""Counts the calls of the program's own functions in a run of its own, and times the repeated ones in another.

Counting slows a program down, so its seconds are worth nothing; timing a few functions does not. Neither run is among
the counted ones.
"""

from collections.abc import Callable, Mapping, Sequence

from ocrprof.measure.child import Outcome
from ocrprof.records import ProcessRecords
from ocrprof.results.calls import candidates, num_functions, repeated_calls, wanted
from ocrprof.results.model import CallCounts, Run, RunStatus
from ocrprof.results.phases import main_process

RunOnce = Callable[[str, Mapping[str, str]], tuple[Outcome, list[ProcessRecords], Run]]
"""Runs the target once, into the folder of that name, with these settings for the recorder."""


def count_calls(run_once: RunOnce, *, progress: Callable[[str], None]) -> CallCounts | None:
    """What the program calls again and again with the same arguments; None where nothing was recorded."""
    progress("one more run, slowed down: counting calls of the program's own functions")
    _, records, run = run_once("call-counts", {"OCRPROF_LEVEL": "light", "OCRPROF_COUNT_CALLS": "1"})
    main = main_process(records)
    if main is None:
        return None
    counts = CallCounts(
        num_functions=num_functions(main),
        counted_seconds=run.wall_seconds,
        stopped_by=_unless_reached(run),
        notes=_notes(records),
    )
    counted = candidates(main)
    if counts.stopped_by is not None or not counted:
        return counts
    progress(f"one more run: timing {len(counted)} functions that are called again with the same arguments")
    _, records, run = run_once("timed-calls", {"OCRPROF_LEVEL": "light", "OCRPROF_TIME_CALLS": wanted(counted)})
    main = main_process(records)
    return counts.model_copy(
        update={
            "timed_seconds": run.wall_seconds,
            "stopped_by": _unless_reached(run),
            "repeated": repeated_calls(counted, main) if main is not None and run.reached else [],
        }
    )


def _unless_reached(run: Run) -> RunStatus | None:
    return None if run.reached else run.status


def _notes(records: Sequence[ProcessRecords]) -> list[str]:
    return [note for process in records for note in process.notes if "calls are not counted" in note]
