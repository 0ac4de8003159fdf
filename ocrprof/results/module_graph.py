"""Every import edge between the modules of one start, also to what was loaded already, and what each module dominates.

A load record knows who asked *first*. The other importers are read from the sources of what was loaded: with them, a
module that two independent routes lead to is seen to be dominated by neither.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import PurePath
from typing import Literal

from ocrprof.results.import_graph import ROOT, enclosing
from ocrprof.results.import_statements import FileImports, Statement
from ocrprof.results.model import ImportRow, Location

EdgeKind = Literal["load", "call", "deferred"]
"""`load`: the importer's own statement, run by loading it. `call`: made by a function (of `caller`) that was called
while the importer was being loaded, or by the running program. `deferred`: stands in a function: pulls nothing."""

_FROM_ROOT = -1
"""Among indices of modules: the program's own file, which nothing dominates."""

_Key = tuple[str, str, EdgeKind, int | None]
"""Importer, imported module, kind and line."""


@dataclass(frozen=True, slots=True, eq=False)
class Edge:
    """`importer` leads to `imported`; `caller` is the module of the function that a `call` was made by.

    Told apart by identity: there are tens of thousands, and each exists once.
    """

    importer: str
    imported: str
    kind: EdgeKind
    location: Location | None
    caller: str | None = None


@dataclass(frozen=True)
class ModuleGraph:
    """The modules of one start in the order of their first load, with their own seconds on the main thread."""

    seconds: Mapping[str, float]
    edges: Sequence[Edge]
    came_by: Mapping[str, Edge] = field(default_factory=dict)
    """The edge behind the first load of each module."""

    @cached_property
    def pulling(self) -> dict[str, list[Edge]]:
        """By imported module the edges that load it, all but the deferred ones."""
        into: dict[str, list[Edge]] = {name: [] for name in self.seconds}
        for edge in self.edges:
            if edge.kind != "deferred":
                into[edge.imported].append(edge)
        return into

    def seconds_of(self, modules: Collection[str]) -> float:
        """Self time of these modules together."""
        return sum(self.seconds[name] for name in modules)

    def dominated(self, module: str) -> list[str]:
        """What is loaded only because of `module`, itself included: nothing else leads to it from the program."""
        bit = 1 << self._index[module]
        return [name for name, lost in zip(self.seconds, self._lost, strict=True) if lost & bit]

    @cached_property
    def dominated_seconds(self) -> dict[str, float]:
        """For every module the self time of all that it dominates."""
        names = list(self.seconds)
        totals = dict.fromkeys(names, 0.0)
        for name, lost in zip(names, self._lost, strict=True):
            while lost:
                lowest = lost & -lost
                totals[names[lowest.bit_length() - 1]] += self.seconds[name]
                lost ^= lowest
        return totals

    def lost_without(self, edges: Collection[Edge]) -> list[str]:
        """What would not be loaded any more if these edges were gone."""
        without = set(edges)
        onward: dict[str, list[str]] = {}
        for edge in self.edges:
            if edge.kind != "deferred" and edge not in without:
                onward.setdefault(edge.importer, []).append(edge.imported)
        reached: set[str] = set()
        children: dict[str, list[str]] = {}
        waiting = list(onward.get(ROOT, ()))
        while waiting:
            name = waiting.pop()
            package = self._package(name)
            if name in reached:
                continue
            if package is not None and package not in reached:
                children.setdefault(package, []).append(name)
                continue
            reached.add(name)
            waiting += onward.get(name, ())
            waiting += children.pop(name, ())
        return [name for name in self.seconds if name not in reached]

    def first_chain(self, module: str) -> list[Edge]:
        """The edges from the program's file to the first load of `module`."""
        chain: list[Edge] = []
        seen: set[str] = set()
        while module not in seen and (edge := self.came_by.get(module)) is not None:
            seen.add(module)
            chain.append(edge)
            module = edge.importer
        return chain[::-1]

    def shortest_chain(self, module: str) -> list[Edge]:
        """The fewest edges from the program's file to `module`."""
        came: dict[str, Edge] = {}
        waiting = [module]
        for name in waiting:
            if name == ROOT:
                break
            for edge in self.pulling[name]:
                if edge.importer not in came and edge.importer != module:
                    came[edge.importer] = edge
                    waiting.append(edge.importer)
        chain: list[Edge] = []
        name = ROOT
        while name in came and name != module:
            chain.append(came[name])
            name = came[name].imported
        return chain

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.seconds)}

    @cached_property
    def _lost(self) -> list[int]:
        """For each module the set (bits) of those without any one of which it would not be loaded: its dominators.

        The iterative data-flow of Allen and Cocke (1972) with one rule more: a submodule also needs its package,
        whoever asks for it. With that rule the sets form no tree, which is what the faster methods (Lengauer and
        Tarjan; Cooper, Harvey and Kennedy) compute; whole sets as bits of one integer are fast enough.
        """
        names, index = list(self.seconds), self._index
        importers = [{index.get(edge.importer, _FROM_ROOT) for edge in self.pulling[name]} for name in names]
        packages = [None if (package := self._package(name)) is None else index[package] for name in names]
        everything = (1 << len(names)) - 1
        lost = [everything] * len(names)
        changed = True
        while changed:
            changed = False
            for number, around in enumerate(packages):
                before = lost[number]
                after = 0 if _FROM_ROOT in importers[number] else everything
                for importer in importers[number] - {_FROM_ROOT}:
                    after &= lost[importer]
                if around is not None:
                    after |= lost[around]
                after |= 1 << number
                if after != before:
                    lost[number] = after
                    changed = True
        return lost

    def _package(self, module: str) -> str | None:
        package = module.rpartition(".")[0]
        return package if package in self.seconds else None


