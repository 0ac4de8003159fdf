"""Runs inside the interpreter under examination: tells what only it knows, as one line of JSON.

Standard library only, and nothing newer than Python 3.8: it is the target's Python, not ours.
"""

# A walk over 15,000 files by pathlib takes twice as long.
# ruff: noqa: PTH110, PTH112, PTH116, PTH118, PTH119, PTH120, PTH123, PTH206, PTH208

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import marshal
import os
import random
import re
import sys
import time
from collections.abc import Callable

MARK = "ocrprof-probe:"
_NUM_LOOKUPS = 100
_OWN_FINDERS = ("BuiltinImporter", "FrozenImporter", "PathFinder")
# Each family installs the same package; the last one installed has overwritten the others.
_FAMILIES = (
    ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless"),
    ("onnxruntime", "onnxruntime-gpu"),
    ("pillow", "pillow-simd"),
)
_LIBRARIES = (
    "torch", "torchvision", "lightning", "pytorch-lightning", "hydra-core", "omegaconf", "timm", "torchmetrics",
    "numpy", "transformers", "wandb",
)  # fmt: skip
_SKIPPED_FOLDERS = {
    "test", "tests", "testing", "idle_test", "docs", "node_modules", "__pycache__", "site-packages", "dist-packages",
}  # fmt: skip
# For all trees together: where a folder's listing comes from a slow disk, some of it is left out, and that is said.
_WALK_SECONDS = 1.2
_CHECK_SECONDS = 0.3
_SAMPLE_FILES = 40
_SAMPLE_SECONDS = 0.4
_NUM_COLD_PACKAGES = 20
_LOOP_BYTES = 4 * 2**20
_LOOP_BLOCKS, _LOOP_REPEATS = 4, 10


def facts() -> dict[str, object]:
    """What this interpreter is, where it looks for modules, and what is installed there."""
    path = [entry for entry in sys.path if entry]
    distributions = _distributions(path)
    return {
        "executable": sys.executable,
        "version": ".".join(str(number) for number in sys.version_info[:3]),
        "prefix": sys.prefix,
        "standard_library": os.path.dirname(os.path.realpath(os.__file__)),
        "site_packages": _site_packages(),
        "dont_write_bytecode": bool(sys.dont_write_bytecode),
        "optimize": sys.flags.optimize,
        "pycache_prefix": getattr(sys, "pycache_prefix", None),
        "path": [
            {"path": entry, "exists": os.path.exists(entry), "expected_absent": _expected_absent(entry)}
            for entry in path
        ],
        "lookup_seconds": _timed(lambda name, _: importlib.util.find_spec(name)),
        "finders": [
            {"name": _finder_name(finder), "lookup_seconds": _timed(finder.find_spec)}
            for finder in sys.meta_path
            if _finder_name(finder).rpartition(".")[2] not in _OWN_FINDERS and hasattr(finder, "find_spec")
        ],
        "num_distributions": len(distributions),
        "libraries": {one["name"]: one["version"] for one in distributions if one["name"] in _LIBRARIES},
        "duplicates": _duplicates(distributions),
        "clashing": _clashing(distributions),
    }


def bytecode_trees(project: str) -> list[dict[str, object]]:
    """The project, each site-packages and the standard library: what a start is most likely to compile comes first."""
    roots = [("project", project)]
    roots += [("site-packages", folder) for folder in _site_packages()]
    roots.append(("standard library", os.path.dirname(os.path.realpath(os.__file__))))
    deadline = time.monotonic() + _WALK_SECONDS
    walks = [_Walk(role, root, deadline=deadline) for role, root in roots]
    deadline = time.monotonic() + _CHECK_SECONDS
    return [_tree(walk, deadline=deadline) for walk in walks]


def _tree(walk: _Walk, *, deadline: float) -> dict[str, object]:
    """Which source files have bytecode, and what compiling the others takes."""
    cold = {name: files for name, files in walk.missing.items() if name not in walk.num_cached}
    cold_files = [file for files in cold.values() for file in files]
    num_missing = sum(len(files) for files in walk.missing.values())
    random.Random(0).shuffle(walk.cached)
    stale, num_checked = _stale(walk.cached, deadline=deadline)
    compile_seconds, load_seconds = _sample(cold_files or stale)
    by_size = sorted(cold, key=lambda name: (-len(cold[name]), name))
    return {
        "role": walk.role,
        "path": walk.root,
        "num_sources": len(walk.cached) + num_missing,
        "num_missing": num_missing,
        "num_checked": num_checked,
        "num_stale": len(stale),
        "cold_packages": [{"name": name, "num_sources": len(cold[name])} for name in by_size[:_NUM_COLD_PACKAGES]],
        "num_cold_sources": len(cold_files),
        "unwritable": _unwritable(cold_files),
        "complete": walk.complete,
        "compile_seconds": compile_seconds,
        "load_seconds": load_seconds,
    }


