"""What the parts of a run that look at it share."""

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
