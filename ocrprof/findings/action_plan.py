"""The findings of a start as a plan: what to change, in which order, and what the start takes after each step.

Nothing is won twice. Where two findings tell of the same time (a data set that is scanned is also one that nobody
uses), the costlier comes first and wins it; the other keeps what is left, and says what it shared. What only moves
work is listed apart: training needs torch also when it is imported later, an error in the configuration does not.
"""

from collections.abc import Sequence

from ocrprof.findings.judging import priority_of, reached, start_seconds
from ocrprof.results.model import Action, ActionPlan, Finding, StartupReport

_MIN_LEFT_SECONDS = 0.02
_MIN_SHARED_SECONDS = 0.005

_LINE, _FUNCTION, _SETTING = "one line", "one function", "a setting"

_CHANGES: dict[str, tuple[str, str | None]] = {
    "eager-heavy-import": ("import it in the function that uses it", _LINE),
    "late-import": ("import it where the run is set up, or not at all", _LINE),
    "duplicate-module": ("import the file by one name", _LINE),
    "deprecated-module": ("import what its warning names instead", _LINE),
    "repeated-lookup": ("keep its results by argument", _LINE),
    "duplicate-instantiation": ("build it once and hand it on", _FUNCTION),
    "instantiate-overhead": ("instantiate with large containers left out", None),
    "eager-dataset": ("build it when a loader asks for it", _FUNCTION),
    "dataset-scan": ("read one index instead of every file", _FUNCTION),
    "network-wait": ("work offline until the first step", _SETTING),
    "slow-module-init": ("leave __init__ to the network alone", _FUNCTION),
    "eager-evaluator": ("build metrics at the first validation", _FUNCTION),
    "eager-logger": ("connect when the first value is logged", _FUNCTION),
    "compile-at-init": ("compile in configure_model()", _FUNCTION),
    "compile-cold": ("keep the compiler's cache, or do not compile", _SETTING),
    "slow-compose": ("compose less, resolve once", None),
    "sanity-check": ("num_sanity_val_steps=0 where it guards nothing", _SETTING),
    "slow-workers": ("start fewer workers, or start them sooner", _SETTING),
    "no-bytecode-cache": ("let bytecode be written and found", _SETTING),
    "slow-exit": ("end sooner after the last line", None),
}
"""What there is to do, by code, and how much there is to touch."""


def action_plan(report: StartupReport) -> ActionPlan | None:
    """The plan of a judged report; None where no run came to the milestone: there is no time to shorten."""
    if not reached(report):
        return None
    now = start_seconds(report)
    actions, covered = _actions([one for one in report.findings if one.effect == "saves"], now)
    moves = [one for one in report.findings if one.effect == "moves"]
    earlier = [one for one in moves if "configuration_read_after_seconds" in one.evidence]
    read_after = earlier[0].evidence["configuration_read_after_seconds"] if earlier else None
    waits = _covered([piece for one in earlier for piece in one.intervals])
    return ActionPlan(
        milestone=report.until,
        now_seconds=now,
        then_seconds=actions[-1].seconds_after if actions and actions[-1].seconds_after is not None else now,
        actions=actions,
        covered=covered,
        moves=[_action(one, one.seconds, now) for one in moves],
        configuration_now_seconds=read_after,
        configuration_then_seconds=max(0.0, read_after - waits) if read_after is not None else None,
    )


def _actions(findings: Sequence[Finding], now: float) -> tuple[list[Action], list[Action]]:
    """What each wins after those before it, the most first; and those of which the others have won everything."""
    won: list[tuple[float, float]] = []
    owners: list[Finding] = []
    actions, covered = [], []
    for one in sorted(findings, key=lambda one: -one.seconds):
        shared = min(one.seconds, _covered(_common(one.intervals, won)))
        others = [other.code for other in owners if _covered(_common(one.intervals, other.intervals)) > 0]
        action = _action(one, one.seconds - shared, now, shared=shared, others=others)
        if shared and action.seconds < _MIN_LEFT_SECONDS:
            covered.append(action)
            continue
        actions.append(action)
        won += one.intervals
        owners.append(one)
    left, steps = now, []
    for action in sorted(actions, key=lambda action: -action.seconds):
        left = max(0.0, left - action.seconds)
        steps.append(action.model_copy(update={"seconds_after": left}))
    return steps, covered


def _action(one: Finding, seconds: float, now: float, *, shared: float = 0.0, others: Sequence[str] = ()) -> Action:
    change, effort = _CHANGES.get(one.code, (one.title, None))
    is_shared = shared >= _MIN_SHARED_SECONDS
    return Action(
        code=one.code,
        priority=priority_of(seconds / now) if now > 0 else one.priority,
        change=change,
        effort=effort,
        location=one.location,
        seconds=seconds,
        shared_seconds=shared if is_shared else 0.0,
        shared_with=list(dict.fromkeys(others)) if is_shared else [],
    )


def _common(first: Sequence[tuple[float, float]], second: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The time that is in both; each without overlaps of its own afterwards only by `_covered`."""
    pieces = []
    for start, end in first:
        for other_start, other_end in second:
            if max(start, other_start) < min(end, other_end):
                pieces.append((max(start, other_start), min(end, other_end)))
    return pieces


def _covered(pieces: Sequence[tuple[float, float]]) -> float:
    """Seconds that at least one of them covers."""
    total, until = 0.0, float("-inf")
    for start, end in sorted(pieces):
        if end > until:
            total += end - max(start, until)
            until = end
    return total
