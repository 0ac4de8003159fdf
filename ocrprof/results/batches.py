"""Where the batches of the training and the validation loop begin and end.

Lightning says so. A plain PyTorch loop is known by its fetches: a batch lasts from one fetch of an iterator to its
next one, and an iterator between whose fetches no optimizer steps is an evaluation.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ocrprof.records import Span
from ocrprof.results.intervals import Interval

EXCLUDED = "excluded"
"""Label of time within a batch's window that is not the batch's."""

REST = "rest"
"""The part of a batch that no recorded call explains: the step's own code, and the framework around it."""

COMPONENT = "component"
"""The part of the target's own callables (post-processing), told apart by class."""

PART_OF_SPAN: dict[str, str] = {
    "fetch": "fetch",
    "transfer": "transfer",
    "forward": "forward",
    "component": COMPONENT,
    "metric.update": "metric",
    "metric.compute": "metric",
    "backward": "backward",
    "optimizer.step": "optimizer",
    # Lightning runs the step inside the optimizer's: its own code is not the optimizer's.
    "training_step": REST,
    "validation_step": REST,
}
"""Spans that a batch is made of, and the part that each stands for."""


@dataclass(frozen=True, slots=True)
class Loop:
    """The windows of its batches, in order; at least one.

    `extents`: the whole of it, with what happened between and around the batches of an evaluation. `excluded`: time
    within the windows that belongs to another loop.
    """

    name: Literal["train", "validation"]
    windows: tuple[Interval, ...]
    extents: tuple[Interval, ...]
    excluded: tuple[Interval, ...] = ()


@dataclass(frozen=True, slots=True)
class _Iterator:
    """The windows of the batches that one DataLoader iterator gave, at least one, and when it was left."""

    windows: tuple[Interval, ...]
    end_ns: int
    is_training: bool

    @property
    def extent(self) -> Interval:
        return Interval(self.windows[0].start_ns, self.end_ns, EXCLUDED)


def find_loops(spans: Sequence[Span]) -> list[Loop]:
    """The loops of a process that ran a batch, from the spans of its main thread in the order of their start."""
    by_lightning = any(span.name in ("train.batch", "val.batch") for span in spans)
    return _lightning_loops(spans) if by_lightning else _plain_loops(spans)


def _lightning_loops(spans: Sequence[Span]) -> list[Loop]:
    train = [span for span in spans if span.name == "train.batch" and _is_whole(span)]
    validation = [
        span for span in spans if span.name == "val.batch" and _is_whole(span) and not span.attributes.get("sanity")
    ]
    epochs = [
        Interval(span.start_ns, span.end_ns, None)
        for span in spans
        if span.name == "val.epoch" and not span.attributes.get("sanity")
    ]
    train_windows, val_windows = _without_overlap(train), _without_overlap(validation)
    outside = [one for one in val_windows if not any(epoch.start_ns <= one.start_ns < epoch.end_ns for epoch in epochs)]
    loops = [Loop("train", train_windows, train_windows), Loop("validation", val_windows, (*epochs, *outside))]
    return [loop for loop in loops if loop.windows]


def _is_whole(batch: Span) -> bool:
    """Whether a batch was worked on to its end; the call that finds the loader exhausted has no index."""
    return "i" in batch.attributes and "error" not in batch.attributes


def _without_overlap(spans: Iterable[Span]) -> tuple[Interval, ...]:
    """One window a batch. A batch that was fetched ahead cannot begin before the one in front of it has ended."""
    windows: list[Interval] = []
    for span in sorted(spans, key=lambda span: span.end_ns):
        start_ns = max(span.start_ns, windows[-1].end_ns) if windows else span.start_ns
        windows.append(Interval(start_ns, span.end_ns, None))
    return tuple(windows)


