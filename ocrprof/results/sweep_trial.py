"""One trial of a sweep from what its processes recorded: how it ended, and what was measured until then."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ocrprof.records import ProcessRecords
from ocrprof.results.model import (
    Block,
    Cost,
    Failure,
    LoaderInfo,
    LoaderSetting,
    Location,
    RunStatus,
    StepWaits,
    SweepTrial,
    TrialStatus,
    WorkerStages,
)
from ocrprof.results.sweep_failures import Classified, Ending, classify, classify_end, classify_hang

_STAGES = ("decode", "transform", "collate", "rest")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a trial was to measure, as far as it decides how the records are read."""

    loader: Literal["train", "val"] | int = "train"
    mode: Literal["loader", "train"] = "loader"
    step_seconds: float | None = None
    step_mode: Literal["sleep", "spin"] = "sleep"
    per_stage: bool = False
    timeout_seconds: float


@dataclass(frozen=True, kw_only=True)
class TrialRun:
    """How the process of a trial ended, by what the parent saw; times are CLOCK_MONOTONIC ns.

    `hang_seconds`: for so long no batch had come when the parent ended it; None where it did not.
    """

    spawn_ns: int
    end_ns: int
    status: RunStatus
    ending: Ending
    hang_seconds: float | None = None
    stacks: Sequence[str] = ()
    notes: Sequence[str] = field(default=())


def build_trial(
    run: TrialRun,
    records: Sequence[ProcessRecords],
    *,
    setting: LoaderSetting,
    asked: Asked,
    round: int,
    position: int,
    control: bool,
) -> SweepTrial:
    """The trial. Figures of one that did not end well are those that it had written by then."""
    measured = _process(records)
    facts = _facts(measured)
    status, failure = _ended(run, records, facts, asked)
    return SweepTrial(
        setting=setting,
        round=round,
        position=position,
        control=control,
        status=status,
        exit_code=run.ending.exit_code,
        failure=failure,
        loader=_loader(measured),
        wall_seconds=(run.end_ns - run.spawn_ns) / 1e9,
        start_seconds=_seconds(facts, "taken", "at", since=run.spawn_ns),
        iter_seconds=_seconds(facts, "workers", "iter"),
        worker_ready_seconds=_ready(facts, records),
        first_batch_seconds=_seconds(facts, "first", "first"),
        fill_seconds=_seconds(facts, "blocks", "fill"),
        num_discarded=facts.get("blocks", {}).get("discarded", 0),
        blocks=_blocks(facts),
        waits=_waits(facts, asked),
        replay_seconds=[ns / 1e9 for ns in facts.get("replay", {}).get("ns", ())],
        turnover_seconds=_seconds(facts, "turnover", "ns"),
        cost=_cost(facts),
        stages=_stages(facts, records, measured, asked),
        train_samples_per_sec=_trained(facts),
        exit_seconds=None if "exit" not in facts else (run.end_ns - facts["exit"]["at"]) / 1e9,
        capped=bool(facts.get("blocks", {}).get("capped")),
        notes=[*run.notes, *_notes(facts)],
    )


def _process(records: Sequence[ProcessRecords]) -> ProcessRecords | None:
    """The one whose loader was taken over; of several ranks the first."""
    taken = [one for one in records if "sweep.taken" in one.totals or "sweep.failure" in one.totals]
    return min(taken, key=lambda one: (one.rank or 0, one.start_ns), default=None)


def _facts(process: ProcessRecords | None) -> dict[str, Any]:  # Any: JSON values
    if process is None:
        return {}
    return {name.removeprefix("sweep."): facts for name, facts in process.totals.items() if name.startswith("sweep.")}


