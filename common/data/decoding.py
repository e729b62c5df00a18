"""From a file of whatever format to the pixels of one image."""

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from common.data.scaling import shaped_like, square

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image  # imported where it is used: a refusal is quick

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")  # Pillow would run Ghostscript on others


def upright(picture: "Image", grey: bool) -> "Image":
    """Turned as its EXIF says, laid over white where transparent, as L or RGB of 8 bits."""
    from PIL import Image, ImageOps

    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):  # 16 bits; Pillow's own conversion would clip instead of scale
        values = np.asarray(picture).astype(np.int64)
        picture = Image.fromarray((values >> 8 if values.max() > 255 else values).clip(0, 255).astype(np.uint8))
    elif picture.mode == "F":
        raise ValueError("its pixels are floats")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("L" if grey else "RGB")


def upright_size(picture: "Image") -> tuple[int, int]:
    """Width and height once it is turned as its EXIF says."""
    turned = picture.getexif().get(0x0112, 1) > 4  # orientations 5 to 8 lie on their side
    return picture.size[::-1] if turned else picture.size


def with_picture(content: bytes, work: "Callable[[Image], Any]") -> Any:
    """work(picture), of a file's content; a decompression bomb is an error."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            return work(picture)


@dataclass(frozen=True)
class Form:
    """What every picture of a set becomes: uint8 (size, size, C); of a pair, A's channels and then B's."""

    size: int
    grey: bool
    pairs: bool
    fit: str = "crop"

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.size, self.size, (1 if self.grey else 3) * (2 if self.pairs else 1)

    def of(self, picture: "Image") -> np.ndarray:
        """Of a picture of one image, or of both sides of a pair."""
        if not self.pairs:
            return square(self.upright(picture), self.size, self.fit)
        picture = self.upright(picture, across=2)
        middle, (width, height) = picture.width // 2, picture.size  # of an odd width the middle column is on no side
        return self.of_two(picture.crop((0, 0, middle, height)), picture.crop((width - middle, 0, width, height)))

    def of_two(self, A: "Image", B: "Image") -> np.ndarray:
        """Of the two sides of a pair, upright. B is stretched to A's shape, so that what is cropped is the same."""
        sides = A, shaped_like(A.size, B, self.size)
        return np.concatenate([square(side, self.size, self.fit) for side in sides], 2)

    def upright(self, picture: "Image", across: int = 1) -> "Image":
        """A picture that is to be `across` such images wide, as L or RGB."""
        # A JPEG far larger than needed is decoded smaller, faster.
        picture.draft(None, (across * self.size, self.size))
        return upright(picture, self.grey)
