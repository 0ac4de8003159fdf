"""Synthetic receipts on disk: pages rendered from a seed, with line quads and transcripts, written once and reused.

The same seed, index and spec give the same JPEG bytes in every run with the same versions of NumPy, OpenCV and Pillow
on one kind of processor (OpenCV picks its code by the instruction set; a rounding may differ between two kinds).

    python -m pipeline.data.receipts --num-train 48 --num-val 24     # renders what is missing, prints the folder
"""

from __future__ import annotations

import argparse
import errno
import fcntl
import hashlib
import json
import logging
import os
import shutil
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import PIL

from pipeline.cache_folder import CACHE_VARIABLE, default_cache_dir
from pipeline.data.errors import DataError
from pipeline.data.receipt_page import ReceiptSpec, RenderedReceipt, render_receipt

__all__ = [
    "ReceiptSpec",
    "ReceiptsError",
    "RenderedReceipt",
    "ensure_receipts",
    "render_receipt",
    "write_receipts",
]

# Raised whenever the same seed would give other bytes, so that no cache of older pages is taken for the new ones.
RENDERER_VERSION = 1

DEFAULT_NUM_IMAGES = {"train": 48, "val": 24}
DEFAULT_SEED = 0

_log = logging.getLogger(__name__)


class ReceiptsError(DataError):
    """Receipts that cannot be written where they were asked for, or a folder that holds others."""


