"""Values of settings and scores on axes and as colours."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

WIDE = 4  # a span of more than this factor is shown logarithmically
# matplotlib's viridis at every eighth: one can order its colours also in grey and with any kind of colour blindness.
VIRIDIS = ("#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725")


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def ordered(values: Iterable[Any]) -> list[Any]:
    """Each value once: numbers first and ascending, then the others in their order."""
    found = list(dict.fromkeys(values))
    return sorted(filter(is_number, found)) + [value for value in found if not is_number(value)]


def is_logarithmic(values: Sequence[float]) -> bool:
    """Whether these are positive and span more than a factor of 4."""
    return min(values) > 0 and max(values) > WIDE * min(values)


def share(value: float, low: float, high: float, logarithmic: bool) -> float:
    """How far on the way from low to high, which may be the smaller one, a value is; 0.5 where they are equal."""
    if logarithmic:
        value, low, high = math.log(value), math.log(low), math.log(high)
    return 0.5 if high == low else (value - low) / (high - low)


def viridis(part: float) -> tuple[str, str]:
    """The colour at this part, in [0, 1], of the map, and that of black and white which can be read on it."""
    place = part * (len(VIRIDIS) - 1)
    below = min(int(place), len(VIRIDIS) - 2)
    one, other = (tuple(bytes.fromhex(VIRIDIS[i][1:])) for i in (below, below + 1))
    colour = [round(a + (b - a) * (place - below)) for a, b in zip(one, other, strict=True)]
    linear = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in (part / 255 for part in colour)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    # WCAG's contrast to white is 1.05 / (l + 0.05), to black (l + 0.05) / 0.05.
    ink = "#000" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "#fff"
    return f"#{bytes(colour).hex()}", ink


def ticks(low: float, high: float, logarithmic: bool) -> list[float]:
    """2 to 7 round values from low to high."""
    if logarithmic:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for steps in ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 4, 5, 6, 8)):
            found = [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]
            if len(found) >= 3:
                return found[:: math.ceil(len(found) / 7)]
    if high == low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / 4))
    step = next(n * power for n in (1, 2, 5, 10) if n * power >= (high - low) / 4)
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
