"""Runs as people compare them: what each is, its scores in tables of what may be compared, on a terminal."""

import contextlib
import math
import os
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from common.cli import FolderError
from common.metrics import COLUMNS_OF_SCORES, Terms, by_terms
from common.run import AXES, LOG, RunFolder, generator_steps

import numpy as np

QUIET = 600  # seconds after which a run that trains has written a checkpoint, or is dead


@dataclass(frozen=True)
class Run:
    """What there is to know of a run, read without its lock. Raises FolderError where run.json is beyond repair."""

    folder: Path
    name: str  # unlike the others'
    record: Mapping[str, Any]
    log: Sequence[Mapping[str, float]]
    scores: Mapping[Terms, Mapping[str, Any]]  # the entries of scores.json

    @classmethod
    def read(cls, folder: Path, name: str) -> "Run":
        found = RunFolder(folder)
        record, log = found.record(), found.log()
        try:
            settings = record["settings"]
            for row in log:
                row.setdefault("generator_steps", generator_steps(row["step"], settings))
            run = cls(folder, name, record, log, by_terms(found.scores()))
            hash((run.kind, run.image_size, f"{record['images']:,} {record['seconds']:.0f} {record['steps']:,}"))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise FolderError(f"{folder}: its run.json is not as this version writes it ({error!r})") from error
        return run

    @property
    def seed(self) -> int:
        return self.record["settings"]["seed"]

    @property
    def image_size(self) -> int:
        """Pixels a side."""
        return int(self.record["dataset"]["shape"][1])

    def when(self, epoch: float) -> dict[str, float]:
        """Where an epoch lies on the log's other axes; beyond its ends, there."""
        rows = [dict.fromkeys(AXES, 0.0), *self.log]
        epochs = [row["epoch"] for row in rows]
        return {axis: float(np.interp(epoch, epochs, [row[axis] for row in rows])) for axis in AXES} | {"epoch": epoch}

    @cached_property
    def frames(self) -> list[tuple[float, Path]]:
        """(epoch, file) of each grid in order."""
        return RunFolder(self.folder).frames()

    @property
    def epochs(self) -> float:
        """How many it has seen."""
        return max(self.record["epochs_done"], self.log[-1]["epoch"] if self.log else 0)

    @property
    def steps_per_generator_step(self) -> int:
        """Of the discriminator."""
        last = self.log[-1] if self.log else {}
        return round(last["step"] / last["generator_steps"]) if last.get("generator_steps") else 1

    @property
    def generator_steps(self) -> int:
        return self.record["steps"] // self.steps_per_generator_step

    @property
    def kind(self) -> tuple:
        """What runs that differ only by their seed have in common."""
        settings = {name: value for name, value in settings_of(self).items() if name != "seed"}
        return self.record["dataset"]["fingerprint"], self.record["state"], repr(sorted(settings.items(), key=str))


def state_of(run: Run, now: float) -> str:
    """The run's state; of one that says it is running, whether it has shown any sign of that."""
    state = str(run.record["state"])
    if state == "stopped" and "time limit" in run.record.get("message", ""):
        return "time limit reached"
    if state != "running":
        return state
    signs = []
    with contextlib.suppress(KeyError, TypeError, ValueError):
        signs.append(datetime.strptime(run.record["written"], "%Y-%m-%dT%H:%M:%S%z").timestamp())
    with contextlib.suppress(OSError):
        signs.append((run.folder / LOG).stat().st_mtime)
    quiet = now - max(signs, default=now)
    return f"no sign of life for {quiet / 60:,.0f} min" if quiet > QUIET else state


def collapsed(run: Run) -> str | None:
    """What the newest scores, or else the run itself, say of it: '' for no, None where they do not say."""
    said = (entry.get("collapsed") for entry in reversed(run.scores.values()))
    return next(said, run.record.get("collapsed"))


def is_stale(run: Run, terms: Terms) -> bool:
    """Whether the run was trained on after it was scored."""
    step = run.scores[terms].get("step")
    return step is not None and step < run.record["steps"]


def basename(dataset: str) -> str:
    """A data set's name, or the last part of its path."""
    return dataset.rstrip("/").rpartition("/")[2] or dataset


def names_of(folders: Sequence[Path]) -> list[str]:
    """Each run's path from the folder that all are in."""
    places = [folder.resolve() for folder in folders]
    if not places:
        return []
    parent = os.path.commonpath([place.parent for place in places])
    # A name that is no UTF-8 must not end the page.
    return [str(place.relative_to(parent)).encode("utf-8", "replace").decode() for place in places]


def title_of(name: str) -> str:
    return COLUMNS_OF_SCORES[name].title


def format_score(name: str, value: float | None, spread: float | None = None) -> str:
    """A score as a table shows it, with ± its spread over seeds; a blank one is a dash."""
    if value is None or not math.isfinite(value):
        return "–"
    digits = COLUMNS_OF_SCORES[name].digits
    return f"{value:.{digits}f}" + ("" if spread is None else f" ± {spread:.{digits}f}")


