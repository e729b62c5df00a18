"""Layers and initialisation that several papers' networks share."""

import torch
from torch import nn


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
        if not self.training or x.device.type != "cpu":
            return super().forward(x)
        return x * ((torch.rand(x.shape) >= self.p).to(x.dtype) / (1 - self.p))


def normal_weights(layer: nn.Module) -> None:
    """Weights from N(0, 0.02), as in DCGAN and what builds on it; for `network.apply`."""
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(layer.weight, 0, 0.02)
