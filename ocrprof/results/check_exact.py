"""Metrics that need one launch and no statistics: what differs between two states, and whether that is worse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ocrprof.results.model import ExactChange, ExactFacts, ExactItem, Location, MetricVerdict

Worse = Literal["more", "fewer", "new", "repeated", "never"]


@dataclass(frozen=True, kw_only=True)
class ExactRule:
    """When a difference is a regression.

    `more`: the number grew by more than the allowance, the larger of `allowed` and `allowed_share` of the base's;
    `fewer`: it fell by more.
    `new`: more than `allowed` members are new, whatever else has gone. `repeated`: what the base already did is done
    more often. `never`: a difference is told, as changed.
    """

    worse: Worse
    allowed: float = 0.0
    allowed_share: float = 0.0


_TOLD = ExactRule(worse="never")

RULES: dict[str, ExactRule] = {
    # A change may add modules of its own; what it must not do unseen is to bring a package, or many modules.
    "modules": ExactRule(worse="more", allowed=10, allowed_share=0.02),
    "eager_packages": ExactRule(worse="new"),
    "files_opened": ExactRule(worse="more", allowed=10, allowed_share=0.02),
    "images_opened": ExactRule(worse="more", allowed_share=0.02),
    "images_opened_again": ExactRule(worse="more", allowed_share=0.02),
    "cache_hits": ExactRule(worse="fewer", allowed_share=0.02),
    "instantiations": ExactRule(worse="repeated"),
    "duplicates": ExactRule(worse="new"),
}
"""By name of the metric; all others are told and never fail."""


def compare_facts(
    base: ExactFacts, candidate: ExactFacts, *, allowances: Mapping[str, float] | None = None
) -> list[ExactChange]:
    """One change for every exact metric of either side, equal ones too.

    `allowances`: for single metrics the number that may be added, in place of the rule's. A metric that only one side
    has is missing. What the launches of one state did differently among themselves (`unsteady`) is told and never
    judged.
    """
    unsteady = {*base.unsteady, *candidate.unsteady}
    changes = []
    for name in sorted(base.sets.keys() | candidate.sets.keys()):
        rule = _rule(name, allowances, of_set=True)
        change = _set_change(name, base.sets.get(name), candidate.sets.get(name), rule)
        changes.append(_as_told(change) if name in unsteady else change)
    for name in sorted(base.counts.keys() | candidate.counts.keys()):
        change = _counts_change(name, base.counts.get(name), candidate.counts.get(name), _rule(name, allowances))
        changes.append(_as_told(change) if name in unsteady else change)
    for name in sorted((base.values.keys() | candidate.values.keys()) - base.counts.keys() - candidate.counts.keys()):
        change = _value_change(name, base.values.get(name), candidate.values.get(name), _rule(name, allowances))
        changes.append(_as_told(change) if name in unsteady else change)
    return changes


def _rule(name: str, allowances: Mapping[str, float] | None, *, of_set: bool = False) -> ExactRule:
    """With an allowance, what is only told otherwise may fail too: more, and of a set (a configuration) another one."""
    rule = RULES.get(name, _TOLD)
    if allowances is None or name not in allowances:
        return rule
    told: Worse = "new" if of_set else "more"
    return ExactRule(worse=told if rule.worse == "never" else rule.worse, allowed=allowances[name])


def _set_change(
    name: str, base: Mapping[str, str | None] | None, candidate: Mapping[str, str | None] | None, rule: ExactRule
) -> ExactChange:
    """The sets' difference, in the order in which the members came."""
    if base is None or candidate is None:
        return _missing(name, None if base is None else len(base), None if candidate is None else len(candidate))
    added = [ExactItem(name=one, location=_location(candidate[one])) for one in candidate if one not in base]
    removed = [ExactItem(name=one, location=_location(base[one])) for one in base if one not in candidate]
    num_new = sum(_grew(item.name, base) for item in added)
    verdict, reason = _verdict(len(base), len(candidate), num_new=num_new, num_gone=len(removed), rule=rule)
    return ExactChange(
        name=name,
        base=len(base),
        candidate=len(candidate),
        added=added,
        removed=removed,
        num_added=len(added),
        num_removed=len(removed),
        verdict=verdict,
        reason=reason,
    )


def _grew(member: str, base: Mapping[str, str | None]) -> bool:
    """False of a member `NAME ×3` where the base has it more often, as `NAME ×4`."""
    name, times, number = member.rpartition(" ×")
    if not times:
        return True
    before = [one.rpartition(" ×")[2] for one in base if one.rpartition(" ×")[0] == name]
    return all(int(number) > int(one) for one in before)


