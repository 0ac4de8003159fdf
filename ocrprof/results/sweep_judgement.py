"""What a sweep's rounds have shown of its settings, and the verdict that follows."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from ocrprof.results.model import LoaderInfo, LoaderSetting, SweepPoint, SweepTrial, SweepVerdict
from ocrprof.results.sweep_comparisons import COUNTED, Standing, WaitShare, standings, wait_share

_DEFAULT_PREFETCH = 2  # of torch.utils.data.DataLoader


class Judgement(NamedTuple):
    """A verdict and what it rests on.

    `chosen`: the setting that a `clear` or a `tie` carries. `ties`: settings that are as good as it, itself included.
    `open`: settings of which more rounds could still change the verdict. `rule`: `enough` where the wait decided,
    `within` where samples/s did. `standings` and `waits` hold the candidates only, `num_rounds` counts theirs.
    """

    verdict: SweepVerdict
    rule: Literal["enough", "within"]
    chosen: LoaderSetting | None
    ties: list[LoaderSetting]
    open: list[LoaderSetting]
    candidates: list[LoaderSetting]
    standings: dict[LoaderSetting, Standing]
    waits: dict[LoaderSetting, WaitShare]
    num_rounds: int


def judge(
    points: Sequence[SweepPoint],
    trials: Sequence[SweepTrial],
    *,
    current: LoaderSetting | None,
    within: float,
    max_wait: float,
    step_seconds: float | None,
    memory_budget_bytes: int | None,
    confidence: float,
) -> Judgement:
    """The verdict at one-sided bounds of `confidence`.

    With a known step time: the fewest workers that are shown to keep the wait at or under `max_wait`. Otherwise, and
    where no setting is shown to: the fewest that are shown to load at no less than 1 - `within` of the best.
    """
    candidates = candidate_settings(points, memory_budget_bytes=memory_budget_bytes)
    rounds = {one.round for one in trials if one.setting in candidates and one.status in COUNTED and not one.control}
    waits = {setting: _waits_of(trials, setting, confidence=confidence) for setting in candidates}
    judged = Judgement(
        verdict="inconclusive",
        rule="within" if step_seconds is None else "enough",
        chosen=None,
        ties=[],
        open=[],
        candidates=candidates,
        standings=standings(trials, candidates, confidence=confidence),
        waits={setting: share for setting, share in waits.items() if share is not None},
        num_rounds=len(rounds),
    )
    if not candidates or len(rounds) < 2:
        return judged._replace(open=candidates)
    maybe: list[LoaderSetting] = []
    if step_seconds is not None:
        enough, maybe = _shown_enough(judged, max_wait)
        if enough:
            return _by_wait(judged, enough, maybe, current=current)
    if len(candidates) == 1:
        only = len({point.setting for point in points}) == 1
        return judged if only else judged._replace(verdict="clear", chosen=candidates[0])
    keeps = current is None or current in candidates
    by_rate = _by_rate(judged._replace(rule="within"), within=within, keeps=keeps)
    return by_rate._replace(open=[*by_rate.open, *(one for one in maybe if one not in by_rate.open)])


def candidate_settings(points: Sequence[SweepPoint], *, memory_budget_bytes: int | None) -> list[LoaderSetting]:
    """Settings that may be recommended, the lightest first: none failed, and none took more than the budget."""
    allowed = [
        point
        for point in points
        if point.status in COUNTED
        and point.samples_per_sec is not None
        and not (memory_budget_bytes is not None and (point.pss_peak_bytes or 0) > memory_budget_bytes)
    ]
    ordered = sorted(allowed, key=lambda one: (one.num_workers, one.setting.prefetch_factor or _DEFAULT_PREFETCH))
    return [point.setting for point in ordered]


def current_setting(points: Sequence[SweepPoint], loader: LoaderInfo | None) -> LoaderSetting | None:
    """The setting that leaves the program's loader as it is, where it was tried."""
    if loader is None:
        return None
    return next((point.setting for point in points if _changes_nothing(point.setting, loader)), None)


def _changes_nothing(setting: LoaderSetting, loader: LoaderInfo) -> bool:
    wanted = setting.model_dump(exclude={"num_workers"}, exclude_none=True)
    # Without workers there is no queue, and torch leaves these at values that do nothing.
    idle = {"prefetch_factor", "persistent_workers", "in_order", "start_method"} if not loader.num_workers else set()
    return setting.num_workers == loader.num_workers and all(
        getattr(loader, name) == value for name, value in wanted.items() if name not in idle
    )


def _waits_of(trials: Sequence[SweepTrial], setting: LoaderSetting, *, confidence: float) -> WaitShare | None:
    own = (one for one in trials if one.setting == setting and not one.control)
    return wait_share(own, confidence=confidence)


def _shown_enough(judged: Judgement, max_wait: float) -> tuple[list[LoaderSetting], list[LoaderSetting]]:
    """Candidates that are shown to keep the wait at or under `max_wait`, and those that may or may not."""
    enough, maybe = [], []
    for setting in judged.candidates:
        share = judged.waits.get(setting)
        if share is None or share.low is None or share.high is None:
            maybe.append(setting)
        elif share.high <= max_wait:
            enough.append(setting)
        elif share.low <= max_wait:
            maybe.append(setting)
    return enough, maybe


def _by_wait(
    judged: Judgement, enough: list[LoaderSetting], maybe: list[LoaderSetting], *, current: LoaderSetting | None
) -> Judgement:
    """The verdict where settings are shown to keep the wait down.

    Each is shown by itself, not against others, so the lightest is safe to take; lighter ones that may do as well
    make it a tie.
    """
    chosen = enough[0]
    if current in enough or (current is None and chosen.num_workers == 0):
        return judged._replace(verdict="loader_not_bottleneck")
    lighter = [one for one in maybe if judged.candidates.index(one) < judged.candidates.index(chosen)]
    if lighter:
        return judged._replace(verdict="tie", chosen=chosen, ties=[*lighter, chosen], open=lighter)
    return judged._replace(verdict="clear", chosen=chosen)


def _by_rate(judged: Judgement, *, within: float, keeps: bool) -> Judgement:
    """The verdict by samples/s. `keeps`: whether the program's own value may stay where all load alike."""
    inside: list[LoaderSetting] = []
    outside: list[LoaderSetting] = []
    slower: list[LoaderSetting] = []
    for setting in judged.candidates:
        standing = judged.standings[setting]
        if standing.low is not None and standing.low >= 1 - within:
            inside.append(setting)
        elif standing.high is not None and standing.high < 1:
            (outside if standing.high < 1 - within else slower).append(setting)
    rest = [one for one in judged.candidates if one not in (*inside, *outside)]
    if not inside:
        return judged._replace(open=rest)
    if len(inside) == len(judged.candidates) and keeps:
        return judged._replace(verdict="flat", ties=inside)
    chosen = inside[0]
    lighter = [one for one in rest if judged.candidates.index(one) < judged.candidates.index(chosen)]
    if any(one not in slower for one in lighter):
        return judged._replace(open=lighter)
    # While nothing is shown to be slow, all may turn out alike, and then the program's own value stays.
    undecided = lighter if outside else rest
    ties = inside if outside or slower else [*inside, *rest]
    verdict: SweepVerdict = "tie" if len(ties) > 1 else "clear"
    return judged._replace(verdict=verdict, chosen=chosen, ties=ties if len(ties) > 1 else [], open=undecided)
