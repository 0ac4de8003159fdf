"""A trial from hand-made records: what the recorder wrote becomes figures, in seconds, and a status."""

from pathlib import Path

import pytest

from ocrprof.records import Mark, ProcessRecords
from ocrprof.results.model import LoaderSetting
from ocrprof.results.sweep_failures import Ending
from ocrprof.results.sweep_trial import Asked, TrialRun, build_trial

S = 1_000_000_000
LOADER = {
    "number": 0, "role": "train", "loc": ["/home/ana/train.py", 12], "dataset": "Pages", "sampler": "RandomSampler",
    "num_samples": 100, "num_batches": 25, "batch_size": 4, "num_workers": 8, "prefetch_factor": 2,
    "persistent_workers": False, "pin_memory": True, "in_order": True, "start_method": "fork", "chosen": True,
}  # fmt: skip
FACTS = {
    "sweep.loader.0": LOADER,
    "sweep.taken": {"at": 12 * S, "notes": ["a note"]},
    "sweep.workers": {"at": 13 * S, "iter": S // 2, "pids": [7, 8]},
    "sweep.first": {"at": 13 * S, "first": S, "batch_bytes": 1000, "num_tensors": 2},
    "sweep.blocks": {
        "fill": 2 * S, "discarded": 10, "blocks": [[S, 8, 32], [2 * S, 8, 30]], "capped": True, "first": 14 * S,
        "last": 20 * S, "notes": ["a note", "another"], "indices": [],
        "cost": {"cpu_main": S, "cpu_workers": None, "read_bytes": 5, "read_chars": 9, "throttled": 0,
                 "num_throttled": 0, "pss_peak": 99, "shm_peak": 9},
    },
    "sweep.waits": {"wait": [S, S], "compute": [4 * S, 4 * S], "num_batches": [8, 8], "oversleep": 1000},
    "sweep.exit": {"at": 21 * S, "slow": False},
}  # fmt: skip


def process(pid=1, *, role="main", totals=FACTS, marks=()):
    return ProcessRecords(
        pid=pid, parent_pid=0, start_ns=pid, role=role, path=Path("x"), totals=totals, marks=tuple(marks)
    )


def worker(pid, ready, rows=()):
    totals = {"sweep.batches": {"rows": list(rows)}} if rows else {}
    return process(pid, role="worker", totals=totals, marks=[Mark("worker.ready", ready, {})])


def built(records, *, status="reached", exit_code=None, hang_seconds=None, stderr=(), **options):
    run = TrialRun(
        spawn_ns=10 * S,
        end_ns=22 * S,
        status=status,
        ending=Ending(exit_code=exit_code, stderr_tail=stderr),
        hang_seconds=hang_seconds,
    )
    setting, asked = LoaderSetting(num_workers=2), Asked(**{"timeout_seconds": 600, **options})
    return build_trial(run, records, setting=setting, asked=asked, round=1, position=0, control=False)


def test_a_trial_tells_its_start_its_blocks_and_its_end():
    trial = built([process(), worker(8, 14 * S), worker(7, 13 * S + S // 4)], step_seconds=0.5)
    assert trial.status == "ok"
    assert (trial.start_seconds, trial.iter_seconds, trial.first_batch_seconds) == (2.0, 0.5, 1.0)
    assert trial.worker_ready_seconds == [0.25, 1.0]
    assert (trial.fill_seconds, trial.num_discarded, trial.exit_seconds, trial.wall_seconds) == (2.0, 10, 1.0, 12.0)
    assert [(block.seconds, block.num_samples) for block in trial.blocks] == [(1.0, 32), (2.0, 30)]
    assert (trial.waits.step_seconds, trial.waits.wait_seconds) == (0.5, [1.0, 1.0])
    assert (trial.cost.cpu_seconds_main, trial.cost.cpu_seconds_workers, trial.cost.num_samples) == (1.0, None, 62)
    assert (trial.loader.num_workers, trial.loader.location.line) == (8, 12)
    assert trial.capped
    assert trial.notes == ["a note", "another"]


def test_service_times_are_those_of_the_measured_batches_in_this_loaders_workers():
    inside, before = [15 * S, S, 1, 2, 3, S - 6], [13 * S, 9 * S, 0, 0, 0, 9 * S]
    records = [process(), worker(7, 13 * S, [before, inside]), worker(9, 13 * S, [inside])]
    trial = built(records, per_stage=True)
    assert trial.stages.service_seconds == [1.0]
    assert trial.stages.seconds["rest"] == pytest.approx(1.0)
    assert built(records).stages.seconds == {}


@pytest.mark.parametrize(
    ("records", "how", "status", "said"),
    [
        ([process()], {"status": "interrupted"}, "interrupted", None),
        ([process()], {"hang_seconds": 31.0}, "timeout", "no batch for 31 s after the first"),
        ([process()], {"status": "timed_out"}, "timeout", "did not end within 600 s"),
        ([process()], {"status": "timed_out", "stderr": ["OSError: [Errno 24] Too many open files"]}, "fds",
         "did not end within 600 s (the loader was measured); on stderr a worker said: OSError"),
        ([], {"status": "not_recorded"}, "not_recorded", "the recorder did not start"),
        ([process(totals={})], {"status": "crashed", "exit_code": 1, "stderr": ["boom"]}, "crashed", "boom"),
        ([process(totals={"sweep.loader.0": {**LOADER, "role": "val", "chosen": False}})],
         {"status": "ended_early", "exit_code": 0}, "no_loader", "iterated were 0: val, Pages (train.py:12)"),
        ([process(totals={**FACTS, "sweep.exit": {"at": 21 * S, "slow": True}})], {}, "ok_slow_exit", None),
    ],
)  # fmt: skip
def test_how_a_trial_ended_is_one_status(records, how, status, said):
    trial = built(records, **how)
    assert trial.status == status
    assert (said is None) == (trial.failure is None)
    if said is not None:
        assert said in trial.failure.message


def test_of_a_training_the_step_is_what_was_measured():
    waits = {"wait": [S], "compute": [4 * S], "num_batches": [8], "oversleep": 0}
    facts = {**FACTS, "sweep.waits": waits}
    facts["sweep.blocks"] = {**FACTS["sweep.blocks"], "train_ns": 4 * S, "train_samples": 64}
    trial = built([process(totals=facts)], mode="train")
    assert (trial.waits.mode, trial.waits.step_seconds, trial.train_samples_per_sec) == ("train", 0.5, 16.0)
