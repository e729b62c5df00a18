"""Which columns of a table are pixels, and which say the class or the split, by their names or by what is in them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from common.console import counted, first_of
from common.data.arrays.roles import LABELS
from common.data.arrays.shapes import MANY, square_of
from common.data.words import words

import numpy as np

CLASS = LABELS | {"digit", "letter", "emotion", "character", "species"}
SPLIT = {"usage", "split", "set", "subset", "partition"}
BESIDE = {"id", "ids", "index", "idx", "image", "filename", "file", "path", "name"}
SHOWN = 6  # columns in a refusal
_FILE = re.compile(r"\s*\S+\.(png|jpe?g|jfif|webp|bmp|gif|tiff?|avif|heic|dcm|npy)\s*", re.IGNORECASE)
_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")


class NotPixels(ValueError):
    """The table is one of something else."""


@dataclass(frozen=True)
class Columns:
    """What is in the columns of a table, by their places.

    names           as the first line has them; None where it is a row like the others
    pixels          those of which each is a pixel, or the one that holds all pixels of an image as a text
    label, split    what says the class, and what the split
    undecided       whether the first or the last of `pixels` says the class, which all rows are needed to tell
    ignored         the others
    """

    count: int
    names: tuple[str, ...] | None
    pixels: tuple[int, ...]
    label: int | None = None
    split: int | None = None
    undecided: bool = False

    @property
    def as_text(self) -> bool:
        return len(self.pixels) == 1

    @property
    def ignored(self) -> list[int]:
        return sorted(set(range(self.count)) - {*self.pixels, self.label, self.split})

    def title(self, column: int) -> str:
        """What its owner calls it."""
        return (self.names and self.names[column]) or f"{column + 1}"


def columns_of(rows: Sequence[Sequence[str]]) -> Columns:
    """Of the first rows of a table, all of one length. Raises NotPixels."""
    count = len(rows[0])
    texts = [column for column in range(count) if all(_pixels(row[column]) for row in rows[1:] or rows)]
    has_names = not _pixels(rows[0][texts[0]]) if texts else _are_names(rows[0])
    names = tuple(name.strip() for name in rows[0]) if has_names else None
    said = [set(words(name)) for name in names or ()]
    label = next((column for column, of in enumerate(said) if of & CLASS and not of & {"name", "names"}), None)
    split = next((column for column, of in enumerate(said) if of & SPLIT), None)
    if texts:
        label = next((c for c in range(count) if c not in texts), None) if count == 2 else label
        return Columns(count, names, (texts[0],), label, split)
    values = rows[1:] if has_names else rows
    pixels = [c for c in range(count) if c not in (label, split) and not (names and _is_beside(names[c]))]
    if label is None and _has_one_more(pixels):
        texts = [
            c for c in (pixels[0], pixels[-1]) if 2 * sum(map(_is_number, (row[c] for row in values))) < len(values)
        ]
        if texts:
            label = texts[0]
            pixels.remove(label)
    numbers = sum(_is_number(row[column]) for row in values for column in pixels)
    undecided = label is None and _has_one_more(pixels)
    if not (undecided or square_of(len(pixels))) or numbers < 0.9 * len(values) * len(pixels):
        raise NotPixels(_otherwise(rows, names))
    return Columns(count, names, tuple(pixels), label, split, undecided)


def _pixels(cell: str) -> bool:
    """Whether a cell holds all pixels of an image, as fer2013.csv has them: 70 80 82 72 ..."""
    numbers = re.split(r"[\s,]+", cell.strip(" []"))
    return square_of(len(numbers)) is not None and all(map(_is_number, numbers))


def _are_names(cells: Sequence[str]) -> bool:
    """Whether these are no values: most are no numbers, or they count the columns, as 0, 1, 2 and 0, 0.1, 0.2 do."""
    if 2 * sum(not _is_number(cell) for cell in cells) > len(cells):
        return True
    last = [cell.rpartition(".")[2] for cell in cells if _is_number(cell)][-16:]
    if len(last) < 2 or not all(map(str.isdecimal, last)):
        return False
    numbers = [int(cell) for cell in last]
    counted = numbers[0] > 0 and set(np.diff(numbers).tolist()) == {1}
    return counted and ("." in cells[-1] or numbers[-1] + 4 > len(cells))


def _is_number(cell: str) -> bool:
    return _NUMBER.fullmatch(cell) is not None


def _has_one_more(columns: Sequence[int]) -> bool:
    """Whether these are the pixels of an image and a label."""
    return len(columns) > MANY and not square_of(len(columns)) and square_of(len(columns) - 1) is not None


def _is_beside(name: str) -> bool:
    """Whether a column is one of numbers or names of the images; pandas writes its own without a name."""
    said = set(words(name))
    return said <= BESIDE or said == {"unnamed", "0"}


def odd_one(values: np.ndarray) -> int:
    """The first or the last column of values (N, D + 1), whichever is less like a pixel; the first where both are."""

    def pixel_like(column: int, neighbour: int) -> tuple[float, int]:
        """0 for values that differ and are not like the next pixel's; and how many different ones there are."""
        own, next_to_it = values[:, column].astype(float), values[:, neighbour].astype(float)
        different, often = np.unique(own, return_counts=True)
        if often.max() > 0.95 * len(own):
            return 0.5, len(different)  # a corner that is nearly always black
        alike = next_to_it.std() and abs(float(np.corrcoef(own, next_to_it)[0, 1])) > 0.5
        return float(alike), len(different)

    last = values.shape[1] - 1
    return last if pixel_like(last, last - 1) < pixel_like(0, 1) else 0


def _otherwise(rows: Sequence[Sequence[str]], names: tuple[str, ...] | None) -> str:
    files = [cell.strip() for row in rows for cell in row if _FILE.fullmatch(cell)]
    if files:
        return f"lists files ({files[0]}) and holds no pixels: give the folder that they are in"
    cells = names or tuple(rows[0])
    return (
        f"has {counted(len(rows[0]), 'column')} ({first_of(cells, SHOWN)}), which are no images:"
        " there must be one for each pixel of a square, and may be one called label"
    )