def site_lines() -> list[dict[str, object]]:
    """Runs `site` as a start would, in an interpreter started with -S, and times each line that it executes."""
    import builtins
    import site

    lines: list[dict[str, object]] = []

    def timed_exec(code: str, *names: dict[str, object]) -> None:
        frame = sys._getframe(1)
        if frame.f_code.co_filename != site.addpackage.__code__.co_filename:
            # A line that calls exec itself: its own time holds this one's.
            builtins.exec(code, *(names or (frame.f_globals, frame.f_locals)))
            return
        # Lines of namespace packages look for this name one frame above their own.
        sitedir = frame.f_locals.get("sitedir")  # noqa: F841
        began = time.perf_counter()
        try:
            builtins.exec(code, frame.f_globals, dict(frame.f_locals))
        finally:
            lines.append(_site_line(str(frame.f_locals.get("fullname", "?")), str(code), _since(began)))

    def timed_module(run: Callable[[], None], name: str) -> Callable[[], None]:
        def timed() -> None:
            began = time.perf_counter()
            run()
            seconds = _since(began)
            file = getattr(sys.modules.get(name), "__file__", None)
            if file:
                lines.append({"file": file, "line": 1, "text": "import " + name, "seconds": [seconds]})

        return timed

    # `addpackage` finds this before the built-in, and `main` the two others.
    vars(site)["exec"] = timed_exec
    for name in ("sitecustomize", "usercustomize"):
        run = getattr(site, "exec" + name, None)
        if run is not None:
            setattr(site, "exec" + name, timed_module(run, name))
    site.main()
    return lines


def parallel_loop(runtime: str, num_threads: int, num_fitting: int) -> dict[str, object]:
    """Times one OpenMP loop over 4 MiB with both numbers of threads, in blocks by turns.

    Each thread measures the length of its part of one long string: work that needs no compiler. A new number of threads
    makes the runtime start and end threads, so each block's first loop is left out.
    """
    import ctypes

    region = ctypes.CDLL(runtime).GOMP_parallel
    region.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    work = ctypes.cast(ctypes.CDLL(None).strlen, ctypes.c_void_p)
    text = ctypes.create_string_buffer(b"a" * _LOOP_BYTES)
    measured: dict[int, list[float]] = {num_threads: [], num_fitting: []}
    for _ in range(_LOOP_BLOCKS):
        for number, seconds in measured.items():
            part = ctypes.addressof(text) + _LOOP_BYTES - _LOOP_BYTES // number
            region(work, part, number, 0)
            for _ in range(_LOOP_REPEATS):
                began = time.perf_counter()
                region(work, part, number, 0)
                seconds.append(_since(began))
    return {
        "runtime": runtime,
        "num_threads": num_threads,
        "num_fitting": num_fitting,
        "threads_seconds": measured[num_threads],
        "fitting_seconds": measured[num_fitting],
    }


class _Walk:
    """The source files of a tree by top-level package: how many have bytecode, and which have none."""

    def __init__(self, role: str, root: str, *, deadline: float) -> None:
        self.role = role
        self.root = root
        self.num_cached: dict[str, int] = {}
        self.missing: dict[str, list[str]] = {}
        self.cached: list[tuple[str, str]] = []
        self.complete = True
        for folder, subfolders, files in os.walk(root):
            if time.monotonic() > deadline:
                self.complete = False
                break
            subfolders[:] = [name for name in subfolders if _is_walked(role, folder, name)]
            sources = [name for name in files if name.endswith(".py")]
            if sources:
                self._add(os.path.relpath(folder, root), folder, sources)

    def _add(self, relative: str, folder: str, sources: list[str]) -> None:
        example = importlib.util.cache_from_source(os.path.join(folder, "x.py"))
        cache, suffix = os.path.dirname(example), os.path.basename(example)[1:]
        try:
            kept = set(os.listdir(cache))
        except OSError:
            kept = set()
        for name in sources:
            package, source = _package(relative, name), os.path.join(folder, name)
            if name[:-3] + suffix in kept:
                self.num_cached[package] = self.num_cached.get(package, 0) + 1
                self.cached.append((source, os.path.join(cache, name[:-3] + suffix)))
            else:
                self.missing.setdefault(package, []).append(source)


def _site_packages() -> list[str]:
    folders = (entry for entry in sys.path if os.path.basename(entry) in ("site-packages", "dist-packages"))
    return [folder for folder in dict.fromkeys(folders) if os.path.isdir(folder)]


def _is_walked(role: str, folder: str, name: str) -> bool:
    if name in _SKIPPED_FOLDERS or name.startswith("."):
        return False
    if role == "project":
        return not os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))
    return name.isidentifier()


def _package(relative: str, file: str) -> str:
    """`torch`, `src/ocr`, or a module's own name where it lies in no package."""
    parts = [] if relative == "." else relative.split(os.sep)
    if not parts or parts == ["src"]:
        return "/".join([*parts, file[:-3]])
    return "/".join(parts[:2]) if parts[0] == "src" else parts[0]


def _stale(cached: list[tuple[str, str]], *, deadline: float) -> tuple[list[str], int]:
    """The sources newer than their bytecode, and how many were compared before the time was up."""
    stale = []
    number = 0
    for source, bytecode in cached:
        if time.monotonic() > deadline:
            break
        number += 1
        try:
            if not _is_current(source, bytecode):
                stale.append(source)
        except OSError:
            stale.append(source)
    return stale, number


