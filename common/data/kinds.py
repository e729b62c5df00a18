"""What lies at a path -> the reader that knows it."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from common.console import counted
from common.data.arrays import arrays
from common.data.dataset import Found
from common.data.named import celeba, cifar, idx
from common.data.reading import Reading
from common.data.tables import tables
from common.data.tables.parquet import read_parquet
from common.data.trees.archives import SUFFIXES as ARCHIVES
from common.data.trees.archives import is_archive
from common.data.trees.folders import read_folder
from common.data.trees.formats import told_by_name
from common.data.trees.layout import left_out_of
from common.data.trees.listing import Listing, listing
from common.errors import DataError

# What begins an error, the files of that kind by the name that they have in the folder or archive -> what is found.
Reader = Callable[[str, Mapping[str, Path], Reading], Found]
FEW = 12  # images beside files of data, such as previews, that are not the set

# Files that hold images and are not read, and what to do.
NOT_READ = {
    **dict.fromkeys((".h5", ".hdf5"), "HDF5; h5py reads it, np.savez(name, images=...) makes an .npz of it"),
    **dict.fromkeys((".pkl", ".pickle", ".joblib"), "a pickle, which can run code; save its arrays with np.savez"),
    **dict.fromkeys((".pt", ".pth"), "torch's, which can run code; save its arrays with np.savez"),
    **dict.fromkeys((".tfrecord", ".tfrecords"), "TensorFlow's records; write the images as files, a folder a class"),
    **dict.fromkeys((".rar", ".7z"), "an archive of a kind that is not read; unpack it and give the folder"),
    **dict.fromkeys((".mdb", ".lmdb"), "a database; write the images as files, a folder a class"),
    **dict.fromkeys((".mp4", ".mov", ".avi", ".mkv", ".webm"), "a film; ffmpeg -i FILE %05d.png makes images of it"),
}
TAKEN = "a folder of images, a .zip or .tar of one, .npz, .npy, .mat, .csv or .parquet"


def _called(pattern: str) -> Callable[[Iterable[str]], list[str]]:
    """Chooses among names those that match without their folders."""
    return lambda names: [name for name in names if re.fullmatch(pattern, PurePosixPath(name).name, re.IGNORECASE)]


@dataclass(frozen=True)
class Kind:
    """Files that hold a set by themselves: what they are, and which of the names in a folder or archive are theirs."""

    title: str
    among: Callable[[Iterable[str]], list[str]]
    read: Reader


KNOWN = (  # by names that nothing else has: they count also among images
    Kind("MNIST's idx files", idx.among, idx.read_files),
    Kind("CIFAR's batches", cifar.among, cifar.read_files),
)
BESIDE_FEW_IMAGES = (
    Kind("parquet or arrow files", _called(r".*\.(parquet|arrow)"), read_parquet),
    Kind("arrays", _called(r".*\.(npz|npy|mat)"), arrays.read_arrays),
)
ALONE = (  # beside images a table is of their classes
    Kind("tables of pixels", _called(r".*\.(csv|tsv)(\.gz)?"), tables.read_tables),
)


def read_path(text: str, reading: Reading) -> Found:
    """The set that lies at a path, whatever it is. Raises DataError."""
    path, asked = Path(text), f"--dataset {text}"
    if path.is_dir() or is_archive(path):
        return _read_tree(asked, listing(path), reading)
    for kind in (*KNOWN, *BESIDE_FEW_IMAGES, *ALONE):
        if kind.among([path.name]):
            return kind.read(asked, {path.name: path}, reading)
    suffix = path.suffix.lower()
    if suffix in NOT_READ:
        raise DataError(f"{asked}: is {NOT_READ[suffix]}")
    if told_by_name(path.name):
        raise DataError(f"{asked}: is one image; give the folder that it and the others are in")
    raise DataError(f"{asked}: is none of what is read: {TAKEN}")


def _read_tree(asked: str, listed: Listing, reading: Reading) -> Found:
    """The set that a folder or archive holds: files of a known set, else images, else files of data."""
    names, images, unread = sorted(listed.files), listed.images(), listed.unread()
    others = sorted(listed.files.keys() - set(images))
    few = len(images) + sum(map(len, unread.values())) < FEW
    kinds = *KNOWN, *(BESIDE_FEW_IMAGES if few else ()), *(ALONE if few and not images else ())
    faces = celeba.is_celeba(names)
    known = [kind.title for kind in KNOWN if kind.among(others)] + [celeba.TITLE] * faces
    if len(known) > 1:
        raise DataError(f"{asked}: holds {' and '.join(known)}; give the folder of one")
    if faces:
        found = celeba.read_tree(asked, listed, reading)
        return replace(found, left_out=(*found.left_out, *listed.left_out))
    for kind in kinds:
        chosen = kind.among(others)
        if chosen:
            found = kind.read(asked, {name: listed.place(name) for name in chosen}, reading)
            return replace(found, left_out=(*found.left_out, *_beside(kind, others, images), *listed.left_out))
    if not images:
        held = [f"{counted(len(those), kind.title)} ({those[0]}): {kind.advice}" for kind, those in unread.items()]
        raise DataError(f"{asked}: no images found; {f'it holds {held[0]}' if held else _contents(names)}")
    return read_folder(asked, listed, reading)


def _beside(kind: Kind, others: list[str], images: list[str]) -> list[str]:
    """What is said of images and of other kinds of data beside the files that are the set."""
    data = {name for other in (*BESIDE_FEW_IMAGES, *ALONE) if other != kind for name in other.among(others)}
    where = f"beside {kind.title}"
    return [left_out_of(those, where, what) for those, what in ((images, "image"), (data, "file")) if those]


def _contents(names: list[str]) -> str:
    """What a tree without images holds, and what to do about it."""
    often = Counter(PurePosixPath(name).suffix.lower() or "no suffix" for name in names).most_common(5)
    if not often:
        return f"it is empty; give {TAKEN}"
    held = ", ".join(f"{count:,} {suffix}" for suffix, count in often)
    archives = [name for name in names if name.lower().endswith(ARCHIVES)]
    if archives:
        return f"it holds {held}: give the archive itself, such as {archives[0]}, or unpack it"
    known = next((f"; {suffix} is {NOT_READ[suffix]}" for suffix, _ in often if suffix in NOT_READ), "")
    return f"it holds {held}{known}"
