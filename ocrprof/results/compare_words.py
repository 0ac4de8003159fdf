"""What a cause is called, and figures as text."""

from ocrprof.results.model import Cause
from ocrprof.units import format_bytes, format_percent, format_seconds

_PHASE_WORDS = {
    "interpreter": "starting the interpreter",
    "site": "site and .pth files",
    "imports": "imports, outside any module",
    "unattributed": "the program's own code",
    "exit": "teardown",
}

_CALL_WORDS = {
    "hydra.main": "Hydra's own work",
    "hydra.compose": "composing the configuration",
    "hydra.plugins": "Hydra's search for plugins",
    "omegaconf": "OmegaConf",
    "data.prepare": "prepare_data",
    "data.setup": "setting up the data",
    "configure_optimizers": "configure_optimizers",
    "compile": "torch.compile",
    "compile.graph": "compiling at a first call",
    "cuda.init": "making the CUDA context",
    "wandb.init": "wandb.init",
    "workers.start": "starting workers",
    "sanity_check": "the sanity check",
}
"""What is called and not built, by the kind of its record."""


def signed_seconds(seconds: float) -> str:
    """`+3.20 s`, `−12.1 ms`: the sign always stands, a true minus."""
    return f"{'−' if seconds < 0 else '+'}{format_seconds(abs(seconds))}"


def cause_name(cause: Cause) -> str:
    """What changed, as the beginning of a sentence: `new import: pandas, with 12 more`, `new in torch: 28 modules`."""
    match cause.kind:
        case "gained" | "lost" if cause.phase is not None:
            word = "new import" if cause.kind == "gained" else "import gone"
            others = len(cause.parts) - 1
            return f"{word}: {cause.name}" + (f", with {others} more" if others > 0 else "")
        case "gained":
            return f"{cause.name} is new"
        case "lost":
            return f"{cause.name} is gone"
        case "more_modules" | "fewer_modules":
            word = "new" if cause.kind == "more_modules" else "gone"
            return f"{word} in {cause.name}: {cause.detail}"
        case "slower" | "faster" if cause.phase is not None:
            return f"{cause.name} loads {cause.kind}"
        case "slower" | "faster":
            return f"{cause.name} is {cause.kind}"
        case "built":
            return _CALL_WORDS.get(cause.name, f"building {cause.name}")
        case "own_code":
            return _PHASE_WORDS.get(cause.name, f"{cause.name.replace('_', ' ')}, its own code")
        case "phase":
            return f"{cause.name.replace('_', ' ')}, the whole phase"
    return f"{cause.name} of {cause.phase.replace('_', ' ')}" if cause.phase else cause.name


def value_text(value: float | None, unit: str) -> str:
    """A figure with its unit; nothing for None."""
    if value is None:
        return ""
    match unit:
        case "seconds":
            return format_seconds(value)
        case "bytes":
            return format_bytes(value)
        case "count":
            return f"{value:.10g}"
        case "samples_per_sec":
            return f"{value:.4g} samples/s"
        case "share":
            return format_percent(value)
        case "ratio":
            return f"{value:.3f} ×"
    return f"{value:.6g}"
