"""Rules on a measured training run: validation, its parts, waits for data."""

import pytest
from judged import baseline_of, codes, loop_of, one_of
from reports_fixture import run

from ocrprof.findings import judge_baseline
from ocrprof.findings.teardown import slow_exit_of_run
from ocrprof.findings.throughput import starved
from ocrprof.findings.validation import bottlenecks, slow_validation
from ocrprof.results.model import Location, Part, Phase


def validation(**parts):
    return loop_of("validation", **parts)


def training(**parts):
    return loop_of("train", **parts)


def test_post_processing_that_dominates_validation_is_named_with_its_line_and_seconds():
    report = baseline_of(validation(forward=0.05, DBPostprocess=0.14, metric=0.01))
    finding = one_of(bottlenecks(report), "polygon-bottleneck")
    assert finding.title == "DBPostprocess takes 70.0 % of the validation"
    assert finding.seconds == pytest.approx(1.4)
    assert finding.priority == "P0"
    assert finding.location == Location(file="/home/ana/ocr/dbpostprocess.py", line=7)
    assert finding.evidence["forward_seconds"] == pytest.approx(0.5)
    assert "DBPostprocess (ocr/dbpostprocess.py:7) takes 35.0 ms a sample" in finding.advice
    assert "Without it this validation would have taken 600 ms" in finding.advice


def test_a_metric_that_dominates_validation_is_a_finding_of_its_own():
    finding = one_of(bottlenecks(baseline_of(validation(forward=0.05, metric=0.1))), "metric-bottleneck")
    assert finding.title == "The metric takes 66.7 % of the validation"


def test_a_metric_that_works_after_the_last_batch_is_to_be_updated_batch_by_batch():
    compute = Part(name="metric", seconds=3.0, location=Location(file="/home/ana/ocr/cleval.py", line=90))
    loop = loop_of("validation", outside=[compute, Part(name="rest", seconds=0.1)], forward=0.1)
    finding = one_of(bottlenecks(baseline_of(loop)), "metric-bottleneck")
    assert finding.seconds == pytest.approx(3.0)
    assert finding.evidence["after_the_batches_seconds"] == pytest.approx(3.0)
    assert finding.location is not None and finding.location.line == 90
    assert "update it batch by batch" in finding.advice


def test_post_processing_that_takes_a_small_share_or_little_time_is_left_alone():
    assert bottlenecks(baseline_of(validation(forward=0.1, DBPostprocess=0.03, metric=0.01))) == []
    assert bottlenecks(baseline_of(validation(forward=0.001, DBPostprocess=0.009))) == []


def test_the_forward_pass_and_the_frameworks_own_parts_are_no_bottleneck_of_this_kind():
    assert bottlenecks(baseline_of(validation(forward=0.5, fetch=0.4, rest=0.3, transfer=0.3))) == []


def test_a_validation_that_is_slower_than_training_is_measured_by_the_sample():
    report = baseline_of(
        loop_of("train", batch_size=4, forward=0.04, backward=0.06),
        loop_of("validation", batch_size=8, forward=0.08, DBPostprocess=0.32),
    )
    finding = one_of(slow_validation(report), "slow-validation")
    assert finding.title == "A sample takes 2.0 × as long to validate as to train on"
    assert finding.evidence["ratio"] == pytest.approx(2.0)
    assert finding.evidence["validation_sample_seconds"] == pytest.approx(0.05)
    assert finding.seconds == pytest.approx(2.0)  # half of ten batches of 0.4 s
    assert finding.location is not None and finding.location.file.endswith("dbpostprocess.py")
    assert (
        "DBPostprocess (ocr/dbpostprocess.py:7) makes most of the difference: 40.0 ms a sample more" in finding.advice
    )
    assert "validating a sample would take 10.0 ms, training on it 25.0 ms" in finding.advice


def test_without_batch_sizes_batches_are_compared():
    report = baseline_of(training(batch_size=None, forward=0.1), validation(batch_size=None, forward=0.2))
    assert one_of(slow_validation(report), "slow-validation").title.startswith("A batch takes 2.0 ×")


