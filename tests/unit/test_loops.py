"""Batches of Lightning and of plain PyTorch loops, and the parts that they are made of."""

import pytest
from recorded import process, span

from ocrprof.results.loops import build_loops, performance_metrics
from ocrprof.results.model import Memory

POST = "ocr.detection.postprocess.DBPostprocess"


def loops_of(*spans):
    return {loop.name: loop for loop in build_loops([process(marks={"first-step": 1}, spans=spans)])}


def milliseconds(loop):
    return {name: [round(seconds * 1000, 6) for seconds in values] for name, values in loop.parts.items()}


def lightning_batch(start, index, *, loader=1, wait=10):
    """One training batch of 100 ms as Lightning nests it: the step runs inside the optimizer's closure."""
    return [
        span("train.batch", start, start + 100, i=index),
        span("fetch", start, start + wait, loader=loader, n=index, batch_size=4, grad=True, num_workers=2),
        span("transfer", start + wait, start + wait + 5),
        span("optimizer.step", start + 20, start + 95),
        span("training_step", start + 22, start + 60, loc=("/ocr/module.py", 40)),
        span("forward", start + 25, start + 45, loc=("/ocr/dbnet.py", 9), **{"class": "ocr.DBNet"}),
        span("backward", start + 60, start + 85),
    ]


def val_batch(start, index, *, sanity=False, length=100):
    return [
        span("val.batch", start, start + length, i=index, sanity=sanity),
        span("fetch", start, start + 10, loader=9, n=index, batch_size=8, grad=False, num_workers=0),
        span("validation_step", start + 10, start + length - 5, loc=("/ocr/module.py", 60)),
        span("forward", start + 10, start + 30, loc=("/ocr/dbnet.py", 9)),
        span("component", start + 30, start + 80, loc=("/ocr/postprocess.py", 33), **{"class": POST}),
        span("metric.update", start + 80, start + 90, loc=("/ocr/cleval.py", 70)),
    ]


def test_a_lightning_batch_is_exactly_its_parts():
    train = loops_of(*lightning_batch(0, 0), *lightning_batch(200, 1, wait=20))["train"]
    assert milliseconds(train)["fetch"] == [10, 20]
    for batch, parts in zip(train.batch_seconds, zip(*train.parts.values(), strict=True), strict=True):
        assert sum(parts) == pytest.approx(batch, abs=1e-12)
    assert train.batch_seconds == pytest.approx([0.1, 0.1])


def test_the_optimizers_part_is_not_the_step_that_runs_inside_it():
    train = loops_of(*lightning_batch(0, 0))["train"]
    assert milliseconds(train) == {
        "fetch": [10],
        "transfer": [5],
        "forward": [20],
        "backward": [25],
        "optimizer": [12],
        "rest": [28],
    }


def test_a_validation_batch_names_its_post_processing_and_its_metric_with_their_lines():
    validation = loops_of(*val_batch(0, 0), *val_batch(100, 1))["validation"]
    assert milliseconds(validation) == {
        "fetch": [10, 10],
        "forward": [20, 20],
        "metric": [10, 10],
        "rest": [10, 10],
        "DBPostprocess": [50, 50],
    }
    assert validation.part_locations["DBPostprocess"].file == "/ocr/postprocess.py"
    assert validation.part_locations["metric"].line == 70
    assert (validation.batch_size, validation.num_workers) == (8, 0)


def test_batches_of_the_sanity_check_are_no_validation():
    assert loops_of(*val_batch(0, 0, sanity=True), *lightning_batch(200, 0)).keys() == {"train"}


def test_the_call_that_finds_the_loader_exhausted_is_no_batch():
    spans = [*lightning_batch(0, 0), span("train.batch", 100, 101), span("fetch", 100, 101, loader=1, stop=True)]
    assert loops_of(*spans)["train"].num_batches == 1


def test_a_batch_that_failed_is_no_batch_and_a_fetch_outside_is_no_plain_loop():
    spans = [span("train.batch", 0, 90, i=0, error="RuntimeError"), span("fetch", 1, 9, loader=1, n=0)]
    assert loops_of(*spans) == {}


