"""Comparison with the committed text in tests/golden; OCRPROF_UPDATE_GOLDEN=1 writes it anew."""

import os
from pathlib import Path

_GOLDEN = Path(__file__).parent.parent / "golden"


def assert_golden(name: str, text: str) -> None:
    """Passes where the text is the committed one, byte for byte."""
    path = _GOLDEN / name
    if os.environ.get("OCRPROF_UPDATE_GOLDEN") == "1":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"differs from {path.name}; OCRPROF_UPDATE_GOLDEN=1 accepts it"
