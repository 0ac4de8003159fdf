"""What a check has measured so far, and the report that it makes of it: whole, or cut short and saying why."""

from collections.abc import Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from ocrprof.check_plan import CheckPlan
from ocrprof.errors import ExitCode
from ocrprof.measure.check_arms import Place
from ocrprof.measure.check_cold import ColdArms
from ocrprof.measure.check_duet import plan_duet
from ocrprof.measure.check_launch import Launcher, Measured, Turn
from ocrprof.measure.environment import describe_tool
from ocrprof.measure.import_time import time_import
from ocrprof.measure.startup import Progress, describe_target, environment_of
from ocrprof.measure.worktrees import Repository, readable
from ocrprof.records import ProcessRecords
from ocrprof.results.check_budgets import judge_budget, judge_forbidden
from ocrprof.results.check_exact import RULES, compare_facts
from ocrprof.results.check_headline import headline, noise_sentence
from ocrprof.results.check_statistics import overall_verdict
from ocrprof.results.check_values import require_names
from ocrprof.results.last_words import last_words
from ocrprof.results.model import (
    ArmName,
    Budget,
    CheckDesign,
    CheckReport,
    CheckVerdict,
    ExactChange,
    ExactFacts,
    Fingerprint,
    FingerprintField,
    GitState,
    Launch,
    MetricInfo,
    MetricSummary,
    SessionFigures,
)

_STATUS_WORDS = {
    "crashed": "crashed",
    "ended_early": "ended before the milestone",
    "timed_out": "did not come to an end within the time limit",
    "interrupted": "was interrupted",
    "not_recorded": "kept the recorder out",
    "probe_ignored": "went on to train in place of an answer",
}

_NUM_NAMED = 6
_ABSENT = ("No such file", "FileNotFoundError", "ModuleNotFoundError")


class Stopped(Exception):
    """A check that cannot go on. `verdict` failed: an arm; not_comparable: the two sides."""

    def __init__(self, message: str, *, verdict: Literal["failed", "not_comparable"], exit_code: ExitCode) -> None:
        super().__init__(message)
        self.verdict: CheckVerdict = verdict
        self.exit_code = exit_code


