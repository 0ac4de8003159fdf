"""Times the steps of a short training run of the program itself, with the loader as it is."""

from pathlib import Path

from ocrprof.measure.child import run_target
from ocrprof.records import read_records
from ocrprof.results.loops import build_loops
from ocrprof.results.step_times import StepTimes, steps_of_loops
from ocrprof.target import Target


def time_steps(
    target: Target, *, directory: Path, num_batches: int, timeout_seconds: float
) -> tuple[StepTimes | None, str]:
    """The steps of the first `num_batches` training batches, without the fetch; and how the run ended.

    None for a program that trains no step of a kind that is known, or ends before.
    """
    outcome = run_target(
        target,
        directory=directory,
        until="steady",
        timeout_seconds=timeout_seconds,
        settings={
            "OCRPROF_PARTS": "1",
            "OCRPROF_TRAIN_BATCHES": str(num_batches),
            "OCRPROF_VAL_BATCHES": "1",
            "OCRPROF_PATIENCE_SECONDS": "0",
        },
    )
    loops = build_loops(read_records(outcome.directory / "records"))
    return steps_of_loops(loops, source=f"measured: median of {num_batches} steps without the fetch"), outcome.status
