"""Zip and tar archives, also compressed ones: what is in them, and any of it at once, without unpacking the rest."""

import hashlib
import importlib
import os
import stat
import sys
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from common.data.cache import cache_folder
from common.data.trees.layout import left_out_of
from common.data.words import is_nothing
from common.errors import DataError
from common.storage.whole import scratch_folder

SUFFIXES = (".zip", ".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".tzst")
SUFFIXES += tuple(f".tar.{packed}" for packed in ("gz", "bz2", "xz", "zst"))
FREELY = 1 << 30  # bytes that anything may unpack to; what unpacks to more must have
AT_MOST = 100  # times fewer bytes packed
_ZIP = b"PK\3\4"
_ZSTANDARD = "compression.zstd" if sys.version_info >= (3, 14) else "zstandard"
# How a compressed file begins: the module that opens it.
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ": "lzma", b"\x28\xb5\x2f\xfd": _ZSTANDARD}
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
_METHODS |= {getattr(zipfile, "ZIP_ZSTANDARD", zipfile.ZIP_STORED)}  # Python 3.14
_OTHERS = {b"Rar!": "a RAR archive", b"7z\xbc\xaf": "a 7z archive", b"<": "a web page"}


@dataclass(frozen=True)
class Archive:
    """What an archive holds.

    files       name inside, with slashes: what identifies its content
    open        the content of one; raises whatever a damaged archive makes of it
    left_out    what is in it and not read, a sentence each
    """

    files: dict[str, str]
    open: Callable[[str], BinaryIO]
    left_out: tuple[str, ...]


def is_archive(path: Path) -> bool:
    """Whether it is an archive that is read as the folder in it: by its name, or by its content if it has no suffix."""
    if path.name.lower().endswith(SUFFIXES):
        return True
    try:
        return not path.suffix and path.is_file() and (_beginning(path).startswith(_ZIP) or tarfile.is_tarfile(path))
    except OSError:
        return False


def opened(path: Path) -> Archive:
    """Raises DataError for what is damaged, encrypted, no archive or leads out of it."""
    try:
        beginning = _beginning(path)
    except OSError as error:
        raise DataError(f"--dataset {path}: cannot be read ({error.strerror})") from error
    module = next((module for begins, module in _PACKED.items() if beginning.startswith(begins)), None)
    if module:
        return _tar(path, _plain_tar(path, module))
    if beginning.startswith(_ZIP) or path.suffix.lower() == ".zip":
        return _zip(path)
    return _tar(path, path)


def unpack(packed: BinaryIO, name: str, path: Path) -> Path:
    """A file with the content of `packed`, which comes out of the archive at `path`; unpacked into the cache, once.

    `name` tells it from others in there. Raises DataError.
    """
    state = path.stat()
    key = hashlib.sha256(repr((str(path.resolve()), state.st_size, state.st_mtime_ns, name)).encode()).hexdigest()
    plain = cache_folder() / "unzipped" / f"{key[:16]}-{PurePosixPath(name).name[-50:]}"
    if plain.exists():
        return plain
    most = max(FREELY, AT_MOST * state.st_size)
    try:
        plain.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder(plain.parent) as staging:
            with (staging / "plain").open("wb") as file:
                while chunk := _read(packed, path):
                    if file.tell() + len(chunk) > most:
                        raise DataError(
                            f"--dataset {path}: unpacks to more than {most >> 30} GiB, over {AT_MOST} times its size;"
                            " if that is right, unpack it and give the folder"
                        )
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            os.replace(staging / "plain", plain)
    except OSError as error:
        raise DataError(
            f"--dataset {path}: cannot unpack it into {plain.parent} ({error.strerror});"
            " make room or point $GAN_CACHE elsewhere"
        ) from error
    return plain


def _read(packed: BinaryIO, path: Path) -> bytes:
    try:
        return packed.read(1 << 20)
    except Exception as error:  # each module has errors of its own
        raise _damaged(path, path.suffix.lower() or "compressed", error) from error


def _damaged(path: Path, kind: str, error: Exception) -> DataError:
    beginning = _beginning(path)
    other = next((f", but {title}" for begins, title in _OTHERS.items() if beginning.startswith(begins)), "")
    reason = " ".join(str(error).split())[:100] or type(error).__name__
    return DataError(f"--dataset {path}: truncated or not a {kind} file{other} ({reason}); replace it")


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(16)


def _plain_tar(path: Path, module: str) -> Path:
    """The tar in a compressed file, in which any file can be read at once. Raises DataError."""
    try:
        opener = importlib.import_module(module)
    except ImportError as error:
        raise DataError(
            f"--dataset {path}: is compressed with {module}; pip install {module}, or unpack it and give the folder"
        ) from error
    with opener.open(path) as packed:
        return unpack(packed, "plain.tar", path)


def _inside(path: Path, name: str) -> str:
    """A name as it is in the folder that it is unpacked to. Raises DataError where it leads out of it."""
    parts = name.split("/")
    if ".." in parts or parts[0] == "" or parts[0].endswith(":"):
        raise DataError(f"--dataset {path}: its entry {name} leads out of the archive; use another one")
    return "/".join(part for part in parts if part not in ("", "."))


def _left_out(others: Mapping[str, list[str]]) -> tuple[str, ...]:
    return tuple(left_out_of(names, "in the archive", what) for what, names in others.items() if names)


def _zip(path: Path) -> Archive:
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # also of a version of the format that zipfile does not know
        raise _damaged(path, "zip", error) from error
    entries, links = {}, []
    for entry in archive.infolist():
        title = entry.filename.replace("\\", "/")  # as some programs on Windows write
        name = _inside(path, title)
        if title.endswith("/") or is_nothing(name.split("/")):
            continue
        if stat.S_ISLNK(entry.external_attr >> 16):
            links.append(name)
            continue
        if entry.flag_bits & 1:
            raise DataError(f"--dataset {path}: is encrypted; unpack it with its password and give the folder")
        if entry.compress_type not in _METHODS:
            method = zipfile.compressor_names.get(entry.compress_type, entry.compress_type)
            raise DataError(
                f"--dataset {path}: is compressed by {method}, which is not read; unpack it and give the folder"
            )
        entries[name] = entry
    files = {name: f"{entry.file_size} {entry.CRC}" for name, entry in entries.items()}
    return Archive(files, lambda name: archive.open(entries[name]), _left_out({"link": links}))


def _tar(path: Path, plain: Path) -> Archive:
    """`plain` is the tar itself, or what the compressed one at `path` holds."""
    try:
        archive = tarfile.TarFile(plain)
        members = archive.getmembers()
        # tarfile takes damage between two files, and a file that was cut between two, for the end.
        with plain.open("rb") as file:
            file.seek(archive.offset)
            end = file.read(tarfile.BLOCKSIZE)
        if end != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("cut short or damaged")
    except Exception as error:
        raise _damaged(path, "tar", error) from error
    entries, others = {}, defaultdict(list)
    for member in members:
        name = _inside(path, member.name)
        if member.isdir() or is_nothing(name.split("/")):
            continue
        if member.isreg() or member.islnk():  # what has two names is under the second a link to the first
            entries[name] = member
        else:
            others["link" if member.issym() else "special file"].append(name)
    whole = path.stat()  # a tar has no checksums
    about = f"{whole.st_size} {whole.st_mtime_ns}"
    files = {name: f"{member.size} {member.mtime} {about}" for name, member in entries.items()}
    return Archive(files, lambda name: archive.extractfile(entries[name]), _left_out(others))
