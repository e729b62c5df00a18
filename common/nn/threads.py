"""How many threads the networks are computed with: a decision, not torch's default.

The threads of a parallel region wait for the slowest of them. Where another program holds one's core, all of them do:
on two cores beside a busy process, `dcgan.py` in bf16 falls from 2,289 images a second to 23; with one thread it makes
1,402.
"""

import math
import os
import re
import time

from common.console import counted, say
from common.machine.cores import MOST_THREADS, allowed, quota
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

    Others may take what is bearable times `slack`: less of it is asked of cores that are to be taken back, so that they
    need not be given up again at once.
    """
    cores = room(reading)
    for threads in range(most, 1, -1):
        if threads + sum(min(wanted, threads) for wanted in reading.runs) <= cores + slack * bearable(threads):
            return threads
    return 1


def from_the_environment() -> int | None:
    """What OMP_NUM_THREADS says, or None where it says nothing that OpenMP could follow."""
    first = re.match(r"\s*\+?(\d+)\s*(,|$)", os.environ.get("OMP_NUM_THREADS", ""))
    return int(first[1]) if first and 0 < int(first[1]) <= MOST_THREADS else None


def asked_for(on_the_line: int | str | None) -> int | str | None:
    """A number or "auto" as the line says, else a number that OMP_NUM_THREADS says, else None."""
    return on_the_line or from_the_environment()


def chosen(
    asked: int | str | None, load: Load, number: int | None = None, most: int | None = None, adapts: bool = True
) -> "Threads":
    """The threads of a program that is asked for a number, "auto" or nothing in particular.

    Asked for nothing, a run that goes on has `number` of them and may grow to `most`. `adapts` is whether the number
    matters so much that it changes with the load: not where a GPU computes.
    """
    if isinstance(asked, int):
        return Threads(load, asked, asked, is_fixed=True)
    if asked is None and number is not None:
        return Threads(load, number, most or number, is_fixed=not adapts)
    most = of_the_machine()
    return Threads(load, at_the_start(load, most) if adapts else most, most, is_fixed=not adapts)


def of_the_machine() -> int:
    """What a process alone on this machine has best: torch's own number, within the cores and quota there are."""
    own = torch.get_num_threads() if from_the_environment() is None else len(allowed())
    return max(1, min(own, len(allowed()), MOST_THREADS, math.floor(min(quota(), own) + 0.01)))


def at_the_start(load: Load, most: int) -> int:
    """A new program's fair share."""
    time.sleep(max(0.0, FIRST_LOOK - load.seconds))
    return fair_share(load.read(), most)


def adapt(asked: int | str | None, load: Load, program: str) -> None:
    """For a tool: its threads by what its line says, and by `look` whenever a network computes something."""
    threads = chosen(asked_for(asked), load)
    is_said = False

    def look(*_: object) -> None:
        nonlocal is_said
        before = threads.number
        if threads.look() and threads.number < before and not is_said:
            is_said = True
            say(f"{program}: {given_up(before, threads.number)}")

    if not threads.is_fixed:
        register_module_forward_pre_hook(look)


def given_up(before: int, now: int) -> str:
    """What is said of it."""
    return (
        f"too few cores are free: {counted(now, 'thread')} in place of {before}, until there are more"
        f" (--threads {before} keeps {before})"
    )


class Threads:
    """The number of this process's threads, which `look` adapts to what others leave of the machine.

    It never falls below 1 nor grows beyond `most`; a fixed one stays.
    """

    def __init__(self, load: Load, number: int, most: int, is_fixed: bool = False):
        self._load, self.number, self.most, self.is_fixed = load, number, most, is_fixed
        self._starved = 0  # looks in a row
        self._free_since: float | None = None  # by time.monotonic()
        self._taken_back, self._patience = -math.inf, PATIENCE
        torch.set_num_threads(number)

    def use(self, number: int, most: int) -> None:
        """From now on so many."""
        self.number, self.most = number, most
        torch.set_num_threads(number)

    def look(self) -> bool:
        """Cheap, to be called often between two steps; whether the number has changed."""
        if self.is_fixed or self.most == 1 or self._load.seconds < LOOK_EVERY:
            return False
        before, reading = self.number, self._load.read()
        self._starved = self._starved + 1 if self._is_starved(reading) else 0
        if self._starved >= STARVED_LOOKS:
            self._give_up(reading)
        elif self._starved:
            self._free_since = None
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
        self.use(share, self.most)

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
            self.use(self.number + more, self.most)
