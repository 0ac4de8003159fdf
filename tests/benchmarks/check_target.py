"""The small program that `check_validation.py` measures: standard library only, six stages, a repository of its own.

A stage is a fixed number of turns of a loop, sized on this machine when the repository is made. `slow_down` writes more
work into one stage's source, as a change under review would.
"""

import json
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

PLACES = ("import", "dataset", "transform", "collate", "step", "teardown")
"""Where work is injected; each is also a stage whose seconds the program prints."""

STAGE_SECONDS = {"import": 0.015, "dataset": 0.015, "transform": 0.015, "collate": 0.010, "step": 0.025,
                 "teardown": 0.010}  # fmt: skip
NUM_BATCHES, BATCH_SIZE = 6, 5
_TURNS = {"import": 1, "dataset": 1, "transform": NUM_BATCHES * BATCH_SIZE, "collate": NUM_BATCHES, "step": NUM_BATCHES,
          "teardown": 1}  # fmt: skip
_MARK = "pass  # place of {place}"

WORK = '''"""Turns of a loop: the unit of which all stages are made."""

SECONDS = {}


def work(turns):
    total = 0
    for turn in range(turns):
        total += turn ^ (total & 255)
    return total
'''

MODEL = '''"""A module that does something when it is imported."""

import time

from stages.work import SECONDS, work

_started = time.perf_counter()
work({import_turns})
pass  # place of import
SECONDS["import"] = time.perf_counter() - _started


def step(batch):
    work({step_turns})
    pass  # place of step
    return sum(batch) % 251
'''

DATA = '''"""Samples, their transform, and batches."""

from stages.work import work


class Dataset:
    def __init__(self):
        work({dataset_turns})
        pass  # place of dataset

    def transform(self, index):
        work({transform_turns})
        pass  # place of transform
        return index * 7 % 256


def collate(samples):
    work({collate_turns})
    pass  # place of collate
    return list(samples)
'''

TRAIN = '''"""Builds a data set, goes through its batches once, tears down, and prints the seconds of every stage."""

import atexit
import json
import time

from stages.work import SECONDS, work
from stages.data import Dataset, collate
from stages.model import step


def timed(name, function, *arguments):
    started = time.perf_counter()
    result = function(*arguments)
    SECONDS[name] = SECONDS.get(name, 0.0) + time.perf_counter() - started
    return result


def tear_down():
    work({teardown_turns})
    pass  # place of teardown


def end():
    timed("teardown", tear_down)
    print("stages", json.dumps(SECONDS))


def main():
    atexit.register(end)
    dataset = timed("dataset", Dataset)
    for number in range({num_batches}):
        samples = [timed("transform", dataset.transform, number * {batch_size} + k) for k in range({batch_size})]
        timed("step", step, timed("collate", collate, samples))


if __name__ == "__main__":
    main()
'''


def seconds_per_turn() -> float:
    """Of the loop in `work`, the median of 15 short runs."""
    scope: dict = {}
    exec(WORK, scope)
    times = []
    for _ in range(15):
        started = time.perf_counter()
        scope["work"](50_000)
        times.append((time.perf_counter() - started) / 50_000)
    return statistics.median(times)


def make_repository(folder: Path, *, turn_seconds: float) -> None:
    """A repository with one commit: the program, its stages sized by `turn_seconds`."""
    turns = {
        f"{place}_turns": max(1, round(STAGE_SECONDS[place] / _TURNS[place] / turn_seconds)) for place in PLACES
    } | {"num_batches": NUM_BATCHES, "batch_size": BATCH_SIZE}
    (folder / "stages").mkdir(parents=True)
    (folder / ".gitignore").write_text("__pycache__/\n.ocrprof/\nreports/\n")
    (folder / "stages" / "__init__.py").write_text("")
    for name, text in (("stages/work.py", WORK), ("stages/model.py", MODEL), ("stages/data.py", DATA),
                       ("train.py", TRAIN)):  # fmt: skip
        (folder / name).write_text(_filled(text, turns))
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    commit(folder, "Train")


def _filled(text: str, turns: dict[str, int]) -> str:
    for name, value in turns.items():
        text = text.replace("{" + name + "}", str(value))
    return text


def git(folder: Path, *words: str) -> str:
    """What git printed; raises where it failed."""
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(folder: Path, message: str) -> None:
    """Commits what is staged, under a name of its own, so that none has to be configured."""
    git(folder, "-c", "user.name=check", "-c", "user.email=check@example.invalid", "commit", "-q", "-m", message)


def slow_down(folder: Path, place: str, *, seconds: float, turn_seconds: float) -> None:
    """Adds work of `seconds` a launch to `place` in the work tree. In collate it is a sleep: off the processor."""
    each = seconds / _TURNS[place]
    line = (
        f"__import__('time').sleep({each:.9f})" if place == "collate" else f"work({max(1, round(each / turn_seconds))})"
    )
    mark = _MARK.format(place=place)
    for file in folder.rglob("*.py"):
        text = file.read_text()
        if mark in text:
            file.write_text(text.replace(mark, line))
            return
    raise ValueError(f"no place of {place} in {folder}")


def restore(folder: Path) -> None:
    """The work tree as it was committed."""
    git(folder, "checkout", "-q", "--", ".")


def launch(folder: Path) -> dict[str, float]:
    """Seconds of one bare launch, by stage, and of the whole process as `wall`."""
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "train.py"], cwd=folder, capture_output=True, text=True, check=True)
    wall = time.perf_counter() - started
    return {**json.loads(done.stdout.splitlines()[-1].removeprefix("stages ")), "wall": wall}


class Hog:
    """One busy process, bound to one core. It ends by itself when this one has ended in whatever way."""

    _BUSY = (
        "import os\nparent = os.getppid()\nos.sched_setaffinity(0, {{{core}}})\n"
        "while os.getppid() == parent:\n    for _ in range(1000000): pass"
    )

    def __init__(self, core: int) -> None:
        self._core = core
        self._process: subprocess.Popen | None = None

    def on(self) -> None:
        """Starts it, if it does not run."""
        if self._process is None:
            self._process = subprocess.Popen([sys.executable, "-c", self._BUSY.format(core=self._core)])

    def off(self) -> None:
        """Ends it, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class OnAndOff:
    """Switches a hog at random times, one to eight seconds apart; `tick` is called between launches."""

    def __init__(self, hog: Hog, *, seed: int) -> None:
        self._hog, self._generator = hog, random.Random(seed)
        self._next, self._busy = 0.0, False

    def tick(self) -> None:
        """Switches, if the time has come."""
        now = time.monotonic()
        if now >= self._next:
            self._busy = not self._busy
            (self._hog.on if self._busy else self._hog.off)()
            self._next = now + self._generator.uniform(1, 8)
