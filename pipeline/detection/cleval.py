"""CLEval as a torchmetrics metric: what `cleval_core` counts image by image, summed over batches and processes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from pipeline.compiled import Kernels, checked_kernels
from pipeline.detection.cleval_batch import ImageBoxes
from pipeline.detection.cleval_core import (
    COUNTER_NAMES,
    CLEvalSettings,
    Counters,
    count_images,
    detection_scores,
    end_to_end_scores,
)
from pipeline.detection.cleval_geometry import Ints

# Bin edges of `cleval` 0.1.1: text height as a share of the image's longer side.
SCALE_BINS = (0.0, 0.005, 0.01, 0.015, 0.02, 0.025, 0.1, 0.5, 1.0)

E2E_PREFIX = "e2e_"


class CLEval(Metric):
    """Recall, precision and hmean by characters (Baek et al. 2020), and the counters that they are made of.

    `average="micro"` divides sums over the data set, as the authors do; `"image"` takes the mean of the images' scores,
    leaving out images without a character to score. The two differ by points: say which one a number is. `scale_wise`
    repeats everything for the ground truth between neighbouring `scale_bins`. `keep_image_counters` keeps one row an
    image for `image_counters`. `kernels` says when compiled code is used (`pipeline.compiled`). The other settings are
    those of `CLEvalSettings`; what is left over goes to `Metric`.

    The scores come from sums, which `compute` adds up over processes; those may see different numbers of images.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    counts: Tensor  # (1 + number of scale bins, number of counters) int64
    num_images: Tensor  # () int64
    score_sums: Tensor  # (1 + number of scale bins, detection and end to end, 3) float64, with average="image"
    num_scored: Tensor  # (1 + number of scale bins, detection and end to end) int64, with average="image"
    image_counts: list[Tensor]  # each (images, number of counters) int64, with keep_image_counters

    def __init__(
        self,
        *,
        average: Literal["micro", "image"] = "micro",
        end_to_end: bool = False,
        case_sensitive: bool = True,
        recall_gran_penalty: float = 1.0,
        precision_gran_penalty: float = 1.0,
        vertical_aspect_ratio_thresh: float = 0.5,
        ap_constraint: float = 0.3,
        scale_wise: bool = False,
        scale_bins: Sequence[float] = SCALE_BINS,
        keep_image_counters: bool = False,
        kernels: Kernels = "auto",
        **kwargs: Any,  # torchmetrics.Metric's own
    ) -> None:
        super().__init__(**kwargs)
        if average not in ("micro", "image"):
            raise ValueError(f'average must be "micro" or "image", got {average!r}')
        if len(scale_bins) < 2 or any(low >= high for low, high in itertools.pairwise(scale_bins)):
            raise ValueError(f"scale_bins must be two or more ascending edges, got {tuple(scale_bins)}")
        self.settings = CLEvalSettings(
            case_sensitive=case_sensitive,
            recall_gran_penalty=recall_gran_penalty,
            precision_gran_penalty=precision_gran_penalty,
            vertical_aspect_ratio_thresh=vertical_aspect_ratio_thresh,
            ap_constraint=ap_constraint,
        )
        self.average = average
        self.kernels = checked_kernels(kernels)
        self.end_to_end = end_to_end
        self.scale_bins = tuple(scale_bins) if scale_wise else None
        self.keep_image_counters = keep_image_counters

        num_rows = len(self.scale_bins) if self.scale_bins else 1  # the whole data set, then each bin
        counts = torch.zeros(num_rows, len(COUNTER_NAMES), dtype=torch.int64)
        self.add_state("counts", counts, dist_reduce_fx="sum")
        self.add_state("num_images", torch.tensor(0), dist_reduce_fx="sum")
        if average == "image":
            self.add_state("score_sums", torch.zeros(num_rows, 2, 3, dtype=torch.float64), dist_reduce_fx="sum")
            self.add_state("num_scored", torch.zeros(num_rows, 2, dtype=torch.int64), dist_reduce_fx="sum")
        if keep_image_counters:
            self.add_state("image_counts", [], dist_reduce_fx="cat")
            self._start_image_counts()

    def reset(self) -> None:
        """Forgets all images."""
        super().reset()
        if self.keep_image_counters:
            self._start_image_counts()

    def _start_image_counts(self) -> None:
        # Without images torchmetrics would gather an empty float vector, which fits no other process's rows.
        self.image_counts.append(self.counts.new_zeros(0, len(COUNTER_NAMES)))

    def update(
        self,
        det_quads: Sequence[Any],
        gt_quads: Sequence[Any],
        *,
        gt_texts: Sequence[Sequence[str] | None] | None = None,
        gt_ignore: Sequence[Any] | None = None,
        det_texts: Sequence[Sequence[str]] | None = None,
        source_sizes: Sequence[tuple[int, int]] | None = None,
    ) -> None:
        """Counts a batch of B images; every argument has one entry an image.

        `det_quads`, `gt_quads`: (N, 4, 2), or N outlines (n >= 3, 2); arrays or tensors, xy in source pixels, clockwise
        from the top left. `gt_ignore`: (N,) bool; left out, the transcript "###" is what is ignored. `gt_texts`: N
        strings; left out, a box's length follows from its aspect ratio. `det_texts`: one string a detection, with
        `end_to_end`. `source_sizes`: (width, height) in pixels, with `scale_wise`.

        Raises ValueError, naming the image, for what does not fit; the metric is then as it was before the call.
        """
        num_images = len(gt_quads)
        self._check_arguments(num_images, det_quads, gt_texts, gt_ignore, det_texts, source_sizes)
        images = [
            ImageBoxes(
                _outlines(det_quads[index]),
                _outlines(gt_quads[index]),
                None if gt_texts is None else gt_texts[index],
                None if gt_ignore is None else _array(gt_ignore[index]),
                None if det_texts is None else det_texts[index],
                None if source_sizes is None else max(source_sizes[index]),
            )
            for index in range(num_images)
        ]
        if images:
            counts = count_images(images, settings=self.settings, scale_bins=self.scale_bins, kernels=self.kernels)
            self._add(counts)

    def _check_arguments(
        self,
        num_images: int,
        det_quads: Sequence[Any],
        gt_texts: Sequence[Any] | None,
        gt_ignore: Sequence[Any] | None,
        det_texts: Sequence[Any] | None,
        source_sizes: Sequence[Any] | None,
    ) -> None:
        given = {
            "det_quads": det_quads,
            "gt_texts": gt_texts,
            "gt_ignore": gt_ignore,
            "det_texts": det_texts,
            "source_sizes": source_sizes,
        }
        for name, values in given.items():
            if values is not None and len(values) != num_images:
                raise ValueError(f"{name} has entries for {len(values)} images, gt_quads for {num_images}")
        if self.end_to_end and (gt_texts is None or det_texts is None):
            raise ValueError("end_to_end=True needs gt_texts and det_texts")
        if not self.end_to_end and det_texts is not None:
            raise ValueError("det_texts are scored only by CLEval(end_to_end=True)")
        if self.scale_bins and source_sizes is None:
            raise ValueError("scale_wise=True needs source_sizes")

    def _add(self, counted: Ints) -> None:
        """Add up counters of images (B, 1 + number of scale bins, number of counters)."""
        counts = torch.from_numpy(counted)
        self.counts = self.counts + counts.sum(dim=0).to(self.counts.device)
        self.num_images = self.num_images + len(counted)
        if self.keep_image_counters:
            self.image_counts.append(counts[:, 0].to(self.counts.device))
        if self.average == "image":
            images = [[Counters(*row) for row in rows] for rows in counted.tolist()]
            scores = torch.tensor([[self._scores(row) for row in rows] for rows in images], dtype=torch.float64)
            is_scored = torch.tensor([[_is_scored(row) for row in rows] for rows in images])
            self.score_sums = self.score_sums + scores.sum(dim=0).to(self.score_sums.device)
            self.num_scored = self.num_scored + is_scored.sum(dim=0).to(self.num_scored.device)

    def _scores(self, counters: Counters) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return (
            detection_scores(counters, settings=self.settings),
            end_to_end_scores(counters, settings=self.settings),
        )

    def compute(self) -> dict[str, Tensor]:
        """Scalars: recall, precision, hmean (float64, 0 to 1; 0 where there is nothing to divide by), the detection
        counters under their names in `Counters`, and num_images (int64).

        With `end_to_end` the same scores and counters come again with the prefix "e2e_", with `scale_wise` all of it
        again for every bin, under names like "scale_0.005_0.01/recall".
        """
        result: dict[str, Tensor] = {"num_images": self.num_images}
        for row, prefix in enumerate(self._row_prefixes()):
            counters = Counters(*self.counts[row].tolist())
            scores = self._scores(counters)
            if self.average == "image":
                scores = (self.score_sums[row] / self.num_scored[row, :, None].clamp(min=1)).tolist()
            named = dict(zip(("recall", "precision", "hmean"), scores[0], strict=True))
            if self.end_to_end:
                named |= dict(zip(("e2e_recall", "e2e_precision", "e2e_hmean"), scores[1], strict=True))
            for name, value in named.items():
                result[prefix + name] = torch.tensor(value, dtype=torch.float64, device=self.counts.device)
            for column, name in enumerate(COUNTER_NAMES):
                if self.end_to_end or not name.startswith(E2E_PREFIX):
                    result[prefix + name] = self.counts[row, column]
        return result

    def _row_prefixes(self) -> list[str]:
        bins = itertools.pairwise(self.scale_bins or ())
        return ["", *(f"scale_{low:g}_{high:g}/" for low, high in bins)]

    def image_counters(self) -> list[Counters]:
        """Counters of every image seen, in the order of the updates, process after process.

        Only with `keep_image_counters`. With several processes it is a collective call: all of them make it.
        """
        if not self.keep_image_counters:
            raise ValueError("image counters are kept only by CLEval(keep_image_counters=True)")
        with self.sync_context(dist_sync_fn=self.dist_sync_fn, should_sync=self.sync_on_compute):
            rows = dim_zero_cat(self.image_counts).tolist()
        return [Counters(*row) for row in rows]


def _is_scored(counters: Counters) -> tuple[bool, bool]:
    """Whether an image has characters to score: to detect, and end to end."""
    return (
        counters.num_char_gt + counters.num_char_det > 0,
        counters.num_char_gt + counters.e2e_num_char_det > 0,
    )


def _outlines(polygons: Any) -> Any:
    """Outlines without tensors: an array as it is, a sequence as a list of arrays."""
    if isinstance(polygons, (Tensor, np.ndarray)):
        return _array(polygons)
    return [_array(polygon) for polygon in polygons]


def _array(values: Any) -> Any:
    # numpy knows no bfloat16, which a module that runs in mixed precision may hand over
    return values.detach().to("cpu", torch.float64).numpy() if isinstance(values, Tensor) else np.asarray(values)
