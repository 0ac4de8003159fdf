"""A configuration composed once: the same as Hydra's own, whatever is asked of it."""

import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from pipeline.composing import composed_once

PLAIN = [
    [],
    ["size=3"],
    ["db=big", "+more=1"],
    ["hydra.mode=RUN"],
    ["hydra.mode=RUN", "size=3"],
    ["list=[1,2]"],
    ["--config-name=runs"],
]
SWEEPS = [["-m"], ["-m", "size=1,2"], ["-m", "size=range(1,3)"], ["--config-name=sweeps"]]
WRONG = [["sise=3"], ["db=large"], ["size=1,2"], ["-m", "sise=1,2"], ["--config-name=open"], ["--config-name=none"]]


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    """A folder with one group, and configurations that leave it open, or that say `hydra.mode` themselves."""
    files = {
        "db/small.yaml": "rows: 1\n",
        "db/big.yaml": "rows: 2\n",
        "main.yaml": "defaults:\n  - db: small\n  - _self_\nsize: 1\nlist: []\n",
        "runs.yaml": "defaults:\n  - main\n  - _self_\nhydra:\n  mode: RUN\n",
        "sweeps.yaml": "defaults: [main, _self_]\nhydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n      size: 1,2\n",
        "open.yaml": "defaults:\n  - db: ???\n  - _self_\nsize: 1\n",
    }
    for name, text in files.items():
        path = tmp_path / "configs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "configs"


@pytest.fixture
def run(configs: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[list[str], int]]:
    """Runs Hydra's main over an argument list: what each job got, or the error, and how often Hydra composed."""
    monkeypatch.chdir(configs.parent)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    compose = ConfigLoaderImpl.load_configuration

    def outcome(arguments: list[str], *, once: bool) -> tuple[list[str], int]:
        jobs: list[str] = []
        num_compositions = 0

        def counting(*given: Any, **named: Any) -> Any:
            nonlocal num_compositions
            num_compositions += 1
            return compose(*given, **named)

        def task(cfg: Any) -> None:
            jobs.append(OmegaConf.to_yaml(cfg) + OmegaConf.to_yaml(HydraConfig.get()))

        quiet = ["hydra/job_logging=none", "hydra/hydra_logging=none", "hydra.run.dir=out", "hydra.sweep.dir=out"]
        monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", counting)
        monkeypatch.setattr(sys, "argv", ["program", *arguments, *quiet])
        with composed_once() if once else nullcontext():
            try:
                hydra.main(version_base="1.3", config_path=str(configs), config_name="main")(task)()
            except Exception as error:  # noqa: BLE001 - whatever Hydra raises is to be the same
                jobs.append(f"{type(error).__name__}: {error}")
        return jobs, num_compositions

    return outcome


@pytest.mark.parametrize("arguments", PLAIN, ids=" ".join)
def test_a_plain_run_gets_the_configuration_that_hydra_would_have_composed(run: Any, arguments: list[str]) -> None:
    jobs, _ = run(arguments, once=True)
    assert len(jobs) == 1
    assert jobs == run(arguments, once=False)[0]


@pytest.mark.parametrize("arguments", SWEEPS, ids=" ".join)
def test_every_job_of_a_sweep_gets_the_configuration_that_hydra_would_have_composed(
    run: Any, arguments: list[str]
) -> None:
    jobs, num_compositions = run(arguments, once=True)
    assert "MULTIRUN" in jobs[0]
    assert (jobs, num_compositions) == run(arguments, once=False)


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_what_is_wrong_is_said_as_hydra_says_it(run: Any, arguments: list[str]) -> None:
    jobs, _ = run(arguments, once=True)
    assert "Exception" in jobs[0]
    assert jobs == run(arguments, once=False)[0]


@pytest.mark.parametrize(
    "arguments", [["size=3", "db=big"], ["list=[1,2]"], ["hydra.mode=RUN"], ["--config-name=runs"], ["sise=3"]]
)
def test_a_plain_run_and_a_wrong_one_are_composed_once(run: Any, arguments: list[str]) -> None:
    assert run(arguments, once=False)[1] == 2
    assert run(arguments, once=True)[1] == 1


def test_what_was_kept_is_not_used_for_other_overrides(configs: Path) -> None:
    with composed_once(), hydra.initialize_config_dir(str(configs), version_base="1.3"):
        mode = {"run_mode": hydra.types.RunMode.MULTIRUN, "validate_sweep_overrides": False}
        loader = hydra.core.global_hydra.GlobalHydra.instance().config_loader()
        loader.load_configuration(config_name="main", overrides=["size=1"], **mode)
        assert hydra.compose("main", overrides=["size=2"]).size == 2


def test_hydra_is_left_as_it_was() -> None:
    before = ConfigLoaderImpl.load_configuration
    with composed_once():
        assert ConfigLoaderImpl.load_configuration is not before
    assert ConfigLoaderImpl.load_configuration is before
