"""What there is to know of a run, and how it is called beside others."""

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from common.errors import FolderError
from common.runs.folder import frames
from common.runs.log import generator_steps, read_log
from common.runs.names import AXES, LOG
from common.runs.record import read_record
from common.runs.scores import read_scores
from common.scoring.terms import Terms, by_terms

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
        record, log = read_record(folder), read_log(folder)
        try:
            settings = record["settings"]
            for row in log:
                row.setdefault("generator_steps", generator_steps(row["step"], settings))
            run = cls(folder, name, record, log, by_terms(read_scores(folder)))
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
        return frames(self.folder)

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
