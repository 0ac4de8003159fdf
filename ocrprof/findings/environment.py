"""What in an environment costs time, or spoils a measurement: rules on the facts that `ocrprof doctor` reads.

No program is started here, so the seconds of a finding are what it costs at each start, or for 1,000 files where how
many a start reads is not known; they are weighed against a start of REFERENCE_START_SECONDS, and what is paid once
against NUM_STARTS_FOR_ONCE of them.
"""

import re
from itertools import groupby
from statistics import fmean, median, stdev

from ocrprof.findings.judging import finding
from ocrprof.results.doctor import BytecodeTree, Distribution, InterpreterStarts, Mount
from ocrprof.results.model import DoctorReport, Finding, Location
from ocrprof.units import format_bytes, format_seconds

REFERENCE_START_SECONDS = 10.0
NUM_STARTS_FOR_ONCE = 100
# A program that trains loads some thousands: 5,665 in a Hydra and Lightning project that was counted.
NUM_FILES = 1000
# To load a cached module the import system looks at its folder, at the source and at the source's date, and reads the
# bytecode: FileFinder.find_spec and SourceLoader.get_code in CPython's importlib/_bootstrap_external.py.
STATS_PER_MODULE = 3

_NETWORK = re.compile(r"nfs\d?|lustre|gpfs|beegfs|ceph|9p|drvfs|cifs|smb\w*|virtiofs|vboxsf|afs|fuse(?:\..+|blk)?|s3fs")
# What WSL mounts a drive of Windows from, as 9p or drvfs.
_WINDOWS_DRIVE = re.compile(r"[A-Za-z]:|drvfs")
_MIN_FILES_SECONDS = 0.25
_MIN_BULK_BYTES = 8 * 2**20
_MIN_BULK_BYTES_PER_SEC = 50 * 2**20
_MIN_COMPILE_SECONDS = 0.1
_MIN_FIRST_COMPILE_SECONDS = 0.5
_FRESH_SHARE = 0.9
_MIN_START_SECONDS = 0.1
_MIN_LOOKUP_SECONDS = 200e-6
_MAX_LINE_CHARACTERS = 60
_NO_COST_SHOWS = "meant for debugging, though no cost shows here"


def slow_filesystems(report: DoctorReport) -> list[Finding]:
    """One finding for each mount that makes loading modules, or reading images, wait: by latency, whatever its type."""
    found = []
    by_mount = sorted(report.mounts, key=lambda mount: mount.mount_point or mount.path)
    for _, group in groupby(by_mount, key=lambda mount: mount.mount_point or mount.path):
        mounts = list(group)
        slow = [mount for mount in mounts if files_seconds(mount) >= _MIN_FILES_SECONDS]
        if slow:
            found.append(_slow_files(slow))
        trickling = [mount for mount in mounts if _trickles(mount)]
        if trickling:
            found.append(_slow_bulk(trickling[0]))
    return found


def files_seconds(mount: Mount) -> float:
    """What loading 1,000 cached modules takes on this mount, or looking up and reading 1,000 images.

    Of a network file system the first touch counts, which each new process pays for when its attributes have expired;
    of others the second, since a disk's first touch is paid for once after a boot.
    """
    first = is_network(mount)
    stats = mount.stat_first_seconds if first else mount.stat_again_seconds
    reads = mount.read_first_seconds if first else mount.read_again_seconds
    num_stats = STATS_PER_MODULE if mount.role in ("interpreter", "site-packages", "project") else 1
    return NUM_FILES * (num_stats * (median(stats) if stats else 0.0) + (median(reads) if reads else 0.0))


def is_network(mount: Mount) -> bool:
    """Whether the type of the mount is one that asks another machine, or another process, for each file."""
    return is_remote(mount.file_system)


def is_remote(file_system: str) -> bool:
    """The same of a type by name, as the kernel's mount table has it."""
    return _NETWORK.fullmatch(file_system) is not None


def missing_bytecode(report: DoctorReport) -> list[Finding]:
    """A finding for each tree whose sources are compiled at every start, or will be by the first one.

    Only packages without any bytecode count: in others, a file without it is one that no start has asked for.
    """
    return [found for tree in report.bytecode if tree.compile_seconds for found in [_bytecode(tree, report)] if found]


