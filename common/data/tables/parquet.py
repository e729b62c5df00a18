"""Parquet and Arrow files of the form that Hugging Face's sets have: a column of images, and one of their classes."""

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from common.data.dataset import Found
from common.data.reading import Reading
from common.data.tables.cells import Cells, beside
from common.data.tables.columns import FEW, Column, Table, open_table
from common.data.tables.features import Features, features_of, in_words, kind_of
from common.data.tables.pixels import read_pixels
from common.data.tables.shards import shards_of
from common.data.tables.table_layout import Split, Value, layout_of_tables
from common.data.trees.folders import read_images
from common.data.trees.listing import Listing
from common.errors import DataError, refusing
from common.storage.platforms import memory

BYTES_A_ROW = 500  # of memory, for the name and the class of an image


def read_parquet(asked: str, files: Mapping[str, Path], reading: Reading) -> Found:
    """One file, or the shards of a set. Raises DataError, beginning with `asked`."""
    if importlib.util.find_spec("pyarrow") is None:
        raise DataError(f"{asked}: is read by pyarrow, which is not installed; pip install -r requirements.txt")
    tree = shards_of(asked, list(files))
    of_split = {
        split: {name: open_table(asked, name, files[name]) for name in tree.splits[split]}
        for split in sorted(tree.splits, key=lambda split: split != "train")
    }
    tables = {name: table for found in of_split.values() for name, table in found.items()}
    rows = sum(table.rows for table in tables.values())
    if rows * BYTES_A_ROW > memory() / 2:
        raise DataError(f"{asked}: its {rows:,} rows are more than this machine has memory for; give some of its files")
    if not any(table.rows for table in of_split["train"].values()):
        raise DataError(f"{asked}: has columns but no rows to train on ({next(iter(tables))})")
    features = _features_of_all(asked, tables)
    splits = {
        split: Split(tree.titles.get(split, split), found, _values(asked, found, features.label))
        for split, found in of_split.items()
    }
    layout, used = layout_of_tables(asked, splits, features, tree.outside)
    if not features.is_encoded:
        return read_pixels(asked, layout, used, features.image, reading)
    columns = [features.image, *filter(None, [features.path])]
    read_too = {str(path): _identity(path) for path in (*files.values(), *_beside(asked, tables, files, columns))}
    cells = Cells(tables, files, columns)
    return read_images(asked, Listing(read_too, cells.read, Path, repr(columns)), layout, reading)


def _features_of_all(asked: str, tables: Mapping[str, Table]) -> Features:
    """The columns that are read, the same ones in all tables. Raises DataError."""
    first, *others = tables
    found = {}
    for name, table in tables.items():
        with refusing(asked, name):
            found[name] = features_of(asked, name, table.schema)
    features = found[first]
    label, schema = features.label, tables[first].schema
    for name in others:
        other, its = found[name], tables[name].schema
        differs = None
        if other.image != features.image or other.is_encoded != features.is_encoded:
            columns = in_words(schema.field(features.image[0])), in_words(its.field(other.image[0]))
            differs = f"images are {columns[0]} in {first}, but {columns[1]}"
        elif label in its.names and kind_of(its.field(label).type) != kind_of(schema.field(label).type):
            differs = f"classes are {in_words(schema.field(label))} in {first}, but {in_words(its.field(label))}"
        elif label in its.names and other.titles != features.titles:
            differs = f"the classes have other names in {first} than"
        if differs:
            raise DataError(f"{asked}: {differs} in {name}; give files of one set")
    return features


def _values(asked: str, tables: Mapping[str, Table], label: str | None) -> list[Value]:
    """What a column says in each row; None where a table has no such column. Raises DataError for damaged files."""
    values: list[Value] = []
    for name, table in tables.items():
        if label is None or label not in table.schema.names:
            values += [None] * table.rows
            continue
        with refusing(asked, name):
            for _, (array,) in table.batches([(label,)]):
                values += array.to_pylist()
    return values


def _beside(
    asked: str, tables: Mapping[str, Table], files: Mapping[str, Path], columns: Sequence[Column]
) -> Iterator[Path]:
    """The files of the images of tables that hold no image but its path in their first row.

    Raises DataError for damaged tables.
    """
    for name, table in tables.items() if len(columns) > 1 else ():
        with refusing(asked, name):
            beginnings = (batch for _, batch in table.batches(columns, most=FEW) if len(batch[0]))
            contents, paths = next(beginnings, ([], []))
            if not len(contents) or contents[0].is_valid or not paths[0].as_py():
                continue
            for _, (paths,) in table.batches(columns[1:]):
                for path in filter(None, paths.to_pylist()):
                    yield beside(files[name], path)


def _identity(path: Path) -> str:
    """What a file's content is known by; one that is not there is named when it is read."""
    if not path.is_file():
        return "missing"
    state = path.stat()
    return f"{path.resolve()} {state.st_size} {state.st_mtime_ns}"
