"""Decoders: four feature maps in, one map at a quarter of the image size out."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class FPN(nn.Module):
    """Feature pyramid of DBNet: 1x1 to `inner_channels`, nearest top-down sum, 3x3 to a quarter of it, concatenation.

    The layout of Liao et al., "Real-time Scene Text Detection with Differentiable Binarization" (AAAI 2020), which has
    no norm here: the head begins with one. `out_channels` equals `inner_channels`, a multiple of 4.
    """

    def __init__(self, in_channels: Sequence[int], *, inner_channels: int = 256) -> None:
        super().__init__()
        if inner_channels < 4 or inner_channels % 4:
            raise ValueError(f"inner_channels {inner_channels}: must be a positive multiple of 4")
        self.laterals = nn.ModuleList(nn.Conv2d(width, inner_channels, 1, bias=False) for width in in_channels)
        self.smooths = nn.ModuleList(
            nn.Conv2d(inner_channels, inner_channels // 4, 3, padding=1, bias=False) for _ in in_channels
        )
        self.out_channels = inner_channels
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="linear")

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """(B, inner_channels, H / 4, W / 4) from maps at strides 4, 8, 16, 32, finest first."""
        maps = [lateral(feature) for lateral, feature in zip(self.laterals, features, strict=True)]
        for level in range(len(maps) - 2, -1, -1):
            maps[level] = maps[level] + _upsample(maps[level + 1], 2)
        maps = [smooth(tensor) for smooth, tensor in zip(self.smooths, maps, strict=True)]
        return torch.cat([_upsample(tensor, 2**level) for level, tensor in enumerate(maps)], dim=1)


class UNet(nn.Module):
    """U-Net expanding path: upsample by two, concatenate the skip, two 3x3 convolutions; the width halves each time.

    Widths are `inner_channels` at stride 16, half of it at 8, a quarter at 4: `out_channels` is `inner_channels // 4`.
    """

    def __init__(self, in_channels: Sequence[int], *, inner_channels: int = 256) -> None:
        super().__init__()
        if inner_channels < 4 or inner_channels % 4:
            raise ValueError(f"inner_channels {inner_channels}: must be a positive multiple of 4")
        *skips, below = in_channels
        blocks = []
        for depth, skip in enumerate(reversed(skips)):
            width = inner_channels // 2**depth
            blocks.append(nn.Sequential(*_conv_norm_relu(below + skip, width), *_conv_norm_relu(width, width)))
            below = width
        self.blocks = nn.ModuleList(blocks)
        self.out_channels = below
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """(B, out_channels, H / 4, W / 4) from maps at strides 4, 8, 16, 32, finest first."""
        *skips, merged = features
        for block, skip in zip(self.blocks, reversed(skips), strict=True):
            merged = block(torch.cat([_upsample(merged, 2), skip], dim=1))
        return merged


def _upsample(tensor: Tensor, factor: int) -> Tensor:
    return tensor if factor == 1 else functional.interpolate(tensor, scale_factor=factor, mode="nearest")


def _conv_norm_relu(in_channels: int, out_channels: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )
