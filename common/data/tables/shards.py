"""Which of several tables belong to which split, and whether they are of one set, told by their names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from common.console import first_of
from common.data.trees.tree import Tree
from common.data.words import NEUTRAL, split_of, words
from common.errors import DataError

# train-00000-of-00002, also with a hash behind it; part-00000-<uuid>-c000.snappy, as Spark calls them.
_NUMBER = re.compile(r"-(\d{5,})-of-(\d{5,})(-[0-9a-f]{16})?$")
_UUID = re.compile(r"-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}.*$")
# Kept by Hugging Face's `datasets` beside the files of a set: results of its own work on them.
_WORK = re.compile(r"(cache|indices|tmp)[-_]?\w*\.arrow")


@dataclass(frozen=True)
class _Told:
    """What a file's name says: its split, how it calls that, the folders besides, and the words besides."""

    split: str | None
    title: str
    folders: tuple[str, ...]
    words: str


def shards_of(asked: str, names: list[str]) -> Tree:
    """The files of each split, in the order of `names`; a single file is trained on, whatever it is called.

    A split is told by the file's name, else by its folders, the innermost first: `data/train-00000-of-00002`,
    `train/data-00000-of-00002`, `mnist/test/0000`. Raises DataError for several sets, and for no training split.
    """
    if len(names) == 1:
        return Tree({"train": {names[0]: ()}})
    own = [name for name in names if not _WORK.fullmatch(PurePosixPath(name).name)] or names
    told = {name: _told(name) for name in own}
    if not any(one.split for one in told.values()):
        told = {name: replace(one, split="train", title="train") for name, one in told.items()}
    of_splits = {name: one for name, one in told.items() if one.split}
    _refuse_several_sets(asked, of_splits)
    tree = Tree(outside=[name for name in names if name not in of_splits])
    for name, one in of_splits.items():
        tree.splits.setdefault(one.split, {})[name] = ()
        tree.titles.setdefault(one.split, one.title)
    if "train" not in tree.splits:
        if len(tree.splits) > 1:
            raise DataError(f"{asked}: has {' and '.join(tree.titles.values())}, and no train; give one of these files")
        ((only, files),) = tree.splits.items()
        tree = Tree({"train": files}, {"train": tree.titles[only]}, tree.outside)
    return tree


def missing_shards(names: list[str]) -> str | None:
    """What is to be said where names such as `train-00000-of-00004` count more files than there are."""
    numbers = [found for name in names if (found := _NUMBER.search(_stem(name)))]
    expected = max((int(found[2]) for found in numbers), default=0)
    if len({found[1] for found in numbers}) >= expected:
        return None
    others = ", ..." * (len(names) > 1)
    return f"only {len(names):,} of the {expected:,} files of this split are here ({names[0]}{others})"


def _told(name: str) -> _Told:
    *folders, stem = *PurePosixPath(name).parts[:-1], _UUID.sub("", _NUMBER.sub("", _stem(name)))
    besides = "_".join(word for word in words(stem) if word not in NEUTRAL and not word.isdecimal())
    if found := split_of(stem):
        return _Told(found[0], stem, tuple(folders), found[1])
    for place in reversed(range(len(folders))):
        if found := split_of(folders[place]):
            rest = *folders[:place], *filter(None, [found[1]]), *folders[place + 1 :]
            return _Told(found[0], folders[place], rest, besides)
    return _Told(None, "", tuple(folders), besides)


def _stem(name: str) -> str:
    return PurePosixPath(name).name.split(".parquet")[0].removesuffix(".arrow")


def _refuse_several_sets(asked: str, told: Mapping[str, _Told]) -> None:
    """Tables in different folders, or called differently within a split, are not mixed. Raises DataError."""
    examples = {one.folders: name for name, one in told.items()}
    for split in {one.split for one in told.values()}:
        if len(examples) == 1:
            examples = {(*one.folders, one.words): name for name, one in told.items() if one.split == split}
    if len(examples) > 1:
        listed = first_of(sorted(examples.values()), 6)
        raise DataError(f"{asked}: holds several sets ({listed}); give the folder or the file of one of them")
