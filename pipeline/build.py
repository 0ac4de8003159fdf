"""Builds what a run needs from its configuration, each part once and no sooner than it is needed."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hydra.utils import instantiate
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from omegaconf import DictConfig

# Keys of `data` that only its own references use.
NOT_ARGUMENTS = ("root", "size", "strict")


def build_datamodule(cfg: DictConfig) -> LightningDataModule:
    """The data module of `cfg.data`, which builds its splits itself, when a stage needs them."""
    keys = [key for key in cfg.data if not key.startswith("_") and key not in NOT_ARGUMENTS]
    # The nodes are handed over as they are, so that what is built from them keeps its path, as in data.train.
    return _target(cfg.data)(**{key: cfg.data[key] for key in keys})


def build_module(cfg: DictConfig) -> LightningModule:
    """The LightningModule of `cfg.module` with its model; the rest of its parts it builds when they are needed."""
    return _target(cfg.module)(
        cfg.model,
        loss=cfg.loss,
        postprocess=cfg.postprocess,
        metric=cfg.metric,
        optimizer=cfg.get("optimizer"),
        scheduler=cfg.get("scheduler"),
        **{key: value for key, value in cfg.module.items() if not key.startswith("_")},
    )


def _target(node: DictConfig) -> Callable[..., Any]:
    """What `node` names, not called yet."""
    return instantiate({"_target_": node["_target_"], "_partial_": True})


def build_trainer(cfg: DictConfig) -> Trainer:
    """The trainer of `cfg.trainer`, with callbacks and loggers."""
    quiet_expected_warnings()
    callbacks = [instantiate(callback, _convert_="all") for callback in cfg.callbacks.values() if callback is not None]
    loggers = [instantiate(logger, _convert_="all") for logger in cfg.logger.values() if logger is not None]
    return instantiate(cfg.trainer, _convert_="all")(callbacks=callbacks, logger=loggers or False)


def quiet_expected_warnings() -> None:
    """Silences what Lightning says of two things that are meant."""
    # The module moves batches, for it knows which of their tensors stay on the host.
    warnings.filterwarnings("ignore", message="You have overridden `transfer_batch_to_device` in `LightningModule`")
    # Lightning's own use of torch, nothing that a user could mend.
    warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")


@contextmanager
def interrupts_raised(trainer: Trainer) -> Iterator[None]:
    """Raises KeyboardInterrupt where Lightning, having tidied up after one, would exit with 1."""
    try:
        yield
    except SystemExit as stop:
        if trainer.interrupted:
            raise KeyboardInterrupt from stop
        raise
