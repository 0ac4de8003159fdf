"""The terminal summary: golden text, its width, its last line, and what it does with incomplete or hostile reports."""

import io
import re

import pytest
from golden import assert_golden
from reports_fixture import (
    BASELINE_FINDING,
    FINDINGS,
    PHASE_MEDIANS,
    bare_baseline_report,
    baseline_report,
    crashed_report,
    package,
    run,
    script_report,
    startup_report,
)

from ocrprof.renderers.console import render_baseline, render_startup
from ocrprof.renderers.figures_startup import startup_line
from ocrprof.renderers.places import num_cells
from ocrprof.results.model import BaselineReport, Location, RunStatus, StartupReport, TargetInfo

LONG_PATH = "/data/" + "팀/" * 20 + "a_rather_long_directory_name/" * 6 + "an_even_longer_module_name_than_usual.py"


def startup_text(report: StartupReport, *, color: bool = False, width: int = 80) -> str:
    stream = io.StringIO()
    render_startup(report, stream=stream, color=color, width=width)
    return stream.getvalue()


def baseline_text(report: BaselineReport, *, color: bool = False, width: int = 80) -> str:
    stream = io.StringIO()
    render_baseline(report, stream=stream, color=color, width=width)
    return stream.getvalue()


def overlong_startup() -> StartupReport:
    """Every text that a target can make long is long."""
    finding = FINDINGS[0].model_copy(
        update={
            "title": "word " * 60,
            "location": Location(file=LONG_PATH, line=1234),
            "evidence": {"paths": [LONG_PATH] * 5},
            "advice": "do " * 200,
        }
    )
    first = (
        startup_report()
        .instantiations[0]
        .model_copy(update={"target": "package." * 20 + "Class", "config_paths": ["node." * 30 + "leaf"] * 4})
    )
    built = (
        startup_report()
        .constructions[0]
        .model_copy(update={"name": "package." * 20 + "Class", "location": Location(file=LONG_PATH, line=7)})
    )
    return startup_report(
        target=TargetInfo(argv=["python", LONG_PATH, "key=" + "value" * 60], cwd="/home/ana/ocr"),
        packages=[package("package" * 12, 1.0, 2.0, 12345, LONG_PATH, 99999)],
        findings=[finding] * 9,
        instantiations=[first],
        constructions=[built],
        inserted_modules=["module" * 30],
        summary={},
        runs=[run().model_copy(update={"reached": False, "status": "crashed", "stderr_tail": ["x" * 500, LONG_PATH]})],
    )


STARTUPS = {"startup": startup_report, "startup_crashed": crashed_report, "startup_script": script_report}
BASELINES = {"baseline": baseline_report, "baseline_bare": bare_baseline_report}


@pytest.mark.parametrize("name", STARTUPS)
def test_startup_summary_is_the_committed_text(name: str) -> None:
    assert_golden(f"{name}_console.txt", startup_text(STARTUPS[name]()))


@pytest.mark.parametrize("name", BASELINES)
def test_baseline_summary_is_the_committed_text(name: str) -> None:
    assert_golden(f"{name}_console.txt", baseline_text(BASELINES[name]()))


@pytest.mark.parametrize("width", [40, 80, 100, 300])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    texts = [startup_text(make(), width=width) for make in (*STARTUPS.values(), overlong_startup)]
    texts += [baseline_text(make(), width=width) for make in BASELINES.values()]
    texts.append(baseline_text(baseline_report(startup=overlong_startup()), width=width))
    lines = [line for text in texts for line in text.splitlines()]
    assert max(map(num_cells, lines)) <= min(max(width, 80), 120)


def test_long_paths_end_in_whole_names_behind_an_ellipsis() -> None:
    text = startup_text(overlong_startup())
    assert "\n    …/a_rather_long_directory_name/an_even_longer_module_name_than_usual.py:1234\n" in text
    assert re.search(r"…[a-z_]*usual\.py:99999", text)


def test_findings_stand_before_the_phases() -> None:
    text = startup_text(startup_report())
    assert text.index(FINDINGS[0].title) < text.index("Where the time goes")


def test_colour_adds_nothing_but_escape_sequences() -> None:
    plain, coloured = startup_text(startup_report()), startup_text(startup_report(), color=True)
    assert "\x1b[" not in plain
    assert "\x1b[1;33mP1" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


@pytest.mark.parametrize("make", STARTUPS.values())
def test_last_line_adds_up_to_its_total(make: type[StartupReport]) -> None:
    line = startup_text(make()).splitlines()[-1]
    total, parts = re.match(r"startup (?:.* after )?([0-9.]+) m?s = (.*)$", line).groups()  # type: ignore[union-attr]
    figures = [float(part.rpartition(" ")[2]) for part in parts.split(" · ")]
    assert sum(figures) == pytest.approx(float(total), abs=0.06 * len(figures))


