"""Which images of a tree are trained on and which held out, what their class is, and which belong together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from common.console import counted


@dataclass(frozen=True)
class Layout:
    """Names of images and what is understood of them.

    train, held     names in the order of the data; no `held` where a share of `train` is to be held out
    class_of        name: class; empty where the images have no classes
    classes         in the order of the labels
    partner         of pairs in two folders, name of A: name of B
    sides           of pairs, what A and B are called
    unless_wide     of pictures that are taken to hold both sides: what to do where one is not twice as wide as high,
                    and may be a single image; empty where their owner says that they do
    files           files beside the images that say their classes or splits
    understood      what its owner should see, a sentence each
    left_out        what is neither trained on nor held out, counted and named, a sentence each
    """

    train: list[str]
    held: list[str]
    class_of: Mapping[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    partner: Mapping[str, str] = field(default_factory=dict)
    sides: tuple[str, str] | None = None
    unless_wide: str = ""
    files: tuple[str, ...] = ()
    understood: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def left_out_of(names: Iterable[str], where: str, what: str = "image") -> str:
    """How it is said that these are left out: `left out 12 images in val/ (val/1.png, ...)`."""
    names = sorted(names)
    return f"left out {counted(len(names), what)} {where} ({names[0]}{', ...' * (len(names) > 1)})"
