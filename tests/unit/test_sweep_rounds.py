"""The order of a sweep's rounds, what a failure takes with it, ranks as one node, and the jobs of a launcher."""

import json
from pathlib import Path
from threading import Barrier

import pytest
from sweep_reports import setting, trial

from ocrprof.errors import OcrprofError
from ocrprof.measure.quiet import QuietMachine, disturbance_of
from ocrprof.measure.sweep_job import job_of, read_job, write_job
from ocrprof.measure.sweep_launch import gather, launch_command
from ocrprof.measure.sweep_ranks import run_ranks
from ocrprof.measure.sweep_round import Living, visits_of, warmup_visit
from ocrprof.results.model import BaselineReport, Surroundings, SweepTrial
from ocrprof.results.step_times import steps_of_baseline
from ocrprof.results.sweep_ranks import node_trial
from ocrprof.sweep_plan import SweepWorkersPlan, TrialOptions
from ocrprof.target import Target

SETTINGS = [setting(value) for value in (0, 1, 2, 4, 8)]


def plan_in(folder: Path) -> SweepWorkersPlan:
    return SweepWorkersPlan(
        target=Target(argv=("true", "--x"), cwd=folder),
        output=folder / "report",
        settings=tuple(SETTINGS),
        trial=TrialOptions(step_seconds=0.1, loader=2),
        rounds=4,
        max_rounds=4,
        seed=3,
        local_ranks=2,
    )


def test_a_round_visits_each_setting_once_and_the_first_one_again():
    for number in range(1, 6):
        visits = visits_of(SETTINGS, seed=1, number=number)
        assert sorted(visit.setting.num_workers for visit in visits[:-1]) == [0, 1, 2, 4, 8]
        assert visits[-1].control and visits[-1].setting == visits[0].setting
        assert [visit.position for visit in visits] == [0, 1, 2, 3, 4, 5]
    assert visits_of([], seed=1, number=1) == []


def test_rounds_differ_in_their_order_and_the_seed_repeats_it():
    orders = [[visit.setting.num_workers for visit in visits_of(SETTINGS, seed=9, number=n)] for n in range(1, 7)]
    assert len({tuple(order) for order in orders}) > 3
    assert orders[2] == [visit.setting.num_workers for visit in visits_of(SETTINGS, seed=9, number=3)]
    firsts = {visits_of(SETTINGS, seed=seed, number=1)[0].setting.num_workers for seed in range(60)}
    assert firsts == {0, 1, 2, 4, 8}


def test_the_warm_up_takes_the_most_workers_that_the_cores_carry():
    assert warmup_visit(SETTINGS, num_cores=4.5).setting.num_workers == 4
    assert warmup_visit(SETTINGS, num_cores=0.5).setting.num_workers == 1
    assert warmup_visit([setting(8), setting(4)], num_cores=2).setting.num_workers == 8


def test_a_setting_that_failed_is_left_out_and_the_others_stay():
    living = Living(list(SETTINGS))
    living.after(trial(setting(2), 1).model_copy(update={"status": "user_error"}))
    living.after(trial(setting(4), 1).model_copy(update={"status": "ok_slow_exit"}))
    assert [one.num_workers for one in living.settings] == [0, 1, 4, 8]
    assert living.notes == []


@pytest.mark.parametrize("status", ["oom_killed", "shm", "sigbus"])
def test_memory_that_ran_out_takes_with_it_what_wants_more(status):
    cheap = setting(8, prefetch_factor=1)
    living = Living([*SETTINGS, cheap])
    living.after(trial(setting(2), 1).model_copy(update={"status": status}))
    assert living.settings == [setting(0), setting(1), cheap]
    assert [note[:13] for note in living.notes] == ["num_workers=4", "num_workers=8"]


