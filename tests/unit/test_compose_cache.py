"""A configuration kept from an earlier run: the same as Hydra composes, and never an old one."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from pipeline import compose_cache
from pipeline.composing import composed_once

Run = Callable[..., tuple[str, bool]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs Hydra's main over overrides: all that the job got, and whether Hydra composed it."""
    configs = tmp_path / "configs"
    (configs / "db").mkdir(parents=True)
    (configs / "db" / "small.yaml").write_text("rows: 1\n")
    (configs / "db" / "big.yaml").write_text("rows: 2\npath: ${oc.env:HOME}/${db.rows}\n")
    main = (
        "defaults:\n  - db: ${oc.env:DB_SIZE,small}\n  - _self_\ncompose_cache: disk\nsize: 1\nlist: [1, null, .inf]\n"
    )
    (configs / "main.yaml").write_text(main + "open: ???\n")
    monkeypatch.setenv("OCRPROF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    monkeypatch.chdir(tmp_path)
    compose = ConfigLoaderImpl.load_configuration

    def outcome(*overrides: str) -> tuple[str, bool]:
        jobs: list[str] = []
        composed: list[int] = []

        def counting(*given: Any, **named: Any) -> Any:
            composed.append(1)
            return compose(*given, **named)

        def task(cfg: Any) -> None:
            flags = [OmegaConf.is_struct(cfg), OmegaConf.get_type(HydraConfig.get().launcher).__name__]
            whole = [OmegaConf.to_yaml(each, sort_keys=True) for each in (cfg, HydraConfig.get())]
            jobs.append("\n".join([*whole, *map(str, flags), *map(str, cfg)]))

        quiet = ["hydra/job_logging=none", "hydra/hydra_logging=none", "hydra.run.dir=out"]
        monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", counting)
        monkeypatch.setattr(sys, "argv", ["program", *overrides, *quiet])
        with composed_once():
            hydra.main(version_base="1.3", config_path=str(configs), config_name="main")(task)()
        return jobs[0], bool(composed)

    return outcome


@pytest.mark.parametrize("overrides", [[], ["size=3"], ["db=big", "+more={a: [1, x]}"], ["hydra.mode=RUN"]], ids=str)
def test_the_second_run_gets_what_the_first_composed_without_composing(run: Run, overrides: list[str]) -> None:
    composed, was_composed = run(*overrides)
    assert was_composed
    assert run(*overrides) == (composed, False)


def test_another_command_line_is_composed(run: Run) -> None:
    run("size=3")
    kept, was_composed = run("size=4")
    assert was_composed
    assert "size: 4" in kept


@pytest.mark.parametrize("name", ["main.yaml", "db/small.yaml", "db/new.yaml"])
def test_a_changed_file_is_composed_again(run: Run, tmp_path: Path, name: str) -> None:
    run()
    path = tmp_path / "configs" / name
    path.write_text((path.read_text() if path.exists() else "") + "\nadded: 1\n")
    assert run()[1]


def test_a_variable_that_a_file_refers_to_is_part_of_the_key(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run()
    monkeypatch.setenv("DB_SIZE", "big")
    kept, was_composed = run()
    assert was_composed
    assert "rows: 2" in kept


def test_another_working_directory_is_told_as_it_is(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    kept, was_composed = run()
    assert not was_composed
    assert f"cwd: {tmp_path / 'elsewhere'}\n" in kept


def test_switched_off_nothing_is_kept(run: Run, tmp_path: Path) -> None:
    run("compose_cache=none")
    assert run("compose_cache=none")[1]
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("damage", [b"", b"{}", b"0\n{}"])
def test_a_damaged_file_is_named_and_composed_anew(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    composed, _ = run()
    (entry,) = (tmp_path / "cache" / "configurations").iterdir()
    entry.write_bytes(damage)
    assert run() == (composed, True)
    assert f"{entry} is composed anew" in caplog.text
    assert run() == (composed, False)


def test_copied_environment_variables_and_search_paths_are_not_kept(run: Run, tmp_path: Path) -> None:
    for override in ("hydra.job.env_copy=[HOME]", "hydra.searchpath=[]"):
        run(override)
        assert run(override)[1]


def test_a_folder_that_cannot_be_written_only_costs_the_time(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_text("a file")
    assert run()[1]
    assert run()[1]
    assert "the configuration is not kept" in caplog.text


def test_only_so_many_entries_stay(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compose_cache, "MAX_ENTRIES", 2)
    for size in range(4):
        run(f"size={size}")
    assert len(list((tmp_path / "cache" / "configurations").iterdir())) == 2
    assert not run("size=3")[1]
