"""Sets in files of arrays, .npz, .npy and .mat: one file, several that belong together, or one for each image."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from common.data.arrays.assembling import PLAIN, assemble
from common.data.arrays.roles import Chosen, chosen_of, listed
from common.data.arrays.shapes import CHANNELS, arrangement
from common.data.arrays.stored import Stored, stored_in
from common.data.dataset import Found
from common.data.reading import AS_IT_IS, Reading
from common.data.trees.classes import layout_of

import numpy as np


def read_arrays(asked: str, files: Mapping[str, Path], reading: Reading) -> Found:
    """The set in these files, by the names and shapes of their arrays. Raises DataError, beginning with `asked`."""
    stored = [one for name, path in files.items() for one in stored_in(asked, name, path)]
    if reading.version < 2:
        stored = [one for one in stored if one.key in PLAIN]  # nothing else was looked at
    if _hold_one_image_each(stored):
        return _stacked(asked, stored, reading)
    chosen, unused = chosen_of(asked, stored)
    found = assemble(asked, chosen, reading)
    return replace(found, left_out=(*found.left_out, f"not used: {listed(unused)}")) if unused else found


def images_in(path: Path) -> np.ndarray:
    """All images in a file of arrays, those to train on first, uint8 (N, H, W, C). Raises DataError."""
    found = read_arrays(str(path), {path.name: path}, AS_IT_IS)
    return np.concatenate([part.images for part in (found.train, found.held) if part])


def _hold_one_image_each(arrays: Sequence[Stored]) -> bool:
    """Whether these are several files of one type and one shape, an image's: (H, W), (H, W, C) or (C, H, W)."""
    kinds = {(one.shape, one.dtype, one.key) for one in arrays}
    if len(arrays) < 2 or len(kinds) > 1:
        return False
    shape, dtype, key = kinds.pop()
    if key or dtype.kind not in "biuf":
        return False
    if len(shape) == 2:
        return shape[0] == shape[1] or (1 not in shape and arrangement(shape) is None)
    return len(shape) == 3 and (shape[0] in CHANNELS or shape[2] in CHANNELS)


def _stacked(asked: str, arrays: Sequence[Stored], reading: Reading) -> Found:
    """The set of files with an image each, whose folders are splits and classes as in a tree of image files."""
    layout = layout_of(asked, sorted(one.file for one in arrays))
    by_name = {one.file: one for one in arrays}
    chosen = {}
    for split, names in (("train", layout.train), ("test", layout.held)):
        if names:
            labels = np.array([layout.class_of[name] for name in names]) if layout.classes else None
            chosen[split] = Chosen([_stack([by_name[name] for name in names])], values=labels)
    found = assemble(asked, chosen, reading)
    understood = (f"each of {len(arrays):,} files is an image", *layout.understood, *found.understood)
    return replace(found, understood=understood, left_out=(*layout.left_out, *found.left_out))


def _stack(arrays: Sequence[Stored]) -> Stored:
    """Images of one shape as one array, (N, H, W, 1), (N, H, W, C) or (N, C, H, W)."""
    first = arrays[0]
    grey = (1,) * (len(first.shape) == 2)

    def blocks() -> Iterator[np.ndarray]:
        return (one.whole().reshape(1, *one.shape, *grey) for one in arrays)

    return Stored(first.file, "images", first.dtype, (len(arrays), *first.shape, *grey), blocks)
