"""Where everything lies on a plot of a score over one setting."""

from collections.abc import Sequence
from typing import Any

from common.report.outcomes import Outcome, best_of, described, label, text_of
from common.report.scales import is_logarithmic, is_number, ordered, share, ticks
from common.scoring.columns import COLUMNS_OF_SCORES, format_score

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 360, 270, 46, 26, 34, 58  # read on a phone at this very size
LETTER = 6.6  # pixels, of text of 12
MOST_LETTERS = 14


def line_plot(outcomes: Sequence[Outcome], name: str, score: str) -> dict[str, Any]:
    """Dots with bars of ± their spread, crosses at the worse edge for runs that diverged or failed; in pixels.

    Numbers lie where they belong, and are joined by a line; other values lie at equal distances.
    """
    column = COLUMNS_OF_SCORES[score]
    values = ordered(one.point.settings[name] for one in outcomes)
    there = [best_of([one for one in outcomes if one.point.settings[name] == value], column.better) for value in values]
    is_numeric = all(map(is_number, values))
    places = values if is_numeric else range(len(values))
    scored = [one for one in there if one.mean is not None]
    bars = {id(one): (one.mean - (one.spread or 0), one.mean + (one.spread or 0)) for one in scored}
    means, ends = [one.mean for one in scored], [end for bar in bars.values() for end in bar]
    logarithmic = column.better < 0 and is_logarithmic(means)
    # On a logarithmic axis a bar that would reach to 0 ends where the plot does.
    low, high = min(ends if not logarithmic or min(ends) > 0 else means), max(ends)
    margin = 0.0 if logarithmic else 0.08 * (high - low)
    low, high = low - margin, high + margin
    # A rate so large that its run diverged must not press the others together: it lies at the edge.
    middle = [place for place, one in zip(places, there, strict=True) if one.mean is not None] if is_numeric else places
    along, reach = is_numeric and is_logarithmic(middle), (min(middle), max(middle))

    def x(place: float) -> float:
        part = min(1.09, max(-0.06, share(place, *reach, along)))
        return round(LEFT + 22 + (WIDTH - LEFT - RIGHT - 42) * part, 1)

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share(max(value, low), low, high, logarithmic), 1)

    worse = TOP - 14 if column.better < 0 else HEIGHT - BOTTOM
    best = best_of(there, column.better)
    dots, crosses = [], []
    for place, one in zip(places, there, strict=True):
        title = described(one, score)
        if one.mean is None or one.trouble:
            crosses.append({"x": x(place), "y": worse, "title": title})
        if one.mean is not None:
            bar = [y(end) for end in bars[id(one)]]
            text = format_score(score, one.mean)
            dot = {"x": x(place), "y": y(one.mean), "low": bar[0], "high": bar[1], "title": title, "text": text}
            dots.append(dot | {"best": one is best})
    # Words, which are longer than numbers, take turns on two lines.
    lines: list[list[dict[str, Any]]] = [[], []]
    for number, (place, value) in enumerate(zip(places, values, strict=True)):
        line = 0 if is_numeric else number % 2
        lines[line].append({"x": x(place), "y": HEIGHT - BOTTOM + 17 + 15 * line, "text": shortened(text_of(value))})
    marks = [mark for line in lines for mark in with_room(line, [number == 0 for number in range(len(line))])]
    return {
        "name": label(name),
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "right": WIDTH - RIGHT + 12,
        "bottom": HEIGHT - BOTTOM,
        "dots": with_room(dots, [dot["best"] for dot in dots]),
        "crosses": crosses,
        "path": "M" + "L".join(f"{dot['x']} {dot['y']}" for dot in dots) if is_numeric else "",
        "marks": marks,
        "ticks": [(y(value), f"{value:.6g}") for value in ticks(low, high, logarithmic)],
        "logarithmic": [axis for axis, so in ((label(name), along), (column.title, logarithmic)) if so],
    }


def shortened(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1]}…"


def with_room(texts: Sequence[dict[str, Any]], first: Sequence[bool]) -> list[dict[str, Any]]:
    """The texts (text, and x of its middle), blank where there is no room; `first` are those that come first."""
    taken: list[tuple[float, float]] = []
    found = [dict(one) for one in texts]
    for one, _ in sorted(zip(found, first, strict=True), key=lambda pair: not pair[1]):
        half = (len(one["text"]) * LETTER + 4) / 2
        if any(one["x"] - half < end and start < one["x"] + half for start, end in taken):
            one["text"] = ""
        else:
            taken.append((one["x"] - half, one["x"] + half))
    return found
