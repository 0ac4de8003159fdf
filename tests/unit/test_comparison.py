"""Causes add up to the nanosecond, each is counted once, and unlike reports are refused."""

import json
import statistics
from datetime import UTC, datetime

import pytest
from check_reports import INFOS, check_report, launches
from compared import after, before, built, load, random_start, start
from doctor_reports import doctor_report
from reports_fixture import TOOL, baseline_report, startup_report

from ocrprof.errors import OcrprofError
from ocrprof.results.compare import compare_reports
from ocrprof.results.compare_pieces import nanoseconds, pieces_of
from ocrprof.results.compare_points import parts_breakdown
from ocrprof.results.compare_startup import start_breakdown
from ocrprof.results.compare_words import cause_name, value_text
from ocrprof.results.import_graph import top_level
from ocrprof.results.model import (
    AnyReport,
    Arm,
    Breakdown,
    ComparisonReport,
    Epoch,
    Feature,
    SweepPoint,
    SweepReport,
)
from ocrprof.results.model.ablation import AblationReport, Trial
from ocrprof.results.store import read_report, write_report


def compare(base: AnyReport, candidate: AnyReport, **options: object) -> ComparisonReport:
    created = datetime(2026, 3, 2, tzinfo=UTC).isoformat()
    return compare_reports(base, candidate, base_path="a", candidate_path="b", created=created, tool=TOOL, **options)


def missing_ns(breakdown: Breakdown) -> int:
    """What the causes lack of the difference."""
    total = nanoseconds(breakdown.candidate_seconds) - nanoseconds(breakdown.base_seconds)
    return total - sum(nanoseconds(cause.seconds) for cause in breakdown.causes)


def causes(breakdown: Breakdown) -> dict[tuple[str, str], float]:
    return {(cause.kind, cause.name): cause.seconds for cause in breakdown.causes}


@pytest.mark.parametrize("seed", range(25))
def test_causes_add_up_to_the_difference_exactly(seed):
    breakdown = start_breakdown(random_start(2 * seed), random_start(2 * seed + 1), name="start")
    assert missing_ns(breakdown) == 0
    assert sum(nanoseconds(one.seconds) for one in breakdown.phases) == sum(
        nanoseconds(cause.seconds) for cause in breakdown.causes
    )


@pytest.mark.parametrize("seed", range(12))
def test_pieces_add_up_to_the_run_and_each_moment_is_in_one(seed):
    report = random_start(seed)
    total = sum(nanoseconds(one.seconds) for one in report.timeline)
    assert abs(sum(pieces_of(report).values()) - total) <= len(report.timeline)


@pytest.mark.parametrize("seed", range(12))
def test_a_module_counts_its_own_time_and_not_that_of_what_it_loads(seed):
    """Without things built inside loads, a package's pieces are the self times of its loads."""
    report = random_start(seed).model_copy(update={"constructions": [], "instantiations": []})
    found: dict[str, int] = {}
    for piece, seconds_ns in pieces_of(report).items():
        if piece.kind == "module":
            found[top_level(piece.name)] = found.get(top_level(piece.name), 0) + seconds_ns
    for row in report.packages:
        assert found.get(row.package, 0) / 1e9 == pytest.approx(row.self_seconds, abs=1e-6)


def test_a_start_against_itself_has_no_cause():
    breakdown = start_breakdown(before(), before(), name="start")
    assert breakdown.causes == []
    assert breakdown.inside_noise


def test_what_came_with_a_package_is_counted_with_it_once():
    """pandas, numpy and pytz: 2.5 s in all, of which pandas itself takes one."""
    breakdown = compare(before(), after()).breakdowns[0]
    pandas = next(cause for cause in breakdown.causes if cause.name == "pandas")
    assert pandas.kind == "gained"
    assert pandas.seconds == pytest.approx(2.5)
    assert {part.name: round(part.seconds, 6) for part in pandas.parts} == {"pandas": 1.0, "numpy": 1.0, "pytz": 0.5}
    assert (pandas.location.file, pandas.location.line) == ("/home/ana/ocr/ocr/data/table.py", 3)
    assert causes(breakdown) == {
        ("gained", "pandas"): pytest.approx(2.5),
        ("lost", "simplejson"): pytest.approx(-1.0),
        ("built", "ocr.data.OCRDataset"): pytest.approx(1.0),
        ("more_modules", "torch"): pytest.approx(0.5),
    }


