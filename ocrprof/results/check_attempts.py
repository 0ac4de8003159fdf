"""Attempts at one check, pooled: the pairs of earlier ones count, and one test is made of all.

Why the test of `randomisation` stands as it is. It compares the order that was drawn with all that have as many of each
sign in every block: the first `num_pairs_first` pairs, then two by two. That is exact for whatever was drawn in such
blocks, or in larger ones: an order that is uniform over the balanced ones of ten pairs is uniform, too, over those that
share its number of each sign in the first two pairs, in the next two, and so on. So it is exact for

- pairs that an attempt adds to those of earlier ones, which are drawn two by two, as after a first stage
  (`continued_order`): the pooled order is one draw of the design of a single long check, and nothing is lost;
- attempts that knew nothing of each other, one behind the other: the first stage of a later one, ten pairs drawn
  together, is split into five blocks of two. What its two-by-two numbers of signs could have told is given up, which
  costs power and no validity. Each attempt begins a block of its own, because only whole blocks of each are taken.

It would not be for two orders of one seed, which are one draw: these are refused.

What pooling does to the error rate, in equal code. With earlier pairs there is no first stage: as many pairs are run as
the design allows in all, and tested once. So nothing looks harmless early by luck a second time, and the pooled test is
one of a fixed number of pairs, whose chance of failing is at most alpha whatever made somebody repeat the check:

- repeated for another reason, or for none, it ends red in at most alpha of all cases: that is the pooled test;
- repeated until it is green, in at most alpha: for it to end red the pooled test has to fail among others;
- repeated until it is red, in at most twice alpha however often that is: the first attempt's test and the pooled one
  are two looks, and a third attempt adds no pair (the simulation in the tests finds less, since they share pairs).
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from ocrprof.errors import ExitCode, OcrprofError
from ocrprof.results.check_design import block_of
from ocrprof.results.check_dropped import counted_launches
from ocrprof.results.check_pairs import pair_launches
from ocrprof.results.model import Attempt, CheckDesign, CheckReport, GitState, Launch, MetricInfo

_DESIGN_FIELDS = {
    "num_pairs_first": "pairs of the first stage",
    "num_pairs_max": "pairs at most",
    "alpha": "alpha",
    "min_effect": "least effect",
    "target_effect": "target",
    "rule": "rule",
    "max_steal": "--drop-steal",
    "cold": "--cold",
    "duet": "--duet",
}


@dataclass(frozen=True, kw_only=True)
class Pooled:
    """What earlier attempts give to this one: themselves, oldest first, and their launches, numbered from pair 1 on.

    `notes`: what of them does not count, and why.
    """

    attempts: list[Attempt]
    launches: list[Launch]
    notes: list[str]

    @property
    def order(self) -> list[int]:
        """Of all their pairs, +1 where the candidate came second."""
        return [sign for attempt in self.attempts for sign in attempt.order]


def pool(reports: Sequence[CheckReport], *, num_pairs_first: int) -> Pooled:
    """The attempts that the reports hold, each once: one that pooled others holds those too.

    Raises OcrprofError, not comparable, for attempts of one seed that knew nothing of each other, and for reports that
    hold the same earlier one and another beside it.
    """
    ordered = sorted(reports, key=lambda one: one.created)
    chains = [one for index, one in enumerate(ordered) if not _is_in(one, ordered[index + 1 :])]
    _refuse_overlapping(chains)
    attempts: list[Attempt] = []
    launches: list[Launch] = []
    notes = []
    for report in chains:
        pairs = pair_launches(counted_launches(report.launches, max_steal=None).launches)
        num_whole = _num_in_whole_blocks([pair.number for pair in pairs], num_pairs_first=num_pairs_first)
        if num_whole < len(pairs):
            notes.append(
                f"{len(pairs) - num_whole} of {len(pairs)} pairs of the attempt of {report.created} do not count: it "
                "was cut short, and only whole blocks of its order can be pooled"
            )
        known = _attempts_of(report, num_whole, first_number=len(attempts) + 1)
        for pair in pairs[:num_whole]:
            of = _attempt_at(pair.number, known)
            shifted = pair.number + sum(one.num_pairs for one in attempts)
            for launch in (pair.base, pair.candidate):
                launches.append(launch.model_copy(update={"pair": shifted, "attempt": of.number}))
        attempts += known
    return Pooled(attempts=[one for one in attempts if one.num_pairs], launches=launches, notes=notes)


def continued_order(earlier: Sequence[int], *, num_pairs_first: int, num_pairs_max: int, seed: int) -> list[int]:
    """The order of all pairs: the earlier ones', and then further ones two by two, one of each kind.

    `earlier` ends with a whole block (`pool`), and holds a first stage.
    """
    generator = random.Random(f"order/{seed}/after/{len(earlier)}")
    order = list(earlier)
    further = range(len(earlier) + 1, num_pairs_max + 1)
    for _, block in groupby(further, lambda pair: block_of(pair, num_pairs_first=num_pairs_first)):
        signs = [1, -1][: len(list(block))]
        generator.shuffle(signs)
        order += signs
    return order


def unlike(
    report: CheckReport, *, base: GitState, candidate: GitState, command: Sequence[str], design: CheckDesign
) -> list[str]:
    """In what an earlier attempt was another check than this one, a sentence each; empty where it was the same."""
    told = []
    for side, there, here in (("base", report.base, base), ("candidate", report.candidate, candidate)):
        if there.sha != here.sha:
            told.append(_differs(f"commit of the {side}", (there.sha or "none")[:12], (here.sha or "none")[:12]))
        if there.dirty or here.dirty:
            which = "there" if there.dirty else "here"
            told.append(f"the {side} has uncommitted changes {which}: nobody can tell that both measured the same")
    if report.design.mode != design.mode:
        told.append(_differs("mode", report.design.mode, design.mode))
    if list(report.target.argv) != list(command):
        told.append(_differs("command", " ".join(report.target.argv), " ".join(command)))
    for name, words in _DESIGN_FIELDS.items():
        there, here = getattr(report.design, name), getattr(design, name)
        if there != here:
            told.append(_differs(words, there, here))
    return told


def unlike_metrics(there: Sequence[MetricInfo], here: Sequence[MetricInfo]) -> list[str]:
    """In which deciding metrics two attempts differ, or in what counts as a change of one."""
    before, after = ({one.name: one for one in infos if one.gated} for infos in (there, here))
    told = [f"{name} decides there, and not here" for name in before if name not in after]
    told += [f"{name} decides here, and not there" for name in after if name not in before]
    for name in before.keys() & after.keys():
        one, other = before[name], after[name]
        for field in ("min_effect", "floor", "direction", "unit", "version"):
            if getattr(one, field) != getattr(other, field):
                words = f"{field.replace('_', ' ')} of {name}"
                told.append(_differs(words, getattr(one, field), getattr(other, field)))
    return told


def _differs(what: str, there: object, here: object) -> str:
    return f"{what}: {there} there, {here} here"


def _is_in(report: CheckReport, others: Sequence[CheckReport]) -> bool:
    """Whether a later report holds this one's pairs already, or is the same file given twice."""
    own = (report.created, report.design.seed)
    return any(own == (one.created, one.design.seed) or own in _identities(one) for one in others)


