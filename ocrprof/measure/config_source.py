"""Finds the keys of a target's configuration that feed its loader, by overriding them and looking what the loader gets.

Each start of the target ends where the measured loader would begin to iterate; nothing is trained.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ocrprof.measure.child import run_target
from ocrprof.measure.sweep_trial import MILESTONE, settings_that_find
from ocrprof.records import ProcessRecords, read_records
from ocrprof.results.config_source import (
    Composition,
    at_the_end_of,
    composition_of,
    decide,
    keys_named,
    sections_without,
    sibling,
)
from ocrprof.results.last_words import last_words
from ocrprof.results.mask import mask_text
from ocrprof.results.model import ConfigKey, LoaderInfo, ProvenKey, SettingName
from ocrprof.results.sweep_trial import chosen_loader
from ocrprof.target import Target

Settings = Mapping[SettingName, int | bool]

_ENDINGS = {"crashed": "crashed", "timed_out": "ran out of time", "not_recorded": "could not be recorded"}
_MAX_SECTIONS = 8
_MAX_VALUE = 64
# Changes nothing, but makes a command line that no program has composed before, and kept.
_NEW_COMMAND_LINE = "hydra.verbose=false"


@dataclass(frozen=True)
class Start:
    """What one start of the target told. `problem`: why it did not come to the loader."""

    composition: Composition | None
    loader: Mapping[str, Any] | None  # Any: the settings that the program gave its loader
    uses_hydra: bool
    problem: str | None


@dataclass(frozen=True, kw_only=True)
class Proof:
    """The keys that feed the loader, one for each setting that could be proven; else `reason` and `advice`."""

    composition: Composition | None = None
    keys: tuple[ProvenKey, ...] = ()
    others: tuple[ConfigKey, ...] = ()
    following: tuple[str, ...] = ()
    already: bool = False
    reason: str | None = None
    advice: str | None = None
    notes: tuple[str, ...] = ()


@dataclass
class Prover:
    """Starts the target up to its measured loader, `loader`; counts the starts."""

    target: Target
    loader: LoaderInfo
    directory: Path
    timeout_seconds: float
    num_starts: int = field(default=0, init=False)

    def start(self, *overrides: str) -> Start:
        """One start, with these arguments at the end of the command. Raises KeyboardInterrupt when interrupted."""
        self.num_starts += 1
        outcome = run_target(
            replace(self.target, argv=(*self.target.argv, *overrides)),
            directory=self.directory / f"start-{self.num_starts}",
            until=MILESTONE,
            timeout_seconds=self.timeout_seconds,
            settings={"OCRPROF_CONFIG_SOURCES": "1", **settings_that_find(self.loader)},
        )
        if outcome.status == "interrupted":
            raise KeyboardInterrupt
        records = read_records(outcome.directory / "records")
        asked = chosen_loader(records)
        problem = None
        if asked is None:
            said = last_words(outcome.stderr_tail)
            last = f": {mask_text(said)}" if said else ""
            problem = f"it {_ENDINGS.get(outcome.status, 'ended')} before it came to that loader{last}"
        return Start(composition_of(records), asked, _uses_hydra(records), problem)


def prove_keys(prover: Prover, recommended: Settings, *, key: str | None = None) -> Proof:
    """The key of each recommended setting, proven by an unusual value that the loader was given through it.

    `key`: the one for num_workers; None looks for it among the keys of that name that hold the loader's value.
    """
    plain = prover.start()
    if plain.problem is not None:
        return Proof(reason=f"the program was started once more, and {plain.problem}")
    own, given = prover.loader.num_workers, (plain.loader or {}).get("num_workers")
    if given != own and given == recommended["num_workers"]:
        return Proof(already=True, reason=f"the program gives its loader num_workers={given} already")
    if given != own:
        return Proof(
            reason=f"the program now gives its loader num_workers={given}, at the sweep it gave {own}",
            advice="sweep again: the configuration or the program has changed",
        )
    composition = plain.composition
    if composition is None and plain.uses_hydra:
        composition = prover.start(_NEW_COMMAND_LINE).composition
    if composition is None:
        reason = "the program composes no configuration with Hydra"
        if plain.uses_hydra:
            reason = "what the program's configuration is merged from is not told by its Hydra (1.1 or later is needed)"
        return Proof(reason=reason, advice=_at_the_constructor(prover, recommended))
    found = _prove_num_workers(prover, composition, recommended["num_workers"], key=key)
    if isinstance(found, Proof):
        return replace(found, others=_others(composition, prover.target.argv, ()))
    proven, notes = _prove_others(prover, composition, recommended, found)
    keys = (found, *proven)
    others = _others(composition, prover.target.argv, keys)
    written = {one.config_key.key for one in keys}
    following = {one.key for one in others if at_the_end_of(composition, one).key in written}
    return Proof(
        composition=composition,
        keys=keys,
        others=tuple(one for one in others if one.key not in following),
        following=tuple(sorted(following)),
        notes=tuple(notes),
    )


def _prove_num_workers(
    prover: Prover, composition: Composition, recommended: int | bool, *, key: str | None
) -> ProvenKey | Proof:
    """The key that feeds the loader, or why there is none."""
    own = prover.loader.num_workers
    named = keys_named(composition, "num_workers")
    candidates = [key] if key is not None else [one for one in named if _as_number(composition.values[one]) == own]
    adds = False
    if not candidates and own == 0:
        # DataLoader's own default: a section may take the key without holding it.
        sections = sections_without(composition, "num_workers")[:_MAX_SECTIONS]
        candidates = [f"{one}.num_workers" if one else "num_workers" for one in sections]
        adds = True
    if not candidates:
        return Proof(
            reason=f"no key num_workers of the configuration holds {own}, which the loader was given",
            advice=f"name the key that decides it: --key KEY (num_workers: {', '.join(named) or 'no such key'}); or "
            + _at_the_constructor(prover, {"num_workers": recommended}),
        )
    unusual = _unusual({own, recommended, *(_as_number(composition.values[one]) for one in named)})
    tried = dict(zip(candidates, unusual, strict=False))
    plus = "+" if adds or (key is not None and not _exists(composition, key)) else ""
    proven, problem = _proven_of(prover, tried, plus)
    if proven is None:
        names = ", ".join(f"{plus}{one}={value}" for one, value in tried.items())
        why = f"; {problem}" if problem is not None else ""
        return Proof(
            reason=f"the loader's num_workers does not follow the configuration (tried {names}{why})",
            advice=_at_the_constructor(prover, {"num_workers": recommended}),
        )
    return ProvenKey(
        config_key=decide(composition, proven, setting="num_workers", argv=prover.target.argv),
        tried=tried[proven],
        recommended=recommended,
        adds=bool(plus),
    )


def _proven_of(prover: Prover, tried: Mapping[str, int], plus: str) -> tuple[str | None, str | None]:
    """The key whose value reaches the loader, or what the program said that did not come to it.

    All are tried in one start, and told apart by their values; one by one where that fails.
    """
    together = prover.start(*(f"{plus}{key}={value}" for key, value in tried.items()))
    starts = [(tried, together)]
    if together.problem is not None and len(tried) > 1:
        starts = [({key: value}, prover.start(f"{plus}{key}={value}")) for key, value in tried.items()]
    for values, start in starts:
        given = (start.loader or {}).get("num_workers")
        for key, value in values.items():
            if given == value:
                return key, None
    return None, next((start.problem for _, start in starts if start.problem is not None), None)


def _prove_others(
    prover: Prover, composition: Composition, recommended: Settings, workers: ProvenKey
) -> tuple[list[ProvenKey], list[str]]:
    """The keys of the other settings, beside the one of num_workers or the only ones of their name."""
    tried: dict[SettingName, tuple[str, int | bool, bool]] = {}
    used = {workers.tried, *(value for value in recommended.values())}
    for setting, value in recommended.items():
        if setting == "num_workers":
            continue
        key = sibling(workers.config_key.key, setting)
        named = keys_named(composition, setting)
        if key not in named and len(named) == 1:
            key = named[0]
        unusual: int | bool = not getattr(prover.loader, setting) if isinstance(value, bool) else _unusual(used)[0]
        tried[setting] = (key, unusual, key not in named)
    if not tried:
        return [], []
    plus = "+" if workers.adds else ""
    first = f"{plus}{workers.config_key.key}={workers.tried}"
    arguments = {setting: f"{'+' if adds else ''}{key}={_text(value)}" for setting, (key, value, adds) in tried.items()}
    together = prover.start(first, *arguments.values())
    proven, notes = [], []
    for setting, (key, unusual, adds) in tried.items():
        start = together
        if together.problem is not None and len(tried) > 1:
            start = prover.start(first, arguments[setting])
        given = (start.loader or {}).get(setting)
        # 1 == True: a bool of the loader is told from a number.
        if type(given) is type(unusual) and given == unusual:
            config_key = decide(composition, key, setting=setting, argv=prover.target.argv)
            proven.append(ProvenKey(config_key=config_key, tried=unusual, recommended=recommended[setting], adds=adds))
        else:
            where = _at_the_constructor(prover, {setting: recommended[setting]})
            notes.append(f"{arguments[setting]} does not reach the loader: {where}")
    return proven, notes


def _others(composition: Composition, argv: Sequence[str], keys: Sequence[ProvenKey]) -> tuple[ConfigKey, ...]:
    proven = {one.config_key.key for one in keys}
    return tuple(
        decide(composition, key, setting="num_workers", argv=argv)
        for key in keys_named(composition, "num_workers")
        if key not in proven
    )


def _exists(composition: Composition, key: str) -> bool:
    return decide(composition, key, setting="num_workers").origin != "missing"


def _unusual(used: set[Any]) -> list[int]:  # Any: numbers
    """Values that nothing in the configuration has, and that no count of processors explains."""
    taken = {*used, os.cpu_count(), len(os.sched_getaffinity(0))}
    return [value for value in range(3, _MAX_VALUE) if value not in taken]


def _as_number(value: object) -> int | None:
    try:
        return None if value is None or isinstance(value, bool) else int(str(value))
    except ValueError:
        return None


def _text(value: int | bool) -> str:
    return str(value).lower()


def _at_the_constructor(prover: Prover, settings: Settings) -> str:
    """What to write where the loader is made."""
    where = prover.loader.location
    arguments = ", ".join(f"{name}={value}" for name, value in settings.items())
    place = f"in DataLoader(...) at {where.file}:{where.line}" if where is not None else "where the loader is made"
    return f"set {arguments} {place}"


def _uses_hydra(records: Sequence[ProcessRecords]) -> bool:
    names = {span.name for one in records for span in one.spans} | {span.name for one in records for span in one.open}
    return "hydra.main" in names
