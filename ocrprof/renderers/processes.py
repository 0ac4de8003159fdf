"""Workers and ranks as text: what each group of workers did before its first batch, the ranks side by side."""

from statistics import median

from ocrprof.renderers import figures, figures_startup
from ocrprof.renderers.console_lines import paragraph, section, table_lines
from ocrprof.renderers.markdown_text import table_block, words
from ocrprof.renderers.places import place, plain, short_path
from ocrprof.renderers.terminal import Line
from ocrprof.results.model import Rank, RankFigures, Skew, StartupReport, Worker, WorkerGroup
from ocrprof.results.workers import order_of_starts, part_seconds
from ocrprof.units import format_seconds

_NUM_GROUPS = 4
_NUM_PACKAGES = 5
_NUM_LINES = 4
_NUM_RANKS = 6
_NUM_WAITS = 3
_MIN_PART_SECONDS = 0.01
_MIN_PHASE_SHARE = 0.002
_MIN_WAIT_SHARE = 0.01
_MIN_TOLD_SHARE = 0.03
_PARTS = {
    "interpreter": "interpreter",
    "imports": "imports",
    "main_module": "main module",
    "unpickle": "unpickling",
    "init": "worker_init_fn",
}


def console_lines(report: StartupReport, *, width: int) -> list[Line]:
    """The section of a terminal's summary; nothing for a program of one process."""
    lines: list[Line] = []
    total = figures_startup.total_time(report)
    enough = _MIN_TOLD_SHARE * total.median if total else 0.0
    for group in report.workers[:_NUM_GROUPS]:
        lines += paragraph(group_line(group, cwd=report.target.cwd), width=width, indent="    ", first="  ")
        # Workers that start in no time are told in a line.
        facts = group_facts(group, cwd=report.target.cwd) if group.starting_seconds >= enough else []
        for fact in facts:
            lines += paragraph(fact, width=width, indent="      ", first="    ", style="dim")
    if len(report.workers) > _NUM_GROUPS:
        lines.append((f"  {len(report.workers) - _NUM_GROUPS} more groups of workers in report.json", "dim"))
    if report.ranks is not None:
        titles, rows = rank_table(report.ranks)
        lines += table_lines([titles, *rows], align="<" + ">" * (len(titles) - 1), width=width)
        for fact in rank_facts(report.ranks, cwd=report.target.cwd):
            lines += paragraph(fact, width=width, indent="    ", first="  ")
    return section("Processes", lines)


def markdown_lines(report: StartupReport) -> list[str]:
    """A line for each group of workers, the table of ranks and what is to be said of them."""
    cwd = report.target.cwd
    lines = [f"- {words(group_line(group, cwd=cwd))}" for group in report.workers[:_NUM_GROUPS]]
    if report.ranks is None:
        return lines
    titles, rows = rank_table(report.ranks)
    table = table_block(["ranks", *titles[1:]], rows, align="l" + "r" * (len(titles) - 1))
    facts = [words(fact) for fact in rank_facts(report.ranks, cwd=cwd)]
    return [*lines, *([""] if lines else []), *table, "", f"{'; '.join(facts)}."]


def group_line(group: WorkerGroup, *, cwd: str) -> str:
    """`8 spawn workers for Pages (train.py:41): 27 s of the 31 s before the first batch went on starting them, …`."""
    where = place(group.created_at or group.iterated_at, cwd=cwd)
    of_rank = f" of rank {group.rank}" if group.rank is not None else ""
    plural = "s" if group.num_workers != 1 else ""
    head = f"{group.num_workers} {group.start_method} worker{plural}{of_rank} for {group.dataset}"
    head += f" ({where})" if where else ""
    starting = format_seconds(group.starting_seconds)
    if group.first_batch_seconds is None:
        return plain(f"{head}: {starting} spent on starting them{_order(group)}; no first batch was seen")
    before = format_seconds(group.first_batch_seconds - group.start_seconds)
    return plain(f"{head}: {starting} of the {before} before the first batch went on starting them{_order(group)}")


