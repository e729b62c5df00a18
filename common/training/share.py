"""The run's share of the machine: how many threads it has, and since which step."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.console import say
from common.nn.threads import Threads, counted, given_up
from common.training.progress import Progress


class Share:
    """Part of every checkpoint: a run goes on with the threads that it had, unless its line or environment says more.

    `before` is what an earlier start had; `adapts` is whether it is threads that networks are computed with.
    """

    def __init__(self, threads: Threads, progress: Progress, path: Path, before: int | None, adapts: bool):
        self._threads, self._progress, self._path, self._before = threads, progress, path, before
        self._adapts, self._is_said = adapts, False
        self.changes: list[dict[str, int]] = []  # from which step on there were how many threads

    @property
    def number(self) -> int:
        return self._threads.number

    def begin(self) -> None:
        """Notes and says a number that is not that of the start before."""
        if self._before not in (None, self.number):
            self._note()
            say(f"{self._path}: goes on with {counted(self.number)} in place of {self._before}")

    def look(self) -> bool:
        """Between two steps; whether the number has changed. When threads are first given up, that is said."""
        before = self.number
        if not self._adapts or not self._threads.look():
            return False
        self._note()
        if self.number < before and not self._is_said:
            self._is_said = True
            say(f"{self._path}: {given_up(before, self.number)}")
        return True

    def _note(self) -> None:
        self.changes.append({"step": self._progress.step, "threads": self.number})

    @property
    def about(self) -> dict[str, Any]:
        """For run.json."""
        return {"threads": self.number, "most_threads": self._threads.most, "thread_changes": self.changes}

    def state_dict(self) -> dict[str, Any]:
        return {"number": self.number, "most": self._threads.most, "changes": list(self.changes)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._before, self.changes = state["number"], list(state["changes"])
        self._threads.go_on(state["number"], state["most"])
