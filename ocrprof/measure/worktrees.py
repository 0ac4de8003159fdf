"""Two git worktrees of equal path length, which hold the two states that a check compares."""

import contextlib
import fcntl
import os
import random
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ocrprof.errors import OcrprofError
from ocrprof.results.model import ArmName, GitState

FOLDER = ".ocrprof"
_NAMES = ("a", "b")
_OWN_REPORT = re.compile(r"(?:^|/)reports/[a-z-]+_\d{8}T\d{6}Z/")
_MAX_COPIED_BYTES = 2**30
_CACHE = re.compile(r"(?:^|/)(?:__pycache__|\.[\w-]*cache|[\w.-]+\.egg-info|[^/]+\.pyc)(?:/|$)")
_GIT_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY")


@dataclass(frozen=True, kw_only=True)
class Repository:
    """The git repository around the target's working folder. `top` is its working tree."""

    top: Path

    @classmethod
    def around(cls, folder: Path) -> "Repository":
        """Raises OcrprofError where there is no git, or no repository."""
        try:
            found = _run(folder, "rev-parse", "--show-toplevel")
        except FileNotFoundError as error:
            raise OcrprofError("git is not installed", hint="a check compares two commits, and needs git") from error
        if found.returncode != 0 or not found.stdout.strip():
            raise OcrprofError(
                f"{folder} is not in a git repository: {_reason(found)}",
                hint="--baseline FILE compares with a stored report, and needs none",
            )
        return cls(top=Path(found.stdout.strip()).resolve())

    def git(self, *arguments: str, folder: Path | None = None) -> str:
        """What git prints. Raises OcrprofError with its reason."""
        done = _run(folder or self.top, *arguments)
        if done.returncode != 0:
            raise OcrprofError(
                f"git {' '.join(arguments[:2])} failed: {_reason(done)}", hint="run it by hand to see why"
            )
        return done.stdout.rstrip("\n")

    def commit(self, ref: str) -> GitState:
        """The commit that `ref` names. Raises OcrprofError where it names none, and says why it may not."""
        found = _run(self.top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        sha = found.stdout.strip()
        if found.returncode != 0:
            if self.git("rev-parse", "--is-shallow-repository") == "true":
                raise OcrprofError(
                    f"{ref} is not in this clone, which is shallow",
                    hint="git fetch --unshallow; in GitHub Actions `fetch-depth: 0` for actions/checkout",
                )
            remote = _run(self.top, "rev-parse", "--verify", "--quiet", f"origin/{ref}^{{commit}}").returncode == 0
            known = self.git("for-each-ref", "--count=8", "--format=%(refname:short)").split()
            raise OcrprofError(
                f"git knows no commit {ref}",
                hint=f"--against origin/{ref}" if remote else f"known: {', '.join(known) or 'none'}",
            )
        return GitState(ref=ref, sha=sha, subject=self.git("log", "-1", "--format=%s", sha))

    def changed_files(self, *, leave_out: Path | None = None) -> list[str]:
        """Files in which the working tree differs from HEAD, untracked ones too, ignored ones not, from `top` on.

        Without what is in `leave_out`, and without earlier reports of ours.
        """
        changed = self.git("diff", "--name-only", "--no-renames", "-z", "HEAD").split("\0")
        new = self.git("ls-files", "--others", "--exclude-standard", "-z").split("\0")
        changed += [name for name in new if not _OWN_REPORT.search(name)]
        out = str(leave_out.resolve()) + os.sep if leave_out is not None else None
        return sorted(
            {
                name
                for name in changed
                if name
                and not name.startswith(f"{FOLDER}/")
                and not (out is not None and str((self.top / name).resolve()).startswith(out))
            }
        )

    def ignored_paths(self, inside: str = ".") -> list[str]:
        """Files and folders that git ignores, relative to `top`: each folder once, caches and environments left out."""
        found = self.git(
            "ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z", "--", f":(literal){inside}"
        )
        names = [name.rstrip("/") for name in found.split("\0") if name]
        return [
            name
            for name in names
            if not _CACHE.search(name)
            and not name.startswith(f"{FOLDER}/")
            and name != FOLDER
            and not (self.top / name / "pyvenv.cfg").exists()
        ]

    def tracked_files(self) -> frozenset[str]:
        """Relative to `top`, as the index has them."""
        return frozenset(name for name in self.git("ls-files", "-z").split("\0") if name)


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One side: its commit, and the folder that stands for the repository's `top` in its launches."""

    name: ArmName
    state: GitState
    folder: Path


@contextlib.contextmanager
def worktrees(
    repository: Repository,
    *,
    base: GitState,
    candidate: GitState,
    changed: Sequence[str],
    links: Sequence[str],
    seed: int,
) -> Iterator[tuple[Arm, Arm]]:
    """The base's and the candidate's arm, in folders of equal length that a coin deals out; removed at the end.

    `changed`: files of the working tree that an arm whose state is dirty has beside its commit. `links`: paths that git
    ignores and the program needs, linked into both.
    What a killed check left behind is removed first; raises OcrprofError where one is at work in this repository.
    """
    home = repository.top / FOLDER
    with _alone(repository, home):
        places = [home / "wt" / name for name in _NAMES]
        _remove(repository, places)
        random.Random(f"folders/{seed}").shuffle(places)
        arms = (
            Arm(name="base", state=base, folder=places[0]),
            Arm(name="candidate", state=candidate, folder=places[1]),
        )
        try:
            for arm in arms:
                _add(repository, arm)
                if arm.state.dirty:
                    _copy(repository.top, arm.folder, changed)
                _link(repository, arm.folder, links)
            yield arms
        finally:
            _remove(repository, places)


def notes_on(repository: Repository, base: GitState) -> list[str]:
    """What a comparison with `base` does not see, or sees beside the change."""
    notes = []
    if (repository.top / ".gitmodules").exists():
        notes.append("submodules are not checked out in the worktrees: --link PATH links yours into both")
    attributes = repository.top / ".gitattributes"
    if attributes.exists() and "filter=lfs" in attributes.read_text(errors="replace"):
        notes.append("files in Git LFS are in the worktrees only where git-lfs is installed and has fetched them")
    behind = _run(repository.top, "rev-list", "--count", f"HEAD..{base.sha}")
    if behind.returncode == 0 and behind.stdout.strip() not in ("", "0"):
        merge_base = _run(repository.top, "merge-base", "HEAD", str(base.sha)).stdout.strip()
        notes.append(
            f"{base.ref} has {behind.stdout.strip()} commits that this branch has not: what they gained counts as lost "
            f"here; --against {merge_base[:12]} compares with where the branch began"
        )
    return notes


@contextlib.contextmanager
def _alone(repository: Repository, home: Path) -> Iterator[None]:
    """While this is open, no other check uses the repository's worktrees; git is told to overlook their folder."""
    try:
        home.mkdir(exist_ok=True)
        lock = (home / "lock").open("a+")
    except OSError as error:
        raise OcrprofError(
            f"cannot write to {home}: {error.strerror or error}", hint="the worktrees of a check lie there"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            raise OcrprofError(
                f"another check (process {owner}) is at work in {repository.top}", hint="wait for it, or use a clone"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        overlook(repository)
        yield


def overlook(repository: Repository) -> None:
    """Names our folder in git's own list of ignored files; the user's .gitignore stays as it is."""
    exclude = repository.top / repository.git("rev-parse", "--git-path", "info/exclude")
    line = f"/{FOLDER}/"
    known = exclude.read_text().splitlines() if exclude.exists() else []
    if line not in known:
        exclude.parent.mkdir(parents=True, exist_ok=True)
        with exclude.open("a") as file:
            file.write(f"{line}\n")


def _add(repository: Repository, arm: Arm) -> None:
    arm.folder.parent.mkdir(parents=True, exist_ok=True)
    # A hook of the user's could change what is measured, in one arm alone.
    repository.git(
        "-c", "core.hooksPath=/dev/null", "worktree", "add", "--detach", "--force", str(arm.folder), str(arm.state.sha)
    )


def _copy(top: Path, folder: Path, changed: Sequence[str]) -> None:
    """Brings the working tree's uncommitted state into the worktree: changed, new and deleted files."""
    present = [name for name in changed if (top / name).is_symlink() or (top / name).is_file()]
    total = sum((top / name).lstat().st_size for name in present)
    if total > _MAX_COPIED_BYTES:
        raise OcrprofError(
            f"{total / 2**30:.1f} GiB of uncommitted files would have to be copied",
            hint="let git ignore the data, and --link them",
        )
    for name in changed:
        target = folder / name
        if name in present:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            shutil.copy2(top / name, target, follow_symlinks=False)
        elif not (top / name).exists():
            target.unlink(missing_ok=True)


def _link(repository: Repository, folder: Path, links: Sequence[str]) -> None:
    for given in links:
        source = (repository.top / given).resolve()
        if not source.exists() or not source.is_relative_to(repository.top):
            raise OcrprofError(
                f"--link {given}: no such path in {repository.top}", hint="paths are those of the repository"
            )
        inside = str(source.relative_to(repository.top))
        # A folder of which git has a part, data/.gitkeep say: the rest of it is what is meant.
        names = repository.ignored_paths(inside) if (folder / inside).exists() else [inside]
        if not names:
            raise OcrprofError(f"--link {given}: git has it, so both worktrees hold it already", hint="leave it out")
        for name in names:
            target = folder / name
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(repository.top / name)


def _remove(repository: Repository, places: Sequence[Path]) -> None:
    """Also what a killed check left behind: the lock is ours, so nobody uses it."""
    for place in places:
        _run(repository.top, "worktree", "remove", "--force", "--force", str(place))
        if place.exists():
            shutil.rmtree(place, ignore_errors=True)
    _run(repository.top, "worktree", "prune")


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # In a hook of git's own these name the repository and the index that the hook is about.
    environment = {name: value for name, value in os.environ.items() if name not in _GIT_VARIABLES}
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"
