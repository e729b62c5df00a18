"""Pictures of more than 8 bits a channel: the values that they have."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from common.data.arrays.levels import Levels

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image  # imported where it is used: a refusal is quick

ORIENTATION, BITS, PLANES = 274, 258, 284  # tags of EXIF and TIFF
# How Pillow decodes 16 bits a channel to their high byte.
_HIGH_BYTE = re.compile(r";16[BLN]|SGI16|'sgi_rle'.*, 2\)|'RGB', 65535\)")


@dataclass(frozen=True)
class Deep:
    """A picture's values.

    values      (H, W) or (H, W, 3), of whatever type
    alpha       uint8 (H, W), or None where all is opaque
    coarse      whether only the high bytes are known of them
    """

    values: np.ndarray
    alpha: np.ndarray | None
    coarse: bool = False

    @property
    def kind(self) -> str:
        """Values of a kind have a range in common: 'whole' for numbers of 16 bits or more, 'float'."""
        return "float" if self.values.dtype.kind == "f" else "whole"

    def picture(self, levels: Levels, orientation: int) -> "Image":
        """As L, LA, RGB or RGBA of 8 bits, to be turned as its EXIF says."""
        from PIL import Image

        made = Image.fromarray(levels.to_bytes(self.values))
        if self.alpha is not None:
            made.putalpha(Image.fromarray(self.alpha))
        made.getexif()[ORIENTATION] = orientation
        return made


def deep(picture: "Image") -> Deep | None:
    """The values of a picture that was opened and not loaded yet; None for one of 8 bits.

    Raises ValueError where some are not finite, and whatever a damaged file makes of it.
    """
    if picture.mode == "F" or picture.mode.startswith("I"):
        values = np.asarray(picture)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ValueError(f"{np.count_nonzero(~np.isfinite(values)):,} of its values are not finite")
        nothing = picture.info.get("transparency")
        return Deep(values, np.where(values == nothing, 0, 255).astype(np.uint8) if isinstance(nothing, int) else None)
    if not _is_deep_colour(picture):
        return None
    if picture.format == "TIFF" and picture.tag_v2.get(PLANES) == 2:  # Pillow takes the bytes of each for a channel
        raise ValueError("its colours lie in planes of 16 bits; save such images as PNG of 16 bits")
    if picture.format == "PNG":
        channels = _png(picture.fp.getvalue())
    else:
        channels = (
            np.asarray(picture.convert("RGBA" if picture.has_transparency_data else "RGB")).astype(np.uint16) << 8
        )
    alpha = (channels[..., -1] >> 8).astype(np.uint8) if channels.shape[2] in (2, 4) else None
    colours = channels if alpha is None else channels[..., :-1]
    return Deep(colours[..., 0] if colours.shape[2] == 1 else colours, alpha, coarse=picture.format != "PNG")


def _is_deep_colour(picture: "Image") -> bool:
    if picture.format == "TIFF":
        return max(picture.tag_v2.get(BITS, (1,))) > 8
    return picture.format in ("PNG", "PPM", "SGI") and _HIGH_BYTE.search(repr(picture.tile)) is not None


def _png(content: bytes) -> np.ndarray:
    """uint16 (H, W, C), which Pillow does not give."""
    import torch
    from torchvision.io import ImageReadMode, decode_png

    pixels = decode_png(torch.frombuffer(bytearray(content), dtype=torch.uint8), ImageReadMode.UNCHANGED)
    return pixels.permute(1, 2, 0).numpy()
