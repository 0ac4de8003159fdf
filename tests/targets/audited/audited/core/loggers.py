"""A logger that reaches for its service when it is made, or when it first has something to say."""

from typing import Any

from lightning.pytorch.loggers import Logger

from audited.costs import costing


class OfflineRunLogger(Logger):
    """Keeps what was logged."""

    def __init__(self, project: str, eager: bool) -> None:
        super().__init__()
        self.project = project
        self.rows: list[dict[str, float]] = []
        self._connected = False
        if eager:
            self._connect()  # plant.eager_logger

    @property
    def name(self) -> str:
        """The project."""
        return self.project

    @property
    def version(self) -> str:
        """Always the first."""
        return "0"

    def log_hyperparams(self, params: Any) -> None:
        """Nothing is kept of them."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Keeps one row."""
        self._connect()
        self.rows.append(metrics)

    def _connect(self) -> None:
        if not self._connected:
            with costing("logger"):
                self._connected = True
