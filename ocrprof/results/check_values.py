"""The sampled metrics of one launch, and what is known of each: its unit, which way is better, whether it decides."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from statistics import median

from ocrprof.errors import OcrprofError
from ocrprof.records import ProcessRecords
from ocrprof.results.check_baseline import REFERENCE
from ocrprof.results.epochs import build_epochs
from ocrprof.results.loops import build_loops
from ocrprof.results.model import Launch, MetricInfo, Run
from ocrprof.results.phases import main_process

GATED = (
    "time_to_*",
    "imports",
    "teardown",
    "peak_rss",
    "peak_pss",
    "train.batch",
    "train.fetch",
    "train.later_epoch",
    "validation.batch",
    "validation.later_epoch",
)
"""What decides, where it was measured: totals. Their parts (`startup.*`) explain: time that only moves from one of them
to another is no regression. Adding to these changes how often a check errs."""

_PHASE_FLOOR_SECONDS = 0.05
_TOTAL_FLOOR_SECONDS = 0.005
_BATCH_FLOOR_SECONDS = 0.0005
_MEMORY_FLOOR_BYTES = 16 * 2**20
_MEMORY_EFFECT = 0.03


def launch_values(run: Run, records: Sequence[ProcessRecords], *, total: str) -> dict[str, float]:
    """The metrics of one launch by name; seconds, bytes, samples per second. `total`: what its whole time is called."""
    values = {total: run.wall_seconds, "imports": run.imports_anywhere_seconds}
    for phase in run.phases:
        values["teardown" if phase.name == "exit" else f"startup.{phase.name}"] = phase.seconds
    if run.cpu_seconds is not None:
        values["cpu"] = run.cpu_seconds
    main = main_process(records)
    if main is not None and main.memory is not None:
        values["peak_rss"] = float(main.memory.peak_rss_bytes)
    return values


def loop_values(records: Sequence[ProcessRecords]) -> tuple[dict[str, float], dict[str, list[float]]]:
    """The metrics of the training and validation loops, medians over the steady batches; and these batches' seconds."""
    values: dict[str, float] = {}
    within: dict[str, list[float]] = {}
    for loop in build_loops(records):
        steady = loop.batch_seconds[loop.num_warmup :]
        within[f"{loop.name}.batch"] = steady
        values[f"{loop.name}.batch"] = median(steady)
        if "fetch" in loop.parts:
            values[f"{loop.name}.fetch"] = median(loop.parts["fetch"][loop.num_warmup :])
        if loop.samples_per_sec is not None:
            values[f"{loop.name}.samples_per_sec"] = loop.samples_per_sec
    by_loop: dict[str, list[float]] = {}
    for epoch in build_epochs(records):
        by_loop.setdefault(epoch.loop, []).append(epoch.seconds)
    for name, seconds in by_loop.items():
        if len(seconds) > 1:
            values[f"{name}.later_epoch"] = median(seconds[1:])
    return values, within


def describe_metrics(
    launches: Iterable[Launch],
    *,
    gate: Sequence[str],
    min_effect: float,
    min_effects: Mapping[str, float],
    exact: Collection[str] = (),
) -> list[MetricInfo]:
    """One entry for every metric of any launch. `gate`: patterns of those that decide (empty: `GATED`).

    `exact`: names of the exact metrics, which patterns and effects may mean too. Raises OcrprofError for those that
    name no metric at all.
    """
    names = list(dict.fromkeys(name for launch in launches for name in launch.values if name != REFERENCE))
    require_names((*gate, *min_effects), known=(*names, *exact))
    chosen = gate or GATED
    return [
        _info(
            name,
            gated=any(fnmatchcase(name, pattern) for pattern in chosen),
            min_effect=next((share for pattern, share in min_effects.items() if fnmatchcase(name, pattern)), None),
            general=min_effect,
        )
        for name in names
    ]


def require_names(patterns: Iterable[str], *, known: Collection[str]) -> None:
    """Raises OcrprofError for a pattern that fits none of `known`: it would guard nothing, and look as if it did."""
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise OcrprofError(f"no metric is called {pattern!r}", hint=f"measured: {', '.join(known) or 'none'}")


def _info(name: str, *, gated: bool, min_effect: float | None, general: float) -> MetricInfo:
    if name in ("peak_rss", "peak_pss"):
        effect = min(general, _MEMORY_EFFECT) if min_effect is None else min_effect
        return MetricInfo(
            name=name,
            unit="bytes",
            direction="lower",
            kind="bounded",
            gated=gated,
            min_effect=effect,
            floor=_MEMORY_FLOOR_BYTES,
        )
    effect = general if min_effect is None else min_effect
    if name.endswith("samples_per_sec"):
        return MetricInfo(
            name=name, unit="samples_per_sec", direction="higher", kind="sampled", gated=gated, min_effect=effect
        )
    return MetricInfo(
        name=name,
        unit="seconds",
        direction="lower",
        kind="sampled",
        gated=gated,
        min_effect=effect,
        floor=_floor_seconds(name),
    )


def _floor_seconds(name: str) -> float:
    """Below it no change is told: of 3 ms, a third more is noise."""
    if name.startswith("startup."):
        return _PHASE_FLOOR_SECONDS
    if name.endswith((".batch", ".fetch")):
        return _BATCH_FLOOR_SECONDS
    return _TOTAL_FLOOR_SECONDS
