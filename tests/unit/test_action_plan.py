"""The action plan: nothing is won twice, what only moves is apart, and the steps add up to the time that is left."""

import pytest
from judged import start_of
from recorded import process

from ocrprof.findings.action_plan import action_plan
from ocrprof.findings.judging import finding, worst_first
from ocrprof.renderers import action_plan as drawn
from ocrprof.results.model import Location

WALL = 10.0


def found(code, seconds, *, at=(), effect="saves", title=None, line=7, evidence=None):
    intervals = [at] if at else []
    return finding(
        code,
        title or f"ocr.Thing takes {seconds} s",
        seconds=seconds,
        of_seconds=WALL,
        location=Location(file="/home/ana/ocr/thing.py", line=line),
        advice="Change it.",
        effect=effect,
        intervals=intervals,
        evidence=evidence,
    )


def report_of(*findings, status="reached"):
    marks = {"first-step": 1000 * WALL} if status == "reached" else {}
    start = start_of(process(marks=marks), end=1000 * WALL, status=status)
    return start.model_copy(update={"findings": list(findings)})


def plan_of(*findings):
    return action_plan(report_of(*findings))


def test_steps_begin_with_the_largest_win_and_count_down_from_the_median():
    plan = plan_of(found("eager-logger", 0.5), found("duplicate-instantiation", 2.0), found("eager-dataset", 1.0))
    assert [(one.code, one.priority) for one in plan.actions] == [
        ("duplicate-instantiation", "P0"), ("eager-dataset", "P1"), ("eager-logger", "P2"),
    ]  # fmt: skip
    assert [one.seconds_after for one in plan.actions] == pytest.approx([8.0, 7.0, 6.5])
    assert (plan.now_seconds, plan.then_seconds) == pytest.approx((10.0, 6.5))


def test_time_that_two_findings_share_is_won_once_and_said():
    plan = plan_of(found("sanity-check", 3.0, at=(5.0, 8.0)), found("deprecated-module", 1.0, at=(7.5, 8.5)))
    first, second = plan.actions
    assert (first.seconds, first.shared_with) == (3.0, [])
    assert (second.seconds, second.shared_seconds) == pytest.approx((0.5, 0.5))
    assert second.shared_with == ["sanity-check"]
    assert plan.then_seconds == pytest.approx(6.5)


def test_a_finding_inside_another_is_no_step_of_its_own():
    plan = plan_of(found("dataset-scan", 3.0, at=(5.0, 8.0)), found("eager-dataset", 1.0, at=(6.0, 7.0)))
    assert [one.code for one in plan.actions] == ["dataset-scan"]
    assert [(one.code, one.shared_with) for one in plan.covered] == [("eager-dataset", ["dataset-scan"])]
    assert plan.then_seconds == pytest.approx(7.0)


def test_what_only_moves_wins_nothing_and_says_how_much_sooner_the_configuration_is_read():
    early = {"configuration_read_after_seconds": 6.0}
    plan = plan_of(
        found("eager-heavy-import", 3.0, at=(1.0, 4.0), effect="moves", evidence=early),
        found("eager-heavy-import", 2.5, at=(3.0, 5.5), effect="moves", evidence=early),
        found("compile-at-init", 1.0, at=(7.0, 8.0), effect="moves"),
    )
    assert (plan.actions, plan.then_seconds) == ([], 10.0)
    assert len(plan.moves) == 3
    assert plan.configuration_now_seconds == 6.0
    assert plan.configuration_then_seconds == pytest.approx(1.5)


def test_what_moves_does_not_take_from_what_saves():
    plan = plan_of(
        found("eager-heavy-import", 3.0, at=(1.0, 4.0), effect="moves"), found("deprecated-module", 1.0, at=(2.0, 3.0))
    )
    assert [one.seconds for one in plan.actions] == [1.0]


def test_a_start_that_never_arrived_has_no_plan():
    assert action_plan(report_of(found("eager-logger", 1.0), status="crashed")) is None


def test_what_is_only_to_be_known_stands_last_and_never_above_what_is_to_be_changed():
    ranked = worst_first([found("noisy", 5.0, effect="tells"), found("eager-logger", 0.5), found("sanity-check", 0.6)])
    assert [(one.code, one.priority) for one in ranked] == [
        ("sanity-check", "P2"), ("eager-logger", "P2"), ("noisy", "P2"),
    ]  # fmt: skip
    assert worst_first([found("noisy", 5.0, effect="tells")])[0].priority == "P3"


def test_a_code_that_the_plan_does_not_know_is_told_by_its_title():
    assert plan_of(found("of-tomorrow", 1.0)).actions[0].change == "ocr.Thing takes 1.0 s"


def test_a_change_names_what_is_to_be_changed():
    plan = plan_of(
        found("duplicate-instantiation", 1.0, title="ocr.data.Tokenizer is built 3 times"),
        found("duplicate-module", 0.9, title="ocr/charset.py is loaded 2 times"),
        found("late-import", 0.8, title="`ocr.render` is imported during the sanity check"),
        found("slow-compose", 0.7, evidence={"resolver": "size"}),
    )
    assert [one.change.partition(":")[0] for one in plan.actions] == ["Tokenizer", "charset.py", "render", "size"]


def judged():
    start = report_of(
        found("duplicate-instantiation", 2.0, title="ocr.data.Tokenizer is built 3 times", at=(1.0, 3.0)),
        found("eager-dataset", 0.5, at=(1.0, 1.5)),
        found("compile-at-init", 1.0, title="torch.compile in Module.__init__", effect="moves", line=9),
    )
    return start.model_copy(update={"plan": action_plan(start)})


def test_the_terminal_shows_wins_and_the_time_that_is_left_in_eighty_columns():
    lines = [line for line, _ in drawn.console_lines(judged(), width=80)]
    assert lines[1:4] == [
        "Action plan: 10.0 s → 8.00 s to first step",
        "        wins    then  change                    where",
        "  P0  2.00 s  8.00 s  Tokenizer: build it once  ocr/thing.py:7",
    ]
    assert "  Nothing is won twice: all of eager-dataset lies in duplicate-instantiation." in lines
    assert any(line.endswith("ocr/thing.py:9") and "torch.compile" in line for line in lines)
    assert max(map(len, lines)) <= 80


def test_markdown_and_page_hold_the_same_steps():
    report = judged()
    text = "\n".join(drawn.markdown_lines(report, num_rows=8))
    assert "| P0 | Tokenizer: build it once (one function) | `ocr/thing.py:7` | 2.00 s | 8.00 s |" in text
    page = drawn.html_section(report)
    assert page is not None and 'id="action-plan"' in page and "8.00 s" in page


def test_without_findings_there_is_nothing_to_draw():
    report = report_of()
    report = report.model_copy(update={"plan": action_plan(report)})
    assert drawn.console_lines(report, width=80) == []
    assert drawn.markdown_lines(report, num_rows=8) == []
    assert drawn.html_section(report) is None
