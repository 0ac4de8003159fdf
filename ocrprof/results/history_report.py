"""What a history comes to: which metrics changed, what else changed with them, and the sentence that says so."""

import math
from collections.abc import Sequence
from statistics import median

from ocrprof.results.history import changed_software
from ocrprof.results.model import ChangePoint, HistoryLine, Series, SessionRef

_CREEP_STANDARD_ERRORS = 2.0


def with_causes(series: Series, lines: Sequence[HistoryLine]) -> list[ChangePoint]:
    """Its changes, each with what else than commits changed there: libraries, the system, the machine's own speed."""
    return [
        change.model_copy(
            update={
                "also": [
                    *changed_software(lines[change.surely_before], lines[change.surely_after]),
                    *_machine_speed(change, lines),
                ]
            }
        )
        for change in series.changes
    ]


def _machine_speed(change: ChangePoint, lines: Sequence[HistoryLine]) -> list[str]:
    """Where the fixed piece of work, which no commit changes, moved by half as much or more, the same way."""
    before = [line.reference_seconds for line in lines[: change.last_before + 1] if line.reference_seconds]
    after = [line.reference_seconds for line in lines[change.first_after :] if line.reference_seconds]
    before, after = before[-change.num_before :], after[: change.num_after]
    if change.p is None or change.ratio is None or not before or not after:
        return []
    moved = math.log(median(after) / median(before))
    if moved * math.log(change.ratio) <= 0 or abs(moved) < abs(math.log(change.ratio)) / 2:
        return []
    return [f"the machine itself: its fixed piece of work takes {_share(math.exp(moved))}"]


def latest(series: Sequence[Series]) -> tuple[Series, ChangePoint] | None:
    """The newest regression of a metric that decides; of one session the total time, else the largest."""
    found = [
        (one, change) for one in series for change in one.changes if change.kind == "regression" and one.info.gated
    ]
    return max(
        found,
        key=lambda pair: (pair[1].first_after, pair[0].info.name.startswith("time_to_"), pair[1].ratio or math.inf),
        default=None,
    )


def crept(series: Sequence[Series]) -> list[Series]:
    """Metrics that decide and are worse than the frozen reference by effect and floor, though no change was found.

    The worst first. A single session is held against it, so the noise between sessions has to be exceeded too.
    """
    found = []
    for one in series:
        frozen = next((reference for reference in one.references if reference.name == "frozen"), None)
        if frozen is None or frozen.ratio is None or not one.info.gated:
            continue
        if any(change.kind == "regression" for change in one.changes):
            continue
        bound = math.log1p(one.info.min_effect)
        noise = _CREEP_STANDARD_ERRORS * (one.sd or 0.0) * math.sqrt(1 + 1 / frozen.num_sessions)
        now = one.values[one.newest] if one.newest is not None else None
        change = 0.0 if now is None else abs(now - frozen.value)
        if math.log(frozen.ratio) > max(bound, noise) and change >= one.info.floor:
            found.append((frozen.ratio, one))
    return [one for _, one in sorted(found, key=lambda pair: -pair[0])]


def headline(series: Sequence[Series], sessions: Sequence[SessionRef]) -> str:
    """The newest regression, else what crept, else that nothing changed; and how many more."""
    num = len(sessions)
    of = f"{num} session{'s' if num != 1 else ''}"
    if all(one.newest is None for one in series):
        return f"nothing to compare: none of {of} is of a commit and ran to its end"
    found = [change for one in series if one.info.gated for change in one.changes if change.kind == "regression"]
    newest = latest(series)
    slow = crept(series)
    tail = [f"{one.info.name} {_share(_frozen_ratio(one))} since {_frozen_label(one)}" for one in slow[:1]]
    if newest is not None:
        one, change = newest
        sha = sessions[change.first_after].sha
        at = f" at {sha[:9]}" if sha else f" on {sessions[change.first_after].created[:10]}"
        more = f", {len(found) - 1} more regression{'s' if len(found) > 2 else ''}" if len(found) > 1 else ""
        size = _share(change.ratio) if change.ratio is not None else f"{change.before:g} → {change.after:g}"
        return "; ".join([f"{one.info.name} {size}{at}{more}, in {of}", *tail])
    if tail:
        more = f" and {len(slow) - 1} more" if len(slow) > 1 else ""
        return f"crept: {tail[0]}{more}, no single change, in {of}"
    return f"no metric that decides got worse for good, in {of}"


def _frozen_ratio(series: Series) -> float | None:
    return next((one.ratio for one in series.references if one.name == "frozen"), None)


def _frozen_label(series: Series) -> str:
    return next((one.label for one in series.references if one.name == "frozen"), "")


def _share(ratio: float | None) -> str:
    if ratio is None:
        return ""
    percent = round(100 * (ratio - 1), 1)
    return f"{'−' if percent < 0 else '+'}{abs(percent):.1f} %"