def test_one_line_names_every_phase_where_there_is_room() -> None:
    line = startup_line(startup_report())
    assert line.startswith("startup 74.3 s = python 0.2 · imports 21.9 · config 1.4 · data 12.6 · model 18.4 · ")
    assert line.endswith("first batch 1.5 · first step 1.9 · unattributed 0.1")
    assert num_cells(startup_line(startup_report(), cells=60)) <= 60


def test_phases_below_the_last_digit_are_told_as_rest() -> None:
    phases = {name: seconds for name, seconds in PHASE_MEDIANS.items() if name != "unattributed"}
    report = crashed_report()
    only = report.runs[0].model_copy(
        update={
            "phases": [
                report.runs[0]
                .phases[0]
                .model_copy(update={"name": name, "seconds": 20.0 if name == "imports" else 0.03})
                for name in phases
            ],
            "wall_seconds": 20.33,
        }
    )
    assert startup_line(report.model_copy(update={"runs": [only]})).endswith("= python 0.1 · imports 20.0 · rest 0.3")


@pytest.mark.parametrize(
    ("status", "exit_code", "said"),
    [
        ("crashed", 1, "the target exited 1 in phase model, after 12.3 s, before first step"),
        ("crashed", -9, "the target was killed by SIGKILL in phase model"),
        ("ended_early", 0, "the target exited 0 in phase model"),
        ("timed_out", None, "stopped at the time limit in phase model"),
        ("interrupted", None, "interrupted in phase model"),
        ("not_recorded", 0, "the recorder did not start in the target"),
    ],
)
def test_a_run_that_did_not_arrive_says_how_it_ended(status: RunStatus, exit_code: int | None, said: str) -> None:
    failed = crashed_report().runs[0].model_copy(update={"status": status, "exit_code": exit_code})
    text = startup_text(crashed_report().model_copy(update={"runs": [failed]}))
    assert said in " ".join(text.split())
    assert "RuntimeError: Unknown model (resnet81)" in text
    assert "No finding" not in text


def test_one_failed_run_among_others_leaves_the_statistics_standing() -> None:
    failed = crashed_report().runs[0]
    text = startup_text(startup_report(runs=[run(), run(), failed]))
    assert "Run 3 of 3: the target exited 1 in phase model" in text
    assert text.splitlines()[-1].startswith("startup 74.3 s = ")


def test_a_target_cannot_steer_the_terminal() -> None:
    report = crashed_report().model_copy(
        update={"target": TargetInfo(argv=["python", "-c", "a\n\x1b]0;title\x07b\x9b2J"], cwd="/")}
    )
    text = startup_text(report)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)


def test_an_empty_report_is_still_told() -> None:
    text = startup_text(
        startup_report(runs=[], summary={}, packages=[], findings=[], instantiations=[], constructions=[])
    )
    assert text.splitlines()[-1] == "startup not measured: no run was recorded"


def test_a_baseline_without_figures_says_what_was_not_seen() -> None:
    text = baseline_text(baseline_report(startup=None, run=None, loops=[], memory=None, findings=[]))
    assert "The training run was not measured." in text
    assert "validation: not seen: the program ran no validation batch" in text
    assert "process tree: not measured" in text
    assert text.splitlines()[-1] == "baseline: nothing was measured"


def test_a_finding_of_the_start_is_told_once_in_a_baseline() -> None:
    text = baseline_text(baseline_report(findings=[BASELINE_FINDING, *FINDINGS]))
    assert text.count(FINDINGS[0].title) == 1


def test_three_findings_are_told_in_full_the_next_by_title_and_the_rest_is_counted() -> None:
    text = startup_text(startup_report(findings=FINDINGS[:1] * 12))
    assert text.count(FINDINGS[0].advice.split()[0] + " it once and hand") == 3
    assert text.count("timm.create_model is built twice with the same arguments: 9.20 s") == 10
    assert "2 more findings in the report" in text


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_unicode_gets_the_same_figures(encoding: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    render_startup(startup_report(), stream=stream, color=False, width=80)
    stream.flush()
    assert "startup 74.3 s = imports 21.9 | data 12.6" in raw.getvalue().decode(encoding)


def test_the_bar_of_the_longest_phase_is_the_longest() -> None:
    text = startup_text(startup_report())
    bars = {line.split()[0]: line.count("█") for line in text.splitlines() if "█" in line}
    assert max(bars, key=bars.__getitem__) == "imports"
    assert bars["model"] == round(18.4 / 21.9 * bars["imports"])


def test_medians_that_do_not_add_up_are_said_not_to() -> None:
    report = startup_report()
    phases = {**report.summary["phases"], "imports": {**report.summary["phases"]["imports"], "median": 26.9}}
    uneven = startup_report(summary={**report.summary, "phases": phases})
    assert "together 79.3 s, the median total is 74.3 s" in " ".join(startup_text(uneven).split())
    assert "together" not in startup_text(report)
