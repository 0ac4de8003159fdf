"""Of what a failed program printed last, the line that says why."""

import re
from collections.abc import Sequence

_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit|NotFound|Missing)\b")
"""How a traceback's last line begins, with or without a message."""

_AFTERWARDS = re.compile(
    r"Set the environment variable HYDRA_FULL_ERROR|\s+(?:full_key|object_type|reference_type|parent_type)[:=]"
    r"|full_key:|wandb:|\[rank\d+\]:\[W|\[W\d|\s*$"
)
"""What comes after the reason: Hydra's advice, OmegaConf's place of a key, W&B's summary, warnings of torch's own."""


def last_words(stderr_tail: Sequence[str]) -> str | None:
    """The last exception that is named there, or else the last line that is no known epilogue; None of no line."""
    exceptions = [line for line in stderr_tail if _EXCEPTION.match(line)]
    if exceptions:
        return exceptions[-1]
    telling = [line for line in stderr_tail if not _AFTERWARDS.match(line)]
    return (telling or [*stderr_tail])[-1] if stderr_tail else None
