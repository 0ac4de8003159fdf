"""What a reader of a sweep's recommendation must know beside it, and how much a free loader would gain."""

import math
import statistics
from collections.abc import Sequence

from ocrprof.results.model import LoaderInfo, LoaderSetting, SweepPoint, SweepTrial
from ocrprof.results.sweep_blocks import (
    PRECISION,
    independent_blocks,
    relative_half_width,
    steady_blocks,
    stein_size,
)
from ocrprof.results.sweep_comparisons import COUNTED, control_ratio, is_unstable
from ocrprof.results.sweep_judgement import Judgement
from ocrprof.results.sweep_reasons import describe, listed
from ocrprof.units import format_bytes, format_percent, format_seconds

MAX_CPU_SHARE = 0.4
"""Of the usable cores that loading may take beside the steps, by the guidance of SPDL (Meta, "Headspace Analysis")."""

MAX_IN_ORDER_LOSS = 0.1
MAX_TURNOVER_SHARE = 0.05


def headspace(trials: Sequence[SweepTrial], setting: LoaderSetting | None) -> float | None:
    """How many times as fast the steps of `setting` are with kept batches: the most that a faster loader could bring.

    Geometric mean over the rounds of (step and its wait) over (step with replayed batches), at least 1; part of it
    is the processor time that the workers no longer take. None where no trial of `setting` replayed batches.
    """
    ratios = []
    for trial in trials:
        waits = trial.waits
        if trial.setting == setting and trial.status in COUNTED and waits is not None and trial.replay_seconds:
            num_batches = sum(waits.num_batches)
            real = (sum(waits.wait_seconds) + sum(waits.compute_seconds)) / num_batches
            # A replayed block has as many steps as a block of waits.
            replayed = statistics.fmean(trial.replay_seconds) / (num_batches / len(waits.num_batches))
            ratios.append(math.log(real / replayed))
    return max(1.0, math.exp(statistics.fmean(ratios))) if ratios else None


def notes(
    points: Sequence[SweepPoint],
    trials: Sequence[SweepTrial],
    judged: Judgement,
    *,
    subject: LoaderSetting | None,
    loader: LoaderInfo | None,
    step_seconds: float | None,
    in_order_loss: float | None,
    memory_budget_bytes: int | None,
    num_cores: float | None,
    num_gpus: int | None,
) -> list[str]:
    """Sentences, the doubts about the answer first. `subject`: the setting recommended, or else the program's own."""
    found = [*_doubts(points, trials, judged, memory_budget_bytes=memory_budget_bytes)]
    point = next((one for one in points if one.setting == subject), None)
    if point is None:
        return found
    found += _processors(point, loader, step_seconds=step_seconds, num_cores=num_cores)
    if in_order_loss is not None and in_order_loss > MAX_IN_ORDER_LOSS and point.setting.in_order is not False:
        found.append(
            f"delivery in order costs {format_percent(in_order_loss)} of the samples/s, for slow samples hold up those"
            " behind them: in_order=False, or batches of like sizes, would win it back"
        )
    found += _turnover(point, loader, step_seconds=step_seconds)
    found += _pinning(point, loader, num_gpus=num_gpus)
    return found


def _doubts(
    points: Sequence[SweepPoint], trials: Sequence[SweepTrial], judged: Judgement, *, memory_budget_bytes: int | None
) -> list[str]:
    found = []
    ratio = control_ratio(trials)
    if ratio is not None and is_unstable(trials):
        found.append(
            "the machine is not steady: a second visit to the first value of a round gave"
            f" {format_percent(ratio.median)} of the first's samples/s, so all bounds were widened by the drift"
        )
    failed = [point for point in points if point.status not in COUNTED]
    found += [f"{describe(point.setting)} failed ({point.status}) and cannot be recommended" for point in failed]
    heavy = [one for one in points if one.status in COUNTED and one.setting not in judged.candidates]
    for point in heavy:
        if memory_budget_bytes is not None and point.pss_peak_bytes is not None:
            found.append(
                f"{describe(point.setting)} took {format_bytes(point.pss_peak_bytes)} of memory,"
                f" more than the {format_bytes(memory_budget_bytes)} allowed"
            )
    moving = [point.setting for point in points if point.not_steady]
    if moving:
        found.append(f"{listed(moving)}: the samples/s still moved at the end of a trial")
    capped = [trial for trial in trials if trial.capped and trial.status in COUNTED and trial.blocks]
    capped = [trial for trial in capped if not _is_precise(trial)]
    if capped:
        found.append(_cut_short(capped))
    if judged.chosen is not None and judged.rule == "within":
        lighter = [one for one in judged.open if one not in judged.ties]
        if lighter:
            found.append(f"{listed(lighter)} is slower than the best, but may be within the share that can be given up")
        if judged.chosen == judged.candidates[-1] and len(judged.candidates) > 1:
            found.append("the largest value measured is the best one: larger values may be better still")
    return found