def test_what_is_called_and_not_built_is_named_for_what_it_does():
    check = [built("sanity_check", 0.0, seconds) for seconds in (1.0, 2.0)]
    one, other = (start([3.0 + n] * 3, [("sanity_check", 3.0 + n)], constructions=[check[n]]) for n in (0, 1))
    (cause,) = start_breakdown(one, other, name="start").causes
    assert cause_name(cause) == "the sanity check"
    assert cause_name(cause.model_copy(update={"name": "ocr.OCRDataset"})) == "building ocr.OCRDataset"


def test_a_slower_package_and_more_of_its_modules_are_two_causes():
    one = start([4.0] * 3, [("imports", 4.0)], imports=[load("torch", 0.0, 2.0)])
    other = start(
        [4.5] * 3, [("imports", 4.5)], imports=[load("torch", 0.0, 2.5, inside=0.2), load("torch.fx", 1.0, 0.2)]
    )
    found = causes(start_breakdown(one, other, name="start"))
    assert found[("more_modules", "torch")] == pytest.approx(0.2)
    assert found[("slower", "torch")] == pytest.approx(0.3)


def test_a_load_inside_something_built_is_not_counted_twice():
    """A data set of two seconds that loads a module of one: one second each."""
    plain = start([3.0] * 3, [("data", 3.0)], constructions=[built("D", 0.0, 1.0)])
    loading = start(
        [4.0] * 3, [("data", 4.0)], constructions=[built("D", 0.0, 2.0)], imports=[load("pandas", 0.5, 1.0)]
    )
    assert causes(start_breakdown(plain, loading, name="start")) == {("gained", "pandas"): pytest.approx(1.0)}


def test_a_change_inside_the_spread_of_the_runs_is_called_noise():
    wide = [("imports", 4.0), ("data", 2.0)]
    breakdown = start_breakdown(
        start([5.5, 5.8, 6.0, 6.2, 6.4], wide), start([5.6, 5.9, 6.1, 6.3, 6.6], [("imports", 4.1), ("data", 2.0)]),
        name="start",
    )  # fmt: skip
    assert breakdown.inside_noise
    assert [cause.inside_noise for cause in breakdown.causes] == [True]
    assert "inside the noise" in compare(before(), before()).headline


def test_a_new_import_is_no_noise_however_short():
    report = compare(before(), after())
    kinds = {cause.kind: cause.inside_noise for cause in report.breakdowns[0].causes}
    assert kinds["gained"] is False
    assert kinds["lost"] is False
    assert report.breakdowns[0].inside_noise is False


def test_nothing_is_said_of_noise_below_three_runs():
    segments = [("imports", 4.0)]
    breakdown = start_breakdown(start([4.0], segments), start([4.4], [("imports", 4.4)]), name="start")
    assert breakdown.inside_noise is None
    assert breakdown.difference_ci95 is None
    assert [cause.inside_noise for cause in breakdown.causes] == [None]


def test_the_medians_of_an_even_number_of_runs_leave_a_rest_that_is_named():
    one = start([4.0, 5.0], [("imports", 4.0)])
    other = start([6.0, 8.0], [("imports", 6.0)])
    breakdown = start_breakdown(one, other, name="start")
    assert breakdown.difference_seconds == pytest.approx(statistics.median([6, 8]) - statistics.median([4, 5]))
    assert missing_ns(breakdown) == 0
    assert causes(breakdown)[("rest", "other runs")] == pytest.approx(0.5)


def test_a_report_without_a_timeline_is_compared_by_whole_phases():
    """As versions before it wrote them."""
    report = compare(startup_report(), before())
    assert missing_ns(report.breakdowns[0]) == 0
    assert {cause.kind for cause in report.breakdowns[0].causes} == {"phase"}
    assert any("holds no timeline" in note for note in report.notes)


def test_sets_tell_what_came_and_went_with_its_line_and_seconds():
    report = compare(before(), after())
    pandas = next(item for item in report.added["packages"] if item.name == "pandas")
    assert (pandas.location.line, round(pandas.seconds, 6)) == (3, 1.0)
    assert [item.name for item in report.removed["packages"]] == ["simplejson"]
    assert [item.name for item in report.added["modules"]] == ["torch.fx", "pandas", "numpy", "pytz"]


def test_a_baseline_is_compared_with_a_start_by_its_start():
    report = compare(startup_report(), baseline_report())
    assert report.of_kind == "startup"
    assert "one report is a baseline: of it the start is compared" in report.notes


