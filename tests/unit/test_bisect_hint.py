"""The commands by which git finds the commit behind a change: which commits, which options, which exit codes."""

import shlex

import pytest
from histories import line, series_of, session

from ocrprof.errors import OcrprofError
from ocrprof.results.bisect_hint import BisectHint, bisect_hint, choose_change, launch_seconds
from ocrprof.results.check_design import pairs_needed
from ocrprof.results.history import session_ref
from ocrprof.results.model import Environment, HistoryLine, HistoryReport, TargetInfo, Tool

ENVIRONMENT = Environment(cpu="A", num_cores_usable=2, num_cores_present=2, memory_bytes=2**30, os="Linux", python="3")


def report(lines: list[HistoryLine], name: str, *, launch: dict[str, object] | None = None) -> HistoryReport:
    return HistoryReport(
        created="2026-03-09T10:00:00Z",
        tool=Tool(version="0.1.0"),
        target=TargetInfo(argv=["python", "train.py"], cwd="."),
        environment=ENVIRONMENT,
        fingerprint="875a93fbaf44",
        metric_set="ef201452",
        launch={"until": "first-step", "probe": None, "loop": None} if launch is None else launch,
        ordered_by="commit",
        sessions=[session_ref(one) for one in lines],
        window=50,
        level=0.001,
        seed=0,
        series=[series_of(lines, name)],
    )


def hint_for(lines: list[HistoryLine], name: str, *, at: str | None = None, launch=None) -> BisectHint:
    told = report(lines, name, launch=launch)
    return bisect_hint(told, lines, *choose_change(told, name, at=at))


def slower(size: float = 1.15, **more: object) -> list[HistoryLine]:
    return [session(number, start=2.0 * (size if number >= 12 else 1.0), **more) for number in range(24)]


def words(hint: BisectHint) -> list[str]:
    """Of the check that bisect runs."""
    script = shlex.split(hint.commands(["python", "train.py"])[1])[-1]
    return shlex.split(script.partition(";")[0])


def after(option: str, found: list[str]) -> str:
    return found[found.index(option) + 1]


def test_a_time_is_bisected_with_half_of_its_step_as_the_limit_and_pairs_by_its_noise():
    hint = hint_for(slower(), "time_to_first_step")
    assert (hint.good.sha[:8], hint.bad.sha[:8]) == ("0000000b", "0000000c")
    found = words(hint)
    assert found[:4] == ["ocrprof", "check", "--against", hint.good.sha]
    assert after("--metrics", found) == "time_to_first_step"
    assert float(after("--target", found)[:-1]) == pytest.approx(15, abs=1.5)
    assert float(after("--min-effect", found)[:-1]) == pytest.approx(7.5, abs=0.8)
    assert after("--pairs", found) == f"{hint.num_pairs}:{hint.num_pairs}"
    assert after("--fail-on", found) == "inconclusive"
    assert after("--until", found) == "first-step"
    assert found[-3:] == ["--", "python", "train.py"]


def test_a_noisier_program_needs_more_pairs_as_the_design_computes_them():
    lines = [
        line(
            number,
            launches=[{"imports": (1.1 if number >= 12 else 1.0) * factor} for factor in (0.9, 1.0, 1.1, 0.95, 1.05)],
        )
        for number in range(24)
    ]
    hint = hint_for(lines, "imports")
    spread = 0.0791  # of the logarithms of these factors
    wanted = pairs_needed(spread * 2**0.5, alpha=0.01, min_effect=0.05, target=0.1)
    assert wanted <= hint.num_pairs <= wanted + 2
    assert hint.num_pairs > hint_for(slower(), "time_to_first_step").num_pairs


def test_an_exact_metric_needs_no_pairs_and_its_step_is_caught_by_its_own_rule_or_by_an_allowance():
    lines = [line(number, exact={"modules": 100.0 if number < 2 else 130.0}) for number in range(4)]
    found = words(hint_for(lines, "modules", launch={"until": "exit", "cold": True}))
    assert found[4:9] == ["--exact", "--metrics", "modules", "--until", "exit"]
    assert "--pairs" not in found
    assert "--cold" not in found
    small = [line(number, exact={"modules": 100.0 if number < 2 else 104.0}) for number in range(4)]
    assert after("--min-effect", words(hint_for(small, "modules", at="00000002"))) == "modules=2%"


def test_the_launch_is_measured_as_the_history_measured_it():
    loop = {"num_train_batches": 20, "num_val_batches": None, "num_epochs": 2}
    found = words(hint_for(slower(), "imports", launch={"until": "exit", "loop": loop, "duet": "parallel"}))
    assert "--loop --train-batches 20 --epochs 2" in " ".join(found)
    assert after("--duet", found) == "parallel"
    assert after("--probe", words(hint_for(slower(), "imports", launch={"probe": "help", "cold": True}))) == "help"


def test_without_a_regression_there_is_nothing_to_find_unless_a_commit_is_named():
    quiet = [session(number) for number in range(24)]
    with pytest.raises(OcrprofError, match="did not get worse"):
        hint_for(quiet, "imports")
    with pytest.raises(OcrprofError, match="no session is of commit beef"):
        hint_for(quiet, "imports", at="beef")
    with pytest.raises(OcrprofError, match="first commit"):
        hint_for(quiet, "imports", at="00000000")
    with pytest.raises(OcrprofError, match="no metric is called"):
        choose_change(report(quiet, "imports"), "teardown", at=None)
    jump = [session(number, start=2.5 if number == 9 else 2.0) for number in range(24)]
    hint = hint_for(jump, "imports", at="00000009")
    assert (hint.good.sha[:8], hint.bad.sha[:8]) == ("00000008", "00000009")


def test_a_change_between_sessions_of_one_commit_is_not_the_programs():
    same = [one.model_copy(update={"git": session(1).git}) for one in slower()]
    with pytest.raises(OcrprofError, match="the same commit"):
        hint_for(same, "imports")


def test_what_a_step_costs_is_told_by_the_launches():
    assert launch_seconds(slower(1.0)) == pytest.approx(2.0, rel=0.02)
    assert launch_seconds([line(1, launches=[])]) is None
