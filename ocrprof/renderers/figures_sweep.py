"""What a sweep of worker counts tells: names of settings, figures as text, its sentences."""

import math
from collections import Counter

from ocrprof.renderers import figures
from ocrprof.renderers.places import place, plain
from ocrprof.results.model import LoaderSetting, SweepPoint, SweepReport, SweepTrial
from ocrprof.units import format_percent, format_seconds

OK_STATUSES = ("ok", "ok_slow_exit")
_VERDICTS = {
    "clear": "clear",
    "tie": "a tie",
    "flat": "flat: the settings do not differ",
    "loader_not_bottleneck": "the loader is not the bottleneck",
    "inconclusive": "inconclusive",
}
_STATUSES = {
    "oom_killed": "out of memory",
    "worker_killed": "a worker was killed",
    "sigbus": "bus error (shared memory)",
    "shm": "/dev/shm is full",
    "fds": "too many open files",
    "user_error": "an exception in the program's own code",
    "unpicklable": "cannot be pickled for its workers",
    "timeout": "hung: no batch within the limit",
    "crashed": "the program crashed",
    "no_loader": "no DataLoader was iterated",
    "not_recorded": "the recorder did not start",
    "interrupted": "interrupted",
    "ok_slow_exit": "measured; slow to end",
}
_FACTORS = {
    "prefetch_factor": "prefetch_factor",
    "persistent_workers": "persistent_workers",
    "pin_memory": "pin_memory",
    "in_order": "in_order",
    "start_method": "start method",
}


def setting_name(setting: LoaderSetting) -> str:
    """`num_workers=4, prefetch_factor=2`: what was not set is left out."""
    return ", ".join([f"num_workers={setting.num_workers}", *factors(setting)])


def factors(setting: LoaderSetting) -> list[str]:
    """What a setting fixes besides the number of workers: `prefetch_factor=2`, `pin_memory=on`."""
    told = []
    for name, label in _FACTORS.items():
        value = getattr(setting, name)
        if value is not None:
            told.append(f"{label}={('off', 'on')[value] if isinstance(value, bool) else value}")
    return told


def is_measured(trial: SweepTrial) -> bool:
    """Whether a trial has figures that count."""
    return trial.status in OK_STATUSES


def status_text(status: str) -> str:
    """A status in words; `ok` is empty."""
    return "" if status == "ok" else _STATUSES.get(status, status.replace("_", " "))


def headline(report: SweepReport) -> str:
    """The one line to remember: the number of workers, the verdict and the throughput."""
    told = report.recommendation
    if told is None or not any(point.samples_per_sec for point in report.points):
        return "sweep-workers: no setting was measured"
    if told.num_workers is None:
        return f"sweep-workers: change nothing · {_VERDICTS[told.verdict]}"
    name = setting_name(told.setting) if told.setting else f"num_workers={told.num_workers}"
    point = chosen_point(report)
    rate = f" · {rate_text(point)} samples/s" if point is not None else ""
    return f"sweep-workers: {name} · {_VERDICTS[told.verdict]}{rate}"


def chosen_point(report: SweepReport) -> SweepPoint | None:
    """The point of the recommended setting; None where none is."""
    told = report.recommendation
    if told is None or told.num_workers is None:
        return None
    found = [point for point in report.points if point.setting == told.setting]
    return next(iter(found or [point for point in report.points if point.num_workers == told.num_workers]), None)


def recommendation_lines(report: SweepReport) -> list[str]:
    """The reason, the override, the bounds and what to mind."""
    told = report.recommendation
    if told is None:
        return []
    lines = [sentence(told.reason)]
    if told.override:
        lines.append(f"Override: {plain(told.override)}")
    if len(told.ties) > 1:
        lines.append(f"Not told apart by these rounds: num_workers {', '.join(str(one) for one in told.ties)}.")
    if told.headspace is not None:
        lines.append(
            f"Headspace: with a loader that costs nothing, training would be at most {told.headspace:.2f} times as fast"
            " (batches replayed from memory; part of it is the processor time that loading leaves free)."
        )
    return lines + [sentence(note) for note in told.notes]


def sentence(text: str) -> str:
    """The text with a capital at its beginning and a full stop at its end."""
    told = plain(text).strip()
    return told[:1].upper() + told[1:] + ("" if told.endswith((".", "!", "?")) else ".")


def what_was_run(report: SweepReport) -> str:
    """Settings, rounds, how each was measured, the step they fed, and the program's own loader."""
    hosts = hosts_of(report)
    parts = [
        f"{_counted(len(report.settings), 'setting')} in {_counted(report.num_rounds, 'round')} of random order"
        f" (seed {report.seed}), a fresh process each",
        "the program trained with each" if report.mode == "train" else "the loader was rebuilt with each and drained",
    ]
    if report.num_local_ranks > 1:
        parts.append(f"{report.num_local_ranks} copies at once")
    if report.cold:
        parts.append("files evicted from the page cache before each")
    if len(hosts) > 1:
        parts.append(f"on {len(hosts)} nodes, each round on one")
    if report.step_seconds is not None:
        source = f" ({plain(report.step_source)})" if report.step_source else ""
        parts.append(f"feeding steps of {format_seconds(report.step_seconds)}{source}")
    return "; ".join([*parts, f"{format_seconds(report.seconds)} in all"])


