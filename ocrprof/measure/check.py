"""Measures a check: two states of a repository in randomised pairs of fresh processes, or one and a stored report."""

import time
from collections.abc import Sequence
from pathlib import Path

from ocrprof.check_plan import CheckPlan
from ocrprof.errors import ExitCode, OcrprofError
from ocrprof.measure.check_arms import Place, compile_files, origin_of, place_in, python_of, refuse_foreign
from ocrprof.measure.check_attempts import read_attempts, refuse_unlike_attempts
from ocrprof.measure.check_here import measure_here
from ocrprof.measure.check_launch import launch_of
from ocrprof.measure.check_session import CheckSession, Stopped
from ocrprof.measure.fingerprint import take_fingerprint
from ocrprof.measure.reference_work import time_reference_work
from ocrprof.measure.startup import Progress
from ocrprof.measure.worktrees import Arm, Repository, notes_on, readable, worktrees
from ocrprof.results.check_attempts import continued_order
from ocrprof.results.check_design import draw_order, pairs_worth_running
from ocrprof.results.check_dropped import counted_launches
from ocrprof.results.check_facts import without_unsteady
from ocrprof.results.check_statistics import judge_pairs
from ocrprof.results.check_values import describe_metrics
from ocrprof.results.check_work import less_work
from ocrprof.results.model import ArmName, CheckReport, ExactFacts, Launch
from ocrprof.units import format_seconds


def measure_check(plan: CheckPlan, *, progress: Progress) -> CheckReport:
    """The report of a check, also of one that Ctrl-C, a crash of an arm or sides that cannot be compared cut short.

    Raises OcrprofError for what stands in the way before anything was measured: no git, an unknown commit.
    """
    began = time.monotonic()
    session = CheckSession(plan, progress=progress)
    try:
        if plan.mode in ("against", "aa"):
            _measure_arms(session, began=began)
        else:
            measure_here(session)
    except Stopped as stopped:
        session.stopped = stopped
    except KeyboardInterrupt:
        session.interrupted = True
    except OcrprofError as error:
        if error.exit_code != ExitCode.NOT_COMPARABLE:
            raise
        session.stopped = Stopped(str(error), verdict="not_comparable", exit_code=error.exit_code)
        session.notes += [error.hint] if error.hint else []
    if session.stopped is not None or session.interrupted:
        progress(f"{session.stopped or 'interrupted'}; the report holds what was measured")
    return session.report(seconds=time.monotonic() - began)


def _measure_arms(session: CheckSession, *, began: float) -> None:
    plan = session.plan
    repository = Repository.around(plan.target.cwd)
    changed = repository.changed_files(leave_out=plan.own_files)
    head = repository.commit("HEAD").model_copy(update={"dirty": bool(changed)})
    session.candidate = head
    session.base = repository.commit(plan.ref) if plan.ref is not None else head
    session.notes += notes_on(repository, session.base)
    if changed:
        plural = "s" if len(changed) > 1 else ""
        session.notes.append(
            f"the working tree differs from its commit in {len(changed)} file{plural}: {readable(_some(changed))}"
        )
    elif plan.mode == "against" and session.base.sha == head.sha:
        session.notes.append(
            f"{session.base.ref} is the commit that is checked out, and nothing is changed: two copies of one state "
            "are compared, and what differs is noise; --aa tells of that"
        )
    if session.duet is not None and plan.loop is not None:
        session.notes.append("peak_pss: memory that both arms map counts half for each of them while they run at once")
    reports = read_attempts(session)
    session.progress("two worktrees are being made")
    with worktrees(
        repository,
        base=session.base,
        candidate=session.candidate,
        changed=changed,
        links=plan.links,
        seed=plan.seed,
    ) as arms:
        reference = {} if plan.exact_only else time_reference_work()
        places = _count_both(session, arms, repository)
        session.fingerprint = take_fingerprint(
            session.records,
            cwd=plan.target.cwd,
            launch=launch_of(plan, session.launcher.until),
            reference=reference,
            num_threads=session.num_threads,
        )
        refuse_unlike_attempts(session, reports)
        session.time_references(places[1])
        if not plan.exact_only:
            if plan.cold:
                _list_files(session, places)
            _run_pairs(session, places, began=began)


