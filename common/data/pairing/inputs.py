"""What of pictures that hold pairs is to be translated: one side of them."""

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from common.data.pairing.pair_layout import BESIDE
from common.data.pairing.pairs import SIDE_BY_SIDE, Pairing
from common.data.pairing.sides import find_sides, named_sides
from common.data.trees.decoding import halves
from common.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image  # imported where it is used: a refusal is quick


@dataclass(frozen=True)
class Inputs:
    """By how the images of a run were pairs, and by what their sides were called."""

    pairing: Pairing
    sides: tuple[str, str]

    def among(self, path: str, names: list[str]) -> list[str]:
        """Of the images in a folder or archive those on the side that is translated; all where there are not both."""
        if self.pairing.is_made or self.sides == BESIDE:
            return names
        with contextlib.suppress(DataError):  # they are no such pairs
            folders = self.pairing.folders
            found = named_sides(path, names, path, folders) if folders else find_sides(path, names)
            if found:
                return sorted((found.A, found.B)[self.pairing.input_side].names)
        return names

    def part(self, picture: "Image") -> "Image":
        """The side of a picture that is translated, of one that looks like both or that must be; else all of it."""
        if self.pairing.is_made or self.sides != BESIDE:
            return picture
        if self.pairing.kind != SIDE_BY_SIDE and picture.width < 2 * picture.height:
            return picture
        return halves(picture)[self.pairing.input_side]
