"""A fixed piece of work, timed before each session: how fast this machine is today."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

VERSION = 1
"""Goes up with every change of the work: figures of two versions cannot be compared."""

_NUM_RUNS = 3
_FILE_BYTES = 32 * 2**20
_WORK = """
import json, sys, time
began = time.perf_counter()
for name in "argparse asyncio decimal email.message http.client logging unittest xml.etree".split():
    __import__(name)
imported = time.perf_counter()
total = 0
for number in range(1_500_000):
    total += number * number % 7
counted = time.perf_counter()
with open(sys.argv[1], "rb", buffering=0) as file:
    while file.read(1 << 20):
        pass
ended = time.perf_counter()
print(json.dumps({"imports": imported - began, "loop": counted - imported, "read": ended - counted}))
"""


def time_reference_work() -> dict[str, float]:
    """Median seconds of three fresh processes: `imports` of the standard library, a `loop`, a file `read`.

    Empty where a process could not be started, or gave no figures.
    """
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "data")
        file.write_bytes(bytes(_FILE_BYTES))
        for _ in range(_NUM_RUNS):
            command = [sys.executable, "-I", "-c", _WORK, str(file)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                return {}
            runs.append(json.loads(done.stdout))
    return {name: median(run[name] for run in runs) for name in runs[0]}
