"""An exact metric with all its members, and a budget with what it was held against: what `--explain` tells of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from ocrprof.results.check_budgets import MIN_FOR_BOUND
from ocrprof.results.check_exact import RULES, ExactRule
from ocrprof.results.check_names import budget_name
from ocrprof.results.model import Budget, CheckReport, ExactChange, ExactItem
from ocrprof.results.signed_rank import interval


@dataclass(frozen=True, kw_only=True)
class ExactMember:
    """One member of an exact metric. `in_base`, `in_candidate`: how often, or 1 for a member of a set; None: not known.

    `place`: `file:line` that asked for it first, in the candidate where that has it.
    """

    name: str
    place: str | None
    in_base: int | None
    in_candidate: int | None


@dataclass(frozen=True, kw_only=True)
class ExactExplanation:
    """An exact metric. `change` is None where nothing was compared; `rule` None where a difference is told alone."""

    name: str
    change: ExactChange | None
    rule: ExactRule | None
    value: float | None
    members: list[ExactMember]
    unsteady: list[str]


@dataclass(frozen=True, kw_only=True)
class BudgetExplanation:
    """A budget. `bounds`: the 95 % interval that decides; None where one figure does."""

    budget: Budget
    num_values: int
    bounds: tuple[float, float] | None


def explain_exact(report: CheckReport, name: str) -> ExactExplanation | None:
    """The exact metric of that name; None where there is none."""
    change = next((one for one in report.exact if one.name == name), None)
    facts = report.facts
    members: list[ExactMember] = []
    value, unsteady = None, list[str]()
    if facts is not None:
        unsteady = [one.removeprefix(f"{name}/") for one in facts.unsteady if one == name or one.startswith(f"{name}/")]
        value = facts.values.get(name)
        if name in facts.sets:
            members = _of_set(facts.sets[name], change)
        elif name in facts.counts:
            members = _of_counts(facts.counts[name], change)
    if change is None and value is None and not members and (facts is None or name not in {*facts.sets, *facts.counts}):
        return None
    return ExactExplanation(
        name=name, change=change, rule=RULES.get(name), value=value, members=members, unsteady=unsteady
    )


def explain_budgets(report: CheckReport, name: str) -> list[BudgetExplanation]:
    """The budgets of that metric or module."""
    timed = [one for one in report.launches if one.arm == "candidate" and one.pair > 0 and one.status == "reached"]
    values = [one.values[name] for one in timed if name in one.values]
    bounds = interval(values, level=0.95) if len(values) >= MIN_FOR_BOUND else None
    return [
        BudgetExplanation(budget=one, num_values=len(values), bounds=bounds)
        for one in report.budgets
        if budget_name(one) == name
    ]


def _of_set(candidate: Mapping[str, str | None], change: ExactChange | None) -> list[ExactMember]:
    """Those of the candidate in their order, then those that only the base has."""
    added = {one.name for one in change.added} if change is not None else set()
    known = change is not None and change.base is not None
    members = [
        ExactMember(name=one, place=place, in_base=None if not known else int(one not in added), in_candidate=1)
        for one, place in candidate.items()
    ]
    return members + [
        ExactMember(name=one.name, place=_place(one), in_base=1, in_candidate=0)
        for one in (change.removed if change is not None else [])
    ]


def _of_counts(candidate: Mapping[str, int], change: ExactChange | None) -> list[ExactMember]:
    """What happened in the candidate, then what happens in the base alone; figures of the base where they differ."""
    differing = {one.name: one for one in [*change.added, *change.removed]} if change is not None else {}
    known = change is not None and change.base is not None
    before = {name: int((one.detail or "0").partition(" ")[0]) for name, one in differing.items()}
    members = [
        ExactMember(name=one, place=None, in_base=before.get(one, number) if known else None, in_candidate=number)
        for one, number in candidate.items()
    ]
    return members + [
        ExactMember(name=one, place=_place(differing[one]), in_base=number, in_candidate=0)
        for one, number in before.items()
        if one not in candidate
    ]


def _place(item: ExactItem) -> str | None:
    return f"{item.location.file}:{item.location.line}" if item.location is not None else None