def _count_both(session: CheckSession, arms: tuple[Arm, Arm], repository: Repository) -> tuple[Place, Place]:
    """The places of both arms, which load their own files; on the way their facts, bytecode and a warm page cache."""
    plan, roots = session.plan, list[str]()
    python = python_of(plan.target)
    if python is not None:
        _compile(session, python, arms, repository)
    while True:
        found, places = [], []
        for arm in arms:
            session.progress(f"{arm.name}: a launch for what needs no statistics, which warms it up too")
            place = place_in(arm, plan.target, repository, roots=roots, num_threads=session.num_threads)
            measured = session.launch(place, arm=arm.name, counted=True)
            session.facts[arm.name] = measured.facts or ExactFacts()
            found.append(origin_of(measured.records, place, repository))
            places.append(place)
        new = [root for origin in found for root in origin.roots(repository.top) if root not in roots]
        if not new:
            break
        roots += dict.fromkeys(new)
        session.notes.append(f"{', '.join(dict.fromkeys(new))} of each worktree was put on PYTHONPATH, before your own")
    for arm, origin in zip(arms, found, strict=True):
        refuse_foreign(origin, arm, repository)
    if python is None:
        # A program that starts a Python of its own: the first launches told which, and made the bytecode of most files.
        told = next((one.executable for one in session.records if one.role != "helper"), None)
        if told is not None:
            _compile(session, told, arms, repository)
    base, candidate = places
    _compare_exactly(session, base, candidate)
    return base, candidate


def _compile(session: CheckSession, python: str, arms: Sequence[Arm], repository: Repository) -> None:
    """Bytecode in both trees: compiling is a cost of the first launch alone, and not of the code."""
    for arm in arms:
        problem = compile_files(python, arm.folder, repository)
        session.notes += [f"bytecode of the {arm.name} could not be made: {problem}"] if problem else []


def _compare_exactly(session: CheckSession, base: Place, candidate: Place) -> None:
    """Compares the facts; where they differ, a second launch of each tells what differs by itself."""
    session.compare_exactly()
    if any(change.verdict != "ok" for change in session.exact):
        session.progress("they differ; a second launch of each tells whether they always do")
        first = [session.facts["base"], session.facts["candidate"]]
        sides: tuple[tuple[Place, ArmName], ...] = ((base, "base"), (candidate, "candidate"))
        again = [session.launch(place, arm=arm, counted=True).facts or ExactFacts() for place, arm in sides]
        session.facts["base"], session.facts["candidate"] = without_unsteady(first, again)
        session.compare_exactly()
        session.tell_unsteady()
    less = less_work(session.facts["base"], session.facts["candidate"]) if session.plan.mode != "aa" else []
    if less:
        raise Stopped(
            f"the two do not do the same work: {'; '.join(less)}", verdict="failed", exit_code=ExitCode.TARGET_FAILED
        )


def _list_files(session: CheckSession, places: tuple[Place, Place]) -> None:
    """Another launch of each: what the first one wrote, a cache say, is among what later ones read."""
    arms: tuple[ArmName, ArmName] = ("base", "candidate")
    for place, arm in zip(places, arms, strict=True):
        session.progress(f"{arm}: a launch that tells which files it reads")
        session.launch(place, arm=arm, counted=True)


