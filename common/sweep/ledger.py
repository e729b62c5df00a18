"""sweep.json: which run is which line, how it stands, and what it scored."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common import __version__
from common.console import say
from common.errors import Diverged, FolderError
from common.runs.folder import RunFolder
from common.runs.record import read_record
from common.runs.scores import read_scores
from common.runs.sealing import sealed_json, unsealed_json
from common.storage.platforms import SIGNALS
from common.sweep.lines import LENGTH, Line

LEDGER, LOGS = "sweep.json", "logs"
KEPT = ("code", "starts", "seconds", "images", "finished", "rounds")  # of an entry, from one sweep to the next
NEARLY = 0.9  # of its time that a run had: starting takes some of it
WITHOUT_END = 1_000_000_000_000  # images: the clock ends the run
DIVERGED = "diverged"
STOPPED = [128 + number for number in SIGNALS]  # exit codes


@dataclass(frozen=True)
class Length:
    """How long a run is to be: seconds or images over all its starts, or neither, as its line says."""

    seconds: float | None = None
    images: int | None = None

    def __str__(self) -> str:
        return f"{self.seconds:g} s" if self.seconds else f"{self.images:,} images"


@dataclass
class Entry:
    """A run of the sweep.

    code            the exit code of its last start, None where there was none
    seconds, images of training that it was given and has had
    finished        the length that its line said when it finished
    rounds          its scores after rounds, by their lengths
    """

    line: Line
    folder: Path
    code: int | None = None
    starts: int = 0
    seconds: float = 0.0
    images: int = 0
    finished: str = ""
    rounds: dict[str, dict[str, float | None]] = field(default_factory=dict)
    is_left_out: bool = False  # of further rounds
    record: Mapping[str, Any] | None = None  # its run.json when it was last looked at, if there is one that can be read
    scored: Mapping[str, Any] | None = None  # evaluate.py's newest entry of the step that it is at

    def look(self) -> None:
        """At the run's own files."""
        try:
            self.record = read_record(self.folder)
        except FolderError:  # its script says it in its log
            self.record = None
        entries = read_scores(self.folder) if self.record is not None else []
        self.scored = entries[-1] if entries and entries[-1].get("step") == self.record["steps"] else None

    def length(self, asked: Length) -> Length:
        """That of a round, or the one of its line."""
        return Length(self.line.given.get("time_limit")) if asked == Length() else asked

    @property
    def _own_length(self) -> str:
        return json.dumps({name: self.line.given.get(name) for name in LENGTH})

    def is_through(self, asked: Length) -> bool:
        """Whether nothing is left to do for that length."""
        length, record = self.length(asked), self.record
        if record is None or record["state"] == DIVERGED:
            return record is not None
        if length.images is not None:
            return max(self.images, record["images"] / NEARLY * (record["state"] == "finished")) >= length.images
        if record["state"] == "finished":
            return self.finished == self._own_length
        return length.seconds is not None and max(self.seconds, record["seconds"] / NEARLY) >= length.seconds

    def arguments(self, asked: Length, threads: int | None) -> list[str]:
        """Of its script, for what is left of that length."""
        length, changed = self.length(asked), {}
        if length.seconds is not None:
            had = 0.0 if self.record is None else self.record["seconds"]
            changed["time_limit"] = round(max(length.seconds - had, 1.0), 1)
            if not self.line.given.keys() & {*LENGTH}:
                changed["images"] = WITHOUT_END
        elif length.images is not None:
            changed |= {"images": length.images, "epochs": None}
        if threads is not None and "threads" not in self.line.given:
            changed["threads"] = threads
        return self.line.arguments(os.path.abspath(self.folder), **changed)

    def ended(self, code: int, asked: Length) -> None:
        """Its last start has."""
        self.look()
        self.code, self.starts = code, self.starts + 1
        if code == 0:
            length = self.length(asked)
            self.seconds, self.images = max(self.seconds, length.seconds or 0), max(self.images, length.images or 0)
            if self.record is not None and self.record["state"] == "finished":
                self.finished = self._own_length

    def note_scores(self, length: Length) -> None:
        """What it scored after a round of that length, unless that is known from before it went on."""
        if self.scored is not None and not self.has_failed and self.record["state"] != DIVERGED:
            self.rounds.setdefault(str(length), dict(self.scored["scores"]))

    @property
    def has_failed(self) -> bool:
        """Its last start has, by itself; that it diverged is a result, and that it was stopped may be meant."""
        return self.code not in (None, 0, Diverged.code, *STOPPED)

    @property
    def state(self) -> str:
        """finished, diverged, stopped, failed (5), ..."""
        if self.is_left_out:
            return "left out"
        if self.has_failed:
            return f"failed ({self.code})"
        if self.record is None:
            return "not begun"
        if self.record["state"] == "stopped" and "time limit" in self.record["message"]:
            return "had its time"
        return str(self.record["state"])


class Ledger:
    """The entries of a sweep; those of earlier lines in the same folder stay in the file, and keep their names."""

    def __init__(self, folder: RunFolder):
        self._folder = folder
        self._kept: dict[str, dict[str, Any]] = {one["key"]: one for one in self._read()}
        self.entries: list[Entry] = []

    def _read(self) -> Sequence[dict[str, Any]]:
        file = self._folder.path / LEDGER
        try:
            runs = unsealed_json(file.read_bytes())["runs"]
            return [{**one, "name": str(one["name"]), "key": str(one["key"])} for one in runs]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            say(f"{file}: damaged ({error}); made anew from the lines and the runs themselves")
            return []

    @property
    def names(self) -> dict[str, str]:
        """What the runs are called that are known already, by the keys of their lines."""
        return {key: one["name"] for key, one in self._kept.items()}

    def ask_for(self, lines: Iterable[Line]) -> None:
        """From now on the sweep's runs are these."""
        self.entries = [self._entry(line) for line in lines]

    def _entry(self, line: Line) -> Entry:
        known = self._kept.get(line.key, {})
        kept = {name: known[name] for name in KEPT if name in known}
        entry = Entry(line, self._folder.path / line.name, **kept)
        entry.look()
        return entry

    def write(self) -> None:
        """Raises FolderError."""
        for entry in self.entries:
            self._kept[entry.line.key] = {
                "name": entry.line.name,
                "line": str(entry.line),
                "key": entry.line.key,
                "state": entry.state,
                **{name: getattr(entry, name) for name in KEPT},
                "scores": (entry.scored or {}).get("scores"),
            }
        asked = {entry.line.key for entry in self.entries}
        runs = sorted(self._kept.values(), key=lambda one: one["key"] not in asked)
        self._folder.write(LEDGER, sealed_json({"project": __version__, "runs": runs}))
