"""Hooks on torchmetrics: each metric's `update` and `compute`, which it wraps per instance through two methods."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from ocrprof.recorder.core import Recorder


def patch_metric(recorder: "Recorder", module: "ModuleType") -> None:
    """`update` and `compute` of every metric, by class."""
    for method, span in (("_wrap_update", "metric.update"), ("_wrap_compute", "metric.compute")):
        _patch(recorder, module.Metric, method, span)


def _patch(recorder: "Recorder", metric: type, method: str, span: str) -> None:
    original = getattr(metric, method)
    core = recorder.load("core")

    def wrap(self: object, function: "Callable[..., object]") -> "Callable[..., object]":
        return recorder.timed(
            original(self, function),
            span,
            attributes=lambda *_, **__: {"class": core.name_of(self)},
            location=lambda *_, **__: core.line_of(function),
            announce=False,
        )

    setattr(metric, method, core.look_like(wrap, original))
