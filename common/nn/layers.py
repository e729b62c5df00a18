"""Layers, initialisation and sizes that several papers' networks share."""

from common.errors import UnfitSize
from common.nn import ranks

import torch
import torch.nn.functional as F
from torch import nn

SMALLEST_FOR_U_NET = 32  # pixels that translation begins with


class Flatten(nn.Module):
    """(N, C, H, W) -> (N, H W C): in the order that channels-last images lie in memory, so nothing is copied.

    nn.Flatten's order would hand gradients in the other format to the layers before, whose kernels are then 20 times
    slower on a CPU.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


class Unflatten(nn.Module):
    """(N, H W C) -> (N, C, H, W), channels last; the way back from Flatten."""

    def __init__(self, channels: int, height: int, width: int):
        super().__init__()
        self.shape = (height, width, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(1, self.shape).permute(0, 3, 1, 2)


class Dropout(nn.Dropout):
    """nn.Dropout, whose mask torch draws from one number after the other on a CPU: here twice as fast."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or (x.device.type != "cpu" and ranks.world() == 1):
            return super().forward(x)
        return _masked(x, self.p)


def dropped(x: torch.Tensor, p: float) -> torch.Tensor:
    """Dropout of a share p, in training and after."""
    return F.dropout(x, p) if ranks.world() == 1 else _masked(x, p)


def _masked(x: torch.Tensor, p: float) -> torch.Tensor:
    drawn = ranks.share_of(lambda count: torch.rand(count, *x.shape[1:], device=x.device), len(x))
    return x * ((drawn >= p).to(x.dtype) / (1 - p))


def normal_weights(layer: nn.Module) -> None:
    """Weights from N(0, 0.02), as in DCGAN and what builds on it; for `network.apply`."""
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(layer.weight, 0, 0.02)


def halvings(shape: tuple[int, int, int]) -> int:
    """How often an image (C, H, W) can be halved until 4 to 7 pixels a side are left: 2 for 28, 3 for 32, 4 for 64.

    Raises UnfitSize, a ValueError, for a size that strided convolutions cannot make.
    """
    _, height, width = shape
    side, times = height, 0
    while side > 7 and side % 2 == 0:
        side, times = side // 2, times + 1
    if height != width or times == 0 or not 4 <= side <= 7:
        raise UnfitSize(
            f"this network cannot make images of {height}x{width} pixels, only 4, 5, 6 or 7 times 2, 4, 8, ...;"
            " try --image-size 28, 32 or 64"
        )
    return times


def halvings_to_one(size: int) -> int:
    """How often a U-Net halves an image before one pixel is left. Raises UnfitSize, a ValueError, where it cannot."""
    times = size.bit_length() - 1
    if size != 1 << times or size < SMALLEST_FOR_U_NET:
        raise UnfitSize(f"the U-Net halves images down to one pixel and cannot have {size}: try 64, 128 or 256")
    return times
