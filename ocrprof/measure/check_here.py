"""Measures one state, the working tree as it is, against stored reports or against limits alone."""

from collections.abc import Sequence
from pathlib import Path

from ocrprof.errors import ExitCode, OcrprofError
from ocrprof.measure.check_arms import Place, equal_settings
from ocrprof.measure.check_launch import launch_of
from ocrprof.measure.check_session import CheckSession, Stopped
from ocrprof.measure.fingerprint import take_fingerprint
from ocrprof.measure.reference_work import time_reference_work
from ocrprof.measure.worktrees import Repository
from ocrprof.results.check_baseline import MIN_SESSIONS, REFERENCE, judge_sessions, takes_speed_out
from ocrprof.results.check_facts import leave_out, without_unsteady
from ocrprof.results.check_fingerprint import differences
from ocrprof.results.check_session_explanation import session_figures
from ocrprof.results.check_stored import StoredSession, stored_session
from ocrprof.results.check_values import describe_metrics
from ocrprof.results.history import rolling, session_of_line
from ocrprof.results.history_file import SUFFIX, read_history
from ocrprof.results.history_series import since_last_change
from ocrprof.results.model import ExactFacts, GitState, Launch
from ocrprof.results.store import read_report


def measure_here(session: CheckSession) -> None:
    """Fills the session with launches of the working tree, and with what the stored ones say of them."""
    plan = session.plan
    stored = [] if plan.update_baseline else _read(session)
    place, session.candidate = _here(session)
    reference = {} if plan.exact_only else time_reference_work()
    session.progress("a launch for what needs no statistics")
    session.facts["candidate"] = session.launch(place, arm="candidate", counted=True).facts or ExactFacts()
    session.fingerprint = take_fingerprint(
        session.records,
        cwd=plan.target.cwd,
        launch=launch_of(plan, session.launcher.until),
        reference=reference,
    )
    if stored:
        _refuse_unlike(session, stored)
        _compare_facts(session, place, next((one for one in reversed(stored) if one.facts is not None), stored[-1]))
    session.time_references(place)
    if plan.exact_only:
        return
    if plan.cold:
        session.progress("a launch that tells which files it reads")  # what the first one wrote among them
        session.launch(place, arm="candidate", counted=True)
    for number in range(1, plan.num_runs + 1):
        session.progress(f"launch {number} of {plan.num_runs}")
        session.launch(place, arm="candidate", pair=number)
    if reference:
        speed = reference["imports"] + reference["loop"]
        session.launches = [
            one.model_copy(update={"values": {**one.values, REFERENCE: speed}}) if one.pair else one
            for one in session.launches
        ]
    counted = [one for one in session.launches if one.pair]
    facts = session.facts["candidate"]
    # Where a new baseline is taken nothing is compared, and what a later check compares may be named all the same.
    told = [*facts.values, *facts.sets, *facts.counts] if plan.update_baseline else []
    session.infos = describe_metrics(
        counted,
        gate=plan.metrics,
        min_effect=plan.min_effect,
        min_effects=plan.min_effects,
        exact=[*(change.name for change in session.exact), *told],
    )
    if stored:
        _judge_times(session, stored, counted)


def _here(session: CheckSession) -> tuple[Place, GitState]:
    """The working tree: where there is git, with its commit; files are told relative to the repository's top."""
    target = session.plan.target
    try:
        repository = Repository.around(target.cwd)
        state = repository.commit("HEAD")
    except OcrprofError:
        return Place(target=target, folder=target.cwd.resolve(), settings=equal_settings()), GitState()
    dirty = bool(repository.changed_files(leave_out=session.plan.own_files))
    return (
        Place(target=target, folder=repository.top, settings=equal_settings()),
        state.model_copy(update={"dirty": dirty}),
    )


def _read(session: CheckSession) -> list[StoredSession]:
    found: list[StoredSession] = []
    for path in session.plan.baselines:
        found += _sessions_of(session, path) if path.suffix == SUFFIX else [_session_of(path)]
    session.sessions += [session_figures(one.launches, created=one.created, sha=one.state.sha) for one in found]
    session.base, session.base_fingerprint = (found[-1].state, found[-1].fingerprint) if found else (GitState(), None)
    return found


def _session_of(path: Path) -> StoredSession:
    report = read_report(path)
    stored = stored_session(report)
    if stored is None:
        raise OcrprofError(
            f"{path} is a {report.kind} report, with nothing that a check could compare",
            hint="a report of check, startup or baseline, or a history",
        )
    return stored


