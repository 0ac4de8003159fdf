"""The sections of an HTML page that tell of a start: phases, processes, imports, what was built."""

from collections.abc import Callable, Mapping

from ocrprof.renderers import figures, figures_startup
from ocrprof.renderers.charts import Bar, LaneRow, Point, StripRow, lanes, legend, stack, strip
from ocrprof.renderers.icicle import Node, by_importer, by_package, icicle
from ocrprof.renderers.markup import Html, join, more, paragraph, section, table, tag
from ocrprof.renderers.places import chain_text, place
from ocrprof.results.model import (
    Construction,
    Instantiation,
    PackageRow,
    Process,
    Run,
    Segment,
    StartupReport,
    Statistic,
)
from ocrprof.results.startup import representative
from ocrprof.units import format_percent, format_seconds

PHASE_COLORS = {
    "interpreter": "slate",
    "site": "steel",
    "imports": "blue",
    "config": "violet",
    "data": "green",
    "model": "orange",
    "loggers": "pink",
    "trainer": "brown",
    "workers": "teal",
    "sanity_check": "olive",
    "first_batch": "cyan",
    "first_step": "red",
    "after_first_step": "gray",
    "exit": "dark",
}
_NO_PHASE = "pale"
_NUM_PACKAGES, _NUM_LANES, _NUM_BUILT = 15, 40, 30
_NUM_BUILT_ROWS = 4
_MIN_SHARE_BUILT = 0.002
_MIN_VISIBLE = 0.0002
_OWNERS = {"program": "the program’s own", "installed": "installed", "stdlib": "standard library"}


def headline(report: StartupReport) -> list[Html]:
    """The one figure of a start, and the bar of what it is made of."""
    total = figures_startup.total_time(report)
    if total is None:
        return [paragraph(figures_startup.startup_line(report), class_="hero")]
    reached = figures_startup.time_to_milestone(report)
    what = f"to {figures.milestone_name(report.until)}" if reached else "until the last run ended"
    runs = figures_startup.run_count(report)
    facts = [f"median of {runs}" if total.n > 1 else runs]
    if total.ci95:
        facts.append(f"95 % interval {format_seconds(total.ci95[0])} to {format_seconds(total.ci95[1])}")
    hero = paragraph(
        tag("b", format_seconds(total.median)), f" {what} ", tag("small", " · ".join(facts)), class_="hero"
    )
    bars = _phase_bars(report)
    return [hero, stack(bars, label=figures_startup.startup_line(report)), legend(bars)]


def sections(report: StartupReport) -> list[Html | None]:
    """The sections behind the findings, in the order in which they prove them."""
    return [_phases(report), _processes(report), _imports(report), _built(report), _instantiated(report)]


def phase_color(phase: str) -> str:
    """The colour variable of a phase."""
    return PHASE_COLORS.get(phase, _NO_PHASE)


def _phase_bars(report: StartupReport) -> list[Bar]:
    return [
        Bar(
            start=0,
            length=row.share,
            color=phase_color(row.name),
            name=figures.phase_name(row.name),
            hint=f"{figures.phase_name(row.name)}: {format_seconds(row.seconds.median)}, {format_percent(row.share)}",
        )
        for row in figures_startup.phase_rows(report)
    ]


def _phases(report: StartupReport) -> Html | None:
    rows, total = figures_startup.phase_rows(report), figures_startup.total_time(report)
    if not rows or total is None:
        return None
    scale = figures.column_scale(total.median)
    largest = max(row.share for row in rows)
    cells = [
        [
            swatch(figures.phase_name(row.name), phase_color(row.name)),
            scale.text(row.seconds.median),
            *([_interval(row.seconds, scale)] if total.ci95 else []),
            format_percent(row.share),
            bar_cell(row.share / largest, phase_color(row.name)),
        ]
        for row in rows
    ]
    interval = [_interval(total, scale)] if total.ci95 else []
    cells.append([tag("b", "total"), tag("b", scale.text(total.median)), *interval, "", ""])
    median = f"median {scale.unit}" if total.n > 1 else scale.unit
    notes = [*figures_startup.run_notes(report), *filter(None, [figures_startup.phase_sum_note(report)])]
    return section(
        "Where the time goes",
        table(
            ["phase", median, *(["95 % interval"] if interval else []), "share", ""],
            cells,
            align="lrrrl" if interval else "lrrl",
        ),
        paragraph(" · ".join(notes), class_="note"),
        _runs(report),
        anchor="phases",
    )


