"""Which settings of its features a program is run with, and what the runs say of each feature."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import Literal

from ocrprof.results.model import AblationReport, Arm, Design, Effect, Epoch, Feature, Interaction, Statistic, Trial
from ocrprof.results.stats import statistic

Loop = Literal["train", "validation"]

_MIN_ROUNDS = 3
"""With fewer, rounds agree by chance too often for a feature to be said to do nothing."""

_START_SECONDS, _MEMORY_BYTES = 0.05, 16 * 2**20
"""Less, saved or taken, is nothing to keep a feature for."""

NETWORK = ("forward", "backward", "optimizer", "rest")
"""Parts of an epoch that are not loading or evaluation: the network's own work, and the framework around it."""


def build_arms(
    features: Sequence[Feature], *, designs: Iterable[Design], pairs: Iterable[tuple[str, str]] = ()
) -> list[Arm]:
    """The settings to run, each once: none on and all on, and what the designs and the pairs need beside these."""
    names = [feature.name for feature in features]
    wanted: list[list[str]] = [[], names]
    for design in designs:
        wanted += [list(on) for on, _ in _comparisons(names, design)]
        wanted += [list(without) for _, without in _comparisons(names, design)]
    for pair in pairs:
        wanted += [[one] for one in pair] + [[name for name in names if name in pair]]
    unique = dict.fromkeys(tuple(on) for on in wanted)
    return [Arm(on=list(on), arguments=arguments_of(features, on)) for on in unique]


def arguments_of(features: Sequence[Feature], on: Iterable[str]) -> list[str]:
    """What is appended to the command so that the features in `on` are on and all others off."""
    switched = set(on)
    return [word for feature in features for word in (feature.on if feature.name in switched else feature.off)]


def measured_loop(arms: Sequence[Arm]) -> Loop:
    """Validation where it was gone through more than once, which most features are about; else training."""
    validated = [sum(epoch.loop == "validation" for epoch in trial.epochs) for arm in arms for trial in arm.trials]
    return "validation" if validated and max(validated) > 1 else "train"


def judge_ablation(report: AblationReport) -> AblationReport:
    """The report with the effects and interactions that its trials show; what it said of them before is forgotten."""
    loop = measured_loop(report.arms)
    effects = build_effects(report.arms, report.features, designs=report.designs, loop=loop)
    interactions = build_interactions(report.arms, report.features, pairs=report.pairs, loop=loop)
    return report.model_copy(update={"loop": loop, "effects": effects, "interactions": interactions})


def build_effects(
    arms: Sequence[Arm], features: Sequence[Feature], *, designs: Iterable[Design], loop: Loop
) -> list[Effect]:
    """The comparisons that the arms allow: each feature by each design, then all on against none."""
    names = [feature.name for feature in features]
    by_setting = {tuple(arm.on): arm for arm in arms}
    effects = []
    for design in (*designs, "on"):
        for index, (on, without) in enumerate(_comparisons(names, design)):
            name = "all" if design == "on" else names[index]
            baseline = by_setting[()] if design == "cumulative" else None
            effects.append(
                _effect(
                    design, name, arm=by_setting[tuple(on)], other=by_setting[tuple(without)], off=baseline, loop=loop
                )
            )
    return effects


def build_interactions(
    arms: Sequence[Arm], features: Sequence[Feature], *, pairs: Iterable[tuple[str, str]], loop: Loop
) -> list[Interaction]:
    """For each pair its speed-up together over the product of the two alone, within the rounds, of later epochs."""
    by_setting = {tuple(arm.on): arm for arm in arms}
    order = [feature.name for feature in features]
    found = []
    for one, other in pairs:
        both = tuple(name for name in order if name in (one, other))
        settings = [by_setting[setting] for setting in ((), (one,), (other,), both)]
        rounds = [_by_round(arm) for arm in settings]
        ratios = []
        for number in sorted(set.intersection(*(set(trials) for trials in rounds))):
            off, first, second, together = (_later(trials[number], loop) for trials in rounds)
            if off and first and second and together:
                ratios.append((off / together) / ((off / first) * (off / second)))
        if ratios:
            found.append(Interaction(features=(one, other), ratio=statistic(ratios)))
    return found


def all_pairs(features: Sequence[Feature]) -> list[tuple[str, str]]:
    """Every two features, in order."""
    return list(combinations([feature.name for feature in features], 2))


