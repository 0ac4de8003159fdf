"""Rules on what a start does too early, too late or twice: loggers, compilation, data sets, metrics, modules."""

import pytest
from judged import codes, one_of, start_of
from recorded import load, ns, process, span

from ocrprof.findings.before_training import compiles_at_init, eager_datasets, eager_loggers
from ocrprof.findings.initialisation import eager_evaluators, slow_module_inits
from ocrprof.findings.modules import duplicate_modules, late_imports

ORCHESTRATOR = "/home/ana/ocr/orchestrator.py"
WALL = 10_000


def start(*spans, loads=(), until="first-step", **marks):
    main = process(spans=spans, loads=loads, marks={"first-step": WALL, **marks})
    return start_of(main, end=WALL, until=until)


def logger(begin, end, **attributes):
    return span(
        "logger.init", begin, end, loc=("/home/ana/ocr/loggers.py", 12), **{"class": "ocr.RunLogger"}, **attributes
    )


def model(begin, end, **attributes):
    return span(
        "model.init", begin, end, loc=("/home/ana/ocr/module.py", 40), **{"class": "ocr.Module"},
        **{"lightning": True, "nested": [], **attributes},
    )  # fmt: skip


def dataset(begin, end, number, *, line=8):
    return span(
        "dataset.init", begin, end, loc=("/home/ana/ocr/pages.py", line), number=number, **{"class": "ocr.Pages"}
    )


def loader(begin, *numbers):
    return span("dataloader.init", begin, begin + 1, datasets=list(numbers))


# -- loggers


def test_a_slow_logger_is_named_by_the_line_that_asks_hydra_for_it():
    node = span("instantiate", 990, 1600, target="ocr.RunLogger", config_path="logger", by=[ORCHESTRATOR, 157], ok=True)
    finding = one_of(eager_loggers(start(node, logger(1000, 1500), model(2000, 2100))), "eager-logger")
    assert (finding.location.file, finding.location.line) == (ORCHESTRATOR, 157)
    assert finding.seconds == pytest.approx(0.5)
    assert finding.evidence["built_after_it"] == ["Module"]
    assert finding.evidence["defined_at"] == ["ocr/loggers.py:12"]


def test_a_logger_without_hydra_is_named_by_its_own_init():
    finding = one_of(eager_loggers(start(logger(1000, 1500))), "eager-logger")
    assert finding.location.line == 12
    assert "an error in them waits" not in finding.advice


def test_a_quick_logger_is_no_finding():
    assert eager_loggers(start(logger(1000, 1190), model(2000, 2100))) == []


def wandb_init(begin, end):
    return span("wandb.init", begin, end, loc=("/home/ana/train.py", 20), mode="offline")


def test_wandb_init_before_the_model_is_built_holds_up_its_errors():
    finding = one_of(eager_loggers(start(wandb_init(1000, 3000), model(4000, 4100))), "eager-logger")
    assert finding.seconds == pytest.approx(2.0)
    assert finding.location.line == 20


def test_wandb_init_when_all_is_built_is_no_finding():
    lightnings_own = span("model.init", 4000, 4100, lightning=False, **{"class": "lightning.pytorch._ResultMetric"})
    assert eager_loggers(start(model(500, 900), wandb_init(1000, 3000), lightnings_own)) == []


def test_wandb_init_inside_a_logger_counts_once():
    found = eager_loggers(start(logger(900, 3100), wandb_init(1000, 3000), model(4000, 4100)))
    assert codes(found) == ["eager-logger"]
    assert found[0].seconds == pytest.approx(2.2)


# -- torch.compile and metrics in __init__


def compile_at(begin, end):
    return span(
        "compile", begin, end, loc=("/home/ana/ocr/module.py", 49), of="ocr.DBNet", **{"class": "torch.compile"}
    )


def test_torch_compile_inside_a_lightning_modules_init():
    report = start(model(1000, 4000), compile_at(1500, 3500))
    finding = one_of(compiles_at_init(report), "compile-at-init")
    assert (finding.location.line, finding.seconds) == (49, pytest.approx(2.0))
    assert finding.evidence["of"] == "ocr.DBNet"
    assert one_of(slow_module_inits(report), "slow-module-init").seconds == pytest.approx(1.0)  # not counted twice


def test_torch_compile_of_a_finished_model_is_no_finding():
    assert compiles_at_init(start(model(1000, 1400), compile_at(1500, 3500))) == []


def test_a_quick_torch_compile_is_no_finding():
    assert compiles_at_init(start(model(1000, 4000), compile_at(1500, 1590))) == []


def nested(name, begin, end, *, metric):
    return {"class": name, "start": ns(begin), "end": ns(end), "loc": ["/home/ana/ocr/cleval.py", 21], "metric": metric}


def test_metrics_in_init_are_told_apart_from_the_network_and_from_other_work():
    built = [nested("ocr.DBNet", 1000, 2000, metric=False), nested("ocr.CLEval", 2000, 3500, metric=True)]
    report = start(model(1000, 3600, nested=built))
    finding = one_of(eager_evaluators(report), "eager-evaluator")
    assert finding.seconds == pytest.approx(1.5)
    assert finding.location.file.endswith("cleval.py")
    assert slow_module_inits(report) == []