class CheckSession:
    """The launches of one check, in order, and what else the report tells.

    Raises OcrprofError where the CPUs do not let themselves be halved for a parallel duet.
    """

    def __init__(self, plan: CheckPlan, *, progress: Progress) -> None:
        self.plan = plan
        self.progress = progress
        self.duet = plan_duet() if plan.duet == "parallel" else None
        self.num_threads = self.duet.num_threads if self.duet is not None else None
        self.cold = ColdArms() if plan.cold else None
        self.launcher = Launcher(plan, duet=self.duet)
        self.launches: list[Launch] = []
        self.notes: list[str] = []
        self.facts: dict[ArmName, ExactFacts] = {}
        self.infos: list[MetricInfo] = []
        self.metrics: list[MetricSummary] = []
        self.exact: list[ExactChange] = []
        self.imports: dict[str, float] = {}
        self.records: list[ProcessRecords] = []
        self.fingerprint: Fingerprint | None = None
        self.base_fingerprint: Fingerprint | None = None
        self.mismatches: list[FingerprintField] = []
        self.sessions: list[SessionFigures] = []
        self.base = GitState()
        self.candidate = GitState()
        self.design = CheckDesign(
            mode="exact" if plan.exact_only or plan.mode == "alone" else plan.mode,
            seed=plan.seed,
            num_pairs_first=plan.num_pairs_first,
            num_pairs_max=plan.num_pairs_max,
            alpha=plan.alpha,
            min_effect=plan.min_effect,
            target_effect=plan.target_effect,
            rule=plan.rule,
            max_steal=plan.max_steal,
            cold=plan.cold,
            duet=plan.duet,
            cpu_sets=[sorted(cpus) for cpus in self.duet.cpu_sets] if self.duet is not None else [],
        )
        self.stopped: Stopped | None = None
        self.interrupted = False

    def launch(
        self, place: Place, *, arm: ArmName, pair: int = 0, position: int = 0, counted: bool = False
    ) -> Measured:
        """One launch, kept. Raises Stopped where it did not come to its milestone, KeyboardInterrupt on Ctrl-C.

        Of a cold check one that is timed begins with its files out of the page cache: OcrprofError where they are not.
        """
        stayed = self._evict(self.cold) if self.cold is not None and not counted else {}
        measured = self.launcher.run(Turn(place=place, arm=arm, pair=pair, position=position, counted=counted))
        covariates = {**measured.launch.covariates, **stayed}
        self.launches.append(measured.launch.model_copy(update={"covariates": covariates}))
        self.records = measured.records or self.records
        if measured.launch.status == "interrupted":
            raise KeyboardInterrupt
        if not measured.went_well:
            raise self._failure(measured.launch)
        if counted and self.cold is not None:
            self.cold.know(arm, measured.outcome.directory, measured.records)
        if counted and self.duet is not None:
            self.duet.refuse_unfit(measured.records)
        return measured

    def launch_both(self, sides: Sequence[tuple[Place, ArmName]], *, pair: int) -> None:
        """Both launches of a pair at once, kept; raises as `launch` does. Their positions are those of their CPUs."""
        turns = [Turn(place=place, arm=arm, pair=pair, position=number) for number, (place, arm) in enumerate(sides)]
        measured, interrupted = self.launcher.run_both(turns)
        failed = [one for one in measured if one.launch.status not in ("reached", "interrupted")]
        for launch in (one.launch for one in measured):
            ended_by_other = bool(failed) and not interrupted and launch.status == "interrupted"
            self.launches.append(launch.model_copy(update={"status": "ended_with_the_other"} if ended_by_other else {}))
        if interrupted:
            raise KeyboardInterrupt
        if failed:
            raise self._failure(min(failed, key=lambda one: one.outcome.end_ns).launch)
        self.records = measured[-1].records or self.records

    def _evict(self, cold: ColdArms) -> dict[str, float]:
        """What stayed in the page cache, as a launch tells it; the first time a note of who holds it."""
        stayed = {"cached_bytes": float(cold.evict())}
        if self.design.evicted_bytes is None:
            sizes = cold.sizes
            self.design = self.design.model_copy(
                update={"evicted_files": len(sizes), "evicted_bytes": sum(one.bytes for one in sizes)}
            )
            self.notes += [f"cold: {cold.note}"] if cold.note else []
        return stayed

    def _failure(self, launch: Launch) -> Stopped:
        state = self.base if launch.arm == "base" else self.candidate
        who = f"the {launch.arm}" + (f" ({state.ref})" if state.ref else "")
        words = f"{who} {_STATUS_WORDS.get(launch.status, launch.status)} in launch {launch.number}"
        if launch.exit_code is not None:
            words += f", exit code {launch.exit_code}"
        said = last_words(launch.stderr_tail)
        if said:
            words += f": {said}"
        if self.plan.mode in ("against", "aa") and launch.status == "crashed":
            self.notes += _note_on_ignored(self.plan, launch)
        code = ExitCode.TIMED_OUT if launch.status == "timed_out" else ExitCode.TARGET_FAILED
        return Stopped(words, verdict="failed", exit_code=code)

    def compare_exactly(self) -> None:
        """Fills `exact` from the facts of both sides; what was not asked to decide is told."""
        base, candidate = self.facts["base"], self.facts["candidate"]
        allowances = {
            name: share * _size(base, name) for name, share in self.plan.min_effects.items() if name in _names(base)
        }
        changes = compare_facts(base, candidate, allowances=allowances)
        if self.plan.exact_only:
            require_names((*self.plan.metrics, *self.plan.min_effects), known=[change.name for change in changes])
        self.exact = [self._decided(change, allowances) for change in changes]

    def tell_unsteady(self) -> None:
        """Notes what is not judged because two launches of one state differ in it; calls are told by their absence."""
        names = [name for name in self.facts["candidate"].unsteady if not name.startswith("calls/")]
        if names:
            more = f" and {len(names) - _NUM_NAMED} more" if len(names) > _NUM_NAMED else ""
            told = ", ".join(names[:_NUM_NAMED])
            self.notes.append(f"not judged, because two launches of one state differ in it: {told}{more}")

    def _decided(self, change: ExactChange, allowances: dict[str, float]) -> ExactChange:
        gate = self.plan.metrics
        if gate and change.verdict in ("regressed", "missing", "improved"):
            if not any(fnmatchcase(change.name, pattern) for pattern in gate):
                return change.model_copy(update={"verdict": "reported"})
        elif change.verdict == "missing" and change.name not in RULES and change.name not in allowances:
            # A program that declares, logs or trains something for the first time is no guard with a hole.
            return change.model_copy(update={"verdict": "changed"})
        return change

    def time_references(self, place: Place) -> None:
        """Measures the bare imports that budgets are multiples of, in the target's own Python."""
        modules = dict.fromkeys(limit.reference for limit in self.plan.budgets if limit.reference is not None)
        for module in modules:
            self.progress(f"a bare import of {module}, by which a budget is measured")
            python = next((process.executable for process in self.records if process.role != "helper"), None)
            seconds = time_import(module, python=python, place=place, plan=self.plan) if python else None
            if seconds is not None:
                self.imports[module] = seconds

    def budgets(self) -> list[Budget]:
        """Of the candidate alone."""
        counted = [one for one in self.launches if one.arm == "candidate" and one.pair > 0 and one.status == "reached"]
        facts = self.facts.get("candidate")
        until = self.plan.probe or self.launcher.until
        limits = [
            judge_budget(limit, launches=counted, facts=facts, imports=self.imports) for limit in self.plan.budgets
        ]
        return [*limits, *(judge_forbidden(module, facts, until=until) for module in self.plan.forbidden)]

    def report(self, *, seconds: float) -> CheckReport:
        """The report of all that was measured."""
        plan = self.plan
        budgets = self.budgets() if self.stopped is None and not self.interrupted else []
        verdict: CheckVerdict = overall_verdict(self.metrics, self.exact, budgets)
        replicates = "sessions" if plan.mode == "baseline" else "pairs"
        told = headline(verdict, self.metrics, self.exact, budgets, replicates=replicates)
        if self.stopped is not None:
            verdict, told = self.stopped.verdict, str(self.stopped)
        elif self.interrupted:
            verdict, told = "inconclusive", f"interrupted after {len(self.launches)} launches"
        elif plan.mode == "aa":
            told = noise_sentence(self.metrics, self.infos)
        refused = [field for field in self.mismatches if field.tier == "refuse"]
        if refused and plan.allow_mismatch:
            self.notes.append(
                "NOT COMPARABLE, and compared all the same: " + ", ".join(field.name for field in refused) + " differ"
            )
        return CheckReport(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            tool=describe_tool(),
            target=describe_target(plan.target, self.records),
            environment=environment_of(plan.target, self.records),
            fingerprint=self.fingerprint,
            base_fingerprint=self.base_fingerprint,
            mismatches=self.mismatches,
            base=self.base,
            candidate=self.candidate,
            design=self.design,
            metric_infos=self.infos,
            launches=self.launches,
            metrics=self.metrics,
            exact=self.exact,
            facts=self.facts.get("candidate"),
            sessions=self.sessions,
            explained=list(plan.explain),
            budgets=budgets,
            verdict=verdict,
            exit_code=self._exit_code(verdict, refused=bool(refused)),
            headline=told,
            notes=list(dict.fromkeys(self.notes)),
            interrupted=self.interrupted,
            seconds=seconds,
        )

    def _exit_code(self, verdict: CheckVerdict, *, refused: bool) -> ExitCode:
        if self.stopped is not None:
            return self.stopped.exit_code
        if self.interrupted:
            return ExitCode.INTERRUPTED
        if self.plan.mode == "aa" or (refused and self.plan.allow_mismatch):
            return ExitCode.DONE  # an A/A check, and one of what cannot be compared, never fail
        fail_on = self.plan.fail_on
        # What could not be told of one metric hides no gain of another.
        verdicts = [*(one.verdict for one in self.metrics), *(one.verdict for one in self.exact)]
        match verdict:
            case "not_comparable":
                return ExitCode.NOT_COMPARABLE
            case "regressed":
                return ExitCode.REGRESSION
            case "inconclusive" if "inconclusive" in fail_on:
                return ExitCode.INCONCLUSIVE
            case "improved" | "inconclusive" if "improvement" in fail_on and "improved" in verdicts:
                return ExitCode.REGRESSION
        return ExitCode.DONE


def _note_on_ignored(plan: CheckPlan, launch: Launch) -> list[str]:
    """That the worktrees hold nothing which git ignores: where there is such a thing, or a file was not found."""
    linked = [Path(link) for link in plan.links]
    ignored = [
        name
        for name in Repository.around(plan.target.cwd).ignored_paths()
        if not any(Path(name).is_relative_to(link) for link in linked)
    ]
    if not ignored and not any(word in line for word in _ABSENT for line in launch.stderr_tail):
        return []
    named = readable(", ".join(ignored[:_NUM_NAMED])) + (", …" if len(ignored) > _NUM_NAMED else "")
    there = f", so {named} {'is' if len(ignored) == 1 else 'are'} not there" if ignored else ""
    return [f"what git ignores is not put into the worktrees{there}: --link PATH links yours into both"]


def _names(facts: ExactFacts) -> Sequence[str]:
    return [*facts.values, *facts.sets, *facts.counts]


def _size(facts: ExactFacts, name: str) -> float:
    if name in facts.values:
        return facts.values[name]
    return float(len(facts.sets[name]) if name in facts.sets else sum(facts.counts[name].values()))
