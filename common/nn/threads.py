"""How many threads the networks are computed with: a decision, not torch's default.

The threads of a parallel region wait for the slowest of them. Where another program holds one's core, all of them do:
on two cores beside a busy process, `dcgan.py` in bf16 falls from 2,100 images a second to 73; with one thread it makes
1,080.
"""

import math
import os
import re
import time

from common.console import say
from common.machine.cores import allowed, quota
from common.machine.load import Load, Reading, room

import torch
from torch.nn.modules.module import register_module_forward_pre_hook

LOOK_EVERY = 2.0  # seconds between readings
FIRST_LOOK = 0.25  # seconds that a new run looks at the machine, at least
STARVED_LOOKS = 2  # in a row, and threads are given up
UNEXPLAINED_LOOKS = 5  # in a row where nobody is seen who takes the cores, as out of a container
PATIENCE, MOST_PATIENCE = 10.0, 600.0  # seconds that cores must have been free before threads are taken back
VAIN = 10  # times the patience: threads that had to be given up again so soon were taken back in vain


def bearable(threads: int) -> float:
    """Cores' worth of time that others may take before one thread less is faster.

    Measured with two threads, where one thread is as fast as both beside a process that is busy 0.4 of the time.
    """
    return max(0.8 / threads, 0.2)


def fair_share(reading: Reading, most: int, slack: float = 1.0) -> int:
    """The most threads, up to `most`, that leave every other run as many, or what it wants if that is less.

    `slack` scales what is bearable.
    """
    cores = room(reading)
    for threads in range(most, 1, -1):
        if threads + sum(min(wanted, threads) for wanted in reading.runs) <= cores + slack * bearable(threads):
            return threads
    return 1


def from_the_environment() -> int | None:
    """What OMP_NUM_THREADS says, or None where it says nothing that OpenMP would understand."""
    first = re.match(r"\s*\+?(\d+)\s*(,|$)", os.environ.get("OMP_NUM_THREADS", ""))
    return int(first[1]) or None if first else None


def chosen(asked: int | str | None, load: Load, number: int | None = None, most: int | None = None) -> "Threads":
    """The threads of a program by what its line says (a number, "auto" or nothing), else by OMP_NUM_THREADS.

    Where neither says anything a run that goes on has `number` of them, and may grow to `most`.
    """
    asked = asked or from_the_environment()
    if asked is None and number is not None:
        return Threads(load, number=number, most=most)
    return Threads(load, fixed=asked if isinstance(asked, int) else None)


def adapt(asked: int | str | None, load: Load, program: str) -> None:
    """For a tool: its threads by what was asked for, and by `look` whenever a network computes something."""
    threads = chosen(asked, load)
    said: list[str] = []

    def look(*_: object) -> None:
        before = threads.number
        if threads.look() and threads.number < before and not said:
            said.append(given_up(before, threads.number))
            say(f"{program}: {said[0]}")

    if not threads.is_fixed:
        register_module_forward_pre_hook(look)


def counted(threads: int) -> str:
    return f"{threads} thread{'s' * (threads != 1)}"


def given_up(before: int, now: int) -> str:
    """What is said of it."""
    return (
        f"other programs use the cores: {counted(now)} in place of {before} until they are free again"
        f" (--threads {before} keeps {before})"
    )


def of_the_machine() -> int:
    """What a process alone on this machine has best: torch's own number, within the cores and quota there are."""
    own = torch.get_num_threads() if from_the_environment() is None else len(allowed())
    return max(1, min(own, len(allowed()), math.floor(min(quota(), own) + 0.01)))


class Threads:
    """The number of this process's threads, which `look` adapts to what others leave of the machine.

    `number`, and `most` to which it may grow, are those of a run that goes on; without them both are found by looking.
    `fixed` never changes.
    """

    def __init__(self, load: Load, fixed: int | None = None, number: int | None = None, most: int | None = None):
        self._load, self.is_fixed, self._is_kept = load, fixed is not None, number is not None
        self._starved = 0  # looks in a row
        self._free_since: float | None = None  # by time.monotonic()
        self._taken_back, self._patience = -math.inf, PATIENCE
        self.most = fixed or most or number or of_the_machine()
        self.number = fixed or number or self._at_the_start()
        torch.set_num_threads(self.number)

    def _at_the_start(self) -> int:
        time.sleep(max(0.0, FIRST_LOOK - self._load.seconds))
        return fair_share(self._load.read(), self.most)

    def go_on(self, number: int, most: int) -> None:
        """As the checkpoint says, where neither line nor environment says more."""
        if self._is_kept:
            self.most = most
            self._use(number)

    def _use(self, number: int) -> None:
        self.number = number
        torch.set_num_threads(number)

    def look(self) -> bool:
        """Cheap, to be called often between two steps; whether the number has changed."""
        if self.is_fixed or self.most == 1 or self._load.seconds < LOOK_EVERY:
            return False
        before, reading = self.number, self._load.read()
        self._starved = self._starved + 1 if self._is_starved(reading) else 0
        if self._starved >= STARVED_LOOKS:
            self._give_up(reading)
        else:
            self._take_back(reading)
        return self.number != before

    def _is_starved(self, reading: Reading) -> bool:
        if self.number == 1:
            return False
        if reading.waiting is not None:
            return reading.waiting > bearable(self.number)
        # Less time than asked for, and others who have it.
        taken = reading.others + sum(min(wanted, self.number) for wanted in reading.runs)
        return reading.ours < 0.85 * self.number and taken + self.number > len(allowed()) + bearable(self.number)

    def _give_up(self, reading: Reading) -> None:
        share = fair_share(reading, self.number)
        if share == self.number:
            if self._starved < UNEXPLAINED_LOOKS:
                return
            share = self.number - 1
        was_vain = time.monotonic() - self._taken_back < VAIN * self._patience
        self._patience = min(2 * self._patience, MOST_PATIENCE) if was_vain else PATIENCE
        self._starved, self._free_since = 0, None
        self._use(share)

    def _take_back(self, reading: Reading) -> None:
        """What has been free for long enough, shared with the other runs, which may be about to take it as well."""
        now, runs = time.monotonic(), 1 + len(reading.runs)
        share = fair_share(reading, self.most, slack=0.5)
        free = share - self.number
        more = max(free // runs, min(share, math.floor(room(reading) / runs)) - self.number)
        if free > 0 and reading.is_oldest:
            more = max(more, 1)
        if more <= 0:
            self._free_since = None
            return
        if self._free_since is None:
            self._free_since = now
        if now - self._free_since >= self._patience:
            self._free_since, self._taken_back = None, now
            self._use(self.number + more)
