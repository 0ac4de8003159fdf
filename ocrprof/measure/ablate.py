"""Measures what each feature of a program is worth: fresh processes with it on and off, interleaved in rounds."""

import random
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from ocrprof.measure.child import Outcome, run_target
from ocrprof.measure.environment import describe_tool
from ocrprof.measure.samplers import TreeSampler
from ocrprof.measure.startup import Progress, describe_target, environment_of
from ocrprof.plan import AblationPlan
from ocrprof.records import ProcessRecords, read_records
from ocrprof.results.ablation import Loop, build_arms, judge_ablation
from ocrprof.results.configuration import logged_metrics
from ocrprof.results.epochs import batches_digest, build_epochs, build_loader_epochs
from ocrprof.results.model import AblationReport, Arm, Feature, MemorySample, Trial
from ocrprof.results.phases import main_process
from ocrprof.units import format_seconds


def measure_ablation(plan: AblationPlan, *, progress: Progress) -> AblationReport:
    """The report of as many rounds as the plan asks for, or as its budget and Ctrl-C allow.

    A setting that fails is reported and left out of the rounds that follow; the others go on.
    """
    features = [
        Feature(name=one.name, on=list(one.on), off=list(one.off), exact=one.exact) for one in plan.features.features
    ]
    arms = build_arms(features, designs=plan.designs, pairs=plan.pairs)
    session = _Session(plan, arms, progress)
    try:
        session.run()
    except KeyboardInterrupt:
        session.stopped = "interrupted"
    if session.stopped is not None:
        progress(f"{session.stopped}: the report holds what was measured")
    measured = [arm.model_copy(update={"trials": trials}) for arm, trials in zip(arms, session.trials, strict=True)]
    report = AblationReport(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        tool=describe_tool(),
        target=describe_target(plan.target, session.records),
        environment=environment_of(plan.target, session.records),
        features=features,
        arguments=list(plan.features.arguments),
        designs=list(plan.designs),
        pairs=list(plan.pairs),
        num_rounds=plan.rounds,
        level=plan.level,
        seed=plan.seed,
        arms=measured,
        warmup=session.warmup,
        stopped=session.stopped,
    )
    return judge_ablation(report)


class _Session:
    """The runs of a plan, in order: one to warm up, then the rounds."""

    def __init__(self, plan: AblationPlan, arms: Sequence[Arm], progress: Progress) -> None:
        self.trials: list[list[Trial]] = [[] for _ in arms]
        self.warmup: list[Trial] = []
        self.records: list[ProcessRecords] = []
        self.stopped: str | None = None
        self._plan = plan
        self._arms = arms
        self._progress = progress
        self._order = random.Random(plan.seed)

    def run(self) -> None:
        """Runs until the rounds are done, the budget is spent, or every setting has failed."""
        start = time.monotonic()
        everything = max(self._arms, key=lambda arm: len(arm.on))
        self._progress(f"{len(self._arms)} settings, {self._plan.rounds} rounds; first a run to warm up, all on")
        self.warmup.append(self._trial(everything, number=0, position=0))
        if self._was_interrupted(self.warmup):
            return
        seconds = self.warmup[0].wall_seconds * len(self._arms) * self._plan.rounds
        self._progress(f"the rounds take {format_seconds(seconds)} if every run takes as long as that one")
        for number in range(1, self._plan.rounds + 1):
            began = time.monotonic()
            self._round(number)
            if self.stopped is not None:
                return
            now = time.monotonic()
            if not any(self._is_alive(index) for index in range(len(self._arms))):
                self.stopped = "every setting has failed"
                return
            budget = self._plan.budget_seconds
            if number < self._plan.rounds and budget is not None and now - start + (now - began) > budget:
                self.stopped = f"another round would not fit into the {format_seconds(budget)} of --budget"
                return

    def _round(self, number: int) -> None:
        alive = [index for index in range(len(self._arms)) if self._is_alive(index)]
        self._order.shuffle(alive)
        for position, index in enumerate(alive):
            arm = self._arms[index]
            self._progress(f"round {number} of {self._plan.rounds}, {position + 1} of {len(alive)}: {_name(arm)}")
            self.trials[index].append(self._trial(arm, number=number, position=position))
            if self._was_interrupted(self.trials[index]):
                return

    def _trial(self, arm: Arm, *, number: int, position: int) -> Trial:
        plan = self._plan
        target = replace(plan.target, argv=(*plan.target.argv, *plan.features.arguments, *arm.arguments))
        sampler: list[TreeSampler] = []

        def sample(pid: int) -> TreeSampler:
            sampler.append(TreeSampler(pid))
            return sampler[-1]

        alone = {"OCRPROF_SWEEP": f"mode=epochs loader={plan.loader} num_epochs={plan.num_epochs}"}
        outcome = run_target(
            target,
            directory=plan.output / "runs" / f"{number}-{position}",
            until="sweep" if plan.level == "loader" else "exit",
            timeout_seconds=plan.timeout_seconds,
            settings=alone if plan.level == "loader" else {"OCRPROF_PARTS": "1"},
            beside=sample,
        )
        records = read_records(outcome.directory / "records")
        self.records = records or self.records
        samples = sampler[-1].samples if sampler else []
        trial = _trial_of(outcome, records, number=number, position=position, samples=samples)
        if plan.level == "program":
            return trial
        loop: Loop = "train" if plan.loader == "train" else "validation"
        passes = {"epochs": build_loader_epochs(records, loop=loop), "metrics": batches_digest(records)}
        return trial.model_copy(update=passes)

    def _is_alive(self, index: int) -> bool:
        return all(trial.status == "reached" for trial in self.trials[index])

    def _was_interrupted(self, trials: Sequence[Trial]) -> bool:
        if trials[-1].status == "interrupted":
            self.stopped = "interrupted"
        return self.stopped is not None


def _trial_of(
    outcome: Outcome,
    records: Sequence[ProcessRecords],
    *,
    number: int,
    position: int,
    samples: Sequence[MemorySample],
) -> Trial:
    main = main_process(records)
    step_ns = None if main is None else main.mark("first-step")
    peaks = [sample.pss_bytes for sample in samples if sample.pss_bytes is not None]
    return Trial(
        round=number,
        position=position,
        status=outcome.status,
        wall_seconds=(outcome.end_ns - outcome.spawn_ns) / 1e9,
        start_seconds=None if step_ns is None else (step_ns - outcome.spawn_ns) / 1e9,
        epochs=build_epochs(records),
        metrics=logged_metrics(records),
        peak_pss_bytes=max(peaks, default=None),
        cpu_seconds=outcome.cpu_seconds,
        stderr_tail=[] if outcome.status == "reached" else list(outcome.stderr_tail),
    )


def _name(arm: Arm) -> str:
    return " + ".join(arm.on) if arm.on else "all off"
