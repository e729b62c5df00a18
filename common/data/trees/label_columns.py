"""Which column of a table beside the images says their class, and which their split."""

import contextlib
from collections.abc import Mapping, Sequence

from common.console import first_of
from common.data.arrays.labels import NotClasses, class_values
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


class NoColumn(NotClasses):
    """None of a table's columns holds classes."""


def classes_in(columns: Sequence[str] | None, cells: Cells, others: Sequence[int]) -> tuple[str, list[str]]:
    """What the column of classes is called, and the class of each row, '' where it is empty.

    `others` are the columns that may be meant; `columns` is None where it is not known what they are called. Raises
    NotClasses, saying why, where none holds classes or it is not clear which.
    """
    if columns is None:
        texts = [place for place in others if not all(map(_is_number, (row[place] for row in cells)))]
        chosen = others if len(others) == 1 else texts if len(texts) == 1 else []
    else:
        others = [place for place in others if not _says_nothing(columns[place], [row[place] for row in cells])]
        chosen = _called_so(columns, cells, others) or (others if len(others) == 1 else [])
    names = {place: columns[place] if columns else str(place + 1) for place in others}
    if len(chosen) == 1:
        title = f"column {names[chosen[0]]}"
        values = _values(title, [row[chosen[0]] for row in cells])
        different = len({*values} - {""})
        called_so = columns and {*words(columns[chosen[0]])} & LABELS
        if not called_so and different * 2 > len(values):  # nothing says that these are not a name each
            raise NotClasses(f"its {title} holds {different:,} different values in {len(cells):,} rows")
        return title if columns or len(others) > 1 else "those", values
    if not chosen and len(others) > 1 and all(row[place] in _FLAGS for row in cells for place in others):
        return _one_hot(names, cells, others)
    candidates = chosen or [place for place in others if _may_be_classes([row[place] for row in cells])]
    if not candidates:
        raise NoColumn("it has no column of them")
    shown = first_of([names[place] for place in candidates], 8)
    how = "call it `label`" if columns else "name the columns in a first line, the class `label`"
    raise NotClasses(f"which of its columns is the class is not clear ({shown}); {how}")


def _may_be_classes(texts: list[str]) -> bool:
    try:
        return 1 < len(set(_values("", texts))) <= len(texts) / 2
    except NotClasses:
        return False


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


_FLAGS = {"0", "1", "-1", "0.0", "1.0", "-1.0", "True", "False"}


def _called_so(columns: Sequence[str], cells: Cells, others: Sequence[int]) -> list[int]:
    """The columns that are called as labels are; of several that say the same the one of texts."""
    said = {place: {*words(columns[place])} for place in others}
    if any("x" in words(column) for column in columns):
        said = {place: found - {"y"} for place, found in said.items()}
    tiers = [[place for place, found in said.items() if found & LABELS and found - BESIDE <= tier] for tier in PLAIN]
    tiers += [[place for place, found in said.items() if len(found - BESIDE) == 1 and found & LABELS]]
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


def _says_nothing(title: str, texts: list[str]) -> bool:
    """Whether a column only counts the rows, or says how large the image is."""
    counts = title == "" and len(set(texts)) == len(texts) and all(map(str.isdecimal, texts))
    return counts or (title != "" and {*words(title)} <= SAY_NOTHING | SPLIT | {"0"})


def _values(title: str, texts: list[str]) -> list[str]:
    """The classes that these are. Raises NotClasses where they are measures, several at once, or a name each."""
    texts = ["" if text.lower() == "nan" else text for text in texts]
    given = [text for text in texts if text]
    if not given:
        raise NoColumn(f"its {title} is empty")
    try:
        _refuse_several(set(given))
        values = np.array(given)
        with contextlib.suppress(ValueError):
            values = values if np.char.isdecimal(values).all() else values.astype(float)
        found = iter(map(str, class_values(values, len(given)).tolist()))
    except NotClasses as error:
        raise NotClasses(f"its {title} holds {error}") from error
    return [next(found) if text else "" for text in texts]


def _refuse_several(values: set[str]) -> None:
    """Raises NotClasses where a value is several classes at once: 'dog|cat', or a list."""
    for separator in "|;, ":
        several = [value for value in values if separator in value]
        pieces = {piece.strip() for value in values for piece in value.split(separator)}
        alone = separator != " " and any(values.issuperset(map(str.strip, value.split(separator))) for value in several)
        few = len(pieces) * (3 if separator == " " else 1) < len(values)
        if several and (separator == "|" or alone or few):
            raise NotClasses(f"several at once ({min(several)[:40]})")
    if lists := [value for value in values if value.startswith(("[", "{"))]:
        raise NotClasses(f"lists ({min(lists)[:40]})")


def _one_hot(names: Mapping[int, str], cells: Cells, places: Sequence[int]) -> tuple[str, list[str]]:
    """Of columns of flags, one a class. Raises NotClasses where not one is set in each row, or only one ever."""
    titles = [names[place] for place in places]
    flags = np.array([[row[place] in ("1", "1.0", "True") for place in places] for row in cells])
    if not (flags.sum(axis=1) == 1).all() or flags.any(axis=0).sum() == 1:
        raise NotClasses(f"its columns {titles[0]} to {titles[-1]} give none or several to an image")
    return f"columns {titles[0]} to {titles[-1]}", [titles[place] for place in flags.argmax(axis=1)]
