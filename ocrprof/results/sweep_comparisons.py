"""How sure the rounds of a sweep make it that one setting loads as fast as another, and how steady the machine was.

Every comparison is within rounds: the two trials lie minutes apart at most, so what slows a whole round cancels.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ocrprof.results.model import LoaderSetting, Statistic, SweepTrial
from ocrprof.results.stats import statistic
from ocrprof.results.sweep_blocks import PRECISION, seconds_per_sample, steady_blocks, t_quantile

CONFIDENCE = 0.95
"""Of every one-sided bound that a report states."""

COUNTED = ("ok", "ok_slow_exit")
"""How a trial ended whose figures count."""


class Standing(NamedTuple):
    """Samples/s of one setting over that of the best. `low` and `high` are one-sided bounds; None below two rounds."""

    relative: float
    low: float | None
    high: float | None


class WaitShare(NamedTuple):
    """Share of the steps' time spent waiting for batches, with one-sided bounds; None where nothing is known."""

    mean: float
    low: float | None
    high: float | None


def trial_seconds_per_sample(trial: SweepTrial) -> float | None:
    """Of the training itself where it was let train, else of the loader's steady blocks; None without either."""
    if trial.train_samples_per_sec is not None:
        return 1 / trial.train_samples_per_sec
    return seconds_per_sample(steady_blocks(trial.blocks)) if trial.blocks else None


def costs_by_round(trials: Iterable[SweepTrial], setting: LoaderSetting) -> dict[int, float]:
    """Seconds a sample of `setting` in each round where it ran to its end, without the second visits."""
    found = {}
    for trial in trials:
        if trial.setting == setting and trial.status in COUNTED and not trial.control:
            cost = trial_seconds_per_sample(trial)
            if cost is not None:
                found[trial.round] = cost
    return found


def standings(
    trials: Sequence[SweepTrial], settings: Sequence[LoaderSetting], *, confidence: float = CONFIDENCE
) -> dict[LoaderSetting, Standing]:
    """Each setting against the best of `settings`, from log ratios within the rounds in which all of them ran.

    No setting is chosen as the best by its own figures, so none is favoured by its luck. A setting is within a margin
    of the best if it is within it of every other one: each of these must hold, so each is tested at the full level
    (Berger, "Multiparameter hypothesis testing and acceptance sampling", 1982) and `low` is the smallest of their
    bounds. It is worse than the best if it is worse than any other one: the chances of error add up, so each is
    tested at its share of the level (Bonferroni) and `high` is the smallest of those bounds. Both are the multiple
    comparisons with the best of Hsu (1984). An unsteady machine widens both.
    """
    costs = {setting: by_round for setting in settings if (by_round := costs_by_round(trials, setting))}
    rounds = sorted(set.intersection(*(set(by_round) for by_round in costs.values()))) if costs else []
    logs = {setting: [math.log(by_round[number]) for number in rounds] for setting, by_round in costs.items()}
    means = {setting: statistics.fmean(by_round.values()) for setting, by_round in costs.items()}
    controls = _control_log_ratios(trials)
    bounds = _bounds(logs, controls, confidence=confidence) if len(rounds) > 1 else {}
    return {
        setting: Standing(min(means.values()) / mean, *bounds.get(setting, (None, None)))
        for setting, mean in means.items()
    }


def wait_share(trials: Iterable[SweepTrial], *, confidence: float = CONFIDENCE) -> WaitShare | None:
    """Time blocked in next() over all time of the steps, by the ratio of sums.

    The bounds are those of a ratio estimate from clusters (Cochran, "Sampling Techniques", 1977, 6.4), which are the
    rounds, and the blocks while there is only one round.
    """
    rounds = [trial.waits for trial in trials if trial.waits is not None and trial.status in COUNTED]
    blocks = [
        [(wait, wait + step) for wait, step in zip(waits.wait_seconds, waits.compute_seconds, strict=True)]
        for waits in rounds
    ]
    sums = [(sum(wait for wait, _ in one), sum(total for _, total in one)) for one in blocks if one]
    clusters = sums if len(sums) > 1 else [pair for one in blocks for pair in one]
    whole = sum(total for _, total in clusters)
    if not whole:
        return None
    mean = sum(wait for wait, _ in clusters) / whole
    if len(clusters) < 2:
        return WaitShare(mean, None, None)
    variance = sum((wait - mean * total) ** 2 for wait, total in clusters) * len(clusters) / (len(clusters) - 1)
    width = t_quantile(confidence, len(clusters) - 1) * math.sqrt(variance) / whole
    return WaitShare(mean, max(0.0, mean - width), min(1.0, mean + width))


