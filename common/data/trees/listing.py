"""What lies in a folder or an archive, and the content of one of its files."""

import errno
import os
import stat
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, NoReturn

from common.data.trees.archives import opened, unpack
from common.data.trees.formats import BEGINNING, Foreign, told_by_content, told_by_name
from common.data.words import is_nothing
from common.errors import DataError

LARGEST_FILE = 1 << 30  # bytes that an image may have, and a file of a named set once unpacked: EMNIST has 548 MB


@dataclass(frozen=True)
class Listing:
    """The files of a folder or archive."""

    files: dict[str, str]  # name inside, with slashes: what identifies its content
    read: Callable[[str], bytes]  # the content of one
    place: Callable[[str], Path]  # a file that has that content: out of an archive, unpacked into the cache
    identity: str  # of the whole
    open: Callable[[str], BinaryIO] | None = None  # to look at its beginning; where it is None, all of it is read
    left_out: tuple[str, ...] = ()  # what is in it beside files, a sentence each

    def images(self) -> list[str]:
        """The names of those that are images and that are read."""
        return sorted(name for name, told in self._told.items() if told is True)

    def unread(self) -> dict[Foreign, list[str]]:
        """The names of those that are images and that are not read, by kind."""
        found = defaultdict(list)
        for name, told in sorted(self._told.items()):
            if isinstance(told, Foreign):
                found[told].append(name)
        return found

    @cached_property
    def _told(self) -> dict[str, bool | Foreign]:
        """What each file is."""
        told = {name: told_by_name(name) for name in self.files}
        for name in [name for name, known in told.items() if known is None]:
            told[name] = told_by_content(name, self._beginning(name))
        return told

    def _beginning(self, name: str) -> bytes:
        """The first bytes of a file; none of one that cannot be read, which is named when it has to be."""
        try:
            if self.open is None:
                return self.read(name)[:BEGINNING]
            with self.open(name) as file:
                return file.read(BEGINNING)
        except Exception:  # what a damaged archive raises is as varied as the damage
            return b""


def listing(path: Path) -> Listing:
    """What a folder or archive holds. Raises DataError where that cannot be told, or leads out of it."""
    identity = str(path.resolve())
    if path.is_dir():
        return Listing(
            dict(walk(path)),
            lambda name: read(path / name),
            path.joinpath,
            identity,
            open=lambda name: path.joinpath(name).open("rb"),
        )
    archive = opened(path)

    def content(name: str) -> bytes:
        with archive.open(name) as file:
            return bounded(file)

    def place(name: str) -> Path:
        try:
            with archive.open(name) as file:
                return unpack(file, name, path)
        except DataError:
            raise
        except Exception as error:
            raise DataError(f"--dataset {path}: {name} in it cannot be read ({error}); replace the archive") from error

    return Listing(archive.files, content, place, identity, archive.open, archive.left_out)


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
        folders[:] = sorted(name for name in folders if not is_nothing([name]))
        above |= {os.path.join(folder, name): (*over, own) for name in folders}
        for name in sorted(names):
            full = Path(folder, name)
            try:
                state = full.stat()
            except OSError as error:
                if error.errno == errno.ELOOP:
                    refuse(error)
                state = full.lstat()  # a link to nothing: the image that cannot be read is named later
            if not is_nothing([name]) and (stat.S_ISREG(state.st_mode) or stat.S_ISLNK(state.st_mode)):
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
