"""Scores in tables of what may be compared, and the settings of runs."""

import csv
import io
import math
import statistics
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from common.report.run import Run, is_stale, settings_of
from common.scoring.columns import COLUMNS_OF_SCORES, MAIN_SCORES, format_score, shown
from common.scoring.terms import Terms

ORDERED = 12  # runs at most that stay in the order they were given


def mean_and_spread(values: Iterable[float | None]) -> tuple[float | None, float | None]:
    """The mean, and of two or more values their standard deviation; (None, None) where one is blank."""
    values = list(values)
    if not values or None in values:
        return None, None
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None


def fold(runs: Iterable[Run], kind_of: Callable[[Run], Hashable] = attrgetter("kind")) -> list[list[Run]]:
    """Runs that differ only by their seed together, in the order of their first; a copy stays by itself."""
    groups: dict[tuple, list[Run]] = {}
    for run in runs:
        kind, copies = kind_of(run), 0
        while any(run.seed == other.seed for other in groups.get((kind, copies), ())):
            copies += 1
        groups.setdefault((kind, copies), []).append(run)
    return list(groups.values())


def name_of(group: Sequence[Run]) -> str:
    return group[0].name if len(group) == 1 else f"{group[0].name} (×{len(group)} seeds)"


def images_scored(entries: Iterable[Mapping[str, Any]]) -> int | None:
    """How many images the generators had been shown when they were scored, on average."""
    found, _ = mean_and_spread(entry.get("images") for entry in entries)
    return None if found is None else round(found)


def tables(groups: Sequence[Sequence[Run]]) -> list[dict[str, Any]]:
    """A table for each set of scores that may be compared: a line for each group, value and text in each cell.

    Of more than 12 runs those with the best first score come first.
    """
    runs = [run for group in groups for run in group]
    found, is_sorted = [], len(runs) > ORDERED
    for terms in dict.fromkeys(terms for run in runs for terms in run.scores):
        columns = shown(run.scores[terms]["scores"] for run in runs if terms in run.scores)
        lines, best = [], {}
        for number, group in enumerate(groups):
            scored = [run for run in group if terms in run.scores]
            if not scored:
                continue
            entries = [run.scores[terms] for run in scored]
            cells = []
            for name in columns:
                mean, spread = mean_and_spread(entry["scores"].get(name) for entry in entries)
                cells.append({"value": mean, "text": format_score(name, mean, spread)})
                if mean is not None:
                    better = COLUMNS_OF_SCORES[name].better
                    best[name] = max(best.get(name, (-math.inf, 0)), (better * mean, number))
            lines.append(
                {
                    "name": name_of(scored),
                    "group": number,
                    "images": images_scored(entries),
                    "stale": any(is_stale(run, terms) for run in scored),
                    "cells": cells,
                }
            )
        if is_sorted:
            lines.sort(key=lambda line: rank(line["cells"][0]["value"], columns[0]))
        one = next(run.scores[terms] for run in runs if terms in run.scores)
        found.append(
            {
                "terms": str(terms),
                "columns": [COLUMNS_OF_SCORES[name]._asdict() | {"key": name} for name in columns],
                "lines": lines,
                "is_sorted": is_sorted,
                "best": {name: number for name, (_, number) in best.items()},
                "reference": [format_score(name, one["reference"].get(name)) for name in columns],
                "reference_is": "inputs untranslated" if "held_out_l1" in one["reference"] else "real images",
                "has_reference": bool(one["reference"]),
                "accuracy": one["features"]["accuracy"],
            }
        )
    return found


def rank(mean: float | None, score: str | None) -> tuple[bool, float]:
    """What sorts the best score first, blanks last."""
    return mean is None, 0 if mean is None else -COLUMNS_OF_SCORES[score].better * mean


def usual_terms(runs: Iterable[Run], score: str) -> Terms | None:
    """The terms that most of the runs have this score on; None where none has it."""
    having = Counter(one for run in runs for one, entry in run.scores.items() if score in entry["scores"])
    return having.most_common(1)[0][0] if having else None


def best_runs(runs: Sequence[Run]) -> tuple[str, list[Run]] | None:
    """The main score and, of each group of seeds, the first run that has it, those of the best group first.

    Groups without it come last; None where no run has a main score.
    """
    score = next((score for score in MAIN_SCORES if usual_terms(runs, score)), None)
    if score is None:
        return None
    terms = usual_terms(runs, score)

    def score_of(run: Run) -> float | None:
        return run.scores[terms]["scores"].get(score) if terms in run.scores else None

    ranked = []
    for group in fold(runs):
        scored = [run for run in group if score_of(run) is not None]
        mean, _ = mean_and_spread(map(score_of, scored))
        ranked.append((rank(mean, score), (scored or group)[0]))
    return score, [run for _, run in sorted(ranked, key=lambda pair: pair[0])]


def score_tables(runs: Sequence[Run]) -> str:
    """The tables as text, below each the real images' own scores where there are any."""
    parts = []
    for one in tables(fold(runs)):
        lines = []
        for line in one["lines"]:
            images = "" if line["images"] is None else f"{line['images']:,}"
            lines.append([line["name"], images, *(cell["text"] for cell in line["cells"])])
        if one["has_reference"]:
            lines.append([one["reference_is"], "", *one["reference"]])
        titles = ["", "images shown", *(column["title"] for column in one["columns"])]
        order = f"; best {titles[2]} first" if one["is_sorted"] else ""
        parts.append(f"{one['terms']}{order}\n{table(titles, lines)}")
    return "\n\n".join(parts)


def table(titles: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Columns of text, the first to the left, the others to the right."""
    rows = [[cell.replace("\n", "\\n") for cell in row] for row in (titles, *body)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(titles))]
    lines = []
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def as_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A line a row, with every column that one of them has, in the order in which they come."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8", "surrogateescape")


def settings_table(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Every setting with its value in each run, blank where a run has none, and whether they differ."""
    settings = [settings_of(run) for run in runs]
    found = []
    for name in dict.fromkeys(name for one in settings for name in one):
        values = ["" if one.get(name) is None else str(one[name]) for one in settings]
        found.append({"name": name, "values": values, "differs": len(set(values)) > 1})
    return found
