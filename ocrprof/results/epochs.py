"""Each pass of a run over its training or validation data: how long it took, and what it was made of."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from ocrprof.records import ProcessRecords, Span
from ocrprof.results.batch_parts import batch_sizes, holds, part_labels, part_nanoseconds, spans_inside, start_of
from ocrprof.results.batches import Loop, find_loops
from ocrprof.results.intervals import Interval
from ocrprof.results.model import Epoch
from ocrprof.results.phases import main_process


def build_epochs(records: Sequence[ProcessRecords]) -> list[Epoch]:
    """The epochs of the main process in the order of their ends, sanity check left out; empty without a loop.

    A validation epoch lasts from its beginning to its end, with what stands around its batches. A training epoch is the
    sum of its batches: whatever is validated or saved between them is not in it.
    """
    main = main_process(records)
    if main is None:
        return []
    spans = sorted((span for span in main.spans if span.thread == 0), key=start_of)
    epochs = []
    for loop in find_loops(spans):
        groups = _by_extent(loop) if loop.name == "validation" else _by_number(loop, spans)
        epochs += [(windows[-1].end_ns, _epoch(loop, windows, spans)) for windows in groups]
    return [epoch for _, epoch in sorted(epochs, key=lambda one: one[0])]


def build_loader_epochs(records: Sequence[ProcessRecords], *, loop: Literal["train", "validation"]) -> list[Epoch]:
    """The epochs of a loader that was taken over, in order: seconds that its reader waited; empty without one."""
    epochs = []
    for one in _taken_over(records, "loader.epoch."):
        seconds = one["ns"] / 1e9
        epochs.append(
            Epoch(
                loop=loop,
                seconds=seconds,
                num_batches=one["batches"],
                num_samples=one["samples"],
                parts={"fetch": seconds},
            )
        )
    return epochs


def batches_digest(records: Sequence[ProcessRecords]) -> dict[str, float]:
    """CRC-32 of all that a loader handed out in an epoch, as a figure that is equal or not; empty without one."""
    found = _taken_over(records, "loader.digest")
    return {"batches (crc32)": float(found[-1]["crc32"])} if found else {}


def _taken_over(records: Sequence[ProcessRecords], prefix: str) -> list[dict[str, Any]]:  # Any: JSON values
    main = main_process(records)
    totals = {} if main is None else main.totals
    return [totals[name] for name in sorted(totals) if name.startswith(prefix)]


def _by_extent(loop: Loop) -> list[list[Interval]]:
    """One interval an epoch: the whole of it."""
    return [[extent] for extent in loop.extents if any(holds(extent, window) for window in loop.windows)]


def _by_number(loop: Loop, spans: Iterable[Span]) -> list[list[Interval]]:
    """The batches of each epoch: Lightning counts from 0 in each, and a plain loop asks a new iterator."""
    numbers = {span.end_ns: span.attributes.get("i") for span in spans if span.name == "train.batch"}
    loaders = {span.start_ns: span.attributes.get("loader") for span in spans if span.name == "fetch"}
    groups: list[list[Interval]] = []
    before: object = None
    for window in loop.windows:
        if numbers:
            number = numbers.get(window.end_ns)
            is_new = number == 0
        else:
            number = loaders.get(window.start_ns)
            is_new = number != before
        if is_new or not groups:
            groups.append([])
        groups[-1].append(window)
        before = number
    return groups


def _epoch(loop: Loop, windows: Sequence[Interval], spans: Sequence[Span]) -> Epoch:
    inside = spans_inside(spans, windows, loop.excluded)
    labels = part_labels(inside)
    parts = {name: sum(values) for name, values in part_nanoseconds(windows, inside, labels, loop.excluded).items()}
    batches = tuple(batch for batch in loop.windows if any(holds(window, batch) for window in windows))
    sizes = batch_sizes(Loop(loop.name, batches, batches), [span for span in inside if span.name == "fetch"])
    known = [size for size in sizes if size is not None]
    return Epoch(
        loop=loop.name,
        seconds=sum(parts.values()) / 1e9,
        num_batches=len(batches),
        num_samples=sum(known) if len(known) == len(batches) else None,
        parts={name: value / 1e9 for name, value in parts.items() if value},
    )
