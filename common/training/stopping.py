"""The one place that decides to stop: a signal, or the time limit."""

import contextlib
import signal
import time
from collections.abc import Iterator

from common.errors import Stopped


class BrokenOff(BaseException):
    """A signal came while the run was scored."""


class Stopping:
    """Told of signals as they come; asked between two steps."""

    def __init__(self, began: float):
        self._began = began  # by time.monotonic()
        self._limit: float | None = None  # seconds from then on
        self._signal: int | None = None  # the first that came, here or in another process of the run
        self._in_loop = False  # a signal then waits for the pause between two steps
        self._may_break_off = False

    def enter_the_loop(self, limit: float | None) -> None:
        """From here on there is something to save; `limit` is in seconds from the command's start."""
        self._in_loop, self._limit = True, limit

    def on_signal(self, number: int, frame: object) -> None:
        """Asks the loop to stop after this step; before it has begun there is nothing to save."""
        self.hear(number)
        if not self._in_loop:
            raise Stopped(f"stopped by {signal.Signals(number).name} before the first step", 128 + number)
        if self._may_break_off:
            self._may_break_off = False
            raise BrokenOff

    def hear(self, number: int) -> None:
        """Of a signal."""
        self._signal = self._signal or number

    @contextlib.contextmanager
    def breaking_off(self) -> Iterator[None]:
        """What is in this block may take minutes: a signal raises BrokenOff in it at once."""
        self._may_break_off = True
        try:
            yield
        finally:
            self._may_break_off = False

    @property
    def is_hurried(self) -> bool:
        """A signal has seconds to be answered in."""
        return self._signal is not None

    @property
    def signalled(self) -> int | None:
        """The signal that asks for the end, if one does."""
        return self._signal

    @property
    def time_is_up(self) -> bool:
        return self._limit is not None and self.seconds_left <= 0

    @property
    def seconds_left(self) -> float:
        """Of the time limit, which starts with the command."""
        return float("inf") if self._limit is None else self._limit - (time.monotonic() - self._began)
