"""What one launch did that needs no statistics: modules loaded, things built, images opened, samples seen."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import TypeVar

from ocrprof.records import ProcessRecords
from ocrprof.results.check_fingerprint import workload_hash
from ocrprof.results.configuration import composed_config, logged_metrics
from ocrprof.results.epochs import build_epochs
from ocrprof.results.import_graph import owners_of, program_imports, top_level
from ocrprof.results.model import ExactFacts, ImportRow, Instantiation, Location
from ocrprof.results.phases import main_process
from ocrprof.results.startup import StartupTables

_T = TypeVar("_T")

_DECLARED = re.compile(r"^ocrprof: ([\w./-]+)=(-?[0-9][0-9.eE+-]*|nan|inf)\s*$", re.MULTILINE)
"""A line by which a program declares a figure of its own, on its standard output."""

_LIBRARY = re.compile(r"/((?:site|dist)-packages/.+|python3\.\d+t?/.+)$")

_CACHE_HITS = re.compile(r"((?:\w+ data: )?\w+) cache: (\d+) hits of (\d+)")
"""What a program says of a cache in its log, standard error: the last figures of each name count."""


def build_facts(
    records: Sequence[ProcessRecords], tables: StartupTables, *, root: Path, stdout: str, stderr: str
) -> ExactFacts:
    """The facts of one launch; imports, files and instantiations are those before its milestone.

    `root`: files below it are told relative to it, so that those of two worktrees can be compared. Image files and
    calls are of all processes, and there only where the launch counted them; `stdout` and `stderr` are the target's.
    """
    sets = {
        **_import_sets(tables.imports, root=root),
        "duplicates": {
            f"{one.target} ×{one.count}": _place(one.callers[0] if one.callers else one.location, root)
            for one in tables.instantiations
            if one.duplicate
        },
        "batch_shapes": dict.fromkeys(_batch_shapes(records)),
    }
    config = composed_config(records)
    if config is not None:
        sets["config"] = {workload_hash(config): None}
    images, again = _images(records, root=root)
    return ExactFacts(
        values=_values(records, tables)
        | {"images_opened": sum(images.values())}
        | {f"declared.{name}": float(text) for name, text in _DECLARED.findall(stdout)}
        | {f"logged.{name}": value for name, value in logged_metrics(records).items()},
        sets=sets,
        counts={
            "instantiations": _instantiations(tables.instantiations),
            "images_opened_again": dict(again),
            "cache_hits": {name: int(hits) for name, hits, _ in _CACHE_HITS.findall(stderr)},
            "calls": _calls(records, root=root),
        },
    )


def without_unsteady(facts: Sequence[ExactFacts], again: Sequence[ExactFacts]) -> list[ExactFacts]:
    """The facts of each state without what its second launch (in `again`) did otherwise, which `unsteady` then names.

    Of sets and counts single members are left out of all states, as `modules/multiprocessing`: of thousands a few
    always vary, and the others still tell. Values are left in, and are for the comparison to leave unjudged.
    """
    values: set[str] = set()
    members: dict[str, set[str]] = {}
    for one, other in zip(facts, again, strict=True):
        names = one.values.keys() | other.values.keys()
        values |= {name for name in names if not _same(one.values.get(name), other.values.get(name))}
        for name in one.sets.keys() | other.sets.keys():
            members.setdefault(name, set()).update(one.sets.get(name, {}).keys() ^ other.sets.get(name, {}).keys())
        for name in one.counts.keys() | other.counts.keys():
            before, after = one.counts.get(name, {}), other.counts.get(name, {})
            varying = {member for member in before.keys() | after.keys() if before.get(member) != after.get(member)}
            members.setdefault(name, set()).update(varying)
    unsteady = sorted(values) + sorted(f"{name}/{member}" for name, left_out in members.items() for member in left_out)
    return [leave_out(one, unsteady) for one in facts]


def leave_out(facts: ExactFacts, unsteady: Iterable[str]) -> ExactFacts:
    """The facts without these members of sets and counts (`modules/multiprocessing`), named in its `unsteady`."""
    names = sorted({*facts.unsteady, *unsteady})
    members: dict[str, set[str]] = {}
    for name in names:
        of, slash, member = name.partition("/")
        if slash:
            members.setdefault(of, set()).add(member)
    return facts.model_copy(
        update={
            "unsteady": names,
            "sets": {name: _without(of, members.get(name, set())) for name, of in facts.sets.items()},
            "counts": {name: _without(of, members.get(name, set())) for name, of in facts.counts.items()},
        }
    )


def _without(members: Mapping[str, _T], left_out: Collection[str]) -> dict[str, _T]:
    return {name: value for name, value in members.items() if name not in left_out}


def _same(before: float | None, after: float | None) -> bool:
    """NaN is the same as NaN."""
    return before == after or (before != before and after != after)


def _import_sets(rows: Sequence[ImportRow], *, root: Path) -> dict[str, dict[str, str | None]]:
    """Modules by whose they are, and installed packages, in order of loading.

    Each with the line that asked first: of a library's the program's line behind it, where there is one.
    """
    owners = owners_of(rows)
    lines = {row.module: one.line for one in program_imports(rows, owners=owners) for row in one.rows}
    sets: dict[str, dict[str, str | None]] = {"eager_packages": {}, "modules": {}, "own_modules": {}}
    for row in rows:
        if not row.ok or row.kind == "library":
            continue
        package, place = top_level(row.module), _place(lines.get(row.module, row.importer), root)
        is_own = owners[package] == "program"
        sets["own_modules" if is_own else "modules"].setdefault(row.module, place)
        if owners[package] == "installed":
            sets["eager_packages"].setdefault(package, place)
    return sets


def _values(records: Sequence[ProcessRecords], tables: StartupTables) -> dict[str, float]:
    main = main_process(records)
    if main is None:
        return {}
    values: dict[str, float] = {}
    for epoch in build_epochs(records):
        values[f"{epoch.loop}_epochs"] = values.get(f"{epoch.loop}_epochs", 0) + 1
        values[f"{epoch.loop}_batches"] = values.get(f"{epoch.loop}_batches", 0) + epoch.num_batches
        if epoch.num_samples is not None:
            values[f"{epoch.loop}_samples"] = values.get(f"{epoch.loop}_samples", 0) + epoch.num_samples
    fetches = [span.attributes for span in main.spans if span.name == "fetch"]
    sizes = [one["batch_size"] for one in fetches if one.get("batch_size")]
    if sizes:
        values["batch_size"] = max(sizes)
        values["num_workers"] = max(one.get("num_workers") or 0 for one in fetches)
    if "parameters" in main.totals:
        values["parameters"] = main.totals["parameters"]["optimized"]
    if tables.file_access:
        values["files_opened"] = sum(row.num_opened for row in tables.file_access)
    return values


def _batch_shapes(records: Sequence[ProcessRecords]) -> list[str]:
    """Of one sample in each batch's first tensor: `train 3×640×640`."""
    main = main_process(records)
    seen: Counter[str] = Counter()
    for span in main.spans if main is not None else ():
        shape = span.attributes.get("shape") if span.name == "fetch" else None
        if shape:
            kind = "train" if span.attributes.get("grad") else "validation"
            seen[f"{kind} {'×'.join(map(str, shape[1:]))}"] += 1
    return sorted(seen)