def _comparisons(names: Sequence[str], design: str) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Pairs of settings: with the feature, and without it."""
    match design:
        case "alone":
            return [((name,), ()) for name in names]
        case "left-out":
            return [(tuple(names), tuple(other for other in names if other != name)) for name in names]
        case "cumulative":
            return [(tuple(names[: index + 1]), tuple(names[:index])) for index in range(len(names))]
    return [(tuple(names), ())]


def _effect(design: Design, feature: str, *, arm: Arm, other: Arm, off: Arm | None, loop: Loop) -> Effect:
    ours, theirs = _by_round(arm), _by_round(other)
    rounds = sorted(ours.keys() & theirs.keys())

    def ratio(value: Callable[[Trial, Loop], float | None], against: dict[int, Trial] = theirs) -> list[float]:
        pairs = [(value(against[number], loop), value(ours[number], loop)) for number in rounds if number in against]
        return [without / with_ for without, with_ in pairs if without and with_]

    later = [seconds for trial in ours.values() if (seconds := _later(trial, loop)) is not None]
    peaks = [(ours[number].peak_pss_bytes, theirs[number].peak_pss_bytes) for number in rounds]
    memory = [float(own - other_s) for own, other_s in peaks if own is not None and other_s is not None]
    starts = [(theirs[number].start_seconds, ours[number].start_seconds) for number in rounds]
    saved = [other_s - own for other_s, own in starts if own is not None and other_s is not None]
    different = sorted({name for number in rounds for name in _different(ours[number], theirs[number])})
    changes = [(ratio(value), 1.0, 0.02) for value in (_first, _later, _later_parts)]
    effect = Effect(
        design=design,
        feature=feature,
        without=other.on,
        with_=arm.on,
        first_epoch=_statistic(ratio(_first)),
        later_epochs=_statistic(ratio(_later)),
        later_parts=_statistic(ratio(_later_parts)),
        cumulative=_statistic(ratio(_later, _by_round(off))) if off is not None else None,
        seconds=_statistic(later),
        start_saved_seconds=_statistic(saved),
        memory_bytes=_statistic(memory),
        same_metrics=None if not rounds or not any(trial.metrics for trial in ours.values()) else not different,
        different_metrics=different,
    )
    changes += [(saved, 0.0, _START_SECONDS), (memory, 0.0, _MEMORY_BYTES)]
    does_nothing = not different and len(rounds) >= _MIN_ROUNDS and not any(_differs(*change) for change in changes)
    return effect.model_copy(update={"does_nothing": does_nothing})


def _differs(values: Sequence[float], unchanged: float, least: float) -> bool:
    """Whether all rounds say that it is more, or all that it is less, and their median that it is so by `least`."""
    if not values or abs(statistics.median(values) - unchanged) < least:
        return False
    return min(values) > unchanged or max(values) < unchanged


def _statistic(values: Sequence[float]) -> Statistic | None:
    return statistic(values) if values else None


def _by_round(arm: Arm) -> dict[int, Trial]:
    return {trial.round: trial for trial in arm.trials if trial.status == "reached"}


def _of(trial: Trial, loop: Loop) -> list[Epoch]:
    return [epoch for epoch in trial.epochs if epoch.loop == loop]


def _first(trial: Trial, loop: Loop) -> float | None:
    epochs = _of(trial, loop)
    return epochs[0].seconds if epochs else None


def _later(trial: Trial, loop: Loop) -> float | None:
    """Median seconds of the epochs after the first."""
    later = [epoch.seconds for epoch in _of(trial, loop)[1:]]
    return statistics.median(later) if later else None


def _later_parts(trial: Trial, loop: Loop) -> float | None:
    """Median seconds of loading and evaluation in the epochs after the first."""
    later = [
        sum(seconds for name, seconds in epoch.parts.items() if name not in NETWORK) for epoch in _of(trial, loop)[1:]
    ]
    return statistics.median(later) if later else None


def _different(trial: Trial, other: Trial) -> list[str]:
    """Metrics that one has and the other not, or with another value. NaN equals NaN."""
    names = trial.metrics.keys() | other.metrics.keys()
    return [name for name in names if repr(trial.metrics.get(name)) != repr(other.metrics.get(name))]
