"""Runs a target with the recorder in it and reads what it wrote, without anything of `results/`."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ocrprof.measure.child import Outcome, run_target
from ocrprof.target import Target

TARGETS = Path(__file__).resolve().parent.parent / "targets"
PYTHON = sys.executable


@dataclass(frozen=True)
class Recorded:
    """An outcome, its output, and its records by kind."""

    outcome: Outcome
    stdout: str
    stderr: str
    records: list[dict]

    def of_kind(self, kind: str) -> list[dict]:
        return [record for record in self.records if record["k"] == kind]

    def spans(self, name: str) -> list[dict]:
        return [record for record in self.of_kind("span") if record["name"] == name]

    def marks(self) -> set[str]:
        return {record["name"] for record in self.of_kind("mark")}


def record(
    directory: Path,
    *argv: str,
    until: str = "exit",
    timeout_seconds: float = 120,
    cwd: Path = TARGETS,
    settings: dict[str, str] | None = None,
) -> Recorded:
    """The target's run, recorded."""
    outcome = run_target(
        Target(argv=argv, cwd=cwd),
        directory=directory,
        until=until,
        timeout_seconds=timeout_seconds,
        settings=settings,
    )
    records = [
        json.loads(line) for file in sorted((directory / "records").iterdir()) for line in file.read_text().splitlines()
    ]
    return Recorded(
        outcome=outcome,
        stdout=(directory / "stdout.txt").read_text(),
        stderr=(directory / "stderr.txt").read_text(),
        records=records,
    )


def plain(*argv: str, cwd: Path = TARGETS) -> subprocess.CompletedProcess[str]:
    """The same target as its user runs it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OCRPROF_")}
    return subprocess.run(
        argv, cwd=cwd, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120
    )
