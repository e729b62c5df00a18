"""A file of arrays, .npz."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

from common.data.dataset import Found, Part
from common.data.reading import Reading
from common.errors import DataError
from common.storage.platforms import memory

import numpy as np


def read_arrays(asked: str, files: Mapping[str, Path], reading: Reading) -> Found:
    """Raises DataError, beginning with `asked`."""
    (path,) = files.values()
    return read_npz(path)


def read_npz(path: Path) -> Found:
    """`images` or `arr_0`: uint8 (N, H, W, C) or (N, H, W); `labels` or `arr_1`: whole numbers (N,).

    Raises DataError.
    """
    images, labels = _arrays_in(path)
    if not all(isinstance(one, np.ndarray | None) for one in (images, labels)):
        raise DataError(f"--dataset {path}: not a readable .npz of plain arrays")
    if images is None:
        raise DataError(f"--dataset {path}: has neither `images` nor `arr_0`")
    if images.dtype != np.uint8:
        raise DataError(f"--dataset {path}: images are {images.dtype}, must be uint8 from 0 to 255")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape:
        raise DataError(f"--dataset {path}: images are {images.shape}, must be (N, H, W) or (N, H, W, 1 or 3)")
    if labels is None:
        return Found(Part(images, None))
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        raise DataError(
            f"--dataset {path}: labels are {labels.dtype} {labels.shape}, must be one whole number an image"
        )
    classes, labels = np.unique(labels, return_inverse=True)
    return Found(Part(images, labels.astype(np.int64)), None, tuple(map(str, classes)))


def _arrays_in(path: Path) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Images and labels as they are called, or None. Raises DataError where the file cannot be read, or is a bomb."""
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > memory() / 2:
            raise ValueError(f"unpacks to {unpacked / 2**30:,.0f} GiB, more than half of this machine's memory")
        with np.load(path, allow_pickle=False) as arrays:
            images = next((arrays[key] for key in ("images", "arr_0") if key in arrays), None)
            labels = next((arrays[key] for key in ("labels", "arr_1") if key in arrays), None)
    except Exception as error:  # zipfile's, zlib's and NumPy's own, or what is no archive at all
        raise DataError(f"--dataset {path}: not a readable .npz of plain arrays ({error})") from error
    return images, labels
