"""Pairs of images for translation: of files, in two folders or side by side, or made from single images."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from common.data.dataset import Dataset, Found, hold_out, with_doubts
from common.data.kinds import read_path
from common.data.pairing.pair_layout import side_by_side, two_folders
from common.data.pairing.sides import find_sides, named_sides, namesakes
from common.data.reading import AS_IT_IS, Reading
from common.data.registry import NAMES, canonical
from common.data.registry import load as load_images
from common.data.trees.archives import is_archive
from common.data.trees.decoding import upright_size, with_picture
from common.data.trees.folders import passed_over, read_images
from common.data.trees.listing import listing
from common.errors import BadArgument, DataError
from common.nn.layers import SMALLEST_FOR_U_NET, halvings_to_one

import torch
import torch.nn.functional as F
from torch import Tensor

FILES = "files"  # both sides are in files: how is found out, or said by the names of two folders
SIDE_BY_SIDE = "side-by-side"  # the same, each picture holds both
MADE = {  # of single images; what A and B are called
    "edges": ("edges", "images"),
    "gray": ("gray images", "coloured ones"),
    "halves": ("left halves", "images"),
}
KINDS = (SIDE_BY_SIDE, *MADE)  # that may be asked for
DIRECTIONS = ("AtoB", "BtoA")
SIZE = 256  # pixels a side of pairs in files unless another size is given
EDGE = 0.25  # of an image's steepest slope: what is as steep is drawn as an edge


@dataclass(frozen=True)
class Pairing:
    """How the images of a set become pairs, and which side of a pair is translated into which.

    kind        FILES or one of KINDS
    direction   AtoB or BtoA
    folders     of pairs in files, the names of the two folders that hold A and B, where these were given
    """

    kind: str
    direction: str = "AtoB"
    folders: tuple[str, str] | None = None

    def __str__(self) -> str:
        return f"{self.kind if self.is_made else FILES} {self.direction}"

    @property
    def is_made(self) -> bool:
        """Whether side A is made of single images."""
        return self.kind in MADE

    @property
    def input_side(self) -> int:
        """Which side is translated: 0 is A, 1 is B."""
        return DIRECTIONS.index(self.direction)

    def in_words(self, sides: tuple[str, str]) -> str:
        """What is translated into what, by what A and B are called."""
        x, y = sides if self.direction == "AtoB" else sides[::-1]
        return f"{x} into {y}"

    def channels(self, shape: tuple[int, int, int]) -> int:
        """Of one side of a pair, where what `load` found is of this shape (C, H, W)."""
        return shape[0] if self.is_made else shape[0] // 2

    def split(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What is to be translated and the truth, each (N, C, H, W) in [-1, 1], of what `load` found.

        A pair that is made has the image as B, and as A: edges, black lines on white where brightness changes steeply;
        gray, the image without colour; halves, the image with its right half gray.
        """
        A, B = (make(images, self.kind), images) if self.is_made else images.chunk(2, 1)
        return (A, B) if self.direction == "AtoB" else (B, A)


def pairing(
    dataset: str | None, kind: str | None = None, direction: str = "AtoB", folders: Sequence[str] | None = None
) -> Pairing:
    """Of this `kind` if one is given; else a folder or archive holds pairs, and of other sets edges are drawn.

    `dataset` is None for the set that is used where none is named; `folders` are two that hold A and B. Raises
    BadArgument where kind and folders contradict each other.
    """
    if folders:
        if kind:
            raise BadArgument(f"--pairs {kind} and --pairs-from {' '.join(folders)}: give one of them")
        return Pairing(FILES, direction, tuple(folders))
    return Pairing(kind or (FILES if _is_tree(dataset) else "edges"), direction)


def _is_tree(dataset: str | None) -> bool:
    """Whether a folder or an archive is meant."""
    if dataset is None or canonical(dataset) in NAMES:
        return False
    path = Path(dataset)
    return path.is_dir() or (path.is_file() and is_archive(path))


def load(dataset: str | None, pairing: Pairing, reading: Reading = AS_IT_IS) -> Dataset:
    """The images that the pairing splits.

    Pairs in files have 2C channels, A's and then B's, and 256 pixels unless `reading` says otherwise; held out is
    val/, as the pix2pix paper's authors translate it, else test/, else a share. Single images up to 32 pixels are
    scaled to 32, others to 64. Raises BadArgument for a size that is no power of two, and DataError where the set is
    missing, unreadable or there are no such pairs in it.
    """
    size = reading.image_size
    try:
        halvings_to_one(size or SMALLEST_FOR_U_NET)  # before the set is decoded
    except ValueError as error:
        raise BadArgument(f"--image-size {size}: {error}") from error
    if not pairing.is_made:
        found = _read_pairs(dataset, pairing, replace(reading, image_size=size or SIZE))
        return hold_out(dataset, with_doubts(found), reading)
    doubts = _doubts(dataset, pairing.kind) if reading.version > 1 else ()
    found = load_images(dataset, reading)
    size = size or (32 if found.shape[1] <= 32 else 64)
    if pairing.kind == "gray" and found.shape[0] == 1:
        raise DataError(f"--dataset {found.name}: is gray already; try --pairs edges or --pairs halves")
    if found.shape[1] != size:
        found = load_images(found.name, replace(reading, image_size=size))
    return replace(found, sides=MADE[pairing.kind], understood=(*found.understood, *doubts))


def _read_pairs(dataset: str | None, pairing: Pairing, reading: Reading) -> Found:
    """The pairs in a folder or archive. Raises BadArgument for what is neither, and DataError."""
    if not _is_tree(dataset):
        option = f"--pairs-from {' '.join(pairing.folders)}" if pairing.folders else f"--pairs {pairing.kind}"
        raise BadArgument(f"{option}: needs --dataset with a folder or archive of pairs, not {dataset or 'none'}")
    asked, listed = f"--dataset {dataset}", listing(Path(dataset))
    names = listed.images()
    if not names:
        read_path(dataset, reading)  # which refuses what holds no set at all
        raise DataError(f"{asked}: holds no image files, so no pairs; --pairs edges makes pairs of what it holds")
    sides = None
    if pairing.folders:
        sides = named_sides(asked, names, dataset, pairing.folders)
    elif pairing.kind == FILES and reading.version > 1:  # earlier versions knew pairs side by side only
        sides = find_sides(asked, names)
    layout = two_folders(asked, sides) if sides else side_by_side(asked, names, pairing.kind == SIDE_BY_SIDE)
    found = read_images(asked, listed, layout, reading)
    return replace(found, left_out=(*found.left_out, *passed_over(listed)))


def _doubts(dataset: str | None, kind: str) -> tuple[str, ...]:
    """What is to be said where pairs are to be made of pictures that may hold both sides of a pair already.

    Raises DataError where the sides lie in two folders: they would be mixed.
    """
    if not _is_tree(dataset):
        return ()
    asked, listed = f"--dataset {dataset}", listing(Path(dataset))
    names = listed.images()
    sides = find_sides(asked, names)
    if sides and len(sides.others) <= len(names) / 2 and namesakes(names):
        raise DataError(
            f"{asked}: --pairs {kind} would mix {sides.A.title} and {sides.B.title}; leave it out to train on these"
            " pairs, or give the folder of one side"
        )
    for name in names[:1]:
        with contextlib.suppress(Exception):  # what is damaged is named when the set is read
            width, height = with_picture(name, listed.read(name), upright_size)
            if width >= 2 * height:
                return (f"{name} is {width}x{height}: if it holds both sides of a pair, leave out --pairs {kind}",)
    return ()


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
