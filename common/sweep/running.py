"""The sweep at work: it starts what is to do where there is room, scores what has ended, stops when told to."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from common.console import say
from common.errors import Stopped
from common.lifeline import on_a_lifeline
from common.runs.folder import RunFolder
from common.scripts import HOME
from common.storage.platforms import SIGNALS
from common.sweep.display import Display
from common.sweep.halving import best, with_all_seeds
from common.sweep.ledger import LOGS, Entry, Ledger, Length
from common.sweep.pool import Pool, Start

PAUSE = 0.1  # seconds between two looks at what runs


class Signals:
    """Remembers the first signal that asks for the end, while the sweep is at work."""

    def __init__(self) -> None:
        self.number: int | None = None
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._hear)

    def _hear(self, number: int, frame: object) -> None:
        self.number = self.number or number

    def refuse(self, folder: Path) -> None:
        """Raises Stopped where there was one."""
        if self.number is not None:
            why = signal.Signals(self.number).name
            raise Stopped(f"{folder}: stopped by {why}; the same line goes on", 128 + self.number)


class Sweep:
    """The runs of a folder, and what they are started in."""

    def __init__(self, folder: RunFolder, ledger: Ledger, pool: Pool, display: Display, threads: int | None):
        self._folder, self._ledger, self._pool, self._display = folder, ledger, pool, display
        self._threads, self._signals = threads, Signals()
        self.codes: list[int] = []  # of tools that failed

    def run(
        self,
        rounds: Sequence[Length],
        score: str,
        factor: float,
        keep: int,
        scoring: Sequence[str] | None,
        early_seeds: int | None = None,
    ) -> bool:
        """All rounds, after each of which the best go on; whether anything was done. Raises Stopped or FolderError.

        `scoring` are options of evaluate.py, or None where nothing is to be scored. Seeds from `early_seeds` on join in
        the last round, for the lines that are left.
        """
        entries, has_changed = self._ledger.entries, False
        if early_seeds is not None and len(rounds) > 1:
            entries = [entry for entry in entries if entry.line.given["seed"] < early_seeds]
        for place, length in enumerate(rounds):
            has_changed |= self.train(entries, length)
            has_changed |= scoring is not None and self.score(entries, scoring)
            if len(rounds) == 1:
                break
            for entry in entries:
                entry.note_scores(length)
            if place < len(rounds) - 1:
                going_on = best(entries, length, score, factor, keep)
                self._display.halved(going_on, entries, length)
                remaining = with_all_seeds(going_on, self._ledger.entries)
                for entry in self._ledger.entries:
                    entry.is_left_out = entry not in remaining
                entries = remaining if place == len(rounds) - 2 else going_on
            self._ledger.write()
        return has_changed

    def train(self, entries: Sequence[Entry], length: Length) -> bool:
        """Each for that length, unless it has had it; whether any was started. Raises Stopped or FolderError."""
        waiting = [entry for entry in entries if not entry.is_through(length)]
        running: dict[str, Entry] = {}
        self._display.begin(entries, waiting, length)
        any_started = bool(waiting)
        while (waiting and self._signals.number is None) or running:
            while waiting and self._signals.number is None and self._pool.room():
                entry = waiting.pop(0)
                running[entry.line.name] = entry
                with self._folder.trouble():  # its log cannot be written
                    self._pool.start(self._start(entry, length))
                self._display.started(entry)
            for name, code in self._pool.ended():
                entry = running.pop(name)
                entry.ended(code, length)
                self._ledger.write()
                self._display.ended(entry, self._log(entry))
            if self._signals.number is not None:
                self._pool.stop()
            self._display.show(running.values())
            time.sleep(PAUSE)
        self._display.close()
        self._signals.refuse(self._folder.path)
        return any_started

    def _start(self, entry: Entry, length: Length) -> Start:
        arguments = tuple(entry.arguments(length, self._threads))
        return Start(entry.line.name, entry.line.script, arguments, self._log(entry))

    def _log(self, entry: Entry) -> Path:
        return self._logs / f"{entry.line.name}.txt"

    @property
    def _logs(self) -> Path:
        return (self._folder.path / LOGS).absolute()

    def score(self, entries: Sequence[Entry], options: Sequence[str]) -> bool:
        """By evaluate.py, what has something to score and was not; whether there was. Raises Stopped or FolderError."""
        unscored = [entry for entry in entries if entry.record and entry.record["steps"] and entry.scored is None]
        unscored = [entry for entry in unscored if entry.record["checkpoint_step"]]
        if unscored:
            self._display.scoring(unscored)
            self.tool("evaluate", [*(str(entry.folder) for entry in unscored), *options])
            for entry in unscored:
                entry.look()
            self._ledger.write()
        return bool(unscored)

    def tool(self, name: str, arguments: Sequence[str]) -> None:
        """Runs evaluate.py or compare.py, whose tables go to the logs. Raises Stopped or FolderError."""
        log = self._logs / f"{name}.txt"
        with self._folder.trouble():
            log.parent.mkdir(exist_ok=True)
            out = log.open("wb")
        with out:
            process = subprocess.Popen(
                [sys.executable, str(HOME / f"{name}.py"), *arguments],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out if self._display.is_quiet else None,
                env=on_a_lifeline(os.environ),
                start_new_session=True,
            )
            while process.poll() is None and self._signals.number is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(PAUSE)
            process.stdin.close()
            process.wait()
        self._signals.refuse(self._folder.path)
        if process.returncode:
            self.codes.append(process.returncode)
            say(f"{name}.py ended with exit code {process.returncode}; {log} has what it printed")
