"""Runs as plain processes of this machine."""

import math
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from common.lifeline import on_a_lifeline
from common.machine.cores import allowed, quota
from common.scripts import HOME
from common.sweep.pool import Start

BUSY, AGAIN_AFTER, ATTEMPTS = 75, 2.0, 5  # a run that an earlier sweep has left behind is just ending


@dataclass
class Process:
    """A run that was started, on its place."""

    start: Start
    place: str
    process: subprocess.Popen
    attempts: int = 1
    again: float | None = None  # by time.monotonic(), when it is begun once more


class LocalPool:
    """As many at once as there are places; each place is a GPU, "0" or "1", or "" for cores alone."""

    def __init__(self, places: Sequence[str]):
        self._free, self._is_stopping = list(places), False
        self._running: dict[str, Process] = {}

    def room(self) -> bool:
        return bool(self._free) and not self._is_stopping

    def start(self, start: Start) -> None:
        place = self._free.pop(0)
        self._running[start.name] = Process(start, place, _begun(start, place))

    def ended(self) -> list[tuple[str, int]]:
        found = []
        for name, running in list(self._running.items()):
            code = running.process.poll()
            if code is None or self._is_begun_again(running, code):
                continue
            running.process.stdin.close()
            del self._running[name]
            self._free.append(running.place)
            found.append((name, code if code >= 0 else 128 - code))
        return found

    def _is_begun_again(self, running: Process, code: int) -> bool:
        """Whether a run that is still held, by what a killed sweep has left, is waited for."""
        if code != BUSY or running.attempts == ATTEMPTS or self._is_stopping:
            return False
        now = time.monotonic()
        if running.again is None:
            running.again = now + AGAIN_AFTER
        elif now >= running.again:
            running.process.stdin.close()
            running.process, running.again = _begun(running.start, running.place), None
            running.attempts += 1
        return True

    def stop(self) -> None:
        self._is_stopping = True
        for running in self._running.values():
            running.process.stdin.close()  # its lifeline

    def close(self) -> None:
        self.stop()
        for running in self._running.values():
            running.process.wait()


def _begun(start: Start, place: str) -> subprocess.Popen:
    """The run's process, on a lifeline."""
    command = [sys.executable, str(HOME / f"{start.script}.py"), *start.arguments]
    environment = on_a_lifeline(os.environ) | ({"CUDA_VISIBLE_DEVICES": place} if place else {})
    start.log.parent.mkdir(parents=True, exist_ok=True)
    with start.log.open("ab") as log:
        log.write(f"$ {shlex.join(command)}\n".encode("utf-8", "backslashreplace"))
        log.flush()
        # In a session of its own: a terminal's Ctrl-C is for the sweep, which stops them all.
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment, start_new_session=True
        )


def cores() -> int:
    """Whole cores that this process may use."""
    return max(1, math.floor(min(len(allowed()), quota()) + 0.01))


def shares(runs: int, jobs: int | None, threads: int | None) -> tuple[int, int]:
    """How many of so many runs are computed at once, and each one's threads, where cores are shared out.

    Threads of several runs hinder one another where there are more of them than cores, and one run has most of several
    threads only while it is alone: as many runs as cores, each on one, by default.
    """
    jobs = jobs or max(1, min(runs, cores() // (threads or 1)))
    return jobs, threads or max(1, cores() // jobs)


def gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES calls them."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    visible = [one.strip() for one in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if one.strip()]
    return visible[:count] if visible else [str(number) for number in range(count)]


def places(jobs: int | None, share: float | None) -> list[str]:
    """A place for each run that the GPUs take at once, of a `share` of one each; empty where there is no GPU."""
    devices = gpus()
    at_once = jobs or len(devices) * max(1, math.floor(1 / (share or 1) + 1e-9))
    return list(islice(cycle(devices), at_once)) if devices else []
