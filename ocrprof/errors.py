"""The one error type for what a user can mend, and the exit codes of every verb."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes, the same for every verb."""

    DONE = 0
    REGRESSION = 1
    USAGE = 2
    INCONCLUSIVE = 3
    NOT_COMPARABLE = 4
    TARGET_FAILED = 5
    TIMED_OUT = 124
    INTERRUPTED = 130


class OcrprofError(Exception):
    """What happened and to what; `hint` says what to try. `exit_code` is what the command ends with."""

    def __init__(self, message: str, *, hint: str | None = None, exit_code: ExitCode = ExitCode.USAGE) -> None:
        super().__init__(message)
        self.hint = hint
        self.exit_code = exit_code
