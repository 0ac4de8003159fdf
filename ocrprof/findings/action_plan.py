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
    "eager-heavy-import": ("import it where it is used", _LINE),
    "late-import": ("import it earlier, or not at all", _LINE),
    "duplicate-module": ("import it by one name", _LINE),
    "deprecated-module": ("import its successor", _LINE),
    "repeated-lookup": ("cache it by argument", _LINE),
    "duplicate-instantiation": ("build it once", _FUNCTION),
    "instantiate-overhead": ("leave large containers out", None),
    "eager-dataset": ("build it on demand", _FUNCTION),
    "dataset-scan": ("read one index file", _FUNCTION),
    "network-wait": ("work offline until the first step", _SETTING),
    "slow-module-init": ("leave __init__ to its network", _FUNCTION),
    "eager-evaluator": ("build metrics at first validation", _FUNCTION),
    "eager-logger": ("connect when it first logs", _FUNCTION),
    "compile-at-init": ("call it in configure_model()", _FUNCTION),
    "compile-cold": ("keep the compiler's cache", _SETTING),
    "sanity-check": ("num_sanity_val_steps=0", _SETTING),
    "slow-workers": ("start fewer, or start them sooner", _SETTING),
    "no-bytecode-cache": ("let bytecode be written and found", _SETTING),
    "garbage-collection": ("collect no garbage while importing", _LINE),
    "slow-filesystem": ("keep modules on a local disk", _SETTING),
    "slow-exit": ("end sooner after the last line", None),
}
"""What there is to do, by code, and how much there is to touch."""

_ABOUT_THE_RUN = (
    "network-wait",
    "compile-cold",
    "sanity-check",
    "slow-workers",
    "garbage-collection",
    "no-bytecode-cache",
    "slow-exit",
    "slow-filesystem",
)
"""Codes of findings whose title names nothing that the change could name."""


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
    change, effort = _what_to_do(one)
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


def _what_to_do(one: Finding) -> tuple[str, str | None]:
    """The change, and how much it touches."""
    if one.code == "slow-compose":
        if "resolver" in one.evidence:
            return f"{one.evidence['resolver']}: resolve it once", _LINE
        return ("Hydra: uninstall unused plugins" if "slowest" in one.evidence else "Hydra: fewer, flatter files"), None
    change, effort = _CHANGES.get(one.code, (one.title, None))
    if one.code not in _CHANGES or one.code in _ABOUT_THE_RUN:
        return change, effort
    return f"{_subject(one)}: {change}", effort


def _subject(one: Finding) -> str:
    """What a finding's title begins with: the class, module or file, without what it lies in."""
    name = one.title.split()[0].strip("`").removesuffix(".__init__")
    if "/" in name:
        return name.rpartition("/")[2]
    return name if name.startswith("torch.") else name.rpartition(".")[2]


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
