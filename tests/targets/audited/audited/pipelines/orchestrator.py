"""Puts data, model and trainer together from the configuration."""

import sys
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf


class Orchestrator:
    """One run of the configured training."""

    def __init__(self, config: DictConfig) -> None:
        self.config = config
        self.plant = config.plant
        self._tokenizer: Any = None

    def run(self) -> None:
        """Trains."""
        from audited.data.pages import ensure_pages

        self._settle_config()
        self._import_what_is_left_over()
        ensure_pages(Path(self.config.data.root))
        tokenizer = self._vocabulary()
        datasets = self._datasets()
        data = self._data_module(datasets)
        loggers = [hydra.utils.instantiate(self.config.logger, eager=self.plant.eager_logger)]
        model = self._module(tokenizer)
        self._trainer(loggers).fit(model, data)

    def _settle_config(self) -> None:
        OmegaConf.set_struct(self.config, False)
        OmegaConf.resolve(self.config)

    def _import_what_is_left_over(self) -> None:
        if self.plant.deprecated_module:
            import audited.core.ocr_pl  # plant.deprecated_module
        import audited.data.charset

        if self.plant.two_names:
            sys.path.insert(0, str(Path(audited.data.charset.__file__).parent))
            import charset  # noqa: F401  # plant.two_names

    def _vocabulary(self) -> Any:
        if not self.plant.tokenizer_thrice:
            return self._tokenizer_once()
        tokenizer = hydra.utils.instantiate(self.config.data.tokenizer)  # plant.tokenizer_thrice, first
        hydra.utils.instantiate(self.config.data.tokenizer)  # plant.tokenizer_thrice, second
        hydra.utils.instantiate(self.config.data.tokenizer)  # plant.tokenizer_thrice, third
        return tokenizer

    def _tokenizer_once(self) -> Any:
        if self._tokenizer is None:
            self._tokenizer = hydra.utils.instantiate(self.config.data.tokenizer)
        return self._tokenizer

    def _datasets(self) -> dict[str, Any]:
        """Those that are built before anything asks for them."""
        if not self.plant.eager_splits:
            return {}
        nodes = self.config.data.datasets
        return {split: hydra.utils.instantiate(nodes[split]) for split in ("train", "val", "test")}

    def _data_module(self, datasets: dict[str, Any]) -> Any:
        from audited.data.datamodule import OCRDataModule

        return OCRDataModule(datasets, config=self.config.data, collate_each_time=self.plant.collate_four_times)

    def _module(self, tokenizer: Any) -> Any:
        from audited.core.module import OCRModule
        from audited.core.registry import run_name

        run_name(self.config.model.architecture, cached=not self.plant.registry_lookups)
        return OCRModule(self.config.model, vocab_size=len(tokenizer), plant=self.plant)

    def _trainer(self, loggers: list[Any]) -> Any:
        from lightning.pytorch import Trainer

        return Trainer(**self.config.trainer, logger=loggers)
