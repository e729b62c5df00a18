"""The sets that have a name."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from common.data.arrays.arrays import read_arrays
from common.data.dataset import Found
from common.data.named import celeba, cifar, idx, packaged
from common.data.named.kept import Kept
from common.data.reading import Reading

GARMENTS = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
SYLLABLES = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
STACKED = ((128_000, 1), (10_000, 2))  # images and seed of stacked-mnist's training and test split
DEBIAN = "/usr/share/datasets/fashion-mnist"  # where its package puts the set

CIFAR_10 = "cifar-10-batches-bin", "cifar-10-binary.tar.gz", "cifar-10-batches-py", "cifar-10-python.tar.gz"
CIFAR_100 = "cifar-100-binary", "cifar-100-binary.tar.gz", "cifar-100-python", "cifar-100-python.tar.gz"


@dataclass(frozen=True)
class Entry:
    """A named set: how it is read, from its name on, and what its classes are called where its files do not say."""

    read: Callable[[str, Reading], Found]
    classes: tuple[str, ...] = ()


def _of_digits(title: str, prefix: str = "", **where: tuple[str, ...]) -> Kept:
    """A set of ten classes in idx files."""
    return Kept(title, partial(idx.among, title=prefix), partial(idx.read_files, classes=idx.DIGITS), **where)


def _emnist(part: str) -> Kept:
    return Kept("EMNIST", partial(idx.among, title=f"emnist-{part}"), idx.read_files, ("gzip", "gzip.zip"))


def _cifar(title: str, *inside: str) -> Kept:
    return Kept(title.replace("-", ""), partial(cifar.among, title=title), cifar.read_files, inside)


def _svhn_among(names: Iterable[str]) -> list[str]:
    files = [name for name in names if re.fullmatch(r"(train|test)_32x32\.mat", PurePosixPath(name).name)]
    return files if any("train_" in PurePosixPath(name).name for name in files) else []


def _stacked(name: str, reading: Reading) -> Found:
    digits = SETS["mnist"].read("mnist", reading)
    train, test = (idx.stack(part, *plan) for part, plan in zip((digits.train, digits.held), STACKED, strict=True))
    return Found(train, test, tuple(f"{label:03d}" for label in range(1000)))


SETS = {
    "mnist": Entry(_of_digits("MNIST")),
    "fashion-mnist": Entry(_of_digits("FashionMNIST", elsewhere=(DEBIAN,)), GARMENTS),
    "kmnist": Entry(_of_digits("KMNIST"), SYLLABLES),
    "qmnist": Entry(_of_digits("QMNIST", "qmnist")),
    **{f"emnist:{part}": Entry(_emnist(part)) for part in idx.EMNIST},
    "stacked-mnist": Entry(_stacked),
    "cifar10": Entry(_cifar("CIFAR-10", *CIFAR_10)),
    "cifar100": Entry(_cifar("CIFAR-100", *CIFAR_100)),
    "svhn": Entry(Kept("SVHN", _svhn_among, read_arrays)),
    "celeba": Entry(celeba.read_set),
    "mnist-5k": Entry(lambda *_: packaged.read_mnist_5k()),
    "digits": Entry(lambda *_: packaged.read_digits()),
}
