"""How near a trial's samples/s come to those of a data set of known service time; by hand, on a quiet machine.

`python tests/benchmarks/sweep_rates.py [FOLDER]`: one trial each of 0, 1, 2 and 4 workers that sleep 10 ms a sample,
and of 0, 1 and 2 that compute so long. About 90 s on 2 cores; exits 1 where a rate is off by more than 5 %.
"""

import os
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


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    os.environ["OMP_NUM_THREADS"] = "1"
    cores = len(os.sched_getaffinity(0))
    worst = 0.0
    print("| work | workers | samples/s | theory | off by | measured within |\n| - | - | - | - | - | - |")
    for kind, counts in (("sleep", (0, 1, 2, 4)), ("spin", (0, 1, 2))):
        for num_workers in counts:
            target = Target(
                argv=(sys.executable, str(SCRIPT), f"--{kind}-ms", str(SERVICE_SECONDS * 1e3)), cwd=SCRIPT.parent
            )
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
            worst = max(worst, abs(rate / theory - 1))
            print(
                f"| {kind} | {num_workers} | {rate:.1f} | {theory:.0f} | {rate / theory - 1:+.1%} | {seconds:.1f} s |",
                flush=True,
            )
    return int(worst > WITHIN)


if __name__ == "__main__":
    sys.exit(main())
