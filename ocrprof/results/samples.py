"""What a sampled start tells: its stacks, put on the clock of its records, as hot lines."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ocrprof.records import ProcessRecords
from ocrprof.results.constructions import build_constructions
from ocrprof.results.hot_lines import Sampled, construction_pieces, phase_pieces, without_imports
from ocrprof.results.import_graph import owner_of_file, owners_of, top_level
from ocrprof.results.intervals import Interval, innermost
from ocrprof.results.model import ImportRow, Samples
from ocrprof.results.phases import attribute
from ocrprof.results.sampled_stacks import align, main_thread_stretches, shifted

SAMPLED = "sampler"
"""The mark at which the process that is sampled was let go on."""


def build_samples(
    events: Iterable[Any],  # Any: JSON values, as py-spy wrote them
    records: Sequence[ProcessRecords],
    *,
    imports: Sequence[ImportRow],
    spawn_ns: int,
    end_ns: int,
    until: str,
    period_ns: int,
    num_errors: int = 0,
) -> Samples:
    """The hot lines of one run; `imports` are of a counted one, and tell which files are the program's own.

    Where the two clocks cannot be told to agree, no line is given to any phase: `failure` says so.
    """
    stretches = main_thread_stretches(events)
    main = next((process for process in records if process.mark(SAMPLED) is not None), None)
    samples = Samples(period_seconds=period_ns / 1e9, num_stacks=len(stretches), num_errors=num_errors)
    if main is None or not stretches:
        return samples.model_copy(update={"failure": "the start was over before py-spy had seen anything of it"})
    alignment = align(stretches, main.loads)
    samples = samples.model_copy(
        update={"num_anchors": alignment.num_anchors, "residual_seconds": alignment.residual_ns / 1e9}
    )
    refusal = alignment.refusal(period_ns=period_ns)
    if refusal is not None:
        return samples.model_copy(update={"failure": refusal})
    status = "reached" if any(one.name == until for one in (*main.milestones, *main.marks)) else "ended_early"
    # The sampler writes its file after the program's end.
    end_ns = min(end_ns, main.end.at_ns) if main.end is not None else end_ns
    timeline = attribute(records, spawn_ns=spawn_ns, end_ns=end_ns, until=until, status=status, main=main)
    window = {"spawn_ns": spawn_ns, "end_ns": timeline.end_ns}
    stretches = shifted(stretches, alignment.offset_ns)
    sampled = Sampled(
        stretches=without_imports(stretches, _imports(main, end_ns=timeline.end_ns)),
        phases=timeline.segments,
        spawn_ns=spawn_ns,
        # A sampler that is late on a busy machine shows by moments that it saw late.
        period_ns=max(period_ns, alignment.residual_ns),
        is_own=own_files(imports),
    )
    constructions = build_constructions(main, phase_at=timeline.phase_at, **window)
    released_ns = main.mark(SAMPLED) or main.start_ns
    return samples.model_copy(
        update={
            "run_seconds": (timeline.end_ns - spawn_ns) / 1e9,
            "first_seconds": max(0.0, (stretches[0].start_ns - spawn_ns) / 1e9),
            "waited_seconds": (released_ns - main.start_ns) / 1e9,
            "pieces": [*phase_pieces(sampled), *construction_pieces(sampled, constructions)],
        }
    )


def _imports(main: ProcessRecords, *, end_ns: int) -> list[Interval]:
    """The process's time, cut into loading modules (`imports`) and all else (None), by what began last."""
    work = [Interval(span.start_ns, span.end_ns, None) for span in main.spans if span.thread == 0]
    loads = [Interval(load.start_ns, load.end_ns, "imports") for load in main.loads if load.thread == 0]
    return innermost([*work, *loads], start_ns=main.start_ns, end_ns=end_ns)


def own_files(imports: Sequence[ImportRow]) -> Callable[[str], bool]:
    """Tells whether a file is the program's own: neither installed nor the standard library's, nor none at all."""
    owners = owners_of(imports)
    known = {row.file: owners[top_level(row.module)] == "program" for row in imports if row.file is not None}

    def is_own(file: str) -> bool:
        if file not in known:
            known[file] = not file.startswith("<") and owner_of_file(file) == "program"
        return known[file]

    return is_own
