"""Files and folders that are whole or not there, whatever ends the program: filled under another name, then renamed.

What a killed process leaves under such a name is removed when something is next written beside it.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

PREFIX = ".gan-scripts-"  # of what is not whole yet


def write_whole(target: Path, parts: Sequence[bytes | memoryview], keep_as: Path | None = None) -> None:
    """A file of these parts; what stood there before is kept under the name `keep_as`. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary, handle = _reserve(target.parent, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    try:
        with open(handle, "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(handle)
            if keep_as is not None and target.exists():
                os.replace(target, keep_as)
            os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync(target.parent)


@contextlib.contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A new folder, gone after the block unless it was renamed, and after a crash when `parent` is next written into.

    Raises OSError.
    """
    temporary, handle = _reserve(parent, os.O_DIRECTORY | os.O_RDONLY, os.mkdir)
    try:
        yield temporary
    finally:
        os.close(handle)
        shutil.rmtree(temporary, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """What processes that are no longer there have begun in this folder and not finished."""
    for path in folder.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while its maker lives
                if stat.S_ISDIR(os.fstat(handle).st_mode):
                    shutil.rmtree(path)
                else:
                    path.unlink()
            finally:
                os.close(handle)


def _reserve(folder: Path, flags: int, make: Callable[[Path], None] = lambda path: None) -> tuple[Path, int]:
    """A name that was free, made and opened. Its lock, which goes with the process, tells it from a leftover."""
    remove_leftovers(folder)
    while True:
        path = folder / f"{PREFIX}{secrets.token_hex(6)}"
        make(path)
        try:
            handle = os.open(path, flags | os.O_NOFOLLOW, 0o666)
        except FileNotFoundError:
            if flags & os.O_CREAT:
                raise
            continue  # a new folder that another process took for a leftover
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle), os.stat(path)):
                return path, handle
        except (BlockingIOError, FileNotFoundError):  # another process took it for a leftover
            pass
        except OSError:  # a file system without locks, where no leftover is removed either
            return path, handle
        os.close(handle)


def _sync(folder: Path) -> None:
    """The new name, too, outlasts a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
