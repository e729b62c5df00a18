"""Runs as people compare them: what each is, its scores in tables of what may be compared, on a terminal."""

import contextlib
import math
import os
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from common.cli import FolderError
from common.metrics import COLUMNS_OF_SCORES, Terms
from common.run import AXES, LOG, RunFolder

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
        entries = {}
        for entry in found.scores():
            with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):  # another version's
                numbers = [*entry["scores"].values(), *entry["reference"].values()]
                if all(value is None or isinstance(value, (int, float)) for value in numbers):
                    entries[Terms.of(entry)] = entry
        record, log = found.record(), found.log()
        try:
            settings = record["settings"]
            for row in log:  # 0.2.0 did not count them
                row.setdefault("generator_steps", row["step"] // settings.get("n_critic", settings.get("d_steps", 1)))
            run = cls(folder, name, record, log, entries)
            hash((run.kind, run.image_size, f"{record['images']:,} {record['seconds']:.0f} {record['steps']:,}"))
            settings_of(run)
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
    """What the newest scores say of it: '' for no, None where they do not say."""
    return next((entry.get("collapsed") for entry in reversed(run.scores.values())), None)


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


def score_tables(runs: Sequence[Run]) -> str:
    """A table for each set of scores that may be compared, below it the real images' own where there are any."""
    parts = []
    for terms in dict.fromkeys(terms for run in runs for terms in run.scores):
        groups = fold(run for run in runs if terms in run.scores)
        columns = shown(run.scores[terms]["scores"] for group in groups for run in group)
        lines = []
        for group in groups:
            entries = [run.scores[terms] for run in group]
            cells = [
                format_score(name, *mean_and_spread(entry["scores"].get(name) for entry in entries)) for name in columns
            ]
            shown_images = images_scored(entries)
            lines.append([name_of(group), "" if shown_images is None else f"{shown_images:,}", *cells])
        reference = next((run.scores[terms]["reference"] for run in runs if terms in run.scores), {})
        if reference:
            mark = "inputs untranslated" if "held_out_l1" in reference else "real images"
            lines.append([mark, "", *(format_score(name, reference.get(name)) for name in columns)])
        titles = ["", "images shown", *(COLUMNS_OF_SCORES[name].title for name in columns)]
        parts.append(f"{terms}\n{table(titles, lines)}")
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
