"""What runs that differ by their seed alone scored, and how that is said."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from common.options import as_text
from common.report.run import Run
from common.report.tables import mean_and_spread
from common.scoring.columns import COLUMNS_OF_SCORES, format_score
from common.scoring.terms import Terms

FAILED = ("diverged", "failed")


class Point(NamedTuple):
    """Runs that differ by their seed alone, and those of their settings that vary."""

    settings: Mapping[str, Any]
    runs: Sequence[Run]


class Outcome(NamedTuple):
    """A point's score: the mean over its runs and its standard deviation, None where there is none."""

    point: Point
    mean: float | None
    spread: float | None
    scored: Sequence[Run]
    trouble: str  # such as "diverged", "1 of 2 diverged" or "not scored"


def outcome(point: Point, terms: Terms, score: str) -> Outcome:
    """What those of a point's runs that have neither diverged nor failed scored on these terms."""
    states = Counter(state for run in point.runs if (state := run.record["state"]) in FAILED)
    values = {}
    for place, run in enumerate(point.runs):
        value = run.scores[terms]["scores"].get(score) if terms in run.scores else None
        if value is not None and math.isfinite(value) and run.record["state"] not in FAILED:
            values[place] = value
    mean, spread = mean_and_spread(values.values())
    trouble = ", ".join(
        state if number == len(point.runs) else f"{number} of {len(point.runs)} {state}"
        for state, number in states.items()
    )
    if not values and not trouble:
        trouble = "not scored"
    return Outcome(point, mean, spread, [point.runs[place] for place in values], trouble)


def best_of(outcomes: Iterable[Outcome], better: int) -> Outcome:
    """The one with the best score; of those without any, one that says why."""
    return max(outcomes, key=lambda one: (one.mean is not None, (one.mean or 0) * better, one.trouble != "not scored"))


def label(name: str) -> str:
    return name.replace("_", " ")


def text_of(value: Any) -> str:
    return "default" if value is None else as_text(value)


def described(one: Outcome, score: str) -> str:
    """A point in words: its settings, its score, its runs."""
    words = ", ".join(f"{label(name)} {text_of(value)}" for name, value in one.point.settings.items())
    if one.mean is None:
        return f"{words}: {one.trouble}"
    seeds = f" over {len(one.scored)} seeds" if len(one.scored) > 1 else ""
    text = f"{words}: {COLUMNS_OF_SCORES[score].title} {format_score(score, one.mean, one.spread)}{seeds}"
    return f"{text}, {one.trouble}" if one.trouble else text
