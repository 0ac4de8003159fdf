"""What loading modules was made of, and what made it longer than it need be, as lines."""

from collections.abc import Sequence

from ocrprof.renderers.figures import Scale
from ocrprof.renderers.places import place, plain
from ocrprof.results.failed_imports import FailedImport, failed_imports
from ocrprof.results.import_graph import add_parts
from ocrprof.results.model import ImportConditions, ImportParts, MilestoneUsage, StartupReport
from ocrprof.units import format_bytes, format_seconds

_MIN_SHARE = 0.01
_NUM_NAMES = 3
_MANY_DEEP = 80
_NAMES = {
    "exec_seconds": "exec",
    "dlopen_seconds": "dlopen",
    "read_seconds": "read",
    "find_seconds": "find",
    "compile_seconds": "compile",
    "unmarshal_seconds": "unmarshal",
    "write_seconds": "write",
}


def total_line(report: StartupReport) -> str | None:
    """`imports, anywhere, 21.9 s = exec 9.8 · dlopen 7.1 · …`, of the main thread; None where nothing was loaded."""
    total = sum(package.self_seconds for package in report.packages)
    parts = add_parts(package.parts for package in report.packages)
    if not parts.total_seconds:
        return None
    return f"imports, anywhere, {format_seconds(total)} = {parts_text(parts, of_seconds=total)}"


def parts_text(parts: ImportParts, *, of_seconds: float) -> str:
    """The parts, the longest first, in one unit; `rest` is the import system's own bookkeeping, and what is small."""
    scale = Scale("ms", 1e3, 0) if of_seconds < 1 else Scale("s", 1.0, 2 if of_seconds < 10 else 1)
    visible = 0.5 * 10.0**-scale.decimals / scale.factor
    told = {_NAMES[name]: seconds for name, seconds in parts if seconds >= visible}
    shown = sorted(told.items(), key=lambda one: -one[1])
    rest = of_seconds - sum(told.values())
    if rest >= visible:
        shown.append(("rest", rest))
    return " · ".join(f"{name} {scale.text(seconds)}" for name, seconds in shown)


def facts(report: StartupReport) -> list[str]:
    """What is to be said beside the table of packages: sentences without a full stop."""
    measured = report.runs[-1].wall_seconds if report.runs else 0.0
    enough = _MIN_SHARE * measured
    conditions = report.import_conditions
    return [
        *_failed(failed_imports(report.imports), enough=enough),
        *(_conditions(conditions, enough=enough, cwd=report.target.cwd) if conditions else []),
        *_other_processes(report, enough=enough),
        *_usage(report),
    ]


def _failed(failed: list[FailedImport], *, enough: float) -> list[str]:
    told = [one for one in failed if one.seconds >= enough]
    absent = [one for one in told if one.cause is None and one.error == "ModuleNotFoundError"]
    others = [one for one in told if one not in absent]
    texts = [f"{one.package} {format_seconds(one.seconds)}{_times(one.count)}" for one in absent[:_NUM_NAMES]]
    facts = [f"tried and not found: {', '.join(texts)}"] if texts else []
    for one in others[:_NUM_NAMES]:
        why = f"no {one.cause}" if one.cause and one.error == "ModuleNotFoundError" else one.error
        facts.append(
            f"tried in vain: {one.package} {format_seconds(one.seconds)}{_times(one.count)} ({why}"
            + (f" in {one.cause})" if one.cause and one.error != "ModuleNotFoundError" else ")")
        )
    return [plain(fact) for fact in facts]


def _times(count: int) -> str:
    return f" in {count} tries" if count > 1 else ""


def _conditions(conditions: ImportConditions, *, enough: float, cwd: str) -> list[str]:
    facts = []
    if conditions.collecting_seconds >= enough:
        facts.append(
            f"garbage collection inside imports {format_seconds(conditions.collecting_seconds)}: "
            f"{conditions.collections} collections, most of it in exec and unmarshal"
        )
    if conditions.concurrent_seconds >= enough:
        facts.append(
            f"several threads imported at once for {format_seconds(conditions.concurrent_seconds)}: "
            "each then waits for the others, and that stands in its times"
        )
    if conditions.deepest >= _MANY_DEEP:
        facts.append(
            f"imports {conditions.deepest} deep: the recorder adds two frames to each of them, and so reaches the "
            "recursion limit after three quarters of what a plain run can nest"
        )
    waited = sum(wait.seconds for wait in conditions.waits)
    if waited >= enough:
        longest = max(conditions.waits, key=lambda wait: wait.seconds)
        line = place(longest.importer, cwd=cwd)
        facts.append(
            f"threads waited {format_seconds(waited)} for modules that another one was loading, the longest for "
            f"{plain(longest.module)}{f' ({line})' if line else ''}: blocked, in no self time"
        )
    return facts


def _other_processes(report: StartupReport, *, enough: float) -> list[str]:
    """Those that are neither the measured program nor told of as workers and ranks."""
    told = {row.pid for row in report.imports}
    others = [one for one in report.process_imports if one.role in ("main", "helper") and one.pid not in told]
    long = sorted((one for one in others if one.seconds >= enough), key=lambda one: -one.seconds)
    facts = []
    for one in long[:_NUM_NAMES]:
        packages = ", ".join(f"{part.name} {format_seconds(part.seconds)}" for part in one.packages[:_NUM_NAMES])
        facts.append(
            f"process {one.pid} of the same start loaded {one.num_loads} modules in {format_seconds(one.seconds)}: "
            f"{plain(packages)}"
        )
    return facts


def _usage(report: StartupReport) -> list[str]:
    if not report.usage:
        return []
    read, disk, minor, major = (
        sum(getattr(row, name) for row in report.usage)
        for name in ("read_bytes", "disk_read_bytes", "minor_faults", "major_faults")
    )
    return [
        f"up to {report.usage[-1].mark.replace('-', ' ').replace('.begin', '')}: {format_bytes(read)} read "
        f"({format_bytes(disk)} from a disk), {minor} page faults ({major} from a disk)",
        *_processor_time(report.usage),
    ]


def _processor_time(usage: Sequence[MilestoneUsage]) -> list[str]:
    """Wall beside processor time, from milestone to milestone: where the first is longer, the program waited."""
    parts = []
    before = 0.0
    for row in usage:
        if row.cpu_seconds is not None:
            name = row.mark.replace("-", " ").replace(".begin", "")
            wall, cpu = format_seconds(row.at_seconds - before), format_seconds(row.cpu_seconds)
            parts.append(f"to {name} {wall}, {cpu}")
        before = row.at_seconds
    return [f"wall and processor time from milestone to milestone: {'; '.join(parts)}"] if parts else []
