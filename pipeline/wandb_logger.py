"""Lightning's logger for Weights & Biases, whose run can wait until there is something to show."""

from argparse import Namespace
from typing import Any, Literal

from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities.rank_zero import rank_zero_only


class DeferredWandbLogger(WandbLogger):
    """Starts its run (a service process and, online, the network) with the first metric, not before the first step.

    What is logged before is handed over then. Whoever asks for `experiment` gets it at once. A run that ended without a
    metric is started at its end, so that none is missing. With `deferred` False it is Lightning's own. All other
    arguments are those of WandbLogger, and of wandb.init.
    """

    def __init__(
        self,
        *,
        deferred: bool = True,
        project: str | None = None,
        name: str | None = None,
        save_dir: str = ".",
        offline: bool = False,
        log_model: bool | Literal["all"] = False,
        **arguments: Any,  # those of wandb.init
    ) -> None:
        super().__init__(
            project=project, name=name, save_dir=save_dir, offline=offline, log_model=log_model, **arguments
        )
        self._deferred = deferred
        self._pending: list[dict[str, Any] | Namespace] = []

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace) -> None:
        if self._deferred and self._experiment is None:
            self._pending.append(params)
        else:
            super().log_hyperparams(params)

    @rank_zero_only
    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        self._start()
        super().log_metrics(metrics, step)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        self._start()
        super().finalize(status)

    def _start(self) -> None:
        """Hands over what was kept, by which the run is started."""
        pending, self._pending = self._pending, []
        for params in pending:
            super().log_hyperparams(params)
