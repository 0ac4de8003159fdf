"""What a history keeps of a report, which sessions are compared with, and what came of each metric."""

import pytest
from check_reports import check_report, failed_check, quiet_check
from histories import line, series_of, session
from reports_fixture import baseline_report, startup_report

from ocrprof.results.bisect_hint import exact_beside
from ocrprof.results.check_baseline import REFERENCE, judge_sessions
from ocrprof.results.check_fingerprint import make_fingerprint
from ocrprof.results.history import (
    NUM_ROLLING,
    changed_software,
    history_line,
    is_measured,
    is_reference,
    metric_infos,
    rolling,
    session_of_line,
    session_ref,
    unlike,
)
from ocrprof.results.history_report import crept, headline, with_causes
from ocrprof.results.history_series import exact_changes, exact_info, since_last_change
from ocrprof.results.model import CheckDesign, ExactFacts, GitState, HistoryLine, Series, TargetInfo

FINGERPRINT = make_fingerprint(
    refuse={"cpu": "A", "launch": {"until": "first-step", "probe": None}},
    treatment={"python": "3.11"},
    warn={"hostname": "ana-pc", "kernel": "6"},
    record={"reference_seconds": {"imports": 0.2, "loop": 0.1, "read": 0.5}},
)


def checked(report=None, **changes) -> HistoryLine:
    fields = {"fingerprint": FINGERPRINT, "candidate": GitState(sha="beef00dd12345678")}
    return history_line((report or quiet_check()).model_copy(update=fields | changes))


def test_of_a_check_the_candidates_launches_are_the_session():
    report = quiet_check()
    kept = checked(facts=ExactFacts(sets={"modules": {"a": None, "b": None}, "calls": {}}, unsteady=["calls"]))
    counted = [one for one in report.launches if one.arm == "candidate" and one.pair]
    assert kept.launches == [one.values for one in counted]
    assert kept.exact == {"modules": 2}
    assert (kept.git.sha, kept.verdict, kept.flags) == ("beef00dd12345678", "ok", [])
    assert kept.reference_seconds == pytest.approx(0.3)


def test_no_name_of_the_machine_is_kept():
    assert "ana-pc" not in checked().model_dump_json()


@pytest.mark.parametrize(
    ("report", "changes", "flags"),
    [
        (check_report(), {}, ["regressed"]),
        (failed_check(), {}, ["failed"]),
        (quiet_check(), {"verdict": "inconclusive", "interrupted": True}, ["inconclusive", "interrupted"]),
        (quiet_check(), {"verdict": "improved"}, []),
        (quiet_check(), {"candidate": GitState(sha="beef00dd", dirty=True)}, ["dirty"]),
    ],
)
def test_what_would_poison_a_reference_is_flagged(report, changes, flags):
    kept = checked(report, **changes)
    assert kept.flags == flags
    assert is_reference(kept) is (flags == [])


def test_a_session_that_was_slower_is_looked_at_and_never_compared_with():
    assert is_measured(checked(check_report()))
    assert not is_measured(checked(failed_check()))
    assert not is_measured(checked(candidate=GitState(sha="beef00dd", dirty=True)))


def test_a_check_that_ended_before_it_knew_the_machine_is_no_session():
    assert history_line(failed_check()) is None


def test_a_start_and_a_baseline_are_sessions_too():
    start = history_line(startup_report())
    assert start.kind == "startup"
    assert start.launches
    assert start.flags == []
    crashed = startup_report().model_copy(
        update={"runs": [startup_report().runs[-1].model_copy(update={"status": "crashed", "reached": False})]}
    )
    assert history_line(crashed).flags == ["failed"]
    assert history_line(baseline_report()).kind == "baseline"


def test_the_question_of_a_probe_is_no_part_of_the_command():
    asked = startup_report().model_copy(
        update={"probe": "help", "target": TargetInfo(argv=["python", "train.py", "--help"], cwd="/")}
    )
    assert history_line(asked).argv == ["python", "train.py"]
    assert history_line(asked.model_copy(update={"probe": None})).argv == ["python", "train.py", "--help"]


def test_the_same_session_has_the_same_name_and_another_one_another():
    assert checked().id == checked().id
    assert checked().id != checked(created="2026-03-03T10:30:00Z").id
    assert checked().id != checked(candidate=GitState(sha="c0ffee")).id


