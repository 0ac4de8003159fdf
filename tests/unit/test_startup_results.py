"""Runs, summaries and the tables of a start, from hand-made records."""

import pytest
from recorded import MS, SPAWN, load, ns, process, span

from ocrprof.results.model import Observer, StartupReport
from ocrprof.results.startup import build_run, build_tables, combine_observers, observe, representative
from ocrprof.results.summary import milestone_key, summarize


def run_of(*records, end=1000, status="reached", until="first-step", **changes):
    return build_run(
        list(records), spawn_ns=SPAWN * MS, end_ns=ns(end), exit_code=None, until=until, status=status, **changes
    )


def tables_of(*records, end=1000, until="first-step"):
    return build_tables(records, spawn_ns=SPAWN * MS, end_ns=ns(end), until=until, status="reached")


def main_at(first_step, **changes):
    return process(10, marks={"first-step": first_step}, **changes)


def test_a_run_ends_at_its_milestone_and_its_phases_add_up():
    run = run_of(main_at(400, loads=(load("torch", 20, 120),)))
    assert run.reached and run.wall_seconds == pytest.approx(0.4)
    assert sum(phase.seconds for phase in run.phases) == pytest.approx(run.wall_seconds, abs=1e-12)
    assert [phase.name for phase in run.phases] == ["interpreter", "imports", "unattributed"]


def test_unattributed_is_there_even_where_nothing_is_left():
    main = process(0, marks={"first-step": 100}, spans=(span("hydra.compose", 0, 100),))
    assert {phase.name: phase.seconds for phase in run_of(main).phases} == {"config": 0.1, "unattributed": 0.0}


def test_processes_are_listed_with_their_roles_and_masked_arguments():
    launcher = process(10, argv=("torchrun", "--api-key", "abc123", "train.py", "logger.api_key=s3cr3t"))
    rank = process(50, pid=101, parent_pid=100, role="rank", rank=0, marks={"first-step": 400}, end=450)
    worker = process(60, pid=102, parent_pid=101, role="worker")
    listed = run_of(launcher, rank, worker).processes
    assert [one.role for one in listed] == ["launcher", "rank", "worker"]
    assert listed[0].argv == ["torchrun", "--api-key", "***", "train.py", "logger.api_key=***"]
    assert (listed[1].start_seconds, listed[1].end_seconds) == pytest.approx((0.05, 0.45))
    assert listed[2].end_seconds is None


def test_a_crash_names_its_phase_and_masks_what_it_printed():
    main = process(10, marks={"exit.begin": 500}, spans=(span("model.init", 100, 400, error="ValueError"),))
    run = run_of(main, status="crashed", stderr_tail=["ValueError: token=abcdef"])
    assert (run.reached, run.failing_phase) == (False, "model")
    assert run.stderr_tail == ["ValueError: token=***"]


def test_a_run_that_was_not_recorded_is_unattributed():
    run = run_of(status="not_recorded")
    assert (run.wall_seconds, run.processes) == (1.0, [])
    assert [phase.name for phase in run.phases] == ["unattributed"]


def test_the_summary_leaves_out_warm_ups_and_runs_that_did_not_arrive():
    runs = [
        run_of(main_at(900), warmup=True),
        *(run_of(main_at(at)) for at in (400, 420, 410)),
        run_of(main_at(100), status="crashed"),
    ]
    summary = summarize(runs, until="first-step")
    assert summary["time_to_first_step_seconds"]["median"] == pytest.approx(0.41)
    assert summary["time_to_first_step_seconds"]["n"] == 3
    assert summary["phases"]["interpreter"]["median"] == pytest.approx(0.01)


def test_a_phase_that_a_run_does_not_have_took_no_time_there():
    runs = [run_of(main_at(400, spans=spans)) for spans in ((), (), (span("wandb.init", 50, 350),))]
    assert summarize(runs, until="first-step")["phases"]["loggers"]["median"] == 0.0


def test_without_a_run_that_arrived_there_is_no_summary():
    assert summarize([run_of(status="crashed")], until="first-step") == {}


def test_the_summary_is_named_for_its_milestone():
    assert milestone_key("first-step") == "time_to_first_step_seconds"
    assert milestone_key("exit") == "time_to_exit_seconds"


def test_the_representative_run_is_the_one_nearest_to_the_median():
    runs = [run_of(main_at(at)) for at in (900, 400, 420)]
    assert representative(runs) == 2
    assert representative([run_of(main_at(400), warmup=True), *runs]) == 3


def test_without_a_run_that_arrived_the_last_recorded_one_stands_for_all():
    runs = [run_of(main_at(400), status="crashed"), run_of(status="crashed")]
    assert representative(runs) == 0
    assert representative([]) is None


def test_tables_are_of_the_main_process_and_of_what_began_before_the_milestone():
    launcher = process(10, loads=(load("torch", 12, 40),))
    main = process(
        50,
        pid=101,
        parent_pid=100,
        marks={"first-step": 400},
        loads=(load("torch", 60, 90), load("matplotlib", 500, 600)),
        inserted=("alias",),
    )
    tables = tables_of(launcher, main)
    assert [(row.module, row.pid, row.phase) for row in tables.imports] == [("torch", 101, "imports")]
    assert [row.package for row in tables.packages] == ["torch"]
    assert tables.inserted_modules == ["alias"]
    assert set(tables.as_fields()) <= set(StartupReport.model_fields)


def test_without_records_the_tables_are_empty():
    assert tables_of().imports == []


def node(start, end, path, *, identity="i", target="ocr.Tokenizer", **more):
    attributes = {"target": target, "config_path": path, "identity": identity, "ok": True, **more}
    return span("instantiate", start, end, loc=("/ocr/tokenizer.py", 8), **attributes)


