"""Other runs of these scripts on this machine, and how many cores each of them wants."""

import contextlib
import functools
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.scripts import HOME

import psutil

SETTLED = 5  # seconds after which a process no longer becomes another program, as `nice python gan.py` does


@dataclass(frozen=True)
class Times:
    """Seconds that the threads of a process have run and waited for a core, by thread."""

    ran: dict[int, float]
    waited: dict[int, float] | None  # None where the kernel does not say

    def since(self, earlier: "Times") -> tuple[float, float | None]:
        """Seconds run and waited since then, of threads that are there now."""
        ran = _grown(self.ran, earlier.ran)
        if self.waited is None or earlier.waited is None:
            return ran, None
        return ran, _grown(self.waited, earlier.waited)


def _grown(now: dict[int, float], before: dict[int, float]) -> float:
    return sum(max(0.0, seconds - before.get(thread, 0.0)) for thread, seconds in now.items())


def times_of(pid: int) -> Times:
    """Raises OSError or psutil.Error for a process that has gone."""
    ran, waited = {}, {}
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):  # no such folder but on Linux
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError, ValueError):  # it has just ended, or the kernel keeps no such figures
                fields = Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()
                ran[int(thread)], waited[int(thread)] = int(fields[0]) / 1e9, int(fields[1]) / 1e9
    if ran:
        return Times(ran, waited)
    spent = psutil.Process(pid).cpu_times()
    return Times({pid: spent.user + spent.system}, None)


@functools.cache
def names() -> frozenset[str]:
    """What the scripts and tools are called."""
    return frozenset(file.name for file in HOME.glob("*.py"))


def is_a_run(line: Sequence[str]) -> bool:
    """Whether a command line is Python's with one of these scripts: `python -u out/of/here/gan.py ...`."""
    if not line or not os.path.basename(line[0]).lower().startswith("python"):
        return False
    script = next((word for word in line[1:] if not word.startswith("-")), "")
    return os.path.basename(script) in names()


class OtherRuns:
    """Knows every process that it has seen, so that a look costs the reading of command lines of new ones only."""

    def __init__(self) -> None:
        self._known: dict[int, psutil.Process | None] = {}  # None: something else

    def here(self) -> list[psutil.Process]:
        """Other runs that may use a core of this one's."""
        pids = set(psutil.pids()) - {os.getpid()}
        self._known = {pid: process for pid, process in self._known.items() if pid in pids}
        for pid in pids - self._known.keys():
            with contextlib.suppress(psutil.Error, OSError):  # it has gone, or is none of our business
                process = psutil.Process(pid)
                if is_a_run(process.cmdline()) and _shares_a_core(process):
                    self._known[pid] = process
                elif age(process) > SETTLED:
                    self._known[pid] = None
        return [process for process in self._known.values() if process is not None]


def _shares_a_core(process: psutil.Process) -> bool:
    if not hasattr(process, "cpu_affinity"):
        return True
    return bool(set(process.cpu_affinity()) & set(psutil.Process().cpu_affinity()))


def age(process: psutil.Process) -> float:
    """Seconds."""
    return time.time() - process.create_time()
