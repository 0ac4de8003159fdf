"""Rules on a start: duplicates, work in `__init__`, teardown, spread; and the order of findings."""

import pytest
from judged import codes, one_of, start_of
from recorded import load, ns, process, span
from reports_fixture import ENVIRONMENT, run

from ocrprof.findings import judge_startup
from ocrprof.findings.initialisation import slow_module_inits
from ocrprof.findings.instantiations import duplicate_instantiations
from ocrprof.findings.judging import priority_of
from ocrprof.findings.spread import noisy
from ocrprof.findings.teardown import slow_exit
from ocrprof.results.model import Phase


@pytest.mark.parametrize(
    ("share", "priority"),
    [(0.9, "P0"), (0.2, "P0"), (0.199, "P1"), (0.1, "P1"), (0.099, "P2"), (0.03, "P2"), (0.029, "P3")],
)
def test_priorities_follow_the_share_of_the_measured_time(share, priority):
    assert priority_of(share) == priority


def node(start, end, path, line, *, identity="i", target="ocr.Tokenizer"):
    return span(
        "instantiate", start, end, loc=("/home/ana/ocr/tokenizer.py", 8), target=target, config_path=path,
        identity=identity, ok=True, by=["/home/ana/ocr/orchestrator.py", line],
    )  # fmt: skip


def duplicates(*nodes, wall=10_000):
    return duplicate_instantiations(start_of(process(spans=nodes, marks={"first-step": wall}), end=wall))


def test_the_same_target_with_the_same_arguments_again_costs_every_call_but_the_first():
    finding = one_of(
        duplicates(
            node(1000, 3000, "data.tokenizer", 53),
            node(4000, 5000, "data.tokenizer", 80),
            node(6000, 6500, "data.train.tokenizer", 91),
        ),
        "duplicate-instantiation",
    )
    assert finding.title == "ocr.Tokenizer is built 3 times with the same arguments"
    assert finding.seconds == pytest.approx(1.5)
    assert finding.priority == "P1"
    assert finding.location is not None and finding.location.line == 80
    assert finding.evidence["each_seconds"] == pytest.approx([2.0, 1.0, 0.5])
    assert finding.evidence["defined_at"] == ["ocr/tokenizer.py:8"]
    assert "`data.tokenizer` and `data.train.tokenizer` make equal objects" in finding.advice
    assert "ocr/orchestrator.py:53, ocr/orchestrator.py:80 and ocr/orchestrator.py:91" in finding.advice
    assert "saves 1.50 s" in finding.advice


def test_the_same_node_instantiated_again_is_to_be_built_once():
    finding = one_of(duplicates(node(0, 500, "collate", 25), node(600, 1100, "collate", 25)), "duplicate-instantiation")
    assert finding.advice.startswith("`collate` is instantiated 2 times at ocr/orchestrator.py:25: build it once")


def test_other_arguments_or_other_targets_are_no_duplicates():
    assert duplicates(node(0, 900, "a", 1), node(1000, 1900, "b", 2, identity="j")) == []
    assert duplicates(node(0, 900, "a", 1), node(1000, 1900, "b", 2, target="ocr.Other")) == []


def test_a_cheap_duplicate_is_left_alone():
    assert duplicates(node(0, 900, "relu", 1), node(1000, 1090, "relu2", 2)) == []
    assert duplicates(node(0, 900, "relu", 1), node(1000, 1150, "relu2", 2), wall=100_000) == []


def test_what_a_duplicate_builds_inside_is_part_of_it():
    nodes = (
        node(0, 1000, "model", 1, target="ocr.Model"),
        node(100, 900, "model.encoder", 1),
        node(2000, 3000, "ema", 2, target="ocr.Model"),
        node(2100, 2900, "ema.encoder", 2),
    )
    assert [finding.title.split()[0] for finding in duplicates(*nodes)] == ["ocr.Model"]


