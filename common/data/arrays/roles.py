"""Which arrays are images and which are labels, and of which split, told by what people call them and by shapes."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from common.data.arrays.shapes import arrangement
from common.data.arrays.stored import Stored
from common.data.words import split_of, split_of_word, words
from common.errors import DataError

import numpy as np

LABELS = {"label", "labels", "lbl", "lbls", "y", "target", "targets", "class", "classes", "category", "categories"}
LABELS |= {"gnd", "gt"}
IMAGES = {"image", "images", "img", "imgs", "x", "data", "pixels", "samples", "faces", "input", "inputs", "pictures"}
IMAGES |= {"photos", "features", "fea"}
# As these are written only beside x and y.
SHORT_SPLITS = {"tr": "train", "te": "test", "ts": "test", "va": "val"}
SHOWN = 8  # arrays of a file in a refusal
UNNAMED = re.compile(r"arr_\d+")


@dataclass
class Chosen:
    """The arrays of one split: its images, also in several shards, and what says their classes, if anything does.

    labels          arrays, as many as those of images or one for all
    classes         of which each array of images holds one
    values          the class of each image
    """

    images: list[Stored]
    labels: list[Stored] = field(default_factory=list)
    classes: tuple[str, ...] = ()
    values: np.ndarray | None = None


@dataclass(frozen=True)
class _Spoken:
    """What a name says: images, labels or nothing; of train, val, test, extra or nothing; and what else."""

    role: str | None
    split: str | None
    rest: tuple[str, ...]


def chosen_of(asked: str, arrays: Sequence[Stored]) -> tuple[dict[str, Chosen], list[Stored]]:
    """What is chosen for each split ('train' alone where there are none), and the arrays that are nothing of it.

    Raises DataError, beginning with `asked` and listing the arrays, where it is not clear which are meant.
    """
    spoken = {id(one): _spoken(one, arrays) for one in arrays}
    images = [one for one in arrays if spoken[id(one)].role == "images" and _may_be_images(one)]
    if not images:
        images = [one for one in arrays if not spoken[id(one)].role and _may_be_images(one)]
    labels = [one for one in arrays if spoken[id(one)].role == "labels" and _may_be_labels(one)]
    if not labels and len(lists := [one for one in arrays if not spoken[id(one)].role and _may_be_labels(one)]) == 1:
        labels = [one for one in lists if len(one.shape) == 1 and any(one.shape[0] in other.shape for other in images)]
    if not images:
        objects = any(one.dtype.hasobject for one in arrays)
        raise DataError(
            f"{asked}: has no array of images, (N, H, W), (N, H, W, C), (N, C, H, W) or a row of N for each square one;"
            f" it holds {listed(arrays)}" + "; Python objects are never loaded: write plain arrays" * objects
        )
    by_split = defaultdict(lambda: ([], []))
    for place, ones in enumerate((images, labels)):
        for one in ones:
            by_split[spoken[id(one)].split or "train"][place].append(one)
    if not by_split["train"][0] and len(with_images := [split for split in by_split if by_split[split][0]]) == 1:
        # What is called test is the set all the same where there is no other.
        (only,) = with_images
        by_split = {"train": (by_split[only][0], by_split[only][1] or by_split["train"][1])}
    chosen = {
        split: _chosen(asked, *sorted_arrays, spoken, arrays)
        for split, sorted_arrays in by_split.items()
        if sorted_arrays[0]
    }
    used = {id(one) for part in chosen.values() for one in (*part.images, *part.labels)}
    return chosen, [one for one in arrays if id(one) not in used]


def listed(arrays: Sequence[Stored]) -> str:
    """What is there, for a refusal: a uint8 (9, 8, 8), b float64 (9, 7) and 3 more."""
    more = f" and {len(arrays) - SHOWN} more" if len(arrays) > SHOWN else ""
    return (", ".join(one.described for one in arrays[:SHOWN]) + more) or "nothing"


def titles(arrays: Sequence[Stored]) -> str:
    """What to call these in a sentence: their names, or those of their files where the same names come in several."""
    named = [one.title for one in arrays]
    if len(set(named)) < len(named):
        named = list(dict.fromkeys(PurePosixPath(one.file).name for one in arrays))
    return ", ".join(named[:4]) + (f" and {len(named) - 4} more" if len(named) > 4 else "")


def in_order(one: Stored) -> list[tuple[bool, int, str]]:
    """By names, and by the numbers in them: batch_2 before batch_10."""
    return [(word.isdecimal(), int(word) if word.isdecimal() else 0, word) for word in words(f"{one.file}/{one.key}")]


def _spoken(one: Stored, arrays: Sequence[Stored]) -> _Spoken:
    """An array's own name says it; where that is silent its file's name does, and of the split its folders' names."""
    alone = sum(other.file == one.file for other in arrays) == 1
    nameless = not one.key or UNNAMED.fullmatch(one.key)
    stem = PurePosixPath(one.file).name.removesuffix(PurePosixPath(one.file).suffix)
    several = len({other.file for other in arrays}) > 1
    said = [] if nameless else [one.key]
    said += [stem] if alone or nameless else []
    role = next(filter(None, map(_role, said)), None)
    if UNNAMED.fullmatch(one.key) and not (role and alone):
        role = "labels" if one.key == "arr_1" and len(one.shape) < 3 else "images"
    places = [*said[:1], stem, *reversed(PurePosixPath(one.file).parts[:-1])] if several else said[: not nameless]
    split = next(filter(None, map(_split, places)), None)
    text = one.key if said[:1] == [one.key] and not alone else stem
    rest = tuple(word for word in _parted(text) if not _role(word) and not _split(word))
    return _Spoken(role, split, rest)


