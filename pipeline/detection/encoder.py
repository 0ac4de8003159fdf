"""The backbone: any timm model that has features at strides 4, 8, 16 and 32."""

import logging
import pickle
from pathlib import Path

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors import SafetensorError
from torch import Tensor, nn

from pipeline.loading import left_out

# timm's training script can log to wandb, so that timm imports it wherever it is installed: 0.7 s of every start.
with left_out("wandb"):
    import timm
    from timm.models import load_state_dict as read_state_dict

logger = logging.getLogger(__name__)

STRIDES = (4, 8, 16, 32)


class TimmEncoder(nn.Module):
    """Features of a timm model at strides 4, 8, 16 and 32; `channels` holds their widths, finest first.

    `weights_path` is a state dict (.safetensors or .pth) saved from the timm model of this name; it takes the place of
    `pretrained`. With `pretrained`, timm's own weights are used if the Hugging Face cache of this machine holds them;
    the network is never asked, because a machine without one would wait 23 s (measured) at every start. Weights that
    are not there are named in a warning and the model starts from random ones.

    Raises ValueError for a model name timm does not know, a model without those strides, and a weights file that is
    missing or belongs to another model.
    """

    def __init__(
        self, model_name: str = "resnet18", *, pretrained: bool = False, weights_path: str | Path | None = None
    ) -> None:
        super().__init__()
        if not timm.is_model(model_name):
            raise ValueError(f"timm {timm.__version__} has no model {model_name!r}; timm.list_models() names them all")
        cached = _cached_weights(model_name) if pretrained and weights_path is None else None
        self.body = timm.create_model(
            model_name,
            features_only=True,
            pretrained=cached is not None,
            # `file` is loaded as it lies; without it timm would ask the hub whether the cached file is the newest.
            pretrained_cfg_overlay=None if cached is None else {"file": cached},
        )
        if weights_path is not None:
            _load_weights(self.body, model_name, Path(weights_path))

        reductions = self.body.feature_info.reduction()
        if missing := [stride for stride in STRIDES if stride not in reductions]:
            raise ValueError(f"{model_name} has features at strides {reductions}, DBNet needs {missing} too")
        self._levels = [reductions.index(stride) for stride in STRIDES]
        widths = self.body.feature_info.channels()
        self.channels: tuple[int, ...] = tuple(widths[level] for level in self._levels)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Four maps (B, channels[i], H / stride, W / stride) from images (B, 3, H, W), stride 4 first."""
        features = self.body(images)
        return [features[level] for level in self._levels]


def _cached_weights(model_name: str) -> str | None:
    """Path of timm's weights in the Hugging Face cache; None, after a warning that names the remedy, if not there."""
    config = timm.get_pretrained_cfg(model_name)
    if config is None or not config.hf_hub_id:
        logger.warning("timm publishes no weights for %s: the encoder starts from random weights", model_name)
        return None
    file_name = config.hf_hub_filename or "model.safetensors"
    try:
        return hf_hub_download(config.hf_hub_id, file_name, local_files_only=True)
    except LocalEntryNotFoundError:
        logger.warning(
            "pretrained weights of %s are not in this machine's cache: the encoder starts from random weights. "
            "To get them: hf download %s %s",
            model_name,
            config.hf_hub_id,
            file_name,
        )
        return None


def _load_weights(body: nn.Module, model_name: str, path: Path) -> None:
    """Fill `body` from the state dict at `path`; tensors it lacks keep their random values and are counted aloud."""
    if not path.is_file():
        raise ValueError(f"weights_path {path}: no such file")
    try:
        saved = read_state_dict(path)
    except (pickle.UnpicklingError, SafetensorError, RuntimeError, EOFError) as error:
        raise ValueError(f"weights_path {path}: not a readable state dict ({error})") from error
    # The feature wrapper of some models joins names with "_" where the classifier has "." (stages_0 for stages.0).
    found = {name.replace(".", "_"): tensor for name, tensor in saved.items()}
    wanted = {name: tensor for name, tensor in body.state_dict().items() if not name.endswith("num_batches_tracked")}
    state: dict[str, Tensor] = {}
    for name, tensor in wanted.items():
        source = found.get(name.replace(".", "_"))
        if source is None:
            continue
        if source.shape != tensor.shape:
            raise ValueError(
                f"weights_path {path}: {name} is {tuple(source.shape)} there and {tuple(tensor.shape)} in {model_name}"
            )
        state[name] = source
    missing = [name for name in wanted if name not in state]
    if not state:
        raise ValueError(f"weights_path {path}: holds no tensor of {model_name}")
    if missing:
        logger.warning(
            "%s lacks %d of the %d tensors of %s (first: %s): these start from random values",
            path,
            len(missing),
            len(wanted),
            model_name,
            missing[0],
        )
    body.load_state_dict(state, strict=False)
