"""The examined Python: what it says of itself, and what starting it takes."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ocrprof.errors import OcrprofError
from ocrprof.results.doctor import BytecodeTree, Interpreter, InterpreterStarts, SiteLine
from ocrprof.results.mask import mask_text

_PROBE = Path(__file__).with_name("interpreter_probe.py")
_MARK = "ocrprof-probe:"
# `-c` puts the working folder first, where a json.py of the project would be found before the real one.
_OWN_PATH = "import sys; sys.path[:1] = filter(None, sys.path[:1])"
_RUN_STDIN = f"{_OWN_PATH}; exec(compile(sys.stdin.read(), 'probe', 'exec'))"
_TIME_LIMIT_SECONDS = 60
_NUM_STARTS, _MIN_STARTS = 5, 3
_NUM_SITE_RUNS = 3
# After which no further round is begun: an environment that is slow to start is told by fewer starts.
_ROUNDS_SECONDS = 1.2
_MAX_LINE_CHARACTERS = 160
_DEBUG_VARIABLES = (
    "PYTHONPROFILEIMPORTTIME",
    "PYTHONDEVMODE",
    "PYTHONTRACEMALLOC",
    "PYTHONASYNCIODEBUG",
    "PYTHONVERBOSE",
    "PYTHONMALLOC",
    "PYTHONDUMPREFS",
)
# Modules that most programs end up with; some hundred with what they load themselves.
_MODULES = "argparse asyncio concurrent.futures ctypes decimal email.message http.client inspect json logging"
_MODULES += " multiprocessing pickle sqlite3 ssl tempfile unittest urllib.request uuid xml.etree zipfile"
_LOAD_MODULES = f"""{_OWN_PATH}
before = len(sys.modules)
for name in {_MODULES!r}.split():
    try:
        __import__(name)
    except ImportError:
        pass  # An interpreter may be built without some of them.
print(len(sys.modules) - before)
"""


def active_python() -> str:
    """The interpreter of the active environment (venv, then conda), ours where none is."""
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        python = Path(os.environ.get(variable, "/nowhere"), "bin", "python")
        if python.is_file():
            return str(python)
    return sys.executable


def examine(python: str, *, cwd: Path) -> tuple[Interpreter, list[BytecodeTree]]:
    """What the interpreter says of itself and of its source files; OcrprofError where it cannot be run."""
    answer = ask(python, "facts", str(cwd), cwd=cwd)
    interpreter = Interpreter.model_validate(answer["interpreter"])
    return interpreter, [BytecodeTree.model_validate(tree) for tree in answer["bytecode"]]


def time_starts(python: str, *, executable: str, cwd: Path) -> InterpreterStarts:
    """Starts by turns: without `site`, plain, and by the name that was given where that is a launcher."""
    variants: dict[str, list[str]] = {
        "bare": [executable, "-I", "-S", "-c", "pass"],
        "plain": [executable, "-c", "pass"],
    }
    if is_launcher(python, executable=executable):
        variants["launched"] = [python, "-c", "pass"]
    seconds = _by_turns({name: _start(command, cwd=cwd) for name, command in variants.items()})
    debug = {
        name: os.environ[name]
        for name in _DEBUG_VARIABLES
        if os.environ.get(name) and (name != "PYTHONMALLOC" or "debug" in os.environ[name])
    }
    return InterpreterStarts(
        bare_seconds=seconds["bare"],
        plain_seconds=seconds["plain"],
        launched_seconds=seconds.get("launched", []),
        site_lines=_site_lines(executable, cwd=cwd),
        **(_with_and_without(debug, executable=executable, cwd=cwd) if debug else {}),
    )


def is_launcher(python: str, *, executable: str) -> bool:
    """Whether `python` is another file than the interpreter it starts: a shim, not a link to it."""
    return os.path.realpath(shutil.which(python) or python) != os.path.realpath(executable)


def ask(
    python: str,
    *question: str,
    cwd: Path,
    options: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
) -> Any:  # Any: JSON values
    """The probe's answer from a process of that interpreter, with `variables` beside our own environment's."""
    command = [python, *options, "-c", _RUN_STDIN, *question]
    try:
        done = subprocess.run(
            command,
            input=_PROBE.read_text(encoding="utf-8"),
            capture_output=True,
            text=True,
            errors="replace",
            cwd=cwd,
            env={**os.environ, **(variables or {})},
            timeout=_TIME_LIMIT_SECONDS,
            check=False,
        )
    except OSError as error:
        raise OcrprofError(f"cannot start {python}: {error.strerror or error}", hint=_HINT) from error
    except subprocess.TimeoutExpired as error:
        raise OcrprofError(f"{python} gave no answer within {_TIME_LIMIT_SECONDS} s", hint=_HINT) from error
    marked = done.stdout.rpartition(_MARK)[2] if _MARK in done.stdout else ""
    try:
        return json.loads(marked.splitlines()[0])
    except (IndexError, ValueError) as error:
        said = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "nothing")
        raise OcrprofError(
            f"{python} could not be examined: exit code {done.returncode}, last line of its stderr: {said.strip()}",
            hint=_HINT,
        ) from error


_HINT = "--python takes the path of a Python interpreter, 3.8 or newer"


def _start(command: Sequence[str], *, cwd: Path, environment: Mapping[str, str] | None = None) -> Callable[[], None]:
    def start() -> None:
        # stderr goes to a file of the kernel's, not to a pipe that somebody must empty.
        subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=cwd,
            env=environment,
            timeout=_TIME_LIMIT_SECONDS,
            check=False,
        )

    return start


def _by_turns(starts: Mapping[str, Callable[[], None]]) -> dict[str, list[float]]:
    """Wall seconds of each, one after the other and again, after one round that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in starts}
    deadline = time.monotonic() + _ROUNDS_SECONDS
    for turn in range(_NUM_STARTS + 1):
        if turn > _MIN_STARTS and time.monotonic() > deadline:
            break
        for name, start in starts.items():
            began = time.perf_counter()
            start()
            if turn:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def _site_lines(executable: str, *, cwd: Path) -> list[SiteLine]:
    """Each line that `site` executes, with its seconds in each of a few starts."""
    lines: dict[tuple[str, int], SiteLine] = {}
    deadline = time.monotonic() + _ROUNDS_SECONDS
    for index in range(_NUM_SITE_RUNS):
        if time.monotonic() > deadline:
            break
        for line in map(SiteLine.model_validate, ask(executable, "site", cwd=cwd, options=("-S",))):
            key = (line.file, line.line)
            text = mask_text(line.text)[:_MAX_LINE_CHARACTERS]
            known = lines.setdefault(key, line.model_copy(update={"text": text, "seconds": []}))
            known.seconds.extend([0.0] * (index + 1 - len(known.seconds)))
            # In a virtual environment `site` reads each .pth file twice: a start pays for both.
            known.seconds[index] += line.seconds[0]
    return list(lines.values())


def _with_and_without(debug: dict[str, str], *, executable: str, cwd: Path) -> dict[str, Any]:  # Any: fields
    without = {name: value for name, value in os.environ.items() if name not in debug}
    # Without `site`, whose own cost is told apart.
    command = [executable, "-S", "-c", _LOAD_MODULES]
    counted = subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, env=without, timeout=_TIME_LIMIT_SECONDS, check=True
    )
    seconds = _by_turns({"with": _start(command, cwd=cwd), "without": _start(command, cwd=cwd, environment=without)})
    return {
        "debug_variables": debug,
        "num_modules": int(counted.stdout),
        "with_variables_seconds": seconds["with"],
        "without_variables_seconds": seconds["without"],
    }
