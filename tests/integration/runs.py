"""Runs of the bundled pipeline, small enough for a test: a few steps of the tiny model on tiny pages."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NUM_TRAIN, NUM_VAL = 4, 3


def tiny(folder: Path) -> list[str]:
    """Overrides for two steps on the processor, on pages that lie in `folder`."""
    return [
        "model=dbnet_tiny",
        "trainer=smoke",
        "trainer.limit_val_batches=null",
        "trainer.enable_progress_bar=false",
        "data.size=160",
        "data.batch_size=2",
        "data.num_workers=0",
        "data.train.records.progress=false",
        f"data.train.records.num_images={{train: {NUM_TRAIN}, val: {NUM_VAL}}}",
        f"data.root={folder / 'receipts'}",
    ]


def run_here(program: str, overrides: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of `pipeline.<program>` with these overrides, run in this process."""
    module = importlib.import_module(f"pipeline.{program}")
    monkeypatch.setattr(sys, "argv", [program, *overrides])
    try:
        return module.main()
    except SystemExit as stop:
        return int(stop.code or 0)


def run_apart(program: str, overrides: list[str], *, cwd: Path) -> subprocess.CompletedProcess[str]:
    """`python -m pipeline.<program>` with these overrides, in a process of its own."""
    command = [sys.executable, "-m", f"pipeline.{program}", *overrides]
    return subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=120, check=False)


def environment() -> dict[str, str]:
    """This process's environment, in which `python -m pipeline.train` finds the checkout from any folder."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