def write_receipts(
    root: Path, *, num_images: Mapping[str, int], seed: int, spec: ReceiptSpec, progress: bool = True
) -> Path:
    """`root`, now holding `num_images[split]` pages of each split: `<split>/images/*.jpg` and `<split>.json`.

    The pages are rendered into a folder beside `root`, which is renamed when all is there, so `root` is complete or
    absent. Annotations are in the audited project's form (`readers.read_audited_json`); `manifest.json` says what was
    rendered, and with what. ReceiptsError if `root` already holds anything, or cannot be written.
    """
    if root.is_dir() and any(root.iterdir()):
        raise ReceiptsError(root, "the folder is not empty; receipts are not written over other files")
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        partial = root.with_name(f"{root.name}{_PARTIAL}{os.getpid()}")
        partial.mkdir()
    except OSError as error:
        raise ReceiptsError(
            root, f"cannot be written ({error.strerror}); ${CACHE_VARIABLE} sets another cache folder"
        ) from error
    try:
        _render_all(partial, num_images=num_images, seed=seed, spec=spec, progress=progress)
        _move_into_place(partial, root, manifest=_manifest(num_images, seed=seed, spec=spec))
    except OSError as error:
        raise ReceiptsError(root, f"could not be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return root


def ensure_receipts(
    root: Path | None = None, *, num_images: Mapping[str, int], seed: int, spec: ReceiptSpec, progress: bool = True
) -> Path:
    """The folder that holds these pages, rendered now unless an earlier run did it. Two processes at once render once.

    Without `root` it lies in `default_cache_dir()`, named for its contents. ReceiptsError if `root` holds others.
    """
    manifest = _manifest(num_images, seed=seed, spec=spec)
    if root is None:
        root = default_cache_dir() / f"receipts-{_digest(manifest)}"
    # Absolute, so that a later change of directory (Hydra's job.chdir) does not part the records from their files.
    root = Path(root).expanduser().absolute()
    if _is_complete(root, manifest):
        return root
    with _lock(root) as is_alone:
        # Another process may have written it while this one waited.
        if _is_complete(root, manifest):
            return root
        if is_alone:
            for leftover in root.parent.glob(f"{root.name}{_PARTIAL}*"):
                shutil.rmtree(leftover, ignore_errors=True)
        return write_receipts(root, num_images=num_images, seed=seed, spec=spec, progress=progress)


_PARTIAL = ".partial-"
_MANIFEST = "manifest.json"


def _manifest(num_images: Mapping[str, int], *, seed: int, spec: ReceiptSpec) -> dict[str, object]:
    """What decides whether pages on disk are the ones asked for."""
    if not num_images or any(count < 1 for count in num_images.values()):
        raise ValueError(f"num_images is {dict(num_images)}: a split has at least one page")
    # Through JSON, so that it compares equal to what a file gives back (tuples become lists).
    counts = {str(split): int(count) for split, count in num_images.items()}
    return json.loads(
        json.dumps(
            {"renderer": RENDERER_VERSION, "seed": seed, "num_images": counts, "spec": asdict(spec)}, sort_keys=True
        )
    )


def _digest(manifest: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:12]


def _is_complete(root: Path, manifest: Mapping[str, object]) -> bool:
    """Whether `root` holds just these pages. The manifest is written last, before the rename, so its word is enough."""
    try:
        stored = json.loads((root / _MANIFEST).read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        raise ReceiptsError(
            root / _MANIFEST, f"cannot be read ({error}); delete the folder to have it made again"
        ) from error
    if stored.get("content") != manifest:
        raise ReceiptsError(
            root, "the folder holds receipts of another seed, number, spec or renderer; delete it or name another"
        )
    return True


@contextmanager
def _lock(root: Path) -> Iterator[bool]:
    """Holds a lock file beside `root`; gives whether the lock was had. Released by the kernel if the process dies."""
    path = root.with_name(f"{root.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("w")
    except OSError as error:
        raise ReceiptsError(
            root, f"cannot be written ({error.strerror}); ${CACHE_VARIABLE} sets another cache folder"
        ) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_alone = True
        except BlockingIOError:
            _log.warning("%s is being rendered by another process; waiting for it", root)
            fcntl.flock(handle, fcntl.LOCK_EX)
            is_alone = True
        except OSError as error:
            # Some network file systems have no locks. The rename still keeps the folder whole; work may be done twice.
            _log.warning("%s: no file lock (%s); another process may render the same pages", path, error.strerror)
            is_alone = False
        yield is_alone


def _render_all(folder: Path, *, num_images: Mapping[str, int], seed: int, spec: ReceiptSpec, progress: bool) -> None:
    from tqdm import tqdm

    is_terminal = sys.stderr.isatty()
    bar = tqdm(
        total=sum(num_images.values()),
        desc="Rendering receipts",
        unit="page",
        file=sys.stderr,
        disable=not progress,
        # A log gets a line now and then, not ten a second.
        mininterval=0.1 if is_terminal else 10.0,
    )
    with bar:
        for split, count in sorted(num_images.items()):
            (folder / split / "images").mkdir(parents=True)
            images = {}
            for index in range(count):
                receipt = render_receipt((seed, zlib.crc32(split.encode()), index), spec=spec)
                name = f"receipt_{index:05}.jpg"
                (folder / split / "images" / name).write_bytes(receipt.jpeg_bytes())
                images[name] = _annotation(receipt)
                bar.update()
            (folder / f"{split}.json").write_text(json.dumps({"images": images}, indent=1), "utf-8")
    manifest = _manifest(num_images, seed=seed, spec=spec)
    made_with = {"numpy": np.__version__, "opencv": cv2.__version__, "pillow": PIL.__version__}
    (folder / _MANIFEST).write_text(json.dumps({"content": manifest, "made_with": made_with}, indent=1), "utf-8")


def _annotation(receipt: RenderedReceipt) -> dict[str, object]:
    """One image's entry in the audited project's JSON: size, and words with points and transcription."""
    height, width = receipt.image.shape[:2]
    words = {
        f"{number:04}": {"points": [[round(float(x), 2), round(float(y), 2)] for x, y in quad], "transcription": text}
        for number, (quad, text) in enumerate(zip(receipt.quads, receipt.texts, strict=True), start=1)
    }
    return {"img_w": width, "img_h": height, "words": words}


def _move_into_place(partial: Path, root: Path, *, manifest: Mapping[str, object]) -> None:
    try:
        # Replaces an empty folder; fails on one that holds anything.
        partial.rename(root)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or not _is_complete(root, manifest):
            raise
        _log.warning("%s: another process rendered the same pages at the same time; its copy is used", root)


def main(arguments: Sequence[str] | None = None) -> int:
    """Renders the data that the default configuration uses, and prints its folder."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.data.receipts",
        description=main.__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--num-train", type=int, default=DEFAULT_NUM_IMAGES["train"], help="pages for training")
    parser.add_argument("--num-val", type=int, default=DEFAULT_NUM_IMAGES["val"], help="pages for validation")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="other pages for another seed")
    parser.add_argument(
        "--full-size", action="store_true", help="pages of 1040 to 1975 px with up to 153 lines, as data=receipts has"
    )
    parser.add_argument("--root", type=Path, help=f"folder to write; without it, one in the cache (${CACHE_VARIABLE})")
    given = parser.parse_args(arguments)
    try:
        root = ensure_receipts(
            given.root,
            num_images={"train": given.num_train, "val": given.num_val},
            seed=given.seed,
            spec=ReceiptSpec() if given.full_size else ReceiptSpec.small(),
        )
    except (ReceiptsError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(root)
    return 0


if __name__ == "__main__":
    sys.exit(main())
