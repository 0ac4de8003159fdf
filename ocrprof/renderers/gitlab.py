"""The result of a check for GitLab's merge request widget: a Code Quality report, worst first.

Its fields: https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

import hashlib
import json

from ocrprof.renderers import figures_check as facts
from ocrprof.renderers.places import repository_path
from ocrprof.results.model import CheckReport, Location

_SEVERITIES = {"regressed": "major", "missing": "major", "inconclusive": "info"}


def code_quality_json(report: CheckReport) -> str:
    """What fails as `major`, what is unsure as `info`; an empty list where all is well. Ends with a newline."""
    issues = []
    for change in facts.exact_changes(report):
        if change.verdict in _SEVERITIES:
            place = facts.place_of_change(change)
            issues.append(_issue(report, change.name, change.verdict, facts.exact_sentence(change), place=place))
    for metric in facts.gated(report):
        if metric.verdict in _SEVERITIES:
            issues.append(_issue(report, metric.name, metric.verdict, facts.metric_sentence(report, metric)))
    for budget in report.budgets:
        if not budget.kept:
            verdict = "regressed" if budget.kept is False else "inconclusive"
            place = facts.place_of_budget(report, budget)
            issues.append(_issue(report, f"budget {budget.text}", verdict, facts.budget_sentence(budget), place=place))
    if report.verdict in ("failed", "not_comparable"):
        issues.insert(0, _issue(report, report.verdict, "regressed", report.headline))
    return json.dumps(issues, indent=1, ensure_ascii=False) + "\n"


def _issue(
    report: CheckReport, name: str, verdict: str, description: str, *, place: Location | None = None
) -> dict[str, object]:
    inside = repository_path(place.file, cwd=report.target.cwd) if place else None
    path, line = (inside, place.line) if place and inside else (_program(report), 1)
    # The same complaint in the next pipeline has the same fingerprint: GitLab shows it as old.
    identity = hashlib.sha256(f"{name}\0{path}\0{verdict}".encode()).hexdigest()
    return {
        "description": description,
        "check_name": f"ocrprof:{name}",
        "fingerprint": identity,
        "severity": _SEVERITIES[verdict],
        "location": {"path": path, "lines": {"begin": line}},
    }


def _program(report: CheckReport) -> str:
    """A path that a figure of the whole program can stand at: its script."""
    scripts = (word for word in report.target.argv if word.endswith(".py"))
    inside = (repository_path(word, cwd=report.target.cwd) for word in scripts)
    return next((path for path in inside if path), "README.md")
