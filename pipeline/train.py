"""Trains the configured model: python -m pipeline.train [group=option] [key=value].

Loads PyTorch and Lightning only when the configuration has been found to be right.
"""

import sys
from typing import Any


def train(cfg: Any) -> None:
    """Nothing; checkpoints lie in `cfg.paths.output_dir`. `cfg` is configs/train.yaml as composed."""
    from pipeline.config import check_config, check_file, check_records
    from pipeline.loading import kept_from_collector
    from pipeline.schema import Train

    values = check_config(cfg, Train)
    for split in ("train", "val"):
        check_records(values["data"], split=split)
    check_file("resume", cfg.resume)

    with kept_from_collector():
        from lightning.pytorch import seed_everything

        from pipeline.build import build_datamodule, build_module, build_trainer, interrupts_raised

    seed_everything(cfg.seed, workers=True)
    datamodule = build_datamodule(cfg)
    module = build_module(cfg)
    # The checkpoint then says what it is a checkpoint of.
    module.save_hyperparameters(values)
    trainer = build_trainer(cfg)
    with interrupts_raised(trainer):
        trainer.fit(module, datamodule=datamodule, ckpt_path=cfg.resume)
    _print_summary(trainer)


def _print_summary(trainer: Any) -> None:
    for name, value in sorted(trainer.callback_metrics.items()):
        print(f"{name} {float(value):.4f}")
    checkpoint = trainer.checkpoint_callback
    if checkpoint is not None:
        print(f"checkpoint {checkpoint.best_model_path or checkpoint.last_model_path}")


def main() -> int:
    """The exit code; see pipeline.entry."""
    from pipeline.entry import run

    return run(train, config_name="train")


if __name__ == "__main__":
    sys.exit(main())
