"""The encoded images in a column of parquet and Arrow files, as if each were a file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from common.data.tables.columns import FEW, Batches, Column, Table
from common.data.trees.listing import LARGEST_FILE, read
from common.errors import first_line

_ROW = " row "


def cell_name(table: str, row: int) -> str:
    """What the image in a row is called."""
    return f"{table}{_ROW}{row}"


class Cells:
    """The encoded images in one column of several tables. A few rows are in memory: they are read in order."""

    def __init__(self, tables: Mapping[str, Table], files: Mapping[str, Path], columns: Sequence[Column]):
        """`files` are those of the tables; `columns` the images, and what names their files where they lie outside."""
        self._tables, self._files, self._columns = tables, files, columns
        self._open = ""  # the table that is being read
        self._batches: Batches = iter(())
        self._start, self._rows = 0, []
        self._damage: dict[str, tuple[int, Exception]] = {}  # a table: the first row that cannot be read, and why

    def read(self, name: str) -> bytes:
        """The image that `cell_name` calls so. Raises OSError and ValueError."""
        table, _, row = name.rpartition(_ROW)
        content, path = self._row(table, int(row))
        if content is None and path:
            return _plain_file(beside(self._files[table], path))
        if content is None:
            raise ValueError("there is none in this row")
        if len(content) > LARGEST_FILE:
            raise ValueError(f"larger than {LARGEST_FILE >> 20} MiB")
        return content

    def _row(self, table: str, row: int) -> tuple[bytes | None, str | None]:
        """Reads on until the row is in memory, or again from its row group's start where it lies behind."""
        first, damage = self._damage.get(table, (row + 1, None))
        if row >= first:
            raise damage
        if table != self._open or row < self._start:
            self._open, self._start, self._rows = table, row, []
            self._batches = self._tables[table].batches(self._columns, row, FEW)
        try:
            while row >= self._start + len(self._rows[0] if self._rows else ()):
                self._start, self._rows = next(self._batches)
            content, path = (*(array[row - self._start].as_py() for array in self._rows), None)[:2]
            return content, path
        except Exception as error:  # as varied as the damage
            damage = ValueError(first_line(error))
            self._damage[table], self._open = (row, damage), ""
            raise damage from error


def beside(table: Path, path: str) -> Path:
    """The file of an image of which a table has only the path, relative to its own folder."""
    return table.parent / path.replace("\\", "/")


def _plain_file(path: Path) -> bytes:
    if not path.is_file():
        raise ValueError(f"it is to be in the file {path}, which is not there")
    return read(path)
