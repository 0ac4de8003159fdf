"""How far the bundled pipeline's start is from the imports that it cannot do without, now and in an older checkout.

    git worktree add --detach ../before 39aec20
    python tests/benchmarks/bundled_start.py --before ../before --rounds 9 -o samples.json

A round times, each in a fresh process and in an order that turns from round to round: `import torch, timm,
lightning.pytorch` alone, to the end of the imports; the start to the end of the first training step (`ocrprof startup`,
tiny preset on the processor); and the answer to an override that does not exist (`--probe error`). Start and probe are
run in both checkouts, with the ocrprof that is installed. The ratio is time to first step / (imports alone + the first
step itself), formed round by round. One round is thrown away. Medians and quartiles are printed, every sample is kept.
A round takes about 45 s on two quiet cores.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from typing import Any

HERE = Path(__file__).resolve().parents[2]
TINY = ("model=dbnet_tiny", "trainer=cpu")
IMPORTS = "import torch, timm, lightning.pytorch, time; print(time.clock_gettime(time.CLOCK_MONOTONIC))"
PACKAGES = ("torch", "torchvision", "timm", "lightning", "torchmetrics", "hydra-core", "omegaconf", "pydantic", "numpy")

Sample = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help="an older checkout to compare with")
    parser.add_argument("--rounds", type=int, default=9, help="counted rounds (default: 9)")
    parser.add_argument("-o", "--output", type=Path, help="JSON file for the samples")
    given = parser.parse_args()
    checkouts = {"after": HERE} | ({"before": given.before.resolve()} if given.before else {})
    rounds = [one_round(checkouts, turned=bool(number % 2)) for number in range(given.rounds + 1)][1:]
    result = {"machine": machine(checkouts), "summary": summary(rounds, checkouts), "rounds": rounds}
    if given.output:
        given.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({key: result[key] for key in ("machine", "summary")}, indent=1))


def one_round(checkouts: dict[str, Path], *, turned: bool) -> dict[str, Sample]:
    """Samples by name: `bare`, and `start` and `error` of each checkout."""
    tasks: dict[str, Any] = {"bare": bare}
    for name, checkout in checkouts.items():
        tasks[f"start {name}"] = lambda checkout=checkout: start(checkout)
        tasks[f"error {name}"] = lambda checkout=checkout: error(checkout)
    names = list(tasks)[::-1] if turned else list(tasks)
    samples = {name: tasks[name]() for name in names}
    print({name: round(samples[name]["seconds"], 3) for name in tasks}, file=sys.stderr)
    return samples


def bare() -> Sample:
    """Seconds from spawning Python until the three packages are loaded; `process_seconds` is until it has ended."""
    began = time.clock_gettime(time.CLOCK_MONOTONIC)
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, check=True)
    ended = time.clock_gettime(time.CLOCK_MONOTONIC)
    return {"seconds": float(done.stdout) - began, "process_seconds": ended - began}


def start(checkout: Path) -> Sample:
    """Seconds to the end of the first training step, of them in that step, and of every phase, as recorded."""
    report = measured(checkout, *TINY)
    (run,) = report["runs"]
    seconds = report["summary"]["time_to_first_step_seconds"]["median"]
    phases = {phase["name"]: phase["seconds"] for phase in run["phases"]}
    return {"seconds": seconds, "cpu_seconds": run["cpu_seconds"], **phases}


def error(checkout: Path) -> Sample:
    """Seconds until the command has said that an override does not exist, and has ended."""
    (run,) = measured(checkout, "--probe", "error", *TINY)["runs"]
    return {"seconds": run["wall_seconds"], "cpu_seconds": run["cpu_seconds"]}


def measured(checkout: Path, *arguments: str) -> dict[str, Any]:
    """The report of one run of `ocrprof startup` with these arguments, in `checkout`."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "report"
        once = ["--runs", "1", "--warmup", "0", "--quiet", "-o", str(output)]
        command = [str(Path(sys.executable).with_name("ocrprof")), "startup", *once, *arguments]
        done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} in {checkout} ended with {done.returncode}:\n{done.stderr}")
        return json.loads((output / "report.json").read_text(encoding="utf-8"))


def ratio(samples: dict[str, Sample], checkout: str) -> float:
    """Time to first step, as a multiple of the bare imports and the step."""
    begun = samples[f"start {checkout}"]
    return begun["seconds"] / (samples["bare"]["seconds"] + begun["first_step"])


def summary(rounds: list[dict[str, Sample]], checkouts: dict[str, Path]) -> dict[str, Any]:
    """Median and quartiles of every time, and of the ratios."""
    found = {f"{name} seconds": spread([samples[name]["seconds"] for samples in rounds]) for name in rounds[0]}
    for checkout in checkouts:
        found[f"ratio {checkout}"] = spread([ratio(samples, checkout) for samples in rounds])
        phases = [name for name in rounds[0][f"start {checkout}"] if name not in ("seconds", "cpu_seconds")]
        found[f"phases {checkout}"] = {
            name: round(median(samples[f"start {checkout}"].get(name, 0.0) for samples in rounds), 3) for name in phases
        }
    return found


def spread(values: list[float]) -> dict[str, Any]:
    low, _, high = quantiles(values, n=4) if len(values) > 1 else (values[0],) * 3
    return {"median": round(median(values), 3), "quartiles": [round(low, 3), round(high, 3)], "n": len(values)}


def machine(checkouts: dict[str, Path]) -> dict[str, Any]:
    """What the figures hold for."""
    commits = {name: commit(checkout) for name, checkout in checkouts.items()}
    return {
        "cores": len(os.sched_getaffinity(0)),
        "load_average": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "commits": commits,
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def commit(checkout: Path) -> str:
    command = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    main()
