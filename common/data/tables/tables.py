"""Tables whose rows are images, .csv and .tsv: a column a pixel, or one of them all, and one for the class."""

import hashlib
import io
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from common.console import counted
from common.data.arrays.assembling import assemble
from common.data.arrays.roles import Chosen, in_order
from common.data.arrays.stored import Stored, stored_in
from common.data.cache import cache_folder, write_to_cache
from common.data.dataset import Found
from common.data.reading import Reading
from common.data.tables.table_columns import NotPixels
from common.data.tables.table_rows import Rows, rows_of
from common.data.words import split_of, words
from common.errors import DataError, first_line

import numpy as np


def read_tables(asked: str, files: Mapping[str, Path], reading: Reading) -> Found:
    """The set in these tables, each parsed once into the cache. Raises DataError, beginning with `asked`."""
    parts: dict[str, list[tuple[Stored, Stored | None]]] = defaultdict(list)
    said, passed_over = defaultdict(list), {}
    for name, path in files.items():
        try:
            found, about = _table(asked, name, path, reading.skip_broken)
        except NotPixels as error:
            passed_over[name] = error
            continue
        of_file = _split(PurePosixPath(name).name.partition(".")[0]) if len(files) > 1 else None
        for split, part in found.items():
            parts[split or of_file or "train"].append(part)
        for kind, sentences in about.items():
            said[kind] += sentences
    if not parts:
        name, error = next(iter(passed_over.items()))
        raise DataError(f"{asked}: {PurePosixPath(name).name} {error}")
    said["left_out"] += [f"passed over {name}: it holds no pixels" for name in passed_over]
    _compare(asked, [labels for tables in parts.values() for _, labels in tables if labels])
    chosen = {split: _chosen(asked, split, tables) for split, tables in parts.items()}
    if len(chosen) == 1:
        chosen = {"train": next(iter(chosen.values()))}
    result = assemble(asked, chosen, reading)
    return replace(
        result,
        understood=(*result.understood, *said["understood"]),
        left_out=(*result.left_out, *said["left_out"]),
    )


def _table(
    asked: str, name: str, path: Path, skip_broken: bool
) -> tuple[dict[str, tuple[Stored, Stored | None]], dict[str, list[str]]]:
    """Pixels and labels for each split, '' where the table tells of none; and what is to be said of it.

    Raises NotPixels, and DataError.
    """
    title, state = PurePosixPath(name).name, path.stat()
    key = repr(("table 1", str(path.resolve()), state.st_size, state.st_mtime_ns, skip_broken))
    file = cache_folder() / "tables" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npz"
    if not file.exists():
        try:
            rows = rows_of(path, skip_broken)
        except NotPixels:
            raise
        except Exception as error:  # also what a damaged archive raises
            hint = "; repair or remove it, or leave such rows out with --skip-broken" * str(error).startswith("line ")
            raise DataError(f"{asked}: {title} cannot be read ({first_line(error)}){hint}") from error
        content = io.BytesIO()
        np.savez(content, **_kept(rows, title))
        write_to_cache(file, content.getbuffer())
    arrays = {one.key: one for one in stored_in(asked, file.name, file)}
    about = json.loads(str(arrays.pop("about").whole()))
    by_columns = "emnist" in words(title)  # whose tables were written by MATLAB
    found = {}
    for key in arrays:
        split, kind = key.split("/")
        if kind == "pixels":
            labels = arrays.get(f"{split}/labels")
            pixels = replace(arrays[key], file=name, key="", by_columns=by_columns)
            found[split] = pixels, labels and replace(labels, file=name, key=about["label"])
    return found, about["said"]


def _kept(rows: Rows, title: str) -> dict[str, np.ndarray]:
    """What is kept of a table: <split>/pixels and <split>/labels, and `about`, a text."""
    columns, count = rows.columns, len(rows.pixels)
    splits = np.full(count, "")
    if rows.splits is not None:
        called = {value: _split(value) for value in np.unique(rows.splits).tolist()}
        splits = np.array([called[value] for value in rows.splits.tolist()]) if all(called.values()) else splits
    found = {}
    for split in np.unique(splits).tolist():
        chosen = splits == split
        found[f"{split}/pixels"] = rows.pixels[chosen]
        if rows.labels is not None:
            found[f"{split}/labels"] = rows.labels[chosen]
    said: dict[str, list[str]] = {"understood": [], "left_out": []}
    if columns.ignored:
        said["understood"].append(f"columns not used: {', '.join(map(columns.title, columns.ignored))}")
    if rows.left_out:
        broken = f"{counted(len(rows.left_out), 'broken row')} of {title} (line {rows.left_out[0]:,})"
        said["left_out"].append(f"left out {broken}")
    label = "" if columns.label is None else f"column {columns.title(columns.label)}"
    return {**found, "about": np.array(json.dumps({"label": label, "said": said}))}


def _split(text: str) -> str | None:
    """train, val or test; of fer2013.csv's public and private test images the public ones are val."""
    found = split_of(text)
    return "val" if found and "public" in words(text) else found and found[0]


def _chosen(asked: str, split: str, tables: list[tuple[Stored, Stored | None]]) -> Chosen:
    """The tables of a split, which must be parts of one. Raises DataError."""
    tables = sorted(tables, key=lambda table: in_order(table[0]))
    names = [PurePosixPath(pixels.file).name for pixels, _ in tables]
    sets = {tuple(word for word in words(name) if not word.isdecimal()) for name in names}
    labelled = [labels for _, labels in tables if labels]
    if len(sets) > 1 or len(labelled) not in (0, len(tables)):
        raise DataError(f"{asked}: holds several tables for {split} ({', '.join(names[:4])}); give one of them")
    return Chosen([pixels for pixels, _ in tables], labelled)


def _compare(asked: str, labels: list[Stored]) -> None:
    """Raises DataError where one table has its labels in another column than the others."""
    for one in labels:
        if one.key != labels[0].key:
            places = (f"in {each.key} of {PurePosixPath(each.file).name}" for each in (labels[0], one))
            raise DataError(f"{asked}: has labels {' and '.join(places)}; give their columns names, such as label")
