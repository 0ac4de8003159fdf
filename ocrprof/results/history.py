"""Reports as sessions of a history: what is kept of each, which are compared with, and which are looked at."""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ocrprof.results.check_baseline import REFERENCE
from ocrprof.results.check_fingerprint import differences
from ocrprof.results.check_stored import StoredSession, stored_session
from ocrprof.results.check_values import describe_metrics
from ocrprof.results.model import (
    BaselineReport,
    CheckReport,
    CheckVerdict,
    ExactFacts,
    Fingerprint,
    Flag,
    HistoryLine,
    Launch,
    MetricInfo,
    Run,
    SessionRef,
    StartupReport,
)
from ocrprof.target import PROBE_ARGUMENTS

NUM_ROLLING = 20
"""Sessions of the rolling reference."""

NOT_MEASURED: frozenset[Flag] = frozenset(("failed", "interrupted", "not_comparable", "dirty"))
"""Flags of sessions whose times are of no commit, or of none that ran to its end."""

_BAD_VERDICTS: Mapping[CheckVerdict, Flag] = {
    "failed": "failed",
    "not_comparable": "not_comparable",
    "regressed": "regressed",
    "inconclusive": "inconclusive",
}


def history_line(report: StartupReport | BaselineReport | CheckReport, *, folder: str = ".") -> HistoryLine | None:
    """The session that a report tells of; None of one that ended before it knew on what it was measured.

    Of a check against a commit that is the candidate. `folder`: where it was started, from the repository's top on.
    """
    stored = stored_session(report)
    if stored is None:
        return None
    launches = [{name: value for name, value in one.values.items() if name != REFERENCE} for one in stored.launches]
    exact = _sizes(stored.facts) if stored.facts is not None else {}
    flags = _flags(report, dirty=stored.state.dirty)
    verdict = report.verdict if isinstance(report, CheckReport) else None
    warn = {name: value for name, value in stored.fingerprint.warn.items() if name != "hostname"}
    content = _hash({"launches": launches, "exact": exact, "flags": flags, "verdict": verdict}, length=64)
    return HistoryLine(
        id=_hash([report.created, stored.state.sha, content], length=12),
        created=report.created,
        kind=report.kind,
        tool=report.tool.version,
        argv=_argv(report),
        folder=folder,
        git=stored.state,
        fingerprint=stored.fingerprint.id,
        metric_set=metric_set_hash(launches),
        refuse=stored.fingerprint.refuse,
        treatment=stored.fingerprint.treatment,
        warn=warn,
        launches=launches,
        exact=exact,
        reference_seconds=_reference_seconds(stored.fingerprint),
        verdict=verdict,
        flags=flags,
    )


def metric_set_hash(launches: Sequence[dict[str, float]]) -> str:
    """Of the metrics that decide by default, those of launches with such values: 8 digits.

    The phases that explain them are left out: a program that gains one still has the same totals.
    """
    told = [
        [info.name, info.unit, info.direction, info.kind, info.version] for info in metric_infos(launches) if info.gated
    ]
    return _hash(sorted(told), length=8)


def metric_infos(launches: Iterable[dict[str, float]]) -> list[MetricInfo]:
    """What is known of every metric that any of these launches has."""
    return describe_metrics(
        [_launch(values, number=0) for values in launches], gate=(), min_effect=0.05, min_effects={}
    )


def is_reference(line: HistoryLine) -> bool:
    """Whether later sessions may be held against it."""
    return not line.flags


def is_measured(line: HistoryLine) -> bool:
    """Whether its times are those of a commit: of one that a check failed for being slower too."""
    return not NOT_MEASURED.intersection(line.flags)


def rolling(lines: Sequence[HistoryLine], *, most: int = NUM_ROLLING) -> list[HistoryLine]:
    """The last `most` of the sessions that may be compared with."""
    return [line for line in lines if is_reference(line)][-most:]


def session_ref(line: HistoryLine) -> SessionRef:
    """The session without its values."""
    return SessionRef(
        id=line.id,
        created=line.created,
        sha=line.git.sha,
        subject=line.git.subject,
        num_launches=len(line.launches),
        flags=line.flags,
    )


def stored_launches(line: HistoryLine) -> list[Launch]:
    """The launches of a session, with how fast the machine was then, where that is known."""
    speed = {} if line.reference_seconds is None else {REFERENCE: line.reference_seconds}
    return [_launch({**values, **speed}, number=number) for number, values in enumerate(line.launches, start=1)]


