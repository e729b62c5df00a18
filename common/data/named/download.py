"""Where a named set is looked for, and its download by a process that is watched and can be ended."""

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from common.data.cache import cache_folder, point_caches_here
from common.errors import DataError
from common.machine.runs import times_of
from common.scripts import HOME
from common.storage.platforms import home
from common.storage.whole import scratch_folder

STALL_SECONDS, STALL_BYTES = 5.0, 10_000  # a download with fewer new bytes in this time is given up


class Missing(DataError):
    """The set is neither on disk nor to be downloaded."""


def roots(data_root: str | None) -> list[Path]:
    """The folders that may hold named sets, in the order in which they are searched."""
    beside_the_scripts = HOME / "data"
    return [Path(root) for root in (data_root, os.environ.get("GAN_DATA"), beside_the_scripts) if root]


def folders(name: str, title: str, data_root: str | None) -> Iterator[Path]:
    """Where a set's files may lie, called after torchvision's class, by their own name, or not at all."""
    own = name.partition(":")[0]
    for root in roots(data_root):
        for folder in (title, own, own.replace("-", "")):
            yield from (root / folder / "raw", root / folder)
        yield root


def found(name: str, places: Callable[[], Iterator[Path]], title: str, data_root: str | None) -> Path:
    """The first place that exists, after a download if need be. Raises DataError."""
    for attempt in ("on disk", "downloaded"):
        for place in places():
            if place.exists():
                return place
        if attempt == "on disk":
            download(title, data_root, lambda: any(place.exists() for place in places()))
    raise DataError(f"--dataset {name}: downloaded, yet its files are not where torchvision puts them")


def download(title: str, data_root: str | None, there: Callable[[], bool]) -> None:
    """torchvision downloads the set into the first of the data roots. Raises Missing after 5 s without an answer."""
    from filelock import FileLock

    root = roots(data_root)[0].absolute()
    made = [folder for folder in (root, *root.parents) if not folder.exists()]
    lock = cache_folder() / f"download-{hashlib.sha256(str(root).encode()).hexdigest()[:16]}.lock"
    try:
        with FileLock(lock, fallback_to_soft=False):
            if there():
                return  # by the process that held the lock
            root.mkdir(parents=True, exist_ok=True)
            with scratch_folder(root) as staging:
                trouble = _fetch(title, staging)
                for arrived in () if trouble else staging.iterdir():
                    if not (root / arrived.name).exists():
                        os.replace(arrived, root / arrived.name)
            for folder in made if trouble else ():
                folder.rmdir()
    except OSError as error:
        trouble = f"{root}: {error.strerror or error}"
    if trouble:
        said = f"{title} is not in {', '.join(map(str, roots(data_root)))}"
        raise Missing(f"{said} and its download failed ({trouble}); put its files there or choose another --dataset")


def weights_file(name: str) -> Path:
    """Weights of a known network, where torch hub keeps them or downloaded into the cache. Raises DataError."""
    point_caches_here()
    ours = Path(os.environ["TORCH_HOME"], "hub", "checkpoints")
    theirs = [home() / ".cache" / "torch" / "hub" / "checkpoints"] if home() else []
    for folder in (ours, *theirs):
        if (folder / name).is_file():
            return folder / name
    try:
        ours.mkdir(parents=True, exist_ok=True)
        with scratch_folder(ours) as staging:
            trouble = _fetch(name, staging)
            if not trouble:
                os.replace(staging / name, ours / name)
    except OSError as error:
        trouble = f"{ours}: {error.strerror or error}"
    if trouble:
        raise DataError(f"{name} is not in {ours} and its download failed ({trouble}); put the file there")
    return ours / name


def _fetch(title: str, staging: Path) -> str | None:
    """Runs fetch.py; returns what went wrong, if anything did."""
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("fetch.py")), title, str(staging)],
        stdin=subprocess.PIPE,  # closed when this process ends, however it does: so does the child then
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        errors: list[bytes] = []
        reader = threading.Thread(target=lambda: errors.extend(child.stderr), daemon=True)
        reader.start()
        try:
            child.stdout.readline()  # "ready": its imports are over
            seen, worked, since = 0, 0.0, time.monotonic()
            while child.poll() is None:
                time.sleep(0.05)
                arrived = sum(file.stat().st_size for file in staging.rglob("*") if file.is_file())
                spent = sum(times_of([child.pid]).ran.values())
                # Who checks a sum or unpacks is not waiting for an answer.
                if arrived >= seen + STALL_BYTES or spent >= worked + STALL_SECONDS / 10:
                    seen, worked, since = arrived, spent, time.monotonic()
                elif time.monotonic() - since > STALL_SECONDS - 0.2:
                    return f"no answer within {STALL_SECONDS:.0f} s"
        finally:
            child.kill()
            reader.join(1)
    if child.returncode:
        lines = b"".join(errors).decode(errors="replace").strip().splitlines()
        return lines[-1].strip()[:200] if lines else f"exit {child.returncode}"
    return None
