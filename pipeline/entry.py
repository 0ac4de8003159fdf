"""Runs a program under Hydra: compose, run, and end with an exit code that a shell can rely on.

Exit codes: 0 done, 1 a bug (with its traceback), 2 a configuration or a file that the user can mend, 130 interrupted.
"""

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

USAGE = 2
INTERRUPTED = 130


def run(task: Callable[[Any], None], *, config_name: str) -> int:
    """The exit code of `task`, called with the composed configuration; once a job with --multirun."""
    # Hydra then raises what it finds wrong; by default it prints it and exits with 1, as for a bug.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        import hydra

        from pipeline.composing import composed_once
        from pipeline.config import config_dir
        from pipeline.failures import explain

        @functools.wraps(task)
        def explaining(cfg: Any) -> None:
            try:
                task(cfg)
            except Exception as error:
                if explain(error) is None:
                    raise
                # Passes through Hydra, which would add a line of its own to any other exception.
                raise SystemExit(_usage_error(explain(error))) from error

        try:
            with composed_once():
                hydra.main(version_base="1.3", config_path=str(config_dir()), config_name=config_name)(explaining)()
        except Exception as error:
            if explain(error) is None:
                raise
            return _usage_error(explain(error))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    return 0


def _usage_error(message: str | None) -> int:
    print(f"error: {message}", file=sys.stderr)
    return USAGE
