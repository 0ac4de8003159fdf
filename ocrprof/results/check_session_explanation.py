"""How a verdict against stored sessions came about, made again from what a report keeps of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ocrprof.results.check_baseline import CERTAINTY, Prediction, judge_sessions, predict, session_summary
from ocrprof.results.check_design import POWER
from ocrprof.results.check_explanation import same_summary
from ocrprof.results.check_parts import MetricPart, means_of, parts_of_means
from ocrprof.results.check_ruling import Rule, session_rules
from ocrprof.results.model import CheckReport, Launch, MetricInfo, MetricSummary, SessionFigures
from ocrprof.results.student_t import t_quantile


@dataclass(frozen=True, kw_only=True)
class SessionsExplanation:
    """All steps from the sessions to the verdict. `now`: this session's median; None where it lacks the metric.

    `p`: one-sided, before Holm's correction over `num_gated` metrics. `quantiles`: of Student's t, for the 95 %
    interval, the test at alpha over the number of metrics, and the power of 95 %. `found` and `told` as of pairs;
    `found` is None where the report does not hold the sessions.
    """

    info: MetricInfo
    sessions: list[SessionFigures]
    now: float | None
    launches: list[Launch]
    prediction: Prediction | None
    p: float | None
    quantiles: tuple[float, float, float] | None
    num_gated: int
    parts: list[MetricPart]
    found: MetricSummary | None
    told: MetricSummary | None
    rules: list[Rule]

    @property
    def agrees(self) -> bool:
        """Whether the report says the same of it."""
        return self.told is not None and self.found is not None and same_summary(self.told, self.found)


def session_figures(launches: Sequence[Launch], *, created: str, sha: str | None) -> SessionFigures:
    """What a report keeps of a stored session."""
    names = dict.fromkeys(name for one in launches for name in one.values)
    return SessionFigures(
        created=created,
        sha=sha,
        num_launches=len(launches),
        medians={name: math.exp(value) for name, value in session_summary(launches).items()},
        means={name: means_of(launches, name)[name] for name in names},
    )


def explain_sessions(report: CheckReport, info: MetricInfo) -> SessionsExplanation:
    """The explanation of a sampled or bounded metric of a check against stored sessions."""
    launches = [one for one in report.launches if one.pair and one.arm == "candidate" and one.status == "reached"]
    now = session_summary(launches)
    told = next((one for one in report.metrics if one.name == info.name), None)
    logs = [{name: math.log(value) for name, value in one.medians.items()} for one in report.sessions]
    prediction = predict(info, logs, now)
    predicted = [one for one in report.metric_infos if predict(one, logs, now) is not None]
    num_gated = max(sum(one.gated and one.kind in ("sampled", "bounded") for one in predicted), 1)
    found = _judged(report, launches, info)
    decides = prediction is not None and found is not None and info.gated
    return SessionsExplanation(
        info=info,
        sessions=[one for one in report.sessions if info.name in one.medians],
        now=math.exp(now[info.name]) if info.name in now else None,
        launches=[one for one in launches if info.name in one.values],
        prediction=prediction,
        p=prediction.p(prediction.difference) if prediction else None,
        quantiles=(
            t_quantile((1 + CERTAINTY) / 2, prediction.df),
            t_quantile(1 - report.design.alpha / num_gated, prediction.df),
            t_quantile(POWER, prediction.df),
        )
        if prediction
        else None,
        num_gated=num_gated,
        parts=_parts(report.sessions, launches, info.name),
        found=found,
        told=told,
        rules=session_rules(info, prediction, found, report.design) if decides and prediction and found else [],
    )


def _judged(report: CheckReport, launches: Sequence[Launch], info: MetricInfo) -> MetricSummary | None:
    """The summary made again. A session stands for its launches by one whose values are the session's medians."""
    if not report.sessions:
        return None
    stored = [[_stand_in(session)] for session in report.sessions]
    judged = judge_sessions(stored, launches, report.metric_infos, report.design, base_sha=report.base.sha)
    return next(one for one in judged if one.name == info.name)


def _stand_in(session: SessionFigures) -> Launch:
    return Launch(
        number=1, arm="base", pair=1, position=0, started=session.created, status="reached", wall_seconds=0.0,
        values=session.medians,
    )  # fmt: skip


def _parts(sessions: Sequence[SessionFigures], launches: Sequence[Launch], name: str) -> list[MetricPart]:
    """Of this session's mean over its launches, against the mean of the stored sessions' means."""
    stored = [_as_launch(one) for one in sessions if name in one.means]
    return parts_of_means(name, means_of(stored, name), means_of(launches, name)) if stored else []


def _as_launch(session: SessionFigures) -> Launch:
    return _stand_in(session).model_copy(update={"values": session.means})
