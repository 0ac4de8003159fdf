"""One trial of a sweep: the program in a fresh process, its loader rebuilt with a setting, measured, and ended."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from ocrprof.measure.child import run_target
from ocrprof.measure.surroundings import SurroundingsWatch
from ocrprof.measure.sweep_files import DataFiles
from ocrprof.measure.sweep_watch import HangWatch, MemoryKills, cpu_stat_files
from ocrprof.records import read_records
from ocrprof.results.model import LoaderInfo, LoaderSetting, SweepTrial
from ocrprof.results.sweep_failures import Ending
from ocrprof.results.sweep_trial import Asked, TrialRun, build_trial
from ocrprof.sweep_plan import TrialOptions
from ocrprof.target import Target

MILESTONE = "sweep"
_NUM_BATCHES_BEFORE = 2


def run_trial(
    target: Target,
    setting: LoaderSetting,
    options: TrialOptions,
    *,
    directory: Path,
    round: int,
    position: int,
    control: bool = False,
    warmup: bool = False,
) -> SweepTrial:
    """The trial; what its processes recorded lies in `directory`/records. No process of it is left.

    However it ends is a status of it. `warmup`: one epoch of batches is read, or as much as `options.max_seconds`
    allows, and nothing else is measured. Raises OcrprofError where the command cannot be started.
    """
    surroundings, kills = SurroundingsWatch(), MemoryKills()
    files = DataFiles(directory.parent) if options.cold else None
    notes = files.evict() if files is not None else []
    watches: list[HangWatch] = []

    @contextlib.contextmanager
    def watched(pid: int) -> Iterator[None]:
        watches.append(HangWatch(pid, directory=directory, deadline_seconds=options.timeout_seconds))
        with watches[-1]:
            yield

    outcome = run_target(
        target,
        directory=directory,
        until=MILESTONE,
        timeout_seconds=options.timeout_seconds,
        settings=_settings(setting, options, warmup=warmup),
        beside=watched,
    )
    records = read_records(outcome.directory / "records")
    if files is not None:
        files.add(directory)
    watch = watches[-1] if watches else None
    run = TrialRun(
        spawn_ns=outcome.spawn_ns,
        end_ns=outcome.end_ns,
        status=outcome.status,
        ending=Ending(
            exit_code=outcome.exit_code, stderr_tail=_with(outcome.stderr_tail, watch), num_oom_kills=kills.count()
        ),
        hang_seconds=watch.hang_seconds if watch else None,
        stacks=(watch.stacks if watch else None) or outcome.stack,
        notes=[*notes, *outcome.recorder_errors, *outcome.output_notes],
    )
    asked = Asked(
        loader=options.loader,
        mode=options.mode,
        step_seconds=options.step_seconds,
        step_mode=options.step_mode,
        per_stage=options.per_stage,
        timeout_seconds=options.timeout_seconds,
    )
    trial = build_trial(run, records, setting=setting, asked=asked, round=round, position=position, control=control)
    return trial.model_copy(update={"surroundings": surroundings.surroundings()})


def _with(stderr_tail: tuple[str, ...], watch: HangWatch | None) -> tuple[str, ...]:
    """The tail, and what a trial was ended for where that stands no longer in it."""
    said = watch.said if watch is not None else None
    return stderr_tail if said is None or said in stderr_tail else (*stderr_tail, said)


def settings_that_find(loader: LoaderInfo) -> dict[str, str]:
    """For the recorder: end the run where this loader would be taken over, and measure nothing."""
    asked = loader.number if loader.role == "other" else loader.role
    return {"OCRPROF_SWEEP": f"loader={asked} mode=given", **_settings_to_reach(asked)}


def _settings(setting: LoaderSetting, options: TrialOptions, *, warmup: bool) -> dict[str, str]:
    """For the recorder, `name=value` apart by spaces; what was not asked for is left out."""
    asked = {
        "loader": options.loader,
        "mode": options.mode,
        "num_steps": options.num_steps,
        "step_seconds": options.step_seconds,
        "step_mode": options.step_mode,
        "per_stage": options.per_stage,
        "precision": options.precision,
        "max_seconds": options.max_seconds,
        "hang_seconds": options.hang_seconds,
        "slow_exit_seconds": options.slow_exit_seconds,
        "replay": options.replay,
        "batch_bytes": options.batch_bytes,
        "num_tensors": options.num_tensors,
        "lists_files": options.cold,
        "warmup": warmup,
    }
    given = {name: value for name, value in asked.items() if value is not None and value is not False}
    given |= setting.model_dump(exclude_none=True)
    return {
        "OCRPROF_SWEEP": " ".join(f"{name}={_text(value)}" for name, value in given.items()),
        "OCRPROF_CPU_STATS": os.pathsep.join(map(str, cpu_stat_files())),
        **_settings_to_reach(options.loader),
    }


def _settings_to_reach(loader: Literal["train", "val"] | int) -> dict[str, str]:
    """Lightning reaches its validation by way of an epoch, which is cut short."""
    return {"OCRPROF_TRAIN_BATCHES": str(_NUM_BATCHES_BEFORE)} if loader == "val" else {}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
