"""Where what is kept between runs lies."""

import os
from pathlib import Path

CACHE_VARIABLE = "OCRPROF_CACHE"


def default_cache_dir() -> Path:
    """The folder for rendered data and caches: $OCRPROF_CACHE where that is set, else the user's cache folder."""
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Path(given).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("ocrprof", appauthor=False)
