"""Parts of `pipeline/detection`: the model, its targets, its loss and what becomes of its maps."""

from typing import Annotated, Literal, Required

from pydantic import AfterValidator, Field

from pipeline.compiled import Kernels
from pipeline.schema.parts import Part, parts
from pipeline.schema.values import Count, Positive, PositiveOrZero, Share, rising


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


class DBTargets(Part, total=False):
    """pipeline/detection/targets.py"""

    _target_: Required[Literal["pipeline.detection.targets.DBTargets"]]
    shrink_ratio: Annotated[float, Field(gt=0, lt=1)]
    thresh_min: Share
    thresh_max: Share
    min_text_size: PositiveOrZero
    kernels: Kernels


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
    scale_bins: Annotated[list[PositiveOrZero], Field(min_length=2), AfterValidator(rising)]
    keep_image_counters: bool
    kernels: Kernels


class DetectionModule(Part, total=False):
    """pipeline/detection/module.py"""

    _target_: Required[Literal["pipeline.detection.module.DetectionModule"]]
    channels_last: bool
    lazy_evaluation: bool
    compile: bool
