"""Hot lines from hand-made stacks, and the findings and texts that tell of them."""

import pytest
from judged import start_of
from recorded import MS, SPAWN, ns, process, span
from sampled import PERIOD_NS, PROGRAM, body, body_load, stretches, trace

from ocrprof.findings.hot_lines import with_hot_lines
from ocrprof.findings.judging import finding
from ocrprof.renderers.hot_lines import console_lines, html_section, markdown_lines
from ocrprof.results.hot_lines import PHASE, Sampled, construction_pieces, phase_pieces, without_imports
from ocrprof.results.intervals import Interval
from ocrprof.results.model import Construction, Location
from ocrprof.results.samples import build_samples, own_files

MODULE, METRIC = "/home/ana/ocr/module.py", "/home/ana/ocr/evaluation.py"
TORCH = "/venv/lib/python3.11/site-packages/torch/nn/init.py"
WRAPPER = ("_wrap_once.<locals>.__init__", "/venv/lib/ocrprof/recorder/construction.py", 80)
IMPORTLIB = ("_find_and_load", "<frozen importlib._bootstrap>", 1176)
RUN = [body(PROGRAM, 20), ("main", PROGRAM, 9)]
INIT = [*RUN, WRAPPER]


def init(line):
    return ("OCRModule.__init__", MODULE, line)


def sampled(*pieces, phases=((0, 1000, "model"),)):
    return Sampled(
        stretches=stretches(*pieces),
        phases=[Interval(ns(start), ns(end), phase) for start, end, phase in phases],
        spawn_ns=SPAWN * MS,
        period_ns=PERIOD_NS,
        is_own=lambda file: file.startswith("/home/ana"),
    )


def construction(start, end, *, kind="model.init", name="ocr.module.OCRModule", line=5, file=MODULE):
    seconds = (end - start) / 1e3
    location = Location(file=file, line=line) if file else None
    return Construction(kind=kind, name=name, seconds=seconds, self_seconds=seconds, start_seconds=start / 1e3,
                        phase="model", location=location)  # fmt: skip


def told(piece):
    """(lines, ms) of each hot line."""
    return [([one.location.line for one in line.lines], round(1e3 * line.seconds)) for line in piece.hot_lines]


def test_time_belongs_to_the_own_lines_that_led_to_it_whatever_library_they_called():
    (piece,) = phase_pieces(sampled(
        (0, 300, [*RUN, init(7), ("uniform_", TORCH, 12)]),
        (300, 400, [*RUN, init(8), ("CharErrors.__init__", METRIC, 14)]),
    ))  # fmt: skip
    assert (piece.kind, piece.name, piece.seconds) == (PHASE, "model", pytest.approx(0.4))
    assert told(piece) == [([20, 9, 7], 300), ([20, 9, 8, 14], 100)]
    assert [line.share for line in piece.hot_lines] == [pytest.approx(0.75), pytest.approx(0.25)]
    assert piece.hot_lines[0].mostly_in.function == "uniform_"
    assert piece.hot_lines[1].mostly_in is None


def test_lines_too_short_to_be_told_are_their_callers_time():
    short = [(300 + 10 * n, 310 + 10 * n, [*RUN, init(8), ("read", METRIC, 30 + n)]) for n in range(10)]
    (piece,) = phase_pieces(sampled((0, 300, [*RUN, init(7)]), *short))
    assert told(piece) == [([20, 9, 7], 300), ([20, 9, 8], 100)]
    assert piece.hot_lines[1].mostly_in.function == "read"


def test_half_of_the_time_must_be_in_a_function_for_it_to_be_named():
    calls = [(100 * n, 100 * n + 100, [*RUN, init(7), (f"part{n}", TORCH, n)]) for n in range(3)]
    (piece,) = phase_pieces(sampled(*calls))
    assert piece.hot_lines[0].mostly_in is None


def test_a_comprehension_and_a_recursion_are_one_line_each():
    (piece,) = phase_pieces(sampled(
        (0, 100, [*RUN, init(7), ("OCRModule.__init__.<locals>.<dictcomp>", MODULE, 7), ("walk", METRIC, 3)]),
        (100, 200, [*RUN, init(7), ("walk", METRIC, 3), ("walk", METRIC, 3)]),
    ))  # fmt: skip
    assert told(piece) == [([20, 9, 7, 3], 200)]


def test_the_error_grows_with_the_number_of_stays():
    stays = [(40 * n, 40 * n + 20, [*RUN, init(7)]) for n in range(8)]
    (piece,) = phase_pieces(sampled(*stays))
    assert piece.hot_lines[0].num_stays == 8
    assert piece.hot_lines[0].error_seconds == pytest.approx(0.01 * 4)


