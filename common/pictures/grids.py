"""Images of one size on a grid, row by row."""

from common.data.scaling import picture_of
from common.nn.pixels import to_uint8

import numpy as np
import torch
from PIL import Image

SMALLEST_TILE = 56  # pixels; smaller images are enlarged by a whole factor, so that 8x8 digits can be read
GAP = 2
COLUMNS = 8


def tile_of(size: int) -> int:
    """Pixels a side that an image of `size` has on a grid."""
    return size * max(1, -(-SMALLEST_TILE // size))


def grid(images: torch.Tensor, columns: int = COLUMNS) -> Image.Image:
    """Images (N, 1 or 3, H, W) in [-1, 1], row by row on a grid; fixed range, so brightness can be compared."""
    return grid_of_pixels(to_uint8(images), columns)


def grid_of_pixels(tiles: np.ndarray, columns: int = COLUMNS) -> Image.Image:
    """The same of uint8 (N, H, W, 1 or 3)."""
    factor = tile_of(tiles.shape[1]) // tiles.shape[1]
    tiles = tiles.repeat(factor, axis=1).repeat(factor, axis=2)
    count, height, width, channels = tiles.shape
    rows = -(-count // columns)
    sheet = np.full((rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, channels), 128, np.uint8)
    for i, tile in enumerate(tiles):
        top, left = (i // columns) * (height + GAP) + GAP, (i % columns) * (width + GAP) + GAP
        sheet[top : top + height, left : left + width] = tile
    return picture_of(sheet)


def part_of_grid(picture: Image.Image, size: int, side: int, multiple: int = 1) -> Image.Image:
    """`side` by `side` images of a grid of images of `size` pixels, fewer where it has fewer.

    They are the first of rows from the whole grid, which may be a class each; `multiple` of them belong together.
    """
    step = tile_of(size) + GAP
    rows, columns = (picture.height - GAP) // step, (picture.width - GAP) // step
    across = min(columns, max(multiple, side // multiple * multiple))
    down = min(rows, side)
    part = Image.new(picture.mode, (across * step + GAP, down * step + GAP), 128 if picture.mode == "L" else (128,) * 3)
    for row in range(down):
        top = row * (rows - 1) // max(1, down - 1) * step
        part.paste(picture.crop((0, top, part.width, top + step + GAP)), (0, row * step))
    return part


def without_enlargement(picture: Image.Image, size: int) -> Image.Image:
    """A grid of enlarged images of `size` pixels as small as it can be without loss."""
    return picture.reduce(2) if tile_of(size) == 2 * size else picture
