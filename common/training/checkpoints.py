"""When a checkpoint is due, and what is in it: the state of every part that decides how the run goes on."""

import time
from collections.abc import Mapping
from typing import Any, Protocol

from common.errors import FolderError, first_line
from common.nn import ranks
from common.runs.earlier import modernised
from common.training.agreement import refuse_apart
from common.training.preparation import Prepared
from common.training.record import Record

SHARE = 0.025  # of a run's time, at most, that checkpoints of large networks take by default
MOST_SECONDS = 300  # between checkpoints by default, however large they are


class Part(Protocol):
    """What a checkpoint is made of."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


class Checkpoints:
    """Writes them; touches no random generator."""

    def __init__(self, run: Prepared, record: Record, parts: Mapping[str, Part]):
        self._run, self._record, self._parts = run, record, parts
        self._every = self._between = run.parts.settings.checkpoint_every
        self._saved = time.monotonic()

    def start_the_clock(self) -> None:
        self._saved = time.monotonic()

    def is_due(self) -> bool:
        return time.monotonic() - self._saved >= self._between

    def save(self) -> None:
        """Raises Apart where the processes of a run differ in what is the same in all."""
        began, content = time.monotonic(), self._record.content
        parts = {name: part.state_dict() for name, part in self._parts.items()}
        refuse_apart([*self._run.parts.networks.trained(), parts["random"]["torch"]])
        step = parts["progress"]["step"]
        if ranks.is_first():
            self._run.files.write({"record": {**content, "checkpoint_step": step}, "parts": parts})
        self._saved = time.monotonic()
        took = self._saved - began
        if "checkpoint_every" not in self._run.given:  # by default they cost little
            self._between = max(self._every, min(took / SHARE, MOST_SECONDS))
        content["checkpoint_step"] = step
        content["checkpoints"] += 1
        content["checkpoint_seconds"] = round(content["checkpoint_seconds"] + took, 3)
        self._record.write("running")

    def load(self) -> bool:
        """Every part as the newest whole checkpoint has it; False where there is none. Raises FolderError."""
        state = ranks.first(self._run.files.read)
        if state is None:
            return False
        try:
            state = modernised(state)
            for name, part in self._parts.items():
                part.load_state_dict(state[name])
        except (KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
            path, script = self._run.parts.folder.path, self._run.script
            raise FolderError(
                f"{path}: its checkpoint does not fit the networks of {script}.py as it is now ({first_line(error)});"
                " --fresh starts anew"
            ) from error
        return True
