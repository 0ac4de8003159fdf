"""What compiling the kernels costs, once a machine: seconds of each stage's first call, without and with numba's cache.

    OMP_NUM_THREADS=1 python tests/benchmarks/compile_cost.py

Two fresh processes a stage, with an empty NUMBA_CACHE_DIR of its own; importing the stage is not counted, importing
numba is. About two minutes.
"""

import os
import subprocess
import sys
import tempfile

QUAD = "[[10, 10], [90, 12], [90, 30], [10, 28]]"
STAGES = {
    "target maps": f"""
from pipeline.detection.targets import DBTargets
quad = np.array({QUAD}, np.float32)
calls.append(lambda: DBTargets(kernels="compiled")([quad], ignore=np.zeros(1, bool), size=(640, 640)))
""",
    "boxes": """
import torch
from pipeline.detection.postprocess import DBPostprocess
prob = torch.zeros(1, 1, 640, 640)
prob[:, :, 100:120, 50:200] = 0.9
to_source = torch.eye(3, dtype=torch.float64)[None]
calls.append(lambda: DBPostprocess(kernels="compiled")(prob, to_source=to_source, source_sizes=[(640, 640)]))
""",
    "CLEval": f"""
from pipeline.detection.cleval import CLEval
metric, quads = CLEval(kernels="compiled"), [np.array([{QUAD}], np.float32)]
calls.append(lambda: metric.update(quads, quads, gt_ignore=[np.zeros(1, bool)], source_sizes=[(640, 640)]))
""",
}
PROGRAM = """
import time
import numpy as np
calls = []
{setup}
wall, processor = time.perf_counter(), time.process_time()
for call in calls:
    call()
print(time.perf_counter() - wall, time.process_time() - processor)
"""


def main() -> None:
    print("| stage | compiling, s (of a processor) | from its cache, s (of a processor) |")
    print("| --- | --: | --: |")
    for name, setup in [*STAGES.items(), ("all three in one process", "".join(STAGES.values()))]:
        with tempfile.TemporaryDirectory() as folder:
            print(f"| {name} | {first_call(setup, folder)} | {first_call(setup, folder)} |", flush=True)


def first_call(setup: str, cache: str) -> str:
    """Wall and processor seconds of the first call in a new process that keeps compiled code in `cache`."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(setup=setup)],
        env={**os.environ, "NUMBA_CACHE_DIR": cache},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    wall, processor = map(float, done.stdout.split())
    return f"{wall:.2f} ({processor:.2f})"


if __name__ == "__main__":
    main()
