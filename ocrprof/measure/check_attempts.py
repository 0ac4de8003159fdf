"""Earlier attempts at the check that is being made: read, held against it, and pooled with it."""

from ocrprof.errors import ExitCode, OcrprofError
from ocrprof.measure.check_session import CheckSession, Stopped
from ocrprof.measure.startup import describe_target
from ocrprof.results.check_attempts import pool, unlike, unlike_metrics
from ocrprof.results.check_fingerprint import differences
from ocrprof.results.check_values import describe_metrics
from ocrprof.results.model import CheckReport
from ocrprof.results.store import read_report


def read_attempts(session: CheckSession) -> list[CheckReport]:
    """The reports of `--attempt`, whose pairs the session then begins with.

    Raises OcrprofError for a file that is none, and Stopped, not comparable, with every field in which one was another
    check: commits, command, design.
    """
    plan, found = session.plan, list[CheckReport]()
    command = describe_target(plan.target, []).argv
    for path in plan.attempts:
        report = read_report(path)
        if not isinstance(report, CheckReport):
            raise OcrprofError(
                f"--attempt {path} is a {report.kind} report",
                hint="the report.json of an earlier attempt at this check",
            )
        told = unlike(report, base=session.base, candidate=session.candidate, command=command, design=session.design)
        if told:
            raise _not_the_same(str(path), told)
        found.append(report)
    pooled = pool(found, num_pairs_first=plan.num_pairs_first)
    session.launches += pooled.launches
    session.notes += pooled.notes
    attempt = max(plan.attempt, len(pooled.attempts) + 1)
    session.design = session.design.model_copy(
        update={"attempts": pooled.attempts, "attempt": attempt, "order": pooled.order}
    )
    if pooled.attempts:
        session.notes.append(_note(session))
    elif plan.attempts and not pooled.notes:
        session.notes.append(
            "the earlier attempts hold no pair that counts: this check is made as if it were the first"
        )
    elif plan.attempt > 1 and not plan.attempts and plan.mode == "against" and not plan.exact_only:
        session.notes.append(
            f"attempt {plan.attempt} of this job, and nothing is known of those before: a check that is repeated until "
            "it passes tests nothing; --attempt FILE counts the pairs of earlier reports too"
        )
    return found if pooled.attempts else []


def refuse_unlike_attempts(session: CheckSession, reports: list[CheckReport]) -> None:
    """Raises Stopped, not comparable, where an earlier attempt was measured on another machine, or judged otherwise.

    The session is left without the earlier launches then: a report tells of one machine.
    """
    try:
        _refuse_unlike(session, reports)
    except Stopped:
        session.launches = [one for one in session.launches if one.attempt is None]
        session.design = session.design.model_copy(update={"attempts": [], "order": []})
        raise


def _refuse_unlike(session: CheckSession, reports: list[CheckReport]) -> None:
    plan, own = session.plan, session.fingerprint
    for report in reports:
        if report.fingerprint is not None and own is not None:
            fields = differences(report.fingerprint, own, deps_under_test=plan.deps_under_test)
            session.mismatches += [field for field in fields if field not in session.mismatches]
            refused = [field for field in fields if field.tier == "refuse"]
            if refused:
                told = [f"{one.name}: {one.base} there, {one.candidate} here" for one in refused]
                raise _not_the_same(f"of {report.created}", told)
        infos = describe_metrics(
            [one for one in session.launches if one.pair > 0],
            gate=plan.metrics,
            min_effect=plan.min_effect,
            min_effects=plan.min_effects,
            exact=[change.name for change in session.exact],
        )
        told = unlike_metrics(report.metric_infos, infos)
        if told:
            raise _not_the_same(f"of {report.created}", told)


def _not_the_same(which: str, told: list[str]) -> Stopped:
    return Stopped(
        f"not comparable: the attempt {which} was another check: {'; '.join(told)}",
        verdict="not_comparable",
        exit_code=ExitCode.NOT_COMPARABLE,
    )


def _note(session: CheckSession) -> str:
    design = session.design
    num = sum(one.num_pairs for one in design.attempts)
    told = ", ".join(
        f"{one.num_pairs} of attempt {one.number} (seed {one.seed}, {one.verdict})" for one in design.attempts
    )
    further = max(design.num_pairs_max - num, 0)
    more = f"{further} more are run" if further else "that is all that the design allows, so none is run"
    return f"pairs of earlier attempts count: {told}; {more}, and one test is made of all"
