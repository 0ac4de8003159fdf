"""The trials of a sweep on disk: what survives a death, and when they may be taken over."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sweep_reports import setting, trial

from ocrprof.errors import ExitCode, OcrprofError
from ocrprof.measure.sweep_log import (
    TrialLog,
    check_config,
    check_identity,
    config_hash_of,
    head_of,
    identity_of,
    read_trials,
)
from ocrprof.records import ProcessRecords
from ocrprof.sweep_plan import SweepWorkersPlan, TrialOptions
from ocrprof.target import Target


def plan_in(folder: Path, **options) -> SweepWorkersPlan:
    (folder / "train.py").write_text("print(1)\n")
    return SweepWorkersPlan(
        target=Target(argv=("python3", "train.py"), cwd=folder),
        output=folder / "report",
        settings=(setting(0), setting(2)),
        trial=TrialOptions(**options),
        seed=11,
        step_source="a.json" if options.get("step_seconds") else None,
    )


def test_trials_read_back_as_they_were_saved(tmp_path):
    plan = plan_in(tmp_path, step_seconds=0.1)
    log = TrialLog(tmp_path / "trials.jsonl", head_of(plan, {"machine": "a"}))
    log.add(trial(setting(2), 0), warmup=True)
    log.add_config_hash("sha256:1")
    log.add(trial(setting(2), 1, 1))
    log.add(trial(setting(2), 1, 2, control=True))
    saved = read_trials(tmp_path)
    assert saved.trials == [trial(setting(2), 1, 1), trial(setting(2), 1, 2, control=True)]
    assert (saved.seed, saved.config_hash, saved.step_seconds, saved.step_source) == (11, "sha256:1", 0.1, "a.json")
    assert saved.find(setting(2), number=1, control=True) == trial(setting(2), 1, 2, control=True)
    assert saved.find(setting(0), number=1, control=False) is None
    assert saved.find(setting(2), number=2, control=False) is None


def test_a_line_that_was_cut_off_costs_that_trial_alone(tmp_path):
    path = tmp_path / "trials.jsonl"
    head = head_of(plan_in(tmp_path), {"machine": "a"})
    TrialLog(path, head).add(trial(setting(0), 1))
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines()[-1][:200])
    TrialLog(path, head).add(trial(setting(2), 1, 1))
    assert [one.setting.num_workers for one in read_trials(path).trials] == [0, 2]


@pytest.mark.parametrize("content", ["", "{}\n", "not JSON\n", json.dumps({"kind": "startup"}) + "\n"])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    path = tmp_path / "trials.jsonl"
    path.write_text(content)
    with pytest.raises(OcrprofError, match="holds no trials of a sweep"):
        read_trials(path)
    with pytest.raises(OcrprofError, match="cannot read"):
        read_trials(tmp_path / "nowhere")


def test_trials_are_taken_over_where_nothing_that_matters_differs(tmp_path):
    plan = plan_in(tmp_path)
    TrialLog(tmp_path / "trials.jsonl", head_of(plan, identity_of(plan)))
    saved = read_trials(tmp_path)
    longer = replace(plan, trial=replace(plan.trial, max_seconds=5.0, timeout_seconds=60.0), max_rounds=9)
    check_identity(saved, identity_of(longer), path=tmp_path)


def test_what_differs_is_named_in_the_refusal(tmp_path):
    plan = plan_in(tmp_path)
    TrialLog(tmp_path / "trials.jsonl", head_of(plan, identity_of(plan)))
    saved = read_trials(tmp_path)

    def refusal(changed: SweepWorkersPlan) -> str:
        with pytest.raises(OcrprofError) as error:
            check_identity(saved, identity_of(changed), path=tmp_path)
        assert error.value.exit_code is ExitCode.NOT_COMPARABLE
        return str(error.value)

    other = replace(plan.target, argv=("python3", "train.py", "--fast"))
    assert "the command is not the same" in refusal(replace(plan, target=other))
    assert "the way of measuring is not the same" in refusal(replace(plan, trial=replace(plan.trial, mode="train")))
    assert "the way of measuring is not the same" in refusal(replace(plan, local_ranks=2))
    (tmp_path / "train.py").write_text("print(2)\n")
    assert "the program is not the same" in refusal(plan)
    elsewhere = {**identity_of(plan), "machine": "another"}
    (tmp_path / "train.py").write_text("print(1)\n")
    with pytest.raises(OcrprofError, match="the machine is not the same"):
        check_identity(saved, {**identity_of(plan), "machine": elsewhere["machine"]}, path=tmp_path)


def test_another_configuration_is_refused_and_none_is_not(tmp_path):
    log = TrialLog(tmp_path / "trials.jsonl", head_of(plan_in(tmp_path), {"machine": "a"}))
    check_config(read_trials(tmp_path), "sha256:1", path=tmp_path)
    log.add_config_hash("sha256:1")
    check_config(read_trials(tmp_path), "sha256:1", path=tmp_path)
    with pytest.raises(OcrprofError, match="composes another configuration"):
        check_config(read_trials(tmp_path), "sha256:2", path=tmp_path)


def composed(**values) -> list[ProcessRecords]:
    """The records of a program that composed these values."""
    return [ProcessRecords(pid=1, parent_pid=0, start_ns=0, role="main", path=Path("1.jsonl"), config=values)]


def test_the_time_in_the_name_of_a_runs_folder_makes_no_other_configuration():
    first = composed(seed=1, out="/o/2026-11-22/12-07-39-711118", log="/o/2026-11-22_12:07:39.txt")
    later = composed(seed=1, out="/o/2026-11-23/09-00-01-000001", log="/o/2026-11-23_09:00:01.txt")
    assert config_hash_of(first) == config_hash_of(later)
    assert config_hash_of(first) != config_hash_of(composed(seed=2, out="/o/2026-11-22/12-07-39-711118", log=""))
    assert config_hash_of(composed(size=160)) != config_hash_of(composed(size=161))
    assert config_hash_of(composed(seed=20241122, lr=1e-05)) != config_hash_of(composed(seed=20241123, lr=1e-05))
    assert config_hash_of(composed(out="run_20241122_120739")) == config_hash_of(composed(out="run_20251122_000001"))
    assert config_hash_of(composed(name="2024-11")) != config_hash_of(composed(name="2025-11"))
    assert config_hash_of([]) is None
