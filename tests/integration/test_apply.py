"""A recommended worker count, from the program's configuration tree and back into the file that decides it."""

import os
import shutil
import stat
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from recording import PYTHON, TARGETS
from runs import ROOT, tiny

from ocrprof.measure.environment import describe_environment, describe_tool
from ocrprof.measure.write_back import Proposal, WriteBackPlan, apply_write_back, propose_write_back
from ocrprof.results.model import (
    LoaderInfo,
    LoaderSetting,
    Location,
    Recommendation,
    SweepReport,
    TargetInfo,
    WriteBack,
)
from ocrprof.results.store import read_report, write_report
from ocrprof.target import Target

FOREIGN = TARGETS / "foreign_config"
TRAIN = "dataloaders.train_dataloader.num_workers"
CREATED = datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Sweep:
    """A sweep of a program that was measured to need `recommended` workers instead of its `own`."""

    plan: WriteBackPlan

    def propose(self) -> Proposal:
        return propose_write_back(self.plan, progress=lambda text: None)

    def write(self) -> WriteBack:
        return apply_write_back(self.plan, self.propose(), progress=lambda text: None)


def sweep(
    cwd: Path,
    *arguments: str,
    own: int,
    recommended: int,
    key: str | None = None,
    folder: Path | None = None,
    **factors,
) -> Sweep:
    argv = (PYTHON, *arguments)
    report = SweepReport(
        created=CREATED,
        tool=describe_tool(),
        target=TargetInfo(argv=list(argv), cwd=str(cwd)),
        environment=describe_environment(cwd=cwd, python=None, libraries={}).model_copy(
            update={"cpu": "AMD EPYC", "num_cores_usable": 8}
        ),
        loader=LoaderInfo(
            number=0,
            role="train",
            location=Location(file=str(cwd / "train.py"), line=23),
            dataset="TensorDataset",
            sampler="RandomSampler",
            num_workers=own,
            prefetch_factor=2,
            persistent_workers=True,
            pin_memory=False,
        ),
        settings=[LoaderSetting(num_workers=own), LoaderSetting(num_workers=recommended, **factors)],
        within=0.05,
        max_wait=0.02,
        num_rounds=3,
        seed=1,
        recommendation=Recommendation(
            num_workers=recommended,
            setting=LoaderSetting(num_workers=recommended, **factors),
            verdict="clear",
            reason="it is the smallest within 5 % of the best",
        ),
    )
    return Sweep(
        WriteBackPlan(
            target=Target(argv=argv, cwd=cwd),
            report=report,
            directory=folder or cwd / f"report-{time.monotonic_ns()}",
            began=time.time(),
            key=key,
            timeout_seconds=120,
        )
    )


def copy_of_foreign(folder: Path) -> Path:
    shutil.copytree(FOREIGN, folder)
    return folder


