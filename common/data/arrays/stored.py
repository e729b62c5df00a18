"""The arrays in a file, .npz, .npy or .mat: their names, types and shapes at once, their values when asked for."""

import math
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from common.errors import refusing
from common.storage.platforms import memory

import numpy as np

BLOCK = 1 << 25  # bytes of an array that are looked at together: what becomes 8 bits never takes 8 times the memory
SUFFIXES = (".npz", ".npy", ".mat")


@dataclass(frozen=True)
class Stored:
    """An array in a file.

    file            its name in the folder or archive
    key             what the array is called in the file; empty in an .npy
    blocks          reads it, some images along the first axis at a time; raises what damaged files raise
    by_columns      whether pictures in its rows lie column after column, as in a struct of MATLAB's
    """

    file: str
    key: str
    dtype: np.dtype
    shape: tuple[int, ...]
    blocks: Callable[[], Iterator[np.ndarray]]
    by_columns: bool = False

    @property
    def title(self) -> str:
        """What its owner calls it."""
        return self.key or PurePosixPath(self.file).name

    @property
    def described(self) -> str:
        """x_train uint8 (60000, 28, 28)"""
        kind = "text" if self.dtype.kind in "SU" else self.dtype.name
        return f"{self.title} {'Python objects (never loaded)' if self.dtype.hasobject else kind} {self.shape}"

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.file).suffix.lower()

    def whole(self) -> np.ndarray:
        """All of it. Raises what damaged files raise, and ValueError where it is too big."""
        must_fit(math.prod(self.shape) * self.dtype.itemsize)
        blocks = list(self.blocks()) or [np.empty(self.shape, self.dtype)]
        return np.concatenate(blocks) if self.shape else blocks[0]


def stored_in(asked: str, name: str, path: Path) -> list[Stored]:
    """The arrays in a file that is called `name`. Raises DataError, beginning with `asked`."""
    kind = PurePosixPath(name).suffix.lower()
    with refusing(asked, name):
        return {".npz": _in_npz, ".npy": _in_npy, ".mat": _in_mat}[kind](name, path)


def must_fit(size: int) -> None:
    """Raises ValueError for more bytes than half of the memory."""
    if size > memory() / 2:
        raise ValueError(f"unpacks to {size / 2**30:,.0f} GiB, more than half of this machine's memory")


def _in_npz(name: str, path: Path) -> list[Stored]:
    found = []
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.filename.endswith(".npy"):
                with archive.open(entry) as file:
                    shape, _, dtype = _header(file)

                def blocks(entry: str = entry.filename) -> Iterator[np.ndarray]:
                    with zipfile.ZipFile(path) as archive, archive.open(entry) as file:
                        yield from _blocks(file)

                found.append(Stored(name, entry.filename.removesuffix(".npy"), dtype, shape, blocks))
    return found


def _header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether it is stored by columns, and type. Raises ValueError."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file)
    raise ValueError("it holds records with names, not numbers")


def _blocks(file: BinaryIO) -> Iterator[np.ndarray]:
    """The array in an .npy that is being unpacked, from its beginning."""
    shape, by_columns, dtype = _header(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never loaded")
    if by_columns or not shape:
        must_fit(math.prod(shape) * dtype.itemsize)
        content = _exactly(file, math.prod(shape) * dtype.itemsize)
        yield np.frombuffer(content, dtype).reshape(shape, order="F" if by_columns else "C")
    else:
        size = math.prod(shape[1:]) * dtype.itemsize
        for count in _counts(shape[0], size):
            yield np.frombuffer(_exactly(file, count * size), dtype).reshape(count, *shape[1:])
    if file.read(1):  # at its end zipfile compares the checksum
        raise ValueError("it is longer than it says")


def _counts(total: int, size: int) -> Iterator[int]:
    """How many of so many images, of `size` bytes each, each block has."""
    most = max(1, BLOCK // max(1, size))
    return (min(most, total - start) for start in range(0, total, most))


def _exactly(file: BinaryIO, size: int) -> bytes:
    content = file.read(size)
    if len(content) != size:
        raise ValueError("it is shorter than it says")
    return content


def _in_npy(name: str, path: Path) -> list[Stored]:
    with path.open("rb") as file:
        shape, _, dtype = _header(file)

    def blocks() -> Iterator[np.ndarray]:
        return _slices(np.load(path, mmap_mode="r", allow_pickle=False))

    return [Stored(name, "", dtype, shape, blocks)]


def _slices(array: np.ndarray) -> Iterator[np.ndarray]:
    start = 0
    for count in _counts(len(array), array[:1].nbytes) if array.ndim else ():
        yield array[start : start + count]
        start += count
    if not array.ndim:
        yield array


def _in_mat(name: str, path: Path) -> list[Stored]:
    from scipy import io

    with path.open("rb") as file:
        if file.read(20).startswith((b"MATLAB 7.3", b"\x89HDF")):
            raise ValueError("MATLAB 7.3, which is HDF5: in MATLAB write it with save(..., '-v7')")
    sizes = {"double": 8, "int64": 8, "uint64": 8, "single": 4, "int32": 4, "uint32": 4}
    must_fit(sum(math.prod(shape) * sizes.get(kind, 2) for _, shape, kind in io.whosmat(path)))
    found = []
    for key, value in io.loadmat(path).items():
        if not key.startswith("__"):
            found += _arrays_in(name, key, value)
    return found


def _arrays_in(name: str, key: str, value: object) -> Iterator[Stored]:
    """An array of a .mat, or those in a struct, by names with dots: dataset.train.images."""
    if isinstance(value, np.ndarray) and value.dtype.names and value.size == 1:
        for field in value.dtype.names:
            yield from _arrays_in(name, f"{key}.{field}", value[field].item())
    elif isinstance(value, np.ndarray):
        if value.dtype.hasobject and all(isinstance(one, np.ndarray) and one.dtype.kind == "U" for one in value.flat):
            value = np.array([" ".join(one.flat) for one in value.flat])  # a cell array of texts
        yield Stored(name, key, value.dtype, value.shape, lambda: _slices(value), by_columns="." in key)
