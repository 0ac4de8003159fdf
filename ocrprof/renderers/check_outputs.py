"""The files of a check, and what a CI system is told: all of it written before the command ends with its exit code."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO, get_args

from ocrprof.errors import OcrprofError
from ocrprof.renderers.check_html import check_html
from ocrprof.renderers.check_markdown import check_markdown
from ocrprof.renderers.github import annotations, step_summary
from ocrprof.renderers.gitlab import code_quality_json
from ocrprof.renderers.junit import junit_xml
from ocrprof.results.model import CheckReport
from ocrprof.results.store import write_report, write_text

CheckFormat = Literal["json", "md", "html", "junit", "github", "gitlab"]
CHECK_FORMATS: tuple[CheckFormat, ...] = get_args(CheckFormat)

SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"


@dataclass(frozen=True)
class CheckOutputs:
    """What was written. `notes`: what was asked for and could not be, and why."""

    files: tuple[Path, ...]
    page: Path
    notes: tuple[str, ...] = ()


def parse_check_formats(text: str | None, *, environ: Mapping[str, str]) -> tuple[CheckFormat, ...]:
    """The formats that `--format` names; `auto`, and None, are the files, and what the CI system at hand reads."""
    names = [name.strip() for name in (text or "auto").split(",")]
    wanted: set[str] = set()
    for name in names:
        if name == "auto":
            wanted |= {"json", "md", "html", "junit"}
            wanted |= {"github"} if environ.get("GITHUB_ACTIONS") == "true" else set()
            wanted |= {"gitlab"} if environ.get("GITLAB_CI") == "true" else set()
        elif name in CHECK_FORMATS:
            wanted.add(name)
        else:
            known = ", ".join(("auto", *CHECK_FORMATS))
            raise OcrprofError(f"--format {text}: no format is called {name!r}", hint=f"formats: {known}")
    return tuple(form for form in CHECK_FORMATS if form in wanted)


def write_check_outputs(
    report: CheckReport,
    folder: Path,
    *,
    formats: Collection[CheckFormat],
    environ: Mapping[str, str],
    stream: TextIO,
) -> CheckOutputs:
    """Writes `report.json` (always: the others are drawn from it) and each format that is wanted.

    md: `report.md`; html: `report.html`; junit: `junit.xml`; gitlab: `codequality.json`. github: the Markdown is
    appended to the file that GITHUB_STEP_SUMMARY of `environ` names, and annotations go to `stream`.
    """
    files = [write_report(report, folder)]
    texts = (
        ("md", "report.md", check_markdown),
        ("html", "report.html", check_html),
        ("junit", "junit.xml", junit_xml),
        ("gitlab", "codequality.json", code_quality_json),
    )
    for form, name, drawn in texts:
        if form in formats:
            files.append(write_text(drawn(report), folder / name))
    page = next((file for file in files if file.suffix == ".html"), files[0])
    notes = _tell_github(report, environ=environ, stream=stream) if "github" in formats else []
    return CheckOutputs(files=tuple(files), page=page, notes=tuple(notes))


def _tell_github(report: CheckReport, *, environ: Mapping[str, str], stream: TextIO) -> list[str]:
    """A summary that cannot be written is no reason to lose the verdict: it is told."""
    notes = []
    path = environ.get(SUMMARY_VARIABLE)
    if path is None:
        notes.append(f"no step summary: {SUMMARY_VARIABLE} is not set, as it is in a step of GitHub Actions")
    else:
        try:
            with Path(path).open("a", encoding="utf-8") as summary:
                summary.write(step_summary(report) + "\n")
        except OSError as error:
            notes.append(f"no step summary: cannot write {path}: {error.strerror or error}")
    stream.write("".join(f"{command}\n" for command in annotations(report)))
    return notes
