"""What a configuration may hold: the types that `pipeline.config` checks it against before PyTorch is loaded.

A part is a mapping with a `_target_`. The parts of this project, and those of Lightning and PyTorch that `configs/`
names, are spelled out key by key; a `_target_` from anywhere else is accepted as it is. Imports neither torch nor
lightning.
"""

import itertools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Required, Union, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, with_config
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict, is_typeddict

from pipeline.compiled import Kernels

FOREIGN = "a _target_ of another package"

Count = Annotated[int, Field(ge=1)]
CountOrZero = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
PositiveOrZero = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Storage = Literal["none", "memory", "disk"]
Batches = CountOrZero | Share  # a whole number counts batches, a fraction is a share of the epoch


def _rising(bounds: list[Any]) -> list[Any]:
    if any(low > high for low, high in itertools.pairwise(bounds)):
        raise PydanticCustomError("rising", "values that do not fall")
    return bounds


FloatRange = Annotated[list[Positive], Field(min_length=2, max_length=2), AfterValidator(_rising)]
CountRange = Annotated[list[Count], Field(min_length=2, max_length=2), AfterValidator(_rising)]


class Part(TypedDict, total=False):
    """Hydra's own keys, which every part may have."""

    _partial_: bool
    _recursive_: bool
    _convert_: Literal["none", "partial", "object", "all"]


