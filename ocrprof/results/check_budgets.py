"""Limits that the caller set: budgets of metrics, and modules that must not be loaded before the milestone."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from statistics import median
from typing import Protocol

from ocrprof.results.check_values import describe_metrics
from ocrprof.results.compare_words import value_text
from ocrprof.results.model import Budget, ExactFacts, Launch
from ocrprof.results.signed_rank import interval

MIN_FOR_BOUND = 6
"""Values below which there is no 95 % interval of their centre; then the median decides."""


class Limit(Protocol):
    """What is asked of one metric (a `BudgetLimit`)."""

    @property
    def text(self) -> str: ...
    @property
    def metric(self) -> str: ...
    @property
    def limit(self) -> float: ...
    @property
    def inclusive(self) -> bool: ...
    @property
    def reference(self) -> str | None: ...


def judge_budget(
    limit: Limit, *, launches: Sequence[Launch], facts: ExactFacts | None, imports: Mapping[str, float]
) -> Budget:
    """Whether the candidate keeps a limit. `imports`: measured seconds of a bare import, by module.

    A sampled metric breaches it only where the whole 95 % interval of its centre lies above (k6's thresholds are of the
    same kind, but of one figure): a budget must not fail on noise.
    """
    if limit.reference is not None and limit.reference not in imports:
        return Budget(text=limit.text, reason=f"import {limit.reference} could not be measured in the target's Python")
    most = limit.limit * (imports[limit.reference] if limit.reference is not None else 1.0)
    counted = None if facts is None else _fact(facts, limit.metric)
    values = [launch.values[limit.metric] for launch in launches if limit.metric in launch.values]
    if counted is None and not values:
        known = sorted({name for launch in launches for name in launch.values} | set(facts.values if facts else ()))
        return Budget(
            text=limit.text, limit=most, reason=f"nothing called {limit.metric} was measured: {', '.join(known)}"
        )
    value = counted if counted is not None else median(values)
    bounds = interval(values, level=0.95) if counted is None and len(values) >= MIN_FOR_BOUND else None
    lowest = bounds[0] if bounds is not None else value
    kept = lowest <= most if limit.inclusive else lowest < most
    unit = "count" if counted is not None else _unit(limit.metric, launches)
    told = f"{value_text(value, unit)} of {value_text(most, unit)}"
    if limit.reference is not None:
        told += f", {limit.limit:g} times the {imports[limit.reference]:.3g} s of a bare import {limit.reference}"
    if kept and bounds is not None and value > most:
        told += "; above it, but not surely"
    return Budget(text=limit.text, value=value, limit=most, kept=kept, reason=told)


def _unit(metric: str, launches: Sequence[Launch]) -> str:
    infos = describe_metrics(launches, gate=(), min_effect=0.05, min_effects={})
    return next((info.unit for info in infos if info.name == metric), "count")


def judge_forbidden(module: str, facts: ExactFacts | None, *, until: str) -> Budget:
    """Whether `module` (or, with a `*`, any that fits) stays out of the launch before its milestone."""
    text = f"no {module} before {until}"
    if facts is None:
        return Budget(text=text, reason="no launch told what it loads")
    loaded = {**facts.sets.get("modules", {}), **facts.sets.get("own_modules", {})}
    found = [name for name in loaded if fnmatchcase(name, module) or name.startswith(f"{module}.")]
    if not found:
        return Budget(text=text, value=0, limit=0, kept=True)
    place = loaded[found[0]]
    told = f"{found[0]} is imported" + (f" at {place}" if place else "")
    if len(found) > 1:
        told += f", {len(found)} modules in all"
    return Budget(text=text, value=len(found), limit=0, kept=False, reason=told)


def _fact(facts: ExactFacts, name: str) -> float | None:
    if name in facts.values:
        return facts.values[name]
    if name in facts.sets:
        return len(facts.sets[name])
    return float(sum(facts.counts[name].values())) if name in facts.counts else None
