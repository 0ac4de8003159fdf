"""How near a trial's samples/s come to those of a data set of known service time; by hand, on a quiet machine.

`python tests/benchmarks/sweep_rates.py [FOLDER]`: one trial each of 0, 1, 2 and 4 workers that sleep 10 ms a sample,
and of 0, 1 and 2 that compute so long. Beside each the same loader drained by a plain loop, without ocrprof, before and
after it. About 3 minutes on 2 cores; exits 1 where a rate is off from that by more than 5 %.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from ocrprof.measure.sweep_trial import run_trial
from ocrprof.results.model import LoaderSetting
from ocrprof.sweep_plan import TrialOptions
from ocrprof.target import Target

SCRIPT = Path(__file__).resolve().parents[1] / "targets" / "loader_script.py"
SERVICE_SECONDS = 0.01
WITHIN = 0.05
PLAIN = """
import sys, time, loader_script
from torch.utils.data import DataLoader
options = loader_script.parse()
loader = DataLoader(loader_script.Timed(options), batch_size=4, shuffle=True, num_workers=options.num_workers)
batches = iter(loader)
for _ in range(10 + 4 * options.num_workers): next(batches)
number, start = 100 * max(1, options.num_workers), time.monotonic()
for _ in range(number): next(batches)
print(number * 4 / (time.monotonic() - start))
"""


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    os.environ["OMP_NUM_THREADS"] = "1"
    cores = len(os.sched_getaffinity(0))
    worst = 0.0
    print("| work | workers | samples/s | theory | off by | plain loop | off by | measured within |")
    print("| - | - | - | - | - | - | - | - |")
    for kind, counts in (("sleep", (0, 1, 2, 4)), ("spin", (0, 1, 2))):
        for num_workers in counts:
            target = Target(
                argv=(sys.executable, str(SCRIPT), f"--{kind}-ms", str(SERVICE_SECONDS * 1e3)), cwd=SCRIPT.parent
            )
            plain = [plain_rate(kind, num_workers)]
            options = TrialOptions(max_seconds=20.0, precision=0.01)
            trial = run_trial(
                target,
                LoaderSetting(num_workers=num_workers),
                options,
                directory=folder / f"{kind}-{num_workers}",
                round=1,
                position=0,
            )
            if not trial.blocks:
                print(f"| {kind} | {num_workers} | {trial.status} |")
                return 1
            seconds = sum(block.seconds for block in trial.blocks)
            rate = sum(block.num_samples for block in trial.blocks) / seconds
            at_once = max(1, num_workers) if kind == "sleep" else min(max(1, num_workers), cores)
            theory = at_once / SERVICE_SECONDS
            plain.append(plain_rate(kind, num_workers))
            drained = sum(plain) / 2
            worst = max(worst, abs(rate / drained - 1))
            print(
                f"| {kind} | {num_workers} | {rate:.1f} | {theory:.0f} | {rate / theory - 1:+.1%} | {drained:.1f} | "
                f"{rate / drained - 1:+.1%} | {seconds:.1f} s |",
                flush=True,
            )
    return int(worst > WITHIN)


def plain_rate(kind: str, num_workers: int) -> float:
    """Samples/s of 400 or more samples, behind those that the queue was filled with, in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-c", PLAIN, f"--{kind}-ms", str(SERVICE_SECONDS * 1e3)]
    done = subprocess.run(
        [*command, "--num-workers", str(num_workers)], cwd=SCRIPT.parent, capture_output=True, text=True
    )
    return float(done.stdout)


if __name__ == "__main__":
    sys.exit(main())
