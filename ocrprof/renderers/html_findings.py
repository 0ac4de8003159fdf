"""Findings on an HTML page."""

from collections.abc import Sequence

from ocrprof.renderers import figures
from ocrprof.renderers.markup import Html, Section, code, more, paragraph, prose, section, tag
from ocrprof.renderers.places import place
from ocrprof.results.model import Finding
from ocrprof.units import format_percent, format_seconds

_NUM_FINDINGS = 6


def findings(found: Sequence[Finding], *, cwd: str) -> Section:
    """What to change, the most important first, each with its seconds."""
    if not found:
        return section("What to change first", paragraph(figures.NO_FINDINGS), anchor="findings")
    cards = [finding_card(finding, cost(finding), cwd=cwd) for finding in found]
    others = cards[_NUM_FINDINGS:]
    return section(
        "What to change first",
        tag("ol", *cards[:_NUM_FINDINGS], class_="findings"),
        more(f"{len(others)} more, each of less weight", tag("ol", *others, class_="findings")) if others else None,
        anchor="findings",
    )


def cost(finding: Finding) -> Html:
    """The seconds of a finding, and its share of what was measured."""
    return tag("span", tag("b", format_seconds(finding.seconds)), f" {format_percent(finding.share)}", class_="cost")


def finding_card(finding: Finding, beside: Html | None, *, cwd: str) -> Html:
    """One finding: priority, title and what stands beside it; place, advice, evidence."""
    where = place(finding.location, cwd=cwd)
    evidence = figures.evidence_text(finding.evidence)
    return tag(
        "li",
        tag("span", finding.priority, class_="badge"),
        tag("h3", prose(finding.title)),
        beside,
        paragraph(code(where), class_="where") if where else None,
        paragraph(prose(finding.advice)),
        paragraph(code(finding.code, class_="rule"), f" {evidence}", class_="note"),
        class_=finding.priority.lower(),
    )
