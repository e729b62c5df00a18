"""The types of arguments: text -> value, or a sentence that says what would be right."""

import argparse
import math
import os
import re
from collections.abc import Callable

from common.machine.cores import MOST_THREADS


def number(
    above: float = -math.inf, least: float = -math.inf, below: float = math.inf, most: float = math.inf
) -> Callable[[str], float]:
    """A finite float with above < x < below and least <= x <= most."""
    bounds = [
        f"{sign} {bound:g}"
        for sign, bound in (("above", above), ("at least", least), ("below", below), ("at most", most))
        if math.isfinite(bound)
    ]

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and above < value < below and least <= value <= most):
            raise argparse.ArgumentTypeError(
                f"must be a finite number {' and '.join(bounds)}, not {text.strip()!r}".replace("  ", " ")
            )
        return value

    return parse


def whole(least: int = 1, most: int = 2**40) -> Callable[[str], int]:
    """A whole number with least <= n <= most; 2e6 and 2_000_000 are fine."""

    def parse(text: str) -> int:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (least <= value <= most and value == int(value)):
            raise argparse.ArgumentTypeError(
                f"must be a whole number, at least {least}, not {text.strip()!r}"
                if not value > most
                else f"must be at most {most}, not {text.strip()}"
            )
        return int(value)

    return parse


def thread_count(text: str) -> int | str:
    """A number of threads, or 'auto'."""
    return "auto" if text.strip() == "auto" else whole(1, MOST_THREADS)(text)


def decay(text: str) -> float | str:
    """Of an average, at least 0 and below 1, or 'auto'."""
    if text.strip() == "auto":
        return "auto"
    try:
        return number(least=0, below=1)(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(str(error).replace("must be", "must be auto, or", 1)) from None


def duration(text: str) -> float:
    """Seconds from '90', '90s', '50m', '1h30m'."""
    match = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?", text.strip())
    hours, minutes, seconds = (float(part or 0) for part in (match.groups() if match else ("", "", "")))
    total = hours * 3600 + minutes * 60 + seconds
    if total <= 0:
        raise argparse.ArgumentTypeError(f"must be a time above 0 such as 90s, 50m or 1h30m, not {text.strip()!r}")
    return total


def name_or_path(text: str) -> str:
    """As it is; ~ is the home folder, also where no shell has seen to that, as in --dataset=~/photos."""
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError(f"must be a name or a path, not {text!r}")
    return text if os.path.lexists(text) else os.path.expanduser(text)
