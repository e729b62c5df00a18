"""Images that are to be translated: one file or many, for `sample.py --input`."""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.console import counted, say
from common.data.arrays.arrays import images_in
from common.data.arrays.stored import SUFFIXES as ARRAYS
from common.data.pairing.inputs import Inputs
from common.data.scaling import picture_of, square
from common.data.trees.archives import is_archive
from common.data.trees.decoding import NO_DEPTHS, Depths, upright, with_picture
from common.data.trees.listing import Listing, listing, read
from common.data.trees.survey import Survey
from common.errors import DataError

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image  # imported where it is used: a refusal is quick


def load_pictures(
    path: str, size: int, channels: int, fit: str = "crop", inputs: Inputs | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The images in a folder, archive or file, also of arrays, uint8 (N, size, size, channels), and each one's name.

    Names have no suffix. Says what is made of values of more than 8 bits, and where of pairs only that side is taken
    which `inputs` tells. Raises DataError.
    """
    halved = 0

    def fitted(picture: "Image", depths: Depths = NO_DEPTHS) -> np.ndarray:
        nonlocal halved
        picture = upright(picture, channels == 1, depths)
        part = picture if inputs is None else inputs.part(picture)
        halved += part is not picture
        return square(part, size, fit)

    place = Path(path)
    if place.suffix.lower() in ARRAYS and place.is_file():
        images = images_in(place)
        return np.stack([fitted(picture_of(image)) for image in images]), tuple(f"{i:05d}" for i in range(len(images)))
    found = _listing(path)
    names, unread = found.images(), found.unread()
    if inputs is not None:
        names, there = inputs.among(path, names), names
        if len(names) < len(there):
            say(f"{path}: {len(names):,} of {len(there):,} images lie on the side that is translated ({names[0]}, ...)")
    if not names:
        held = [f"{counted(len(those), kind.title)}: {kind.advice}" for kind, those in unread.items()]
        raise DataError(f"{path}: no images that are read; {'; '.join(held) or 'it holds none'}")
    survey, images = Survey(turned=False), np.empty((len(names), size, size, channels), np.uint8)
    for name in names:
        _attempt(path, found, name, partial(survey.look, name))
    try:
        depths = survey.depths()
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
    for sentence in survey.understood():
        say(f"{path}: {sentence}")
    for target, name in zip(images, names, strict=True):
        target[:] = _attempt(path, found, name, partial(fitted, depths=depths))
    if halved:
        say(f"{path}: of {halved:,} of {len(names):,} pictures one side is translated; --as-is translates them whole")
    return images, tuple(_stems(names))


def _attempt(path: str, found: Listing, name: str, work: "Callable[[Image], Any]") -> Any:
    """work(picture) of this file. Raises DataError."""
    try:
        return with_picture(name, found.read(name), work)
    except Exception as error:  # as varied as the damage
        raise DataError(f"{path}: cannot read the image {name} ({str(error)[:80]}); repair or remove it") from error


def _listing(path: str) -> Listing:
    """Of a folder or archive, or of one file."""
    place = Path(path)
    if not place.exists():
        raise DataError(f"{path}: there is no such file or folder")
    if place.is_dir() or is_archive(place):
        return listing(place)
    return Listing({place.name: ""}, lambda _: read(place), place.with_name, str(place))


def _stems(names: list[str]) -> Iterator[str]:
    """Names without their suffixes; those that this makes alike are told apart by numbers."""
    stems = [name.rpartition(".")[0] for name in names]
    often = Counter(stems)
    return (stem if often[stem] == 1 else f"{stem}-{number}" for number, stem in enumerate(stems))
