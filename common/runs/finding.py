"""Which runs are meant by a path, and which stand beside one."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from common.console import say
from common.errors import FolderError
from common.runs.folder import RunFolder, holds_a_run
from common.runs.names import RECORD


def _runs_in(folder: Path) -> list[Path]:
    return sorted(file.parent for file in folder.glob(f"[!.]*/{RECORD}"))  # not those in .old/


def neighbours(path: Path) -> list[Path]:
    """The other runs beside this one."""
    here = path.resolve()
    with contextlib.suppress(OSError):
        return [run for run in _runs_in(here.parent) if run != here]
    return []


def find_runs(paths: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """The runs that are meant: a run's own folder, or a folder with runs in it, by name; never one in .old/.

    Says which paths are neither. Raises FolderError where that leaves nothing.
    """
    found: dict[Path, Path] = {}
    for path in map(Path, paths):
        if not os.path.lexists(path):
            raise FolderError(f"{path}: not there; give the folder of a run, such as out/gan")
        try:
            inside = _runs_in(path)
            inside += [path] if holds_a_run(RunFolder(path).path) else []
        except (OSError, FolderError):  # a file, or out of reach
            inside = []
        if not inside and not path.is_file():
            say(f"{path}: neither a run nor a folder with runs in it; passed over")
        for run in sorted(inside):
            found.setdefault(run.resolve(), run)
    if not found:
        raise FolderError(f"{', '.join(map(str, paths))}: no run there; give the folder of one, such as out/gan")
    return list(found.values())
