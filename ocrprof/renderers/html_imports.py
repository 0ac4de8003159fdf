"""Imports as nested boxes and as a table of packages."""

from collections.abc import Mapping

from ocrprof.renderers import figures, import_parts
from ocrprof.renderers.html_links import package_link, shown_packages
from ocrprof.renderers.html_parts import OWNER_COLORS, bar_cell
from ocrprof.renderers.icicle import Node, by_importer, by_package, icicle
from ocrprof.renderers.markup import Html, code, join, paragraph, section, table, tag
from ocrprof.renderers.places import place
from ocrprof.results.model import PackageRow, StartupReport
from ocrprof.units import format_seconds

OWNERS = {"program": "the program’s own", "installed": "installed", "stdlib": "standard library"}


def html_section(report: StartupReport) -> Html | None:
    """The two trees of imports and the table of packages; None where nothing was imported."""
    if not report.packages:
        return None
    owners = {package.package: package.owner for package in report.packages}
    shares: dict[str, float] = dict.fromkeys(OWNERS, 0.0)
    for package in report.packages:
        shares[package.owner] += package.self_seconds
    total = sum(shares.values())
    facts = ", ".join(f"{OWNERS[owner]} {format_seconds(seconds)}" for owner, seconds in shares.items() if seconds)
    num_modules = sum(package.num_modules for package in report.packages)
    return section(
        "Imports",
        paragraph(
            f"{num_modules} modules of {len(report.packages)} packages, {format_seconds(total)} on the main thread: "
            f"{facts}. Width is time; a click on a box makes it the whole.",
            class_="note",
        ),
        paragraph(import_parts.total_line(report) or ""),
        _views(report, owners),
        _package_table(report),
        tag("ul", *(tag("li", fact) for fact in import_parts.facts(report))),
        anchor="imports",
    )


def _views(report: StartupReport, owners: Mapping[str, str]) -> Html:
    """The two trees of imports, switched without a script."""
    cwd = report.target.cwd
    views = [
        ("by package and module", by_package(report.imports), _package_hint),
        ("by who asked for it", by_importer(report.imports), lambda node: _load_hint(node, cwd=cwd)),
    ]
    parts = []
    for number, (name, *_) in enumerate(views):
        choice = tag("input", type="radio", name="imports", id=f"view{number}", checked=None if number else "checked")
        parts += [choice, tag("label", name, for_=f"view{number}")]
    legend_items = [tag("li", name, class_=owner) for owner, name in OWNERS.items()]
    parts.append(tag("ul", *legend_items, class_="legend owners"))
    for number, (name, root, hint) in enumerate(views):
        boxes = icicle(root, owners=owners, hint=hint, label=f"imports {name}")
        parts.append(tag("div", boxes, class_=f"view view{number}"))
    return tag("div", *parts, class_="views")


def _package_hint(node: Node) -> str:
    itself = f", itself {format_seconds(node.self_seconds)}" if node.children and node.name else ""
    return f"{node.name or node.label}: {format_seconds(node.seconds)}{itself}"


def _load_hint(node: Node, *, cwd: str) -> str:
    if node.row is None:
        return f"{node.label}: {format_seconds(node.seconds)}"
    asked = place(node.row.importer, cwd=cwd)
    parts = import_parts.parts_text(node.row.parts, of_seconds=node.self_seconds)
    unit = "ms" if node.self_seconds < 1 else "s"
    return (
        f"{_package_hint(node)}{f' ({parts} {unit})' if parts else ''}{f', asked for by {asked}' if asked else ''}"
        f"{'' if node.row.ok else ', failed'}"
    )


def _in_parts(package: PackageRow) -> tuple[float, float, float]:
    """Running, opening shared objects, and all that is done with files to get the code."""
    parts = package.parts
    return parts.exec_seconds, parts.dlopen_seconds, parts.total_seconds - parts.exec_seconds - parts.dlopen_seconds


def _package_table(report: StartupReport) -> Html:
    scale = figures.column_scale(max(package.inclusive_seconds for package in report.packages))
    shown = shown_packages(report)
    others = [package for package in report.packages if package not in shown]
    longest = max(package.self_seconds for package in shown)
    split = any(package.parts.total_seconds for package in shown)
    rows = [
        [
            package_link(package.package, shown, class_=f"owner {package.owner}"),
            scale.text(package.self_seconds),
            bar_cell(package.self_seconds / longest if longest else 0.0, OWNER_COLORS[package.owner]),
            scale.text(package.inclusive_seconds),
            scale.text(package.dominated_seconds) if package.dominated_seconds else "",
            *(scale.text(seconds) if seconds else "" for seconds in (_in_parts(package) if split else ())),
            str(package.num_modules),
            code(place(package.first_importer, cwd=report.target.cwd)),
        ]
        for package in shown
    ]
    unit = scale.unit
    titles = [
        "package",
        f"self {unit}",
        "",
        f"inclusive {unit}",
        f"only through it {unit}",
        *([f"exec {unit}", f"dlopen {unit}", f"files {unit}"] if split else []),
        "modules",
        "first imported by",
    ]
    rest = format_seconds(sum(package.self_seconds for package in others))
    note = f"{len(others)} more packages, {rest} in themselves. " if others else ""
    if report.inserted_modules:
        note += f"{len(report.inserted_modules)} modules came without a load."
    return join(
        table(titles, rows, align="lrlrr" + ("rrr" if split else "") + "rl"),
        paragraph(note, class_="note") if note else None,
    )
