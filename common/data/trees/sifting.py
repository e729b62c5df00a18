"""What lies among the images of a tree and is not to be trained on beside them: copies of its folders, and masks."""

import re
from collections import defaultdict

from common.data.dataset import evenly
from common.data.trees.layout import left_out_of
from common.data.trees.listing import Listing
from common.data.words import of_images, of_masks

COMPARED = 16  # files of a folder whose names are all there a second time
_OF_A_MASK = re.compile(
    r"(.+?)[ _.-](mask|seg|segmentation|gt|groundtruth|label|annotation)([ _.-]?\d+)?", re.IGNORECASE
)


def sifted(listed: Listing) -> tuple[list[str], list[str]]:
    """The names of the images, in the order of the data, and what is left out of them, a sentence each."""
    names = listed.images()
    copies = _copies(listed, names)
    left_out = [left_out_of(of, f"in {folder}/, copies of others,") for folder, of in sorted(copies.items())]
    gone = {name for of in copies.values() for name in of}
    names = [name for name in names if name not in gone]
    masks = _masks(names)
    left_out += [left_out_of(masks, "that are masks of others")] if masks else []
    return [name for name in names if name not in masks], left_out


def _copies(listed: Listing, names: list[str]) -> dict[str, list[str]]:
    """Folders all of whose images are also in the folder around them, or in one beside that is called alike.

    As chest_xray/chest_xray/train beside chest_xray/train: archives are packed so by mistake.
    """
    below = defaultdict(list)
    for name in names:
        parts = name.split("/")
        for depth in range(1, len(parts)):
            below["/".join(parts[:depth])].append(name)
    alike, known, copies = {}, set(names), {}
    for folder in sorted(below):
        if any(folder.startswith(f"{copy}/") for copy in copies):
            continue
        around = folder.rpartition("/")[0]
        for other in {around, alike.setdefault(folder.lower(), folder)} - {folder}:
            there = all(_twin(name, folder, other) in known for name in below[folder])
            if there and _same(listed, below[folder], folder, other):
                copies[folder] = below[folder]
    return copies


def _same(listed: Listing, names: list[str], folder: str, other: str) -> bool:
    """Whether files have the content of those that are called alike, by some of them."""
    chosen = [names[place] for place in evenly(len(names), COMPARED)]
    try:
        return all(listed.read(name) == listed.read(_twin(name, folder, other)) for name in chosen)
    except Exception:  # as varied as the damage; what cannot be read is named when it is decoded
        return False


def _twin(name: str, folder: str, other: str) -> str:
    """The name in the other folder of what is called `name` in this one."""
    return f"{other}{name[len(folder) :]}".removeprefix("/")


def _masks(names: list[str]) -> set[str]:
    """Images in folders of masks beside folders of images, and x_mask.png beside x.png."""
    inside = defaultdict(set)
    for name in names:
        parts = name.split("/")
        for depth in range(len(parts) - 1):
            inside["/".join(parts[:depth])].add(parts[depth])
    folders = {
        f"{place}/{folder}".removeprefix("/")
        for place, found in inside.items()
        if any(map(of_images, found))
        for folder in found
        if of_masks(folder)
    }
    stems = {name.rpartition(".")[0] for name in names}

    def is_mask(name: str) -> bool:
        parts = name.split("/")
        place, _, stem = name.rpartition(".")[0].rpartition("/")
        found = _OF_A_MASK.fullmatch(stem)
        beside = found and f"{place}/{found[1]}".removeprefix("/") in stems
        return bool(beside) or any("/".join(parts[:depth]) in folders for depth in range(1, len(parts)))

    return set(filter(is_mask, names))
