"""What `--dataset` may say, and who reads it."""

import os
from dataclasses import replace
from pathlib import Path

from common.console import say
from common.data import cifar, idx, packaged
from common.data.arrays import read_npz
from common.data.dataset import Dataset, Parts, hold_out
from common.data.download import Missing
from common.data.folders import read_folder
from common.data.scaling import fit
from common.errors import DataError

# name: (torchvision's class and folder, folders where people also keep it)
IDX_SETS = {
    "mnist": ("MNIST", ()),
    "fashion-mnist": ("FashionMNIST", ("/usr/share/datasets/fashion-mnist",)),  # where Debian's package puts it
    "kmnist": ("KMNIST", ()),
}
GARMENTS = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
SYLLABLES = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
NAMES_OF_CLASSES = {"fashion-mnist": GARMENTS, "kmnist": SYLLABLES}
PACKAGED = {"mnist-5k": packaged.read_mnist_5k, "digits": packaged.read_digits}
NAMES = (*IDX_SETS, "stacked-mnist", "cifar10", *PACKAGED)
FALLBACK = "mnist-5k"
STACKED = ((128_000, 1), (10_000, 2))  # images and seed of stacked-mnist's training and test split


def load(
    dataset: str | None, data_root: str | None = None, image_size: int | None = None, skip_broken: bool = False
) -> Dataset:
    """The set called `dataset`; where nothing was asked for MNIST, or where that is out of reach 5,000 of its digits.

    Images of one square size up to 64 pixels keep it unless `image_size` is given; others are cropped at the centre
    and scaled. Raises DataError where the set is missing, unreadable or too small.
    """
    if dataset is None:
        try:
            return load("mnist", data_root, image_size)
        except Missing as error:
            say(f"USING {FALLBACK}, NOT MNIST: {error}")
            return load(FALLBACK, None, image_size)
    if dataset not in NAMES and _holds_files(dataset):
        return hold_out(dataset, *read_folder(Path(dataset), image_size, skip_broken))
    train, test, classes = _named(dataset, data_root) if dataset in NAMES else _arrays(dataset)
    parts = [fit(dataset, part, image_size) if part else None for part in (train, test)]
    # Named once all is read: earlier versions called these classes 0 to 9, and their runs go on.
    return replace(hold_out(dataset, *parts, classes), classes=NAMES_OF_CLASSES.get(dataset, classes))


def _holds_files(path: str) -> bool:
    """Whether it is a folder or, by its name, a zip, which exists."""
    return Path(path).is_dir() or (os.path.lexists(path) and Path(path).suffix.lower() == ".zip")


def _named(name: str, data_root: str | None) -> Parts:
    if name in IDX_SETS:
        train, test = idx.read_set(name, *IDX_SETS[name], data_root)
        return train, test, tuple(str(label) for label in range(10))
    if name == "stacked-mnist":
        parts = idx.read_set("mnist", *IDX_SETS["mnist"], data_root)
        train, test = (idx.stack(part, *plan) for part, plan in zip(parts, STACKED, strict=True))
        return train, test, tuple(f"{label:03d}" for label in range(1000))
    if name == "cifar10":
        return cifar.read_set(data_root)
    return PACKAGED[name]()


def _arrays(path: str) -> Parts:
    if not os.path.lexists(path):
        raise DataError(f"--dataset {path}: neither a data set ({', '.join(NAMES)}) nor a path that exists")
    if Path(path).suffix.lower() != ".npz":
        raise DataError(f"--dataset {path}: must be a folder of images, a .zip of one, or an .npz")
    return read_npz(Path(path))