def _images(records: Iterable[ProcessRecords], *, root: Path) -> tuple[Counter[str], Counter[str]]:
    """Openings of each image file over all processes; and by folder those beyond the first of each file."""
    opened = Counter(str(PurePath(process.cwd, path)) for process in records for path in process.opened)
    again: Counter[str] = Counter()
    for path, number in opened.items():
        if number > 1:
            folder = _relative(str(PurePath(path).parent), root)
            # Data lie elsewhere on every machine: the last two names tell which they are.
            again["/".join(("…", *PurePath(folder).parts[-2:])) if folder.startswith("/") else folder] += number - 1
    return opened, again


def _calls(records: Iterable[ProcessRecords], *, root: Path) -> dict[str, int]:
    """Calls of the repository's own functions in all processes, by `file:qualified name`."""
    calls: Counter[str] = Counter()
    for process in records:
        for file, _, name, number in process.totals.get("work_calls", []):
            place = _relative(str(PurePath(process.cwd, file)), root)
            if place != str(PurePath(process.cwd, file)):
                calls[f"{place}:{name}"] += number
    return dict(calls)


def _instantiations(rows: Iterable[Instantiation]) -> dict[str, int]:
    built: Counter[str] = Counter()
    for row in rows:
        built[f"{row.target} ({row.config_path})" if row.config_path else row.target] += row.count
    return dict(built)


def _place(location: Location | None, root: Path) -> str | None:
    return None if location is None else f"{_relative(location.file, root)}:{location.line}"


def _relative(file: str, root: Path) -> str:
    """Below the repository relative to it; of installed files and the standard library from their folder's name on."""
    inside = str(root) + "/"
    if file.startswith(inside):
        return file.removeprefix(inside)
    library = _LIBRARY.search(file)
    return library.group(1) if library else file
