"""The run's share of the machine: how many threads it has, and since which step."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.console import counted, say
from common.nn.threads import Threads, given_up
from common.training.progress import Progress

KEPT = 1000  # changes; of a longer history the newest


class Share:
    """Part of every checkpoint: a run goes on with the threads that it had, unless its line or environment says more.

    `before` is what an earlier start had, `is_asked` whether line or environment ask for something.
    """

    def __init__(self, threads: Threads, progress: Progress, path: Path, before: int | None, is_asked: bool):
        self._threads, self._progress, self._path, self._before = threads, progress, path, before
        self._is_asked, self._is_said = is_asked, False
        self.changes: list[dict[str, int]] = []  # from which step on there were how many threads

    @property
    def number(self) -> int:
        return self._threads.number

    @property
    def in_words(self) -> str:
        most = self._threads.most
        return counted(self.number, "thread") + f" (of {most}: too few cores are free)" * (self.number < most)

    def begin(self) -> None:
        """Notes and says a number that is not that of the start before."""
        if self._before not in (None, self.number):
            self._note()
            say(f"{self._path}: goes on with {counted(self.number, 'thread')} in place of {self._before}")

    def look(self) -> bool:
        """Between two steps; whether the number has changed. When threads are first given up, that is said."""
        before = self.number
        if not self._threads.look():
            return False
        self._note()
        if self.number < before and not self._is_said:
            self._is_said = True
            say(f"{self._path}: {given_up(before, self.number)}")
        return True

    def _note(self) -> None:
        self.changes = [*self.changes[1 - KEPT :], {"step": self._progress.step, "threads": self.number}]

    @property
    def about(self) -> dict[str, Any]:
        """For run.json."""
        return {"threads": self.number, "most_threads": self._threads.most, "thread_changes": self.changes}

    def state_dict(self) -> dict[str, Any]:
        return {"number": self.number, "most": self._threads.most, "changes": self.changes}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._before, self.changes = state["number"], state["changes"]
        if not self._is_asked:
            self._threads.use(state["number"], state["most"])
