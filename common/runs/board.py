"""TensorBoard's event files."""

import contextlib
from collections.abc import Mapping
from typing import Any

from common.nn import ranks
from common.runs.folder import RunFolder
from common.runs.names import BOARD, SAMPLES

import numpy as np


class Board:
    """tensorboard/, opened when there is first something to write."""

    def __init__(self, folder: RunFolder):
        self._folder = folder
        self._writer = None

    def add(self, step: int, values: Mapping[str, float], picture: Any = None) -> None:
        """Scalars, and a grid; the first call of a process goes on at `step`. Of several processes the first writes."""
        if not ranks.is_first():
            return
        self._folder.refuse_link(BOARD)
        with self._folder.trouble():
            if self._writer is None:
                from torch.utils.tensorboard import SummaryWriter

                self._writer = SummaryWriter(str(self._folder.path / BOARD), purge_step=step, max_queue=100)
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)
            if picture is not None:
                self._writer.add_image(SAMPLES, np.atleast_3d(np.asarray(picture)), step, dataformats="HWC")

    def close(self) -> None:
        if self._writer is not None:
            with contextlib.suppress(OSError):  # TensorBoard's thread reports a full disk only now
                self._writer.close()
            self._writer = None
