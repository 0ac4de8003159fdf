"""Why one start takes longer than another: the pieces of both, as causes in seconds that add up to the difference."""

from collections.abc import Mapping, Sequence
from itertools import chain

from ocrprof.results.compare_pieces import (
    Piece,
    built_at,
    has_timeline,
    nanoseconds,
    pieces_of,
    whole_phases,
    without_rounding,
)
from ocrprof.results.compare_spread import noise_of_one_run
from ocrprof.results.import_graph import first_loads, owners_of, program_imports, top_level
from ocrprof.results.model import PHASES, Cause, ImportRow, Location, PackageRow, Part, Run, StartupReport
from ocrprof.results.summary import is_measured

MEDIANS_OF_RUNS = "other runs"
"""The cause that holds what lies between the runs that the tables tell of and the medians of all runs."""

_SMALLEST_SHARE = 0.02
"""Of the difference, or of a twentieth of the time itself: a smaller cause is gathered with the others of its phase."""

_MAX_CAUSES = 24

_NUM_CERTAIN = 5
"""Causes that no noise can explain, as new imports, are told by themselves however small: so many of them."""


_Lines = Mapping[str, tuple[str, Location]]
"""By module: what the program imported, and the line of the program, under which it was first loaded."""


def measured_runs(report: StartupReport) -> list[Run]:
    """The counted runs that reached the milestone; where none did, the last one."""
    return [run for run in report.runs if is_measured(run)] or report.runs[-1:]


def phase_seconds(report: StartupReport, name: str) -> list[float]:
    """One phase of each measured run, 0 where a run did not have it."""
    return [next((phase.seconds for phase in run.phases if phase.name == name), 0.0) for run in measured_runs(report)]


def start_causes(base: StartupReport, candidate: StartupReport, *, total_ns: int) -> list[Cause]:
    """The causes, the largest first; they add up to `total_ns`, the difference of the medians."""
    return _Causes(base, candidate).found(total_ns)


