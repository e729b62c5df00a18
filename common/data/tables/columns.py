"""Parquet and Arrow files: their columns, read a batch of rows at a time."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from common.errors import refusing

if TYPE_CHECKING:
    import pyarrow as pa  # imported where it is used: a refusal is quick
    from pyarrow import parquet

END_OF_STREAM = b"\xff\xff\xff\xff" + bytes(4)  # without which whole batches may be missing unnoticed
MANY = 1 << 16  # rows at a time, of numbers or text
FEW = 4  # of images: of a value that is stored once and repeated, each row has a copy
Column = tuple[str, ...]  # a column, and the field of it where it has several: ("image", "bytes")
Batches = Iterator[tuple[int, "list[pa.Array]"]]  # the first row, and a part of each of the columns from there on


class Table(Protocol):
    """One file: `schema` and number of `rows`."""

    schema: "pa.Schema"
    rows: int

    def batches(self, columns: Sequence[Column], first: int = 0, most: int = MANY) -> Batches:
        """These columns, from row `first` on or from one before it, up to `most` rows at a time where they are copied.

        Raises what pyarrow raises for damaged files, and ValueError for fewer rows than there should be.
        """


class Parquet:
    """A parquet file. A row group may be far larger than memory: its pages are read one after the other."""

    def __init__(self, path: Path):
        self._path = path
        with self._open() as file:
            self.schema, self.rows = file.schema_arrow, file.metadata.num_rows
            sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
        self._starts = [0, *accumulate(sizes)][: len(sizes)]

    def _open(self) -> "parquet.ParquetFile":
        from pyarrow import parquet

        return parquet.ParquetFile(self._path, pre_buffer=False, buffer_size=1 << 20)

    def batches(self, columns: Sequence[Column], first: int = 0, most: int = MANY) -> Batches:
        group = max(0, bisect_right(self._starts, first) - 1)
        start, wanted = self._starts[group] if self._starts else 0, [".".join(column) for column in columns]
        with self._open() as file:
            groups = range(group, len(self._starts))
            for batch in file.iter_batches(most, groups, columns=wanted, use_threads=False):
                yield start, [_field(batch, column) for column in columns]
                start += batch.num_rows
        if start != self.rows:
            raise ValueError(f"it holds {start:,} rows and speaks of {self.rows:,}")


class Arrow:
    """An Arrow file or stream, as `datasets` writes them, mapped into memory: what is not asked for is not read."""

    def __init__(self, path: Path):
        import pyarrow as pa

        self._path = path
        with pa.memory_map(str(path)) as source:
            self._is_file = source.read(6) == b"ARROW1"
            if not self._is_file:
                source.seek(max(0, source.size() - len(END_OF_STREAM)))
                if source.read() != END_OF_STREAM:
                    raise ValueError("its end is missing")
        self.schema = self._reader().schema
        sizes = [batch.num_rows for batch in self._read(self._reader([self.schema.names[0]]), 0)]
        self._starts = [0, *accumulate(sizes)][: len(sizes)]
        self.rows = sum(sizes)

    def _reader(self, names: Sequence[str] = ()) -> "pa.RecordBatchFileReader | pa.RecordBatchStreamReader":
        import pyarrow as pa

        options = pa.ipc.IpcReadOptions(included_fields=[self.schema.names.index(name) for name in names])
        source = pa.memory_map(str(self._path))
        return (pa.ipc.open_file if self._is_file else pa.ipc.open_stream)(source, options=options)

    def _read(self, reader: "pa.RecordBatchFileReader | pa.RecordBatchStreamReader", number: int) -> "Iterator":
        """Its batches from this one on."""
        if self._is_file:
            yield from map(reader.get_batch, range(number, reader.num_record_batches))
            return
        for place, batch in enumerate(reader):
            if place >= number:
                yield batch

    def batches(self, columns: Sequence[Column], first: int = 0, most: int = MANY) -> Batches:
        number = max(0, bisect_right(self._starts, first) - 1)
        reader = self._reader([column[0] for column in columns])
        for start, batch in zip(self._starts[number:], self._read(reader, number), strict=True):
            found = [_field(batch, column) for column in columns]
            for array in found:
                array.validate(full=True)  # a damaged offset would be followed to wherever it leads
            yield start, found


def _field(batch: "pa.RecordBatch", column: Column) -> "pa.Array":
    """The column; of one with fields this field, null where the column is."""
    from pyarrow import compute

    name, *fields = column
    array = batch.column(name)
    return compute.struct_field(array, fields) if fields else array


def open_table(asked: str, name: str, path: Path) -> Table:
    """A file, whichever of these its content is. Raises DataError, beginning with `asked`."""
    with refusing(asked, name):
        with path.open("rb") as file:
            head = file.read(64)
        if not head:
            raise ValueError("it is empty")
        if head.startswith(b"version https://git-lfs"):
            raise ValueError("it is Git LFS's pointer to the file, which git lfs pull fetches")
        if head.startswith(b"PARE"):
            raise ValueError("it is encrypted")
        return (Parquet if head.startswith(b"PAR1") else Arrow)(path)