def compile_seconds_each(tree: BytecodeTree) -> float:
    """What a source without bytecode costs more than one with it, mean of the sample, in CPU seconds."""
    return max(0.0, fmean(tree.compile_seconds) - fmean(tree.load_seconds))


def slow_interpreter_start(report: DoctorReport) -> list[Finding]:
    """Findings where `site`, its .pth lines or a launcher hold up every start of Python, whatever it runs."""
    starts = report.starts
    bare, plain = median(starts.bare_seconds), median(starts.plain_seconds)
    found = []
    if plain - bare >= _MIN_START_SECONDS:
        worst = max(starts.site_lines, key=lambda line: median(line.seconds or [0.0]), default=None)
        seconds = median(worst.seconds) if worst and worst.seconds else 0.0
        is_named = worst is not None and seconds >= 0.3 * (plain - bare)
        found.append(
            finding(
                "slow-interpreter-start",
                f"Every start of Python spends {format_seconds(plain - bare)} before the first line of the program",
                seconds=plain - bare,
                of_seconds=REFERENCE_START_SECONDS,
                location=Location(file=worst.file, line=worst.line) if worst and is_named else None,
                evidence={
                    "start_seconds": plain,
                    "without_site_seconds": bare,
                    "num_starts": len(starts.plain_seconds),
                },
                advice=(
                    f"This line takes {format_seconds(seconds)} of it: `{_cut(worst.text)}`. Uninstall what put it"
                    " there, or let that package do its work when it is imported."
                    if worst and is_named
                    else "No single .pth line explains it: look at the entries of sys.path, and the mounts they lie on."
                ),
            )
        )
    if starts.launched_seconds and median(starts.launched_seconds) - plain >= _MIN_START_SECONDS:
        seconds = median(starts.launched_seconds) - plain
        found.append(
            finding(
                "slow-launcher",
                f"{report.target.argv[0]} is a launcher, which takes {format_seconds(seconds)} to find its Python",
                seconds=seconds,
                of_seconds=REFERENCE_START_SECONDS,
                evidence={"launched_seconds": median(starts.launched_seconds), "direct_seconds": plain},
                advice=f"Start {report.interpreter.executable} itself, or activate its environment.",
            )
        )
    return found


def slow_module_lookup(report: DoctorReport) -> list[Finding]:
    """A finding where asking all finders and all entries of sys.path for a module takes long."""
    interpreter = report.interpreter
    each = median(interpreter.lookup_seconds)
    if each < _MIN_LOOKUP_SECONDS:
        return []
    finders = {one.name: median(one.lookup_seconds) for one in interpreter.finders if one.lookup_seconds}
    slowest = max(finders, key=finders.__getitem__, default=None)
    by_finder = slowest is not None and finders[slowest] >= 0.5 * each
    advice = (
        f"The finder {slowest} takes {format_seconds(finders[slowest])} of it: install that package as it will be used,"
        " not editable."
        if slowest is not None and by_finder
        else f"sys.path has {len(interpreter.path)} entries: take out of PYTHONPATH and of the .pth files what this"
        " program does not need, and put what it needs most first."
    )
    return [
        finding(
            "slow-module-lookup",
            f"To look for {NUM_FILES:,} modules in every place takes {format_seconds(NUM_FILES * each)}",
            seconds=NUM_FILES * each,
            of_seconds=REFERENCE_START_SECONDS,
            evidence={"lookup_seconds": each, "num_path_entries": len(interpreter.path), "num_finders": len(finders)},
            advice=advice,
        )
    ]


def debug_settings(report: DoctorReport) -> list[Finding]:
    """A finding where the environment holds settings of the interpreter that are meant for debugging."""
    starts = report.starts
    if not starts.debug_variables:
        return []
    names = ", ".join(f"{name}={value}" for name, value in starts.debug_variables.items())
    each = debug_seconds_each(starts)
    cost = f"loading {NUM_FILES:,} modules takes {format_seconds(NUM_FILES * each)} longer" if each else _NO_COST_SHOWS
    return [
        finding(
            "debug-settings",
            f"{names}: {cost}",
            seconds=NUM_FILES * each,
            of_seconds=REFERENCE_START_SECONDS,
            evidence={
                "with_seconds": median(starts.with_variables_seconds),
                "without_seconds": median(starts.without_variables_seconds),
                "num_modules": starts.num_modules,
            },
            advice=f"Unset {', '.join(starts.debug_variables)} outside a debugging session: what is timed now is not"
            " what others will see.",
        )
    ]


