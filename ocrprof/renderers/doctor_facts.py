"""The facts of an environment in the order in which people read them, each with what it costs; for every page."""

from dataclasses import dataclass
from statistics import median

from ocrprof.findings.environment import (
    NUM_FILES,
    STATS_PER_MODULE,
    compile_seconds_each,
    debug_seconds_each,
    files_seconds,
)
from ocrprof.findings.machine import BATCH_BYTES
from ocrprof.renderers.places import keep_tail, plain
from ocrprof.results.doctor import BytecodeTree, Cache, GpuState, Mount, Processors
from ocrprof.results.model import DoctorReport
from ocrprof.units import format_bytes, format_percent, format_seconds

_COSTS_WHEN_EMPTY = {
    "Inductor kernels": "the first torch.compile compiles everything",
    "Triton kernels": "the first use of a kernel compiles it",
    "Hugging Face hub": "the first pretrained=True, of timm too, downloads the weights",
    "torch.hub": "the first use of a model of torchvision or torch.hub downloads its weights",
}
MOUNT_COLUMNS = ("folder", "type", "look-up", "again", "read", "again", "per 1,000", "bulk read")
MOUNT_NOTE = (
    "In µs: medians of up to 200 look-ups and 50 reads of up to 64 KiB, first touch and again. Per"
    f" {NUM_FILES:,}: loading as many cached modules ({STATS_PER_MODULE} look-ups and a read each); of data and TMPDIR,"
    " looking up and reading as many files. Bulk read: up to 64 MiB of the largest file; * from memory."
)


@dataclass(frozen=True)
class Section:
    """A heading and its lines: a label, and a text that says what is so and what it costs."""

    heading: str
    rows: tuple[tuple[str, str], ...]


def sections(report: DoctorReport) -> list[Section]:
    """Every fact but the table of mounts; sections without facts are left out."""
    found = [
        Section("Interpreter", tuple(_interpreter(report))),
        Section("Bytecode", tuple((tree.role, _bytecode(tree, report)) for tree in report.bytecode)),
        Section("Cores and limits", tuple(_machine(report))),
        Section("GPUs", tuple(_gpus(report))),
        Section("Kept between runs", (*((one.name, _cache(one)) for one in report.caches), ("W&B", _wandb(report)))),
        Section("Not read", tuple(("", plain(line)) for line in report.not_read)),
    ]
    return [section for section in found if section.rows]


def mount_rows(mounts: list[Mount]) -> list[list[str]]:
    """The cells of the table of mounts, below MOUNT_COLUMNS."""
    return [
        [
            _role(mount),
            plain(mount.file_system) + (" ro" if mount.read_only else ""),
            *(
                _micros(values)
                for values in (
                    mount.stat_first_seconds,
                    mount.stat_again_seconds,
                    mount.read_first_seconds,
                    mount.read_again_seconds,
                )
            ),
            format_seconds(files_seconds(mount)) if mount.stat_first_seconds else (mount.error or ""),
            _bulk(mount),
        ]
        for mount in mounts
    ]


def mount_places(mounts: list[Mount]) -> list[tuple[str, str]]:
    """Where each folder lies."""
    return [
        (_role(mount), f"{plain(mount.path)}" + (f" on {mount.mount_point}" if mount.mount_point else ""))
        for mount in mounts
    ]


def _interpreter(report: DoctorReport) -> list[tuple[str, str]]:
    interpreter, starts = report.interpreter, report.starts
    plain_start, bare = median(starts.plain_seconds), median(starts.bare_seconds)
    rows = [
        ("python", plain(f"{interpreter.version}, {interpreter.executable}")),
        (
            "start",
            f"{format_seconds(plain_start)}, without site and .pth lines {format_seconds(bare)}: they cost"
            f" {format_seconds(plain_start - bare) if plain_start > bare else 'nothing that shows'}"
            f" (medians of {len(starts.plain_seconds)}, by turns)",
        ),
    ]
    if starts.launched_seconds:
        launched = median(starts.launched_seconds)
        rows.append(
            (
                "launcher",
                plain(
                    f"{report.target.argv[0]} starts in {format_seconds(launched)}: finding the interpreter costs"
                    f" {format_seconds(max(0.0, launched - plain_start))}"
                ),
            )
        )
    for line in starts.site_lines:
        seconds = f"{format_seconds(median(line.seconds))} a start" if line.seconds else "not timed"
        rows.append((".pth line", plain(f"{keep_tail(line.file, 40)}:{line.line}: {seconds}")))
    if not starts.site_lines:
        rows.append((".pth lines", "none runs code"))
    absent = [entry.path for entry in interpreter.path if not entry.exists and not entry.expected_absent]
    each = median(interpreter.lookup_seconds)
    rows.append(
        (
            "sys.path",
            plain(
                f"{len(interpreter.path)} entries"
                + (f", absent: {', '.join(absent)}" if absent else "")
                + f"; looking for a module in all of them takes {format_seconds(each)}, for {NUM_FILES:,}"
                f" {format_seconds(NUM_FILES * each)}"
            ),
        )
    )
    rows += [
        ("finder", plain(f"{finder.name}: {format_seconds(median(finder.lookup_seconds))} of each such look-up"))
        for finder in interpreter.finders
        if finder.lookup_seconds
    ]
    rows.append(("flags", _flags(report)))
    rows.append(("installed", _installed(report)))
    return rows


