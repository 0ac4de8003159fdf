"""What the batches of a loop are made of: exclusive parts, each named for the recorded call that decides it."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence

from ocrprof.records import Span
from ocrprof.results.batches import COMPONENT, EXCLUDED, PART_OF_SPAN, REST, Loop
from ocrprof.results.constructions import location_of
from ocrprof.results.intervals import Interval, innermost, piece_at
from ocrprof.results.model import Location


def spans_inside(spans: Iterable[Span], windows: Sequence[Interval], excluded: Iterable[Interval]) -> list[Span]:
    """The spans that are a part of something within the windows."""
    found = []
    for span in spans:
        if span.name in PART_OF_SPAN and not any(holds(one, span) for one in excluded):
            window = piece_at(windows, span.start_ns)
            if window is not None and holds(window, span):
                found.append(span)
    return found


def holds(interval: Interval, one: Span | Interval) -> bool:
    return interval.start_ns <= one.start_ns < interval.end_ns


def part_labels(spans: Sequence[Span]) -> list[str]:
    """The part that each span stands for; a component is called by its class, in full where the bare name is taken."""
    classes = {str(span.attributes.get("class", COMPONENT)) for span in spans if span.name == COMPONENT}
    bare = Counter(name.rpartition(".")[2] for name in classes)
    labels = []
    for span in spans:
        label = PART_OF_SPAN[span.name]
        if label == COMPONENT:
            name = str(span.attributes.get("class", COMPONENT))
            short = name.rpartition(".")[2]
            label = name if bare[short] > 1 or short in PART_OF_SPAN.values() else short
        labels.append(label)
    return labels


def part_nanoseconds(
    windows: Sequence[Interval], spans: Sequence[Span], labels: Sequence[str], excluded: Sequence[Interval]
) -> dict[str, list[int]]:
    """Nanoseconds of each part in each window."""
    order = [part for part in dict.fromkeys(PART_OF_SPAN.values()) if part != REST and part in labels]
    parts = {name: [0] * len(windows) for name in dict.fromkeys([*order, *labels, REST])}
    intervals = [Interval(span.start_ns, span.end_ns, label) for span, label in zip(spans, labels, strict=True)]
    for index, window in enumerate(windows):
        first = bisect_left(intervals, window.start_ns, key=start_of)
        last = bisect_left(intervals, window.end_ns, key=start_of)
        own = [*intervals[first:last], *excluded]
        for piece in innermost(own, start_ns=window.start_ns, end_ns=window.end_ns):
            if piece.label != EXCLUDED:
                parts[piece.label or REST][index] += piece.end_ns - piece.start_ns
    return parts


def part_locations(spans: Iterable[Span], labels: Iterable[str]) -> dict[str, Location]:
    totals: dict[str, Counter[tuple[str, int]]] = {}
    for span, label in zip(spans, labels, strict=True):
        if span.loc is not None:
            totals.setdefault(label, Counter())[span.loc] += span.end_ns - span.start_ns
    found = {label: location_of(by_line.most_common(1)[0][0]) for label, by_line in totals.items()}
    return {label: location for label, location in found.items() if location is not None}


def batch_sizes(loop: Loop, spans: Iterable[Span]) -> list[int | None]:
    """Samples in each batch, as its own fetch counted them; None where that could not."""
    fetches = [span for span in spans if span.name == "fetch" and span.attributes.get("batch_size") is not None]
    sizes: list[int | None] = []
    for window in loop.windows:
        index = bisect_left(fetches, window.start_ns, key=start_of)
        own = fetches[index] if index < len(fetches) and fetches[index].start_ns < window.end_ns else None
        sizes.append(None if own is None else int(own.attributes["batch_size"]))
    return sizes


def start_of(one: Span | Interval) -> int:
    """When it began, ns: the order of all lists here."""
    return one.start_ns