def test_a_stretch_is_shared_by_the_phases_that_it_spans():
    pieces = phase_pieces(sampled((0, 500, RUN), phases=((0, 100, "imports"), (100, 200, "data"), (200, 900, None))))
    assert [(piece.name, round(1e3 * piece.seconds)) for piece in pieces] == [("unattributed", 300), ("data", 100)]


def test_loading_modules_is_left_out_by_the_records_and_by_the_stack():
    late = [*RUN, init(7)]
    left = without_imports(
        stretches((0, 100, late), (100, 150, [*late, IMPORTLIB, body(TORCH)]), (150, 200, late)),
        [Interval(ns(0), ns(80), None), Interval(ns(80), ns(120), "imports"), Interval(ns(120), ns(300), None)],
    )
    assert [(one.start_ns - SPAWN * MS, one.end_ns - SPAWN * MS) for one in left] == [
        (0, 80 * MS),
        (150 * MS, 200 * MS),
    ]


def test_work_inside_an_import_is_work():
    stack = [*RUN, IMPORTLIB, body("/home/ana/ocr/app.py", 3), WRAPPER, init(7)]
    assert without_imports(stretches((0, 100, stack)), [Interval(ns(0), ns(100), None)])


def test_a_construction_is_told_by_its_own_frame_where_the_clock_is_not_sure():
    view = sampled((90, 105, RUN), (105, 400, [*INIT, init(7)]), (400, 420, RUN))
    (piece,) = construction_pieces(view, [construction(100, 395)])
    assert (piece.kind, piece.name, piece.count) == ("model.init", "ocr.module.OCRModule", 1)
    assert told(piece) == [([7], 295)]
    assert piece.location.line == 5


def test_a_construction_whose_frame_is_not_known_is_told_by_the_clock():
    view = sampled((0, 500, [*RUN, ("run", TORCH, 4), ("OCRModule.validation_step", MODULE, 60)]))
    (piece,) = construction_pieces(view, [construction(100, 400, kind="sanity_check", name="sanity_check", file=None)])
    assert told(piece) == [([20, 9, 60], 300)]
    assert piece.location is None


def test_nested_constructions_hold_the_time_of_those_inside_them():
    inner = ("Pages.__init__", METRIC, 31)
    view = sampled((0, 100, [*INIT, init(7)]), (100, 300, [*INIT, init(8), WRAPPER, inner]))
    rows = [construction(0, 300), construction(100, 300, kind="dataset.init", name="ocr.Pages", line=30, file=METRIC)]
    outer, nested = construction_pieces(view, rows)
    assert told(outer) == [([8, 31], 200), ([7], 100)]
    assert told(nested) == [([31], 200)]


def test_constructions_of_one_class_are_one_piece_and_short_ones_are_none():
    view = sampled((0, 60, [*INIT, init(7)]), (60, 200, RUN), (200, 260, [*INIT, init(7)]))
    rows = [construction(0, 60), construction(200, 260), construction(0, 15, kind="logger.init", name="L", file=METRIC)]
    (piece,) = construction_pieces(view, rows)
    assert (piece.count, told(piece)) == (2, [([7], 120)])


def test_the_recorder_itself_is_no_line_of_the_program():
    inside = ("Recorder.end", "/home/ana/venv/ocrprof/recorder/core.py", 200)
    (piece,) = phase_pieces(sampled((0, 100, [*RUN, inside])))
    assert told(piece) == [([20, 9], 100)]
    assert piece.hot_lines[0].mostly_in is None


# -- a whole sampled run, from the trace to the report ----------------------------------------------------------------

MODULES = [f"/home/ana/ocr/m{number}.py" for number in range(3)]
SHIFT = 250.0


def run_of_a_module(*, init_loc=(MODULE, 5), bodies=MODULES, mark=True):
    """A trace, 250 ms behind the clock, and the records: three modules of 100 ms, then a model of 400 ms."""
    changes, loads = [], []
    for number, file in enumerate(bodies):
        start = 100 + 100 * number
        changes += [(start + 5, [*RUN[:1], IMPORTLIB, body(file)]), (start + 95, RUN[:1])]
        loads.append(body_load(file, start, start + 90))
    changes += [(505, [*INIT, init(7), ("uniform_", TORCH, 12)]), (805, [*INIT, init(8)]), (905, RUN)]
    events = trace(*((at - SHIFT, stack) for at, stack in changes), end=1000 - SHIFT)
    records = process(
        spans=(span("model.init", 500, 900, loc=init_loc, **{"class": "ocr.module.OCRModule"}),),
        loads=tuple(loads),
        marks={"sampler": 60, "first-step": 990} if mark else {"first-step": 990},
        cwd="/home/ana",
    )
    return events, records


