"""What a set is once it is read, and which of its images are held out."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from common.errors import DataError

import numpy as np


@dataclass(frozen=True)
class Dataset:
    """Training images and held-out ones, uint8 (N, C, H, W); labels int64 (N,), indices into `classes`, or None."""

    name: str
    images: np.ndarray
    labels: np.ndarray | None
    held_out: np.ndarray
    held_out_labels: np.ndarray | None
    classes: tuple[str, ...]
    fingerprint: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)"""
        channels, height, width = self.images.shape[1:]
        return channels, height, width


@dataclass
class Part:
    """One split as it was found: uint8 (N, H, W, C) and labels (N,) or None."""

    images: np.ndarray
    labels: np.ndarray | None


# What a reader of some format finds: the training images, the held-out ones if the set has its own, and the classes.
Parts = tuple[Part, Part | None, tuple[str, ...]]


def hold_out(name: str, train: Part, test: Part | None, classes: tuple[str, ...]) -> Dataset:
    """The set's own test images are held out, else a tenth of it. Raises DataError."""
    if test is None:
        held = held_by_pixels(name, train.images)
        train, test = (
            Part(train.images[side], None if train.labels is None else train.labels[side]) for side in (~held, held)
        )
    digest = hashlib.sha256(repr((train.images.shape, classes)).encode())
    for start in range(0, len(train.images), 10_000):  # between two of which a signal is heard
        digest.update(np.ascontiguousarray(train.images[start : start + 10_000]))
    digest.update(b"" if train.labels is None else np.ascontiguousarray(train.labels))
    return Dataset(
        name=name,
        images=train.images.transpose(0, 3, 1, 2),
        labels=train.labels,
        held_out=test.images.transpose(0, 3, 1, 2),
        held_out_labels=test.labels,
        classes=classes,
        fingerprint=digest.hexdigest(),
    )


def held_by_pixels(name: str, images: Iterable[np.ndarray]) -> np.ndarray:
    """Which of the images, each (H, W, C), are held out: a tenth, at least 100 of 200, by a hash of their pixels.

    Equal images stay on one side, so that nothing held out was trained on. Raises DataError.
    """
    digests = [hashlib.blake2b(np.ascontiguousarray(image), digest_size=8).digest() for image in images]
    total = len(digests)
    if total < 2:
        raise DataError(f"--dataset {name}: holds {total} image(s); a GAN needs many, at least 2")
    wanted = max(total // 10, 100 if total >= 200 else 1)
    _, group, sizes = np.unique(np.array(digests), return_inverse=True, return_counts=True)
    before = np.cumsum(sizes) - sizes  # images in the groups with smaller digests
    held = (before < wanted)[group]
    if held.all():
        raise DataError(f"--dataset {name}: its {total} images are all the same")
    return held


def evenly(count: int, most: int) -> np.ndarray:
    """Up to `most` places of `count`, from the whole of a set that may be sorted by class."""
    return np.linspace(0, count - 1, min(count, most)).astype(int)