def test_one_target_with_one_set_of_arguments_is_one_row():
    spans = (
        node(20, 40, "data.tokenizer", by=["/ocr/orchestrator.py", 53]),
        node(50, 60, "data.tokenizer", by=["/ocr/__init__.py", 10]),
        node(70, 85, "data.train.tokenizer", by=["/ocr/orchestrator.py", 53]),
        node(90, 95, "data.tokenizer", identity="other"),
    )
    rows = tables_of(main_at(400, spans=spans)).instantiations
    assert [(row.count, row.duplicate) for row in rows] == [(3, True), (1, False)]
    assert rows[0].seconds == pytest.approx(0.045)
    assert rows[0].each_seconds == pytest.approx([0.02, 0.01, 0.015])
    assert rows[0].config_paths == ["data.tokenizer", "data.train.tokenizer"]
    assert [(line.file, line.line) for line in rows[0].callers] == [
        ("/ocr/orchestrator.py", 53),
        ("/ocr/__init__.py", 10),
    ]
    assert rows[0].location is not None and rows[0].location.line == 8


def test_partials_failures_and_nodes_without_identity_are_no_duplicates():
    spans = (
        node(20, 40, "optimizer", partial=True),
        node(40, 50, "optimizer", partial=True),
        node(50, 60, "a", ok=False),
        node(60, 70, "a"),
        node(80, 90, "b", identity=None),
        node(90, 99, "b", identity=None),
    )
    rows = tables_of(main_at(400, spans=spans)).instantiations
    assert [row.duplicate for row in rows] == [False] * 3


def test_constructions_say_what_was_theirs_alone():
    spans = (
        span("datamodule.init", 50, 150, loc=("/ocr/data.py", 5), **{"class": "ocr.Data"}),
        span("dataset.init", 60, 90, length=64, **{"class": "ocr.Receipts"}),
    )
    main = main_at(400, spans=spans, loads=(load("cv2", 100, 120),))
    data, receipts = tables_of(main).constructions
    assert (data.kind, data.name, data.phase) == ("datamodule.init", "ocr.Data", "data")
    assert (data.seconds, data.self_seconds, data.start_seconds) == pytest.approx((0.1, 0.05, 0.05))
    assert data.location is not None and data.location.line == 5
    assert (receipts.name, receipts.attributes) == ("ocr.Receipts", {"length": 64})


def test_hydra_main_lasts_until_the_task_function():
    spans = (span("hydra.main", 20, 900), span("hydra.compose", 30, 60), span("program", 80, 890))
    constructions = tables_of(main_at(400, spans=spans)).constructions
    assert [(row.kind, round(row.seconds * 1000)) for row in constructions] == [
        ("hydra.main", 60),
        ("hydra.compose", 30),
    ]


def test_the_first_parsing_of_arguments_is_an_entry_without_duration():
    main = process(10, marks={"arguments": 120, "first-step": 400})
    (row,) = tables_of(main).constructions
    assert (row.kind, row.start_seconds, row.seconds) == ("arguments", pytest.approx(0.12), 0.0)


def test_a_lightning_modules_init_is_split_into_what_it_did():
    built = [{"class": "ocr.DBNet", "start": ns(100), "end": ns(160), "loc": None}]
    spans = (
        span(
            "model.init", 50, 350, loc=("/ocr/module.py", 40), lightning=True, nested=built, **{"class": "ocr.Module"}
        ),
        span("instantiate", 90, 170, target="timm.create_model", identity="a"),  # reads weights around the network
        span("instantiate", 200, 300, loc=("/ocr/evaluator.py", 9), target="ocr.Evaluator", identity="b"),
        span("dataset.init", 210, 230, **{"class": "ocr.Receipts"}),
    )
    main = main_at(400, spans=spans, loads=(load("scipy", 240, 270),))
    row = next(one for one in tables_of(main).constructions if one.kind == "model.init")
    parts = {part.name: round(part.seconds * 1000) for part in row.parts}
    assert parts == {"own code": 40 + 30 + 50, "network": 80, "ocr.Evaluator": 50, "imports": 30, "ocr.Receipts": 20}
    assert sum(part.seconds for part in row.parts) == pytest.approx(row.seconds)
    locations = {part.name: part.location for part in row.parts}
    assert locations["ocr.Evaluator"] is not None and locations["ocr.Evaluator"].line == 9
    assert "nested" not in row.attributes


def test_a_plain_modules_init_is_not_split():
    spans = (span("model.init", 50, 350, lightning=False, nested=[], **{"class": "ocr.DBNet"}),)
    assert tables_of(main_at(400, spans=spans)).constructions[0].parts == []


def test_the_observers_cost_is_summed_and_a_killed_program_is_noted():
    main = process(10, end=900, num_records=40, notes=("no hook for wandb",))
    worker = process(20, pid=3, role="worker", num_records=2)
    of_run = observe([main, worker])
    assert of_run == Observer(records=42, dropped=0, cost_seconds=1e-6, notes=["no hook for wandb"])
    killed = observe([process(10, num_records=5, num_unreadable=1)])
    assert len(killed.notes) == 2
    both = combine_observers([of_run, killed, of_run])
    assert both.records == 42 + 5 + 42
    assert both.notes.count("no hook for wandb") == 1


def test_the_making_of_the_cuda_context_is_told_with_its_line_in_the_phase_it_fell_into():
    spans = (span("model.init", 100, 900), span("cuda.init", 200, 800, loc=("/home/ana/train.py", 9)))
    tables = tables_of(main_at(2000, spans=spans), end=2000)
    (context,) = [row for row in tables.constructions if row.kind == "cuda.init"]
    assert context.seconds == pytest.approx(0.6)
    assert context.phase == "model"
    assert context.location is not None
    assert context.location.line == 9
