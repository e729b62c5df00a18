"""Successive halving: all lines for a while, the best for longer (Jamieson and Talwalkar 2016, arXiv 1502.07943)."""

import math
import statistics
from collections.abc import Iterable, Sequence

from common.errors import BadArgument
from common.scoring.columns import COLUMNS_OF_SCORES
from common.sweep.ledger import Entry, Length
from common.sweep.lines import Line

TRANSLATIONS = {"held_out_l1", "psnr", "ssim", "finds_own"}
SCORES = tuple(name for name in COLUMNS_OF_SCORES if name != "parzen")  # that evaluate.py gives unasked


def refuse_unfit(lines: Iterable[Line], score: str) -> None:
    """Raises BadArgument for no score, and for a line whose run will not have it or has a length of its own."""
    if score not in SCORES:
        raise BadArgument(f"--by {score}: must be one of {', '.join(SCORES)}")
    for line in lines:
        if "time_limit" in line.given:
            raise BadArgument(f"{str(line)!r}: has a --time-limit, and the rounds decide on that; leave it out")
        has = (score in TRANSLATIONS) == line.is_translation
        if score in ("probe", "probe_pixels"):
            has = line.kind.encoder is not None
        if score == "modes":
            has = line.dataset == "stacked-mnist"
        if not has:
            other = "held_out_l1" if line.is_translation else "frechet"
            raise BadArgument(f"{str(line)!r}: has no {score} to be ranked by; leave it out, or give --by {other}")


def groups_of(entries: Iterable[Entry]) -> list[list[list[Entry]]]:
    """By script and data set, what competes: the lines, each with its runs by seed."""
    found: dict[tuple[str, str | None], dict[str, list[Entry]]] = {}
    for entry in entries:
        line = entry.line
        found.setdefault((line.script, line.dataset), {}).setdefault(_without_seed(line), []).append(entry)
    return [list(group.values()) for group in found.values()]


def _without_seed(line: Line) -> str:
    return Line(line.script, line.kind, {name: value for name, value in line.given.items() if name != "seed"}).key


def with_all_seeds(left: Iterable[Entry], entries: Iterable[Entry]) -> list[Entry]:
    """The runs of all seeds of the lines that are left."""
    lines = {_without_seed(entry.line) for entry in left}
    return [entry for entry in entries if _without_seed(entry.line) in lines]


def lengths(first: Length, factor: float, most: int, keep: int) -> list[Length]:
    """Of the rounds, each `factor` times as long as the one before, for `most` lines of which `keep` are to be left."""
    found = [first]
    while most > keep and len(found) < 20:
        most, last = left_of(most, factor, keep), found[-1]
        seconds, images = last.seconds and last.seconds * factor, last.images and round(last.images * factor)
        found.append(Length(seconds, images))
    return found


def left_of(lines: int, factor: float, keep: int) -> int:
    """How many of so many lines go on."""
    return min(lines, max(keep, math.ceil(lines / factor - 1e-9)))


def mean_score(seeds: Sequence[Entry], length: Length, score: str) -> float:
    """Over the seeds of a line, turned so that lower is better; infinity where a run has none."""
    found = [entry.rounds.get(str(length), {}).get(score) for entry in seeds]
    if not found or None in found:
        return math.inf
    return -COLUMNS_OF_SCORES[score].better * statistics.fmean(found)


def best(entries: Sequence[Entry], length: Length, score: str, factor: float, keep: int) -> list[Entry]:
    """The runs that go on after a round of that length: of each script and data set, those of the best lines.

    A line of which a run failed comes last, and goes on at no time.
    """
    left = []
    for lines in groups_of(entries):
        ranked = sorted(lines, key=lambda seeds: mean_score(seeds, length, score))[: left_of(len(lines), factor, keep)]
        left += [seeds for seeds in ranked if math.isfinite(mean_score(seeds, length, score))]
    names = {entry.line.name for seeds in left for entry in seeds}
    return [entry for entry in entries if entry.line.name in names]
