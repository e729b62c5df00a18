"""From the values that a set's pixels have, whatever their type and range, to 8 bits: one rule for the whole set."""

from dataclasses import dataclass

import numpy as np

FEW_BITS = 64  # whole numbers that all lie below this have fewer than 8 bits, and would be all but black
CONTAINERS = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))  # that floats are kept in by convention
MOST = 0.999  # of the pixels


@dataclass(frozen=True)
class Levels:
    """How values become uint8: `low` 0 and `high` 255, linearly. `understood` says so where they change."""

    low: float
    high: float
    understood: str | None = None

    @staticmethod
    def of(dtype: np.dtype, low: float, high: float) -> "Levels":
        """For values of this type (bool, integer or float) from `low` to `high`, both of the whole set and finite.

        They are taken to fill what such values are usually kept in, [0, 1], [-1, 1] or [0, 255] for floats and 8 or 16
        bits for whole numbers, where they span at least half of it; else their own range becomes 0 to 255. Whole
        numbers of 8 bits stay as they are unless all lie below 64, as a picture of zeros and ones does.
        """
        if dtype.kind == "f":
            held_by = next(((a, b) for a, b in CONTAINERS if a <= low and high <= b), None)
            if held_by and 2 * (high - low) >= held_by[1] - held_by[0]:
                said = f"values in [{held_by[0]:g}, {held_by[1]:g}] scaled to 8 bits"
                return Levels(*held_by, None if held_by == (0.0, 255.0) else said)
        elif low >= 0 and high < 256:
            if high >= FEW_BITS or low == high:
                return Levels(0, 255)
        elif low >= 0 and high < 1 << 16 and high - low >= 1 << 15:
            return Levels(0, (1 << 16) - 1, "values of 16 bits scaled to 8")
        return Levels(low, high, f"values from {_number(low)} to {_number(high)} scaled to 8 bits")

    def to_bytes(self, values: np.ndarray) -> np.ndarray:
        """Values of any shape -> uint8 of the same; those outside of `low` and `high` come to the nearer of them."""
        if (self.low, self.high) == (0, 255) and values.dtype == np.uint8:
            return values
        if self.high == (1 << 16) - 1 and self.low == 0 and values.dtype.kind in "iu":
            return (values >> 8).astype(np.uint8)  # what is lost is the lower byte
        span = float(self.high) - float(self.low)
        scale = 255 / span if span else 0.0
        scaled = values.astype(np.float64)
        scaled *= scale
        scaled -= self.low * scale
        return np.rint(scaled, out=scaled).clip(0, 255, out=scaled).astype(np.uint8)

    def doubt(self, counts: np.ndarray) -> str | None:
        """What is to be said where a few outliers take most of the range, and leave little to the rest.

        `counts` (256,) says how often each level comes in the set, as np.bincount(pixels, minlength=256) does.
        """
        if self.understood is None:
            return None
        share = np.cumsum(counts) / max(1, counts.sum())
        below = int(np.searchsorted(share, MOST))  # the level that 99.9 % of the pixels do not exceed
        above = int(np.searchsorted(share, 1 - MOST, side="right"))
        if below - above >= 128:
            return None
        first, last = (_number(self.low + level * (self.high - self.low) / 256) for level in (above, below + 1))
        return (
            f"nearly all values lie between {first} and {last}: if the images are too dark or pale, take the few"
            " outliers out of them"
        )


def extremes(values: np.ndarray) -> tuple[float, float, int]:
    """The lowest and the highest finite value, (inf, -inf) where there is none, and how many values are not finite."""
    if not values.size:
        return np.inf, -np.inf, 0
    low, high = values.min().item(), values.max().item()
    if np.isfinite(low) and np.isfinite(high):
        return low, high, 0
    finite = values[np.isfinite(values)]
    low, high, _ = extremes(finite)
    return low, high, values.size - finite.size


def _number(value: float) -> str:
    """1,023 or 0.25."""
    whole = float(value).is_integer() or abs(value) >= 100
    return f"{value:,.0f}" if whole and abs(value) < 1e9 else f"{value:.4g}"
