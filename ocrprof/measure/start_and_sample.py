"""Starts a command, then becomes the sampler of one of its processes. Run as `python -I -S`, out of the target's sight.

A sampler that is the parent of what it samples may look into it where Linux lets nobody else do so: that is the rule of
`ptrace_scope` 1, the default of Ubuntu and of many containers' hosts.

Arguments: FILE FOLDER IDENTITY N, N words of the sampler's command, the command. The sampler's output goes to FILE;
`--pid` and a process id are put at the end of its command: the process in FOLDER, where the recorder of each process
writes a file of its own, whose first record holds that IDENTITY (role, rank and argv).
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

_LOOK_EVERY_SECONDS = 0.005


def main() -> None:
    """Does not return: either becomes the sampler, or exits with what was missing."""
    log, folder, identity, num_words = sys.argv[1:5]
    sampler, command = sys.argv[5 : 5 + int(num_words)], sys.argv[5 + int(num_words) :]
    # What Python ignores, the target must not: as subprocess does it.
    child = os.posix_spawnp(command[0], command, os.environ, setsigdef=[signal.SIGPIPE, signal.SIGXFSZ])
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)
    pid = _wait_for(identity, folder=folder, child=child)
    os.execv(sampler[0], [*sampler, "--pid", str(pid)])


def _wait_for(identity: str, *, folder: str, child: int) -> int:
    """The process id of the process that describes itself so."""
    known: set[Path] = set()
    while True:
        for path in set(Path(folder).iterdir()) - known:
            with path.open(encoding="utf-8", errors="replace") as file:
                line = file.readline()
            if not line.endswith("\n"):
                continue
            known.add(path)
            record = json.loads(line)
            if _identity(record) == identity:
                return int(record["pid"])
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            sys.exit("the command ended, and none of its processes was the one to sample")
        time.sleep(_LOOK_EVERY_SECONDS)


def _identity(record: "dict[str, Any]") -> str:
    return "\x1f".join([record["role"], str(record["rank"]), *record["argv"]])


if __name__ == "__main__":
    main()
