"""Module loads as tables: one row a load, one row a package, and which line of the program pulled each of them in.

What a load record knows is who asked *first*: an import of something already loaded leaves no record. So the graph
made of them can miss ways in, and a saving predicted from it is an upper bound; `module_graph` adds the other ways in.
"""

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

from ocrprof.records import Load, LoadParts
from ocrprof.results.model import ImportParts, ImportRow, Location, PackageRow

Owner = Literal["program", "installed", "stdlib"]

ROOT = "__main__"
"""What the interpreter calls the program's own file."""

_INSTALLED = re.compile(r"[/\\](?:site|dist)-packages[/\\]([^/\\.]+)")
_STDLIB = re.compile(r"[/\\]lib(?:64)?[/\\]python3\.\d+t?[/\\]", re.IGNORECASE)
_SCRIPT_FOLDERS = ("bin", "Scripts")


def import_rows(
    loads: Iterable[Load], *, pid: int, spawn_ns: int, end_ns: int, phase_at: Callable[[int], str]
) -> list[ImportRow]:
    """One row for each load that began before `end_ns`, in the order in which they began."""
    return [
        ImportRow(
            module=load.name,
            self_seconds=load.self_ns / 1e9,
            inclusive_seconds=(load.end_ns - load.start_ns) / 1e9,
            start_seconds=(load.start_ns - spawn_ns) / 1e9,
            route=load.route,
            importer=None if load.by is None else Location(file=load.by[0], line=load.by[1]),
            importer_module=load.by_module,
            file=load.file,
            kind=load.kind,
            phase=phase_at(load.start_ns),
            pid=pid,
            depth=load.depth,
            thread=load.thread,
            ok=load.ok,
            error=load.error,
            parts=seconds_of_parts(load.parts),
            blocked_seconds=load.blocked_ns / 1e9,
            compiled=load.compiled,
        )
        for load in sorted(loads, key=lambda load: (load.start_ns, load.depth))
        if load.start_ns < end_ns
    ]


def seconds_of_parts(parts: LoadParts) -> ImportParts:
    """The same in seconds."""
    return ImportParts(
        find_seconds=parts.find_ns / 1e9,
        read_seconds=parts.read_ns / 1e9,
        unmarshal_seconds=parts.unmarshal_ns / 1e9,
        compile_seconds=parts.compile_ns / 1e9,
        write_seconds=parts.write_ns / 1e9,
        dlopen_seconds=parts.create_ns / 1e9,
        exec_seconds=parts.exec_ns / 1e9,
    )


def add_parts(parts: Iterable[ImportParts]) -> ImportParts:
    """The sum of each part."""
    totals = dict.fromkeys(ImportParts.model_fields, 0.0)
    for one in parts:
        for name, seconds in one:
            totals[name] += seconds
    return ImportParts(**totals)


def package_rows(rows: Sequence[ImportRow]) -> list[PackageRow]:
    """One row a top-level package, the longest self time first. Seconds are those of the main thread."""
    by_package: dict[str, list[ImportRow]] = {}
    for row in rows:
        by_package.setdefault(top_level(row.module), []).append(row)
    owners = owners_of(rows)
    self_seconds = {
        package: sum(row.self_seconds for row in of_package if row.thread == 0)
        for package, of_package in by_package.items()
    }
    graph = _Graph(rows, owners)
    dominated = _dominated(graph, set(by_package))
    packages = []
    for package, of_package in by_package.items():
        others = sorted(dominated[package] - {package}, key=lambda name: -self_seconds[name])
        packages.append(
            PackageRow(
                package=package,
                owner=owners[package],
                self_seconds=self_seconds[package],
                inclusive_seconds=_union_seconds(row for row in of_package if row.thread == 0),
                dominated_seconds=self_seconds[package] + sum(self_seconds[name] for name in others),
                dominated_packages=others,
                parts=add_parts(row.parts for row in of_package if row.thread == 0),
                num_modules=len({row.module for row in of_package if row.ok and row.kind != "library"}),
                first_importer=of_package[0].importer,
                chain=graph.chain(package),
            )
        )
    return sorted(packages, key=lambda row: -row.self_seconds)


