"""The pre-registered measurement of what `ocrprof check` finds: work in six places of a program, sized by measurement.

    OMP_NUM_THREADS=1 python tests/benchmarks/check_power.py --output reports/check-power-2_HARDWARE_DATE --minutes 56

First, once a session, a long check for every place measures what a given amount of work there costs the launch: a loop
is slower in a fresh process than in a hot one, and a sleep leaves its core to others, so seconds of work are not the
seconds that a launch becomes longer by. Then whole checks of work trees that are slower by 10 %, and of equal ones, as
`check_validation.py` runs them. Protocol: reports/check-power-2-protocol.md. Raw results are appended to
the output folder, which may be gone on with; README.md with the tables is written at the end, or by `--minutes 0`.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import textwrap
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import check_tables
import check_validation
from check_target import PLACES, git, launch, make_repository, restore, seconds_per_turn, slow_down

from ocrprof.measure.environment import describe_environment, describe_tool

ROOT = Path(__file__).resolve().parents[2]
PROTOCOL = ROOT / "reports" / "check-power-2-protocol.md"
LENGTH = 4
"""How much longer the stages are than those of `check_validation.py`."""

SHARES = (0.10, 0.10, 0.10, 0.10, 0.10, 0.0, 0.10, 0.10, 0.10, 0.10, 0.10)
"""Sizes in turn, each in all six places; at 0 nothing is added."""

NUM_CALIBRATION_PAIRS, CALIBRATION_SHARE = 40, 0.40
_SEED, _CALIBRATION_SEED = 80_000, 90_000
_FINISHED = (0, 1, 3)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The target's repository, and by place the seconds of work that make a launch longer by its own whole length."""

    folder: Path
    output: Path
    turn_seconds: float
    work_seconds: dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder of raw results and tables; goes on there")
    parser.add_argument("--minutes", type=float, default=56.0, help="after the calibration (default 56); 0: tables")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    if given.minutes > 0:
        with tempfile.TemporaryDirectory(prefix="check-power-") as folder:
            bench = prepare(Path(folder) / "repository", given.output)
            run_checks(bench, seconds=60 * given.minutes)
    print(f"report: {write_report(given.output)}")


def analysis_hash() -> str:
    """SHA-256 of this script and of what `check_tables.HASHED` lists, 16 digits."""
    return hashlib.sha256(Path(__file__).read_bytes() + check_tables.analysis_hash().encode()).hexdigest()[:16]


def prepare(folder: Path, output: Path) -> Bench:
    """Makes the repository, and measures what work costs in each place."""
    folder.mkdir()
    turn_seconds = seconds_per_turn()
    make_repository(folder, turn_seconds=turn_seconds / LENGTH)
    for _ in range(3):
        launch(folder)
    plain = long_check(folder, seed=_CALIBRATION_SEED, pairs=10)
    total = median(one["values"]["time_to_exit"] for one in plain["launches"] if one["pair"] > 0)
    work_seconds, long_checks = {}, {}
    for number, place in enumerate(PLACES, start=1):
        added = CALIBRATION_SHARE * total
        slow_down(folder, place, seconds=added, turn_seconds=turn_seconds)
        report = long_check(folder, seed=_CALIBRATION_SEED + number, pairs=NUM_CALIBRATION_PAIRS)
        restore(folder)
        long_checks[place] = next(one for one in report["metrics"] if one["name"] == "time_to_exit")
        ratio = long_checks[place]["ratio"]
        work_seconds[place] = added / (ratio - 1)
        print(f"{place}: {added:.3f} s of work make a launch of {total:.3f} s longer by {100 * (ratio - 1):.1f} %")
    session = {
        "started": check_validation.now(),
        "tool": describe_tool().model_dump(mode="json"),
        "environment": describe_environment(cwd=ROOT, python=None, libraries={}).model_dump(mode="json"),
        "launch_seconds": total,
        "turn_seconds": turn_seconds,
        "work_seconds": work_seconds,
        "calibration": long_checks,
        "analysis_hash": analysis_hash(),
        "commit": git(ROOT, "rev-parse", "HEAD"),
        "uncommitted": bool(git(ROOT, "status", "--porcelain", "--", "ocrprof", "tests/benchmarks")),
    }
    append(output / "sessions.jsonl", session)
    return Bench(folder=folder, output=output, turn_seconds=turn_seconds, work_seconds=work_seconds)


def long_check(folder: Path, *, seed: int, pairs: int) -> dict:
    """The report of a check of the work tree with so many pairs, neither fewer nor more."""
    with tempfile.TemporaryDirectory(prefix="check-") as output:
        command = [sys.executable, "-m", "ocrprof", "check", "--against", "HEAD", "--pairs", f"{pairs}:{pairs}",
                   "--seed", str(seed), "--quiet", "-o", output, "--", sys.executable, "train.py"]  # fmt: skip
        subprocess.run(command, cwd=folder, capture_output=True, check=False)
        return json.loads((Path(output) / "report.json").read_text())


