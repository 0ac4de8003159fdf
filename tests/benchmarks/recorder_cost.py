"""What recording costs, beside the profilers that people use instead: whole processes, interleaved, all in one run.

    pip install --no-deps --target TOOLS pyinstrument viztracer scalene objprint cloudpickle
    python tests/benchmarks/recorder_cost.py --tools TOOLS -o cost.json

Two programs, each run to its own end: `imports` (import timm, lightning.pytorch) and `pipeline` (the bundled pipeline,
tiny model, one training step). A round runs bare, light and full (this recorder, at its two levels) in an order drawn
from the seed; the first --tool-rounds of them run the other profilers too. A ratio is one run against the bare run of
its round. One round before them is thrown away. A tool that is missing, fails, or takes more than --timeout seconds is
told, and left out from there on.
"""

import argparse
import json
import os
import random
import select
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles

from ocrprof.measure.child import run_target
from ocrprof.measure.environment import describe_environment, describe_tool
from ocrprof.target import Target

ROOT = Path(__file__).resolve().parents[2]
RECORDER = ("light", "full")
OTHERS = ("importtime", "cprofile", "pyinstrument", "viztracer", "scalene")
DISTRIBUTIONS = {"pyinstrument": "pyinstrument", "viztracer": "viztracer", "scalene": "scalene"}
LIBRARIES = ("torch", "timm", "lightning", "hydra-core")
PIPELINE = (
    "model=dbnet_tiny", "trainer=smoke", "trainer.limit_train_batches=1", "trainer.limit_val_batches=0",
    "trainer.enable_progress_bar=false", "data.size=160", "data.batch_size=2", "data.train.records.progress=false",
    "data.train.records.num_images={train: 4, val: 3}",
)  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """One run: wall seconds from spawn to the end of the process, its processor time, and why it is none."""

    seconds: float
    cpu_seconds: float | None = None
    failure: str | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="of bare, light and full (default 10)")
    parser.add_argument("--tool-rounds", type=int, default=3, help="of the other profilers too (default 3)")
    parser.add_argument("--programs", default="imports,pipeline", help="default: imports,pipeline")
    parser.add_argument("--tools", type=Path, help="folder of the other profilers, where they are not installed")
    parser.add_argument("--seed", type=int, default=1, help="of the order within the rounds (default 1)")
    parser.add_argument("--timeout", type=float, default=180.0, help="seconds of one run (default 180)")
    parser.add_argument("-o", "--output", type=Path, help="file for the raw samples, JSON")
    given = parser.parse_args()
    order = random.Random(given.seed)
    result = describe(given)
    with tempfile.TemporaryDirectory(prefix="recorder-cost-") as folder:
        work = Path(folder)
        for program in given.programs.split(","):
            arguments = arguments_of(program, work)
            samples: dict[str, list[float]] = {}
            cpu_samples: dict[str, list[float]] = {}
            failures: dict[str, str] = {}
            for number in range(-1, given.rounds):
                names = ["bare", *RECORDER, *(OTHERS if number < given.tool_rounds else ())]
                order.shuffle(names)
                told = []
                for name in (one for one in names if one not in failures):
                    sample = run(name, arguments, work=work, tools=given.tools, timeout_seconds=given.timeout)
                    told.append(f"{name} {sample.seconds:.2f}")
                    if sample.failure is not None:
                        failures[name] = sample.failure
                    elif number >= 0:
                        samples.setdefault(name, []).append(round(sample.seconds, 4))
                        cpu_samples.setdefault(name, []).append(round(sample.cpu_seconds or 0.0, 4))
                print(f"{program} round {number + 1} of {given.rounds}: {', '.join(told)}", file=sys.stderr, flush=True)
            result["programs"][program] = {
                "samples": samples,
                "cpu_samples": cpu_samples,
                "failures": failures,
                "summary": summary(samples, cpu_samples),
            }
            print(table(program, result["programs"][program]), flush=True)
    if given.output is not None:
        given.output.write_text(json.dumps(result, indent=1))


def describe(given: argparse.Namespace) -> dict:
    """The machine, the versions, the settings."""
    libraries = {name: version(name) for name in LIBRARIES}
    environment = describe_environment(cwd=ROOT, python=None, libraries=libraries)
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "tool": describe_tool().model_dump(mode="json"),
        "environment": environment.model_dump(mode="json"),
        "tools": {name: version_of(name, given.tools) for name in DISTRIBUTIONS},
        "seed": given.seed,
        "rounds": given.rounds,
        "tool_rounds": given.tool_rounds,
        "pipeline": list(PIPELINE),
        "programs": {},
    }


def version_of(name: str, tools: Path | None) -> str:
    """What the target's interpreter would find."""
    found = subprocess.run(
        [sys.executable, "-c", f"from importlib.metadata import version; print(version({DISTRIBUTIONS[name]!r}))"],
        env=environment_of(tools), capture_output=True, text=True, check=False,
    )  # fmt: skip
    return found.stdout.strip() or "not installed"


def arguments_of(program: str, work: Path) -> list[str]:
    """What stands after `python`: for the pipeline a run that makes its pages once, and keeps them."""
    if program == "imports":
        script = work / "imports.py"
        script.write_text("import timm, lightning.pytorch\n")
        return [str(script)]
    if program != "pipeline":
        raise SystemExit(f"--programs: {program} is not known")
    return ["-m", "pipeline.train", *PIPELINE, f"data.root={work / 'receipts'}", f"hydra.run.dir={work / 'run'}"]