def session_of_line(line: HistoryLine, *, refuse: dict[str, Any]) -> StoredSession:  # Any: JSON values
    """A line as one of the sessions that a check compares with. `refuse`: the fields of its file's fingerprint."""
    fingerprint = Fingerprint(id=line.fingerprint, refuse=refuse, treatment=line.treatment, warn=line.warn)
    return StoredSession(
        launches=stored_launches(line), facts=None, fingerprint=fingerprint, state=line.git, created=line.created
    )


def changed_software(before: HistoryLine, after: HistoryLine) -> list[str]:
    """What else than the commit differs between two sessions of one machine: `torch 2.8.0 → 2.9.0`."""
    sides = [Fingerprint(id=line.fingerprint, treatment=line.treatment, warn=line.warn) for line in (before, after)]
    return [f"{field.name} {field.base} → {field.candidate}" for field in differences(*sides, deps_under_test=True)]


def unlike(line: HistoryLine, other: HistoryLine, *, refuse: dict[str, Any]) -> list[str]:  # Any: JSON values
    """Why a session does not belong into the file of `other`, whose fingerprint has the fields `refuse`."""
    own = line.refuse or {}
    both = sorted(own.keys() & refuse.keys())
    told = [f"{other.kind} there, {line.kind} here"] if line.kind != other.kind else []
    told += [
        f"{name}: {_text(refuse[name])} there, {_text(own[name])} here" for name in both if own[name] != refuse[name]
    ]
    told += _only(own, refuse)
    if line.metric_set != other.metric_set:
        told += _only(*({info.name for info in metric_infos(one.launches) if info.gated} for one in (line, other)))
    return told


def _only(here: Collection[str], there: Collection[str]) -> list[str]:
    """`smt, threads only here`."""
    sides = ((here, there, "here"), (there, here, "there"))
    return [
        f"{', '.join(sorted(names))} only {where}" for one, other, where in sides if (names := set(one) - set(other))
    ]


def _argv(report: StartupReport | BaselineReport | CheckReport) -> list[str]:
    """The command, without the arguments of a probe: those are asked for by the kind of launch."""
    argv = report.target.argv
    probe = PROBE_ARGUMENTS[report.probe] if isinstance(report, StartupReport) and report.probe else ()
    return argv[: -len(probe)] if probe and tuple(argv[-len(probe) :]) == tuple(probe) else argv


def _flags(report: StartupReport | BaselineReport | CheckReport, *, dirty: bool) -> list[Flag]:
    flags: list[Flag] = []
    if isinstance(report, CheckReport):
        flags += [_BAD_VERDICTS[report.verdict]] if report.verdict in _BAD_VERDICTS else []
        flags += ["interrupted"] if report.interrupted else []
    else:
        runs = _runs(report)
        statuses = {run.status for run in runs}
        flags += ["interrupted"] if "interrupted" in statuses else []
        flags += ["failed"] if not runs or statuses - {"reached", "interrupted"} else []
    return [*flags, "dirty"] if dirty else flags


def _runs(report: StartupReport | BaselineReport) -> list[Run]:
    """Those of the start, and the training run of a baseline."""
    if isinstance(report, StartupReport):
        return report.runs
    return [*(report.startup.runs if report.startup else []), *([report.run] if report.run else [])]


def _sizes(facts: ExactFacts) -> dict[str, float]:
    """Numbers of what a launch did; without what two launches of one state did otherwise."""
    sizes = {
        **facts.values,
        **{name: float(len(members)) for name, members in facts.sets.items()},
        **{name: float(sum(members.values())) for name, members in facts.counts.items()},
    }
    return {name: size for name, size in sizes.items() if name not in facts.unsteady}


def _reference_seconds(fingerprint: Fingerprint) -> float | None:
    """Seconds of the fixed piece of work, as a check with a stored baseline adds them up."""
    reference = fingerprint.record.get("reference_seconds")
    return reference["imports"] + reference["loop"] if reference else None


def _launch(values: dict[str, float], *, number: int) -> Launch:
    return Launch(
        number=number,
        arm="base",
        pair=number,
        position=0,
        started="",
        status="reached",
        wall_seconds=0.0,
        values=values,
    )


def _hash(value: Any, *, length: int) -> str:  # Any: JSON values
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def _text(value: Any) -> str:  # Any: a JSON value
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value, sort_keys=True)
