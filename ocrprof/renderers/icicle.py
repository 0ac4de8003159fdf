"""Imports as nested boxes: by package and module, and by who asked for whom. A click on a box makes it the whole."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ocrprof.renderers.charts import percent
from ocrprof.renderers.markup import Html, tag
from ocrprof.results.model import ImportRow

_MAX_CELLS = 450
_MAX_ROWS = 16
_CELL_HEIGHT = 20
_MIN_SHARE = 0.0004
_MIN_SHARE_OF_TEXT = 0.014


@dataclass
class Node:
    """A box: `seconds` holds those of its children."""

    name: str
    label: str
    self_seconds: float = 0.0
    seconds: float = 0.0
    row: ImportRow | None = None
    children: list["Node"] = field(default_factory=list)

    def add_up(self) -> float:
        """Its seconds, those of its children included, from the self times; the longest child first."""
        self.seconds = self.self_seconds + sum(child.add_up() for child in self.children)
        self.children.sort(key=lambda child: -child.seconds)
        return self.seconds


def by_package(rows: Sequence[ImportRow]) -> Node:
    """A tree of dotted names; the self times of a module's loads stand at its name."""
    root = Node("", "all imports")
    known = {"": root}
    for row in rows:
        if row.thread == 0:
            _named(row.module, known).self_seconds += row.self_seconds
    root.add_up()
    return root


def _named(name: str, known: dict[str, Node]) -> Node:
    node = known.get(name)
    if node is None:
        above, _, last = name.rpartition(".")
        node = known[name] = Node(name, last)
        _named(above, known).children.append(node)
    return node


def by_importer(rows: Sequence[ImportRow]) -> Node:
    """A tree of loads: below each the loads that happened inside it, in order."""
    root = Node("", "all imports")
    opened: list[tuple[float, Node]] = []
    for row in sorted((row for row in rows if row.thread == 0), key=lambda row: (row.start_seconds, row.depth)):
        while opened and opened[-1][0] <= row.start_seconds:
            opened.pop()
        above = opened[-1][1] if opened else root
        node = Node(row.module, row.module, seconds=row.inclusive_seconds, self_seconds=row.self_seconds, row=row)
        above.children.append(node)
        opened.append((row.start_seconds + row.inclusive_seconds, node))
    root.seconds = sum(child.seconds for child in root.children)
    return root


@dataclass(frozen=True)
class _Cell:
    node: Node
    start: float
    share: float
    depth: int


def icicle(root: Node, *, owners: Mapping[str, str], hint: Callable[[Node], str], label: str) -> Html:
    """The boxes of a tree, the widest ones up to a few hundred."""
    if root.seconds <= 0:
        return Html("")
    cells = sorted(_cells(root, 0.0, 0, root.seconds), key=lambda cell: (-cell.share, cell.depth))[:_MAX_CELLS]
    cells.sort(key=lambda cell: (cell.depth, cell.start))
    height = _CELL_HEIGHT * (min(max(cell.depth for cell in cells), _MAX_ROWS - 1) + 1)
    boxes = [_box(cell, owners, hint) for cell in cells]
    return tag("div", *boxes, class_="icicle", style=f"height:{height}px", role="group", aria_label=label)


def _cells(node: Node, start: float, depth: int, total: float) -> Iterator[_Cell]:
    share = node.seconds / total
    if share < _MIN_SHARE:
        return
    yield _Cell(node, start, share, depth)
    for child in node.children:
        yield from _cells(child, start, depth + 1, total)
        start += child.seconds / total


def _box(cell: _Cell, owners: Mapping[str, str], hint: Callable[[Node], str]) -> Html:
    owner = owners.get(cell.node.name.partition(".")[0], "all" if not cell.node.name else "installed")
    style = f"left:{percent(cell.start)};width:{percent(cell.share)};top:{_CELL_HEIGHT * cell.depth}px"
    tiny = "" if cell.share >= _MIN_SHARE_OF_TEXT else " tiny"
    package = cell.node.name.partition(".")[0] or None
    return tag("i", cell.node.label, class_=owner + tiny, style=style, title=hint(cell.node), data_package=package)
