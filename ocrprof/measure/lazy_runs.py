"""The proof of a what-if: beside each ordinary run one in which a single module is loaded lazily."""

import random
from collections.abc import Callable, Mapping, Sequence

from ocrprof.measure.child import Outcome
from ocrprof.records import ProcessRecords
from ocrprof.results.deferral import LazyRun, lazy_run
from ocrprof.results.model import LazyPair, Run, Verification
from ocrprof.results.phases import attribute
from ocrprof.results.stats import statistic

RunOnce = Callable[[str, Mapping[str, str]], tuple[Outcome, list[ProcessRecords], Run]]
"""Runs the target once, into the folder of that name, with these settings for the recorder."""


class LazyRuns:
    """The lazy halves of pairs, after one to warm up; none follow one that did not reach the milestone.

    Which half of a pair goes first is random, in every second pair the other one than in the pair before it: neither
    gains by what the other left behind.
    """

    def __init__(self, module: str, *, run_once: RunOnce) -> None:
        self.module = module
        self._seed = random.SystemRandom().randrange(2**32)
        self._generator = random.Random(self._seed)
        self._lazy_first: list[bool] = []
        self._run_once = run_once
        self._runs: list[Run] = []
        self._seen = LazyRun()
        self._failure: str | None = None
        self._stderr_tail: list[str] = []

    def goes_first(self, pair: int) -> bool:
        """Whether the lazy run of this pair comes before the ordinary one; never in a warm-up (a negative number)."""
        while len(self._lazy_first) <= pair:
            first = self._generator.random() < 0.5
            self._lazy_first += [first, not first]
        return pair >= 0 and self._lazy_first[pair]

    def run(self, pair: int) -> None:
        """The lazy run of a pair; nothing once it is known that there is nothing to measure."""
        if self._failure is not None or self._seen.refused is not None or pair < -1:
            return
        outcome, records, run = self._run_once(f"lazy-{pair + 1}", {"OCRPROF_LAZY": self.module})
        timeline = attribute(
            records, spawn_ns=outcome.spawn_ns, end_ns=outcome.end_ns, until=run.until, status=run.status
        )
        self._seen = lazy_run(self.module, timeline.main, timeline)
        if run.status == "interrupted":
            raise KeyboardInterrupt
        if run.status != "reached":
            self._failure = _how_it_failed(run)
            self._stderr_tail = run.stderr_tail
        elif pair >= 0:
            self._runs.append(run)

    def verification(self, ordinary: Sequence[Run], *, predicted: Sequence[str]) -> Verification:
        """What the pairs say; `ordinary` are the counted ordinary runs, in their order.

        `predicted` are the modules that should not have been loaded.
        """
        pairs = [
            LazyPair(
                lazy_first=lazy_first,
                ordinary_seconds=one.wall_seconds,
                lazy_seconds=lazy.wall_seconds,
                ordinary_loading_seconds=one.imports_anywhere_seconds,
                lazy_loading_seconds=lazy.imports_anywhere_seconds,
                ordinary_cpu_seconds=one.cpu_seconds,
                lazy_cpu_seconds=lazy.cpu_seconds,
            )
            for one, lazy, lazy_first in zip(ordinary, self._runs, self._lazy_first, strict=False)
            if one.reached and self._seen.refused is None
        ]
        loaded_anyway = [name for name in predicted if name in self._seen.loaded]
        walls = [pair.ordinary_seconds - pair.lazy_seconds for pair in pairs]
        loadings = [pair.ordinary_loading_seconds - pair.lazy_loading_seconds for pair in pairs]
        cpu = [
            pair.ordinary_cpu_seconds - pair.lazy_cpu_seconds
            for pair in pairs
            if pair.ordinary_cpu_seconds is not None and pair.lazy_cpu_seconds is not None
        ]
        return Verification(
            seed=self._seed,
            pairs=pairs,
            saving=statistic(walls) if walls else None,
            loading_saving=statistic(loadings) if loadings else None,
            cpu_saving=statistic(cpu) if cpu else None,
            num_not_loaded=len(predicted) - len(loaded_anyway) if pairs else 0,
            loaded_anyway=loaded_anyway if pairs else [],
            touch=self._seen.touch,
            refused=self._seen.refused,
            failure=self._failure,
            stderr_tail=self._stderr_tail,
        )


def _how_it_failed(run: Run) -> str:
    where = f" in {run.failing_phase.replace('_', ' ')}" if run.failing_phase else ""
    code = f" with exit code {run.exit_code}" if run.exit_code is not None else ""
    return f"{run.status.replace('_', ' ')}{where} after {run.wall_seconds:.1f} s{code}"