def test_batches_are_explained_by_their_parts_exactly():
    slow = baseline_report()
    loops = [loop.model_copy(update={"parts": {**loop.parts, "forward": [2 * one for one in loop.parts["forward"]]},
                                     "batch_seconds": [1.3 * one for one in loop.batch_seconds]})
             for loop in slow.loops]  # fmt: skip
    config = {"data": {"batch_size": 16}, "seed": 42, "new": {"key": None}}
    report = compare(baseline_report(), slow.model_copy(update={"loops": loops, "config": config}))
    assert [one.name for one in report.breakdowns] == ["time to first step", *BATCHES]
    for breakdown in report.breakdowns:
        assert missing_ns(breakdown) == 0
    forward = next(cause for cause in report.breakdowns[1].causes if cause.name == "forward")
    assert forward.seconds == pytest.approx(0.3 * 0.21, rel=0.01)
    assert report.breakdowns[1].inside_noise is None
    changed = {one.name: (one.base, one.candidate) for one in report.changed["configuration"]}
    assert changed == {
        "data.batch_size": ("12", "16"),
        "wandb.api_key": ("***", None),
        "new.key": (None, "null"),
    }


BATCHES = ["a training batch", "a validation batch"]


def test_baselines_without_starts_are_compared_by_their_metrics():
    """As those made of W&B runs are."""
    bare = baseline_report(startup=None, run=None, loops=[], memory=None)
    report = compare(bare, bare.model_copy(update={"metrics": {"performance/val_batch_mean": 0.5}}))
    assert report.breakdowns == []
    (row, _) = report.tables["metrics"]
    assert (row.name, row.base, row.candidate) == ("performance/val_batch_mean", 0.4362, 0.5)


def test_machines_that_differ_are_told_field_by_field():
    other = before().environment.model_copy(
        update={"cpu": "Intel Xeon", "libraries": {"torch": "2.8.0"}, "memory_bytes": 2**33}
    )
    report = compare(before(), before().model_copy(update={"environment": other}))
    told = {(field.tier, field.name): (field.base, field.candidate) for field in report.mismatches}
    assert told[("refuse", "processor")] == ("AMD EPYC 7763", "Intel Xeon")
    assert told[("treatment", "torch")] == ("2.9.0", "2.8.0")
    assert told[("warn", "memory")] == ("32.0 GiB", "8.00 GiB")
    assert report.exit_code == 0
    assert "unlike machines" in report.notes[0]


def test_unlike_machines_are_judged_only_where_that_is_asked_for():
    other = after().model_copy(update={"environment": before().environment.model_copy(update={"cpu": "Intel Xeon"})})
    assert compare(before(), other, gate=True).exit_code == 4
    assert compare(before(), other, gate=True).verdict == "not_comparable"
    assert compare(before(), other, gate=True, allow_mismatch=True).exit_code == 1


def test_a_start_that_is_slower_for_certain_fails_the_gate():
    report = compare(before(), after(), gate=True)
    (metric,) = report.judged
    assert (report.verdict, report.exit_code) == ("regressed", 1)
    assert metric.ratio == pytest.approx(1.3, rel=0.01)
    assert metric.p_fw == pytest.approx(1 / 252)
    assert "rank-sum" in report.test
    back = compare(after(), before(), gate=True)
    assert (back.verdict, back.exit_code) == ("improved", 0)


def test_a_slowdown_below_the_effect_asked_for_does_not_fail():
    report = compare(before(), after(), gate=True, min_effect=0.5)
    assert report.exit_code == 0
    assert report.verdict == "inconclusive"


def test_too_few_runs_can_never_fail_the_gate_and_say_how_many_can():
    few = [start(seconds, [("imports", seconds[1])]) for seconds in ([4.0, 4.1, 4.2], [8.0, 8.1, 8.2])]
    report = compare(*few, gate=True)
    assert (report.verdict, report.exit_code) == ("inconclusive", 0)
    assert report.judged[0].reason == "3 and 3 runs can never confirm it at 1 %: 5 on each side can"


def test_equal_starts_are_ok():
    seconds = [10.0 + 0.01 * number for number in range(7)]
    same = start(seconds, [("imports", 10.03)])
    assert compare(same, same, gate=True).verdict == "ok"


def test_a_check_given_twice_is_judged_by_its_pairs_as_it_was():
    report = compare(check_report(), check_report(), gate=True)
    slow = next(metric for metric in report.judged if metric.name == "time_to_first_step_seconds")
    assert slow.verdict == "regressed"
    assert slow.ratio == pytest.approx(1.12, rel=0.02)
    assert slow.n == 12
    assert "by pairs" in report.test
    assert report.exit_code == 1


