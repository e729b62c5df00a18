"""What a set's pictures have in common, told before images are made of them: sizes, colour, the range of values."""

from typing import TYPE_CHECKING

from common.console import counted
from common.data.arrays.levels import FEW_BITS, Levels, extremes
from common.data.trees.decoding import Depths, upright, upright_size
from common.data.trees.depth import deep

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image  # imported where it is used: a refusal is quick

GREY = ("1", "L", "LA", "F", "I", "I;16", "I;16L", "I;16B", "I;16N")  # Pillow's modes
ONE_PICTURE = ("MPO", "PSD")  # formats whose other frames belong to the first: previews, layers
TYPES = {"byte": np.dtype(np.uint8), "whole": np.dtype(np.int64), "float": np.dtype(np.float64)}


class Survey:
    """Looks at one picture after the other.

    sizes       name: (width, height), of every picture that was looked at; as it lies, or with `turned` upright
    grey        whether none has colours
    """

    def __init__(self, turned: bool):
        self.sizes: dict[str, tuple[int, int]] = {}
        self.grey = True
        self._turned = turned
        self._with_frames: list[str] = []
        self._lowest: dict[str, float] = {}  # value, by kind
        self._highest: dict[str, float] = {}
        self._coarse: list[str] = []

    def look(self, name: str, picture: "Image") -> None:
        """At a picture that was opened and not loaded yet. Raises whatever a damaged file makes of it."""
        several = getattr(picture, "is_animated", False) and picture.format not in ONE_PICTURE
        found = deep(picture)
        if found is not None:
            self._widen(found.kind, found.values if found.alpha is None else found.values[found.alpha > 0])
        # Those of 8 bits stay as they are unless all of them are all but black: one is enough to know better.
        elif self._highest.get("byte", 0) < FEW_BITS:
            self._widen("byte", np.asarray(upright(picture, grey=False)))
        self._coarse += [name] if found and found.coarse else []
        self._with_frames += [name] if several else []
        self.grey &= picture.mode in GREY
        self.sizes[name] = upright_size(picture) if self._turned else picture.size

    def _widen(self, kind: str, values: np.ndarray) -> None:
        low, high, _ = extremes(values)
        self._lowest[kind] = min(low, self._lowest.get(kind, low))
        self._highest[kind] = max(high, self._highest.get(kind, high))

    def depths(self) -> Depths:
        """What becomes of each kind of values.

        Raises ValueError, which says what to do, where that needs more of them than Pillow reads.
        """
        depths = {}
        for kind, low in self._lowest.items():
            high = self._highest[kind]
            depths[kind] = Levels.of(TYPES[kind], low, high) if low <= high else Levels(0, 1)  # nothing is opaque
        if self._coarse and depths["whole"].high != (1 << 16) - 1:
            raise ValueError(
                f"the colours of {counted(len(self._coarse), 'image')} have 16 bits and use few of these"
                f" ({self._coarse[0]});"
                " save them as PNG of 16 bits, of which all can be read"
            )
        if len(depths) > 1:  # among deeper ones, those of 8 bits stay as they are
            depths.pop("byte", None)
        return depths

    def understood(self) -> list[str]:
        """What its owner should see, a sentence each. Raises as `depths` does."""
        said = [levels.understood for levels in self.depths().values() if levels.understood]
        if self._with_frames:
            count, first = len(self._with_frames), self._with_frames[0]
            said.append(f"of {counted(count, 'image')} with several frames the first is taken ({first})")
        return said
