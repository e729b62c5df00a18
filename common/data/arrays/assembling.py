"""The set that arrays are, once it is known which of them are images and which labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from common.data.arrays.labels import NotClasses, class_values, numbered
from common.data.arrays.roles import Chosen, titles
from common.data.arrays.stored import Stored
from common.data.arrays.views import View, to_images
from common.data.dataset import Found, Part
from common.data.reading import Reading
from common.data.trees.classes import HELD
from common.errors import DataError, refusing

import numpy as np

PLAIN = {"images", "labels", "arr_0", "arr_1"}  # names that need not be said


@dataclass
class _Split:
    """The images of a split, and the class of each, as numbers or text; None where there are none."""

    views: list[View]
    values: np.ndarray | None

    @property
    def count(self) -> int:
        return sum(view.form.count for view in self.views)


def assemble(asked: str, chosen: Mapping[str, Chosen], reading: Reading) -> Found:
    """Test images are held out, else those of val; the others of these and `extra` are left out, as are those without
    labels beside others that have them.

    Raises DataError, beginning with `asked`.
    """
    if "train" not in chosen:
        raise DataError(f"{asked}: has {' and '.join(sorted(chosen))} images, and none to train on")
    left_out: list[str] = []
    splits = {split: _split(asked, arrays, left_out) for split, arrays in chosen.items()}
    labelled = splits["train"].values is not None
    useful = [split for split in HELD if split in splits and (splits[split].values is not None or not labelled)]
    kept = ["train", *useful[:1]]
    for split in sorted({*splits} - {*kept}):
        reason = ", which have no labels" * (labelled and splits[split].values is None)
        place = _place(chosen[split], chosen["train"])
        left_out.append(f"left out {splits[split].count:,} images of {split} ({place}){reason}")
    images, understood = to_images(asked, [splits[split].views for split in kept], reading)
    classes, labels = (), [None] * len(kept)
    values = [splits[split].values for split in kept]
    if values[0] is not None:
        understood += _zeros_of_svhn(splits["train"], values)
        unknown = set(values[-1].tolist()) - set(values[0].tolist())
        if unknown:
            raise DataError(f"{asked}: held-out images have classes that those to train on lack ({min(unknown)})")
        classes, labels = numbered(values)
    train, *held_out = map(Part, images, labels)
    understood = [*_named([chosen[split] for split in kept], bool(classes)), *understood]
    return Found(train, held_out[0] if held_out else None, classes, tuple(understood), tuple(left_out))


def _split(asked: str, arrays: Chosen, left_out: list[str]) -> _Split:
    """Raises DataError; labels that are no classes are said in `left_out`."""
    if not arrays.labels:
        views = [View.of(asked, one, None) for one in arrays.images]
        counts = [view.form.count for view in views]
        return _Split(views, np.repeat(np.array(arrays.classes), counts) if arrays.classes else arrays.values)
    labels = [_read(asked, one) for one in arrays.labels]
    counts = [one.shape[1] if one.ndim == 2 and one.shape[0] == 1 else len(one) for one in labels]
    if len(counts) < len(arrays.images):
        counts = [None] * len(arrays.images)
    views = [View.of(asked, one, count) for one, count in zip(arrays.images, counts, strict=True)]
    found = _Split(views, None)
    title = titles(arrays.labels)
    try:
        found.values = class_values(np.concatenate(labels), found.count)
    except NotClasses as error:
        left_out.append(f"not used: {title}, {error} instead of one class an image")
    except ValueError as error:
        raise DataError(f"{asked}: {error} ({titles(arrays.images)}; {title})") from error
    return found


def _read(asked: str, labels: Stored) -> np.ndarray:
    with refusing(asked, labels.file):
        return labels.whole()


def _zeros_of_svhn(train: _Split, values: list[np.ndarray]) -> list[str]:
    """SVHN's files call the digit 0 10: that is put right in `values`, and said."""
    like_svhn = all(view.form.kept == "HWCN" and view.stored.key == "X" for view in train.views)
    if not (like_svhn and values[0].dtype.kind in "iu" and values[0].min() == 1 and values[0].max() == 10):
        return []
    values[:] = [value % 10 for value in values]
    return ["label 10 is the digit 0, as in SVHN's files"]


def _place(part: Chosen, train: Chosen) -> str:
    """What a split's images are called, as against those to train on."""
    first = part.images[0]
    return first.title if first.file == train.images[0].file else PurePosixPath(first.file).name


def _named(chosen: Sequence[Chosen], with_labels: bool) -> list[str]:
    """What is said of where images and labels come from."""
    images = [one for part in chosen for one in part.images]
    labels = [one for part in chosen for one in part.labels if with_labels]
    if {one.key for one in images + labels} <= PLAIN:
        return []
    if chosen[0].classes:
        return [f"each array is a class ({titles(images)})"]
    called = {one.title for one in labels}  # as one column of several tables
    of_labels = called.pop() if len(called) == 1 else titles(labels)
    return [f"images from {titles(images)}" + (f", labels from {of_labels}" if labels else "")]
