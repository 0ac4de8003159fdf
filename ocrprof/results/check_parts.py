"""What a total is made of: parts whose changes add up to its own."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from ocrprof.results.model import Launch

_REST = "the rest of it"
_AFTER = "startup.after_first_step"


@dataclass(frozen=True, kw_only=True)
class MetricPart:
    """A part of a metric: its means over the base's and the candidate's launches, in the metric's unit."""

    name: str
    base: float
    candidate: float

    @property
    def change(self) -> float:
        """Above 0 more."""
        return self.candidate - self.base


def parts_of(name: str, base: Sequence[Launch], candidate: Sequence[Launch]) -> list[MetricPart]:
    """The parts of a metric, that which changed most first; empty for one whose parts are not known.

    Means, because they add up, which medians do not: the parts' changes add up to the change of the metric's mean. A
    total time's are the phases of its start (`startup.*`), with the teardown where it ends with the process; a batch's
    is the wait for its data, and the rest.
    """
    return parts_of_means(name, means_of(base, name), means_of(candidate, name))


def means_of(launches: Sequence[Launch], name: str) -> dict[str, float]:
    """Mean of every metric over the launches that have `name`; a part that some of these lack counts as 0 there."""
    have = [one.values for one in launches if name in one.values]
    names = dict.fromkeys(one for values in have for one in values)
    return {one: mean(values.get(one, 0.0) for values in have) for one in names}


def parts_of_means(name: str, base: Mapping[str, float], candidate: Mapping[str, float]) -> list[MetricPart]:
    """As `parts_of`, from means by metric."""
    if name not in base or name not in candidate:
        return []
    if name.startswith("time_to_"):
        parts = _phases(name, base, candidate)
    elif name.endswith(".batch"):
        fetch = f"{name.removesuffix('.batch')}.fetch"
        parts = [fetch] if fetch in base and fetch in candidate else []
    else:
        parts = []
    if not parts:
        return []
    found = [MetricPart(name=one, base=base.get(one, 0.0), candidate=candidate.get(one, 0.0)) for one in parts]
    rest = MetricPart(
        name=_REST,
        base=base[name] - math.fsum(one.base for one in found),
        candidate=candidate[name] - math.fsum(one.candidate for one in found),
    )
    negligible = 1e-6 * max(abs(base[name]), abs(candidate[name]))
    if max(abs(rest.base), abs(rest.candidate)) > negligible:
        found.append(rest)
    return sorted(found, key=lambda one: -abs(one.change))


def _phases(name: str, base: Mapping[str, float], candidate: Mapping[str, float]) -> list[str]:
    """Names of the phases that add up to a total; none where they are another total's.

    A run to its end has the phases of its start, what followed it, and the teardown; its first step has the first.
    """
    phases = list(dict.fromkeys(one for means in (base, candidate) for one in means if one.startswith("startup.")))
    for parts in (phases, [*phases, "teardown"], [one for one in phases if one != _AFTER]):
        if parts and all(
            math.isclose(math.fsum(means.get(one, 0.0) for one in parts), means[name], rel_tol=1e-3)
            for means in (base, candidate)
        ):
            return parts
    return []
