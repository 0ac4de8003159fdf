"""Waits, for a bounded time, until other programs leave the machine alone."""

import time
from collections.abc import Callable

from ocrprof.measure.surroundings import SurroundingsWatch
from ocrprof.results.model import Surroundings

_LOOK_SECONDS = 0.3
_PAUSE_SECONDS = 1.0
_MAX_BUSY_SHARE = 0.1
_MIN_BUSY_CORES = 0.25
_MAX_PRESSURE = 0.1


class QuietMachine:
    """Spends at most `max_seconds` in all on waiting, whatever it is asked how often.

    A look takes a third of a second. What the target and we use is told apart from what others do.
    """

    def __init__(self, *, num_cores: float, max_seconds: float) -> None:
        self._num_cores = num_cores
        self._left_seconds = max_seconds

    def wait(self, look: Callable[[], Surroundings] | None = None) -> str | None:
        """None as soon as the machine is quiet; after the wait, what keeps it busy."""
        look = look or _look
        while True:
            disturbance = disturbance_of(look(), num_cores=self._num_cores)
            if disturbance is None or self._left_seconds <= 0:
                return disturbance
            pause = min(_PAUSE_SECONDS, self._left_seconds)
            self._left_seconds -= pause
            time.sleep(pause)


def disturbance_of(seen: Surroundings, *, num_cores: float) -> str | None:
    """What would disturb a measurement: others' work beyond a tenth of the cores, or tasks that wait for one (PSI)."""
    busy = seen.others_busy_cores
    if busy is not None and busy > max(_MIN_BUSY_CORES, _MAX_BUSY_SHARE * num_cores):
        return f"other programs kept {busy:.1f} of {num_cores:g} cores busy"
    waited = seen.waited.get("io", 0.0) / seen.seconds
    if waited > _MAX_PRESSURE:
        return f"tasks waited for the disk {waited:.0%} of the time"
    return None


def _look() -> Surroundings:
    watch = SurroundingsWatch()
    time.sleep(_LOOK_SECONDS)
    return watch.surroundings()
