"""Other runs of these scripts on this machine, and how many cores each of them wants."""

import contextlib
import functools
import math
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from common.machine.cores import allowed
from common.scripts import HOME

import psutil

SETTLED = 5  # seconds after which a process no longer becomes another program, as `nice python gan.py` does


@dataclass(frozen=True)
class Times:
    """Seconds that threads have run and waited for a core, by thread."""

    ran: dict[int, float]
    waited: dict[int, float] | None  # None where the kernel does not say

    def since(self, earlier: "Times") -> tuple[float, float | None]:
        """Seconds run and waited since then, by the threads that there still are."""
        ran = _grown(self.ran, earlier.ran)
        if self.waited is None or earlier.waited is None:
            return ran, None
        return ran, _grown(self.waited, earlier.waited)


def _grown(now: dict[int, float], before: dict[int, float]) -> float:
    return sum(max(0.0, seconds - before.get(thread, 0.0)) for thread, seconds in now.items())


def times_of(pids: Iterable[int]) -> Times:
    """Of the threads of these processes together; none of one that has just ended."""
    ran, waited, tells = {}, {}, True
    for pid in pids:
        own_ran, own_waited = _from_the_kernel(Path(f"/proc/{pid}/task"))
        if not any(own_ran.values()):  # no Linux, or one that does not keep these figures
            tells = False
            with contextlib.suppress(psutil.Error, OSError):
                spent = psutil.Process(pid).cpu_times()
                own_ran = {pid: spent.user + spent.system}
        ran |= own_ran
        waited |= own_waited
    return Times(ran, waited if tells else None)


def _from_the_kernel(tasks: Path) -> tuple[dict[int, float], dict[int, float]]:
    """Seconds that each thread has run and waited, by Linux's schedstat; empty where there is none."""
    ran, waited = {}, {}
    with contextlib.suppress(OSError):
        for thread in os.listdir(tasks):
            with contextlib.suppress(OSError, ValueError, IndexError):  # it has just ended
                fields = (tasks / thread / "schedstat").read_text().split()
                ran[int(thread)], waited[int(thread)] = int(fields[0]) / 1e9, int(fields[1]) / 1e9
    return ran, waited


@functools.cache
def names() -> frozenset[str]:
    """What the scripts and tools are called."""
    return frozenset(file.name for file in HOME.glob("*.py"))


def is_a_run(line: Sequence[str]) -> bool:
    """Whether a command line is Python's with one of these scripts: `python -u out/of/here/gan.py ...`."""
    if not line or not os.path.basename(line[0]).lower().startswith("python"):
        return False
    words = iter(line[1:])
    for word in words:
        if word in ("-X", "-W"):
            next(words, None)
        elif word in ("-c", "-m"):
            return False
        elif not word.startswith("-"):
            return os.path.basename(word) in names()
    return False


@dataclass(frozen=True)
class Run:
    """A run by its first process, with those of its processes that have the same command line."""

    pid: int
    began: float  # as time.time() says
    pids: tuple[int, ...] = field(compare=False)  # a child more makes no other run

    @property
    def age(self) -> float:
        """Seconds."""
        return time.time() - self.began


class OtherRuns:
    """Knows every process that it has seen, so that a look costs the reading of command lines of new ones only."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[float, int] | None] = {}  # when a run's process began and its parent; None: no run

    def here(self) -> list[Run]:
        """Other runs that may use a core of this one's. What cannot be seen is none."""
        try:
            pids = set(psutil.pids())
        except (psutil.Error, OSError):
            return []
        self._known = {pid: about for pid, about in self._known.items() if pid in pids}
        found = {pid: about for pid, about in self._known.items() if about is not None}
        for pid in pids - self._known.keys() - {os.getpid()}:
            try:
                process = psutil.Process(pid)
                began = process.create_time()
                is_ours = is_a_run(process.cmdline()) and _shares_a_core(process)
                about, is_settled = (began, process.ppid()) if is_ours else None, time.time() - began > SETTLED
            except psutil.AccessDenied:
                about, is_settled = None, True
            except (psutil.Error, OSError):  # it has just ended
                continue
            if is_settled:
                self._known[pid] = about
            if about is not None:
                found[pid] = about
        return _by_family({**found, os.getpid(): (math.inf, os.getppid())})


def _by_family(found: dict[int, tuple[float, int]]) -> list[Run]:
    """All but this process's own family. A run may have children that are called like it; Windows' launcher has one."""
    families: dict[int, list[int]] = {}
    for pid in found:
        first = pid
        while found[first][1] in found and found[first][1] != first:
            first = found[first][1]
        families.setdefault(first, []).append(pid)
    others = (pids for pids in families.items() if os.getpid() not in pids[1])
    return [Run(first, found[first][0], tuple(sorted(pids))) for first, pids in others]


def _shares_a_core(process: psutil.Process) -> bool:
    return not hasattr(process, "cpu_affinity") or not allowed().isdisjoint(process.cpu_affinity())
