"""What the orchestrator and the Lightning module imported at the top of their files, as the audits found them."""

# isort: off
import torch  # noqa: F401  # plant.eager_imports
import torchmetrics.text  # noqa: F401  # plant.eager_imports
import lightning.pytorch  # noqa: F401  # plant.eager_imports
