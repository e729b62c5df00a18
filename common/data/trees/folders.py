"""A folder or archive of images -> its splits and classes, decoded once into the cache."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from common.console import counted
from common.data.cache import cache_folder
from common.data.dataset import Found, Part
from common.data.reading import Reading
from common.data.trees.classes import layout_of_images
from common.data.trees.decoded import Decoder, decode, is_whole
from common.data.trees.layout import Layout, left_out_of
from common.data.trees.listing import Listing
from common.storage.platforms import memory

import numpy as np


def read_folder(asked: str, listed: Listing, reading: Reading) -> Found:
    """The images of a folder or archive that has some. Raises DataError, beginning with `asked`."""
    layout = layout_of_images(asked, listed, reading.version)
    found = read_images(asked, listed, layout, reading)
    found.left_out += passed_over(listed, layout.files)
    return found


def passed_over(listed: Listing, used: Iterable[str] = ()) -> tuple[str, ...]:
    """What is said of what a folder or archive holds beside the images that are read and other files that are used."""
    unread = listed.unread()
    said = [f"{left_out_of(names, 'not read', kind.title)}: {kind.advice}" for kind, names in unread.items()]
    others = sorted(set(listed.files).difference(listed.images(), used, *unread.values()))
    if others:
        said.append(f"passed over {counted(len(others), 'file')} beside the images ({others[0]})")
    return (*said, *listed.left_out)


def read_images(asked: str, listed: Listing, layout: Layout, reading: Reading) -> Found:
    """The images that a layout names, decoded once into the cache and mapped into memory where they are many.

    Pairs come to lie on each other's channels, A first. Raises DataError, beginning with `asked`.
    """
    about = listed.identity, sorted(listed.files.items()), layout, replace(reading, data_root=None)
    folder = cache_folder() / "decoded" / hashlib.sha256(repr(("decoded 2", *about)).encode()).hexdigest()[:32]
    if not is_whole(folder):
        decode(Decoder(asked, listed.read, layout, reading), folder)
    kept = json.loads((folder / "complete.json").read_text())
    train, held = (_part(folder / f"{split}.npy", kept[split], layout) for split in ("train", "held"))
    said = {key: (*getattr(layout, key), *kept[key]) for key in ("understood", "left_out")}
    return Found(train, held, layout.classes, sides=layout.sides, own_split=bool(layout.held), **said)


def _part(file: Path, names: list[str], layout: Layout) -> Part | None:
    """A decoded split with its labels: in memory, or mapped where it would take a good part of that."""
    if not names:
        return None
    small = file.stat().st_size < memory() / 4
    place = {title: number for number, title in enumerate(layout.classes)}
    labels = np.array([place[layout.class_of[name]] for name in names]) if layout.classes else None
    return Part(np.load(file, mmap_mode=None if small else "r"), labels)