def control_ratio(trials: Iterable[SweepTrial]) -> Statistic | None:
    """Samples/s of the second over the first visit to one setting, by rounds (an A/A test); None without any pair."""
    ratios = [math.exp(ratio) for ratio in _control_log_ratios(trials)]
    return statistic(ratios) if ratios else None


def is_unstable(trials: Iterable[SweepTrial]) -> bool:
    """Whether visits to one setting differ, in the root mean square over the rounds, by more than `PRECISION`."""
    return _differ(_control_log_ratios(trials))


def _differ(controls: Sequence[float]) -> bool:
    return bool(controls) and math.sqrt(statistics.fmean(ratio * ratio for ratio in controls)) > PRECISION


def _drift_margin(controls: Sequence[float]) -> float:
    """What a round's end differs from its start by, on an unsteady machine: the share that does not average out."""
    return abs(statistics.fmean(controls)) if _differ(controls) else 0.0


def _control_log_ratios(trials: Iterable[SweepTrial]) -> list[float]:
    counted = [trial for trial in trials if trial.status in COUNTED]
    first = {(trial.round, trial.setting): trial_seconds_per_sample(trial) for trial in counted if not trial.control}
    second = [(first.get((one.round, one.setting)), trial_seconds_per_sample(one)) for one in counted if one.control]
    return [math.log(before / after) for before, after in second if before and after]


def _bounds(
    logs: dict[LoaderSetting, list[float]], controls: Sequence[float], *, confidence: float
) -> dict[LoaderSetting, tuple[float, float]]:
    """Of samples/s over that of the best, from the logarithms of the seconds a sample, round by round.

    The variance of a pair is that of its own differences, or the pooled one where that is larger: what settings by
    rounds leave over, with the controls, each of which is a difference of two equal settings. The degrees of freedom
    are the pooled ones: with three rounds the two of a single pair would ask for so wide a bound that nothing is ever
    shown. The price: where one of five settings is four times as noisy as the rest, a bound of 95 % after three
    rounds holds in 91 % of simulated sweeps.
    """
    if len(logs) < 2:
        return {}
    num_rounds = len(next(iter(logs.values())))
    degrees = (len(logs) - 1) * (num_rounds - 1) + max(0, len(controls) - 1)
    drift = statistics.fmean(controls) if controls else 0.0
    squares = _residual_squares(list(logs.values())) + sum((ratio - drift) ** 2 for ratio in controls) / 2
    pooled = 2 * squares / degrees
    margin = _drift_margin(controls)
    alone = t_quantile(confidence, degrees)
    shared = t_quantile(1 - (1 - confidence) / (len(logs) - 1), degrees)
    found = {}
    for setting, ours in logs.items():
        lows, highs = [0.0], [0.0]
        for other, theirs in logs.items():
            if other != setting:
                ratios = [cost - our for our, cost in zip(ours, theirs, strict=True)]
                mean = statistics.fmean(ratios)
                own = sum((ratio - mean) ** 2 for ratio in ratios) / (num_rounds - 1)
                error = math.sqrt(max(own, pooled) / num_rounds)
                lows.append(mean - alone * error - margin)
                highs.append(mean + shared * error + margin)
        found[setting] = (math.exp(min(lows)), math.exp(min(highs)))
    return found


def _residual_squares(rows: Sequence[Sequence[float]]) -> float:
    """What is left of the sum of squares when each row's and each column's mean is taken out."""
    columns = [statistics.fmean(column) for column in zip(*rows, strict=True)]
    whole = statistics.fmean(columns)
    squares = 0.0
    for row in rows:
        mean = statistics.fmean(row)
        squares += sum((value - mean - column + whole) ** 2 for value, column in zip(row, columns, strict=True))
    return squares
