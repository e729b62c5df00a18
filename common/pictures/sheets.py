"""Pictures in columns and rows with captions."""

import math
from collections.abc import Sequence
from pathlib import Path

from common.pictures.files import png

from PIL import Image, ImageDraw, ImageFont

WIDEST = 200  # pixels of a column in which no picture is wider


def lettering(points: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib and has letters that Pillow's own font lacks."""
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), points)


def sheet(heads: Sequence[Sequence[str]], rows: Sequence[tuple[str, Sequence[tuple[Image.Image | str, str]]]]) -> bytes:
    """A column of cells under each of `heads` (lines of text), each row with its caption at the left.

    A cell is a picture, or what to say in its place, and a caption.
    """
    big, small, margin, left = lettering(17), lettering(13), 12, 124
    pictures = [[cell if not isinstance(cell, str) else None for cell, _ in cells] for _, cells in rows]
    widths = [max([p.width for p in column if p], default=WIDEST) for column in zip(*pictures, strict=True)]
    wanted = [min(WIDEST, math.ceil(big.getlength(head[0]))) for head in heads]
    widths = [max(both) for both in zip(widths, wanted, strict=True)]
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
