"""One frozen plan a verb: checked when built, so that a plan that could be built can be run."""

import contextlib
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from ocrprof.errors import OcrprofError
from ocrprof.features import FeatureSet
from ocrprof.target import Probe, Target

Design = Literal["alone", "left-out", "cumulative"]
Milestone = Literal["imports", "config", "model", "data", "first-batch", "first-step", "exit"]

CacheState = Literal["warm", "cold", "both"]

TOTAL_SECONDS = 600.0
"""What all runs of a start may take together, where their number is not given."""

DEFAULT_RUNS = 5
_MIN_RUNS = 3
"""Below three there is no interval."""


@dataclass(frozen=True, kw_only=True)
class StartupPlan:
    """`runs` counted runs after `warmup` uncounted ones, each in a fresh process, until `until` or `timeout_seconds`.

    `runs` None: as many as the first run's duration allows. `until` None: the first training step, or the end of a
    program that has none. `probe`: how long the command takes to answer a question, to its end. `why` and `what_if`
    name modules whose import is to be explained; `verify`: beside each counted run one in which the module of `what_if`
    is loaded lazily. `level` full counts files and connections. `cache`: whether the counted runs find in the page
    cache what they read; both: they do, and pairs of a cold and a warm run follow. `check_overhead`: pairs of a
    recorded run and one that marks milestones only follow.
    """

    target: Target
    output: Path
    runs: int | None
    warmup: int
    until: Milestone | None
    timeout_seconds: float
    probe: Probe | None = None
    why: str | None = None
    what_if: str | None = None
    verify: bool = False
    level: Literal["light", "full"] = "light"
    cache: CacheState = "warm"
    check_overhead: bool = False

    def __post_init__(self) -> None:
        check_counts(
            runs=DEFAULT_RUNS if self.runs is None else self.runs,
            warmup=self.warmup,
            timeout_seconds=self.timeout_seconds,
        )
        if self.probe is not None and self.until is not None:
            raise OcrprofError(
                f"--probe {self.probe} and --until {self.until} exclude each other",
                hint="a probe is measured to the end of the command",
            )
        if self.verify and self.what_if is None:
            raise OcrprofError("--verify needs a module to verify", hint="name it: --what-if MODULE --verify")
        if self.cache == "cold" and (self.verify or self.check_overhead):
            raise OcrprofError(
                "--cache cold excludes --verify and --check-overhead: their pairs are warm", hint="ask for them apart"
            )
        if self.cache == "cold" and self.warmup == 0:
            raise OcrprofError("--cache cold needs a run that tells which files are read", hint="--warmup 1")
        prove_writable(self.output)

    def num_runs(self, *, first_seconds: float) -> int:
        """Counted runs: those asked for, else five, or fewer (not below three) where they would take too long."""
        if self.runs is not None:
            return self.runs
        # What follows each counted run: its lazy half, a pair against bare runs, a pair of a cold and a warm one.
        num_starts = 1 + self.verify + 2 * self.check_overhead + 2 * (self.cache == "both")
        left_seconds = TOTAL_SECONDS - self.warmup * first_seconds
        fitting = int(left_seconds / (num_starts * first_seconds)) if first_seconds > 0 else DEFAULT_RUNS
        return max(_MIN_RUNS, min(DEFAULT_RUNS, fitting))


@dataclass(frozen=True, kw_only=True)
class BaselinePlan:
    """A start-up of `runs` runs, then one run of `num_train_batches` training batches and a validation epoch.

    `patience_seconds`: how long a plain PyTorch loop, which cannot be limited, may go on before it validates.
    """

    target: Target
    output: Path
    runs: int
    warmup: int
    num_train_batches: int
    num_val_batches: int | None
    patience_seconds: int
    timeout_seconds: float

    def __post_init__(self) -> None:
        check_counts(runs=self.runs, warmup=self.warmup, timeout_seconds=self.timeout_seconds)
        if self.num_train_batches < 1:
            raise OcrprofError(f"--train-batches {self.num_train_batches}: at least one batch must be trained")
        if self.num_val_batches is not None and self.num_val_batches < 1:
            raise OcrprofError(f"--val-batches {self.num_val_batches}: at least one batch must be validated")
        prove_writable(self.output)


