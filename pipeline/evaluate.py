"""Scores a checkpoint: python -m pipeline.evaluate checkpoint=PATH [split=val|test] [group=option] [key=value].

Loads PyTorch and Lightning only when the configuration has been found to be right.
"""

import json
import logging
import sys
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

MODEL_GROUPS = ("model", "encoder", "decoder", "head")


def evaluate(cfg: Any) -> None:
    """Nothing; scores are printed and written to metrics.json. `cfg` is configs/evaluate.yaml as composed."""
    from pipeline.config import check_config, check_file, check_records
    from pipeline.loading import kept_from_collector
    from pipeline.schema import Evaluate

    values = check_config(cfg, Evaluate)
    check_file("checkpoint", cfg.checkpoint)
    check_records(values["data"], split=cfg.split if values["data"].get(cfg.split) else "val")

    with kept_from_collector():
        from lightning.pytorch import seed_everything

        from pipeline.build import build_datamodule, build_module, build_trainer, interrupts_raised

    seed_everything(cfg.seed, workers=True)
    checkpoint = load_checkpoint(cfg.checkpoint)
    choose_model(cfg, checkpoint)
    module = build_module(cfg)
    restore(module, checkpoint)
    datamodule = build_datamodule(cfg)
    trainer = build_trainer(cfg)
    evaluation = trainer.validate if cfg.split == "val" else trainer.test
    with interrupts_raised(trainer):
        evaluation(module, datamodule=datamodule, verbose=False)
    write_scores(cfg, {name: value.item() for name, value in module.scores.items()})


def load_checkpoint(path: str) -> dict[str, Any]:
    """What `pipeline.train` saved, read without running any code that the file may hold; ConfigError if that fails."""
    import pickle

    import torch

    from pipeline.config import ConfigError, Problem

    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError) as error:
        # PyTorch's own message advises to load the file in a way that may run what is in it.
        hint = "a checkpoint is written by torch.save and holds tensors and plain values only"
        raise ConfigError(
            Problem("checkpoint", f"is {path}, which cannot be read as a checkpoint", hint=hint)
        ) from error
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise ConfigError(Problem("checkpoint", f"is {path}, which holds no state_dict"))
    return checkpoint


def choose_model(cfg: Any, checkpoint: dict[str, Any]) -> None:
    """Nothing; `cfg.model` becomes the one that was trained, unless the command line names a model."""
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf, open_dict

    overridden = [override.lstrip("+~") for override in HydraConfig.get().overrides.task]
    trained = checkpoint.get("hyper_parameters", {}).get("model")
    if trained is not None and not any(override.startswith(MODEL_GROUPS) for override in overridden):
        with open_dict(cfg):
            cfg.model = OmegaConf.create(trained)
    # The weights come from the checkpoint.
    for key, value in (("pretrained", False), ("weights_path", None)):
        if OmegaConf.select(cfg.model, f"encoder.{key}") is not None:
            OmegaConf.update(cfg.model, f"encoder.{key}", value)


def restore(module: Any, checkpoint: dict[str, Any]) -> None:
    """Nothing; `module` has the checkpoint's weights. ConfigError if they are those of another model."""
    from pipeline.config import ConfigError, Problem

    try:
        module.load_state_dict(checkpoint["state_dict"])
    except RuntimeError as error:
        hint = f"without {', '.join(MODEL_GROUPS)} on the command line, the model is the one it was trained with"
        raise ConfigError(Problem("checkpoint", "does not fit the model", hint=hint)) from error


def write_scores(cfg: Any, scores: dict[str, int | float]) -> None:
    """Nothing; recall, precision and hmean go to stdout, all of `scores` to metrics.json."""
    from omegaconf import OmegaConf

    path = Path(cfg.paths.output_dir) / "metrics.json"
    record = {
        "checkpoint": str(Path(cfg.checkpoint).resolve()),
        "split": cfg.split,
        "scores": scores,
        "config": OmegaConf.to_container(cfg, resolve=True),
    }
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    for name in ("recall", "precision", "hmean"):
        print(f"{name} {scores[name]:.4f}")
    log.info("scores written to %s", path)


def main() -> int:
    """The exit code; see pipeline.entry."""
    from pipeline.entry import run

    return run(evaluate, config_name="evaluate")


if __name__ == "__main__":
    sys.exit(main())
