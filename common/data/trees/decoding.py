"""From a file of whatever format to the pixels of one image."""

import io
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from common.data.arrays.levels import Levels
from common.data.scaling import shaped_like, square
from common.data.trees.depth import ORIENTATION, deep
from common.data.trees.formats import BEGINNING, foreign_of, formats_for, suffix_of

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image  # imported where it is used: a refusal is quick

Depths = Mapping[str, Levels]  # what becomes of each kind of values: 'byte', 'whole', 'float'
NO_DEPTHS: Depths = MappingProxyType({})


def upright(picture: "Image", grey: bool, depths: Depths = NO_DEPTHS) -> "Image":
    """Of 8 bits, turned as its EXIF says, laid over white where transparent, as L or RGB."""
    from PIL import Image, ImageOps

    found = deep(picture)
    if found is not None:
        picture = found.picture(depths[found.kind], picture.getexif().get(ORIENTATION, 1))
    picture = ImageOps.exif_transpose(picture)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    picture = picture.convert("L" if grey else "RGB")
    if found is None and "byte" in depths and depths["byte"].understood:
        picture = Image.fromarray(depths["byte"].to_bytes(np.asarray(picture)))
    return picture


def upright_size(picture: "Image") -> tuple[int, int]:
    """Width and height once it is turned as its EXIF says."""
    turned = picture.getexif().get(ORIENTATION, 1) > 4  # orientations 5 to 8 lie on their side
    return picture.size[::-1] if turned else picture.size


def halves(picture: "Image") -> tuple["Image", "Image"]:
    """The left and the right side; of an odd width the column in the middle is in neither."""
    width, height = picture.size
    return picture.crop((0, 0, width // 2, height)), picture.crop((width - width // 2, 0, width, height))


def with_picture(name: str, content: bytes, work: "Callable[[Image], Any]") -> Any:
    """work(picture), of the content of a file of this name; a decompression bomb is an error."""
    from PIL import Image, UnidentifiedImageError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            picture = Image.open(io.BytesIO(content), formats=formats_for(suffix_of(name)))
        except UnidentifiedImageError:
            kind = foreign_of(content[:BEGINNING])
            trouble = f"is of the kind {kind.title}; {kind.advice}" if kind else "it is damaged, or not an image"
            raise ValueError(trouble) from None
        with picture:
            return work(picture)


@dataclass(frozen=True)
class Form:
    """What every picture of a set becomes: uint8 (size, size, C); of a pair, A's channels and then B's."""

    size: int
    grey: bool
    pairs: bool
    fit: str = "crop"
    depths: tuple[Depths, ...] = (NO_DEPTHS,)  # of all pictures, or of A's and of B's

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.size, self.size, (1 if self.grey else 3) * (2 if self.pairs else 1)

    @property
    def scaled(self) -> bool:
        """Whether values are, to 8 bits."""
        return any(levels.understood for depths in self.depths for levels in depths.values())

    def of(self, picture: "Image") -> np.ndarray:
        """Of a picture of one image, or of both sides of a pair."""
        if not self.pairs:
            return square(self.upright(picture), self.size, self.fit)
        return self.of_two(*halves(self.upright(picture, across=2)))

    def of_two(self, A: "Image", B: "Image") -> np.ndarray:
        """Of the two sides of a pair, upright. B is stretched to A's shape, so that what is cropped is the same."""
        sides = A, shaped_like(A.size, B, self.size)
        return np.concatenate([square(side, self.size, self.fit) for side in sides], 2)

    def upright(self, picture: "Image", across: int = 1, side: int = 0) -> "Image":
        """A picture that is to be `across` such images wide, as L or RGB; of two files that are a pair, side 0 or 1."""
        # A JPEG far larger than needed is decoded smaller, faster.
        picture.draft(None, (across * self.size, self.size))
        return upright(picture, self.grey, self.depths[side])
