"""MNIST and its like, in LeCun's idx files; and stacked-mnist, which is made of them."""

import gzip
import hashlib
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from common.data.cache import cache_folder, write_to_cache
from common.data.dataset import Found, Part
from common.data.listing import bounded
from common.data.named import download
from common.data.reading import Reading
from common.errors import DataError

import numpy as np


def read_set(name: str, title: str, elsewhere: tuple[str, ...], data_root: str | None) -> tuple[Part, Part]:
    """Training and test images from four idx files, gzipped or not, where people keep them. Raises DataError.

    `title` is torchvision's class and folder; `elsewhere` are folders of their own, outside of the data roots.
    """

    def places() -> Iterator[Path]:
        folders = _folders(name, title, elsewhere, data_root)
        return (folder for folder in folders if _file_in(folder, "train", "images"))

    folder = download.found(name, places, title, data_root)
    parts = []
    for split in ("train", "t10k"):
        arrays = []
        for kind in ("images", "labels"):
            file = _file_in(folder, split, kind)
            if file is None:
                raise DataError(f"--dataset {name}: {folder} has {title}'s training images but no {split}-{kind} file")
            arrays.append(_read_idx(file, 3 if kind == "images" else 1))
        images, labels = arrays
        if len(images) != len(labels):
            raise DataError(f"--dataset {name}: {folder} has {len(images)} {split} images but {len(labels)} labels")
        parts.append(Part(images[..., None], labels.astype(np.int64)))
    return parts[0], parts[1]


def stack(digits: Part, count: int, seed: int) -> Part:
    """`count` images with three random digits as their channels; the label reads them as a number, red first.

    The seed is the set's own, so that all runs see the same images.
    """
    chosen = np.random.default_rng(seed).integers(0, len(digits.images), (count, 3))
    images = np.empty((count, *digits.images.shape[1:3], 3), np.uint8)
    for channel in range(3):
        images[..., channel] = digits.images[chosen[:, channel], ..., 0]
    return Part(images, digits.labels[chosen] @ np.array([100, 10, 1]))


def _folders(name: str, title: str, elsewhere: tuple[str, ...], data_root: str | None) -> Iterator[Path]:
    for root in download.roots(data_root):
        for folder in (title, name, name.replace("-", "")):
            yield from (root / folder / "raw", root / folder)
        yield root
    yield from map(Path, elsewhere)


def _file_in(folder: Path, split: str, kind: str) -> Path | None:
    stems = [f"{split}-{kind}{mark}ubyte" for mark in ("-idx3-", "-idx1-", ".idx3-", ".idx1-")]
    files = [folder / (stem + ending) for ending in ("", ".gz") for stem in stems]
    return next((file for file in files if file.is_file()), None)


def _read_idx(file: Path, dimensions: int) -> np.ndarray:
    """torchvision's parser, on the file as it is or unzipped into the cache. Raises DataError for a damaged file."""
    from torchvision.datasets.mnist import read_sn3_pascalvincent_tensor

    try:
        plain = file
        if file.suffix == ".gz":
            state = file.stat()
            key = hashlib.sha256(repr((str(file.resolve()), state.st_size, state.st_mtime_ns)).encode()).hexdigest()
            plain = cache_folder() / "unzipped" / f"{key[:16]}-{file.stem}"
            if not plain.exists():
                with gzip.open(file) as content:
                    write_to_cache(plain, bounded(content))
        array = read_sn3_pascalvincent_tensor(str(plain)).numpy()
        if array.ndim != dimensions or array.dtype != np.uint8:
            raise ValueError(f"{array.dtype} with {array.ndim} dimensions")
    except (OSError, EOFError, zlib.error, ValueError, AssertionError, RuntimeError, KeyError, IndexError) as error:
        reason = " ".join(str(error).split()) or "not whole"
        raise DataError(f"{file}: truncated or damaged ({reason[:100]}); replace the file") from error
    return array


def read_files(asked: str, files: Mapping[str, Path], reading: Reading) -> Found:
    """A set's idx files, by their names in a folder or archive. Raises DataError, beginning with `asked`."""
    raise DataError(f"{asked}: idx files are not read yet")
