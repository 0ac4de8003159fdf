"""A package left out while another one is imported; a collector that leaves alone what imports make."""

import gc
import sys
from collections.abc import Iterator

import pytest

from pipeline.loading import kept_from_collector, left_out

NAME = "this"  # of the standard library; nothing imports it


@pytest.fixture
def collector() -> Iterator[None]:
    """Python's collector with nothing frozen yet, and left so."""
    gc.unfreeze()
    yield
    gc.unfreeze()
    gc.enable()


@pytest.mark.usefixtures("collector")
def test_nothing_is_collected_while_packages_are_loaded() -> None:
    passes = []
    gc.callbacks.append(lambda phase, info: passes.append(info["generation"]))
    with kept_from_collector():
        many = [[] for _ in range(gc.get_threshold()[0] * 20)]
        assert not passes
    gc.callbacks.pop()
    assert gc.isenabled()
    assert len(many) <= gc.get_freeze_count()


@pytest.mark.usefixtures("collector")
def test_what_a_second_job_makes_can_be_freed() -> None:
    with kept_from_collector():
        pass
    frozen = gc.get_freeze_count()
    with kept_from_collector():
        many = [[] for _ in range(1000)]
    assert gc.get_freeze_count() <= frozen
    assert many


@pytest.mark.usefixtures("collector")
def test_a_failed_import_leaves_the_collector_on_and_nothing_frozen() -> None:
    with pytest.raises(ImportError), kept_from_collector():
        raise ImportError
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


@pytest.mark.usefixtures("collector")
def test_a_collector_that_is_off_stays_off() -> None:
    gc.disable()
    with kept_from_collector():
        pass
    assert not gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_what_is_left_out_looks_as_if_it_were_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    with left_out(NAME), pytest.raises(ModuleNotFoundError):
        __import__(NAME)


def test_it_can_be_imported_afterwards_even_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    with pytest.raises(KeyError), left_out(NAME):
        raise KeyError
    assert __import__(NAME).__name__ == NAME


def test_what_is_loaded_already_stays() -> None:
    with left_out("json"):
        import json
    assert sys.modules["json"] is json