@with_config(ConfigDict(extra="allow", strict=True))
class Foreign(Part, total=False):
    """A part that is not spelled out here."""

    _target_: Required[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$")]]


def target_of(part: type) -> str:
    """The `_target_` that a part spelled out here is known by."""
    (literal,) = get_args(part.__annotations__["_target_"])
    (target,) = get_args(literal)
    return str(target)


def parts(*known: type) -> Any:
    """The type of a part that is one of `known`, told apart by `_target_`, or one from elsewhere."""
    by_target = {target_of(part): part for part in known}

    def tag(value: Any) -> str:
        target = value.get("_target_") if isinstance(value, Mapping) else None
        return target if isinstance(target, str) and target in by_target else FOREIGN

    def exists(part: Foreign) -> Foreign:
        if not _defined(part["_target_"]):
            known = ", ".join(f"'{target}'" for target in by_target)
            raise PydanticCustomError("unknown_target", "should be one of {expected}", {"expected": known})
        return part

    options = [Annotated[part, Tag(target)] for target, part in by_target.items()]
    options.append(Annotated[Foreign, AfterValidator(exists), Tag(FOREIGN)])
    return Annotated[Union[tuple(options)], Discriminator(tag)]  # noqa: UP007 - the members are known at run time only


def _defined(target: str) -> bool:
    """False if `target` lies in this package and its source does not define it. Other packages are not looked into."""
    package, *names = target.split(".")
    if package != __package__:
        return True
    folder = Path(__file__).parent
    for depth in range(len(names) - 1, 0, -1):
        source = folder.joinpath(*names[:depth]).with_suffix(".py")
        if source.is_file():
            return (
                re.search(rf"^(class|def) {names[depth]}\b|^{names[depth]}\b.*=", source.read_text(), re.M) is not None
            )
    return False


class TimmEncoder(Part, total=False):
    """pipeline/detection/encoder.py"""

    _target_: Required[Literal["pipeline.detection.encoder.TimmEncoder"]]
    model_name: str
    pretrained: bool
    weights_path: str | None


class FPN(Part, total=False):
    """pipeline/detection/decoder.py"""

    _target_: Required[Literal["pipeline.detection.decoder.FPN"]]
    inner_channels: Annotated[int, Field(ge=4, multiple_of=4)]


class UNet(Part, total=False):
    """pipeline/detection/decoder.py"""

    _target_: Required[Literal["pipeline.detection.decoder.UNet"]]
    inner_channels: Annotated[int, Field(ge=4, multiple_of=4)]


class DBHead(Part, total=False):
    """pipeline/detection/head.py"""

    _target_: Required[Literal["pipeline.detection.head.DBHead"]]
    k: Positive
    hidden_channels: Count | None


class DBNet(Part, total=False):
    """pipeline/detection/dbnet.py"""

    _target_: Required[Literal["pipeline.detection.dbnet.DBNet"]]
    encoder: Required[parts(TimmEncoder)]
    decoder: Required[parts(FPN, UNet)]
    head: Required[parts(DBHead)]


class DBLoss(Part, total=False):
    """pipeline/detection/loss.py"""

    _target_: Required[Literal["pipeline.detection.loss.DBLoss"]]
    prob_weight: PositiveOrZero
    thresh_weight: PositiveOrZero
    binary_weight: PositiveOrZero
    negative_ratio: PositiveOrZero
    eps: Positive


class DBPostprocess(Part, total=False):
    """pipeline/detection/postprocess.py"""

    _target_: Required[Literal["pipeline.detection.postprocess.DBPostprocess"]]
    mode: Literal["box", "polygon"]
    unclip: Literal["exact", "analytic"]
    thresh: Share
    box_thresh: Share
    unclip_ratio: Positive
    max_candidates: Count
    min_size: PositiveOrZero
    num_threads: Count
    kernels: Kernels


class CLEval(Part, total=False):
    """pipeline/detection/cleval.py"""

    _target_: Required[Literal["pipeline.detection.cleval.CLEval"]]
    average: Literal["micro", "image"]
    end_to_end: bool
    case_sensitive: bool
    recall_gran_penalty: PositiveOrZero
    precision_gran_penalty: PositiveOrZero
    vertical_aspect_ratio_thresh: Positive
    ap_constraint: Share
    scale_wise: bool
    scale_bins: Annotated[list[PositiveOrZero], Field(min_length=2), AfterValidator(_rising)]
    keep_image_counters: bool
    kernels: Kernels


class DetectionModule(Part, total=False):
    """pipeline/detection/module.py"""

    _target_: Required[Literal["pipeline.detection.module.DetectionModule"]]
    channels_last: bool
    lazy_evaluation: bool
    compile: bool


class ReceiptSpec(Part, total=False):
    """pipeline/data/receipts.py"""

    _target_: Required[Literal["pipeline.data.receipts.ReceiptSpec"]]
    long_side: CountRange
    aspect: FloatRange
    num_lines: CountRange
    min_text_px: Positive
    max_skew_degrees: PositiveOrZero
    max_perspective: PositiveOrZero
    desk_fraction: Share
    clutter: Share
    degradation: PositiveOrZero
    jpeg_quality: CountRange


class SmallReceiptSpec(Part, total=False):
    """pipeline/data/receipts.py: a preset of ReceiptSpec, without arguments"""

    _target_: Required[Literal["pipeline.data.receipts.ReceiptSpec.small"]]


class NumImages(TypedDict):
    """Pages of each split."""

    train: CountOrZero
    val: CountOrZero


class ReceiptsRecords(Part, total=False):
    """pipeline/data/readers.py"""

    _target_: Required[Literal["pipeline.data.readers.receipts_records"]]
    split: Required[Literal["train", "val"]]
    num_images: NumImages
    seed: CountOrZero
    spec: parts(ReceiptSpec, SmallReceiptSpec) | None
    root: str | None
    progress: bool


class AuditedJson(Part, total=False):
    """pipeline/data/readers.py"""

    _target_: Required[Literal["pipeline.data.readers.read_audited_json"]]
    path: Required[str]
    image_dir: Required[str]
    strict: bool


class Sroie(Part, total=False):
    """pipeline/data/readers.py"""

    _target_: Required[Literal["pipeline.data.readers.read_sroie"]]
    image_dir: Required[str]
    box_dir: Required[str]
    strict: bool


class Mmocr(Part, total=False):
    """pipeline/data/readers.py"""

    _target_: Required[Literal["pipeline.data.readers.read_mmocr"]]
    path: Required[str]
    image_dir: Required[str]
    strict: bool


Reader = parts(ReceiptsRecords, AuditedJson, Sroie, Mmocr)


class SplitRecords(Part, total=False):
    """pipeline/data/split.py"""

    _target_: Required[Literal["pipeline.data.split.split_records"]]
    records: Required[Reader]
    part: Required[Literal["train", "val"]]
    every: Annotated[int, Field(ge=2)]


class Letterbox(Part, total=False):
    """pipeline/data/transforms.py"""

    _target_: Required[Literal["pipeline.data.transforms.Letterbox"]]
    size: Count


class TrainTransform(Part, total=False):
    """pipeline/data/transforms.py"""

    _target_: Required[Literal["pipeline.data.transforms.TrainTransform"]]
    size: Count
    rotate: PositiveOrZero
    scale: FloatRange
    flip: Share
    brightness: PositiveOrZero
    contrast: PositiveOrZero


class OpenCache(Part, total=False):
    """pipeline/data/cache.py"""

    _target_: Required[Literal["pipeline.data.cache.open_cache"]]
    kind: Required[str]
    storage: Storage
    memory_gib: Positive
    disk_gib: Positive
    root: str | None
    log_every: Count | None


class OCRDataset(Part, total=False):
    """pipeline/data/dataset.py"""

    _target_: Required[Literal["pipeline.data.dataset.OCRDataset"]]
    records: Required[parts(ReceiptsRecords, AuditedJson, Sroie, Mmocr, SplitRecords)]
    transform: Required[parts(Letterbox, TrainTransform)]
    strict: bool
    exif: Literal["ignore", "apply"]
    annotation_frame: Literal["stored", "upright"]
    decoder: Literal["auto", "simplejpeg", "opencv", "pillow"]
    min_visible: Share
    scaled_decode: bool
    prenormalise: bool
    image_cache: parts(OpenCache) | None
    sample_cache: parts(OpenCache) | None


class DBTargets(Part, total=False):
    """pipeline/detection/targets.py"""

    _target_: Required[Literal["pipeline.detection.targets.DBTargets"]]
    shrink_ratio: Annotated[float, Field(gt=0, lt=1)]
    thresh_min: Share
    thresh_max: Share
    min_text_size: PositiveOrZero
    kernels: Kernels


class DBCollate(Part, total=False):
    """pipeline/data/collate.py"""

    _target_: Required[Literal["pipeline.data.collate.DBCollate"]]
    targets: Required[parts(DBTargets)]
    map_cache: parts(OpenCache) | None


class OCRDataModule(Part, total=False):
    """pipeline/data/datamodule.py; `root`, `size` and `strict` are there for the other keys to refer to."""

    _target_: Required[Literal["pipeline.data.datamodule.OCRDataModule"]]
    root: str | None
    size: Annotated[int, Field(ge=32, multiple_of=32)]
    strict: bool
    lazy: bool
    share_collate: bool
    train: parts(OCRDataset) | None
    val: parts(OCRDataset) | None
    test: parts(OCRDataset) | None
    collate: Required[parts(DBCollate)]
    batch_size: Count
    eval_batch_size: Count | None
    num_workers: CountOrZero
    prefetch_factor: Count | None
    persistent_workers: bool
    pin_memory: bool
    drop_last: bool


class Cache(TypedDict):
    """Referred to by the caches of `data`."""

    images: Storage
    samples: Storage
    maps: Storage
    prenormalise: bool
    memory_gib: Positive
    disk_gib: Positive
    root: str | None
    log_every: Count | None


class Transforms(TypedDict):
    """Referred to by the splits of `data`."""

    train: parts(Letterbox, TrainTransform)
    val: parts(Letterbox, TrainTransform)


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


# Every part above, by its `_target_`.
PARTS = {
    target_of(part): part
    for part in list(globals().values())
    if is_typeddict(part) and part is not Foreign and "_target_" in part.__annotations__
}
FILE_READERS = {target_of(part) for part in (AuditedJson, Sroie, Mmocr)}
