"""Two starts side by side: phases, loads, what was built, and why the time to the milestone differs."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
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
from ocrprof.results.compare_spread import difference_ci95, figure, is_inside, known, noise_of_one_run, single
from ocrprof.results.import_graph import first_loads, top_level
from ocrprof.results.model import (
    PHASES,
    Breakdown,
    Cause,
    ComparedFigure,
    ExactItem,
    ImportRow,
    Instantiation,
    Location,
    PackageRow,
    Part,
    Run,
    StartupReport,
)
from ocrprof.results.stats import bootstrap_ci95
from ocrprof.results.summary import is_measured

MEDIANS_OF_RUNS = "other runs"
"""The cause that holds what lies between the runs that the tables tell of and the medians of all runs."""

_SMALLEST_SHARE = 0.02
"""Of the difference, or of a twentieth of the time itself: a smaller cause is gathered with the others of its phase."""

_MAX_CAUSES = 24

_NUM_CERTAIN = 5
"""Causes that no noise can explain, as new imports, are told by themselves however small: so many of them."""


def measured_runs(report: StartupReport) -> list[Run]:
    """The counted runs that reached the milestone; where none did, the last one."""
    return [run for run in report.runs if is_measured(run)] or report.runs[-1:]


def start_breakdown(base: StartupReport, candidate: StartupReport, *, name: str) -> Breakdown:
    """The time to the milestone, medians of the runs, and the causes of its difference."""
    walls = [[run.wall_seconds for run in measured_runs(report)] for report in (base, candidate)]
    before, after = (statistics.median(seconds) if seconds else 0.0 for seconds in walls)
    interval = difference_ci95(*walls)
    total_ns = nanoseconds(after) - nanoseconds(before)
    causes = _Causes(base, candidate).found(total_ns)
    return Breakdown(
        name=name,
        base_seconds=before,
        candidate_seconds=after,
        base_ci95=bootstrap_ci95(walls[0]),
        candidate_ci95=bootstrap_ci95(walls[1]),
        difference_ci95=interval,
        num_base=len(walls[0]),
        num_candidate=len(walls[1]),
        inside_noise=is_inside(interval),
        phases=_by_phase(causes),
        causes=causes,
    )


def _by_phase(causes: Iterable[Cause]) -> list[Part]:
    totals: dict[str, int] = {}
    for cause in causes:
        phase = cause.phase or cause.name
        totals[phase] = totals.get(phase, 0) + nanoseconds(cause.seconds)
    order = [name for name in (*PHASES, *totals) if name in totals]
    return [Part(name=name, seconds=totals[name] / 1e9) for name in dict.fromkeys(order)]


class _Causes:
    """Turns the pieces of two runs into causes: one for each phase and package, class, or phase's own code."""

    def __init__(self, base: StartupReport, candidate: StartupReport) -> None:
        self._base, self._candidate = base, candidate
        known_when = has_timeline(base) and has_timeline(candidate)
        cut = pieces_of if known_when else whole_phases
        self._pieces = cut(base), cut(candidate)
        self._modules = tuple(first_loads(report.imports) for report in (base, candidate))
        self._packages = tuple({row.package: row for row in report.packages} for report in (base, candidate))
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
        return [self._came_or_went(rows[root], phase, of_root, kind) for (phase, root), of_root in groups.items()]

    def _came_or_went(self, row: PackageRow, phase: str, nanoseconds_of: Mapping[str, int], kind: str) -> Cause:
        parts = [Part(name=name, seconds=ns / 1e9) for name, ns in nanoseconds_of.items()]
        cause = self._cause(
            row.package, kind, sum(nanoseconds_of.values()), phase=phase, location=row.first_importer, noise=False
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
        for kind, modules, rows in (("more_modules", more, after), ("fewer_modules", fewer, before)):
            if modules:
                told = _cause_of_modules(modules, rows)
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


def _cause_of_modules(modules: Mapping[str, int], rows: Mapping[str, ImportRow]) -> dict[str, object]:
    """What tells of modules that came or went: how many, the longest, and the line that asked for the first."""
    first = min((rows[name] for name in modules), key=lambda row: row.start_seconds)
    longest = sorted(modules, key=lambda name: -abs(modules[name]))
    return {
        "location": first.importer,
        "parts": [Part(name=name, seconds=modules[name] / 1e9) for name in longest[:20]],
        "detail": f"{len(modules)} modules" if len(modules) > 1 else longest[0],
    }


def _phase_noise(base: StartupReport, candidate: StartupReport) -> dict[str, float]:
    """By phase, how far one run of each side may be apart by chance; empty below three runs on a side."""
    found = {}
    for name in PHASES:
        spread = noise_of_one_run(*(_phase_seconds(report, name) for report in (base, candidate)))
        if spread is not None:
            found[name] = spread
    return found


def _phase_seconds(report: StartupReport, name: str) -> list[float]:
    return [next((phase.seconds for phase in run.phases if phase.name == name), 0.0) for run in measured_runs(report)]


def start_tables(base: StartupReport, candidate: StartupReport) -> dict[str, list[ComparedFigure]]:
    """Phases, milestones, packages and what was built, side by side."""
    sides = (base, candidate)
    phases = [
        figure(name, *(_phase_seconds(report, name) for report in sides))
        for name in PHASES
        if any(any(_phase_seconds(report, name)) for report in sides)
    ]
    marks = [{usage.mark: usage.at_seconds for usage in report.usage} for report in sides]
    packages = [{row.package: row.self_seconds for row in report.packages} for report in sides]
    built = [_built_seconds(report) for report in sides]
    counts = [{_identity(one): float(one.count) for one in report.instantiations} for report in sides]
    differing = [name for name in dict.fromkeys(chain(*counts)) if counts[0].get(name) != counts[1].get(name)]
    counts = [{name: count for name, count in side.items() if name in differing} for side in counts]
    loaded = [float(len(first_loads(report.imports))) for report in sides]
    return {
        "phases": known(phases),
        "milestones": _singles(*marks),
        "packages, own time": _by_change(_singles(*packages)),
        "built": _by_change(_singles(*built)),
        "instantiations": _singles(*counts, unit="count"),
        "loads": known([single("modules loaded", loaded[0], loaded[1], unit="count")]) if any(loaded) else [],
    }


def _built_seconds(report: StartupReport) -> dict[str, float]:
    totals: dict[str, float] = {}
    for one in report.constructions:
        totals[one.name] = totals.get(one.name, 0.0) + one.seconds
    for node in report.instantiations:
        totals.setdefault(node.target, node.seconds)
    return totals


def _identity(one: Instantiation) -> str:
    return f"{one.target} ({one.config_path})" if one.config_path else one.target


def _singles(
    base: Mapping[str, float], candidate: Mapping[str, float], *, unit: str = "seconds"
) -> list[ComparedFigure]:
    return known(
        [single(name, base.get(name), candidate.get(name), unit=unit) for name in dict.fromkeys(chain(base, candidate))]
    )


def _by_change(figures: Iterable[ComparedFigure]) -> list[ComparedFigure]:
    return sorted(figures, key=lambda one: -abs((one.candidate or 0.0) - (one.base or 0.0)))


def start_sets(base: StartupReport, candidate: StartupReport) -> dict[str, list[ExactItem]]:
    """What the candidate has and the base has not: modules, packages, what Hydra built, what was constructed."""
    known_modules, known_packages = first_loads(base.imports), {row.package for row in base.packages}
    built = {_identity(one) for one in base.instantiations}
    classes = {one.name for one in base.constructions}
    found = {
        "packages": [
            ExactItem(
                name=row.package,
                location=row.first_importer,
                seconds=row.self_seconds,
                detail=f"{row.num_modules} modules" if row.num_modules > 1 else None,
            )
            for row in candidate.packages
            if row.package not in known_packages
        ],
        "modules": [
            ExactItem(name=row.module, location=row.importer, seconds=row.self_seconds)
            for row in first_loads(candidate.imports).values()
            if row.module not in known_modules
        ],
        "instantiations": [
            ExactItem(
                name=_identity(one),
                location=next(iter(one.callers), one.location),
                seconds=one.seconds,
                detail=f"{one.count} times" if one.count > 1 else None,
            )
            for one in candidate.instantiations
            if _identity(one) not in built
        ],
        "constructions": [
            ExactItem(name=one.name, location=one.location, seconds=one.seconds)
            for one in candidate.constructions
            if one.name not in classes
        ],
    }
    return {name: items for name, items in found.items() if items}
