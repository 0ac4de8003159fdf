"""A sweep of worker counts concluded: all that its raw trials show, worked out anew whenever it is asked."""

from collections.abc import Sequence

from ocrprof.results.model import LoaderInfo, LoaderSetting, Recommendation, SweepReport, SweepTrial
from ocrprof.results.queue_simulator import what_if
from ocrprof.results.sweep_comparisons import control_ratio, is_unstable
from ocrprof.results.sweep_points import build_points
from ocrprof.results.sweep_recommendation import is_decided, recommend


def conclude(report: SweepReport) -> SweepReport:
    """The report with points, recommendation and simulations made of its trials. An override that was found stays
    with the value that it sets."""
    points = build_points(report.trials, report.settings)
    loader = first_loader([*report.warmup, *report.trials])
    recommendation = recommend(
        points,
        report.trials,
        loader=loader,
        within=report.within,
        max_wait=report.max_wait,
        step_seconds=report.step_seconds,
        memory_budget_bytes=report.memory_budget_bytes,
        num_cores=report.environment.num_cores_usable,
        num_gpus=len(report.environment.gpus),
    )
    before = report.recommendation
    if before is not None and before.num_workers == recommendation.num_workers:
        recommendation = recommendation.model_copy(update={"override": before.override})
    return report.model_copy(
        update={
            "points": points,
            "loader": loader,
            "recommendation": recommendation,
            "control_ratio": control_ratio(report.trials),
            "unstable_machine": is_unstable(report.trials),
            "what_if": what_if(
                report.trials,
                simulated_settings(report.what_if_values, recommendation, report.settings),
                step_seconds=report.step_seconds,
                num_cores=report.environment.num_cores_usable / report.num_local_ranks,
            ),
        }
    )


def could_change(report: SweepReport) -> bool:
    """Whether another round could change what is recommended."""
    points = build_points(report.trials, report.settings)
    return not is_decided(
        points,
        report.trials,
        loader=first_loader([*report.warmup, *report.trials]),
        within=report.within,
        max_wait=report.max_wait,
        step_seconds=report.step_seconds,
        memory_budget_bytes=report.memory_budget_bytes,
    )


def first_loader(trials: Sequence[SweepTrial]) -> LoaderInfo | None:
    """The program's own loader, by the first trial that tells it."""
    return next((trial.loader for trial in trials if trial.loader is not None), None)


def simulated_settings(
    values: Sequence[int], recommendation: Recommendation, settings: Sequence[LoaderSetting]
) -> list[LoaderSetting]:
    """These worker counts, otherwise like the recommended setting, or else the first one that has workers."""
    workers = [setting for setting in settings if setting.num_workers]
    like = recommendation.setting if recommendation.setting and recommendation.setting.num_workers else None
    like = like or next(iter(workers), LoaderSetting(num_workers=1))
    return [like.model_copy(update={"num_workers": value}) for value in values]
