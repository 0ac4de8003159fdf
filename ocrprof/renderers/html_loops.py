"""The sections of an HTML page that tell of a training run: batches, what they are made of, memory."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

from ocrprof.renderers import figures, figures_loops, figures_startup
from ocrprof.renderers.charts import (
    Bar,
    Point,
    Series,
    StripRow,
    columns,
    legend,
    lines_over_time,
    stack,
    strip,
)
from ocrprof.renderers.html_parts import bar_cell, swatch, tick_text
from ocrprof.renderers.markup import Html, code, join, paragraph, section, table, tag
from ocrprof.renderers.places import place
from ocrprof.results.batches import REST
from ocrprof.results.model import BaselineReport, LoopStatistics, Memory
from ocrprof.units import format_bytes, format_percent, format_seconds

_COLORS = {
    "fetch": "cyan",
    "transfer": "brown",
    "forward": "blue",
    "metric": "violet",
    "backward": "orange",
    "optimizer": "red",
    REST: "gray",
}
_COMPONENT_COLORS = ("green", "pink", "teal", "olive")
_UNKNOWN = "pale"
_MAX_COLUMNS, _MAX_MOMENTS = 120, 300
_TITLES = {"train": "Training", "validation": "Validation"}

_BATCH_FIGURES: tuple[tuple[str, Callable[[LoopStatistics], float | None]], ...] = (
    ("mean", lambda loop: loop.mean_seconds),
    ("median", lambda loop: loop.median_seconds),
    ("p95", lambda loop: loop.p95_seconds),
    ("p99", lambda loop: loop.p99_seconds),
    ("standard deviation", lambda loop: loop.std_seconds),
)


def tiles(report: BaselineReport) -> Html:
    """The four figures to remember: the start, a training and a validation batch, memory."""
    known: list[tuple[str, str, str]] = []
    total = figures_startup.total_time(report.startup) if report.startup else None
    if total and report.startup:
        known.append((format_seconds(total.median), "start-up", f"to {figures.milestone_name(report.startup.until)}"))
    for loop in _seen(report):
        if loop.median_seconds is not None:
            rate = f"{loop.samples_per_sec:.4g} samples/s" if loop.samples_per_sec else ""
            known.append((format_seconds(loop.median_seconds), f"{_TITLES[loop.name].lower()} batch, median", rate))
    if report.memory:
        peak, kind = _peak(report.memory)
        known.append((format_bytes(peak), "peak memory", f"{kind} of the process tree"))
    boxes = [tag("div", tag("b", value), tag("span", name), tag("small", detail)) for value, name, detail in known]
    return tag("div", *boxes, class_="tiles")


def _peak(memory: Memory) -> tuple[int, str]:
    if memory.peak_pss_bytes is not None:
        return memory.peak_pss_bytes, "PSS"
    return memory.peak_rss_bytes, "RSS"


def sections(report: BaselineReport) -> list[Html | None]:
    """Batch times, what a batch is made of, memory."""
    return [_batches(report), *(_parts(loop, report) for loop in _seen(report)), _memory(report)]


def _seen(report: BaselineReport) -> list[LoopStatistics]:
    loops = (figures_loops.loop_named(report, name) for name in _TITLES)
    return [loop for loop in loops if loop is not None]


def _batches(report: BaselineReport) -> Html:
    loops = _seen(report)
    missing = [
        paragraph(f"{title}: {figures_loops.NOT_SEEN[title.lower()]}.")
        for name, title in _TITLES.items()
        if figures_loops.loop_named(report, name) is None
    ]
    if not loops:
        return section("Batch times", *missing, anchor="batches")
    rows = [
        ["batches", *(figures_loops.batch_count(loop) for loop in loops)],
        ["total", *(format_seconds(loop.total_seconds) for loop in loops)],
        *([name, *(_seconds(figure(loop)) for loop in loops)] for name, figure in _BATCH_FIGURES),
        ["batch size", *(str(loop.batch_size or "not seen") for loop in loops)],
        ["samples/s", *(f"{loop.samples_per_sec:.4g}" if loop.samples_per_sec else "not seen" for loop in loops)],
    ]
    titles = ["", *(_TITLES[loop.name].lower() for loop in loops)]
    ratio = figures_loops.ratio(report)
    sentence = f"A validation batch takes {ratio:.2f} × the time of a training batch (medians)." if ratio else None
    return section(
        "Batch times",
        *missing,
        paragraph(sentence) if sentence else None,
        _strips(loops),
        table(titles, rows, align="l" + "r" * len(loops), class_="compact"),
        anchor="batches",
    )


def _seconds(seconds: float | None) -> str:
    return "not enough batches" if seconds is None else format_seconds(seconds)


def _strips(loops: Sequence[LoopStatistics]) -> Html:
    """Every batch of every loop. The axis is that of the batches that count: warm-ups may lie past its end."""
    limit = 1.08 * max(max(loop.batch_seconds[loop.num_warmup :], default=0.0) for loop in loops)
    note = "A dot is a batch, the first on top; hollow: warm-up, left out of the statistics; an arrow: past the end."
    rows = [_strip_row(loop) for loop in loops]
    return join(strip(rows, limit=limit, tick_text=tick_text(limit)), paragraph(note, class_="note"))


def _strip_row(loop: LoopStatistics) -> StripRow:
    points = [
        Point(
            seconds,
            format_seconds(seconds),
            f"batch {index}: {format_seconds(seconds)}",
            hollow=index < loop.num_warmup,
        )
        for index, seconds in enumerate(loop.batch_seconds)
    ]
    statistics = (("median", loop.median_seconds), ("p95", loop.p95_seconds))
    lines = [(f"{name} {format_seconds(value)}", value) for name, value in statistics if value is not None]
    return StripRow(_TITLES[loop.name].lower(), points, lines)


def _parts(loop: LoopStatistics, report: BaselineReport) -> Html | None:
    rows = figures_loops.part_rows(loop)
    if not rows:
        return None
    colors = _part_colors(loop)
    cwd = report.target.cwd
    bars = [Bar(0, row.share, colors.get(row.key, _UNKNOWN), row.name, _part_hint(row)) for row in rows]
    largest = max(row.share for row in rows)
    cells = [
        [
            swatch(row.name, colors.get(row.key, _UNKNOWN)),
            format_seconds(row.seconds),
            format_percent(row.share),
            bar_cell(row.share / largest, colors.get(row.key, _UNKNOWN)),
            code(place(loop.part_locations.get(row.key), cwd=cwd)),
        ]
        for row in rows
    ]
    title = _TITLES[loop.name].lower()
    return section(
        f"Where a {title} batch goes",
        stack(bars, label=f"parts of a {title} batch"),
        legend(bars),
        _columns(loop, colors),
        table(["part", "mean", "share", "", "where"], cells, align="lrrll"),
        _outside(loop, cwd=cwd),
        anchor=f"{title}-parts",
    )


def _part_hint(row: figures_loops.PartRow) -> str:
    return f"{row.name}: {format_seconds(row.seconds)} a batch, {format_percent(row.share)}"


def _part_colors(loop: LoopStatistics) -> dict[str, str]:
    """A colour for each part; the target's own components take what is left, in their order."""
    own = [name for name in loop.parts if name not in _COLORS]
    components = {name: _COMPONENT_COLORS[index % len(_COMPONENT_COLORS)] for index, name in enumerate(own)}
    return {**_COLORS, **components}


