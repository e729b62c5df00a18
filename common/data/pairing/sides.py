"""Which images of a tree are side A of pairs and which side B, told by the names of their folders."""

import os
import shlex
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import PurePosixPath

from common.console import first_of
from common.data.words import NEUTRAL, split_of, words
from common.errors import DataError

# Words for A and words for B that people call two folders by, without a plural's ending.
KNOWN = (
    ("a", "b"),
    ("x", "y"),
    ("in input", "out output target truth groundtruth gt label mask"),
    ("source src", "target tgt destination dest dst"),
    ("image img photo picture", "label mask sketch edge contour segmentation seg annotation map depth truth gt target"),
    ("left", "right"),
    ("before", "after"),
    ("low lr", "high hr"),
    ("noisy degraded", "clean"),
    ("blur blurred blurry", "sharp clean"),
    ("gray grey grayscale greyscale", "color colour rgb"),
)
_PAIRS = {pair for A, B in KNOWN for pair in product(A.split(), B.split())}
_VOCABULARY = {word for pair in _PAIRS for word in pair}
_SAYS_NOTHING = {"ground"}  # of ground truth
MOST_COMPARED = 8  # folders, in search of two whose images have the same names


@dataclass(frozen=True)
class Side:
    """One side: what it is called, and of each of its images the name that is left without what tells the sides apart.

    {"train/A/1.png": "train/1.png"} or {"trainA/1.png": "train/1.png"}
    """

    title: str
    names: dict[str, str]


@dataclass(frozen=True)
class Sides:
    """Both sides, and the names of the images that lie on neither."""

    A: Side
    B: Side
    others: list[str]


def find_sides(asked: str, names: Iterable[str]) -> Sides | None:
    """By words that people use for the two: A and B, input and target, images and masks, also as in trainA and testA.

    None where no two folders are called so. Raises DataError, beginning with `asked`, where more than two are.
    """
    folders = {name: name.split("/")[:-1] for name in names}
    for depth in range(max(map(len, folders.values()), default=0)):
        found = _called_so({inside[depth] for inside in folders.values() if len(inside) > depth})
        if len(found) > 1:
            choices = [[next(iter(folders)) for folders in sides.values()] for sides in found]
            could = " or ".join(f"{A}/ and {B}/" for A, B in choices)
            raise DataError(f"{asked}: its pairs could be {could}; {pairs_from(*choices[0])} or such says which")
        for sides in found:
            A, B = (_side(word, chosen, folders, depth) for word, chosen in sides.items())
            return Sides(A, B, sorted({*names} - A.names.keys() - B.names.keys()))
    return None


def _called_so(folders: set[str]) -> list[dict[str, dict[str, str]]]:
    """The ways in which some of these folders are A and B: {word of A: its folders, word of B: its folders} of each.

    With a folder comes what its name says besides.
    """
    by_word = defaultdict(lambda: defaultdict(list))  # word: what a name says besides: folders
    for folder in sorted(folders):
        said = [_singular(word) for word in words(folder) if word not in _SAYS_NOTHING]
        for i, word in enumerate(said):
            besides = [other for other in said[:i] + said[i + 1 :] if other not in NEUTRAL]
            by_word[word]["_".join(besides)].append(folder)
    ways = []
    for A, B in sorted(_PAIRS):
        both = sorted(by_word[A].keys() & by_word[B].keys())
        if both:
            ways.append({word: {one: rest for rest in both for one in by_word[word][rest]} for word in (A, B)})
    return ways


def _singular(word: str) -> str:
    return next((one for one in (word, word.removesuffix("s"), word.removesuffix("es")) if one in _VOCABULARY), word)


def _side(word: str, chosen: dict[str, str], folders: dict[str, list[str]], depth: int) -> Side:
    """The images in the chosen folders, which lie so deep; of these stays what their names say besides the side."""
    title = f"{next(iter(chosen))}/" if len(chosen) == 1 else word.upper() if len(word) == 1 else word
    names = {}
    for name, inside in folders.items():
        if len(inside) > depth and inside[depth] in chosen:
            besides = [chosen[inside[depth]]] if chosen[inside[depth]] else []
            names[name] = "/".join([*inside[:depth], *besides, *inside[depth + 1 :], name.rpartition("/")[2]])
    return Side(title, names)


def named_sides(asked: str, names: Iterable[str], dataset: str, chosen: tuple[str, str]) -> Sides:
    """The sides in two folders that are named, wherever these lie in the tree of `dataset`.

    Each is a folder's name, several with slashes, or a path to one. Raises DataError, beginning with `asked`.
    """
    inner = [_within(dataset, folder) for folder in chosen]
    found = [{}, {}]
    for name in names:
        for side, folder in zip(found, inner, strict=True):
            rest = _taken_out(name, folder)
            if rest is not None:
                side[name] = rest
    for given, side in zip(chosen, found, strict=True):
        if not side:
            there = sorted({str(PurePosixPath(name).parent) for name in names} - {"."})
            held = f"its folders are {first_of(there, 8)}" if there else "has no folders"
            raise DataError(f"{asked}: no images in a folder {given} (--pairs-from); {held}")
    twice = found[0].keys() & found[1].keys()
    if twice:
        raise DataError(f"{asked}: {min(twice)} lies in both folders of --pairs-from; name two that are apart")
    A, B = (Side(f"{'/'.join(folder)}/", side) for folder, side in zip(inner, found, strict=True))
    return Sides(A, B, sorted({*names} - A.names.keys() - B.names.keys()))


def _within(dataset: str, folder: str) -> tuple[str, ...]:
    """The folders below `dataset` that a path leads through, or else is made of."""
    top, place = os.path.realpath(dataset), os.path.realpath(folder)
    if os.path.isdir(place) and place.startswith(os.path.join(top, "")):
        folder = os.path.relpath(place, top)
    return tuple(part for part in folder.replace(os.sep, "/").split("/") if part not in ("", "."))


def _taken_out(name: str, folder: tuple[str, ...]) -> str | None:
    """The name without the first place where these folders follow each other; None where there is none."""
    parts = tuple(name.split("/"))
    for start in range(len(parts) - len(folder)):
        if parts[start : start + len(folder)] == folder:
            return "/".join(parts[:start] + parts[start + len(folder) :])
    return None


def namesakes(names: Iterable[str]) -> tuple[str, str] | None:
    """Two folders beside each other most of whose images have the same names; None where there are no such. No splits.

    They may be the two sides of pairs, or classes whose images are numbered.
    """
    split_up = [PurePosixPath(name).with_suffix("").parts for name in names]
    for depth in range(max(map(len, split_up), default=1) - 1):
        inside = defaultdict(set)
        for parts in split_up:
            if len(parts) > depth + 1 and not _is_split(parts[depth]):
                inside[parts[depth]].add(parts[:depth] + parts[depth + 1 :])
        largest = sorted(inside, key=lambda folder: -len(inside[folder]))[:MOST_COMPARED]
        for one, other in combinations(sorted(largest), 2):
            if 2 * len(inside[one] & inside[other]) >= min(len(inside[one]), len(inside[other])):
                return one, other
    return None


def _is_split(folder: str) -> bool:
    found = split_of(folder)
    return found is not None and not found[1]


def pairs_from(A: str, B: str) -> str:
    """What to write for these two folders."""
    return f"--pairs-from {shlex.quote(A)} {shlex.quote(B)}"
