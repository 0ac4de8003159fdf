"""What deferring imports would save: the best predictions, in whose hands they are, and what `--what-if` proved."""

from collections.abc import Sequence

from ocrprof.renderers import figures, import_answers
from ocrprof.renderers.charts import Point, StripRow, strip
from ocrprof.renderers.html_links import package_link, package_of, shown_packages
from ocrprof.renderers.html_parts import bar_cell, tick_text
from ocrprof.renderers.markup import Html, code, join, paragraph, section, table, tag
from ocrprof.renderers.places import place
from ocrprof.results.model import PackageRow, Saving, StartupReport, Verification, WhatIf
from ocrprof.units import format_seconds

_NUM_SAVINGS = 12
_NUM_LINES = 3
_NUM_PARTS = 4


def html_section(report: StartupReport) -> Html | None:
    """Predicted savings with the verdict on each, below the answer to `--what-if`; None where there are neither."""
    if not report.savings and report.what_if is None:
        return None
    return section(
        "What deferring imports would save",
        _what_if(report.what_if, report) if report.what_if else None,
        _savings(report) if report.savings else None,
        anchor="savings",
    )


def _savings(report: StartupReport) -> Html:
    ordered = sorted(report.savings, key=lambda row: (row.used is not None or not row.lines, -row.seconds))
    shown = ordered[:_NUM_SAVINGS]
    packages = shown_packages(report)
    scale = figures.column_scale(max(row.seconds for row in report.savings))
    longest = max(row.seconds for row in shown)
    rows = [
        [
            package_link(row.module, packages),
            scale.text(row.seconds),
            bar_cell(row.seconds / longest if longest else 0.0, "green" if row.lines and not row.used else "pale"),
            str(row.num_modules),
            _made_of(row),
            _verdict(row, packages, cwd=report.target.cwd),
        ]
        for row in shown
    ]
    titles = ["without", f"predicted {scale.unit}", "", "modules", "made of", "how, or why not"]
    left_out = len(report.savings) - len(shown)
    note = (
        "Predicted: the self time of all that nothing else leads to. "
        "Green: in the program’s hands, and not needed before the milestone."
    )
    if left_out > 0:
        note += f" {left_out} smaller ones are in report.json."
    return join(table(titles, rows, align="lrlrll"), paragraph(note, class_="note"))


def _made_of(row: Saving) -> Html:
    parts = [f"{part.name} {format_seconds(part.seconds)}" for part in row.packages[:_NUM_PARTS]]
    more = len(row.packages) - len(parts)
    return tag("small", " · ".join(parts) + (f" and {more} more" if more > 0 else ""))


def _verdict(row: Saving, packages: Sequence[PackageRow], *, cwd: str) -> Html:
    """The lines to defer, or whoever holds it, or the use that the records show."""
    if row.used is not None:
        where = place(row.used.location, cwd=cwd)
        at = join(" at ", code(where)) if where else None
        return join(f"only deferred to {figures.phase_name(row.used.phase)}: used by {row.used.how}", at)
    if row.lines:
        lines = join(*(code(place(line, cwd=cwd)) for line in row.lines[:_NUM_LINES]), by=" ")
        more = len(row.lines) - _NUM_LINES
        return join("defer ", lines, f" and {more} more" if more > 0 else "")
    if not row.held_by:
        return join("not in the program’s hands")
    first = row.held_by[0]
    where = place(first.location, cwd=cwd)
    others = len(row.held_by) - 1
    return join(
        "held by ",
        package_link(package_of(first.module), packages),
        join(" at ", code(where)) if where else None,
        f" and {others} more" if others else None,
    )


def _what_if(answer: WhatIf, report: StartupReport) -> Html:
    facts = import_answers.what_if_facts(answer, report)
    return tag(
        "div",
        tag("h3", "What if ", code(answer.module), " were not imported at the start"),
        tag("dl", *(join(tag("dt", label), tag("dd", words)) for label, words in facts)),
        _pairs(answer.verification) if answer.verification else None,
        class_="asked",
    )


def _pairs(proof: Verification) -> Html | None:
    """Every pair of runs, on one axis."""
    if not proof.pairs:
        return None
    kinds = [("ordinary", [pair.ordinary_seconds for pair in proof.pairs]),
             ("lazy", [pair.lazy_seconds for pair in proof.pairs])]  # fmt: skip
    return paired_strip(kinds)


def paired_strip(kinds: Sequence[tuple[str, Sequence[float]]]) -> Html:
    """Two kinds of runs taken in turn, seconds each: a row of dots for each, pair by pair from above."""
    limit = 1.06 * max(value for _, values in kinds for value in values)
    rows = [
        StripRow(
            name,
            [
                Point(value, format_seconds(value), f"pair {number}, {name}: {format_seconds(value)}")
                for number, value in enumerate(values, start=1)
            ],
            [],
        )
        for name, values in kinds
    ]
    return strip(rows, limit=limit, tick_text=tick_text(limit))