def _columns(loop: LoopStatistics, colors: Mapping[str, str]) -> Html:
    """Batch after batch, each a column of its parts; many batches are averaged so that the columns stay visible."""
    size = -(-len(loop.batch_seconds) // _MAX_COLUMNS)
    starts = range(0, len(loop.batch_seconds), size)
    limit = max(loop.batch_seconds[loop.num_warmup :], default=0.0) or max(loop.batch_seconds)
    columns_of = [_column(loop, colors, start, min(start + size, len(loop.batch_seconds))) for start in starts]
    each = "a column is a batch" if size == 1 else f"a column is the mean of {size} batches"
    note = f"In order, {each}; pale: warm-up. Higher than {format_seconds(limit)} is cut off."
    return join(columns(columns_of, limit=limit, tick_text=format_seconds), paragraph(note, class_="note"))


def _column(loop: LoopStatistics, colors: Mapping[str, str], start: int, end: int) -> list[Bar]:
    whole = format_seconds(fmean(loop.batch_seconds[start:end]))
    number = f"batch {start}" if end == start + 1 else f"batches {start} to {end - 1}"
    means = [(name, fmean(values[start:end])) for name, values in loop.parts.items()]
    return [
        Bar(
            start,
            seconds,
            colors[name],
            figures_loops.part_name(name),
            f"{number}, {whole}: {figures_loops.part_name(name)} {format_seconds(seconds)}",
            faint=end <= loop.num_warmup,
        )
        for name, seconds in means
    ]


def _outside(loop: LoopStatistics, *, cwd: str) -> Html | None:
    """What the loop spent outside its batches, where that is something."""
    parts = [part for part in loop.outside_batches if part.seconds >= 0.001 * loop.total_seconds]
    if not parts:
        return None
    texts = [
        f"{figures_loops.part_name(part.name)} {format_seconds(part.seconds)}"
        + (f" ({place(part.location, cwd=cwd)})" if part.location else "")
        for part in parts
    ]
    return paragraph(f"Outside the batches: {' · '.join(texts)}", class_="note")


def _memory(report: BaselineReport) -> Html:
    rows = [[name, value] for name, value in figures_loops.memory_rows(report)]
    return section(
        "Memory",
        _curves(report.memory) if report.memory and len(report.memory.samples) > 1 else None,
        table(["resource", "usage"], rows, align="ll"),
        anchor="memory",
    )


def _curves(memory: Memory) -> Html:
    size = -(-len(memory.samples) // _MAX_MOMENTS)
    starts = range(0, len(memory.samples), size)
    # Of many samples the highest of each few, so that no peak is lost.
    samples = [max(memory.samples[start : start + size], key=lambda one: one.rss_bytes) for start in starts]
    seconds = [sample.at_seconds for sample in samples]
    series = [Series("RSS, shared pages counted in each process", "steel", [one.rss_bytes for one in samples])]
    if all(one.pss_bytes is not None for one in samples):
        series.append(Series("PSS, shared pages counted once", "blue", [one.pss_bytes or 0 for one in samples]))
    if any(one.gpu_bytes for one in samples):
        series.append(Series("GPU, the process tree’s", "green", [one.gpu_bytes or 0 for one in samples]))
    limit = max(max(one.values) for one in series)
    names = [Bar(0, 0, one.color, one.name, "") for one in series]
    curves = lines_over_time(
        series, seconds=seconds, limit=limit, value_text=format_bytes, tick_text=tick_text(seconds[-1])
    )
    return join(legend(names), curves)
