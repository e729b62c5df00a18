"""Which of a set's images a score is computed on, and how it names them."""

import hashlib
from typing import Any

import numpy as np

SAMPLES = 10_000
FEWEST = 10  # for neighbourhoods of five


def some_of(count: int, most: int) -> np.ndarray:
    """Up to `most` places of `count`, from the whole of a set that may be sorted by class."""
    return np.arange(count) if count <= most else np.sort(np.random.default_rng(0).permutation(count)[:most])


def split_of(dataset: str, split: str, images: np.ndarray) -> dict[str, Any]:
    """What a score says of the real images, uint8 (N, C, H, W), that it is against."""
    digest = hashlib.sha256(np.ascontiguousarray(images)).hexdigest()
    return {"dataset": dataset, "split": split, "images": len(images), "sha256": digest}
