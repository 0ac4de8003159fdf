"""`garbage-collection`: what it says, and where it keeps quiet."""

import pytest
from judged import one_of, start_of
from recorded import MS, SITE, load, process

from ocrprof.findings.garbage import collected_while_loading

HOME = "/home/ana"
LOADS = (
    load("ocr", 10, 4100, file=f"{HOME}/ocr/__init__.py", by=(f"{HOME}/train.py", 3), self_ms=90),
    load("torch", 100, 4100, depth=1, by=(f"{HOME}/ocr/__init__.py", 9), by_module="ocr", self_ms=1000),
    load("sympy", 1100, 4100, depth=2, by=(f"{SITE}/torch/__init__.py", 5), by_module="torch"),
)


def start(collecting_ms: float):
    garbage = {"collections": 700, "ns": int(collecting_ms * MS)}
    return start_of(process(loads=LOADS, marks={"first-step": 5000}, totals={"garbage": garbage}), end=5000)


def test_collections_inside_imports_are_told_with_the_line_that_leads_to_the_most_loads():
    found = one_of(collected_while_loading(start(900)), "garbage-collection")
    assert found.seconds == pytest.approx(0.9)
    assert found.priority == "P1"
    assert found.effect == "saves"
    assert (found.location.file, found.location.line) == (f"{HOME}/train.py", 3)
    assert "700 times" in found.title
    assert "`gc.disable()` before `import ocr` (train.py:3)" in found.advice


def test_a_few_short_collections_are_not_told():
    assert collected_while_loading(start(140)) == []


def test_a_start_without_loads_has_none():
    assert collected_while_loading(start_of(process(marks={"first-step": 5000}), end=5000)) == []
