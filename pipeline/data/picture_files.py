"""What can be known of picture files without decoding them."""

from __future__ import annotations

import importlib.metadata
from functools import lru_cache
from pathlib import Path

import cv2
import PIL
from PIL import Image


def image_size(path: Path) -> tuple[int, int] | None:
    """(w, h) as stored, from the header; None for a file that is missing or no picture."""
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


@lru_cache(maxsize=1)
def decoder_versions() -> str:
    """The decoders at hand and their versions: part of the key under which decoded pixels are kept."""
    versions = [f"opencv {cv2.__version__}", f"pillow {PIL.__version__}"]
    try:
        versions.append(f"simplejpeg {importlib.metadata.version('simplejpeg')}")
    except importlib.metadata.PackageNotFoundError:
        pass
    return ", ".join(versions)