def samples_of(events, *records):
    return build_samples(
        events, list(records), imports=[], spawn_ns=SPAWN * MS, end_ns=ns(1000), until="first-step",
        period_ns=PERIOD_NS, num_errors=3,
    )  # fmt: skip


def test_a_sampled_run_tells_its_lines_on_the_clock_of_its_records():
    events, records = run_of_a_module()
    samples = samples_of(events, records)
    assert samples.failure is None
    assert samples.residual_seconds == pytest.approx(0.0, abs=1e-3)
    assert (samples.num_anchors, samples.num_errors) == (6, 3)
    assert samples.waited_seconds == pytest.approx(0.05)
    (piece,) = [piece for piece in samples.pieces if piece.kind == "model.init"]
    assert told(piece) == [([7], 300), ([8], 100)]


def test_no_line_is_told_where_the_clocks_are_not_known_to_agree():
    events, records = run_of_a_module(bodies=MODULES[:1])
    samples = samples_of(events, records)
    assert samples.pieces == []
    assert "too few modules" in samples.failure


def test_a_start_that_was_over_before_it_was_sampled_says_so():
    events, records = run_of_a_module(mark=False)
    assert "was over before" in samples_of(events, records).failure
    assert "was over before" in samples_of([], run_of_a_module()[1]).failure


def test_own_files_are_neither_installed_nor_generated():
    is_own = own_files([])
    files = [PROGRAM, TORCH, "/usr/lib/python3.11/json/decoder.py", "<frozen runpy>", "<string>"]
    assert [is_own(file) for file in files] == [True, False, False, False, False]


def judged(code, *, evidence=None, line=5, file=MODULE):
    """One finding with what was sampled of the model."""
    events, records = run_of_a_module()
    report = start_of(records, end=1000).model_copy(update={"samples": samples_of(events, records)})
    one = finding(code, "t", seconds=0.3, of_seconds=1.0, advice="Do less.", location=Location(file=file, line=line),
                  evidence=evidence)  # fmt: skip
    return with_hot_lines([one], report)[0]


def test_a_finding_names_the_line_that_took_half_of_it():
    found = judged("slow-module-init")
    assert found.evidence["hot_lines"] == ["ocr/module.py:7 300 ms ± 14.1 ms", "ocr/module.py:8 100 ms ± 14.1 ms"]
    assert found.advice == (
        "Do less. Sampled, its line `ocr/module.py:7` takes 300 ms (75.0 % of the time without imports), in `uniform_`."
    )


def test_findings_on_other_things_keep_their_words():
    assert judged("eager-logger").advice == "Do less."
    assert judged("eager-dataset", evidence={"class": "ocr.Pages"}, file="/home/ana/x.py").advice == "Do less."
    assert (
        "hot_lines" not in judged("eager-evaluator", file=METRIC, evidence={"module": "ocr.module.OCRModule"}).evidence
    )


def drawn(samples):
    """(console, Markdown, HTML) of a report with these samples."""
    report = start_of(process(marks={"first-step": 990}), end=1000).model_copy(update={"samples": samples})
    console = "\n".join(line for line, _ in console_lines(report, width=80))
    return console, "\n".join(markdown_lines(report, num_rows=2)), html_section(report)


def test_the_texts_tell_a_line_its_error_and_where_it_leads():
    console, markdown, page = drawn(samples_of(*run_of_a_module()))
    assert "model.init OCRModule: 400 ms" in console
    assert "300 ± 14 ms" in console
    assert "ocr/module.py:7 OCRModule.__init__, mostly in torch/nn/init.py:12" in " ".join(console.split())
    assert "phase model" not in console
    assert max(map(len, console.splitlines())) <= 80
    assert "| model.init OCRModule | 300 ± 14 ms | `ocr/module.py:7` |" in markdown
    assert page.anchor == "hot-lines"
    assert "3 samples failed" in page


def test_the_texts_say_why_nothing_was_sampled_and_nothing_on_level_light():
    events, records = run_of_a_module(bodies=MODULES[:1])
    assert all("too few modules were loaded" in " ".join(text.split()) for text in drawn(samples_of(events, records)))
    assert drawn(None) == ("", "", None)


def test_the_texts_say_so_where_no_line_takes_long():
    console, markdown, page = drawn(samples_of(*run_of_a_module()).model_copy(update={"pieces": []}))
    assert "no line of the program holds the start up" in console
    assert markdown == ""
    assert "no line of the program holds the start up" in page
