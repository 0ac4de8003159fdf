"""The command line under measurement."""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from ocrprof.errors import OcrprofError

BUNDLED = ("-m", "pipeline.train")
BUNDLED_NEEDS = ("torch", "lightning", "hydra", "timm", "cv2")

Probe = Literal["help", "config", "error"]
UNKNOWN_KEY = "ocrprof_probe_no_such_key"
PROBE_ARGUMENTS: dict[Probe, tuple[str, ...]] = {
    "help": ("--help",),
    "config": ("--cfg", "job"),
    "error": (f"{UNKNOWN_KEY}=1",),
}
"""What is appended to a command to see how long its users wait for an answer. `--cfg job` is Hydra's."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A command line, run verbatim in `cwd`. `bundled` says that it is the pipeline that ships with ocrprof."""

    argv: tuple[str, ...]
    cwd: Path
    bundled: bool = False

    def __post_init__(self) -> None:
        if not self.argv:
            raise OcrprofError(
                "the target is empty", hint="give a command after `--`, or none for the bundled pipeline"
            )
        program = self.argv[0]
        if shutil.which(program, path=None) is None and not (self.cwd / program).is_file():
            raise OcrprofError(f"target not found: {program}", hint=_hint_for_missing(program))
        if program.endswith(".py") and shutil.which(program) is None:
            raise OcrprofError(f"{program} is not executable", hint=f"run it by its interpreter: -- python {program}")
        shutting_out = _option_that_shuts_us_out(self.argv)
        if shutting_out is not None:
            raise OcrprofError(
                f"python {shutting_out} ignores the environment, by which the recorder reaches the target",
                hint=f"leave {shutting_out} out of the target's command",
            )


def parse_target(arguments: Sequence[str], *, cwd: Path) -> Target:
    """A command; or the bundled pipeline, when there is no argument or the first one holds a `=` (Hydra overrides)."""
    if arguments and "=" not in arguments[0]:
        return Target(argv=tuple(arguments), cwd=cwd)
    missing = [name for name in BUNDLED_NEEDS if find_spec(name) is None]
    if missing:
        raise OcrprofError(
            f"the bundled pipeline needs {', '.join(missing)}, not installed here",
            hint="pip install 'ocrprof[pipeline]', or measure a command of your own: -- python train.py",
        )
    return Target(argv=(sys.executable, *BUNDLED, *arguments), cwd=cwd, bundled=True)


def probe_target(target: Target, probe: Probe) -> Target:
    """The same command with the probe's arguments at its end."""
    return replace(target, argv=(*target.argv, *PROBE_ARGUMENTS[probe]))


def _hint_for_missing(program: str) -> str:
    if program.startswith("-"):
        return "options of ocrprof stand before `--`, the target's command after it"
    if program == "python" and shutil.which("python3"):
        return "this machine has `python3`"
    return "check the name, or give a path; overrides of the bundled pipeline hold a `=`, as in domain=detection"


def _option_that_shuts_us_out(argv: Sequence[str]) -> str | None:
    """The interpreter option (-I, -S, -E) that keeps `sitecustomize` from running, None where there is none."""
    if not Path(argv[0]).name.startswith(("python", "pypy")):
        return None
    skip_value = False
    for argument in argv[1:]:
        if skip_value:
            skip_value = False
            continue
        if not argument.startswith("-") or argument == "-":
            return None
        if argument.startswith("--"):
            continue
        for letter in argument[1:]:
            if letter in "ISE":
                return f"-{letter}"
            if letter in "cm":
                return None
            if letter in "WX":
                skip_value = argument.endswith(letter)
                break
    return None
