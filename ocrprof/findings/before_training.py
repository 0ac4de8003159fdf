"""`eager-logger`, `compile-at-init` and `eager-dataset`: work before the training that it does not need there.

**Logger.** A Lightning logger that takes long to make (it can wait with its service until it has something to log), and
a `wandb.init` after which data sets or models were still to be built: an error in them waits for it, and leaves a run
behind. **`torch.compile`** inside a LightningModule's `__init__`; around a finished model, before a plain loop, it
stands where it should. **Data sets** that no DataLoader had been given up to the milestone: judged only where every
loader's data set is known, so that a copy or a stand-in cannot make a used one look unused.
"""

from collections.abc import Sequence

from ocrprof.findings.judging import bare, finding, place, reached, start_seconds, working
from ocrprof.results.constructions import COMPILE
from ocrprof.results.model import Construction, Finding, Location, StartupReport
from ocrprof.units import format_seconds

_MIN_SECONDS = 0.2
_MIN_DATASET_SECONDS = 0.1
_MIN_COMPILE_SECONDS = 0.1
_MIN_SHARE = 0.005
_NOT_THE_PROGRAMS = ("lightning", "pytorch_lightning", "torchmetrics")
_BUILT_AFTER_LOGGERS = ("dataset.init", "datamodule.init", "model.init")


def eager_loggers(report: StartupReport) -> list[Finding]:
    """One finding for each slow logger, and each `wandb.init` before the data or the model were built."""
    of_seconds = start_seconds(report)
    loggers = [row for row in report.constructions if row.kind == "logger.init"]
    found = [row for row in loggers if row.seconds >= max(_MIN_SECONDS, _MIN_SHARE * of_seconds)]
    for row in report.constructions:
        if row.kind != "wandb.init" or any(_is_inside(row, logger) for logger in loggers):
            continue
        if row.seconds >= max(_MIN_SECONDS, _MIN_SHARE * of_seconds) and _built_after(row, report):
            found.append(row)
    return [_logger(row, report, of_seconds) for row in found]


def compiles_at_init(report: StartupReport) -> list[Finding]:
    """One finding for each call of `torch.compile` in a LightningModule's `__init__` that takes long."""
    of_seconds = start_seconds(report)
    modules = [row for row in report.constructions if row.kind == "model.init" and row.parts]
    return [
        _compile(row, module, report, of_seconds)
        for row in report.constructions
        for module in modules
        if row.kind == "compile" and row.name == COMPILE and _is_inside(row, module)
        if row.seconds >= max(_MIN_COMPILE_SECONDS, _MIN_SHARE * of_seconds)
    ]


def eager_datasets(report: StartupReport) -> list[Finding]:
    """One finding for each place that builds data sets for which no loader was made up to the milestone."""
    loaders = [row.attributes.get("datasets") for row in report.constructions if row.kind == "dataloader.init"]
    if not reached(report) or not loaders or not all(loaders):
        return []
    used = {number for numbers in loaders for number in numbers or ()}
    datasets = [row for row in report.constructions if row.kind == "dataset.init" and "number" in row.attributes]
    unused: dict[tuple[str, str], list[Construction]] = {}
    for row in datasets:
        if row.attributes["number"] not in used:
            unused.setdefault((row.name, str(_where(row))), []).append(row)
    of_seconds = start_seconds(report)
    return [
        _dataset(rows, report, of_seconds)
        for rows in unused.values()
        if sum(row.seconds for row in rows) >= max(_MIN_DATASET_SECONDS, _MIN_SHARE * of_seconds)
    ]


def _logger(row: Construction, report: StartupReport, of_seconds: float) -> Finding:
    after = sorted({bare(one.name) for one in _built_after(row, report)})
    what = "wandb.init" if row.kind == "wandb.init" else f"{bare(row.name)}.__init__"
    waiting = f" {', '.join(after[:4])} are built after it, and an error in them waits for it." if after else ""
    return finding(
        "eager-logger",
        f"{what} takes {format_seconds(row.seconds)} before there is anything to log",
        seconds=row.seconds,
        of_seconds=of_seconds,
        location=_where(row),
        evidence=_evidence(row, report) | {"built_after_it": after},
        intervals=working([row]),
        advice=f"Let the logger reach its service when the first value is logged, or make it last.{waiting}",
    )


def _compile(row: Construction, module: Construction, report: StartupReport, of_seconds: float) -> Finding:
    return finding(
        "compile-at-init",
        f"torch.compile in {bare(module.name)}.__init__ takes {format_seconds(row.seconds)} before training starts",
        seconds=row.seconds,
        of_seconds=of_seconds,
        location=row.location,
        evidence={
            "of": row.attributes.get("of"),
            "claims": "the time to an error in what follows, and of runs that do not train; a compiled training pays it"
            " later",
        },
        effect="moves",
        intervals=working([row]),
        advice="Call it in `configure_model()` or `on_fit_start()`: whoever only evaluates, or fails before training,"
        " then does not wait for it. Switch it off where the steps of a short run do not win it back.",
    )


def _dataset(rows: Sequence[Construction], report: StartupReport, of_seconds: float) -> Finding:
    seconds = sum(row.seconds for row in rows)
    milestone = "end" if report.until == "exit" else report.until.replace("-", " ")
    nodes = [str(row.attributes["config_path"]) for row in rows if row.attributes.get("config_path")]
    which = f" ({', '.join(nodes)})" if nodes else ""
    times = f" {len(rows)} times" if len(rows) > 1 else ""
    where = _where(rows[0])
    at = f" at {place(where, cwd=report.target.cwd)}" if where else ""
    return finding(
        "eager-dataset",
        f"{bare(rows[0].name)}{which} is built{times} in {format_seconds(seconds)}, and no DataLoader is made of it"
        f" before the {milestone}",
        seconds=seconds,
        of_seconds=of_seconds,
        location=where,
        evidence=_evidence(rows[0], report) | {"lengths": [row.attributes.get("length") for row in rows]},
        intervals=working(rows),
        advice=f"Build it{at} when a loader asks for it: in the data module's `setup(stage)` for that stage, or in the"
        " `*_dataloader()` that uses it.",
    )


def _built_after(row: Construction, report: StartupReport) -> list[Construction]:
    end_seconds = row.start_seconds + row.seconds
    return [
        one
        for one in report.constructions
        if one.kind in _BUILT_AFTER_LOGGERS and one.start_seconds >= end_seconds
        if one.name.partition(".")[0] not in _NOT_THE_PROGRAMS
    ]


def _is_inside(row: Construction, other: Construction) -> bool:
    return other.start_seconds <= row.start_seconds < other.start_seconds + other.seconds


def _where(row: Construction) -> Location | None:
    """The line that asked Hydra for it; else where its `__init__` is, or the line of the call."""
    by = row.attributes.get("by")
    return Location(file=by[0], line=by[1]) if by else row.location


def _evidence(row: Construction, report: StartupReport) -> dict[str, object]:
    defined = [place(row.location, cwd=report.target.cwd)] if row.location else []
    return {"class": row.name, "defined_at": defined, "phase": row.phase}
