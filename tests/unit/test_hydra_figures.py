"""What Hydra cost, from hand-made records; and the rules that judge it."""

import pytest
from judged import one_of, start_of
from recorded import load, ns, process, span

from ocrprof.findings.instantiate_overhead import instantiate_overhead
from ocrprof.renderers.figures_hydra import hydra_facts


def compose(start, end, purpose, *, deepcopies=700):
    return span("hydra.compose", start, end, **{"for": purpose, "by": ["/home/ana/train.py", 9]}, deepcopies=deepcopies)


def read(start, end, config="data/ocr", source="file:///home/ana/conf"):
    return span("hydra.read", start, end, config=config, source=source)


def start(*spans, wall=4000, loads=(), totals=None):
    records = process(spans=spans, loads=loads, marks={"first-step": wall}, totals={"omegaconf": totals or {}})
    return start_of(records, end=wall)


def test_the_parts_of_a_composition_are_exclusive():
    spans = (compose(100, 200, "run"), span("hydra.defaults", 110, 170, configs=12, depth=3), read(120, 150))
    (one,) = start(*spans, span("hydra.merge", 170, 190)).hydra.compositions
    parts = (one.overrides_seconds, one.read_seconds, one.defaults_seconds, one.merge_seconds)
    assert parts == pytest.approx((0, 0.03, 0.03, 0.02))
    assert (one.num_files, one.num_configs, one.depth, one.num_deepcopies) == (1, 12, 3, 700)


def test_a_file_read_by_two_compositions_is_one_row():
    spans = (compose(100, 200, "get_mode"), read(110, 130), compose(200, 300, "run"), read(210, 220))
    (file,) = start(*spans, read(230, 231, source="structured://"), read(232, 233, source=None)).hydra.files
    assert (file.path, file.count, file.own) == ("/home/ana/conf/data/ocr.yaml", 2, True)
    assert file.seconds == pytest.approx(0.03)


def test_a_primary_configuration_named_with_its_ending_is_no_other_file():
    spans = (read(110, 130, config="train.yaml"), read(130, 140, config="train"))
    (file,) = start(compose(100, 200, "run"), *spans).hydra.files
    assert (file.path, file.count) == ("/home/ana/conf/train.yaml", 2)


def test_the_plugin_scan_lists_what_it_loaded_outermost():
    loads = (load("hydra_plugins.optuna", 20, 60), load("optuna", 25, 55, depth=1), load("torch", 70, 90))
    hydra = start(span("hydra.plugins", 15, 65), compose(100, 120, "run"), loads=loads).hydra
    assert [(part.name, part.seconds) for part in hydra.plugins] == [("hydra_plugins.optuna", pytest.approx(0.04))]


def test_overhead_of_instantiate_holds_neither_targets_nor_imports():
    spans = (span("instantiate.call", 100, 200), span("instantiate", 150, 190, target="ocr.Model", identity="i",
             node=ns(105), overhead=45_000_000, ok=True))  # fmt: skip
    report = start(compose(10, 20, "run"), *spans, loads=(load("timm", 120, 140),))
    assert report.hydra.instantiate_overhead_seconds == pytest.approx(0.040)
    (row,) = report.instantiations
    assert row.overhead_seconds == pytest.approx(0.025)
    assert row.imports_seconds == pytest.approx(0.020)


def test_imports_of_a_child_node_are_not_its_parents():
    parent = {"target": "a.A", "identity": "a", "node": ns(100), "overhead": 20_000_000}
    child = {"target": "b.B", "identity": "b", "node": ns(110), "overhead": 30_000_000}
    spans = (span("instantiate", 170, 190, **parent), span("instantiate", 140, 160, **child))
    rows = {
        row.target: row for row in start(*spans, compose(10, 20, "run"), loads=(load("b", 115, 135),)).instantiations
    }
    assert rows["a.A"].overhead_seconds == pytest.approx(0.020)
    assert rows["b.B"].overhead_seconds == pytest.approx(0.010)


def test_a_program_without_hydra_has_no_figures():
    report = start_of(process(marks={"first-step": 100}), end=100)
    assert report.hydra is None
    assert hydra_facts(report) == []
    assert instantiate_overhead(report) == []


def test_overhead_of_instantiate_names_the_converted_elements():
    call = span("instantiate.call", 100, 900, converted=50_000, by=["/home/ana/ocr/data.py", 31])
    finding = one_of(instantiate_overhead(start(compose(10, 20, "run"), call)), "instantiate-overhead")
    assert finding.seconds == pytest.approx(0.8)
    assert "50000 elements" in finding.advice
    assert finding.location.line == 31
    assert instantiate_overhead(start(compose(10, 20, "run"), span("instantiate.call", 100, 250))) == []


def test_the_facts_tell_every_composition_with_its_purpose():
    facts = " ".join(hydra_facts(start(compose(100, 500, "get_mode"), compose(500, 850, "run"))))
    assert "400 ms (get_mode) + 350 ms (run)" in facts
    assert "1400 deep copies" in facts
