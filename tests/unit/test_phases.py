"""Exclusive phases that add up to the wall time."""

import random

import pytest
from recorded import MS, SPAWN, load, ns, process, span, still_open

from ocrprof.results.phases import attribute, failing_phase, main_process
from ocrprof.results.startup import build_run


def phases(*records, end, until="first-step", status="reached"):
    """Milliseconds by phase; asserts that they add up to the wall time."""
    timeline = attribute(records, spawn_ns=SPAWN * MS, end_ns=ns(end), until=until, status=status)
    totals = timeline.nanoseconds()
    assert sum(totals.values()) == timeline.end_ns - timeline.spawn_ns
    assert timeline.segments[0].start_ns == SPAWN * MS and timeline.segments[-1].end_ns == timeline.end_ns
    return {name: total / MS for name, total in totals.items()}


def test_a_whole_start_is_cut_at_its_spans_and_marks():
    main = process(
        10,
        marks={"site.end": 30, "config": 250, "model": 600, "first-batch": 900, "first-step": 1000},
        milestone=("first-step", 1000),
        loads=(load("hydra", 40, 140), load("torch", 260, 460)),
        spans=(
            span("hydra.main", 150, 5000),
            span("hydra.compose", 160, 240),
            span("program", 250, 4990),
            span("datamodule.init", 470, 500),
            span("model.init", 500, 600),
            span("trainer.init", 600, 620),
            span("trainer.run", 620, 4000),
            span("data.setup", 630, 650),
            span("sanity_check", 660, 760),
            span("fetch", 680, 700, loader=0, n=0, grad=False),
            span("workers.start", 770, 800),
            span("train.batch", 800, 1000, i=0),
            span("fetch", 810, 900, loader=1, n=0, grad=True),
            span("forward", 910, 950),
        ),
    )
    assert phases(main, end=1200) == {
        "interpreter": 10,
        "site": 20,
        "imports": 300,
        "config": 100,
        "data": 50,
        "model": 100,
        "trainer": 20 + 10 + 10 + 10 + 10,
        "sanity_check": 100,
        "workers": 30,
        "first_batch": 90,
        "first_step": 100,
        "unattributed": 10 + 10 + 10 + 10,
    }


def test_a_load_inside_a_phase_belongs_to_it_and_is_counted_as_loading_too():
    main = process(
        10,
        marks={"first-step": 200},
        loads=(load("cv2", 60, 90), load("torch", 20, 40), load("torch.inner", 25, 35, depth=1)),
        spans=(span("dataset.init", 50, 100),),
    )
    run = build_run([main], spawn_ns=SPAWN * MS, end_ns=ns(300), exit_code=None, until="first-step", status="reached")
    assert {phase.name: round(phase.seconds * 1000) for phase in run.phases} == {
        "interpreter": 10,
        "imports": 20,
        "data": 50,
        "unattributed": 120,
    }
    assert run.imports_anywhere_seconds == pytest.approx(0.05)


def test_a_phase_inside_a_load_interrupts_the_imports():
    main = process(10, marks={"first-step": 100}, loads=(load("app", 20, 90),), spans=(span("wandb.init", 40, 60),))
    assert phases(main, end=100) == {"interpreter": 10, "imports": 50, "loggers": 20, "unattributed": 20}


def test_the_task_function_cancels_hydra_main_and_a_load_in_it_is_an_import():
    main = process(
        10,
        marks={"first-step": 100},
        loads=(load("torch", 50, 70),),
        spans=(span("hydra.main", 20, 400), span("program", 40, 390)),
    )
    assert phases(main, end=100) == {"interpreter": 10, "config": 20, "imports": 20, "unattributed": 50}


def test_a_load_that_the_whole_program_runs_under_does_not_swallow_it():
    main = process(
        10,
        marks={"first-step": 100},
        loads=(load("app", 20, 95), load("torch", 60, 70, depth=1)),
        spans=(span("hydra.main", 30, 90), span("program", 50, 85)),
    )
    assert phases(main, end=100) == {"interpreter": 10, "imports": 25, "config": 25, "unattributed": 40}


def test_workers_that_start_inside_the_first_fetch_stay_workers():
    main = process(
        10,
        marks={"first-step": 200},
        spans=(
            span("fetch", 20, 120, loader=0, n=0),
            span("workers.start", 30, 100),
            span("optimizer.step", 180, 199),
        ),
    )
    assert phases(main, end=200) == {
        "interpreter": 10,
        "first_batch": 30,
        "workers": 70,
        "first_step": 80,
        "unattributed": 10,
    }


def test_lightnings_first_batch_is_the_fetch_in_its_first_batch_not_the_sanity_checks():
    main = process(
        10,
        marks={"first-step": 200},
        spans=(
            span("trainer.run", 20, 300),
            span("sanity_check", 30, 80),
            span("fetch", 40, 60, loader=0, n=0, grad=False),
            span("train.batch", 100, 200, i=0),
            span("fetch", 110, 150, loader=1, n=0, grad=True),
        ),
    )
    assert phases(main, end=200)["first_batch"] == 40
    assert phases(main, end=200)["first_step"] == 50


