"""What a sweep of worker counts shows of the program's own loader: `starved`, `knee`, `oversubscribed`, `pin-memory`,
`worker-start`, `turnover`, `in-order-tail`.

Seconds are those of the measured blocks, or of one epoch where the loader's length is known. A rule speaks of what was
run, and only where the intervals carry it.
"""

import math

from ocrprof.findings.judging import finding
from ocrprof.results.model import Finding, SweepPoint, SweepReport, SweepTrial
from ocrprof.units import format_percent, format_seconds

_MIN_WAIT = 0.05
_MIN_TURNOVER = 0.05
_MIN_IN_ORDER_LOSS = 0.10
_MIN_PIN_EFFECT = 0.02
_MIN_START_SECONDS = 1.0


def starved_steps(report: SweepReport) -> list[Finding]:
    """Steps of the known time wait for the program's own setting for 5 % of the time or more."""
    point = own_point(report)
    if point is None or point.wait_fraction is None or point.wait_fraction < _MIN_WAIT:
        return []
    waits = [trial.waits for trial in _trials(report, point) if trial.waits is not None]
    waited = math.fsum(seconds for one in waits for seconds in one.wait_seconds)
    total = waited + math.fsum(seconds for one in waits for seconds in one.compute_seconds)
    return [
        finding(
            "starved",
            f"At its own num_workers={point.num_workers} training waits for data for "
            f"{format_percent(point.wait_fraction)} of the time",
            seconds=waited,
            of_seconds=total,
            location=report.loader.location if report.loader else None,
            evidence={"wait_a_step_seconds": point.exposed_seconds, "step_seconds": report.step_seconds},
            advice=_how_to_feed(report, point),
        )
    ]


def knee(report: SweepReport) -> list[Finding]:
    """The program's own setting is slower than the best by more than may be given up; where no step's time tells that
    it does not matter, or that it does (`starved`)."""
    point, told = own_point(report), report.recommendation
    if report.step_seconds is not None:
        return []
    if point is None or told is None or told.verdict not in ("clear", "tie") or told.num_workers is None:
        return []
    ratio = point.relative_to_best
    if ratio is None or ratio >= 1 - report.within or told.num_workers == point.num_workers:
        return []
    seconds = _block_seconds(report, point)
    most = max(one.num_workers for one in _measured(report))
    beyond = (
        "more workers bring little or nothing"
        if told.num_workers < most
        else "more workers than that were not measured"
    )
    return [
        finding(
            "knee",
            f"Its own num_workers={point.num_workers} loads {ratio:.2f} times what the best setting does",
            seconds=seconds * (1 - ratio),
            of_seconds=seconds,
            location=report.loader.location if report.loader else None,
            evidence={
                "loading_seconds": seconds,
                "samples_per_sec": point.samples_per_sec,
                "num_cores_usable": report.environment.num_cores_usable,
            },
            advice=f"Set num_workers to {told.num_workers}: {beyond}.",
        )
    ]


def oversubscribed(report: SweepReport) -> list[Finding]:
    """With more workers than usable cores fewer samples are loaded than with less; the worst of such settings."""
    cores = report.environment.num_cores_usable
    slower = [
        point
        for point in _measured(report)
        if point.num_workers > cores and _is_surely_slower(point, report) and _best(report, point) < point.num_workers
    ]
    if not slower:
        return []
    point = min(slower, key=lambda one: one.relative_to_best or 1.0)
    seconds = _block_seconds(report, point)
    ratio = point.relative_to_best or 1.0
    own = own_point(report)
    return [
        finding(
            "oversubscribed",
            f"{point.num_workers} workers on {cores:g} usable cores load {ratio:.2f} times what the best setting does",
            seconds=seconds * (1 - ratio),
            of_seconds=seconds,
            location=report.loader.location if report.loader else None,
            evidence={
                "loading_seconds": seconds,
                "cpu_seconds_a_sample": point.cpu_seconds_per_sample,
                "throttled_seconds": point.throttled_seconds or None,
            },
            advice=f"Use no more than {_best(report, point)} workers here; each takes processor time from the others.",
            effect="saves" if own is point else "tells",
        )
    ]


