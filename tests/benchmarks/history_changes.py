"""How often `ocrprof history report` tells of a change where none is, and how soon it tells of one; by hand.

`python tests/benchmarks/history_changes.py [FILE]`: simulated sessions of normal noise: series of 20 and 50 without
a change, then with a step in the last sessions. Then, with the aa.jsonl of a validation of `ocrprof check`, the real
sessions of identical code in it, as a nightly report would have seen them: a window of 50 that moves by 10, as they are
and with the second half of each window multiplied. Nothing is timed, so the machine may be busy. About 20 minutes.
"""

import json
import math
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from ocrprof.results.change_points import find_splits
from ocrprof.results.history import metric_infos
from ocrprof.results.history_series import LEVEL, WINDOW, build_series
from ocrprof.results.model import GitState, HistoryLine, MetricInfo

NUM_QUIET, NUM_STEPS, MOVES_BY = 4000, 20, 10
SIZES, SESSIONS_AFTER = (2.0, 3.0, 4.0, 6.0), (3, 4, 5, 8, 12, 25)


def main() -> int:
    print("| series without a change | sessions | told | nominal |\n| --: | --: | --: | --: |")
    for num in (20, WINDOW):
        told = sum(bool(find_splits(noise(num, seed), level=LEVEL, seed=seed)) for seed in range(NUM_QUIET))
        print(f"| {NUM_QUIET} | {num} | {told} | {NUM_QUIET * LEVEL:g} |", flush=True)
    print("\nShare found of steps, by their size in deviations of a session and by the sessions after them:\n")
    print("| size | " + " | ".join(map(str, SESSIONS_AFTER)) + " |\n" + "| --: " * (1 + len(SESSIONS_AFTER)) + "|")
    for size in SIZES:
        shares = [f"{share_found(size, after):.0%}" for after in SESSIONS_AFTER]
        print(f"| {size:g} | " + " | ".join(shares) + " |", flush=True)
    if len(sys.argv) > 1:
        real(Path(sys.argv[1]))
    return 0


def noise(num: int, seed: int) -> list[float]:
    generator = random.Random(f"noise/{seed}")
    return [generator.gauss(0, 1) for _ in range(num)]


def share_found(size: float, after: int) -> float:
    """Of steps that the last `after` sessions of a window have; one session off is found too."""
    found = 0
    for seed in range(NUM_STEPS):
        values = [value + (size if index >= WINDOW - after else 0.0) for index, value in enumerate(noise(WINDOW, seed))]
        found += any(abs(one.index - (WINDOW - after)) <= 1 for one in find_splits(values, level=LEVEL, seed=seed))
    return found / NUM_STEPS


def real(file: Path) -> None:
    """The candidate's medians of each check of identical code, in the order in which they were made."""
    sessions = [
        {one["name"]: one["candidate_median"] for one in json.loads(row)["metrics"] if one["candidate_median"]}
        for row in file.read_text().splitlines()
    ]
    starts = range(0, len(sessions) - WINDOW + 1, MOVES_BY)
    print(f"\n{len(sessions)} real sessions of equal code, {len(starts)} windows of {WINDOW}; windows with a change:\n")
    print("| metric | deviation | as they are | +5 % | +10 % | +20 % |\n| --- | --: | --: | --: | --: | --: |")
    for info in decisive(sessions):
        name, cells = info.name, []
        usual = median(one[name] for one in sessions if name in one)
        for factor in (1.0, 1.05, 1.10, 1.20):
            if factor > 1 and usual * (factor - 1) < info.floor:
                cells.append("below the floor")
                continue
            told = [changes(sessions[start : start + WINDOW], name, factor) for start in starts]
            hit = [any(abs(place - WINDOW // 2) <= 2 for place in places) for places in told]
            cells.append(f"{sum(map(bool, told)) if factor == 1.0 else sum(hit)} of {len(told)}")
        logs = [math.log(one[name]) for one in sessions if name in one]
        center = sum(logs) / len(logs)
        deviation = math.sqrt(sum((log - center) ** 2 for log in logs) / (len(logs) - 1))
        print(f"| {name} | {deviation:.1%} | " + " | ".join(cells) + " |", flush=True)


def decisive(sessions: Sequence[dict[str, float]]) -> list[MetricInfo]:
    return [info for info in metric_infos(sessions) if info.gated]


def changes(sessions: Sequence[dict[str, float]], name: str, factor: float) -> list[int]:
    """Where the report would tell of a change of the metric, of which the second half is multiplied."""
    lines = [
        line(number, {name: values[name] * (factor if number >= len(sessions) // 2 else 1.0)})
        for number, values in enumerate(sessions)
        if name in values
    ]
    (series,) = build_series(lines, frozen=[0], frozen_label="", seed=0)
    return [change.first_after for change in series.changes]


def line(number: int, values: dict[str, float]) -> HistoryLine:
    return HistoryLine(
        id=f"{number:012x}",
        created=f"2026-01-01T00:00:{number:02d}",
        kind="check",
        tool="",
        argv=[],
        git=GitState(sha=f"{number:040x}"),
        fingerprint="",
        metric_set="",
        launches=[values],
    )


if __name__ == "__main__":
    sys.exit(main())
