"""The metrics of a history over its sessions: changes for good, and the newest session against two references."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median

from ocrprof.results.change_points import Split, find_splits, likely_splits
from ocrprof.results.check_baseline import session_summary
from ocrprof.results.check_exact import RULES
from ocrprof.results.history import NUM_ROLLING, is_measured, is_reference, metric_infos, stored_launches
from ocrprof.results.model import ChangePoint, HistoryLine, MetricInfo, Reference, Series

WINDOW = 50
"""The newest sessions, in which changes are looked for."""

LEVEL = 0.001


def build_series(
    lines: Sequence[HistoryLine],
    *,
    frozen: Sequence[int],
    frozen_label: str,
    seed: int,
    wanted: Callable[[str], bool] = lambda name: True,
) -> list[Series]:
    """The wanted metrics of these sessions, which are in order: what decides, then what explains, then exact ones.

    `frozen`: the places of the sessions that the fixed reference is made of. Changes are looked for in sessions of
    commits that ran to their end, slower ones too; references are made of those without any flag.
    """
    summaries = [session_summary(stored_launches(line)) for line in lines]
    infos = metric_infos([values for line in lines for values in line.launches])
    series = []
    for info in sorted((one for one in infos if wanted(one.name)), key=lambda one: not one.gated):
        logs = [summary.get(info.name) for summary in summaries]
        values = [None if log is None else math.exp(log) for log in logs]
        changes, sd = _sampled_changes(info, logs, lines, seed=seed)
        series.append(_series(info, values, lines, changes, frozen=frozen, label=frozen_label, sd=sd))
    names = dict.fromkeys(name for line in lines for name in line.exact if wanted(name))
    for name in sorted(names, key=lambda one: one not in RULES):
        info = exact_info(name)
        values = [line.exact.get(name) for line in lines]
        changes = exact_changes(info, lines)
        series.append(_series(info, values, lines, changes, frozen=frozen, label=frozen_label, sd=None))
    return series


def since_last_change(lines: Sequence[HistoryLine]) -> list[HistoryLine]:
    """The sessions, which are in order, from the newest change of a metric that decides on; all where there is none.

    A later session can be held against those of one level: their mean and spread say nothing where two are mixed.
    """
    summaries = [session_summary(stored_launches(line)) for line in lines]
    infos = metric_infos([values for line in lines for values in line.launches])
    places = [
        change.first_after
        for info in infos
        if info.gated
        for change in _sampled_changes(info, [one.get(info.name) for one in summaries], lines, seed=0)[0]
    ]
    return list(lines[max(places, default=0) :])


def metric_names(lines: Sequence[HistoryLine]) -> list[str]:
    """Of every metric that any of these sessions has."""
    infos = metric_infos([values for line in lines for values in line.launches])
    return [*(info.name for info in infos), *dict.fromkeys(name for line in lines for name in line.exact)]


def exact_info(name: str) -> MetricInfo:
    """What is known of a metric that needs no statistics. It decides where a rule says which way is worse.

    Not where that is to do again what was done before: a history keeps sums, and a new thing grows them as well.
    """
    rule = RULES.get(name)
    worse = "never" if rule is None else rule.worse
    return MetricInfo(
        name=name,
        unit="count",
        direction="higher" if worse == "fewer" else "lower",
        kind="exact",
        gated=worse not in ("never", "repeated"),
        min_effect=0.0,
    )


def exact_allowance(name: str, before: float) -> float:
    """By how much an exact metric may move away from `before` without being told."""
    rule = RULES.get(name)
    return 0.0 if rule is None else max(rule.allowed, rule.allowed_share * before)


def noise_sd(logs: Sequence[float], cuts: Sequence[int]) -> float | None:
    """Standard deviation of single sessions, of the pieces between the cuts; None below two differences.

    From the differences of neighbours, which a slow drift hardly moves (von Neumann and others, "The Mean Square
    Successive Difference", Annals of Mathematical Statistics 12, 1941).
    """
    pieces = [logs[first:last] for first, last in pairwise([0, *cuts, len(logs)])]
    steps = [after - before for piece in pieces for before, after in pairwise(piece)]
    if len(steps) < 2:
        return None
    return math.sqrt(sum(step * step for step in steps) / (2 * len(steps)))


def _series(
    info: MetricInfo,
    values: Sequence[float | None],
    lines: Sequence[HistoryLine],
    changes: list[ChangePoint],
    *,
    frozen: Sequence[int],
    label: str,
    sd: float | None,
) -> Series:
    measured = [place for place, line in enumerate(lines) if values[place] is not None and is_measured(line)]
    if not measured:
        return Series(info=info, values=list(values), sd=sd, changes=changes)
    newest = measured[-1]
    before = [place for place in measured if place < newest and is_reference(lines[place])][-NUM_ROLLING:]
    fixed = [place for place in frozen if values[place] is not None]
    plural = "s" if len(before) != 1 else ""
    found = [
        _reference(info, "frozen", label, fixed, values, newest),
        _reference(info, "rolling", f"{len(before)} session{plural} before the newest", before, values, newest),
    ]
    return Series(
        info=info,
        values=list(values),
        sd=sd,
        newest=newest,
        references=[one for one in found if one is not None],
        changes=changes,
    )


def _reference(
    info: MetricInfo, name: str, label: str, places: Sequence[int], values: Sequence[float | None], newest: int
) -> Reference | None:
    known = [value for place in places if (value := values[place]) is not None]
    now = values[newest]
    if not known or now is None:
        return None
    middle = median(known)
    return Reference.model_validate(
        {"name": name, "label": label, "value": middle, "num_sessions": len(known), "ratio": _ratio(info, middle, now)}
    )


def _ratio(info: MetricInfo, before: float, after: float) -> float | None:
    """Above 1 worse."""
    if before <= 0 or after <= 0:
        return None
    return after / before if info.direction == "lower" else before / after


def _sampled_changes(
    info: MetricInfo, logs: Sequence[float | None], lines: Sequence[HistoryLine], *, seed: int
) -> tuple[list[ChangePoint], float | None]:
    """The changes that are sure and large enough, and what the sessions between them differ by."""
    places = [place for place, line in enumerate(lines) if logs[place] is not None and is_measured(line)][-WINDOW:]
    known = [log for place in places if (log := logs[place]) is not None]
    splits = find_splits(known, level=LEVEL, seed=seed)
    sd = noise_sd(known, [split.index for split in splits])
    splits = _large(info, known, splits)
    bounds = [0, *(split.index for split in splits), len(known)]
    changes = []
    for split, first, last in zip(splits, bounds, bounds[2:], strict=False):
        before, after = known[first : split.index], known[split.index : last]
        low, high = (first + index for index in likely_splits(known[first:last], split.index - first))
        old, new = math.exp(median(before)), math.exp(median(after))
        ratio = _ratio(info, old, new)
        changes.append(
            ChangePoint(
                kind="regression" if ratio is not None and ratio > 1 else "improvement",
                ratio=ratio,
                before=old,
                after=new,
                num_before=len(before),
                num_after=len(after),
                p=split.p,
                last_before=places[split.index - 1],
                first_after=places[split.index],
                surely_before=places[low - 1],
                surely_after=places[high],
            )
        )
    return changes, sd


def _large(info: MetricInfo, logs: Sequence[float], splits: Sequence[Split]) -> list[Split]:
    """Those between whose sides the medians differ by the least effect and the floor; the smallest goes first.

    What lies on both sides of one that goes becomes one piece.
    """
    kept = list(splits)
    while kept:
        bounds = [0, *(split.index for split in kept), len(logs)]
        sizes = []
        for split, first, last in zip(kept, bounds, bounds[2:], strict=False):
            old, new = median(logs[first : split.index]), median(logs[split.index : last])
            change = abs(math.exp(new) - math.exp(old))
            share = abs(new - old) / math.log1p(info.min_effect) if info.min_effect > 0 else math.inf
            sizes.append(min(share, change / info.floor) if info.floor > 0 else share)
        smallest = min(range(len(kept)), key=sizes.__getitem__)
        if sizes[smallest] >= 1:
            break
        del kept[smallest]
    return kept


def exact_changes(info: MetricInfo, lines: Sequence[HistoryLine]) -> list[ChangePoint]:
    """Every step of an exact metric from one session to the next that is beyond the allowance of its rule."""
    values = [line.exact.get(info.name) for line in lines]
    places = [place for place, line in enumerate(lines) if values[place] is not None and is_measured(line)][-WINDOW:]
    steps = []
    for number, (place, after_place) in enumerate(pairwise(places), start=1):
        before, after = values[place], values[after_place]
        if before is None or after is None or abs(after - before) <= exact_allowance(info.name, before):
            continue
        steps.append((number, place, after_place, before, after))
    bounds = [0, *(step[0] for step in steps), len(places)]
    changes = []
    for (number, place, after_place, before, after), first, last in zip(steps, bounds, bounds[2:], strict=False):
        worse = after > before if info.direction == "lower" else after < before
        changes.append(
            ChangePoint(
                kind="change" if not info.gated else "regression" if worse else "improvement",
                ratio=_ratio(info, before, after),
                before=before,
                after=after,
                num_before=number - first,
                num_after=last - number,
                last_before=place,
                first_after=after_place,
                surely_before=place,
                surely_after=after_place,
            )
        )
    return changes
