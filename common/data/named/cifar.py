"""CIFAR-10: its binary version, or its pickles by an unpickler that allows arrays and nothing else."""

import io
import pickle
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from common.data.dataset import Found, Part
from common.data.listing import bounded, read
from common.data.named import download
from common.data.reading import Reading
from common.errors import DataError

import numpy as np

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def read_set(data_root: str | None) -> Found:
    """CIFAR-10's binary version or its pickles, unpacked or as the archive that is downloaded. Raises DataError."""

    def places() -> Iterator[Path]:
        return (
            root / place
            for root in download.roots(data_root)
            for version in _VERSIONS
            for place in (version.folder, version.archive)
        )

    place = download.found("cifar10", places, "CIFAR10", data_root)
    version = next(version for version in _VERSIONS if place.name in (version.folder, version.archive))
    names = [version.train.format(i) for i in range(1, 6)] + [version.test]
    batches = []
    current = place
    try:
        if place.is_dir():
            contents = (read(current := place / name) for name in names)
            batches = [version.parse(content) for content in contents]
        else:
            with tarfile.open(place) as archive:
                files = (archive.extractfile(f"{version.folder}/{name}") for name in names)
                batches = [version.parse(bounded(file)) for file in files]
    except Exception as error:  # what tarfile, zlib and the unpickler raise is as varied as the damage
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise DataError(f"{current}: missing, damaged or not a CIFAR-10 file ({reason}); replace it") from error
    *train, test = [Part(images.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels) for images, labels in batches]
    whole = Part(np.concatenate([b.images for b in train]), np.concatenate([b.labels for b in train]))
    return Found(whole, test, CLASSES)


class _ArraysOnly(pickle.Unpickler):
    """CIFAR-10's pickles hold dicts, lists, bytes and arrays; whatever else a pickle names is refused."""

    ALLOWED = frozenset({("_reconstruct", "multiarray"), ("ndarray", "numpy"), ("dtype", "numpy")})

    def find_class(self, module: str, name: str) -> object:
        if module.split(".")[0] == "numpy" and (name, module.split(".")[-1]) in self.ALLOWED:
            return np._core.multiarray._reconstruct if name == "_reconstruct" else getattr(np, name)
        if (module, name) == ("_codecs", "encode"):
            return lambda text, encoding: text.encode("latin1")  # how protocol 2 spells bytes
        raise pickle.UnpicklingError(f"it names {module}.{name}, which no data set needs")


def _parse_records(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    records = np.frombuffer(content, np.uint8).reshape(-1, 1 + 3 * 32 * 32)
    return records[:, 1:], records[:, 0].astype(np.int64)


def _parse_pickle(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    batch = _ArraysOnly(io.BytesIO(content), encoding="bytes").load()
    images, labels = batch[b"data"], batch[b"labels"]
    # Looked at before anything is made of them: lists in lists can unfold to any size.
    if not (isinstance(images, np.ndarray) and images.dtype == np.uint8 and images.nbytes <= len(content)):
        raise ValueError("its data are no images")
    if not (isinstance(labels, list) and len(labels) == len(images) and all(type(label) is int for label in labels)):
        raise ValueError("its labels are not one number an image")
    return images, np.array(labels, np.int64)


@dataclass(frozen=True)
class _Version:
    """How the set is packed: its folder, its archive, its files and the parser of one."""

    folder: str
    archive: str
    train: str
    test: str
    parse: Callable[[bytes], tuple[np.ndarray, np.ndarray]]  # images (N, 3072) and labels (N,)


_VERSIONS = (
    _Version(
        "cifar-10-batches-bin", "cifar-10-binary.tar.gz", "data_batch_{}.bin", "test_batch.bin", parse=_parse_records
    ),
    _Version("cifar-10-batches-py", "cifar-10-python.tar.gz", "data_batch_{}", "test_batch", parse=_parse_pickle),
)


def read_files(asked: str, files: Mapping[str, Path], reading: Reading) -> Found:
    """CIFAR's batches, by their names in a folder or archive. Raises DataError, beginning with `asked`."""
    raise DataError(f"{asked}: CIFAR's batches are not read yet")