def test_a_validation_is_as_long_as_its_epoch_and_says_what_is_outside_its_batches():
    spans = [
        span("val.epoch", 0, 400, sanity=False),
        *val_batch(20, 0),
        *val_batch(120, 1),
        span("metric.compute", 250, 380, loc=("/ocr/cleval.py", 90)),
    ]
    validation = loops_of(*spans)["validation"]
    assert validation.total_seconds == pytest.approx(0.4)
    assert sum(validation.batch_seconds) == pytest.approx(0.2)
    outside = {part.name: (round(part.seconds * 1000), part.location) for part in validation.outside_batches}
    assert outside["metric"][0] == 130
    assert outside["metric"][1] is not None and outside["metric"][1].line == 90
    assert outside["rest"][0] == 70


def test_a_batch_that_was_fetched_ahead_does_not_overlap_the_one_before():
    spans = [span("val.batch", 0, 100, i=0), span("fetch", 0, 10, loader=1), span("val.batch", 5, 190, i=1)]
    assert loops_of(*spans)["validation"].batch_seconds == pytest.approx([0.1, 0.09])


def test_warm_up_is_set_apart_and_every_batch_is_kept():
    spans = [one for index in range(12) for one in val_batch(index * 1000, index, length=900 if index < 3 else 100)]
    validation = loops_of(*spans)["validation"]
    assert (validation.num_batches, validation.num_warmup) == (12, 3)
    assert validation.batch_seconds[:4] == pytest.approx([0.9, 0.9, 0.9, 0.1])
    assert validation.mean_seconds == pytest.approx(0.1)
    assert validation.p99_seconds == pytest.approx(0.1)
    assert validation.samples_per_sec == pytest.approx(80.0)


def test_a_few_batches_have_no_warm_up():
    assert loops_of(*val_batch(0, 0), *val_batch(100, 1), *val_batch(200, 2))["validation"].num_warmup == 0


def test_percentiles_are_linear_and_the_deviation_is_the_samples():
    lengths = [100, 110, 120, 130]
    spans = [one for index, length in enumerate(lengths) for one in val_batch(index * 1000, index, length=length)][6:]
    validation = loops_of(*spans)["validation"]
    assert validation.median_seconds == pytest.approx(0.120)
    assert validation.p95_seconds == pytest.approx(0.129)
    assert validation.std_seconds == pytest.approx(0.01)


def test_two_components_of_one_bare_name_are_told_in_full():
    def component(start, name):
        return span("component", start, start + 10, **{"class": name})

    spans = [
        span("val.batch", 0, 100, i=0),
        component(0, "a.Decode"),
        component(20, "b.Decode"),
        component(40, "ocr.metric"),  # a part's own name
        component(60, "c.Draw"),
    ]
    assert set(loops_of(*spans)["validation"].parts) == {"a.Decode", "b.Decode", "ocr.metric", "Draw", "rest"}


def plain_epoch(start, loader, *, num_batches, step, grad=True, length=100, exhausted=True):
    """An iterator's fetches of 10 ms, one each `length` ms, each followed by an optimizer step where `step`."""
    spans = []
    for index in range(num_batches):
        at = start + index * length
        spans.append(span("fetch", at, at + 10, loader=loader, n=index, batch_size=8, grad=grad, num_workers=0))
        if step:
            spans.append(span("optimizer.step", at + 50, at + 70))
    if exhausted:
        at = start + num_batches * length
        spans.append(span("fetch", at, at + 1, loader=loader, stop=True))
    return spans


def test_a_plain_training_loop_has_a_batch_from_fetch_to_fetch():
    train = loops_of(*plain_epoch(0, 0, num_batches=4, step=True))["train"]
    assert train.batch_seconds == pytest.approx([0.1] * 4)
    assert milliseconds(train)["fetch"] == [10] * 4
    assert milliseconds(train)["optimizer"] == [20] * 4
    assert milliseconds(train)["rest"] == [70] * 4


def test_the_last_batch_of_a_loop_that_was_left_early_ends_with_its_last_call():
    train = loops_of(*plain_epoch(0, 0, num_batches=3, step=True, exhausted=False))["train"]
    assert train.batch_seconds == pytest.approx([0.1, 0.1, 0.07])