def pin_memory(report: SweepReport) -> list[Finding]:
    """Pinning memory makes the same setting surely slower or faster."""
    pairs = [
        (off, on)
        for off in _measured(report)
        for on in _measured(report)
        if off.setting.pin_memory is False and on.setting == off.setting.model_copy(update={"pin_memory": True})
    ]
    apart = [(off, on) for off, on in pairs if _intervals_apart(off, on)]
    if not apart:
        return []
    off, on = max(apart, key=lambda pair: abs(math.log(_rate(pair[0]) / _rate(pair[1]))))
    slower, faster = sorted((off, on), key=_rate)
    loss = 1 - _rate(slower) / _rate(faster)
    if loss < _MIN_PIN_EFFECT:
        return []
    seconds = _block_seconds(report, slower)
    gpu = "copies to the GPU can be asynchronous only from pinned memory" if report.environment.gpus else "no GPU here"
    verb, advice = ("costs", "off") if slower is on else ("brings", "on")
    return [
        finding(
            "pin-memory",
            f"pin_memory {verb} {format_percent(loss)} of the samples/s at num_workers={on.num_workers}",
            seconds=seconds * loss,
            of_seconds=seconds,
            evidence={"on_samples_per_sec": _rate(on), "off_samples_per_sec": _rate(off)},
            advice=f"Loading alone is faster with pin_memory {advice}; {gpu}.",
            effect="tells",
        )
    ]


def worker_start(report: SweepReport) -> list[Finding]:
    """The first batch waits for the workers to start, each of which takes a second or more longer than the last."""
    point = own_point(report) or _recommended(report)
    if point is None or not point.num_workers or point.last_worker_seconds is None:
        return []
    first = point.time_to_first_batch_seconds
    if first is None or point.last_worker_seconds < _MIN_START_SECONDS:
        return []
    slope = point.seconds_per_worker
    each = f", {format_seconds(slope)} more for each" if slope is not None and slope > 0 else ""
    method = point.setting.start_method or (report.loader.start_method if report.loader else None) or "the default"
    return [
        finding(
            "worker-start",
            f"{point.num_workers} workers are ready after {format_seconds(point.last_worker_seconds)}{each}",
            seconds=point.last_worker_seconds,
            of_seconds=max(first.median, point.last_worker_seconds) + _epoch_seconds(report, point),
            location=report.loader.location if report.loader else None,
            evidence={"first_batch_seconds": first.median, "start_method": method},
            advice="What a started worker imports and unpickles is paid once for each: keep heavy imports out of the"
            " main module, and the dataset small to pickle. `--start-method` measures the others.",
        )
    ]


def turnover(report: SweepReport) -> list[Finding]:
    """Between two epochs of the program's own setting more than 5 % of an epoch passes without a batch."""
    point = own_point(report) or _recommended(report)
    if point is None or point.turnover_seconds is None:
        return []
    epoch = _epoch_seconds(report, point)
    if not epoch or point.turnover_seconds < _MIN_TURNOVER * epoch:
        return []
    persistent = point.setting.persistent_workers
    if persistent is None:
        persistent = report.loader.persistent_workers if report.loader else False
    advice = (
        "Set persistent_workers=True: workers then live on from one epoch to the next."
        if point.num_workers and not persistent
        else "Look at what the sampler and the dataset do when an epoch begins."
    )
    return [
        finding(
            "turnover",
            f"Each epoch begins with {format_seconds(point.turnover_seconds)} without a batch",
            seconds=point.turnover_seconds,
            of_seconds=epoch + point.turnover_seconds,
            location=report.loader.location if report.loader else None,
            evidence={"epoch_seconds": epoch, "num_workers": point.num_workers, "persistent_workers": persistent},
            advice=advice,
        )
    ]


