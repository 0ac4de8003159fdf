"""Processes over time, and what the main one built, as lanes."""

from collections.abc import Iterable, Sequence

from ocrprof.renderers import figures
from ocrprof.renderers.charts import Bar, LaneRow, lanes
from ocrprof.renderers.html_links import package_of, shown_packages
from ocrprof.renderers.html_parts import NO_PHASE, OWNER_COLORS, phase_color, span_text, subject, tick_text
from ocrprof.renderers.markup import Html, join, paragraph, prose, section, table
from ocrprof.renderers.processes import first_batch_text, group_facts, group_line, rank_facts, rank_table
from ocrprof.results.model import Construction, ImportRow, Process, Run, Segment, StartupReport, Worker
from ocrprof.results.startup import representative

_NUM_LANES = 40

_NUM_ROWS = 4

_MIN_SHARE_BUILT = 0.002

_MIN_VISIBLE = 0.0002


def html_section(report: StartupReport) -> Html | None:
    """A lane for each process; None where no timeline was recorded."""
    chosen = representative(report.runs)
    if chosen is None or not report.timeline:
        return None
    run = report.runs[chosen]
    rows = _lane_rows(report, run)
    which = f"run {chosen + 1} of {len(report.runs)}, the nearest to the median" if len(report.runs) > 1 else "the run"
    note = (
        f"From Enter on, {which}. Each row is one process; pale: alive, in no phase that was seen. "
        "Below the main one: what it built, and the packages that it loaded."
    )
    left_out = len(rows) - _NUM_LANES
    return section(
        "Processes over time",
        paragraph(note, class_="note"),
        lanes(rows[:_NUM_LANES], limit=run.wall_seconds, tick_text=tick_text(run.wall_seconds)),
        paragraph(f"{left_out} more rows are in report.json", class_="note") if left_out > 0 else None,
        *_groups(report),
        _ranks(report),
        anchor="processes",
    )


def _groups(report: StartupReport) -> list[Html]:
    """Two paragraphs for each group of workers: what it cost, and on what it spent that."""
    cwd = report.target.cwd
    told = []
    for group in report.workers:
        told.append(paragraph(f"{group_line(group, cwd=cwd)}."))
        facts = group_facts(group, cwd=cwd)
        if facts:
            told.append(paragraph(join(*(prose(fact) for fact in facts), by=" · "), class_="note"))
    return told


def _ranks(report: StartupReport) -> Html | None:
    """The phases of the ranks side by side, without the time in which they waited for one another."""
    if report.ranks is None:
        return None
    titles, rows = rank_table(report.ranks)
    facts = "; ".join(rank_facts(report.ranks, cwd=report.target.cwd))
    return join(table(titles, rows, align="l" + "r" * (len(titles) - 1)), paragraph(f"{facts}.", class_="note"))


def _lane_rows(report: StartupReport, run: Run) -> list[LaneRow]:
    """A row for each process, and below the main one what was built."""
    pieces: dict[int, list[Segment]] = {}
    for one in report.timeline:
        pieces.setdefault(one.pid, []).append(one)
    main_pid = report.imports[0].pid if report.imports else report.timeline[0].pid
    rows, seen = [], set()
    workers = {worker.pid: worker for group in report.workers for worker in group.workers}
    # The two lives of a process that called exec are one row: their times follow one another.
    for process in _in_order(run.processes):
        if process.pid in seen or process.start_seconds >= run.wall_seconds:
            continue
        seen.add(process.pid)
        bars = [_life(process, run), *(_phase_bar(one, run) for one in pieces.get(process.pid, ()))]
        shown = [bar for bar in bars if bar is not None]
        worker = workers.get(process.pid)
        rows.append(LaneRow(_title(process, worker), _detail(process, worker), shown))
        if process.pid == main_pid:
            rows += [LaneRow("" if row else "built", "", bars) for row, bars in enumerate(_built_bars(report, run))]
            rows += [LaneRow("" if row else "loaded", "", bars) for row, bars in enumerate(_load_bars(report, run))]
    return rows


def _in_order(processes: Sequence[Process]) -> list[Process]:
    """As they started, but the ranks by their number, where the first of them stands."""
    first_rank = min((one.start_seconds for one in processes if one.rank is not None), default=0.0)
    return sorted(processes, key=lambda one: (one.start_seconds, 0) if one.rank is None else (first_rank, one.rank))


def _title(process: Process, worker: Worker | None) -> str:
    number = process.rank if worker is None else worker.index
    return process.role if number is None else f"{process.role} {number}"


def _detail(process: Process, worker: Worker | None) -> str:
    """Of a worker when its first batch was ready."""
    return f"pid {process.pid}" if worker is None else first_batch_text(worker)


def _life(process: Process, run: Run) -> Bar:
    end = min(run.wall_seconds, process.end_seconds or run.wall_seconds)
    length = max(end - process.start_seconds, 0.0)
    lived = span_text(process.start_seconds, length)
    hint = f"{process.role}, pid {process.pid}: {lived}, {process.num_loads} loads of modules"
    return Bar(process.start_seconds, length, NO_PHASE, process.role, hint, faint=True)


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
        f"{name}: {span_text(one.start_seconds, one.seconds)}",
    )


def _built_bars(report: StartupReport, run: Run) -> list[list[Bar]]:
    """What was built, in as many rows as it takes for none to overlap, up to a few."""
    return _in_rows(
        Bar(
            one.start_seconds,
            one.seconds,
            phase_color(one.phase),
            subject(one),
            f"{_full_name(one)}: {span_text(one.start_seconds, one.seconds)}",
        )
        for one in report.constructions
        if one.seconds >= _MIN_SHARE_BUILT * run.wall_seconds
    )


def _full_name(one: Construction) -> str:
    return one.kind if one.name == one.kind else f"{one.kind} {one.name}"


def _load_bars(report: StartupReport, run: Run) -> list[list[Bar]]:
    """The outermost load of each package that the page tells of, those inside it below."""
    first: dict[str, ImportRow] = {}
    for row in report.imports:
        known = first.get(package_of(row.module))
        if row.thread == 0 and (known is None or row.inclusive_seconds > known.inclusive_seconds):
            first[package_of(row.module)] = row
    owners = {row.package: row.owner for row in shown_packages(report)}
    loads = [(package, row) for package, row in first.items() if package in owners]
    return _in_rows(
        Bar(
            row.start_seconds,
            row.inclusive_seconds,
            OWNER_COLORS[owners[package]],
            package,
            f"{row.module}: {span_text(row.start_seconds, row.inclusive_seconds)}",
            package=package,
        )
        for package, row in sorted(loads, key=lambda load: (load[1].start_seconds, -load[1].inclusive_seconds))
        if row.inclusive_seconds >= _MIN_SHARE_BUILT * run.wall_seconds
    )


def _in_rows(bars: Iterable[Bar]) -> list[list[Bar]]:
    rows: list[list[Bar]] = []
    for bar in bars:
        free = next((row for row in rows if row[-1].start + row[-1].length <= bar.start), None)
        if free is not None:
            free.append(bar)
        elif len(rows) < _NUM_ROWS:
            rows.append([bar])
    return rows
