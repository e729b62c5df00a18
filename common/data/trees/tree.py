"""The folders of a tree of images: which are wrappers, which are splits, and what is left below these."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from common.data.words import SPLITS, class_key, of_masks, split_of, split_of_word, words

Folders = tuple[str, ...]
Splits = Mapping[str, tuple[str, str]]  # a folder: the split that it is, and a word beside that tells images apart
# Folders that people have beside the one to train on and that are no classes.
BESIDE = {"extra", "unlabeled", "unlabelled", "pred", "predict", "prediction", "predictions", "query", "gallery"}
BESIDE |= {"sample", "samples", "example", "examples", "output", "outputs", "result", "results", "submission"}


@dataclass
class Tree:
    """The images of a tree by split.

    splits      'train', 'val' and 'test': name: the folders that it lies in below its split
    titles      what a split is called in the tree, such as 'Testing'; empty where there are no splits
    outside     the names of images that lie beside the splits, in none of them
    homes       the folders that have the splits in them: one, or several side by side, such as cat/ and dog/
    minor       whether most images lie outside these
    understood  what is not plain, a sentence each
    """

    splits: dict[str, dict[str, Folders]] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    outside: list[str] = field(default_factory=list)
    homes: list[str] = field(default_factory=list)
    minor: bool = False
    understood: list[str] = field(default_factory=list)


def tree_of(names: Iterable[str]) -> Tree:
    """Of the names of images, with slashes.

    Folders that hold everything are wrappers and say nothing. Splits are folders that are called so (`Training`,
    `seg_test`, `valid`) and lie side by side, however deep, or in several folders side by side (`cat/train`,
    `dog/train`), which stay as folders below the split. So does a word beside a split's name where it tells images
    apart: trainA, trainB.
    """
    folders = {name: tuple(name.split("/")[:-1]) for name in names}
    inside = _counted(folders.values())
    found = {place: splits for place in inside if (splits := _splits_among(place, inside[place]))}
    homes = _homes(inside, found)
    if len(homes) == 1 and (said := _taken_for_class(homes[0], inside, found[homes[0]])):
        return Tree({"train": without_wrappers(folders)}, understood=[said])
    homes = homes or _home_without_train(inside, found)
    return _split(folders, homes, found) if homes else Tree({"train": without_wrappers(folders)})


def without_wrappers(folders: Mapping[str, Folders], keep: Collection[str] = ()) -> dict[str, Folders]:
    """Names and the folders below the ones that all of them lie in, as far as these are not classes as in `keep`."""
    keep = {*map(class_key, keep)}
    while folders and all(folders.values()):
        tops = {below[0] for below in folders.values()}
        if len(tops) > 1 or not keep.isdisjoint(map(class_key, tops)):
            break
        folders = {name: below[1:] for name, below in folders.items()}
    return dict(folders)


def _counted(folders: Iterable[Folders]) -> dict[Folders, Counter[str]]:
    """For each folder how many images lie below each of the folders in it, and under '' how many in itself."""
    inside: dict[Folders, Counter[str]] = defaultdict(Counter)
    for place, count in Counter(folders).items():
        inside[place][""] += count
        for depth in range(len(place)):
            inside[place[:depth]][place[depth]] += count
    return inside


def _splits_among(place: Folders, inside: Counter[str]) -> Splits:
    """Which of the folders in a place are splits; of those without 'train' in their name only what is plainly one."""
    tops = [top for top in inside if top]
    lower = {top.lower() for top in tops}
    # Where there is invalid/ beside it, valid/ is no split.
    found = {top: split for top in tops if (split := split_of(top)) and f"in{top.lower()}" not in lower}
    plain = {top: (split, "") for top, (split, besides) in found.items() if not besides}
    exact = {split for top, (split, _) in plain.items() if top.lower() in SPLITS}
    plain = {top: one for top, one in plain.items() if one[0] not in exact or top.lower() in SPLITS}
    loose = {top: one for top, one in found.items() if one[1]}
    if not plain:
        plain = _by_words_beside(loose, len(tops))
    else:  # training/ beside seg_test/: the only one that may be meant
        there, often = {split for split, _ in plain.values()}, Counter(split for split, _ in loose.values())
        lacking = {"train"} - there if "train" not in there else {"val", "test"} if there == {"train"} else set()
        plain |= {top: (split, "") for top, (split, _) in loose.items() if split in lacking and often[split] == 1}
    # A folder that is called as a split is a wrapper only where there is nothing but splits in it.
    within = len(plain) < len(inside) and any((split := split_of(folder)) and not split[1] for folder in place)
    return {} if within else plain


def _by_words_beside(loose: Splits, total: int) -> Splits:
    """Of folders such as seg_train and seg_test, or trainA and trainB, which could as well be the names of classes."""
    by_word = defaultdict(set)
    for split, besides in loose.values():
        by_word[besides].add(split)
    letters = sum(len(besides) == 1 for besides in by_word) > 1
    sides = len(loose) == total and len(by_word) > 1 and all(split_of_word(words(top)[0]) for top in loose)
    chosen = {
        top: (split, besides)
        for top, (split, besides) in loose.items()
        if len(by_word[besides]) > 1 or (letters and len(besides) == 1) or sides
    }
    if not any(split == "train" for split, _ in chosen.values()):
        return {}
    alike = len({besides for _, besides in chosen.values()}) == 1
    return {top: (split, "") for top, (split, _) in chosen.items()} if alike else chosen


def _homes(inside: Mapping[Folders, Counter[str]], found: Mapping[Folders, Splits]) -> list[Folders]:
    """The folders that have the splits in them: one, or several side by side. Those first that hold something out."""
    by_parent = defaultdict(list)
    for place, splits in found.items():
        if any(split == "train" for split, _ in splits.values()):
            by_parent[len(place), place[:-1]].append(place)
    total = inside[()].total()
    for holds_out, share in ((True, 0.5), (False, 0.95), (True, 0)):  # of all images, which are to be in there at least
        for _, places in sorted(by_parent.items()):
            whole = any(split != "train" for place in places for split, _ in found[place].values())
            if whole >= holds_out and sum(inside[place].total() for place in places) >= share * total:
                return places
    return []


def _home_without_train(inside: Mapping[Folders, Counter[str]], found: Mapping[Folders, Splits]) -> list[Folders]:
    """Where there are only images to hold out: the first folder, within nothing but wrappers, with such a split."""
    place: Folders = ()
    while place not in found and len(inside[place]) == 1 and "" not in inside[place]:
        place = (*place, next(iter(inside[place])))
    return [place] if place in found else []


def _taken_for_class(home: Folders, inside: Mapping[Folders, Counter[str]], splits: Splits) -> str | None:
    """What is said where train/ is a class beside others, as of vehicles, and not a split."""
    (train, *others), tops = splits, inside[home]
    classes = sorted(top for top in tops if top and top not in splits)
    few = len(classes) < 2 or tops[train] > tops.total() / 2
    if others or few or any(split_of(top) or of_masks(top) or BESIDE & {*words(top)} for top in classes):
        return None
    below = {top: set(inside[(*home, top)]) for top in (train, *classes)}
    if any(below[train].isdisjoint(below[top]) for top in classes):
        return None
    return f"{train}/ is taken for a class, as {classes[0]}/ and {classes[1]}/ beside it are"


def _split(folders: Mapping[str, Folders], homes: list[Folders], found: Mapping[Folders, Splits]) -> Tree:
    depth, several, known = len(homes[0]), len(homes) > 1, set(homes)
    tree = Tree(homes=["/".join(home) for home in homes])
    titles = defaultdict(set)
    for name, inside in folders.items():
        home, top = inside[:depth], inside[depth] if len(inside) > depth else ""
        if home not in known or top not in found[home]:
            tree.outside.append(name)
            continue
        split, besides = found[home][top]
        titles[split].add(top)
        own = (*home[-1:] * several, *(besides,) * bool(besides))
        tree.splits.setdefault(split, {})[name] = (*own, *inside[depth + 1 :])
    tree.minor = 2 * sum(below[:depth] in known for below in folders.values()) < len(folders)
    tree.titles = {split: _in_words(sorted(tops)) for split, tops in titles.items()}
    return tree


def _in_words(folders: list[str]) -> str:
    """As it is written before a slash: train1/ and train2"""
    return "/ and ".join(folders) if len(folders) < 3 else f"{folders[0]}/ to {folders[-1]}"
