"""Labels as people store them: one number, text or one-hot row an image -> classes and their numbers."""

import contextlib
from collections.abc import Sequence

import numpy as np

MANY = 100  # classes; where there are more, and more than half as many as images, they are names of the images


class NotClasses(ValueError):
    """What is called labels does not say one class for each image."""


def class_values(labels: np.ndarray, count: int) -> np.ndarray:
    """The class of each of `count` images as whole numbers or text (N,).

    `labels` are (N,), (N, 1) or (1, N) of whole numbers, also kept as floats, or of text; or one-hot, (N, K). Raises
    ValueError where they are not as many as the images, and NotClasses where they are anything else.
    """
    if labels.ndim == 2 and 1 in labels.shape and labels.size == count:
        labels = labels.reshape(-1)
    if labels.ndim not in (1, 2):
        raise NotClasses(f"shape {labels.shape}")
    if len(labels) != count:
        raise ValueError(f"{count:,} images but {len(labels):,} labels")
    if labels.ndim == 2:
        labels = _of_one_hot(labels)
    if labels.dtype.kind in "SU":
        values = _of_text(labels)
    elif labels.dtype.kind == "f":
        values = _whole(labels)
        if values is None:
            raise NotClasses("numbers that are not whole")
    elif labels.dtype.kind in "biu":
        values = labels.astype(np.int64) if labels.dtype.kind == "b" else labels
    else:
        raise NotClasses(f"type {labels.dtype}")
    different = len(np.unique(values))
    if different > max(MANY, count / 2):
        raise NotClasses(f"{different:,} different values for {count:,} images")
    return values


def _of_one_hot(labels: np.ndarray) -> np.ndarray:
    one_hot = labels.dtype.kind in "biuf" and ((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all()
    if not one_hot:
        raise NotClasses(f"shape {labels.shape} and not one-hot,")
    return labels.argmax(axis=1)


def _of_text(labels: np.ndarray) -> np.ndarray:
    """Text without blanks around it; as numbers where all of it is."""
    try:
        text = np.char.strip(np.char.decode(labels, "utf-8") if labels.dtype.kind == "S" else labels)
    except UnicodeDecodeError:
        raise NotClasses("bytes that are no UTF-8 text") from None
    with contextlib.suppress(ValueError):
        numbers = _whole(text.astype(np.float64))
        return text if numbers is None else numbers
    return text


def _whole(numbers: np.ndarray) -> np.ndarray | None:
    """Floats as int64, where all of them are whole numbers."""
    with np.errstate(invalid="ignore"):
        whole = (numbers == np.floor(numbers)) & (abs(numbers) < 1 << 53)
    return numbers.astype(np.int64) if whole.all() else None


def numbered(parts: Sequence[np.ndarray]) -> tuple[tuple[str, ...], list[np.ndarray]]:
    """Classes in the order of their numbers or letters, and for each part its labels, int64 (N,), indices into them."""
    if len({part.dtype.kind == "U" for part in parts}) > 1:
        parts = [part.astype(str) for part in parts]
    classes, labels = np.unique(np.concatenate(parts), return_inverse=True)
    ends = np.cumsum([len(part) for part in parts])[:-1]
    return tuple(map(str, classes)), np.split(labels.astype(np.int64), ends)
