"""Whole configurations: what `pipeline.train` and `pipeline.evaluate` take."""

from typing import Literal

from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict

from pipeline.schema.data import Cache, OCRDataModule, Transforms
from pipeline.schema.detection import CLEval, DBLoss, DBNet, DBPostprocess, DetectionModule
from pipeline.schema.parts import parts
from pipeline.schema.training import (
    AdamW,
    CSVLogger,
    DeferredWandbLogger,
    ModelCheckpoint,
    PerformanceProfiler,
    StepLR,
    Trainer,
)
from pipeline.schema.values import CountOrZero


class Paths(TypedDict):
    """Where a run writes."""

    output_dir: str


class Experiment(BaseModel):
    """What training and evaluation share."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    domain: Literal["detection"]
    compose_cache: Literal["none", "disk"]
    seed: CountOrZero
    module: parts(DetectionModule)
    model: parts(DBNet)
    loss: parts(DBLoss)
    postprocess: parts(DBPostprocess)
    metric: parts(CLEval)
    data: parts(OCRDataModule)
    cache: Cache
    transforms: Transforms
    trainer: parts(Trainer)
    callbacks: dict[str, parts(ModelCheckpoint, PerformanceProfiler) | None]
    logger: dict[str, parts(CSVLogger, DeferredWandbLogger) | None]
    paths: Paths


class Train(Experiment):
    """python -m pipeline.train"""

    optimizer: parts(AdamW)
    scheduler: parts(StepLR) | None
    resume: str | None


class Evaluate(Experiment):
    """python -m pipeline.evaluate"""

    checkpoint: str
    split: Literal["val", "test"]
