"""A stored report as one side of a check: its launches, its facts, its fingerprint, its commit."""

from dataclasses import dataclass
from pathlib import PurePath

from ocrprof.results.check_fingerprint import fingerprint_of_environment
from ocrprof.results.import_graph import owners_of, top_level
from ocrprof.results.model import (
    AnyReport,
    BaselineReport,
    CheckReport,
    ExactFacts,
    Fingerprint,
    GitState,
    Launch,
    Location,
    Run,
    StartupReport,
)


@dataclass(frozen=True, kw_only=True)
class StoredSession:
    """One earlier session. `facts` is None of a report that does not tell them."""

    launches: list[Launch]
    facts: ExactFacts | None
    fingerprint: Fingerprint
    state: GitState
    created: str


def stored_session(report: AnyReport) -> StoredSession | None:
    """What a report of a check, a start or a baseline holds of one state; None for other kinds."""
    if isinstance(report, CheckReport):
        if report.fingerprint is None:
            return None
        return StoredSession(
            launches=_candidates(report),
            facts=report.facts,
            fingerprint=report.fingerprint,
            state=report.candidate,
            created=report.created,
        )
    config = None
    if isinstance(report, BaselineReport):
        if report.startup is None:
            return None
        config = report.config or None
        report = report.startup
    if not isinstance(report, StartupReport):
        return None
    sha = report.environment.git_commit
    launch: dict[str, object] = {"until": report.until, "probe": report.probe, "loop": None}
    launch |= {"cold": "without data"} if report.cache == "cold" else {}  # a check evicts what the program opens too
    total = f"time_to_{report.probe or report.until}".replace("-", "_")
    return StoredSession(
        launches=[
            _launch(run, number=number, total=total)
            for number, run in enumerate(report.runs, start=1)
            if run.reached and not run.warmup
        ],
        facts=_facts(report),
        fingerprint=fingerprint_of_environment(report.environment, config=config, launch=launch),
        state=GitState(sha=sha.removesuffix("-dirty") if sha else None, dirty=bool(sha and sha.endswith("-dirty"))),
        created=report.created,
    )


def portable(report: CheckReport) -> CheckReport:
    """The report as it may be committed for later checks: without paths and names of this machine, and its words."""
    first, *rest = report.target.argv
    fingerprint = report.fingerprint
    if fingerprint is not None:
        warn = {name: value for name, value in fingerprint.warn.items() if name != "hostname"}
        fingerprint = fingerprint.model_copy(update={"warn": warn, "record": {}})
    target = report.target.model_copy(update={"argv": [PurePath(first).name, *rest], "cwd": "."})
    return report.model_copy(
        update={
            "target": target,
            "fingerprint": fingerprint,
            "base_fingerprint": None,
            "mismatches": [],
            "base": GitState(),
            "exact": [],
            "metrics": [],
            "budgets": [],
            "launches": [one.model_copy(update={"stderr_tail": []}) for one in _candidates(report)],
            "headline": "a state to compare with",
            "notes": [],
            "sessions": [],
            "explained": [],
        }
    )


def _candidates(report: CheckReport) -> list[Launch]:
    """Of this session; those of earlier attempts only where it has none, having pooled as many as could be."""
    found = [one for one in report.launches if one.arm == "candidate" and one.pair > 0 and one.values]
    return [one for one in found if one.attempt is None] or found


def _launch(run: Run, *, number: int, total: str) -> Launch:
    values = {total: run.wall_seconds, "imports": run.imports_anywhere_seconds}
    values |= {"teardown" if one.name == "exit" else f"startup.{one.name}": one.seconds for one in run.phases}
    return Launch(
        number=number,
        arm="base",
        pair=number,
        position=0,
        started="",
        status=run.status,
        wall_seconds=run.wall_seconds,
        values=values,
    )


def _facts(report: StartupReport) -> ExactFacts:
    """Modules and packages of the run that the tables tell of; files and images are not counted there."""
    owners = owners_of(report.imports)
    sets: dict[str, dict[str, str | None]] = {"eager_packages": {}, "modules": {}, "own_modules": {}}
    for row in report.imports:
        if not row.ok or row.kind == "library":
            continue
        package = top_level(row.module)
        place = _place(row.importer, report.target.cwd)
        sets["own_modules" if owners[package] == "program" else "modules"].setdefault(row.module, place)
        if owners[package] == "installed":
            sets["eager_packages"].setdefault(package, place)
    return ExactFacts(sets=sets)


def _place(location: Location | None, cwd: str) -> str | None:
    return None if location is None else f"{location.file.removeprefix(cwd + '/')}:{location.line}"
