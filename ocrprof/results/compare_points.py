"""Two sweeps, two ablations, or two checks side by side: points, features, metrics."""

import statistics
from collections.abc import Iterable, Sequence

from ocrprof.results.ablation import measured_loop
from ocrprof.results.compare_pieces import nanoseconds
from ocrprof.results.compare_spread import difference_ci95, figure, is_inside, known, single
from ocrprof.results.model import (
    AblationReport,
    Arm,
    Breakdown,
    Cause,
    CheckReport,
    ComparedFigure,
    Launch,
    LoaderSetting,
    Part,
    Statistic,
    SweepPoint,
    SweepReport,
)

_PHASE_METRICS = "startup."
"""Metrics of a check that are phases of the start, exclusive, begin with it."""


def setting_name(setting: LoaderSetting) -> str:
    """`4 workers`, and what else the setting says: `4 workers, prefetch_factor 4`."""
    workers = f"{setting.num_workers} worker{'s' if setting.num_workers != 1 else ''}"
    fields = setting.model_dump(exclude_none=True, exclude={"num_workers"})
    return ", ".join([workers, *(f"{name} {value}" for name, value in fields.items())])


def sweep_tables(base: SweepReport, candidate: SweepReport) -> dict[str, list[ComparedFigure]]:
    """Every point that a side measured."""
    points = [{setting_name(point.setting): point for point in report.points} for report in (base, candidate)]
    pairs = [(name, points[0].get(name), points[1].get(name)) for name in dict.fromkeys([*points[0], *points[1]])]
    tables = {
        "throughput": [
            _point(pair, "samples_per_sec", unit="samples_per_sec", interval="samples_per_sec_ci95") for pair in pairs
        ],
        "time to the first batch": [
            _of_statistic(
                name,
                before.time_to_first_batch_seconds if before else None,
                after.time_to_first_batch_seconds if after else None,
            )
            for name, before, after in pairs
        ],
        "share of a step waited": [_point(pair, "wait_fraction", unit="share") for pair in pairs],
        "CPU seconds a sample": [_point(pair, "cpu_seconds_per_sample") for pair in pairs],
        "peak memory": [_point(pair, "pss_peak_bytes", unit="bytes") for pair in pairs],
    }
    return {title: known(rows) for title, rows in tables.items()}


def _point(
    pair: tuple[str, SweepPoint | None, SweepPoint | None],
    field: str,
    *,
    unit: str = "seconds",
    interval: str | None = None,
) -> ComparedFigure | None:
    name, *sides = pair
    values = [getattr(side, field, None) for side in sides]
    bounds = [getattr(side, interval, None) if interval else None for side in sides]
    return _with_intervals(single(name, values[0], values[1], unit=unit), bounds[0], bounds[1])


def _of_statistic(
    name: str, base: Statistic | None, candidate: Statistic | None, *, unit: str = "seconds"
) -> ComparedFigure | None:
    found = single(name, base.median if base else None, candidate.median if candidate else None, unit=unit)
    return _with_intervals(found, base.ci95 if base else None, candidate.ci95 if candidate else None)


def _with_intervals(
    figure: ComparedFigure | None, base: tuple[float, float] | None, candidate: tuple[float, float] | None
) -> ComparedFigure | None:
    """Intervals that overlap leave it open whether the figures differ, and are told as noise."""
    if figure is None or base is None or candidate is None:
        return figure
    overlap = base[0] <= candidate[1] and candidate[0] <= base[1]
    return figure.model_copy(update={"base_ci95": base, "candidate_ci95": candidate, "inside_noise": overlap})


def sweep_breakdowns(base: SweepReport, candidate: SweepReport) -> list[Breakdown]:
    """Seconds that a sample takes inside the workers, by stage, at the settings that both measured with workers."""
    points = [{setting_name(point.setting): point for point in report.points} for report in (base, candidate)]
    found = []
    for name in points[0]:
        if name in points[1] and points[0][name].stages and points[1][name].stages:
            before, after = points[0][name].stages, points[1][name].stages
            found.append(parts_breakdown(f"a sample inside the workers, {name}", [before], [after], of="samples"))
    return found


