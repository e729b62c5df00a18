"""The size that a set's images have, and how they come to it."""

import hashlib
import io
from typing import TYPE_CHECKING

from common.console import say
from common.data.cache import cache_folder, write_to_cache
from common.data.dataset import Part

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image  # imported where it is used: a refusal is quick

LARGEST_KEPT = 64  # images of one square size up to this stay as they are; others are scaled to it


def target_size(name: str, sizes: set[tuple[int, int]], image_size: int | None) -> int:
    """Pixels a side; says so where images change without having been asked."""
    if image_size is not None:
        return image_size
    width, height = min(sizes)
    if len(sizes) == 1 and width == height <= LARGEST_KEPT:
        return width
    found = f"{width}x{height}" if len(sizes) == 1 else f"{len(sizes)} different"
    say(f"{name}: {found} pixels, cropped at the centre and scaled to {LARGEST_KEPT} (--image-size sets another size)")
    return LARGEST_KEPT


def square(picture: "Image", size: int) -> np.ndarray:
    """Cropped at the centre and scaled, uint8 (size, size, C)."""
    from PIL import Image, ImageOps

    if picture.size != (size, size):
        picture = ImageOps.fit(picture, (size, size), Image.Resampling.LANCZOS)
    return np.asarray(picture).reshape(size, size, -1)


def picture_of(image: np.ndarray) -> "Image":
    """Pillow's picture of an image, uint8 (H, W, 1 or 3)."""
    from PIL import Image

    return Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)


def fit(name: str, part: Part, image_size: int | None) -> Part:
    """A split's images at the target size, scaled once and then read from the cache. Raises DataError."""
    height, width = part.images.shape[1:3]
    size = target_size(name, {(width, height)}, image_size)
    if (height, width) == (size, size):
        return part
    digest = hashlib.sha256(repr(("scaled 1", part.images.shape, size)).encode())
    digest.update(np.ascontiguousarray(part.images))
    file = cache_folder() / "scaled" / f"{digest.hexdigest()[:32]}.npy"
    if not file.exists():
        scaled = np.empty((len(part.images), size, size, part.images.shape[3]), np.uint8)
        for target, image in zip(scaled, part.images, strict=True):
            target[:] = square(picture_of(image), size)
        content = io.BytesIO()
        np.save(content, scaled)
        write_to_cache(file, content.getbuffer())
    return Part(np.load(file), part.labels)
