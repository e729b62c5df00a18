"""Where in an array the images, their lines, columns and channels lie, told by its shape."""

import math
from dataclasses import dataclass

import numpy as np

CHANNELS = (1, 2, 3, 4)  # grey, grey and alpha, RGB, RGB and alpha
CHANNELS_FIRST = (1, 3, 4)  # two that lie first are measurements, not grey and alpha
LONGEST = 4  # times as long as wide: what is longer is no picture, as of USPS' array of (256, 1100, 10)
MANY = 16  # pixels of a row that may be an image, at least


@dataclass(frozen=True)
class Arrangement:
    """How an array is to be seen as images.

    count, height, width, channels      of the images
    kept                                what lies along its axes, such as NHWC; ND for rows of pixels
    interleaved, by_columns             of rows in colour, whether a pixel's values lie side by side; of rows, whether
                                        columns come before lines
    """

    count: int
    height: int
    width: int
    channels: int
    kept: str
    interleaved: bool = False
    by_columns: bool = False

    def images(self, block: np.ndarray) -> np.ndarray:
        """Some images, however they are kept but along the first axis, as (n, H, W, C)."""
        inner = self.kept.replace("N", "")
        if inner == "HW":
            return block[..., None]
        if inner == "CHW":
            return block.transpose(0, 2, 3, 1)
        if inner == "D":
            planes = (self.height, self.width, self.channels), (self.channels, self.height, self.width)
            block = block.reshape(len(block), *planes[not self.interleaved])
            block = block if self.interleaved else block.transpose(0, 2, 3, 1)
            return block.swapaxes(1, 2) if self.by_columns else block
        return block

    @property
    def understood(self) -> str | None:
        """What is to be said of it, where it is not what everybody writes."""
        size = f"{self.height}x{self.width}"
        if self.kept in ("ND", "DN"):
            values = f"{self.height * self.width * self.channels:,} values"
            colour = ", colours side by side" if self.interleaved else ", all red before green before blue"
            return (
                f"{'rows' if self.kept == 'ND' else 'columns'} of {values} are taken as images of {size}"
                + colour * (self.channels == 3)
                + ", column by column as MATLAB keeps them" * self.by_columns
            )
        if self.kept in ("HWN", "HWCN"):
            return f"the last axis is taken to count the images: {self.count:,} of {size}"
        if self.channels in (2, 4):
            return f"the last of {self.channels} channels is taken as transparency, over white"
        return None


def arrangement(shape: tuple[int, ...], count: int | None = None, by_columns: bool = False) -> Arrangement | None:
    """Of an array of images; None where it cannot be one. `count` is of the labels, where there are any.

    Where a shape can be read in two ways the images are counted along the first axis and channels lie last, unless the
    labels are as many as the other way says. Rows of pixels must make a square, or three of them for colour.
    """
    if 0 in shape:
        return None
    found = [one for one in _possible(shape) if max(one.height, one.width) <= LONGEST * min(one.height, one.width)]
    found.sort(key=lambda one: count is not None and one.count != count)
    if found and found[0].kept in ("ND", "DN"):
        return Arrangement(**{**vars(found[0]), "by_columns": by_columns})
    return found[0] if found else None


def _possible(shape: tuple[int, ...]) -> list[Arrangement]:
    """In every way that it can be seen, the likeliest first."""
    if len(shape) == 2:
        return [
            Arrangement(count, *square, kept)
            for kept, count, values in (("ND", *shape), ("DN", *shape[::-1]))
            if (square := square_of(values))
        ]
    if len(shape) == 3:
        a, b, c = shape
        usual, mirrored = Arrangement(a, b, c, 1, "NHW"), Arrangement(c, a, b, 1, "HWN")
        if c in CHANNELS:
            return []  # one image in colour
        return [mirrored, usual] if a == b < c else [usual, mirrored]
    if len(shape) == 4:
        a, b, c, d = shape
        found = [Arrangement(a, b, c, d, "NHWC")] if d in CHANNELS else []
        found += [Arrangement(a, c, d, b, "NCHW")] if b in CHANNELS_FIRST else []
        found += [Arrangement(d, a, b, c, "HWCN")] if c in CHANNELS_FIRST else []
        return found
    return []


def square_of(values: int) -> tuple[int, int, int] | None:
    """Height, width and channels of so many values."""
    for channels in (1, 3):
        side = math.isqrt(values // channels)
        if side * side >= MANY and channels * side * side == values:
            return side, side, channels
    return None


def is_interleaved(rows: np.ndarray, side: int) -> bool:
    """Whether the three colours of a pixel lie side by side in rows of 3 * side * side values, not in three planes.

    Told by which of the two makes the smoother pictures; where neither is clearly so they are planes, as in CIFAR.
    """
    rows = rows.astype(np.float64)
    as_planes = rows.reshape(len(rows), 3, side, side).transpose(0, 2, 3, 1)
    as_pixels = rows.reshape(len(rows), side, side, 3)
    return 1.1 * _roughness(as_pixels) < _roughness(as_planes)


def _roughness(images: np.ndarray) -> float:
    """The mean difference between neighbours in each channel of (n, H, W, C)."""
    return float(np.abs(np.diff(images, axis=1)).mean() + np.abs(np.diff(images, axis=2)).mean())


def over_white(images: np.ndarray) -> np.ndarray:
    """uint8 (n, H, W, 2 or 4) -> (n, H, W, 1 or 3): the last channel is how opaque the others are."""
    if images.shape[3] not in (2, 4):
        return images
    alpha = images[..., -1:].astype(np.float32) / 255
    return np.rint(images[..., :-1] * alpha + 255 * (1 - alpha)).astype(np.uint8)
