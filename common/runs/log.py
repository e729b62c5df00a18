"""log.csv: a row each time that figures were due."""

import contextlib
import csv
import errno
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common.console import say
from common.nn import ranks
from common.runs.folder import RunFolder
from common.runs.names import LOG


def generator_steps(step: int, settings: Mapping[str, Any]) -> int:
    """How many there were by a training step of a run of 0.2.0, which did not count them."""
    return int(step) // settings.get("n_critic", settings.get("d_steps", 1))


def _lines(path: Path) -> list[dict[str, str]]:
    try:
        with (path / LOG).open(newline="", encoding="utf-8", errors="replace") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:  # the run has just begun
        return []
    except (OSError, csv.Error) as error:
        say(f"{path / LOG}: cannot be read ({error})")
        return []


def read_log(path: Path) -> list[dict[str, float]]:
    """Its rows; what cannot be read as a number is left out."""
    rows = []
    for line in _lines(Path(path)):
        row = {}
        for name, text in line.items():
            with contextlib.suppress(TypeError, ValueError):  # a line cut short, a blank
                row[name] = float(text)
        if {"epoch", "step", "images", "seconds"} <= set(row):
            rows.append(row)
    return rows


def log_agrees(path: Path, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether log.csv begins with these rows; further ones are of steps that the checkpoint does not know."""
    lines = _lines(path)[: len(rows)]
    return len(lines) == len(rows) and all(
        line.get(name) == str(value) for line, row in zip(lines, rows, strict=True) for name, value in row.items()
    )


class Log:
    """log.csv as the run writes it."""

    def __init__(self, folder: RunFolder):
        self._folder = folder
        self._columns: list[str] = []

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """From its beginning: on a resume, or when a column is new."""
        self._columns = list(dict.fromkeys(name for row in rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, self._columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        self._folder.write(LOG, text.getvalue().encode())

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Adds the last of `rows`, all rows so far. Of several processes the first writes."""
        if not ranks.is_first():
            return
        if set(rows[-1]) - set(self._columns):
            self.write(rows)
            return
        self._folder.refuse_link(LOG)
        text = io.StringIO()
        csv.DictWriter(text, self._columns, lineterminator="\n").writerow(rows[-1])
        with self._folder.trouble(), (self._folder.path / LOG).open("ab", buffering=0) as file:
            line, end = text.getvalue().encode(), file.tell()
            if file.write(line) < len(line):  # the disk is full
                file.truncate(end)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