def ablation_tables(base: AblationReport, candidate: AblationReport) -> dict[str, list[ComparedFigure]]:
    """What each feature is worth on both sides, by design, and seconds of the settings themselves."""
    sides = (base, candidate)
    tables = {}
    for design in dict.fromkeys([*base.designs, *candidate.designs, "on"]):
        effects = [{one.feature: one.later_epochs for one in side.effects if one.design == design} for side in sides]
        names = dict.fromkeys([*effects[0], *effects[1]])
        rows = [_of_statistic(name, effects[0].get(name), effects[1].get(name), unit="ratio") for name in names]
        tables[f"speed-up of a later epoch, {design}"] = known(rows)
    arms = [{arm_name(arm): later_epochs(arm, loop=measured_loop(side.arms)) for arm in side.arms} for side in sides]
    names = dict.fromkeys([*arms[0], *arms[1]])
    tables["a later epoch"] = known([figure(name, arms[0].get(name, []), arms[1].get(name, [])) for name in names])
    return tables


def arm_name(arm: Arm) -> str:
    """The features of a setting that are on."""
    return " + ".join(arm.on) if arm.on else "all off"


def later_epochs(arm: Arm, *, loop: str) -> list[float]:
    """Of each round the mean later epoch."""
    later = [
        [epoch.seconds for epoch in trial.epochs if epoch.loop == loop][1:]
        for trial in arm.trials
        if trial.status == "reached"
    ]
    return [statistics.fmean(seconds) for seconds in later if seconds]


def ablation_breakdowns(base: AblationReport, candidate: AblationReport) -> list[Breakdown]:
    """A later epoch of each setting that both ran, by its parts."""
    arms = [{arm_name(arm): _epoch_parts(arm, report) for arm in report.arms} for report in (base, candidate)]
    return [
        parts_breakdown(f"a later epoch, {name}", arms[0][name], arms[1][name], of="epochs")
        for name in arms[0]
        if arms[0][name] and arms[1].get(name)
    ]


def _epoch_parts(arm: Arm, report: AblationReport) -> list[dict[str, float]]:
    """Parts of every later epoch of the rounds that came to their end; what is in no part is `rest`."""
    loop = measured_loop(report.arms)
    found = []
    for trial in arm.trials:
        for epoch in [one for one in trial.epochs if one.loop == loop][1:] if trial.status == "reached" else []:
            rest = epoch.seconds - sum(epoch.parts.values())
            found.append({**epoch.parts, "rest": epoch.parts.get("rest", 0.0) + rest})
    return found


def parts_breakdown(
    name: str, base: Sequence[dict[str, float]], candidate: Sequence[dict[str, float]], *, of: str
) -> Breakdown:
    """The mean of what was counted on each side, and the change of each exclusive part; neither side is empty."""
    means = [_mean_parts(side) for side in (base, candidate)]
    totals = [[sum(one.values()) for one in side] for side in (base, candidate)]
    interval = difference_ci95(*totals, center=statistics.fmean)
    changes = {part: means[1].get(part, 0) - means[0].get(part, 0) for part in dict.fromkeys([*means[0], *means[1]])}
    causes = [_cause(part, change_ns, means) for part, change_ns in changes.items() if change_ns]
    return Breakdown.model_validate(
        {
            "name": name,
            "base_seconds": sum(means[0].values()) / 1e9,
            "candidate_seconds": sum(means[1].values()) / 1e9,
            "difference_ci95": interval,
            "num_base": len(base),
            "num_candidate": len(candidate),
            "inside_noise": is_inside(interval),
            "of": of,
            "phases": [Part(name=cause.name, seconds=cause.seconds) for cause in causes],
            "causes": sorted(causes, key=lambda cause: -abs(cause.seconds)),
        }
    )


