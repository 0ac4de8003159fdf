"""The pre-registered validation of `ocrprof check`: how often it fails without cause, and what it finds.

    python tests/benchmarks/check_validation.py --output reports/check-validation_HARDWARE_DATE --minutes 25

Every part appends raw results to a file of its own in the output folder, one JSON line each, and goes on where it
stopped: it may be ended at any time and run again. Protocol: reports/check-validation-protocol.md. Parts:

    aa               whole `ocrprof check --against HEAD`, the same code in both worktrees, idle machine
    aa-hog, aa-half  the same with one core loaded on and off, and loaded from the middle of the check on
    injected         whole checks of a work tree with work added in one of six places: 2, 5, 10 and 20 % of the launch
    stream-idle, stream-hog, stream-half
                     bare launches in windows of 56, for size and power on real noise and for other tools' rules

The time is divided among the chosen parts. README.md with the tables is written at the end, or by `--minutes 0` alone.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import check_tables
from check_target import PLACES, Hog, OnAndOff, git, launch, make_repository, restore, seconds_per_turn, slow_down

from ocrprof.measure.environment import describe_environment, describe_tool

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = {"aa": 35, "aa-hog": 8, "aa-half": 7, "injected": 32, "stream-idle": 6, "stream-hog": 6, "stream-half": 6}
NUM_AA_RUNS = 299
NUM_WINDOW_PAIRS = 28
SHARES = (0.10, 0.10, 0.02, 0.10, 0.10, 0.05, 0.10, 0.10, 0.20)
"""Sizes in turn, each in all six places: two thirds of the checks are for the 10 % that power is claimed for."""
SEEDS = {"aa": 10_000, "aa-hog": 20_000, "aa-half": 30_000, "injected": 40_000}
_EXPECTED_SECONDS = {"aa": 6, "aa-hog": 9, "aa-half": 8, "injected": 8, "stream-idle": 8, "stream-hog": 11,
                     "stream-half": 10}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Where things are: the target's repository, where results go, and what a turn of its loop takes."""

    folder: Path
    output: Path
    turn_seconds: float
    total_seconds: float

    def record(self, part: str, row: dict) -> None:
        """Appends one raw result, by one write: a line is there as a whole or not at all."""
        with (self.output / f"{part}.jsonl").open("ab", buffering=0) as file:
            file.write((json.dumps(row, separators=(",", ":")) + "\n").encode())


def main() -> None:
    given = arguments()
    given.output.mkdir(parents=True, exist_ok=True)
    weights = {part: WEIGHTS[part] for part in given.parts.split(",")}
    plan = {part: 60 * given.minutes * weight / sum(weights.values()) for part, weight in weights.items()}
    print_plan(plan, given.output)
    if given.minutes > 0:
        with tempfile.TemporaryDirectory(prefix="check-validation-") as folder:
            bench = prepare(Path(folder) / "repository", given.output)
            for part, seconds in plan.items():
                run_part(part, bench, seconds)
    page = check_tables.write_report(given.output)
    print(f"report: {page}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder of raw results and tables; goes on there")
    parser.add_argument(
        "--minutes", type=float, default=25.0, help="for all parts together (default 25); 0: tables only"
    )
    parser.add_argument("--parts", default=",".join(WEIGHTS), help="some of: %(default)s")
    given = parser.parse_args()
    unknown = set(given.parts.split(",")) - WEIGHTS.keys()
    if unknown:
        parser.error(f"no part is called {', '.join(sorted(unknown))}")
    return given


def print_plan(plan: dict[str, float], output: Path) -> None:
    """What will be run, for how long, on top of what is there."""
    for part, seconds in plan.items():
        there = sum(1 for _ in rows_of(output, part))
        expected = f"about {seconds / _EXPECTED_SECONDS[part]:.0f} more on a quiet machine" if seconds else "no more"
        print(f"{part}: {seconds / 60:.1f} min, {expected}, {there} there", file=sys.stderr)
    print(f"in all {sum(plan.values()) / 60:.0f} min and about half a minute to prepare", file=sys.stderr)


def rows_of(output: Path, part: str) -> Iterator[dict]:
    """The raw results of a part."""
    file = output / f"{part}.jsonl"
    if file.exists():
        for line in file.read_text().splitlines():
            yield json.loads(line)


def prepare(folder: Path, output: Path) -> Bench:
    """Makes the target's repository, and takes the time of a launch in a check, by which injected work is sized."""
    folder.mkdir()
    turn_seconds = seconds_per_turn()
    make_repository(folder, turn_seconds=turn_seconds)
    for _ in range(3):
        launch(folder)
    bench = Bench(folder=folder, output=output, turn_seconds=turn_seconds, total_seconds=0.0)
    report = check(bench, seed=1)["report"]
    if report is None:
        raise SystemExit("the first check did not write a report")
    total = median(one["values"]["time_to_exit"] for one in report["launches"] if one["pair"] > 0)
    described = {
        "started": now(),
        "tool": describe_tool().model_dump(mode="json"),
        "environment": describe_environment(cwd=ROOT, python=None, libraries={}).model_dump(mode="json"),
        "turn_seconds": turn_seconds,
        "launch_seconds": total,
        "analysis_hash": check_tables.analysis_hash(),
        "commit": git(ROOT, "rev-parse", "HEAD"),
        "uncommitted": bool(git(ROOT, "status", "--porcelain", "--", "ocrprof", "tests/benchmarks")),
    }
    bench.record("sessions", described)
    return Bench(folder=folder, output=output, turn_seconds=turn_seconds, total_seconds=total)


