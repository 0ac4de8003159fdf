"""Entry point: `python -m audited.runners.train`."""

import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig, OmegaConf

from audited.costs import costing_again, told

CONF = str(Path(__file__).resolve().parents[2] / "conf")

if "plant=all" in sys.argv or "plant.eager_imports=true" in sys.argv:
    with told("eager_imports"):
        import audited.pipelines.eager  # noqa: F401  # plant.eager_imports


def charset_size(language: str) -> int:
    """A resolver that works each time a value refers to it."""
    with costing_again("interpolation"):
        return len(language) + 95


OmegaConf.register_new_resolver("charset_size", charset_size)


@hydra.main(version_base="1.3", config_path=CONF, config_name="train")
def train(config: DictConfig) -> None:
    """Trains what the configuration describes."""
    from audited.pipelines.orchestrator import Orchestrator

    Orchestrator(config).run()


if __name__ == "__main__":
    train()
