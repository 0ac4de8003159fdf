"""The stages of detection beside other projects' own code: ratios of processor time, and whether the results agree.

    OMP_NUM_THREADS=1 python tests/benchmarks/detection_stages.py targets boxes cleval decode ohem \\
        --peers ~/peers --data ../shared/data --rounds 9

On a quiet machine 9 rounds take about 12 minutes: cleval 8, targets 2, the others less than one each. Where no compiled
code is kept yet the first calls, which are printed apart, add their compilation: 5 to 20 s of processor time a stage.

One thread each. Ours and the peer's take turns, image set by image set; a ratio is the median over the rounds, with its
quartiles. Kernels are loaded before; what that costs is printed apart. Reading of annotations is not timed on either
side. What goes where in the folder of peers is said in `peers.py`.

What bounds the ratios, and what was tried without gain:

* decode at full size: of our time on receipts of at most 2000 pixels a side 93 % is libjpeg-turbo's own
  (`codec_ms`), and decoding them in grey, without colours to convert, takes as long: it is the entropy decoder, which
  Pillow runs too. So the ratio there cannot pass Pillow's time over `codec_ms`. Decoding into a buffer that is used
  again saves nothing there, and a fifth on scans of 35 megapixels, where it is the pages of new memory. The fast DCT
  and upsampling of libjpeg-turbo change pixels and are not used.
* decode of 35 megapixels to 1024: of some 17 ms at a quarter of the side the entropy decoder takes 11 to 13, at any
  scale. What OpenCV's full decode takes varies from machine to machine, with the price of 105 MB of new memory.
* boxes: without text what is left is one pass over the map. Walking along contours as OpenCV does costs three times as
  much as hulls from runs of pixels.
* cleval on photos: two thirds is geometry of the pairs whose bounding boxes meet, a third packing of the batch.
"""

import argparse
import json
import os
import platform
import sys
import time
import types
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np
import pages
import peers
from PIL import Image

from pipeline.data.decode import DecodedImage, read_image
from pipeline.detection.cleval_batch import ImageBoxes
from pipeline.detection.cleval_core import Counters, count_image, count_images
from pipeline.detection.postprocess import DBPostprocess
from pipeline.detection.targets import DBTargets