def run_checks(bench: Bench, *, seconds: float) -> None:
    """Whole checks, places in turn, then sizes, until the time is over."""
    until, first = time.monotonic() + seconds, len(rows_of(bench.output, "checks"))
    index = first
    where = check_validation.Bench(
        folder=bench.folder, output=bench.output, turn_seconds=bench.turn_seconds, total_seconds=0.0
    )
    while time.monotonic() < until:
        place, share = PLACES[index % len(PLACES)], SHARES[index // len(PLACES) % len(SHARES)]
        if share > 0:
            work = share * bench.work_seconds[place]
            slow_down(bench.folder, place, seconds=work, turn_seconds=bench.turn_seconds)
        row = check_validation.summary(check_validation.check(where, seed=_SEED + index))
        restore(bench.folder)
        append(bench.output / "checks.jsonl", {"index": index, "place": place, "share": share, **row})
        index += 1
        print(f"\r{index - first} more, {index} in all ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def append(file: Path, row: dict) -> None:
    """One line, by one write."""
    with file.open("ab", buffering=0) as opened:
        opened.write((json.dumps(row, separators=(",", ":")) + "\n").encode())


def rows_of(output: Path, name: str) -> list[dict]:
    """The raw results of one kind, in order."""
    file = output / f"{name}.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def write_report(output: Path) -> Path:
    """Writes README.md from the raw files."""
    sessions, checks = rows_of(output, "sessions"), rows_of(output, "checks")
    finished = [row for row in checks if row["exit_code"] in _FINISHED]
    slower = [row for row in finished if row["share"] == 0.10]
    found = sum(row["verdict"] == "regressed" for row in slower)
    environment, last = sessions[-1]["environment"], sessions[-1]
    hashes = sorted({session["analysis_hash"] for session in sessions})
    kept = "the protocol's" if all(one in PROTOCOL.read_text() for one in hashes) else "NOT the protocol's"
    about = (
        f"{environment['cpu'] or 'Unknown processor'}, {environment['num_cores_usable']:g} cores, Python"
        f" {environment['python']}, ocrprof {last['tool']['version']} at {last['commit'][:10]}"
        f"{' with uncommitted changes' if last['uncommitted'] else ''}; {len(sessions)} session(s) from"
        f" {sessions[0]['started']} on, load average {environment['load_average'] or 0:.1f} at the start of the last. A"
        f" launch takes {median(one['launch_seconds'] for one in sessions):.2f} s. Analysis {', '.join(hashes)}: {kept}"
        f" (`reports/{PROTOCOL.name}`). Raw results, with every launch: `*.jsonl`. Bounds are one-sided 95 %, Clopper"
        f" and Pearson; inconclusive counts as missed. {len(checks) - len(finished)} of {len(checks)} checks crashed."
    )
    head = (
        f"**{found} of {len(slower)} slowdowns of 10 % were found: {100 * found / max(len(slower), 1):.1f} %, at least"
        f" {100 * check_tables.at_least(found, max(len(slower), 1)):.1f} %.**"
    )
    noise = [one["sd_pair"] for row in finished for one in row["metrics"] if one["name"] == "time_to_exit"]
    blocks = [
        "# What `ocrprof check` finds",
        head,
        _text(about),
        "## Whole checks of slower work trees",
        _power_table(finished),
        _text(
            "Shares of the launch as the calibration measured it. *Measured* is the median of what the checks said by"
            f" themselves. Pairs of time_to_exit differ by {100 * median(noise):.1f} % (median deviation). In collate"
            " the work is a sleep, elsewhere a loop."
        ),
        "## Calibration",
        _calibration_table(sessions),
        _text(
            f"Seconds of work, timed in a hot loop, for each second that a launch became longer by:"
            f" {NUM_CALIBRATION_PAIRS} pairs at {100 * CALIBRATION_SHARE:.0f} % of the launch for every place. In"
            " brackets the 95 % interval of what that work made the launch longer by."
        ),
        "```\nOMP_NUM_THREADS=1 python tests/benchmarks/check_power.py --output FOLDER --minutes 56\n```",
    ]
    page = output / "README.md"
    page.write_text("\n\n".join(blocks) + "\n")
    return page


def _text(paragraph: str) -> str:
    return textwrap.fill(paragraph, 120, break_long_words=False, break_on_hyphens=False)


def _power_table(finished: Sequence[dict]) -> str:
    titles = ("slower by", "n", "regressed", "share", "at least", "at most", "inconclusive", "ok or improved",
              "measured", "pairs", "s")  # fmt: skip
    lines = [f"| {' | '.join(titles)} |", f"| --- |{' --: |' * (len(titles) - 1)}"]
    for share in sorted(set(SHARES)):
        for place in ("all places",) if share == 0 else (*PLACES, "all places"):
            cell = [row for row in finished if row["share"] == share and place in (row["place"], "all places")]
            if cell:
                name = "nothing added" if share == 0 else f"{100 * share:.0f} %, {place}"
                lines.append(f"| {' | '.join([name, *_cells(cell)])} |")
    return "\n".join(lines)


def _cells(cell: Sequence[dict]) -> list[str]:
    verdicts = Counter(row["verdict"] for row in cell)
    hits, num = verdicts["regressed"], len(cell)
    ratios = [one["ratio"] for row in cell for one in row["metrics"] if one["name"] == "time_to_exit"]
    return [
        str(num), str(hits), f"{100 * hits / num:.0f} %", f"{100 * check_tables.at_least(hits, num):.0f} %",
        f"{100 * check_tables.at_most(hits, num):.0f} %", str(verdicts["inconclusive"]),
        str(verdicts["ok"] + verdicts["improved"]), f"{100 * (median(ratios) - 1):+.1f} %",
        f"{median(max(one[0] for one in row['launches']) for row in cell):g}",
        f"{median(row['seconds'] for row in cell):.0f}",
    ]  # fmt: skip


def _calibration_table(sessions: Sequence[dict]) -> str:
    lines = [f"| session | {' | '.join(PLACES)} |", f"| --- |{' --: |' * len(PLACES)}"]
    for session in sessions:
        cells = []
        for place in PLACES:
            low, high = session["calibration"][place]["ci95"]
            reach = f"{100 * (low - 1):.0f} to {100 * (high - 1):.0f} %"
            cells.append(f"{session['work_seconds'][place] / session['launch_seconds']:.2f} ({reach})")
        lines.append(f"| {session['started']} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
