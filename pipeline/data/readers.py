"""Annotations as records: the audited project's JSON, SROIE and ICDAR text files, mmocr's JSON, synthetic receipts.

A reader opens annotations only; images are first touched when a sample is loaded. What does not parse is named with the
reason: in a warning, and its image left out, or with `strict=True` in an AnnotationError. Where nothing usable is left
it is an AnnotationError in any case.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.data.errors import DataError

if TYPE_CHECKING:
    from pipeline.data.receipts import ReceiptSpec

_log = logging.getLogger(__name__)

# ICDAR's mark for text that nobody is asked to find.
DONT_CARE = "###"
_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


class AnnotationError(DataError):
    """An annotation that does not parse, or that names no image."""


@dataclass(frozen=True)
class Record:
    """One image and its N lines: a polygon, float32 (n, 2) xy in px, a text, and whether to ignore it, for each.

    `polygons` and `texts` are as long as `ignore`, bool (N,). The image may turn out to be missing or broken.
    """

    image_path: Path
    polygons: list[np.ndarray]
    texts: list[str]
    ignore: np.ndarray


def read_audited_json(path: Path | str, *, image_dir: Path | str, strict: bool = False) -> list[Record]:
    """The records of `{"images": {NAME: {"words": {ID: {"points": [[x, y], …], "transcription": …}}}}}`.

    A word is ignored where `illegibility` is true or its transcription is ###. A missing transcription is "".
    """
    path, image_dir = Path(path), Path(image_dir)
    images = _expect(_read_json(path), "images", dict, where="the file", path=path)

    def read(name: str) -> Record:
        entry = images[name]
        where = f"image {name}"
        words = entry.get("words") if isinstance(entry, dict) else None
        if not isinstance(words, dict):
            raise AnnotationError(path, f'{where}: "words" is missing or not an object')
        lines = []
        for key, word in words.items():
            points = _expect(word, "points", list, where=f"{where}, word {key}", path=path)
            text = word.get("transcription") or ""
            ignore = bool(word.get("illegibility")) or text == DONT_CARE
            lines.append((_polygon(points, where=f"{where}, word {key}", path=path), str(text), ignore))
        return _record(image_dir / name, lines)

    return _collect(images, read, path=path, strict=strict)


def read_sroie(image_dir: Path | str, *, box_dir: Path | str, strict: bool = False) -> list[Record]:
    """The records of a folder of images with, for each, `STEM.csv`, `STEM.txt` or `gt_STEM.txt` (SROIE, ICDAR 2015).

    A line is `x1,y1,…,x4,y4,TEXT`, where the text may hold commas; ### marks text to ignore. An empty file is an image
    without text.
    """
    image_dir, box_dir = Path(image_dir), Path(box_dir)
    for folder in (image_dir, box_dir):
        if not folder.is_dir():
            raise AnnotationError(folder, "is not a folder")
    names = sorted(path.name for path in image_dir.iterdir() if path.suffix.lower() in _IMAGE_SUFFIXES)

    def read(name: str) -> Record:
        stem = Path(name).stem
        candidates = [box_dir / f"{stem}.csv", box_dir / f"{stem}.txt", box_dir / f"gt_{stem}.txt"]
        for candidate in candidates:
            if candidate.is_file():
                return _record(image_dir / name, _read_icdar_lines(candidate))
        raise AnnotationError(image_dir / name, f"has no {stem}.csv, {stem}.txt or gt_{stem}.txt in {box_dir}")

    return _collect(names, read, path=image_dir, strict=strict)


def read_mmocr(path: Path | str, *, image_dir: Path | str, strict: bool = False) -> list[Record]:
    """The records of mmocr's `{"data_list": [{"img_path", "instances": [{"polygon" | "bbox", "ignore", "text"}]}]}`.

    `image_dir` is the folder that `img_path` starts from. A polygon is [x1, y1, x2, y2, …]; a box [x1, y1, x2, y2].
    """
    path, image_dir = Path(path), Path(image_dir)
    entries = _expect(_read_json(path), "data_list", list, where="the file", path=path)

    def read(index: int) -> Record:
        where = f"data_list[{index}]"
        name = _expect(entries[index], "img_path", str, where=where, path=path)
        lines = []
        for number, instance in enumerate(_expect(entries[index], "instances", list, where=where, path=path)):
            here = f"{where} ({name}), instance {number}"
            if isinstance(instance, dict) and "polygon" in instance:
                points = _pairs(_expect(instance, "polygon", list, where=here, path=path))
            else:
                points = _box_corners(_expect(instance, "bbox", list, where=here, path=path), where=here, path=path)
            text = str(instance.get("text") or "")
            ignore = bool(instance.get("ignore")) or text == DONT_CARE
            lines.append((_polygon(points, where=here, path=path), text, ignore))
        return _record(image_dir / name, lines)

    return _collect(range(len(entries)), read, path=path, strict=strict)


def receipts_records(
    split: str,
    *,
    num_images: Mapping[str, int] | None = None,
    seed: int = 0,
    spec: ReceiptSpec | None = None,
    root: Path | str | None = None,
    progress: bool = True,
) -> list[Record]:
    """The records of one split of the synthetic receipts, which are rendered first if they are not there yet.

    `num_images` counts the pages of every split (default: 48 train, 24 val): all splits of one data set name the same.
    Without `spec` the pages are full size (`ReceiptSpec()`), without `root` they lie in the cache folder.
    """
    # Pillow's fonts and OpenCV are of no use to those who read other data.
    from pipeline.data.receipts import DEFAULT_NUM_IMAGES, ReceiptSpec, ensure_receipts

    counts = DEFAULT_NUM_IMAGES if num_images is None else num_images
    if split not in counts:
        raise ValueError(f"split is {split!r}, but num_images counts only {', '.join(map(str, counts))}")
    folder = ensure_receipts(
        None if root is None else Path(root),
        num_images=counts,
        seed=seed,
        spec=spec or ReceiptSpec(),
        progress=progress,
    )
    return read_audited_json(folder / f"{split}.json", image_dir=folder / split / "images", strict=True)


def _collect(
    keys: Iterable[Any],  # what `read` takes: a name or an index
    read: Callable[[Any], Record],
    *,
    path: Path,
    strict: bool,
) -> list[Record]:
    """What `read` gives for each key; one that does not parse is left out with a warning, or raised with `strict`."""
    records: list[Record] = []
    num_skipped = 0
    for key in keys:
        try:
            records.append(read(key))
        except AnnotationError as error:
            if strict:
                raise
            num_skipped += 1
            _log.warning("left out: %s", error)
    if not records:
        raise AnnotationError(
            path, f"none of its {num_skipped} images can be used" if num_skipped else "names no image"
        )
    if num_skipped:
        _log.warning("%s: %d of %d images are left out", path, num_skipped, num_skipped + len(records))
    return records


def _record(image_path: Path, lines: Sequence[tuple[np.ndarray, str, bool]]) -> Record:
    return Record(
        image_path=image_path,
        polygons=[polygon for polygon, _, _ in lines],
        texts=[text for _, text, _ in lines],
        ignore=np.array([ignore for _, _, ignore in lines], dtype=bool),
    )


def _read_text(path: Path) -> str:
    try:
        # With or without a byte order mark: ICDAR's files have one.
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise AnnotationError(path, f"cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise AnnotationError(path, f"is not UTF-8: {error.reason} at byte {error.start}") from error


def _read_json(path: Path) -> object:
    try:
        return json.loads(_read_text(path))
    except json.JSONDecodeError as error:
        raise AnnotationError(path, f"is not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from error


def _read_icdar_lines(path: Path) -> list[tuple[np.ndarray, str, bool]]:
    lines = []
    # Not splitlines(), which also splits at separators that a transcript may hold (U+2028, form feed).
    for number, line in enumerate(_read_text(path).split("\n"), start=1):
        line = line.strip("\r")
        if not line.strip():
            continue
        fields = line.split(",", 8)
        if len(fields) != 9:
            raise AnnotationError(
                path, f"line {number} has {len(fields)} fields; 8 coordinates and a text were expected"
            )
        polygon = _polygon(_pairs(fields[:8]), where=f"line {number}", path=path)
        lines.append((polygon, fields[8], fields[8] == DONT_CARE))
    return lines


def _expect(
    value: object, key: str, kind: type, *, where: str, path: Path
) -> Any:  # the caller names the type that it gets
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, kind):
        names = {dict: "an object", list: "a list", str: "a text"}
        raise AnnotationError(path, f'{where}: "{key}" is missing or not {names[kind]}')
    return found


def _pairs(flat: Sequence[object]) -> list[Sequence[object]]:
    """[x1, y1, x2, y2, …] as [[x1, y1], …]; an odd number leaves a last point that is too short, and refused."""
    return [flat[start : start + 2] for start in range(0, len(flat), 2)]


def _box_corners(box: Sequence[object], *, where: str, path: Path) -> list[Sequence[object]]:
    if len(box) != 4:
        raise AnnotationError(path, f'{where}: "bbox" has {len(box)} numbers; 4 were expected')
    x0, y0, x1, y1 = box
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def _polygon(points: Sequence[Sequence[object]], *, where: str, path: Path) -> np.ndarray:
    try:
        polygon = np.array(points, dtype=np.float32)
    except (ValueError, TypeError) as error:
        raise AnnotationError(path, f"{where}: its points are not numbers ({error})") from error
    if polygon.ndim != 2 or polygon.shape[1] != 2 or len(polygon) < 3:
        raise AnnotationError(path, f"{where}: its points have the shape {polygon.shape}; (3 or more, 2) was expected")
    if not np.isfinite(polygon).all():
        raise AnnotationError(path, f"{where}: a coordinate is not finite")
    return polygon