PAGES_A_SET = 12
BATCH_SIZE = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", nargs="+", choices=sorted(STAGES))
    parser.add_argument("--peers", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    names = ("numpy", "opencv-python-headless", "numba", "pyclipper", "simplejpeg", "torch")
    versions = {name: version(name) for name in names}
    print(json.dumps({"machine": platform.machine(), "python": platform.python_version(), **versions}))
    for stage in given.stages:
        start = time.perf_counter()
        STAGES[stage](given)
        print(f"# {stage}: {time.perf_counter() - start:.0f} s in all", file=sys.stderr)


def compare(
    name: str, ours: Callable[[], Any], peer: Callable[[], Any], *, rounds: int, units: int, **facts: Any
) -> None:
    """Prints one line: processor time a unit of both, and the peer's over ours."""
    ours(), peer()
    times: dict[str, list[float]] = {"ours": [], "peer": []}
    for number in range(rounds):
        for which in ("ours", "peer") if number % 2 else ("peer", "ours"):
            start = time.process_time()
            (ours if which == "ours" else peer)()
            times[which].append((time.process_time() - start) / units)
    ratios = [b / a for a, b in zip(times["ours"], times["peer"], strict=True)]
    low, _, high = quantiles(ratios, n=4)
    print(json.dumps({
        "case": name, "units": units, "rounds": rounds,
        "ours_ms": round(median(times["ours"]) * 1e3, 4), "peer_ms": round(median(times["peer"]) * 1e3, 4),
        "ratio": round(median(ratios), 1), "quartiles": [round(low, 1), round(high, 1)], **facts,
    }), flush=True)  # fmt: skip


def each(function: Callable[[Any], Any], values: Sequence[Any]) -> None:
    """Calls `function` with each value; each result is gone before the next, as in a loader."""
    for value in values:
        function(value)


def loaded(name: str, load: Callable[[], Any]) -> None:
    """Prints what the first call costs: importing numba and linking kernels, compiling them where no cache is."""
    start = time.process_time()
    load()
    print(json.dumps({"case": f"{name}: first call", "seconds": round(time.process_time() - start, 2)}), flush=True)


# ---- targets


def targets(given: argparse.Namespace) -> None:
    """Against MhLiao/DB's two processes, with the pixels that differ."""
    db = peers.load_db(given.peers)
    shrink, border, ours = db.shrink_maps(), db.border_maps(), DBTargets(kernels="compiled")
    loaded("targets", lambda: ours(pages.leaning(64, number=1)[0].polygons, ignore=[False], size=(64, 64)))
    for side, number in ((640, 20), (1024, 100)):
        sets = {
            "receipts": pages.receipts(given.data, side)[:PAGES_A_SET],
            "photos": pages.photos(given.data, side),
            "leaning": pages.leaning(side, number=number),
            "bent, 14 vertices": pages.leaning(side, number=20, vertices=14),
            "bent, 30 vertices": pages.leaning(side, number=20, vertices=30),
        }
        for name, made in sets.items():

            def reference(page: pages.Page, *, side: int = side) -> dict[str, Any]:
                image = np.zeros((side, side, 3), np.uint8)
                polygons = [polygon.copy() for polygon in page.polygons]
                data = {"image": image, "polygons": polygons, "ignore_tags": page.ignore.copy()}
                return border.process(shrink.process({**data, "is_training": True, "filename": ""}))

            def own(page: pages.Page, *, side: int = side) -> Any:
                return ours(page.polygons, ignore=page.ignore, size=(side, side))

            compare(
                f"targets {side} {name}",
                lambda made=made, own=own: each(own, made),
                lambda made=made, reference=reference: each(reference, made),
                rounds=given.rounds,
                units=len(made),
                boxes=round(np.mean([len(page.polygons) for page in made])),
                **_differences([(own(page), reference(page)) for page in made]),
            )


def _differences(pairs: list[tuple[Any, dict[str, Any]]]) -> dict[str, Any]:
    """Pixels that differ; in the threshold map the peer's NaN holes apart, where ours is the higher."""
    found = {"prob_map": 0, "prob_mask": 0, "thresh_mask": 0, "holes": 0, "thresh_lower": 0, "thresh_max_error": 0.0}
    for maps, data in pairs:
        found["prob_map"] += int((maps.prob_map != data["gt"][0]).sum())
        found["prob_mask"] += int((maps.prob_mask != data["mask"]).sum())
        found["thresh_mask"] += int((maps.thresh_mask != data["thresh_mask"]).sum())
        error = maps.thresh_map.astype(np.float64) - data["thresh_map"]
        is_hole = error > 3e-3
        found["holes"] += int(is_hole.sum())
        found["thresh_lower"] += int((error < -3e-3).sum())
        found["thresh_max_error"] = max(found["thresh_max_error"], round(float(np.abs(error[~is_hole]).max()), 5))
    return found


# ---- boxes


def boxes(given: argparse.Namespace) -> None:
    """Against MhLiao/DB's representer, from probability maps as a trained network gives them."""
    import torch

    torch.set_num_threads(1)
    db = peers.load_db(given.peers)
    representer, ours, analytic = (
        db.representer(cmd={}), DBPostprocess(kernels="compiled"), DBPostprocess(kernels="compiled", unclip="analytic"),
    )  # fmt: skip
    representer.max_candidates = 1000
    loaded("boxes", lambda: _boxes_of(ours, np.zeros((64, 64), np.float32)))
    for side in (640, 1024):
        sets = {
            "receipts": pages.receipts(given.data, side)[:PAGES_A_SET],
            "photos": pages.photos(given.data, side),
            "leaning": pages.leaning(side, number=50),
            "50 words": pages.words(side),
            "50 leaning words": pages.words(side, degrees=12),
            "small words": pages.small_words(side),
        }
        for name, made in sets.items():
            maps = [_probability(page, side) for page in made]

            def own(prob: np.ndarray) -> Any:
                return _boxes_of(ours, prob)

            def reference(prob: np.ndarray, *, side: int = side) -> Any:
                tensor = torch.from_numpy(prob)[None]
                return representer.boxes_from_bitmap(tensor, representer.binarize(tensor), side, side)

            compare(
                f"boxes {side} {name}",
                lambda maps=maps, own=own: each(own, maps),
                lambda maps=maps, reference=reference: each(reference, maps),
                rounds=given.rounds,
                units=len(maps),
                **_moved([(own(prob), reference(prob)) for prob in maps]),
                max_pixels_analytic=_moved([(_boxes_of(analytic, prob), reference(prob)) for prob in maps])[
                    "max_pixels"
                ],
            )
    _threads()


def _boxes_of(postprocess: DBPostprocess, prob: np.ndarray) -> Any:
    height, width = prob.shape
    return postprocess(prob[None, None], to_source=np.eye(3)[None], source_sizes=[(width, height)])[0]


def _threads() -> None:
    """A batch of twelve pages by one thread and by two, wall time: what the GIL lets through."""
    batch = np.stack([_probability(page, 1024) for page in pages.small_words(1024) * 12])[:, None]
    given = {"to_source": np.stack([np.eye(3)] * 12), "source_sizes": [(1024, 1024)] * 12}
    one, two = (DBPostprocess(kernels="compiled", num_threads=number) for number in (1, 2))
    seconds: dict[str, list[float]] = {"one": [], "two": []}
    for _ in range(9):
        for name, postprocess in (("one", one), ("two", two)):
            start = time.perf_counter()
            postprocess(batch, **given)
            seconds[name].append(time.perf_counter() - start)
    alone, together = median(seconds["one"]), median(seconds["two"])
    print(json.dumps({
        "case": "boxes, batch of 12 at 1024, 1 and 2 threads", "cores": len(os.sched_getaffinity(0)),
        "ms": [round(alone * 1e3, 2), round(together * 1e3, 2)], "ratio": round(alone / together, 2),
    }), flush=True)  # fmt: skip


def _probability(page: pages.Page, side: int) -> np.ndarray:
    prob_map = DBTargets()(page.polygons, ignore=page.ignore, size=(side, side)).prob_map.astype(np.float32)
    noise = np.random.default_rng(0).uniform(0, 0.09, (side, side)).astype(np.float32)
    return cv2.GaussianBlur(prob_map, (0, 0), 0.8) * np.float32(0.9) + noise


def _moved(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    """How many boxes each finds, and how far apart they are at most, in pixels and in score."""
    found = {"boxes": 0, "peer_boxes": 0, "max_pixels": 0.0, "max_score": 0.0}
    for own, (corners, scores) in pairs:
        corners, scores = corners[scores > 0].astype(np.float32), scores[scores > 0]
        found["boxes"] += len(own.boxes)
        found["peer_boxes"] += len(corners)
        if len(corners) == len(own.boxes) and len(corners):
            nearest = np.abs(own.boxes[:, :, None] - corners[:, None]).max(axis=-1).min(axis=2).max()
            found["max_pixels"] = max(found["max_pixels"], float(nearest))
            found["max_score"] = max(found["max_score"], float(np.abs(own.scores - scores).max()))
    return found


# ---- cleval


def cleval(given: argparse.Namespace) -> None:
    """Against the authors' `evaluation`, which gets its boxes ready made; ours starts from arrays and strings."""
    official = peers.load_cleval(given.peers)
    one = np.array([[[0, 0], [50, 0], [50, 10], [0, 10]]], np.float64)
    loaded("cleval", lambda: count_image(one, one, gt_texts=["a"], det_texts=["a"], kernels="compiled"))
    folder = given.data / "cleval"
    dense = pages.read_archive(folder / "gt_eval_doc_v1_kr.zip"), pages.read_archive(folder / "res_eval_doc_v1_kr.zip")
    sparse_gt = pages.read_archive(folder / "gt_IC15.zip")
    for name, (gt, det) in {"100 receipts": dense, "500 photos": (sparse_gt, pages.jittered(sparse_gt))}.items():
        for end_to_end in (False, True):
            settings = types.SimpleNamespace(
                E2E=end_to_end, ORIENTATION=False, DUMP_SAMPLE_RESULT=False, CASE_SENSITIVE=True,
                RECALL_GRANULARITY_PENALTY_WEIGHT=1.0, PRECISION_GRANULARITY_PENALTY_WEIGHT=1.0,
                VERTICAL_ASPECT_RATIO_THRESH=0.5, AREA_PRECISION_CONSTRAINT=0.3,
            )  # fmt: skip
            _compare_cleval(f"cleval {name}", gt, det, official, settings, rounds=given.rounds)


def _compare_cleval(name: str, gt: Any, det: Any, official: Any, settings: Any, *, rounds: int) -> None:
    images = [
        ImageBoxes(
            det[key].quads, gt[key].quads, gt_texts=gt[key].texts, det_texts=det[key].texts if settings.E2E else None
        )
        for key in gt
    ]

    def own() -> Counters:
        # As validation hands them over, a batch at a time.
        batches = (images[first : first + BATCH_SIZE] for first in range(0, len(images), BATCH_SIZE))
        counted = sum(count_images(batch, kernels="compiled").sum(axis=0) for batch in batches)
        return Counters(*counted[0].tolist())

    def ready_made(images: Any, **flags: Any) -> dict[str, Any]:
        return {
            key: [
                official.quad(quad.ravel().tolist(), transcription=text, **flags)
                for quad, text in zip(images[key].quads, images[key].texts, strict=True)
            ]
            for key in gt
        }

    # It writes into its boxes, so each round needs new ones; they are made outside the timing.
    supply = [(ready_made(gt), ready_made(det, is_dc=False)) for _ in range(rounds + 1)]
    counted: list[Any] = []

    def reference() -> None:
        gt_boxes, det_boxes = supply.pop()
        counted[:] = [official.evaluation(settings, gt_boxes[key], det_boxes[key]).stats for key in gt]

    counters = own()
    compare(
        f"{name} {'end to end' if settings.E2E else 'detection'}", own, reference, rounds=rounds, units=len(gt),
        ours_counts=[counters.num_char_gt, counters.num_char_det, counters.num_char_tp, counters.e2e_num_char_tp],
    )  # fmt: skip
    totals = [
        sum(each.det.num_char_gt for each in counted), sum(each.det.num_char_det for each in counted),
        sum(each.det.num_char_tp_recall for each in counted),
        sum(each.e2e.num_char_tp_recall for each in counted) if settings.E2E else 0,
    ]  # fmt: skip
    print(json.dumps({"case": f"{name}: peer's counts", "counts": totals}), flush=True)


# ---- decode


def decode(given: argparse.Namespace) -> None:
    """Against Pillow at full size, and OpenCV's full decode of large scans that are wanted at 1024 pixels."""
    files = {
        "receipts": sorted((given.data / "sroie" / "img").glob("*.jpg"))[: 2 * PAGES_A_SET],
        "35 megapixels": sorted((given.data / "sroie" / "large" / "img").glob("*.jpg")),
    }
    for name, paths in files.items():
        compare(
            f"decode {name}, full size, against Pillow",
            lambda paths=paths: each(read_image, paths),
            lambda paths=paths: each(_by_pillow, paths),
            rounds=given.rounds,
            units=len(paths),
            max_difference=max(int(cv2.absdiff(read_image(path).pixels, _by_pillow(path)).max()) for path in paths),
            codec_ms=_codec_ms(paths, rounds=given.rounds),
        )
        compare(
            f"decode {name}, to 1024, against OpenCV's full decode",
            lambda paths=paths: each(_for_1024, paths),
            lambda paths=paths: each(_by_opencv, paths),
            rounds=given.rounds,
            units=len(paths),
            shapes=sorted({str(_for_1024(path).pixels.shape) for path in paths})[:3],
        )
        compare(
            f"decode {name}, averaged down to 1024, against OpenCV's full decode averaged down",
            lambda paths=paths: each(_down_to_1024, paths),
            lambda paths=paths: each(_down_to_1024_by_opencv, paths),
            rounds=given.rounds,
            units=len(paths),
        )


def _codec_ms(paths: Sequence[Path], *, rounds: int) -> float:
    """Milliseconds of processor time a file of the JPEG decoder alone, from memory."""
    files = [path.read_bytes() for path in paths]
    times = []
    for _ in range(rounds):
        start = time.process_time()
        each(_by_simplejpeg, files)
        times.append((time.process_time() - start) / len(files))
    return round(median(times) * 1e3, 4)


def _by_simplejpeg(data: bytes) -> np.ndarray:
    import simplejpeg

    return simplejpeg.decode_jpeg(data, colorspace="RGB")


def _by_pillow(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _by_opencv(path: Path) -> np.ndarray:
    return cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)


def _down_to_1024(path: Path) -> np.ndarray:
    return _averaged(_for_1024(path).pixels)


def _down_to_1024_by_opencv(path: Path) -> np.ndarray:
    return _averaged(_by_opencv(path))


def _averaged(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    scale = 1024 / max(height, width)
    return cv2.resize(pixels, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)


def _for_1024(path: Path) -> DecodedImage:
    return read_image(path, longer_side=1024)


# ---- ohem


def ohem(given: argparse.Namespace) -> None:
    """The whole loss against MhLiao/DB's, forward and backward, and the selection alone against a sorted top-k."""
    import torch

    from pipeline.detection.loss import DBLoss, weights_of_largest

    torch.set_num_threads(1)
    reference = peers.load_db(given.peers).loss()
    generator = torch.Generator().manual_seed(0)
    shape = (4, 1, 640, 640)
    text = torch.zeros(shape, dtype=torch.uint8)
    for top in range(20, 620, 30):
        text[:, :, top : top + 6, 60:560] = 1
    logits = torch.randn(shape, generator=generator) * 2 - 3 + 6 * text
    thresh = torch.rand(shape, generator=generator)
    mask = torch.ones(shape, dtype=torch.uint8)
    mask[:, :, :30] = 0
    border = (torch.rand(shape, generator=generator) < 0.3).to(torch.uint8)
    batch = {"prob_map": text, "prob_mask": mask, "thresh_map": thresh * 0.4 + 0.3, "thresh_mask": border}
    as_peer = {
        "gt": text.float(), "mask": mask[:, 0].float(),
        "thresh_map": batch["thresh_map"][:, 0], "thresh_mask": border[:, 0].float(),
    }  # fmt: skip

    def own_loss() -> float:
        leaf = logits.clone().requires_grad_()
        prob = torch.sigmoid(leaf)
        output = {"prob_logits": leaf, "thresh": thresh, "binary": torch.sigmoid(50 * (prob - thresh))}
        loss = DBLoss()(output, batch)["loss"]
        loss.backward()
        return loss.item()

    def peer_loss() -> float:
        leaf = logits.clone().requires_grad_()
        prob = torch.sigmoid(leaf)
        loss, _ = reference(
            {"binary": prob, "thresh": thresh, "thresh_binary": torch.sigmoid(50 * (prob - thresh))}, as_peer
        )
        loss.backward()
        return loss.item()

    compare(
        "loss 4 x 640 x 640, forward and backward", own_loss, peer_loss, rounds=given.rounds, units=1,
        difference=abs(own_loss() - peer_loss()),
    )  # fmt: skip
    entropy = torch.nn.functional.softplus(logits) * (mask - text * mask)
    count = 3 * int((text * mask).sum())
    compare(
        "hardest negatives alone, against sorted top-k",
        lambda: float((entropy * weights_of_largest(entropy, count=torch.tensor(count))).sum()),
        lambda: float(torch.topk(entropy.flatten(), count).values.sum()),
        rounds=given.rounds,
        units=1,
        of=entropy.numel(),
        chosen=count,
    )


STAGES = {"targets": targets, "boxes": boxes, "cleval": cleval, "decode": decode, "ohem": ohem}

if __name__ == "__main__":
    main()
