"""What stored sessions of launches can tell of a new one: times differ between sessions by more than within them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import linear_regression, mean, median, stdev

from ocrprof.results import holm
from ocrprof.results.check_design import POWER, target_effect
from ocrprof.results.model import CheckDesign, Launch, MetricInfo, MetricSummary, MetricVerdict
from ocrprof.results.student_t import t_cdf, t_quantile

MIN_SESSIONS = 8
"""With fewer, times are told and not judged."""

REFERENCE = "reference_seconds"
"""The value of a launch that is the time of a fixed workload run before it: how fast the machine was then."""

CERTAINTY = 0.95
"""Of the interval, and of the bound that a metric has to stay below to be called ok."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Where a new session of the same code would lie: `difference` of the new one from it, and its standard error.

    Of logarithms, above 0 worse. `center` and `deviation`: of the `num` stored sessions, less `kappa` times their
    reference workload; `leverage` grows with the distance of the machine's speed today from theirs.
    """

    difference: float
    error: float
    df: int
    num: int
    center: float
    deviation: float
    kappa: float = 0.0
    leverage: float = 0.0

    def p(self, difference: float) -> float:
        """One-sided: how probable so large a difference, or a larger one, is for the same code."""
        if self.error == 0:
            return 0.0 if difference > 0 else 1.0
        return 1 - t_cdf(difference / self.error, self.df)


def judge_sessions(
    stored: Sequence[Sequence[Launch]],
    launches: Sequence[Launch],
    infos: Sequence[MetricInfo],
    design: CheckDesign,
    *,
    base_sha: str | None = None,
) -> list[MetricSummary]:
    """One summary for every sampled or bounded metric: this session against the `stored` ones of the same machine.

    Sessions, not launches, are the replicates: what shifts a whole session is common to all its launches. The test is
    Student's prediction form, one-sided, with Holm's correction over the gated metrics (Scandinavian Journal of
    Statistics 6, 1979). Where every session has `REFERENCE`, its share of the differences is taken out. `base_sha`:
    the baseline's commit, for the advice.
    """
    sessions = [session_summary(session) for session in stored]
    now = session_summary(launches)
    predictions = {
        info.name: found
        for info in infos
        if info.kind in ("sampled", "bounded") and (found := predict(info, sessions, now)) is not None
    }
    gated = [info.name for info in infos if info.gated and info.name in predictions]
    slower = holm.adjusted({name: predictions[name].p(predictions[name].difference) for name in gated})
    faster = holm.adjusted({name: predictions[name].p(-predictions[name].difference) for name in gated})
    summaries = []
    for info in infos:
        if info.kind not in ("sampled", "bounded"):
            continue
        prediction = predictions.get(info.name)
        if prediction is None:
            summaries.append(_unpredicted(info, sessions, now))
            continue
        summary = _figures(info, prediction, design, num_gated=max(len(gated), 1), sessions=sessions, now=now)
        if info.gated:
            summary = summary.model_copy(update={"p_fw": slower[info.name], "p_fw_improved": faster[info.name]})
            verdict, reason = _verdict(info, prediction, summary, design, base_sha)
            summary = summary.model_copy(update={"verdict": verdict, "reason": reason})
        summaries.append(summary)
    return summaries


def takes_speed_out(
    stored: Sequence[Sequence[Launch]], launches: Sequence[Launch], infos: Sequence[MetricInfo]
) -> bool:
    """Whether any metric is told without the share of its change that goes with `REFERENCE`, so unlike its medians."""
    sessions, now = [session_summary(session) for session in stored], session_summary(launches)
    found = (predict(info, sessions, now) for info in infos if info.kind in ("sampled", "bounded"))
    return any(one is not None and one.kappa > 0 for one in found)


def session_summary(launches: Sequence[Launch]) -> dict[str, float]:
    """By metric the median of the logarithms over a session's launches; metrics with a value of 0 are left out."""
    values: dict[str, list[float]] = {}
    for launch in launches:
        for name, value in launch.values.items():
            values.setdefault(name, []).append(value)
    return {name: median(map(math.log, found)) for name, found in values.items() if min(found) > 0}


def reference_slope(logs: Sequence[float], references: Sequence[float]) -> float:
    """Kappa: by how much a metric moves with the reference workload, both in logarithms, from 0 to 1.

    The slope of an analysis of covariance over the sessions. Not assumed to be 1: what waits for a disk does not
    follow the processor's speed.
    """
    if len(set(references)) < 2:
        return 0.0
    return min(max(linear_regression(references, logs).slope, 0.0), 1.0)


