"""Paths that tests share."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TARGETS = ROOT / "tests" / "targets"


@pytest.fixture
def shared_data() -> Path:
    """Real receipts and photos, which lie beside the checkout; tests that need them are skipped without."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real data are not beside this checkout ({folder.name})")
    return folder