def build_graph(
    rows: Sequence[ImportRow], sources: Mapping[str, FileImports], *, shifts: Mapping[str, float] | None = None
) -> ModuleGraph:
    """The graph of `rows`, in the order of their start, with what their source files (by name) import.

    `shifts`: seconds to add to the self time of modules.
    """
    seconds: dict[str, float] = {}
    for row in rows:
        seconds[row.module] = seconds.get(row.module, 0.0) + (row.self_seconds if row.thread == 0 else 0.0)
    for name, shift in (shifts or {}).items():
        if name in seconds:
            seconds[name] += shift
    edges: dict[_Key, Edge] = {}
    for edge, lines in _static_edges(rows, sources):
        for line in lines:
            edges.setdefault((edge.importer, edge.imported, edge.kind, line), edge)
    came_by: dict[str, Edge] = {}
    for row, around in zip(rows, enclosing(rows), strict=True):
        at = row.importer.line if row.importer else None
        first = edges.get((row.importer_module or "", row.module, "load", at)) or _call(row, rows, around)
        came_by.setdefault(row.module, first)
        for called in _with_packages(first, seconds) if first.kind == "call" else ():
            edges.setdefault((called.importer, called.imported, "call", at), called)
    return ModuleGraph(seconds, list(dict.fromkeys(edges.values())), came_by)


def main_file(rows: Sequence[ImportRow]) -> str | None:
    """The program's own file, as its first import tells; None where it made none."""
    return next((row.importer.file for row in rows if row.importer_module == ROOT and row.importer), None)


def _call(row: ImportRow, rows: Sequence[ImportRow], around: int | None) -> Edge:
    """The edge of a load that no load-time statement explains: whatever was being loaded then is the cause."""
    importer = rows[around].module if around is not None else ROOT
    if importer == row.module:  # Its body, run by a loader that was called directly.
        importer = ROOT
    caller = row.importer_module if row.importer_module != importer else None
    return Edge(importer, row.module, "call", row.importer, caller)