def test_a_phase_more_does_not_begin_a_new_history_and_a_total_more_does():
    one = session(1)
    phase = [{**values, "startup.loggers": 0.2} for values in one.launches]
    total = [{**values, "train.batch": 0.2} for values in one.launches]
    assert line(1, launches=phase).metric_set == one.metric_set
    assert line(1, launches=total).metric_set != one.metric_set
    assert unlike(line(1, launches=total), one, refuse=one.refuse) == ["train.batch only here"]
    other = one.model_copy(update={"refuse": {**one.refuse, "cpu": "Another"}, "kind": "startup"})
    assert unlike(other, one, refuse=one.refuse) == [
        "check there, startup here",
        "cpu: AMD EPYC there, Another here",
    ]


def test_the_rolling_reference_is_the_last_twenty_without_a_flag():
    lines = [session(number, flags=["regressed"] if number % 5 == 0 else []) for number in range(40)]
    chosen = rolling(lines)
    assert len(chosen) == NUM_ROLLING
    assert chosen[-1] is lines[39]
    assert not any(one.flags for one in chosen)


def test_a_line_is_a_session_that_a_check_can_compare_with():
    stored = session_of_line(session(3), refuse={"cpu": "A"})
    assert set(stored.launches[0].values) >= {"imports", REFERENCE}
    assert stored.fingerprint.refuse == {"cpu": "A"}
    assert stored.created == session(3).created


def test_ten_sessions_of_a_history_judge_times_in_a_check():
    stored = [session_of_line(session(number), refuse={}).launches for number in range(10)]
    design = CheckDesign(mode="baseline", seed=1)
    verdicts = {}
    for start in (2.0, 2.3):
        now = session_of_line(session(99, start=start), refuse={}).launches
        infos = metric_infos([values.values for values in now])
        judged = judge_sessions(stored, now, infos, design)
        verdicts[start] = next(one.verdict for one in judged if one.name == "time_to_first_step")
    assert verdicts == {2.0: "ok", 2.3: "regressed"}


def test_a_check_is_held_against_one_level_and_not_against_two_mixed():
    quiet = [session(number) for number in range(20)]
    assert since_last_change(quiet) == quiet
    stepped = [session(number, start=2.0 if number < 9 else 2.5) for number in range(20)]
    assert since_last_change(stepped) == stepped[9:]
    faster = [session(number, start=2.5 if number < 9 else 2.0) for number in range(20)]
    assert since_last_change(faster) == faster[9:]


def test_a_step_is_a_change_between_the_right_commits():
    lines = [session(number, start=2.0 if number < 12 else 2.3) for number in range(24)]
    (change,) = series_of(lines, "time_to_first_step").changes
    assert (change.kind, change.last_before, change.first_after) == ("regression", 11, 12)
    assert (change.num_before, change.num_after) == (12, 12)
    assert change.ratio == pytest.approx(1.15, abs=0.01)
    assert change.p <= 0.001


def test_a_gain_is_an_improvement_and_for_a_throughput_more_is_better():
    lines = [session(number, start=2.3 if number < 12 else 2.0) for number in range(24)]
    assert [one.kind for one in series_of(lines, "imports").changes] == ["improvement"]
    faster = [
        one.model_copy(update={"launches": [{"train.samples_per_sec": values["imports"]} for values in one.launches]})
        for one in lines
    ]
    (change,) = series_of(faster, "train.samples_per_sec").changes
    assert change.kind == "regression"
    assert change.ratio > 1


def test_a_sure_change_below_the_least_effect_is_none():
    lines = [session(number, start=2.0 if number < 12 else 2.07) for number in range(24)]
    assert series_of(lines, "time_to_first_step").changes == []


def test_a_sure_change_below_the_floor_is_none():
    lines = [session(number) for number in range(24)]
    small = [
        one.model_copy(update={"launches": [{"imports": 0.001 if number < 12 else 0.002}] * 3})
        for number, one in enumerate(lines)
    ]
    assert series_of(small, "imports").changes == []


def test_memory_counts_from_three_percent_on():
    def lines(size: float) -> list[HistoryLine]:
        sizes = [2.0**31 * (size if number >= 12 else 1.0) * (1 + number % 3 / 2000) for number in range(24)]
        return [line(number, launches=[{"peak_rss": peak}] * 3) for number, peak in enumerate(sizes)]

    assert [one.kind for one in series_of(lines(1.04), "peak_rss").changes] == ["regression"]
    assert series_of(lines(1.02), "peak_rss").changes == []


def test_failed_and_dirty_sessions_make_no_change():
    lines = [
        session(number, start=3.0 if number % 2 else 2.0, flags=["dirty"] if number % 2 else []) for number in range(40)
    ]
    series = series_of(lines, "time_to_first_step")
    assert series.changes == []
    assert series.newest == 38
    assert series.values[39] == pytest.approx(3.0, rel=0.02)


