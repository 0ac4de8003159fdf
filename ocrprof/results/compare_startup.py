"""Two starts side by side: phases, loads, what was built, and why the time to the milestone differs."""

import statistics
from collections.abc import Iterable, Mapping
from itertools import chain

from ocrprof.results.compare_causes import measured_runs, phase_seconds, start_causes
from ocrprof.results.compare_pieces import nanoseconds
from ocrprof.results.compare_spread import difference_ci95, figure, is_inside, known, single
from ocrprof.results.import_graph import first_loads
from ocrprof.results.model import (
    PHASES,
    Breakdown,
    Cause,
    ComparedFigure,
    ExactItem,
    Instantiation,
    Part,
    StartupReport,
)
from ocrprof.results.stats import bootstrap_ci95


def start_breakdown(base: StartupReport, candidate: StartupReport, *, name: str) -> Breakdown:
    """The time to the milestone, medians of the runs, and the causes of its difference."""
    walls = [[run.wall_seconds for run in measured_runs(report)] for report in (base, candidate)]
    before, after = (statistics.median(seconds) if seconds else 0.0 for seconds in walls)
    interval = difference_ci95(*walls)
    total_ns = nanoseconds(after) - nanoseconds(before)
    causes = start_causes(base, candidate, total_ns=total_ns)
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


def start_tables(base: StartupReport, candidate: StartupReport) -> dict[str, list[ComparedFigure]]:
    """Phases, milestones, packages and what was built, side by side."""
    sides = (base, candidate)
    phases = [
        figure(name, *(phase_seconds(report, name) for report in sides))
        for name in PHASES
        if any(any(phase_seconds(report, name)) for report in sides)
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
