"""Markdown reports: golden text, the length of a pasted one, every section of the audits, and nothing unmeasured."""

import json
import re

import pytest
from golden import assert_golden
from reports_fixture import (
    BASELINE_FINDING,
    FINDINGS,
    bare_baseline_report,
    baseline_report,
    crashed_report,
    run,
    script_report,
    startup_report,
    summary,
)

from ocrprof.renderers.markdown import MAX_STARTUP_LINES, baseline_markdown, startup_markdown
from ocrprof.results.model import (
    PHASES,
    Composition,
    FileAccess,
    Finding,
    HydraFigures,
    Phase,
    StartupReport,
    Statistic,
)

STARTUPS = {"startup": startup_report, "startup_crashed": crashed_report, "startup_script": script_report}
BASELINES = {"baseline": baseline_report, "baseline_bare": bare_baseline_report}

AUDITED_SECTIONS = [
    "# Performance Baseline Report",
    "## Validation Performance",
    "## Memory Usage",
    "## Training vs Validation Comparison",
    "## Identified Bottlenecks",
    "## Recommendations",
    "## Raw Metrics Summary",
    "### Configuration",
    "### Summary Values",
]
AUDITED_VALIDATION_ROWS = [
    "Total Validation Time",
    "Number of Batches",
    "Mean Batch Time",
    "Median Batch Time",
    "P95 Batch Time",
    "P99 Batch Time",
    "Batch Time Std Dev",
]


