"""Pictures of a run: grids, contact sheets, GIFs, plots. Everything here returns PNG or GIF bytes."""

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

SMALLEST_TILE = 56  # pixels; smaller images are enlarged by a whole factor, so that 8x8 digits can be read
GAP = 2
COLUMNS = 8
PIXELS_AT_ONCE = 1 << 22  # as floats in memory


def to_uint8(images: torch.Tensor) -> np.ndarray:
    """Floats in [-1, 1], (N, C, H, W) -> uint8 (N, H, W, C); what is outside the range is clipped."""
    images = images.detach().float().clamp(-1, 1).add(1).mul(127.5).round()
    return images.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def floats(
    pixels: np.ndarray | torch.Tensor, memory_format: torch.memory_format = torch.preserve_format
) -> torch.Tensor:
    """uint8 (N, C, H, W) -> float32 in [-1, 1], the way back from to_uint8 but for the order of dimensions."""
    if isinstance(pixels, np.ndarray):
        pixels = torch.from_numpy(np.ascontiguousarray(pixels))
    return pixels.to(torch.float32, memory_format=memory_format).div_(127.5).sub_(1)


def nearest(images: np.ndarray, others: np.ndarray, count: int = 1) -> torch.Tensor:
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


def tile_of(size: int) -> int:
    """Pixels a side that an image of `size` has on a grid."""
    return size * max(1, -(-SMALLEST_TILE // size))


def grid(images: torch.Tensor, columns: int = COLUMNS) -> Image.Image:
    """Images (N, 1 or 3, H, W) in [-1, 1], row by row on a grid; fixed range, so brightness can be compared."""
    return grid_of_pixels(to_uint8(images), columns)


def grid_of_pixels(tiles: np.ndarray, columns: int = COLUMNS) -> Image.Image:
    """The same of uint8 (N, H, W, 1 or 3)."""
    factor = tile_of(tiles.shape[1]) // tiles.shape[1]
    tiles = tiles.repeat(factor, axis=1).repeat(factor, axis=2)
    count, height, width, channels = tiles.shape
    rows = -(-count // columns)
    sheet = np.full((rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, channels), 128, np.uint8)
    for i, tile in enumerate(tiles):
        top, left = (i // columns) * (height + GAP) + GAP, (i % columns) * (width + GAP) + GAP
        sheet[top : top + height, left : left + width] = tile
    return Image.fromarray(sheet[..., 0] if channels == 1 else sheet)


def part_of_grid(picture: Image.Image, size: int, side: int, multiple: int = 1) -> Image.Image:
    """`side` by `side` images of a grid of images of `size` pixels, fewer where it has fewer.

    They are the first of rows from the whole grid, which may be a class each; `multiple` of them belong together.
    """
    step = tile_of(size) + GAP
    rows, columns = (picture.height - GAP) // step, (picture.width - GAP) // step
    across = min(columns, max(multiple, side // multiple * multiple))
    down = min(rows, side)
    part = Image.new(picture.mode, (across * step + GAP, down * step + GAP), 128 if picture.mode == "L" else (128,) * 3)
    for row in range(down):
        top = row * (rows - 1) // max(1, down - 1) * step
        part.paste(picture.crop((0, top, part.width, top + step + GAP)), (0, row * step))
    return part


def without_enlargement(picture: Image.Image, size: int) -> Image.Image:
    """A grid of enlarged images of `size` pixels as small as it can be without loss."""
    return picture.reduce(2) if tile_of(size) == 2 * size else picture


def lettering(points: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib and has letters that Pillow's own font lacks."""
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), points)


def sheet(heads: Sequence[Sequence[str]], rows: Sequence[tuple[str, Sequence[tuple[Image.Image | str, str]]]]) -> bytes:
    """A column of cells under each of `heads` (lines of text), each row with its caption at the left.

    A cell is a picture, or what to say in its place, and a caption.
    """
    big, small, margin, left = lettering(17), lettering(13), 12, 110
    pictures = [[cell if not isinstance(cell, str) else None for cell, _ in cells] for _, cells in rows]
    widths = [max([p.width for p in column if p], default=200) for column in zip(*pictures, strict=True)]
    heights = [max([p.height for p in row if p], default=40) + 22 for row in pictures]
    places = [left + sum(widths[:i]) + i * margin for i in range(len(widths))]
    top = margin + 30 + 18 * (max(map(len, heads)) - 1)
    size = left + sum(widths) + len(widths) * margin, top + sum(heights) + (len(heights) + 1) * margin
    page = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(page)

    def write(text: str, x: int, y: int, room: int, font: ImageFont.FreeTypeFont, colour: str = "black") -> None:
        text = text.replace("\n", " ")
        while text and pen.textlength(text, font) > room:
            text = text[:-2] + "…" if len(text) > 2 else ""
        pen.text((x, y), text, colour, font)

    for head, x, width in zip(heads, places, widths, strict=True):
        for line, text in enumerate(head):
            write(text, x, margin + (24 + 18 * (line - 1) if line else 0), width, small if line else big)
    y = top
    for (caption, cells), height in zip(rows, heights, strict=True):
        write(caption, margin, y + 4, left - margin - 6, big)
        for (cell, below), x, width in zip(cells, places, widths, strict=True):
            if isinstance(cell, str):
                write(cell, x, y + 4, width, small, "dimgray")
            else:
                page.paste(cell, (x, y))
                write(below, x, y + cell.height + 2, width, small, "dimgray")
        y += height + margin
    return png(page)


def png(picture: Image.Image) -> bytes:
    """The picture as a file."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def opened(file: Path) -> Image.Image | None:
    """A grid as it was written, L or RGB, or None where it is damaged, half-written or no PNG."""
    try:
        with Image.open(file, formats=("PNG",)) as picture:
            return picture.convert("L" if picture.mode == "L" else "RGB")
    except Exception:  # what Pillow raises for damaged files is as varied as the damage
        return None


def evenly(things: Sequence[Any], most: int) -> list[Any]:
    """Up to `most` of the things, the first and the last among them."""
    if len(things) <= most:
        return list(things)
    return [things[round(i * (len(things) - 1) / (most - 1))] for i in range(most)]


def gif(files: Iterable[Path], most: int = 100, milliseconds: int = 250) -> bytes | None:
    """A film of pictures of one size; of more than `most`, evenly chosen ones and the last. It rests on the last.

    What is damaged, or of another size than the last, is left out; None where nothing is left.
    """
    found = [picture for picture in map(opened, evenly(list(files), most)) if picture is not None]
    frames = [picture for picture in found if picture.size == found[-1].size]
    if not frames:
        return None
    if frames[0].mode == "RGB":
        frames = in_common_colours(frames)
    buffer = io.BytesIO()
    durations = [milliseconds] * (len(frames) - 1) + [2000]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return buffer.getvalue()


def in_common_colours(frames: Sequence[Image.Image]) -> list[Image.Image]:
    """Pictures of one size in the 256 colours that suit eight of them: a film is made 20 times as fast."""
    some = evenly(frames, 8)
    width, height = max(1, some[0].width // 2), max(1, some[0].height // 2)
    together = Image.new("RGB", (width, height * len(some)))
    for i, frame in enumerate(some):
        together.paste(frame.resize((width, height), Image.Resampling.NEAREST), (0, i * height))
    colours = together.quantize(256)
    return [frame.quantize(palette=colours, dither=Image.Dither.NONE) for frame in frames]


def curves(
    rows: Sequence[Mapping[str, float]], panels: Sequence[Sequence[str]], title: str, over: str = "images"
) -> bytes:
    """Curves over images shown, or "seconds", one panel above the other for each group of names."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.6 + 2.6 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axis, names in zip(axes, panels, strict=True):
        for name in names:
            points = [(row[over], row[name]) for row in rows if name in row]
            axis.plot(*zip(*points, strict=True), label=name.replace("_", " "), linewidth=1.2)
        axis.grid(alpha=0.3)
        axis.legend(loc="best", frameon=False)
    axes[-1].set_xlabel("real images shown" if over == "images" else over)
    axes[0].set_title(title, parse_math=False)  # a path may hold dollar signs
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()