@dataclass(frozen=True, kw_only=True)
class AblationPlan:
    """Runs of `target` with its features on and off: `rounds` rounds over all settings that `designs` and `pairs` need.

    `budget_seconds`: no round is begun that would end later, by what the last one took; None for no limit. At `level`
    program the command runs to its end; at level loader only to where it first iterates `loader` (the one it trains on,
    the one it evaluates, or the number of one in the order of first iteration), of which `num_epochs` epochs are timed.
    """

    target: Target
    output: Path
    level: Literal["program", "loader"] = "program"
    loader: Literal["train", "val"] | int = "val"
    num_epochs: int = 3
    features: FeatureSet
    designs: tuple[Design, ...]
    pairs: tuple[tuple[str, str], ...]
    rounds: int
    seed: int
    budget_seconds: float | None
    timeout_seconds: float

    def __post_init__(self) -> None:
        check_counts(runs=self.rounds, warmup=0, timeout_seconds=self.timeout_seconds)
        if self.num_epochs < 2:
            raise OcrprofError(
                f"--epochs {self.num_epochs}: the first is told apart from later ones, so give 2 or more",
                hint="as in --epochs 3",
            )
        if isinstance(self.loader, int) and self.loader < 0:
            raise OcrprofError(f"--loader {self.loader}: loaders are numbered from 0")
        names = [feature.name for feature in self.features.features]
        for name in (name for pair in self.pairs for name in pair):
            if name not in names:
                raise OcrprofError(f"no feature is called {name!r}", hint=f"features: {', '.join(names)}")
        prove_writable(self.output)


@dataclass(frozen=True, kw_only=True)
class DoctorPlan:
    """The interpreter and the folders to examine; `output` None: nothing is written."""

    python: str
    cwd: Path
    data: Path | None
    output: Path | None

    def __post_init__(self) -> None:
        if shutil.which(self.python) is None:
            raise OcrprofError(f"--python {self.python}: no such program", hint="give the path of a Python interpreter")
        if self.data is not None and not self.data.is_dir():
            raise OcrprofError(f"--data {self.data}: no such folder", hint="give the folder that holds the images")
        if self.output is not None:
            prove_writable(self.output)


@dataclass(frozen=True, kw_only=True)
class HistoryPlan:
    """The history in `folder` to tell of: of `fingerprint`, or of its beginning; None: the latest of this machine.

    `metrics`: patterns of those to tell; none for all. `frozen`: the commit that the fixed reference is of; None: the
    last release tag, or the oldest session. `seed`: of the permutations by which changes are found. `output` None:
    nothing is written.
    """

    folder: Path
    output: Path | None = None
    metrics: tuple[str, ...] = ()
    fingerprint: str | None = None
    frozen: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.output is not None:
            prove_writable(self.output)


def default_output(verb: str, *, now: datetime | None = None) -> Path:
    """`reports/<verb>_<UTC time>`, below the working directory."""
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    return Path("reports") / f"{verb}_{stamp}"


def check_counts(*, runs: int, warmup: int, timeout_seconds: float) -> None:
    """Raises OcrprofError for numbers that nothing could be measured with."""
    if runs < 1:
        raise OcrprofError(f"--runs {runs}: at least one run must be counted")
    if warmup < 0:
        raise OcrprofError(f"--warmup {warmup}: cannot be negative")
    if timeout_seconds <= 0:
        raise OcrprofError(f"--timeout {timeout_seconds:g}: must be more than zero seconds")


def prove_writable(folder: Path) -> None:
    """Makes the folder and writes a file into it, before anything is measured; never over an earlier report."""
    if (folder / "report.json").exists():
        raise OcrprofError(f"{folder} holds a report already", hint="give another folder: -o DIR")
    if (folder / "runs").exists():
        raise OcrprofError(
            f"{folder} holds the runs of a measurement that did not end", hint="give another folder: -o DIR"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        with contextlib.suppress(OSError):
            folder.rmdir()
        raise OcrprofError(
            f"cannot write to {folder}: {error.strerror or error}", hint="give another folder: -o DIR"
        ) from error
