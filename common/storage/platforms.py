"""What differs between Linux, macOS and Windows. No other module asks which of them it runs on."""

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

# Those that ask a program to end; Windows has no SIGHUP.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name))
# For os.open: neither through a link nor waiting for the other end of a pipe; bytes as they are.
PLAIN_FILE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
# Windows neither renames nor removes a file that somebody has open.
OPEN_FILES_MAY_MOVE = os.name != "nt"


@contextlib.contextmanager
def signals_kept() -> Iterator[None]:
    """What is done with those in this block ends with it."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def memory() -> int:
    """Bytes that this machine has."""
    return psutil.virtual_memory().total


def home() -> Path | None:
    """The user's own folder, or None for one who has none, as under cron without HOME."""
    if os.environ.get("HOME"):
        return Path(os.environ["HOME"])
    return Path.home() if os.name == "nt" else None


def is_read_only(folder: Path) -> bool:
    """Whether the folder cannot be written to."""
    if not os.access(folder, os.W_OK | os.X_OK):
        return True
    return hasattr(os, "statvfs") and bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def sync_folder(folder: Path) -> None:
    """A file's new name, too, outlasts a power cut. Windows opens no folders; there the name is in its journal."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def reserve_room(file: Path) -> None:
    """Room on the disk for the whole of a sparse file, so that a full disk is found out at once.

    macOS and Windows cannot reserve it. Raises OSError.
    """
    if hasattr(os, "posix_fallocate"):
        with file.open("r+b") as opened:
            os.posix_fallocate(opened.fileno(), 0, file.stat().st_size)


def peak_memory() -> int:
    """Bytes that this process has had in memory at most."""
    try:
        import resource
    except ImportError:  # Windows
        return psutil.Process().memory_info().peak_wset
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def keep_freed_memory() -> None:
    """Tells glibc to reuse freed tensors instead of returning them to the kernel, which zeroes the pages every step."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another libc: slower, not wrong
            libc = ctypes.CDLL(None)
            libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
            libc.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD
