"""What each phase of a start was spent on, in few words: for the margin of the table of phases."""

from collections.abc import Sequence

from ocrprof.renderers.figures import Scale
from ocrprof.renderers.figures_startup import phase_rows
from ocrprof.renderers.places import plain
from ocrprof.results.model import Construction, StartupReport

_NUM_PARTS = 3
_MIN_SHARE = 0.05
_MIN_SHARE_OF_PHASE = 0.01
_KINDS = {
    "hydra.compose": "compose",
    "hydra.plugins": "plugins",
    "workers.start": "worker start",
    "compile": "torch.compile",
    "compile.graph": "compiling",
    "cuda.init": "CUDA context",
    "omegaconf": "OmegaConf",
    "trainer.init": "Trainer",
    "data.setup": "setup",
}


def phase_notes(report: StartupReport, *, scale: Scale) -> dict[str, str]:
    """`OCRModule 0.81 · imports 0.40` by phase, the longest first, in the unit of `scale`; of the run that is shown.

    Exclusive seconds: the parts of a phase do not overlap. What takes less than a twentieth of its phase is left out.
    """
    parts, notes = _parts(report), {}
    for row in phase_rows(report):
        largest = sorted(parts.get(row.name, {}).items(), key=lambda part: -part[1])[:_NUM_PARTS]
        shown = [(name, seconds) for name, seconds in largest if seconds >= _MIN_SHARE * row.seconds.median]
        if row.share >= _MIN_SHARE_OF_PHASE:
            notes[row.name] = plain(" · ".join(f"{name} {scale.text(seconds)}" for name, seconds in shown))
    return notes


def _parts(report: StartupReport) -> dict[str, dict[str, float]]:
    """Seconds by name, for each phase in which something was loaded or built."""
    parts: dict[str, dict[str, float]] = {}

    def add(phase: str, name: str, seconds: float) -> None:
        if name != phase:
            of_phase = parts.setdefault(phase, {})
            of_phase[name] = of_phase.get(name, 0.0) + seconds

    for row in report.imports:
        if row.thread == 0:
            add(row.phase, row.module.partition(".")[0] if row.phase == "imports" else "imports", row.self_seconds)
    built: dict[tuple[str, str], list[Construction]] = {}
    for one in _outermost(report.constructions):
        built.setdefault((one.phase, one.name), []).append(one)
    for (phase, name), group in built.items():
        if not group[0].parts:
            add(phase, _label(name, group, report), sum(one.self_seconds for one in group))
            continue
        # What a module's `__init__` is made of says more than its name; the imports inside are counted above.
        for part in (part for one in group for part in one.parts if part.name != "imports"):
            add(phase, part.name if part.name.startswith("torch.") else part.name.rpartition(".")[2], part.seconds)
    return parts


def _outermost(constructions: Sequence[Construction]) -> list[Construction]:
    """Without those inside one that is told by its parts: they are among them."""
    split = [one for one in constructions if one.parts]
    return [
        one
        for one in constructions
        if not any(
            other is not one and other.start_seconds <= one.start_seconds < other.start_seconds + other.seconds
            for other in split
        )
    ]


def _label(name: str, group: list[Construction], report: StartupReport) -> str:
    """`PageDataset ×3`, `compose ×2 (18 files)`, `create_model ×2 DUPLICATE`."""
    kind = group[0].kind
    label = _KINDS.get(kind) or (kind if name == kind else name.rpartition(".")[2])
    times = f" ×{len(group)}" if len(group) > 1 else ""
    composed = report.hydra.compositions if report.hydra and kind == "hydra.compose" else []
    files = f" ({composed[0].num_files} files)" if composed else ""
    duplicate = any(row.duplicate and row.target == name for row in report.instantiations)
    return f"{label}{times}{files}{' DUPLICATE' if duplicate else ''}"
