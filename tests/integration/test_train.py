"""Training from the command line: what it leaves behind, what it says of mistakes, how it ends."""

import inspect
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import get_object
from omegaconf import OmegaConf
from runs import NUM_TRAIN, NUM_VAL, environment, run_apart, run_here, tiny

from pipeline.build import build_datamodule, build_module, build_trainer
from pipeline.config import config_dir
from pipeline.schema import PARTS, Part, Trainer

HEAVY = ("torch", "lightning", "timm", "torchmetrics", "cv2", "numpy", "wandb")
# Arguments that the program fills in, and those of Lightning and torch that no configuration file can hold.
FILLED_IN = {"in_channels", "params", "optimizer"}
NOT_PLAIN = {"plugins", "callbacks", "logger", "model_registry", "train_time_interval", "last_epoch"}
MODULE_ARGUMENTS = {"model", "loss", "postprocess", "metric", "scheduler"}
DATA_REFERENCES = {"root", "size", "strict"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of two steps, with loading processes and a sanity check as by default."""
    folder = tmp_path_factory.mktemp("trained")
    overrides = [*tiny(folder), "data.num_workers=2", "trainer.num_sanity_val_steps=1", "logger=csv"]
    done = run_apart("train", [*overrides, f"hydra.run.dir={folder / 'run'}"], cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "run"


def composed(folder: Path, *overrides: str) -> Any:
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return compose("train", overrides=[f"paths.output_dir={folder}", *tiny(folder), *overrides])


def test_a_run_leaves_its_last_and_its_best_weights(trained: Path) -> None:
    assert {path.name for path in (trained / "checkpoints").iterdir()} == {"last.ckpt", "best.ckpt"}


def test_a_checkpoint_can_be_read_without_running_code_and_says_what_it_was_trained_with(trained: Path) -> None:
    checkpoint = torch.load(trained / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == NUM_TRAIN // 2
    assert checkpoint["hyper_parameters"]["model"]["encoder"]["model_name"] == "mobilenetv3_small_050"
    assert checkpoint["hyper_parameters"]["data"]["size"] == 160


def test_a_run_logs_losses_and_scores(trained: Path) -> None:
    columns = (trained / "csv" / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {"train/loss", "val/loss", "val/recall", "val/precision", "val/hmean"} <= set(columns)


def test_training_goes_on_from_a_checkpoint(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    overrides = [*tiny(tmp_path), "trainer.max_epochs=2", f"resume={trained / 'checkpoints' / 'last.ckpt'}"]
    assert run_here("train", [*overrides, f"hydra.run.dir={tmp_path}"], monkeypatch) == 0
    checkpoint = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == NUM_TRAIN
    assert checkpoint["epoch"] == 1


def test_the_program_is_light_to_import(tmp_path: Path) -> None:
    code = "import sys, pipeline.train, pipeline.evaluate; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert set(loaded.stdout.split()) & {*HEAVY, "hydra", "omegaconf", "pydantic"} == set()


@pytest.mark.parametrize("override", ["trainer.precision=99", "trainer.max_epoch=3", "model=dbnet_resnet19"])
def test_a_wrong_configuration_ends_before_torch_is_loaded(tmp_path: Path, override: str) -> None:
    code = (
        "import sys\n"
        "from pipeline.train import main\n"
        "try: code = main()\n"
        "except SystemExit as stop: code = stop.code\n"
        "print(code, *sorted(sys.modules))"
    )
    command = [sys.executable, "-c", code, override]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
    returned, *loaded = done.stdout.split()
    assert returned == "2"
    assert set(loaded) & set(HEAVY) == set()
    assert override.partition("=")[0] in done.stderr
    assert "allowed: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_configuration_is_said_on_stderr_with_exit_code_2(tmp_path: Path) -> None:
    done = run_apart("train", ["trainer.max_epochs=abc"], cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == 'error: trainer.max_epochs is "abc", should be a whole number\n'


def test_the_composed_configuration_and_the_help_can_be_printed(tmp_path: Path) -> None:
    shown = run_apart("train", ["--cfg", "job", "--package", "model", "model=dbnet_tiny"], cwd=tmp_path)
    assert "mobilenetv3_small_050" in shown.stdout
    helped = run_apart("train", ["--help"], cwd=tmp_path)
    assert (helped.returncode, "data: icdar15, json, receipts" in helped.stdout) == (0, True)


def test_a_part_that_refuses_its_value_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = [*tiny(tmp_path), "model.encoder.model_name=nothing_of_timm", f"hydra.run.dir={tmp_path}"]
    assert run_here("train", overrides, monkeypatch) == 2
    assert "error: model.encoder: timm" in capsys.readouterr().err


def test_a_missing_file_is_named_before_anything_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = ["data=json", f"data.root={tmp_path}", f"hydra.run.dir={tmp_path}"]
    assert run_here("train", overrides, monkeypatch) == 2
    assert f"error: data.train.records.path is {tmp_path}/train.json: no such file" in capsys.readouterr().err


def test_an_interrupt_ends_the_run_with_130_and_without_a_traceback_of_ours(tmp_path: Path) -> None:
    overrides = [*tiny(tmp_path), "data.num_workers=1", "trainer.max_epochs=1000", "logger=csv"]
    overrides += ["trainer.limit_val_batches=0", "callbacks=none", f"hydra.run.dir={tmp_path}"]
    command = [sys.executable, "-m", "pipeline.train", *overrides, "+logger.csv.flush_logs_every_n_steps=1"]
    child = subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    until = time.monotonic() + 60
    while not (tmp_path / "csv" / "metrics.csv").exists() and child.poll() is None and time.monotonic() < until:
        time.sleep(0.1)
    os.killpg(child.pid, signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 130
    # Python's own threads in a dying loading process may complain; nothing of ours does.
    assert "pipeline/" not in errors
    assert errors.endswith("interrupted\n")


def test_the_same_seed_gives_the_same_losses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def last_weights(name: str, seed: int) -> torch.Tensor:
        folder = tmp_path / name
        overrides = [*tiny(tmp_path), f"seed={seed}", "trainer.limit_val_batches=0", f"hydra.run.dir={folder}"]
        assert run_here("train", overrides, monkeypatch) == 0
        state = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        return torch.cat([value.flatten().double() for value in state.values()])

    first, again, other = last_weights("first", 1), last_weights("again", 1), last_weights("other", 2)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_metric_and_postprocessing_are_built_with_the_first_validation_and_see_every_image_once(
    tmp_path: Path,
) -> None:
    cfg = composed(tmp_path, "callbacks=none")
    module, trainer = build_module(cfg), build_trainer(cfg)
    assert (module.metric, module.postprocess) == (None, None)
    trainer.validate(module, datamodule=build_datamodule(cfg), verbose=False)
    assert module.scores["num_images"] == NUM_VAL


def test_a_split_that_is_not_needed_is_not_built(tmp_path: Path) -> None:
    cfg = composed(tmp_path, "callbacks=none", "data.train.records._target_=nowhere.to_be_found")
    module = build_module(cfg)
    build_trainer(cfg).validate(module, datamodule=build_datamodule(cfg), verbose=False)
    assert module.scores["num_images"] == NUM_VAL


def test_predictions_are_boxes_of_each_image(tmp_path: Path) -> None:
    cfg = composed(tmp_path, "callbacks=none", "postprocess.thresh=0.001", "postprocess.box_thresh=0.0")
    batches = build_trainer(cfg).predict(build_module(cfg), datamodule=build_datamodule(cfg))
    found = [detections for batch in batches for detections in batch]
    assert len(found) == NUM_VAL
    assert all(detections["boxes"].shape[1:] == (4, 2) for detections in found)


@pytest.mark.parametrize("target", sorted(target for target in PARTS if not target.startswith("ocrprof")))
def test_the_schema_names_the_arguments_that_a_part_takes(target: str) -> None:
    parameters = inspect.signature(get_object(target)).parameters.values()
    taken = {parameter.name for parameter in parameters if parameter.kind is not inspect.Parameter.VAR_KEYWORD}
    named = set(PARTS[target].__annotations__) - set(Part.__annotations__) - {"_target_"}
    assert named - DATA_REFERENCES <= taken
    if target.startswith("pipeline") or PARTS[target] is Trainer:
        assert taken - FILLED_IN - NOT_PLAIN - MODULE_ARGUMENTS <= named


def test_the_profiler_that_a_configuration_may_name_takes_what_it_gives() -> None:
    profiler = pytest.importorskip("ocrprof.lightning").PerformanceProfilerCallback
    option = OmegaConf.load(config_dir() / "callbacks" / "performance_profiler.yaml").performance_profiler
    assert set(option) - {"_target_"} <= set(inspect.signature(profiler).parameters)


@pytest.mark.parametrize(
    ("data", "overrides"),
    [
        ("sroie", ["data=sroie"]),
        ("icdar15", ["data=icdar15", "data.train.records.path=${data.val.records.path}"]),
    ],
)
def test_real_data_is_trained_on_and_evaluated(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: str, overrides: list[str]
) -> None:
    common = ["trainer=smoke", "trainer.enable_progress_bar=false", "data.size=160", "data.num_workers=0"]
    common += [*overrides, f"data.root={shared_data / data}", "data.strict=true", "data.batch_size=2"]
    assert run_here("train", [*common, "model=dbnet_tiny", f"hydra.run.dir={tmp_path / 'run'}"], monkeypatch) == 0
    checkpoint = tmp_path / "run" / "checkpoints" / "last.ckpt"
    assert run_here("evaluate", [*common, f"checkpoint={checkpoint}", f"hydra.run.dir={tmp_path}"], monkeypatch) == 0
    assert '"num_images": 2' in (tmp_path / "metrics.json").read_text()
