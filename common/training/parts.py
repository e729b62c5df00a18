"""What the parts of a run that look at it share."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from common.data.dataset import Dataset
from common.nn.randomness import Randomness
from common.options import Settings
from common.runs.folder import RunFolder
from common.training.batches import Batches
from common.training.networks import Networks
from common.training.progress import Progress
from common.training.recorder import Recorder
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

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """For what looks at the run and changes nothing of it: networks in evaluation mode, random numbers kept."""
        with self.randomness.aside(), self.networks.looked_at():
            yield
