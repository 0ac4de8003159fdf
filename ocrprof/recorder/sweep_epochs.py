"""Whole epochs of a loader that was taken over: how long each takes to be handed out, and whether it holds the same."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any  # objects of torch, asked by name

    from ocrprof.recorder.core import Recorder

_MAX_DEPTH = 6


def take_over(recorder: "Recorder", asked: "dict[str, Any]", loader: "Any", iterate: "Callable[[Any], Any]") -> None:
    """Times `num_epochs` epochs of the loader as it is, reads one more to compare, and ends the process.

    Only what the program would wait for is timed: the making of the iterator, and each `next()`. What the loader raises
    goes to stderr, as if the program had raised it.
    """
    try:
        _measure(recorder, asked, loader, iterate)
    except BaseException:
        try:
            recorder.load("signals").silence(recorder)
            sys.modules["traceback"].print_exc()  # torch has loaded it
            sys.stderr.flush()
            recorder.finish("error")
        finally:
            os._exit(1)
    recorder.mark(recorder.load("sweep").MILESTONE)


def _measure(recorder: "Recorder", asked: "dict[str, Any]", loader: "Any", iterate: "Callable[[Any], Any]") -> None:
    for number in range(asked["num_epochs"]):
        # What is drawn at random is drawn alike in every run, whatever its features drew before.
        sys.modules["torch"].manual_seed(number)
        _write(recorder, number, _epoch(recorder, loader, iterate))
    sys.modules["torch"].manual_seed(0)
    digest = 0
    for batch in iterate(loader):
        digest = crc32_of(batch, digest)
    recorder.write({"k": "totals", "of": "loader.digest", "a": {"crc32": digest}})


def crc32_of(value: "Any", digest: int, depth: int = 0) -> int:
    """CRC-32 of the numbers and texts in a batch, in their order; what is neither goes in by the name of its type."""
    zlib = sys.modules["zlib"]  # torch has loaded it
    if depth > _MAX_DEPTH:
        return digest
    if hasattr(value, "detach") and hasattr(value, "numpy"):
        array = value.detach().cpu().contiguous()
        shape = repr((str(array.dtype), tuple(array.shape))).encode()
        as_bytes = array.reshape(-1).view(sys.modules["torch"].uint8)
        return int(zlib.crc32(as_bytes.numpy(), zlib.crc32(shape, digest)))
    if hasattr(value, "tobytes") and hasattr(value, "dtype"):
        return int(zlib.crc32(value.tobytes(), zlib.crc32(repr((str(value.dtype), value.shape)).encode(), digest)))
    if isinstance(value, dict):
        for name in value:
            digest = crc32_of(value[name], crc32_of(name, digest, depth + 1), depth + 1)
        return digest
    if isinstance(value, (list, tuple)):
        for one in value:
            digest = crc32_of(one, digest, depth + 1)
        return digest
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        return int(zlib.crc32(repr(value).encode("utf-8", "surrogatepass"), digest))
    if getattr(value, "__dict__", None):
        return crc32_of(vars(value), digest, depth + 1)
    return int(zlib.crc32(type(value).__qualname__.encode(), digest))


def _epoch(recorder: "Recorder", loader: "Any", iterate: "Callable[[Any], Any]") -> "dict[str, object]":
    batch_size = recorder.load("loader").batch_size
    now, waited = recorder.now, 0
    sizes: list[int | None] = []
    start = now()
    iterator = iterate(loader)
    waited += now() - start
    first = None
    while True:
        start = now()
        try:
            batch = next(iterator)
        except StopIteration:
            waited += now() - start
            break
        waited += now() - start
        first = waited if first is None else first
        sizes.append(batch_size(batch))
    known = [size for size in sizes if size is not None]
    samples = sum(known) if len(known) == len(sizes) else None
    return {"ns": waited, "first_ns": first, "batches": len(sizes), "samples": samples}


def _write(recorder: "Recorder", number: int, epoch: "dict[str, object]") -> None:
    recorder.write({"k": "totals", "of": "loader.epoch.%d" % number, "a": epoch})
    recorder.flush()
