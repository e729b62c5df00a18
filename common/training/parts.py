"""What the parts of a run that look at it share."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from common.data.dataset import Dataset
from common.nn.randomness import Randomness
from common.options import Settings
from common.runs.folder import RunFolder
from common.training.batches import Batches
from common.training.networks import Networks
from common.training.progress import Progress
from common.training.recorder import Recorder
from common.training.share import Share
from common.training.stopping import Stopping

import torch


@dataclass(frozen=True)
class Parts:
    """Made once, before the first step."""

    folder: RunFolder
    settings: Settings
    data: Dataset
    device: torch.device
    batches: Batches
    progress: Progress
    networks: Networks
    randomness: Randomness
    recorder: Recorder
    stopping: Stopping
    share: Share

    @property
    def with_a_state(self) -> dict[str, Any]:
        """Those that a checkpoint is made of, by their names in it."""
        named = {name: getattr(self, name) for name in ("progress", "networks", "recorder", "share")}
        return {**named, "random": self.randomness}

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """For what looks at the run and changes nothing of it: networks in evaluation mode, random numbers kept."""
        with self.randomness.aside(), self.networks.looked_at():
            yield