def predict(info: MetricInfo, sessions: Sequence[Mapping[str, float]], now: Mapping[str, float]) -> Prediction | None:
    """What stored sessions (each a `session_summary`) foretell of a new one.

    None below three sessions that have the metric, or where the new one lacks it.
    """
    known = [session for session in sessions if info.name in session]
    if len(known) < 3 or info.name not in now:
        return None
    sign = 1 if info.direction == "lower" else -1
    logs = [sign * session[info.name] for session in known]
    new = sign * now[info.name]
    num = len(known)
    if REFERENCE not in now or any(REFERENCE not in session for session in known):
        center, deviation = mean(logs), stdev(logs)
        return Prediction(
            difference=new - center,
            error=deviation * math.sqrt(1 + 1 / num),
            df=num - 1,
            num=num,
            center=center,
            deviation=deviation,
        )
    references = [sign * session[REFERENCE] for session in known]
    kappa = reference_slope(logs, references)
    rest = [log - kappa * reference for log, reference in zip(logs, references, strict=True)]
    speed = mean(references)
    spread = sum((reference - speed) ** 2 for reference in references)
    distance = sign * now[REFERENCE] - speed
    # One more parameter was fitted, and the farther the machine's speed today lies from that of the history, the less
    # is known of what it does (Draper and Smith, Applied Regression Analysis, section 3.1).
    center = mean(rest)
    deviation = math.sqrt(sum((one - center) ** 2 for one in rest) / (num - 2))
    leverage = distance**2 / spread if kappa > 0 and spread > 0 else 0.0
    return Prediction(
        difference=new - kappa * sign * now[REFERENCE] - center,
        error=deviation * math.sqrt(1 + 1 / num + leverage),
        df=num - 2,
        num=num,
        center=center,
        deviation=deviation,
        kappa=kappa,
        leverage=leverage,
    )


def _figures(
    info: MetricInfo,
    prediction: Prediction,
    design: CheckDesign,
    *,
    num_gated: int,
    sessions: Sequence[Mapping[str, float]],
    now: Mapping[str, float],
) -> MetricSummary:
    known = [session[info.name] for session in sessions if info.name in session]
    reach = t_quantile((1 + CERTAINTY) / 2, prediction.df) * prediction.error
    bracket = t_quantile(1 - design.alpha / num_gated, prediction.df) + t_quantile(POWER, prediction.df)
    return MetricSummary(
        name=info.name,
        n=len(known),
        ratio=math.exp(prediction.difference),
        ci95=(math.exp(prediction.difference - reach), math.exp(prediction.difference + reach)),
        sd_pair=stdev(known),
        mde=max(math.expm1(bracket * prediction.error), info.min_effect),
        base_median=math.exp(median(known)),
        candidate_median=math.exp(now[info.name]),
        verdict="reported",
    )


def _unpredicted(info: MetricInfo, sessions: Sequence[Mapping[str, float]], now: Mapping[str, float]) -> MetricSummary:
    """A metric that one side lacks is missing; one with too few sessions is told."""
    known = [session[info.name] for session in sessions if info.name in session]
    missing = not known or info.name not in now
    return MetricSummary(
        name=info.name,
        n=len(known),
        base_median=math.exp(median(known)) if known else None,
        candidate_median=math.exp(now[info.name]) if info.name in now else None,
        ratio=None if missing else _plain_ratio(info, median(known), now[info.name]),
        verdict="missing" if missing and info.gated else "reported",
        reason=_missing_side(known, info, now) if missing else _too_few(len(known)),
    )


def _plain_ratio(info: MetricInfo, base: float, candidate: float) -> float:
    return math.exp(candidate - base if info.direction == "lower" else base - candidate)


def _missing_side(known: Sequence[float], info: MetricInfo, now: Mapping[str, float]) -> str:
    sides = [side for side, there in (("the baseline", known), ("this session", info.name in now)) if not there]
    return f"not measured in {' nor in '.join(sides)}"


def _too_few(num_sessions: int) -> str:
    plural = "s" if num_sessions != 1 else ""
    return f"{num_sessions} stored session{plural}: told, not judged; {MIN_SESSIONS} are needed"


def _verdict(
    info: MetricInfo, prediction: Prediction, summary: MetricSummary, design: CheckDesign, base_sha: str | None
) -> tuple[MetricVerdict, str | None]:
    if summary.n < MIN_SESSIONS:
        return "reported", _too_few(summary.n)
    target = target_effect(info, design)
    if summary.mde is not None and summary.mde > target:
        return "inconclusive", (
            f"this baseline can only see slowdowns above {100 * summary.mde:.0f} %; "
            f"run `ocrprof check --against {base_sha or 'REF'}`"
        )
    theta, effect = prediction.difference, math.log1p(info.min_effect)
    change = change_of(info, summary.base_median or 0.0, theta)
    if summary.p_fw is not None and summary.p_fw <= design.alpha and theta >= effect and change >= info.floor:
        return "regressed", None
    gained = summary.p_fw_improved is not None and summary.p_fw_improved <= design.alpha
    if gained and -theta >= effect and -change >= info.floor:
        return "improved", None
    bound = theta + t_quantile(CERTAINTY, prediction.df) * prediction.error
    if math.expm1(bound) < target or change_of(info, summary.base_median or 0.0, bound) < info.floor:
        return "ok", None
    return "inconclusive", f"it may be slower by {100 * math.expm1(bound):.0f} %, which was not confirmed"


def change_of(info: MetricInfo, center: float, log_slowdown: float) -> float:
    """In the metric's unit; above 0 worse."""
    return center * (math.expm1(log_slowdown) if info.direction == "lower" else -math.expm1(-log_slowdown))