def _flags(report: DoctorReport) -> str:
    interpreter, starts = report.interpreter, report.starts
    told = []
    if interpreter.dont_write_bytecode:
        told.append("no bytecode is written (PYTHONDONTWRITEBYTECODE or -B): what has none is compiled at every start")
    if interpreter.optimize:
        told.append(f"-{'O' * interpreter.optimize}: bytecode has files of its own, which installers do not make")
    if interpreter.pycache_prefix:
        told.append(f"bytecode is kept below {interpreter.pycache_prefix}")
    if starts.debug_variables:
        each = debug_seconds_each(starts)
        cost = f"{format_seconds(NUM_FILES * each)} for {NUM_FILES:,} modules" if each else "no cost shows"
        told.append(f"{', '.join(f'{name}={value}' for name, value in starts.debug_variables.items())}: {cost}")
    return plain("; ".join(told)) if told else "none that costs time"


def _installed(report: DoctorReport) -> str:
    interpreter = report.interpreter
    told = [f"{interpreter.num_distributions} distributions"]
    for label, several in (("twice", interpreter.duplicates), ("overwriting each other", interpreter.clashing)):
        names = dict.fromkeys(one.name for one in several)
        told.append(f"{label}: {', '.join(names)}" if names else f"none {label}")
    return plain(", ".join(told))


def _bytecode(tree: BytecodeTree, report: DoctorReport) -> str:
    number = f"{tree.num_sources:,}" if tree.complete else f"the first {tree.num_sources:,} (time was up)"
    if not tree.num_sources:
        return "no source files"
    if not tree.num_missing:
        text = f"all of {number} source files have bytecode"
    else:
        text = f"{tree.num_missing:,} of {number} source files have no bytecode"
    if tree.num_checked:
        text += f", {tree.num_stale} of {tree.num_checked:,} compared are stale"
    if not tree.compile_seconds:
        return f"{text}; nothing to compile" if not tree.num_missing else f"{text}, in packages that are loaded with it"
    each = compile_seconds_each(tree)
    uncached = tree.num_cold_sources + tree.num_stale
    when = "at every start"
    if not report.interpreter.dont_write_bytecode and tree.unwritable is None:
        when = "once"
    elif tree.unwritable is not None:
        when += f", {tree.unwritable} cannot be written"
    return plain(
        f"{text}: {format_seconds(each)} to compile one ({len(tree.compile_seconds)} tried),"
        f" {format_seconds(uncached * each)} for the {uncached:,} whose package has none, {when}"
    )


def _machine(report: DoctorReport) -> list[tuple[str, str]]:
    processors, resources = report.processors, report.resources
    rows = [("cores", _cores(processors)), ("threads", _threads(processors)), ("others", _others(processors))]
    if processors.pressure or processors.load_average is not None:
        told = [f"{name} {format_percent(share)}" for name, share in processors.pressure.items()]
        waits = f"some task waited in the last 10 s: {', '.join(told)}" if told else ""
        load = f"load average {processors.load_average:.1f}" if processors.load_average is not None else ""
        rows.append(("pressure", "; ".join(text for text in (waits, load) if text)))
    if resources.shared_memory_bytes is not None and resources.shared_memory_free_bytes is not None:
        batches = resources.shared_memory_free_bytes // BATCH_BYTES
        rows.append(
            (
                "/dev/shm",
                f"{format_bytes(resources.shared_memory_free_bytes)} of"
                f" {format_bytes(resources.shared_memory_bytes)} free: room for {batches:,} batches of 8 pages of"
                " 1024 × 1024 (float32) on their way from workers",
            )
        )
    hard = "no limit" if resources.max_open_files_hard is None else f"{resources.max_open_files_hard:,}"
    rows.append(("open files", f"{resources.max_open_files:,} a process, may be raised to {hard}"))
    return rows


