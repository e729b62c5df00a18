"""Pairs of images for translation: read side by side from files, or made from single images."""

from dataclasses import dataclass, replace
from pathlib import Path

from common.data.dataset import Dataset, Found, hold_out
from common.data.folders import read_images
from common.data.layout import Layout
from common.data.listing import listing
from common.data.reading import AS_IT_IS, Reading
from common.data.registry import NAMES
from common.data.registry import load as load_images
from common.data.tree import tree_of
from common.errors import BadArgument, DataError
from common.nn.layers import SMALLEST_FOR_U_NET, halvings_to_one

import torch
import torch.nn.functional as F
from torch import Tensor

KINDS = ("edges", "gray", "halves")
DIRECTIONS = ("AtoB", "BtoA")
SIDE_BY_SIDE = "side by side"
SIDES = {  # A and B in words
    SIDE_BY_SIDE: ("left sides", "right sides"),
    "edges": ("edges", "images"),
    "gray": ("gray images", "coloured ones"),
    "halves": ("left halves", "images"),
}
EDGE = 0.25  # of an image's steepest slope: what is as steep is drawn as an edge


@dataclass(frozen=True)
class Pairing:
    """How the images of a set become pairs, and which side of a pair is translated into which."""

    kind: str  # SIDE_BY_SIDE or one of KINDS
    direction: str = "AtoB"

    def __str__(self) -> str:
        return f"{self.kind} {self.direction}"

    @property
    def side(self) -> int | None:
        """Which half of a picture of two is the input, 0 left or 1 right; None where pairs are made."""
        return DIRECTIONS.index(self.direction) if self.kind == SIDE_BY_SIDE else None

    @property
    def in_words(self) -> str:
        """What is translated into what."""
        A, B = SIDES[self.kind]
        return f"{A} into {B}" if self.direction == "AtoB" else f"{B} into {A}"

    def channels(self, shape: tuple[int, int, int]) -> int:
        """Of one side of a pair, where what `load` found is of this shape (C, H, W)."""
        return shape[0] // 2 if self.kind == SIDE_BY_SIDE else shape[0]

    def split(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What is to be translated and the truth, each (N, C, H, W) in [-1, 1], of what `load` found.

        A pair that is made has the image as B, and as A: edges, black lines on white where brightness changes steeply;
        gray, the image without colour; halves, the image with its right half gray.
        """
        A, B = images.chunk(2, 1) if self.kind == SIDE_BY_SIDE else (make(images, self.kind), images)
        return (A, B) if self.direction == "AtoB" else (B, A)


def pairing(dataset: str | None, kind: str | None = None, direction: str = "AtoB") -> Pairing:
    """Of this `kind` if one is given; else a folder or zip holds pairs side by side, and of other sets edges are drawn.

    `dataset` is None for the set that is used where none is named.
    """
    path = None if dataset in (None, *NAMES) else Path(dataset)
    if kind is None and path and (path.is_dir() or (path.is_file() and path.suffix.lower() == ".zip")):
        return Pairing(SIDE_BY_SIDE, direction)
    return Pairing(kind or "edges", direction)


def load(dataset: str | None, pairing: Pairing, reading: Reading = AS_IT_IS) -> Dataset:
    """The images that the pairing splits.

    Pairs side by side have 2C channels, A's and then B's, and 256 pixels unless `reading` says otherwise; held out
    is val/, as the pix2pix paper's authors translate it, else test/. Single images up to 32 pixels are scaled to 32,
    others to 64. Raises BadArgument for a size that is no power of two, and DataError where the set is missing,
    unreadable or there are no such pairs in it.
    """
    size = reading.image_size
    try:
        halvings_to_one(size or SMALLEST_FOR_U_NET)  # before the set is decoded
    except ValueError as error:
        raise BadArgument(f"--image-size {size}: {error}") from error
    if pairing.kind == SIDE_BY_SIDE:
        found = read_pairs(dataset, replace(reading, image_size=size or 256))
        return hold_out(dataset, found, reading)
    found = load_images(dataset, reading)
    size = size or (32 if found.shape[1] <= 32 else 64)
    if pairing.kind == "gray" and found.shape[0] == 1:
        raise DataError(f"--dataset {found.name}: is gray already; try --pairs edges or --pairs halves")
    return found if found.shape[1] == size else load_images(found.name, replace(reading, image_size=size))


def read_pairs(dataset: str, reading: Reading) -> Found:
    """The pairs in a folder or archive. Raises DataError."""
    path, asked = Path(dataset), f"--dataset {dataset}"
    listed = listing(path)
    return read_images(asked, listed, layout_of_pairs(asked, listed.images()), reading)


def layout_of_pairs(asked: str, names: list[str]) -> Layout:
    """Raises DataError."""
    splits = tree_of(names).splits
    train, held = list(splits.get("train", ())), list(splits.get("val", splits.get("test", ())))
    if not train or not held:
        missing = "train/" if not train else "val/ or test/"
        raise DataError(
            f"{asked}: pairs side by side lie in train/ and val/ or test/, and there are none in {missing};"
            " to make pairs from single images give --pairs edges"
        )
    return Layout(train, held, sides=SIDES[SIDE_BY_SIDE])


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
