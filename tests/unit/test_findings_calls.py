"""`repeated-lookup`: keys of plain values, and from the records of two runs to a finding."""

from pathlib import PurePosixPath
from types import SimpleNamespace

import pytest
from judged import codes, one_of, start_of
from recorded import process

from ocrprof.findings.calls import repeated_lookups
from ocrprof.recorder.plain_values import as_called, key_of, key_of_arguments
from ocrprof.renderers import calls as drawn
from ocrprof.results.calls import candidates, num_functions, repeated_calls, wanted
from ocrprof.results.model import CallCounts, HydraFigures, Location
from ocrprof.results.model import Calls as ResolverCalls

REGISTRY = "/home/ana/ocr/registry.py"


def counted(name="get", line=10, again=11, ms=220, **changes):
    return {
        "module": "ocr.registry", "name": name, "qualname": name, "file": REGISTRY, "line": line,
        "calls": again + 1, "again": again, "ns": ms * 1_000_000, "example": "name='crnn'", **changes,
    }  # fmt: skip


def timed(name="get", line=10, again=11, ms=200, **changes):
    return {
        "module": "ocr.registry", "name": name, "line": line, "calls": again + 1, "again": again, "ns": ms * 1_000_000,
        "inside_ns": 0, "inside": None, "spans": {"": ms * 1_000_000}, "callers": [["/home/ana/train.py", 9, again]],
        **changes,
    }  # fmt: skip


def repeated(*rows, of=None):
    return repeated_calls(of or [counted()], process(totals={"timed_calls": list(rows)}))


def report_of(calls, *, resolvers=(), wall=10_000):
    start = start_of(process(marks={"first-step": wall}), end=wall)
    counts = CallCounts(num_functions=3, counted_seconds=12.0, repeated=calls)
    hydra = HydraFigures(seconds=1.0, resolvers=list(resolvers)) if resolvers else None
    return start.model_copy(update={"calls": counts, "hydra": hydra})


def test_repetitions_with_equal_arguments_are_named_by_their_function_with_the_seconds_of_the_run_that_timed():
    finding = one_of(repeated_lookups(report_of(repeated(timed()))), "repeated-lookup")
    assert finding.title == "ocr.registry.get is called 12 times with the same arguments"
    assert finding.seconds == pytest.approx(0.2)
    assert (finding.location.file, finding.location.line) == (REGISTRY, 10)
    assert finding.evidence["example"] == "get(name='crnn')"
    assert finding.evidence["called_at"] == ["train.py:9"]
    assert "lru_cache" in finding.advice


def test_of_a_method_another_cache_is_advised():
    calls = repeated(timed(), of=[counted(qualname="Registry.get")])
    finding = one_of(repeated_lookups(report_of(calls)), "repeated-lookup")
    assert finding.title.startswith("ocr.registry.Registry.get")
    assert "cached_property" in finding.advice and "lru_cache" not in finding.advice


def test_several_sets_of_arguments_are_told():
    (finding,) = repeated_lookups(report_of(repeated(timed(again=9, calls=12))))
    assert finding.title == "ocr.registry.get is called 12 times with 3 different sets of arguments"


def test_quick_repetitions_those_not_timed_and_resolvers_are_no_finding():
    assert repeated_lookups(report_of(repeated(timed(ms=49)))) == []
    assert repeated_lookups(report_of(repeated())) == []
    assert repeated_lookups(report_of(repeated(timed(calls=0)))) == []
    resolver = ResolverCalls(name="size", count=120, seconds=0.2, location=Location(file=REGISTRY, line=10))
    assert repeated_lookups(report_of(repeated(timed()), resolvers=[resolver])) == []
    assert codes(repeated_lookups(start_of(process(marks={"first-step": 9}), end=9))) == []


