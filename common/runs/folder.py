"""The run folder: its lock, and how anything is written into it. Nothing else writes there."""

import contextlib
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from common.console import say
from common.errors import Busy, FolderError
from common.runs.names import CHECKPOINT, LOCK, OURS, PREVIOUS, RECORD, SAMPLES
from common.storage import platforms
from common.storage.whole import remove_leftovers, write_whole


def holds_a_run(path: Path) -> bool:
    return any((path / name).exists() for name in (RECORD, CHECKPOINT, PREVIOUS))


def grid_name(epoch: str) -> str:
    """Of the file of a grid, which `frames` reads the epoch out of: such as epoch-0005.png, epoch-0000.25.png."""
    whole, point, part = epoch.partition(".")
    return f"epoch-{whole:0>4}{point}{part}.png"


def frames(path: Path) -> list[tuple[float, Path]]:
    """(epoch, file) of each grid in order; one that cannot be told an epoch is passed over."""
    found = []
    for file in (path / SAMPLES).glob("epoch-*.png"):
        with contextlib.suppress(ValueError):
            found.append((float(file.stem.partition("-")[2]), file))
    return sorted(found)


class RunFolder:
    """A run's folder, or one that may become that. What goes wrong with it is a FolderError; a held lock is Busy."""

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        try:
            state = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            state = None
        except OSError as error:  # such as a name that is too long
            raise FolderError(f"{self.path}: {error.strerror}; give another folder") from error
        if state is not None and not stat.S_ISDIR(state.st_mode):
            raise FolderError(f"{self.path}: is a file; give the run a folder of its own")
        self._lock = None

    # --- taking possession

    @property
    def locked(self) -> bool:
        """Whether this object holds the lock."""
        return self._lock is not None

    def lock(self) -> None:
        """Raises Busy while another process, here or under another path, trains in this folder."""
        from filelock import FileLock, Timeout

        with self.trouble():
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self.path / LOCK, timeout=0, fallback_to_soft=False)
            try:
                self._lock.acquire()
            except Timeout:
                self._lock = None
                raise Busy(f"{self.path}: another process holds this run; try again when it has ended") from None
            for folder in (self.path, *self.path.iterdir()):
                if folder == self.path or (folder.is_dir() and not folder.is_symlink()):
                    remove_leftovers(folder)

    def release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def check_writable(self) -> None:
        """Refuses a place where a run could not be written, without making anything."""
        place = self.path.resolve()
        while not place.exists():
            place = place.parent
        if not place.is_dir():
            raise FolderError(f"{self.path}: {place} is a file; give another folder")
        if platforms.is_read_only(place):
            raise FolderError(f"{self.path}: {place} cannot be written to; give another folder")

    def move_aside(self) -> None:
        """What this run left moves to .old/ beside the folder; nothing is deleted."""
        present = [name for name in (*self._sheets(), *OURS) if os.path.lexists(self.path / name)]
        if not present:
            return
        with self.trouble():
            here = self.path.resolve()
            attic = here.parent / ".old" / f"{here.name}-{time.strftime('%Y%m%d-%H%M%S')}"
            number = 1
            while attic.exists():
                attic = attic.with_name(f"{attic.name.split('+')[0]}+{number}")
                number += 1
            attic.mkdir(parents=True)
            for name in present:
                os.replace(self.path / name, attic / name)
            say(f"{self.path}: what was there is now in {attic}")

    def _sheets(self) -> list[str]:
        """The folders of contact sheets that a script adds, such as `reconstructions`."""
        folders = self.path.glob("*/epoch-*.png")
        return sorted({file.parent.name for file in folders} - {SAMPLES})

    # --- writing

    @contextlib.contextmanager
    def trouble(self) -> Iterator[None]:
        """Makes a FolderError of what the disk says in this block."""
        try:
            yield
        except OSError as error:
            raise FolderError(
                f"{self.path}: cannot write ({error.strerror or error}); what was saved before is whole,"
                " and the same line goes on from it"
            ) from error

    def refuse_link(self, name: str) -> None:
        """Nothing is written outside of the folder, wherever what is in it leads."""
        if name and (self.path / name).is_symlink():
            raise FolderError(f"{self.path / name}: is a link, which may lead out of the run's folder; remove it")

    def write(self, name: str, *parts: bytes | memoryview, keep_as: str | None = None) -> None:
        """Whole or not at all; what stood there before is kept under the name `keep_as`."""
        self.refuse_link(os.path.dirname(name))
        with self.trouble():
            write_whole(self.path / name, parts, keep_as and self.path / keep_as)

    def show(self, name: str, content: bytes) -> None:
        """The same for a file that somebody may have open to look at. Where that protects it, it stays as it is."""
        try:
            self.write(name, content)
        except FolderError as error:
            if platforms.OPEN_FILES_MAY_MOVE or not isinstance(error.__cause__, PermissionError):
                raise
