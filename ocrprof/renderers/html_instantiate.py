"""What Hydra instantiated, as the tree of the configuration: duplicates, Hydra's own work, imports inside."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ocrprof.renderers import figures
from ocrprof.renderers.html_links import package_link, shown_packages
from ocrprof.renderers.html_parts import bar_cell
from ocrprof.renderers.markup import Html, code, join, paragraph, section, table, tag
from ocrprof.renderers.places import place
from ocrprof.results.model import Instantiation, PackageRow, StartupReport

_MAX_INDENT = 6


@dataclass
class _Node:
    """A step of a config path, and what was instantiated there."""

    name: str
    rows: list[tuple[Instantiation, str]] = field(default_factory=list)
    children: dict[str, "_Node"] = field(default_factory=dict)


def html_section(report: StartupReport) -> Html | None:
    """The tree of config paths as a table; None where Hydra instantiated nothing."""
    if not report.instantiations:
        return None
    scale = figures.column_scale(max(row.seconds for row in report.instantiations))
    packages = shown_packages(report)
    rows = [
        cells
        for node, depth in _walk(_tree(report.instantiations), 0)
        for cells in _lines(node, depth, report=report, scale=scale, packages=packages)
    ]
    titles = ["config path", "target", "calls", f"target {scale.unit}", "", f"imports inside {scale.unit}"]
    titles += [f"Hydra’s own {scale.unit}", "called from"]
    return section(
        "Instantiated by Hydra",
        paragraph(_note(report), class_="note"),
        table(titles, rows, align="llrrlrrl", class_="tree"),
        anchor="instantiated",
    )


def _note(report: StartupReport) -> str:
    duplicates = [row for row in report.instantiations if row.duplicate]
    told = "The seconds of a target are those of its call: what stands below it in the tree was built before."
    if not duplicates:
        return told
    return f"{len(duplicates)} of {len(report.instantiations)} are built more than once with the same arguments. {told}"


def _tree(rows: list[Instantiation]) -> _Node:
    root = _Node("(root)")
    for row in rows:
        for path in row.config_paths or [row.config_path]:
            node = root
            for step in filter(None, path.split(".")):
                node = node.children.setdefault(step, _Node(step))
            node.rows.append((row, path))
    return root


def _walk(root: _Node, depth: int) -> Iterator[tuple[_Node, int]]:
    """Each node before those below it; the root only where something was instantiated without a path."""
    if root.rows or depth:
        yield root, depth
    for child in sorted(root.children.values(), key=lambda child: child.name):
        yield from _walk(child, depth + 1)


def _lines(
    node: _Node, depth: int, *, report: StartupReport, scale: figures.Scale, packages: list[PackageRow]
) -> list[list[Html | str]]:
    indent = f"padding-left:{min(max(depth - 1, 0), _MAX_INDENT) * 1.3:.1f}em"
    if not node.rows:
        return [[tag("span", code(node.name), style=indent, class_="path above"), *[""] * 7]]
    longest = max(row.seconds for row in report.instantiations)
    return [
        [
            tag("span", code(node.name), style=indent, class_="path"),
            join(package_link(row.target, packages), _badge(row, path)),
            str(row.count),
            scale.text(row.seconds),
            bar_cell(row.seconds / longest if longest else 0.0, "p1" if row.duplicate else "orange"),
            scale.text(row.imports_seconds) if row.imports_seconds else "",
            "" if row.overhead_seconds is None else scale.text(row.overhead_seconds),
            join(*(code(place(caller, cwd=report.target.cwd)) for caller in row.callers), by=" "),
        ]
        for row, path in node.rows
    ]


def _badge(row: Instantiation, path: str) -> Html | None:
    """Says of a duplicate where else it is built, and that its seconds are of all calls together."""
    if not row.duplicate:
        return None
    others = [other for other in row.config_paths if other != path]
    also = tag("small", "also as ", join(*(code(other) for other in others), by=", ")) if others else None
    return join(tag("span", "DUPLICATE", class_="duplicate"), also)