def _sessions_of(session: CheckSession, path: Path) -> list[StoredSession]:
    """The rolling reference of a history: its last sessions without a flag, since the last change of a time.

    They have the libraries of the newest of them; any, where other libraries are what is tested.
    """
    history = read_history(path)
    if not history.lines:
        raise OcrprofError(
            f"{path} holds no session: {history.notes[0] if history.notes else 'it is empty'}",
            hint="`ocrprof history add REPORT` adds one",
        )
    chosen = rolling(sorted(history.lines, key=lambda line: line.created))
    if not chosen:
        raise OcrprofError(
            f"{path} holds no session to compare with: each of its {len(history.lines)} is flagged",
            hint="`ocrprof history report` says how",
        )
    if not session.plan.deps_under_test:
        chosen = [line for line in chosen if line.treatment == chosen[-1].treatment]
    level = since_last_change(chosen)
    told = f"the last {len(level)} of {len(history.lines)} sessions of {path.name}"
    if len(level) < len(chosen):
        told += (
            f", since a change at {(level[0].git.sha or level[0].created)[:12]}: `ocrprof history report` tells of it"
        )
    session.notes += [told, *history.notes]
    if session.plan.exact_only:
        raise OcrprofError(
            f"--exact needs to know what a launch did, and {path} holds numbers",
            hint="--baseline REPORT, --against REF",
        )
    return [session_of_line(line, refuse=history.refuse) for line in level]


def _refuse_unlike(session: CheckSession, stored: Sequence[StoredSession]) -> None:
    """Raises Stopped with every field in which machine or workload differ, unless that was allowed."""
    plan, own = session.plan, session.fingerprint
    if own is None:
        return
    fields = [
        field
        for one in stored
        for field in differences(one.fingerprint, own, exact_only=plan.exact_only, deps_under_test=plan.deps_under_test)
    ]
    session.mismatches = list(dict.fromkeys(fields))
    refused = [field for field in session.mismatches if field.tier == "refuse"]
    if refused and not plan.allow_mismatch:
        told = "; ".join(f"{field.name}: {field.base} there, {field.candidate} here" for field in refused)
        session.notes.append(
            "--remeasure measures the baseline's commit on this machine; --deps-under-test takes other versions of "
            "libraries for what is tested; --allow-mismatch compares all the same, and never fails"
        )
        raise Stopped(f"not comparable: {told}", verdict="not_comparable", exit_code=ExitCode.NOT_COMPARABLE)


def _compare_facts(session: CheckSession, place: Place, stored: StoredSession) -> None:
    """Of what the stored report tells; a start's knows of imports alone."""
    if stored.facts is None:
        session.notes.append("the baseline holds no facts that need no statistics: only times are compared")
        return
    facts = session.facts["candidate"]
    session.facts["base"] = stored.facts
    session.facts["candidate"] = facts = leave_out(facts, stored.facts.unsteady)
    session.compare_exactly()
    if any(change.verdict != "ok" for change in session.exact):
        session.progress("something differs; a second launch tells whether it always does")
        again = session.launch(place, arm="candidate", counted=True).facts or ExactFacts()
        session.facts["candidate"] = without_unsteady([facts], [again])[0]
        session.facts["base"] = leave_out(stored.facts, session.facts["candidate"].unsteady)
        session.compare_exactly()
        session.tell_unsteady()
    # What the report does not tell is not compared; what was asked to decide by its name is missing then.
    known = {*stored.facts.values, *stored.facts.sets, *stored.facts.counts, *session.plan.metrics}
    session.exact = [change for change in session.exact if change.name in known]


def _judge_times(session: CheckSession, stored: Sequence[StoredSession], counted: Sequence[Launch]) -> None:
    launches = [one.launches for one in stored]
    session.metrics = judge_sessions(launches, counted, session.infos, session.design, base_sha=session.base.sha)
    if takes_speed_out(launches, counted, session.infos):
        session.notes.append(
            "the machine's own speed in each session, by a fixed piece of work, is taken out of what is told as worse; "
            "medians are as measured, and may differ from it"
        )
    if len(stored) < MIN_SESSIONS:
        plural = "s" if len(stored) > 1 else ""
        session.notes.append(
            f"{len(stored)} stored session{plural}: exact metrics and budgets are judged, times "
            f"are only told, because a machine's speed shifts between sessions ({MIN_SESSIONS} of them are needed; "
            "--remeasure needs one)"
        )
