"""Pictures of a run: grids, contact sheets, GIFs, plots. Everything here returns PNG or GIF bytes."""

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

SMALLEST_TILE = 56  # pixels; smaller images are enlarged by a whole factor, so that 8x8 digits can be read
GAP = 2
COLUMNS = 8


def to_uint8(images: torch.Tensor) -> np.ndarray:
    """Floats in [-1, 1], (N, C, H, W) -> uint8 (N, H, W, C); what is outside the range is clipped."""
    images = images.detach().float().clamp(-1, 1).add(1).mul(127.5).round()
    return images.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def halvings(shape: tuple[int, int, int]) -> int:
    """How often an image (C, H, W) can be halved until 4 to 7 pixels a side are left: 2 for 28, 3 for 32, 4 for 64.

    Raises ValueError for a size that strided convolutions cannot make.
    """
    _, height, width = shape
    side, times = height, 0
    while side > 7 and side % 2 == 0:
        side, times = side // 2, times + 1
    if height != width or times == 0 or not 4 <= side <= 7:
        raise ValueError(
            f"this network cannot make images of {height}x{width} pixels, only 4, 5, 6 or 7 times a power of two;"
            " try --image-size 28, 32 or 64"
        )
    return times


def grid(images: torch.Tensor, columns: int = COLUMNS) -> Image.Image:
    """Images (N, 1 or 3, H, W) in [-1, 1], row by row on a grid; fixed range, so brightness can be compared."""
    tiles = to_uint8(images)
    factor = max(1, -(-SMALLEST_TILE // tiles.shape[1]))
    tiles = tiles.repeat(factor, axis=1).repeat(factor, axis=2)
    count, height, width, channels = tiles.shape
    rows = -(-count // columns)
    sheet = np.full((rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, channels), 128, np.uint8)
    for i, tile in enumerate(tiles):
        top, left = (i // columns) * (height + GAP) + GAP, (i % columns) * (width + GAP) + GAP
        sheet[top : top + height, left : left + width] = tile
    return Image.fromarray(sheet[..., 0] if channels == 1 else sheet)


def png(picture: Image.Image) -> bytes:
    """The picture as a file."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def gif(files: Iterable[Path], most: int = 100, milliseconds: int = 250) -> bytes:
    """A film of pictures of one size; of more than `most`, evenly chosen ones and the last. It rests on the last."""
    files = list(files)
    if len(files) > most:
        files = [files[round(i * (len(files) - 1) / (most - 1))] for i in range(most)]
    frames = []
    for file in files:
        with Image.open(file) as picture:
            frames.append(picture.convert("L" if picture.mode == "L" else "RGB"))
    buffer = io.BytesIO()
    durations = [milliseconds] * (len(frames) - 1) + [2000]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return buffer.getvalue()


def curves(rows: Sequence[Mapping[str, float]], panels: Sequence[Sequence[str]], title: str) -> bytes:
    """Curves over images shown, one panel above the other for each group of names."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.6 + 2.6 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axis, names in zip(axes, panels, strict=True):
        for name in names:
            points = [(row["images"], row[name]) for row in rows if name in row]
            axis.plot(*zip(*points, strict=True), label=name.replace("_", " "), linewidth=1.2)
        axis.grid(alpha=0.3)
        axis.legend(loc="best", frameon=False)
    axes[-1].set_xlabel("real images shown")
    axes[0].set_title(title, parse_math=False)  # a path may hold dollar signs
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()
