"""Is the worker count of `ocrprof sweep-workers` the right one, how soon does it know, and what does nws answer?

    OMP_NUM_THREADS=1 python tests/benchmarks/sweep_accuracy.py --output /tmp/sweep_accuracy --nws nws.py

The loaders are those of tests/targets/loader_script.py, whose service time is known: asleep (N workers load N times
as fast) or computing (no faster than there are cores). Parts, each run alone by `--parts`; minutes on two quiet cores:

simulated (2)  200 sweeps drawn at random, 1 to 5 % of noise a trial: how often the analytic value, how often another,
               and 100 of one and the same value: how often `flat`.
real (6)       `--repeats` sweeps of the computing loader and three of the sleeping one: samples/s against theory, the
               answers, and the time that they took.
same (7)       `--same` sweeps of two settings that behave alike (prefetch_factor 2 and 4 of one worker): `flat`?
fixed (3)      the same question by `--mode train`: 200 steps a trial and five rounds in any case.
queue (1)      the simulated queue against DataLoaders of four sleeping workers: samples/s in and out of order where 5 %
               of the batches take ten times as long, and the wait of steps, at a spread of the service of 30 %.
nws (2)        `--repeats` searches of developer0hye/Num-Workers-Search at 8fa4a6a on the computing loader. It is no
               package of the registry, whose `nws` is about weather: `--nws` names its nws.py. It runs as it is, but
               for `numpy.float`, which NumPy 1.24 removed and which is set to `float` here, and for
               prefetch_factor=None, for torch 2 refuses a number of it without workers.
"""

import argparse
import importlib.util
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tests" / "targets" / "loader_script.py"
NOISES = (0.01, 0.02, 0.03, 0.05)
BATCH_SIZE = 4


class Loader(NamedTuple):
    """`switches` of the target; `rate`: samples/s of N workers, by theory; `answer`: the right one of `values`."""

    name: str
    switches: list[str]
    values: tuple[int, ...]
    rate: Callable[[int], float]
    answer: int


