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
        if found.returncode != 0 and "safe.directory" in found.stderr:
            raise OcrprofError(
                f"git does not trust the repository around {folder}, which is another user's",
                hint=found.stderr.strip().splitlines()[-1].strip(),
            )
        if found.returncode != 0 or not found.stdout.strip():
            raise OcrprofError(
                f"{folder} is not in the working tree of a git repository: {_reason(found)}",
                hint="--baseline FILE compares with a stored report, and needs none",
            )
        return cls(top=Path(found.stdout.removesuffix("\n")).resolve())

    def git(self, *arguments: str, folder: Path | None = None) -> str:
        """What git prints. Raises OcrprofError with its reason."""
        done = _run(folder or self.top, *arguments)
        if done.returncode != 0:
            verb = arguments[2:] if arguments[0] == "-c" else arguments
            raise OcrprofError(f"git {' '.join(verb[:2])} failed: {_reason(done)}", hint="run it by hand to see why")
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
        subject = self.git("log", "-1", "--no-show-signature", "--format=%s", sha)
        return GitState(ref=ref, sha=sha, subject=readable(subject))

    def changed_files(self, *, leave_out: Sequence[Path] = ()) -> list[str]:
        """Files in which the working tree differs from HEAD, untracked ones too, ignored ones not, from `top` on.

        Without the paths `leave_out`, what is in them, and earlier reports of ours.
        """
        changed = self.git("diff", "--name-only", "--no-renames", "-z", "HEAD").split("\0")
        new = self.git("ls-files", "--others", "--exclude-standard", "-z").split("\0")
        changed += [name for name in new if not _OWN_REPORT.search(name)]
        out = [path.resolve() for path in leave_out]
        return sorted(
            {
                name
                for name in changed
                if name
                and not name.startswith(f"{FOLDER}/")
                and not any((self.top / name).resolve().is_relative_to(path) for path in out)
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
    behind = _run(repository.top, "rev-list", "--count", f"HEAD..{base.sha}").stdout.strip()
    # A shallow clone does not hold where the two parted: there every commit looks like one that the branch has not.
    merge_base = _run(repository.top, "merge-base", "HEAD", str(base.sha)).stdout.strip()
    if merge_base and behind not in ("", "0"):
        told, they = ("1 commit", "it") if behind == "1" else (f"{behind} commits", "they")
        notes.append(
            f"{base.ref} has {told} that this branch has not: what {they} gained counts as lost here; --against "
            f"{merge_base[:12]} compares with where the branch began"
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
    known = exclude.read_text(errors="surrogateescape") if exclude.exists() else ""
    if line not in known.splitlines():
        exclude.parent.mkdir(parents=True, exist_ok=True)
        with exclude.open("a") as file:
            # Behind a last line without an end ours would become a part of it.
            file.write(f"{line}\n" if known.endswith("\n") or not known else f"\n{line}\n")


def _add(repository: Repository, arm: Arm) -> None:
    arm.folder.parent.mkdir(parents=True, exist_ok=True)
    # A hook of the user's could change what is measured, in one arm alone.
    repository.git(
        "-c", "core.hooksPath=/dev/null", "worktree", "add", "--detach", "--force", str(arm.folder), str(arm.state.sha)
    )


def _copy(top: Path, folder: Path, changed: Sequence[str]) -> None:
    """Brings the working tree's uncommitted state into the worktree: changed, new and deleted files."""
    present = [name for name in changed if _is_file_of(top, name)]
    total = sum((top / name).lstat().st_size for name in present)
    if total > _MAX_COPIED_BYTES:
        raise OcrprofError(
            f"{total / 2**30:.1f} GiB of uncommitted files would have to be copied",
            hint="let git ignore the data, and --link them",
        )
    # What is gone goes first: a link that stayed would lead what is written behind it out of the worktree.
    for name in changed:
        target = folder / name
        is_kept = (top / name).is_dir() and target.is_dir() and not target.is_symlink()  # a submodule
        if name not in present and not is_kept:
            _clear(target)
    for name in present:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear(target)
        shutil.copy2(top / name, target, follow_symlinks=False)


def _is_file_of(top: Path, name: str) -> bool:
    """Whether git sees a file or a link there: not behind a link, which leads to other files."""
    path = top / name
    return (path.is_symlink() or path.is_file()) and path.parent.resolve() == Path(os.path.normpath(path.parent))


def _clear(target: Path) -> None:
    """Takes away what stands there, a whole folder too; a link without what it leads to."""
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)


def _link(repository: Repository, folder: Path, links: Sequence[str]) -> None:
    for given in links:
        path = Path(os.path.normpath(repository.top / given))
        # Data that are themselves a link, to another disk say, are the repository's by the link's own place.
        source = path.parent.resolve() / path.name
        if not source.exists() or not source.is_relative_to(repository.top):
            raise OcrprofError(
                f"--link {given}: no such path in {repository.top}", hint="paths are those of the repository"
            )
        inside = str(source.relative_to(repository.top))
        standing = folder / inside
        if standing.is_dir() and not standing.is_symlink() and not any(standing.iterdir()):
            standing.rmdir()  # git leaves an empty folder of a submodule, and has no other one
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
        removal = ("worktree", "remove", "--force", "--force", str(place))
        _run(repository.top, *removal)
        if place.exists():
            shutil.rmtree(place, ignore_errors=True)
            # Of ours alone: `prune` would also forget worktrees of the user's on a disk that is not there just now.
            _run(repository.top, *removal)


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # In a hook of git's own these name the repository and the index that the hook is about.
    environment = {name: value for name, value in os.environ.items() if name not in _GIT_VARIABLES}
    command = ["git", "-C", str(folder), *arguments]
    # File names and old commits may hold bytes that are no UTF-8.
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="surrogateescape", check=False, env=environment
    )


def readable(text: str) -> str:
    """What git printed as it can be shown and stored: with a sign in place of bytes that are no UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"
