"""What the processes of a run decide together, at the same step: each for itself, they would wait for one another.

A process alone decides at once, for itself.
"""

import argparse
import hashlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.console import counted
from common.errors import Apart, BadArgument, DataError, FolderError
from common.nn import ranks
from common.options import Settings
from common.options.parser import metadata
from common.scripts import digest_of
from common.training.stopping import Stopping

import torch
from torch import Tensor

BETWEEN = 0.25  # seconds between two agreements, about: each makes all wait for the slowest


@dataclass(frozen=True)
class Asked:
    """What is to be done between two steps: stop because of a signal, or of the time, or write a checkpoint."""

    signal: int | None = None
    time_is_up: bool = False
    checkpoint: bool = False


class Agreement:
    """Asks every process, not at every step but when about BETWEEN seconds have passed."""

    def __init__(self, stopping: Stopping):
        self._stopping = stopping
        self._step, self._clock, self._next = 0, time.monotonic(), 0

    def begin(self, step: int) -> None:
        """The run goes on from this step."""
        self._step, self._clock, self._next = step, time.monotonic(), step

    def ask(self, step: int, checkpoint_is_due: bool = False, at_once: bool = False) -> Asked:
        """What any process is asked for; nothing where it is too early to ask. All call this at the same steps."""
        stopping = self._stopping
        if ranks.world() == 1:
            return Asked(stopping.signalled, stopping.time_is_up, checkpoint_is_due)
        if step < self._next and not at_once:
            return Asked()
        own = [stopping.signalled or 0, int(stopping.time_is_up), int(checkpoint_is_due), self._steps_to_the_next(step)]
        signal, time_is_up, checkpoint, steps = ranks.largest(own)
        self.begin(step)
        self._next = step + steps
        if signal:
            stopping.hear(signal)
        return Asked(signal or None, bool(time_is_up), bool(checkpoint))

    def _steps_to_the_next(self, step: int) -> int:
        """By the speed of the first process; the others leave it to that."""
        if not ranks.is_first() or step == self._step:
            return int(ranks.is_first())
        seconds = (time.monotonic() - self._clock) / (step - self._step)
        return max(1, min(1000, round(BETWEEN / max(seconds, 1e-6))))


def refuse_other_ranks(path: Path, record: Mapping[str, Any], s: Settings) -> None:
    """Raises FolderError where the run had another number of processes, unless the line says that it may change."""
    before, now = record.get("ranks", 1), ranks.world()
    if before != now and not s.world_changed:
        raise FolderError(
            f"{path}: was trained by {counted(before, 'process', 'processes')}, and now there"
            f" {'is' if now == 1 else 'are'} {now}, with which its numbers come out otherwise; --world-changed goes on"
            " all the same"
        )


def refuse_a_bad_split(s: Settings) -> None:
    """Raises BadArgument for a batch that the processes cannot share equally, or whose shares are no batches."""
    world = ranks.world()
    if world == 1:
        return
    whole = f"--batch-size {s.batch_size}: is the whole batch of {world} processes"
    if s.batch_size % world:
        few = "fewer images than processes" if s.batch_size < world else "no whole number of images for each of them"
        raise BadArgument(f"{whole}, and has {few}; give a multiple of {world}")
    try:
        metadata(type(s), "batch_size")["type"](str(s.batch_size // world))
    except argparse.ArgumentTypeError as error:  # as what looks across a batch needs two images
        raise BadArgument(f"{whole}; each one's share {error}") from error


def refuse_differences(given: Mapping[str, Any], fingerprint: str) -> None:
    """Raises BadArgument or DataError where the processes of a run have other lines, code, versions or data."""
    if ranks.world() == 1:
        return
    line = {name: value for name, value in given.items() if name not in ("folder", "data_root")}
    about = {"command line": repr(sorted(line.items())), "code": digest_of(), "torch": str(torch.__version__)}
    for number, other in enumerate(ranks.gathered((about, fingerprint))):
        for name, value in about.items():
            if other[0][name] != value:
                raise BadArgument(f"process {number} has another {name} than process {ranks.rank()}; all need the same")
        if other[1] != fingerprint:
            raise DataError(f"process {number} has other training images than process {ranks.rank()}")


def not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """The name of the first that is NaN or infinite somewhere, in any process."""
    wrong = torch.stack([~tensor.isfinite().all() for tensor in tensors.values()]).tolist()
    return next((name for name, is_wrong in zip(tensors, ranks.largest(wrong), strict=True) if is_wrong), None)


def refuse_apart(tensors: Iterable[Tensor]) -> None:
    """Raises Apart where the processes no longer have the same bytes in these."""
    if ranks.world() == 1:
        return
    digest = hashlib.blake2b()
    for tensor in tensors:
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    found = ranks.gathered(digest.hexdigest())
    if len({*found}) > 1:
        other = next(number for number, one in enumerate(found) if one != found[0])
        raise Apart(
            f"process {other} has come apart from process 0: weights, optimizers or random numbers differ; the last"
            " checkpoint is whole, and the same line goes on from it"
        )
