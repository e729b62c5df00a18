"""CIFAR-10 and CIFAR-100: in binary, or as pickles read by an unpickler that allows arrays and nothing else."""

import io
import pickle
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from common.data.dataset import Found, Part
from common.data.reading import Reading
from common.data.trees.listing import read
from common.errors import DataError

import numpy as np

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
MOST_CLASSES = 100
PIXELS = 3 * 32 * 32
Batch = tuple[np.ndarray, np.ndarray]  # images (N, 3072), labels (N,)


def among(names: Iterable[str], title: str | None = None) -> list[str]:
    """The batches among the names and the lists of their classes; with a title those of CIFAR-10 or of CIFAR-100."""
    return [name for version, own in _sets(names) if title in (None, version.title) for name in own.values()]


def read_files(asked: str, files: Mapping[str, Path], reading: Reading) -> Found:
    """The set whose batches these are, by their names in a folder or archive. Raises DataError."""
    sets = _sets(files)
    if len(sets) > 1:
        listed = ", ".join(f"{version.title} in {min(own.values())}" for version, own in sets)
        raise DataError(f"{asked}: holds {len(sets)} sets ({listed}); give the folder of one")
    ((version, own),) = sets
    needed = version.train if version.classes else (*version.train, version.meta)
    missing = next((file for file in needed if file not in own), None)
    if missing:
        raise DataError(f"{asked}: has {min(own.values())} of {version.title} but no {missing} beside it")

    def parsed(file: str, parse: Callable[[bytes], Any]) -> Any:
        try:
            return parse(read(files[own[file]]))
        except Exception as error:  # what the unpickler raises is as varied as the damage
            reason = " ".join(str(error).split())[:120] or type(error).__name__
            trouble = f"damaged or not a {version.title} file ({reason})"
            raise DataError(f"{asked}: {own[file]}: {trouble}; replace it") from error

    classes = parsed(version.meta, version.parse_classes) if version.meta in own else version.classes
    batches = {file: parsed(file, version.parse) for file in (*version.train, version.test) if file in own}
    for file, (_, labels) in batches.items():
        wrong = labels[(labels < 0) | (labels >= len(classes))]
        if wrong.size or not labels.size:
            what = f"the label {wrong[0]}, and there are {len(classes)} classes" if wrong.size else "no images"
            raise DataError(f"{asked}: {own[file]} has {what}; replace it")
    train = _joined([batches[file] for file in version.train])
    return Found(train, _joined([batches[version.test]]) if version.test in own else None, classes)


def _joined(batches: list[Batch]) -> Part:
    images = np.concatenate([images for images, _ in batches])
    labels = np.concatenate([labels for _, labels in batches])
    return Part(images.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels)


class _ArraysOnly(pickle.Unpickler):
    """CIFAR's pickles hold dicts, lists, bytes and arrays; whatever else a pickle names is refused."""

    ALLOWED = frozenset({("_reconstruct", "multiarray"), ("ndarray", "numpy"), ("dtype", "numpy")})

    def find_class(self, module: str, name: str) -> object:
        if module.split(".")[0] == "numpy" and (name, module.split(".")[-1]) in self.ALLOWED:
            return np._core.multiarray._reconstruct if name == "_reconstruct" else getattr(np, name)
        if (module, name) == ("_codecs", "encode"):
            return lambda text, encoding: text.encode("latin1")  # how protocol 2 spells bytes
        raise pickle.UnpicklingError(f"it names {module}.{name}, which no data set needs")


def _parse_records(content: bytes, before: int) -> Batch:
    """Records of so many bytes and an image's; the last of these bytes is the label."""
    records = np.frombuffer(content, np.uint8).reshape(-1, before + PIXELS)
    return records[:, before:], records[:, before - 1].astype(np.int64)


def _parse_pickle(content: bytes, key: bytes) -> Batch:
    batch = _ArraysOnly(io.BytesIO(content), encoding="bytes").load()
    images, labels = batch[b"data"], batch[key]
    # Looked at before anything is made of them: lists in lists can unfold to any size.
    if not (isinstance(images, np.ndarray) and images.dtype == np.uint8 and images.nbytes <= len(content)):
        raise ValueError("its data are no images")
    if images.shape[1:] != (PIXELS,):
        raise ValueError(f"its images are {images.shape}")
    if not (isinstance(labels, list) and len(labels) == len(images) and all(type(label) is int for label in labels)):
        raise ValueError("its labels are not one number an image")
    return images, np.array(labels, np.int64)


def _parse_names(content: bytes) -> tuple[str, ...]:
    """A name a line."""
    return _names(content.split())


def _parse_pickled_names(content: bytes, key: bytes) -> tuple[str, ...]:
    return _names(_ArraysOnly(io.BytesIO(content), encoding="bytes").load()[key])


def _names(found: object) -> tuple[str, ...]:
    if not (isinstance(found, list) and 0 < len(found) <= MOST_CLASSES and all(type(name) is bytes for name in found)):
        raise ValueError("it does not list the names of classes")
    return tuple(name.decode("ascii") for name in found)


@dataclass(frozen=True)
class _Version:
    """How a set is packed: the files of its splits, the one that names its classes, and the parsers of both.

    `classes` are those of a set that needs no file to name them; where there are none, that file is looked for to tell
    the set, whose other files could be anyone's.
    """

    title: str
    train: tuple[str, ...]
    test: str
    parse: Callable[[bytes], Batch]
    meta: str
    parse_classes: Callable[[bytes], tuple[str, ...]]
    classes: tuple[str, ...] = ()


_BATCHES = tuple(f"data_batch_{i}" for i in range(1, 6))
_VERSIONS = (
    _Version(
        "CIFAR-10",
        tuple(f"{batch}.bin" for batch in _BATCHES),
        "test_batch.bin",
        partial(_parse_records, before=1),
        "batches.meta.txt",
        _parse_names,
        CLASSES,
    ),
    _Version(
        "CIFAR-10",
        _BATCHES,
        "test_batch",
        partial(_parse_pickle, key=b"labels"),
        "batches.meta",
        partial(_parse_pickled_names, key=b"label_names"),
        CLASSES,
    ),
    _Version(
        "CIFAR-100",
        ("train.bin",),
        "test.bin",
        partial(_parse_records, before=2),  # its coarse label is first
        "fine_label_names.txt",
        _parse_names,
    ),
    _Version(
        "CIFAR-100",
        ("train",),
        "test",
        partial(_parse_pickle, key=b"fine_labels"),
        "meta",
        partial(_parse_pickled_names, key=b"fine_label_names"),
    ),
)


def _sets(names: Iterable[str]) -> list[tuple[_Version, dict[str, str]]]:
    """The sets among these names: how each is packed, and the names of its files by what these are called."""
    folders: dict[PurePosixPath, dict[str, str]] = {}
    for name in sorted(names):
        path = PurePosixPath(name)
        folders.setdefault(path.parent, {})[path.name] = name
    found = []
    for folder, inside in folders.items():
        for version in _VERSIONS:
            own = {file: inside[file] for file in (*version.train, version.test, version.meta) if file in inside}
            batches = {*version.train, version.test} & {*own}
            if batches and (version.classes or version.meta in own or folder.name.startswith("cifar-100-")):
                found.append((version, own))
    return found
