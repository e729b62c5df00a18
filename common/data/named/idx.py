"""MNIST and its like, in LeCun's idx files; and stacked-mnist, which is made of them."""

import gzip
import hashlib
import re
import string
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from common.console import counted
from common.data.cache import cache_folder, write_to_cache
from common.data.dataset import Found, Part
from common.data.reading import Reading
from common.data.trees.classes import HELD
from common.data.trees.listing import bounded
from common.data.words import SPLITS, split_of
from common.errors import DataError

import numpy as np

NAME = re.compile(r"(?P<stem>.*?)(?P<content>images|labels)[-.]idx\d-\w+(\.gz)?", re.IGNORECASE)
DIMENSIONS = {"images": (3,), "labels": (1, 2)}  # QMNIST's labels are rows of numbers, the class first
DIGITS = tuple(string.digits)
_MERGED = (*DIGITS, *string.ascii_uppercase, *"abdefghnqrt")  # other small letters look like their capitals
EMNIST = {  # the sets that it has: the label of the first class, and the classes
    "byclass": (0, (*DIGITS, *string.ascii_uppercase, *string.ascii_lowercase)),
    "bymerge": (0, _MERGED),
    "balanced": (0, _MERGED),
    "letters": (1, tuple(string.ascii_lowercase)),
    "digits": (0, DIGITS),
    "mnist": (0, DIGITS),
}


@dataclass(frozen=True)
class _File:
    """What an idx file's name says, such as emnist-letters-train-images-idx3-ubyte.gz.

    name        with its folders
    title       of the set: 'emnist-letters'; '' for MNIST, Fashion-MNIST and KMNIST
    home        the folder that the set lies in
    split       'train', 'val' or 'test'
    stem        what stands before the content
    content     'images' or 'labels'
    """

    name: str
    title: str
    home: str
    split: str
    stem: str
    content: str

    @classmethod
    def of(cls, name: str) -> "_File | None":
        path = PurePosixPath(name)
        found = NAME.fullmatch(path.name)
        if found is None:
            return None
        words = [word for word in re.split(r"[-_. ]+", found["stem"].lower()) if word]
        splits = [SPLITS[word] for word in words if word in SPLITS]
        home = path.parent
        # A split may have a folder of its own; in Kaggle's MNIST each file has one, of its own name.
        while home.name == path.name or split_of(home.name):
            splits += [split_of(home.name)[0]] if split_of(home.name) else []
            home = home.parent
        title = "-".join(word for word in words if word not in SPLITS)
        return cls(name, title, str(home), (splits or ["train"])[0], found["stem"], found["content"].lower())


def among(names: Iterable[str], title: str | None = None) -> list[str]:
    """The idx files among the names; with a title those of this set, if its training images are there."""
    files = [file for file in map(_File.of, names) if file and title in (None, file.title)]
    if title is not None and not any((file.split, file.content) == ("train", "images") for file in files):
        return []
    return [file.name for file in files]


def read_files(asked: str, files: Mapping[str, Path], reading: Reading, classes: tuple[str, ...] = ()) -> Found:
    """A set in idx files, gzipped or not, by their names in a folder or archive. Raises DataError.

    Its classes are those given, or EMNIST's characters, or else the labels that there are. EMNIST's images, which lie
    on their side in the files, are turned upright.
    """
    title, names = _one_set(asked, files)
    splits = {split for split, _ in names}
    if "train" not in splits:
        raise DataError(f"{asked}: has {min(files)} but no training images; put their files beside it")
    held = next((split for split in HELD if split in splits), None)
    parts = [_read_part(asked, files, names, split) for split in ("train", held) if split]
    left_out = [
        f"left out {counted(len(_read_part(asked, files, names, split).images), 'image')}"
        f" in {names[split, 'images'].name}"
        for split in HELD
        if split in splits and split != held
    ]
    first, understood = 0, []
    if title.startswith("emnist-") and title.removeprefix("emnist-") in EMNIST:
        first, classes = EMNIST[title.removeprefix("emnist-")]
        parts = [Part(np.ascontiguousarray(part.images.swapaxes(1, 2)), part.labels) for part in parts]
        understood.append("the images, which lie on their side in EMNIST's files, are turned upright")
    found = np.unique(np.concatenate([part.labels for part in parts]))
    if not classes:
        classes = tuple(map(str, found))
        parts = [Part(part.images, np.searchsorted(found, part.labels)) for part in parts]
    elif found[0] < first or found[-1] >= first + len(classes):
        raise DataError(
            f"{asked}: its labels are from {found[0]} to {found[-1]}, and its {len(classes)} classes from {first} to"
            f" {first + len(classes) - 1}; replace the files"
        )
    train, test = [Part(part.images, part.labels - first) for part in parts] + [None] * (held is None)
    return Found(train, test, classes, tuple(understood), tuple(left_out))


