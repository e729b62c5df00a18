"""Mode collapse, watched while a run trains: whether its generator makes but a few kinds of images.

Images are of a kind if they are nearest to the same training image, or to images of the same class, by pixels: what
samples are next to is told so even while they are no digits yet, which a network would all read as the same one. The
number of kinds among the samples is put beside that among as many held-out images.
"""

from common import sampling
from common.data.dataset import Dataset, evenly
from common.scoring.nearest import nearest

import numpy as np
import torch
from torch import Tensor, nn

SAMPLES = 256
LANDMARKS, NEIGHBOURS = 100, 10_000  # training images to be near to, of any set and of one with labels
PIXELS = 1 << 25  # of all neighbours together, fewer of large images
FEWEST = 32  # held-out images, to compare with
LEAST = {"variety": 0.2, "class_variety": 0.55}  # less is a collapse; measured in docs/reliability.md
STEPS = 500  # before which a generator has hardly begun to learn, and is only judged where the run ends


def effective_number(kinds: Tensor) -> float:
    """1 / sum p^2 of the shares p of whole numbers (N,): n where n of them are equally frequent."""
    shares = kinds.bincount() / len(kinds)
    return 1 / shares.square().sum().item()


class Watch:
    """Compares the kinds among a generator's samples with those among as many held-out images."""

    def __init__(self, real: Dataset, z_dim: int, seed: int):
        self._landmarks = real.images[evenly(len(real.images), LANDMARKS)]
        held_out = real.held_out[evenly(len(real.held_out), SAMPLES)]
        self._z, self._y = sampling.latents(len(held_out), z_dim, seed), None
        if real.labels is not None:
            chosen = evenly(len(real.images), min(NEIGHBOURS, PIXELS // real.images[0].size))
            self._neighbours, self._labels = real.images[chosen], torch.from_numpy(real.labels[chosen])
            self._y = sampling.classes(real.labels, len(held_out), seed)
        self._real = self._numbers(held_out)

    def look(self, G: nn.Module, batch_size: int) -> dict[str, float]:
        """`compare` of the samples of a generator G(z) or G(z, y) in evaluation mode, drawn in such batches."""
        return self.compare(sampling.draw(G, self._z, self._y, batch_size).transpose(0, 3, 1, 2))

    def compare(self, images: np.ndarray) -> dict[str, float]:
        """How varied images (N, C, H, W), uint8, are, as shares of what as many held-out ones are.

        `variety` counts the nearest of 100 training images; `class_variety`, where there are labels, the classes of the
        nearest of 10,000.
        """
        return {name: number / self._real[name] for name, number in self._numbers(images).items()}

    def _numbers(self, images: np.ndarray) -> dict[str, float]:
        found = {"variety": effective_number(nearest(images, self._landmarks)[:, 0])}
        if self._y is not None:
            found["class_variety"] = effective_number(self._labels[nearest(images, self._neighbours)[:, 0]])
        return found