def loader_text(report: SweepReport) -> str:
    """The program's own loader as it was found; empty where none was."""
    loader = report.loader
    if loader is None:
        return ""
    where = place(loader.location, cwd=report.target.cwd)
    own = [f"num_workers={loader.num_workers}"]
    if loader.num_workers and loader.prefetch_factor is not None:
        own.append(f"prefetch_factor={loader.prefetch_factor}")
    own += [name for name, on in (("pinned", loader.pin_memory), ("persistent", loader.persistent_workers)) if on]
    size = f" of {loader.batch_size}" if loader.batch_size else ""
    batches = f", {loader.num_batches} batches{size}" if loader.num_batches is not None else ""
    role = "" if loader.role == "other" else f"{loader.role} "
    built = f", built at {where}" if where else ""
    return plain(f"The {role}loader of {loader.dataset}{batches}{built}; its own setting: {', '.join(own)}")


def notes(report: SweepReport) -> list[str]:
    """What a reader must know before believing a figure."""
    found = [sentence(note) for note in report.notes]
    if report.stopped:
        found.append(f"Stopped: {plain(report.stopped)}.")
    said = Counter(note for trial in report.trials for note in dict.fromkeys(trial.notes))
    found += [f"{number} of {len(report.trials)} trials: {plain(note)}." for note, number in said.items()]
    disturbed = [trial for trial in report.trials if trial.disturbed]
    if disturbed:
        first = plain(disturbed[0].disturbed or "")
        found.append(f"{len(disturbed)} of {len(report.trials)} trials began on a busy machine: {first}.")
    return found


def control_text(report: SweepReport) -> str:
    """The A/A control: second over first visits to one setting."""
    ratio = report.control_ratio
    if ratio is None:
        return ""
    interval = f" [{ratio.ci95[0]:.3f}, {ratio.ci95[1]:.3f}]" if ratio.ci95 else ""
    return f"second visit over first {ratio.median:.3f}{interval}, n = {ratio.n}"


def rate_text(point: SweepPoint) -> str:
    """`412 [405, 419]`, or the status of a point without figures."""
    if point.samples_per_sec is None:
        return status_text(point.status)
    return number(point.samples_per_sec) + interval_text(point.samples_per_sec_ci95)


def interval_text(interval: tuple[float, float] | None) -> str:
    """` [405, 419]`, or nothing."""
    return f" [{number(interval[0])}, {number(interval[1])}]" if interval else ""


def number(value: float) -> str:
    """Three or more significant digits without an exponent: `12.3`, `412`, `10400`."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def wait_text(point: SweepPoint) -> str:
    """The share of a step that was waited, and its upper bound."""
    if point.wait_fraction is None:
        return ""
    bound = f" ≤ {format_percent(point.wait_fraction_high)}" if point.wait_fraction_high is not None else ""
    return format_percent(point.wait_fraction) + bound


def failures(report: SweepReport) -> list[tuple[str, str, list[str]]]:
    """Of each setting that failed: its name, what happened, and where it was, which sample, what to do."""
    found: list[tuple[str, str, list[str]]] = []
    for point in report.points:
        if point.status in OK_STATUSES or point.status == "interrupted":
            continue
        failure = point.failure
        if failure is None:
            found.append((setting_name(point.setting), status_text(point.status), []))
            continue
        details = []
        if failure.sample_index is not None:
            details.append(f"sample {failure.sample_index}")
        details += [plain(failure.path)] if failure.path else []
        where = place(failure.location, cwd=report.target.cwd)
        details += [where] if where else []
        lines = [plain(failure.message), " · ".join(details), plain(failure.advice or "")]
        found.append((setting_name(point.setting), status_text(point.status), [line for line in lines if line]))
    return found


def failure_output(report: SweepReport) -> dict[str, list[str]]:
    """Of each setting that failed: the end of its traceback, or the stack of where it hung."""
    return {
        setting_name(point.setting): [*point.failure.traceback_tail, *point.failure.stack]
        for point in report.points
        if point.failure is not None and (point.failure.traceback_tail or point.failure.stack)
    }


def trial_rate(trial: SweepTrial) -> float | None:
    """Samples/s of one trial over all its blocks, or over its training steps; None without any."""
    if trial.train_samples_per_sec is not None:
        return trial.train_samples_per_sec
    seconds = math.fsum(block.seconds for block in trial.blocks)
    return sum(block.num_samples for block in trial.blocks) / seconds if seconds else None


def measured(report: SweepReport) -> list[SweepPoint]:
    """The points with figures."""
    return [point for point in report.points if point.samples_per_sec is not None]


def hosts_of(report: SweepReport) -> list[str]:
    """The nodes on which trials ran, in order."""
    return list(dict.fromkeys(trial.host for trial in report.trials if trial.host))


def environment_text(report: SweepReport) -> str:
    """The machine in one line, with the node where there is one."""
    hosts = hosts_of(report)
    node = f" · on {', '.join(hosts)}" if hosts else ""
    return figures.environment_line(report.environment) + plain(node)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
