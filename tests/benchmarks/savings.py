"""Predicted against verified savings: what `ocrprof startup --what-if MODULE --verify` says of libraries in real use.

    python tests/benchmarks/savings.py -o savings.json

Each case is a small program that imports several heavy libraries, and one of them. Its saving is predicted from
ordinary starts, and measured by pairs of an ordinary start and one in which that module is loaded lazily; both end
where the imports do. `within` says whether the two differ by at most 20 % of the measured saving or 50 ms. A wide
interval is a noisy machine: nothing can be concluded from it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from ocrprof.measure.environment import describe_environment, describe_tool

ROOT = Path(__file__).resolve().parents[2]
MAX_SHARE, MAX_SECONDS = 0.20, 0.050
PROGRAMS = {
    # Its last line is the work that ends the imports.
    "tables": (
        "import wandb\nimport pandas\nimport numba\nimport sympy\nimport cv2\nimport rich.progress\n"
        "from hydra.utils import instantiate\ninstantiate({'_target_': 'builtins.dict'})\n"
    ),
    "recogniser": (
        "import torch\nimport torchvision\nimport torchmetrics\nimport timm\nimport pandas\n"
        "from torch.utils.data import DataLoader\nDataLoader([1, 2, 3])\n"
    ),
    "trainer": (
        "import torch\nimport lightning\nimport wandb\nfrom torch.utils.data import DataLoader\nDataLoader([1, 2, 3])\n"
    ),
}
CASES = (
    ("tables", "wandb"),
    ("tables", "pandas"),
    ("tables", "numba"),
    ("tables", "sympy"),
    ("recogniser", "torchmetrics"),
    ("recogniser", "timm"),
    ("trainer", "lightning"),
    ("trainer", "wandb"),
)
LIBRARIES = ("torch", "torchvision", "torchmetrics", "timm", "lightning", "wandb", "pandas", "numba", "sympy",
             "hydra-core")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=8, help="a case, after one to warm up (default 8)")
    parser.add_argument("--cases", help="PROGRAM:MODULE[,…] (default: all)")
    parser.add_argument("-o", "--output", type=Path, help="file for the figures and raw samples, JSON")
    given = parser.parse_args()
    cases = [tuple(one.split(":")) for one in given.cases.split(",")] if given.cases else CASES
    environment = describe_environment(cwd=ROOT, python=None, libraries={name: version(name) for name in LIBRARIES})
    rows = []
    with tempfile.TemporaryDirectory(prefix="savings-") as folder:
        for program, module in cases:
            row = measure(program, module, pairs=given.pairs, folder=Path(folder))
            print(f"{program}: {module}: {line_of(row)}", file=sys.stderr, flush=True)
            rows.append(row)
    print(table(rows))
    if given.output is not None:
        result = {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "tool": describe_tool().model_dump(mode="json"),
            "environment": environment.model_dump(mode="json"),
            "programs": PROGRAMS,
            "cases": rows,
        }
        given.output.write_text(json.dumps(result, indent=1))


def measure(program: str, module: str, *, pairs: int, folder: Path) -> dict:
    """One case: seconds predicted and verified, the pairs, and why there is nothing of them."""
    script = folder / f"{program}.py"
    script.write_text(PROGRAMS[program])
    output = folder / f"{program}-{module}"
    command = [sys.executable, "-m", "ocrprof", "startup", "--quiet", "--runs", str(pairs), "--until", "imports",
               "--what-if", module, "--verify", "-o", str(output), "--", sys.executable, str(script)]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    row: dict = {"program": program, "module": module}
    report = output / "report.json"
    if done.returncode != 0 or not report.exists():
        return row | {"failure": " ".join(done.stderr.strip().splitlines()[-1:]) or f"exit code {done.returncode}"}
    answer = json.loads(report.read_text())["what_if"]
    proof = answer["verification"]
    if not proof["saving"]:
        return row | {"failure": proof["refused"] or "no pair"}
    predicted, verified = answer["predicted_seconds"], proof["saving"]["median"]
    return row | {
        "predicted_seconds": predicted,
        "verified_seconds": verified,
        "verified_ci95": proof["saving"]["ci95"],
        "cpu_seconds": proof["cpu_saving"]["median"] if proof["cpu_saving"] else None,
        "within": abs(predicted - verified) <= max(MAX_SHARE * abs(verified), MAX_SECONDS),
        "num_modules": answer["num_modules"],
        "num_not_loaded": proof["num_not_loaded"],
        "touched_by": proof["touch"]["how"] if proof["touch"] else None,
        "seed": proof["seed"],
        "pairs": proof["pairs"],
    }


def line_of(row: dict) -> str:
    """The figures of one case in a line."""
    if "failure" in row:
        return f"failed: {row['failure']}"
    text = f"predicted {row['predicted_seconds']:.3f} s, verified {row['verified_seconds']:.3f} s"
    return f"{text}, {'within' if row['within'] else 'not within'}"


def table(rows: list[dict]) -> str:
    """Markdown: one line a case."""
    lines = ["| program | module | predicted s | verified s | 95 % interval | processor s | ratio | within |",
             "| --- | --- | --: | --: | --- | --: | --: | --- |"]  # fmt: skip
    for row in rows:
        if "failure" in row:
            lines.append(f"| {row['program']} | {row['module']} | | | | | | failed: {row['failure']} |")
            continue
        low_high = " to ".join(f"{one:.3f}" for one in row["verified_ci95"] or [])
        cpu = "" if row["cpu_seconds"] is None else f"{row['cpu_seconds']:.3f}"
        ratio = f"{row['predicted_seconds'] / row['verified_seconds']:.2f}" if row["verified_seconds"] > 0 else ""
        within = ("yes" if row["within"] else "no") + (f", touched by {row['touched_by']}" if row["touched_by"] else "")
        lines.append(
            f"| {row['program']} | {row['module']} | {row['predicted_seconds']:.3f} | {row['verified_seconds']:.3f} |"
            f" {low_high} | {cpu} | {ratio} | {within} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