def test_work_inside_a_repetition_of_another_function_is_not_its_own():
    inner = timed(name="inner", line=20, ms=30, inside_ns=90_000_000, inside="get")
    calls = repeated(timed(), inner, of=[counted(), counted(name="inner", line=20)])
    assert [(one.function, one.inside) for one in calls] == [("ocr.registry.get", None), ("ocr.registry.inner", "get")]
    assert calls[1].seconds == pytest.approx(0.03)
    assert calls[1].inside_seconds == pytest.approx(0.09)


def test_only_what_took_long_when_it_was_counted_is_timed():
    rows = [counted(), counted(name="quick", ms=4)]
    main = process(totals={"call_counts": {"functions": 7, "rows": rows}})
    assert [row["name"] for row in candidates(main)] == ["get"]
    assert num_functions(main) == 7
    assert wanted(rows) == "ocr.registry:10:get\nocr.registry:10:quick"
    assert candidates(process()) == []


def test_the_table_of_repeated_calls_fits_eighty_columns_and_says_how_it_was_made():
    report = report_of(repeated(timed(), of=[counted(), counted(name="late", line=90)]))
    lines = [line for line, _ in drawn.console_lines(report, width=80)]
    assert lines[3] == "  ocr.registry.get      12        11     200 ms  ocr/registry.py:10"
    assert "not timed" in lines[4]
    assert "counted in a run of their own" in lines[5] and max(map(len, lines)) <= 80
    assert "| `ocr.registry.get` | 12 | 11 | 200 ms | `ocr/registry.py:10` |" in drawn.markdown_lines(
        report, num_rows=5
    )
    page = drawn.html_section(report)
    assert page is not None and "ocr/" in page and 'id="calls"' in page


def test_a_count_that_found_nothing_or_did_not_arrive_says_so():
    nothing = report_of([])
    assert "none was called again" in " ".join(line for line, _ in drawn.console_lines(nothing, width=80))
    assert drawn.markdown_lines(nothing, num_rows=5) == []
    stopped = nothing.model_copy(update={"calls": nothing.calls.model_copy(update={"stopped_by": "timed_out"})})
    assert "did not arrive: timed out" in " ".join(line for line, _ in drawn.console_lines(stopped, width=80))


def look_up(name, *more, size=1, api_key=None, **options):
    return name


class Registry:
    def get(self, name):
        return name


def arguments(function, **values):
    return key_of_arguments(function.__code__, values)


def test_equal_plain_values_have_equal_keys_and_others_have_none():
    assert key_of({"b": 1, "a": [1.5, None, (True,)]}) == key_of({"a": [1.5, None, (True,)], "b": 1})
    assert key_of([1]) != key_of((1,))
    assert key_of("1") != key_of(1)
    assert key_of(PurePosixPath("/a")) == "path /a"
    assert key_of(Registry) == key_of(Registry) and key_of(look_up) is not None
    assert key_of("x" * 1000) == key_of("x" * 1000) and len(key_of("x" * 1000)) < 100
    assert [key_of(value) for value in (object(), [object()], lambda: 0, list(range(65)), [[[[1]]]])] == [None] * 5


def test_calls_with_something_that_is_not_plain_have_no_key_but_for_the_instance_of_a_method():
    assert arguments(look_up, name="a", more=(), size=1, api_key=None, options={}) is not None
    assert arguments(look_up, name=object(), more=(), size=1, api_key=None, options={}) is None
    one, other = Registry(), Registry()
    assert arguments(Registry.get, self=one, name="a") == arguments(Registry.get, self=one, name="a")
    assert arguments(Registry.get, self=one, name="a") != arguments(Registry.get, self=other, name="a")
    assert arguments(Registry.get, self=one, name=SimpleNamespace()) is None


def test_credentials_are_not_written_down():
    text = as_called(look_up.__code__, {"name": "a", "more": (), "size": 2, "api_key": "hunter2", "options": {}})
    assert "hunter2" not in text and "name='a'" in text and "api_key=***" in text
