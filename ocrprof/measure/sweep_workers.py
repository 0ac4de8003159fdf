"""Measures worker counts of a loader: a pass to fill the page cache, then rounds until the answer is known."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from ocrprof.errors import ExitCode, OcrprofError
from ocrprof.measure.environment import describe_tool, usable_cores
from ocrprof.measure.startup import Progress, describe_target, environment_of
from ocrprof.measure.step_time import time_steps
from ocrprof.measure.sweep_log import (
    FILE_NAME,
    SavedTrials,
    TrialLog,
    check_config,
    check_identity,
    config_hash_of,
    head_of,
    identity_of,
    read_trials,
)
from ocrprof.measure.sweep_round import HOPELESS_STATUSES, Living, TrialRunner, Visit, play_round, warmup_visit
from ocrprof.records import ProcessRecords
from ocrprof.results.model import SweepReport, SweepTrial
from ocrprof.results.sweep import conclude, could_change
from ocrprof.sweep_plan import SweepWorkersPlan
from ocrprof.units import format_seconds

EVERYTHING_FAILED = "every setting has failed"


def measure_sweep(plan: SweepWorkersPlan, *, progress: Progress) -> SweepReport:
    """The report, not yet judged, of as many rounds as the plan's precision, budget and Ctrl-C allow.

    Each trial is saved in `trials.jsonl` as soon as it ends. A setting that fails is reported and left out of what
    follows; the others go on. Raises OcrprofError where a sweep that is to go on is not the same, or where the step
    that is to be timed first cannot be.
    """
    session = _Session(plan, progress)
    try:
        session.run()
    except KeyboardInterrupt:
        session.interrupted = True
    if session.interrupted:
        session.stopped = "interrupted"
    return session.report()


def sweep_report(
    plan: SweepWorkersPlan,
    *,
    trials: Sequence[SweepTrial],
    warmup: Sequence[SweepTrial],
    records: Sequence[ProcessRecords],
    seconds: float,
) -> SweepReport:
    """The concluded report of these trials."""
    return conclude(
        SweepReport(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            tool=describe_tool(),
            target=describe_target(plan.target, list(records)),
            environment=environment_of(plan.target, records),
            mode=plan.trial.mode,
            settings=list(plan.settings),
            within=plan.within,
            max_wait=plan.max_wait,
            step_seconds=plan.trial.step_seconds,
            step_source=plan.step_source,
            num_rounds=len({trial.round for trial in trials if trial.round}),
            seed=plan.seed,
            trials=list(trials),
            warmup=list(warmup),
            seconds=seconds,
            min_rounds=plan.rounds,
            max_rounds=plan.max_rounds,
            budget_seconds=plan.budget_seconds,
            memory_budget_bytes=plan.memory_budget_bytes,
            what_if_values=list(plan.what_if),
            num_local_ranks=plan.local_ranks,
            cold=plan.trial.cold,
        )
    )


class _Session:
    """The trials of a plan, in order."""

    def __init__(self, plan: SweepWorkersPlan, progress: Progress) -> None:
        self.trials: list[SweepTrial] = []
        self.warmup: list[SweepTrial] = []
        self.records: list[ProcessRecords] = []
        self.stopped: str | None = None
        self.interrupted = False
        self._plan = plan
        self._progress = progress
        self._began = time.monotonic()
        self._living = Living(list(plan.settings))
        self._saved: SavedTrials | None = None
        self._num_resumed = 0

    def run(self) -> None:
        """Runs until the verdict is known, the rounds are done, the budget is spent, or every setting has failed."""
        plan, identity = self._plan, identity_of(self._plan)
        if plan.resume is not None:
            self._saved = read_trials(plan.resume)
            check_identity(self._saved, identity, path=plan.resume)
            self._plan = plan = replace(plan, seed=self._saved.seed)
        if plan.step_batches is not None:
            self._plan = plan = self._with_step(plan.step_batches)
        runner = TrialRunner(
            plan.target,
            plan.trial,
            folder=plan.output / "runs",
            local_ranks=plan.local_ranks,
            rank_environment=plan.rank_environment,
            quiet_seconds=plan.quiet_seconds,
        )
        if not self._fill_page_cache(runner):
            return
        log = TrialLog(plan.output / FILE_NAME, head_of(plan, identity))
        log.add_config_hash(config_hash_of(self.records))
        log.add(self.warmup[-1], warmup=True)
        for number in range(1, plan.max_rounds + 1):
            began = time.monotonic()
            self._round(runner, log, number)
            self.stopped = self._why_stop(number, round_seconds=time.monotonic() - began)
            if self.interrupted or self.stopped is not None:
                return

    def report(self) -> SweepReport:
        """What was measured, concluded."""
        if self.stopped is not None:
            self._progress(self.stopped)
        report = sweep_report(
            self._plan,
            trials=self.trials,
            warmup=self.warmup,
            records=self.records,
            seconds=time.monotonic() - self._began,
        )
        return report.model_copy(
            update={
                "stopped": self.stopped,
                "interrupted": self.interrupted,
                "num_resumed": self._num_resumed,
                "notes": [*self._living.notes, *report.notes],
            }
        )

    def _with_step(self, num_batches: int) -> SweepWorkersPlan:
        """The plan with the step's time, as a short training run shows it."""
        plan, saved = self._plan, self._saved
        if saved is not None and saved.step_seconds is not None:
            trial = replace(plan.trial, step_seconds=saved.step_seconds, replay=True)
            return replace(plan, trial=trial, step_source=saved.step_source, step_batches=None)
        self._progress(f"a training run of {num_batches} batches, to time the step")
        times, status = time_steps(
            plan.target,
            directory=plan.output / "step",
            num_batches=num_batches,
            timeout_seconds=plan.trial.timeout_seconds,
        )
        if status == "interrupted":
            raise KeyboardInterrupt
        if times is None:
            raise OcrprofError(
                f"--step-from run: no training step with its fetch was timed ({status.replace('_', ' ')})",
                hint="give the step's time: --step-ms 120, or leave it out",
                exit_code=ExitCode.TARGET_FAILED,
            )
        trial = replace(plan.trial, step_seconds=times.median_seconds, replay=True)
        return replace(plan, trial=trial, step_source=times.source, step_batches=None)

    def _fill_page_cache(self, runner: TrialRunner) -> bool:
        """Runs round 0, which counts for nothing; whether there is anything to go on with."""
        plan = self._plan
        visit = warmup_visit(plan.settings, num_cores=usable_cores() / plan.local_ranks)
        counted = f"{len(plan.settings)} setting{'' if len(plan.settings) == 1 else 's'}"
        rounds = f"{plan.rounds} to {plan.max_rounds}" if plan.max_rounds > plan.rounds else f"{plan.rounds}"
        self._progress(f"{counted}, {rounds} rounds; first a pass to fill the page cache")
        trial = runner.run(visit, number=0)
        self.warmup.append(trial)
        self.records = runner.records
        if trial.status == "interrupted":
            self.interrupted = True
            return False
        if trial.status in HOPELESS_STATUSES:
            self.stopped = EVERYTHING_FAILED
            # It stands for all settings: none of them would fare better.
            self.trials.append(trial)
            return False
        if self._saved is not None and plan.resume is not None:
            check_config(self._saved, config_hash_of(self.records), path=plan.resume)
        return True

    def _round(self, runner: TrialRunner, log: TrialLog, number: int) -> None:
        known: list[SweepTrial] = []
        on_visit = self._announcer(number, known=known)
        for trial in play_round(runner, self._living, seed=self._plan.seed, number=number, on_visit=on_visit):
            if trial.status == "interrupted":
                self.interrupted = True
                return
            self.trials.append(trial)
            if trial not in known or self._is_elsewhere():
                log.add(trial)

    def _announcer(self, number: int, *, known: list[SweepTrial]) -> Callable[[Visit, int], SweepTrial | None]:
        """Takes over what an earlier half of the sweep has measured, and tells what is run instead."""

        def on_visit(visit: Visit, num_visits: int) -> SweepTrial | None:
            if self._saved is not None:
                found = self._saved.find(visit.setting, number=number, control=visit.control)
                if found is not None:
                    self._num_resumed += 1
                    known.append(found)
                    return found
            what = "the control, " if visit.control else ""
            self._progress(
                f"round {number}, {visit.position + 1} of {num_visits}: {what}{_name(visit)}"
                f"{self._time_left(number, num_visits - visit.position)}"
            )
            return None

        return on_visit

    def _time_left(self, number: int, num_in_round: int) -> str:
        """Of the rounds that will be run in any case, by what the trials took so far."""
        walls = [trial.wall_seconds for trial in (self.trials or self.warmup)]
        if not walls:
            return ""
        rounds_after = max(0, self._plan.rounds - number)
        num_trials = num_in_round + rounds_after * (len(self._living.settings) + 1)
        return f"; about {format_seconds(num_trials * statistics.fmean(walls))} left"

    def _is_elsewhere(self) -> bool:
        """Whether what is taken over must be copied into this sweep's own file."""
        resume = self._plan.resume
        return resume is not None and resume.resolve() not in (
            self._plan.output.resolve(),
            (self._plan.output / FILE_NAME).resolve(),
        )

    def _why_stop(self, number: int, *, round_seconds: float) -> str | None:
        """Why no further round is begun; None for another one."""
        plan = self._plan
        if self.interrupted:
            return None
        if not self._living.settings:
            return EVERYTHING_FAILED
        if number >= plan.max_rounds:
            return f"all {plan.max_rounds} rounds were made"
        spent = time.monotonic() - self._began
        if plan.budget_seconds is not None and spent + round_seconds > plan.budget_seconds:
            return f"another round would not fit into the {format_seconds(plan.budget_seconds)} of --budget"
        if number < plan.rounds:
            return None
        report = sweep_report(plan, trials=self.trials, warmup=self.warmup, records=self.records, seconds=spent)
        return None if could_change(report) else "another round could not change the answer"


def _name(visit: Visit) -> str:
    factors = visit.setting.model_dump(exclude_none=True)
    return ", ".join(f"{name}={value}" for name, value in factors.items())
