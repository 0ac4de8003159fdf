"""Two reports side by side: every figure of both, and why the second took longer or less long."""

from collections.abc import Mapping
from typing import Any

from ocrprof.errors import ExitCode, OcrprofError
from ocrprof.results.compare_causes import measured_runs
from ocrprof.results.compare_environments import environment_mismatches
from ocrprof.results.compare_judge import Judgement, judge_comparison
from ocrprof.results.compare_loops import baseline_tables, changed_values, loop_breakdowns
from ocrprof.results.compare_pieces import has_timeline
from ocrprof.results.compare_points import (
    ablation_breakdowns,
    ablation_tables,
    check_breakdowns,
    check_tables,
    same_session,
    sweep_breakdowns,
    sweep_tables,
)
from ocrprof.results.compare_startup import start_breakdown, start_sets, start_tables
from ocrprof.results.compare_words import cause_name, signed_seconds, value_text
from ocrprof.results.model import (
    AblationReport,
    AnyReport,
    BaselineReport,
    Breakdown,
    CheckReport,
    ComparedFigure,
    ComparisonReport,
    MetricSummary,
    Side,
    StartupReport,
    SweepReport,
    Tool,
)
from ocrprof.units import format_seconds

MIN_EFFECT = 0.05
"""The slowdown from which a comparison that judges may fail."""

_NUM_CAUSES_TOLD, _NUM_TIMES_TOLD = 2, 3


def compare_reports(
    base: AnyReport,
    candidate: AnyReport,
    *,
    base_path: str,
    candidate_path: str,
    created: str,
    tool: Tool,
    gate: bool = False,
    allow_mismatch: bool = False,
    min_effect: float = MIN_EFFECT,
) -> ComparisonReport:
    """The comparison of two reports of one kind, a baseline's start with a start too. Raises OcrprofError for others.

    `gate`: it is judged, and `exit_code` says what came out; machines on which times cannot be compared are not judged
    unless `allow_mismatch`.
    """
    base, candidate, notes = _of_one_kind(base, candidate)
    mismatches = environment_mismatches(base, candidate)
    refused = [field.name for field in mismatches if field.tier == "refuse"]
    if refused:
        notes.append(f"times of unlike machines or work stand side by side: {', '.join(refused)} differ")
    told = _compared(base, candidate)
    breakdowns: list[Breakdown] = told.get("breakdowns", [])
    report = ComparisonReport(
        created=created,
        tool=tool,
        target=candidate.target,
        environment=candidate.environment,
        base=_side(base, base_path),
        candidate=_side(candidate, candidate_path),
        of_kind=candidate.kind,
        mismatches=mismatches,
        headline=headline(breakdowns, told.get("tables", {})),
        notes=notes + told.pop("notes", []),
        **told,
    )
    if not gate:
        return report
    if refused and not allow_mismatch:
        return report.model_copy(update={"verdict": "not_comparable", "exit_code": int(ExitCode.NOT_COMPARABLE)})
    return _judged(report, judge_comparison(base, candidate, min_effect=min_effect))


def _judged(report: ComparisonReport, judgement: Judgement) -> ComparisonReport:
    moved = [metric for metric in judgement.metrics if metric.verdict == judgement.verdict]
    # Of starts the verdict is on what the headline tells already.
    told = "" if report.of_kind in ("startup", "baseline") else _moved(judgement.verdict, moved)
    codes = {"regressed": ExitCode.REGRESSION, "not_comparable": ExitCode.NOT_COMPARABLE}
    return report.model_copy(
        update={
            "judged": [metric for metric in judgement.metrics if metric.verdict != "reported"],
            "verdict": judgement.verdict,
            "test": judgement.test,
            "headline": told or report.headline,
            "exit_code": int(codes.get(judgement.verdict, ExitCode.DONE)),
        }
    )


def _moved(verdict: str, metrics: list[MetricSummary]) -> str:
    """`imports 28.5 % slower, and 1 more`, of the figure that changed most; nothing for verdicts on no change."""
    if verdict not in ("regressed", "improved") or not metrics:
        return ""
    first = max(metrics, key=lambda metric: abs((metric.ratio or 1.0) - 1))
    words = (
        f"{first.name} {abs((first.ratio or 1.0) - 1) * 100:.1f} % {'worse' if verdict == 'regressed' else 'better'}"
    )
    return f"{words}, and {len(metrics) - 1} more" if len(metrics) > 1 else words


def _side(report: AnyReport, path: str) -> Side:
    return Side(
        path=path, created=report.created, tool=report.tool, target=report.target, environment=report.environment
    )


def _of_one_kind(base: AnyReport, candidate: AnyReport) -> tuple[AnyReport, AnyReport, list[str]]:
    """The two reports, or of a baseline its start, where the other is one."""
    notes: list[str] = []
    if {base.kind, candidate.kind} == {"startup", "baseline"}:
        base, candidate = _start_of(base), _start_of(candidate)
        notes.append("one report is a baseline: of it the start is compared")
    if base.kind != candidate.kind:
        raise OcrprofError(
            f"a report of kind {base.kind} cannot be compared with one of kind {candidate.kind}",
            hint="make both with the same verb",
            exit_code=ExitCode.NOT_COMPARABLE,
        )
    if isinstance(base, StartupReport) and isinstance(candidate, StartupReport):
        _check_starts(base, candidate)
    return base, candidate, notes


def _start_of(report: AnyReport) -> AnyReport:
    if isinstance(report, BaselineReport):
        if report.startup is None:
            raise OcrprofError(
                "the baseline holds no start to compare with", exit_code=ExitCode.NOT_COMPARABLE,
                hint="make it with `ocrprof baseline`, or a start with `ocrprof startup`",
            )  # fmt: skip
        return report.startup
    return report