def _interval(seconds: Statistic, scale: figures.Scale) -> str:
    return f"{scale.text(seconds.ci95[0])} to {scale.text(seconds.ci95[1])}" if seconds.ci95 else ""


def swatch(name: str, color: str) -> Html:
    """A name with its colour in front."""
    return tag("span", name, class_="swatch", style=f"--k:var(--{color})", data_k=name)


def bar_cell(share: float, color: str) -> Html:
    """A bar for a table: `share` is of the longest one."""
    return tag("span", tag("i", "", style=f"width:{100 * share:.2f}%;--k:var(--{color})"), class_="bar-cell")


def _runs(report: StartupReport) -> Html | None:
    """Every run as a dot, where there are several."""
    total = figures_startup.time_to_milestone(report)
    if total is None or len(report.runs) < 2:
        return None
    points = [_run_point(number, run) for number, run in enumerate(report.runs, start=1)]
    limit = 1.06 * max(run.wall_seconds for run in report.runs)
    row = StripRow("runs", points, [(f"median {format_seconds(total.median)}", total.median)])
    return more("Every run", strip([row], limit=limit, tick_text=tick_text(limit)))


def _run_point(number: int, run: Run) -> Point:
    counted = run.reached and not run.warmup
    kind = "" if counted else " (warm-up)" if run.warmup else f" ({run.status.replace('_', ' ')})"
    seconds = format_seconds(run.wall_seconds)
    return Point(run.wall_seconds, seconds, f"run {number}{kind}: {seconds}", hollow=not counted)


def tick_text(limit_seconds: float) -> Callable[[float], str]:
    """How the ticks of an axis up to `limit_seconds` are written: in one unit, as short as they are round."""
    scale = figures.line_scale(limit_seconds)
    return lambda seconds: f"{seconds * scale.factor:.6g} {scale.unit}" if seconds else "0"


def _processes(report: StartupReport) -> Html | None:
    chosen = representative(report.runs)
    if chosen is None or not report.timeline:
        return None
    run = report.runs[chosen]
    rows = _lane_rows(report, run)
    which = f"run {chosen + 1} of {len(report.runs)}, the nearest to the median" if len(report.runs) > 1 else "the run"
    note = f"From Enter on, {which}. Each row is one process; pale: alive, in no phase that was seen."
    left_out = len(rows) - _NUM_LANES
    return section(
        "Processes over time",
        paragraph(note, class_="note"),
        lanes(rows[:_NUM_LANES], limit=run.wall_seconds, tick_text=tick_text(run.wall_seconds)),
        paragraph(f"{left_out} more rows are in report.json", class_="note") if left_out > 0 else None,
        anchor="processes",
    )


def _lane_rows(report: StartupReport, run: Run) -> list[LaneRow]:
    """A row for each process, and below the main one what was built."""
    pieces: dict[int, list[Segment]] = {}
    for one in report.timeline:
        pieces.setdefault(one.pid, []).append(one)
    main_pid = report.imports[0].pid if report.imports else report.timeline[0].pid
    rows, seen = [], set()
    # The two lives of a process that called exec are one row: their times follow one another.
    for process in run.processes:
        if process.pid in seen or process.start_seconds >= run.wall_seconds:
            continue
        seen.add(process.pid)
        bars = [_life(process, run), *(_phase_bar(one, run) for one in pieces.get(process.pid, ()))]
        rows.append(LaneRow(process.role, _detail(process), [bar for bar in bars if bar is not None]))
        if process.pid == main_pid:
            rows += [LaneRow("built" if not row else "", "", bars) for row, bars in enumerate(_built_bars(report, run))]
    return rows


def _detail(process: Process) -> str:
    return f"pid {process.pid}"


def _life(process: Process, run: Run) -> Bar:
    end = min(run.wall_seconds, process.end_seconds or run.wall_seconds)
    length = max(end - process.start_seconds, 0.0)
    lived = _span_text(process.start_seconds, length)
    hint = f"{process.role}, pid {process.pid}: {lived}, {process.num_loads} loads of modules"
    return Bar(process.start_seconds, length, _NO_PHASE, process.role, hint, faint=True)