def debug_seconds_each(starts: InterpreterStarts) -> float:
    """What the debugging variables add to the load of a module; 0 where that does not show."""
    slower = median(starts.with_variables_seconds) - median(starts.without_variables_seconds)
    return max(0.0, slower) / starts.num_modules if starts.num_modules else 0.0


def broken_installs(report: DoctorReport) -> list[Finding]:
    """Findings for distributions of one name in one folder, and for those that overwrite each other's files."""
    found = []
    for name, group in groupby(report.interpreter.duplicates, key=lambda one: one.name):
        several = list(group)
        found.append(
            finding(
                "duplicate-distribution",
                f"{name} is installed {len(several)} times in one folder: {_versions(several)}",
                seconds=0.0,
                of_seconds=REFERENCE_START_SECONDS,
                evidence={"paths": [one.path for one in several]},
                advice=f"A report may name one version and the program run the other. `pip uninstall {name}` until it"
                " is gone, then install it once.",
            )
        )
    clashing = report.interpreter.clashing
    if clashing:
        names = [one.name for one in clashing]
        found.append(
            finding(
                "clashing-distributions",
                f"{' and '.join(names)} install over each other's files: the last one installed is what runs",
                seconds=0.0,
                of_seconds=REFERENCE_START_SECONDS,
                evidence={"versions": [f"{one.name} {one.version}" for one in clashing]},
                advice=f"`pip uninstall {' '.join(names)}`, then install the one that is wanted: a server needs"
                " no windows, so of OpenCV the headless one.",
            )
        )
    return found


def _slow_files(mounts: list[Mount]) -> Finding:
    worst = max(mounts, key=files_seconds)
    seconds = files_seconds(worst)
    what = "images takes" if worst.role == "data" else "files takes" if worst.role == "temporary" else "modules takes"
    verb = "reading" if worst.role in ("data", "temporary") else "loading"
    evidence: dict[str, object] = {
        "paths": [mount.path for mount in mounts],
        "first_look_up_seconds": median(worst.stat_first_seconds),
        "next_look_up_seconds": median(worst.stat_again_seconds),
    }
    if worst.read_first_seconds and worst.read_again_seconds:
        evidence["first_read_seconds"] = median(worst.read_first_seconds)
        evidence["next_read_seconds"] = median(worst.read_again_seconds)
    return finding(
        "slow-filesystem",
        f"{_roles(mounts)} on {worst.file_system} ({worst.mount_point or worst.path}): {verb} {NUM_FILES:,} {what}"
        f" {format_seconds(seconds)}",
        seconds=seconds,
        of_seconds=REFERENCE_START_SECONDS,
        evidence=evidence,
        advice=_move(worst),
    )


def _slow_bulk(mount: Mount) -> Finding:
    rate = mount.bulk_bytes / (mount.bulk_seconds or 1.0)
    return finding(
        "slow-filesystem",
        f"{_roles([mount])} on {mount.file_system} ({mount.mount_point or mount.path}): {format_bytes(rate)} a second,"
        f" so 1 GiB of libraries or images takes {format_seconds(2**30 / rate)}",
        seconds=2**30 / rate,
        of_seconds=REFERENCE_START_SECONDS,
        evidence={
            "read_bytes": mount.bulk_bytes,
            "in_seconds": mount.bulk_seconds,
            "from_memory_share": mount.bulk_cached_share,
        },
        advice=_move(mount),
    )


def _trickles(mount: Mount) -> bool:
    """Whether enough was read, and not from memory, to call it slow."""
    if not mount.bulk_seconds or mount.bulk_bytes < _MIN_BULK_BYTES:
        return False
    if mount.bulk_cached_share is not None and mount.bulk_cached_share > 0.5:
        return False
    return mount.bulk_bytes / mount.bulk_seconds < _MIN_BULK_BYTES_PER_SEC


