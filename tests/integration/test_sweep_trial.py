"""One trial of a sweep on real programs: what it measures, and every way in which a loader fails, brought about."""

import json
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from recording import PYTHON, TARGETS

from ocrprof.measure.sweep_trial import run_trial
from ocrprof.results.model import LoaderSetting, SweepTrial
from ocrprof.sweep_plan import TrialOptions
from ocrprof.target import Target

SCRIPT = str(TARGETS / "loader_script.py")
IN_64_MB = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=64m tmpfs /dev/shm && exec "$@"', "sh")
BATCH_SIZE, SAMPLE_SECONDS, STEP_SECONDS = 4, 0.002, 0.01
HELD_MIB = 128


def trial(folder: Path, *arguments: str, setting: dict | None = None, in_front=(), **options) -> SweepTrial:
    """`loader_script.py` with these arguments, its loader given the setting; two workers where nothing else is said."""
    target = Target(argv=(*in_front, PYTHON, SCRIPT, *arguments), cwd=TARGETS)
    given = {"max_seconds": 2.0, "timeout_seconds": 120.0, **options}
    chosen = LoaderSetting(**{"num_workers": 2, **(setting or {})})
    return run_trial(target, chosen, TrialOptions(**given), directory=folder, round=1, position=0)


def first_indices(folder: Path) -> list[int]:
    """Of the samples that a trial read, as its recorder wrote them."""
    records = [json.loads(line) for file in (folder / "records").iterdir() for line in file.read_text().splitlines()]
    return next(one["a"]["indices"] for one in records if one.get("of") == "sweep.blocks")


def samples_per_sec(measured: SweepTrial) -> float:
    return sum(block.num_samples for block in measured.blocks) / sum(block.seconds for block in measured.blocks)


@pytest.fixture(scope="module")
def bystanders() -> set[int]:
    """What other tests have left to this process."""
    return {child.pid for child in psutil.Process().children(recursive=True)}


