"""The tables of a sweep of worker counts, for every page."""

import statistics
from dataclasses import dataclass, replace

from ocrprof.renderers.figures_sweep import (
    chosen_point,
    hosts_of,
    is_measured,
    measured,
    number,
    rate_text,
    setting_name,
    status_text,
    trial_rate,
    wait_text,
)
from ocrprof.renderers.places import plain
from ocrprof.results.model import SweepReport, WhatIfPoint
from ocrprof.units import format_bytes, format_percent, format_seconds


@dataclass(frozen=True)
class SweepTable:
    """Rows under a heading; `align` says l or r for each column. `note` is small print below."""

    heading: str
    anchor: str
    titles: tuple[str, ...]
    align: str
    rows: list[list[str]]
    note: str = ""


def tables(report: SweepReport) -> list[SweepTable]:
    """Every table of a page, in order; those without a row are left out."""
    made = [
        _settings_table(report),
        _starts_table(report),
        _costs_table(report),
        _stages_table(report),
        _what_if_table(report),
        _ranks_table(report),
        _nodes_table(report),
    ]
    return [_without_empty_columns(table) for table in made if table.rows]


def _without_empty_columns(table: SweepTable) -> SweepTable:
    """The table without the columns that hold nothing: a sweep without steps waits for none."""
    kept = [column for column in range(len(table.titles)) if any(row[column] for row in table.rows)]
    return replace(
        table,
        titles=tuple(table.titles[column] for column in kept),
        align="".join(table.align[column] for column in kept),
        rows=[[row[column] for column in kept] for row in table.rows],
    )


def _settings_table(report: SweepReport) -> SweepTable:
    chosen = chosen_point(report)
    rows = []
    for point in report.points:
        of_best = "" if point.relative_to_best is None else f"{point.relative_to_best:.3f}"
        low = "" if point.relative_to_best_low is None else f" ≥ {point.relative_to_best_low:.3f}"
        exposed = "" if point.exposed_seconds is None else format_seconds(point.exposed_seconds)
        name = setting_name(point.setting) + (" (recommended)" if point is chosen else "")
        rows.append([name, rate_text(point), of_best + low, wait_text(point), exposed, str(point.num_trials)])
    return SweepTable(
        "Settings",
        "settings",
        ("setting", "samples/s [95 %]", "of the best", "step waits", "a step", "trials"),
        "lrrrrr",
        rows,
        "Intervals come from the rounds' means; ≥ and ≤ are one-sided 95 % bounds.",
    )


def _starts_table(report: SweepReport) -> SweepTable:
    rows = []
    for point in measured(report):
        first = point.time_to_first_batch_seconds
        cells = (point.first_worker_seconds, point.last_worker_seconds, point.seconds_per_worker)
        rows.append(
            [
                setting_name(point.setting),
                format_seconds(first.median) if first else "",
                *(_seconds(value) for value in (*cells, point.turnover_seconds)),
            ]
        )
    return SweepTable(
        "Start and turnover",
        "starts",
        ("setting", "first batch", "first worker", "last worker", "each more", "next epoch"),
        "lrrrrr",
        rows,
        "From iter(loader). Next epoch: from the last batch of one to the first of the next.",
    )


def _costs_table(report: SweepReport) -> SweepTable:
    rows = []
    for point in measured(report):
        rows.append(
            [
                setting_name(point.setting),
                _seconds(point.cpu_seconds_per_sample),
                "" if point.cpu_percent is None else f"{point.cpu_percent / 100:.2f}",
                _seconds(point.throttled_seconds),
                _bytes(point.pss_peak_bytes),
                _bytes(point.shm_peak_bytes),
                _bytes(point.read_bytes_per_sample),
                _bytes(point.read_chars_per_sample),
            ]
        )
    return SweepTable(
        "Cost",
        "cost",
        ("setting", "CPU a sample", "cores busy", "throttled", "memory", "/dev/shm", "from disk", "read"),
        "lrrrrrrr",
        rows,
        "Memory is the peak PSS of the process tree. From disk and read are bytes a sample: what was read and did not"
        " come from disk was in the page cache.",
    )


