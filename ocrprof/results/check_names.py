"""What the metrics of a check are called, before it has measured any and after, and which of them a pattern means."""

import difflib
import re
from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatchcase

from ocrprof.errors import OcrprofError
from ocrprof.results.check_exact import RULES
from ocrprof.results.model import PHASES, Budget, CheckReport

_BUDGET_NAME = re.compile(r"^([\w./-]+)\s*<")
_FORBIDDEN_NAME = re.compile(r"^no (\S+) before ")
_WILD = re.compile(r"[*?\[]")

_EXACT = (
    *RULES, "own_modules", "batch_shapes", "config", "calls", "batch_size", "num_workers", "parameters",
    *(f"{loop}_{what}" for loop in ("train", "validation") for what in ("epochs", "batches", "samples")),
)  # fmt: skip
_OPEN_EXACT = ("declared.", "logged.")


def known_names(report: CheckReport) -> list[str]:
    """Every metric that a report tells of: sampled ones, exact ones, and those of budgets."""
    facts = report.facts
    exact = [change.name for change in report.exact]
    exact += [*facts.sets, *facts.counts, *facts.values] if facts is not None else []
    names = [info.name for info in report.metric_infos] + exact + [budget_name(one) for one in report.budgets]
    return list(dict.fromkeys(names))


def budget_name(budget: Budget) -> str:
    """The metric that a budget limits, or the module that must not be loaded."""
    found = _BUDGET_NAME.match(budget.text) or _FORBIDDEN_NAME.match(budget.text)
    return found[1] if found else budget.text


def matching(patterns: Iterable[str], known: Sequence[str]) -> list[str]:
    """The names that any of the patterns means, each once: by pattern, and in their own order."""
    return list(dict.fromkeys(name for pattern in patterns for name in known if fnmatchcase(name, pattern)))


def unknown_patterns(patterns: Iterable[str], known: Collection[str]) -> list[str]:
    """The patterns that mean none of the names."""
    return [pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in known)]


def close_to(pattern: str, known: Collection[str]) -> str:
    """What may have been meant, and what there is: the hint of a pattern that means nothing."""
    close = [name for name in known if pattern.strip("*") and pattern.strip("*") in name][:3]
    close += difflib.get_close_matches(pattern, known, n=3, cutoff=0.6)
    meant = ", ".join(dict.fromkeys(close))
    return (f"did you mean {meant}? " if meant else "") + f"known: {', '.join(known) or 'none'}"


def require_explained(report: CheckReport) -> None:
    """Raises OcrprofError for a metric that is to be explained and that the report does not have."""
    known = known_names(report)
    for pattern in unknown_patterns(report.explained, known):
        raise OcrprofError(f"--explain {pattern}: no metric is called so", hint=close_to(pattern, known))


def names_to_come(
    *, until: str | None, probe: str | None, loop: bool, exact_only: bool, limited: Sequence[str] = ()
) -> list[str]:
    """Names that a check of this kind can give, as far as they can be known before it; `limited`: those of budgets."""
    if exact_only:
        return list(dict.fromkeys((*_EXACT, *limited)))
    milestones = (probe,) if probe else ("first-step", "exit") if loop or until is None else (until,)
    totals = [f"time_to_{one}".replace("-", "_") for one in milestones]
    phases = [f"startup.{phase}" for phase in PHASES if phase != "exit"]
    return list(dict.fromkeys((*totals, "imports", "teardown", *phases, "cpu", "peak_rss", *_EXACT, *limited)))


def surely_unknown(patterns: Iterable[str], names: Collection[str], *, loop: bool, exact_only: bool) -> list[str]:
    """The patterns that will mean nothing, whatever is measured.

    What a program declares and logs, and, with a `loop`, what its loops are called, is known only afterwards.
    """
    return [
        pattern
        for pattern in unknown_patterns(patterns, names)
        if not _may_be_open(pattern) and not (loop and not exact_only and ("." in pattern or pattern == "peak_pss"))
    ]


def _may_be_open(pattern: str) -> bool:
    """Whether a name can fit that begins with `declared.` or `logged.`."""
    wild = _WILD.search(pattern)
    literal = pattern[: wild.start()] if wild else pattern
    return any(literal.startswith(one) or (wild is not None and one.startswith(literal)) for one in _OPEN_EXACT)
