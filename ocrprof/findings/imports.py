"""`eager-heavy-import`: a heavy package is loaded before anything needs it.

That a program needs torch to train says nothing against importing it; a load record cannot tell whether a package was
used. Two things can be told from what is recorded, and only they are judged:

1. **Before the configuration is read.** What the program's own lines import before Hydra starts (or before argparse
   parses the command line, whichever comes first) delays every configuration error, every usage error and `--help` by
   its whole load time. The libraries that read and check configurations are needed for that, and are not judged; nor is
   a program that reads no configuration. What is claimed is the time to an error message, *not* the time to the first
   step: a package that training needs is then loaded later, for the same seconds.
2. **W&B never used.** `wandb` was loaded by a line of the program, and up to the milestone neither `wandb.init` nor a
   logger of that name was made. Both are recorded, so this is known; it is claimed of no other package.

Seconds are the self times of all loads under the program's import lines for a package, on the main thread: what these
lines did cost, not a prediction. What deferring them saves may be less, as another line may need part of it as well
(a second import of something loaded leaves no record).
"""

from collections.abc import Sequence
from typing import Any

from ocrprof.findings.judging import finding, loading, place, places, reached, start_seconds
from ocrprof.results.import_graph import Owner, ProgramImport, first_loads, program_imports, top_level
from ocrprof.results.model import Construction, Finding, ImportRow, Location, StartupReport
from ocrprof.units import format_seconds

_MIN_SECONDS = 0.2
_MIN_SHARE = 0.03
_READS_CONFIGURATION = ("hydra.main", "hydra.compose", "arguments")
# fmt: off
_CONFIGURATION_LIBRARIES = frozenset((
    "hydra", "hydra_zen", "hydra_plugins", "omegaconf", "antlr4", "yaml", "ruamel", "tomli", "toml", "dotenv",
    "pydantic", "pydantic_core", "pydantic_settings", "attr", "attrs", "cattrs", "marshmallow", "jsonschema",
    "typer", "click", "rich_click", "jsonargparse", "tyro", "fire", "absl", "docopt", "simple_parsing", "rootutils",
    "pyrootutils", "typing_extensions",
))
# fmt: on


def eager_heavy_imports(report: StartupReport) -> list[Finding]:
    """One finding for each package that the program's own lines load too early, by the definition above."""
    owners: dict[str, Owner] = {row.package: row.owner for row in report.packages}
    unused = _without_use(report, owners)
    named = {finding.evidence["package"] for finding in unused}
    return unused + [one for one in _before_configuration(report, owners) if one.evidence["package"] not in named]


def _before_configuration(report: StartupReport, owners: dict[str, Owner]) -> list[Finding]:
    reads = [row for row in report.constructions if row.kind in _READS_CONFIGURATION]
    first = min(reads, key=lambda row: row.start_seconds, default=None)
    if first is None:
        return []
    early = [row for row in report.imports if row.start_seconds < first.start_seconds]
    return [
        _early_finding(report, package, lines, first)
        for package, lines in _by_package(early, owners).items()
        if package not in _CONFIGURATION_LIBRARIES and _is_heavy(lines, report)
    ]


def _without_use(report: StartupReport, owners: dict[str, Owner]) -> list[Finding]:
    lines = _by_package(report.imports, owners).get("wandb")
    was_used = any(
        row.kind == "wandb.init" or (row.kind == "logger.init" and "wandb" in row.name.lower())
        for row in report.constructions
    )
    if not lines or was_used or not reached(report) or not _is_heavy(lines, report):
        return []
    cwd = report.target.cwd
    seconds = _seconds(lines)
    return [
        finding(
            "eager-heavy-import",
            f"wandb is imported and not used before the {report.until.replace('-', ' ')}",
            seconds=seconds,
            of_seconds=start_seconds(report),
            location=lines[0].line,
            evidence=_evidence("wandb", lines, report),
            intervals=loading(row for one in lines for row in one.rows),
            advice=f"Import it where the run is made. {places([one.line for one in lines], cwd=cwd)} costs every start"
            f" {format_seconds(seconds)}, and no `wandb.init` and no W&B logger followed.",
        )
    ]


