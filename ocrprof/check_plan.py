"""The plan of a check, and the small languages of its options: effects, pairs, durations, budgets."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import comb, inf
from pathlib import Path
from typing import Literal

from ocrprof.errors import OcrprofError
from ocrprof.plan import Milestone, check_counts, prove_writable
from ocrprof.quantities import SECONDS, parse_share
from ocrprof.results.check_design import check_num_pairs
from ocrprof.results.check_names import close_to, names_to_come, surely_unknown
from ocrprof.results.history_file import SUFFIX
from ocrprof.results.randomisation import MAX_ENUMERATED, NUM_DRAWS
from ocrprof.results.store import FILE_NAME
from ocrprof.target import Probe, Target

CheckMode = Literal["against", "baseline", "aa", "alone"]
FailOn = Literal["regression", "inconclusive", "improvement"]
Rule = Literal["gate", "margin"]
Duet = Literal["interleaved", "parallel"]

_BYTES = {"B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_BUDGET = re.compile(
    rf"^\s*([\w./-]+)\s*(<=|<)\s*(?:({_NUMBER})\s*([A-Za-z]*)|(?:({_NUMBER})\s*\*\s*)?import:([\w.]+))\s*$"
)


@dataclass(frozen=True, kw_only=True)
class BudgetLimit:
    """`metric` has to be below `limit` (or equal to it, with `inclusive`), in seconds, bytes or pieces.

    With `reference` a module, `limit` is a multiple of the time that a bare import of it takes in the target's Python.
    """

    text: str
    metric: str
    limit: float
    inclusive: bool
    reference: str | None = None


@dataclass(frozen=True, kw_only=True)
class LoopLimits:
    """What a run of the training loop is cut to; None leaves the target's own."""

    num_train_batches: int
    num_val_batches: int | None
    num_epochs: int


