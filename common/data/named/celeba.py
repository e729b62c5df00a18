"""CelebA: aligned faces, and the list that tells which of them are for training."""

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from common.console import counted
from common.data.dataset import Found
from common.data.named import download
from common.data.reading import Reading
from common.data.trees.folders import read_images
from common.data.trees.layout import Layout, left_out_of
from common.data.trees.listing import Listing, listing
from common.errors import DataError

FACES = "img_align_celeba"  # the folder of the images, and the .zip of it
LISTS = ("list_eval_partition.txt", "list_eval_partition.csv")  # the authors', and Kaggle's
SPLITS = {"0": "train", "1": "val", "2": "test"}
TITLE = "CelebA"


def is_celeba(names: Iterable[str]) -> bool:
    """Whether these files in a folder or archive are CelebA's, by its images' folder or archive and the list."""
    paths = [PurePosixPath(name) for name in names if name.endswith(LISTS) or FACES in name]
    return any(path.name in LISTS for path in paths) and any(_is_of_faces(path) for path in paths)


def read_set(name: str, reading: Reading) -> Found:
    """The named set, from disk or after a download. Raises DataError."""

    def places() -> Iterator[Path]:
        # The authors' own folder has Img/ and Eval/ in it.
        inside = (*LISTS, FACES, f"{FACES}.zip", *(f"Eval/{one}" for one in LISTS), f"Img/{FACES}", f"Img/{FACES}.zip")
        folders = download.folders(name, TITLE, reading.data_root)
        return (folder for folder in folders if any((folder / one).exists() for one in inside))

    place = download.found(name, places, TITLE, reading.data_root)
    return read_tree(f"--dataset {name}", listing(place), reading)


def read_tree(asked: str, listed: Listing, reading: Reading) -> Found:
    """CelebA in a folder or archive: held out are its test images. Raises DataError, beginning with `asked`."""
    lists = [name for name in sorted(listed.files) if PurePosixPath(name).name in LISTS]
    if not lists:
        raise DataError(
            f"{asked}: has no {LISTS[0]}, which tells training images from others; put it beside {FACES}, or give the"
            " folder of the images as --dataset, of which a tenth is held out then"
        )
    split_of = _splits(asked, lists[0], listed)
    archives = [name for name in listed.files if PurePosixPath(name).name == f"{FACES}.zip"]
    images = _faces(listed)
    if not images and archives:
        listed = listing(listed.place(archives[0]))
        images = _faces(listed)
    by_stem = {PurePosixPath(name).stem: name for name in images}
    if len(by_stem) < len(images):
        raise DataError(f"{asked}: has images of one name in several folders; leave only those of {FACES}")
    splits = {
        split: [name for stem, name in by_stem.items() if split_of.get(stem) == split] for split in SPLITS.values()
    }
    if not splits["train"]:
        raise DataError(f"{asked}: has none of the training images that {lists[0]} lists; put {FACES} beside it")
    held = "test" if splits["test"] else "val"
    beside = {
        f"that {lists[0]} does not list": [name for stem, name in by_stem.items() if stem not in split_of],
        f"outside of {FACES}": set(listed.images()) - set(images),
        "for validation": splits["val"] if held == "test" else [],
    }
    left_out = [left_out_of(names, where) for where, names in beside.items() if names]
    absent = split_of.keys() - by_stem.keys()
    left_out += [f"{lists[0]} lists {counted(len(absent), 'image')} not there ({min(absent)})"] if absent else []
    return read_images(asked, listed, Layout(splits["train"], splits[held], left_out=tuple(left_out)), reading)


def _faces(listed: Listing) -> list[str]:
    """The images in the folder of the aligned faces, in which the archive holds them, too."""
    return [name for name in listed.images() if _is_of_faces(PurePosixPath(name))]


def _is_of_faces(path: PurePosixPath) -> bool:
    return FACES in path.parent.parts or path.name == f"{FACES}.zip"


def _splits(asked: str, name: str, listed: Listing) -> dict[str, str]:
    """The split of each image by its name without suffix. Raises DataError."""
    try:
        text = listed.read(name).decode("ascii")
    except Exception as error:  # zipfile's own, too
        raise DataError(f"{asked}: {name} cannot be read ({error}); replace it") from error
    splits = {}
    for number, line in enumerate(text.splitlines(), 1):
        row = line.replace(",", " ").split()
        if not row or row == ["image_id", "partition"]:
            continue
        if len(row) != 2 or row[1] not in SPLITS:
            raise DataError(f"{asked}: line {number} of {name} is not an image and 0, 1 or 2; replace it")
        splits[PurePosixPath(row[0]).stem] = SPLITS[row[1]]
    return splits
