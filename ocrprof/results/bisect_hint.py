"""How to find the commit behind a change: what to give to `git bisect`, with as many pairs as the noise asks for."""

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, variance
from typing import Any

from ocrprof.errors import OcrprofError
from ocrprof.results.check_design import MIN_PAIRS, pairs_needed
from ocrprof.results.check_exact import RULES
from ocrprof.results.history import is_measured, stored_launches
from ocrprof.results.history_series import exact_allowance, exact_changes, exact_info
from ocrprof.results.model import ChangePoint, HistoryLine, HistoryReport, Series, SessionRef

ALPHA = 0.01
"""Of one commit's check: one metric decides, so nothing is divided."""

_MAX_STEP = 0.9
_EXIT_CODES = "case $code in 0|1) exit $code;; 3|4|5|124) exit 125;; *) exit 255;; esac"
"""Of a check, for bisect: 0 good, 1 bad; 125 skips a commit that could not be judged, 255 ends the bisection."""


@dataclass(frozen=True, kw_only=True)
class BisectHint:
    """A good and a bad session of a metric, and the options of the check that tells commits between them apart.

    `num_pairs` None: the metric is exact. `why` says where the numbers come from.
    """

    metric: str
    good: SessionRef
    bad: SessionRef
    change: ChangePoint
    options: tuple[str, ...]
    num_pairs: int | None
    why: str

    def commands(self, argv: Sequence[str], *, folder: str = ".") -> list[str]:
        """What to type, at the top of the repository. `argv`: the program; `folder`: where it is to be started."""
        check = shlex.join(["ocrprof", "check", "--against", str(self.good.sha), *self.options])
        inside = "" if folder == "." else f"cd {shlex.quote(folder)} && "
        script = f'{inside}{check} -o "$(mktemp -d)" -- {shlex.join(argv)}; code=$?; {_EXIT_CODES}'
        return [
            f"git bisect start {self.bad.sha} {self.good.sha}",
            f"git bisect run sh -c {shlex.quote(script)}",
            "git bisect reset",
        ]


def choose_change(report: HistoryReport, metric: str, *, at: str | None) -> tuple[Series, ChangePoint]:
    """The newest regression of the metric, or what happened at the commit `at`, whether it is sure or not.

    Raises OcrprofError for a metric or a commit that the history does not have, and where nothing got worse.
    """
    series = next((one for one in report.series if one.info.name == metric), None)
    if series is None:
        known = ", ".join(one.info.name for one in report.series)
        raise OcrprofError(f"no metric is called {metric!r}", hint=f"measured: {known or 'none'}")
    if at is not None:
        return series, _step_at(report, series, at)
    found = [change for change in series.changes if change.kind == "regression"]
    if not found:
        raise OcrprofError(
            f"{metric} did not get worse in the newest {report.window} sessions",
            hint="--at SHA takes the step to that commit's session",
        )
    return series, found[-1]


def bisect_hint(report: HistoryReport, lines: Sequence[HistoryLine], series: Series, change: ChangePoint) -> BisectHint:
    """The hint for one change. Raises OcrprofError where its sessions are of no commit, or of the same."""
    good, bad = report.sessions[change.surely_before], report.sessions[change.surely_after]
    if good.sha is None or bad.sha is None or good.sha == bad.sha:
        raise OcrprofError(
            f"{series.info.name} changed between two sessions of {'the same' if good.sha else 'no'} commit",
            hint="the machine, its software or the data changed, and not the program",
        )
    launch = _launch_options(report.launch)
    if series.info.kind == "exact":
        options, why = _exact_options(series, change), "exact: a launch of each side, a second one where they differ"
        return BisectHint(
            metric=series.info.name,
            good=good,
            bad=bad,
            change=change,
            options=(*options, *launch),
            num_pairs=None,
            why=why,
        )
    step = min((change.ratio or 1.0) - 1, _MAX_STEP)
    if step <= 0:
        raise OcrprofError(f"{series.info.name} did not get worse there", hint="--at SHA takes another step")
    noise, source = _pair_noise(lines, series)
    num = pairs_needed(noise, alpha=ALPHA, min_effect=step / 2, target=step) if noise else MIN_PAIRS
    if num is None:
        raise OcrprofError(
            f"no number of pairs up to 2000 would tell {step:.1%} from noise of {noise:.1%}",
            hint="an exact metric, as modules or eager_packages, tells a commit in one launch",
        )
    num = max(num + num % 2, MIN_PAIRS)
    options = (
        *("--metrics", series.info.name, "--pairs", f"{num}:{num}", *_timing_options(report.launch)),
        *("--min-effect", f"{100 * step / 2:.3g}%", "--target", f"{100 * step:.3g}%", "--fail-on", "inconclusive"),
    )
    return BisectHint(
        metric=series.info.name,
        good=good,
        bad=bad,
        change=change,
        options=(*options, *launch),
        num_pairs=num,
        why=f"{num} pairs tell half of {100 * step:.1f} % in 95 % of checks: the pairs' deviation is "
        f"{100 * noise:.1f} %, {source}",
    )


