"""The answers about imports as sentences: why a module was loaded, what a start without it would save, best savings."""

from collections.abc import Sequence
from itertools import pairwise

from ocrprof.renderers.places import place, plain
from ocrprof.results.model import Hop, Saving, StartupReport, Statistic, Touch, Verification, WhatIf, Why
from ocrprof.units import format_seconds

_NUM_NAMES = 8
_NUM_LINES = 3
_MIN_PACKAGE_SHARE = 0.05


def deferrable_savings(report: StartupReport) -> list[Saving]:
    """Those in the program's hands of which no use was seen before the milestone."""
    return [saving for saving in report.savings if saving.used is None and saving.lines]


def saving_notes(report: StartupReport) -> list[str]:
    """What the figures are, and what the table of savings leaves out."""
    notes = []
    if deferrable_savings(report):
        notes.append("predicted: self times of what would not load; --what-if MODULE --verify measures one")
    used = [(one, one.used) for one in report.savings if one.used is not None and one.lines]
    if used:
        names = ", ".join(f"{one.module} (to {_phase(use.phase)})" for one, use in used[:_NUM_LINES])
        notes.append(f"only deferred, not saved, as the records show their use before the milestone: {names}")
    held = [one for one in report.savings if one.used is None and one.held_by]
    if held:
        names = ", ".join(f"{one.module} {format_seconds(one.seconds)} ({_holders(one)})" for one in held[:_NUM_LINES])
        notes.append(f"not for a line of the program to defer: {names}")
    return notes


def _holders(saving: Saving) -> str:
    first, *others = saving.held_by
    return f"by {_names([first])}" + (f" and {len(others)} more" if others else "")


def saving_lines(saving: Saving, *, cwd: str) -> str:
    """The program's lines to defer, the first of them."""
    shown = ", ".join(place(line, cwd=cwd) for line in saving.lines[:_NUM_LINES])
    return shown + (f" and {len(saving.lines) - _NUM_LINES} more" if len(saving.lines) > _NUM_LINES else "")


def why_facts(answer: Why) -> list[str]:
    """What is told beside the chain: seconds, other importers, functions that import it."""
    facts = [
        f"loaded in {_phase(answer.phase)}, {format_seconds(answer.self_seconds)} in itself;"
        f" {_with_what(answer.num_dominated, answer.dominated_seconds)}"
    ]
    if answer.importers:
        others = f"{len(answer.importers)} other importer{'s' if len(answer.importers) != 1 else ''}"
        facts.append(f"{others} would have loaded it anyway: {_names(answer.importers)}")
    else:
        facts.append("no other importer would have loaded it")
    if answer.deferred:
        facts.append(f"imported inside functions by {_names(answer.deferred)}")
    return facts


def hop_rows(chain: Sequence[Hop], *, cwd: str) -> list[list[str]]:
    """A line and the module that it loads; a module whose line is not known, and the one whose function it calls."""
    return [
        [place(hop.location, cwd=cwd), plain(after.module)]
        if hop.location
        else [f"{plain(hop.module)} calls", plain(after.module)]
        for hop, after in pairwise(chain)
    ]


def hop_texts(chain: Sequence[Hop], *, cwd: str) -> list[str]:
    """`train.py:7`, `lightning/__init__.py:18`, …, and last the module that they lead to."""
    return [place(hop.location, cwd=cwd) if hop.location else plain(hop.module) for hop in chain]


def what_if_facts(answer: WhatIf, report: StartupReport) -> list[tuple[str, str]]:
    """Labels and sentences: predicted, used, measured, touched, failed."""
    cwd = report.target.cwd
    facts = [("predicted", _prediction(answer))]
    if len(answer.held_by) > 1:
        facts.append(("held by", f"{_names(answer.held_by)}: only a start in which none of them loads it saves that"))
    if answer.used is not None:
        facts.append(("used", f"{_by(answer.used, cwd=cwd)}: deferred to {_phase(answer.used.phase)}, not saved"))
    if answer.verification is None:
        return facts
    return facts + _verified(answer.verification, answer.module, answer.phase, cwd=cwd)


