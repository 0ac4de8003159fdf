"""Writes the run that a report tells of as a trace, from the record files that lie beside the report."""

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ocrprof.errors import OcrprofError
from ocrprof.records import ProcessRecords, read_records
from ocrprof.results.model import Report, Run, StartupReport
from ocrprof.results.phases import attribute
from ocrprof.results.startup import representative
from ocrprof.results.store import write_bytes
from ocrprof.trace.chrome import chrome_trace
from ocrprof.trace.lanes import Lanes, build_lanes
from ocrprof.trace.speedscope import speedscope_profile

Format = Literal["chrome", "speedscope"]


@dataclass(frozen=True)
class ExportedTrace:
    """A trace file, and how many of its slices crossed others and were cut, or were no slices and were left out."""

    path: Path
    num_slices: int
    num_cut: int
    num_dropped: int

    def __str__(self) -> str:
        mended = f", {self.num_cut} cut so that they nest" if self.num_cut else ""
        dropped = f", {self.num_dropped} left out" if self.num_dropped else ""
        return f"{self.path} ({self.num_slices} slices{mended}{dropped})"


def export_traces(report: Report, folder: Path, *, output: Path, formats: Sequence[Format]) -> list[ExportedTrace]:
    """The trace files written into `output`; `folder` holds the report and the records of its runs.

    A start's is the run that its tables tell of; a baseline's is the training run, or the start's where there is none.
    """
    if not formats:
        return []
    run, records_folder = _run_of(report, folder)
    lanes = _lanes(run, read_records(records_folder), records_folder)
    name = " ".join(report.target.argv)
    written = []
    for form in formats:
        file_name, encode = _WRITERS[form]
        path = write_bytes(encode(lanes, name, f"ocrprof {report.tool.version}"), output / file_name)
        written.append(ExportedTrace(path, lanes.num_slices, lanes.num_cut, lanes.num_dropped))
    return written


def _run_of(report: Report, folder: Path) -> tuple[Run, Path]:
    if not isinstance(report, StartupReport):
        if report.run is not None:
            return report.run, folder / "training" / "records"
        if report.startup is None:
            raise OcrprofError("the report holds no run, so there is nothing to export")
        report, folder = report.startup, folder / "startup"
    chosen = representative(report.runs)
    if chosen is None:
        raise OcrprofError(
            "no run of the report was recorded, so there is nothing to export",
            hint="the report says why the recorder did not start",
        )
    return report.runs[chosen], folder / "runs" / str(chosen + 1) / "records"


def _lanes(run: Run, records: list[ProcessRecords], folder: Path) -> Lanes:
    if not records:
        raise OcrprofError(
            f"{folder} holds no records, which the export is made from",
            hint="records stay where the run was measured: give that folder",
        )
    if [one.pid for one in records] != [one.pid for one in run.processes]:
        raise OcrprofError(
            f"the records in {folder} are not those of the report", hint="was the report moved without its runs?"
        )
    spawn_ns = records[0].start_ns - round(run.processes[0].start_seconds * 1e9)
    end_ns = spawn_ns + round(run.wall_seconds * 1e9)
    timeline = attribute(records, spawn_ns=spawn_ns, end_ns=end_ns, until=run.until, status=run.status)
    return build_lanes(records, timeline, until=run.until, status=run.status)


def _chrome(lanes: Lanes, name: str, exporter: str) -> bytes:
    # Without a time stamp in its head, the same records give the same file.
    return gzip.compress(_json(chrome_trace(lanes, name=name)), mtime=0)


def _speedscope(lanes: Lanes, name: str, exporter: str) -> bytes:
    return _json(speedscope_profile(lanes, name=name, exporter=exporter))


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


_WRITERS: dict[Format, tuple[str, Callable[[Lanes, str, str], bytes]]] = {
    "chrome": ("trace.json.gz", _chrome),
    "speedscope": ("trace.speedscope.json", _speedscope),
}
FORMATS: tuple[Format, ...] = tuple(_WRITERS)
