"""Where decoded sets, unpacked files and networks are kept between runs."""

import atexit
import contextlib
import os
import tempfile
import time
from functools import cache
from pathlib import Path

from common.errors import DataError
from common.storage.platforms import home
from common.storage.whole import scratch_folder, write_whole


@cache
def cache_folder() -> Path:
    """$GAN_CACHE, else $XDG_CACHE_HOME/gan-scripts, else ~/.cache/gan-scripts, else a folder removed at exit.

    Raises DataError where even that cannot be made.
    """
    places = [os.environ.get("GAN_CACHE")]
    if os.environ.get("XDG_CACHE_HOME"):
        places.append(os.path.join(os.environ["XDG_CACHE_HOME"], "gan-scripts"))
    if home():
        places.append(os.path.join(home(), ".cache", "gan-scripts"))
    for place in filter(None, places):
        try:
            folder = Path(place).resolve()
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
            return folder
        except OSError:
            continue
    until_exit = contextlib.ExitStack()
    atexit.register(until_exit.close)
    try:
        folder = until_exit.enter_context(scratch_folder(Path(tempfile.gettempdir())))
        folder.chmod(0o700)
    except OSError as error:
        raise DataError(f"no place for decoded data ({error.strerror or error}); point $GAN_CACHE at one") from error
    return folder


def write_to_cache(path: Path, content: bytes | memoryview) -> None:
    """A file that appears under its name only when it is complete. Raises DataError."""
    try:
        write_whole(path, [content])
    except OSError as error:
        raise DataError(f"{path.parent}: {error.strerror}; make room or point $GAN_CACHE elsewhere") from error


def point_caches_here() -> None:
    """matplotlib's and torch hub's own caches go into ours, unless the user put them somewhere."""
    for variable, name in (("MPLCONFIGDIR", "matplotlib"), ("TORCH_HOME", "torch")):
        os.environ.setdefault(variable, str(cache_folder() / name))
    # matplotlib locks its list of fonts for an instant; the lock of a killed process holds up every later start by 5 s.
    for lock in (cache_folder() / "matplotlib").glob("*.matplotlib-lock"):
        with contextlib.suppress(OSError):
            if abs(time.time() - lock.stat().st_mtime) > 10:
                lock.unlink()