def test_a_validation_that_is_about_as_fast_as_training_is_left_alone():
    assert slow_validation(baseline_of(training(forward=1.0), validation(forward=1.15))) == []
    assert slow_validation(baseline_of(training(forward=0.1, backward=0.2), validation(forward=0.1))) == []


def test_larger_validation_batches_are_not_slower_validation():
    report = baseline_of(loop_of("train", batch_size=4, forward=0.1), loop_of("validation", batch_size=16, forward=0.4))
    assert slow_validation(report) == []


def test_too_few_batches_are_not_compared():
    report = baseline_of(training(batches=3, warmup=0, forward=0.1), validation(forward=0.9))
    assert slow_validation(report) == []
    assert slow_validation(baseline_of(validation(forward=0.9))) == []


def test_training_that_waits_for_data_is_starved_by_what_it_waited():
    finding = one_of(starved(baseline_of(training(fetch=0.03, forward=0.04, backward=0.03))), "starved")
    assert finding.title == "Training waits for data for 30.0 % of the time"
    assert finding.seconds == pytest.approx(8 * 0.03)  # ten batches, two of them warm-up
    assert finding.evidence["wait_a_batch_seconds"] == pytest.approx(0.03)
    assert "num_workers=0" in finding.advice and "1.43 × as fast, at most" in finding.advice


def test_workers_that_do_not_keep_up_are_told_by_the_cores_there_are():
    few = one_of(starved(baseline_of(training(num_workers=2, fetch=0.03, forward=0.07))), "starved")
    assert (
        "(num_workers=2) does not keep up" in few.advice and "Try more workers (there are 8 usable cores)" in few.advice
    )
    many = one_of(starved(baseline_of(training(num_workers=8, fetch=0.03, forward=0.07))), "starved")
    assert "With 8 usable cores more workers will not help" in many.advice


def test_the_mean_wait_is_judged_not_the_median():
    loop = training(num_workers=4, fetch=0.0, forward=0.1)
    waits = [0.0, 0.0, 0.4, 0.0, 0.0, 0.0, 0.4, 0.0, 0.0, 0.0]
    bursts = loop.model_copy(
        update={"parts": {**loop.parts, "fetch": waits}, "batch_seconds": [0.1 + wait for wait in waits]}
    )
    assert one_of(starved(baseline_of(bursts)), "starved").share == pytest.approx(0.5)


def test_a_wait_below_five_percent_or_in_warm_up_alone_is_left_alone():
    assert starved(baseline_of(training(fetch=0.004, forward=0.096))) == []
    loop = training(fetch=0.0, forward=0.1)
    first = loop.model_copy(update={"parts": {**loop.parts, "fetch": [5.0, 5.0] + [0.0] * 8}})
    assert starved(baseline_of(first)) == []
    assert starved(baseline_of(training(batches=3, warmup=0, fetch=0.1, forward=0.1))) == []


def test_the_teardown_of_the_measured_run_is_judged_by_that_run():
    measured = run()
    ended = measured.model_copy(
        update={
            "phases": [*measured.phases, Phase(name="exit", seconds=9.0)],
            "wall_seconds": measured.wall_seconds + 9.0,
        }
    )
    assert one_of(slow_exit_of_run(baseline_of(run=ended)), "slow-exit").seconds == 9.0
    assert slow_exit_of_run(baseline_of(run=measured)) == []
    assert slow_exit_of_run(baseline_of()) == []


def test_a_baseline_is_judged_worst_first():
    report = baseline_of(
        training(fetch=0.01, forward=0.05, backward=0.04), validation(forward=0.05, DBPostprocess=0.3, metric=0.12)
    )
    found = judge_baseline(report)
    assert codes(found) == ["slow-validation", "polygon-bottleneck", "metric-bottleneck", "starved"]
    assert [finding.priority for finding in found] == sorted(finding.priority for finding in found)


def test_a_balanced_run_has_no_findings():
    report = baseline_of(
        training(fetch=0.001, forward=0.05, backward=0.05), validation(forward=0.05, DBPostprocess=0.01)
    )
    assert judge_baseline(report) == []
    assert judge_baseline(baseline_of()) == []
