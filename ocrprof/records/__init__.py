"""What recorded processes wrote, one file a process, and reading it."""

from ocrprof.records.files import read_process, read_records
from ocrprof.records.model import (
    Deprecation,
    End,
    Lazy,
    Line,
    Load,
    LoadParts,
    Mark,
    Memory,
    Open,
    ProcessRecords,
    Span,
    Wait,
)

__all__ = [
    "Deprecation",
    "End",
    "Lazy",
    "Line",
    "Load",
    "LoadParts",
    "Mark",
    "Memory",
    "Open",
    "ProcessRecords",
    "Span",
    "Wait",
    "read_process",
    "read_records",
]
