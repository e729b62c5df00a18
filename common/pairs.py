"""Pairs of images for translation: read side by side from files, or made from single images."""

from pathlib import Path

from common import data
from common.cli import BadArgument, DataError

import torch
import torch.nn.functional as F
from torch import Tensor

KINDS = ("edges", "gray", "halves")
DIRECTIONS = ("AtoB", "BtoA")
SIDE_BY_SIDE = "side by side"
SMALLEST = 32  # pixels that translation begins with
EDGE = 0.25  # of an image's steepest slope: what is as steep is drawn as an edge


def kind_of(dataset: str | None, kind: str | None) -> str:
    """`kind` if one is given; else a folder or zip holds pairs side by side, and of other sets edges are drawn."""
    path = None if dataset in (None, *data.NAMES) else Path(dataset)
    if kind is None and path and (path.is_dir() or (path.is_file() and path.suffix.lower() == ".zip")):
        return SIDE_BY_SIDE
    return kind or "edges"


def halvings_to_one(size: int) -> int:
    """How often a U-Net halves an image before one pixel is left. Raises ValueError where it cannot."""
    times = size.bit_length() - 1
    if size != 1 << times or size < SMALLEST:
        raise ValueError(f"the U-Net halves images down to one pixel and cannot have {size}: try 64, 128 or 256")
    return times


def load(
    dataset: str | None,
    data_root: str | None = None,
    image_size: int | None = None,
    skip_broken: bool = False,
    kind: str | None = None,
) -> data.Dataset:
    """The images that `split` makes pairs of.

    Pairs side by side have 2C channels, A's and then B's, and 256 pixels unless `image_size` says otherwise. Single
    images up to 32 pixels are scaled to 32, others to 64. Raises BadArgument for a size that is no power of two, and
    DataError where the set is missing, unreadable or there are no such pairs in it.
    """
    try:
        halvings_to_one(image_size or SMALLEST)  # before the set is decoded
    except ValueError as error:
        raise BadArgument(f"--image-size {image_size}: {error}") from error
    kind = kind_of(dataset, kind)
    if kind == SIDE_BY_SIDE:
        return data.load_side_by_side(dataset, image_size or 256, skip_broken)
    found = data.load(dataset, data_root, image_size, skip_broken)
    size = image_size or (32 if found.shape[1] <= 32 else 64)
    if kind == "gray" and found.shape[0] == 1:
        raise DataError(f"--dataset {found.name}: is gray already; try --pairs edges or --pairs halves")
    return found if found.shape[1] == size else data.load(found.name, data_root, size, skip_broken)


def split(images: Tensor, kind: str, direction: str = "AtoB") -> tuple[Tensor, Tensor]:
    """What is to be translated and the truth, each (N, C, H, W) in [-1, 1], of what `load` found.

    A pair that is made has the image as B, and as A: edges, black lines on white where brightness changes steeply;
    gray, the image without colour; halves, the image with its right half gray.
    """
    A, B = images.chunk(2, 1) if kind == SIDE_BY_SIDE else (make(images, kind), images)
    return (A, B) if direction == "AtoB" else (B, A)


def jitter(images: Tensor) -> Tensor:
    """The batch (N, C, H, W) scaled by 286/256, cropped to its size again and mirrored or not, all images alike."""
    size, larger = images.shape[2], round(images.shape[2] * 286 / 256)
    top, left, mirrored = (torch.randint(n, ()).item() for n in (larger - size + 1, larger - size + 1, 2))
    images = F.interpolate(images, (larger, larger), mode="bilinear")[..., top : top + size, left : left + size]
    return images.flip(3) if mirrored else images


def make(images: Tensor, kind: str) -> Tensor:
    """Side A of a pair whose side B are the images, (N, C, H, W) in [-1, 1]."""
    if kind == "halves":
        left = torch.arange(images.shape[3], device=images.device) < images.shape[3] // 2
        return images * left
    light = images
    if images.shape[1] == 3:
        weights = torch.tensor([0.299, 0.587, 0.114], device=images.device)  # ITU-R BT.601
        light = (images * weights[:, None, None]).sum(1, keepdim=True)
    if kind == "edges":
        down, across = torch.gradient(light, dim=(2, 3))
        slope = torch.hypot(down, across)
        steepest = slope.amax((2, 3), keepdim=True)
        light = 1 - 2 * ((slope > EDGE * steepest) & (steepest > 0)).to(images.dtype)
    return light.expand_as(images)
