"""The examination of an environment as an HTML page: findings first, then every fact with what it costs."""

from ocrprof.renderers.doctor import NO_FINDINGS, WEIGHED, last_line
from ocrprof.renderers.doctor_facts import MOUNT_COLUMNS, MOUNT_NOTE, mount_places, mount_rows, sections
from ocrprof.renderers.html_findings import finding_card
from ocrprof.renderers.html_page import document, environment, facts, header
from ocrprof.renderers.markup import Html, Section, contents, paragraph, section, table, tag
from ocrprof.results.doctor import Mount
from ocrprof.results.model import DoctorReport


def doctor_html(report: DoctorReport) -> str:
    """The page of an examination."""
    top = [
        header(report, f"Python {report.interpreter.version}, in {report.target.cwd}"),
        paragraph(last_line(report), class_="verdict"),
    ]
    body = [_findings(report)]
    for one in sections(report):
        told = facts(one.rows) if any(label for label, _ in one.rows) else _list([words for _, words in one.rows])
        body.append(section(one.heading, told, anchor=one.heading.lower().replace(" ", "-")))
        if one.heading == "Bytecode":
            body.append(_mounts(report.mounts))
    body.append(environment(report))
    return document(report, [*top, contents(body), *body])


def _findings(report: DoctorReport) -> Section:
    heading = "What costs time, or spoils a measurement"
    if not report.findings:
        return section(heading, paragraph(NO_FINDINGS), anchor="findings")
    cards = [finding_card(one, None, cwd=report.target.cwd) for one in report.findings]
    return section(heading, tag("ol", *cards, class_="findings"), paragraph(WEIGHED, class_="note"), anchor="findings")


def _list(words: list[str]) -> Html:
    return tag("ul", *(tag("li", one) for one in words))


def _mounts(mounts: list[Mount]) -> Section:
    align = "ll" + "r" * (len(MOUNT_COLUMNS) - 2)
    return section(
        "File systems",
        table(MOUNT_COLUMNS, mount_rows(mounts), align=align),
        paragraph(MOUNT_NOTE, class_="note"),
        facts(mount_places(mounts)),
        anchor="file-systems",
    )
