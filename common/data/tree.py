"""The folders of a tree of images: which are wrappers, which are splits, and what is left below these."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from common.data.words import split_of

Folders = tuple[str, ...]


@dataclass
class Tree:
    """The images of a tree by split.

    splits      'train', 'val' and 'test': name: the folders that it lies in below its split
    titles      what a split is called in the tree, such as 'Testing'; empty where there are no splits
    outside     the names of images that lie beside the splits, in none of them
    """

    splits: dict[str, dict[str, Folders]] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    outside: list[str] = field(default_factory=list)


def tree_of(names: Iterable[str]) -> Tree:
    """Of the names of images, with slashes.

    Folders that hold everything are wrappers and say nothing. Splits are the folders below them that are called so
    (`Training`, `seg_test`, `valid`), or else those within each of the folders below them (`cat/train`, `dog/train`).
    A word beside a split's name stays as a folder below it where it tells images apart: trainA, trainB.
    """
    folders = {name: tuple(name.split("/")[:-1]) for name in names}
    folders = _unwrapped(folders)
    return _by_top_folder(folders) or _by_second_folder(folders) or Tree({"train": folders})


def _unwrapped(folders: dict[str, Folders]) -> dict[str, Folders]:
    """Without the folders that everything lies in; one that is called a split is none, unless splits are below it."""
    while True:
        tops = {below[:1] for below in folders.values()}
        if len(tops) != 1 or tops == {()}:
            return folders
        (top,) = tops.pop()
        below = {name: inside[1:] for name, inside in folders.items()}
        if _sure(top) and not _are_splits({inside[:1] for inside in below.values()}):
            return folders
        folders = below


def _sure(folder: str) -> str | None:
    """The split that a folder is called and nothing else."""
    found = split_of(folder)
    return found[0] if found and not found[1] else None


def _are_splits(tops: set[Folders]) -> bool:
    """Whether these first folders are several splits."""
    found = {_sure(top[0]) if top else None for top in tops}
    return len(found) > 1 and None not in found


def _by_top_folder(folders: dict[str, Folders]) -> Tree | None:
    tops = {inside[0] for inside in folders.values() if inside}
    found = {top: split_of(top) for top in tops}
    found = {top: split for top, split in found.items() if split}
    accepted = {top: (split, "") for top, (split, besides) in found.items() if not besides}
    if not accepted:
        # A word beside it, as in seg_train and seg_test or in trainA and trainB, could as well be the name of a class.
        by_word, by_split = defaultdict(set), defaultdict(set)
        for split, besides in found.values():
            by_word[besides].add(split)
            by_split[split].add(besides)
        all_alike = len(found) == len(tops) > 1
        accepted = {
            top: (split, besides)
            for top, (split, besides) in found.items()
            if len(by_word[besides]) > 1 or (all_alike and len(by_split[split]) > 1)
        }
    if not accepted or _is_a_class(folders, tops, accepted):
        return None
    tells_apart = len({besides for _, besides in accepted.values()}) > 1
    tree = Tree()
    for name, inside in folders.items():
        if not inside or inside[0] not in accepted:
            tree.outside.append(name)
            continue
        split, besides = accepted[inside[0]]
        tree.titles.setdefault(split, inside[0])
        tree.splits.setdefault(split, {})[name] = ((besides,) if tells_apart else ()) + inside[1:]
    return tree


def _is_a_class(folders: dict[str, Folders], tops: set[str], accepted: dict[str, tuple[str, str]]) -> bool:
    """Whether what is called train is a class, as of vehicles: it has no folders in it, and others beside it."""
    inside = [below for below in folders.values() if below and below[0] in accepted]
    only_train = {split for split, _ in accepted.values()} == {"train"}
    return only_train and len(tops) > len(accepted) and all(len(below) == 1 for below in inside)


def _by_second_folder(folders: dict[str, Folders]) -> Tree | None:
    """Where each folder has splits of its own: cat/train, cat/test, dog/train, dog/test."""
    if not all(len(inside) > 1 and _sure(inside[1]) for inside in folders.values()):
        return None
    if len({_sure(inside[1]) for inside in folders.values()}) < 2:
        return None
    tree = Tree()
    for name, inside in folders.items():
        split = _sure(inside[1])
        tree.titles.setdefault(split, inside[1])
        tree.splits.setdefault(split, {})[name] = (inside[0], *inside[2:])
    return tree