@dataclass(frozen=True, kw_only=True)
class CheckPlan:
    """Two states of the target's repository, or one and a stored report, compared by `until`, `probe` or `loop`.

    `mode` against: `ref` and the working tree, each in a worktree of its own; aa: HEAD twice; baseline: the working
    tree and the stored reports `baselines`; alone: the working tree, for budgets and forbidden imports only.
    `exact_only`: no statistics, one launch a state (a second where they differ). Effects are shares, 0.05 is 5 %.
    `explain`: patterns of metrics whose verdicts are explained. `attempts`: reports of earlier attempts at this check,
    whose pairs count; `attempt`: which one this is, from 1 on.
    `cold`: what a timed launch reads leaves the page cache before it. `duet` parallel: both launches of a pair at once.
    """

    target: Target
    output: Path
    mode: CheckMode
    ref: str | None = None
    baselines: tuple[Path, ...] = ()
    update_baseline: bool = False
    until: Milestone | None = None
    probe: Probe | None = None
    loop: LoopLimits | None = None
    exact_only: bool = False
    cold: bool = False
    duet: Duet = "interleaved"
    metrics: tuple[str, ...] = ()
    alpha: float = 0.01
    min_effect: float = 0.05
    min_effects: Mapping[str, float]
    target_effect: float = 0.10
    num_pairs_first: int = 10
    num_pairs_max: int = 40
    num_runs: int = 5
    time_budget_seconds: float | None = None
    seed: int
    rule: Rule = "gate"
    max_steal: float | None = None
    fail_on: frozenset[FailOn] = frozenset(("regression",))
    allow_mismatch: bool = False
    deps_under_test: bool = False
    links: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    budgets: tuple[BudgetLimit, ...] = ()
    explain: tuple[str, ...] = ()
    attempts: tuple[Path, ...] = ()
    attempt: int = 1
    timeout_seconds: float

    def __post_init__(self) -> None:
        check_counts(runs=self.num_runs, warmup=0, timeout_seconds=self.timeout_seconds)
        self._check_mode()
        self._check_what()
        self._check_how()
        self._check_explained()
        if not self.exact_only and self.mode in ("against", "aa"):
            check_num_pairs(self.num_pairs_first, self.num_pairs_max)
        self._check_shares()
        if self.target_effect <= self.min_effect:
            raise OcrprofError(
                f"--target {self.target_effect:.0%} is not above --min-effect {self.min_effect:.0%}",
                hint="a change of exactly the least effect is found in half of all checks; --target is the one to find",
            )
        if self.time_budget_seconds is not None and self.time_budget_seconds <= 0:
            raise OcrprofError("--time-budget has to be more than zero seconds")
        prove_writable(self.output)

    @property
    def own_files(self) -> tuple[Path, ...]:
        """What the check itself reads and writes, which is no change of the program wherever it lies.

        Of an earlier attempt the whole folder of its report; never one that the program is started in.
        """
        folders = [path.parent if path.name == FILE_NAME else path for path in self.attempts]
        cwd = self.target.cwd.resolve()
        own = (self.output, *self.baselines, *self.attempts, *folders)
        return tuple(path for path in own if not cwd.is_relative_to(path.resolve()))

    def _check_mode(self) -> None:
        if (self.ref is not None) != (self.mode == "against") or bool(self.baselines) != (self.mode == "baseline"):
            raise OcrprofError("a check compares with one thing", hint="--against REF, --baseline FILE or --aa")
        if self.mode == "alone" and not (self.exact_only and (self.budgets or self.forbidden)):
            raise OcrprofError(
                "nothing to compare with",
                hint="give --against REF, --baseline FILE or --aa; or --exact with --budget or --forbid-import",
            )
        if self.update_baseline and self.mode != "baseline":
            raise OcrprofError("--update-baseline needs to know the file", hint="name it: --baseline FILE")
        if self.update_baseline and any(path.suffix == SUFFIX for path in self.baselines):
            raise OcrprofError(
                "--update-baseline writes a report, and would write over a history",
                hint="`ocrprof history add REPORT` adds this session to it",
            )
        if self.update_baseline and len(self.baselines) > 1:
            raise OcrprofError("--update-baseline writes one file", hint="give one --baseline")

    def _check_shares(self) -> None:
        for name, share in (
            ("--alpha", self.alpha),
            ("--min-effect", self.min_effect),
            ("--target", self.target_effect),
        ):
            if not 0 < share < 1:
                raise OcrprofError(f"{name} {share:g}: has to lie between 0 and 1", hint="5% or 0.05, say")
        # An exact metric may be allowed to stay as it is, or to become many times what it was.
        for name, share in (*self.min_effects.items(), ("--drop-steal", self.max_steal or 0.0)):
            if not 0 <= share < inf:
                raise OcrprofError(f"{name} {share:g}: has to be 0 or more", hint="5% or 0.05, say")
        if self.exact_only or self.mode not in ("against", "aa"):
            return
        further = (self.num_pairs_max - self.num_pairs_first) // 2
        orders = comb(self.num_pairs_first, self.num_pairs_first // 2) * 2**further
        smallest = 1 / (orders if orders <= MAX_ENUMERATED else NUM_DRAWS + 1)
        if self.alpha < smallest:
            raise OcrprofError(
                f"--alpha {self.alpha:g}: {self.num_pairs_max} pairs can confirm nothing below {smallest:.2g}, the "
                "share of one order among those that are tried",
                hint="a larger --alpha" + ("" if orders > MAX_ENUMERATED else ", or more --pairs"),
            )

    def _check_what(self) -> None:
        asked = [
            name
            for name, given in (("--until", self.until), ("--probe", self.probe), ("--loop", self.loop))
            if given is not None
        ]
        if len(asked) > 1:
            raise OcrprofError(f"{' and '.join(asked)} exclude each other", hint="a check measures one kind of launch")
        loop = self.loop
        limits = (loop.num_train_batches, loop.num_val_batches, loop.num_epochs) if loop is not None else ()
        if any(limit is not None and limit < 1 for limit in limits):
            raise OcrprofError(
                "--loop needs at least one batch and one epoch", hint="without --val-batches it takes all of them"
            )

    def _check_how(self) -> None:
        if self.cold and self.exact_only:
            raise OcrprofError(
                "--cold and --exact exclude each other",
                hint="what needs no statistics does not depend on the page cache: leave --cold out",
            )
        if self.duet == "parallel" and (self.exact_only or self.mode not in ("against", "aa")):
            raise OcrprofError(
                "--duet parallel needs pairs of launches",
                hint="--against REF or --aa, without --exact; a stored baseline has one arm",
            )
        if self.cold and self.duet == "parallel":
            raise OcrprofError(
                "--cold and --duet parallel exclude each other",
                hint="launches that run at once read the files that they share for each other: leave one of them out",
            )
        if self.attempts and (self.exact_only or self.mode not in ("against", "aa")):
            raise OcrprofError(
                "--attempt needs pairs of launches, which earlier attempts add to",
                hint="--against REF or --aa, without --exact",
            )
        if self.cold and any(limit.reference is not None for limit in self.budgets):
            raise OcrprofError(
                "--cold cannot keep a budget that is a multiple of a bare import: that is timed with a warm page cache",
                hint="give the limit in seconds",
            )

    def _check_explained(self) -> None:
        """Metrics that this check cannot have; others are known when it has measured."""
        names = names_to_come(
            until=self.until,
            probe=self.probe,
            loop=self.loop is not None,
            exact_only=self.exact_only,
            limited=(*(limit.metric for limit in self.budgets), *self.forbidden),
        )
        loop = self.loop is not None
        for pattern in surely_unknown(self.explain, names, loop=loop, exact_only=self.exact_only):
            raise OcrprofError(f"--explain {pattern}: this check has no such metric", hint=close_to(pattern, names))


def unused_options(plan: CheckPlan, *, given: Collection[str]) -> list[str]:
    """Of the options `given` on the command line those that this check makes no use of, with the reason."""
    has_arms, has_times = plan.mode in ("against", "aa"), not plan.exact_only
    parts = (
        (
            ("--train-batches", "--val-batches", "--epochs"),
            plan.loop is not None,
            "it takes --loop, or a launch ends at its milestone",
        ),
        (
            ("--pairs", "--time-budget", "--rule", "--drop-steal"),
            has_arms and has_times,
            "there are no pairs of launches",
        ),
        (("--runs",), plan.mode == "baseline" and has_times, "it counts launches against a stored report"),
        (("--alpha", "--target"), has_times, "no times are judged"),
        (("--seed",), has_arms, "nothing is drawn by chance"),
        (("--link",), has_arms, "the program runs where it is, with all that lies there"),
        (("--allow-mismatch",), plan.mode == "baseline", "both sides are measured on this machine"),
        (("--deps-under-test",), plan.mode == "baseline" or bool(plan.attempts), "both sides have the same libraries"),
        (("--fail-on",), plan.mode != "aa", "--aa never fails"),
    )
    told = []
    for names, is_used, why in parts:
        unused = [name for name in names if name in given and not is_used]
        if unused:
            told.append(f"{', '.join(unused)} {'has' if len(unused) == 1 else 'have'} no effect here: {why}")
    return told


def parse_pairs(text: str) -> tuple[int, int]:
    """(first stage, at most) from `10:40`, or from `10` for one stage."""
    first, colon, last = text.partition(":")
    try:
        return int(first), int(last if colon else first)
    except ValueError:
        raise OcrprofError(f"--pairs {text!r} is not two numbers", hint="--pairs 10:40") from None


def parse_effects(texts: Sequence[str]) -> tuple[float, dict[str, float]]:
    """The least effect of all metrics, and that of single ones, from `5%` and `METRIC=8%`."""
    general, single = 0.05, {}
    for text in texts:
        name, equals, share = text.rpartition("=")
        if equals:
            single[name.strip()] = parse_share(share, option="--min-effect")
        else:
            general = parse_share(text, option="--min-effect")
    return general, single


def parse_budget(text: str) -> BudgetLimit:
    """`METRIC<20s`, `METRIC<=900`, `METRIC<=1.2*import:MODULE`; units ms, s, min, h, B, kB, MB, GB, KiB, MiB, GiB."""
    found = _BUDGET.match(text)
    hint = "as in 'time_to_first_step<20s', 'modules<=900', 'imports<=1.2*import:torch'"
    if found is None:
        raise OcrprofError(f"--budget {text!r} is not METRIC<LIMIT", hint=hint)
    metric, comparison, number, unit, factor, module = found.groups()
    if module is not None:
        limit = float(factor or 1)
    elif not unit:
        limit = float(number)
    elif unit in SECONDS or unit in _BYTES:
        limit = float(number) * (SECONDS.get(unit) or _BYTES[unit])
    else:
        raise OcrprofError(f"--budget {text!r}: {unit} is no unit", hint=hint)
    return BudgetLimit(
        text="".join(text.split()), metric=metric, limit=limit, inclusive=comparison == "<=", reference=module
    )
