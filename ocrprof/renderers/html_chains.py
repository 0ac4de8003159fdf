"""Who pulls a package in: the way from the program's own file to it, with the line of each hop."""

from ocrprof.renderers import import_answers
from ocrprof.renderers.html_links import package_anchor, package_link, shown_packages
from ocrprof.renderers.markup import Html, code, join, paragraph, section, tag
from ocrprof.renderers.places import chain_steps
from ocrprof.results.model import PackageRow, StartupReport
from ocrprof.units import format_seconds

_NUM_DOMINATED = 8


def html_section(report: StartupReport) -> Html | None:
    """An entry for each package that the page tells of, opened by every link to it; None where nothing was imported."""
    shown = shown_packages(report)
    if not shown:
        return None
    note = "From the program’s own file to the first load of each package; what asked later found it loaded."
    return section(
        "Who pulls it in",
        _asked(report),
        paragraph(note, class_="note"),
        tag("div", *(_entry(row, report, opened=number == 0) for number, row in enumerate(shown)), class_="chains"),
        anchor="chains",
    )


def _asked(report: StartupReport) -> Html | None:
    """The answer to `--why`."""
    if report.why is None:
        return None
    cwd = report.target.cwd
    rows = import_answers.hop_rows(report.why.chain, cwd=cwd)
    ways = [" → ".join(import_answers.hop_texts(chain, cwd=cwd)) for chain in report.why.other_chains]
    facts = [*import_answers.why_facts(report.why), *(f"another way: {way}" for way in ways)]
    return tag(
        "div",
        tag("h3", "Why ", code(report.why.module), " is loaded"),
        tag("ol", *(_step(where, loads) for where, loads in rows), class_="chain"),
        tag("ul", *(tag("li", fact) for fact in facts)),
        class_="asked",
    )


def _entry(row: PackageRow, report: StartupReport, *, opened: bool) -> Html:
    steps = chain_steps(row.chain, cwd=report.target.cwd)
    facts = [f"{format_seconds(row.self_seconds)} in itself"]
    if row.dominated_seconds > row.self_seconds:
        facts.append(f"{format_seconds(row.dominated_seconds)} only through it")
    facts.append(f"{len(steps)} hop{'s' if len(steps) != 1 else ''}" if steps else "the way there is not known")
    return tag(
        "details",
        tag("summary", code(row.package), tag("small", " · ".join(facts))),
        tag("ol", *(_step(where, loads) for where, loads in steps), class_="chain") if steps else None,
        _dominated(row, report),
        id=package_anchor(row.package),
        data_package=row.package,
        open="open" if opened else None,
    )


def _step(where: str, loads: str) -> Html:
    return tag("li", code(where), tag("span", " loads ", code(loads)))


def _dominated(row: PackageRow, report: StartupReport) -> Html | None:
    if not row.dominated_packages:
        return None
    shown = shown_packages(report)
    names = [package_link(name, shown) for name in row.dominated_packages[:_NUM_DOMINATED]]
    more = len(row.dominated_packages) - len(names)
    rest = f" and {more} more" if more > 0 else ""
    return paragraph("Came in only through it: ", join(*names, by=", "), rest, class_="note")
