"""Scoring a checkpoint from the command line."""

import json
from pathlib import Path

import pytest
import torch
from runs import NUM_VAL, run_apart, run_here, tiny

# An untrained model gives each pixel a low probability; these let it find boxes, so that scores are not all zero.
FINDS_SOMETHING = ["postprocess.thresh=0.05", "postprocess.box_thresh=0.0"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights after two steps; the scores that training saw are beside them."""
    folder = tmp_path_factory.mktemp("checkpoint")
    overrides = [*tiny(folder), *FINDS_SOMETHING, "logger=csv", f"hydra.run.dir={folder}"]
    done = run_apart("train", overrides, cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "summary.txt").write_text(done.stdout)
    return folder / "checkpoints" / "last.ckpt"


def evaluation(checkpoint: Path, folder: Path) -> list[str]:
    """Overrides for an evaluation that writes to `folder`; the model is not among them."""
    data = [override for override in tiny(checkpoint.parent.parent) if not override.startswith("model")]
    return [*data, *FINDS_SOMETHING, f"checkpoint={checkpoint}", f"hydra.run.dir={folder}"]


def test_a_checkpoint_scores_as_it_did_in_training(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here("evaluate", evaluation(checkpoint, tmp_path), monkeypatch) == 0
    in_training = dict(line.split() for line in (checkpoint.parent.parent / "summary.txt").read_text().splitlines())
    printed = dict(line.split() for line in capsys.readouterr().out.splitlines() if len(line.split()) == 2)
    names = ("recall", "precision", "hmean")
    assert [printed[name] for name in names] == [in_training[f"val/{name}"] for name in names]
    assert float(printed["hmean"]) > 0


def test_the_scores_are_written_with_their_counters_and_configuration(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_here("evaluate", evaluation(checkpoint, tmp_path), monkeypatch) == 0
    record = json.loads((tmp_path / "metrics.json").read_text())
    assert record["split"] == "val"
    assert record["scores"]["num_images"] == NUM_VAL
    assert record["config"]["model"]["encoder"]["model_name"] == "mobilenetv3_small_050"


def test_without_test_images_the_test_split_is_the_validation_split(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = [*evaluation(checkpoint, tmp_path), "split=test", "trainer.limit_test_batches=null"]
    assert run_here("evaluate", overrides, monkeypatch) == 0
    record = json.loads((tmp_path / "metrics.json").read_text())
    assert (record["split"], record["scores"]["num_images"]) == ("test", NUM_VAL)


def test_a_model_given_on_the_command_line_is_not_replaced_by_the_checkpoints(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = [*evaluation(checkpoint, tmp_path), "model=dbnet_tiny", "decoder=unet"]
    assert run_here("evaluate", overrides, monkeypatch) == 2
    assert "error: checkpoint does not fit the model" in capsys.readouterr().err


def test_a_checkpoint_that_is_not_there_is_an_error_with_exit_code_2(tmp_path: Path) -> None:
    done = run_apart("evaluate", ["checkpoint=nowhere.ckpt"], cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: checkpoint is nowhere.ckpt: no such file\n"


def test_an_evaluation_without_a_checkpoint_says_how_to_give_it(tmp_path: Path) -> None:
    done = run_apart("evaluate", [], cwd=tmp_path)
    assert done.returncode == 2
    assert "checkpoint has no value\n  give it as checkpoint=…" in done.stderr


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path(self.path),)


@pytest.mark.parametrize("content", [b"", b"plain text", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_checkpoint_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    broken = tmp_path / "broken.ckpt"
    broken.write_bytes(content)
    assert run_here("evaluate", [f"checkpoint={broken}", f"hydra.run.dir={tmp_path}"], monkeypatch) == 2
    assert f"error: checkpoint is {broken}, which cannot be read" in capsys.readouterr().err


def test_a_checkpoint_that_would_run_code_is_refused_and_runs_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trap = tmp_path / "trap.ckpt"
    torch.save({"state_dict": {}, "trap": Trap(tmp_path / "sprung")}, trap)
    assert run_here("evaluate", [f"checkpoint={trap}", f"hydra.run.dir={tmp_path}"], monkeypatch) == 2
    assert "which cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "sprung").exists()


def test_weights_without_a_state_dict_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "other.ckpt"
    torch.save({"weights": torch.zeros(1)}, path)
    assert run_here("evaluate", [f"checkpoint={path}", f"hydra.run.dir={tmp_path}"], monkeypatch) == 2
    assert "holds no state_dict" in capsys.readouterr().err