def _is_precise(trial: SweepTrial) -> bool:
    """Whether a trial came to know its mean well enough all the same, though in fewer blocks than were foreseen."""
    width = relative_half_width(independent_blocks(steady_blocks(trial.blocks)))
    return width is not None and width <= PRECISION


def _cut_short(capped: Sequence[SweepTrial]) -> str:
    """How precise the least precise of the trials is that ran out of time, and what it was short of."""
    kept = [independent_blocks(steady_blocks(trial.blocks)) for trial in capped]
    known = [(width, blocks) for blocks in kept if (width := relative_half_width(blocks)) is not None]
    settings = sorted({trial.setting for trial in capped}, key=lambda setting: setting.num_workers)
    number = "a trial" if len(capped) == 1 else f"{len(capped)} trials"
    head = f"{listed(settings)}: the time of {number} ran out before the precision asked for was reached"
    if not known:
        return head
    width, blocks = max(known, key=lambda one: one[0])
    times = stein_size([block.seconds / block.num_samples for block in blocks]) / len(blocks)
    short = f"for ±{PRECISION * 100:g} % needs {times:.0f} times as long"
    return f"{head}; the worst knows its mean to ±{format_percent(width)}, and {short}"


def _processors(
    point: SweepPoint, loader: LoaderInfo | None, *, step_seconds: float | None, num_cores: float | None
) -> list[str]:
    if num_cores is None:
        return []
    found = []
    if point.num_workers > max(1.0, num_cores - 1):
        found.append(
            f"{describe(point.setting)} beside the training process are more than the {num_cores:g} usable cores"
        )
    batch_size = loader.batch_size if loader is not None else None
    if step_seconds and batch_size and point.cpu_seconds_per_sample is not None:
        share = point.cpu_seconds_per_sample * batch_size / (step_seconds + (point.exposed_seconds or 0.0)) / num_cores
        if share > MAX_CPU_SHARE:
            found.append(
                f"loading for steps of {format_seconds(step_seconds)} takes {format_percent(share)} of {num_cores:g}"
                " usable cores, which leaves little for the training process itself"
            )
    return found


def _turnover(point: SweepPoint, loader: LoaderInfo | None, *, step_seconds: float | None) -> list[str]:
    if loader is None or loader.num_samples is None or not point.num_workers or not point.samples_per_sec:
        return []
    persistent = point.setting.persistent_workers
    if (loader.persistent_workers if persistent is None else persistent) or point.turnover_seconds is None:
        return []
    epoch = loader.num_samples / point.samples_per_sec
    if step_seconds is not None and loader.num_batches:
        epoch = max(epoch, loader.num_batches * (step_seconds + (point.exposed_seconds or 0.0)))
    share = point.turnover_seconds / (epoch + point.turnover_seconds)
    if share <= MAX_TURNOVER_SHARE:
        return []
    return [
        f"between epochs {format_seconds(point.turnover_seconds)} go by until the new workers deliver,"
        f" {format_percent(share)} of an epoch: persistent_workers=True keeps them"
    ]


def _pinning(point: SweepPoint, loader: LoaderInfo | None, *, num_gpus: int | None) -> list[str]:
    if loader is None or num_gpus is None:
        return []
    pinned = loader.pin_memory if point.setting.pin_memory is None else point.setting.pin_memory
    if num_gpus and not pinned:
        return ["batches are not in pinned memory, so their copies to the GPU hold up the step: try pin_memory=True"]
    if pinned and not num_gpus:
        return ["pin_memory=True did nothing here, on a machine without a GPU: measure again where the training runs"]
    return []
