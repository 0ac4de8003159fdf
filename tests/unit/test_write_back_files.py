"""Files that are written back: as a whole, through links, and put back where the program does not come to the value."""

import hashlib
import sys
from pathlib import Path

import pytest
from reports_fixture import ENVIRONMENT, TOOL

from ocrprof.measure.config_source import Start
from ocrprof.measure.write_back import Proposal, WriteBackPlan, apply_write_back, note_of
from ocrprof.results.config_source import Composition
from ocrprof.results.model import ConfigKey, Edit, LoaderSetting, ProvenKey, SweepReport, TargetInfo, WriteBack
from ocrprof.target import Target

BEFORE, AFTER = "num_workers: 4\n", "num_workers: 8\n"
KEY = "data.num_workers"


class Program:
    """What one start of a program tells, in place of the start; `loader` None: Ctrl-C while it runs."""

    num_starts = 3

    def __init__(self, *, loader: int | None = 8, composed: int = 8) -> None:
        self._loader, self._composed = loader, composed

    def start(self) -> Start:
        if self._loader is None:
            raise KeyboardInterrupt
        made = Composition(entries=(), overrides=(), tree={}, values={KEY: self._composed})
        return Start(made, {"num_workers": self._loader}, uses_hydra=True, problem=None)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def file(tmp_path) -> Path:
    """A file of mode 0600 behind a link."""
    path = tmp_path / "shared" / "default.yaml"
    path.parent.mkdir()
    path.write_text(BEFORE)
    path.chmod(0o600)
    link = tmp_path / "default.yaml"
    link.symlink_to(path)
    return link


def apply(file: Path, program: Program) -> WriteBack:
    folder = file.parent
    report = SweepReport(
        created="2026-11-22T12:00:00+00:00",
        tool=TOOL,
        target=TargetInfo(argv=[sys.executable], cwd=str(folder)),
        environment=ENVIRONMENT,
        settings=[LoaderSetting(num_workers=8)],
        within=0.05,
        max_wait=0.02,
        num_rounds=3,
        seed=1,
    )
    target = Target(argv=(sys.executable,), cwd=folder)
    plan = WriteBackPlan(target=target, report=report, directory=folder / "write_back-1", began=0.0)
    key = ConfigKey(key=KEY, setting="num_workers", value=4, origin="file")
    edit = Edit(file=str(file), diff="", sha256_before=digest(BEFORE), sha256_after=digest(AFTER))
    result = WriteBack(
        status="proposed", override=f"{KEY}=8", keys=[ProvenKey(config_key=key, tried=5, recommended=8)], edits=[edit]
    )
    return apply_write_back(plan, Proposal(result, {file: AFTER}, program), progress=lambda text: None)


def test_a_file_is_written_behind_its_link_and_keeps_its_mode(file):
    result = apply(file, Program())
    assert result.status == "written"
    assert file.is_symlink()
    assert file.read_text() == AFTER
    assert file.stat().st_mode & 0o7777 == 0o600
    assert Path(result.edits[0].backup).read_text() == BEFORE
    assert [path.name for path in file.resolve().parent.iterdir()] == ["default.yaml"]


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (Program(loader=4), "the loader was given num_workers=4 still"),
        (Program(composed=4), "data.num_workers is composed as 4 still"),
    ],
)
def test_a_value_that_does_not_arrive_is_taken_back(file, program, reason):
    result = apply(file, program)
    assert result.status == "restored"
    assert reason in result.reason
    assert f"give the override {KEY}=8" in result.advice
    assert file.read_text() == BEFORE


def test_an_interrupted_proof_leaves_the_file_as_it_was(file):
    with pytest.raises(KeyboardInterrupt):
        apply(file, Program(loader=None))
    assert file.read_text() == BEFORE


def test_a_file_that_changed_behind_the_diff_is_left_alone(file):
    file.write_text("num_workers: 6\n")
    result = apply(file, Program())
    assert result.status == "restored"
    assert "changed while its diff was shown" in result.reason
    assert file.read_text() == "num_workers: 6\n"


def test_the_note_names_the_machine_and_the_day():
    machine = ENVIRONMENT.model_copy(update={"cpu": "AMD  EPYC ", "num_cores_usable": 1.0})
    assert note_of(machine, "2026-11-22T12:00:00+00:00") == "ocrprof sweep-workers, AMD EPYC, 1 core, 2026-11-22"
