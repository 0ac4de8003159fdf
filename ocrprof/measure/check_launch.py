"""One launch of a check: the target to its milestone, and what it tells: metrics, facts, what disturbed it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from ocrprof.check_plan import CheckPlan
from ocrprof.measure.check_arms import Place
from ocrprof.measure.check_cold import LISTING
from ocrprof.measure.check_duet import Duet, pinned, run_together
from ocrprof.measure.child import Outcome, run_target
from ocrprof.measure.samplers import TreeSampler
from ocrprof.measure.startup import run_of
from ocrprof.measure.surroundings import SurroundingsWatch
from ocrprof.records import ProcessRecords, read_records
from ocrprof.results.check_facts import build_facts
from ocrprof.results.check_values import launch_values, loop_values
from ocrprof.results.mask import mask_text
from ocrprof.results.model import ArmName, ExactFacts, Launch, Surroundings
from ocrprof.results.startup import build_tables
from ocrprof.target import probe_target


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Which launch it is: of whom, in which pair (0: of none) and at which place in it.

    `counted`: at level full with its work counted, for its facts; else timed, for its metrics.
    """

    place: Place
    arm: ArmName
    pair: int = 0
    position: int = 0
    counted: bool = False


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A launch as the report holds it, and what it recorded. `facts` is None of a launch that was timed."""

    launch: Launch
    outcome: Outcome
    records: list[ProcessRecords]
    facts: ExactFacts | None = None

    @property
    def went_well(self) -> bool:
        """Whether it came to its milestone, with records."""
        return self.launch.status == "reached"


@dataclass(frozen=True, kw_only=True)
class _Begun:
    """A launch that has its number. `samplers` holds what watches its memory, once it runs."""

    number: int
    turn: Turn
    started: str
    samplers: list[TreeSampler]

    def sample(self, pid: int) -> TreeSampler:
        """The watch over the process's tree."""
        self.samplers.append(TreeSampler(pid))
        return self.samplers[-1]


