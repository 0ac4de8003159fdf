"""A package left out while another one is imported."""

import sys

import pytest

from pipeline.optional import left_out

NAME = "this"  # of the standard library; nothing imports it


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
