"""A name or a path -> images as uint8 (N, C, H, W), in memory or memory-mapped, with labels if there are any."""

import atexit
import contextlib
import errno
import hashlib
import io
import json
import os
import pickle
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from common import files
from common.cli import DataError, Settings, say

import numpy as np

# name: (torchvision's class and folder, folders where people also keep it)
IDX_SETS = {
    "mnist": ("MNIST", ()),
    "fashion-mnist": ("FashionMNIST", ("/usr/share/datasets/fashion-mnist",)),  # where Debian's package puts it
    "kmnist": ("KMNIST", ()),
}
NAMES = (*IDX_SETS, "stacked-mnist", "cifar10", "digits")
STACKED = ((128_000, 1), (10_000, 2))  # images and seed of stacked-mnist's training and test split
SPLITS = ("train", "val", "test")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
LARGEST_KEPT = 64  # images of one square size up to this stay as they are; others are scaled to it
LARGEST_FILE = 1 << 29  # bytes that an image may have, and a file of a named set once it is unpacked
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")  # Pillow would run Ghostscript on others
STALL_SECONDS, STALL_BYTES = 5.0, 10_000  # a download with fewer new bytes in this time is given up


@dataclass(frozen=True)
class Dataset:
    """Training images and held-out ones, uint8 (N, C, H, W); labels int64 (N,), indices into `classes`, or None."""

    name: str
    images: np.ndarray
    labels: np.ndarray | None
    held_out: np.ndarray
    held_out_labels: np.ndarray | None
    classes: tuple[str, ...]
    fingerprint: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)"""
        channels, height, width = self.images.shape[1:]
        return channels, height, width


@dataclass
class _Part:
    """One split as it was found: uint8 (N, H, W, C) and labels (N,) or None."""

    images: np.ndarray
    labels: np.ndarray | None


@cache
def cache_folder() -> Path:
    """$GAN_CACHE, else $XDG_CACHE_HOME/gan-scripts, else ~/.cache/gan-scripts, else a folder removed at exit.

    Raises DataError where even that cannot be made.
    """
    places = [os.environ.get("GAN_CACHE")]
    if os.environ.get("XDG_CACHE_HOME"):
        places.append(os.path.join(os.environ["XDG_CACHE_HOME"], "gan-scripts"))
    if os.environ.get("HOME"):
        places.append(os.path.join(os.environ["HOME"], ".cache", "gan-scripts"))
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
        folder = until_exit.enter_context(files.scratch_folder(Path(tempfile.gettempdir())))
        folder.chmod(0o700)
    except OSError as error:
        raise DataError(f"no place for decoded data ({error.strerror or error}); point $GAN_CACHE at one") from error
    return folder


def point_caches_here() -> None:
    """matplotlib's and torch hub's own caches go into ours, unless the user put them somewhere."""
    for variable, name in (("MPLCONFIGDIR", "matplotlib"), ("TORCH_HOME", "torch")):
        os.environ.setdefault(variable, str(cache_folder() / name))
    # matplotlib locks its list of fonts for an instant; the lock of a killed process holds up every later start by 5 s.
    for lock in (cache_folder() / "matplotlib").glob("*.matplotlib-lock"):
        with contextlib.suppress(OSError):
            if abs(time.time() - lock.stat().st_mtime) > 10:
                lock.unlink()


def load_for(settings: Settings, dataset: str | None) -> Dataset:
    """The set as a script with these settings sees it. Raises DataError."""
    load_own = getattr(settings, "load", None)
    if load_own:
        return load_own(dataset)
    return load(dataset, settings.data_root, settings.image_size, settings.skip_broken)


def load_side_by_side(path: str, image_size: int, skip_broken: bool = False) -> Dataset:
    """A folder or zip of pairs, twice as wide as high, in train/ and val/ or test/: uint8 (N, 2C, H, W), left first.

    Held out is val/, as the pix2pix paper's authors translate it, else test/. Raises DataError.
    """
    train, held_out, _ = _image_files(Path(path), image_size, skip_broken, pairs=True)
    return _hold_out(path, train, held_out, ())


def load(
    dataset: str | None, data_root: str | None = None, image_size: int | None = None, skip_broken: bool = False
) -> Dataset:
    """The set called `dataset`, or MNIST, or `digits` where nothing was asked for and MNIST is out of reach.

    Images of one square size up to 64 pixels keep it unless `image_size` is given; others are cropped at the centre
    and scaled. Raises DataError where the set is missing, unreadable or too small.
    """
    if dataset is None:
        try:
            return load("mnist", data_root, image_size)
        except _Missing as error:
            say(f"USING digits, NOT MNIST: {error}")
            return load("digits", None, image_size)
    if dataset in IDX_SETS:
        train, test = _idx(dataset, data_root)
        classes = tuple(str(label) for label in range(10))
    elif dataset == "stacked-mnist":
        parts = _idx("mnist", data_root)
        train, test = (_stack(part, *plan) for part, plan in zip(parts, STACKED, strict=True))
        classes = tuple(f"{label:03d}" for label in range(1000))
    elif dataset == "cifar10":
        train, test, classes = _cifar10(data_root)
    elif dataset == "digits":
        from sklearn.datasets import load_digits

        digits = load_digits()
        train = _Part(np.round(digits.images * (255 / 16)).astype(np.uint8)[..., None], digits.target.astype(np.int64))
        test, classes = None, tuple("0123456789")
    elif not os.path.lexists(dataset):
        raise DataError(f"--dataset {dataset}: neither a data set ({', '.join(NAMES)}) nor a path that exists")
    elif Path(dataset).is_dir() or Path(dataset).suffix.lower() == ".zip":
        return _hold_out(dataset, *_image_files(Path(dataset), image_size, skip_broken))
    elif Path(dataset).suffix.lower() == ".npz":
        train, test, classes = _npz(Path(dataset))
    else:
        raise DataError(f"--dataset {dataset}: must be a folder of images, a .zip of one, or an .npz")
    parts = [_fit(dataset, part, image_size) if part else None for part in (train, test)]
    return _hold_out(dataset, *parts, classes)


def evenly(count: int, most: int) -> np.ndarray:
    """Up to `most` places of `count`, from the whole of a set that may be sorted by class."""
    return np.linspace(0, count - 1, min(count, most)).astype(int)


class _Missing(DataError):
    """The set is neither on disk nor to be downloaded."""


# --- splits


def _hold_out(name: str, train: _Part, test: _Part | None, classes: tuple[str, ...]) -> Dataset:
    """The set's own test images are held out, else a tenth of it."""
    if test is None:
        held = _held_by_pixels(name, train.images)
        train, test = (
            _Part(train.images[side], None if train.labels is None else train.labels[side]) for side in (~held, held)
        )
    digest = hashlib.sha256(repr((train.images.shape, classes)).encode())
    for start in range(0, len(train.images), 10_000):  # between two of which a signal is heard
        digest.update(np.ascontiguousarray(train.images[start : start + 10_000]))
    digest.update(b"" if train.labels is None else np.ascontiguousarray(train.labels))
    return Dataset(
        name=name,
        images=train.images.transpose(0, 3, 1, 2),
        labels=train.labels,
        held_out=test.images.transpose(0, 3, 1, 2),
        held_out_labels=test.labels,
        classes=classes,
        fingerprint=digest.hexdigest(),
    )