class Launcher:
    """Runs launches, numbered, each in a folder of its own; learns from the first whether there is a step to wait for.

    `until` is the milestone: the plan's, the first step, or, of a program that ends without one, its end. With a duet
    each launch runs on the CPUs of its position.
    """

    def __init__(self, plan: CheckPlan, *, duet: Duet | None = None) -> None:
        self.until = "exit" if plan.loop is not None else plan.until or "first-step"
        self.num_launches = 0
        self._plan = plan
        self._duet = duet
        self._may_end = plan.until is None and plan.probe is None and plan.loop is None

    def run(self, turn: Turn) -> Measured:
        """One launch, with nothing of ours beside it."""
        watch, begun = SurroundingsWatch(), self._begin(turn)
        outcome = self._run(begun, None)
        return self._measured(begun, outcome, watch.surroundings())

    def run_both(self, turns: Sequence[Turn]) -> tuple[list[Measured], bool]:
        """Launches at the same time, and whether Ctrl-C ended them; one that goes wrong ends the others.

        What the machine did is told of all of them together: none is another's disturbance.
        """
        watch, begun = SurroundingsWatch(), [self._begin(turn) for turn in turns]
        outcomes, interrupted = run_together([partial(self._run, one) for one in begun])
        surroundings = watch.surroundings()
        ended = zip(begun, outcomes, strict=False)  # Ctrl-C may have come before the last was started
        return [self._measured(one, outcome, surroundings) for one, outcome in ended], interrupted

    def _begin(self, turn: Turn) -> _Begun:
        self.num_launches += 1
        started = datetime.now(UTC).isoformat(timespec="milliseconds")
        return _Begun(number=self.num_launches, turn=turn, started=started, samplers=[])

    def _run(self, begun: _Begun, stop: int | None) -> Outcome:
        """Until it ends, or `stop` can be read. Launches of a duet come here in threads of their own."""
        plan, turn = self._plan, begun.turn
        with pinned(self._duet.cpu_sets[turn.position] if self._duet is not None else None):
            outcome = run_target(
                probe_target(turn.place.target, plan.probe) if plan.probe else turn.place.target,
                # Names of one length: a longer environment would shift what follows it in memory.
                directory=plan.output / "runs" / f"{begun.number:04d}",
                until="first-step" if plan.probe else self.until,
                timeout_seconds=plan.timeout_seconds,
                settings={**turn.place.settings, **self._settings(counted=turn.counted)},
                beside=begun.sample if plan.loop is not None and not turn.counted else None,
                stop=stop,
            )
        return self._judged(outcome)

    def _measured(self, begun: _Begun, outcome: Outcome, surroundings: Surroundings) -> Measured:
        turn, records = begun.turn, read_records(outcome.directory / "records")
        measured = Measured(
            launch=Launch(
                number=begun.number,
                arm=turn.arm,
                pair=turn.pair,
                position=turn.position,
                started=begun.started,
                status=outcome.status,
                exit_code=outcome.exit_code,
                wall_seconds=(outcome.end_ns - outcome.spawn_ns) / 1e9,
                covariates=_covariates(outcome, surroundings),
                stderr_tail=[] if outcome.status == "reached" else [mask_text(one) for one in outcome.stderr_tail],
            ),
            outcome=outcome,
            records=records,
        )
        if not measured.went_well:
            return measured
        if turn.counted:
            return replace(measured, facts=self._facts(outcome, records, turn.place))
        return replace(measured, launch=self._with_values(measured, begun.samplers[0] if begun.samplers else None))

    @property
    def total(self) -> str:
        """What the whole time of a launch is called."""
        return f"time_to_{self._plan.probe or self.until}".replace("-", "_")

    def _settings(self, *, counted: bool) -> Mapping[str, str]:
        loop = self._plan.loop
        settings = {"OCRPROF_LEVEL": "light"}
        if counted:
            # Calls tell what is done again in later epochs; up to a first step there are none.
            wanted = "calls" if loop is not None or self._plan.until == "exit" else "files"
            settings = {"OCRPROF_LEVEL": "full", "OCRPROF_WORK": wanted, **(LISTING if self._plan.cold else {})}
        if loop is None:
            return settings
        return settings | {
            "OCRPROF_PARTS": "1",
            "OCRPROF_TRAIN_BATCHES": str(loop.num_train_batches),
            "OCRPROF_VAL_BATCHES": str(loop.num_val_batches or 0),
            "OCRPROF_EPOCHS": str(loop.num_epochs),
        }

    def _judged(self, outcome: Outcome) -> Outcome:
        if self._plan.probe:
            return outcome.as_answer_to(self._plan.probe)
        if self._may_end and outcome.status == "ended_early" and self.num_launches == 1:
            self.until = "exit"
            return outcome.reached_its_end()
        return outcome

    def _with_values(self, measured: Measured, sampler: TreeSampler | None) -> Launch:
        until = "exit" if self._plan.probe else self.until
        values = launch_values(
            run_of(measured.outcome, measured.records, until=until, warmup=False), measured.records, total=self.total
        )
        within: dict[str, list[float]] = {}
        if self._plan.loop is not None:
            if any(process.mark("first-step") is not None for process in measured.records):
                start = run_of(measured.outcome, measured.records, until="first-step", warmup=False)
                # The phases of the start; the whole run has its own total and teardown.
                values = {
                    **values,
                    **launch_values(start, measured.records, total="time_to_first_step"),
                    "teardown": values.get("teardown", 0.0),
                }
            of_loops, within = loop_values(measured.records)
            values |= of_loops
        peaks = [one.pss_bytes for one in sampler.samples if one.pss_bytes is not None] if sampler else []
        if peaks:
            values["peak_pss"] = float(max(peaks))
        return measured.launch.model_copy(update={"values": values, "within": within})

    def _facts(self, outcome: Outcome, records: list[ProcessRecords], place: Place) -> ExactFacts:
        tables = build_tables(
            records,
            spawn_ns=outcome.spawn_ns,
            end_ns=outcome.end_ns,
            until="exit" if self._plan.probe else self.until,
            status=outcome.status,
            stderr_tail=outcome.stderr_tail,
        )
        texts = [
            (outcome.directory / name).read_text(errors="replace") if (outcome.directory / name).exists() else ""
            for name in ("stdout.txt", "stderr.txt")
        ]
        return build_facts(records, tables, root=place.folder, stdout=texts[0], stderr=texts[1])


def launch_of(plan: CheckPlan, until: str) -> dict[str, object]:
    """What kind of launch is measured, as a fingerprint holds it; how it is timed where that is out of the ordinary."""
    conditions: dict[str, object] = {"cold": True} if plan.cold else {}
    conditions |= {"duet": plan.duet} if plan.duet != "interleaved" else {}
    return {
        "until": until,
        "probe": plan.probe,
        "loop": vars(plan.loop) if plan.loop is not None else None,
        **conditions,
    }


def _covariates(outcome: Outcome, surroundings: Surroundings) -> dict[str, float]:
    """What may have disturbed a launch, as far as the kernel tells. Never used to choose launches by their time."""
    found: dict[str, float | None] = {
        "stolen_seconds": surroundings.stolen_seconds,
        "others_busy_cores": surroundings.others_busy_cores,
        "load_average": surroundings.load_average,
        "throttled_seconds": surroundings.throttled_seconds,
        "swapped_bytes": surroundings.swapped_bytes,
        "thermal_throttles": surroundings.num_thermal_throttles,
        "major_faults": outcome.num_major_faults,
        "involuntary_switches": outcome.num_involuntary_switches,
        **{f"waited_{name}_seconds": seconds for name, seconds in surroundings.waited.items()},
    }
    return {name: float(value) for name, value in found.items() if value is not None}