def _plain_loops(spans: Sequence[Span]) -> list[Loop]:
    iterators = _iterators(spans)
    train = _one_after_another(iterator for iterator in iterators if iterator.is_training)
    validation = _one_after_another(iterator for iterator in iterators if not iterator.is_training)
    windows = tuple(window for iterator in train for window in iterator.windows)
    # A validation in the middle of a training batch is no part of that batch.
    nested = tuple(
        iterator.extent
        for iterator in validation
        if any(window.start_ns < iterator.extent.start_ns < window.end_ns for window in windows)
    )
    val_windows = tuple(window for iterator in validation for window in iterator.windows)
    loops = [
        Loop("train", windows, windows, nested),
        Loop("validation", val_windows, tuple(iterator.extent for iterator in validation)),
    ]
    return [loop for loop in loops if loop.windows]


def _one_after_another(iterators: Iterable[_Iterator]) -> list[_Iterator]:
    """Without those that run inside another of the same kind, as zipped loaders do: one batch fetches from each."""
    kept: list[_Iterator] = []
    for iterator in iterators:
        if not kept or iterator.extent.start_ns >= kept[-1].extent.end_ns:
            kept.append(iterator)
    return kept


def _iterators(spans: Sequence[Span]) -> list[_Iterator]:
    """The iterators of a plain program in the order of their first fetch."""
    fetches = [span for span in spans if span.name == "fetch"]
    groups: dict[object, list[Span]] = {}
    for fetch in fetches:
        groups.setdefault(fetch.attributes.get("loader"), []).append(fetch)
    steps = [span for span in spans if span.name == "optimizer.step"]
    built = [_iterator(group, fetches, steps, spans) for group in groups.values()]
    return [iterator for iterator in built if iterator is not None]


def _iterator(
    group: Sequence[Span], fetches: Sequence[Span], steps: Sequence[Span], spans: Sequence[Span]
) -> _Iterator | None:
    given = [fetch for fetch in group if not _is_stop(fetch) and "error" not in fetch.attributes]
    if not given:
        return None
    stop = next((fetch for fetch in group if _is_stop(fetch) and fetch.start_ns >= given[-1].end_ns), None)
    limits = [fetch.start_ns for fetch in given[1:]]
    after_ns = stop.start_ns if stop is not None else _next_start(fetches, given[-1].start_ns)
    windows = [Interval(fetch.start_ns, limit_ns, None) for fetch, limit_ns in zip(given, limits, strict=False)]
    last_ns = stop.start_ns if stop is not None else _last_end(spans, given[-1], before_ns=after_ns)
    if last_ns is not None and last_ns > given[-1].end_ns:
        windows.append(Interval(given[-1].start_ns, last_ns, None))
    if not windows:
        return None
    stepped = any(
        _has_step(steps, fetch.end_ns, limit_ns) for fetch, limit_ns in zip(given, [*limits, after_ns], strict=True)
    )
    with_gradients = any(fetch.attributes.get("grad", True) for fetch in given)
    end_ns = stop.end_ns if stop is not None else windows[-1].end_ns
    return _Iterator(tuple(windows), end_ns, stepped and with_gradients)


def _is_stop(fetch: Span) -> bool:
    """Whether the iterator had nothing more to give."""
    return bool(fetch.attributes.get("stop"))


def _has_step(steps: Sequence[Span], after_ns: int, before_ns: int | None) -> bool:
    index = bisect_left(steps, after_ns, key=_start)
    return index < len(steps) and (before_ns is None or steps[index].start_ns < before_ns)


def _next_start(fetches: Iterable[Span], after_ns: int) -> int | None:
    return min((fetch.start_ns for fetch in fetches if fetch.start_ns > after_ns), default=None)


def _last_end(spans: Iterable[Span], fetch: Span, *, before_ns: int | None) -> int | None:
    """When the last batch of a loop that was left early ended: with the last call in it that was recorded."""
    ends = [
        span.end_ns
        for span in spans
        if span.name in PART_OF_SPAN
        and span.start_ns >= fetch.end_ns
        and (before_ns is None or span.start_ns < before_ns)
    ]
    return max(ends, default=None)


def _start(span: Span) -> int:
    return span.start_ns
