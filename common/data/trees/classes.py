"""The images of a tree -> which are trained on and which held out, and the class of each."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from common.console import counted
from common.data.reading import VERSION
from common.data.trees.folder_classes import Told, told_by_folders
from common.data.trees.label_files import Said, read_label_files
from common.data.trees.layout import Layout, left_out_of
from common.data.trees.listing import Listing
from common.data.trees.sifting import sifted
from common.data.trees.tree import Tree, tree_of, without_wrappers
from common.data.words import SPLITS, class_key, numbered_part, of_any_images
from common.errors import DataError

HELD = ("test", "val")  # the first that can be used; the other is left out
LabelFiles = Callable[[bool], Said]  # given whether those are meant that are called labels, or else other tables
Parts = Mapping[str, tuple[str, list[str]]]  # a split: what it is called, such as 'Testing/', and its images


@dataclass
class _Split:
    """A split: what it is called, its images, who says their classes, if anybody, and the class of each."""

    title: str
    names: list[str]
    said_by: Told | Said | None
    class_of: dict[str, str]


def layout_of_images(asked: str, listed: Listing, version: int = VERSION) -> Layout:
    """Of the images in a folder or archive, by the files beside them that say their classes, and by their folders.

    `version` is that of Reading. Raises DataError, beginning with `asked`.
    """
    names, left_out = sifted(listed)
    layout = layout_of(asked, names, lambda sure: read_label_files(asked, listed, names, sure))
    lone = _lone_class(layout) if version < 2 and not layout.classes else None
    if lone:
        layout = replace(layout, classes=(lone,), class_of=dict.fromkeys([*layout.train, *layout.held], lone))
    return replace(layout, left_out=(*left_out, *layout.left_out))


def _lone_class(layout: Layout) -> str | None:
    """The one folder that all images lie in, below their split or a folder that holds all: a class under version 1."""
    splits = set(SPLITS.values())
    parts = [name.split("/") for name in (*layout.train, *layout.held)]
    tops = {one[0] for one in parts}
    if len(tops) == 1 and tops.isdisjoint(splits) and all(len(one) > 1 for one in parts):
        parts = [one[1:] for one in parts]
    parts = [one[1:] if one[0].lower() in splits else one for one in parts]
    folders = {one[0] for one in parts}
    return folders.pop() if len(folders) == 1 and all(len(one) > 1 for one in parts) else None


def layout_of(asked: str, names: list[str], label_files: LabelFiles = lambda sure: Said()) -> Layout:
    """Of files in a tree, by their names in the order of the data. Raises DataError, beginning with `asked`."""
    tree = tree_of(names)
    _refuse_without_train(asked, tree)
    _refuse_several_sets(asked, tree)
    told, sure = told_by_folders(tree), label_files(True)
    folders = Told({name: one for split in told.values() for name, one in split.class_of.items()})
    folders.understood = told["train"].understood
    # Other tables count only where neither folders nor files that are called so say something.
    silent = [split for split in tree.splits.values() if not _classes(list(split), sure, folders)[1]]
    other = label_files(False) if silent or not tree.titles else Said()

    parts, splitting = _parts(tree, sure, other)
    splits = {part: _Split(*of, *_classes(of[1], sure, folders, other)) for part, of in parts.items()}
    train = splits["train"]
    if train.said_by is folders:
        _refuse_the_same_twice(asked, sorted(set(train.class_of.values())))
    numbers = train.said_by is not folders and all(map(str.isdecimal, train.class_of.values()))
    classes = tuple(sorted(set(train.class_of.values()), key=int if numbers else None))
    held, left_out = _held(splits, classes)
    chosen = [name for name in train.names if name in train.class_of] if classes else train.names
    outside = set(names).difference(*(split.names for split in splits.values()))
    without = [name for name in train.names if name not in train.class_of] if classes else []
    left_out = [
        *([left_out_of(outside, "in no split")] if outside else []),
        *([left_out_of(without, "of no class")] if without else []),
        *left_out,
    ]
    speaking = [split.said_by for split in (train, held) if split]
    used = [said for said in (sure, other) if said in (sure, splitting, *speaking)]
    heard = [sure, *(said for said in (folders, other) if said in speaking or train.said_by is None)]
    understood = [*_splits_in_words(tree, splitting, train, held), *(one for said in heard for one in said.understood)]
    return Layout(
        chosen,
        held.names if held else [],
        train.class_of | (held.class_of if held else {}) if classes else {},
        classes,
        files=tuple(file for said in used for file in said.files),
        understood=tuple(understood),
        left_out=(*left_out, *(one for said in used for one in said.left_out)),
    )


def _classes(names: list[str], *sources: Told | Said) -> tuple[Told | Said | None, dict[str, str]]:
    """The first who says classes of these images, and the class of each of which it says one."""
    for source in sources:
        if class_of := {name: source.class_of[name] for name in names if name in source.class_of}:
            return source, class_of
    return None, {}


def _parts(tree: Tree, sure: Said, other: Said) -> tuple[Parts, Said | None]:
    """The splits that the folders say, else that files do; and who does that if not the folders."""
    if tree.titles:
        return {split: (f"{tree.titles[split]}/", list(names)) for split, names in tree.splits.items()}, None
    names = list(tree.splits["train"])
    for said in (sure, other):
        parts = defaultdict(list)
        for name in names:
            parts[said.split_of.get(name)].append(name)
        if "train" in parts and len(parts) > 1:
            return {split: (f"the {split} split", names) for split, names in parts.items() if split}, said
    return {"train": ("", names)}, None


def _held(splits: Mapping[str, _Split], classes: Collection[str]) -> tuple[_Split | None, list[str]]:
    """What is held out, its classes called as in train/, and what is left out of the splits besides, in words."""
    chosen, left_out = None, []
    often = Counter(map(class_key, classes))
    called = {class_key(one): one for one in classes if often[class_key(one)] == 1} | {one: one for one in classes}
    for split in (splits[one] for one in HELD if one in splits):
        if chosen:
            left_out.append(left_out_of(split.names, f"in {split.title}, as {chosen.title} is held out"))
        elif not classes:
            chosen = split
        elif not split.class_of:
            left_out.append(left_out_of(split.names, f"in {split.title}, which has no classes"))
        else:
            class_of = {name: called.get(one, called.get(class_key(one))) for name, one in split.class_of.items()}
            strange = [name for name, one in class_of.items() if one is None]
            without = [name for name in split.names if name not in class_of]
            if strange:
                lacking = ", ".join(sorted({split.class_of[name] for name in strange})[:5])
                left_out.append(left_out_of(strange, f"of classes that {splits['train'].title} lacks: {lacking}"))
            if without:
                left_out.append(left_out_of(without, f"in {split.title}, of no class"))
            class_of = {name: one for name, one in class_of.items() if one is not None}
            chosen = replace(split, names=list(class_of), class_of=class_of) if class_of else None
    return chosen, left_out


def _splits_in_words(tree: Tree, splitting: Said | None, train: _Split, held: _Split | None) -> list[str]:
    understood = list(tree.understood)
    if splitting:
        understood.append(f"the splits are those of {', '.join(splitting.splitting)}")
    elif any(title.lower() not in ("train", "val", "test") for title in tree.titles.values()):
        understood.append(f"trained on is {train.title}" + (f", held out is {held.title}" if held else ""))
    if len(tree.homes) > 1:
        more = counted(len(tree.homes) - 1, "more folder")
        understood.append(f"the splits are those in {tree.homes[0]}/ and in {more}")
    return understood


def _refuse_without_train(asked: str, tree: Tree) -> None:
    if not tree.splits.get("train"):
        title = next(iter(tree.titles.values()))
        other = tree.outside[0].rpartition("/")[0] if tree.outside else ""
        hint = f", or call {title}/ otherwise if it is a class as {other}/ is" if other else ""
        raise DataError(
            f"{asked}: has {title}/ but no images in train/; put those to train on there, or give {title}/ itself{hint}"
        )


def _refuse_the_same_twice(asked: str, classes: list[str]) -> None:
    """As images/ and resized/: these are no classes, and a held-out image might be trained on in another size."""
    if len(classes) > 1 and all(map(of_any_images, classes)):
        raise DataError(
            f"{asked}: {classes[0]}/ and {classes[1]}/ may hold the same images twice; give one of them, or call them"
            " as the classes that they are"
        )


def _refuse_several_sets(asked: str, tree: Tree) -> None:
    """Where most images lie beside the folder with the splits, or several have splits of their own and are no classes.

    These are none where they have the same classes in them, or are numbered parts.
    """
    if tree.minor:
        home, titles = tree.homes[0], "/ and ".join(tree.titles.values())
        raise DataError(
            f"{asked}: only {home}/ has {titles}/, and most images lie elsewhere; give one of the two alone"
        )
    homes = {home.rpartition("/")[2]: home for home in tree.homes if len(tree.homes) > 1}
    parts = {numbered_part(home) for home in homes}
    often = Counter()
    for home in homes:
        tops = set()
        for folders in tree.splits.values():
            own = {name: inside[1:] for name, inside in folders.items() if inside[0] == home}
            tops |= {inside[0] for inside in without_wrappers(own).values() if inside}
        often.update(tops)
    common = sorted(top for top, count in often.items() if count > 1)
    if homes and (common or (len(parts) == 1 and None not in parts)):
        first, second, *_ = homes.values()
        below = f", and {common[0]}/ in these" if common else ""
        raise DataError(f"{asked}: {first}/ and {second}/ have splits of their own{below}; give one of the two")
