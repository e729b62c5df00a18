"""What the folders below a split say of the classes of its images."""

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from common.data.trees.tree import Folders, Tree, without_wrappers
from common.data.words import numbered_part

FEW = 0.05  # of the images may lie beside the folders of the classes; where more do, these are none
ALONE = 12  # folders of one image each: more of them are no classes


@dataclass(eq=False)
class Told:
    """The class of each image that has one, and what is to be said of that."""

    class_of: dict[str, str] = field(default_factory=dict)
    understood: list[str] = field(default_factory=list)


def told_by_folders(tree: Tree) -> dict[str, Told]:
    """For each split of a tree."""
    held = {split: without_wrappers(folders) for split, folders in tree.splits.items() if split != "train"}
    # A single folder in train/ is a class, and no wrapper, where it is one of several in test/.
    tops = [{inside[0] for inside in folders.values() if inside} for folders in held.values()]
    train = _of_train(tree.splits["train"], {top for several in tops if len(several) > 1 for top in several})
    classes = set(train.class_of.values())
    return {"train": train} | {split: Told(_first_folders(tree.splits[split], classes)) for split in held}


def _of_train(folders: Mapping[str, Folders], keep: Collection[str]) -> Told:
    below, understood = _without_parts(folders, keep)
    flat = [name for name, inside in below.items() if not inside]
    tops = Counter(inside[0] for inside in below.values() if inside)
    if flat and tops:
        told = _of_train({name: inside for name, inside in below.items() if inside}, keep)
        if len(flat) <= FEW * len(below) and len(set(told.class_of.values())) > 1:
            return told
        some = " and ".join(f"{top}/" for top in sorted(tops)[:2])
        understood += [f"{some} are no classes: {len(flat):,} images lie beside them"] if len(tops) > 1 else []
        return Told(understood=understood)
    if len(tops) > ALONE and set(tops.values()) == {1}:
        return Told(understood=[*understood, f"the {len(tops):,} folders are no classes: each has one image"])
    class_of = {name: inside[0] for name, inside in below.items() if inside}
    deeper = [name for name, inside in below.items() if len(inside) > 1]
    if len({below[name][1] for name in deeper}) > 1:
        name = min(deeper)
        first, second, *_ = below[name]
        said = f"the folder {second}/ in it says nothing; where such are the classes, give {first}/ itself"
        understood.append(f"{name} is of the class {first}; {said}")
    return Told(class_of, understood)


def _first_folders(folders: Mapping[str, Folders], classes: Collection[str]) -> dict[str, str]:
    below, _ = _without_parts(folders, classes)
    return {name: inside[0] for name, inside in below.items() if inside}


def _without_parts(folders: Mapping[str, Folders], keep: Collection[str]) -> tuple[dict[str, Folders], list[str]]:
    """Without folders that hold everything, and those into which a set is cut; and what is said of these."""
    understood = []
    while True:
        folders = without_wrappers(folders, keep)
        tops = sorted({inside[0] for inside in folders.values() if inside})
        if len(tops) < 2 or not all(folders.values()) or not (_are_parts(tops) or _are_shards(folders)):
            return folders, understood
        understood.append(f"{tops[0]}/ to {tops[-1]}/ are parts of the set, not classes")
        folders = {name: inside[1:] for name, inside in folders.items()}


def _are_parts(tops: Collection[str]) -> bool:
    """images_001, images_002"""
    called = {numbered_part(top) for top in tops}
    return len(called) == 1 and None not in called


def _are_shards(folders: Mapping[str, Folders]) -> bool:
    """Whether files are numbered and lie in folders by their thousand, 00007/img00007123 or 07000/07123, or by what is
    left of it, as Danbooru's do: 0123/7123.
    """
    for name, inside in folders.items():
        number = re.fullmatch(r"\D*(\d+)", PurePosixPath(name).stem)
        if len(inside) != 1 or not re.fullmatch(r"\d{4,}", inside[0]) or not number:
            return False
        thousand, rest = divmod(int(number[1]), 1000)
        if int(inside[0]) not in (thousand, thousand * 1000, rest):
            return False
    return True
