"""The summary of a start-up report, recomputed from its runs."""

from collections.abc import Iterable, Sequence
from typing import Any

from ocrprof.results.model import PHASES, Run
from ocrprof.results.stats import statistic


def is_measured(run: Run) -> bool:
    """Whether a run counts: no warm-up, and the milestone reached."""
    return run.reached and not run.warmup


def summarize(runs: Sequence[Run], *, until: str) -> dict[str, Any]:  # Any: Statistic dumps, as in the report
    """Median and spread of the time to the milestone and of each phase; empty where no measured run reached it."""
    measured = [run for run in runs if is_measured(run)]
    if not measured:
        return {}
    seconds = [{phase.name: phase.seconds for phase in run.phases} for run in measured]
    names = [name for name in PHASES if any(name in of_run for of_run in seconds)]
    return {
        milestone_key(until): _dump(run.wall_seconds for run in measured),
        "imports_anywhere_seconds": _dump(run.imports_anywhere_seconds for run in measured),
        "phases": {name: _dump(of_run.get(name, 0.0) for of_run in seconds) for name in names},
    }


def milestone_key(until: str) -> str:
    """What the summary calls the time to a milestone: `time_to_first_step_seconds`."""
    return f"time_to_{until.replace('-', '_')}_seconds"


def _dump(values: Iterable[float]) -> dict[str, Any]:  # Any: a Statistic's fields
    return statistic(list(values)).model_dump(mode="json")
