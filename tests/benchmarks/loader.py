"""Samples a second of one loading process: this project's data set and collate beside those of the audited project.

    OMP_NUM_THREADS=1 python tests/benchmarks/loader.py --audited ~/peers/audited --data ../shared/data --rounds 9

Receipt scans of SROIE onto a canvas of 640 px, with target maps, in batches of 4, without any cache and with ours.
`--audited` is a checkout of Wchoi189/upstageailab-ocr-recsys-competition-ocr-2 at 7b0e8c6, run as it is but for
`array.ptp()`, which NumPy 2 no longer has: replace it by `np.ptp(array)` in ocr/domains/detection/utils/polygons.py.
It needs albumentations and scipy. Ours and theirs take turns; a ratio is the median over the rounds, with quartiles.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import torch

from pipeline.data.cache import open_cache
from pipeline.data.collate import DBCollate
from pipeline.data.dataset import OCRDataset
from pipeline.data.readers import Record, read_sroie
from pipeline.data.transforms import Letterbox
from pipeline.detection.targets import DBTargets

SIZE = 640
BATCH_SIZE = 4
Loader = Callable[[int], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audited", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    records = read_sroie(given.data / "sroie" / "img", box_dir=given.data / "sroie" / "box")
    loaders = {"audited": audited(given.audited, records), "ours": ours(records), "ours, cached": cached(records)}
    for load in loaders.values():
        one_pass(load, len(records))
    rounds = []
    for number in range(given.rounds):
        turn = list(loaders) if number % 2 else list(loaders)[::-1]
        rounds.append({name: one_pass(loaders[name], len(records)) for name in turn})
    names = ("numpy", "opencv-python-headless", "numba", "simplejpeg", "torch")
    machine = {"machine": platform.machine(), "python": platform.python_version(), **{n: version(n) for n in names}}
    print(json.dumps({**machine, "pages": len(records), "size": SIZE}))
    for name in loaders:
        seconds = [one[name] for one in rounds]
        ratios = [one["audited"] / one[name] for one in rounds]
        low, _, high = quantiles(ratios, n=4)
        line = {
            "loader": name,
            "ms_a_sample": round(median(seconds) / len(records) * 1e3, 2),
            "samples_per_sec": round(len(records) / median(seconds), 1),
            "ratio": round(median(ratios), 2),
            "quartiles": [round(low, 2), round(high, 2)],
            "seconds": [round(value, 3) for value in seconds],
        }
        print(json.dumps(line), flush=True)


def one_pass(load: Loader, num_samples: int) -> float:
    """Processor seconds of one pass over the data."""
    start = time.process_time()
    for first in range(0, num_samples, BATCH_SIZE):
        load(first)
    return time.process_time() - start


def ours(records: list[Record]) -> Loader:
    """Nothing is kept between passes."""
    return _batches(OCRDataset(records, Letterbox(SIZE)), DBCollate(DBTargets(kernels="compiled")))


def cached(records: list[Record]) -> Loader:
    """Samples and maps are kept in shared memory, as by default."""
    dataset = OCRDataset(records, Letterbox(SIZE), sample_cache=open_cache("samples"))
    return _batches(dataset, DBCollate(DBTargets(kernels="compiled"), map_cache=open_cache("maps")))


def audited(checkout: Path, records: list[Record]) -> Loader:
    """The data set, transforms and collate of its configs/data/default.yaml, validation split, annotations as JSON."""
    sys.path.insert(0, str(checkout))
    warnings.simplefilter("ignore")
    import albumentations as A
    from ocr.core.validation import CacheConfig, DatasetConfig
    from ocr.data.datasets import ValidatedOCRDataset
    from ocr.domains.detection.data.collate_db import DBCollateFN
    from ocr.domains.detection.data.transforms.db_transforms import DBTransforms

    transform = DBTransforms(
        transforms=[
            A.LongestMaxSize(max_size=SIZE, interpolation=1, p=1.0),
            A.PadIfNeeded(min_width=SIZE, min_height=SIZE, border_mode=0, position="top_left", p=1.0),
            A.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
        ],
        keypoint_params=A.KeypointParams(format="xy", remove_invisible=True),
    )
    images = {
        record.image_path.name: {
            "words": {
                str(number): {"points": polygon.tolist(), "transcription": text}
                for number, (polygon, text) in enumerate(zip(record.polygons, record.texts, strict=True))
            }
        }
        for record in records
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
        json.dump({"images": images}, file)
    config = DatasetConfig(
        image_path=records[0].image_path.parent,
        annotation_path=Path(file.name),
        cache_config=CacheConfig(cache_transformed_tensors=False, cache_images=False, cache_maps=False),
    )
    dataset = ValidatedOCRDataset(config=config, transform=transform)
    Path(file.name).unlink()
    return _batches(dataset, DBCollateFN(shrink_ratio=0.4, thresh_min=0.3, thresh_max=0.7))


def _batches(dataset: Any, collate: Any) -> Loader:
    return lambda first: collate([dataset[index] for index in range(first, min(first + BATCH_SIZE, len(dataset)))])


if __name__ == "__main__":
    main()
