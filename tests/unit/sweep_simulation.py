"""Sweeps of loaders whose true samples/s are known, drawn at random: what their judgement is held against."""

import math
import random
from collections.abc import Callable, Sequence

from ocrprof.results.model import Block, LoaderInfo, LoaderSetting, Recommendation, StepMode, StepWaits, SweepTrial
from ocrprof.results.sweep_points import build_points
from ocrprof.results.sweep_recommendation import is_decided, recommend

Rate = Callable[[int], float]
NUM_BLOCKS = 10


def sleeping(seconds: float) -> Rate:
    """Samples/s of N workers that sleep: N at once, and one at a time without any."""
    return lambda num_workers: max(1, num_workers) / seconds


def computing(seconds: float, *, num_cores: int) -> Rate:
    """Samples/s of N workers that compute: no more at once than there are cores."""
    return lambda num_workers: min(max(1, num_workers), num_cores) / seconds


def loader(num_workers: int, **fields) -> LoaderInfo:
    given = {"number": 0, "role": "train", "dataset": "Pages", "sampler": "RandomSampler"}
    defaults = {"persistent_workers": False, "pin_memory": False}
    return LoaderInfo.model_validate({**given, **defaults, **fields, "num_workers": num_workers})


def trial(num_workers: int, number: int, rate: float, *, spread: Sequence[float] = (1.0,) * NUM_BLOCKS, **fields):
    """Eight batches of one sample a block at `rate` samples/s, times `spread`."""
    blocks = [Block(seconds=8 * factor / rate, num_batches=8, num_samples=8) for factor in spread]
    given = {"setting": LoaderSetting(num_workers=num_workers), "round": number, "position": 0, "status": "ok"}
    return SweepTrial.model_validate({"blocks": blocks, **given, **fields})


def waits(shares: Sequence[float], *, step_seconds: float = 0.1, mode: StepMode = "sleep") -> StepWaits:
    """Blocks of ten steps that wait these shares of their time."""
    compute = 10 * step_seconds
    return StepWaits(
        step_seconds=step_seconds,
        mode=mode,
        wait_seconds=[compute * share / (1 - share) for share in shares],
        compute_seconds=[compute] * len(shares),
        num_batches=[10] * len(shares),
    )


def one_round(
    rate: Rate, values: Sequence[int], number: int, generator: random.Random, *, noise: float, step_seconds=None
) -> list[SweepTrial]:
    """A visit to every value in random order and a second one to the first.

    `noise` is that of a trial as a whole and of each of its blocks, as standard deviations of the logarithm; a whole
    round is slower or faster by 5 %.
    """
    weather = generator.gauss(0, 0.05)
    order = generator.sample(list(values), k=len(values))
    found = []
    for position, value in enumerate([*order, order[0]]):
        true = rate(value) * math.exp(weather + generator.gauss(0, noise))
        spread = [math.exp(generator.gauss(0, noise)) for _ in range(NUM_BLOCKS)]
        waited = None
        if step_seconds is not None:
            exposed = max(0.0, 1 - step_seconds * true)
            waited = waits([exposed * one / max(spread) for one in spread], step_seconds=step_seconds)
        control = position == len(values)
        found.append(trial(value, number, true, spread=spread, position=position, control=control, waits=waited))
    return found


def sweep(
    rate: Rate,
    values: Sequence[int],
    *,
    seed: int,
    noise: float,
    current: int | None = None,
    step_seconds: float | None = None,
    min_rounds: int = 3,
    max_rounds: int = 40,
) -> tuple[Recommendation, int]:
    """What a sweep of `values` recommends that stops when it knows, and the rounds that it took."""
    generator = random.Random(seed)
    settings = [LoaderSetting(num_workers=value) for value in values]
    asked = {
        "loader": None if current is None else loader(current),
        "within": 0.05,
        "max_wait": 0.02,
        "step_seconds": step_seconds,
    }
    trials: list[SweepTrial] = []
    for number in range(max_rounds):
        trials += one_round(rate, values, number, generator, noise=noise, step_seconds=step_seconds)
        points = build_points(trials, settings)
        if number + 1 >= min_rounds and is_decided(points, trials, **asked):
            break
    return recommend(points, trials, **asked), number + 1