def _phase_bar(one: Segment, run: Run) -> Bar | None:
    """What is too short to be seen is not drawn, nor is what has no phase: the life of the process shows there."""
    if one.phase == "unattributed" or one.seconds < _MIN_VISIBLE * run.wall_seconds:
        return None
    name = figures.phase_name(one.phase)
    return Bar(
        one.start_seconds,
        one.seconds,
        phase_color(one.phase),
        name,
        f"{name}: {_span_text(one.start_seconds, one.seconds)}",
    )


def _span_text(start_seconds: float, seconds: float) -> str:
    end_seconds = start_seconds + seconds
    return f"{format_seconds(seconds)}, from {format_seconds(start_seconds)} to {format_seconds(end_seconds)}"


def _built_bars(report: StartupReport, run: Run) -> list[list[Bar]]:
    """What was built, in as many rows as it takes for none to overlap, up to a few."""
    rows: list[list[Bar]] = []
    for one in report.constructions:
        if one.seconds < _MIN_SHARE_BUILT * run.wall_seconds:
            continue
        bar = Bar(
            one.start_seconds,
            one.seconds,
            phase_color(one.phase),
            _subject(one),
            f"{one.kind} {one.name}: {_span_text(one.start_seconds, one.seconds)}",
        )
        free = next((row for row in rows if row[-1].start + row[-1].length <= bar.start), None)
        if free is not None:
            free.append(bar)
        elif len(rows) < _NUM_BUILT_ROWS:
            rows.append([bar])
    return rows


def _subject(one: Construction) -> str:
    return one.kind if one.name == one.kind else one.name.rpartition(".")[2]


def _imports(report: StartupReport) -> Html | None:
    if not report.packages:
        return None
    owners = {package.package: package.owner for package in report.packages}
    shares: dict[str, float] = dict.fromkeys(_OWNERS, 0.0)
    for package in report.packages:
        shares[package.owner] += package.self_seconds
    total = sum(shares.values())
    facts = ", ".join(f"{_OWNERS[owner]} {format_seconds(seconds)}" for owner, seconds in shares.items() if seconds)
    num_modules = sum(package.num_modules for package in report.packages)
    return section(
        "Imports",
        paragraph(
            f"{num_modules} modules of {len(report.packages)} packages, {format_seconds(total)} on the main thread: "
            f"{facts}. Width is time; a click on a box makes it the whole.",
            class_="note",
        ),
        _views(report, owners),
        _package_table(report),
        anchor="imports",
    )


def _views(report: StartupReport, owners: Mapping[str, str]) -> Html:
    """The two trees of imports, switched without a script."""
    cwd = report.target.cwd
    views = [
        ("by package and module", by_package(report.imports), _package_hint),
        ("by who asked for it", by_importer(report.imports), lambda node: _load_hint(node, cwd=cwd)),
    ]
    parts = []
    for number, (name, *_) in enumerate(views):
        choice = tag("input", type="radio", name="imports", id=f"view{number}", checked=None if number else "checked")
        parts += [choice, tag("label", name, for_=f"view{number}")]
    legend_items = [tag("li", name, class_=owner) for owner, name in _OWNERS.items()]
    parts.append(tag("ul", *legend_items, class_="legend owners"))
    for number, (name, root, hint) in enumerate(views):
        boxes = icicle(root, owners=owners, hint=hint, label=f"imports {name}")
        parts.append(tag("div", boxes, class_=f"view view{number}"))
    return tag("div", *parts, class_="views")


def _package_hint(node: Node) -> str:
    itself = f", itself {format_seconds(node.self_seconds)}" if node.children and node.name else ""
    return f"{node.name or node.label}: {format_seconds(node.seconds)}{itself}"


def _load_hint(node: Node, *, cwd: str) -> str:
    if node.row is None:
        return f"{node.label}: {format_seconds(node.seconds)}"
    asked = place(node.row.importer, cwd=cwd)
    return f"{_package_hint(node)}{f', asked for by {asked}' if asked else ''}{'' if node.row.ok else ', failed'}"


