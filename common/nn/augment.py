"""Differentiable augmentation, by which a discriminator of few images cannot learn them by heart.

Zhao, Liu, Lin, Zhu and Han, 2020, arXiv 2006.10738: D sees T(x) and T(G(z)), in its own step and in G's, whose gradient
goes through T. T changes colours, moves, and cuts a square out, in that order and with the ranges of the authors' code.
"""

from typing import Any

from common.nn import ranks

import torch
from torch import Tensor, nn

BRIGHTNESS, SATURATION, CONTRAST = (-0.5, 0.5), (0.0, 2.0), (0.5, 1.5)
FARTHEST, HOLE = 1 / 8, 1 / 2  # of an image's side


def brightened(x: Tensor, shift: Tensor) -> Tensor:
    """x + shift, which is (N, 1, 1, 1). As in the authors' code, nothing is clipped back to [-1, 1]."""
    return x + shift


def saturated(x: Tensor, factor: Tensor) -> Tensor:
    """Each pixel's distance from its own gray times factor (N, 1, 1, 1); a gray image stays what it is."""
    return torch.lerp(x.mean(1, keepdim=True), x, factor)


def contrasted(x: Tensor, factor: Tensor) -> Tensor:
    """Each value's distance from its image's mean times factor (N, 1, 1, 1)."""
    return torch.lerp(x.mean((1, 2, 3), keepdim=True), x, factor)


def translated(x: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Images moved by whole numbers of pixels (N,); what comes in is 0, mid-gray. Channels last."""
    (rows, rows_inside), (columns, columns_inside) = (
        _sources(size, by) for size, by in zip(x.shape[2:], (down, right), strict=True)
    )
    places = rows[:, :, None] * x.shape[3] + columns[:, None]  # (N, H, W)
    pixels = x.permute(0, 2, 3, 1).flatten(1, 2)  # (N, H W, C): nothing is copied of images that are channels last
    moved = pixels.gather(1, places.flatten(1)[:, :, None].expand_as(pixels)).unflatten(1, x.shape[2:])
    return moved.permute(0, 3, 1, 2) * (rows_inside[:, :, None] & columns_inside[:, None])[:, None]


def _sources(size: int, by: Tensor) -> tuple[Tensor, Tensor]:
    """Where each of `size` places gets its pixel from, (N, size), and whether that is inside of the image."""
    places = torch.arange(size, device=by.device) - by[:, None]
    inside = places.clamp(0, size - 1)
    return inside, places == inside


def cut_out(x: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Images with 0 in a square of half their size, its middle before pixel `row`, `column`, whole numbers (N,)."""
    rows, columns = (_hidden(size, middle) for size, middle in zip(x.shape[2:], (row, column), strict=True))
    return x * ~(rows[:, :, None] & columns[:, None])[:, None]


def _hidden(size: int, middle: Tensor) -> Tensor:
    """Which of `size` places are within the hole, (N, size)."""
    hole = rounded(HOLE * size)
    places = torch.arange(size, device=middle.device) - middle[:, None] + hole // 2
    return (places >= 0) & (places < hole)


def rounded(pixels: float) -> int:
    """A half upwards, as in the authors' code: of 28 pixels an eighth is 4."""
    return int(pixels + 0.5)


def augmented(x: Tensor) -> Tensor:
    """T(x) of images (N, C, H, W) in [-1, 1], in float32 and channels last; each by random numbers of its own.

    Raises ValueError for what are no images.
    """
    if x.dim() != 4:
        raise ValueError(f"only images (N, C, H, W) can be augmented, not {tuple(x.shape)}")
    x = x.float()

    def factors(least: float, most: float) -> Tensor:
        return ranks.share_of(lambda n: torch.empty(n, 1, 1, 1, device=x.device).uniform_(least, most), len(x))

    def pixels(least: int, most: int) -> Tensor:
        return ranks.share_of(lambda n: torch.randint(least, most + 1, (n,), device=x.device), len(x))

    x = brightened(x, factors(*BRIGHTNESS))
    x = saturated(x, factors(*SATURATION))
    x = contrasted(x, factors(*CONTRAST))
    farthest = [rounded(FARTHEST * size) for size in x.shape[2:]]
    x = translated(x, *(pixels(-most, most) for most in farthest))
    # A hole of an odd size has a pixel in its middle, one of an even size any line between two, or an edge.
    return cut_out(x, *(pixels(0, size - rounded(HOLE * size) % 2) for size in x.shape[2:]))


def see_augmented(network: nn.Module) -> nn.Module:
    """The same network, which in training mode sees its first input augmented, whenever it is called.

    In evaluation mode it sees images as they are; so do the parts of it that are called by themselves. Its weights,
    arguments and copies are what they would be without. The penalties of wgan_gp.py and r3gan.py take D's gradient by
    the images before T, as do the authors of the latter, and of StyleGAN2-ADA (Karras et al. 2020): D after T is the
    function whose slope counts. WGAN-GP's points between real images and fakes are taken before T, too.
    """
    network.register_forward_pre_hook(_with_the_first_augmented)
    return network


def _with_the_first_augmented(network: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
    return (augmented(inputs[0]), *inputs[1:]) if network.training else None