def first_loads(rows: Iterable[ImportRow]) -> dict[str, ImportRow]:
    """The first load of each module, by name; `rows` in the order in which they began."""
    first: dict[str, ImportRow] = {}
    for row in rows:
        first.setdefault(row.module, row)
    return first


def top_level(module: str) -> str:
    """The package that a module belongs to: `torch` for `torch.nn.functional`."""
    return module.partition(".")[0]


def owners_of(rows: Sequence[ImportRow]) -> dict[str, Owner]:
    """Whose each package is: the program's own, installed, or of the standard library."""
    program = {ROOT, *_program_packages(rows)}
    owners: dict[str, Owner] = {}
    for row in rows:
        package = top_level(row.module)
        if package not in owners and row.file is not None:
            owners[package] = owner_of_file(row.file)
    for row in rows:
        package = top_level(row.module)
        if _is_stdlib(row):
            owners[package] = "stdlib"
        owners.setdefault(package, "installed")
    return owners | dict.fromkeys(program, "program")


def _is_stdlib(row: ImportRow) -> bool:
    return top_level(row.module) in sys.stdlib_module_names or row.kind in ("builtin", "frozen")


def owner_of_file(file: str) -> Owner:
    """Whose a file is, by its path alone."""
    if _INSTALLED.search(file):
        return "installed"
    return "stdlib" if _STDLIB.search(file) else "program"


def _program_packages(rows: Iterable[ImportRow]) -> set[str]:
    """Packages of a program that is itself installed: its `__main__` is a file of one, or a script that imports one."""
    packages: set[str] = set()
    for row in rows:
        if row.importer_module != ROOT or row.importer is None:
            continue
        installed = _INSTALLED.search(row.importer.file)
        if installed is not None:
            packages.add(installed.group(1))
        elif PurePath(row.importer.file).parent.name in _SCRIPT_FOLDERS and not _is_stdlib(row):
            return {top_level(row.module)}  # a console script's first import is the program's
    return packages


@dataclass(frozen=True, slots=True)
class ProgramImport:
    """Loads that one line of the program pulled in through one package. `rows` are in the order of their start."""

    package: str
    line: Location
    rows: tuple[ImportRow, ...]

    @property
    def seconds(self) -> float:
        """Self time of all of them together."""
        return sum(row.self_seconds for row in self.rows)


def program_imports(rows: Sequence[ImportRow], *, owners: dict[str, Owner]) -> list[ProgramImport]:
    """Loads of packages that are not the program's own, by the line of the program behind them and what it imports.

    A load is charged to the line whose import statement it ran under. Where there is none (the program called a
    function of a library, and that imported something) the load is left out.
    """
    graph = _Graph(rows, owners)
    groups: dict[tuple[str, str, int], list[ImportRow]] = {}
    for index, row in enumerate(rows):
        found = graph.line_of(index) if row.thread == 0 else None
        if found is not None:
            groups.setdefault((found[0], found[1].file, found[1].line), []).append(row)
    return [
        ProgramImport(package, Location(file=file, line=line), tuple(of_line))
        for (package, file, line), of_line in groups.items()
    ]


