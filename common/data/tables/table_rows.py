"""The lines of a table -> an array of pixels, and texts for the class and the split of each row."""

import csv
import gzip
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TextIO

from common.data.arrays.stored import must_fit
from common.data.tables.table_columns import Columns, columns_of, odd_one

import numpy as np

LONGEST_LINE = 1 << 22  # characters; what has no line that ends sooner is no table
SAMPLE = 500  # lines by which the columns are told
BLOCK = 2000  # lines that become numbers together
SEPARATORS = ",;\t|"

csv.field_size_limit(LONGEST_LINE)


@dataclass
class Rows:
    """A table as it is understood: pixels (N, D) of the smallest type that holds them, class and split of each row."""

    columns: Columns
    pixels: np.ndarray
    labels: np.ndarray | None
    splits: np.ndarray | None
    left_out: list[int]  # numbers of lines that cannot be read


def rows_of(path: Path, skip_broken: bool) -> Rows:
    """A table with or without a line of names, plain or gzipped.

    Raises NotPixels where it is one of something else, ValueError that names the line where a row is damaged, and what
    damaged archives raise. With `skip_broken` such rows are left out.
    """
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
        lines = _lines(file)
        sample = list(islice(lines, SAMPLE))
        if not sample:
            raise ValueError("it is empty")
        parser = _Parser(sample, skip_broken)
        block = sample[1:] if parser.columns.names else sample
        while block:
            parser.take(block)
            block = list(islice(lines, BLOCK))
    return parser.rows()


def _lines(file: TextIO) -> Iterator[tuple[int, str]]:
    """Numbers, from 1, and lines that are not blank. Raises ValueError."""
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE:
            raise ValueError(f"line {number:,} is longer than {LONGEST_LINE:,} characters")
        if line.strip():
            yield number, line.rstrip("\r\n")


class _Parser:
    """Takes lines and keeps what is in them."""

    def __init__(self, sample: Sequence[tuple[int, str]], skip_broken: bool):
        first = sample[0][1]
        self._separator = max(SEPARATORS, key=first.count)
        if not first.count(self._separator):
            self._separator = " "
        cells = [self._cells(line) for _, line in sample]
        self.columns = columns_of([row for row in cells if len(row) == len(cells[0])])
        self._skip_broken = skip_broken
        self._pixels: list[np.ndarray] = []
        self._texts: dict[int, list[str]] = {c: [] for c in (self.columns.label, self.columns.split) if c is not None}
        self._broken: list[int] = []
        self._bytes = 0

    def take(self, lines: Sequence[tuple[int, str]]) -> None:
        """Raises ValueError that names the line."""
        try:
            pixels, texts = self._parsed(lines)
        except ValueError as error:
            if len(lines) == 1:
                if not self._skip_broken:
                    raise ValueError(f"line {lines[0][0]:,}: {_reason(error)}") from error
                self._broken.append(lines[0][0])
                return
            middle = len(lines) // 2
            self.take(lines[:middle])
            self.take(lines[middle:])
            return
        self._bytes += pixels.nbytes
        must_fit(self._bytes)
        self._pixels.append(pixels)
        for column, found in texts.items():
            self._texts[column] += found

    def rows(self) -> Rows:
        if not self._pixels:
            raise ValueError("it has no rows, or none that can be read")
        found = {column: np.array(texts) for column, texts in self._texts.items()}
        labels, splits = found.get(self.columns.label), found.get(self.columns.split)
        columns, pixels = self.columns, np.concatenate(self._pixels)
        if columns.undecided:
            place = odd_one(pixels)
            labels, pixels = pixels[:, place], np.delete(pixels, place, axis=1)
            columns = replace(columns, label=columns.pixels[place], undecided=False)
        return Rows(columns, pixels, labels, splits, self._broken)

    def _cells(self, line: str) -> list[str]:
        return next(csv.reader([line], delimiter=self._separator, skipinitialspace=self._separator == " "))

    def _parsed(self, lines: Sequence[tuple[int, str]]) -> tuple[np.ndarray, dict[int, list[str]]]:
        """Raises ValueError without saying which line it is."""
        columns = self.columns
        plain = not columns.as_text and not any('"' in line for _, line in lines)
        if plain and {line.count(self._separator) for _, line in lines} != {columns.count - 1}:
            raise ValueError(f"has {lines[0][1].count(self._separator) + 1:,} columns, not {columns.count:,}")
        rows = None if plain else [self._cells(line) for _, line in lines]
        if rows and {len(row) for row in rows} != {columns.count}:
            raise ValueError(f"has {len(rows[0]):,} columns, not {columns.count:,}")
        if rows:
            texts = {column: [row[column].strip() for row in rows] for column in self._texts}
        else:
            texts = {column: [self._cell(line, column) for _, line in lines] for column in self._texts}
        if "" in texts.get(columns.label, ()):
            raise ValueError("has no label")
        if columns.as_text:
            pixels = _numbers([re.sub(r"[\[\],]", " ", row[columns.pixels[0]]) for row in rows], None)
        elif rows:
            pixels = _numbers([" ".join(row[column] for column in columns.pixels) for row in rows], None)
        else:
            pixels = _numbers([line for _, line in lines], self._separator, columns.pixels)
        if self._pixels and pixels.shape[1] != self._pixels[0].shape[1]:
            raise ValueError(f"has {pixels.shape[1]:,} pixels, not {self._pixels[0].shape[1]:,}")
        return pixels, texts

    def _cell(self, line: str, column: int) -> str:
        """One of the first or of the last of many, without a look at the rest."""
        after = self.columns.count - column
        if column < after:
            return line.split(self._separator, column + 1)[column].strip()
        return line.rsplit(self._separator, after)[-after].strip()


def _numbers(lines: list[str], separator: str | None, columns: Sequence[int] | None = None) -> np.ndarray:
    """(n, D), of bytes where the values are, else of whole numbers or floats. Raises ValueError."""
    separator = None if separator == " " else separator
    how = {"delimiter": separator, "usecols": columns, "comments": None, "ndmin": 2}
    try:
        found = np.loadtxt(lines, np.int64, **how)
    except ValueError:
        return np.loadtxt(lines, np.float64, **how)
    whole = next(kind for kind in (np.uint8, np.int32, np.int64) if _holds(kind, found))
    return found.astype(whole)


def _holds(kind: type, values: np.ndarray) -> bool:
    return np.iinfo(kind).min <= values.min() and values.max() <= np.iinfo(kind).max


def _reason(error: ValueError) -> str:
    """NumPy's own words without the row, which is that of a block."""
    return re.sub(r"to (int64|float64)|at row \d+, |; use `usecols`.*|\.$", "", str(error)).replace("  ", " ")
