"""Which launches of a check count: whole pairs, and those that nobody took the processor from, where that was asked."""

from collections.abc import Sequence
from dataclasses import dataclass

from ocrprof.results.model import Launch

_MAX_DROPPED_SHARE = 0.2


@dataclass(frozen=True, kw_only=True)
class CountedLaunches:
    """The launches that count; the numbers of pairs that are left out; what is to be told of it, if anything."""

    launches: list[Launch]
    left_out: frozenset[int]
    note: str | None = None


def counted_launches(launches: Sequence[Launch], *, max_steal: float | None) -> CountedLaunches:
    """The launches of whole pairs, without those pairs in which the hypervisor took a larger share than `max_steal`.

    The rule looks at no time of the target's, and at both launches alike, so it cannot favour a side. Where more than
    a fifth of the pairs would go, none does.
    """
    timed = [one for one in launches if one.pair > 0 and one.status == "reached"]
    whole = {one.pair for one in timed if one.arm == "base"} & {one.pair for one in timed if one.arm == "candidate"}
    stolen = {one.pair for one in timed if max_steal is not None and steal_share(one) > max_steal} & whole
    note = None
    if len(stolen) > _MAX_DROPPED_SHARE * len(whole):
        note = (
            f"the hypervisor took more than {max_steal:.0%} of the time in {len(stolen)} of {len(whole)} pairs: too "
            "many to be left out, so all of them count"
        )
        stolen = set()
    elif stolen:
        note = (
            f"{len(stolen)} of {len(whole)} pairs are left out: the hypervisor took over {max_steal:.0%} of their time"
        )
    return CountedLaunches(
        launches=[one for one in timed if one.pair in whole - stolen], left_out=frozenset(stolen), note=note
    )


def steal_share(launch: Launch) -> float:
    """Of the launch's time that the hypervisor gave to others; 0 where the kernel does not tell."""
    return launch.covariates.get("stolen_seconds", 0.0) / max(launch.wall_seconds, 1e-9)