def test_the_ranks_of_a_node_add_up_and_a_step_waits_for_the_slowest():
    fast = trial(setting(2), 1, seconds=0.1, step=0.09)
    slow = trial(setting(2), 1, seconds=0.1, step=0.09, num_samples=16)
    waits = slow.waits.model_copy(update={"wait_seconds": [9.0] * len(slow.waits.wait_seconds)})
    slow = slow.model_copy(update={"first_batch_seconds": 5.0, "waits": waits})
    node = node_trial([fast, slow])
    assert node.ranks == [fast, slow]
    assert node.first_batch_seconds == 5.0
    assert [block.num_samples for block in node.blocks] == [2 * block.num_samples for block in fast.blocks]
    assert [block.seconds for block in node.blocks] == pytest.approx([block.seconds for block in fast.blocks])
    assert node.waits.wait_seconds == waits.wait_seconds
    assert node.cost.pss_peak_bytes == 2 * fast.cost.pss_peak_bytes
    assert node.cost.shm_peak_bytes == fast.cost.shm_peak_bytes  # /dev/shm is the node's: both saw the same
    assert len(node.worker_ready_seconds) == 4


@pytest.mark.parametrize("with_environment", [False, True])
def test_ranks_run_at_once_each_in_its_folder_and_told_of_each_other_where_asked(tmp_path, with_environment):
    together = Barrier(3, timeout=20)
    seen: dict[str, tuple[str, ...]] = {}

    def run_one(target: Target, folder: Path) -> SweepTrial:
        together.wait()
        seen[folder.name] = target.argv
        return trial(setting(2), 1)

    target = Target(argv=("true", "--x"), cwd=tmp_path)
    trials = run_ranks(run_one, target, tmp_path / "1-0", num_ranks=3, with_environment=with_environment)
    assert len(trials) == 3
    assert set(seen) == {"1-0-rank-0", "1-0-rank-1", "1-0-rank-2"}
    if with_environment:
        told = {folder: dict(word.split("=") for word in argv[1:-2]) for folder, argv in seen.items()}
        assert {one["RANK"] for one in told.values()} == {"0", "1", "2"}
        assert told["1-0-rank-2"]["LOCAL_RANK"] == "2"
        assert {one["WORLD_SIZE"] for one in told.values()} == {"3"}
        assert len({one["MASTER_PORT"] for one in told.values()}) == 1
    else:
        assert set(seen.values()) == {("true", "--x")}


def test_a_rank_that_failed_fails_its_node():
    failed = trial(setting(2), 1).model_copy(update={"status": "worker_killed"})
    node = node_trial([trial(setting(2), 1), failed])
    assert node.status == "worker_killed"
    assert len(node.ranks) == 2
    alone = trial(setting(2), 1)
    assert node_trial([alone]) is alone


def test_a_machine_is_quiet_as_far_as_others_leave_its_cores_alone():
    assert disturbance_of(Surroundings(seconds=1, others_busy_cores=0.2), num_cores=2) is None
    assert "1.0 of 2 cores" in disturbance_of(Surroundings(seconds=1, others_busy_cores=1.0), num_cores=2)
    assert disturbance_of(Surroundings(seconds=1, others_busy_cores=1.0), num_cores=64) is None
    assert "the disk 50%" in disturbance_of(Surroundings(seconds=2, waited={"io": 1.0}), num_cores=2)
    assert disturbance_of(Surroundings(seconds=2), num_cores=2) is None


def test_waiting_for_a_quiet_machine_ends_with_its_allowance(monkeypatch):
    slept: list[float] = []
    monkeypatch.setattr("ocrprof.measure.quiet.time.sleep", slept.append)
    machine = QuietMachine(num_cores=2, max_seconds=2.5)
    busy = Surroundings(seconds=1, others_busy_cores=2.0)
    looks = iter([busy, Surroundings(seconds=1, others_busy_cores=0.0)])
    assert machine.wait(lambda: next(looks)) is None
    assert slept == [1.0]
    assert "2.0 of 2 cores" in machine.wait(lambda: busy)
    assert sum(slept) == 2.5
    assert "2.0 of 2 cores" in machine.wait(lambda: busy)
    assert sum(slept) == 2.5