@pytest.fixture(scope="module")
def folder(bystanders, tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("trials")


@pytest.fixture(scope="module")
def measured(folder) -> SweepTrial:
    return trial(
        folder / "measured", "--sleep-ms", "2", "--hold-mb", str(HELD_MIB), step_seconds=STEP_SECONDS, replay=True,
        max_seconds=4.0, precision=0.1,
    )  # fmt: skip


@pytest.fixture(scope="module")
def alone(folder) -> SweepTrial:
    return trial(folder / "alone", "--sleep-ms", "2", setting={"num_workers": 0}, max_seconds=1.0)


CASES = {
    "killed": (("--kill-at", "50"), {}),
    "bus": (("--bus-at", "50"), {}),
    "torn": (("--tear-at", "50"), {}),
    "raised": (("--raise-at", "50"), {}),
    "hung": (("--sleep-ms", "1", "--hang-at", "50"), {"hang_seconds": 1.0}),
    "files": (("--max-files", "64"), {"setting": {"prefetch_factor": 40}, "timeout_seconds": 60.0}),
    "unpicklable": (("--unpicklable",), {"setting": {"start_method": "spawn"}}),
    "complaining": (("--kind", "subset", "--complain-at", "100"), {"hang_seconds": 1.0}),
    "nested": (("--nested", "--sleep-ms", "1"), {"setting": {"num_workers": 0}, "max_seconds": 0.5, "replay": True,
               "step_seconds": 0.001}),
    "killed in training": (("--kill-at", "50", "--num-samples", "96", "--sleep-ms", "2", "--steps", "1000",
                            "--step-ms", "30"), {"mode": "train", "num_steps": 60}),
    "stubborn": (("--stubborn",), {"slow_exit_seconds": 0.5, "max_seconds": 0.5}),
    "no loader": (("--kind", "none"), {}),
    "crash": (("--crash",), {}),
    "room": (("--max-files", "64"), {"batch_bytes": 48, "num_tensors": 30}),
    "duplicates": (("--kind", "iterable"), {"max_seconds": 0.5}),
    "short": (("--kind", "sharded", "--num-samples", "16"), {"max_seconds": 5.0}),
    "val": (("--evaluate-first", "--kind", "subclass"), {"loader": "val", "max_seconds": 0.5}),
    "val last": (("--evaluate-last", "--sleep-ms", "100"), {"loader": "val", "max_seconds": 0.5}),
    "numbered": (("--evaluate-first", "--kind", "subclass"), {"loader": 1, "max_seconds": 0.5}),
    "spawned": (("--staged",), {"setting": {"num_workers": 1, "start_method": "spawn"}, "per_stage": True}),
}  # fmt: skip


@pytest.fixture(scope="module")
def cases(folder, measured, alone) -> dict[str, SweepTrial]:
    """All that is not timed, three at once; the trials that are timed have ended."""
    with ThreadPoolExecutor(3) as pool:
        runs = {
            name: pool.submit(trial, folder / name, *arguments, **options)
            for name, (arguments, options) in CASES.items()
        }
        return {name: run.result() for name, run in runs.items()}


def test_a_loader_is_rebuilt_and_told_as_it_was(measured):
    assert measured.status == "ok", measured.failure
    loader = measured.loader
    assert (loader.role, loader.num_workers, loader.batch_size, loader.sampler) == ("train", 1, 4, "RandomSampler")
    line = Path(SCRIPT).read_text().splitlines()[loader.location.line - 1]
    assert "DataLoader(data, batch_size=options.batch_size, shuffle" in line
    assert len(measured.worker_ready_seconds) == measured.setting.num_workers == 2
    assert 0 < measured.iter_seconds < measured.first_batch_seconds < measured.fill_seconds
    assert measured.num_discarded == 10


def test_samples_are_counted_at_the_rate_at_which_they_are_made(measured, alone):
    """A sleep cannot be shorter than asked: more samples/s than that would be batches that were there before."""
    for one, num_workers in ((measured, 2), (alone, 1)):
        # On a busy machine the time is up before there are blocks of full length; of a few batches the first may have
        # been on its way already.
        assert all(block.num_batches % num_workers == 0 for block in one.blocks)
        num_batches = sum(block.num_batches for block in one.blocks)
        assert num_batches >= 4 * num_workers
        assert all(block.num_samples == BATCH_SIZE * block.num_batches for block in one.blocks)
        assert samples_per_sec(one) < (1.05 + num_workers / num_batches) * num_workers / SAMPLE_SECONDS
        assert min(one.stages.service_seconds) >= BATCH_SIZE * SAMPLE_SECONDS
        mean_service = sum(one.stages.service_seconds) / len(one.stages.service_seconds)
        assert samples_per_sec(one) > 0.5 * num_workers * BATCH_SIZE / mean_service


def test_every_setting_reads_the_same_samples_in_the_same_order(measured, alone, folder):
    indices = first_indices(folder / "measured")
    assert sorted(set(indices)) == sorted(indices) != indices
    assert first_indices(folder / "alone")[: len(indices)] == indices[: len(first_indices(folder / "alone"))]


def test_steps_wait_for_what_the_loader_does_not_deliver_in_time(measured):
    waits = measured.waits
    assert (waits.step_seconds, waits.mode) == (STEP_SECONDS, "sleep")
    for compute, num_batches in zip(waits.compute_seconds, waits.num_batches, strict=True):
        assert compute > 0.9 * num_batches * STEP_SECONDS
    assert sum(waits.wait_seconds) > 0
    length = waits.num_batches[0]
    assert all(seconds > 0.9 * length * STEP_SECONDS for seconds in measured.replay_seconds)
    assert measured.replay_seconds


def test_what_it_took_from_the_machine_is_told(measured, alone):
    cost = measured.cost
    assert cost.num_samples == sum(block.num_samples for block in measured.blocks)
    assert cost.num_tensors == 2
    assert cost.batch_bytes == BATCH_SIZE * (4 + 8)
    # By what its workers have filled: of torch's libraries each has the less the more processes use them.
    assert cost.pss_peak_bytes > alone.cost.pss_peak_bytes > 50_000_000
    assert cost.cpu_seconds_workers > 0 == alone.cost.cpu_seconds_workers
    assert measured.turnover_seconds > 0
    assert measured.exit_seconds < 60


def test_nothing_is_left_running(bystanders, cases):
    left = [child for child in psutil.Process().children(recursive=True) if child.pid not in bystanders]
    assert [(child.name(), child.status()) for child in left] == []


def test_a_killed_worker_is_a_status_of_its_own(cases):
    assert cases["killed"].status == "worker_killed"
    assert "killed by signal 9" in cases["killed"].failure.message
    assert cases["bus"].status == "sigbus"
    assert cases["torn"].status == "sigbus", cases["torn"].failure


def test_a_worker_that_dies_in_a_step_of_the_training_is_told_as_one_that_dies_between_them(cases):
    died = cases["killed in training"]
    assert died.status == "worker_killed", died.failure
    assert "killed by signal 9" in died.failure.message


def test_an_exception_names_the_sample_its_path_and_its_line(cases):
    failure = cases["raised"].failure
    assert (cases["raised"].status, failure.sample_index, failure.path) == ("user_error", 50, "images/00050.jpg")
    assert failure.message == "Timed raised ValueError for sample 50: this picture is broken"
    assert "this picture is broken" in Path(failure.location.file).read_text().splitlines()[failure.location.line - 1]
    assert failure.traceback_tail[-1] == "ValueError: this picture is broken"


def test_a_hang_is_ended_with_the_stacks_of_all_processes(cases):
    hung = cases["hung"]
    assert hung.status == "timeout"
    assert "no batch for" in hung.failure.message
    if hung.failure.stack:  # py-spy may look where the kernel lets it
        assert sum("loader_script.py" in line and line.startswith("Process") for line in hung.failure.stack) >= 2
        assert any("__getitem__ (loader_script.py" in line for line in hung.failure.stack)


def test_too_few_files_may_be_opened(cases):
    assert cases["files"].status == "fds"
    assert "Too many open files" in cases["files"].failure.message
    assert cases["room"].status == "fds"
    assert cases["room"].failure.message.endswith("64 allowed")
    assert cases["room"].first_batch_seconds is None


def test_a_first_batch_that_cannot_come_for_want_of_files_is_not_waited_for(cases):
    complaining = cases["complaining"]
    assert complaining.status == "fds"
    assert "no batch for" in complaining.failure.message
    assert complaining.failure.message.endswith("on stderr a worker said: OSError: [Errno 24] Too many open files")


def test_batches_without_a_shape_are_measured(cases):
    nested = cases["nested"]
    assert nested.status == "ok", nested.failure
    assert all(block.num_samples == BATCH_SIZE * block.num_batches for block in nested.blocks)


def test_what_cannot_be_pickled_is_named_with_the_start_method(cases):
    assert cases["unpicklable"].status == "unpicklable"
    assert "start method spawn" in cases["unpicklable"].failure.message
    assert "<lambda>" in cases["unpicklable"].failure.message


def test_workers_that_do_not_end_cost_the_trial_nothing_but_its_name(cases):
    assert cases["stubborn"].status == "ok_slow_exit"
    assert cases["stubborn"].blocks
    assert cases["stubborn"].exit_seconds >= 0.5


def test_a_program_without_the_loader_says_which_it_has(cases):
    assert cases["no loader"].status == "no_loader"
    assert "no DataLoader of torch at all" in cases["no loader"].failure.message
    assert cases["crash"].status == "crashed"
    assert cases["crash"].failure.message == "the program exited 1: RuntimeError: no such data set"


def test_iterable_data_sets_are_measured_and_their_duplicates_told(cases):
    assert cases["duplicates"].status == "ok"
    assert any("another worker's too" in note for note in cases["duplicates"].notes)
    assert cases["short"].status == "ok", cases["short"].failure
    assert any("each block is one epoch" in note for note in cases["short"].notes)
    assert not any("another worker's too" in note for note in cases["short"].notes)
    assert {block.num_samples for block in cases["short"].blocks} == {16}


def test_the_loader_is_chosen_by_its_role_or_its_number(cases):
    assert (cases["val"].loader.role, cases["val"].loader.number) == ("val", 0)
    assert (cases["numbered"].loader.role, cases["numbered"].loader.number) == ("train", 1)
    assert cases["numbered"].status == cases["val"].status == "ok"
    assert any("__iter__ of its own" in note for note in cases["numbered"].notes)


def test_an_epoch_before_the_evaluation_that_is_waited_for_is_cut_short(cases):
    """It would take 400 s."""
    late = cases["val last"]
    assert (late.status, late.loader.role, late.loader.number) == ("ok", "val", 1), late.failure
    assert late.start_seconds < 100


def test_stages_are_told_apart_in_spawned_workers(cases):
    spawned = cases["spawned"]
    assert spawned.status == "ok", spawned.failure
    stages = spawned.stages
    assert set(stages.seconds) == {"decode", "transform", "collate", "rest"}
    assert stages.seconds["transform"] >= 0.001 * BATCH_SIZE * stages.num_batches
    assert stages.seconds["decode"] > 0 < stages.seconds["collate"]
    assert sum(stages.seconds.values()) == pytest.approx(sum(stages.service_seconds), rel=1e-6)
    assert len(spawned.worker_ready_seconds) == 1


@pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run([*IN_64_MB, "true"], capture_output=True).returncode != 0,
    reason="no mount namespace of our own here",
)
def test_a_full_dev_shm_is_told_and_foreseen_where_the_batch_is_known(folder):
    full = trial(folder / "full", "--sample-bytes", "20000000", in_front=IN_64_MB)
    assert full.status == "shm"
    assert "No space left on device" in full.failure.message or "SIGBUS" in full.failure.message
    assert "--shm-size" in full.failure.advice
    foreseen = trial(
        folder / "foreseen", in_front=IN_64_MB, setting={"prefetch_factor": 16}, batch_bytes=8_000_000, num_tensors=1
    )
    assert foreseen.status == "shm"
    assert foreseen.iter_seconds is None


