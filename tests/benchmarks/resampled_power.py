"""How often a slowdown would be found with more or fewer pairs, by drawing anew from the pairs of kept checks.

    python tests/benchmarks/resampled_power.py reports/check-power_HARDWARE_DATE/checks.jsonl --slower 10 --pairs 10:28

Pairs of `time_to_exit` of all checks, each less the mean of its check, are drawn with replacement and made slower. They
are judged by the check's own rule, stages and all, at a fourth of 1 %, as for one of four metrics. Nothing is measured.
"""

import argparse
import json
import math
import random
from pathlib import Path
from statistics import mean, stdev

from ocrprof.check_plan import parse_pairs
from ocrprof.results.check_design import draw_order, pairs_worth_running
from ocrprof.results.check_statistics import judge_pairs
from ocrprof.results.model import CheckDesign, Launch, MetricInfo

NUM_CHECKS, ALPHA = 400, 0.01 / 4
INFO = MetricInfo(name="time_to_exit", unit="seconds", direction="lower", kind="sampled")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checks", type=Path, help="checks.jsonl of a report of check_power.py")
    parser.add_argument("--slower", type=float, default=10.0, help="percent (default 10)")
    parser.add_argument("--pairs", default="10:40", help="as of a check (default %(default)s)")
    given = parser.parse_args()
    noise, (first, most) = noise_of(given.checks), parse_pairs(given.pairs)
    generator, slowdown = random.Random(1), math.log1p(given.slower / 100)
    found = [
        judged([one + slowdown for one in generator.choices(noise, k=most)], first=first, seed=seed)
        for seed in range(NUM_CHECKS)
    ]
    share, pairs = mean(verdict == "regressed" for verdict, _ in found), mean(num for _, num in found)
    print(f"{len(noise)} pairs that differ by {100 * stdev(noise):.1f} %; of slowdowns of {given.slower:g} %")
    print(f"--pairs {given.pairs} finds {100 * share:.1f} %, with {pairs:.1f} pairs on average")


def noise_of(file: Path) -> list[float]:
    """Log ratios of all timed pairs, less the mean of their check."""
    found: list[float] = []
    for line in file.read_text().splitlines():
        seconds: dict[int, dict[str, float]] = {}
        for pair, arm, _, values in json.loads(line)["launches"]:
            seconds.setdefault(pair, {})[arm] = values["time_to_exit"]
        ratios = [math.log(one["candidate"] / one["base"]) for pair, one in seconds.items() if pair and len(one) == 2]
        found += [ratio - mean(ratios) for ratio in ratios]
    return found


def judged(ratios: list[float], *, first: int, seed: int) -> tuple[str, int]:
    """The verdict on a check with these log ratios, and the pairs that it runs."""
    order = draw_order(num_pairs_first=first, num_pairs_max=len(ratios), seed=seed)
    design = CheckDesign(
        mode="against", seed=seed, order=order, num_pairs_first=first, num_pairs_max=len(ratios), alpha=ALPHA
    )
    num_pairs, wanted = 0, first
    worth: int | None = first
    while worth is not None and num_pairs < wanted:
        num_pairs = wanted
        launches = [one for pair in range(num_pairs) for one in pair_of(pair + 1, ratios[pair], order[pair])]
        if num_pairs < len(ratios):
            worth = pairs_worth_running(num_pairs, launches, [INFO], design)
            wanted = worth or num_pairs
    return judge_pairs(launches, [INFO], design, worth is not None)[0].verdict, num_pairs


def pair_of(number: int, ratio: float, sign: int) -> list[Launch]:
    """Both launches: the base takes a second."""
    return [
        Launch(
            number=2 * number + position, arm=arm, pair=number, position=position, started="2026-01-01T00:00:00+00:00",
            status="reached", exit_code=0, wall_seconds=seconds, values={INFO.name: seconds},
        )
        for arm, seconds, position in (("base", 1.0, int(sign < 0)), ("candidate", math.exp(ratio), int(sign > 0)))
    ]  # fmt: skip


if __name__ == "__main__":
    main()