def _one_set(asked: str, files: Mapping[str, Path]) -> tuple[str, dict[tuple[str, str], _File]]:
    """Title of the set that these files are, and the file of each split and content. Raises DataError for several."""
    sets: dict[tuple[str, str], dict[tuple[str, str], _File]] = {}
    # Of equal files those that are unpacked first, then those named as the originals are.
    for file in sorted(map(_File.of, files), key=lambda file: (file.name.endswith(".gz"), ".idx" in file.name)):
        sets.setdefault((file.home, file.title), {}).setdefault((file.split, file.content), file)
    if len(sets) > 1:
        listed = ", ".join(sorted(str(PurePosixPath(home, title)) for home, title in sets))
        raise DataError(f"{asked}: holds {len(sets)} sets ({listed}); {_advice(files, sets)}")
    (((_, title), names),) = sets.items()
    return title, names


def _advice(files: Mapping[str, Path], sets: Mapping[tuple[str, str], Mapping[tuple[str, str], _File]]) -> str:
    """How to say which of several sets is meant."""
    for (_, title), names in sets.items():
        if title.startswith("emnist-"):
            name = next(iter(names.values())).name
            is_unpacked = files[name].as_posix().endswith(name)
            where = f"--data-root {files[name].parent}" if is_unpacked else "--data-root and its folder, once unpacked"
            return f"say which, such as --dataset {title.replace('-', ':')} {where}"
    return "give the folder of one"


def _read_part(asked: str, files: Mapping[str, Path], names: Mapping[tuple[str, str], _File], split: str) -> Part:
    """The images of a split, uint8 (N, H, W, 1), and their labels. Raises DataError."""
    arrays = {}
    for content, other in (("images", "labels"), ("labels", "images")):
        if (split, content) not in names:
            there = names[split, other]
            raise DataError(f"{asked}: has {there.name} but no {there.stem}{content} file; give a folder with both")
        name = names[split, content].name
        arrays[content] = _read_idx(asked, name, files[name], DIMENSIONS[content])
    images, labels = arrays["images"], arrays["labels"]
    if images.dtype != np.uint8:
        raise DataError(f"{asked}: {names[split, 'images'].name} has values of {images.dtype}, and images are uint8")
    if len(images) != len(labels) or not len(images):
        raise DataError(f"{asked}: has {len(images)} {split} images but {len(labels)} labels; replace the files")
    labels = labels if labels.ndim == 1 else labels[:, 0]
    return Part(images[..., None], labels.astype(np.int64))


def _read_idx(asked: str, name: str, path: Path, dimensions: tuple[int, ...]) -> np.ndarray:
    """torchvision's parser, on the file as it is or unzipped into the cache. Raises DataError for a damaged file."""
    from torchvision.datasets.mnist import read_sn3_pascalvincent_tensor

    try:
        plain = path
        if path.suffix.lower() == ".gz":
            state = path.stat()
            key = hashlib.sha256(repr((str(path.resolve()), state.st_size, state.st_mtime_ns)).encode()).hexdigest()
            plain = cache_folder() / "unzipped" / f"{key[:16]}-{path.stem}"
            if not plain.exists():
                with gzip.open(path) as content:
                    write_to_cache(plain, bounded(content))
        array = read_sn3_pascalvincent_tensor(str(plain)).numpy()
        if array.ndim not in dimensions or array.dtype.kind not in "iu":
            raise ValueError(f"{array.dtype} with {array.ndim} dimensions")
    except (OSError, EOFError, zlib.error, ValueError, AssertionError, RuntimeError, KeyError, IndexError) as error:
        reason = " ".join(str(error).split()) or "not whole"
        raise DataError(f"{asked}: {name} is truncated or damaged ({reason[:100]}); replace the file") from error
    return array


def stack(digits: Part, count: int, seed: int) -> Part:
    """`count` images with three random digits as their channels; the label reads them as a number, red first.

    The seed is the set's own, so that all runs see the same images.
    """
    chosen = np.random.default_rng(seed).integers(0, len(digits.images), (count, 3))
    images = np.empty((count, *digits.images.shape[1:3], 3), np.uint8)
    for channel in range(3):
        images[..., channel] = digits.images[chosen[:, channel], ..., 0]
    return Part(images, digits.labels[chosen] @ np.array([100, 10, 1]))