def section(text: str, heading: str) -> str:
    return re.split(r"^## ", text.split(f"## {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("name", STARTUPS)
def test_startup_page_is_the_committed_text(name: str) -> None:
    assert_golden(f"{name}.md", startup_markdown(STARTUPS[name]()))


@pytest.mark.parametrize("name", BASELINES)
def test_baseline_page_is_the_committed_text(name: str) -> None:
    assert_golden(f"{name}.md", baseline_markdown(BASELINES[name]()))


def test_startup_page_stays_short_enough_to_paste() -> None:
    phases = {name: Statistic(median=1.0, mad=0.1, ci95=(0.9, 1.1), n=5).model_dump() for name in PHASES}
    failed = crashed_report().runs[0].model_copy(update={"stderr_tail": ["Traceback", *["line"] * 40]})
    crowded = startup_report(
        runs=[run(), failed, failed, failed],
        summary={**summary(), "phases": phases},
        findings=FINDINGS * 8,
        packages=startup_report().packages * 5,
        instantiations=startup_report().instantiations * 20,
    )
    text = startup_markdown(crowded)
    assert text.count("\n") <= MAX_STARTUP_LINES
    assert FINDINGS[0].title in text
    assert "`torch`" in text
    assert "more findings in report.json" in text


def test_code_in_advice_stays_code_and_its_words_are_no_signs() -> None:
    finding = FINDINGS[0].model_copy(update={"advice": "Call `a_b(*args)` *now*."})
    assert "Call `a_b(*args)` \\*now\\*." in startup_markdown(startup_report(findings=[finding]))
    odd = FINDINGS[0].model_copy(update={"advice": "An odd ` *sign*."})
    assert "An odd \\` \\*sign\\*." in startup_markdown(startup_report(findings=[odd]))


def crowded_report(*, num_failures: int) -> StartupReport:
    """A start with every phase, many findings, packages and instantiations, and figures of Hydra."""
    phases = {name: Statistic(median=1.0, mad=0.1, ci95=(0.9, 1.1), n=5).model_dump() for name in PHASES}
    failed = crashed_report().runs[0].model_copy(update={"stderr_tail": ["Traceback", *["line"] * 40]})
    composed = Composition(
        config="train", purpose="run", start_seconds=1.0, seconds=0.7, num_files=18, overrides_seconds=0.1,
        read_seconds=0.3, defaults_seconds=0.2, merge_seconds=0.05,
    )  # fmt: skip
    return startup_report(
        runs=[run(), *[failed] * num_failures],
        summary={**summary(), "phases": phases},
        findings=FINDINGS * 8,
        packages=startup_report().packages * 5,
        instantiations=startup_report().instantiations * 20,
        hydra=HydraFigures(seconds=0.9, compositions=[composed]),
        file_access=[FileAccess(phase="data", folder="/data", num_opened=903, num_listed=3, num_by_imports=0)],
    )


def test_tables_are_shortened_before_a_block_is_left_out() -> None:
    text = startup_markdown(crowded_report(num_failures=0))
    assert text.count("\n") <= MAX_STARTUP_LINES
    assert "Left out here" not in text
    assert "Files and connections" in text
    assert "more findings in report.json" in text


def test_the_lightest_blocks_are_left_out_first_and_the_page_says_which() -> None:
    text = startup_markdown(crowded_report(num_failures=3))
    assert text.count("\n") <= MAX_STARTUP_LINES
    assert "Left out here: files and connections, configuration, instantiations (report.html has them)." in text
    assert "Files and connections" not in text
    for heavier in ("| phase |", FINDINGS[0].title, "`torch`"):
        assert heavier in text


def test_findings_lead_and_the_phases_prove_them() -> None:
    text = startup_markdown(startup_report())
    assert text.startswith("`startup 74.3 s = ")
    assert text.index(FINDINGS[0].title) < text.index("| phase |")


def test_baseline_has_every_section_of_the_audited_report_in_its_order() -> None:
    headings = [line for line in baseline_markdown(baseline_report()).splitlines() if line.startswith("#")]
    assert [heading for heading in headings if heading in AUDITED_SECTIONS] == AUDITED_SECTIONS
    assert {"## Start-up", "## Environment", "## How It Was Measured"} <= set(headings)


def test_validation_table_has_every_audited_row() -> None:
    validation = section(baseline_markdown(baseline_report()), "Validation Performance")
    assert re.findall(r"\*\*(.*?)\*\* \|", validation)[: len(AUDITED_VALIDATION_ROWS)] == AUDITED_VALIDATION_ROWS


def test_every_recommendation_is_a_finding_with_its_measured_seconds() -> None:
    items = re.findall(
        r"^\d+\. \*\*(.*?)\*\* \((.*?)\)",
        section(baseline_markdown(baseline_report()), "Recommendations"),
        re.MULTILINE,
    )
    assert [title for title, _ in items] == [BASELINE_FINDING.title, *(finding.title for finding in FINDINGS)]
    assert items[0][1] == "9.10 s, 61.0 %, `ocr/models/head/db_postprocess.py:88`"


def test_nothing_found_recommends_nothing() -> None:
    text = baseline_markdown(bare_baseline_report())
    assert section(text, "Recommendations").strip() == (
        "None: nothing was found, so there is no measured time to win back."
    )
    assert not re.search(r"^\d+\. ", text, re.MULTILINE)


def test_what_was_not_measured_is_said_and_has_no_figure() -> None:
    text = baseline_markdown(
        baseline_report(
            startup=None, run=None, loops=[], memory=None, findings=[], config={}, metrics={}, logged_metrics={}
        )
    )
    assert section(text, "Validation Performance").strip() == (
        "Validation: not seen: the program ran no validation batch."
    )
    assert "Training: not seen: the program ran no training batch." in text
    assert "The start was not measured." in text
    assert "| process tree | not measured |" in text
    assert "The target composed no Hydra configuration." in text
    assert not re.search(r"\d (ms|s)\b", text.split("## Environment")[0])


def test_too_few_batches_for_a_percentile_leave_it_out() -> None:
    loop = baseline_report().loops[1].model_copy(update={"p99_seconds": None, "std_seconds": None})
    assert "| **P99 Batch Time** | not enough batches |" in baseline_markdown(baseline_report(loops=[loop]))


def test_part_means_add_up_to_the_mean_batch() -> None:
    comparison = section(baseline_markdown(baseline_report()), "Training vs Validation Comparison")
    table = comparison.split("| where a training batch goes |")[1].split("\n\n")[0]
    shares = [float(share) for share in re.findall(r"\| ([0-9.]+) % \|", table)]
    assert sum(shares) == pytest.approx(100, abs=0.2)
    assert table.rstrip().splitlines()[-1].startswith("| rest: own code, framework |")


def test_what_no_part_explains_has_a_row_of_its_own() -> None:
    loop = baseline_report().loops[0].model_copy(update={"parts": {"fetch": [0.1] * 20}})
    assert re.search(r"\| not attributed \| 110 ms \| 52\.4 % \|", baseline_markdown(baseline_report(loops=[loop])))


def test_a_baseline_without_a_training_run_says_why() -> None:
    assert "did not arrive" in baseline_markdown(baseline_report(run=None, startup=crashed_report()))
    assert "ended without a training step" in baseline_markdown(baseline_report(run=None, startup=script_report()))


def test_configuration_and_metrics_can_be_read_back() -> None:
    report = baseline_report(config={"text": "``` fence | bar", "nested": {"a": [1, None]}})
    blocks = re.findall(r"```json\n(.*?)\n```", baseline_markdown(report), re.DOTALL)
    assert json.loads(blocks[0]) == report.config
    assert json.loads(blocks[1]) == {**report.metrics, **report.logged_metrics}


def test_signs_of_a_target_break_no_table() -> None:
    finding = FINDINGS[0].model_copy(
        update={"title": "a|b <img> `x`\n| c | __init__", "evidence": {"expression": "x | y"}, "advice": "use *args"}
    )
    for text in (
        startup_markdown(startup_report(findings=[finding])),
        baseline_markdown(baseline_report(findings=[finding])),
    ):
        row = next(line for line in text.splitlines() if "img" in line and line.startswith("|"))
        header = next(line for line in text.splitlines() if line.startswith(("|  | finding", "|  | bottleneck")))
        assert len(re.findall(r"(?<!\\)\|", row)) == header.count("|")
        assert r"\<img\>" in row
        assert r"\__init\__" in row or r"\_\_init\_\_" in row


def test_stderr_of_a_target_cannot_leave_its_fence() -> None:
    failed = crashed_report().runs[0].model_copy(update={"stderr_tail": ["```", "# not a heading"]})
    text = startup_markdown(crashed_report().model_copy(update={"runs": [failed]}))
    assert "~~~~~~~~text\n```\n# not a heading\n~~~~~~~~" in text


def test_an_extra_phase_is_drawn_after_the_known_ones() -> None:
    only = crashed_report().runs[0].model_copy(update={"phases": [Phase(name="a_new_one", seconds=1.0)]})
    assert "| a new one | 1.00 |" in startup_markdown(crashed_report().model_copy(update={"runs": [only]}))


def test_findings_of_the_start_are_told_once() -> None:
    repeated: list[Finding] = [BASELINE_FINDING, *FINDINGS]
    bottlenecks = section(baseline_markdown(baseline_report(findings=repeated)), "Identified Bottlenecks")
    assert bottlenecks.count(FINDINGS[1].title) == 1
