"""`deprecated-module`: from the records of a warning to the lines that should not import its module any more."""

from dataclasses import replace

import pytest
from graphs import Tree
from judged import codes, one_of, start_of
from recorded import load, ns, process

from ocrprof.findings.deprecations import deprecated_modules as rule
from ocrprof.records import Deprecation
from ocrprof.results.deprecations import deprecated_modules

TEXT = "ocr.ocr_pl has moved to ocr.module"


def tree():
    """train.py:3 and ocr.module:2 import the deprecated ocr.ocr_pl, which alone leads to heavy."""
    made = Tree("import os\nimport ocr.module\nimport ocr.ocr_pl\n", program=("ocr",))
    made.module("ocr", "__main__", 2, package=True)
    made.module("ocr.module", "__main__", 2, source="x = 1\nimport ocr.ocr_pl\n")
    made.inside()
    made.module("ocr.ocr_pl", "ocr.module", 2, self_ms=200, source="import heavy\n")
    made.inside()
    made.module("heavy", "ocr.ocr_pl", 1, self_ms=100)
    made.done()
    made.done()
    return made


def found(*, graph=True, name="ocr.ocr_pl"):
    made = tree()
    main = replace(process(), deprecations=(Deprecation(name, TEXT, "DeprecationWarning", ns(150)),))
    return deprecated_modules(main, made.rows(), graph=made.graph() if graph else None)


def report_of(modules, wall=10_000):
    start = start_of(process(loads=(load("ocr", 0, 9),), marks={"first-step": wall}), end=wall)
    return start.model_copy(update={"deprecated_modules": modules})


def test_a_deprecated_module_costs_what_only_it_leads_to_and_names_every_line_that_imports_it():
    finding = one_of(rule(report_of(found())), "deprecated-module")
    assert finding.seconds == pytest.approx(0.3)
    assert finding.location is not None and finding.location.file == "/home/ana/ocr/module.py"
    assert finding.evidence["imported_at"] == ["ocr/module.py:2", "train.py:3"]
    assert finding.evidence["warning"] == f"DeprecationWarning: {TEXT}"
    assert "and 1 modules that only it loads" in finding.advice


def test_without_the_sources_its_own_body_and_its_first_importer_are_known():
    (one,) = found(graph=False)
    assert one.seconds == pytest.approx(0.2)
    assert [hop.module for hop in one.importers] == ["ocr.module"]


def test_a_quick_deprecated_module_or_one_after_the_milestone_is_no_finding():
    assert rule(report_of([found()[0].model_copy(update={"seconds": 0.019})])) == []
    assert found(name="ocr.never_loaded") == []


def test_a_deprecated_module_of_a_library_is_told_only_where_it_is_costly_and_with_another_advice():
    of_library = found()[0].model_copy(update={"by_program": False})
    finding = one_of(rule(report_of([of_library])), "deprecated-module")
    assert "look for a version" in finding.advice
    assert codes(rule(report_of([of_library.model_copy(update={"seconds": 0.19})]))) == []