def _identities(report: CheckReport) -> set[tuple[str, int]]:
    return {(one.created, one.seed) for one in report.design.attempts}


def _num_in_whole_blocks(numbers: Sequence[int], *, num_pairs_first: int) -> int:
    """Of pairs from the first on, up to a missing one: as many as make a first stage and blocks of two."""
    num = next((index for index, number in enumerate(numbers) if number != index + 1), len(numbers))
    return 0 if num < num_pairs_first else num - (num - num_pairs_first) % 2


def _attempts_of(report: CheckReport, num_pairs: int, *, first_number: int) -> list[Attempt]:
    """Those that a report pooled, and its own, with as many pairs as count."""
    design, found, taken = report.design, list[Attempt](), 0
    own = Attempt(
        number=0, seed=design.seed, created=report.created, num_pairs=num_pairs, order=[], verdict=report.verdict
    )
    for one in [*design.attempts, own]:
        num = min(one.num_pairs, num_pairs - taken)
        order = design.order[taken : taken + num]
        found.append(one.model_copy(update={"number": first_number + len(found), "num_pairs": num, "order": order}))
        taken += num
    return found


def _attempt_at(pair: int, attempts: Sequence[Attempt]) -> Attempt:
    """The attempt of a chain that its pair of this number, from 1 on, was measured in."""
    last = 0
    for one in attempts:
        last += one.num_pairs
        if pair <= last:
            return one
    raise ValueError(f"no attempt has a pair {pair}")


def _refuse_overlapping(chains: Sequence[CheckReport]) -> None:
    """No pair counts twice, and no draw as two: what is pooled has to be drawn apart."""
    known: set[tuple[str, int]] = set()
    seeds: set[int] = set()
    for report in chains:
        own = _identities(report) | {(report.created, report.design.seed)}
        # Pairs that continue others are drawn apart whatever the seed; first stages of one seed are not.
        first = report.design.attempts[0].seed if report.design.attempts else report.design.seed
        if known & own:
            raise OcrprofError(
                f"not comparable: the report of {report.created} pools an attempt that another one pools too",
                hint="give the latest of them alone: it holds the earlier ones",
                exit_code=ExitCode.NOT_COMPARABLE,
            )
        if first in seeds:
            raise OcrprofError(
                f"not comparable: two attempts were drawn with the seed {first}",
                hint="orders of one seed are one draw: leave --seed out, or one of the files",
                exit_code=ExitCode.NOT_COMPARABLE,
            )
        known |= own
        seeds.add(first)
