"""A recommended worker count, from the program's configuration tree and back into the file that decides it."""

import os
import shutil
import stat
import subprocess
import time
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


@pytest.fixture
def foreign(tmp_path) -> Path:
    folder = tmp_path / "foreign"
    shutil.copytree(FOREIGN, folder)
    return folder


def texts(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*.yaml"))}


def command(foreign: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """`ocrprof sweep-workers --from` the report in the program's folder."""
    argv = [PYTHON, "-m", "ocrprof", "sweep-workers", "--from", str(foreign / "report"), *options]
    return subprocess.run(argv, cwd=foreign, capture_output=True, text=True, timeout=290, check=False)


def test_a_saved_answer_is_written_where_it_is_decided_and_nowhere_else(foreign):
    """num_workers stands in hardware/laptop, over global/default; prefetch_factor stands in the latter alone."""
    overlay = foreign / "configs/hardware/laptop.yaml"
    overlay.chmod(0o640)
    before = texts(foreign / "configs")
    saved = sweep(foreign, "train.py", own=2, recommended=3, prefetch_factor=4).plan.report
    write_report(saved, foreign / "report")

    done = command(foreign, "--apply", "--yes")

    assert done.returncode == 0, done.stderr
    assert f"+    num_workers: 3  # 3: ocrprof sweep-workers, AMD EPYC, 8 cores, {CREATED[:10]}\n" in done.stdout
    assert "Configuration: written" in done.stdout
    after = texts(foreign / "configs")
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
    assert stat.S_IMODE(overlay.stat().st_mode) == 0o640
    report = read_report(foreign / "report")
    assert report.recommendation.override == f"{TRAIN}=3 dataloaders.train_dataloader.prefetch_factor=4"
    result = report.write_back
    assert (result.status, result.num_starts) == ("written", 4)
    assert [(one.config_key.key, one.config_key.origin) for one in result.keys] == [
        (TRAIN, "file"),
        ("dataloaders.train_dataloader.prefetch_factor", "file"),
    ]
    backup = next(Path(edit.backup) for edit in result.edits if edit.file == str(overlay))
    assert backup.read_text() == before["hardware/laptop.yaml"]
    others = {one.key.split(".")[1]: (one.value, one.origin) for one in result.others}
    assert others == {
        "val_dataloader": (1, "file"),
        "test_dataloader": (4, "file"),
        "predict_dataloader": (2, "file"),
        "shared_dataloader": (4, "interpolation"),
        "cluster_dataloader": (4, "environment"),
    }

    # Another hand takes it back, and adds something: the report knows another file.
    overlay.write_text(before["hardware/laptop.yaml"] + "# another hand\n")
    again = command(foreign, "--apply", "--yes")
    assert again.returncode == 2
    assert "laptop.yaml has changed since the sweep" in " ".join(again.stdout.split())
    assert overlay.read_text().endswith("# another hand\n")


def test_the_source_of_an_interpolation_is_written_by_its_name(foreign):
    result = sweep(foreign, "train.py", "use=shared_dataloader", own=4, recommended=8, key="workers").write()
    assert result.status == "written", result.reason
    assert result.following == ["dataloaders.shared_dataloader.num_workers"]
    written = (foreign / "configs/global/default.yaml").read_text()
    assert "\nworkers: 8   # for whoever refers to it # 8: ocrprof" in written


@pytest.mark.parametrize(
    ("arguments", "own", "reason", "advice"),
    [
        (("use=shared_dataloader",), 4, "from an interpolation, ${workers}", "--key workers writes it there"),
        (("use=cluster_dataloader",), 4, "environment variable FOREIGN_WORKERS", "set FOREIGN_WORKERS=8"),
        ((f"{TRAIN}=5",), 5, f"is set on the command line: {TRAIN}=5", f"replace it there by {TRAIN}=8"),
        (("use=plain_dataloader",), 0, "no file sets", "+dataloaders.plain_dataloader.num_workers=8"),
    ],
)
def test_what_no_file_decides_is_refused_with_what_to_do(foreign, arguments, own, reason, advice):
    proposal = sweep(foreign, "train.py", *arguments, own=own, recommended=8).propose()
    assert proposal.result.status == "refused"
    assert reason in proposal.result.reason
    assert advice in proposal.result.advice
    assert proposal.result.override is not None
    assert proposal.texts == {}


def test_a_value_that_the_program_does_not_come_to_is_taken_back(foreign):
    """The program takes no more than 32 workers; the proof stays below."""
    before = texts(foreign / "configs")
    result = sweep(foreign, "train.py", own=2, recommended=64).write()
    assert result.status == "restored"
    assert "this cluster gives no job 64 workers" in result.reason
    assert texts(foreign / "configs") == before


def test_a_file_that_changed_since_the_sweep_began_is_left_alone(foreign):
    os.utime(foreign / "configs/hardware/laptop.yaml", (2e9, 2e9))
    proposal = sweep(foreign, "train.py", own=2, recommended=3).propose()
    assert proposal.result.status == "refused"
    assert "laptop.yaml has changed since the sweep began" in proposal.result.reason


def test_a_program_without_hydra_is_told_the_line_of_its_loader(tmp_path):
    proposal = sweep(TARGETS, "workers_script.py", "fork", own=2, recommended=4, folder=tmp_path / "report").propose()
    assert proposal.result.status == "refused"
    assert "composes no configuration with Hydra" in proposal.result.reason
    assert "set num_workers=4 in DataLoader(...) at" in proposal.result.advice


def test_the_bundled_pipeline_s_own_tree_is_written(tmp_path):
    configs = tmp_path / "configs"
    shutil.copytree(ROOT / "configs", configs)
    before = texts(configs)
    overrides = [one for one in tiny(tmp_path) if "num_workers" not in one]
    arguments = ("-m", "pipeline.train", "--config-path", str(configs), f"hydra.run.dir={tmp_path / 'out'}", *overrides)
    result = sweep(ROOT, *arguments, own=2, recommended=4, folder=tmp_path / "report").write()
    assert result.status == "written", result.reason
    after = texts(configs)
    assert [name for name in after if after[name] != before[name]] == ["dataloader/default.yaml"]
    assert (
        "\nnum_workers: 4 # loading processes; 0 loads in the training process # 4: ocrprof sweep-workers"
        in (after["dataloader/default.yaml"])
    )