def _package_table(report: StartupReport) -> Html:
    scale = figures.column_scale(max(package.inclusive_seconds for package in report.packages))
    shown, others = report.packages[:_NUM_PACKAGES], report.packages[_NUM_PACKAGES:]
    rows = [
        [
            tag("code", package.package, class_=f"owner {package.owner}"),
            scale.text(package.self_seconds),
            scale.text(package.inclusive_seconds),
            scale.text(package.dominated_seconds) if package.dominated_seconds else "",
            str(package.num_modules),
            _importer(package, cwd=report.target.cwd),
        ]
        for package in shown
    ]
    unit = scale.unit
    titles = ["package", f"self {unit}", f"inclusive {unit}", f"only through it {unit}", "modules", "first imported by"]
    rest = format_seconds(sum(package.self_seconds for package in others))
    note = f"{len(others)} more packages, {rest} in themselves. " if others else ""
    if report.inserted_modules:
        note += f"{len(report.inserted_modules)} modules came without a load."
    return join(table(titles, rows, align="lrrrrl"), paragraph(note, class_="note") if note else None)


def _importer(package: PackageRow, *, cwd: str) -> Html:
    """The line that asked first, and below it the way there from the program."""
    where = tag("code", place(package.first_importer, cwd=cwd))
    return more_code(where, chain_text(package.chain, cwd=cwd)) if len(package.chain) > 2 else where


def more_code(summary: Html, words: str) -> Html:
    """Code that is shown when its summary is asked for."""
    return tag("details", tag("summary", summary), tag("code", words))


def _built(report: StartupReport) -> Html | None:
    """What took a millisecond at least, the longest few, in the order in which it was built."""
    timed = sorted((one for one in report.constructions if one.seconds >= 1e-3), key=lambda one: -one.seconds)
    if not timed:
        return None
    shown = sorted(timed[:_NUM_BUILT], key=lambda one: one.start_seconds)
    scale = figures.column_scale(timed[0].seconds)
    rows = [
        [
            swatch(one.kind, phase_color(one.phase)),
            join(tag("code", _subject(one)) if one.name != one.kind else None, _parts(one)),
            format_seconds(one.start_seconds),
            scale.text(one.self_seconds),
            scale.text(one.seconds),
            tag("code", place(one.location, cwd=report.target.cwd))
            if one.location
            else figures.evidence_text(one.attributes),
        ]
        for one in shown
    ]
    unit = scale.unit
    titles = ["built or called", "", "at", f"self {unit}", f"inclusive {unit}", "where"]
    return section("Built during the start", table(titles, rows, align="llrrrl"), anchor="built")


def _parts(one: Construction) -> Html | None:
    parts = [part for part in one.parts if part.seconds >= 1e-3]
    if not parts:
        return None
    return tag("small", " · ".join(f"{part.name.rpartition('.')[2]} {format_seconds(part.seconds)}" for part in parts))


def _instantiated(report: StartupReport) -> Html | None:
    if not report.instantiations:
        return None
    rows = sorted(report.instantiations, key=lambda one: one.config_path.split("."))
    scale = figures.column_scale(max(row.seconds for row in rows))
    cells = [_instantiation(row, scale, cwd=report.target.cwd) for row in rows]
    num_duplicates = sum(row.duplicate for row in rows)
    note = f"{num_duplicates} of {len(rows)} built more than once with the same arguments." if num_duplicates else ""
    return section(
        "Instantiated by Hydra",
        paragraph(note, class_="note") if note else None,
        table(["config path", "target", "calls", f"inclusive {scale.unit}", "called from"], cells, align="llrrl"),
        anchor="instantiated",
    )


def _instantiation(row: Instantiation, scale: figures.Scale, *, cwd: str) -> list[str]:
    paths = row.config_paths or [row.config_path]
    indent = f"padding-left:{min(paths[0].count('.'), 6) * 1.2:.1f}em"
    return [
        tag("span", *(tag("code", path or "(root)") for path in paths), style=indent, class_="path"),
        join(tag("code", row.target), tag("span", "DUPLICATE", class_="duplicate") if row.duplicate else None),
        str(row.count),
        scale.text(row.seconds),
        join(*(tag("code", place(caller, cwd=cwd)) for caller in row.callers), by=" "),
    ]
