"""Whether two states of a program did the same work: a gain from doing less of it is none."""

import math
from collections.abc import Mapping, Sequence

from ocrprof.results.model import ExactFacts

_WORK = {
    "train_samples": "samples trained on",
    "validation_samples": "samples validated",
    "train_batches": "training batches",
    "validation_batches": "validation batches",
    "batch_size": "samples in a batch",
    "declared.samples": "samples, as the program declares",
    "declared.steps": "steps, as the program declares",
}


def work_of(facts: ExactFacts) -> dict[str, float]:
    """The figures of a launch that tell how much it did; empty for a program of which none is known."""
    return {name: value for name, value in facts.values.items() if name in _WORK}


def less_work(base: ExactFacts, candidate: ExactFacts) -> list[str]:
    """What one side did less of, a sentence each; empty where both did the same, or nothing is known.

    Of values that only one side has nothing is told, but for a loss: finite in the base, and not in the candidate.
    """
    told = _fewer(work_of(base), work_of(candidate))
    told += _smaller(base.sets.get("batch_shapes", {}), candidate.sets.get("batch_shapes", {}))
    for name, value in candidate.values.items():
        before = base.values.get(name)
        if "loss" in name and not math.isfinite(value) and before is not None and math.isfinite(before):
            told.append(f"{name} is {value} in the candidate and {before:g} in the base")
    return told


def _fewer(base: Mapping[str, float], candidate: Mapping[str, float]) -> list[str]:
    told = []
    for name, words in _WORK.items():
        if name not in base or name not in candidate or base[name] == candidate[name]:
            continue
        less, more = ("candidate", "base") if candidate[name] < base[name] else ("base", "candidate")
        low, high = sorted((base[name], candidate[name]))
        told.append(f"{words}: {low:g} in the {less}, {high:g} in the {more}")
    return told


def _smaller(base: Mapping[str, str | None], candidate: Mapping[str, str | None]) -> list[str]:
    """Of shapes that both have one of, per loop; several of them (pages of all sizes) say nothing."""
    told = []
    for loop in ("train", "validation"):
        before, after = _shapes(base, loop), _shapes(candidate, loop)
        if len(before) == len(after) == 1 and before != after:
            told.append(f"one sample in a {loop} batch: {before[0]} in the base, {after[0]} in the candidate")
    return told


def _shapes(shapes: Mapping[str, str | None], loop: str) -> Sequence[str]:
    return [one.removeprefix(f"{loop} ") for one in shapes if one.startswith(f"{loop} ")]
