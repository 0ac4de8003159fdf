"""Which worker count the rounds of a sweep carry, if any, and whether another round could change that."""

from collections.abc import Sequence

from ocrprof.results.model import LoaderInfo, Recommendation, SweepPoint, SweepTrial
from ocrprof.results.queue_simulator import in_order_loss
from ocrprof.results.sweep_comparisons import CONFIDENCE
from ocrprof.results.sweep_judgement import current_setting, judge
from ocrprof.results.sweep_notes import headspace, notes
from ocrprof.results.sweep_reasons import reason

LOOK_CONFIDENCE = 0.975
"""Of the bounds that end a sweep early: looking after each round is a test each time, so each look must be surer."""


def recommend(
    points: Sequence[SweepPoint],
    trials: Sequence[SweepTrial],
    *,
    loader: LoaderInfo | None,
    within: float,
    max_wait: float,
    step_seconds: float | None,
    memory_budget_bytes: int | None = None,
    num_cores: float | None = None,
    num_gpus: int | None = None,
) -> Recommendation:
    """What to do about num_workers, with the verdict and its reason in a sentence.

    `points` are those of `trials`. With `step_seconds` the fewest workers that keep the wait at or under `max_wait`
    of a step, otherwise the fewest that load at no less than 1 - `within` of the best, each where that is shown. A
    setting that failed in any round, or whose peak is over `memory_budget_bytes`, is no candidate. Where all values
    load alike, where training does not wait for the loader, and where nothing is shown, `num_workers` is None: the
    program's own value stays. `num_cores` that it may use and `num_gpus` of the machine serve the notes.
    """
    current = current_setting(points, loader)
    judged = judge(
        points,
        trials,
        current=current,
        within=within,
        max_wait=max_wait,
        step_seconds=step_seconds,
        memory_budget_bytes=memory_budget_bytes,
        confidence=CONFIDENCE,
    )
    subject = judged.chosen or current
    loss = in_order_loss(trials, subject, num_cores=num_cores) if subject is not None else None
    return Recommendation(
        num_workers=judged.chosen.num_workers if judged.chosen is not None else None,
        setting=judged.chosen,
        verdict=judged.verdict,
        reason=reason(judged, points, current=current, within=within, max_wait=max_wait, step_seconds=step_seconds),
        ties=sorted({setting.num_workers for setting in judged.ties}),
        headspace=headspace(trials, current) or headspace(trials, subject),
        in_order_loss=loss,
        notes=notes(
            points,
            trials,
            judged,
            subject=subject,
            loader=loader,
            step_seconds=step_seconds,
            in_order_loss=loss,
            memory_budget_bytes=memory_budget_bytes,
            num_cores=num_cores,
            num_gpus=num_gpus,
        ),
    )


def is_decided(
    points: Sequence[SweepPoint],
    trials: Sequence[SweepTrial],
    *,
    loader: LoaderInfo | None,
    within: float,
    max_wait: float,
    step_seconds: float | None,
    memory_budget_bytes: int | None = None,
) -> bool:
    """Whether no further round is expected to change the verdict, by bounds that allow for looking after each round."""
    judged = judge(
        points,
        trials,
        current=current_setting(points, loader),
        within=within,
        max_wait=max_wait,
        step_seconds=step_seconds,
        memory_budget_bytes=memory_budget_bytes,
        confidence=LOOK_CONFIDENCE,
    )
    return not judged.open