def run_part(part: str, bench: Bench, seconds: float) -> None:
    """Runs one part until its time is over, or it has all that the protocol asks for."""
    until = time.monotonic() + seconds
    first = sum(1 for _ in rows_of(bench.output, part))
    index = first
    hog = Hog(min(os.sched_getaffinity(0)))
    try:
        while time.monotonic() < until and not (part == "aa" and index >= NUM_AA_RUNS):
            if part.startswith("stream"):
                row = window(part, bench, hog, index)
            elif part == "injected":
                row = injected_check(bench, index)
            else:
                row = aa_check(part, bench, hog, index)
            bench.record(part, {"index": index, **row})
            index += 1
            print(f"\r{part}: {index - first} more, {index} in all ", end="", file=sys.stderr, flush=True)
    finally:
        hog.off()
    print(file=sys.stderr)


def aa_check(part: str, bench: Bench, hog: Hog, index: int) -> dict:
    """One check of HEAD against itself, in the part's regime of noise."""
    seed = SEEDS[part] + index
    if part == "aa":
        return summary(check(bench, seed=seed))
    if part == "aa-hog":
        return summary(check(bench, seed=seed, during=switching(hog, seed)))
    # From the middle of what a check takes that stops after its first stage; one that goes on is loaded to its end.
    halfway = median([row["seconds"] for row in rows_of(bench.output, "aa")] or [4.0]) / 2
    return summary(check(bench, seed=seed, during=from_then_on(hog, halfway)))


def switching(hog: Hog, seed: int) -> Callable[[threading.Event], None]:
    """The load that goes on and off at random times."""
    load = OnAndOff(hog, seed=seed)

    def during(ended: threading.Event) -> None:
        while not ended.wait(0.25):
            load.tick()

    return during


def from_then_on(hog: Hog, seconds: float) -> Callable[[threading.Event], None]:
    """The load that begins after `seconds`."""

    def during(ended: threading.Event) -> None:
        if not ended.wait(seconds):
            hog.on()
            ended.wait()

    return during


def injected_check(bench: Bench, index: int) -> dict:
    """One check of a work tree that is slower in one place; places in turn, then sizes."""
    place, share = PLACES[index % len(PLACES)], SHARES[index // len(PLACES) % len(SHARES)]
    slow_down(bench.folder, place, seconds=share * bench.total_seconds, turn_seconds=bench.turn_seconds)
    try:
        return {"place": place, "share": share} | summary(check(bench, seed=SEEDS["injected"] + index))
    finally:
        restore(bench.folder)


def check(bench: Bench, *, seed: int, during: Callable[[threading.Event], None] | None = None) -> dict:
    """One run of the command line: its report (None where there is none), its exit code, and its seconds."""
    with tempfile.TemporaryDirectory(prefix="check-") as output:
        command = [sys.executable, "-m", "ocrprof", "check", "--against", "HEAD", "--seed", str(seed), "--quiet",
                   "-o", output, "--", sys.executable, "train.py"]  # fmt: skip
        ended = threading.Event()
        load = threading.Thread(target=during, args=(ended,)) if during else None
        started, begun = now(), time.monotonic()
        if load:
            load.start()
        try:
            done = subprocess.run(command, cwd=bench.folder, capture_output=True, text=True, check=False)
        finally:
            ended.set()
            if load:
                load.join()
        seconds = time.monotonic() - begun
        file = Path(output) / "report.json"
        report = json.loads(file.read_text()) if file.exists() else None
    told = done.stderr.replace(str(bench.folder), "REPOSITORY")[-400:] if done.returncode not in (0, 1) else ""
    return {"started": started, "seconds": seconds, "exit_code": done.returncode, "report": report, "stderr": told}


def summary(checked: dict) -> dict:
    """What is kept of a check: its verdict, its figures, and every raw value of every launch."""
    report = checked.pop("report")
    if report is None:
        return checked | {"verdict": None}
    gated = {info["name"] for info in report["metric_infos"] if info["gated"]}
    return checked | {
        "verdict": report["verdict"],
        "stopped": report["design"]["stopped_because"],
        "metrics": [metric for metric in report["metrics"] if metric["name"] in gated],
        "exact": [change["name"] for change in report["exact"] if change["verdict"] in ("regressed", "missing")],
        "launches": [
            [one["pair"], one["arm"], one["position"], {name: round(v, 6) for name, v in one["values"].items()}]
            for one in report["launches"]
            if one["pair"] > 0
        ],
        "busy_cores": round(median(one["covariates"].get("others_busy_cores", 0.0) for one in report["launches"]), 3),
    }


def window(part: str, bench: Bench, hog: Hog, index: int) -> dict:
    """56 bare launches in a row; load goes on and off all the time, or begins with the 29th."""
    load = OnAndOff(hog, seed=50_000 + index) if part == "stream-hog" else None
    started, launches = now(), []
    for number in range(2 * NUM_WINDOW_PAIRS):
        if load:
            load.tick()
        elif part == "stream-half" and number == NUM_WINDOW_PAIRS:
            hog.on()
        launches.append({name: round(value, 6) for name, value in launch(bench.folder).items()})
    hog.off()
    return {"started": started, "launches": launches}


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


if __name__ == "__main__":
    main()
