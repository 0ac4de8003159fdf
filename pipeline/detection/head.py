"""The differentiable-binarisation head: probability, threshold and approximate binary maps at full size."""

import math

import torch
from torch import Tensor, nn

# Text kernels cover a few per cent of a page. Starting there and not at 0.5, a small model comes to a loss of 1.8 and
# not 2.6 in 80 steps. The threshold starts at 0.5, the middle of its range of 0.3 to 0.7.
INITIAL_PROBABILITY = 0.05
INITIAL_THRESHOLD = 0.5


class DBHead(nn.Module):
    """Two branches, 3x3 to `hidden_channels`, then two stride-2 deconvolutions; B = sigmoid(k (P - T)).

    Layout and k of MhLiao/DB (65ca77a: k is 50 in every configuration; the 10 of its class default is never used).
    `hidden_channels` is a quarter of `in_channels` when not given.
    """

    def __init__(self, in_channels: int, *, k: float = 50.0, hidden_channels: int | None = None) -> None:
        super().__init__()
        hidden = in_channels // 4 if hidden_channels is None else hidden_channels
        self.k = k
        self.prob_branch = _branch(in_channels, hidden, initial_value=INITIAL_PROBABILITY)
        self.thresh_branch = _branch(in_channels, hidden, initial_value=INITIAL_THRESHOLD)

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """`prob_logits`, `prob`, `thresh`, `binary`: float32 (B, 1, H, W) each, from features (B, C, H / 4, W / 4)."""
        # float32 from here on, whatever autocast chose above: at k = 50 a bfloat16 difference P - T has steps that
        # move B by 0.1, and exp(-50 x) written out would overflow in float16.
        prob_logits = self.prob_branch(features).float()
        prob = torch.sigmoid(prob_logits)
        thresh = torch.sigmoid(self.thresh_branch(features).float())
        return {
            "prob_logits": prob_logits,
            "prob": prob,
            "thresh": thresh,
            "binary": torch.sigmoid(self.k * (prob - thresh)),
        }


def _branch(in_channels: int, hidden_channels: int, *, initial_value: float) -> nn.Sequential:
    """Logits (B, 1, 4 h, 4 w) from (B, C, h, w); their sigmoid starts near `initial_value` everywhere."""
    branch = nn.Sequential(
        nn.Conv2d(in_channels, hidden_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(hidden_channels),
        nn.ReLU(inplace=True),
        nn.ConvTranspose2d(hidden_channels, hidden_channels, 2, stride=2, bias=False),
        nn.BatchNorm2d(hidden_channels),
        nn.ReLU(inplace=True),
        nn.ConvTranspose2d(hidden_channels, 1, 2, stride=2),
    )
    convolution, deconvolution, last = branch[0], branch[3], branch[6]
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    # With kernel 2 and stride 2 an output pixel sees one input pixel: its fan-in is the number of channels, not the
    # four times that number that kaiming_normal_ would read from the weight's shape.
    nn.init.normal_(deconvolution.weight, std=math.sqrt(2 / hidden_channels))
    nn.init.normal_(last.weight, std=0.01)
    nn.init.constant_(last.bias, math.log(initial_value / (1 - initial_value)))
    return branch
