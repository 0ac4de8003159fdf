"""The trials of a round on one machine: every setting once in random order, then the first one again."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ocrprof.measure.environment import usable_cores
from ocrprof.measure.quiet import QuietMachine
from ocrprof.measure.sweep_ranks import rank_directory, run_ranks
from ocrprof.measure.sweep_trial import run_trial
from ocrprof.records import ProcessRecords, read_records
from ocrprof.results.model import LoaderSetting, SweepTrial
from ocrprof.results.sweep_comparisons import COUNTED
from ocrprof.results.sweep_ranks import node_trial
from ocrprof.sweep_plan import TrialOptions
from ocrprof.target import Target

_MEMORY_STATUSES = ("oom_killed", "sigbus", "shm")
HOPELESS_STATUSES = ("no_loader", "not_recorded")
"""A program that ends so does so with every setting."""

OnTrial = Callable[[SweepTrial], None]


@dataclass(frozen=True)
class Visit:
    """One trial of a round that is to be run."""

    setting: LoaderSetting
    position: int
    control: bool = False


def visits_of(settings: Sequence[LoaderSetting], *, seed: int, number: int) -> list[Visit]:
    """Each setting once, in the order of that round by the seed, then the first one again as the control."""
    order = list(settings)
    random.Random(f"{seed}/{number}").shuffle(order)
    visits = [Visit(setting, position) for position, setting in enumerate(order)]
    return [*visits, Visit(order[0], len(order), control=True)] if order else []


class TrialRunner:
    """Runs trials one after another on this machine, each in files of its own below `folder`.

    What a batch holds is learnt from the first trial that tells, so that later ones can refuse what cannot fit.
    """

    def __init__(
        self,
        target: Target,
        options: TrialOptions,
        *,
        folder: Path,
        local_ranks: int = 1,
        rank_environment: bool = False,
        quiet_seconds: float = 0.0,
    ) -> None:
        self._target = target
        self._options = options
        self._folder = folder
        self._local_ranks = local_ranks
        self._rank_environment = rank_environment
        self._quiet = QuietMachine(num_cores=usable_cores(), max_seconds=quiet_seconds)
        self.records: list[ProcessRecords] = []
        """What the processes of the last trial wrote; of several ranks, those of the first."""

    def run(self, visit: Visit, *, number: int) -> SweepTrial:
        """The trial of a visit in that round (0: the pass that fills the page cache), of all ranks together."""
        disturbed = self._quiet.wait()

        def one(target: Target, directory: Path) -> SweepTrial:
            return run_trial(
                target,
                visit.setting,
                self._options,
                directory=directory,
                round=number,
                position=visit.position,
                control=visit.control,
                warmup=number == 0,
            )

        directory = self._free_directory(f"{number}-{visit.position}")
        if self._local_ranks == 1:
            trial, first = one(self._target, directory), directory
        else:
            ranks = run_ranks(
                one, self._target, directory, num_ranks=self._local_ranks, with_environment=self._rank_environment
            )
            trial, first = node_trial(ranks), rank_directory(directory, 0)
        self.records = read_records(first / "records")
        if trial.cost is not None and trial.cost.batch_bytes is not None and self._options.batch_bytes is None:
            # /dev/shm is shared by the ranks, file descriptors are not.
            num_bytes = trial.cost.batch_bytes * self._local_ranks
            self._options = replace(self._options, batch_bytes=num_bytes, num_tensors=trial.cost.num_tensors)
        return trial.model_copy(update={"disturbed": disturbed})

    def _free_directory(self, name: str) -> Path:
        """A folder that is not there yet: a sweep that goes on finds those of its first half."""
        path, number = self._folder / name, 1
        while any(self._folder.glob(f"{path.name}*")):
            number += 1
            path = self._folder / f"{name}-again{number}"
        return path


@dataclass
class Living:
    """The settings that are still measured; `notes` says of the others why they are not."""

    settings: list[LoaderSetting]
    notes: list[str] = field(default_factory=list)

    def after(self, trial: SweepTrial) -> None:
        """Takes out a setting that failed, and with it those that would want more of the memory it ran out of."""
        if trial.status in COUNTED or trial.status == "interrupted":
            return
        self.settings = [setting for setting in self.settings if setting != trial.setting]
        if trial.status not in _MEMORY_STATUSES:
            return
        hungrier = [setting for setting in self.settings if _wants_more(setting, trial.setting)]
        self.settings = [setting for setting in self.settings if setting not in hungrier]
        for setting in hungrier:
            fewer = trial.setting.num_workers
            self.notes.append(
                f"num_workers={setting.num_workers} was measured no further: memory ran out with {fewer} already"
            )


def play_round(
    runner: TrialRunner, living: Living, *, seed: int, number: int, on_visit: Callable[[Visit, int], SweepTrial | None]
) -> Iterator[SweepTrial]:
    """The trials of a round as they end. `on_visit` is asked before each, with the number of visits of the round: a
    trial that it knows already is taken instead of a run."""
    visits = visits_of(living.settings, seed=seed, number=number)
    for visit in visits:
        if visit.setting in living.settings:
            trial = on_visit(visit, len(visits)) or runner.run(visit, number=number)
            living.after(trial)
            yield trial


def warmup_visit(settings: Sequence[LoaderSetting], *, num_cores: float) -> Visit:
    """The pass that fills the page cache: the most workers that the cores can carry."""
    fitting = [setting for setting in settings if setting.num_workers <= max(1.0, num_cores)]
    return Visit(max(fitting or settings[:1], key=lambda setting: setting.num_workers), 0)


def _wants_more(setting: LoaderSetting, than: LoaderSetting) -> bool:
    return setting.num_workers > than.num_workers and (setting.prefetch_factor or 2) >= (than.prefetch_factor or 2)