def _prediction(answer: WhatIf) -> str:
    enough = _MIN_PACKAGE_SHARE * answer.predicted_seconds
    parts = [f"{part.name} {format_seconds(part.seconds)}" for part in answer.packages if part.seconds >= enough]
    modules = f"{answer.num_modules} module{'s' if answer.num_modules != 1 else ''}"
    seconds = format_seconds(answer.predicted_seconds)
    return (
        f"{seconds}, the self time of {modules} that only it leads to, garbage collection by share of the objects: "
        f"{', '.join(parts)}"
    )


def _verified(proof: Verification, module: str, phase: str, *, cwd: str) -> list[tuple[str, str]]:
    facts = []
    if proof.refused is not None:
        facts.append(("not lazy", f"{module} could not be loaded lazily: {proof.refused}"))
    if proof.saving is not None and proof.loading_saving is not None:
        pairs = f"{len(proof.pairs)} pair{'s' if len(proof.pairs) != 1 else ''} of runs, seed {proof.seed}"
        facts.append(("measured", f"{_with_interval(proof.saving)} ({pairs})"))
        facts.append(("in loads", _with_interval(proof.loading_saving)))
        if proof.cpu_saving is not None:
            facts.append(("processor", _with_interval(proof.cpu_saving)))
        facts.append(("not loaded", _not_loaded(proof)))
    if proof.touch is not None:
        moved = f"deferred to {_phase(proof.touch.phase)}, not saved"
        verdict = "loaded there after all, nothing is saved" if proof.touch.phase == phase else moved
        facts.append(("touched", f"{_by(proof.touch, cwd=cwd)}: {verdict}"))
    elif proof.pairs:
        facts.append(("untouched", "nothing needed it before the milestone"))
    if proof.failure is not None:
        facts.append(("failed", f"with {module} loaded lazily the target {proof.failure}: {_last(proof.stderr_tail)}"))
    return facts


def _not_loaded(proof: Verification) -> str:
    text = f"{proof.num_not_loaded} of the {proof.num_not_loaded + len(proof.loaded_anyway)} modules"
    if not proof.loaded_anyway or proof.touch is not None:
        return text
    shown = ", ".join(proof.loaded_anyway[:_NUM_NAMES])
    return f"{text}, but {shown}" + (" and others" if len(proof.loaded_anyway) > _NUM_NAMES else "")


def _with_interval(statistic: Statistic) -> str:
    interval = statistic.ci95
    if interval is None:
        return f"{format_seconds(statistic.median)}, no interval below three pairs"
    low, high = map(format_seconds, interval)
    return f"{format_seconds(statistic.median)}, 95 % interval {low} to {high}"


def _by(touch: Touch, *, cwd: str) -> str:
    where = f" at {place(touch.location, cwd=cwd)}" if touch.location else ""
    return f"by {plain(touch.how)}{where}, {format_seconds(touch.start_seconds)} after the start"


def _phase(name: str) -> str:
    return "the program's own code" if name == "unattributed" else name.replace("_", " ")


def _with_what(num_modules: int, seconds: float) -> str:
    if num_modules <= 1:
        return "it leads to nothing else alone"
    return f"with the {num_modules - 1} modules that only it leads to, {format_seconds(seconds)}"


def _names(hops: Sequence[Hop]) -> str:
    shown = ", ".join(
        f"{plain(hop.module)}:{hop.location.line}" if hop.location else plain(hop.module) for hop in hops[:_NUM_NAMES]
    )
    return shown + (f" and {len(hops) - _NUM_NAMES} more" if len(hops) > _NUM_NAMES else "")


def _last(lines: Sequence[str]) -> str:
    return plain(lines[-1]).strip() if lines else "it said nothing"