def _counts_change(
    name: str, base: Mapping[str, int] | None, candidate: Mapping[str, int] | None, rule: ExactRule
) -> ExactChange:
    """What happens more often, and less often, member by member; the figures are the sums."""
    if base is None or candidate is None:
        return _missing(
            name, None if base is None else sum(base.values()), None if candidate is None else sum(candidate.values())
        )
    more = {one: num - base.get(one, 0) for one, num in candidate.items() if num > base.get(one, 0)}
    less = {one: num - candidate.get(one, 0) for one, num in base.items() if num > candidate.get(one, 0)}
    num_added, num_removed = sum(more.values()), sum(less.values())
    verdict, reason = _verdict(
        sum(base.values()), sum(candidate.values()), num_new=num_added, num_gone=num_removed, rule=rule
    )
    if rule.worse == "repeated":
        repeated = [one for one in more if base.get(one) and more[one] > rule.allowed]
        if repeated:
            verdict, reason = "regressed", f"done more often than before: {_some(repeated)}"
    return ExactChange(
        name=name,
        base=sum(base.values()),
        candidate=sum(candidate.values()),
        added=[_times(one, base, candidate) for one in more],
        removed=[_times(one, base, candidate) for one in less],
        num_added=num_added,
        num_removed=num_removed,
        verdict=verdict,
        reason=reason,
    )


def _value_change(name: str, base: float | None, candidate: float | None, rule: ExactRule) -> ExactChange:
    if base is None or candidate is None:
        return _missing(name, base, candidate)
    if repr(float(base)) == repr(float(candidate)):  # NaN is NaN
        return ExactChange(name=name, base=base, candidate=candidate)
    new, gone = max(candidate - base, 0.0), max(base - candidate, 0.0)
    verdict, reason = _verdict(base, candidate, num_new=new, num_gone=gone, rule=rule)
    return ExactChange(name=name, base=base, candidate=candidate, verdict=verdict, reason=reason)


def _verdict(
    base: float, candidate: float, *, num_new: float, num_gone: float, rule: ExactRule
) -> tuple[MetricVerdict, str | None]:
    if num_new == num_gone == 0:
        return "ok", None
    if rule.worse == "new":
        return ("regressed" if num_new > rule.allowed else "changed" if num_new else "improved"), None
    if rule.worse in ("repeated", "never"):
        return "changed", None
    allowed = max(rule.allowed, rule.allowed_share * base)
    worse = candidate - base if rule.worse == "more" else base - candidate
    if worse > allowed:
        return "regressed", f"allowed: {int(allowed)} {rule.worse}" if allowed >= 1 else None
    if worse > 0:
        return "changed", f"within the {int(allowed)} {rule.worse} that are allowed"
    return ("improved" if -worse > allowed else "changed"), None


def _missing(name: str, base: float | None, candidate: float | None) -> ExactChange:
    side = "base" if base is None else "candidate"
    return ExactChange(
        name=name, base=base, candidate=candidate, verdict="missing", reason=f"not measured in the {side}"
    )


def _as_told(change: ExactChange) -> ExactChange:
    if change.verdict in ("ok", "missing"):
        return change
    return change.model_copy(
        update={"verdict": "reported", "reason": "not judged: two launches of one state differ in it"}
    )


def _times(name: str, base: Mapping[str, int], candidate: Mapping[str, int]) -> ExactItem:
    return ExactItem(name=name, detail=f"{base.get(name, 0)} → {candidate.get(name, 0)}")


def _location(text: str | None) -> Location | None:
    """The place in `file:line`."""
    file, colon, line = (text or "").rpartition(":")
    return Location(file=file, line=int(line)) if colon and file and line.isdigit() else None


def _some(names: Sequence[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def exact_sentence(change: ExactChange) -> str:
    """`+412 modules: pandas, numpy, …, first imported at ocr/data.py:3`, or `parameters 1200 → 1300`.

    Modules are told by their package, the largest first, and other members by their names; the place is that of the
    first of them.
    """
    words = change.name.replace("_", " ")
    if not change.num_added and not change.num_removed:
        if change.base is None or change.candidate is None:
            return f"{words}: {change.reason}"
        return f"{words} {change.base:.10g} → {change.candidate:.10g}"
    sign, number, items = ("+", change.num_added, change.added) if change.added else (
        "−", change.num_removed, change.removed
    )  # fmt: skip
    of_imports = "module" in change.name or "package" in change.name
    tops = packages_of(items) if of_imports else {item.name: [item] for item in items}
    sentence = f"{sign}{number} {words if number != 1 else words.removesuffix('s')}: {_some(list(tops))}"
    place = next((item.location for item in tops[next(iter(tops))] if item.location is not None), None)
    if place is None or not change.added:
        return sentence
    verb = "imported" if of_imports else "seen"
    return f"{sentence}, first {verb} at {place.file}:{place.line}"


def packages_of(items: Sequence[ExactItem]) -> dict[str, list[ExactItem]]:
    """The members under each top-level name, the largest first, else in the order they came. Paths stay whole."""
    found: dict[str, list[ExactItem]] = {}
    for item in items:
        top = item.name if "/" in item.name else item.name.partition(".")[0]
        found.setdefault(top, []).append(item)
    return dict(sorted(found.items(), key=lambda entry: -len(entry[1])))
