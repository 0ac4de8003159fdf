"""`eager-heavy-import`: what it says, and where it keeps quiet."""

import pytest
from judged import one_of, start_of
from recorded import SITE, load, process, span

from ocrprof.findings.imports import eager_heavy_imports

HOME = "/home/ana"
HYDRA = load("hydra", 10, 110, by=(f"{HOME}/train.py", 2))
# train.py:3 imports the program's orchestrator, whose line 9 imports lightning, which brings torch.
ORCHESTRATOR = (
    load("ocr", 110, 115, file=f"{HOME}/ocr/__init__.py", by=(f"{HOME}/train.py", 3)),
    load("ocr.orchestrator", 115, 4120, file=f"{HOME}/ocr/orchestrator.py", by=(f"{HOME}/train.py", 3), self_ms=5),
    load("lightning.pytorch", 118, 4118, depth=1, self_ms=100, by=(f"{HOME}/ocr/orchestrator.py", 9),
         by_module="ocr.orchestrator"),
    load("lightning", 118, 1018, depth=2, by=(f"{HOME}/ocr/orchestrator.py", 9), by_module="ocr.orchestrator"),
    load("torch", 1018, 4018, depth=2, by=(f"{SITE}/lightning/pytorch/__init__.py", 5), by_module="lightning.pytorch"),
)  # fmt: skip
COMPOSE = span("hydra.compose", 4200, 4300)


def test_a_package_loaded_before_hydra_starts_delays_every_configuration_error():
    report = start_of(
        process(loads=(HYDRA, *ORCHESTRATOR), spans=(COMPOSE,), marks={"config": 4300, "first-step": 8000}), end=8000
    )
    finding = one_of(eager_heavy_imports(report), "eager-heavy-import")
    assert "lightning is imported before Hydra reads the configuration" in finding.title
    assert "wait 4.00 s for it" in finding.title
    assert finding.seconds == pytest.approx(4.0)
    assert finding.share == pytest.approx(0.5)
    assert finding.priority == "P0"
    assert finding.location is not None
    assert (finding.location.file, finding.location.line) == (f"{HOME}/ocr/orchestrator.py", 9)
    assert finding.evidence["with_it"] == ["torch 3.00 s", "lightning 1.00 s"]
    assert finding.evidence["chain"] == ["__main__", "ocr.orchestrator", "lightning.pytorch"]
    assert finding.evidence["configuration_read_after_seconds"] == pytest.approx(4.2)
    assert "training needs it later" in finding.evidence["claims"]


def test_what_waits_for_an_answer_is_spared_an_early_import_and_training_only_moves_it():
    report = start_of(process(loads=(HYDRA, *ORCHESTRATOR), spans=(COMPOSE,), marks={"first-step": 8000}), end=8000)
    assert one_of(eager_heavy_imports(report), "eager-heavy-import").effect == "moves"
    probed = report.model_copy(update={"probe": "error"})
    assert one_of(eager_heavy_imports(probed), "eager-heavy-import").effect == "saves"


def test_the_advice_names_the_line_and_the_one_through_which_all_of_it_comes():
    report = start_of(process(loads=(HYDRA, *ORCHESTRATOR), spans=(COMPOSE,), marks={"first-step": 8000}), end=8000)
    advice = one_of(eager_heavy_imports(report), "eager-heavy-import").advice
    assert "import `ocr.orchestrator` (train.py:3) in the function that runs when the configuration is there" in advice
    assert "`lightning.pytorch` (ocr/orchestrator.py:9)" in advice


def test_an_import_in_the_main_file_itself_is_to_be_moved_there():
    report = start_of(
        process(
            loads=(HYDRA, load("torch", 110, 3110, by=(f"{HOME}/train.py", 5))),
            spans=(span("hydra.compose", 3200, 3300),),
            marks={"first-step": 5000},
        ),
        end=5000,
    )
    advice = one_of(eager_heavy_imports(report), "eager-heavy-import").advice
    assert advice.startswith("Import `torch` (train.py:5) in the function that first uses it")
    assert "one line" not in advice


