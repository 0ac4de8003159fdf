"""What a bare `import MODULE` takes in the target's Python: the yardstick of a budget."""

from dataclasses import replace
from statistics import median

from ocrprof.check_plan import CheckPlan
from ocrprof.measure.check_arms import Place
from ocrprof.measure.child import run_target
from ocrprof.records import read_records

_NUM_RUNS = 3


def time_import(module: str, *, python: str, place: Place, plan: CheckPlan) -> float | None:
    """Median seconds of three fresh processes that load `module` and nothing else; None where that fails.

    As the recorder counts it for the target: without the start of the interpreter. One more process warms up.
    """
    target = replace(place.target, argv=(python, "-c", f"import {module}"))
    seconds = []
    for number in range(_NUM_RUNS + 1):
        outcome = run_target(
            target,
            directory=plan.output / "runs" / f"import-{module}-{number}",
            until="exit",
            timeout_seconds=plan.timeout_seconds,
            settings=place.settings,
        )
        if outcome.status == "interrupted":
            raise KeyboardInterrupt
        loads = [load for process in read_records(outcome.directory / "records") for load in process.loads]
        took = [load.end_ns - load.start_ns for load in loads if load.name == module and load.ok]
        if outcome.status != "reached" or not took:
            return None
        seconds.append(max(took) / 1e9)
    return median(seconds[1:])
