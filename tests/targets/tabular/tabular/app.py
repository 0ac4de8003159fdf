"""Entry point: `python -m tabular.app`, `python tabular/app.py`, or the console script `tabular-train`."""

from pathlib import Path

import hydra
import lightning.pytorch as pl
from omegaconf import DictConfig

CONF = str(Path(__file__).resolve().parent.parent / "conf")


@hydra.main(version_base="1.3", config_path=CONF, config_name="config")
def main(cfg: DictConfig) -> None:
    """Builds what the configuration names, the vocabulary three times over, and trains."""
    pl.seed_everything(0)
    first = hydra.utils.instantiate(cfg.vocabulary)
    hydra.utils.instantiate(cfg.vocabulary)
    data = hydra.utils.instantiate(cfg.data)
    model = hydra.utils.instantiate(cfg.model, vocabulary_size=len(first))
    trainer = pl.Trainer(**cfg.trainer)
    trainer.fit(model, data)
    print("trained", trainer.global_step)


if __name__ == "__main__":
    main()
