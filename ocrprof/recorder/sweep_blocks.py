"""Blocks of batches: consecutive ones, timed together, as [ns, batches, samples]. How many of them are enough.

The batches of N workers arrive in bursts of N, so single ones are no independent values.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any  # batches are whatever a program collates

_MIN_CAPPED_BLOCKS = 4


def cut(times: "list[int]", sizes: "list[int]", length: int) -> "list[list[int]]":
    """Whole blocks of `length` batches; `times` holds the moment before the first batch, and that of each."""
    return [
        [times[start + length] - times[start], length, sum(sizes[start : start + length])]
        for start in range(0, len(sizes) - length + 1, length)
    ]


def of_steps(waits: "list[int]", computes: "list[int]", length: int) -> "list[list[int]]":
    """Whole blocks of `length` steps, as [ns, steps]."""
    times = [wait + compute for wait, compute in zip(waits, computes)]  # noqa: B905 - not in Python 3.9
    return [[sum(times[k : k + length]), length] for k in range(0, len(times) - length + 1, length)]


def fitting_length(num_batches: int, length: int, num_workers: int) -> int:
    """`length`, or the multiple of `num_workers` of which four blocks fit (else two, else one) into `num_batches`."""
    for num_blocks in (_MIN_CAPPED_BLOCKS, 2):
        if num_batches >= num_blocks * num_workers:
            return min(length, num_batches // num_blocks // num_workers * num_workers)
    return max(1, min(length, num_batches))


def merge(blocks: "list[list[int]]") -> "list[list[int]]":
    """Blocks of twice the length."""
    return [[sum(pair) for pair in zip(*blocks[start : start + 2])] for start in range(0, len(blocks) - 1, 2)]  # noqa: B905


def lag1(values: "list[float]") -> float:
    """Correlation of neighbours; 0 where all values are the same."""
    mean = sum(values) / len(values)
    around = [value - mean for value in values]
    total = sum(value * value for value in around)
    return sum(around[k] * around[k + 1] for k in range(len(around) - 1)) / total if total else 0.0


def stein(blocks: "list[list[int]]", precision: float, quantile: float) -> int:
    """How many blocks give the mean time of a batch within `precision`, from those of a pilot; never fewer than these.

    Two stages, without a look in between (Stein, "A two-sample test for a linear hypothesis whose power is independent
    of the variance", 1945).
    """
    if len(blocks) < 2:
        return len(blocks)
    values = [one[0] / one[1] for one in blocks]
    mean = sum(values) / len(values)
    spread = (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5
    needed = (quantile * spread / (precision * mean)) ** 2 if mean else 0.0
    return max(len(blocks), int(needed) + (needed > int(needed)))


def leading_sizes(batch: "Any") -> "list[int]":
    """First dimensions of a batch's tensors and lengths of its lists, in their order, one level deep."""
    if isinstance(batch, dict):
        values: list[Any] = list(batch.values())
    elif isinstance(batch, (list, tuple)):
        values = list(batch)
    elif isinstance(batch, sys.modules["torch"].Tensor) or not hasattr(batch, "__dict__") or hasattr(batch, "shape"):
        values = [batch]
    else:
        values = list(vars(batch).values())
    sizes: list[int] = []
    for value in values:
        leading = _leading_side(value)
        if leading is not None:
            sizes += leading
        elif isinstance(value, (list, tuple)):
            sizes.append(len(value))
    return sizes


def _leading_side(value: "Any") -> "list[int] | None":
    """None where it is not told in numbers: a nested tensor raises, others have under that name whatever they like."""
    try:
        return [int(side) for side in value.shape[:1]]
    except (AttributeError, TypeError, ValueError, RuntimeError):
        return None