def in_order_tail(report: SweepReport) -> list[Finding]:
    """Batches that are ready wait behind a slow one: 10 % of the samples/s or more, by the simulated queue."""
    told = report.recommendation
    point = _recommended(report) or own_point(report)
    if told is None or told.in_order_loss is None or told.in_order_loss < _MIN_IN_ORDER_LOSS or point is None:
        return []
    seconds = _block_seconds(report, point)
    return [
        finding(
            "in-order-tail",
            f"Slow batches hold up ready ones: {format_percent(told.in_order_loss)} of the samples/s",
            seconds=seconds * told.in_order_loss,
            of_seconds=seconds,
            location=report.loader.location if report.loader else None,
            evidence={"service_spread": point.service_cv, "num_workers": point.num_workers},
            advice="Batch samples of like size together, or give the DataLoader `in_order=False` where this torch knows"
            " it and the order of the batches need not be repeatable. `--in-order on,off` measures it.",
        )
    ]


def _how_to_feed(report: SweepReport, point: SweepPoint) -> str:
    told = report.recommendation
    if told is None or told.verdict == "inconclusive":
        return "The rounds do not tell yet whether another number of workers would do: `--resume` adds some."
    if told.num_workers not in (None, point.num_workers):
        return f"Set num_workers to {told.num_workers}: {told.reason.rstrip('.')}."
    return (
        f"No other number of workers is shown to keep the wait under {format_percent(report.max_wait)} or to load"
        " surely more: make a sample cheaper to load."
    )


def own_point(report: SweepReport) -> SweepPoint | None:
    """The measured point of the program's own number of workers, as little changed as there is."""
    if report.loader is None:
        return None
    own = [point for point in _measured(report) if point.num_workers == report.loader.num_workers]
    return min(own, key=lambda point: len(point.setting.model_dump(exclude_none=True)), default=None)


def _measured(report: SweepReport) -> list[SweepPoint]:
    return [point for point in report.points if point.samples_per_sec]


def _recommended(report: SweepReport) -> SweepPoint | None:
    told = report.recommendation
    if told is None or told.setting is None:
        return None
    return next((point for point in _measured(report) if point.setting == told.setting), None)


def _trials(report: SweepReport, point: SweepPoint) -> list[SweepTrial]:
    return [trial for trial in report.trials if trial.setting == point.setting and not trial.control]


def _block_seconds(report: SweepReport, point: SweepPoint) -> float:
    return math.fsum(block.seconds for trial in _trials(report, point) for block in trial.blocks)


def _rate(point: SweepPoint) -> float:
    return point.samples_per_sec or 0.0


def _best(report: SweepReport, beside: SweepPoint) -> int:
    """The number of workers that loads most, among settings that differ from `beside` in nothing else."""
    alike = [
        point
        for point in _measured(report)
        if point.setting.model_copy(update={"num_workers": 0}) == beside.setting.model_copy(update={"num_workers": 0})
    ]
    return max(alike, key=_rate).num_workers


def _is_surely_slower(point: SweepPoint, report: SweepReport) -> bool:
    best = max(_measured(report), key=_rate)
    slower = point.relative_to_best is not None and point.relative_to_best < 1 - report.within
    return slower and _intervals_apart(point, best)


def _intervals_apart(one: SweepPoint, other: SweepPoint) -> bool:
    low, high = one.samples_per_sec_ci95, other.samples_per_sec_ci95
    return low is not None and high is not None and (low[1] < high[0] or high[1] < low[0])


def _epoch_seconds(report: SweepReport, point: SweepPoint) -> float:
    """Of one epoch at this point's samples/s; 0 where the loader has no length."""
    num_samples = report.loader.num_samples if report.loader else None
    return num_samples / _rate(point) if num_samples else 0.0