def loaders() -> dict[str, Loader]:
    num_cores = len(os.sched_getaffinity(0))
    computing = tuple(sorted({0, 1, num_cores}))
    return {
        "computing": Loader(
            "computing", ["--spin-ms", "4"], computing, lambda n: min(max(n, 1), num_cores) / 4e-3, computing[-1]
        ),
        "sleeping": Loader("sleeping", ["--sleep-ms", "5"], (0, 1, 2, 4), lambda n: max(n, 1) / 5e-3, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {"simulated": simulated, "real": real, "same": same, "fixed": fixed, "queue": queue, "nws": nws}
    parser.add_argument("--parts", default=",".join(parts), help="of " + ", ".join(parts))
    parser.add_argument("--output", type=Path, required=True, help="folder for the raw figures and report.md")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--same", type=int, default=20)
    parser.add_argument("--nws", type=Path, help="nws.py of the other project")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    text = [f"# Accuracy of sweep-workers\n\n{machine()}\n"]
    for name in given.parts.split(","):
        begin = time.monotonic()
        try:
            lines, raw = parts[name](given)
        except Exception:  # noqa: BLE001 - whatever stopped one part, the others are still worth their time
            lines, raw = [f"failed:\n\n```\n{traceback.format_exc()}```"], None
        text.append(f"## {name} ({time.monotonic() - begin:.0f} s)\n\n" + "\n".join(lines) + "\n")
        print(text[-1], flush=True)
        (given.output / f"{name}.json").write_text(json.dumps(raw, indent=1), encoding="utf-8")
        (given.output / "report.md").write_text("\n".join(text), encoding="utf-8")


def machine() -> str:
    from importlib.metadata import version

    load = os.getloadavg()[0]
    return (
        f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, load average {load:.1f} at the start, "
        f"Python {platform.python_version()}, torch {version('torch')}, {time.strftime('%Y-%m-%d %H:%M')}"
    )


def simulated(given: argparse.Namespace) -> tuple[list[str], Any]:
    sys.path.insert(0, str(ROOT / "tests" / "unit"))
    import sweep_simulation

    cases = {
        "asleep, 0 1 2 4": (sweep_simulation.sleeping(0.1), (0, 1, 2, 4), 4, NOISES, None),
        "computing on 2 cores, 0 1 2 4": (sweep_simulation.computing(0.1, num_cores=2), (0, 1, 2, 4), 2, NOISES, None),
        "one and the same, 0 1 2 4": (lambda _: 10.0, (0, 1, 2, 4), None, NOISES[:3], 2),
    }
    rows, raw = [], []
    for name, (rate, values, answer, noises, current) in cases.items():
        for noise in noises:
            for seed in range(100 // len(noises)):
                told, num_rounds = sweep_simulation.sweep(rate, values, seed=seed, noise=noise, current=current)
                raw.append([name, noise, seed, told.verdict, told.num_workers, num_rounds])
        for noise in noises:
            found = [one for one in raw if one[:2] == [name, noise]]
            right = sum(one[4] == answer and (answer is not None or one[3] == "flat") for one in found)
            none = sum(one[4] is None and one[3] == "inconclusive" for one in found)
            mean = statistics.fmean(one[5] for one in found)
            rows.append(
                [name, f"{noise:.0%}", f"{right} of {len(found)}", none, len(found) - right - none, f"{mean:.1f}"]
            )
    return table(["sweeps", "noise", "right", "no answer", "wrong", "rounds"], rows), raw


def real(given: argparse.Namespace) -> tuple[list[str], Any]:
    raw = []
    for loader, number in (("computing", given.repeats), ("sleeping", 3)):
        for repeat in range(number):
            raw.append(sweep(loaders()[loader], given.output / f"{loader}{repeat}", seed=repeat))
    lines = []
    for name in ("computing", "sleeping"):
        loader, found = loaders()[name], [one for one in raw if one["loader"] == name]
        rates = []
        for value in loader.values:
            measured = [one["samples_per_sec"][str(value)] for one in found]
            off = [one / loader.rate(value) - 1 for one in measured]
            low, high = f"{min(off):+.1%}", f"{max(off):+.1%}"
            rates.append([value, f"{loader.rate(value):.0f}", f"{statistics.median(measured):.1f}", low, high])
        answers = Counter(f"{one['num_workers']} ({one['verdict']})" for one in found)
        seconds = statistics.median(one["seconds"] for one in found)
        right = sum(one["num_workers"] == loader.answer for one in found)
        lines += [
            f"{name}: {right} of {len(found)} answer {loader.answer}; {answered(answers)}; median {seconds:.0f} s",
            "",
        ]
        lines += [*table(["workers", "theory", "samples/s", "least off", "most off"], rates), ""]
    return lines, raw


def same(given: argparse.Namespace) -> tuple[list[str], Any]:
    raw = []
    for repeat in range(given.same):
        alike = loaders()["sleeping"]._replace(name="same", values=(1,))
        raw.append(sweep(alike, given.output / f"same{repeat}", "--prefetch", "2,4", seed=repeat))
    answers = Counter(one["verdict"] for one in raw)
    seconds = statistics.median(one["seconds"] for one in raw)
    rounds = statistics.fmean(one["num_rounds"] for one in raw)
    return [f"{answered(answers)} of {len(raw)}; median {seconds:.0f} s, {rounds:.1f} rounds"], raw


def fixed(given: argparse.Namespace) -> tuple[list[str], Any]:
    loader = loaders()["sleeping"]._replace(values=(0, 1, 2))
    trained = loader._replace(switches=[*loader.switches, "--steps", "1000", "--step-ms", "0"])
    rounds = ["--mode", "train", "--steps", "200", "--rounds", "5", "--max-rounds", "5"]
    raw = {
        "adaptive": sweep(loader, given.output / "adaptive", seed=1),
        "fixed": sweep(trained, given.output / "fixed", *rounds, seed=1, trial_time="60s"),
    }
    rows = [[name, one["verdict"], one["num_workers"], f"{one['seconds']:.0f} s"] for name, one in raw.items()]
    share = raw["adaptive"]["seconds"] / raw["fixed"]["seconds"]
    return [*table(["sweep", "verdict", "workers", "time"], rows), "", f"adaptive over fixed: {share:.2f}"], raw


def queue(given: argparse.Namespace) -> tuple[list[str], Any]:
    from ocrprof.results.queue_simulator import Service, Steps, simulate_queue

    generator = random.Random(0)
    mean, number = 0.02, 1000
    tail = [generator.expovariate(1) * (10 if generator.random() < 0.05 else 1) for _ in range(number)]
    even = [generator.gammavariate(1 / 0.09, 0.09) for _ in range(number)]
    tail, even = ([one * mean * number / sum(drawn) for one in drawn] for drawn in (tail, even))
    cases = [("tail, in order", tail, True, 0.0), ("tail, out of order", tail, False, 0.0)]
    cases += [(f"steps at {load} of the capacity", even, True, mean / 4 / load) for load in (0.8, 0.9, 1.0, 1.1)]
    rows, raw = [], []
    *_, handover = drained(even, in_order=True, step_seconds=0.0)
    service = {id(seconds): Service(seconds, handover_seconds=handover) for seconds in (tail, even)}
    for name, seconds, in_order, step in cases:
        simulated = simulate_queue(service[id(seconds)], num_workers=4, in_order=in_order, steps=Steps(step))
        measured = drained(seconds, in_order=in_order, step_seconds=step)[:2]
        raw.append([name, *measured, simulated.batches_per_sec, simulated.wait_fraction, handover])
        rates = [f"{measured[0]:.1f}", f"{simulated.batches_per_sec:.1f}"]
        waits = [f"{measured[1]:.1%}", f"{simulated.wait_fraction:.1%}"] if step else ["-", "-"]
        rows.append([name, *rates, *waits])
    return table(["four workers", "batches/s", "simulated", "waits", "simulated"], rows), raw


def drained(service_seconds: list[float], *, in_order: bool, step_seconds: float) -> tuple[float, float, float]:
    """Batches/s, the share of the time that is waited, and this process's own processor seconds a batch.

    Without the first and the last batches of the epoch.
    """
    import torch

    class Sleeping(torch.utils.data.Dataset[int]):
        def __len__(self) -> int:
            return len(service_seconds)

        def __getitem__(self, index: int) -> int:
            time.sleep(service_seconds[index])
            return index

    batches = iter(torch.utils.data.DataLoader(Sleeping(), batch_size=1, num_workers=4, in_order=in_order))
    for _ in range(16):
        next(batches)
    begin, own_begin = time.monotonic(), time.process_time()
    waited = 0.0
    num_batches = len(service_seconds) - 2 * 16
    for _ in range(num_batches):
        asked = time.monotonic()
        next(batches)
        waited += time.monotonic() - asked
        time.sleep(step_seconds)
    seconds = time.monotonic() - begin
    return num_batches / seconds, waited / seconds, (time.process_time() - own_begin) / num_batches


def nws(given: argparse.Namespace) -> tuple[list[str], Any]:
    if given.nws is None:
        return ["not run: --nws was not given"], None
    import numpy

    numpy.float = float
    search = imported("nws", given.nws).search
    script = imported("loader_script", SCRIPT)
    raw = []
    for _ in range(given.repeats):
        sys.argv = ["loader_script", *loaders()["computing"].switches, "--num-samples", "1024"]
        begin = time.monotonic()
        value = search(script.Timed(script.parse()), batch_size=BATCH_SIZE, shuffle=True, prefetch_factor=None)
        raw.append({"num_workers": int(value), "seconds": time.monotonic() - begin})
    answers = Counter(str(one["num_workers"]) for one in raw)
    seconds = statistics.median(one["seconds"] for one in raw)
    epoch = "an epoch of 1024 samples (4 s)"
    return [f"answers {answered(answers)}; median {seconds:.0f} s, at {epoch} a value; tries 0 to os.cpu_count()"], raw


def sweep(loader: Loader, folder: Path, *options: str, seed: int, trial_time: str = "4s") -> dict[str, Any]:
    """The answer of the real command, its time and the samples/s of each number of workers."""
    values = ",".join(map(str, loader.values))
    command = [sys.executable, "-m", "ocrprof", "sweep-workers", "--values", values, "--quiet", "-o", str(folder)]
    command += ["--trial-time", trial_time, "--quiet-wait", "0s", "--seed", str(seed), *options]
    target = [sys.executable, str(SCRIPT), *loader.switches, "--batch-size", str(BATCH_SIZE), "--num-workers", "1"]
    begin = time.monotonic()
    done = subprocess.run([*command, "--", *target], cwd=ROOT, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - begin
    if done.returncode:
        raise RuntimeError(
            f"exit {done.returncode} of {' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        )
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    told = report["recommendation"]
    return {
        "loader": loader.name,
        "verdict": told["verdict"],
        "num_workers": told["num_workers"],
        "reason": told["reason"],
        "seconds": seconds,
        "num_rounds": report["num_rounds"],
        "control_ratio": report["control_ratio"],
        "samples_per_sec": {str(point["num_workers"]): point["samples_per_sec"] for point in report["points"]},
    }


def imported(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answered(answers: Counter[str]) -> str:
    return ", ".join(f"{answer} {number} times" for answer, number in answers.most_common())


def table(head: list[str], rows: list[list[Any]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(str(cell) for cell in line) + " |" for line in lines]


if __name__ == "__main__":
    main()
