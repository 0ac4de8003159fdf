"""Histories of a repository: reports added to them, and what came of every metric, with the commits behind a change."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

from ocrprof.errors import OcrprofError
from ocrprof.measure.environment import describe_environment, describe_tool
from ocrprof.measure.fingerprint import take_fingerprint
from ocrprof.measure.startup import Progress
from ocrprof.measure.worktrees import FOLDER, Repository, overlook
from ocrprof.plan import HistoryPlan
from ocrprof.results.change_points import fewest_values
from ocrprof.results.check_values import require_names
from ocrprof.results.history import history_line, is_measured, is_reference, session_ref, unlike
from ocrprof.results.history_file import History, append_session, history_path, read_histories, read_history
from ocrprof.results.history_report import headline, with_causes
from ocrprof.results.history_series import LEVEL, WINDOW, build_series, metric_names
from ocrprof.results.model import (
    BaselineReport,
    ChangePoint,
    CheckReport,
    HistoryLine,
    HistoryReport,
    StartupReport,
    TargetInfo,
)
from ocrprof.results.store import read_report

HARDWARE = ("os", "arch", "cpu", "cpu_model", "cores_usable", "smt", "gpus", "gpu_driver")
"""Fields of a fingerprint that tell the machine; the others tell the workload."""

_NUM_COMMITS = 30


@dataclass(frozen=True, kw_only=True)
class Added:
    """What became of one report. `line` None: it holds no session, `why` tells; else `new`, or known before.

    `unlike` tells of a session that began a file how it differs from those of the nearest other one.
    """

    report: Path
    line: HistoryLine | None = None
    path: Path | None = None
    new: bool = False
    num_sessions: int = 0
    num_references: int = 0
    nearest: Path | None = None
    unlike: tuple[str, ...] = ()
    why: str = ""


def history_folder(cwd: Path) -> Path:
    """Where the histories of the repository around `cwd` lie, or of `cwd` itself where there is none."""
    repository = repository_around(cwd)
    return (repository.top if repository else cwd) / FOLDER / "history"


def repository_around(cwd: Path) -> Repository | None:
    """The repository, where there is one."""
    try:
        return Repository.around(cwd)
    except OcrprofError:
        return None


def add_report(path: Path, folder: Path, *, cwd: Path) -> Added:
    """Adds the session that a report tells of to its history in `folder`, once.

    Raises OcrprofError for a file that cannot be read, for one of another kind, and where nothing can be written.
    """
    report = read_report(path)
    if not isinstance(report, StartupReport | BaselineReport | CheckReport):
        raise OcrprofError(
            f"{path} is a {report.kind} report, which is no session", hint="a report of check, startup or baseline"
        )
    repository = repository_around(cwd)
    line = history_line(report, folder=_inside(report.target.cwd, repository))
    if line is None:
        return Added(report=path, why="it ended before it was known on what it was measured")
    if repository is not None and folder.resolve().is_relative_to(repository.top / FOLDER):
        overlook(repository)
    others = read_histories(folder) if folder.is_dir() else []
    own = history_path(folder, line)
    began = not own.exists()
    new = append_session(folder, line)
    lines = read_history(own).lines
    nearest = min(others, key=lambda one: _distance(line, one), default=None) if began else None
    return Added(
        report=path,
        line=line,
        path=own,
        new=new,
        num_sessions=len(lines),
        num_references=sum(map(is_reference, lines)),
        nearest=nearest.path if nearest else None,
        unlike=tuple(unlike(line, nearest.lines[-1], refuse=nearest.refuse)) if nearest else (),
    )


def _distance(line: HistoryLine, other: History) -> int:
    return len(unlike(line, other.lines[-1], refuse=other.refuse))


def _inside(cwd: str, repository: Repository | None) -> str:
    """The folder, relative to the repository's top where it lies in it; a report of another clone tells none."""
    if repository is None or not Path(cwd).is_relative_to(repository.top):
        return "."
    return str(Path(cwd).relative_to(repository.top))


@dataclass(frozen=True, kw_only=True)
class Sessions:
    """The sessions of one history in order, `by_commit` or else by time, and what there is to say of the choice."""

    lines: list[HistoryLine]
    refuse: dict[str, object]
    by_commit: bool
    repository: Repository | None
    notes: list[str]


