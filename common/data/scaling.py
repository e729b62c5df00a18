"""The size that a set's images have, and how they come to it."""

import hashlib
import io
from dataclasses import replace
from typing import TYPE_CHECKING

from common.data.cache import cache_folder, write_to_cache
from common.data.dataset import Found, Part
from common.data.reading import Reading

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image  # imported where it is used: a refusal is quick

LARGEST_KEPT = 64  # images of one square size up to this stay as they are; others are scaled to it
HOW = {"crop": "cropped at the centre and ", "pad": "padded to squares and ", "stretch": "stretched to squares and "}


def target_size(sizes: set[tuple[int, int]], reading: Reading, what: str = "images") -> tuple[int, str | None]:
    """Pixels a side of what images of these sizes (width, height) become, and what is to be said of it, if anything."""
    width, height = min(sizes)
    size = reading.image_size or (width if len(sizes) == 1 and width == height <= LARGEST_KEPT else LARGEST_KEPT)
    if sizes == {(size, size)}:
        return size, None
    found = f"{width}x{height}" if len(sizes) == 1 else f"of {len(sizes):,} sizes"
    how = HOW[reading.fit] if any(width != height for width, height in sizes) else ""
    hint = "" if reading.image_size else " (--image-size sets another size)"
    return size, f"{what} are {found}, {how}scaled to {size}x{size}{hint}"


def square(picture: "Image", size: int, fit: str = "crop") -> np.ndarray:
    """Cropped at the centre, padded with the colour of its edges, or stretched; then scaled. uint8 (size, size, C)."""
    from PIL import Image, ImageOps

    if picture.size != (size, size):
        if fit == "crop":
            picture = ImageOps.fit(picture, (size, size), Image.Resampling.LANCZOS)
        elif fit == "pad":
            picture = ImageOps.pad(picture, (size, size), Image.Resampling.LANCZOS, _edge_colour(picture))
        else:
            picture = picture.resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(picture).reshape(size, size, -1)


def same_shape(one: tuple[int, int], other: tuple[int, int], size: int) -> bool:
    """Whether two sizes (width, height) are of one shape, to a pixel where they are scaled to `size`."""
    a, b = one[0] * other[1], other[0] * one[1]
    return abs(a - b) * size <= max(a, b)


def shaped_like(shape: tuple[int, int], picture: "Image", size: int) -> "Image":
    """The picture, stretched and scaled to `size` pixels on the shorter side where it has not the shape of `shape`."""
    from PIL import Image

    if same_shape(shape, picture.size, size):
        return picture
    scale = size / min(shape)
    return picture.resize(tuple(round(scale * length) for length in shape), Image.Resampling.LANCZOS)


def _edge_colour(picture: "Image") -> int | tuple[int, ...]:
    """The median of the pixels along its four edges, an L or RGB picture's."""
    pixels = np.asarray(picture).reshape(picture.height, picture.width, -1)
    edges = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    colour = tuple(int(value) for value in np.median(edges, axis=0))
    return colour if len(colour) > 1 else colour[0]


def picture_of(image: np.ndarray) -> "Image":
    """Pillow's picture of an image, uint8 (H, W, 1 or 3)."""
    from PIL import Image

    return Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)


def fitted(found: Found, reading: Reading) -> Found:
    """Both splits at the target size, scaled once and then read from the cache. Raises DataError."""
    parts = [part for part in (found.train, found.held) if part is not None]
    size, said = target_size({(part.images.shape[2], part.images.shape[1]) for part in parts}, reading)
    if said is None:
        return found
    train, *held = (Part(_scaled(part.images, size, reading.fit), part.labels) for part in parts)
    return replace(found, train=train, held=held[0] if held else None, understood=(*found.understood, said))


def _scaled(images: np.ndarray, size: int, fit: str) -> np.ndarray:
    """uint8 (N, H, W, C) -> (N, size, size, C)."""
    digest = hashlib.sha256(repr(("scaled 1", images.shape, size, *((fit,) if fit != "crop" else ()))).encode())
    digest.update(np.ascontiguousarray(images))
    file = cache_folder() / "scaled" / f"{digest.hexdigest()[:32]}.npy"
    if not file.exists():
        scaled = np.empty((len(images), size, size, images.shape[3]), np.uint8)
        for target, image in zip(scaled, images, strict=True):
            target[:] = square(picture_of(image), size, fit)
        content = io.BytesIO()
        np.save(content, scaled)
        write_to_cache(file, content.getbuffer())
    return np.load(file)
