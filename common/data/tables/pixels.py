"""Images that are kept as lists of their pixels, in a column of parquet and Arrow files."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from common.data.arrays.shapes import arrangement
from common.data.arrays.stored import Stored
from common.data.arrays.views import View, to_images
from common.data.dataset import Found, Part
from common.data.reading import Reading
from common.data.tables.columns import Column, Table
from common.data.tables.table_layout import Split
from common.data.trees.layout import Layout
from common.errors import DataError, refusing

import numpy as np

BLOCK = 64  # rows at a time

if TYPE_CHECKING:
    import pyarrow as pa  # imported where it is used: a refusal is quick


def read_pixels(asked: str, layout: Layout, splits: Sequence[Split], column: Column, reading: Reading) -> Found:
    """The rows that the layout names, of `splits`: the training one, and one to hold out where there is one.

    Raises DataError, beginning with `asked`.
    """
    tables = [[(name, table) for name, table in split.tables.items() if table.rows] for split in splits]
    views = [[_view(asked, name, table, column) for name, table in part] for part in tables]
    images, said = to_images(asked, views, reading)
    number = {title: place for place, title in enumerate(layout.classes)}
    parts = []
    for split, found, names in zip(splits, images, (layout.train, layout.held), strict=False):
        kept = set(names)
        rows = [row for row, name in enumerate(split.names()) if name in kept]
        labels = np.array([number[layout.class_of[name]] for name in names]) if number else None
        parts.append(Part(found if len(rows) == len(found) else found[rows], labels))
    train, *held = parts
    return Found(train, held[0] if held else None, layout.classes, (*layout.understood, *said), layout.left_out)


def _view(asked: str, name: str, table: Table, column: Column) -> View:
    """Raises DataError where the lists cannot be images."""
    title = ".".join(column)
    with refusing(asked, name):
        first = next(_blocks(table, column))
    shape = (table.rows, *first.shape[1:])

    def blocks() -> Iterator[np.ndarray]:
        for block in _blocks(table, column):
            if block.shape[1:] != shape[1:]:
                raise ValueError(f"images of {shape[1:]} and of {block.shape[1:]}")
            yield block

    form = arrangement(shape, table.rows)
    if form is None or form.count != table.rows:
        numbers = " x ".join(map(str, shape[1:]))
        raise DataError(f"{asked}: the column {title} of {name} holds lists of {numbers} numbers, which are no images")
    return View.of(asked, Stored(name, title, first.dtype, shape, blocks), table.rows)


def _blocks(table: Table, column: Column) -> Iterator[np.ndarray]:
    """Some rows at a time. Raises ValueError, and as pyarrow does for damaged files."""
    return (_numbers(lists) for _, (lists,) in table.batches([column], most=BLOCK) if len(lists))


def _numbers(lists: "pa.Array") -> np.ndarray:
    """Lists (of lists) of numbers as one array. Raises ValueError where some are missing or longer than others."""
    from pyarrow import compute, types

    shape, array = [len(lists)], getattr(lists, "storage", lists)
    while types.is_nested(array.type):
        lengths = compute.list_value_length(array).unique().to_pylist()
        if None in lengths:
            raise ValueError("rows without pixels")
        if len(lengths) != 1:
            raise ValueError(f"lists of {lengths[0]} and of {lengths[1]} values, which are images of different sizes")
        shape, array = [*shape, lengths[0]], array.flatten()
    if array.null_count:
        raise ValueError("rows without some pixels")
    return array.to_numpy(zero_copy_only=False).reshape(shape)
