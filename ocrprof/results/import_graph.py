"""Module loads as tables: one row a load, one row a package, and which line of the program pulled each of them in.

What a load record knows is who asked *first*: an import of something already loaded leaves no record. So the graph
made of them can miss ways in, and a saving predicted from it is an upper bound.
"""

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

from ocrprof.records import Load
from ocrprof.results.model import ImportRow, Location, PackageRow

Owner = Literal["program", "installed", "stdlib"]

_ROOT = "__main__"
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
        )
        for load in sorted(loads, key=lambda load: (load.start_ns, load.depth))
        if load.start_ns < end_ns
    ]


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
    dominated = _dominated(rows, set(by_package))
    first_rows = first_loads(rows)
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
                num_modules=len({row.module for row in of_package if row.ok}),
                first_importer=of_package[0].importer,
                chain=chain(of_package[0], first_rows),
            )
        )
    return sorted(packages, key=lambda row: -row.self_seconds)


def chain(row: ImportRow, first_rows: dict[str, ImportRow]) -> list[str]:
    """From the program's own file to the module of `row`, `module (file:line)`: the line that imports the next one."""
    hops = [row.module]
    seen = {row.module}
    current: ImportRow | None = row
    while current is not None and current.importer is not None:
        importer = current.importer_module or PurePath(current.importer.file).stem
        hops.append(f"{importer} ({current.importer.file}:{current.importer.line})")
        if importer in seen:
            break
        seen.add(importer)
        current = first_rows.get(importer)
    return hops[::-1]


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
    program = {_ROOT, *_program_packages(rows)}
    owners: dict[str, Owner] = {}
    for row in rows:
        package = top_level(row.module)
        if package not in owners and row.file is not None:
            owners[package] = _owner_of_file(row.file)
    for row in rows:
        package = top_level(row.module)
        if _is_stdlib(row):
            owners[package] = "stdlib"
        owners.setdefault(package, "installed")
    return owners | dict.fromkeys(program, "program")


def _is_stdlib(row: ImportRow) -> bool:
    return top_level(row.module) in sys.stdlib_module_names or row.kind in ("builtin", "frozen")


def _owner_of_file(file: str) -> Owner:
    if _INSTALLED.search(file):
        return "installed"
    return "stdlib" if _STDLIB.search(file) else "program"


def _program_packages(rows: Iterable[ImportRow]) -> set[str]:
    """Packages of a program that is itself installed: its `__main__` is a file of one, or a script that imports one."""
    packages: set[str] = set()
    for row in rows:
        if row.importer_module != _ROOT or row.importer is None:
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
    behind = _Behind(rows, owners)
    groups: dict[tuple[str, str, int], list[ImportRow]] = {}
    for index, row in enumerate(rows):
        found = behind.line_of(index) if row.thread == 0 else None
        if found is not None:
            groups.setdefault((found[0], found[1].file, found[1].line), []).append(row)
    return [
        ProgramImport(package, Location(file=file, line=line), tuple(of_line))
        for (package, file, line), of_line in groups.items()
    ]


class _Behind:
    """Finds for each load the program's line under which it ran, and the package that this line imports."""

    def __init__(self, rows: Sequence[ImportRow], owners: dict[str, Owner]) -> None:
        self._rows = rows
        self._owners = owners
        self._around = _enclosing(rows)
        self._found: dict[int, tuple[str, Location] | None] = {}

    def line_of(self, index: int) -> tuple[str, Location] | None:
        """The package and the line; None for the program's own modules, and where no line is known."""
        if index not in self._found:
            # A load encloses its nested ones and began before them: the recursion ends at an outermost one.
            self._found[index] = self._find(index)
        return self._found[index]

    def _find(self, index: int) -> tuple[str, Location] | None:
        row, around = self._rows[index], self._around[index]
        package = top_level(row.module)
        if self._owners.get(package) == "program":
            return None
        importer = row.importer_module or ""
        if row.importer is not None and (importer == _ROOT or self._owners.get(top_level(importer)) == "program"):
            return package, row.importer
        # A library's own import: whoever imported the library caused it, also where one of its functions made it.
        return None if around is None else self.line_of(around)


def _enclosing(rows: Sequence[ImportRow]) -> list[int | None]:
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


def _dominated(rows: Sequence[ImportRow], packages: set[str]) -> dict[str, set[str]]:
    """For each package those (itself among them) that every recorded way from the program leads through it to."""
    imports: dict[str, set[str]] = {}
    around = _enclosing(rows)
    for index, row in enumerate(rows):
        importer = top_level(row.importer_module) if row.importer_module else _ROOT
        enclosing = around[index]
        if row.importer is None and enclosing is not None:
            importer = top_level(rows[enclosing].module)
        imports.setdefault(importer if importer in packages else _ROOT, set()).add(top_level(row.module))
    everything = _reached(imports, without=None)
    return {package: everything - _reached(imports, without=package) | {package} for package in packages}


def _reached(imports: dict[str, set[str]], *, without: str | None) -> set[str]:
    reached: set[str] = set()
    waiting = [_ROOT]
    while waiting:
        for package in imports.get(waiting.pop(), ()):
            if package != without and package not in reached:
                reached.add(package)
                waiting.append(package)
    return reached