def _cores(processors: Processors) -> str:
    text = f"{processors.num_usable:g} of {processors.num_present} may be used"
    limits = []
    if processors.num_affinity is not None and processors.num_affinity < processors.num_present:
        limits.append(f"affinity {processors.num_affinity}")
    if processors.quota_cores is not None:
        limits.append(f"cgroup quota {processors.quota_cores:g}")
    if processors.throttled_share is not None:
        limits.append(f"which cut off {format_percent(processors.throttled_share)} of the periods so far")
    text += f" ({', '.join(limits)})" if limits else ", no quota seen"
    if processors.num_present > processors.num_usable:
        factor = processors.num_present / processors.num_usable
        text += f": what sizes its pools by os.cpu_count() starts {factor:.3g} × as many as fit"
    return text


def _threads(processors: Processors) -> str:
    named = [f"{name}={value}" for name, value in processors.thread_variables.items()]
    text = ", ".join(named) if named else "no variable is set"
    text += f"; OpenMP starts {processors.num_openmp_threads}"
    loop = processors.parallel_loop
    if loop is None:
        fits = processors.num_openmp_threads is not None and processors.num_openmp_threads <= processors.num_usable
        return plain(f"{text}, which fit" if fits else f"{text}; what that costs was not measured")
    return plain(
        f"{text}: a parallel loop over 4 MiB takes {format_seconds(median(loop.threads_seconds))} with"
        f" {loop.num_threads} threads, {format_seconds(median(loop.fitting_seconds))} with {loop.num_fitting}"
    )


def _others(processors: Processors) -> str:
    wall, cpu = sum(processors.loop_wall_seconds), sum(processors.loop_cpu_seconds)
    loop = f"a loop that computes for {format_seconds(cpu)} took {format_seconds(wall)}, {wall / cpu:.2f} ×"
    if processors.others_busy_cores is None:
        return loop
    names = ", ".join(f"{one.name} {one.cores:.2f}" for one in processors.busiest)
    who = f" ({names})" if names else ""
    return plain(f"{processors.others_busy_cores:.2f} cores busy with other processes{who}; {loop}")


def _gpus(report: DoctorReport) -> list[tuple[str, str]]:
    rows = [(f"GPU {gpu.index}", _gpu(gpu)) for gpu in report.gpus]
    if rows and report.gpu_start_seconds is not None:
        rows.append(("driver", f"opens in {format_seconds(report.gpu_start_seconds)}"))
    return rows


def _gpu(gpu: GpuState) -> str:
    told = [
        f"{gpu.name}, driver {gpu.driver}",
        None if gpu.util_percent is None else f"{gpu.util_percent:.0f} % busy",
        f"{format_bytes(gpu.memory_used_bytes)} of {format_bytes(gpu.memory_bytes)} used",
        f"{len(gpu.processes)} processes" if gpu.processes else "no process",
        f"{gpu.clock_mhz:.0f} of {gpu.max_clock_mhz:.0f} MHz" if gpu.clock_mhz and gpu.max_clock_mhz else None,
        None if gpu.temperature_celsius is None else f"{gpu.temperature_celsius:.0f} °C",
        f"held down: {', '.join(gpu.throttle_reasons)}" if gpu.throttle_reasons else "not held down",
        None if gpu.persistence is None else f"persistence {'on' if gpu.persistence else 'off'}",
    ]
    return plain(", ".join(text for text in told if text))


def _cache(cache: Cache) -> str:
    where = f"{cache.path}" + (f" ({cache.chosen_by})" if cache.chosen_by != "default" else "")
    if cache.num_files:
        size = f"{format_bytes(cache.num_bytes)} in {cache.num_files:,} files"
        return plain(f"{size if cache.complete else f'at least {size}'}, {where}")
    state = "empty" if cache.exists else "none yet"
    return plain(f"{state}: {_COSTS_WHEN_EMPTY.get(cache.name, 'what uses it makes it anew')}, into {where}")


def _wandb(report: DoctorReport) -> str:
    state = report.wandb
    if state.version is None:
        return "not installed in this interpreter: costs nothing"
    mode = state.mode if state.mode_from == "default" else f"{state.mode} ({state.mode_from})"
    if state.mode != "online":
        return plain(f"{state.version}, {mode}: wandb.init does not wait for the network")
    if state.login_from is None:
        return plain(f"{state.version}, {mode}, no login: wandb.init asks for a key, or fails where nobody answers")
    return plain(f"{state.version}, {mode}, login from {state.login_from}: wandb.init waits for the network")


def _role(mount: Mount) -> str:
    return "TMPDIR" if mount.role == "temporary" else mount.role


def _micros(values: list[float]) -> str:
    if not values:
        return ""
    value = median(values) * 1e6
    return f"{value:.0f}" if value >= 99.5 else f"{value:.1f}"


def _bulk(mount: Mount) -> str:
    if not mount.bulk_seconds or mount.bulk_bytes < 2**20:
        return ""
    return (
        f"{format_bytes(mount.bulk_bytes / mount.bulk_seconds)}/s{'*' if (mount.bulk_cached_share or 0) > 0.9 else ''}"
    )