def _held_by_pixels(name: str, images: np.ndarray) -> np.ndarray:
    """Which of (N, H, W, C) are held out: a tenth, at least 100 where there are 200, by a hash of their pixels.

    Equal images stay on one side, so that nothing held out was trained on.
    """
    total = len(images)
    if total < 2:
        raise DataError(f"--dataset {name}: holds {total} image(s); a GAN needs many, at least 2")
    wanted = max(total // 10, 100 if total >= 200 else 1)
    digests = np.array([hashlib.blake2b(np.ascontiguousarray(image), digest_size=8).digest() for image in images])
    _, group, sizes = np.unique(digests, return_inverse=True, return_counts=True)
    before = np.cumsum(sizes) - sizes  # images in the groups with smaller digests
    held = (before < wanted)[group]
    if held.all():
        raise DataError(f"--dataset {name}: its {total} images are all the same")
    return held


def _target_size(name: str, sizes: set[tuple[int, int]], image_size: int | None) -> int:
    """Pixels a side; says so where images change without having been asked."""
    if image_size is not None:
        return image_size
    width, height = min(sizes)
    if len(sizes) == 1 and width == height <= LARGEST_KEPT:
        return width
    found = f"{width}x{height}" if len(sizes) == 1 else f"{len(sizes)} different"
    say(f"{name}: {found} pixels, cropped at the centre and scaled to {LARGEST_KEPT} (--image-size sets another size)")
    return LARGEST_KEPT


def _fit(name: str, part: _Part, image_size: int | None) -> _Part:
    """A split's images at the target size, scaled once and then read from the cache."""
    height, width = part.images.shape[1:3]
    size = _target_size(name, {(width, height)}, image_size)
    if (height, width) == (size, size):
        return part
    from PIL import Image

    digest = hashlib.sha256(repr(("scaled 1", part.images.shape, size)).encode())
    digest.update(np.ascontiguousarray(part.images))
    file = cache_folder() / "scaled" / f"{digest.hexdigest()[:32]}.npy"
    if not file.exists():
        scaled = np.empty((len(part.images), size, size, part.images.shape[3]), np.uint8)
        for target, image in zip(scaled, part.images, strict=True):
            target[:] = _square(Image.fromarray(image[..., 0] if image.shape[2] == 1 else image), size)
        content = io.BytesIO()
        np.save(content, scaled)
        write_to_cache(file, content.getbuffer())
    return _Part(np.load(file), part.labels)


# --- named sets


def _roots(data_root: str | None) -> list[Path]:
    beside_the_scripts = Path(__file__).resolve().parent.parent / "data"
    return [Path(root) for root in (data_root, os.environ.get("GAN_DATA"), beside_the_scripts) if root]


def _download(title: str, data_root: str | None, there: Callable[[], bool]) -> None:
    """torchvision downloads the set into the first of the data roots. Raises _Missing after 5 s without an answer."""
    from filelock import FileLock

    root = _roots(data_root)[0].absolute()
    made = [folder for folder in (root, *root.parents) if not folder.exists()]
    lock = cache_folder() / f"download-{hashlib.sha256(str(root).encode()).hexdigest()[:16]}.lock"
    try:
        with FileLock(lock, fallback_to_soft=False):
            if there():
                return  # by the process that held the lock
            root.mkdir(parents=True, exist_ok=True)
            with files.scratch_folder(root) as staging:
                trouble = _fetch(title, staging)
                for found in () if trouble else staging.iterdir():
                    if not (root / found.name).exists():
                        os.replace(found, root / found.name)
            for folder in made if trouble else ():
                folder.rmdir()
    except OSError as error:
        trouble = f"{root}: {error.strerror or error}"
    if trouble:
        said = f"{title} is not in {', '.join(map(str, _roots(data_root)))}"
        raise _Missing(f"{said} and its download failed ({trouble}); put its files there or choose another --dataset")


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
            seen, since = 0, time.monotonic()
            while child.poll() is None:
                time.sleep(0.05)
                arrived = sum(file.stat().st_size for file in staging.rglob("*") if file.is_file())
                if arrived >= seen + STALL_BYTES:
                    seen, since = arrived, time.monotonic()
                elif time.monotonic() - since > STALL_SECONDS - 0.2:
                    return f"no answer within {STALL_SECONDS:.0f} s"
        finally:
            child.kill()
            reader.join(1)
    if child.returncode:
        lines = b"".join(errors).decode(errors="replace").strip().splitlines()
        return lines[-1].strip()[:200] if lines else f"exit {child.returncode}"
    return None


def weights_file(name: str) -> Path:
    """Weights of a known network, where torch hub keeps them or downloaded into the cache. Raises DataError."""
    point_caches_here()
    ours = Path(os.environ["TORCH_HOME"], "hub", "checkpoints")
    for folder in (ours, Path(os.environ.get("HOME", "/"), ".cache/torch/hub/checkpoints")):
        if (folder / name).is_file():
            return folder / name
    try:
        ours.mkdir(parents=True, exist_ok=True)
        with files.scratch_folder(ours) as staging:
            trouble = _fetch(name, staging)
            if not trouble:
                os.replace(staging / name, ours / name)
    except OSError as error:
        trouble = f"{ours}: {error.strerror or error}"
    if trouble:
        raise DataError(f"{name} is not in {ours} and its download failed ({trouble}); put the file there")
    return ours / name


def _found(name: str, places: Callable[[], Iterator[Path]], title: str, data_root: str | None) -> Path:
    """The first place that exists, after a download if need be."""
    for attempt in ("on disk", "downloaded"):
        for place in places():
            if place.exists():
                return place
        if attempt == "on disk":
            _download(title, data_root, lambda: any(place.exists() for place in places()))
    raise DataError(f"--dataset {name}: downloaded, yet its files are not where torchvision puts them")


def _idx(name: str, data_root: str | None) -> tuple[_Part, _Part]:
    """MNIST and its like: four idx files, gzipped or not."""
    title, elsewhere = IDX_SETS[name]

    def folders() -> Iterator[Path]:
        for root in _roots(data_root):
            for folder in (title, name, name.replace("-", "")):
                yield from (root / folder / "raw", root / folder)
            yield root
        yield from map(Path, elsewhere)

    def file_in(folder: Path, split: str, kind: str) -> Path | None:
        stems = [f"{split}-{kind}{mark}ubyte" for mark in ("-idx3-", "-idx1-", ".idx3-", ".idx1-")]
        files = [folder / (stem + ending) for ending in ("", ".gz") for stem in stems]
        return next((file for file in files if file.is_file()), None)

    def places() -> Iterator[Path]:
        return (folder for folder in folders() if file_in(folder, "train", "images"))

    folder = _found(name, places, title, data_root)
    parts = []
    for split in ("train", "t10k"):
        arrays = []
        for kind in ("images", "labels"):
            file = file_in(folder, split, kind)
            if file is None:
                raise DataError(f"--dataset {name}: {folder} has {title}'s training images but no {split}-{kind} file")
            arrays.append(_read_idx(file, 3 if kind == "images" else 1))
        images, labels = arrays
        if len(images) != len(labels):
            raise DataError(f"--dataset {name}: {folder} has {len(images)} {split} images but {len(labels)} labels")
        parts.append(_Part(images[..., None], labels.astype(np.int64)))
    return parts[0], parts[1]


def _stack(digits: _Part, count: int, seed: int) -> _Part:
    """`count` images with three random digits as their channels; the label reads them as a number, red first.

    The seed is the set's own, so that all runs see the same images.
    """
    chosen = np.random.default_rng(seed).integers(0, len(digits.images), (count, 3))
    images = np.empty((count, *digits.images.shape[1:3], 3), np.uint8)
    for channel in range(3):
        images[..., channel] = digits.images[chosen[:, channel], ..., 0]
    return _Part(images, digits.labels[chosen] @ np.array([100, 10, 1]))


def _read_idx(file: Path, dimensions: int) -> np.ndarray:
    """torchvision's parser, on the file as it is or unzipped into the cache. Raises DataError for a damaged file."""
    import gzip

    from torchvision.datasets.mnist import read_sn3_pascalvincent_tensor

    try:
        plain = file
        if file.suffix == ".gz":
            state = file.stat()
            key = hashlib.sha256(repr((str(file.resolve()), state.st_size, state.st_mtime_ns)).encode()).hexdigest()
            plain = cache_folder() / "unzipped" / f"{key[:16]}-{file.stem}"
            if not plain.exists():
                with gzip.open(file) as content:
                    write_to_cache(plain, _bounded(content))
        array = read_sn3_pascalvincent_tensor(str(plain)).numpy()
        if array.ndim != dimensions or array.dtype != np.uint8:
            raise ValueError(f"{array.dtype} with {array.ndim} dimensions")
    except (OSError, EOFError, zlib.error, ValueError, AssertionError, RuntimeError, KeyError, IndexError) as error:
        reason = " ".join(str(error).split()) or "not whole"
        raise DataError(f"{file}: truncated or damaged ({reason[:100]}); replace the file") from error
    return array


def write_to_cache(path: Path, content: bytes | memoryview) -> None:
    """A file that appears under its name only when it is complete. Raises DataError."""
    try:
        files.write_whole(path, [content])
    except OSError as error:
        raise DataError(f"{path.parent}: {error.strerror}; make room or point $GAN_CACHE elsewhere") from error


class _ArraysOnly(pickle.Unpickler):
    """CIFAR-10's pickles hold dicts, lists, bytes and arrays; whatever else a pickle names is refused."""

    ALLOWED = frozenset({("_reconstruct", "multiarray"), ("ndarray", "numpy"), ("dtype", "numpy")})

    def find_class(self, module: str, name: str) -> object:
        if module.split(".")[0] == "numpy" and (name, module.split(".")[-1]) in self.ALLOWED:
            return np._core.multiarray._reconstruct if name == "_reconstruct" else getattr(np, name)
        if (module, name) == ("_codecs", "encode"):
            return lambda text, encoding: text.encode("latin1")  # how protocol 2 spells bytes
        raise pickle.UnpicklingError(f"it names {module}.{name}, which no data set needs")


def _cifar10(data_root: str | None) -> tuple[_Part, _Part, tuple[str, ...]]:
    """CIFAR-10's binary version or its pickles, unpacked or as the archive that is downloaded."""
    layouts = (
        ("cifar-10-batches-bin", "data_batch_{}.bin", "test_batch.bin", _cifar_records),
        ("cifar-10-batches-py", "data_batch_{}", "test_batch", _cifar_pickle),
    )
    archives = {"cifar-10-batches-bin": "cifar-10-binary.tar.gz", "cifar-10-batches-py": "cifar-10-python.tar.gz"}

    def places() -> Iterator[Path]:
        return (
            root / place
            for root in _roots(data_root)
            for layout in layouts
            for place in (layout[0], archives[layout[0]])
        )

    place = _found("cifar10", places, "CIFAR10", data_root)
    folder, train_name, test_name, parse = next(
        layout for layout in layouts if place.name in (layout[0], archives[layout[0]])
    )
    names = [train_name.format(i) for i in range(1, 6)] + [test_name]
    batches = []
    current = place
    try:
        if place.is_dir():
            contents = (_read(current := place / name) for name in names)
            batches = [parse(content) for content in contents]
        else:
            with tarfile.open(place) as archive:
                batches = [parse(_bounded(archive.extractfile(f"{folder}/{name}"))) for name in names]
    except Exception as error:  # what tarfile, zlib and the unpickler raise is as varied as the damage
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise DataError(f"{current}: missing, damaged or not a CIFAR-10 file ({reason}); replace it") from error
    *train, test = [_Part(images.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels) for images, labels in batches]
    whole = _Part(np.concatenate([b.images for b in train]), np.concatenate([b.labels for b in train]))
    classes = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    return whole, test, classes


def _bounded(file: BinaryIO) -> bytes:
    """A file's content. Raises ValueError for more than anyone needs, such as what a bomb unpacks to."""
    content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise ValueError(f"larger than {LARGEST_FILE >> 20} MiB")
    return content


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return _bounded(file)


def _cifar_records(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    records = np.frombuffer(content, np.uint8).reshape(-1, 1 + 3 * 32 * 32)
    return records[:, 1:], records[:, 0].astype(np.int64)


def _cifar_pickle(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    batch = _ArraysOnly(io.BytesIO(content), encoding="bytes").load()
    images, labels = batch[b"data"], batch[b"labels"]
    # Looked at before anything is made of them: lists in lists can unfold to any size.
    if not (isinstance(images, np.ndarray) and images.dtype == np.uint8 and images.nbytes <= len(content)):
        raise ValueError("its data are no images")
    if not (isinstance(labels, list) and len(labels) == len(images) and all(type(label) is int for label in labels)):
        raise ValueError("its labels are not one number an image")
    return images, np.array(labels, np.int64)


# --- a file of arrays


def _memory() -> int:
    """Bytes that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _npz(path: Path) -> tuple[_Part, None, tuple[str, ...]]:
    """`images` or `arr_0`: uint8 (N, H, W, C) or (N, H, W); `labels` or `arr_1`: whole numbers (N,)."""
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > _memory() / 2:
            raise ValueError(f"unpacks to {unpacked / 2**30:,.0f} GiB, more than half of this machine's memory")
        with np.load(path, allow_pickle=False) as arrays:
            images = next((arrays[key] for key in ("images", "arr_0") if key in arrays), None)
            labels = next((arrays[key] for key in ("labels", "arr_1") if key in arrays), None)
    except Exception as error:  # zipfile's, zlib's and NumPy's own, or what is no archive at all
        raise DataError(f"--dataset {path}: not a readable .npz of plain arrays ({error})") from error
    if not all(isinstance(one, np.ndarray | None) for one in (images, labels)):
        raise DataError(f"--dataset {path}: not a readable .npz of plain arrays")
    if images is None:
        raise DataError(f"--dataset {path}: has neither `images` nor `arr_0`")
    if images.dtype != np.uint8:
        raise DataError(f"--dataset {path}: images are {images.dtype}, must be uint8 from 0 to 255")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape:
        raise DataError(f"--dataset {path}: images are {images.shape}, must be (N, H, W) or (N, H, W, 1 or 3)")
    if labels is None:
        return _Part(images, None), None, ()
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        raise DataError(
            f"--dataset {path}: labels are {labels.dtype} {labels.shape}, must be one whole number an image"
        )
    classes, labels = np.unique(labels, return_inverse=True)
    return _Part(images, labels.astype(np.int64)), None, tuple(map(str, classes))


# --- files of images


def _square(picture: "Image.Image", size: int) -> np.ndarray:  # noqa: F821 (Pillow is imported where it is used)
    """Cropped at the centre and scaled, uint8 (size, size, C)."""
    from PIL import Image, ImageOps

    if picture.size != (size, size):
        picture = ImageOps.fit(picture, (size, size), Image.Resampling.LANCZOS)
    return np.asarray(picture).reshape(size, size, -1)


def _upright(picture: "Image.Image", grey: bool) -> "Image.Image":  # noqa: F821
    """Turned as its EXIF says, laid over white where transparent, as L or RGB of 8 bits."""
    from PIL import Image, ImageOps

    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):  # 16 bits; Pillow's own conversion would clip instead of scale
        values = np.asarray(picture).astype(np.int64)
        picture = Image.fromarray((values >> 8 if values.max() > 255 else values).clip(0, 255).astype(np.uint8))
    elif picture.mode == "F":
        raise ValueError("its pixels are floats")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("L" if grey else "RGB")


def _listing(path: Path) -> tuple[dict[str, str], Callable[[str], bytes], str]:
    """{name inside: what identifies its content}, a function that reads one, and what identifies the whole."""
    if path.is_dir():
        return dict(_walk(path)), lambda name: _read(path / name), str(path.resolve())
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # also of a version of the format that zipfile does not know
        raise DataError(f"--dataset {path}: truncated or not a zip file ({error}); replace it") from error
    found = {}
    for entry in archive.infolist():
        parts = entry.filename.replace("\\", "/").split("/")
        if ".." in parts or parts[0] == "" or parts[0].endswith(":"):
            raise DataError(f"--dataset {path}: its entry {entry.filename} leads out of the archive; use another one")
        if not entry.is_dir() and not any(part.startswith((".", "__MACOSX")) for part in parts):
            found[entry.filename] = f"{entry.file_size} {entry.CRC}"

    def unzip(name: str) -> bytes:
        with archive.open(name) as file:
            return _bounded(file)

    return found, unzip, str(path.resolve())


def _walk(path: Path) -> Iterator[tuple[str, str]]:
    """The files in a folder, through links, but for hidden ones: (name inside, what identifies its content)."""

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
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        above |= {os.path.join(folder, name): (*over, own) for name in folders}
        for name in sorted(names):
            full = Path(folder, name)
            try:
                state = full.stat()
            except OSError as error:
                if error.errno == errno.ELOOP:
                    refuse(error)
                state = full.lstat()  # a link to nothing: the image that cannot be read is named later
            if not name.startswith(".") and (stat.S_ISREG(state.st_mode) or stat.S_ISLNK(state.st_mode)):
                yield full.relative_to(path).as_posix(), f"{state.st_size} {state.st_mtime_ns}"


def _image_files(
    path: Path, image_size: int | None, skip_broken: bool, pairs: bool = False
) -> tuple[_Part, _Part | None, tuple[str, ...]]:
    """A folder or zip of images, decoded once into a memory-mapped cache; `pairs` lie on each other's channels."""
    found, read, identity = _listing(path)
    names = sorted(name for name in found if name.lower().endswith(SUFFIXES))
    others = sorted(set(found) - set(names))
    if not names:
        raise DataError(f"--dataset {path}: no images found (looked for {' '.join(SUFFIXES)})")
    if others:
        say(f"{path}: passed over {len(others)} file(s) that are not images ({others[0]})")

    # Where everything lies in one folder that is not a split, that folder says nothing.
    tops = {name.split("/")[0] for name in names}
    depth = 1 if len(tops) == 1 and all("/" in name for name in names) and not tops & set(SPLITS) else 0
    parts = {name: name.split("/")[depth:] for name in names}
    splits = {split: [n for n in names if len(parts[n]) > 1 and parts[n][0].lower() == split] for split in SPLITS}
    held = (splits["val"] or splits["test"]) if pairs else (splits["test"] or splits["val"])
    train = splits["train"] if any(splits.values()) else names
    if not train:
        raise DataError(f"--dataset {path}: has {'test' if splits['test'] else 'val'}/ but no images in train/")
    if pairs and (not splits["train"] or not held):
        missing = "train/" if not splits["train"] else "val/ or test/"
        raise DataError(
            f"--dataset {path}: pairs side by side lie in train/ and val/ or test/, and there are none in {missing};"
            " to make pairs from single images give --pairs edges"
        )
    level = 1 if any(splits.values()) else 0
    labelled = not pairs and all(len(parts[name]) > level + 1 for name in (*train, *held))
    classes = tuple(sorted({parts[name][level] for name in train})) if labelled else ()
    unknown = {parts[name][level] for name in held} - set(classes) if labelled else set()
    if unknown:
        raise DataError(f"--dataset {path}: held-out images have classes that train/ lacks ({min(unknown)})")

    key = hashlib.sha256(
        repr(("decoded 1", identity, sorted(found.items()), image_size, skip_broken, *("pairs",) * pairs)).encode()
    ).hexdigest()[:32]
    folder = cache_folder() / "decoded" / key
    if not _is_whole(folder):
        _decode(path, {"train": train, "held": held}, read, image_size, skip_broken, pairs, folder)
    kept = json.loads((folder / "complete.json").read_text())

    def part(split: str) -> _Part | None:
        if not kept[split]:
            return None
        file = folder / f"{split}.npy"
        small = file.stat().st_size < _memory() / 4
        labels = np.array([classes.index(parts[name][level]) for name in kept[split]]) if labelled else None
        return _Part(np.load(file, mmap_mode=None if small else "r"), labels)

    return part("train"), part("held"), classes


def _is_whole(folder: Path) -> bool:
    """Whether a decoded set is in the cache as it was written; what is not, as after a power cut, is removed."""
    try:
        kept = json.loads((folder / "complete.json").read_text())
        if all(
            len(np.load(folder / f"{split}.npy", mmap_mode="r")) == len(kept[split]) for split in kept if kept[split]
        ):
            return True
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    return False


def _with_picture(content: bytes, work: "Callable[[Image.Image], Any]") -> Any:  # noqa: F821
    """work(picture), of a file's content; a decompression bomb is an error."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            return work(picture)


def load_pictures(path: str, size: int, channels: int, side: int | None = None) -> tuple[np.ndarray, tuple[str, ...]]:
    """The images in a file, folder, zip or .npz, uint8 (N, size, size, channels), and a name without suffix for each.

    With `side` 0 or 1, of a picture twice as wide as high only the left or right half. Raises DataError.
    """
    from PIL import Image

    def fit(picture: Image.Image) -> np.ndarray:
        picture = _upright(picture, grey=channels == 1)
        if side is not None and picture.width == 2 * picture.height:
            picture = picture.crop((side * picture.height, 0, (side + 1) * picture.height, picture.height))
        return _square(picture, size)

    place = Path(path)
    if place.suffix.lower() == ".npz" and place.is_file():
        images = _npz(place)[0].images
        pictures = (Image.fromarray(image[..., 0] if image.shape[2] == 1 else image) for image in images)
        return np.stack([fit(picture) for picture in pictures]), tuple(f"{i:05d}" for i in range(len(images)))
    if not place.exists():
        raise DataError(f"{path}: there is no such file or folder")
    if place.is_dir() or place.suffix.lower() == ".zip":
        found, read, _ = _listing(place)
    else:
        found, read, _ = {place.name: ""}, lambda _: _read(place), None
    names = sorted(name for name in found if name.lower().endswith(SUFFIXES))
    if not names:
        raise DataError(f"{path}: no images found (looked for {' '.join(SUFFIXES)})")
    images = np.empty((len(names), size, size, channels), np.uint8)
    for target, name in zip(images, names, strict=True):
        try:
            target[:] = _with_picture(read(name), fit)
        except Exception as error:  # as varied as the damage
            raise DataError(f"{path}: cannot read the image {name} ({str(error)[:80]}); repair or remove it") from error
    stems = [name.rpartition(".")[0] for name in names]
    often = Counter(stems)
    return images, tuple(stem if often[stem] == 1 else f"{stem}-{number}" for number, stem in enumerate(stems))


def _decode(
    path: Path,
    splits: dict[str, list[str]],
    read: Callable[[str], bytes],
    image_size: int | None,
    skip_broken: bool,
    pairs: bool,
    folder: Path,
) -> None:
    """Writes train.npy, held.npy (N, size, size, C) and complete.json, the names that were kept, into `folder`."""
    from PIL import Image

    broken: dict[str, str] = {}

    def attempt(name: str, work: Callable[[Image.Image], object]) -> object | None:
        try:
            return _with_picture(read(name), work)
        except Exception as error:  # what Pillow and zipfile raise for damaged files is as varied as the damage
            trouble = error
        if not skip_broken:
            reason = str(trouble).replace("<_io.BytesIO object at ", "").split(" 0x")[0]
            raise DataError(
                f"--dataset {path}: cannot read the image {name} ({reason[:120]});"
                " repair or remove it, or leave such images out with --skip-broken"
            ) from trouble
        broken[name] = str(trouble)
        return None

    names = [name for split in splits.values() for name in split]
    about = {name: attempt(name, lambda picture: (picture.size, picture.mode)) for name in names}
    readable = [value for value in about.values() if value]
    if not readable:
        raise DataError(f"--dataset {path}: none of its {len(names)} images can be read")
    grey = all(mode in ("1", "L", "LA") or mode.startswith("I") for _, mode in readable)
    size = _target_size(str(path), {size for size, _ in readable}, image_size)
    odd = next((name for name, value in about.items() if value and value[0][0] != 2 * value[0][1]), None)
    if pairs and odd:
        raise DataError(
            f"--dataset {path}: {odd} is {'x'.join(map(str, about[odd][0]))} pixels, and a pair is twice as wide as"
            " high; to make pairs from single images give --pairs edges"
        )

    def fill(staging: Path) -> None:
        def write(split: str, count: int) -> np.ndarray:
            file, shape = staging / f"{split}.npy", (count, size, size, (1 if grey else 3) * (2 if pairs else 1))
            images = np.lib.format.open_memmap(file, "w+", np.uint8, shape)
            # Without room for a page, writing into the map would kill the process. macOS cannot reserve it.
            with file.open("r+b") as opened:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(opened.fileno(), 0, file.stat().st_size)
            return images

        def decode(picture: Image.Image) -> np.ndarray:
            # A JPEG far larger than needed is decoded smaller, faster.
            picture.draft(None, (2 * size if pairs else size, size))
            picture = _upright(picture, grey)
            if not pairs:
                return _square(picture, size)
            middle, (width, height) = picture.width // 2, picture.size
            sides = picture.crop((0, 0, middle, height)), picture.crop((middle, 0, width, height))
            return np.concatenate([_square(side, size) for side in sides], 2)

        kept: dict[str, list[str]] = {"train": [], "held": []}
        for split, members in splits.items():
            raw = write("raw", len(members)) if members else None
            good: list[str] = []
            for name in members:
                image = attempt(name, decode) if about[name] else None
                if image is not None:
                    raw[len(good)] = image
                    good.append(name)
            # Without held-out images of its own, the set is split here, on disk: it may not fit into memory.
            sides = {split: np.ones(len(good), bool)}
            if split == "train" and not splits["held"]:
                held = _held_by_pixels(str(path), raw[: len(good)])
                sides = {"train": ~held, "held": held}
            for side, chosen in sides.items() if good else ():
                images = write(side, int(chosen.sum()))
                for start in range(0, len(images), 1000):
                    rows = np.flatnonzero(chosen)[start : start + 1000]
                    images[start : start + len(rows)] = raw[rows]
                images.flush()
                kept[side] = [good[i] for i in np.flatnonzero(chosen)]
            (staging / "raw.npy").unlink(missing_ok=True)
        if broken:
            say(f"{path}: left out {len(broken)} image(s) that cannot be read ({next(iter(broken))})")
        files.write_whole(staging / "complete.json", [json.dumps(kept).encode()])

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with files.scratch_folder(folder.parent) as staging:
            fill(staging)
            if not folder.exists():  # another process may have been quicker
                os.replace(staging, folder)
    except OSError as error:
        raise DataError(
            f"--dataset {path}: cannot write the decoded images to the cache in {folder.parent} ({error.strerror});"
            " make room or point $GAN_CACHE elsewhere"
        ) from error
