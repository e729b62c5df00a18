"""What a set is once it is read, and which of its images are held out."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from common.console import counted, first_of, say
from common.data.reading import Reading
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
    sides: tuple[str, str] | None = None  # of pairs in files, what A and B are called
    understood: tuple[str, ...] = ()  # what was made of it, beyond counts and classes, a sentence each

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


@dataclass
class Found:
    """What a reader of some format finds.

    held            the held-out images; None where a share of `train` is still to be held out
    understood      what its owner should see, a sentence each
    left_out        what is neither trained on nor held out, counted and named, a sentence each
    sides           of pairs in files, what A and B are called
    own_split       whether the set itself says what is held out, where `held` is not None
    """

    train: Part
    held: Part | None = None
    classes: tuple[str, ...] = ()
    understood: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    sides: tuple[str, str] | None = None
    own_split: bool = True

    @property
    def splits_itself(self) -> bool:
        """Whether its owner, and not `--held-out`, chose what is held out."""
        return self.held is not None and self.own_split


def hold_out(name: str, found: Found, reading: Reading) -> Dataset:
    """The set's own test images are held out, else a share of it; says what is left out. Raises DataError."""
    for sentence in found.left_out:
        say(f"{name}: {sentence}")
    train, test, classes = found.train, found.held, found.classes
    understood = found.understood
    if test is None:
        held = held_by_pixels(name, train.images, reading)
        train, test = (
            Part(train.images[side], None if train.labels is None else train.labels[side]) for side in (~held, held)
        )
    if not found.splits_itself:
        understood += _not_held(test.labels, classes)
    elif reading.held_out is not None:
        understood += ("held out are the set's own images: --held-out changes nothing",)
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
        sides=found.sides,
        understood=understood,
    )


def _not_held(labels: np.ndarray | None, classes: tuple[str, ...]) -> tuple[str, ...]:
    """A sentence on the classes that none of the held-out labels has, if there are any."""
    without = [] if labels is None else sorted({*range(len(classes))} - {*labels.tolist()})
    some = first_of([classes[label] for label in without], 3)
    return (f"of {len(without):,} of {len(classes):,} classes nothing is held out ({some})",) if without else ()


def with_doubts(found: Found) -> Found:
    """Says what is amiss with a set's own split: held-out images that are also trained on."""
    if not found.splits_itself:
        return found
    known = {hash(image.tobytes()) for image in found.train.images}
    again = sum(hash(image.tobytes()) in known for image in found.held.images)
    said = f"{again:,} of {len(found.held.images):,} held-out images are also trained on: scores are too good"
    return replace(found, understood=(*found.understood, said)) if again else found


def held_by_pixels(name: str, images: Iterable[np.ndarray], reading: Reading) -> np.ndarray:
    """Which of the images, each (H, W, C), are held out, as many as `reading` says, by a hash of their pixels.

    Equal images stay on one side, so that nothing held out was trained on. Raises DataError.
    """
    digests = [hashlib.blake2b(np.ascontiguousarray(image), digest_size=8).digest() for image in images]
    total = len(digests)
    if total < 2:
        raise DataError(f"--dataset {name}: holds {counted(total, 'image')}; a GAN needs many, at least 2")
    wanted = reading.wanted(total)
    _, group, sizes = np.unique(np.array(digests), return_inverse=True, return_counts=True)
    before = np.cumsum(sizes) - sizes  # images in the groups with smaller digests
    held = ((before < wanted) & (before + sizes < total))[group]  # something is left to train on
    if not held.any():
        raise DataError(
            f"--dataset {name}: its {total} images all come out the same; transparency is laid over white, and values"
            " of more than 8 bits are scaled by the range of all"
        )
    return held


def evenly(count: int, most: int) -> np.ndarray:
    """Up to `most` places of `count`, from the whole of a set that may be sorted by class."""
    return np.linspace(0, count - 1, min(count, most)).astype(int)
