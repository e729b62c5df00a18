"""What `--dataset` may say, and who reads it."""

import os
import re
from dataclasses import replace

from common.console import say
from common.data.dataset import Dataset, Found, hold_out
from common.data.kinds import read_path
from common.data.named import cifar, idx, packaged
from common.data.named.download import Missing
from common.data.reading import AS_IT_IS, Reading
from common.data.scaling import fitted
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


def canonical(dataset: str) -> str:
    """The name of a set as it is written in NAMES, from any spelling of it; else the path, as it is given.

    A path that exists is meant where a name is not spelled exactly.
    """
    if dataset in NAMES or os.path.lexists(dataset):
        return dataset
    return _SPELLINGS.get(_spelled(dataset), dataset)


def _spelled(name: str) -> str:
    return re.sub(r"[-_ ]", "", name).lower()


_SPELLINGS = {_spelled(name): name for name in NAMES}


def load(dataset: str | None, reading: Reading = AS_IT_IS) -> Dataset:
    """The set called `dataset`; where nothing was asked for MNIST, or where that is out of reach 5,000 of its digits.

    Says what is left out of it. Raises DataError where the set is missing, unreadable or too small.
    """
    if dataset is None:
        try:
            return load("mnist", reading)
        except Missing as error:
            say(f"USING {FALLBACK}, NOT MNIST: {error}")
            return load(FALLBACK, reading)
    name = canonical(dataset)
    if name not in NAMES and name == dataset and _spelled(name) in _SPELLINGS:
        say(f"--dataset {name}: is the path; the set of that name is --dataset {_SPELLINGS[_spelled(name)]}")
    if name not in NAMES and not os.path.lexists(name):
        raise DataError(f"--dataset {name}: neither a data set ({', '.join(NAMES)}) nor a path that exists")
    found = fitted(_named(name, reading.data_root) if name in NAMES else read_path(name, reading), reading)
    # Named once all is read: earlier versions called these classes 0 to 9, and their runs go on.
    data = hold_out(name, found, reading)
    return replace(data, classes=NAMES_OF_CLASSES.get(name, data.classes))


def _named(name: str, data_root: str | None) -> Found:
    if name in IDX_SETS:
        train, test = idx.read_set(name, *IDX_SETS[name], data_root)
        return Found(train, test, tuple(str(label) for label in range(10)))
    if name == "stacked-mnist":
        parts = idx.read_set("mnist", *IDX_SETS["mnist"], data_root)
        train, test = (idx.stack(part, *plan) for part, plan in zip(parts, STACKED, strict=True))
        return Found(train, test, tuple(f"{label:03d}" for label in range(1000)))
    if name == "cifar10":
        return cifar.read_set(data_root)
    return PACKAGED[name]()
