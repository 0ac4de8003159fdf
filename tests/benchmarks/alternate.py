"""Two commands in turn, as whole processes: medians, and the median of the ratios pair by pair with its spread.

    python tests/benchmarks/alternate.py --pairs 20 -- ocrprof --help -- pyperf --help

`NAME=VALUE` in front of a command sets its environment. The order within a pair alternates; one pair is thrown away.
"""

import argparse
import json
import os
import subprocess
import time
from statistics import median, quantiles


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("commands", nargs=argparse.REMAINDER, help="-- COMMAND A -- COMMAND B")
    given = parser.parse_args()
    _, first, second = split(given.commands)
    times: dict[str, list[float]] = {"a": [], "b": []}
    for pair in range(given.pairs + 1):
        order = ("a", "b") if pair % 2 else ("b", "a")
        for name in order:
            seconds = run(first if name == "a" else second)
            if pair:
                times[name].append(seconds)
    ratios = [a / b for a, b in zip(times["a"], times["b"], strict=True)]
    low, _, high = quantiles(ratios, n=4)
    print(json.dumps({
        "a": " ".join(first), "b": " ".join(second), "pairs": given.pairs,
        "median_seconds": {name: round(median(values), 4) for name, values in times.items()},
        "ratio_a_to_b": {"median": round(median(ratios), 3), "quartiles": [round(low, 3), round(high, 3)]},
        "difference_seconds": round(median(a - b for a, b in zip(times["a"], times["b"], strict=True)), 4),
    }))  # fmt: skip


def split(words: list[str]) -> list[list[str]]:
    """The words between the `--`; three groups, the first one empty."""
    groups: list[list[str]] = [[]]
    for word in words:
        if word == "--":
            groups.append([])
        else:
            groups[-1].append(word)
    if len(groups) != 3 or groups[0]:
        raise SystemExit("two commands are needed: -- COMMAND A -- COMMAND B")
    return groups


def run(command: list[str]) -> float:
    """Wall seconds of one process, its output thrown away."""
    environment = dict(os.environ)
    words = list(command)
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        environment[name] = value
    start = time.perf_counter()
    subprocess.run(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
