"""Arrays seen as images, some at a time, and how they become 8 bits together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from common.data.arrays.levels import FEW_BITS, Levels, extremes
from common.data.arrays.shapes import Arrangement, arrangement, is_interleaved, over_white
from common.data.arrays.stored import Stored, must_fit
from common.data.reading import Reading
from common.errors import DataError, refusing

import numpy as np

LOOKED_AT = 1000  # rows of pixels in colour, to tell whether a pixel's colours lie side by side


@dataclass(frozen=True)
class View:
    """An array, and where its images lie in it."""

    stored: Stored
    form: Arrangement

    @staticmethod
    def of(asked: str, stored: Stored, labels: int | None) -> "View":
        """Of an array that may be images; so many labels belong to it. Raises DataError, beginning with `asked`."""
        form = arrangement(stored.shape, labels, stored.by_columns)
        view = View(stored, form)
        if form.kept in ("ND", "DN") and form.channels == 3:
            with refusing(asked, stored.file):
                rows = next(view._rows())[:LOOKED_AT]
            view = replace(view, form=replace(form, interleaved=is_interleaved(rows, form.height)))
        return view

    def blocks(self) -> Iterator[np.ndarray]:
        """Some images at a time, (n, H, W, C) of the array's type. Raises what damaged files raise."""
        return (self.form.images(block) for block in self._rows())

    def _rows(self) -> Iterator[np.ndarray]:
        """The array by its images, which come first."""
        return iter([np.moveaxis(self.stored.whole(), -1, 0)]) if self.form.kept[-1] == "N" else self.stored.blocks()


def to_images(asked: str, splits: Sequence[Sequence[View]], reading: Reading) -> tuple[list[np.ndarray], list[str]]:
    """Of each split uint8 (N, H, W, 1 or 3), all by the same rule; and what is to be said of it, a sentence each.

    Raises DataError, beginning with `asked`, where the splits do not fit each other or the values are no pixels.
    """
    views = [view for split in splits for view in split]
    first = views[0]
    for view in views:
        sizes = [(one.form.height, one.form.width, one.form.channels) for one in (first, view)]
        kinds = [one.stored.dtype.kind == "f" for one in (first, view)]
        if sizes[0] != sizes[1] or kinds[0] != kinds[1]:
            raise DataError(f"{asked}: {first.stored.described} and {view.stored.described} are not images of one set")
    levels = _levels(asked, views, reading)
    counts, images = np.zeros(256, np.int64), []
    for split in splits:
        shape = (sum(view.form.count for view in split), *sizes[0][:2], 3 if sizes[0][2] > 2 else 1)
        with refusing(asked, first.stored.file):
            must_fit(int(np.prod(shape, dtype=object)))
            images.append(np.empty(shape, np.uint8))
        start = 0
        for view in split:
            with refusing(asked, view.stored.file):
                for block in view.blocks():
                    pixels = over_white(levels.to_bytes(block))
                    images[-1][start : start + len(block)] = pixels
                    start += len(block)
                    if levels.understood:
                        counts += np.bincount(pixels.reshape(-1), minlength=256)
    said = [first.form.understood, levels.understood, levels.doubt(counts)]
    return images, [sentence for sentence in said if sentence]


def _levels(asked: str, views: Sequence[View], reading: Reading) -> Levels:
    """Of all of these together. Raises DataError for values that are not finite."""
    bytes_only = all(view.stored.dtype == np.uint8 for view in views)
    if bytes_only and reading.version < 2:
        return Levels(0, 255)
    low, high, broken = np.inf, -np.inf, 0
    for view in views:
        with refusing(asked, view.stored.file):
            for block in view.blocks():
                lowest, highest, more = extremes(block)
                low, high, broken = min(low, lowest), max(high, highest), broken + more
                if bytes_only and high >= FEW_BITS:
                    return Levels(0, 255)  # without a look at the rest
    if broken:
        raise DataError(
            f"{asked}: {broken:,} values of the images are not finite (NaN or infinity); replace them, as"
            " np.nan_to_num does"
        )
    return Levels.of(np.result_type(*(view.stored.dtype for view in views)), low, high)
