"""What each planted bottleneck costs, in one table, so that a profiler's seconds can be held against it."""

import contextlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
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
    """Makes what runs inside take as long as the table says."""
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
    start = time.perf_counter()
    for number, item in enumerate(items, start=1):
        yield item
        time.sleep(max(0.0, start + SECONDS[name] * number / len(items) - time.perf_counter()))


@contextlib.contextmanager
def told(name: str) -> Iterator[None]:
    """Writes what ran inside took, real work of no fixed size, into the file that AUDITED_TRUTH names (if any)."""
    start = time.perf_counter()
    yield
    seconds = time.perf_counter() - start
    file = os.environ.get("AUDITED_TRUTH")
    if file:
        with Path(file).open("a") as lines:
            lines.write(json.dumps({name: seconds}) + "\n")
