"""What `--dataset` may say, and who reads it."""

import difflib
import os
import re
from dataclasses import replace

from common.console import one_line, say
from common.data.dataset import Dataset, hold_out, with_doubts
from common.data.kinds import read_path
from common.data.named.download import Missing
from common.data.named.sets import SETS
from common.data.reading import AS_IT_IS, Reading
from common.data.scaling import fitted
from common.errors import DataError

NAMES = tuple(SETS)
NAMES_OF_CLASSES = {name: entry.classes for name, entry in SETS.items() if entry.classes}
FALLBACK = "mnist-5k"


def canonical(dataset: str) -> str:
    """The name of a set as it is written in NAMES, from any spelling of it; else the path, as it is given.

    A path that exists is meant where a name is not spelled exactly.
    """
    if dataset in NAMES or os.path.lexists(dataset):
        return dataset
    return _SPELLINGS.get(_spelled(dataset), dataset)


def _spelled(name: str) -> str:
    """Alike for FashionMNIST, fashion_mnist and Fashion MNIST; for emnist:letters and EMNIST/letters."""
    return re.sub(r"[-_ ]", "", name).lower().replace("/", ":")


_SPELLINGS = {_spelled(name).replace(":", ""): name for name in NAMES} | {_spelled(name): name for name in NAMES}


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
    refuse_unknown(name)
    _say_what_else(name)
    found = fitted(SETS[name].read(name, reading) if name in SETS else with_doubts(read_path(name, reading)), reading)
    # Named once all is read: earlier versions called these classes 0 to 9, and their runs go on.
    data = hold_out(name, found, reading)
    return replace(data, classes=NAMES_OF_CLASSES.get(name, tuple(map(one_line, data.classes))))


def refuse_unknown(name: str) -> None:
    """Raises DataError for what is neither a name nor a path."""
    if name in NAMES or os.path.lexists(name):
        return
    parts = [one for one in NAMES if one.startswith(f"{_spelled(name)}:")]
    if parts:
        raise DataError(f"--dataset {name}: is several sets; say which: {', '.join(parts)}")
    near = difflib.get_close_matches(_spelled(name), _SPELLINGS, 1, 0.75)
    meant = f"; did you mean {_SPELLINGS[near[0]]}?" if near else ""
    raise DataError(f"--dataset {name}: neither a data set ({', '.join(NAMES)}) nor a path that exists{meant}")


def _say_what_else(name: str) -> None:
    """Where a set and a path could both be meant."""
    other = _SPELLINGS.get(_spelled(name))
    if name not in NAMES and other:
        say(f"--dataset {name}: is the path; the set of that name is --dataset {other}")
    elif name in NAMES and os.path.lexists(name):
        say(f"--dataset {name}: is the set of that name; the path is --dataset {os.path.join('.', name)}")