def _parted(text: str) -> list[str]:
    """Words, of which x and y are parted from the name of a split: xtrain, Ytest."""
    found = []
    for word in words(text):
        beside = re.fullmatch(r"([xy])(\w+)|(\w+)([xy])", word)
        first, second = (beside[1] or beside[3], beside[2] or beside[4]) if beside else (word, "")
        glued = beside and any(split_of_word(part) or part in SHORT_SPLITS for part in (first, second))
        found += [first, second] if glued else [word]
    return found


def _role(text: str) -> str | None:
    """images or labels; a name that speaks of both, such as faces_target, is of labels."""
    parts = set(_parted(text))
    if parts & {"name", "names"}:
        return None  # of the classes, or of the files
    return "labels" if parts & LABELS else "images" if parts & IMAGES else None


def _split(text: str) -> str | None:
    """train, val, test or extra."""
    parts = _parted(text)
    short = next((SHORT_SPLITS[part] for part in parts if part in SHORT_SPLITS), None)
    found = split_of(" ".join(parts)) or split_of(text)
    return found[0] if found else short or ("extra" if "extra" in parts else None)


def _may_be_images(one: Stored) -> bool:
    return one.dtype.kind in "biuf" and arrangement(one.shape) is not None


def _may_be_labels(one: Stored) -> bool:
    return one.dtype.kind in "biufSU" and len(one.shape) in (1, 2)


def _chosen(
    asked: str, images: list[Stored], labels: list[Stored], spoken: dict[int, _Spoken], arrays: Sequence[Stored]
) -> Chosen:
    """Of the arrays that may be a split's images and labels. Raises DataError where it is not clear which are meant."""
    exact = [one for one in images if one.key == "images"]
    deepest = max(len(one.shape) for one in images)
    images = exact if len(exact) == 1 else [one for one in images if len(one.shape) == deepest]
    images, labels = sorted(images, key=in_order), sorted(labels, key=in_order)
    if len(images) == 1:
        return Chosen(images, _labels_of(asked, images[0], labels, arrays))
    files = {one.file for one in images}
    labels = [one for one in labels if one.file in files] or labels
    shards = len(files) == len(images)
    alike = len({one.shape[1:] for one in images}) == 1
    if alike and shards and len(labels) in (1, len(images)):
        return Chosen(images, labels)
    names = _what_tells_apart([spoken[id(one)].rest for one in images])
    if alike and not labels and names and (shards or len({one.shape[0] for one in images}) > 1):
        numbers = all(name.isdecimal() for name in names)
        # Numbered files are parts of a set; numbered arrays in one file, as in mnist_all.mat, are its classes.
        return Chosen(images) if numbers and shards else Chosen(images, classes=names)
    raise DataError(
        f"{asked}: which array has the images is not clear; it holds {listed(arrays)}; keep images and labels only"
    )


def _labels_of(asked: str, images: Stored, labels: list[Stored], arrays: Sequence[Stored]) -> list[Stored]:
    """The array of labels, if any: one as long as the images are many goes before others, as of the classes' names."""
    for fits in (
        lambda one: max(one.shape) in images.shape,
        lambda one: one.key in ("labels", "label", "y"),
        lambda one: len(one.shape) == 1,
    ):
        labels = [one for one in labels if fits(one)] or labels
    if len(labels) > 1:
        raise DataError(f"{asked}: which array has the labels is not clear; it holds {listed(arrays)}; keep one")
    return labels


def _what_tells_apart(rests: list[tuple[str, ...]]) -> tuple[str, ...]:
    """The words of each name that not all have; empty where these do not tell all of them apart."""
    often = Counter(word for rest in rests for word in set(rest))
    names = tuple(" ".join(word for word in rest if often[word] < len(rests)) for rest in rests)
    return names if all(names) and len(set(names)) == len(names) else ()