def read_sessions(plan: HistoryPlan, *, cwd: Path) -> Sessions:
    """The history that was asked for, else the latest one of this machine, else the latest one.

    Raises OcrprofError where there is none.
    """
    histories = read_histories(plan.folder)
    if not histories:
        raise OcrprofError(f"no session in {plan.folder}", hint="`ocrprof history add REPORT` adds one")
    chosen, notes = _chosen(histories, plan.fingerprint, cwd=cwd)
    repository = repository_around(cwd)
    lines, by_commit = _in_order(chosen.lines, repository)
    if not by_commit and repository is not None:
        notes.append(
            "in the order of time, and without commits between: git does not know all of these commits here (a shallow "
            "clone, or another repository)"
        )
    return Sessions(
        lines=lines,
        refuse=chosen.refuse,
        by_commit=by_commit,
        repository=repository,
        notes=[*notes, *chosen.notes],
    )


def report_history(sessions: Sessions, plan: HistoryPlan, *, cwd: Path, progress: Progress) -> HistoryReport:
    """What came of every metric over these sessions, with the commits behind each change.

    Raises OcrprofError for a frozen commit that no session can stand for, and for unknown metrics.
    """
    lines, repository = sessions.lines, sessions.repository
    frozen, label = _frozen(lines, plan.frozen, repository)
    require_names(plan.metrics, known=metric_names(lines))
    progress(f"changes are looked for in {len(lines)} session{'' if len(lines) == 1 else 's'}")
    series = build_series(
        lines,
        frozen=frozen,
        frozen_label=label,
        seed=plan.seed,
        wanted=lambda name: not plan.metrics or any(fnmatchcase(name, pattern) for pattern in plan.metrics),
    )
    series = [
        one.model_copy(
            update={"changes": [_with_commits(change, lines, repository) for change in with_causes(one, lines)]}
        )
        for one in series
    ]
    launch = sessions.refuse.get("launch")
    subjects = _subjects(lines, repository) if sessions.by_commit else {}
    refs = [
        ref.model_copy(update={"subject": ref.subject or subjects.get(str(ref.sha))}) for ref in map(session_ref, lines)
    ]
    return HistoryReport(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        tool=describe_tool(),
        target=TargetInfo(argv=lines[-1].argv, cwd=lines[-1].folder),
        environment=describe_environment(cwd=cwd, python=None, libraries={}),
        fingerprint=lines[-1].fingerprint,
        metric_set=lines[-1].metric_set,
        refuse={name: value for name, value in sessions.refuse.items() if name != "launch"},
        launch=launch if isinstance(launch, dict) else {},
        ordered_by="commit" if sessions.by_commit else "time",
        sessions=refs,
        window=WINDOW,
        level=LEVEL,
        seed=plan.seed,
        series=series,
        headline=headline(series, refs),
        notes=[*sessions.notes, *_limits(lines, frozen)],
    )


def _limits(lines: Sequence[HistoryLine], frozen: Sequence[int]) -> list[str]:
    """What these sessions cannot tell."""
    notes = [] if frozen else ["no session may be compared with: each of them is flagged"]
    num, fewest = sum(map(is_measured, lines)), fewest_values(LEVEL)
    if num < fewest:
        notes.append(
            f"{num} measured session{'s' if num != 1 else ''}: no change of a time can be sure before there are "
            f"{fewest} (p {LEVEL:g}); exact metrics are told from the second on"
        )
    return notes


def _chosen(histories: Sequence[History], wanted: str | None, *, cwd: Path) -> tuple[History, list[str]]:
    """The history to tell of, and what there is beside it."""
    notes: list[str] = []
    if wanted is not None:
        found = [one for one in histories if one.path.stem.startswith(wanted)]
        if not found:
            known = ", ".join(one.path.stem for one in histories)
            raise OcrprofError(f"no history has the fingerprint {wanted}", hint=f"known: {known}")
    else:
        own = take_fingerprint([], cwd=cwd, launch={}, reference={}).refuse
        found = [one for one in histories if not _other_hardware(one, own)]
        if not found:
            found = list(histories)
            told = "; ".join(_other_hardware(histories[0], own))
            notes.append(f"no session is of this machine ({told}): these are of the latest one")
    if len(found) > 1:
        others = ", ".join(f"{one.path.stem} ({len(one.lines)})" for one in found[1:])
        notes.append(f"there are others, with so many sessions: {others}; --fingerprint ID tells of one")
    return found[0], notes