def test_a_program_trains_on_with_the_setting_for_so_many_steps(folder):
    arguments = ("--sleep-ms", "2", "--step-ms", "5", "--steps", "1000", "--num-samples", "96")
    trained = trial(folder / "trained", *arguments, mode="train", num_steps=60, replay=True, max_seconds=30.0)
    assert trained.status == "ok", trained.failure
    assert not trained.capped
    assert trained.num_discarded == 10
    assert 0 < trained.train_samples_per_sec < 1.05 * 2 / SAMPLE_SECONDS
    assert trained.waits.mode == "train"
    assert trained.waits.step_seconds >= 0.005
    assert trained.replay_seconds
    # Of 24 batches an epoch, the steps between epochs are none: fewer are timed than were trained.
    assert 32 <= sum(trained.waits.num_batches) <= 48
    assert trained.turnover_seconds > 0


def test_lightning_is_taken_over_where_it_trains_not_in_its_sanity_check(folder):
    target = Target(argv=(PYTHON, "lightning_script.py", "3"), cwd=TARGETS)
    options = TrialOptions(max_seconds=0.5, timeout_seconds=120)
    setting = LoaderSetting(num_workers=0)
    taken = run_trial(target, setting, options, directory=folder / "lightning", round=1, position=0)
    assert taken.status == "ok", taken.failure
    assert (taken.loader.number, taken.loader.role, taken.loader.sampler) == (1, "train", "RandomSampler")
    line = (TARGETS / "lightning_script.py").read_text().splitlines()[taken.loader.location.line - 1]
    assert "shuffle=True" in line


def test_a_program_without_a_guard_is_told_to_have_one_and_not_measured_in_its_workers(tmp_path):
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from torch.utils.data import DataLoader\n"
        "given = {'num_workers': 1, 'multiprocessing_context': 'spawn'}\n"
        "for _ in DataLoader(list(range(64)), batch_size=4, **given):\n    pass\n"
    )
    setting = LoaderSetting(num_workers=1)
    options = TrialOptions(max_seconds=0.5, timeout_seconds=120)
    taken = run_trial(
        Target(argv=(PYTHON, str(script)), cwd=tmp_path),
        setting,
        options,
        directory=tmp_path / "run",
        round=1,
        position=0,
    )
    assert taken.status == "crashed"
    assert taken.failure.advice is not None and "__main__" in taken.failure.advice, taken.failure