def _move(mount: Mount) -> str:
    what = {"data": "the data", "temporary": "TMPDIR"}.get(mount.role, "the environment and the code")
    if mount.file_system == "drvfs" or _WINDOWS_DRIVE.match(mount.source or ""):
        return f"Move {what} off the Windows drive, to the Linux file system of WSL (below ~)."
    if mount.file_system == "overlay":
        return f"Move {what} to a volume: a container's own layers are looked up one after the other."
    if mount.role == "data" and is_network(mount):
        return "Copy the data to a local disk before the run, or read them from few large files (shards)."
    if is_network(mount):
        return f"Move {what} to a local disk, or into one image file that is mounted (squashfs, a container)."
    return f"Move {what} to a faster disk."


def _roles(mounts: list[Mount]) -> str:
    """`site-packages and project lie`."""
    names = list(dict.fromkeys("TMPDIR" if mount.role == "temporary" else mount.role for mount in mounts))
    listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return f"{listed[0].upper() + listed[1:]} {'lie' if len(names) > 1 else 'lies'}"


def _bytecode(tree: BytecodeTree, report: DoctorReport) -> Finding | None:
    interpreter = report.interpreter
    each = compile_seconds_each(tree)
    is_kept = not interpreter.dont_write_bytecode and tree.unwritable is None
    # What is stale is compiled at every start only where the new bytecode is not kept either.
    number = tree.num_cold_sources if is_kept else tree.num_cold_sources + tree.num_stale
    seconds = number * each
    where = tree.role if tree.role == "site-packages" else f"the {tree.role}"
    if not is_kept and seconds >= _MIN_COMPILE_SECONDS:
        title = (
            f"{number:,} source files of {where} have no bytecode and none is kept: every start compiles what it"
            f" imports of them, {format_seconds(seconds)} for all"
        )
    elif is_kept and tree.num_cold_sources >= _FRESH_SHARE * tree.num_sources and seconds >= _MIN_FIRST_COMPILE_SECONDS:
        title = (
            f"{number:,} of {tree.num_sources:,} source files of {where} have no bytecode yet: the first start compiles"
            f" what it imports of them, {format_seconds(seconds)} for all"
        )
    else:
        return None
    return finding(
        "no-bytecode-cache",
        title,
        seconds=seconds,
        of_seconds=REFERENCE_START_SECONDS * (NUM_STARTS_FOR_ONCE if is_kept else 1),
        evidence={
            "compile_each_seconds": each,
            "plus_or_minus_seconds": _error_of_mean(tree.compile_seconds),
            "num_stale": tree.num_stale or None,
            "packages": [f"{package.name} ({package.num_sources})" for package in tree.cold_packages],
        },
        advice=f"{_keep(tree, report)} (The seconds are a measured rate, of {len(tree.compile_seconds)} files compiled,"
        " times a counted number.)",
    )


def _keep(tree: BytecodeTree, report: DoctorReport) -> str:
    ahead = f"compile ahead: `{report.interpreter.executable} -m compileall -q {tree.path}`"
    if report.interpreter.optimize:
        # Optimised bytecode is kept in files of its own, which no installer makes.
        ahead = ahead.replace(" -m ", f" -{'O' * report.interpreter.optimize} -m ")
    if report.interpreter.dont_write_bytecode:
        return f"Unset PYTHONDONTWRITEBYTECODE (or -B), or {ahead}, which is used all the same."
    if tree.unwritable is not None:
        return (
            f"{tree.unwritable} cannot be written: set PYTHONPYCACHEPREFIX to a folder that can, or, where it can,"
            f" {ahead}."
        )
    return f"Before measuring, {ahead}, or leave the first run uncounted (--warmup 1)."


def _error_of_mean(values: list[float]) -> float | None:
    """Half of the 95 % interval of the mean, by the normal approximation; None for fewer than two values."""
    return 1.96 * stdev(values) / len(values) ** 0.5 if len(values) > 1 else None


def _versions(several: list[Distribution]) -> str:
    return " and ".join(one.version for one in several)


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_LINE_CHARACTERS else f"{text[:_MAX_LINE_CHARACTERS]}…"
