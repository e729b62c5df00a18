"""Which images of a tree belong together as pairs, which pairs are trained on and which held out."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from common.data.pairing.sides import Side, Sides, namesakes, pairs_from
from common.data.trees.layout import Layout, left_out_of
from common.data.trees.tree import Tree, tree_of
from common.data.words import class_key
from common.errors import DataError

Keyed = dict[tuple[str, ...], str]  # the images of a side by what the two of a pair share
HELD = ("val", "test")  # the first that there is, as the pix2pix paper's authors translate val/; the other is left out
BESIDE = ("left sides", "right sides")  # A and B of pictures that hold both


def side_by_side(asked: str, names: list[str], is_told: bool) -> Layout:
    """Of pictures that hold both sides: their owner says so (`is_told`), or they must look like it.

    Raises DataError, beginning with `asked`.
    """
    tree = tree_of(names)
    splits = {split: sorted(images) for split, images in tree.splits.items()}
    train, held, left_out = _chosen(asked, splits, tree.titles)
    if tree.outside:
        left_out.append(left_out_of(tree.outside, "in no split"))
    return Layout(
        train,
        held,
        sides=BESIDE,
        unless_wide="" if is_told else _otherwise(names),
        understood=("a picture is cut at its middle: A is the left side, B the right one",),
        left_out=tuple(left_out),
    )


def _otherwise(names: list[str]) -> str:
    """What to do where pictures are not what both sides side by side look like."""
    two = namesakes(names)
    if two:
        return f"if {two[0]}/ and {two[1]}/, whose images have the same names, are the sides, give {pairs_from(*two)}"
    return (
        "give --pairs side-by-side if it is one all the same, --pairs-from A B with the names of two folders if each"
        " holds a side, or --pairs edges to make pairs of single images"
    )


def two_folders(asked: str, sides: Sides) -> Layout:
    """Of two folders: a pair are images of the same name, whatever their suffix. Raises DataError."""
    A, B = sides.A, sides.B
    trees = [tree_of(sorted({*A.names.values(), *B.names.values()}))] * 2
    keyed = [_by_key(side, tree) for side, tree in zip((A, B), trees, strict=True)]
    if not keyed[0].keys() & keyed[1].keys():  # as where each has wrappers of its own
        trees = [tree_of(sorted(side.names.values())) for side in (A, B)]
        keyed = [_by_key(side, tree) for side, tree in zip((A, B), trees, strict=True)]
    keyed, besides = _without_what_all_share(*keyed)
    shared = keyed[0].keys() & keyed[1].keys()
    if not shared:
        raise DataError(
            f"{asked}: no image in {A.title} has the name of one in {B.title}, such as {min(A.names)} and"
            f" {min(B.names)}; the two of a pair need the same name"
        )
    partner = {keyed[0][key]: keyed[1][key] for key in shared}
    splits: dict[str, list[str]] = {}
    for split, *inside in sorted(shared):
        splits.setdefault(split, []).append(keyed[0][split, *inside])
    train, held, left_out = _chosen(asked, {split: sorted(found) for split, found in splits.items()}, trees[0].titles)
    for side, other, paired in ((A, B, partner.keys()), (B, A, {*partner.values()})):
        alone = side.names.keys() - paired
        if alone:
            left_out.append(left_out_of(alone, f"in {side.title} without one of that name in {other.title}"))
    if sides.others:
        left_out.append(left_out_of(sides.others, f"in neither {A.title} nor {B.title}"))
    return Layout(
        train,
        held,
        partner={name: partner[name] for name in (*train, *held)},
        sides=(A.title, B.title),
        understood=(f"the two images of a pair have the same name in {A.title} and {B.title}{besides}",),
        left_out=tuple(left_out),
    )


def _by_key(side: Side, tree: Tree) -> Keyed:
    """The images of a side that lie in a split, by what the two of a pair share: split, folders, name without suffix.

    The first of several that share it.
    """
    keys = {
        name: (split, *folders, PurePosixPath(name).stem)
        for split, images in tree.splits.items()
        for name, folders in images.items()
    }
    found: Keyed = {}
    for name, rest in sorted(side.names.items()):
        if rest in keys:
            found.setdefault(keys[rest], name)
    return found


def _without_what_all_share(A: Keyed, B: Keyed) -> tuple[list[Keyed], str]:
    """Both sides by shorter names, where no name is on both and then all of one are: 7 of 7.png and of 007_mask.png.

    Left out is what all names of a side begin or end with, capitals, and zeros before a number. And how that is said.
    """
    if A.keys() & B.keys() or len(A) < 2 or len(B) < 2:
        return [A, B], ""
    shared = [_shared([key[-1] for key in side]) for side in (A, B)]
    short = [
        {(*key[:-1], class_key(key[-1].removeprefix(begins).removesuffix(ends))): name for key, name in side.items()}
        for side, (begins, ends) in zip((A, B), shared, strict=True)
    ]
    if [len(side) for side in short] != [len(A), len(B)] or not (
        short[0].keys() <= short[1].keys() or short[1].keys() <= short[0].keys()
    ):
        return [A, B], ""
    without = [f"`{part}`" for part in dict.fromkeys(part for parts in shared for part in parts if part)]
    return short, f", without {', '.join(without)}" if without else ", by numbers or without regard to capitals"


def _shared(stems: list[str]) -> tuple[str, str]:
    """What all of these begin with and what they end with, without digits at the seam: `img_` of img_10 and img_11."""
    begins = _beginning(stems).rstrip("0123456789")
    ends = _beginning([stem[len(begins) :][::-1] for stem in stems])[::-1].lstrip("0123456789")
    return begins, ends


def _beginning(texts: list[str]) -> str:
    """What all of these begin with."""
    first, last = min(texts), max(texts)  # in whose order all others lie between
    return first[: next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]


def _chosen(
    asked: str, splits: Mapping[str, list[str]], titles: Mapping[str, str]
) -> tuple[list[str], list[str], list[str]]:
    """Which names are trained on and which held out, and what is said of a split that is neither. Raises DataError."""
    if not splits.get("train"):
        split = next(iter(splits))
        raise DataError(f"{asked}: has pairs in {titles[split]}/ but none in train/; put those to train on there")
    held = next((split for split in HELD if split in splits), None)
    left_out = [
        left_out_of(splits[split], f"in {titles[split]}/, for {titles[held]}/ is held out", "pair")
        for split in HELD
        if split in splits and split != held
    ]
    return splits["train"], splits.get(held, []), left_out