def test_an_iterator_without_an_optimizer_step_between_its_fetches_is_an_evaluation():
    spans = [
        *plain_epoch(0, 0, num_batches=4, step=True),
        *plain_epoch(500, 1, num_batches=3, step=False),  # gradients not even switched off at the fetch
        *plain_epoch(1000, 2, num_batches=4, step=True),
    ]
    loops = loops_of(*spans)
    assert loops["train"].num_batches == 8
    assert loops["validation"].batch_seconds == pytest.approx([0.1] * 3)


def test_an_evaluation_of_one_batch_before_the_next_training_step_is_one():
    spans = [
        span("fetch", 0, 10, loader=0, n=0, grad=True),
        *plain_epoch(20, 1, num_batches=1, step=False, grad=False),
        span("optimizer.step", 200, 220),
        span("fetch", 300, 301, loader=0, stop=True),
    ]
    loops = loops_of(*spans)
    assert loops["train"].num_batches == 1
    assert loops["validation"].num_batches == 1


def test_an_evaluation_that_was_left_early_is_not_trained_on_by_the_step_that_follows():
    spans = [
        span("fetch", 0, 10, loader=0, n=0, grad=True),
        *plain_epoch(20, 1, num_batches=2, step=False, grad=False, exhausted=False),
        span("optimizer.step", 250, 260),
        span("fetch", 300, 301, loader=0, stop=True),
    ]
    loops = loops_of(*spans)
    assert (loops["train"].num_batches, loops["validation"].num_batches) == (1, 2)


def test_an_evaluation_in_the_middle_of_a_training_batch_is_no_part_of_it():
    spans = [
        span("fetch", 0, 10, loader=0, n=0),
        span("optimizer.step", 50, 60),
        *plain_epoch(100, 1, num_batches=3, step=False),
        span("fetch", 500, 510, loader=0, n=1),
        span("optimizer.step", 550, 560),
        span("fetch", 600, 601, loader=0, stop=True),
    ]
    loops = loops_of(*spans)
    assert loops["train"].batch_seconds == pytest.approx([0.5 - 0.301, 0.1])
    assert milliseconds(loops["train"])["fetch"] == [10, 10]
    assert loops["validation"].num_batches == 3


def test_zipped_training_loaders_are_one_loop_that_fetches_from_both():
    spans = []
    for index in range(3):
        at = index * 100
        spans += [
            span("fetch", at, at + 10, loader=0, n=index),
            span("fetch", at + 10, at + 30, loader=1, n=index),
            span("optimizer.step", at + 50, at + 60),
        ]
    spans.append(span("fetch", 300, 301, loader=0, stop=True))
    loops = loops_of(*spans)
    assert loops.keys() == {"train"}
    assert milliseconds(loops["train"])["fetch"] == [30, 30, 30]


def test_spans_of_other_threads_are_no_batches():
    assert loops_of(span("fetch", 0, 10, loader=0, thread=5), span("optimizer.step", 20, 30, thread=5)) == {}


def test_a_program_that_recorded_nothing_has_no_loops():
    assert build_loops([]) == []


def test_the_audited_keys_hold_seconds_gib_and_percent():
    loops = loops_of(*[one for index in range(4) for one in val_batch(index * 100, index)]).values()
    memory = Memory(peak_rss_bytes=1, share_of_machine=0.078, gpu_allocated_bytes=2**29, gpu_reserved_bytes=6 * 2**30)
    metrics = performance_metrics(loops, memory=memory)
    assert metrics == pytest.approx(
        {
            "performance/val_batch_mean": 0.09,
            "performance/val_batch_median": 0.09,
            "performance/val_batch_p95": 0.09,
            "performance/val_batch_p99": 0.09,
            "performance/val_batch_std": 0.0,
            "performance/val_batch_time": 0.09,  # between the hooks: 10 ms of fetching lie before them
            "performance/val_batch_idx": 3,
            "performance/val_epoch_time": 0.4,
            "performance/val_num_batches": 4,
            "performance/cpu_memory_percent": 7.8,
            "performance/gpu_memory_gb": 0.5,
            "performance/gpu_memory_reserved_gb": 6.0,
        }
    )
