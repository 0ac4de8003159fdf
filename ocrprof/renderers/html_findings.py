"""Findings on an HTML page."""

from collections.abc import Sequence

from ocrprof.renderers import figures
from ocrprof.renderers.markup import Html, Section, code, more, paragraph, prose, section, tag
from ocrprof.renderers.places import place
from ocrprof.results.model import Finding
from ocrprof.units import format_percent, format_seconds

_NUM_FINDINGS = 6


def findings(found: Sequence[Finding], *, cwd: str) -> list[Section]:
    """What to change, then what is only to be known, the most important first, each with its seconds."""
    if not found:
        return [section("What to change first", paragraph(figures.NO_FINDINGS), anchor="findings")]
    to_change = [finding for finding in found if finding.effect != "tells"]
    to_know = [finding for finding in found if finding.effect == "tells"]
    headed = (("What to change first", "findings", to_change), ("To know", "to-know", to_know))
    return [_cards(heading, anchor, those, cwd=cwd) for heading, anchor, those in headed if those]


def _cards(heading: str, anchor: str, found: Sequence[Finding], *, cwd: str) -> Section:
    cards = [finding_card(finding, cost(finding), cwd=cwd) for finding in found]
    others = cards[_NUM_FINDINGS:]
    return section(
        heading,
        tag("ol", *cards[:_NUM_FINDINGS], class_="findings"),
        more(f"{len(others)} more, each of less weight", tag("ol", *others, class_="findings")) if others else None,
        anchor=anchor,
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