def test_what_is_imported_once_the_configuration_was_read_is_no_finding():
    main = process(
        loads=(HYDRA, load("torch", 400, 3400, by=(f"{HOME}/train.py", 20))),
        spans=(span("hydra.main", 120, 5000), span("hydra.compose", 130, 300), span("program", 310, 4900)),
        marks={"first-step": 5000},
    )
    assert eager_heavy_imports(start_of(main, end=5000)) == []


def test_a_script_that_reads_no_configuration_and_trains_right_away_is_left_alone():
    main = process(
        loads=(load("torch", 20, 6000),),
        spans=(span("fetch", 6010, 6020, loader=0), span("optimizer.step", 6030, 6040)),
        marks={"first-step": 6040},
    )
    assert eager_heavy_imports(start_of(main, end=6040)) == []


def test_a_script_that_parses_its_command_line_behind_torch_delays_its_help():
    main = process(loads=(load("torch", 20, 6000),), marks={"arguments": 6010, "first-step": 7000})
    finding = one_of(eager_heavy_imports(start_of(main, end=7000)), "eager-heavy-import")
    assert "before the command line is parsed: --help and every usage error wait 5.98 s" in finding.title


def test_a_script_that_parses_its_command_line_first_is_left_alone():
    main = process(loads=(load("torch", 100, 6000),), marks={"arguments": 50, "first-step": 7000})
    assert eager_heavy_imports(start_of(main, end=7000)) == []


def test_the_libraries_that_read_the_configuration_are_needed_for_it():
    loads = (
        load("hydra", 10, 1010),
        load("omegaconf", 100, 900, depth=1, by=(f"{SITE}/hydra/__init__.py", 3), by_module="hydra"),
        load("pydantic", 1010, 2010),
    )
    main = process(loads=loads, spans=(span("hydra.compose", 2100, 2200),), marks={"first-step": 3000})
    assert eager_heavy_imports(start_of(main, end=3000)) == []


@pytest.mark.parametrize(("seconds", "wall"), [(0.19, 1.0), (0.25, 9.0)])
def test_what_is_light_or_a_small_share_is_left_alone(seconds, wall):
    main = process(
        loads=(load("numpy", 20, 20 + seconds * 1000),),
        spans=(span("hydra.compose", 500, 600),),
        marks={"first-step": wall * 1000},
    )
    assert eager_heavy_imports(start_of(main, end=wall * 1000)) == []


def test_a_crash_while_composing_is_judged_by_the_time_it_took():
    main = process(
        loads=(load("torch", 20, 3000),),
        spans=(span("hydra.compose", 3000, 3100, error="X"),),
        marks={"exit.begin": 3200},
    )
    finding = one_of(eager_heavy_imports(start_of(main, end=4000, status="crashed", exit_code=1)), "eager-heavy-import")
    assert finding.share == pytest.approx(2.98 / 4.0)


WANDB = load("wandb", 20, 820, by=(f"{HOME}/train.py", 4))


def test_wandb_that_was_loaded_and_never_used_is_a_finding_in_any_program():
    report = start_of(process(loads=(WANDB,), marks={"first-step": 4000}), end=4000)
    finding = one_of(eager_heavy_imports(report), "eager-heavy-import")
    assert finding.title == "wandb is imported and not used before the first step"
    assert finding.seconds == pytest.approx(0.8)
    assert "train.py:4" in finding.advice


@pytest.mark.parametrize(
    "used",
    [
        span("wandb.init", 900, 1900, mode="offline"),
        span("logger.init", 900, 1000, **{"class": "pl.loggers.WandbLogger"}),
    ],
)
def test_wandb_that_was_used_is_left_alone(used):
    assert (
        eager_heavy_imports(start_of(process(loads=(WANDB,), spans=(used,), marks={"first-step": 4000}), end=4000))
        == []
    )


def test_wandb_that_was_loaded_too_early_and_never_used_is_told_once():
    main = process(loads=(WANDB,), spans=(span("hydra.compose", 900, 950),), marks={"first-step": 4000})
    assert len(eager_heavy_imports(start_of(main, end=4000))) == 1


def test_a_program_that_broke_off_may_have_been_about_to_use_wandb():
    main = process(loads=(WANDB,), marks={"exit.begin": 1000})
    assert eager_heavy_imports(start_of(main, end=1200, status="crashed", exit_code=1)) == []
