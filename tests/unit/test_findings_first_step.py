"""Rules on what training waits for when all is built: the sanity check, compilation; and modules without bytecode."""

import pytest
from judged import one_of, start_of
from recorded import load, process, span
from reports_fixture import run

from ocrprof.findings.bytecode import compiled_modules
from ocrprof.findings.first_step import cold_compilations, sanity_checks
from ocrprof.results.model import Compilation, Part

WALL = 10_000
MODULE = "/home/ana/ocr/module.py"


def start(*spans, loads=()):
    return start_of(process(spans=spans, loads=loads, marks={"first-step": WALL}), end=WALL)


# -- the sanity check


def test_a_long_sanity_check_is_told_with_what_takes_longest_in_it():
    late = load("ocr.render", 8000, 8600, by=(MODULE, 77), by_module="ocr.module")
    finding = one_of(sanity_checks(start(span("sanity_check", 7900, 8900), loads=(late,))), "sanity-check")
    assert finding.seconds == pytest.approx(1.0)
    assert finding.evidence["imports_seconds"] == pytest.approx(0.6)
    assert (finding.location.file, finding.location.line) == (MODULE, 77)
    assert "num_sanity_val_steps=0" in finding.advice
    assert finding.intervals == [(7.9, 8.9)]


def test_its_parts_are_exclusive_and_the_longest_gives_the_line():
    inside = (
        span("fetch", 7900, 8200),
        span("validation_step", 8200, 8800, loc=(MODULE, 60)),
        span("metric.update", 8500, 8700, loc=(MODULE, 90)),
        span("validation_step", 9500, 9900, loc=(MODULE, 60)),  # of training, not of the check
    )
    finding = one_of(sanity_checks(start(span("sanity_check", 7900, 8900), *inside)), "sanity-check")
    assert finding.evidence == pytest.approx(
        {"validation_step_seconds": 0.4, "loading_its_batches_seconds": 0.3, "metrics_seconds": 0.2,
         "own_code_seconds": 0.1}
    )  # fmt: skip
    assert finding.location.line == 60
    assert "400 ms go into validation_step (ocr/module.py:60)" in finding.advice


def test_a_sanity_check_that_was_long_in_one_run_only_costs_what_it_costs_in_most():
    report = start(span("sanity_check", 7900, 9400))
    for median, expected in ((0.8, [0.8]), (0.2, [])):
        usual = {**report.summary["phases"], "sanity_check": {"median": median}}
        of_many = report.model_copy(update={"summary": {**report.summary, "phases": usual}})
        assert [finding.seconds for finding in sanity_checks(of_many)] == expected


def test_a_short_sanity_check_is_no_finding():
    assert sanity_checks(start(span("sanity_check", 7900, 8390))) == []
    assert sanity_checks(start()) == []


# -- compilation


def graph(begin, end, name="Net.forward", file=MODULE):
    return span("compile.graph", begin, end, loc=(file, 40), **{"class": name})


TRAINING = span("trainer.run", 5000, WALL)


def test_the_first_calls_wait_for_compilation():
    finding = one_of(cold_compilations(start(TRAINING, graph(6000, 9000), graph(9100, 9600, "step"))), "compile-cold")
    assert finding.seconds == pytest.approx(3.5)
    assert (finding.location.file, finding.location.line) == (MODULE, 40)
    assert "TORCHINDUCTOR_CACHE_DIR" in finding.advice and "mark_dynamic" not in finding.advice


def test_a_function_compiled_again_gets_another_advice_and_nested_ones_count_once():
    found = cold_compilations(start(TRAINING, graph(6000, 8000), graph(8000, 9000), graph(6100, 7000, "inner")))
    assert found[0].seconds == pytest.approx(3.0)
    assert "mark_dynamic" in found[0].advice


def test_a_module_of_torch_is_named_by_the_line_that_compiles_it():
    compiled = span("compile", 2000, 2100, loc=(MODULE, 47), **{"class": "torch.compile"})
    of_torch = graph(6000, 9000, file="/venv/lib/python3.11/site-packages/torch/_dynamo/external_utils.py")
    (finding,) = cold_compilations(start(TRAINING, compiled, of_torch))
    assert finding.location.line == 47


def test_quick_compilation_is_no_finding():
    assert cold_compilations(start(TRAINING, graph(6000, 6450))) == []
    assert cold_compilations(start(TRAINING)) == []


# -- bytecode


def compiled(*, seconds=1.0, warmup=True, **changes):
    runs = [*([run(warmup=True)] if warmup else []), run()]
    report = start_of(process(marks={"first-step": WALL}), end=WALL, runs=runs)
    folders = [Part(name="/opt/site-packages", seconds=seconds)]
    values = {"num_modules": 40, "seconds": seconds, "folders": folders, "writes": True, **changes}
    return compiled_modules(report.model_copy(update={"compilation": Compilation(**values)}))


@pytest.mark.parametrize(
    ("state", "because"),
    [
        ({"writes": False}, "PYTHONDONTWRITEBYTECODE"),
        ({"num_unwritable": 40}, "their folders cannot be written"),
        ({"prefix": "/cache", "num_unwritable": 40}, "/cache, which cannot be written"),
        ({"prefix": "/cache"}, "/cache, which loses them"),
        ({}, "does not serve the next start"),
    ],
)
def test_what_every_start_compiles_is_told_with_the_reason(state, because):
    finding = one_of(compiled(**state), "no-bytecode-cache")
    assert "40 modules are compiled from source in every start" in finding.title
    assert because in finding.title
    assert finding.seconds == 1.0


def test_what_only_a_first_start_compiles_or_little_of_it_is_no_finding():
    assert compiled(warmup=False) == []
    assert compiled(seconds=0.09) == []
