"""The result of a check as Markdown: what a pull request shows, counts first, the worst on top."""

from ocrprof.renderers import figures
from ocrprof.renderers import figures_check as facts
from ocrprof.renderers.check_advice import next_steps
from ocrprof.renderers.check_explained import explanation_markdown
from ocrprof.renderers.markdown_text import code, prose, stderr_block, table_block, words
from ocrprof.results.model import CheckReport, MetricSummary

_NUM_GROUPS, _NUM_BAD_LAUNCHES = 12, 3
_TITLES = ("", "metric", "worse by", "95 % interval", "base → candidate", "p", "sees from")
_ALIGN = "llrrrrr"


def check_markdown(report: CheckReport) -> str:
    """The whole result; ends with a newline."""
    blocks = [
        [f"## {words(facts.verdict_line(report))}"],
        [words(report.headline)] if report.headline not in facts.verdict_line(report) else [],
        [f"`{code(figures.command(report.target))}`", "", words(facts.sides_line(report))],
        _exact(report),
        _budgets(report),
        _metrics(report, "### Metrics that decide", facts.gated(report)),
        _bullets(
            "### What differs between the machines", [words(facts.mismatch_sentence(one)) for one in report.mismatches]
        ),
        _bad_launches(report),
        _bullets("### What to do next", [prose(one) for one in next_steps(report)]),
        _metrics(report, "### Told, not judged", facts.not_gated(report)),
        _bullets("### Notes", [words(one) for one in report.notes]),
        explanation_markdown(report),
        [words(facts.design_line(report)), "", words(figures.environment_line(report.environment))],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _bullets(heading: str, items: list[str]) -> list[str]:
    return [heading, "", *(f"- {item}" for item in items)] if items else []


def _metrics(report: CheckReport, heading: str, metrics: list[MetricSummary]) -> list[str]:
    if not metrics:
        return []
    rows = [
        [
            _verdict(one.verdict),
            f"`{code(facts.metric_name(one.name))}`",
            facts.worse_by(one),
            facts.interval_text(one),
            facts.medians_text(report, one),
            facts.p_text(one),
            facts.mde_text(one),
        ]
        for one in metrics
    ]
    reasons = [f"- `{code(facts.metric_name(one.name))}`: {words(one.reason)}" for one in metrics if one.reason]
    return [heading, "", *table_block(_TITLES, rows, align=_ALIGN), *(["", *reasons] if reasons else [])]


def _verdict(verdict: str) -> str:
    word = facts.VERDICT_WORDS[verdict]
    return f"**{word}**" if word.isupper() else word


def _exact(report: CheckReport) -> list[str]:
    lines: list[str] = []
    for change in facts.exact_changes(report):
        lines.append(f"- {_verdict(change.verdict)}: {words(facts.exact_sentence(change))}")
        found = facts.groups(change, change.added)
        lines += [f"  - `{code(facts.group_text(one, cwd=report.target.cwd))}`" for one in found[:_NUM_GROUPS]]
        if len(found) > _NUM_GROUPS:
            lines.append(f"  - {len(found) - _NUM_GROUPS} more in report.json")
    return ["### What differs between the two, exactly", "", *lines] if lines else []


def _budgets(report: CheckReport) -> list[str]:
    rows = [f"- {words(facts.budget_sentence(one))}" for one in report.budgets]
    return ["### Budgets", "", *rows] if rows else []


def _bad_launches(report: CheckReport) -> list[str]:
    bad = facts.bad_launches(report)
    lines: list[str] = []
    for launch in bad[:_NUM_BAD_LAUNCHES]:
        lines += ["", words(facts.launch_sentence(launch)), *stderr_block(launch.stderr_tail)]
    if len(bad) > _NUM_BAD_LAUNCHES:
        lines += ["", f"{len(bad) - _NUM_BAD_LAUNCHES} more in report.json"]
    return ["### Launches that failed", *lines] if lines else []