def exact_beside(lines: Sequence[HistoryLine], change: ChangePoint) -> str | None:
    """An exact metric that decides and got worse within the same commits: it is quicker to bisect by."""
    for name in RULES:
        for one in exact_changes(exact_info(name), lines):
            within = change.surely_before <= one.last_before and one.first_after <= change.surely_after
            if one.kind == "regression" and within:
                return name
    return None


def _step_at(report: HistoryReport, series: Series, at: str) -> ChangePoint:
    """From the last measured session before the first one of that commit to it."""
    measured = [
        place
        for place, session in enumerate(report.sessions)
        if series.values[place] is not None and not {"failed", "interrupted", "dirty"}.intersection(session.flags)
    ]
    found = [place for place in measured if (report.sessions[place].sha or "").startswith(at)]
    if not found:
        known = dict.fromkeys((report.sessions[place].sha or "")[:9] for place in reversed(measured))
        raise OcrprofError(f"no session is of commit {at}", hint=f"there are {', '.join(list(known)[:8]) or 'none'}")
    change = next((one for one in series.changes if one.first_after in found), None)
    if change is not None:
        return change
    before = [place for place in measured if place < found[0]]
    if not before:
        raise OcrprofError(f"{at} is the first commit that was measured", hint="there is no good one before it")
    old, new = series.values[before[-1]] or 0.0, series.values[found[0]] or 0.0
    worse = (new - old) if series.info.direction == "lower" else (old - new)
    return ChangePoint(
        kind="regression" if worse > 0 else "improvement",
        ratio=None if old <= 0 or new <= 0 else new / old if series.info.direction == "lower" else old / new,
        before=old,
        after=new,
        num_before=1,
        num_after=1,
        last_before=before[-1],
        first_after=found[0],
        surely_before=before[-1],
        surely_after=found[0],
    )


def _exact_options(series: Series, change: ChangePoint) -> tuple[str, ...]:
    """Half of the step is allowed where the metric's own rule would let all of it pass."""
    name, step = series.info.name, abs(change.after - change.before)
    options = ("--exact", "--metrics", name)
    if name in RULES and step > exact_allowance(name, change.before):
        return options
    share = step / 2 / change.before if change.before > 0 else 0.0
    return (*options, "--min-effect", f"{name}={100 * share:.4g}%")


def _launch_options(launch: dict[str, Any]) -> tuple[str, ...]:  # Any: JSON values
    """The options of a check that measures the same kind of launch."""
    loop = launch.get("loop")
    if launch.get("probe"):
        return ("--probe", str(launch["probe"]))
    if isinstance(loop, dict):
        batches = loop.get("num_val_batches")
        return (
            "--loop", "--train-batches", str(loop["num_train_batches"]), "--epochs", str(loop["num_epochs"]),
            *(("--val-batches", str(batches)) if batches is not None else ()),
        )  # fmt: skip
    return ("--until", str(launch["until"])) if launch.get("until") else ()


def _timing_options(launch: dict[str, Any]) -> tuple[str, ...]:  # Any: JSON values
    """How launches are timed, where that is out of the ordinary."""
    duet = ("--duet", str(launch["duet"])) if launch.get("duet") else ()
    return ("--cold", *duet) if launch.get("cold") else duet


def _pair_noise(lines: Sequence[HistoryLine], series: Series) -> tuple[float, str]:
    """Standard deviation of the log ratio of two launches of one session, and where it is from.

    Two launches side by side differ by the square root of two times what single ones spread; what shifts a whole
    session is common to both.
    """
    name = series.info.name
    squares, df = 0.0, 0
    for line in filter(is_measured, lines):
        logs = [math.log(one.values[name]) for one in stored_launches(line) if one.values.get(name, 0.0) > 0]
        if len(logs) > 1:
            squares += variance(logs) * (len(logs) - 1)
            df += len(logs) - 1
    if df:
        return math.sqrt(2 * squares / df), f"by the spread of launches within {len(lines)} sessions"
    return math.sqrt(2) * (series.sd or 0.0), "by the spread between sessions, which have one launch each"


def launch_seconds(lines: Sequence[HistoryLine]) -> float | None:
    """Median of the longest time that the launches of these sessions tell of; None where none was timed."""
    times = [
        max((value for name, value in values.items() if name.startswith("time_to_")), default=0.0)
        for line in lines
        for values in line.launches
    ]
    return median(times) if any(times) else None