def group_facts(group: WorkerGroup, *, cwd: str) -> list[str]:
    """What a worker did until then, when the first and the last were ready, what was imported and run again."""
    facts = [_parts(group), *_readiness(group)]
    if group.server_seconds >= _MIN_PART_SECONDS:
        facts.insert(0, f"the server that forks them takes {format_seconds(group.server_seconds)} to be ready itself")
    packages = [part for part in group.packages[:_NUM_PACKAGES] if part.seconds >= _MIN_PART_SECONDS]
    if packages:
        names = ", ".join(f"{part.name} {format_seconds(part.seconds)}" for part in packages)
        again = "" if group.start_method == "fork" else " again"
        facts.append(f"each imports{again}: {names}")
    if group.main_file is not None and group.reruns:
        ordered = sorted(group.reruns, key=lambda line: -(line.imports_seconds or 0.0))[:_NUM_LINES]
        lines = ", ".join(_rerun(line.location.line, line.text, line.imports_seconds) for line in ordered)
        more = f" and {len(group.reruns) - _NUM_LINES} more" if len(group.reruns) > _NUM_LINES else ""
        facts.append(f"each runs again, in {short_path(group.main_file, cwd=cwd)}: {lines}{more}")
    return [plain(fact) for fact in facts if fact]


def rank_table(ranks: RankFigures) -> tuple[list[str], list[list[str]]]:
    """Titles and rows: seconds of each phase by rank, with its skew; the last rows are waiting and the sum.

    Of many ranks those of the largest sums of work and the quickest are shown.
    """
    shown = _shown(ranks)
    scale = figures.column_scale(max(rank.seconds for rank in ranks.ranks))
    names = list(dict.fromkeys(phase.name for rank in shown for phase in rank.phases))
    skews = {skew.phase: skew for skew in ranks.skews}
    # Where a rank did not arrive, there is nothing to compare.
    behind_titles = ["skew", "slowest"] if skews else []
    titles = [f"phase, {scale.unit}", *(f"rank {rank.rank}" for rank in shown), *behind_titles]
    rows = []
    for name in names:
        busy = [_busy(rank, name) for rank in shown]
        if max(busy) < _MIN_PHASE_SHARE * max(rank.seconds for rank in shown):
            continue
        skew = skews.get(name)
        behind = [scale.text(skew.seconds), f"rank {skew.slowest}"] if skew else ["", ""]
        rows.append([figures.phase_name(name), *map(scale.text, busy), *behind[: len(behind_titles)]])
    waiting = [sum(wait.seconds for wait in rank.waits) for rank in shown]
    if any(waiting):
        rows.append(["waiting for others", *map(scale.text, waiting), *("" for _ in behind_titles)])
    rows.append(["total", *(scale.text(rank.seconds) for rank in shown), *("" for _ in behind_titles)])
    return titles, rows


