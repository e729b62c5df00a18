"""Which rows of the tables of a set are trained on and which held out, and the class of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from common.console import counted
from common.data.arrays.labels import MANY
from common.data.tables.cells import cell_name
from common.data.tables.columns import Table
from common.data.tables.features import Features
from common.data.tables.shards import missing_shards
from common.data.trees.classes import HELD
from common.data.trees.layout import Layout, left_out_of
from common.errors import DataError

ROLES = ("trained on", "held out")
Value = int | float | str | bool | None


@dataclass(frozen=True)
class Split:
    """One split.

    title       what it is called in the names of its files
    tables      its files
    values      what the column of classes says in each row; None where it says nothing
    """

    title: str
    tables: Mapping[str, Table]
    values: Sequence[Value]

    def names(self) -> Iterator[str]:
        """What the image in each row is called."""
        return (cell_name(name, row) for name, table in self.tables.items() for row in range(table.rows))


def layout_of_tables(
    asked: str, splits: Mapping[str, Split], features: Features, outside: Sequence[str]
) -> tuple[Layout, list[Split]]:
    """Which rows are trained on and which held out, their classes, and the splits that both come from.

    `outside` are files that belong to none. Raises DataError, beginning with `asked`.
    """
    train = splits["train"]
    title_of, said = _classes(asked, train.values, features)
    understood = [*features.understood, *filter(None, [said])]
    left_out = [f"left out {counted(len(outside), 'file')} of no split ({outside[0]})"] if outside else []
    left_out += filter(None, (missing_shards(list(part.tables)) for part in splits.values()))
    used, kept = [train], [_kept(train, title_of, left_out)]
    for part in (splits[split] for split in HELD if split in splits):
        if len(used) > 1:
            left_out.append(f"left out {counted(len(part.values), 'image')} of {part.title}")
        elif title_of and not any(value in title_of for value in part.values):
            left_out.append(f"left out {counted(len(part.values), 'image')} of {part.title}, which has no classes")
        else:
            used.append(part)
            kept.append(_kept(part, title_of, left_out))
    if [part.title for part in used] not in (["train"], ["train", "test"]):
        understood.append(", ".join(f"{part.title} is {role}" for part, role in zip(used, ROLES, strict=False)))
    class_of = {name: title for part in kept for name, title in part if title_of}
    names = [[name for name, _ in part] for part in (*kept, [])][:2]
    classes = tuple(dict.fromkeys(title_of.values()))
    return Layout(*names, class_of, classes, understood=(*understood,), left_out=(*left_out,)), used


def _kept(part: Split, title_of: Mapping[Value, str], left_out: list[str]) -> list[tuple[str, str | None]]:
    """The names of a split's images and their classes; those without one are left out, if others have one."""
    found = [(name, title_of.get(value)) for name, value in zip(part.names(), part.values, strict=True)]
    if not title_of:
        return found
    without = [name for name, title in found if title is None]
    if without:
        left_out.append(left_out_of(without, "of no class, or of one that is not trained on"))
    return [(name, title) for name, title in found if title is not None]


def _classes(asked: str, values: Sequence[Value], features: Features) -> tuple[dict[Value, str], str | None]:
    """The titles of the values that tell classes apart, in the order of the classes, and what is to be said of them.

    Raises DataError for values that have no name where others have.
    """
    label, titles = features.label, features.titles
    found = {value for value in values if value is not None and value == value and str(value).strip()}  # NaN is not
    if found == {-1} or titles:
        found -= {-1}  # how `datasets` writes that a class is not known
    if not found:
        return {}, f"the column {label} says no classes" if label else None
    if titles:
        wrong = [value for value in found if value not in range(len(titles))]
        if wrong:
            raise DataError(f"{asked}: the column {label} holds {wrong[0]}, and has names for 0 to {len(titles) - 1}")
        return {value: titles[value] for value in sorted(found)}, None
    if any(isinstance(value, float) and not value.is_integer() for value in found):
        return {}, f"the column {label} holds numbers that are not whole, which are not taken as classes"
    if len(found) > max(MANY, len(values) / 2):
        return {}, f"the column {label} holds {len(found):,} different values, which are not taken as classes"
    in_order = sorted(found)
    if all(isinstance(value, str) and value.isdecimal() for value in found):
        in_order.sort(key=int)
    return {value: str(int(value) if isinstance(value, float) else value).strip() for value in in_order}, None
