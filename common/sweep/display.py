"""What is seen of a sweep while it runs: on a terminal bars of all runs, elsewhere a line where something changes."""

import contextlib
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from common.console import clock, counted, last_line, say
from common.runs.names import LOG
from common.sweep.ledger import Entry, Length

MOST = 12  # runs that have a bar
REDRAWN = 0.5  # seconds between two looks at logs
TAIL = 4096  # bytes of a log, in which its last row is


class Display:
    """Silent but for failures under --quiet."""

    def __init__(self, folder: Path, is_quiet: bool):
        self._folder, self.is_quiet = folder, is_quiet
        self._has_bars = sys.stderr.isatty() and not is_quiet
        self._total, self._done = 0, 0
        self._bars: list[Any] = []
        self._shown = 0.0  # by time.monotonic()

    def begin(self, entries: Sequence[Entry], waiting: Sequence[Entry], length: Length) -> None:
        self._total, self._done = len(entries), len(entries) - len(waiting)
        had = f", {self._done} of them through already" if self._done else ""
        each = "" if length == Length() else f", {length} each"
        if not self.is_quiet:
            say(f"{self._folder}: {counted(self._total, 'run')}{each}{had}")

    def started(self, entry: Entry) -> None:
        if not (self.is_quiet or self._has_bars):
            say(f"{entry.line.name}: {'goes on' if entry.record else 'begins'}")

    def ended(self, entry: Entry, log: Path) -> None:
        """A failure is said with what the run said last, and where all of that is."""
        self._done += 1
        state, record = entry.state, entry.record or {}
        if entry.has_failed:
            self._line(f"{entry.line.name}: {state}: {last_line(log)} ({log} has all)")
        elif not self.is_quiet and not self._has_bars:
            epochs, images = counted(record.get("epochs_done", 0), "epoch"), counted(record.get("images", 0), "image")
            took = clock(record.get("seconds", 0))
            say(f"{entry.line.name}: {state}, {epochs}, {images} in {took} ({self._done} of {self._total})")

    def scoring(self, entries: Sequence[Entry]) -> None:
        if not self.is_quiet:
            say(f"{self._folder}: scoring {counted(len(entries), 'run')}")

    def halved(self, going_on: Sequence[Entry], entries: Sequence[Entry], length: Length) -> None:
        if not self.is_quiet:
            say(f"{self._folder}: after {length} the best {len(going_on)} of {counted(len(entries), 'run')} go on")

    def _line(self, text: str) -> None:
        """Above the bars, if there are any."""
        if self._bars:
            self._bars[0].write(text, file=sys.stderr)
        else:
            say(text)

    def show(self, running: Iterable[Entry]) -> None:
        """How far everything is; cheap, to be called often."""
        if not self._has_bars or time.monotonic() - self._shown < REDRAWN:
            return
        self._shown = time.monotonic()
        from tqdm import tqdm

        running = list(running)[:MOST]
        while len(self._bars) <= len(running):
            place = len(self._bars)
            layout = "{desc}: {n}/{total} runs [{elapsed}]" if place == 0 else "  {desc}"
            self._bars.append(
                tqdm(total=self._total, position=place, bar_format=layout, leave=False, dynamic_ncols=True)
            )
        first, *others = self._bars
        first.n = self._done
        first.set_description_str(str(self._folder))
        for bar, entry in zip(others, [*running, *[None] * (len(others) - len(running))], strict=True):
            bar.set_description_str("" if entry is None else f"{entry.line.name}  {how_far(entry.folder)}")

    def close(self) -> None:
        for bar in reversed(self._bars):
            with contextlib.suppress(OSError):
                bar.close()
        self._bars = []


def how_far(folder: Path) -> str:
    """What the last row of a run's log says."""
    try:
        with (folder / LOG).open("rb") as file:
            names = file.readline().decode().strip().split(",")
            file.seek(max(file.tell(), file.seek(0, 2) - TAIL))
            values = file.read().decode(errors="replace").splitlines()[-1].split(",")
        row = {name: float(value) for name, value in zip(names, values, strict=True) if value}
        losses = "  ".join(f"{name} {value:.3g}" for name, value in row.items() if name.endswith("_loss"))
        rate = row["images"] / max(row["seconds"], 1e-3)
        return f"epoch {row['epoch']:.4g}  {clock(row['seconds'])}  {rate:,.0f} images/s  {losses}"
    except (OSError, ValueError, KeyError, IndexError):  # it has just begun, or is being written
        return "starts"