def _with_packages(edge: Edge, known: Collection[str]) -> Iterator[Edge]:
    """The call, and what it would also load if it were not there: the packages that the module lies in."""
    yield edge
    package = edge.imported.rpartition(".")[0]
    while package:
        if package in known and package != edge.importer:
            yield replace(edge, imported=package)
        package = package.rpartition(".")[0]


def names_asked(rows: Sequence[ImportRow], sources: Mapping[str, FileImports]) -> set[tuple[str, str]]:
    """Module and name of every `from module import name` that a load runs; the name of a star import is `*`."""
    return {
        (_as_absolute(_as_written(one.statement), one.package), name)
        for one in _live_statements(rows, sources)
        if one.kind == "load"
        for name in one.statement.names
    }


@dataclass(frozen=True, slots=True)
class _Live:
    """A statement of `module` that its load runs, or that a function of it would."""

    module: str
    file: str
    package: str
    kind: EdgeKind
    statement: Statement


def _live_statements(rows: Sequence[ImportRow], sources: Mapping[str, FileImports]) -> Iterator[_Live]:
    files: dict[str, str] = {row.module: row.file for row in rows if row.file is not None}
    failed = {row.module for row in rows if not row.ok} - {row.module for row in rows if row.ok}
    own = main_file(rows)
    if own is not None:
        files[ROOT] = own
    for module, file in files.items():
        if file not in sources:
            continue
        package = _package_of_main(file, files) if module == ROOT else _package_of(module, file)
        for statement in sources[file].statements:
            kind = _kind(statement, module, package, failed)
            if kind is not None:
                yield _Live(module, file, package, kind, statement)


def _static_edges(rows: Sequence[ImportRow], sources: Mapping[str, FileImports]) -> Iterator[tuple[Edge, range]]:
    """Each edge that a statement makes, and the lines of the statement."""
    known = {row.module for row in rows}
    stars = {row.module: sources[row.file].exports for row in rows if row.file and row.file in sources}
    for one in _live_statements(rows, sources):
        location = Location(file=one.file, line=one.statement.line)
        lines = range(one.statement.line, one.statement.last_line + 1)
        for imported in _imported(one.statement, one.package, stars):
            if imported in known and imported != one.module:
                yield Edge(one.module, imported, one.kind, location), lines


def _kind(statement: Statement, module: str, package: str, failed: Collection[str]) -> EdgeKind | None:
    if statement.when == "main" and module != ROOT:
        return None
    if statement.instead_of and not any(_as_absolute(name, package) in failed for name in statement.instead_of):
        return None
    return "deferred" if statement.when == "deferred" else "load"


def _imported(statement: Statement, package: str, stars: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """What may be a module of what a statement asks for: each package on the way, the module itself, the names."""
    base = _as_absolute(_as_written(statement), package)
    parts = base.split(".")
    yield from (".".join(parts[: number + 1]) for number in range(len(parts)))
    for name in statement.names:
        yield from (f"{base}.{one}" for one in (stars.get(base, ()) if name == "*" else [name]))


def _as_written(statement: Statement) -> str:
    return "." * statement.level + statement.module


def _as_absolute(name: str, package: str) -> str:
    """A module's name as written, leading dots resolved from `package`."""
    stripped = name.lstrip(".")
    level = len(name) - len(stripped)
    if level == 0:
        return stripped
    parents = package.split(".")
    base = ".".join(parts) if (parts := parents[: len(parents) - level + 1]) else ""
    return f"{base}.{stripped}".strip(".")


def _package_of(module: str, file: str) -> str:
    return module if PurePath(file).stem == "__init__" else module.rpartition(".")[0]


def _package_of_main(file: str, files: Mapping[str, str]) -> str:
    """The package that `python -m package.module` runs a module of: the one whose folder the file lies in."""
    folder = PurePath(file).parent
    for module, other in files.items():
        if module != ROOT and PurePath(other).stem == "__init__" and PurePath(other).parent == folder:
            return module
    return ""