def test_a_plain_loop_that_accumulates_gradients_began_with_its_first_fetch():
    main = process(
        10,
        marks={"first-step": 200},
        spans=(
            span("fetch", 20, 30, loader=0, n=0),  # a look at one sample, by another iterator
            span("fetch", 50, 70, loader=1, n=0),
            span("fetch", 100, 110, loader=1, n=1),
            span("optimizer.step", 190, 200),
        ),
    )
    assert phases(main, end=200) == {"interpreter": 10, "first_batch": 20, "first_step": 130, "unattributed": 40}


def test_a_run_to_its_own_end_has_what_followed_the_first_step_and_its_teardown():
    main = process(10, marks={"first-step": 100, "exit.begin": 700}, spans=(span("data.setup", 300, 400),), end=705)
    assert phases(main, end=900, until="exit") == {
        "interpreter": 10,
        "unattributed": 90,
        "after_first_step": 600,
        "exit": 200,
    }


def test_a_program_that_never_trains_has_no_first_step():
    main = process(
        10,
        marks={"exit.begin": 500},
        spans=(span("fetch", 20, 40, loader=0), span("fetch", 60, 70, loader=0)),
    )
    assert phases(main, end=600, until="exit") == {"interpreter": 10, "unattributed": 490, "exit": 100}


def test_stopping_at_an_earlier_milestone_ends_the_wall_there():
    main = process(
        10, marks={"config": 200}, milestone=("config", 200), spans=(span("hydra.compose", 50, 190),), end=230
    )
    assert phases(main, end=400, until="config") == {"interpreter": 10, "config": 140, "unattributed": 50}


def test_a_killed_process_is_where_its_open_span_says():
    main = process(10, spans=(span("hydra.compose", 20, 40),), open=(still_open("data.setup", 60),))
    found = phases(main, end=1000, status="timed_out")
    assert found == {"interpreter": 10, "config": 20, "data": 940, "unattributed": 30}


def test_a_target_killed_in_its_first_fetch_hangs_in_the_first_batch():
    main = process(10, spans=(span("trainer.run", 20, 21),), open=(still_open("fetch", 60),))
    timeline = attribute([main], spawn_ns=SPAWN * MS, end_ns=ns(500), until="first-step", status="timed_out")
    assert timeline.nanoseconds()["first_batch"] == 440 * MS
    assert failing_phase(timeline, stderr_tail=()) == "first_batch"


def test_marks_that_are_missing_leave_their_time_to_others():
    assert phases(process(10), end=300, status="timed_out") == {"interpreter": 10, "unattributed": 290}


def test_a_run_without_records_is_unattributed_as_a_whole():
    assert phases(end=300, status="not_recorded") == {"unattributed": 300}


def test_a_launchers_own_phases_fill_the_time_before_the_main_process():
    launcher = process(10, marks={"site.end": 20, "exit.begin": 990}, loads=(load("torch", 20, 80),), end=995)
    rank = process(
        200,
        pid=101,
        parent_pid=100,
        role="rank",
        rank=0,
        marks={"site.end": 220, "first-step": 400},
        milestone=("first-step", 400),
        loads=(load("torch", 220, 300),),
    )
    found = phases(launcher, rank, end=500)
    assert found == {"interpreter": 10, "site": 30, "imports": 140, "unattributed": 220}


def test_a_launcher_that_the_program_replaced_has_the_same_pid():
    before = process(10, marks={"site.end": 20}, loads=(load("uv", 20, 60),))
    after = process(100, marks={"site.end": 110, "first-step": 200}, loads=(load("torch", 110, 150),))
    assert phases(before, after, end=200) == {"interpreter": 10, "site": 20, "imports": 80, "unattributed": 90}


def test_the_parent_is_the_launcher_whatever_else_was_still_running():
    launcher = process(10, loads=(load("torch", 20, 80),))
    probe = process(30, pid=102, parent_pid=100, loads=(load("json", 90, 99),))
    main = process(100, pid=103, parent_pid=100, marks={"first-step": 200})
    assert phases(launcher, probe, main, end=200)["imports"] == 60


def test_a_launcher_with_an_unrecorded_shell_in_between_is_still_the_launcher():
    launcher = process(10, marks={"site.end": 20}, loads=(load("click", 20, 60),))
    main = process(100, pid=300, parent_pid=200, marks={"first-step": 200})
    assert phases(launcher, main, end=200)["imports"] == 40


def test_what_a_launcher_does_after_the_training_is_not_its_teardown():
    launcher = process(10, loads=(load("report", 800, 900),), marks={"exit.begin": 950})
    main = process(100, pid=101, parent_pid=100, marks={"first-step": 200, "exit.begin": 600})
    assert phases(launcher, main, end=1000, until="exit")["exit"] == 200


