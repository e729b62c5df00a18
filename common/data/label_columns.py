"""Which column of a table beside the images says their class, and which their split."""

import contextlib
from collections.abc import Sequence

from common.data.labels import NotClasses, class_values
from common.data.words import split_of, words

import numpy as np

# In this order: a column that is called so and nothing else, by the first of these that there is.
PLAIN = ({"label"}, {"labels", "class", "classes"})
LABELS = {"label", "labels", "class", "classes", "category", "categories", "target", "targets", "breed", "breeds"}
LABELS |= {"species", "y", "type", "kind", "diagnosis", "dx", "emotion", "style", "genre", "tag", "tags", "variety"}
LABELS |= {"classname", "classid", "labelname", "labelid", "disease", "digit", "letter"}
SPLIT = {"split", "set", "subset", "usage", "partition", "phase", "dataset", "fold"}
SAY_NOTHING = {"id", "index", "idx", "unnamed", "width", "height", "w", "h", "size", "filename", "path", "url"}
BESIDE = {"name", "names", "id", "ids", "idx", "index", "code", "image", "img", "file", "str"}  # class_id, label_name
CELEBA = {"0": "train", "1": "val", "2": "test"}  # as list_eval_partition.csv has it

Cells = list[list[str]]


def splits_in(columns: Sequence[str] | None, cells: Cells, others: Sequence[int]) -> tuple[int, list[str]] | None:
    """The column of splits, and the split of each row, '' where none is said; None where no column has splits."""
    for place in others if columns else ():
        said = {*words(columns[place])}
        if said & SPLIT:
            values = {row[place] for row in cells}
            split = {value: found[0] for value in values if (found := split_of(value))}
            split = CELEBA if "partition" in said and values <= {*CELEBA} else split
            if split and values <= {*split, ""}:
                return place, [split.get(row[place], "") for row in cells]
    return None


def classes_in(columns: Sequence[str] | None, cells: Cells, others: Sequence[int]) -> tuple[str, list[str]]:
    """What is said of the column of classes, and the class of each row, '' where it is empty.

    `others` are the columns that may be meant. Raises NotClasses, saying why, where none is or it is not clear which.
    """
    titles = {place: f"column {columns[place] if columns else place + 1}" for place in others}
    chosen = _called_so(columns, cells, others) if columns else []
    if len(chosen) == 1:
        return titles[chosen[0]], _values([row[chosen[0]] for row in cells])
    others = [place for place in others if not _says_nothing(columns[place] if columns else "", cells, place)]
    if not chosen and len(others) == 1:
        values = _values([row[others[0]] for row in cells])
        different = len({*values} - {""})
        if different * 2 > len(values):
            raise NotClasses(f"its {titles[others[0]]} has {different:,} different values in {len(values):,} rows")
        return titles[others[0]], values
    if not chosen and len(others) > 1 and all(row[place] in _FLAGS for row in cells for place in others):
        return _one_hot([columns[place] if columns else str(place + 1) for place in others], cells, others)
    if not chosen and not others:
        raise NotClasses("it has no column of them")
    names = [columns[place] if columns else str(place + 1) for place in chosen or others]
    shown = ", ".join(names[:8]) + f" and {len(names) - 8} more" * (len(names) > 8)
    raise NotClasses(f"which of its columns {shown} is the class is not clear; call it `label`")


_FLAGS = {"0", "1", "-1", "0.0", "1.0", "-1.0", "True", "False"}


def _called_so(columns: Sequence[str], cells: Cells, others: Sequence[int]) -> list[int]:
    """The columns that are called as labels are; of several that say the same the one of texts."""
    said = {place: {*words(columns[place])} for place in others}
    if any("x" in words(column) for column in columns):
        said = {place: found - {"y"} for place, found in said.items()}
    tiers = [[place for place, found in said.items() if found & LABELS and found - BESIDE <= tier] for tier in PLAIN]
    tiers += [[place for place, found in said.items() if found & LABELS and found - BESIDE <= LABELS]]
    tiers += [[place for place, found in said.items() if found & LABELS]]
    chosen = next(filter(None, tiers), [])
    exact = [place for place in chosen if columns[place].lower() == "label"]
    if len(exact) == 1:
        return exact
    pairs = [{(row[chosen[0]], row[place]) for row in cells} for place in chosen[1:]]
    alike = all(len(pair) == len({a for a, _ in pair}) == len({b for _, b in pair}) for pair in pairs)
    if len(chosen) > 1 and alike:
        return [next((place for place in chosen if not all(row[place].isdecimal() for row in cells)), chosen[0])]
    return chosen


def _says_nothing(title: str, cells: Cells, place: int) -> bool:
    """Whether a column only counts the rows, or says how large the image is."""
    counts = title == "" and len({row[place] for row in cells}) == len(cells) and cells[0][place].isdecimal()
    return counts or (title != "" and {*words(title)} <= SAY_NOTHING | SPLIT | {"0"})


def _values(texts: list[str]) -> list[str]:
    """The classes that these are. Raises NotClasses where they are measures, several at once, or a name each."""
    given = [text for text in texts if text]
    if not given:
        raise NotClasses("it is empty")
    _refuse_several(set(given))
    values = np.array(given)
    with contextlib.suppress(ValueError):
        values = values if np.char.isdecimal(values).all() else values.astype(float)
    found = iter(map(str, class_values(values, len(given)).tolist()))
    return [next(found) if text else "" for text in texts]


def _refuse_several(values: set[str]) -> None:
    """Raises NotClasses where a value is several classes at once: 'dog|cat', or a list."""
    for separator in "|;, ":
        several = [value for value in values if separator in value]
        pieces = {piece.strip() for value in values for piece in value.split(separator)}
        alone = separator != " " and any(values.issuperset(map(str.strip, value.split(separator))) for value in several)
        if several and (alone or len(pieces) * (3 if separator == " " else 1) < len(values)):
            raise NotClasses(f"it gives several to an image ({min(several)})")
    if lists := [value for value in values if value.startswith(("[", "{"))]:
        raise NotClasses(f"it gives lists ({min(lists)[:40]})")


def _one_hot(titles: list[str], cells: Cells, places: Sequence[int]) -> tuple[str, list[str]]:
    """Of columns of flags, one a class. Raises NotClasses where not exactly one is set in each row."""
    flags = np.array([[row[place] in ("1", "1.0", "True") for place in places] for row in cells])
    if not (flags.sum(axis=1) == 1).all():
        raise NotClasses(f"its columns {titles[0]} to {titles[-1]} give none or several to an image")
    return f"columns {titles[0]} to {titles[-1]}", [titles[place] for place in flags.argmax(axis=1)]
