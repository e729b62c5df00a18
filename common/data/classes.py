"""The images of a tree -> which are trained on and which held out, and the class of each."""

from collections.abc import Iterable

from common.data.layout import Layout, left_out_of
from common.data.tree import Folders, tree_of
from common.errors import DataError

HELD = ("test", "val")  # the first that there is; the other is left out


def layout_of(asked: str, names: list[str]) -> Layout:
    """Of the names of images in a tree, in the order of the data. Raises DataError, beginning with `asked`."""
    tree = tree_of(names)
    train = tree.splits.get("train", {})
    if not train:
        title = next(iter(tree.titles.values()))
        raise DataError(f"{asked}: has {title}/ but no images in train/; put those to train on there")
    left_out = [left_out_of(tree.outside, "in no split")] if tree.outside else []
    train = _without_wrappers(train)
    classes = tuple(sorted({inside[0] for inside in train.values()})) if all(train.values()) else ()
    held_split = next((split for split in HELD if split in tree.splits), None)
    held = _without_wrappers(tree.splits.get(held_split, {}), set(classes))
    left_out += [
        left_out_of(tree.splits[split], f"in {tree.titles[split]}/")
        for split in HELD
        if split in tree.splits and split != held_split
    ]
    if classes and held and not all(held.values()):
        left_out.append(left_out_of(held, f"in {tree.titles[held_split]}/, which has no classes,"))
        held = {}
    unknown = {inside[0] for inside in held.values()} - set(classes) if classes else set()
    if unknown:
        raise DataError(f"{asked}: held-out images have classes that train/ lacks ({min(unknown)})")
    class_of = {name: inside[0] for name, inside in (*train.items(), *held.items())} if classes else {}
    return Layout(list(train), list(held), class_of, classes, left_out=tuple(left_out))


def _without_wrappers(images: dict[str, Folders], but: Iterable[str] = ()) -> dict[str, Folders]:
    """Without the folders that all of these lie in, unless they are called as in `but`."""
    while images and all(images.values()):
        tops = {inside[0] for inside in images.values()}
        if len(tops) > 1 or tops & set(but):
            break
        images = {name: inside[1:] for name, inside in images.items()}
    return images
