"""Links between the views of one page: wherever a package stands, it leads to its chain, and lights up everywhere."""

from collections.abc import Sequence

from ocrprof.renderers.markup import Html, code, tag
from ocrprof.results.model import PackageRow, StartupReport

_NUM_BY_SELF, _NUM_BY_DOMINATED = 15, 8


def package_of(dotted: str) -> str:
    """`torch` of `torch.nn.modules`."""
    return dotted.partition(".")[0]


def shown_packages(report: StartupReport) -> list[PackageRow]:
    """The packages that a page tells of: that cost most, lead to most, or would be saved; in the report's order."""
    rows = report.packages
    wanted = {row.package for row in rows[:_NUM_BY_SELF]}
    wanted |= {row.package for row in sorted(rows, key=lambda row: -row.dominated_seconds)[:_NUM_BY_DOMINATED]}
    wanted |= {package_of(saving.module) for saving in report.savings}
    wanted |= {package_of(answer.module) for answer in (report.why, report.what_if) if answer is not None}
    return [row for row in rows if row.package in wanted]


def package_anchor(package: str) -> str:
    """The id of the entry that tells how the package came in; two packages never share one."""
    return "package-" + "".join(
        letter if letter.isascii() and (letter.isalnum() or letter == "_") else f".{ord(letter):x}."
        for letter in package
    )


def package_link(dotted: str, known: Sequence[PackageRow], *, class_: str | None = None) -> Html:
    """The name as code, led to its package's entry where the page has one."""
    package = package_of(dotted)
    words = code(dotted, class_=class_)
    if all(row.package != package for row in known):
        return tag("span", words, data_package=package)
    return tag("a", words, href=f"#{package_anchor(package)}", data_package=package)
