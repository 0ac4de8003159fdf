"""Histories for tests: the line of a real session, with other commits, times and values."""

import random
from collections.abc import Sequence

from ocrprof.results.history import metric_set_hash
from ocrprof.results.history_series import build_series
from ocrprof.results.model import GitState, HistoryLine, Series

REAL = """{"schema":"ocrprof-history/1","id":"828dc2a63920","created":"2026-03-02T09:00:00+00:00","kind":"check",
"tool":"0.1.0","argv":["python","main.py"],"folder":".","git":{"ref":"HEAD",
"sha":"a8d32c36d1bfdc4822f640eb3b67cb0968a0ca92","dirty":false,"subject":"change 6"},"fingerprint":"875a93fbaf44",
"metric_set":"ef201452","refuse":{"schema":1,"launch":{"until":"exit","probe":null,"loop":null},"os":"Linux",
"arch":"x86_64","cpu":"AMD EPYC","cpu_model":["AuthenticAMD","25","17","1"],"cores_usable":2.0,"smt":"0","gpus":[],
"threads":{"OMP_NUM_THREADS":"2"}},"treatment":{"python":"3.11"},"warn":{"kernel":"6.18.44","memory_gib":24},
"launches":[{"time_to_exit":0.0238,"imports":0.000273,"startup.interpreter":0.0135,"teardown":0.0059,
"peak_rss":9502720.0}],"exact":{"files_opened":8.0,"eager_packages":0.0,"modules":20.0,"duplicates":0.0,
"declared.samples":3.0},"reference_seconds":0.31,"verdict":"ok","flags":[]}"""


def line(number: int, **changes: object) -> HistoryLine:
    """The session of commit `number`, an hour after that of the one before."""
    base = HistoryLine.model_validate_json(REAL)
    fields = {
        "id": f"{number:012x}",
        "created": f"2026-03-{2 + number // 24:02d}T{number % 24:02d}:00:00+00:00",
        "git": GitState(ref="HEAD", sha=f"{number:08x}" + "0" * 32, subject=f"Read {number} pages"),
    }
    made = base.model_copy(update=fields | changes)
    return made.model_copy(update={"metric_set": metric_set_hash(made.launches)})


def session(number: int, *, start: float = 2.0, launches: int = 3, seed: int = 0, **changes: object) -> HistoryLine:
    """A session whose launches take `start` seconds and load 1.2 of them, with one percent of noise each."""
    generator = random.Random(f"{seed}/{number}")
    shared = generator.uniform(0.995, 1.005)
    values = []
    for _ in range(launches):
        noise = shared * generator.uniform(0.99, 1.01)
        values.append(
            {
                "time_to_first_step": start * noise,
                "imports": (start - 0.8) * noise,
                "startup.data": 0.4 * noise,
                "peak_rss": 2.0**31 * generator.uniform(0.999, 1.001),
            }
        )
    return line(number, **{"launches": values, **changes})


def series_of(lines: Sequence[HistoryLine], name: str, *, frozen: Sequence[int] = (0,)) -> Series:
    """One metric of these sessions."""
    (one,) = build_series(lines, frozen=frozen, frozen_label="v1.0", seed=0, wanted=lambda candidate: candidate == name)
    return one
