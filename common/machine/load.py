"""What the machine does, and what that leaves for this process."""

import math
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass

from common.machine.cores import allowed, quota
from common.machine.runs import OtherRuns, Run, Times, times_of

import psutil

YOUNG = 15  # seconds: a run that has just begun will want more than it has taken so far


@dataclass(frozen=True)
class Reading:
    """What was taken between two moments, in cores: 1.0 is one core all of the time."""

    ours: float
    waiting: float | None  # this process's threads for a core; None where the kernel does not say
    others: float  # by what is no run of these scripts
    runs: tuple[float, ...]  # what each other run wants; infinity for one that has just begun
    is_oldest: bool  # whether this run began before all others


@dataclass(frozen=True)
class _Moment:
    clock: float
    busy: float  # seconds that the cores have worked
    ours: float  # seconds of them for this process and its children
    own: Times
    runs: dict[Run, Times]


class Load:
    """Reads what has happened since it was made, or since the last reading."""

    def __init__(self) -> None:
        self._runs, self._cores, self._began = OtherRuns(), allowed(), _beginning()
        self._last = self._moment()

    @property
    def seconds(self) -> float:
        """Since the last reading."""
        return time.monotonic() - self._last.clock

    def read(self) -> Reading:
        last, now = self._last, self._moment()
        self._last = now
        seconds = max(now.clock - last.clock, 1e-3)
        _, waited = now.own.since(last.own)
        others, wanted = now.busy - last.busy - (now.ours - last.ours), []
        for run, times in now.runs.items():
            ran, waiting = times.since(last.runs.get(run, times))
            others -= ran
            is_known = run in last.runs and run.age > YOUNG
            wanted.append((ran + (waiting or 0.0)) / seconds if is_known else math.inf)
        return Reading(
            ours=(now.ours - last.ours) / seconds,
            waiting=None if waited is None else waited / seconds,
            others=max(0.0, others / seconds),
            runs=tuple(wanted),
            is_oldest=all(self._began < run.began for run in now.runs),
        )

    def _moment(self) -> _Moment:
        spent, runs = os.times(), {run: times_of(run.pids) for run in self._runs.here()}
        ours = spent.user + spent.system + spent.children_user + spent.children_system
        return _Moment(time.monotonic(), _busy(self._cores), ours, times_of([os.getpid()]), runs)


def _beginning() -> float:
    """When this process began, as time.time() says; now, where that is hidden."""
    try:
        return psutil.Process().create_time()
    except (psutil.Error, OSError):
        return time.time()


def _busy(cores: Iterable[int]) -> float:
    """Seconds that these cores have worked, for anybody, or were taken away by the host of a virtual machine.

    Without what gives way to others, unless this process is as polite itself.
    """
    try:
        each = psutil.cpu_times(percpu=True)
    except (psutil.Error, OSError):  # hidden from this container
        return 0.0
    polite = hasattr(os, "nice") and os.nice(0) > 0
    kinds = ("user", "system", "irq", "softirq", "steal") + (("nice",) if polite else ())
    mine = [each[core] for core in cores] if max(cores) < len(each) else each  # some are hidden, or switched off
    return sum(getattr(one, kind, 0.0) for one in mine for kind in kinds)


def room(reading: Reading) -> float:
    """Cores for this run and the others together."""
    return min(quota(), len(allowed()) - reading.others)