def _early_finding(report: StartupReport, package: str, lines: Sequence[ProgramImport], first: Construction) -> Finding:
    seconds = _seconds(lines)
    by_hydra = any(row.kind.startswith("hydra.") for row in report.constructions)
    before = "Hydra reads the configuration" if by_hydra else "the command line is parsed"
    error = "configuration error" if by_hydra else "usage error"
    return finding(
        "eager-heavy-import",
        f"{package} is imported before {before}: --help and every {error} wait {format_seconds(seconds)} for it",
        seconds=seconds,
        of_seconds=start_seconds(report),
        location=lines[0].line,
        evidence=_evidence(package, lines, report)
        | {
            "configuration_read_after_seconds": first.start_seconds,
            "claims": f"the time to a {error} or to --help; training needs it later, if it needs it",
        },
        # The answer that a probe waits for needs none of it.
        effect="saves" if report.probe else "moves",
        intervals=loading(row for one in lines for row in one.rows),
        advice=_early_advice(report, lines, error),
    )


def _early_advice(report: StartupReport, lines: Sequence[ProgramImport], error: str) -> str:
    cwd = report.target.cwd
    imported = ", ".join(f"`{_imported(one)}` ({place(one.line, cwd=cwd)})" for one in lines[:4])
    more = f" and {len(lines) - 4} more lines" if len(lines) > 4 else ""
    entries = {_entry(one, report.imports) for one in lines}
    entry = entries.pop() if len(entries) == 1 else None
    if entry is None:
        return (
            f"Import {imported}{more} in the function that first uses it, behind the check of the configuration;"
            f" names that only annotations need go under `if TYPE_CHECKING:`."
        )
    module, line = entry
    return (
        f"All of it comes in through one line: import `{module}` ({place(line, cwd=cwd)}) in the function that runs"
        f" when the configuration is there, and a {error} comes {format_seconds(_seconds(lines))} sooner. Or defer one"
        f" by one: {imported}{more}."
    )


def _entry(one: ProgramImport, rows: Sequence[ImportRow]) -> tuple[str, Location] | None:
    """The line of the program's main file that leads to this import, and the module it names; None if it is there."""
    first = first_loads(rows)
    row: ImportRow | None = one.rows[0]
    below: ImportRow | None = None
    seen: set[str] = set()
    while row is not None and row.importer_module not in (None, "__main__") and row.module not in seen:
        seen.add(row.module)
        below = first.get(row.importer_module or "")
        row = below
    if row is None or below is None or row.importer is None:
        return None
    return row.module, row.importer


def _by_package(rows: Sequence[ImportRow], owners: dict[str, Owner]) -> dict[str, list[ProgramImport]]:
    """The program's import lines by the package they name, the heaviest line first."""
    packages: dict[str, list[ProgramImport]] = {}
    for one in sorted(program_imports(rows, owners=owners), key=lambda one: -one.seconds):
        packages.setdefault(one.package, []).append(one)
    return packages


def _is_heavy(lines: Sequence[ProgramImport], report: StartupReport) -> bool:
    return _seconds(lines) >= max(_MIN_SECONDS, _MIN_SHARE * start_seconds(report))


def _seconds(lines: Sequence[ProgramImport]) -> float:
    return sum(one.seconds for one in lines)


def _imported(one: ProgramImport) -> str:
    """What the line names: of the modules that it asked for itself the innermost, the others are its packages."""
    return max((row.module for row in one.rows if row.importer == one.line), key=lambda name: name.count("."))


def _evidence(
    package: str, lines: Sequence[ProgramImport], report: StartupReport
) -> dict[str, Any]:  # Any: JSON values
    rows = [row for one in lines for row in one.rows]
    seconds: dict[str, float] = {}
    for row in rows:
        name = top_level(row.module)
        seconds[name] = seconds.get(name, 0.0) + row.self_seconds
    heaviest = sorted(seconds, key=lambda name: -seconds[name])[:5]
    chain = next((row.chain for row in report.packages if row.package == package), [])
    return {
        "package": package,
        "lines": [f"{place(one.line, cwd=report.target.cwd)} {format_seconds(one.seconds)}" for one in lines[:6]],
        "with_it": [f"{name} {format_seconds(seconds[name])}" for name in heaviest],
        "num_modules": len({row.module for row in rows if row.ok}),
        "chain": [hop.partition(" (")[0] for hop in chain],
    }
