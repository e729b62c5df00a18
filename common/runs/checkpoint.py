"""Checkpoints: sealed with their own SHA-256, read without running code, the previous one kept."""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.console import say
from common.errors import FolderError, first_line
from common.runs.folder import RunFolder
from common.runs.names import CHECKPOINT, PREVIOUS
from common.runs.sealing import check_record

import torch

SEAL = b"\nsha256:"  # followed by 64 hex digits, at the end of a checkpoint


def seal(body: bytes | memoryview) -> bytes:
    """What is written behind a checkpoint's content."""
    return SEAL + hashlib.sha256(body).hexdigest().encode()


def _refuse_packed(body: memoryview) -> None:
    """torch.save stores tensors as they are; a file that would unpack to more than itself is a bomb."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        entries = archive.infolist()
    if any(one.compress_type != zipfile.ZIP_STORED for one in entries) or sum(e.file_size for e in entries) > len(body):
        raise ValueError("it is packed, as no checkpoint is")


def _read(file: Path) -> dict[str, Any]:
    """What was written into the file. Raises OSError, or whatever torch.load makes of a file that is none."""
    content = memoryview(file.read_bytes())
    body = content[: -len(SEAL) - 64]
    if content[len(body) :] != seal(body):
        raise ValueError("its SHA-256 does not match")
    _refuse_packed(body)
    state = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    check_record(state["record"])
    return state


def newest_whole(path: Path, say_damage: bool) -> tuple[dict[str, Any] | None, bool]:
    """The newest checkpoint that is whole, or None, and whether checkpoint.pt was found damaged.

    Raises FolderError where one may not be read.
    """
    damaged = False
    for name in (CHECKPOINT, PREVIOUS):
        file = path / name
        try:
            return _read(file), damaged
        except FileNotFoundError:
            continue
        except PermissionError as error:
            raise FolderError(f"{file}: cannot be read ({error.strerror})") from error
        except MemoryError:
            raise
        except Exception as error:  # a disk's error, or a file that is none
            damaged |= name == CHECKPOINT
            if say_damage:
                instead = f"; looking for {PREVIOUS}" if name == CHECKPOINT else ""
                say(f"{file}: damaged ({first_line(error)}){instead}")
    return None, damaged


def any_checkpoint(path: Path) -> bool:
    return any((path / name).exists() for name in (CHECKPOINT, PREVIOUS))


def read_checkpoint(path: Path) -> dict[str, Any] | None:
    """The newest whole checkpoint, or None where there is none. Raises FolderError where none is whole."""
    return CheckpointFiles(RunFolder(path)).read()


class CheckpointFiles:
    """checkpoint.pt, and checkpoint.prev.pt, which steps in where it is damaged."""

    def __init__(self, folder: RunFolder):
        self._folder = folder
        self.spoiled = False  # checkpoint.pt was found damaged: it must not take the previous one's place

    def read(self) -> dict[str, Any] | None:
        """The newest whole one, or None where there is none. Raises FolderError where none is whole."""
        path = self._folder.path
        state, damaged = newest_whole(path, say_damage=True)
        self.spoiled |= damaged
        if state is None and any_checkpoint(path):
            raise FolderError(f"{path}: no checkpoint is whole; --fresh starts anew and keeps them in .old/")
        return state

    def refuse_if_gone(self, record: Mapping[str, Any]) -> None:
        """Refuses a run that had a checkpoint, by its record, and has none any more."""
        path = self._folder.path
        if record.get("checkpoint_step") and not any_checkpoint(path):
            raise FolderError(f"{path}: its checkpoints are gone; --fresh starts anew and keeps the rest in .old/")

    def write(self, state: Mapping[str, Any]) -> None:
        buffer = io.BytesIO()
        torch.save(state, buffer)  # in memory, where a full disk is not in its way: it makes another error of that
        content = buffer.getbuffer()
        self._folder.write(CHECKPOINT, content, seal(content), keep_as=None if self.spoiled else PREVIOUS)
        self.spoiled = False
