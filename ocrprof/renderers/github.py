"""The result of a check for GitHub Actions: the step summary, and annotations at the lines that changed.

Workflow commands and their escapes: https://docs.github.com/actions/reference/workflow-commands-for-github-actions
and `actions/toolkit`, packages/core/src/command.ts.
"""

from collections.abc import Sequence

from ocrprof.renderers import figures_check as facts
from ocrprof.renderers.check_markdown import check_markdown
from ocrprof.renderers.places import plain, repository_path
from ocrprof.results.model import CheckReport, Location

MAX_SUMMARY_BYTES = 200_000
"""GitHub takes 1 MiB a step; a summary that nobody scrolls through helps nobody."""

MAX_ANNOTATIONS = 10
"""GitHub shows ten errors and ten warnings a step, and drops the rest without a word."""

_CUT = "\n\n*Cut here: the whole is in `report.md` and `report.html` of the uploaded report.*\n"


def step_summary(report: CheckReport, *, max_bytes: int = MAX_SUMMARY_BYTES) -> str:
    """The Markdown of the result, cut behind a line where it is longer than `max_bytes` of UTF-8."""
    whole = check_markdown(report)
    encoded = whole.encode()
    if len(encoded) <= max_bytes:
        return whole
    kept = encoded[: max_bytes - len(_CUT.encode()) - len("\n```")].decode(errors="ignore").rpartition("\n")[0]
    # A fence that is open where the text is cut would swallow the notice, and what other steps append.
    fence = next((sign for sign in ("```", "~~~~~~~~") if _is_open(kept, sign)), None)
    return kept + (f"\n{fence}" if fence else "") + _CUT


def _is_open(text: str, fence: str) -> bool:
    return sum(line.startswith(fence) for line in text.splitlines()) % 2 == 1


def annotations(report: CheckReport) -> list[str]:
    """Workflow commands, a line each: errors for what fails, warnings for what is unsure, ten of each at most.

    What is left out is counted in a notice, of which GitHub shows ten of its own.
    """
    return [*_at_most_ten("error", _errors(report)), *_at_most_ten("warning", _warnings(report))]


def _errors(report: CheckReport) -> list[str]:
    found = []
    if report.verdict in ("failed", "not_comparable"):
        found.append(_command("error", report.headline, title=facts.VERDICT_WORDS[report.verdict]))
    for change in facts.exact_changes(report):
        if change.verdict in ("regressed", "missing"):
            at = _in_repository(facts.place_of_change(change), report)
            found.append(_command("error", facts.exact_sentence(change), title=change.name, at=at))
    for metric in facts.gated(report):
        if metric.verdict in ("regressed", "missing"):
            title = f"{facts.metric_name(metric.name)} {metric.verdict}"
            found.append(_command("error", facts.metric_sentence(report, metric), title=title))
    for budget in report.budgets:
        if budget.kept is False:
            at = _in_repository(facts.place_of_budget(report, budget), report)
            found.append(_command("error", facts.budget_sentence(budget), title="budget breached", at=at))
    return found


def _warnings(report: CheckReport) -> list[str]:
    told = [
        (f"{facts.metric_name(one.name)} inconclusive", facts.metric_sentence(report, one))
        for one in facts.gated(report)
        if one.verdict == "inconclusive"
    ]
    told += [("budget not known", facts.budget_sentence(one)) for one in report.budgets if one.kept is None]
    told += [("machines differ", facts.mismatch_sentence(one)) for one in report.mismatches]
    return [_command("warning", message, title=title) for title, message in told]


def _at_most_ten(level: str, commands: Sequence[str]) -> list[str]:
    if len(commands) <= MAX_ANNOTATIONS:
        return list(commands)
    rest = f"{len(commands) - MAX_ANNOTATIONS} more {level}s stand in the step summary and in report.md"
    return [*commands[:MAX_ANNOTATIONS], _command("notice", rest, title=f"more {level}s")]


def _in_repository(place: Location | None, report: CheckReport) -> Location | None:
    """The place as a path in the repository, which alone GitHub can show; None for a file outside it."""
    inside = repository_path(place.file, cwd=report.target.cwd) if place else None
    return Location(file=inside, line=place.line) if place and inside else None


def _command(level: str, message: str, *, title: str, at: Location | None = None) -> str:
    properties = {"file": at.file, "line": str(at.line)} if at else {}
    properties["title"] = f"ocrprof: {plain(title)}"
    told = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{level} {told}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