def _ended(
    run: TrialRun, records: Sequence[ProcessRecords], facts: dict[str, Any], asked: Asked
) -> tuple[TrialStatus, Failure | None]:
    if run.status == "interrupted":
        return "interrupted", None
    error = next((one.totals["sweep.error"] for one in records if "sweep.error" in one.totals), None)
    if "failure" in facts:
        return classify(facts["failure"], error, run.ending)
    if run.hang_seconds is not None:
        return _hung(run, facts)
    if run.status == "timed_out":
        where = "the loader was measured" if "taken" in facts else "before the loader was iterated"
        message = f"did not end within {asked.timeout_seconds:g} s ({where})"
        stuck = classify_hang(message, run.ending, run.stacks)
        if "taken" in facts and stuck.status != "timeout":
            return stuck
        return "timeout", Failure(message=message, advice="give it more: --timeout", stack=list(run.stacks))
    if run.status == "not_recorded":
        return "not_recorded", Failure(
            message="the recorder did not start in the program",
            advice="is the command a Python program, run without -I, -S and -E?",
            traceback_tail=list(run.ending.stderr_tail),
        )
    if run.status == "crashed":
        return classify_end(run.ending)
    if "blocks" in facts and facts["blocks"]["blocks"]:
        return ("ok_slow_exit" if facts.get("exit", {}).get("slow") else "ok"), None
    return _not_measured(run, records, facts, asked)


def _hung(run: TrialRun, facts: dict[str, Any]) -> Classified:
    phase = "after the first" if "first" in facts else "and no first one"
    message = f"no batch for {run.hang_seconds:.0f} s {phase}: the processes were looked at, then ended"
    return classify_hang(message, run.ending, run.stacks)


def _not_measured(
    run: TrialRun, records: Sequence[ProcessRecords], facts: dict[str, Any], asked: Asked
) -> tuple[TrialStatus, Failure]:
    """The program ended well, and what was asked for did not happen in it."""
    tail = list(run.ending.stderr_tail)
    if "taken" in facts:
        message = "the program ended before enough steps of its training: there was nothing to measure"
        return "crashed", Failure(message=message, advice="let it train longer", traceback_tail=tail)
    seen = [_describe(loader) for loader in _loaders(records)]
    wanted = {"train": "a loader to train with", "val": "a loader to evaluate on"}.get(
        str(asked.loader), f"loader {asked.loader}"
    )
    listed = "; iterated were " + ", ".join(seen) if seen else ": it iterated no DataLoader of torch at all"
    return "no_loader", Failure(
        message=f"the program ended without iterating {wanted}{listed}",
        advice="choose one by its number: --loader N" if seen else None,
        traceback_tail=tail,
    )


def _loaders(records: Sequence[ProcessRecords]) -> list[dict[str, Any]]:  # Any: JSON values
    found = [facts for one in records for name, facts in one.totals.items() if name.startswith("sweep.loader.")]
    return sorted(found, key=lambda loader: int(loader["number"]))


def _describe(loader: dict[str, Any]) -> str:  # Any: JSON values
    place = loader.get("loc")
    where = f" ({place[0].rpartition('/')[2]}:{place[1]})" if place else ""
    return f"{loader['number']}: {loader['role']}, {loader['dataset']}{where}"


def chosen_loader(records: Sequence[ProcessRecords]) -> dict[str, Any] | None:  # Any: JSON values
    """What the program gave the loader that was taken over; None where it did not come to it."""
    return next((loader for loader in _loaders(records) if loader.get("chosen")), None)


def _loader(process: ProcessRecords | None) -> LoaderInfo | None:
    if process is None:
        return None
    chosen = chosen_loader([process])
    if chosen is None:
        return None
    place = chosen["loc"]
    fields = {name: chosen[name] for name in LoaderInfo.model_fields if name in chosen}
    return LoaderInfo(**fields, location=Location(file=place[0], line=place[1]) if place else None)


def _ready(facts: dict[str, Any], records: Sequence[ProcessRecords]) -> list[float]:
    """From `iter()` to each worker's loop, workers of the first epoch only, in their order."""
    if "workers" not in facts:
        return []
    start, pids = facts["workers"]["at"], facts["workers"]["pids"]
    moments = {one.pid: one.mark("worker.ready") for one in records if one.role == "worker"}
    ready = [moments.get(pid) for pid in pids]
    return [(at - start) / 1e9 for at in ready if at is not None]


