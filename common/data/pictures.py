"""Images that are to be translated: one file or many, for `sample.py --input`."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from common.data.arrays import images_in
from common.data.decoding import upright, with_picture
from common.data.listing import Listing, listing, read
from common.data.scaling import picture_of, square
from common.data.stored import SUFFIXES as ARRAYS
from common.errors import DataError

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image  # imported where it is used: a refusal is quick


def load_pictures(path: str, size: int, channels: int, side: int | None = None) -> tuple[np.ndarray, tuple[str, ...]]:
    """The images in a file, folder, zip or .npz, .npy or .mat, uint8 (N, size, size, channels), and each one's name.

    Names have no suffix. With `side` 0 or 1, of a picture twice as wide as high only the left or right half. Raises
    DataError.
    """

    def fit(picture: "Image") -> np.ndarray:
        picture = upright(picture, grey=channels == 1)
        if side is not None and picture.width == 2 * picture.height:
            picture = picture.crop((side * picture.height, 0, (side + 1) * picture.height, picture.height))
        return square(picture, size)

    place = Path(path)
    if place.suffix.lower() in ARRAYS and place.is_file():
        images = images_in(place)
        return np.stack([fit(picture_of(image)) for image in images]), tuple(f"{i:05d}" for i in range(len(images)))
    found = _listing(path)
    names = found.images()
    images = np.empty((len(names), size, size, channels), np.uint8)
    for target, name in zip(images, names, strict=True):
        try:
            target[:] = with_picture(found.read(name), fit)
        except Exception as error:  # as varied as the damage
            raise DataError(f"{path}: cannot read the image {name} ({str(error)[:80]}); repair or remove it") from error
    return images, tuple(_stems(names))


def _listing(path: str) -> Listing:
    """Of a folder or zip, or of one file."""
    place = Path(path)
    if not place.exists():
        raise DataError(f"{path}: there is no such file or folder")
    if place.is_dir() or place.suffix.lower() == ".zip":
        return listing(place)
    return Listing({place.name: ""}, lambda _: read(place), place.with_name, str(place))


def _stems(names: list[str]) -> Iterator[str]:
    """Names without their suffixes; those that this makes alike are told apart by numbers."""
    stems = [name.rpartition(".")[0] for name in names]
    often = Counter(stems)
    return (stem if often[stem] == 1 else f"{stem}-{number}" for number, stem in enumerate(stems))
