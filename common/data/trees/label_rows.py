"""Files that say something of images, such as labels.csv and metadata.jsonl -> rows of texts."""

import codecs
import csv
import io
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

from common.console import counted
from common.errors import first_line

TABLES = (".csv", ".tsv", ".txt", ".jsonl", ".json")
MOST_COLUMNS = 300  # a table of more is one of pixels or measurements
LINES = 50  # by which is told what separates columns


@dataclass
class Rows:
    """What a file holds: texts in columns, with their names where the file is known to give them."""

    cells: list[list[str]]
    columns: list[str] | None = None


def read_rows(name: str, content: bytes) -> Rows:
    """Of a file with one of the suffixes in TABLES; none where it is of another form. Raises ValueError for damage."""
    text = _text(content)
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in (".json", ".jsonl"):
        return _of_json(text) if suffix == ".json" else _of_records(_lines_of_json(text))
    return _of_table(text, " ,\t;|" if suffix == ".txt" else ",\t;|")


def _text(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    if "\0" in text:
        raise ValueError("it is not text")
    return text


def _of_table(text: str, separators: str) -> Rows:
    head = list(islice((line for line in io.StringIO(text) if line.strip()), LINES))
    separator = _separator(head, separators)
    width, cells = None, []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True)
    try:
        for row in reader:
            if not any(row):
                continue
            width = width or len(row)
            if width > MOST_COLUMNS:
                return Rows([])
            if len(row) != width:
                raise ValueError(f"its line {reader.line_num} has {counted(len(row), 'column')} and its first {width}")
            cells.append([cell.strip() for cell in row])
    except csv.Error as error:
        raise ValueError(f"its line {reader.line_num}: {error}") from error
    return Rows(cells)


def _separator(lines: list[str], separators: str) -> str:
    """The one that parts all lines into the same number of columns, and into the most; else that parts most lines."""

    def fit(separator: str) -> tuple[float, int]:
        try:
            widths = Counter(map(len, csv.reader(lines, delimiter=separator, skipinitialspace=True)))
        except csv.Error:
            return 0, 0
        (width, often), *_ = widths.most_common(1) or [(0, 0)]
        return (often / widths.total() if width > 1 else 0), width

    return max(separators, key=fit)


def _lines_of_json(text: str) -> Iterable[Any]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"its line {number} is no JSON") from error


def _of_json(text: str) -> Rows:
    """StyleGAN's {"labels": [[name, label], ...]}, {name: label, ...}, or a list of such pairs or of objects."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON: {first_line(error)}") from error
    if isinstance(content, dict) and "labels" in content:
        content = content["labels"]
    if isinstance(content, dict):
        content = list(content.items())
    if isinstance(content, list) and content and all(isinstance(one, dict) for one in content):
        return _of_records(content)
    if isinstance(content, list) and all(isinstance(one, list | tuple) and len(one) == 2 for one in content):
        return Rows([[_cell(value) for value in pair] for pair in content], ["name", "label"])
    return Rows([])


def _of_records(records: Iterable[Any]) -> Rows:
    records = list(records)
    if not all(isinstance(record, dict) for record in records):
        raise ValueError("its lines are not all objects")
    columns = list(dict.fromkeys(key for record in records for key in record))
    if len(columns) > MOST_COLUMNS:
        return Rows([])
    return Rows([[_cell(record.get(column)) for column in columns] for record in records], columns)


def _cell(value: Any) -> str:
    """As it would be written in a table; a one-hot list as the place of its one."""
    if value is None:
        return ""
    if isinstance(value, list) and sum(map(bool, value)) == 1 and all(one in (0, 1) for one in value):
        return str([bool(one) for one in value].index(True))
    if isinstance(value, list | dict):
        return json.dumps(value)
    return str(value).strip()
