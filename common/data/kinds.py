"""What lies at a path -> the reader that knows it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from common.data import arrays, tables
from common.data.dataset import Found
from common.data.folders import read_folder
from common.data.listing import Listing, is_archive, listing
from common.data.named import cifar, idx
from common.data.parquet import read_parquet
from common.data.reading import Reading
from common.errors import DataError

# What begins an error, the files of that kind by the name that they have in the folder or archive -> what is found.
Reader = Callable[[str, Mapping[str, Path], Reading], Found]
FEW = 12  # images beside files of data, such as previews, that are not the set


@dataclass(frozen=True)
class Kind:
    """Files that hold a set by themselves. `pattern` is of their names without folders, `title` says what they are."""

    title: str
    pattern: str
    read: Reader

    def among(self, names: list[str]) -> list[str]:
        return [name for name in names if re.fullmatch(self.pattern, PurePosixPath(name).name, re.IGNORECASE)]


KNOWN = (  # by names that nothing else has: they count also among images
    Kind("MNIST's idx files", r".*(images|labels)[.-]idx\d-u?\w+(\.gz)?", idx.read_files),
    Kind("CIFAR's batches", r"(data_batch_\d|test_batch)(\.bin)?", cifar.read_files),
)
KINDS = (
    Kind("parquet or arrow files", r".*\.(parquet|arrow)", read_parquet),
    Kind("arrays", r".*\.(npz|npy|mat)", arrays.read_arrays),
    Kind("tables of pixels", r".*\.(csv|tsv)(\.gz)?", tables.read_tables),
)


def read_path(text: str, reading: Reading) -> Found:
    """The set that lies at a path, whatever it is. Raises DataError."""
    path, asked = Path(text), f"--dataset {text}"
    if path.is_dir() or is_archive(path):
        return _read_tree(asked, listing(path), reading)
    for kind in (*KNOWN, *KINDS):
        if kind.among([path.name]):
            return kind.read(asked, {path.name: path}, reading)
    raise DataError(f"{asked}: must be a folder of images, a .zip or .tar of one, or a file of arrays or a table")


def _read_tree(asked: str, listed: Listing, reading: Reading) -> Found:
    """The set that a folder or archive holds: files of a known set, else images, else files of data."""
    names = sorted(listed.files)
    images = listed.images()
    for kind in (*KNOWN, *(KINDS if len(images) < FEW else ())):
        chosen = kind.among(names)
        if chosen:
            return kind.read(asked, {name: listed.place(name) for name in chosen}, reading)
    return read_folder(asked, listed, reading)