class _Graph:
    """Who imported what, with what is known from time: which load each one ran inside.

    Where a function made an import when it was called, its module says nothing of the cause: what was being loaded
    then is, and without that the call.
    """

    def __init__(self, rows: Sequence[ImportRow], owners: dict[str, Owner]) -> None:
        self.rows = rows
        self._owners = owners
        self._around = enclosing(rows)
        self._first: dict[str, int] = {}
        self._first_of_package: dict[str, int] = {}
        for index, row in enumerate(rows):
            self._first.setdefault(row.module, index)
            self._first_of_package.setdefault(top_level(row.module), index)
        self._found: dict[int, tuple[str, Location] | None] = {}

    def line_of(self, index: int) -> tuple[str, Location] | None:
        """The package and line of the program's import under which a load ran; None where no such line is known."""
        if index not in self._found:
            # Rows are asked in the order of their start, in which a load stands before what it encloses.
            self._found[index] = self._find_line(index)
        return self._found[index]

    def chain(self, package: str) -> list[str]:
        """From the program's own file to the first load of a package, `module (file:line)`: what imports the next one.

        It begins later where a function of a library made the import and no load was going on around it.
        """
        index = self._first_of_package[package]
        hops = [self.rows[index].module]
        seen = {index}
        while (row := self.rows[index]).importer is not None:
            hops.append(f"{_importer_name(row)} ({row.importer.file}:{row.importer.line})")
            above = self._cause(index)
            if above is None or above in seen:
                break
            if self.rows[above].module != row.importer_module:
                hops.append(self.rows[above].module)
            seen.add(above)
            index = above
        return hops[::-1]

    def cause(self, index: int) -> str | None:
        """The package whose loading made this load happen; None for the program's main file."""
        above = self._cause(index)
        return None if above is None else top_level(self.rows[above].module)

    def _cause(self, index: int) -> int | None:
        row, around = self.rows[index], self._around[index]
        importer = self._first.get(row.importer_module or "")
        if importer is None or importer == index:
            return around if row.importer_module != ROOT else None
        if _end_seconds(self.rows[importer]) > row.start_seconds:
            return importer
        if around is not None:
            return around
        return importer if self._is_program(self.rows[importer].module) else None

    def _find_line(self, index: int) -> tuple[str, Location] | None:
        row, around = self.rows[index], self._around[index]
        if self._is_program(row.module):
            return None
        if row.importer is not None and self._is_program(row.importer_module or ""):
            return top_level(row.module), row.importer
        # A library's own import: whoever imported the library caused it, also where one of its functions made it.
        return None if around is None else self.line_of(around)

    def _is_program(self, module: str) -> bool:
        return module == ROOT or self._owners.get(top_level(module)) == "program"


def _importer_name(row: ImportRow) -> str:
    return row.importer_module or (PurePath(row.importer.file).stem if row.importer else "?")


def enclosing(rows: Sequence[ImportRow]) -> list[int | None]:
    """For each load the index of the one that it ran inside, in its thread; None for outermost ones."""
    stacks: dict[int, list[int]] = {}
    around: list[int | None] = []
    for index, row in enumerate(rows):
        stack = stacks.setdefault(row.thread, [])
        # By time, not by depth: the loads that were still running at a stop are not in the table.
        while stack and _end_seconds(rows[stack[-1]]) <= row.start_seconds:
            stack.pop()
        around.append(stack[-1] if stack else None)
        stack.append(index)
    return around


def _end_seconds(row: ImportRow) -> float:
    return row.start_seconds + row.inclusive_seconds


def _union_seconds(rows: Iterable[ImportRow]) -> float:
    """Time in which at least one of `rows` was being loaded; `rows` of one thread, in the order of their start."""
    total = covered = 0.0
    for row in rows:
        first, last = max(row.start_seconds, covered), _end_seconds(row)
        if last > first:
            total += last - first
            covered = last
    return total


def _dominated(graph: _Graph, packages: set[str]) -> dict[str, set[str]]:
    """For each package those (itself among them) that every recorded way from the program leads through it to."""
    imports: dict[str, set[str]] = {}
    for index, row in enumerate(graph.rows):
        imports.setdefault(graph.cause(index) or ROOT, set()).add(top_level(row.module))
    everything = _reached(imports, without=None)
    return {package: everything - _reached(imports, without=package) | {package} for package in packages}


def _reached(imports: dict[str, set[str]], *, without: str | None) -> set[str]:
    reached: set[str] = set()
    waiting = [ROOT]
    while waiting:
        for package in imports.get(waiting.pop(), ()):
            if package != without and package not in reached:
                reached.add(package)
                waiting.append(package)
    return reached