def test_a_check_of_its_first_stage_alone_is_judged_by_its_pairs_as_it_was():
    """Ten pairs told enough, and were tested; where nothing looked slower after them, nothing was."""
    made = check_report()
    design = made.design.model_copy(update={"num_pairs_first": 12, "num_pairs_max": 28})
    tested = made.model_copy(update={"design": design})
    assert compare(tested, tested, gate=True).exit_code == 1
    untested = [metric.model_copy(update={"p_fw": None}) for metric in made.metrics]
    stopped = tested.model_copy(update={"metrics": untested})
    assert compare(stopped, stopped, gate=True).exit_code == 0


def test_pairs_that_a_check_left_out_are_left_out_of_its_comparison():
    stolen = [
        one.model_copy(update={"covariates": {"stolen_seconds": 0.5 * one.wall_seconds}}) if one.pair == 3 else one
        for one in launches()
    ]
    made = check_report(launches=stolen)
    report = compare(
        made, made.model_copy(update={"design": made.design.model_copy(update={"max_steal": 0.1})}), gate=True
    )
    assert {metric.n for metric in report.judged} == {11}


def test_a_figure_that_one_side_lacks_is_inconclusive():
    without = [one.model_copy(update={"started": "later", "values": {}}) for one in launches()]
    report = compare(check_report(), check_report(launches=without), gate=True)
    assert report.exit_code == 0
    assert {metric.reason for metric in report.judged} == {"one side has no run that counts"}
    nothing = [
        one.model_copy(update={"started": "later", "values": dict.fromkeys(one.values, 0.0)}) for one in launches()
    ]
    report = compare(check_report(), check_report(launches=nothing), gate=True)
    assert {metric.reason for metric in report.judged} == {"0 in some runs: no ratio can be had of it"}


def test_two_checks_are_judged_unpaired_by_their_candidates():
    later = check_report(launches=[one.model_copy(update={"started": f"later {one.number}"}) for one in launches()])
    report = compare(check_report(), later, gate=True)
    assert "unpaired" in report.test
    assert {metric.verdict for metric in report.judged} <= {"ok", "inconclusive"}
    assert [metric.name for metric in report.judged] == [info.name for info in INFOS if info.gated]


def sweep(*rates: float) -> SweepReport:
    made = startup_report()
    points = [
        SweepPoint(
            setting={"num_workers": number}, num_workers=number, status="ok", num_trials=3, samples_per_sec=rate,
            samples_per_sec_ci95=(0.98 * rate, 1.02 * rate), stages={"decode": 1 / rate, "collate": 0.001},
        )
        for number, rate in enumerate(rates)
    ]  # fmt: skip
    return SweepReport(
        created=made.created, tool=made.tool, target=made.target, environment=made.environment, settings=[],
        within=0.05, max_wait=0.05, num_rounds=3, seed=1, points=points,
    )  # fmt: skip


def test_sweeps_are_compared_point_by_point_and_by_stage():
    report = compare(sweep(100, 180), sweep(101, 120, 240))
    rows = {row.name: (row.base, row.candidate, row.inside_noise) for row in report.tables["throughput"]}
    assert rows == {
        "0 workers": (100, 101, True),
        "1 worker": (180, 120, False),
        "2 workers": (None, 240, None),
    }
    assert [one.name for one in report.breakdowns] == [
        f"a sample inside the workers, {n}" for n in ("0 workers", "1 worker")
    ]
    assert all(missing_ns(one) == 0 for one in report.breakdowns)
    assert causes(report.breakdowns[1]) == {("slower", "decode"): pytest.approx(1 / 120 - 1 / 180)}


def ablation(fetch: float) -> AblationReport:
    made = startup_report()
    epoch = Epoch(loop="train", seconds=1 + fetch, num_batches=4, parts={"forward": 0.9, "fetch": fetch})
    trials = [
        Trial(round=number, position=0, status="reached", wall_seconds=9, epochs=[epoch, epoch, epoch])
        for number in (1, 2, 3)
    ]
    return AblationReport(
        created=made.created, tool=made.tool, target=made.target, environment=made.environment,
        features=[Feature(name="cache", on=["c=1"], off=["c=0"])], designs=["alone"], num_rounds=3, seed=1,
        arms=[Arm(on=[], arguments=[], trials=trials), Arm(on=["cache"], arguments=[], trials=trials)],
    )  # fmt: skip


