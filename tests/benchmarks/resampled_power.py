"""How often a slowdown would be found with more or fewer pairs, by drawing anew from the pairs of kept checks.

    python tests/benchmarks/resampled_power.py reports/check-power_HARDWARE_DATE/checks.jsonl --slower 10 --pairs 28,36

Pairs of `time_to_exit` of all checks, each less the mean of its check, are drawn with replacement and made slower; the
rule is that of a check with one stage (the larger of two forms under orders drawn at random, at a fourth of 1 % as for
one of four metrics, and an estimate of 5 % at least). Nothing is measured; it takes a second.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np

NUM_CHECKS, NUM_ORDERS = 400, 1999
ALPHA, MIN_EFFECT = 0.01 / 4, 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checks", type=Path, help="checks.jsonl of a report of check_power.py")
    parser.add_argument("--slower", type=float, default=10.0, help="percent (default 10)")
    parser.add_argument("--pairs", default="28,36,40", help="numbers of pairs (default %(default)s)")
    given = parser.parse_args()
    noise, generator = noise_of(given.checks), np.random.default_rng(1)
    print(f"{len(noise)} pairs, standard deviation {100 * noise.std():.1f} %")
    for num_pairs in map(int, given.pairs.split(",")):
        found = sum(
            is_found(generator.choice(noise, num_pairs) + math.log1p(given.slower / 100), generator)
            for _ in range(NUM_CHECKS)
        )
        print(f"{num_pairs} pairs: {100 * found / NUM_CHECKS:.1f} % of slowdowns of {given.slower:g} % found")


def noise_of(file: Path) -> np.ndarray:
    """Log ratios of all timed pairs, less the mean of their check."""
    found = []
    for line in file.read_text().splitlines():
        seconds: dict[int, dict[str, float]] = {}
        for pair, arm, _, values in json.loads(line)["launches"]:
            seconds.setdefault(pair, {})[arm] = values["time_to_exit"]
        ratios = [math.log(one["candidate"] / one["base"]) for pair, one in seconds.items() if pair and len(one) == 2]
        found.append(np.array(ratios) - np.mean(ratios))
    return np.concatenate(found)


def is_found(ratios: np.ndarray, generator: np.random.Generator) -> bool:
    """Whether the rule confirms these log ratios, drawn orders in the place of all that are balanced."""
    ranks = np.sign(ratios) * (np.argsort(np.argsort(np.abs(ratios))) + 1)
    forms = np.stack([ranks / np.linalg.norm(ranks), ratios / np.linalg.norm(ratios)])
    signs = generator.choice([-1, 1], (NUM_ORDERS, len(ratios)))
    drawn = (signs @ forms.T).max(axis=1)
    p = (1 + np.count_nonzero(drawn >= forms.sum(axis=1).max())) / (NUM_ORDERS + 1)
    walsh = np.add.outer(ratios, ratios)[np.triu_indices(len(ratios))] / 2
    return bool(p <= ALPHA and np.median(walsh) >= math.log1p(MIN_EFFECT))


if __name__ == "__main__":
    main()
