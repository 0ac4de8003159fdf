"""The sections of the terminal's summary that tell of a training run."""

from collections.abc import Callable

from ocrprof.renderers import console_startup, figures, figures_loops, figures_startup
from ocrprof.renderers.console_lines import bar_text, paragraph, section, table_lines
from ocrprof.renderers.places import keep_head, keep_tail, place, plain
from ocrprof.renderers.terminal import Line
from ocrprof.results.model import BaselineReport, LoopStatistics, StartupReport
from ocrprof.units import format_bytes, format_percent, format_seconds


def head(report: BaselineReport, *, width: int) -> list[Line]:
    """Command, limits, and why there is no training run where there is none."""
    lines = paragraph(f"ocrprof baseline · {figures.command(report.target)}", width=width, style="title")
    limits = figures_loops.limits_text(report.limits)
    if limits:
        lines += paragraph(f"limits imposed on the target: {limits}", width=width)
    if report.run is None:
        return [*lines, ("", ""), (figures_loops.why_not_trained(report), "bad")]
    if report.run.reached:
        return lines
    lines += [("", ""), *paragraph(f"Training run: {figures.run_failure(report.run)}.", width=width, style="bad")]
    return lines + [
        (f"  {keep_head(plain(line), width - 2)}", "")
        for line in report.run.stderr_tail[-console_startup.NUM_STDERR_LINES :]
    ]


_LOOP_FIGURES: tuple[tuple[str, Callable[[LoopStatistics], float | None]], ...] = (
    ("mean", lambda loop: loop.mean_seconds),
    ("median", lambda loop: loop.median_seconds),
    ("p95", lambda loop: loop.p95_seconds),
    ("p99", lambda loop: loop.p99_seconds),
    ("std", lambda loop: loop.std_seconds),
)


def loops(report: BaselineReport) -> list[Line]:
    """Training and validation batches side by side."""
    both = [figures_loops.loop_named(report, name) for name in ("train", "validation")]
    seen = [loop for loop in both if loop]
    lines: list[Line] = []
    if seen:
        table = [
            ["", *("training" if loop.name == "train" else "validation" for loop in seen)],
            ["batches", *(figures_loops.batch_count(loop) for loop in seen)],
            ["total", *(format_seconds(loop.total_seconds) for loop in seen)],
        ]
        for name, figure in _LOOP_FIGURES:
            values = [figure(loop) for loop in seen]
            if any(value is not None for value in values):
                table.append([f"batch {name}", *("" if value is None else format_seconds(value) for value in values)])
        if any(loop.samples_per_sec for loop in seen):
            table.append(
                ["samples/s", *(f"{loop.samples_per_sec:.4g}" if loop.samples_per_sec else "" for loop in seen)]
            )
        lines = table_lines(table, align="<" + ">" * len(seen), width=80)
    ratio = figures_loops.ratio(report)
    if ratio is not None:
        lines.append((f"  a validation batch takes {ratio:.2f} × a training batch (medians)", ""))
    for name, loop in zip(("training", "validation"), both, strict=True):
        if loop is None:
            lines.append((f"  {name}: {figures_loops.NOT_SEEN[name]}", ""))
    return section("Batches", lines)


def parts(report: BaselineReport, *, width: int) -> list[Line]:
    """What a batch is made of."""
    lines: list[Line] = []
    for loop in report.loops:
        rows = figures_loops.part_rows(loop)
        if not rows:
            continue
        name = "training" if loop.name == "train" else loop.name
        table = [[f"{name} batch", "mean", "share", "", "where"]]
        for row in rows:
            location = loop.part_locations.get(row.key)
            table.append(
                [
                    plain(row.name),
                    format_seconds(row.seconds),
                    format_percent(row.share),
                    bar_text(row.share, cells=18),
                    place(location, cwd=report.target.cwd),
                ]
            )
        lines += table_lines(table, align="<>><<", width=width, shorten=keep_tail)
    return section("Where a batch goes", lines)


def memory(report: BaselineReport, *, width: int) -> list[Line]:
    """What the process tree held at most."""
    lines: list[Line] = []
    for name, text in figures_loops.memory_rows(report):
        lines += paragraph(f"{name}: {text}", width=width, indent="    ", first="  ")
    return section("Memory", lines)


def start(report: StartupReport, *, width: int) -> list[Line]:
    """The start in short."""
    return [
        *console_startup.failures(report, width=width),
        *console_startup.phases(report, "Start-up: where the time goes", width=width),
        *console_startup.imports(report, width=width),
    ]


def last_line(report: BaselineReport) -> str:
    """The one line to remember."""
    facts = []
    total = figures_startup.total_time(report.startup) if report.startup else None
    if total:
        facts.append(f"startup {format_seconds(total.median)}")
    for name, label in (("train", "train"), ("validation", "val")):
        loop = figures_loops.loop_named(report, name)
        if loop and loop.median_seconds is not None:
            facts.append(f"{label} {format_seconds(loop.median_seconds)}/batch")
    ratio = figures_loops.ratio(report)
    if ratio is not None:
        facts[-1] += f" ({ratio:.2f} ×)"
    if report.memory:
        facts.append(format_bytes(report.memory.peak_pss_bytes or report.memory.peak_rss_bytes))
    return " · ".join(facts) or "baseline: nothing was measured"
