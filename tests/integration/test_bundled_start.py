"""What the bundled pipeline's start holds, from its own records: one composition, and no package that nobody chose."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from runs import environment, tiny
from test_cli import ocrprof, report_in

# Packages of other projects that may be loaded before the first step. One more means that every start pays for it:
# load it where it is used, or name it here.
ALLOWED = {
    # configuration
    *("hydra", "omegaconf", "antlr4", "yaml", "attr"),
    *("pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"),
    # torch, torchvision, Lightning and torchmetrics, and what they load
    *("torch", "torchgen", "functorch", "triton", "torchvision", "numpy", "sympy", "mpmath", "PIL", "cuda", "pynvml"),
    *("lightning", "lightning_utilities", "torchmetrics", "packaging", "fsspec", "tqdm", "rich"),
    # timm's way to its weights
    *("timm", "safetensors", "huggingface_hub", "filelock"),
    *("httpx", "httpx2", "httpcore", "httpcore2", "h11", "anyio", "sniffio", "idna", "certifi", "truststore", "click"),
    # images and target maps
    *("cv2", "pyclipper", "simplejpeg"),
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of one start to the first step, as people run it but for the size of things."""
    folder = tmp_path_factory.mktemp("start")
    overrides = [*tiny(folder), "trainer.num_sanity_val_steps=1", f"hydra.run.dir={folder / 'run'}"]
    once = ["--runs", "1", "--warmup", "0", "--quiet", "-o", str(folder / "report")]
    done = ocrprof("startup", *once, *overrides, cwd=folder, env=environment())
    assert done.returncode == 0, done.stderr
    return report_in(folder / "report")


def loaded(report: dict[str, Any]) -> set[str]:
    """Top-level names of the packages of other projects that the main process had loaded by the first step."""
    main = report["timeline"][0]["pid"]
    installed = [each for each in report["imports"] if each["pid"] == main and "site-packages" in (each["file"] or "")]
    return {each["module"].partition(".")[0] for each in installed if each["ok"]}


def test_the_configuration_is_composed_once(report: dict[str, Any]) -> None:
    (composition,) = report["hydra"]["compositions"]
    assert composition["config"] == "train"


def test_nothing_is_loaded_that_is_not_named_here(report: dict[str, Any]) -> None:
    names = loaded(report)
    assert {"torch", "lightning", "timm", "hydra"} <= names
    assert names <= ALLOWED


def test_wandb_is_not_loaded_for_timm_and_can_be_afterwards(tmp_path: Path) -> None:
    (tmp_path / "wandb.py").write_text("print('loaded')\n")
    code = "import pipeline.detection.encoder, timm.utils.summary; print('then'); import wandb"
    apart = {**environment(), "PYTHONPATH": f"{tmp_path}:{environment()['PYTHONPATH']}"}
    done = subprocess.run([sys.executable, "-c", code], env=apart, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["then", "loaded"]


def test_an_override_that_does_not_exist_is_refused_without_loading_the_schema(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pipeline.train import main\n"
        "code = main()\nprint(code, *{name.partition('.')[0] for name in sys.modules})"
    )
    command = [sys.executable, "-c", code, "no_such_key=1"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
    returned, *names = done.stdout.split()
    assert returned == "2"
    assert set(names) & {"torch", "lightning", "timm", "numpy", "pandas", "cv2", "wandb", "pydantic"} == set()
    assert "no_such_key is not a key" in done.stderr