def test_a_job_reads_back_as_it_was_written(tmp_path):
    job = job_of(plan_in(tmp_path), number=1)
    path = write_job(job, tmp_path / "job.json")
    assert read_job(path, number=1) == job
    assert read_job(path, number=3).number == 3
    path.write_text("{}")
    with pytest.raises(OcrprofError, match="holds no job of a sweep"):
        read_job(path, number=1)


def test_each_round_is_one_job_of_the_launcher(tmp_path):
    plan = plan_in(tmp_path)

    def words(launcher, *options):
        return launch_command(plan, launcher=launcher, options=options, job=tmp_path / "job.json")

    joblib = words("joblib")
    assert {"--multirun", "hydra/launcher=joblib", "round=1,2,3,4", "hydra.launcher.n_jobs=1"} <= set(joblib)
    slurm = words("submitit-slurm", "partition=gpu", "additional_parameters.qos=low")
    assert {
        "hydra/launcher=submitit_slurm",
        "hydra.launcher.partition=gpu",
        "+hydra.launcher.additional_parameters.qos=low",
        "+hydra.launcher.additional_parameters.exclusive=true",
    } <= set(slurm)
    shared = words("submitit-slurm", "additional_parameters.exclusive=user")
    assert "+hydra.launcher.additional_parameters.exclusive=true" not in shared
    with pytest.raises(OcrprofError, match="would measure each other"):
        words("joblib", "n_jobs=4")
    with pytest.raises(OcrprofError, match="not KEY=VALUE"):
        words("joblib", "n_jobs")


def test_rounds_of_several_nodes_are_gathered_and_what_is_missing_is_told(tmp_path):
    plan = plan_in(tmp_path)
    from reports_fixture import ENVIRONMENT, TARGET

    from ocrprof.measure.sweep_log import TrialLog

    for number, host in ((1, "node1"), (2, "node2")):
        folder = plan.output / "rounds" / f"round-{number}"
        folder.mkdir(parents=True)
        trials = [trial(one, number, position, host=host) for position, one in enumerate(SETTINGS)]
        result = {
            "number": number,
            "host": host,
            "warmup": trial(SETTINGS[0], 0).model_dump(mode="json"),
            "trials": [one.model_dump(mode="json") for one in trials],
            "environment": ENVIRONMENT.model_dump(mode="json"),
            "target": TARGET.model_dump(mode="json"),
            "notes": ["the same note"],
        }
        (folder / "round.json").write_text(json.dumps(result))
    begun = plan.output / "rounds" / "round-3"
    begun.mkdir()
    TrialLog(begun / "trials.jsonl", {"identity": {}, "seed": 3}).add(trial(SETTINGS[0], 3, host="node1"))
    report = gather(plan, seconds=9.0)
    assert len(report.trials) == 11
    assert {one.host for one in report.trials} == {"node1", "node2"}
    assert report.environment == ENVIRONMENT
    assert report.target == TARGET
    assert report.notes == [
        "the same note",
        "round 3 did not come to its end: 1 of its trials are there",
        "round 4 did not come to its end: 0 of its trials are there",
    ]
    assert report.points


def test_the_time_of_a_step_is_that_of_a_baseline_without_its_fetch(monkeypatch):
    from reports_fixture import baseline_report

    report: BaselineReport = baseline_report()
    (train,) = [loop for loop in report.loops if loop.name == "train"]
    loop = train.model_copy(
        update={"batch_seconds": [9.0, 0.5, 0.4, 0.6], "parts": {"fetch": [8.0, 0.2, 0.1, 0.2]}, "num_warmup": 1}
    )
    times = steps_of_baseline(report.model_copy(update={"loops": [loop]}), name="base.json")
    assert times.samples == pytest.approx((0.3, 0.3, 0.4))
    assert times.median_seconds == pytest.approx(0.3)
    assert times.source.startswith("base.json")
    with pytest.raises(OcrprofError, match="holds no training step"):
        steps_of_baseline(report.model_copy(update={"loops": []}), name="base.json")
