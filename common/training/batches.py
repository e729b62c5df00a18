"""The data as one tensor on the device, and batches of it."""

import math
import warnings

from common.data.dataset import Dataset
from common.nn import ranks
from common.nn.pixels import floats

import torch
from torch import Tensor


class Batches:
    """Batches of real images: an epoch shows every image once, in an order that depends on seed and epoch alone.

    What is left behind the last whole batch of an epoch is not shown in it. Several processes share each batch.
    """

    def __init__(self, data: Dataset, size: int, device: torch.device, flip: bool, seed: int):
        self._size, self._device, self._flip, self._seed = size, device, flip, seed
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a memory-mapped set is read-only, and nothing writes to it
            pixels = torch.from_numpy(data.images)
        free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else math.inf
        self._images = pixels.to(device) if pixels.nbytes < free / 2 else pixels
        self._labels = None if data.labels is None else torch.from_numpy(data.labels).to(self._images.device)
        self._per_epoch = len(pixels) // size
        self._order: tuple[int, Tensor] = (-1, torch.empty(0))  # of which epoch

    def _chosen(self, step: int) -> Tensor:
        """The places in the data of the batch that step shows."""
        epoch, batch = divmod(step, self._per_epoch)
        if self._order[0] != epoch:
            generator = torch.Generator().manual_seed((self._seed + 1) * 1_000_003 + epoch)
            order = torch.randperm(len(self._images), generator=generator)
            self._order = epoch, order.to(self._images.device)
        return ranks.shared(self._order[1][batch * self._size : (batch + 1) * self._size])

    def images(self, step: int) -> Tensor:
        """(B, C, H, W) in [-1, 1]."""
        return self._real(self._chosen(step))

    def labelled(self, step: int) -> tuple[Tensor, Tensor]:
        """The same with each image's class, int64 (B,)."""
        chosen = self._chosen(step)
        return self._real(chosen), self._classes_of(chosen)

    def others(self) -> Tensor:
        """A batch drawn at random, whatever the epoch's order is at."""
        return self._real(self._at_random())

    def labelled_others(self) -> tuple[Tensor, Tensor]:
        chosen = self._at_random()
        return self._real(chosen), self._classes_of(chosen)

    def _at_random(self) -> Tensor:
        count, device = self._size // ranks.world(), self._images.device
        return ranks.share_of(lambda n: torch.randint(len(self._images), (n,), device=device), count)

    def _classes_of(self, chosen: Tensor) -> Tensor:
        return self._labels[chosen].to(self._device, non_blocking=True)

    def _real(self, chosen: Tensor) -> Tensor:
        x = self._images[chosen].to(self._device, non_blocking=True)
        x = floats(x, torch.channels_last)
        if self._flip:
            x = torch.where(ranks.one_each(x) < 0.5, x.flip(3), x)
        return x
