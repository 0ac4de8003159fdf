"""Changes on which `ocrprof check` must not fail, and one for every exact metric on which it must, and name it.

    python tests/benchmarks/check_controls.py --output reports/check-controls_HARDWARE_DATE --minutes 15

Negative controls are whole checks by pairs of the light target of `check_target.py`: a comment, a renamed variable, a
change of the documentation, a long path, a larger environment, swapped roles, a warm and a fresh checkout, a version of
a package alone. They are run in turn until the time is over. Positive controls are exact checks (`--exact`, one or two
launches a side) of small programs, each once; those with torch or Hydra take a few seconds each.

Raw results are appended to negative.jsonl and positive.jsonl in the output folder, one line each: it may be ended at
any time and goes on where it stopped. README.md with the tables is written at the end, or by `--minutes 0` alone. Ends
with 1 where a positive control was not caught or not named.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from check_control_programs import NEGATIVES, POSITIVES, Negative, Positive, add_commit
from check_tables import at_most
from check_target import git, make_repository, seconds_per_turn

from ocrprof.measure.environment import describe_environment, describe_tool

ROOT = Path(__file__).resolve().parents[2]
FIRST_SEED = 60_000
_CHECK_SECONDS = 7


def main() -> int:
    given = arguments()
    given.output.mkdir(parents=True, exist_ok=True)
    if given.minutes > 0:
        until = time.monotonic() + 60 * given.minutes
        record(given.output, "sessions", described())
        if "positive" in given.parts:
            run_positives(given.output, until)
        if "negative" in given.parts:
            run_negatives(given.output, until)
    page = write_page(given.output)
    print(f"report: {page}")
    missed = [row["metric"] for row in rows_of(given.output, "positive") if not row["caught"]]
    print(f"not caught, or not named: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder of raw results and tables; goes on there")
    parser.add_argument("--minutes", type=float, default=15.0, help="for all (default 15); 0: tables only")
    parser.add_argument("--parts", default="positive,negative", help="some of: %(default)s")
    return parser.parse_args()


def described() -> dict:
    """What a session of measurements ran on and with."""
    return {
        "started": now(),
        "tool": describe_tool().model_dump(mode="json"),
        "environment": describe_environment(cwd=ROOT, python=None, libraries={}).model_dump(mode="json"),
        "commit": git(ROOT, "rev-parse", "HEAD"),
        "uncommitted": bool(git(ROOT, "status", "--porcelain", "--", "ocrprof", "tests/benchmarks")),
    }


def record(output: Path, part: str, row: dict) -> None:
    """Appends one raw result, by one write: a line is there as a whole or not at all."""
    with (output / f"{part}.jsonl").open("ab", buffering=0) as file:
        file.write((json.dumps(row, separators=(",", ":")) + "\n").encode())


def rows_of(output: Path, part: str) -> Iterator[dict]:
    """The raw results of a part."""
    file = output / f"{part}.jsonl"
    if file.exists():
        for line in file.read_text().splitlines():
            yield json.loads(line)


def run_negatives(output: Path, until: float) -> None:
    """Checks in turn, each in a repository that is made for it once, until the time is over."""
    counts = {one.name: 0 for one in NEGATIVES}
    for row in rows_of(output, "negative"):
        counts[row["control"]] += 1
    with tempfile.TemporaryDirectory(prefix="check-controls-") as home:
        turn_seconds = seconds_per_turn()
        made: dict[str, Path] = {}
        while time.monotonic() + _CHECK_SECONDS < until:
            control = min(NEGATIVES, key=lambda one: counts[one.name])
            if control.name not in made:
                made[control.name] = Path(home) / control.name / control.folder
                made[control.name].parent.mkdir(parents=True)
                make_repository(made[control.name], turn_seconds=turn_seconds)
                control.make(made[control.name])
            index = counts[control.name]
            seed = FIRST_SEED + 1000 * NEGATIVES.index(control) + index
            row = negative_check(control, made[control.name], seed=seed)
            record(output, "negative", {"control": control.name, "index": index, "seed": seed, **row})
            counts[control.name] += 1
            print(f"\rnegative: {sum(counts.values())} ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def negative_check(control: Negative, folder: Path, *, seed: int) -> dict:
    """One whole check: its exit code, its verdict, its figures, and every raw value."""
    command = ("check", "--against", control.ref, "--seed", str(seed), "--quiet")
    done, report, seconds = checked(folder, command, environment=control.environment)
    row = {"started": now(), "seconds": round(seconds, 2), "exit_code": done.returncode}
    if report is None:
        return row | {"verdict": None, "stderr": done.stderr[-400:]}
    gated = {info["name"] for info in report["metric_infos"] if info["gated"]}
    return row | {
        "verdict": report["verdict"],
        "headline": report["headline"],
        "stopped": report["design"]["stopped_because"],
        "metrics": [metric for metric in report["metrics"] if metric["name"] in gated],
        "exact": [change["name"] for change in report["exact"] if change["verdict"] != "ok"],
        "launches": [
            [one["pair"], one["arm"], one["position"], {name: round(v, 6) for name, v in one["values"].items()}]
            for one in report["launches"]
            if one["pair"] > 0
        ],
    }


def checked(folder: Path, arguments: tuple[str, ...], *, environment: dict[str, str] | None = None, program="train.py"):
    """The finished process, its report (None where there is none), and its seconds."""
    with tempfile.TemporaryDirectory(prefix="check-") as output:
        command = [sys.executable, "-m", "ocrprof", *arguments, "-o", output, "--", sys.executable, program]
        begun = time.monotonic()
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, env=os.environ | (environment or {})
        )
        seconds = time.monotonic() - begun
        file = Path(output) / "report.json"
        return done, json.loads(file.read_text()) if file.exists() else None, seconds


def run_positives(output: Path, until: float) -> None:
    """Each that has no result yet, once."""
    there = {row["metric"] for row in rows_of(output, "positive")}
    for control in POSITIVES:
        if control.metric in there or time.monotonic() > until:
            continue
        record(output, "positive", positive_check(control))
        print(f"positive: {control.metric}", file=sys.stderr, flush=True)


def positive_check(control: Positive) -> dict:
    """The check of one change: whether it ended as it must, and its report named what changed."""
    with tempfile.TemporaryDirectory(prefix="check-positive-") as home:
        folder = Path(home) / "repository"
        folder.mkdir()
        git(folder, "init", "-q", "-b", "main")
        write(folder, control.before)
        add_commit(folder, "Before")
        write(folder, control.after)
        add_commit(folder, "After")
        command = ("check", "--against", "HEAD~1", "--exact", "--seed", "1", *control.options)
        done, report, seconds = checked(folder, command)
    told = "" if report is None else " ".join([report["headline"], done.stdout])
    verdicts = {} if report is None else {one["name"]: one["verdict"] for one in report["exact"]}
    return {
        "metric": control.metric,
        "started": now(),
        "seconds": round(seconds, 2),
        "exit_code": done.returncode,
        "expected": control.exit_code,
        "headline": None if report is None else report["headline"],
        "metric_verdict": verdicts.get(control.metric),
        "caught": done.returncode == control.exit_code and control.named in " ".join(told.split()),
        "stderr": done.stderr[-400:] if report is None else "",
    }


def write(folder: Path, files: dict[str, str]) -> None:
    """Files of a program, with what git must not see."""
    for name, text in {".gitignore": "__pycache__/\n.ocrprof/\nreports/\noutputs/\n", **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


# The page


def write_page(output: Path) -> Path:
    """README.md with the tables."""
    parts = [head(output), negative_section(output), positive_section(output)]
    page = output / "README.md"
    page.write_text("\n\n".join(parts) + "\n")
    return page


def head(output: Path) -> str:
    sessions = list(rows_of(output, "sessions"))
    lines = ["# Controls of `ocrprof check`", ""]
    if not sessions:
        return "\n".join([*lines, "Nothing has been measured."])
    environment = sessions[-1]["environment"]
    times = [row["started"] for part in ("sessions", "negative", "positive") for row in rows_of(output, part)]
    commits = ", ".join(dict.fromkeys(one["commit"][:10] for one in sessions))
    changed = ", with uncommitted changes" if any(one["uncommitted"] for one in sessions) else ""
    lines += [
        f"{environment['cpu']}, {environment['num_cores_usable']} usable cores, {environment['os']}, Python "
        f"{environment['python']}; ocrprof at {commits}{changed}; {min(times)} to {max(times)}. Made by",
        "",
        "    python tests/benchmarks/check_controls.py --output FOLDER --minutes N",
    ]
    return "\n".join(lines)


def negative_section(output: Path) -> str:
    rows = list(rows_of(output, "negative"))
    lines = [
        "## Changes that change nothing: whole checks by pairs, which must not fail",
        "",
        "| control | checks | failed | inconclusive | ended otherwise | seconds, median |",
        "| --- | --: | --: | --: | --: | --: |",
    ]
    for control in NEGATIVES:
        own = [row for row in rows if row["control"] == control.name]
        if own:
            lines.append(f"| {control.name}: {control.says} | {' | '.join(cells(own))} |")
    if rows:
        lines.append(f"| all | {' | '.join(cells(rows))} |")
        failed = sum(row["exit_code"] == 1 for row in rows)
        bound = 100 * at_most(failed, len(rows))
        lines += ["", f"{failed} of {len(rows)} failed: at most {bound:.1f} % (one-sided 95 %, Clopper and Pearson)."]
        lines += [
            "",
            *(f"- {row['control']} {row['index']}: {row['headline']}" for row in rows if row["exit_code"] == 1),
        ]
    return "\n".join(lines).rstrip()


def cells(rows: list[dict]) -> list[str]:
    seconds = sorted(row["seconds"] for row in rows)
    counts = [
        len(rows),
        sum(row["exit_code"] == 1 for row in rows),
        sum(row["verdict"] == "inconclusive" for row in rows),
        sum(row["exit_code"] not in (0, 1) for row in rows),
    ]
    return [*map(str, counts), f"{seconds[len(seconds) // 2]:.1f}"]


def positive_section(output: Path) -> str:
    says = {one.metric: one for one in POSITIVES}
    lines = [
        "## One change for every exact metric, which must be caught and named",
        "",
        "| metric | change | exit code | caught | told |",
        "| --- | --- | --: | --- | --- |",
    ]
    for row in rows_of(output, "positive"):
        told = (row["headline"] or "").replace("|", "\\|")
        options = " ".join(says[row["metric"]].options)
        change = says[row["metric"]].says + (f" (`{options}`)" if options else "")
        lines.append(
            f"| {row['metric']} | {change} | {row['exit_code']} | {'yes' if row['caught'] else '**no**'} | {told} |"
        )
    return "\n".join(lines)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


if __name__ == "__main__":
    sys.exit(main())