def test_creep_is_seen_against_the_frozen_reference_and_not_against_the_rolling_one():
    lines = [session(number, start=2.0 * 1.004**number) for number in range(40)]
    series = series_of(lines, "time_to_first_step")
    frozen, moving = series.references
    assert (frozen.name, moving.name) == ("frozen", "rolling")
    assert frozen.ratio == pytest.approx(1.004**39, rel=0.02)
    assert moving.ratio < 1.05
    assert (frozen.num_sessions, moving.num_sessions) == (1, NUM_ROLLING)


def test_a_regressed_session_is_in_no_reference():
    lines = [session(number, start=2.0) for number in range(10)]
    lines += [session(number, start=4.0, flags=["regressed"]) for number in range(10, 20)]
    frozen, moving = series_of(lines, "time_to_first_step").references
    assert moving.num_sessions == 10
    assert moving.ratio == pytest.approx(2.0, rel=0.02)
    assert frozen.ratio == pytest.approx(2.0, rel=0.02)


def with_modules(*counts: float) -> list[HistoryLine]:
    return [line(number, exact={"modules": count, "cache_hits": 400 - count}) for number, count in enumerate(counts)]


def test_an_exact_metric_changes_where_it_steps_beyond_its_allowance():
    lines = with_modules(100, 104, 104, 120, 120, 100)
    found = [(one.kind, one.last_before, one.first_after) for one in exact_changes(exact_info("modules"), lines)]
    assert found == [("regression", 2, 3), ("improvement", 4, 5)]
    assert all(one.p is None for one in exact_changes(exact_info("modules"), lines))


def test_of_cache_hits_fewer_are_worse_and_of_what_has_no_rule_nothing_is():
    lines = with_modules(100, 150)
    assert [one.kind for one in exact_changes(exact_info("cache_hits"), lines)] == ["regression"]
    told = [line(number, exact={"parameters": 5.0 + number}) for number in range(2)]
    assert [one.kind for one in exact_changes(exact_info("parameters"), told)] == ["change"]


def test_what_else_changed_is_named_beside_the_commits():
    newer = {"python": "3.11", "torch": "2.9.0"}
    lines = [
        session(
            number,
            start=2.0 if number < 12 else 2.3,
            treatment={"python": "3.11", "torch": "2.8.0"} if number < 12 else newer,
            reference_seconds=0.31 if number < 12 else 0.34,
        )
        for number in range(24)
    ]
    (change,) = with_causes(series_of(lines, "time_to_first_step"), lines)
    assert change.also == ["torch 2.8.0 → 2.9.0", "the machine itself: its fixed piece of work takes +9.7 %"]
    assert changed_software(lines[0], lines[1]) == []


def test_noise_is_that_between_neighbours_without_steps_and_drift():
    steady = series_of([session(number) for number in range(24)], "imports")
    drifting = series_of([session(number, start=2.0 * 1.004**number) for number in range(24)], "imports")
    stepped = series_of([session(number, start=2.0 if number < 12 else 2.3) for number in range(24)], "imports")
    assert drifting.sd == pytest.approx(steady.sd, rel=0.6)
    assert stepped.sd == pytest.approx(steady.sd, rel=0.3)


def refs(series: Series, lines: list[HistoryLine]) -> str:
    return headline([series], [session_ref(one) for one in lines])


def test_the_headline_names_the_newest_regression_or_what_crept():
    stepped = [session(number, start=2.0 if number < 12 else 2.3) for number in range(24)]
    assert refs(series_of(stepped, "imports"), stepped).startswith("imports +25")
    assert "at 0000000c0" in refs(series_of(stepped, "imports"), stepped)
    quiet = [session(number) for number in range(24)]
    assert refs(series_of(quiet, "imports"), quiet) == "no metric that decides got worse for good, in 24 sessions"
    slow = [session(number, start=2.0 * 1.01**number) for number in range(13)]
    series = series_of(slow, "time_to_first_step")
    assert crept([series]) == [series]
    assert refs(series, slow).startswith("crept: time_to_first_step +")


def test_an_exact_metric_that_changed_with_it_is_quicker_to_bisect_by():
    lines = [
        session(number, start=2.0 if number < 12 else 2.3, exact={"modules": 100.0 if number < 12 else 500.0})
        for number in range(24)
    ]
    (change,) = series_of(lines, "time_to_first_step").changes
    assert exact_beside(lines, change) == "modules"
    assert exact_beside([one.model_copy(update={"exact": {}}) for one in lines], change) is None


def test_one_more_thing_that_is_built_is_told_and_is_no_regression():
    """A check fails where one is built again; of the sum alone nobody can tell that from a new one."""
    lines = [line(number, exact={"instantiations": 7.0 + number}) for number in range(2)]
    assert [one.kind for one in exact_changes(exact_info("instantiations"), lines)] == ["change"]
