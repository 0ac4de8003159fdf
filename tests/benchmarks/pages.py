"""Inputs of the stage benchmarks: real annotations where the shared data lies, and synthetic ones."""

import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np


@dataclass(frozen=True)
class Page:
    polygons: list[np.ndarray]  # float32 (n, 2) in pixels of a square canvas
    ignore: np.ndarray  # bool (N,)


@dataclass(frozen=True)
class Boxes:
    quads: np.ndarray  # (N, 4, 2)
    texts: list[str]


def receipts(data: Path, side: int) -> list[Page]:
    """SROIE's line boxes, the longer side of the scan scaled to `side` pixels."""
    pages = []
    for path in sorted((data / "sroie" / "box").iterdir()):
        image = cv2.imread(str(next((data / "sroie" / "img").glob(f"{path.stem}.*"))), cv2.IMREAD_REDUCED_GRAYSCALE_8)
        lines = [line.split(",", 8)[:8] for line in path.read_text(errors="replace").splitlines()]
        scale = np.float32(side / (8 * max(image.shape)))
        quads = [np.array(line, np.float32).reshape(4, 2) * scale for line in lines if len(line) == 8]
        pages.append(Page(quads, np.zeros(len(quads), bool)))
    return pages


def photos(data: Path, side: int) -> list[Page]:
    """ICDAR 2015's leaning quads."""
    pages = []
    for image in json.loads((data / "icdar15" / "textdet_test.json").read_text())["data_list"]:
        scale = np.float32(side / max(image["width"], image["height"]))
        quads = [np.array(one["polygon"], np.float32).reshape(-1, 2) * scale for one in image["instances"]]
        pages.append(Page(quads, np.array([one["ignore"] for one in image["instances"]], bool)))
    return pages


def leaning(side: int, *, number: int, vertices: int = 4, pages: int = 8) -> list[Page]:
    """Leaning words, straight (4 vertices) or bent (more), some of them across the border."""
    made = []
    for seed in range(pages):
        random = np.random.default_rng(seed)
        polygons = []
        for _ in range(number):
            width, height, angle = random.uniform(40, 160), random.uniform(10, 40), random.uniform(0, np.pi)
            x = np.linspace(-width / 2, width / 2, vertices // 2)
            bend = random.uniform(-0.5, 0.5) * height * np.cos(x / width * np.pi) if vertices > 4 else 0 * x
            outline = np.concatenate([np.stack([x, bend - height / 2], 1), np.stack([x, bend + height / 2], 1)[::-1]])
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            polygons.append((outline @ turn.T + random.uniform(-10, side + 10, 2)).astype(np.float32))
        made.append(Page(polygons, np.zeros(number, bool)))
    return made


def words(side: int, *, degrees: float = 0.0, pages: int = 4) -> list[Page]:
    """Pages of exactly 50 words, ten rows of five, all of them leaning by as much."""
    made = []
    for seed in range(pages):
        random = np.random.default_rng(seed)
        turn = cv2.getRotationMatrix2D((side / 2, side / 2), degrees, 0.8 if degrees else 1.0)
        quads = []
        for index in range(50):
            x, y = side * (0.03 + 0.19 * (index % 5)), side * (0.03 + 0.095 * (index // 5))
            width, height = side * random.uniform(0.08, 0.17), side * 0.07
            corners = np.float32([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])
            quads.append((corners @ turn[:, :2].T + turn[:, 2]).astype(np.float32))
        made.append(Page(quads, np.zeros(50, bool)))
    return made


def small_words(side: int) -> list[Page]:
    """A page of 400 and more upright words."""
    quads = [
        np.float32([(x, y), (x + 50, y), (x + 50, y + 20), (x, y + 20)])
        for y in range(10, side - 24, 33)
        for x in range(10, side - 60, 70)
    ]
    return [Page(quads, np.zeros(len(quads), bool))]


def read_archive(path: Path) -> dict[str, Boxes]:
    """CLEval's boxes by image."""
    images = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            lines = archive.read(name).decode("utf-8-sig").replace("\r", "").split("\n")
            fields = [line.split(",", 8) for line in lines if line]
            quads = np.array([[float(value) for value in line[:8]] for line in fields]).reshape(-1, 4, 2)
            images[re.sub(r"^(gt|res)_|\.txt$", "", name)] = Boxes(quads, [_unquoted(line[8]) for line in fields])
    return images


def _unquoted(text: str) -> str:
    quoted = re.fullmatch(r'\s*"(.*)"\s*', text)
    return quoted[1].replace("\\\\", "\\").replace('\\"', '"') if quoted else text


def jittered(images: dict[str, Boxes], *, noise: float = 12.0, dropped: float = 0.1) -> dict[str, Boxes]:
    """Detections made from ground truth: one in ten dropped, three in ten moved by normal noise in pixels."""
    random = np.random.default_rng(0)
    made = {}
    for key, boxes in images.items():
        kept = random.random(len(boxes.quads)) >= dropped
        moved = boxes.quads + random.normal(0, noise, boxes.quads.shape) * (
            random.random((len(boxes.quads), 1, 1)) < 0.3
        )
        made[key] = Boxes(moved[kept], [text for text, is_kept in zip(boxes.texts, kept, strict=True) if is_kept])
    return made