def shown(scores: Iterable[Mapping[str, Any]]) -> list[str]:
    """The columns that at least one of these has, in order."""
    scores = list(scores)
    return [name for name in COLUMNS_OF_SCORES if any(name in one for one in scores)]


def mean_and_spread(values: Iterable[float | None]) -> tuple[float | None, float | None]:
    """The mean, and of two or more values their standard deviation; (None, None) where one is blank."""
    values = list(values)
    if not values or None in values:
        return None, None
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None


def fold(runs: Iterable[Run]) -> list[list[Run]]:
    """Runs that differ only by their seed together, in the order of their first; a copy stays by itself."""
    groups: dict[tuple, list[Run]] = {}
    for run in runs:
        copies = 0
        while any(run.seed == other.seed for other in groups.get((run.kind, copies), ())):
            copies += 1
        groups.setdefault((run.kind, copies), []).append(run)
    return list(groups.values())


def name_of(group: Sequence[Run]) -> str:
    return group[0].name if len(group) == 1 else f"{group[0].name} (×{len(group)} seeds)"


def images_scored(entries: Iterable[Mapping[str, Any]]) -> int | None:
    """How many images the generators had been shown when they were scored, on average."""
    found, _ = mean_and_spread(entry.get("images") for entry in entries)
    return None if found is None else round(found)


def tables(groups: Sequence[Sequence[Run]]) -> list[dict[str, Any]]:
    """A table for each set of scores that may be compared: a line for each group, value and text in each cell."""
    runs = [run for group in groups for run in group]
    found = []
    for terms in dict.fromkeys(terms for run in runs for terms in run.scores):
        columns = shown(run.scores[terms]["scores"] for run in runs if terms in run.scores)
        lines, best = [], {}
        for number, group in enumerate(groups):
            scored = [run for run in group if terms in run.scores]
            if not scored:
                continue
            entries = [run.scores[terms] for run in scored]
            cells = []
            for name in columns:
                mean, spread = mean_and_spread(entry["scores"].get(name) for entry in entries)
                cells.append({"value": mean, "text": format_score(name, mean, spread)})
                if mean is not None:
                    better = COLUMNS_OF_SCORES[name].better
                    best[name] = max(best.get(name, (-math.inf, 0)), (better * mean, number))
            lines.append(
                {
                    "name": name_of(scored),
                    "group": number,
                    "images": images_scored(entries),
                    "stale": any(is_stale(run, terms) for run in scored),
                    "cells": cells,
                }
            )
        one = next(run.scores[terms] for run in runs if terms in run.scores)
        found.append(
            {
                "terms": str(terms),
                "columns": [COLUMNS_OF_SCORES[name]._asdict() | {"key": name} for name in columns],
                "lines": lines,
                "best": {name: number for name, (_, number) in best.items()},
                "reference": [format_score(name, one["reference"].get(name)) for name in columns],
                "reference_is": "inputs untranslated" if "held_out_l1" in one["reference"] else "real images",
                "has_reference": bool(one["reference"]),
                "accuracy": one["features"]["accuracy"],
            }
        )
    return found


def score_tables(runs: Sequence[Run]) -> str:
    """The tables as text, below each the real images' own scores where there are any."""
    parts = []
    for one in tables(fold(runs)):
        lines = []
        for line in one["lines"]:
            images = "" if line["images"] is None else f"{line['images']:,}"
            lines.append([line["name"], images, *(cell["text"] for cell in line["cells"])])
        if one["has_reference"]:
            lines.append([one["reference_is"], "", *one["reference"]])
        titles = ["", "images shown", *(column["title"] for column in one["columns"])]
        parts.append(f"{one['terms']}\n{table(titles, lines)}")
    return "\n\n".join(parts)


def table(titles: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Columns of text, the first to the left, the others to the right."""
    rows = [[cell.replace("\n", "\\n") for cell in row] for row in (titles, *body)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(titles))]
    lines = []
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def settings_of(run: Run) -> dict[str, Any]:
    """Every setting, with what decides a run beside them."""
    record = run.record
    return {
        "script": record["script"],
        **record["settings"],
        "dataset": str(record["dataset"]["name"]),
        "device": record["device"],
        "precision": record["precision"],
        "threads": record["threads"],
        **{f"{name} version": version for name, version in record["versions"].items()},
    }


def settings_table(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Every setting with its value in each run, blank where a run has none, and whether they differ."""
    settings = [settings_of(run) for run in runs]
    found = []
    for name in dict.fromkeys(name for one in settings for name in one):
        values = ["" if one.get(name) is None else str(one[name]) for one in settings]
        found.append({"name": name, "values": values, "differs": len(set(values)) > 1})
    return found
