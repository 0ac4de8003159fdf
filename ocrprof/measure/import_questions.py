"""Answers what a plan asks about imports, and by default which of them could be deferred, from one recorded run."""

from collections.abc import Callable, Sequence
from typing import Any

from ocrprof.measure.bytecode import describe_compilation
from ocrprof.measure.child import Outcome
from ocrprof.measure.loaded_files import describe_loaded_files
from ocrprof.measure.sources import read_program_uses, read_sources
from ocrprof.plan import StartupPlan
from ocrprof.records import ProcessRecords
from ocrprof.results.deferral import Start, best_savings, what_if, why
from ocrprof.results.deprecations import deprecated_modules
from ocrprof.results.import_graph import owners_of, top_level
from ocrprof.results.model import ImportRow, SourceReading
from ocrprof.results.module_graph import main_file
from ocrprof.results.phases import attribute, main_process

_PATIENCE_SECONDS = 15.0
"""For sources of which nobody asked: longer than it takes to parse those of torch and Lightning, the first time."""


def answer(
    plan: StartupPlan,
    rows: Sequence[ImportRow],
    records: Sequence[ProcessRecords],
    outcome: Outcome,
    *,
    until: str,
    counted: Sequence[Sequence[ProcessRecords]],
    progress: Callable[[str], None],
) -> dict[str, Any]:  # Any: rows of several kinds
    """`why`, `what_if`, `savings`, `sources`, `deprecated_modules`, `compilation`, `loaded_from`, as a report has them.

    None of them where nothing was recorded.

    `counted`: the records of every counted run, of which `records` are those that the report's tables tell of.
    """
    timeline = attribute(records, spawn_ns=outcome.spawn_ns, end_ns=outcome.end_ns, until=until, status=outcome.status)
    main = timeline.main
    if main is None or not rows:
        return {}
    of_files = {
        "compilation": describe_compilation(main, rows),
        "loaded_from": describe_loaded_files(rows, cwd=plan.target.cwd),
    }
    own = main_file(rows)
    files = {row.file for row in rows if row.file is not None and row.kind == "source"}
    if own is not None and not own.startswith("<"):  # A program given by -c or through a pipe has no file.
        files.add(own)
    progress(f"reading what {len(files)} source files import")
    asked = [name for name in (plan.why, plan.what_if) if name is not None]
    sources = read_sources(files, limit_seconds=None if asked else _PATIENCE_SECONDS)
    if not sources.complete:
        progress(f"gave up after {sources.seconds:.0f} s: what deferring imports would save is left out this time")
        return {"deprecated_modules": deprecated_modules(main, rows, graph=None), **of_files}
    owners = owners_of(rows)
    own_files = {row.file for row in rows if row.file in sources.imports and owners[top_level(row.module)] == "program"}
    uses = read_program_uses({file for file in (*own_files, own) if file is not None}, main=own)
    start = Start(rows, main, timeline, sources.imports, uses)
    loaded = {row.module for row in rows}
    mains = [one for of_run in counted if (one := main_process(of_run)) is not None]
    seconds = (timeline.end_ns - timeline.spawn_ns) / 1e9
    return {
        "sources": SourceReading(num_files=len(files), num_unreadable=sources.num_unreadable, seconds=sources.seconds),
        "savings": best_savings(start, of_seconds=seconds),
        "deprecated_modules": deprecated_modules(main, rows, graph=start.graph) if main.deprecations else [],
        **of_files,
        "why": why(plan.why, start) if plan.why in loaded else None,
        "what_if": what_if(plan.what_if, start, runs=mains) if plan.what_if in loaded else None,
    }