def texts(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*.yaml"))}


def command(foreign: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """`ocrprof sweep-workers --from` the report in the program's folder."""
    argv = [PYTHON, "-m", "ocrprof", "sweep-workers", "--from", str(foreign / "report"), *options]
    return subprocess.run(argv, cwd=foreign, capture_output=True, text=True, timeout=290, check=False)


@dataclass(frozen=True)
class Saved:
    """A saved answer that is written by the command, and once more after another hand has been at the file."""

    foreign: Path
    done: subprocess.CompletedProcess[str]
    after: dict[str, str]
    overlay_mode: int
    report: SweepReport
    again: subprocess.CompletedProcess[str]


def saved_answer(folder: Path) -> Saved:
    foreign = copy_of_foreign(folder)
    overlay = foreign / "configs/hardware/laptop.yaml"
    overlay.chmod(0o640)
    saved = sweep(foreign, "train.py", own=2, recommended=3, prefetch_factor=4).plan.report
    write_report(saved, foreign / "report")
    done = command(foreign, "--apply", "--yes")
    after, mode, report = texts(foreign / "configs"), overlay.stat().st_mode, read_report(foreign / "report")
    # Another hand takes it back, and adds something: the report knows another file.
    overlay.write_text((FOREIGN / "configs/hardware/laptop.yaml").read_text() + "# another hand\n")
    return Saved(foreign, done, after, mode, report, again=command(foreign, "--apply", "--yes"))


def refused(*arguments: str, own: int) -> Callable[[Path], Proposal]:
    """What is proposed for 8 workers instead of the program's `own`."""
    return lambda folder: sweep(copy_of_foreign(folder), "train.py", *arguments, own=own, recommended=8).propose()


def changed_file(folder: Path) -> Proposal:
    os.utime(copy_of_foreign(folder) / "configs/hardware/laptop.yaml", (2e9, 2e9))
    return sweep(folder, "train.py", own=2, recommended=3).propose()


def written(*arguments: str, **answer) -> Callable[[Path], tuple[WriteBack, dict[str, str]]]:
    """What became of the files, and their texts."""

    def case(folder: Path) -> tuple[WriteBack, dict[str, str]]:
        result = sweep(copy_of_foreign(folder), "train.py", *arguments, **answer).write()
        return result, texts(folder / "configs")

    return case


def bundled_pipeline(folder: Path) -> tuple[WriteBack, dict[str, str]]:
    configs = folder / "configs"
    shutil.copytree(ROOT / "configs", configs)
    overrides = [one for one in tiny(folder) if "num_workers" not in one]
    arguments = ("-m", "pipeline.train", "--config-path", str(configs), f"hydra.run.dir={folder / 'out'}", *overrides)
    result = sweep(ROOT, *arguments, own=2, recommended=4, folder=folder / "report").write()
    return result, texts(configs)


def without_hydra(folder: Path) -> Proposal:
    return sweep(TARGETS, "workers_script.py", "fork", own=2, recommended=4, folder=folder / "report").propose()


CASES = {
    "saved": saved_answer,
    "pipeline": bundled_pipeline,
    "too many": written(own=2, recommended=64),
    "source": written("use=shared_dataloader", own=4, recommended=8, key="workers"),
    "interpolation": refused("use=shared_dataloader", own=4),
    "environment": refused("use=cluster_dataloader", own=4),
    "command line": refused(f"{TRAIN}=5", own=5),
    "default": refused("use=plain_dataloader", own=0),
    "changed": changed_file,
    "no hydra": without_hydra,
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> dict[str, Future]:
    """All of them, two at once: nothing of a start is timed, and most of each is a processor's work."""
    folder = tmp_path_factory.mktemp("apply")
    with ThreadPoolExecutor(2) as pool:
        return {name: pool.submit(case, folder / name.replace(" ", "-")) for name, case in CASES.items()}


def test_a_saved_answer_is_written_where_it_is_decided_and_nowhere_else(outcomes):
    """num_workers stands in hardware/laptop, over global/default; prefetch_factor stands in the latter alone."""
    saved = outcomes["saved"].result()
    before, after, done = texts(FOREIGN / "configs"), saved.after, saved.done
    assert done.returncode == 0, done.stderr
    assert f"+    num_workers: 3  # 3: ocrprof sweep-workers, AMD EPYC, 8 cores, {CREATED[:10]}\n" in done.stdout
    assert "Configuration: written" in done.stdout
    note = f"ocrprof sweep-workers, AMD EPYC, 8 cores, {CREATED[:10]}"
    assert {name: after[name] for name in after if after[name] != before[name]} == {
        "hardware/laptop.yaml": before["hardware/laptop.yaml"].replace(
            "    num_workers: 2\n", f"    num_workers: 3  # 3: {note}\n"
        ),
        "global/default.yaml": before["global/default.yaml"].replace(
            "prefetch_factor: 2      # batches each worker keeps ready",
            f"prefetch_factor: 4      # batches each worker keeps ready # 4: {note}",
        ),
    }
    assert stat.S_IMODE(saved.overlay_mode) == 0o640
    assert saved.report.recommendation.override == f"{TRAIN}=3 dataloaders.train_dataloader.prefetch_factor=4"
    result = saved.report.write_back
    assert (result.status, result.num_starts) == ("written", 4)
    assert [(one.config_key.key, one.config_key.origin) for one in result.keys] == [
        (TRAIN, "file"),
        ("dataloaders.train_dataloader.prefetch_factor", "file"),
    ]
    overlay = str(saved.foreign / "configs/hardware/laptop.yaml")
    backup = next(Path(edit.backup) for edit in result.edits if edit.file == overlay)
    assert backup.read_text() == before["hardware/laptop.yaml"]
    others = {one.key.split(".")[1]: (one.value, one.origin) for one in result.others}
    assert others == {
        "val_dataloader": (1, "file"),
        "test_dataloader": (4, "file"),
        "predict_dataloader": (2, "file"),
        "shared_dataloader": (4, "interpolation"),
        "cluster_dataloader": (4, "environment"),
    }


def test_a_file_that_another_hand_changed_after_it_was_written_is_left_alone(outcomes):
    saved = outcomes["saved"].result()
    assert saved.again.returncode == 2
    assert "laptop.yaml has changed since the sweep" in " ".join(saved.again.stdout.split())
    assert (saved.foreign / "configs/hardware/laptop.yaml").read_text().endswith("# another hand\n")


def test_the_source_of_an_interpolation_is_written_by_its_name(outcomes):
    result, after = outcomes["source"].result()
    assert result.status == "written", result.reason
    assert result.following == ["dataloaders.shared_dataloader.num_workers"]
    assert "\nworkers: 8   # for whoever refers to it # 8: ocrprof" in after["global/default.yaml"]


@pytest.mark.parametrize(
    ("case", "reason", "advice"),
    [
        ("interpolation", "from an interpolation, ${workers}", "--key workers writes it there"),
        ("environment", "environment variable FOREIGN_WORKERS", "set FOREIGN_WORKERS=8"),
        ("command line", f"is set on the command line: {TRAIN}=5", f"replace it there by {TRAIN}=8"),
        ("default", "no file sets", "+dataloaders.plain_dataloader.num_workers=8"),
    ],
)
def test_what_no_file_decides_is_refused_with_what_to_do(outcomes, case, reason, advice):
    proposal = outcomes[case].result()
    assert proposal.result.status == "refused"
    assert reason in proposal.result.reason
    assert advice in proposal.result.advice
    assert proposal.result.override is not None
    assert proposal.texts == {}


def test_a_value_that_the_program_does_not_come_to_is_taken_back(outcomes):
    """The program takes no more than 32 workers; the proof stays below."""
    result, after = outcomes["too many"].result()
    assert result.status == "restored"
    assert "this cluster gives no job 64 workers" in result.reason
    assert after == texts(FOREIGN / "configs")


def test_a_file_that_changed_since_the_sweep_began_is_left_alone(outcomes):
    result = outcomes["changed"].result().result
    assert result.status == "refused"
    assert "laptop.yaml has changed since the sweep began" in result.reason


def test_a_program_without_hydra_is_told_the_line_of_its_loader(outcomes):
    result = outcomes["no hydra"].result().result
    assert result.status == "refused"
    assert "composes no configuration with Hydra" in result.reason
    assert "set num_workers=4 in DataLoader(...) at" in result.advice


def test_the_bundled_pipeline_s_own_tree_is_written(outcomes):
    result, after = outcomes["pipeline"].result()
    assert result.status == "written", result.reason
    before = texts(ROOT / "configs")
    assert [name for name in after if after[name] != before[name]] == ["dataloader/default.yaml"]
    assert (
        "\nnum_workers: 4 # loading processes; 0 loads in the training process # 4: ocrprof sweep-workers"
        in (after["dataloader/default.yaml"])
    )
