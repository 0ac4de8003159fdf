"""Parts that train: optimizer, scheduler, Trainer, callbacks and loggers."""

from typing import Annotated, Literal, Required

from pydantic import ConfigDict, Field, with_config

from pipeline.schema.parts import Part
from pipeline.schema.values import Batches, Count, CountOrZero, Positive, PositiveOrZero, Share


class AdamW(Part, total=False):
    """torch.optim"""

    _target_: Required[Literal["torch.optim.AdamW"]]
    lr: Positive
    betas: Annotated[list[Share], Field(min_length=2, max_length=2)]
    eps: Positive
    weight_decay: PositiveOrZero
    amsgrad: bool
    maximize: bool
    foreach: bool | None
    capturable: bool
    differentiable: bool
    fused: bool | None


class StepLR(Part, total=False):
    """torch.optim.lr_scheduler"""

    _target_: Required[Literal["torch.optim.lr_scheduler.StepLR"]]
    step_size: Count
    gamma: Positive
    last_epoch: int


class Trainer(Part, total=False):
    """lightning.pytorch"""

    _target_: Required[Literal["lightning.pytorch.Trainer"]]
    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps", "tpu", "hpu"]
    strategy: str
    devices: Literal["auto"] | Count | list[CountOrZero]
    num_nodes: Count
    precision: (
        Literal[
            *("32-true", "16-mixed", "bf16-mixed", "16-true", "bf16-true", "64-true"),
            *("transformer-engine", "transformer-engine-float16", "bf16", 16, 32, 64),
        ]
        | None
    )
    fast_dev_run: bool | CountOrZero
    max_epochs: Annotated[int, Field(ge=-1)] | None
    min_epochs: CountOrZero | None
    max_steps: Annotated[int, Field(ge=-1)]
    min_steps: CountOrZero | None
    max_time: str | dict[str, int] | None
    limit_train_batches: Batches | None
    limit_val_batches: Batches | None
    limit_test_batches: Batches | None
    limit_predict_batches: Batches | None
    overfit_batches: Batches
    val_check_interval: Count | Share | None
    check_val_every_n_epoch: Count | None
    num_sanity_val_steps: Annotated[int, Field(ge=-1)] | None
    log_every_n_steps: CountOrZero | None
    enable_checkpointing: bool | None
    enable_progress_bar: bool | None
    enable_model_summary: bool | None
    accumulate_grad_batches: Count
    gradient_clip_val: PositiveOrZero | None
    gradient_clip_algorithm: Literal["norm", "value"] | None
    deterministic: bool | Literal["warn"] | None
    benchmark: bool | None
    inference_mode: bool
    use_distributed_sampler: bool
    profiler: Literal["simple", "advanced", "pytorch", "xla"] | None
    detect_anomaly: bool
    barebones: bool
    sync_batchnorm: bool
    reload_dataloaders_every_n_epochs: CountOrZero
    default_root_dir: str | None
    enable_autolog_hparams: bool


class ModelCheckpoint(Part, total=False):
    """lightning.pytorch.callbacks"""

    _target_: Required[Literal["lightning.pytorch.callbacks.ModelCheckpoint"]]
    dirpath: str | None
    filename: str | None
    monitor: str | None
    verbose: bool
    save_last: bool | Literal["link"] | None
    save_top_k: Annotated[int, Field(ge=-1)]
    save_on_exception: bool
    save_weights_only: bool
    mode: Literal["min", "max"]
    auto_insert_metric_name: bool
    every_n_train_steps: CountOrZero | None
    every_n_epochs: CountOrZero | None
    save_on_train_epoch_end: bool | None
    enable_version_counter: bool


class PerformanceProfiler(Part, total=False):
    """ocrprof/lightning.py, which may be absent"""

    _target_: Required[Literal["ocrprof.lightning.PerformanceProfilerCallback"]]
    enabled: bool
    verbose: bool
    log_interval: Count
    profile_memory: bool


class CSVLogger(Part, total=False):
    """lightning.pytorch.loggers"""

    _target_: Required[Literal["lightning.pytorch.loggers.CSVLogger"]]
    save_dir: Required[str]
    name: str | None
    version: int | str | None
    prefix: str
    flush_logs_every_n_steps: Count


@with_config(ConfigDict(extra="allow", strict=True))
class DeferredWandbLogger(Part, total=False):
    """pipeline/wandb_logger.py; keys beyond these are arguments of wandb.init"""

    _target_: Required[Literal["pipeline.wandb_logger.DeferredWandbLogger"]]
    deferred: bool
    project: str | None
    name: str | None
    save_dir: str | None
    offline: bool
    log_model: bool | Literal["all"]
