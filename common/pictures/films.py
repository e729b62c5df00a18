"""A run as a film."""

import io
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from common.pictures.files import opened

import numpy as np
from PIL import Image


def evenly(things: Sequence[Any], most: int) -> list[Any]:
    """Up to `most` of the things, the first and the last among them."""
    if len(things) <= most:
        return list(things)
    return [things[round(i * (len(things) - 1) / (most - 1))] for i in range(most)]


def evenly_in_time(times: Sequence[float], most: int, end: float) -> list[int]:
    """The places of up to `most` of these times, in order: the last, and the latest at each equal part of `end`."""
    at = (part * end / most for part in range(1, most))
    return sorted({len(times) - 1, *(max(0, bisect_right(times, time) - 1) for time in at)})


def densely_at_first(things: Sequence[Any], most: int) -> list[Any]:
    """Up to `most` of the things: a fifth of them ever farther apart, the others evenly, the first and the last too."""
    if len(things) <= most:
        return list(things)
    dense = np.geomspace(1, len(things), most // 5) - 1
    even = np.linspace(0, len(things) - 1, most - len(dense))
    return [things[place] for place in np.union1d(dense.round().astype(int), even.round().astype(int))]


def gif(files: Iterable[Path], most: int = 100, milliseconds: int = 250) -> bytes | None:
    """A film of pictures of one size, of at most `most`, closer together at first. It rests on the last.

    What is damaged, or of another size than the last, is left out; None where nothing is left.
    """
    found = [picture for picture in map(opened, densely_at_first(list(files), most)) if picture is not None]
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
