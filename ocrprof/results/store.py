"""Writes and reads `report.json`."""

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ocrprof.errors import OcrprofError
from ocrprof.results.model import (
    SCHEMA,
    AblationReport,
    AnyReport,
    BaselineReport,
    CheckReport,
    ComparisonReport,
    DoctorReport,
    HistoryReport,
    StartupReport,
    SweepReport,
)

FILE_NAME = "report.json"

_KINDS: dict[str, type[AnyReport]] = {
    "startup": StartupReport,
    "baseline": BaselineReport,
    "doctor": DoctorReport,
    "ablate": AblationReport,
    "check": CheckReport,
    "compare": ComparisonReport,
    "history": HistoryReport,
    "sweep-workers": SweepReport,
}
_ADAPTER: TypeAdapter[AnyReport] = TypeAdapter(AnyReport)


def write_report(report: AnyReport, directory: Path) -> Path:
    """The path of `report.json` in `directory`, written as a whole or not at all."""
    return write_text(report.model_dump_json(by_alias=True, indent=1) + "\n", directory / FILE_NAME)


def write_text(text: str, path: Path) -> Path:
    """`path`, which holds `text` in UTF-8 as a whole or is left as it was."""
    return write_bytes(text.encode(), path)


def write_bytes(content: bytes, path: Path) -> Path:
    """`path`, which holds `content` as a whole or is left as it was."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".report-", delete=False) as file:
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                # A temporary file is its owner's alone; a report is made to be shown.
                Path(file.name).chmod(0o644)
                Path(file.name).replace(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(file.name).unlink()
                raise
    except OSError as error:
        raise OcrprofError(
            f"cannot write {path}: {error.strerror or error}", hint="give another folder: -o DIR"
        ) from error
    return path


def read_report(path: Path) -> AnyReport:
    """The report in a file, or in the `report.json` of a folder. Raises OcrprofError for what is not one."""
    file = path / FILE_NAME if path.is_dir() else path
    try:
        fields = json.loads(file.read_bytes())
    except OSError as error:
        raise OcrprofError(
            f"cannot read {file}: {error.strerror or error}",
            hint="give a folder that ocrprof wrote, or its report.json",
        ) from error
    except ValueError as error:
        raise OcrprofError(f"{file} is not JSON: {error}", hint="was it cut off, or is it another file?") from error
    _check_schema(fields, file)
    try:
        return _KINDS[fields["kind"]].model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise OcrprofError(
            f"{file} does not hold what a {fields['kind']} report holds: {where}: {first['msg']}"
            f" ({error.error_count()} such places)",
            hint="it was edited, or written by a newer ocrprof",
        ) from error


def json_schema() -> dict[str, Any]:  # Any: a JSON Schema
    """The JSON Schema of `report.json`, of every kind."""
    schema = _ADAPTER.json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"ocrprof report, {SCHEMA}", **schema}


def _check_schema(fields: object, file: Path) -> None:
    schema = fields.get("schema") if isinstance(fields, dict) else None
    if not isinstance(fields, dict) or not isinstance(schema, str) or not schema.startswith("ocrprof/"):
        raise OcrprofError(f"{file} is not a report of ocrprof", hint=f"a report names its schema, {SCHEMA}")
    if schema != SCHEMA:
        raise OcrprofError(
            f"{file} is of schema {schema}, this ocrprof reads {SCHEMA}", hint="read it with the version that wrote it"
        )
    if fields.get("kind") not in _KINDS:
        raise OcrprofError(
            f"{file} is a report of kind {fields.get('kind')!r}, which this ocrprof does not know",
            hint=f"known kinds: {', '.join(_KINDS)}",
        )