def _check_starts(base: StartupReport, candidate: StartupReport) -> None:
    for name, before, after in (("until", base.until, candidate.until), ("probe", base.probe, candidate.probe)):
        if before != after:
            raise OcrprofError(
                f"the starts were measured to different ends: {name} {before} and {after}",
                hint=f"measure both with the same --{name}",
                exit_code=ExitCode.NOT_COMPARABLE,
            )


def _compared(base: AnyReport, candidate: AnyReport) -> dict[str, Any]:  # Any: fields of a ComparisonReport
    if isinstance(base, StartupReport) and isinstance(candidate, StartupReport):
        return _starts(base, candidate)
    if isinstance(base, BaselineReport) and isinstance(candidate, BaselineReport):
        return _baselines(base, candidate)
    if isinstance(base, SweepReport) and isinstance(candidate, SweepReport):
        return {"tables": sweep_tables(base, candidate), "breakdowns": sweep_breakdowns(base, candidate)}
    if isinstance(base, AblationReport) and isinstance(candidate, AblationReport):
        return {"tables": ablation_tables(base, candidate), "breakdowns": ablation_breakdowns(base, candidate)}
    if isinstance(base, CheckReport) and isinstance(candidate, CheckReport):
        notes = ["both hold the same pairs: the base's arm stands against the candidate's"]
        return {
            "breakdowns": check_breakdowns(base, candidate),
            "tables": check_tables(base, candidate),
            "notes": notes if same_session(base, candidate) else [],
        }
    raise OcrprofError(
        f"reports of kind {base.kind} hold no times that could be compared",
        hint="kinds that can: startup, baseline, sweep-workers, ablate, check",
    )


def _starts(base: StartupReport, candidate: StartupReport) -> dict[str, Any]:  # Any: fields of a ComparisonReport
    name = f"time to the {base.probe} probe's end" if base.probe else f"time to {base.until.replace('-', ' ')}"
    notes = [
        f"{side}: no run came to its milestone, so the last one is told"
        for side, report in (("base", base), ("candidate", candidate))
        if not any(run.reached for run in measured_runs(report))
    ]
    notes += [
        f"the {side} holds no timeline (an older version wrote it, or nothing was recorded): causes are whole phases"
        for side, report in (("base", base), ("candidate", candidate))
        if not has_timeline(report)
    ]
    return {
        "breakdowns": [start_breakdown(base, candidate, name=name)],
        "tables": start_tables(base, candidate),
        "added": start_sets(base, candidate),
        "removed": start_sets(candidate, base),
        "notes": notes,
    }


def _baselines(base: BaselineReport, candidate: BaselineReport) -> dict[str, Any]:  # Any: fields of a ComparisonReport
    told: dict[str, Any] = {}  # Any: as above
    if base.startup and candidate.startup:
        _check_starts(base.startup, candidate.startup)
        told = _starts(base.startup, candidate.startup)
    elif base.startup or candidate.startup:
        told["notes"] = ["only one of the two holds a start: starts are not compared"]
    told["breakdowns"] = [*told.get("breakdowns", []), *loop_breakdowns(base, candidate)]
    told["tables"] = {**told.get("tables", {}), **baseline_tables(base, candidate)}
    told["changed"] = {"configuration": changed_values(base.config, candidate.config)}
    return told


def headline(breakdowns: list[Breakdown], tables: Mapping[str, list[ComparedFigure]]) -> str:
    """`time to first step 74.3 s → 77.5 s, +3.20 s (+4.3 %): new import: pandas +2.90 s; …`; of several times each."""
    if not breakdowns:
        return _most_changed(tables)
    if len(breakdowns) > 1:
        told = "; ".join(_change(one) for one in breakdowns[:_NUM_TIMES_TOLD])
        more = len(breakdowns) - _NUM_TIMES_TOLD
        return f"{told}; and {more} more" if more > 0 else told
    only = breakdowns[0]
    causes = [cause for cause in only.causes if cause.kind != "rest"]
    if only.inside_noise:
        # What is loaded or not is no matter of noise.
        causes = [cause for cause in causes if cause.inside_noise is False]
    told = "; ".join(f"{cause_name(cause)} {signed_seconds(cause.seconds)}" for cause in causes[:_NUM_CAUSES_TOLD])
    return f"{_change(only)}: {told}" if told else _change(only)


def _most_changed(tables: Mapping[str, list[ComparedFigure]]) -> str:
    """`throughput, 2 workers: 410 samples/s → 668 samples/s (+62.9 %)`, of the first table that both sides have."""
    for title, rows in tables.items():
        both = [row for row in rows if row.base and row.candidate is not None]
        if both:
            most = max(both, key=lambda row: abs((row.candidate or 0.0) / (row.base or 1.0) - 1))
            percent = 100 * ((most.candidate or 0.0) / (most.base or 1.0) - 1)
            words = (
                f"{title}, {most.name}: {value_text(most.base, most.unit)} → {value_text(most.candidate, most.unit)} "
                f"({'−' if percent < 0 else '+'}{abs(percent):.1f} %)"
            )
            return f"{words}, inside the noise" if most.inside_noise else words
    return "no figure that both reports have"


def _change(breakdown: Breakdown) -> str:
    """`time to first step 74.3 s → 77.5 s, +3.20 s (+4.3 %)`, and whether that lies inside the noise."""
    before, after = breakdown.base_seconds, breakdown.candidate_seconds
    words = f"{breakdown.name} {format_seconds(before)} → {format_seconds(after)}, {signed_seconds(after - before)}"
    if before:
        percent = 100 * (after - before) / before
        words += f" ({'−' if percent < 0 else '+'}{abs(percent):.1f} %)"
    return f"{words}, inside the noise of the runs" if breakdown.inside_noise else words