def test_a_node_that_was_also_built_elsewhere_is_told_beside_its_parent():
    nodes = (
        node(0, 1000, "model", 1, target="ocr.Model"),
        node(100, 900, "model.encoder", 1),
        node(2000, 3000, "model", 2, target="ocr.Model"),
        node(2100, 2900, "model.encoder", 2),
        node(4000, 4900, "teacher", 3),
    )
    assert {finding.title.split()[0] for finding in duplicates(*nodes)} == {"ocr.Model", "ocr.Tokenizer"}


def init_of(*inside, nested=(), start=1000, end=3000, loads=(), lightning=True, wall=10_000):
    built = [{"class": "ocr.DBNet", "start": ns(first), "end": ns(last), "loc": None} for first, last in nested]
    init = span(
        "model.init", start, end, loc=("/home/ana/ocr/module.py", 40), lightning=lightning, nested=built,
        **{"class": "ocr.module.DetectionModule"},
    )  # fmt: skip
    main = process(spans=(init, *inside), loads=loads, marks={"first-step": wall})
    return slow_module_inits(start_of(main, end=wall))


def test_work_in_a_lightning_modules_init_beside_its_network_is_a_finding():
    finding = one_of(init_of(nested=[(1100, 1600)]), "slow-module-init")
    assert finding.title == "DetectionModule.__init__ spends 1.50 s on other work than building its network"
    assert finding.seconds == pytest.approx(1.5)
    assert finding.location is not None and finding.location.line == 40
    assert finding.evidence["network_seconds"] == pytest.approx(0.5)
    assert "The body of `__init__` (ocr/module.py:40) takes 1.50 s of it" in finding.advice


def test_the_advice_names_what_took_longest_and_its_line():
    evaluator = span(
        "instantiate", 1100, 2500, loc=("/home/ana/ocr/evaluator.py", 21), target="ocr.CLEvalEvaluator", ok=True
    )
    finding = one_of(init_of(evaluator), "slow-module-init")
    assert finding.advice.startswith("`ocr.CLEvalEvaluator` (ocr/evaluator.py:21) takes 1.40 s of it")


def test_a_network_that_takes_long_to_build_is_no_finding():
    assert init_of(nested=[(1050, 2950)]) == []
    reads_weights = span("instantiate", 1020, 2980, target="timm.create_model", ok=True)
    assert init_of(reads_weights, nested=[(1100, 1500)]) == []


def test_imports_inside_init_are_no_work_of_it():
    assert init_of(loads=(load("timm", 1010, 2990),)) == []


def test_a_short_init_is_left_alone():
    assert init_of(end=1190) == []
    assert init_of(end=1400, wall=100_000) == []


def test_a_plain_module_is_its_own_affair():
    assert init_of(lightning=False) == []


def exit_of(seconds, *workers, code=0, status="reached"):
    at = 5000
    main = process(marks={"exit.begin": at}, loads=(load("torch", 20, 900),), end=at + 1)
    end = at + seconds * 1000
    return slow_exit(start_of(main, *workers, end=end, until="exit", status=status, exit_code=code))


def test_a_long_teardown_is_a_finding_with_what_was_loaded():
    finding = one_of(exit_of(1.5), "slow-exit")
    assert finding.title == "The process goes on for 1.50 s after the program's last line"
    assert finding.share == pytest.approx(1.5 / 6.5)
    assert finding.priority == "P0"
    assert "torch (1 modules)" in finding.advice


def test_workers_that_outlive_the_program_are_named():
    worker = process(100, pid=9, parent_pid=100, role="worker", end=6200)
    finding = one_of(exit_of(1.5, worker), "slow-exit")
    assert finding.evidence["workers_still_running"] == 1
    assert "1 DataLoader workers were still running then, the last for 1.20 s more" in finding.advice


def test_workers_that_ended_before_are_not():
    worker = process(100, pid=9, parent_pid=100, role="worker", end=4000)
    assert one_of(exit_of(1.5, worker), "slow-exit").evidence["workers_still_running"] == 0


