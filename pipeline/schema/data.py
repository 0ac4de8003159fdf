"""Parts of `pipeline/data`: readers, splits, transforms, caches, data sets and the data module."""

from typing import Annotated, Literal, Required

from pydantic import Field
from typing_extensions import TypedDict

from pipeline.schema.detection import DBTargets
from pipeline.schema.parts import Part, parts, target_of
from pipeline.schema.values import Count, CountOrZero, CountRange, FloatRange, Positive, PositiveOrZero, Share, Storage


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
FILE_READERS = {target_of(part) for part in (AuditedJson, Sroie, Mmocr)}


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


Transform = parts(Letterbox, TrainTransform)


class OpenCache(Part, total=False):
    """pipeline/data/cache.py"""

    _target_: Required[Literal["pipeline.data.cache.open_cache"]]
    kind: Required[str]
    storage: Storage
    memory_gib: Positive
    disk_gib: Positive
    root: str | None
    log_every: Count | None


MaybeCache = parts(OpenCache) | None


class OCRDataset(Part, total=False):
    """pipeline/data/dataset.py"""

    _target_: Required[Literal["pipeline.data.dataset.OCRDataset"]]
    records: Required[parts(ReceiptsRecords, AuditedJson, Sroie, Mmocr, SplitRecords)]
    transform: Required[Transform]
    strict: bool
    exif: Literal["ignore", "apply"]
    annotation_frame: Literal["stored", "upright"]
    decoder: Literal["auto", "simplejpeg", "opencv", "pillow"]
    min_visible: Share
    scaled_decode: bool
    prenormalise: bool
    channels_last: bool
    image_cache: MaybeCache
    sample_cache: MaybeCache


MaybeSplit = parts(OCRDataset) | None


class DBCollate(Part, total=False):
    """pipeline/data/collate.py"""

    _target_: Required[Literal["pipeline.data.collate.DBCollate"]]
    targets: Required[parts(DBTargets)]
    map_cache: MaybeCache
    channels_last: bool


class OCRDataModule(Part, total=False):
    """pipeline/data/datamodule.py; `root`, `size` and `strict` are there for the other keys to refer to."""

    _target_: Required[Literal["pipeline.data.datamodule.OCRDataModule"]]
    root: str | None
    size: Annotated[int, Field(ge=32, multiple_of=32)]
    strict: bool
    lazy: bool
    share_collate: bool
    train: MaybeSplit
    val: MaybeSplit
    test: MaybeSplit
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

    train: Transform
    val: Transform