def rank_facts(ranks: RankFigures, *, cwd: str) -> list[str]:
    """Who is the slowest and in what, where the others wait for it, which ranks did not come to the milestone."""
    facts = []
    missing = [rank for rank in ranks.ranks if not rank.reached]
    for rank in missing:
        how = "ended by itself" if rank.ended_by_itself else "had not come to the milestone"
        phase = f", in phase {figures.phase_name(rank.stopped_in)}" if rank.stopped_in else ""
        facts.append(f"rank {rank.rank} (pid {rank.pid}) {how}{phase}, after {format_seconds(rank.seconds)}")
    unseen = ranks.world_size - len(ranks.ranks)
    if unseen > 0:
        facts.append(f"{unseen} of the {ranks.world_size} ranks left no record here")
    if ranks.slowest is not None:
        skew = next((one for one in ranks.skews if one.slowest == ranks.slowest), None)
        facts.append(f"rank {ranks.slowest} is the slowest" + (f": {_skew_text(skew, cwd=cwd)}" if skew else ""))
    waits = sorted(((wait, rank.rank) for rank in ranks.ranks for wait in rank.waits), key=lambda one: -one[0].seconds)
    enough = _MIN_WAIT_SHARE * max(rank.seconds for rank in ranks.ranks)
    told = [one for one in waits[:_NUM_WAITS] if one[0].seconds >= enough and not missing]
    for wait, rank_number in told:
        facts.append(f"rank {rank_number} waits {format_seconds(wait.seconds)} for rank {wait.last_rank} at {wait.at}")
    for rank in ranks.ranks:
        if rank.launched_by is not None:
            launch = format_seconds(rank.phases[0].seconds)
            facts.append(f"rank {rank.rank} is started by rank {rank.launched_by} only {launch} after Enter")
    return [plain(fact) for fact in facts]


def first_batch_text(worker: Worker) -> str:
    """`batch at 4.20 s`: what stands beside a worker's lane."""
    if worker.first_batch_seconds is None:
        return "no batch until then"
    return f"batch at {format_seconds(worker.first_batch_seconds)}"


def _order(group: WorkerGroup) -> str:
    order = order_of_starts(group)
    return f", {order}" if order else ""


def _parts(group: WorkerGroup) -> str:
    """Each part of a worker's start that matters, and the making of its first batch."""
    names = {**_PARTS, "interpreter": "fork"} if group.start_method == "fork" else _PARTS
    parts = {names[name]: seconds for name, seconds in part_seconds(group).items()}
    fetches = [worker.fetch_seconds for worker in group.workers if worker.fetch_seconds is not None]
    if fetches:
        parts["first batch"] = median(fetches)
    told = [f"{name} {format_seconds(seconds)}" for name, seconds in parts.items() if seconds >= _MIN_PART_SECONDS]
    return f"each: {', '.join(told)}" if told else ""


def _readiness(group: WorkerGroup) -> list[str]:
    ready = sorted(worker.ready_seconds for worker in group.workers if worker.ready_seconds is not None)
    facts = []
    if len(ready) > 1:
        first, last = (format_seconds(at - group.start_seconds) for at in (ready[0], ready[-1]))
        facts.append(f"ready: the first after {first}, the last after {last}")
    if len(ready) < len(group.workers):
        facts.append(f"{len(ready)} of {len(group.workers)} were ready at the milestone")
    return facts


def _rerun(line: int, text: str, seconds: float | None) -> str:
    shown = text if len(text) <= 32 else f"{text[:31].rstrip()}…"
    return f"line {line}" + (f" `{shown}`" if shown else "") + (f" {format_seconds(seconds)}" if seconds else "")


def _busy(rank: Rank, phase: str) -> float:
    """Seconds of a phase without those in which the rank waited for others."""
    spent = sum(one.seconds for one in rank.phases if one.name == phase)
    return spent - sum(wait.seconds for wait in rank.waits if wait.phase == phase)


def _shown(ranks: RankFigures) -> list[Rank]:
    """All of a few; of many those in which most happens, the slowest first, and the one that waited longest."""
    if len(ranks.ranks) <= _NUM_RANKS:
        return ranks.ranks
    by_work = sorted(ranks.ranks, key=lambda rank: sum(wait.seconds for wait in rank.waits) - rank.seconds)
    return sorted([*by_work[: _NUM_RANKS - 1], by_work[-1]], key=lambda rank: rank.rank)


def _skew_text(skew: Skew, *, cwd: str) -> str:
    behind = f"{format_seconds(skew.seconds)} behind rank {skew.fastest} in {figures.phase_name(skew.phase)}"
    where = f" at {place(skew.location, cwd=cwd)}" if skew.location else ""
    return behind + (f", by {skew.cause}{where}" if skew.cause else "")
