"""Images from a trained generator: the same seed gives the same images, however many are asked for."""

import math

from common.nn.pixels import to_uint8
from common.nn.randomness import Randomness
from common.pictures.grids import COLUMNS

import numpy as np
import torch
from torch import Tensor, nn

BATCH = 500
MOST_ROWS = 20  # of a grid by classes; of more it shows evenly chosen ones


def latents(count: int, z_dim: int, seed: int) -> Tensor:
    """z ~ N(0, I), (count, z_dim); of another count, the shorter is the beginning of the longer."""
    generator = torch.Generator().manual_seed(seed)
    whole = [torch.randn(BATCH, z_dim, generator=generator) for _ in range(-(-count // BATCH))]
    return torch.cat(whole)[:count]


def classes(labels: np.ndarray, count: int, seed: int) -> Tensor:
    """Classes (count,) as often as the labels have them."""
    return torch.from_numpy(np.random.default_rng(seed).choice(labels, count))


def a_class_a_row(z: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """z (N, D) -> z (rows * N, D) and classes (rows * N,): in each row of a grid the same z, and a class of its own."""
    rows = min(classes, MOST_ROWS)
    y = torch.arange(rows, device=z.device) * classes // rows
    return z.repeat(rows, 1), y.repeat_interleave(len(z))


def walk(z: Tensor, steps: int = COLUMNS) -> Tensor:
    """Points z (N, D) -> (N * steps, D): from each on an arc to the next, and from the last to the first."""
    angles = torch.linspace(0, math.pi / 2, steps + 1, device=z.device)[:-1, None]
    return (torch.cos(angles) * z[:, None] + torch.sin(angles) * z.roll(-1, 0)[:, None]).flatten(0, 1)


@torch.inference_mode()
def draw(G: nn.Module, z: Tensor, y: Tensor | None = None, batch_size: int = BATCH) -> np.ndarray:
    """G(z), or G(z, y) of one that takes classes, as uint8 (N, H, W, C).

    z (N, z_dim) and classes y (N,) may lie on another device.
    """
    device = next(G.parameters()).device
    inputs = [z, y] if "y" in G.takes else [z]
    batches = zip(*(part.split(batch_size) for part in inputs), strict=True)
    return np.concatenate([to_uint8(G(*(part.to(device) for part in batch))) for batch in batches])


def samples(G: nn.Module, count: int, seed: int, labels: np.ndarray | None) -> tuple[np.ndarray, Tensor | None]:
    """Images of G, uint8 (count, C, H, W), and their classes (count,) where it takes any: as often as `labels` do."""
    z = latents(count, G.z_dim, seed)
    y = classes(labels, count, seed) if "y" in G.takes else None
    return draw(G, z, y).transpose(0, 3, 1, 2), y


@torch.inference_mode()
def translate(G: nn.Module, x: Tensor, seed: int) -> Tensor:
    """G(x) of images x (N, C, H, W), one at a time, as pix2pix normalises; `seed` is that of its dropout."""
    device = next(G.parameters()).device
    with Randomness(device).aside():
        torch.manual_seed(seed)
        return torch.cat([G(one.to(device)).cpu() for one in x.split(1)])
