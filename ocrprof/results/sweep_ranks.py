"""Several ranks of one trial as the trial of their node."""

import statistics
from collections.abc import Callable, Iterable, Sequence

from ocrprof.results.model import Block, Cost, StepWaits, SweepTrial
from ocrprof.results.sweep_comparisons import COUNTED


def node_trial(ranks: Sequence[SweepTrial]) -> SweepTrial:
    """One trial with the samples of all ranks, in the time that they took on the mean; the ranks are kept in it.

    A rank that failed fails the node. A step waits for the slowest rank, as training in step does: of each block the
    longest wait counts. What is counted in seconds until something is there is that of the last rank, and what is used
    of the machine is added up.
    """
    if len(ranks) == 1:
        return ranks[0]
    failed = next((rank for rank in ranks if rank.status not in COUNTED), None)
    first = failed or ranks[0]
    if failed is not None:
        return first.model_copy(update={"ranks": list(ranks)})
    return first.model_copy(
        update={
            "ranks": list(ranks),
            "start_seconds": _last(rank.start_seconds for rank in ranks),
            "iter_seconds": _last(rank.iter_seconds for rank in ranks),
            "worker_ready_seconds": sorted(seconds for rank in ranks for seconds in rank.worker_ready_seconds),
            "first_batch_seconds": _last(rank.first_batch_seconds for rank in ranks),
            "fill_seconds": _last(rank.fill_seconds for rank in ranks),
            "blocks": _blocks(ranks),
            "waits": _waits([rank.waits for rank in ranks if rank.waits is not None]),
            "turnover_seconds": _last(rank.turnover_seconds for rank in ranks),
            "cost": _cost([rank.cost for rank in ranks if rank.cost is not None], num_ranks=len(ranks)),
            "train_samples_per_sec": _sum(rank.train_samples_per_sec for rank in ranks),
            "exit_seconds": _last(rank.exit_seconds for rank in ranks),
            "capped": any(rank.capped for rank in ranks),
            "wall_seconds": max(rank.wall_seconds for rank in ranks),
        }
    )


def _blocks(ranks: Sequence[SweepTrial]) -> list[Block]:
    """The ranks' blocks side by side, as many as all of them have."""
    return [
        Block(
            seconds=statistics.fmean(block.seconds for block in blocks),
            num_batches=sum(block.num_batches for block in blocks),
            num_samples=sum(block.num_samples for block in blocks),
        )
        for blocks in zip(*(rank.blocks for rank in ranks), strict=False)
    ]


def _waits(waits: Sequence[StepWaits]) -> StepWaits | None:
    if not waits:
        return None
    num_blocks = min(len(one.wait_seconds) for one in waits)
    return waits[0].model_copy(
        update={
            "wait_seconds": [max(one.wait_seconds[block] for one in waits) for block in range(num_blocks)],
            "compute_seconds": [
                statistics.fmean(one.compute_seconds[block] for one in waits) for block in range(num_blocks)
            ],
            "num_batches": waits[0].num_batches[:num_blocks],
            "oversleep_seconds": statistics.fmean(one.oversleep_seconds for one in waits),
        }
    )


def _cost(costs: Sequence[Cost], *, num_ranks: int) -> Cost | None:
    if len(costs) < num_ranks:
        return None

    def total(value: Callable[[Cost], float | None]) -> float | None:
        return _sum(value(cost) for cost in costs)

    def whole(value: Callable[[Cost], float | None]) -> int | None:
        amount = total(value)
        return None if amount is None else int(amount)

    return Cost(
        cpu_seconds_main=total(lambda cost: cost.cpu_seconds_main),
        cpu_seconds_workers=total(lambda cost: cost.cpu_seconds_workers),
        num_samples=sum(cost.num_samples for cost in costs),
        # The quota and /dev/shm are the node's own: each rank has seen the same.
        throttled_seconds=_last(cost.throttled_seconds for cost in costs),
        num_throttled=max((cost.num_throttled for cost in costs if cost.num_throttled is not None), default=None),
        pss_peak_bytes=whole(lambda cost: cost.pss_peak_bytes),
        shm_peak_bytes=max((cost.shm_peak_bytes for cost in costs if cost.shm_peak_bytes is not None), default=None),
        read_bytes=whole(lambda cost: cost.read_bytes),
        read_chars=whole(lambda cost: cost.read_chars),
        batch_bytes=costs[0].batch_bytes,
        num_tensors=costs[0].num_tensors,
    )


def _last(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _sum(values: Iterable[float | None]) -> float | None:
    """None where any of them is not known."""
    known = list(values)
    return None if any(value is None for value in known) else sum(value for value in known if value is not None)