def _is_current(source: str, bytecode: str) -> bool:
    """By the header that the import system itself compares (PEP 3147, PEP 552)."""
    with open(bytecode, "rb") as file:
        header = file.read(16)
    if header[:4] != importlib.util.MAGIC_NUMBER:
        return False
    flags = int.from_bytes(header[4:8], "little")
    if flags & 0b10:
        with open(source, "rb") as file:
            return header[8:16] == importlib.util.source_hash(file.read())
    if flags & 0b1:
        return True
    status = os.stat(source)
    modified, size = int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF
    return header[8:16] == modified.to_bytes(4, "little") + size.to_bytes(4, "little")


def _sample(files: list[str]) -> tuple[list[float], list[float]]:
    """CPU seconds of compiling, and of loading what was compiled, for each file of a random sample."""
    compile_seconds: list[float] = []
    load_seconds: list[float] = []
    for file in random.Random(0).sample(files, min(_SAMPLE_FILES, len(files))):
        if sum(compile_seconds) > _SAMPLE_SECONDS:
            break
        try:
            with open(file, "rb") as source:
                text = source.read()
            began = time.process_time()
            code = compile(text, file, "exec", dont_inherit=True)
            compiled = time.process_time()
        except (OSError, SyntaxError, ValueError):
            continue  # A template, or for another Python: nothing imports it.
        stored = marshal.dumps(code)
        stored_at = time.process_time()
        marshal.loads(stored)
        load_seconds.append(round(time.process_time() - stored_at, 9))
        compile_seconds.append(round(compiled - began, 9))
    return compile_seconds, load_seconds


def _unwritable(cold_files: list[str]) -> str | None:
    """The first folder that would not take the bytecode of a cold file."""
    for folder in sorted({os.path.dirname(importlib.util.cache_from_source(file)) for file in cold_files}):
        existing = folder
        while not os.path.exists(existing):
            existing = os.path.dirname(existing)
        if not os.access(existing, os.W_OK):
            return existing
    return None


def _expected_absent(entry: str) -> bool:
    """The interpreter's own zip file; the marker of an editable install's path hook."""
    return bool(re.search(r"python3\d+\.zip$", entry)) or entry.endswith(".__path_hook__")


def _timed(look_up: Callable[[str, None], object]) -> list[float]:
    seconds = []
    for number in range(_NUM_LOOKUPS):
        began = time.perf_counter()
        try:
            look_up(f"ocrprof_absent_{number}", None)
        except Exception:  # noqa: BLE001 - a finder of the target's own may raise anything; its time is what counts
            pass
        seconds.append(_since(began))
    return seconds


def _since(began: float) -> float:
    return round(time.perf_counter() - began, 9)


def _finder_name(finder: object) -> str:
    kind = finder if isinstance(finder, type) else type(finder)
    return kind.__module__ + "." + kind.__qualname__


def _distributions(path: list[str]) -> list[dict[str, str]]:
    """By the names of their metadata folders, which is what tells a leftover from what is installed."""
    found = []
    for entry in dict.fromkeys(path):
        try:
            names = os.listdir(entry)
        except OSError:
            continue
        for name in sorted(names):
            match = re.match(r"([A-Za-z0-9][\w.]*?)-([^-]+)(?:-py3.*)?\.(?:dist|egg)-info$", name)
            if match:
                normal = re.sub(r"[-_.]+", "-", match.group(1)).lower()
                found.append({"name": normal, "version": match.group(2), "path": os.path.join(entry, name)})
    return found


def _duplicates(distributions: list[dict[str, str]]) -> list[dict[str, str]]:
    by_name: dict[tuple[str, str], list[dict[str, str]]] = {}
    for one in distributions:
        by_name.setdefault((one["name"], os.path.dirname(one["path"])), []).append(one)
    return [one for several in by_name.values() if len(several) > 1 for one in several]


def _clashing(distributions: list[dict[str, str]]) -> list[dict[str, str]]:
    clashing: list[dict[str, str]] = []
    for family in _FAMILIES:
        members = [one for one in distributions if one["name"] in family]
        if len({one["name"] for one in members}) > 1:
            clashing += members
    return clashing


def _site_line(file: str, text: str, seconds: float) -> dict[str, object]:
    number = 1
    try:
        with open(file, encoding="utf-8", errors="replace") as lines:
            for index, line in enumerate(lines, start=1):
                if line.strip() == text.strip():
                    number = index
                    break
    except OSError:
        pass
    return {"file": file, "line": number, "text": text.strip(), "seconds": [seconds]}


def main(arguments: list[str]) -> None:
    """Prints the answer behind a mark: what the target's own start printed stands before it."""
    question, *rest = arguments
    answer: object
    if question == "facts":
        answer = {"interpreter": facts(), "bytecode": bytecode_trees(rest[0])}
    elif question == "site":
        answer = site_lines()
    else:
        answer = parallel_loop(rest[0], int(rest[1]), int(rest[2]))
    sys.stdout.write("\n" + MARK + json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
