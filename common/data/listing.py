"""What lies in a folder or a zip, and the content of one of its files."""

import errno
import hashlib
import os
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NoReturn

from common.data.cache import cache_folder, write_to_cache
from common.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
LARGEST_FILE = 1 << 29  # bytes that an image may have, and a file of a named set once it is unpacked


@dataclass(frozen=True)
class Listing:
    """The files of a folder or zip."""

    files: dict[str, str]  # name inside, with slashes: what identifies its content
    read: Callable[[str], bytes]  # the content of one
    place: Callable[[str], Path]  # a file that has that content: out of an archive, unpacked into the cache
    identity: str  # of the whole

    def images(self) -> list[str]:
        """The names of those that may be images."""
        return sorted(name for name in self.files if name.lower().endswith(SUFFIXES))


def is_archive(path: Path) -> bool:
    """Whether it is, by its name, an archive that is read as the folder in it."""
    return path.suffix.lower() == ".zip"


def listing(path: Path) -> Listing:
    """What a folder or zip holds. Raises DataError where that cannot be told, or leads out of it."""
    identity = str(path.resolve())
    if path.is_dir():
        return Listing(dict(walk(path)), lambda name: read(path / name), path.joinpath, identity)
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # also of a version of the format that zipfile does not know
        raise DataError(f"--dataset {path}: truncated or not a zip file ({error}); replace it") from error
    found = {}
    for entry in archive.infolist():
        parts = entry.filename.replace("\\", "/").split("/")
        if ".." in parts or parts[0] == "" or parts[0].endswith(":"):
            raise DataError(f"--dataset {path}: its entry {entry.filename} leads out of the archive; use another one")
        if not entry.is_dir() and not any(part.startswith((".", "__MACOSX")) for part in parts):
            found[entry.filename] = f"{entry.file_size} {entry.CRC}"

    def unzip(name: str) -> bytes:
        with archive.open(name) as file:
            return bounded(file)

    def place(name: str) -> Path:
        key = hashlib.sha256(repr((identity, name, found[name])).encode()).hexdigest()
        plain = cache_folder() / "unzipped" / f"{key[:16]}-{PurePosixPath(name).name}"
        if not plain.exists():
            write_to_cache(plain, unzip(name))
        return plain

    return Listing(found, unzip, place, identity)


def walk(path: Path) -> Iterator[tuple[str, str]]:
    """The files in a folder, through links, but for hidden ones: (name inside, what identifies its content).

    Raises DataError for a folder that cannot be read and for links that lead in a circle.
    """

    def refuse(error: OSError) -> NoReturn:
        raise DataError(f"--dataset {path}: {error.filename} cannot be read ({error.strerror})") from error

    above: dict[str, tuple[tuple[int, int], ...]] = {str(path): ()}  # device and inode of what a folder is in
    seen = set()
    for folder, folders, names in os.walk(path, followlinks=True, onerror=refuse):
        state, over = os.stat(folder), above.pop(folder)
        own = state.st_dev, state.st_ino
        if own in over:
            raise DataError(f"--dataset {path}: the link {folder} leads back to a folder that it is in; remove it")
        if own in seen:  # by another link
            folders.clear()
            continue
        seen.add(own)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        above |= {os.path.join(folder, name): (*over, own) for name in folders}
        for name in sorted(names):
            full = Path(folder, name)
            try:
                state = full.stat()
            except OSError as error:
                if error.errno == errno.ELOOP:
                    refuse(error)
                state = full.lstat()  # a link to nothing: the image that cannot be read is named later
            if not name.startswith(".") and (stat.S_ISREG(state.st_mode) or stat.S_ISLNK(state.st_mode)):
                yield full.relative_to(path).as_posix(), f"{state.st_size} {state.st_mtime_ns}"


def read(path: Path) -> bytes:
    """A file's content. Raises OSError, and ValueError as `bounded` does."""
    with path.open("rb") as file:
        return bounded(file)


def bounded(file: BinaryIO) -> bytes:
    """An open file's content. Raises ValueError for more than anyone needs, such as what a bomb unpacks to."""
    content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise ValueError(f"larger than {LARGEST_FILE >> 20} MiB")
    return content
