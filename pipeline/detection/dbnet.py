"""DBNet: encoder, decoder and head joined into one module."""

from collections.abc import Callable

from torch import Tensor, nn

from pipeline.detection.encoder import STRIDES, TimmEncoder


class DBNet(nn.Module):
    """Text detector of Liao et al. (AAAI 2020): images in, probability, threshold and binary maps of their size out.

    `decoder` and `head` are called with the channel counts of what stands before them (Hydra: `_partial_: true`), so
    an encoder can be exchanged without touching the rest of the configuration.
    """

    def __init__(
        self, encoder: TimmEncoder, *, decoder: Callable[..., nn.Module], head: Callable[..., nn.Module]
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder(encoder.channels)
        self.head = head(self.decoder.out_channels)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """`prob_logits`, `prob`, `thresh`, `binary`: float32 (B, 1, H, W), from normalised images (B, 3, H, W).

        Raises ValueError unless H and W are multiples of 32, the coarsest stride.
        """
        height, width = images.shape[-2:]
        if height % STRIDES[-1] or width % STRIDES[-1]:
            raise ValueError(f"images of {width} x {height} px: both sides must be multiples of {STRIDES[-1]}")
        return self.head(self.decoder(self.encoder(images)))