def _run_pairs(session: CheckSession, places: tuple[Place, Place], *, began: float) -> None:
    """Pairs until nothing looks slower, or until as many have been run as the noise asks for; then the verdicts."""
    plan, earlier = session.plan, session.design.order
    order = _order(plan, earlier)
    # With pairs of earlier attempts there is no first stage: as many are run as the design allows, and tested once.
    wanted = plan.num_pairs_max if earlier else plan.num_pairs_first
    stopped, number, futile = None, len(earlier), False
    try:
        while number < wanted:
            started = time.monotonic()
            may_go_on = number < plan.num_pairs_first < plan.num_pairs_max
            of = f"{wanted}, {plan.num_pairs_max} at most" if may_go_on else f"{wanted}"
            _run_pair(session, places, pair=number + 1, sign=order[number], of=of)
            number += 1
            if number == len(earlier) + 1:
                _describe(session)  # a gate that names no metric is told now, and not after all pairs
            now = time.monotonic()
            limit = plan.time_budget_seconds
            if limit is not None and number < wanted and number % 2 == 0 and now - began + 2 * (now - started) > limit:
                stopped = f"two more pairs would not fit into the {format_seconds(limit)} of --time-budget"
                break
            if number == wanted < plan.num_pairs_max:
                _describe(session)
                worth = pairs_worth_running(number, _timed(session)[0], session.infos, session.design)
                futile, wanted = worth is None, worth or number
                stopped = f"nothing looked slower after {number} pairs" if futile else None
    finally:
        # Also of a check that is cut short: what was measured is told.
        session.design = session.design.model_copy(
            update={"order": order[:number], "stopped_because": stopped or f"{number} pairs were run"}
        )
        if number:
            _describe(session)
            timed, note = _timed(session)
            session.notes += [note] if note else []
            session.metrics = judge_pairs(
                timed, session.infos, session.design, final=not futile and number >= plan.num_pairs_first
            )


def _order(plan: CheckPlan, earlier: Sequence[int]) -> list[int]:
    """Of all pairs: drawn anew, or behind those of earlier attempts."""
    first, most = plan.num_pairs_first, plan.num_pairs_max
    if earlier:
        return continued_order(earlier, num_pairs_first=first, num_pairs_max=most, seed=plan.seed)
    return draw_order(num_pairs_first=first, num_pairs_max=most, seed=plan.seed)


def _run_pair(session: CheckSession, places: tuple[Place, Place], *, pair: int, sign: int, of: str) -> None:
    base, candidate = places
    last = f", the last took {session.launches[-1].wall_seconds:.1f} s" if session.launches else ""
    session.progress(f"pair {pair} of {of}{last}")
    sides: tuple[tuple[Place, ArmName], ...] = ((base, "base"), (candidate, "candidate"))
    sides = sides if sign > 0 else sides[::-1]
    if session.duet is not None:
        session.launch_both(sides, pair=pair)
        return
    for position, (place, arm) in enumerate(sides):
        session.launch(place, arm=arm, pair=pair, position=position)


def _timed(session: CheckSession) -> tuple[list[Launch], str | None]:
    """The launches that count, and a note on those that do not."""
    counted = counted_launches(session.launches, max_steal=session.plan.max_steal)
    return counted.launches, counted.note


def _describe(session: CheckSession) -> None:
    plan = session.plan
    session.infos = describe_metrics(
        [one for one in session.launches if one.pair > 0],
        gate=plan.metrics,
        min_effect=plan.min_effect,
        min_effects=plan.min_effects,
        exact=[change.name for change in session.exact],
    )


def _some(names: Sequence[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def recorded_commit(baseline: Path) -> str:
    """The commit that a stored report was measured at, for `--remeasure`. Raises OcrprofError where it tells none."""
    from ocrprof.results.history_file import SUFFIX
    from ocrprof.results.store import read_report

    if baseline.suffix == SUFFIX:
        raise OcrprofError(
            f"{baseline} is a history of many commits", hint="--against REF names the one to measure again"
        )
    stored = read_report(baseline)
    sha = stored.candidate.sha if isinstance(stored, CheckReport) else stored.environment.git_commit
    dirty = stored.candidate.dirty if isinstance(stored, CheckReport) else bool(sha and sha.endswith("-dirty"))
    if sha is None or dirty:
        state = "no commit" if sha is None else f"uncommitted changes on {sha[:12]}"
        raise OcrprofError(
            f"{baseline} was measured at {state}: it cannot be measured again", hint="--against REF names a commit"
        )
    return sha
