"""Quantities as they are given on a command line: shares, durations, lists."""

import re
from typing import Literal, cast, get_args

from ocrprof.errors import OcrprofError

SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
"""Units of time, in seconds."""

_DURATION = re.compile(rf"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>{'|'.join(SECONDS)})?")


def parse_share(text: str, *, option: str) -> float:
    """0.05 for `5%` and for `0.05`. A bare 5 is refused: of 500 % nothing would ever be told."""
    stripped = text.strip()
    number, percent = stripped.removesuffix("%"), stripped.endswith("%")
    try:
        share = float(number) / (100 if percent else 1)
    except ValueError:
        raise OcrprofError(f"{option} {text}: not a share", hint=f"as in {option} 5%") from None
    if not percent and share >= 1:
        raise OcrprofError(f"{option} {text}: is that {number} % or as many times?", hint=f"{option} {number}%")
    return share


def parse_seconds(text: str, *, option: str) -> float:
    """300.0 for `5m`, `300s` and `300`; units ms, s, m or min, h."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise OcrprofError(f"{option} {text}: not a time", hint=f"as in {option} 5m, {option} 90s or {option} 300")
    return float(found["number"]) * SECONDS[found["unit"] or "s"]


def parse_integers(text: str | None, *, option: str) -> tuple[int, ...]:
    """(0, 2, 4) for `0,2,4`, each once, in the order given; () for None."""
    try:
        return tuple(dict.fromkeys(int(part) for part in text.split(","))) if text is not None else ()
    except ValueError:
        raise OcrprofError(f"{option} {text}: not numbers", hint=f"as in {option} 0,2,4") from None


def parse_switches(text: str | None, *, option: str) -> tuple[bool, ...]:
    """(True, False) for `on,off`; () for None."""
    return tuple(word == "on" for word in parse_words(text, ("on", "off"), option=option))


def parse_start_methods(text: str | None, *, option: str) -> tuple[Literal["fork", "spawn", "forkserver"], ...]:
    """The start methods of multiprocessing that `fork,spawn` names; () for None."""
    method = Literal["fork", "spawn", "forkserver"]
    return tuple(cast(method, word) for word in parse_words(text, get_args(method), option=option))


def parse_words(text: str | None, allowed: tuple[str, ...], *, option: str) -> tuple[str, ...]:
    """The words of a list, each once and each one of `allowed`; () for None."""
    words = tuple(dict.fromkeys(part.strip() for part in text.split(","))) if text is not None else ()
    for word in words:
        if word not in allowed:
            raise OcrprofError(f"{option} {text}: {word!r} is none of {', '.join(allowed)}")
    return words
