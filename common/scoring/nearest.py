"""The real images nearest to others, by their pixels."""

from common import sampling
from common.nn.pixels import floats
from common.pictures.grids import COLUMNS

import numpy as np
import torch
from torch import Tensor, nn

PIXELS_AT_ONCE = 1 << 22  # as floats in memory


def nearest(images: np.ndarray, others: np.ndarray, count: int = 1) -> Tensor:
    """The places of the `count` nearest of the others to each image, nearest first, (N, count); fewer of fewer.

    Both are uint8 (N, C, H, W) and compared by their pixels.
    """
    x = floats(images).flatten(1)
    distances, places = torch.empty(len(x), 0), torch.empty(len(x), 0, dtype=torch.int64)
    at_once = max(1, PIXELS_AT_ONCE // others[0].size)
    for start in range(0, len(others), at_once):
        found = torch.cdist(x, floats(others[start : start + at_once]).flatten(1))
        numbers = torch.arange(start, start + found.shape[1]).expand_as(found)
        distances, places = torch.cat([distances, found], 1), torch.cat([places, numbers], 1)
        distances, best = distances.topk(min(count, distances.shape[1]), largest=False)
        places = places.gather(1, best)
    return places


def nearest_sheet(G: nn.Module, others: np.ndarray, seed: int = 0, count: int = 8) -> Tensor:
    """A contact sheet of 9 columns, in [-1, 1]: a sample, a gap, and the 7 of the others that are nearest to it.

    A generator that takes classes makes one of each in turn.
    """
    z = sampling.latents(count, G.z_dim, seed)
    y = torch.arange(count) % G.classes if "y" in G.takes else None
    samples = sampling.draw(G, z, y).transpose(0, 3, 1, 2)
    rows = []
    for sample, places in zip(floats(samples), nearest(samples, others, COLUMNS - 1), strict=True):
        near = floats(others[places.numpy()])
        rows += [sample[None], torch.full_like(sample[None], 1 / 255), near]  # the gap is as grey as the grid
    return torch.cat(rows)
