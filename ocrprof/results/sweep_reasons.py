"""The reason of a sweep's verdict in one plain sentence with its figures."""

from collections.abc import Sequence

from ocrprof.results.model import LoaderSetting, SweepPoint
from ocrprof.results.sweep_comparisons import COUNTED
from ocrprof.results.sweep_judgement import Judgement
from ocrprof.units import format_percent, format_seconds


def reason(
    judged: Judgement,
    points: Sequence[SweepPoint],
    *,
    current: LoaderSetting | None,
    within: float,
    max_wait: float,
    step_seconds: float | None,
) -> str:
    """One sentence without a full stop. `judged` and `points` are of the same trials."""
    match judged.verdict:
        case "inconclusive":
            return _inconclusive(judged, points, within=within)
        case "flat":
            kept = f"so {describe(current)} can stay" if current is not None else "so the program's own value can stay"
            low = min(standing.low or 0.0 for standing in judged.standings.values())
            return f"all values load at no less than {_share(low)} of the best, {kept}"
        case "loader_not_bottleneck":
            return _not_bottleneck(judged, current, max_wait=max_wait, step_seconds=step_seconds)
    if judged.chosen is None:
        raise ValueError(f"a verdict of {judged.verdict} without a setting")
    if len(judged.candidates) == 1:
        return f"{describe(judged.chosen)}: the only value that ran without a failure and within the memory allowed"
    if judged.rule == "enough":
        return _enough(judged, judged.chosen, max_wait=max_wait, step_seconds=step_seconds)
    return _within(judged, judged.chosen, points, within=within)


def describe(setting: LoaderSetting) -> str:
    """`4 workers`, with whatever else of the loader was set: `4 workers, prefetch_factor 4`."""
    number = setting.num_workers
    name = "no workers" if number == 0 else "1 worker" if number == 1 else f"{number} workers"
    rest = setting.model_dump(exclude={"num_workers"}, exclude_none=True)
    return ", ".join([name, *(f"{key} {value}" for key, value in rest.items())])


def listed(settings: Sequence[LoaderSetting]) -> str:
    """`0, 1 and 2 workers`; the settings in full where they differ in more than the number."""
    plain = all(setting == LoaderSetting(num_workers=setting.num_workers) for setting in settings)
    names = [str(one.num_workers) if plain and len(settings) > 1 else describe(one) for one in settings]
    text = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{text} workers" if plain and len(settings) > 1 else text


def _within(judged: Judgement, chosen: LoaderSetting, points: Sequence[SweepPoint], *, within: float) -> str:
    rate = next(point.samples_per_sec for point in points if point.setting == chosen)
    standing = judged.standings[chosen]
    rank = "more than any other value" if standing.relative == 1 and not judged.ties else ""
    rank = rank or f"no less than {_share(standing.low or 0.0)} of the best"
    head = f"{describe(chosen)} {'loads' if chosen.num_workers == 1 else 'load'} {_rate(rate)} samples/s, {rank}"
    lighter = judged.candidates[: judged.candidates.index(chosen)]
    if not lighter:
        return f"{head}, and no lighter value was measured"
    nearest = max(lighter, key=lambda one: judged.standings[one].relative)
    share = _share(judged.standings[nearest].relative)
    return f"{head}; {describe(nearest)} {'reaches' if nearest.num_workers == 1 else 'reach'} {share} of it"


def _enough(judged: Judgement, chosen: LoaderSetting, *, max_wait: float, step_seconds: float | None) -> str:
    share = judged.waits[chosen]
    head = f"with {describe(chosen)} {_step(step_seconds)} waits {_wait(share.mean)} of its time for a batch"
    head += f" (at most {_wait(share.high)}, {_share(max_wait)} allowed)"
    if judged.ties:
        return f"{head}; {listed(judged.ties[:-1])} may do as well, which is not shown"
    lighter = judged.candidates[: judged.candidates.index(chosen)]
    if not lighter:
        return f"{head}, and no lighter value was measured"
    return f"{head}, with {describe(lighter[-1])} {_wait(judged.waits[lighter[-1]].mean)}"


def _not_bottleneck(
    judged: Judgement, current: LoaderSetting | None, *, max_wait: float, step_seconds: float | None
) -> str:
    setting = current if current in judged.waits else judged.candidates[0]
    share = judged.waits[setting]
    own = f"the program's own {describe(setting)}" if setting == current else describe(setting)
    head = f"with {own} {_step(step_seconds)} waits {_wait(share.mean)} of its time for a batch"
    return f"{head} (at most {_wait(share.high)}, {_share(max_wait)} allowed), so another value cannot speed it up"


def _inconclusive(judged: Judgement, points: Sequence[SweepPoint], *, within: float) -> str:
    if not judged.candidates:
        failed = [point for point in points if point.status not in COUNTED]
        if failed:
            return f"no value ran without a failure: {describe(failed[0].setting)} ended with {failed[0].status}"
        return "no value was measured within the memory allowed" if points else "no value was measured"
    if len(points) == 1:
        return f"only {describe(judged.candidates[0])} were measured, and there is nothing to compare with"
    bounds = {setting: judged.standings[setting] for setting in judged.open if setting in judged.standings}
    known = {one: found for one, found in bounds.items() if found.low is not None and found.high is not None}
    if not known:
        return "one round cannot tell how far a second would differ: the values need at least two rounds each"
    widest = min(known, key=lambda one: known[one].low or 0.0)
    low, high = known[widest].low or 0.0, known[widest].high or 0.0
    return (
        f"after {judged.num_rounds} rounds {describe(widest)} may load anything from {_share(low)} to"
        f" {_share(min(high, 1.0))} of the best, which does not tell whether that is within {_share(within)} of it"
    )


def _step(step_seconds: float | None) -> str:
    return "a step" if step_seconds is None else f"a step of {format_seconds(step_seconds)}"


def _rate(value: float | None) -> str:
    return "?" if value is None else f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def _share(value: float) -> str:
    text = format_percent(value)
    return text.replace(".0 %", " %")


def _wait(value: float | None) -> str:
    return "an unknown part" if value is None else format_percent(value)