def _stages_table(report: SweepReport) -> SweepTable:
    names = sorted({name for point in report.points for name, seconds in point.stages.items() if seconds})
    rows = []
    for point in report.points if names else ():
        total = sum(point.stages.values())
        if not total:
            continue
        cells = [
            f"{_seconds(point.stages[name])} ({format_percent(point.stages[name] / total)})"
            if name in point.stages
            else ""
            for name in names
        ]
        spread = "" if point.service_cv is None else f"{point.service_cv:.2f}"
        rows.append([setting_name(point.setting), *cells, spread])
    return SweepTable(
        "Inside the workers",
        "stages",
        ("setting", *names, "spread"),
        "l" + "r" * (len(names) + 1),
        rows,
        "Seconds a sample. Spread: standard deviation of a batch's service time over its mean.",
    )


def _what_if_table(report: SweepReport) -> SweepTable:
    rows = [what_if_row(one) for one in report.what_if]
    return SweepTable(
        "Simulated, not run",
        "what-if",
        ("setting", "samples/s", "step waits"),
        "lrr",
        rows,
        "By a simulation of the loader's queue, fed with the measured service times of batches; processor time that"
        " more workers would take from each other is part of it only as far as it was measured.",
    )


def what_if_row(one: WhatIfPoint) -> list[str]:
    """Setting, samples/s and wait of a simulated point."""
    wait = "" if one.wait_fraction is None else format_percent(one.wait_fraction)
    return [setting_name(one.setting), number(one.samples_per_sec), wait]


def _ranks_table(report: SweepReport) -> SweepTable:
    """Samples/s of each rank and of the node, the median of the rounds."""
    rows = []
    for setting in report.settings:
        trials = [one for one in report.trials if one.setting == setting and one.ranks and is_measured(one)]
        if not trials:
            continue
        by_rank = zip(*(trial.ranks for trial in trials), strict=True)
        rates = [statistics.median(trial_rate(rank) or 0.0 for rank in ranks) for ranks in by_rank]
        node = statistics.median(sum(trial_rate(rank) or 0.0 for rank in trial.ranks) for trial in trials)
        rows.append([setting_name(setting), *(number(rate) for rate in rates), number(node)])
    titles = tuple(f"rank {number}" for number in range(report.num_local_ranks))
    return SweepTable(
        "Ranks at once",
        "ranks",
        ("setting", *titles, "node"),
        "l" + "r" * (report.num_local_ranks + 1),
        rows,
        "Samples/s. Of the node: the sum over its ranks.",
    )


def _nodes_table(report: SweepReport) -> SweepTable:
    """Of each node the samples/s of each setting; a round is never split between nodes."""
    hosts = hosts_of(report)
    rows = []
    for setting in report.settings if len(hosts) > 1 else ():
        cells, medians = [], []
        for host in hosts:
            rates = [
                rate
                for trial in report.trials
                if trial.setting == setting and trial.host == host and not trial.control
                if is_measured(trial) and (rate := trial_rate(trial)) is not None
            ]
            cells.append(number(statistics.median(rates)) if rates else "")
            medians += [statistics.median(rates)] if rates else []
        spread = format_percent(max(medians) / min(medians) - 1) if len(medians) > 1 else ""
        rows.append([setting_name(setting), *cells, spread])
    return SweepTable(
        "Between nodes",
        "nodes",
        ("setting", *hosts, "spread"),
        "l" + "r" * (len(hosts) + 1),
        rows,
        "Samples/s, medians. Spread: of the fastest node over the slowest; settings are compared within a node only.",
    )


def trial_rows(report: SweepReport) -> list[list[str]]:
    """Every trial, in the order in which they ran."""
    rows = []
    for trial in [*report.warmup, *report.trials]:
        rate = trial_rate(trial)
        kind = "warm-up" if trial in report.warmup else "control" if trial.control else ""
        rows.append(
            [
                str(trial.round),
                str(trial.position + 1),
                setting_name(trial.setting),
                kind,
                trial.host or "",
                status_text(trial.status) or "ok",
                "" if rate is None else number(rate),
                str(len(trial.blocks)),
                _seconds(trial.first_batch_seconds),
                _seconds(trial.wall_seconds),
                plain(trial.disturbed or ""),
            ]
        )
    return rows


TRIAL_TITLES = (
    "round",
    "place",
    "setting",
    "",
    "node",
    "ended",
    "samples/s",
    "blocks",
    "first batch",
    "took",
    "beside it",
)
TRIAL_ALIGN = "rrllllrrrrl"


def _seconds(value: float | None) -> str:
    return "" if value is None else format_seconds(value)


def _bytes(value: float | None) -> str:
    return "" if value is None else format_bytes(value)
