"""What each planted bottleneck costs, in one table, so that a profiler's seconds can be held against it."""

import contextlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")

SECONDS = {
    "evaluator": 0.25,  # each of two, in `OCRModule.__init__`
    "metric": 0.3,  # in `OCRModule.__init__`
    "dataset": 0.2,  # each split: reading its labels is needed
    "dataset_scan": 0.25,  # each split, on top of it: opening every page's label file
    "tokenizer": 0.2,  # each time it is built
    "collate": 0.15,  # each time it is built
    "registry_lookup": 0.02,  # each, of `NUM_LOOKUPS`
    "logger": 0.35,  # once
    "charset": 0.2,  # each time the module is loaded
    "deprecated_module": 0.25,  # once
    "text_rendering": 0.3,  # once, in the first validation
    "interpolation": 0.004,  # each, of `NUM_INTERPOLATIONS`
}
_TOO_LONG: dict[str, float] = {}
NUM_LOOKUPS = 12
NUM_INTERPOLATIONS = 120


@contextlib.contextmanager
def costing(name: str) -> Iterator[None]:
    """Makes what runs inside take as long as the table says, and tells how long it took."""
    with told(name):
        until = time.perf_counter() + SECONDS[name]
        yield
        time.sleep(max(0.0, until - time.perf_counter()))


@contextlib.contextmanager
def costing_again(name: str) -> Iterator[None]:
    """As `costing`, for something short that is done many times: what one took too long the next ones make up for."""
    start = time.perf_counter()
    planned = SECONDS[name] - _TOO_LONG.get(name, 0.0)
    yield
    time.sleep(max(0.0, start + planned - time.perf_counter()))
    _TOO_LONG[name] = time.perf_counter() - start - planned


def paced(name: str, items: Sequence[Item]) -> Iterator[Item]:
    """The items one by one, in a loop that takes as long as the table says: for each an equal share."""
    with told(name):
        start = time.perf_counter()
        for number, item in enumerate(items, start=1):
            yield item
            time.sleep(max(0.0, start + SECONDS[name] * number / len(items) - time.perf_counter()))


@contextlib.contextmanager
def told(name: str) -> Iterator[None]:
    """Tells what ran inside took: a sleep on a busy machine takes longer than was asked for, and work has no size."""
    start = time.perf_counter()
    yield
    _tell({name: time.perf_counter() - start})


def _tell(line: dict[str, float]) -> None:
    """Writes a line into the file that AUDITED_TRUTH names (if any), which is open all the time."""
    if _TRUTH is not None:
        os.write(_TRUTH, (json.dumps(line) + "\n").encode())


def _open_truth() -> int | None:
    file = os.environ.get("AUDITED_TRUTH")
    return os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644) if file else None


_TRUTH = _open_truth()
_tell({})  # where a run begins