def test_an_error_pays_the_teardown_as_well():
    assert "ended with exit code 1" in one_of(exit_of(1.5, code=1, status="crashed"), "slow-exit").advice


def test_a_short_teardown_is_left_alone():
    assert exit_of(0.29) == []
    assert exit_of(0.1) == []


def test_a_run_that_was_stopped_at_its_milestone_has_no_teardown_to_judge():
    main = process(marks={"first-step": 900, "exit.begin": 1000})
    assert slow_exit(start_of(main, end=5000)) == []


def runs_of(*factors, warmup=False):
    return [*([run(2.0, warmup=True)] if warmup else []), *(run(factor) for factor in factors)]


def spread_of(*factors, warmup=False, load_average=0.2):
    report = start_of(end=1, runs=runs_of(*factors, warmup=warmup))
    return noisy(
        report.model_copy(update={"environment": ENVIRONMENT.model_copy(update={"load_average": load_average})})
    )


def test_runs_that_agree_are_not_noisy():
    assert spread_of(1.0, 1.02, 0.98, 1.01, 1.0) == []


def test_runs_that_differ_are_noisy_with_what_varied_most():
    finding = one_of(spread_of(1.0, 0.9, 1.1, warmup=True), "noisy")
    assert finding.share == pytest.approx(0.2)
    assert finding.evidence["widest_phase"] == "imports"
    assert finding.evidence["widest_phase_range_seconds"] == pytest.approx(0.2 * 21.9)
    assert "--runs 6" in finding.advice


def test_a_slow_first_run_without_a_warm_up_is_told():
    assert "--warmup 1" in one_of(spread_of(1.4, 1.0, 1.01), "noisy").advice
    assert "--warmup 1" not in one_of(spread_of(1.4, 1.0, 1.01, warmup=True), "noisy").advice


def test_a_busy_machine_is_told():
    assert "load 30.0 on 8 cores" in one_of(spread_of(1.4, 1.0, 1.01, load_average=30.0), "noisy").advice


def test_two_runs_say_nothing_of_their_spread():
    assert spread_of(1.0, 2.0) == []


def test_the_worst_finding_comes_first():
    main = process(
        loads=(load("torch", 20, 3000),),
        spans=(
            span("hydra.compose", 3000, 3100),
            node(3200, 3400, "tokenizer", 1),
            node(3400, 3600, "tokenizer", 1),
            span("model.init", 4000, 4600, lightning=True, nested=[], **{"class": "ocr.Module"}),
        ),
        marks={"first-step": 5000},
    )
    found = judge_startup(start_of(main, end=5000))
    assert codes(found) == ["eager-heavy-import", "slow-module-init", "duplicate-instantiation"]
    assert [finding.priority for finding in found] == ["P0", "P1", "P2"]


def test_a_lean_start_has_no_findings():
    main = process(
        loads=(load("hydra", 20, 120), load("torch", 400, 3000, by=("/home/ana/train.py", 30))),
        spans=(
            span("hydra.main", 130, 9000),
            span("hydra.compose", 140, 300),
            span("program", 310, 8900),
            span("model.init", 3100, 3300, lightning=True, nested=[], **{"class": "ocr.Module"}),
        ),
        marks={"first-step": 50_000},
    )
    assert judge_startup(start_of(main, end=50_000)) == []


def test_a_report_of_nothing_has_no_findings():
    assert judge_startup(start_of(end=100, status="not_recorded")) == []
    assert judge_startup(start_of(end=1, runs=[])) == []


def test_a_phase_that_only_one_run_has_can_be_the_widest():
    runs = runs_of(1.0, 1.0, 1.0)
    slow = runs[1]
    runs[1] = slow.model_copy(
        update={
            "phases": [*slow.phases, Phase(name="after_first_step", seconds=40.0)],
            "wall_seconds": slow.wall_seconds + 40.0,
        }
    )
    assert one_of(noisy(start_of(end=1, runs=runs)), "noisy").evidence["widest_phase"] == "after_first_step"
