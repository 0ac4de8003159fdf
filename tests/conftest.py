"""What all tests share: paths, a cache folder of their own, interrupts that work."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TARGETS = ROOT / "tests" / "targets"


@pytest.fixture(scope="session", autouse=True)
def interrupts_reach_children() -> None:
    """Programs started here can be interrupted, also where the tests run in the background of a shell, which cannot."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps what tests have read, generated and parsed out of the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OCRPROF_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def shared_data() -> Path:
    """Real receipts and photos, which lie beside the checkout; tests that need them are skipped without."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real data are not beside this checkout ({folder.name})")
    return folder
