"""Pictures to PNG files and back."""

import io
from pathlib import Path

from PIL import Image


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