def _other_hardware(history: History, own: dict[str, object]) -> list[str]:
    """The fields of the machine in which a history's sessions differ from `own`; those that both have."""
    stored = history.refuse
    return [
        f"{name}: {stored[name]} there, {own[name]} here"
        for name in HARDWARE
        if name in stored and name in own and stored[name] != own[name]
    ]


def _in_order(lines: Sequence[HistoryLine], repository: Repository | None) -> tuple[list[HistoryLine], bool]:
    """By commit, where git knows every one, and of one commit by time; else by time. Whether it is by commit."""
    by_time = sorted(lines, key=lambda line: line.created)
    shas = {line.git.sha for line in lines if line.git.sha is not None}
    if repository is None or any(line.git.sha is None for line in lines):
        return by_time, False
    try:
        known = repository.git("rev-list", "--topo-order", "--reverse", *sorted(shas), "--").split()
    except OcrprofError:
        return by_time, False
    places = {sha: place for place, sha in enumerate(known) if sha in shas}
    return sorted(by_time, key=lambda line: places[str(line.git.sha)]), True


def _subjects(lines: Sequence[HistoryLine], repository: Repository | None) -> dict[str, str]:
    """By commit the first line of its message: a start does not tell it."""
    shas = sorted({line.git.sha for line in lines if line.git.sha is not None})
    if repository is None or not shas:
        return {}
    told = repository.git("log", "--no-walk", "--format=%H %s", "--no-show-signature", *shas, "--")
    return {sha: subject for sha, _, subject in (row.partition(" ") for row in told.splitlines())}


def _frozen(lines: Sequence[HistoryLine], ref: str | None, repository: Repository | None) -> tuple[list[int], str]:
    """The places of the sessions that stand for the fixed reference, and what it is called.

    Those of `ref`, else of the last release tag, or of the last commit before it that has any; else the oldest session.
    """
    places = [place for place, line in enumerate(lines) if is_reference(line)]
    name = ref if ref is not None else _last_tag(repository)
    if name is not None:
        found = _sessions_of(name, lines, places, repository)
        if found:
            sha = str(lines[found[0]].git.sha)
            shown = name[:9] if re.fullmatch("[0-9a-f]{9,40}", name) else name
            return found, shown if sha.startswith(shown) else f"{shown} ({sha[:9]})"
        if ref is not None:
            known = dict.fromkeys(str(lines[place].git.sha)[:9] for place in reversed(places))
            raise OcrprofError(
                f"--frozen {ref}: no session that may be compared with is of it, or of a commit before it",
                hint=f"there are sessions of {', '.join(list(known)[:8]) or 'none'}",
            )
    if not places:
        return [], ""
    return places[:1], f"the oldest ({(lines[places[0]].git.sha or lines[places[0]].created)[:9]})"


def _last_tag(repository: Repository | None) -> str | None:
    try:
        return repository.git("describe", "--tags", "--abbrev=0") if repository else None
    except OcrprofError:
        return None


def _sessions_of(
    name: str, lines: Sequence[HistoryLine], places: Sequence[int], repository: Repository | None
) -> list[int]:
    by_name = [place for place in places if len(name) >= 4 and (lines[place].git.sha or "").startswith(name)]
    if by_name or repository is None:
        return by_name
    try:
        before = set(repository.git("rev-list", f"{name}^{{commit}}", "--").split())
    except OcrprofError:
        return []
    last = next((lines[place].git.sha for place in reversed(places) if lines[place].git.sha in before), None)
    return [place for place in places if last is not None and lines[place].git.sha == last]


def _with_commits(change: ChangePoint, lines: Sequence[HistoryLine], repository: Repository | None) -> ChangePoint:
    """The change with the commits that may have made it."""
    found = commits_between(repository, lines[change.surely_before].git.sha, lines[change.surely_after].git.sha)
    if found is None:
        return change
    return change.model_copy(update={"commits": found[:_NUM_COMMITS], "num_commits": len(found)})


def commits_between(repository: Repository | None, before: str | None, after: str | None) -> list[str] | None:
    """`sha subject` of every commit that `after` has and `before` has not, newest first; None where git cannot tell."""
    if repository is None or before is None or after is None:
        return None
    try:
        told = repository.git("log", "--format=%h %s", "--no-show-signature", f"{before}..{after}", "--")
    except OcrprofError:
        return None
    return told.splitlines()
