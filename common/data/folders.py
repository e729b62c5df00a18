"""A folder or zip of images -> its splits and classes, as people lay them out."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from common.console import say
from common.data.cache import cache_folder
from common.data.dataset import Part, Parts
from common.data.decoded import Decoder, decode, is_whole
from common.data.listing import listing
from common.errors import DataError
from common.storage.platforms import memory

import numpy as np

SPLITS = ("train", "val", "test")


def read_folder(path: Path, image_size: int | None, skip_broken: bool, pairs: bool = False) -> Parts:
    """The images in a folder or zip, decoded once into the cache and mapped into memory where they are many.

    With `pairs` each is two side by side, which come to lie on each other's channels, the left one first; then held
    out is val/ rather than test/, and there are no classes. Raises DataError.
    """
    found = listing(path)
    names = found.images(f"--dataset {path}")
    others = sorted(set(found.files) - set(names))
    if others:
        say(f"{path}: passed over {len(others)} file(s) that are not images ({others[0]})")
    layout = _layout(path, names, pairs)

    contents = found.identity, sorted(found.files.items())
    key = repr(("decoded 1", *contents, image_size, skip_broken, *("pairs",) * pairs))
    folder = cache_folder() / "decoded" / hashlib.sha256(key.encode()).hexdigest()[:32]
    if not is_whole(folder):
        decoder = Decoder(path, found.read, skip_broken)
        decode(decoder, {"train": layout.train, "held": layout.held}, image_size, pairs, folder)
    kept = json.loads((folder / "complete.json").read_text())
    train, held = (_part(folder / f"{split}.npy", kept[split], layout) for split in ("train", "held"))
    return train, held, layout.classes


@dataclass(frozen=True)
class _Layout:
    """Names of the training and held-out images, and what their folders say of their class."""

    train: list[str]
    held: list[str]
    class_of: dict[str, str]  # empty where the images have no classes
    classes: tuple[str, ...]


def _layout(path: Path, names: list[str], pairs: bool) -> _Layout:
    """Top-level folders train, val and test are splits; the level below, else the top one, is the class."""
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
    if pairs or any(len(parts[name]) <= level + 1 for name in (*train, *held)):
        return _Layout(train, held, {}, ())
    class_of = {name: parts[name][level] for name in (*train, *held)}
    classes = tuple(sorted({class_of[name] for name in train}))
    unknown = {class_of[name] for name in held} - set(classes)
    if unknown:
        raise DataError(f"--dataset {path}: held-out images have classes that train/ lacks ({min(unknown)})")
    return _Layout(train, held, class_of, classes)


def _part(file: Path, names: list[str], layout: _Layout) -> Part | None:
    """A decoded split with its labels: in memory, or mapped where it would take a good part of that."""
    if not names:
        return None
    small = file.stat().st_size < memory() / 4
    labels = np.array([layout.classes.index(layout.class_of[name]) for name in names]) if layout.classes else None
    return Part(np.load(file, mmap_mode=None if small else "r"), labels)