def _mean_parts(counted: Iterable[dict[str, float]]) -> dict[str, int]:
    """Nanoseconds, so that what is told adds up."""
    all_of = list(counted)
    names = dict.fromkeys(name for one in all_of for name in one)
    return {name: nanoseconds(statistics.fmean(one.get(name, 0.0) for one in all_of)) for name in names}


def _cause(name: str, change_ns: int, means: Sequence[dict[str, int]]) -> Cause:
    came, went = name not in means[0], name not in means[1]
    kind = "gained" if came else "lost" if went else "slower" if change_ns > 0 else "faster"
    return Cause.model_validate({"name": name, "kind": kind, "seconds": change_ns / 1e9})


def values_of(launches: Iterable[Launch], name: str, *, arm: str) -> list[float]:
    """A metric of the counted launches of one arm, in their order."""
    return [launch.values[name] for launch in launches if launch.arm == arm and launch.pair and name in launch.values]


def check_tables(base: CheckReport, candidate: CheckReport) -> dict[str, list[ComparedFigure]]:
    """Metrics of the candidates of two checks (or, of one check given twice, of its two arms), and what each found."""
    first_arm = "base" if same_session(base, candidate) else "candidate"
    infos = {info.name: info for info in (*base.metric_infos, *candidate.metric_infos)}
    values = [
        figure(
            name,
            values_of(base.launches, name, arm=first_arm),
            values_of(candidate.launches, name, arm="candidate"),
            unit=info.unit,
        )
        for name, info in infos.items()
    ]
    exact = [_exact_values(base, arm=first_arm), _exact_values(candidate, arm="candidate")]
    names = dict.fromkeys([*exact[0], *exact[1]])
    ratios = [{one.name: one for one in report.metrics} for report in (base, candidate)]
    return {
        "metrics of the launches": known(values),
        "exact metrics": known([single(name, exact[0].get(name), exact[1].get(name), unit="count") for name in names]),
        "slowdown that each check found": known(
            [
                single(name, *(side[name].ratio if name in side else None for side in ratios), unit="ratio")
                for name in dict.fromkeys([*ratios[0], *ratios[1]])
            ]
        )
        if not same_session(base, candidate)
        else [],
    }


def _exact_values(report: CheckReport, *, arm: str) -> dict[str, float | None]:
    return {one.name: one.base if arm == "base" else one.candidate for one in report.exact}


def check_breakdowns(base: CheckReport, candidate: CheckReport) -> list[Breakdown]:
    """The time to the milestone by phase, of both arms of one check or of the candidates of two; means."""
    first_arm = "base" if same_session(base, candidate) else "candidate"
    infos = {info.name: info for info in (*base.metric_infos, *candidate.metric_infos)}
    total = next((name for name in infos if name.startswith("time_to_")), None)
    phases = [name for name in infos if name.startswith(_PHASE_METRICS)]
    if total is None or not phases:
        return []
    parts = [
        [_launch_parts(launch, total, phases) for launch in report.launches if launch.arm == arm and launch.pair
         and total in launch.values]
        for report, arm in ((base, first_arm), (candidate, "candidate"))
    ]  # fmt: skip
    name = total.removesuffix("_seconds").replace("_", " ")
    return [parts_breakdown(name, parts[0], parts[1], of="runs")] if all(parts) else []


def _launch_parts(launch: Launch, total: str, phases: Iterable[str]) -> dict[str, float]:
    known_parts = {name.removeprefix(_PHASE_METRICS): launch.values[name] for name in phases if name in launch.values}
    return {**known_parts, "other phases": launch.values[total] - sum(known_parts.values())}


def same_session(base: CheckReport, candidate: CheckReport) -> bool:
    """Whether two checks hold launches of one session, so that their pairs are the same pairs."""
    starts = [{(one.pair, one.started) for one in report.launches if one.pair} for report in (base, candidate)]
    same_order = base.design.seed == candidate.design.seed and base.design.order == candidate.design.order
    return same_order and bool(starts[0] & starts[1])
