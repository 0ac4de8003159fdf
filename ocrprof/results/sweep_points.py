"""What the trials of a sweep say of each setting: one point each, with intervals by the rounds' means."""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence

from ocrprof.results.model import LoaderSetting, Statistic, SweepPoint, SweepTrial, TrialStatus
from ocrprof.results.stats import statistic
from ocrprof.results.sweep_blocks import is_steady, t_quantile
from ocrprof.results.sweep_comparisons import COUNTED, Standing, costs_by_round, standings, wait_share


def build_points(trials: Sequence[SweepTrial], settings: Sequence[LoaderSetting]) -> list[SweepPoint]:
    """A point for each of `settings` that was tried, in their order.

    One failing trial makes the point a failure: its other rounds still give figures, which are compared with nothing.
    Trials that the user interrupted are left out.
    """
    finished = [trial for trial in trials if trial.status != "interrupted"]
    tried = [setting for setting in dict.fromkeys(settings) if any(trial.setting == setting for trial in finished)]
    ranked = standings(finished, [setting for setting in tried if _failed(finished, setting) is None])
    return [_point(finished, setting, ranked.get(setting)) for setting in tried]


def _failed(trials: Iterable[SweepTrial], setting: LoaderSetting) -> SweepTrial | None:
    return next((trial for trial in trials if trial.setting == setting and trial.status not in COUNTED), None)


def _point(trials: Sequence[SweepTrial], setting: LoaderSetting, standing: Standing | None) -> SweepPoint:
    own = [trial for trial in trials if trial.setting == setting]
    counted = [trial for trial in own if trial.status in COUNTED]
    costs = list(costs_by_round(trials, setting).values())
    failed = _failed(trials, setting)
    waits = wait_share(trial for trial in counted if not trial.control)
    rate = 1 / statistics.fmean(costs) if costs else None
    cpu = _cpu_seconds_per_sample(counted)
    return SweepPoint(
        setting=setting,
        num_workers=setting.num_workers,
        status=failed.status if failed is not None else _counted_status(counted),
        num_trials=len(own),
        samples_per_sec=rate,
        samples_per_sec_ci95=_rate_interval(costs),
        relative_to_best=standing.relative if standing is not None else None,
        relative_to_best_low=standing.low if standing is not None else None,
        wait_fraction=waits.mean if waits is not None else None,
        wait_fraction_high=waits.high if waits is not None else None,
        exposed_seconds=_exposed_seconds(counted),
        time_to_first_batch_seconds=_statistic(trial.first_batch_seconds for trial in counted),
        first_worker_seconds=_median(min(trial.worker_ready_seconds, default=None) for trial in counted),
        last_worker_seconds=_median(max(trial.worker_ready_seconds, default=None) for trial in counted),
        seconds_per_worker=_median(_seconds_per_worker(trial) for trial in counted),
        turnover_seconds=_median(trial.turnover_seconds for trial in counted),
        cpu_seconds_per_sample=cpu,
        cpu_percent=100 * cpu * rate if cpu is not None and rate is not None else None,
        throttled_seconds=_total(trial.cost.throttled_seconds for trial in counted if trial.cost is not None),
        pss_peak_bytes=_peak(trial.cost.pss_peak_bytes for trial in own if trial.cost is not None),
        shm_peak_bytes=_peak(trial.cost.shm_peak_bytes for trial in own if trial.cost is not None),
        read_bytes_per_sample=_per_sample(counted, lambda trial: trial.cost.read_bytes if trial.cost else None),
        read_chars_per_sample=_per_sample(counted, lambda trial: trial.cost.read_chars if trial.cost else None),
        stages=_stages(counted),
        service_cv=_service_cv(counted),
        not_steady=not all(is_steady(trial.blocks) for trial in counted),
        capped=any(trial.capped for trial in counted),
        failure=failed.failure if failed is not None else None,
    )


def _counted_status(counted: Sequence[SweepTrial]) -> TrialStatus:
    return "ok_slow_exit" if any(trial.status == "ok_slow_exit" for trial in counted) else "ok"


def _rate_interval(costs: Sequence[float]) -> tuple[float, float] | None:
    """Of samples/s, by the t interval of the rounds' seconds a sample; None below two rounds.

    The width is taken as a share of the mean and applied to its logarithm: no end can be negative.
    """
    if len(costs) < 2:
        return None
    mean = statistics.fmean(costs)
    width = t_quantile(0.975, len(costs) - 1) * statistics.stdev(costs) / math.sqrt(len(costs)) / mean
    return math.exp(-width) / mean, math.exp(width) / mean


def _exposed_seconds(counted: Sequence[SweepTrial]) -> float | None:
    waits = [trial.waits for trial in counted if trial.waits is not None and not trial.control]
    num_batches = sum(sum(one.num_batches) for one in waits)
    return sum(sum(one.wait_seconds) for one in waits) / num_batches if num_batches else None


def _seconds_per_worker(trial: SweepTrial) -> float | None:
    """Least-squares slope of the starts, one worker after another; None below two workers."""
    ready = sorted(trial.worker_ready_seconds)
    return statistics.linear_regression(range(len(ready)), ready).slope if len(ready) > 1 else None


def _cpu_seconds_per_sample(counted: Sequence[SweepTrial]) -> float | None:
    def both(trial: SweepTrial) -> float | None:
        if trial.cost is None or trial.cost.cpu_seconds_main is None:
            return None
        if trial.cost.cpu_seconds_workers is None and trial.setting.num_workers:
            return None
        return trial.cost.cpu_seconds_main + (trial.cost.cpu_seconds_workers or 0.0)

    return _per_sample(counted, both)


def _per_sample(counted: Sequence[SweepTrial], value: Callable[[SweepTrial], float | None]) -> float | None:
    known = [
        (amount, trial.cost.num_samples)
        for trial in counted
        if trial.cost is not None and trial.cost.num_samples and (amount := value(trial)) is not None
    ]
    return sum(amount for amount, _ in known) / sum(number for _, number in known) if known else None


def _stages(counted: Sequence[SweepTrial]) -> dict[str, float]:
    """Seconds a sample of each stage, over all trials that were timed by stage."""
    seconds: dict[str, float] = {}
    num_samples = 0.0
    for trial in counted:
        if trial.stages is None or not trial.blocks:
            continue
        batch_size = sum(block.num_samples for block in trial.blocks) / sum(block.num_batches for block in trial.blocks)
        num_samples += trial.stages.num_batches * batch_size
        for name, spent in trial.stages.seconds.items():
            seconds[name] = seconds.get(name, 0.0) + spent
    return {name: spent / num_samples for name, spent in seconds.items()} if num_samples else {}


def _service_cv(counted: Sequence[SweepTrial]) -> float | None:
    """Within trials, so that a machine that changes speed between rounds does not pass for uneven batches."""
    known = [trial.stages.service_seconds for trial in counted if trial.stages is not None]
    spreads = [statistics.stdev(one) / statistics.fmean(one) for one in known if len(one) > 1 and max(one) > 0]
    return statistics.fmean(spreads) if spreads else None


def _statistic(values: Iterable[float | None]) -> Statistic | None:
    known = [value for value in values if value is not None]
    return statistic(known) if known else None


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _total(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _peak(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)
