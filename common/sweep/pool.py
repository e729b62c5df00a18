"""What runs are started in: the processes of this machine, or a cluster."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Start:
    """One start of a run.

    name            of the run, below the sweep's folder
    script          dcgan for dcgan.py beside common/
    arguments       the script's, with the run's folder as it is from anywhere
    log             where what the run says is appended
    """

    name: str
    script: str
    arguments: tuple[str, ...]
    log: Path


class Pool(Protocol):
    """Starts runs and says how they ended."""

    def room(self) -> bool:
        """Whether another one may be started now."""

    def start(self, start: Start) -> None: ...

    def ended(self) -> list[tuple[str, int]]:
        """(name, exit code) of those that have ended since the last call. Does not wait."""

    def stop(self) -> None:
        """Every run ends with a checkpoint, within seconds, and none is started again."""

    def close(self) -> None:
        """Waits until nothing runs any more."""