def test_a_second_program_of_the_command_line_is_not_the_teardown_of_the_first():
    train = process(100, pid=101, parent_pid=1, marks={"first-step": 200, "exit.begin": 600})
    evaluate = process(700, pid=102, parent_pid=1)
    assert phases(train, evaluate, end=2000, until="exit")["exit"] == 100


def test_random_records_always_add_up():
    names = [
        "hydra.main",
        "program",
        "data.setup",
        "model.init",
        "fetch",
        "train.batch",
        "trainer.run",
        "workers.start",
    ]
    generator = random.Random(3)
    for _ in range(80):
        ends = [sorted(generator.sample(range(1500), 2)) for _ in range(14)]
        main = process(
            generator.randrange(1, 50),
            spans=tuple(span(generator.choice(names), *one, loader=0, i=0) for one in ends[:9]),
            loads=tuple(load("m", *one) for one in ends[9:]),
            marks={"site.end": 60, "first-step": generator.randrange(100, 1500), "exit.begin": 1200},
        )
        status = generator.choice(["reached", "crashed", "timed_out"])
        phases(main, end=1400, until=generator.choice(["first-step", "exit"]), status=status)


def test_the_main_process_holds_the_milestone_with_the_lowest_rank():
    torchrun = process(5, pid=1)
    ranks = [
        process(10 - index, pid=10 + index, role="rank", rank=index, milestone=("first-step", 90)) for index in (1, 0)
    ]
    assert main_process([torchrun, *ranks]) is ranks[1]


def test_without_a_milestone_the_main_process_is_the_one_that_came_furthest():
    launcher = process(5, pid=1)
    spawned = process(20, pid=3, role="worker", marks={"config": 30, "model": 50})
    assert main_process([launcher, process(10, pid=2, marks={"config": 30}), spawned]) is spawned


def test_without_any_progress_the_program_is_rank_zero_or_the_first_process():
    torchrun, rank = process(5, pid=1), process(20, pid=2, role="rank", rank=0)
    helper = process(1, pid=9, role="helper")
    assert main_process([helper, torchrun, rank]) is rank
    assert main_process([helper, torchrun, process(20, pid=2)]) is torchrun


def failed_in(*records, stderr=(), end=1000):
    status = "crashed"
    timeline = attribute(records, spawn_ns=SPAWN * MS, end_ns=ns(end), until="first-step", status=status)
    return failing_phase(timeline, stderr_tail=stderr)


def test_a_crash_is_in_the_innermost_span_that_an_exception_left():
    main = process(
        10,
        marks={"exit.begin": 700},
        spans=(
            span("hydra.main", 20, 650, error="ValueError"),
            span("program", 30, 640, error="ValueError"),
            span("instantiate", 100, 600, error="ValueError"),
            span("dataset.init", 50, 90, error="OSError"),  # was caught: the program went on
            span("model.init", 110, 590, error="ValueError"),
        ),
    )
    assert failed_in(main) == "model"


def test_a_crash_in_the_programs_own_code_is_unattributed():
    main = process(
        10,
        marks={"exit.begin": 700},
        loads=(load("torch", 20, 300),),
        spans=(span("dataset.init", 310, 400, error="OSError"), span("model.init", 410, 500)),
    )
    assert failed_in(main) == "unattributed"


def test_a_missing_module_fails_in_the_imports_and_a_guarded_one_does_not():
    missing = load("torhc", 20, 30, ok=False, error="ModuleNotFoundError")
    main = process(10, marks={"exit.begin": 700}, loads=(missing, load("json", 40, 50)))
    assert failed_in(main, stderr=("ModuleNotFoundError: No module named 'torhc'",)) == "imports"
    assert failed_in(main, stderr=("ValueError: no",)) == "unattributed"


def test_a_crash_in_the_first_forward_pass_is_in_the_first_step():
    main = process(
        10,
        marks={"first-batch": 150, "exit.begin": 400},
        spans=(
            span("trainer.run", 20, 380, error="RuntimeError"),
            span("train.batch", 90, 370, error="RuntimeError"),
            span("fetch", 100, 150, loader=1, grad=True),
            span("training_step", 200, 350, error="RuntimeError"),
        ),
    )
    assert failed_in(main) == "first_step"


def test_a_crash_in_an_evaluation_is_not_in_the_first_step():
    main = process(10, marks={"exit.begin": 400}, spans=(span("fetch", 100, 150, loader=1, grad=False),))
    assert failed_in(main) == "unattributed"


def test_a_crash_before_anything_was_recorded_has_no_phase():
    assert failed_in() is None


def test_a_load_in_which_the_process_was_killed_lasts_to_the_end():
    main = process(loads=(load("colorsys", 20, 30),), open=(still_open("torch", 40, is_load=True),))
    assert phases(main, end=100, status="timed_out")["imports"] == 10 + 60
