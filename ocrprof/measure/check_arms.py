"""The target in each arm's worktree: its paths, its environment, and the proof that it loads the arm's own files."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from ocrprof.errors import ExitCode, OcrprofError
from ocrprof.measure.child import INJECT_DIR
from ocrprof.measure.environment import usable_cores
from ocrprof.measure.worktrees import FOLDER, Arm, Repository, readable
from ocrprof.records import ProcessRecords
from ocrprof.target import Target

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_NUM_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a launch runs: the target, the folder that stands for the repository, and settings of the environment."""

    target: Target
    folder: Path
    settings: dict[str, str]


def place_in(
    arm: Arm, target: Target, repository: Repository, *, roots: Sequence[str] = (), num_threads: int | None = None
) -> Place:
    """The target as it runs in the arm's worktree. `roots`: folders of the repository to be put on the module path.

    `num_threads`: as in `equal_settings`. Paths into the repository become paths into the worktree where it has them;
    the interpreter, and what git ignores, stays where it is.
    """
    top = repository.top
    cwd = arm.folder / target.cwd.resolve().relative_to(top)
    if not cwd.is_dir():
        raise OcrprofError(
            f"the {arm.name} ({arm.state.ref}) has no folder {target.cwd.resolve().relative_to(top)}",
            hint="start the check in a folder that both have",
            exit_code=ExitCode.NOT_COMPARABLE,
        )
    program = _own_program(_program(target.argv[0], cwd=target.cwd, inside=cwd), arm, repository)
    argv = (program, *(_moved(word, top=top, folder=arm.folder) for word in target.argv[1:]))
    path = [str(INJECT_DIR), *(str(arm.folder / root) for root in roots)]
    path += [_moved(entry, top=top, folder=arm.folder) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    own = {"PYTHONPATH": os.pathsep.join(entry for entry in path if entry), "PWD": str(cwd)}
    settings = equal_settings(num_threads) | own
    return Place(target=replace(target, argv=argv, cwd=cwd), folder=arm.folder, settings=settings)


def _own_program(program: str, arm: Arm, repository: Repository) -> str:
    """The arm's, of a program of the repository; raises OcrprofError where the checkout has it and the arm has not."""
    inside = _below(Path(program), repository.top) if Path(program).is_absolute() else None
    if inside is None or str(inside) not in repository.tracked_files().union(repository.changed_files()):
        return program
    own = arm.folder / inside
    if not own.exists():
        raise OcrprofError(
            f"the {arm.name} ({arm.state.ref}) has no {inside}",
            hint="start the check with a program that both have",
            exit_code=ExitCode.NOT_COMPARABLE,
        )
    return str(own)


@cache
def _is_same(folder: Path, other: Path) -> bool:
    with contextlib.suppress(OSError):
        return folder.samefile(other)
    return False


def _below(path: Path, top: Path) -> Path | None:
    """The path from `top` on, also of one that comes to it by a link above it; None for one that lies elsewhere."""
    if path.is_relative_to(top):
        return path.relative_to(top)
    above = next((folder for folder in (path, *path.parents) if _is_same(folder, top)), None)
    return None if above is None else path.relative_to(above)


def equal_settings(num_threads: int | None = None) -> dict[str, str]:
    """What every launch of a check has in its environment: fixed hash seeds and thread counts, where none are set.

    `num_threads`: None is one for each usable core.
    """
    threads = str(num_threads or max(1, int(usable_cores())))
    fixed = {"PYTHONHASHSEED": "0", **dict.fromkeys(_THREAD_VARIABLES, threads)}
    return {name: os.environ.get(name, value) for name, value in fixed.items()}


def _program(program: str, *, cwd: Path, inside: Path) -> str:
    """`.venv/bin/python`, which git ignores, is that of the checkout; `./train.sh` is the arm's."""
    if "/" not in program or Path(program).is_absolute() or (inside / program).exists():
        return program
    return os.path.abspath(cwd / program)  # noqa: PTH100  # resolving the link would leave the virtual environment


def _moved(word: str, *, top: Path, folder: Path) -> str:
    """A path into the repository, also behind `--option=`, as a path into the worktree, if that has it."""
    name, equals, value = word.rpartition("=")
    below = _below(Path(value), top) if value.startswith("/") else None
    if below is not None:
        inside = folder / below
        if inside.exists():
            return f"{name}{equals}{inside}"
    return word


@dataclass(frozen=True)
class Origin:
    """Where a launch's files of the repository came from. `foreign`: (module, file) loaded from the user's checkout."""

    num_own: int
    foreign: tuple[tuple[str, str], ...]

    def roots(self, top: Path) -> list[str]:
        """Folders of the repository, relative to it, from which the foreign modules are imported."""
        found = (_root_of(module, file) for module, file in self.foreign)
        inside = [root.relative_to(top) for root in found if root is not None and root.is_relative_to(top)]
        return list(dict.fromkeys(str(root) for root in inside))


def origin_of(records: Iterable[ProcessRecords], place: Place, repository: Repository) -> Origin:
    """Files of the repository that the processes loaded or were told to run, by whose tree they are of."""
    tracked = repository.tracked_files().union(repository.changed_files())
    num_own, foreign = 0, []
    for process in records:
        # The program's own file is loaded by the interpreter, not by the import system.
        named = [("__main__", os.path.join(process.cwd, word)) for word in process.argv[1:] if word.endswith(".py")]  # noqa: PTH118
        loads = [(load.name, load.file) for load in process.loads if load.ok and load.file is not None]
        for module, file in [*named, *loads]:
            path = Path(os.path.normpath(file))
            if path.is_relative_to(place.folder):
                num_own += 1
                continue
            below = _below(path, repository.top)
            if below is not None:
                relative = str(below)
                if relative in tracked and not relative.startswith(f"{FOLDER}/"):
                    foreign.append((module, str(repository.top / below)))
    return Origin(num_own, tuple(dict.fromkeys(foreign)))


def refuse_foreign(origin: Origin, arm: Arm, repository: Repository) -> None:
    """Raises OcrprofError where the arm would not measure its own code: a guard that compares a tree with itself."""
    if origin.foreign:
        named = ", ".join(
            f"{module} ({Path(file).relative_to(repository.top)})" for module, file in origin.foreign[:_NUM_NAMED]
        )
        raise OcrprofError(
            f"the {arm.name} loads {len(origin.foreign)} files from your checkout instead of its own tree: {named}",
            hint="something puts the checkout's path first: sys.path in the program, a .pth file, an absolute path",
            exit_code=ExitCode.NOT_COMPARABLE,
        )
    if origin.num_own == 0:
        raise OcrprofError(
            f"the {arm.name} loads no file of {repository.top}: there is nothing to compare",
            hint="is the program installed from elsewhere? pip install --editable ., or run it as python train.py",
            exit_code=ExitCode.NOT_COMPARABLE,
        )


def python_of(target: Target) -> str | None:
    """The interpreter that a command names, before any launch has told it; None for another program."""
    if not Path(target.argv[0]).name.startswith(("python", "pypy")):
        return None
    found = shutil.which(target.argv[0])
    # Of `.venv/bin/python`, too, the checkout's, wherever it is started.
    return None if found is None else os.path.abspath(target.cwd / found)  # noqa: PTH100  # as in `_program`


def compile_files(python: str, folder: Path, repository: Repository) -> str | None:
    """Bytecode beside every tracked source of the worktree; why there is none where it could not be made."""
    sources = repository.git("ls-files", "-z", "*.py", folder=folder).split("\0")
    done = subprocess.run(
        [python, "-m", "compileall", "-q", "-i", "-"],
        input="\n".join(str(folder / name) for name in sources if name),
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
        cwd=folder,
    )
    # Files that are no Python of this version are left to whoever imports them.
    return None if done.returncode in (0, 1) else readable(done.stderr.strip()[-200:])


def _root_of(module: str, file: str) -> Path | None:
    """The folder on the module path from which `module` is imported as `file`; None for what does not fit."""
    path = Path(file)
    parts = module.split(".")
    expected = [*parts[:-1], f"{parts[-1]}.py"] if path.name != "__init__.py" else [*parts, "__init__.py"]
    return path.parents[len(expected) - 1] if list(path.parts[-len(expected) :]) == expected else None
