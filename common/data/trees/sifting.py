"""What lies among the images of a tree and is not to be trained on beside them: copies of its folders, and masks."""

import re
from collections import defaultdict
from collections.abc import Mapping

from common.data.dataset import evenly
from common.data.trees.layout import left_out_of
from common.data.trees.listing import Listing
from common.data.words import of_images, of_masks

Below = Mapping[str, list[str]]  # a folder, with those that it is in: the images below it
NEARLY_ALL = 0.9
COMPARED = 16  # files of a folder whose names are all there a second time
_OF_A_MASK = re.compile(
    r"(.+?)[ _.-](mask|seg|segmentation|gt|groundtruth|label|annotation)([ _.-]?\d+)?", re.IGNORECASE
)


def sifted(listed: Listing) -> tuple[list[str], list[str]]:
    """The names of the images, in the order of the data, and what is left out of them, a sentence each."""
    names, below = listed.images(), defaultdict(list)
    for name in names:
        end = name.find("/")
        while end > 0:
            below[name[:end]].append(name)
            end = name.find("/", end + 1)
    copies = _copies(listed, names, below)
    left_out = [left_out_of(of, f"in {folder}/, copies of others") for folder, of in sorted(copies.items())]
    gone = {name for of in copies.values() for name in of}
    masks = _masks(names, below) - gone
    left_out += [left_out_of(masks, "as masks of others")] if masks else []
    doubles = _doubles(names) - gone - masks
    left_out += [left_out_of(doubles, "as masks or copies of the JPEG of the same name")] if doubles else []
    left = gone | masks | doubles
    return [name for name in names if name not in left], left_out


def _copies(listed: Listing, names: list[str], below: Below) -> dict[str, list[str]]:
    """Folders all of whose images are also in the folder around them, or in one beside that is called alike.

    As chest_xray/chest_xray/train beside chest_xray/train: archives are packed so by mistake.
    """
    alike, known, copies = {}, set(names), {}
    for folder in sorted(below):
        if any(_within(folder, copy) for copy in copies):
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


def _masks(names: list[str], below: Below) -> set[str]:
    """Images in folders of masks, where there are folders of images beside; and x_mask.png beside x.png."""
    last = {folder: folder.rpartition("/")[2] for folder in below}
    of_pictures = [folder for folder in below if of_images(last[folder])]
    folders = [
        folder
        for folder in (below if of_pictures else ())
        if of_masks(last[folder]) and any(not _within(folder, one) and not _within(one, folder) for one in of_pictures)
    ]
    stems = {name.rpartition(".")[0] for name in names}

    def is_of_a_mask(name: str) -> bool:
        place, slash, own = name.rpartition(".")[0].rpartition("/")
        found = _OF_A_MASK.fullmatch(own)
        return found is not None and f"{place}{slash}{found[1]}" in stems

    return {name for folder in folders for name in below[folder]} | set(filter(is_of_a_mask, names))


def _doubles(names: list[str]) -> set[str]:
    """x.png beside x.jpg in folders where nearly every JPEG has such a one: its mask, or the same once more."""
    jpegs, others = defaultdict(set), defaultdict(dict)
    for name in names:
        folder, _, own = name.rpartition("/")
        stem, _, suffix = own.rpartition(".")
        if suffix.lower() in ("jpg", "jpeg"):
            jpegs[folder].add(stem)
        else:
            others[folder][stem] = name
    return {
        name
        for folder, stems in jpegs.items()
        if len(stems & others[folder].keys()) >= NEARLY_ALL * len(stems | others[folder].keys())
        for stem, name in others[folder].items()
        if stem in stems
    }


def _within(folder: str, other: str) -> bool:
    return folder.startswith(f"{other}/")
