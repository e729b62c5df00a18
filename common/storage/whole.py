"""Files and folders that are whole or not there, whatever ends the program: filled under another name, then renamed.

What a killed process leaves under such a name is removed when something is next written beside it.
"""

import contextlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from common.errors import FolderError
from common.storage.platforms import OPEN_FILES_MAY_MOVE, PLAIN_FILE, sync_folder

from filelock import FileLock, lock_descriptor

PREFIX = ".gan-scripts-"  # of what is not whole yet
LOCK = ".lock"  # ends the name of the lock that tells a living scratch folder from a leftover


def write_whole(target: Path, parts: Sequence[bytes | memoryview], keep_as: Path | None = None) -> None:
    """A file of these parts; what stood there before is kept under the name `keep_as`. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    while not _written(target, parts, keep_as):
        pass  # closed to be renamed, it was taken for a leftover by another process: once more
    sync_folder(target.parent)


def _written(target: Path, parts: Sequence[bytes | memoryview], keep_as: Path | None) -> bool:
    """Whether that came about. Raises OSError."""
    temporary, handle = _reserve(target.parent)
    try:
        with open(handle, "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(handle)
            if OPEN_FILES_MAY_MOVE:  # its lock is held until it has its own name
                _rename(temporary, target, keep_as)
        if not OPEN_FILES_MAY_MOVE:
            try:
                _rename(temporary, target, keep_as)
            except FileNotFoundError:
                return False
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return True


def _rename(temporary: Path, target: Path, keep_as: Path | None) -> None:
    if keep_as is not None and target.exists():
        os.replace(target, keep_as)
    os.replace(temporary, target)


def write_result(target: Path, content: bytes) -> None:
    """A file outside of run folders, whole or not at all. Raises FolderError."""
    try:
        write_whole(target, [content])
    except OSError as error:
        raise FolderError(f"{target}: cannot write ({error.strerror or error}); nothing was changed") from error


@contextlib.contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A new folder, gone after the block unless it was renamed, and after a crash when `parent` is next written into.

    Raises OSError.
    """
    remove_leftovers(parent)
    folder = parent / f"{PREFIX}{secrets.token_hex(6)}"
    beside = Path(f"{folder}{LOCK}")
    lock = FileLock(beside, timeout=5, fallback_to_soft=False)  # whoever looks for leftovers holds it for an instant
    with contextlib.ExitStack() as undo:
        undo.callback(beside.unlink, missing_ok=True)
        with lock:
            folder.mkdir()
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(parent: Path) -> None:
    """What processes that are no longer there have begun in this folder and not finished."""
    for path in sorted(parent.glob(f"{PREFIX}*")):  # a folder stands before its lock
        with contextlib.suppress(OSError):
            kind = path.lstat().st_mode
            if stat.S_ISDIR(kind):
                _remove_if_dead(Path(f"{path}{LOCK}"), path)
            elif stat.S_ISREG(kind):
                _remove_if_dead(path)


def _remove_if_dead(file: Path, folder: Path | None = None) -> None:
    """Removes the file, and the folder whose lock it is, where no living process has it locked, and before one can.

    A folder that has no lock is nobody's. Raises OSError, also on a file system without locks.
    """

    def remove() -> None:
        if folder is not None:
            shutil.rmtree(folder)
        file.unlink(missing_ok=True)

    if folder is not None and not file.exists():
        remove()
        return
    handle = os.open(file, os.O_RDWR | PLAIN_FILE)
    try:
        is_dead = lock_descriptor(handle, blocking=False)
        if is_dead and OPEN_FILES_MAY_MOVE:
            remove()
    finally:
        os.close(handle)
    if is_dead and not OPEN_FILES_MAY_MOVE:
        remove()


def _reserve(folder: Path) -> tuple[Path, int]:
    """A file of a name that was free, opened. Its lock, which goes with the process, tells it from a leftover."""
    remove_leftovers(folder)
    while True:
        path = folder / f"{PREFIX}{secrets.token_hex(6)}"
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | PLAIN_FILE, 0o666)
        try:
            if lock_descriptor(handle, blocking=False) and os.path.samestat(os.fstat(handle), os.stat(path)):
                return path, handle
        except FileNotFoundError:  # another process took it for a leftover
            pass
        except OSError:  # a file system without locks, where no leftover is removed either
            return path, handle
        os.close(handle)
