"""What a comparison shows, as cells and sentences: the same on the terminal, in Markdown and on the page."""

from collections.abc import Iterable, Sequence

from ocrprof.renderers.figures import phase_name, short_commit
from ocrprof.renderers.figures_check import share_text
from ocrprof.renderers.places import plain
from ocrprof.results.compare_words import cause_name, signed_seconds, value_text
from ocrprof.results.model import (
    PHASES,
    Breakdown,
    Cause,
    ComparedFigure,
    ComparisonReport,
    FingerprintField,
    Part,
    Side,
)
from ocrprof.units import format_seconds

NOISE = "noise"
"""Stands beside a change that the spread of the runs alone may make."""

_TIERS = {
    "refuse": "times cannot be compared",
    "treatment": "may be what is compared",
    "warn": "may shift times",
}
_COUNTED = {"runs": "run", "batches": "batch", "samples": "setting", "epochs": "epoch"}
_NUM_PARTS = 4


def change_text(figure: ComparedFigure) -> str:
    """`+11.8 %`; of what only one side has `new` or `gone`; nothing where both are equal."""
    if figure.base is None or figure.candidate is None:
        return "new" if figure.base is None else "gone"
    if figure.base == figure.candidate:
        return ""
    if figure.unit == "share" or not figure.base:
        difference = value_text(abs(figure.candidate - figure.base), figure.unit)
        return f"{'−' if figure.candidate < figure.base else '+'}{difference}"
    return share_text(figure.candidate / figure.base - 1)


def noise_text(inside: bool | None) -> str:
    """`noise` for a change that may be nothing else."""
    return NOISE if inside else ""


def figure_cells(figure: ComparedFigure) -> list[str]:
    """Name, both sides with their intervals, change, noise."""
    return [
        figure_name(figure),
        _with_interval(figure.base, figure.base_ci95, figure.unit),
        _with_interval(figure.candidate, figure.candidate_ci95, figure.unit),
        change_text(figure),
        figure_noise(figure),
    ]


def figure_noise(figure: ComparedFigure) -> str:
    """`noise` for a change that may be nothing else; nothing where nothing changed."""
    return noise_text(figure.inside_noise and figure.base != figure.candidate)


def figure_name(figure: ComparedFigure) -> str:
    """A phase as it is read, anything else as it is called."""
    return phase_name(figure.name) if figure.name in PHASES else plain(figure.name)


def _with_interval(value: float | None, interval: tuple[float, float] | None, unit: str) -> str:
    text = value_text(value, unit)
    if interval is None or not text:
        return text
    return f"{text} [{value_text(interval[0], unit)}, {value_text(interval[1], unit)}]"


def most_changed(figures: Iterable[ComparedFigure], *, most: int) -> list[ComparedFigure]:
    """The figures that changed most, by share of the larger side, in their order; equal ones are left out."""
    different = [one for one in figures if one.base != one.candidate]
    chosen = sorted(different, key=_relative, reverse=True)[:most]
    return [one for one in different if one in chosen]


def _relative(figure: ComparedFigure) -> float:
    before, after = figure.base or 0.0, figure.candidate or 0.0
    largest = max(abs(before), abs(after))
    return abs(after - before) / largest if largest else 0.0


def breakdown_line(breakdown: Breakdown) -> str:
    """`time to first step 74.3 s → 77.5 s, +3.20 s [+2.9 s, +3.5 s], 5 and 5 runs: outside the noise`."""
    words = (
        f"{breakdown.name} {format_seconds(breakdown.base_seconds)} → {format_seconds(breakdown.candidate_seconds)}: "
        f"{signed_seconds(breakdown.difference_seconds)}"
    )
    if breakdown.base_seconds:
        words += f" ({share_text(breakdown.difference_seconds / breakdown.base_seconds)})"
    if breakdown.difference_ci95:
        low, high = breakdown.difference_ci95
        words += f", 95 % interval [{signed_seconds(low)}, {signed_seconds(high)}]"
    return f"{words}; {_counted(breakdown)}"


def _counted(breakdown: Breakdown) -> str:
    noun = _COUNTED[breakdown.of]
    plural = {"batch": "batches"}.get(noun, f"{noun}s")
    words = f"{breakdown.num_base} and {breakdown.num_candidate} {plural}"
    if breakdown.inside_noise is None:
        return f"{words}: whether that is noise is not known"
    return f"{words}: {'inside' if breakdown.inside_noise else 'outside'} the noise"


def cause_text(cause: Cause) -> str:
    """`new import: pandas, with 12 more`."""
    return plain(cause_name(cause))


def parts_text(cause: Cause) -> str:
    """What the largest parts of a cause are: `pandas 1.2 s, numpy 0.4 s, … 10 more`; nothing where it has one."""
    if len(cause.parts) < 2:
        return ""
    shown = [f"{plain(part.name)} {_part_seconds(part)}" for part in cause.parts[:_NUM_PARTS]]
    rest = len(cause.parts) - len(shown)
    return ", ".join(shown) + (f", … {rest} more" if rest > 0 else "")


def _part_seconds(part: Part) -> str:
    return format_seconds(abs(part.seconds))


def mismatch_sentence(field: FingerprintField) -> str:
    """`torch: 2.8.0 → 2.9.0 (may be what is compared)`."""
    return f"{plain(field.name)}: {plain(field.base)} → {plain(field.candidate)} ({_TIERS[field.tier]})"


def side_text(side: Side) -> str:
    """`reports/startup_1, 2026-03-02T09:41:00Z, commit c0ffee1`."""
    words = f"{plain(side.path)}, {side.created}"
    commit = side.environment.git_commit
    return f"{words}, commit {short_commit(commit)}" if commit else words


def last_line(report: ComparisonReport) -> str:
    """The one line to remember; with the verdict where one was asked for."""
    words = {"regressed": "REGRESSED", "not_comparable": "NOT COMPARABLE"}
    verdict = f"{words.get(report.verdict, report.verdict)}: " if report.verdict else ""
    return f"{verdict}{plain(report.headline)}"


def why_not_judged(report: ComparisonReport) -> str:
    """`not judged: processor, GPUs differ`; nothing where it was."""
    refused = [field.name for field in report.mismatches if field.tier == "refuse"]
    return f"Not judged: {', '.join(refused)} differ." if report.verdict == "not_comparable" else ""


def title_text(title: str) -> str:
    """With a capital, and all others as they are."""
    return title[:1].upper() + title[1:]


def set_names(report: ComparisonReport) -> Sequence[tuple[str, str, bool]]:
    """Heading, key and whether it came, of every set in which the two differ."""
    found = []
    for name in dict.fromkeys([*report.added, *report.removed]):
        if report.added.get(name):
            found.append((f"{title_text(name)} that are new", name, True))
        if report.removed.get(name):
            found.append((f"{title_text(name)} that are gone", name, False))
    return found