def test_ablations_are_compared_setting_by_setting_and_by_the_parts_of_an_epoch():
    report = compare(ablation(0.5), ablation(0.8))
    rows = {row.name: (row.base, row.candidate) for row in report.tables["a later epoch"]}
    assert rows == {"all off": (1.5, 1.8), "cache": (1.5, 1.8)}
    for breakdown in report.breakdowns:
        assert causes(breakdown) == {("slower", "fetch"): pytest.approx(0.3)}
        assert missing_ns(breakdown) == 0


@pytest.mark.parametrize(
    ("base", "candidate", "message", "exit_code"),
    [
        (startup_report, check_report, "kind startup cannot be compared with one of kind check", 4),
        (doctor_report, doctor_report, "kind doctor hold no times", 2),
        (
            before,
            lambda: start([1.0], [("imports", 1.0)], until="exit"),
            "different ends: until first-step and exit",
            4,
        ),
        (startup_report, lambda: baseline_report(startup=None), "holds no start", 4),
        (before, lambda: before().model_copy(update={"probe": "help"}), "probe None and help", 4),
    ],
)
def test_what_cannot_be_compared_is_refused_with_its_exit_code(base, candidate, message, exit_code):
    with pytest.raises(OcrprofError, match=message) as raised:
        compare(base(), candidate())
    assert raised.value.exit_code == exit_code
    assert raised.value.hint


def test_a_comparison_is_written_and_read_back(tmp_path):
    report = compare(before(), after(), gate=True)
    write_report(report, tmp_path)
    assert read_report(tmp_path) == report
    assert json.loads((tmp_path / "report.json").read_text())["kind"] == "compare"


def test_a_new_import_is_told_however_small_beside_a_large_change():
    one = start([4.0] * 3, [("imports", 1.0), ("model", 3.0)], imports=[load("torch", 0.0, 1.0)])
    other = start(
        [9.0] * 3, [("imports", 1.001), ("model", 7.999)], imports=[load("torch", 0.0, 1.0), load("tiny", 1.0, 0.001)]
    )
    breakdown = start_breakdown(one, other, name="start")
    assert causes(breakdown)[("gained", "tiny")] == pytest.approx(0.001)
    assert missing_ns(breakdown) == 0


def test_more_modules_of_a_package_are_told_with_the_programs_line_behind_them():
    """torchvision, imported at line 2, makes torch load more: the line and torchvision are named, not torch's own."""
    one = start([4.0] * 3, [("imports", 4.0)], imports=[load("torch", 0.0, 2.0)])
    other = start(
        [6.0] * 3, [("imports", 6.0)],
        imports=[load("torch", 0.0, 2.0), load("torchvision", 2.0, 3.0, inside=2.0, line=2),
                 load("torch.fx", 2.5, 1.0, importer="torchvision", depth=1, line=9, file="/venv/torchvision.py"),
                 load("torch.jit", 3.5, 1.0, importer="torchvision", depth=1, line=9, file="/venv/torchvision.py")],
    )  # fmt: skip
    cause = next(one for one in start_breakdown(one, other, name="start").causes if one.kind == "more_modules")
    assert cause.detail == "2 modules, by torchvision"
    assert (cause.location.file, cause.location.line) == ("/home/ana/ocr/train.py", 2)


def test_without_times_that_add_up_the_headline_is_what_changed_most():
    without_stages = [
        report.model_copy(update={"points": [point.model_copy(update={"stages": {}}) for point in report.points]})
        for report in (sweep(100, 180), sweep(101, 120, 240))
    ]
    report = compare(*without_stages)
    assert report.breakdowns == []
    assert report.headline == "throughput, 1 worker: 180 samples/s → 120 samples/s (−33.3 %)"


def test_a_count_is_told_to_its_last_digit():
    assert value_text(1_234_567, "count") == "1234567"


def test_the_interval_of_a_difference_of_means_is_one_of_means():
    """Of ten runs four became five seconds slower: the medians are as they were, and the means are not."""
    steady, spiked = [{"fetch": 1.0}] * 10, [{"fetch": 1.0}] * 6 + [{"fetch": 6.0}] * 4
    found = parts_breakdown("a batch", steady, spiked, of="runs")
    assert found.difference_seconds == pytest.approx(2.0)
    low, high = found.difference_ci95
    assert low < 2.0 < high
    assert found.inside_noise is False