def command_of(name: str, arguments: list[str], work: Path) -> list[str]:
    """The command line of a profiler, its output thrown away where it can be."""
    before = {
        "bare": [],
        "importtime": ["-X", "importtime"],
        "cprofile": ["-m", "cProfile", "-o", str(work / "out.cprofile")],
        "pyinstrument": ["-m", "pyinstrument", "-o", str(work / "out.pyinstrument")],
        "viztracer": ["-m", "viztracer", "--quiet", "-o", str(work / "out.viztracer.json")],
        "scalene": ["-m", "scalene", "run", "--cpu-only", "-o", str(work / "out.scalene.json")],
    }[name]
    if name == "scalene" and arguments[0] != "-m":
        return [sys.executable, *before, arguments[0], *(["---", *arguments[1:]] if arguments[1:] else [])]
    if name == "scalene":
        return [sys.executable, *before, "-m", arguments[1], "---", *arguments[2:]]
    return [sys.executable, *before, *arguments]


def run(name: str, arguments: list[str], *, work: Path, tools: Path | None, timeout_seconds: float) -> Sample:
    """One run under this profiler, level of the recorder, or none."""
    if name in RECORDER:
        return run_recorded(name, arguments, work=work, timeout_seconds=timeout_seconds)
    with (work / "stderr.txt").open("wb") as stderr:
        began = time.perf_counter()
        process = subprocess.Popen(
            command_of(name, arguments, work), cwd=ROOT, env=environment_of(tools if name in DISTRIBUTIONS else None),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr,
        )  # fmt: skip
        # The process stays unreaped until its processor time is read.
        ended = wait_for(process.pid, timeout_seconds)
        seconds = time.perf_counter() - began
        if not ended:
            process.kill()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if not ended:
        return Sample(seconds, failure=f"not done after {timeout_seconds:g} s")
    if process.returncode == 0:
        return Sample(seconds, usage.ru_utime + usage.ru_stime)
    tail = (work / "stderr.txt").read_text(errors="replace").strip().splitlines()[-1:]
    return Sample(seconds, failure=f"exit code {process.returncode}: {' '.join(tail)[:300]}")


def wait_for(pid: int, timeout_seconds: float) -> bool:
    """Whether the process ended in time; it sleeps in the kernel meanwhile."""
    handle = os.pidfd_open(pid)
    try:
        return bool(select.select([handle], [], [], timeout_seconds)[0])
    finally:
        os.close(handle)


def run_recorded(level: str, arguments: list[str], *, work: Path, timeout_seconds: float) -> Sample:
    """One run as `ocrprof startup --until exit` makes it."""
    folder = work / f"recorded-{time.monotonic_ns()}"
    folder.mkdir()
    outcome = run_target(
        Target(argv=(sys.executable, *arguments), cwd=ROOT),
        directory=folder,
        until="exit",
        timeout_seconds=timeout_seconds,
        settings={"OCRPROF_LEVEL": level},
    )
    shutil.rmtree(folder)
    failure = None if outcome.status == "reached" else f"{outcome.status}: {' '.join(outcome.stderr_tail[-1:])[:300]}"
    return Sample((outcome.end_ns - outcome.spawn_ns) / 1e9, outcome.cpu_seconds, failure)


def environment_of(tools: Path | None) -> dict[str, str]:
    """This one, the given folder in front of the path."""
    if tools is None:
        return dict(os.environ)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(tools), os.environ.get("PYTHONPATH")]))}


def summary(samples: dict[str, list[float]], cpu_samples: dict[str, list[float]]) -> dict[str, dict]:
    """By name: n, median seconds, and the median of the ratios to the bare run of the same round, with quartiles.

    The ratio of processor times hears less of other processes on the machine.
    """
    found = {}
    for name, seconds in samples.items():
        ratios = ratios_to_bare(name, samples)
        entry: dict = {"n": len(seconds), "median_seconds": round(median(seconds), 3)}
        if ratios and name != "bare":
            entry["ratio"] = round(median(ratios), 3)
            entry["quartiles"] = [round(one, 3) for one in quantiles(ratios, n=4)[::2]] if len(ratios) > 1 else None
            entry["cpu_ratio"] = round(median(ratios_to_bare(name, cpu_samples)), 3)
        found[name] = entry
    return found


def ratios_to_bare(name: str, samples: dict[str, list[float]]) -> list[float]:
    """Round by round."""
    return [one / bare for one, bare in zip(samples[name], samples.get("bare", []), strict=False)]


def table(program: str, measured: dict) -> str:
    """One line a profiler, as Markdown."""
    lines = [
        f"| {program} | n | median s | × bare | quartiles | processor time × bare |",
        "| --- | --: | --: | --: | --- | --: |",
    ]
    for name in ("bare", *RECORDER, *OTHERS):
        if name in measured["failures"]:
            lines.append(f"| {name} | | | | failed: {measured['failures'][name]} | |")
        elif name in measured["summary"]:
            one = measured["summary"][name]
            quartiles = " to ".join(f"{value:.3f}" for value in one.get("quartiles") or [])
            ratio = f"{one['ratio']:.3f}" if "ratio" in one else "1"
            cpu = f"{one['cpu_ratio']:.3f}" if "cpu_ratio" in one else "1"
            lines.append(f"| {name} | {one['n']} | {one['median_seconds']:.2f} | {ratio} | {quartiles} | {cpu} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