class _Causes:
    """Turns the pieces of two runs into causes: one for each phase and package, class, or phase's own code."""

    def __init__(self, base: StartupReport, candidate: StartupReport) -> None:
        self._base, self._candidate = base, candidate
        known_when = has_timeline(base) and has_timeline(candidate)
        cut = pieces_of if known_when else whole_phases
        self._pieces = cut(base), cut(candidate)
        self._modules = tuple(first_loads(report.imports) for report in (base, candidate))
        self._packages = tuple({row.package: row for row in report.packages} for report in (base, candidate))
        self._lines = tuple(_program_lines(report) for report in (base, candidate))
        self._noise = _phase_noise(base, candidate)

    def found(self, total_ns: int) -> list[Cause]:
        """The causes, the largest first; they add up to `total_ns`."""
        changes = {
            piece: self._pieces[1].get(piece, 0) - self._pieces[0].get(piece, 0)
            for piece in dict.fromkeys(chain(*self._pieces))
        }
        large = max(abs(total_ns), 0.05 * sum(self._pieces[0].values()))
        smallest = int(_SMALLEST_SHARE * large)
        causes: list[Cause] = []
        small: dict[str, list[Cause]] = {}
        every = sorted(self._every(changes), key=lambda cause: -abs(cause.seconds))
        certain = [cause for cause in every if cause.inside_noise is False and cause.seconds][:_NUM_CERTAIN]
        for number, cause in enumerate(every):
            is_large = abs(nanoseconds(cause.seconds)) >= max(smallest, 1) and number < _MAX_CAUSES
            if is_large or cause in certain:
                causes.append(cause)
            elif cause.seconds:
                small.setdefault(cause.phase or "", []).append(cause)
        causes += [self._gathered(phase, of_phase) for phase, of_phase in small.items()]
        rest_ns = total_ns - sum(nanoseconds(cause.seconds) for cause in causes)
        causes, rest_ns = without_rounding(causes, rest_ns)
        if rest_ns:
            causes.append(
                Cause(
                    name=MEDIANS_OF_RUNS,
                    kind="rest",
                    seconds=rest_ns / 1e9,
                    detail="the causes are of the run nearest to the median on each side, the total is of the medians",
                )
            )
        return sorted(causes, key=lambda cause: -abs(cause.seconds))

    def _every(self, changes: Mapping[Piece, int]) -> list[Cause]:
        modules = {piece: ns for piece, ns in changes.items() if piece.kind == "module"}
        causes = self._of_imports(modules)
        for piece, change_ns in changes.items():
            if piece.kind == "built" and change_ns:
                location = built_at(self._candidate, piece.name) or built_at(self._base, piece.name)
                causes.append(self._cause(piece.name, "built", change_ns, phase=piece.phase, location=location))
            elif piece.kind in ("own_code", "phase") and change_ns:
                causes.append(self._cause(piece.name, piece.kind, change_ns, phase=piece.phase))
        return causes

    def _of_imports(self, modules: Mapping[Piece, int]) -> list[Cause]:
        """By phase and package; what came or went with a package that is itself new or gone is counted with it."""
        by_package: dict[tuple[str, str], dict[str, int]] = {}
        for piece, change_ns in modules.items():
            key = (piece.phase, top_level(piece.name))
            by_package.setdefault(key, {})[piece.name] = change_ns
        causes = []
        for side, kind in ((1, "gained"), (0, "lost")):
            whole = {
                key: sum(of_package.values())
                for key, of_package in by_package.items()
                if key[1] in self._packages[side] and key[1] not in self._packages[1 - side]
            }
            causes += self._rooted(whole, side=side, kind=kind)
            by_package = {key: value for key, value in by_package.items() if key not in whole}
        for (phase, package), of_package in by_package.items():
            causes += self._inside_package(phase, package, of_package)
        return causes

    def _rooted(self, whole: Mapping[tuple[str, str], int], *, side: int, kind: str) -> list[Cause]:
        """One cause for each package that no other of them leads to, with what only it leads to."""
        rows = self._packages[side]
        names = {package for _, package in whole}
        under = {inner: package for package in names for inner in rows[package].dominated_packages if inner in names}
        groups: dict[tuple[str, str], dict[str, int]] = {}
        for (phase, package), change_ns in whole.items():
            root = package
            seen = {root}
            while under.get(root, root) not in seen:
                root = under[root]
                seen.add(root)
            groups.setdefault((phase, root), {})[package] = change_ns
        return [
            self._came_or_went(rows[root], phase, of_root, kind, lines=self._lines[side])
            for (phase, root), of_root in groups.items()
        ]

    def _came_or_went(
        self, row: PackageRow, phase: str, nanoseconds_of: Mapping[str, int], kind: str, *, lines: _Lines
    ) -> Cause:
        parts = [Part(name=name, seconds=ns / 1e9) for name, ns in nanoseconds_of.items()]
        first = next((line for module, (_, line) in lines.items() if top_level(module) == row.package), None)
        cause = self._cause(
            row.package,
            kind,
            sum(nanoseconds_of.values()),
            phase=phase,
            location=first or row.first_importer,
            noise=False,
        )
        parts = sorted(parts, key=lambda part: -abs(part.seconds)) if len(parts) > 1 else []
        return cause.model_copy(update={"parts": parts, "chain": row.chain})

    def _inside_package(self, phase: str, package: str, of_package: Mapping[str, int]) -> list[Cause]:
        """Of a package that both sides load: modules only one of them loads, and the others, slower or faster."""
        before, after = self._modules
        more = {name: ns for name, ns in of_package.items() if name not in before}
        fewer = {name: ns for name, ns in of_package.items() if name not in after}
        both_ns = sum(of_package.values()) - sum(more.values()) - sum(fewer.values())
        causes = []
        for side, kind, modules, rows in ((1, "more_modules", more, after), (0, "fewer_modules", fewer, before)):
            if modules:
                told = _cause_of_modules(modules, rows, lines=self._lines[side])
                cause = self._cause(package, kind, sum(modules.values()), phase=phase, noise=False)
                causes.append(cause.model_copy(update=told))
        if both_ns:
            causes.append(self._cause(package, "slower" if both_ns > 0 else "faster", both_ns, phase=phase))
        return causes

    def _gathered(self, phase: str, causes: Sequence[Cause]) -> Cause:
        total_ns = sum(nanoseconds(cause.seconds) for cause in causes)
        if len(causes) == 1:
            return causes[0]
        return self._cause("small changes", "rest", total_ns, phase=phase).model_copy(
            update={"detail": f"{len(causes)} of them"}
        )

    def _cause(
        self,
        name: str,
        kind: str,
        change_ns: int,
        *,
        phase: str,
        location: Location | None = None,
        noise: bool | None = None,
    ) -> Cause:
        spread = self._noise.get(phase)
        if noise is None and spread is not None:
            noise = abs(change_ns / 1e9) <= spread
        return Cause.model_validate(
            {
                "name": name,
                "kind": kind,
                "seconds": change_ns / 1e9,
                "phase": phase,
                "location": location,
                "inside_noise": noise,
            }
        )


def _cause_of_modules(modules: Mapping[str, int], rows: Mapping[str, ImportRow], *, lines: _Lines) -> dict[str, object]:
    """What tells of modules that came or went: how many, the longest, and the program's line behind most of their time.

    Without such a line the one that asked for the first of them.
    """
    behind: dict[tuple[str, str, int], int] = {}
    for name, change_ns in modules.items():
        if name in lines:
            package, line = lines[name]
            key = (package, line.file, line.line)
            behind[key] = behind.get(key, 0) + abs(change_ns)
    longest = sorted(modules, key=lambda name: -abs(modules[name]))
    told = f"{len(modules)} modules" if len(modules) > 1 else longest[0]
    location = min((rows[name] for name in modules), key=lambda row: row.start_seconds).importer
    if behind:
        package, file, line_number = max(behind, key=lambda key: behind[key])
        location = Location(file=file, line=line_number)
        told += f", by {package}" if package != top_level(longest[0]) else ""
    return {
        "location": location,
        "parts": [Part(name=name, seconds=modules[name] / 1e9) for name in longest[:20]],
        "detail": told,
    }


def _program_lines(report: StartupReport) -> _Lines:
    found: dict[str, tuple[str, Location]] = {}
    for one in program_imports(report.imports, owners=owners_of(report.imports)):
        for row in one.rows:
            found.setdefault(row.module, (one.package, one.line))
    return found


def _phase_noise(base: StartupReport, candidate: StartupReport) -> dict[str, float]:
    """By phase, how far one run of each side may be apart by chance; empty below three runs on a side."""
    found = {}
    for name in PHASES:
        spread = noise_of_one_run(*(phase_seconds(report, name) for report in (base, candidate)))
        if spread is not None:
            found[name] = spread
    return found