def _blocks(facts: dict[str, Any]) -> list[Block]:
    return [
        Block(seconds=ns / 1e9, num_batches=num_batches, num_samples=num_samples)
        for ns, num_batches, num_samples in facts.get("blocks", {}).get("blocks", ())
    ]


def _waits(facts: dict[str, Any], asked: Asked) -> StepWaits | None:
    waits = facts.get("waits")
    if not waits or not waits["num_batches"]:
        return None
    computed = sum(waits["compute"]) / 1e9
    step_seconds = asked.step_seconds if asked.mode == "loader" else None
    return StepWaits(
        step_seconds=step_seconds if step_seconds is not None else computed / sum(waits["num_batches"]),
        mode=asked.step_mode if asked.mode == "loader" else "train",
        wait_seconds=[ns / 1e9 for ns in waits["wait"]],
        compute_seconds=[ns / 1e9 for ns in waits["compute"]],
        num_batches=waits["num_batches"],
        oversleep_seconds=waits["oversleep"] / 1e9,
    )


def _cost(facts: dict[str, Any]) -> Cost | None:
    first, blocks = facts.get("first"), facts.get("blocks")
    if first is None:
        return None
    spent = blocks["cost"] if blocks else {}
    return Cost(
        cpu_seconds_main=_of_ns(spent.get("cpu_main")),
        cpu_seconds_workers=_of_ns(spent.get("cpu_workers")),
        num_samples=sum(one[2] for one in blocks["blocks"]) if blocks else 0,
        throttled_seconds=_of_ns(spent.get("throttled")),
        num_throttled=spent.get("num_throttled"),
        pss_peak_bytes=spent.get("pss_peak"),
        shm_peak_bytes=spent.get("shm_peak"),
        read_bytes=spent.get("read_bytes"),
        read_chars=spent.get("read_chars"),
        batch_bytes=first["batch_bytes"],
        num_tensors=first["num_tensors"],
    )


def _stages(
    facts: dict[str, Any],
    records: Sequence[ProcessRecords],
    measured: ProcessRecords | None,
    asked: Asked,
) -> WorkerStages | None:
    """Of the batches that were loaded while blocks were timed, by the first epoch's workers or the main process."""
    if measured is None or "blocks" not in facts:
        return None
    pids = facts["workers"]["pids"] or [measured.pid]
    first, last = facts["blocks"]["first"], facts["blocks"]["last"]
    rows = [
        row
        for one in records
        if one.pid in pids and "sweep.batches" in one.totals
        for row in one.totals["sweep.batches"]["rows"]
        if first <= row[0] <= last
    ]
    if not rows:
        return None
    seconds = {}
    if asked.per_stage:
        seconds = {name: sum(row[2 + k] for row in rows) / 1e9 for k, name in enumerate(_STAGES)}
    return WorkerStages(seconds=seconds, num_batches=len(rows), service_seconds=[row[1] / 1e9 for row in rows])


def _trained(facts: dict[str, Any]) -> float | None:
    blocks = facts.get("blocks", {})
    if not blocks.get("train_ns"):
        return None
    return float(blocks["train_samples"] / (blocks["train_ns"] / 1e9))


def _notes(facts: dict[str, Any]) -> list[str]:
    """What the recorder said of the trial, each once."""
    said = [*facts.get("taken", {}).get("notes", ()), *facts.get("blocks", {}).get("notes", ())]
    return list(dict.fromkeys(said))


def _seconds(facts: dict[str, Any], name: str, key: str, *, since: int = 0) -> float | None:
    value = facts.get(name, {}).get(key)
    return None if value is None else (value - since) / 1e9


def _of_ns(value: int | None) -> float | None:
    return None if value is None else value / 1e9