def test_a_quick_metric_or_a_slow_network_is_no_eager_evaluator():
    built = [nested("ocr.DBNet", 1000, 3000, metric=False), nested("ocr.CLEval", 3000, 3100, metric=True)]
    assert eager_evaluators(start(model(1000, 3600, nested=built))) == []


# -- data sets


def test_a_data_set_that_no_loader_uses_is_named():
    splits = [dataset(0, 1000, 0), dataset(1000, 2000, 1), dataset(2000, 3500, 2, line=30)]
    finding = one_of(eager_datasets(start(*splits, loader(4000, 0), loader(5000, 1))), "eager-dataset")
    assert finding.seconds == pytest.approx(1.5)
    assert finding.location.line == 30
    assert "no DataLoader is made of it before the first step" in finding.title


def test_unused_data_sets_of_one_line_are_one_finding():
    splits = [dataset(0, 1000, 0), dataset(1000, 2000, 1), dataset(2000, 3500, 2)]
    finding = one_of(eager_datasets(start(*splits, loader(4000, 0))), "eager-dataset")
    assert "is built 2 times in 2.50 s" in finding.title


def test_data_sets_that_all_have_loaders_are_no_finding():
    assert eager_datasets(start(dataset(0, 1000, 0), dataset(1000, 2000, 1), loader(4000, 0, 1))) == []


def test_a_loader_of_unknown_data_makes_the_rule_keep_quiet():
    assert eager_datasets(start(dataset(0, 1000, 0), dataset(1000, 2000, 1), loader(4000, 0), loader(5000))) == []


def test_without_any_loader_or_milestone_nothing_is_said_of_data_sets():
    assert eager_datasets(start(dataset(0, 1000, 0))) == []
    crashed = start_of(
        process(spans=(dataset(0, 1000, 0), dataset(1000, 2000, 1), loader(2500, 0))), end=3000, status="crashed"
    )
    assert eager_datasets(crashed) == []


# -- modules

PROGRAM = load("ocr.module", 100, 200, file="/home/ana/ocr/module.py")


def late(name="ocr.rendering", begin=5000, end=5300, **changes):
    asked = {"by": ("/home/ana/ocr/module.py", 77), "by_module": "ocr.module"}
    return load(name, begin, end, **{**asked, "file": "/home/ana/ocr/rendering.py", **changes})


SANITY_CHECK = span("sanity_check", 4900, 6000)


def test_an_import_inside_the_sanity_check_is_named_by_its_line():
    finding = one_of(late_imports(start(SANITY_CHECK, loads=(PROGRAM, late()))), "late-import")
    assert (finding.location.line, finding.seconds) == (77, pytest.approx(0.3))
    assert finding.evidence["phase"] == "sanity_check"


def test_an_installed_package_that_the_program_imports_late_counts_too():
    cv2 = late("cv2", file="/venv/lib/python3.11/site-packages/cv2/__init__.py")
    assert codes(late_imports(start(SANITY_CHECK, loads=(PROGRAM, cv2)))) == ["late-import"]


def test_what_a_library_imports_when_it_is_called_is_not_the_programs():
    torch = load("torch", 200, 900)
    lazy = load("torch._dynamo", 5000, 5900, by=("/venv/lib/python3.11/site-packages/torch/x.py", 3), by_module="torch")
    assert late_imports(start(SANITY_CHECK, loads=(PROGRAM, torch, lazy))) == []


def test_an_import_before_the_loops_or_a_quick_one_is_not_late():
    assert late_imports(start(SANITY_CHECK, loads=(PROGRAM, late(begin=3000, end=3300)))) == []
    assert late_imports(start(SANITY_CHECK, loads=(PROGRAM, late(end=5050)))) == []


CHARSET = "/home/ana/ocr/charset.py"


def test_one_file_under_two_names():
    loads = (
        PROGRAM,
        load("ocr.charset", 1000, 1300, file=CHARSET),
        load("charset", 2000, 2400, file=CHARSET, by=("/home/ana/train.py", 9)),
    )
    finding = one_of(duplicate_modules(start(loads=loads)), "duplicate-module")
    assert finding.title == "ocr/charset.py is loaded 2 times, as `ocr.charset` and `charset`"
    assert (finding.location.line, finding.seconds) == (9, pytest.approx(0.4))


def test_the_main_file_imported_again_as_a_module():
    loads = (
        PROGRAM,
        load("train", 2000, 2400, file="/home/ana/train.py", by=("/home/ana/ocr/module.py", 5), by_module="ocr.module"),
    )
    finding = one_of(duplicate_modules(start(loads=loads)), "duplicate-module")
    assert finding.evidence["names"] == ["__main__", "train"]


def test_a_reload_and_two_names_in_a_library_are_no_duplicates_of_the_program():
    again = (load("ocr.charset", 1000, 1300, file=CHARSET), load("ocr.charset", 2000, 2400, file=CHARSET))
    library = (load("lib.a", 3000, 3300, file="/venv/lib/python3.11/site-packages/lib/a.py"),
               load("lib.b", 3400, 3700, file="/venv/lib/python3.11/site-packages/lib/a.py"))  # fmt: skip
    assert duplicate_modules(start(loads=(PROGRAM, *again, *library))) == []
