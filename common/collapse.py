"""Mode collapse, watched while a run trains: whether its generator makes but a few kinds of images."""

import numpy as np
import torch
from torch import Tensor, nn

from common import sampling
from common.data import Dataset
from common.features import classes_of
from common.images import floats

SAMPLES = 256
CELLS = 100  # training images, of which each image is of the kind of the one nearest to it by pixels
FEWEST = 32  # held-out images, to compare with
LEAST = 0.45  # of the kinds among real images; measured in docs/reliability.md
STEPS = 500  # before which a generator has hardly begun to learn, and is only judged where the run ends


def effective_number(kinds: Tensor) -> float:
    """exp of the entropy of the kinds' shares, of whole numbers (N,): n where n kinds are equally frequent."""
    shares = kinds.bincount() / len(kinds)
    return torch.special.entr(shares).sum().exp().item()


class Watch:
    """Compares the kinds among a generator's samples with those among as many held-out images.

    Kinds are told in two ways, of which the worse counts: by the nearest of 100 training images, and, of a data set
    that a network comes with, by the class that it sees.
    """

    def __init__(self, real: Dataset, z_dim: int, seed: int):
        count = min(SAMPLES, len(real.held_out))
        self._z, self._y = sampling.latents(count, z_dim, seed), None
        if real.labels is not None:  # as often as the training images have them
            self._y = torch.from_numpy(np.random.default_rng(seed).choice(real.labels, count))
        cells = real.images[np.linspace(0, len(real.images) - 1, CELLS).astype(int)]
        self._cells, self._classes = floats(cells).flatten(1), classes_of(real)
        held_out = real.held_out[np.linspace(0, len(real.held_out) - 1, count).astype(int)]
        self._real = self._kinds(np.ascontiguousarray(held_out))

    def _kinds(self, images: np.ndarray) -> list[float]:
        """The effective numbers of kinds among images (N, C, H, W), uint8."""
        found = [torch.cdist(floats(images).flatten(1), self._cells).argmin(1)]
        if self._classes is not None:
            found.append(self._classes(images))
        return [effective_number(kinds) for kinds in found]

    def look(self, G: nn.Module, batch_size: int) -> tuple[float, float]:
        """The effective number of kinds that G(z), or G(z, y), makes in evaluation mode, and that of real images."""
        images = sampling.draw(G, self._z, self._y if hasattr(G, "classes") else None, batch_size)
        both = zip(self._kinds(images.transpose(0, 3, 1, 2)), self._real, strict=True)
        return min(both, key=lambda pair: pair[0] / pair[1])
