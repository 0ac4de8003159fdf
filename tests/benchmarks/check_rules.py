"""How other tools decide that a candidate is slower, on two lists of seconds; to be held against `ocrprof check`.

    python tests/benchmarks/check_rules.py --tools FOLDER     # compare with the tools themselves, installed there

pytest-benchmark, asv and benchstat are re-implemented: `--tools` compares the first two with the installed packages and
the U test with SciPy's. benchstat itself (a Go program) was not run. pyperf's own function is called.
"""

import argparse
import math
import random
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from statistics import mean, median

from pyperf._utils import is_significant

Rule = Callable[[Sequence[float], Sequence[float]], bool]


def pytest_benchmark_mean(base: Sequence[float], candidate: Sequence[float]) -> bool:
    """`--benchmark-compare-fail=mean:10%` of pytest-benchmark 5."""
    return mean(candidate) / mean(base) * 100 - 100 > 10


def pytest_benchmark_min(base: Sequence[float], candidate: Sequence[float]) -> bool:
    """`--benchmark-compare-fail=min:10%` of pytest-benchmark 5."""
    return min(candidate) / min(base) * 100 - 100 > 10


def pyperf_t_test(base: Sequence[float], candidate: Sequence[float]) -> bool:
    """`pyperf compare_to`: slower by Student's two-sample t-test, two-sided 95 %; pyperf's own function."""
    significant, _ = is_significant(list(base), list(candidate))
    return bool(significant) and mean(candidate) > mean(base)


def asv_continuous(base: Sequence[float], candidate: Sequence[float]) -> bool:
    """`asv continuous`, factor 1.1: medians apart by more than it, and a U test below 0.002 (asv 0.6).

    For ten values or more; below, asv compares intervals.
    """
    if not median(base) < median(candidate) / 1.1:
        return False
    return u_test(base, candidate, exact=max(len(base), len(candidate)) <= 20) < 0.002


def benchstat_u_test(base: Sequence[float], candidate: Sequence[float]) -> bool:
    """benchstat: a difference is shown where the U test is below 0.05, exact up to 50 values without ties."""
    exact = max(len(base), len(candidate)) <= 50 and len({*base, *candidate}) == len(base) + len(candidate)
    return u_test(base, candidate, exact=exact) < 0.05 and median(candidate) > median(base)


RULES: dict[str, Rule] = {
    "pytest-benchmark mean:10%": pytest_benchmark_mean,
    "pytest-benchmark min:10%": pytest_benchmark_min,
    "pyperf compare_to": pyperf_t_test,
    "asv continuous 1.1": asv_continuous,
    "benchstat U test": benchstat_u_test,
}


def u_test(one: Sequence[float], other: Sequence[float], *, exact: bool) -> float:
    """Two-sided p of the Mann-Whitney U test; the normal approximation is without corrections, as asv's is."""
    num, more = len(one), len(other)
    wins = sum(a > b for a in one for b in other)
    low = min(wins, num * more - wins)
    if exact:
        counts = _u_counts(num, more)
        return min(1.0, 2 * sum(counts[: low + 1]) / math.comb(num + more, num))
    deviation = math.sqrt(num * more * (num + more + 1) / 12)
    return math.erfc((num * more / 2 - low) / deviation / math.sqrt(2))


@lru_cache(maxsize=64)
def _u_counts(num: int, more: int) -> tuple[int, ...]:
    """How many of the orderings of `num` and `more` values have each U: coefficients of the Gaussian binomial."""
    size = num * more + 1
    counts = [1] + [0] * (size - 1)
    for k in range(1, num + 1):
        # Times (1 - q^(more + k)) and divided by (1 - q^k).
        for at in range(size - 1, more + k - 1, -1):
            counts[at] -= counts[at - more - k]
        for at in range(k, size):
            counts[at] += counts[at - k]
    return tuple(counts)


def verify(tools: Path, *, num_trials: int = 400) -> None:
    """Compares every rule with its tool on random samples; raises SystemExit naming one that differs."""
    sys.path.insert(0, str(tools))
    from asv._stats import is_different
    from asv.commands.compare import _is_result_better
    from pytest_benchmark.utils import parse_compare_fail
    from scipy.stats import mannwhitneyu

    generator = random.Random(1)
    for _ in range(num_trials):
        num = generator.choice([10, 14, 20, 28])
        shift = generator.choice([1.0, 1.05, 1.1, 1.2])
        base = [generator.lognormvariate(0, 0.06) for _ in range(num)]
        candidate = [shift * generator.lognormvariate(0, 0.06) for _ in range(num)]
        said = {
            "pytest-benchmark mean:10%": bool(
                parse_compare_fail("mean:10%").fails({"mean": mean(candidate)}, {"mean": mean(base)})
            ),
            "pytest-benchmark min:10%": bool(
                parse_compare_fail("min:10%").fails({"min": min(candidate)}, {"min": min(base)})
            ),
            "asv continuous 1.1": _is_result_better(
                median(base), median(candidate), ({"repeat": num}, base), ({"repeat": num}, candidate), 1.1
            ),
            "benchstat U test": mannwhitneyu(base, candidate, method="exact").pvalue < 0.05
            and median(candidate) > median(base),
        }
        for name, verdict in said.items():
            if RULES[name](base, candidate) != bool(verdict):
                raise SystemExit(f"{name} differs from the tool for {base} against {candidate}")
        if is_different(base, candidate, {}, {}) != (u_test(base, candidate, exact=num <= 20) < 0.002):
            raise SystemExit("the U test differs from asv's")
    print(f"{num_trials} random comparisons: as the tools")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", type=Path, required=True, help="folder with asv, pytest-benchmark and SciPy")
    verify(parser.parse_args().tools)
