"""How far a run is."""

import time
from typing import Any

from common.training.plan import Plan


class Progress:
    """The step that a run is at, and the seconds it has trained over all its starts."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.step = 0  # batches trained on
        self.looked = True  # whether what was due after that step was done
        self.ended: int | None = None  # the length in epochs that the script broke out of
        self._before = 0.0  # seconds in earlier starts
        self._since = time.monotonic()

    @property
    def images(self) -> int:
        """Real images shown."""
        return self.step * self.plan.batch_size

    @property
    def epochs(self) -> float:
        return self.step / self.plan.batches_per_epoch if self.is_cut_short else self.plan.epochs_done(self.step)

    @property
    def whole_epochs(self) -> int:
        """Not the one whose end a signal broke off."""
        return int(self.epochs) - (not self.looked and self.plan.ends_an_epoch(self.step))

    @property
    def is_cut_short(self) -> bool:
        """Whether the script itself ended the run before its length, which has not grown since."""
        return self.ended == self.plan.epochs and not self.plan.is_last(self.step)

    @property
    def is_over(self) -> bool:
        return self.is_cut_short or self.plan.is_last(self.step)

    @property
    def seconds(self) -> float:
        return self._before + time.monotonic() - self._since

    @property
    def images_per_second(self) -> float:
        return self.images / self.seconds

    def start_the_clock(self) -> None:
        self._since = time.monotonic()

    def leave_out(self, seconds: float) -> None:
        """Time that was not spent on training."""
        self._since += seconds

    def state_dict(self) -> dict[str, Any]:
        return {"step": self.step, "looked": self.looked, "ended": self.ended, "seconds": self.seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.step, self.looked, self.ended = state["step"], state["looked"], state["ended"]
        self._before = state["seconds"]
