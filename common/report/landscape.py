"""How the score depends on the settings that vary, of one script on one data set."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from common.report.lineplot import line_plot
from common.report.outcomes import Outcome, Point, best_of, described, label, outcome, text_of
from common.report.run import Run, basename, settings_of
from common.report.scales import is_logarithmic, ordered, share, viridis
from common.report.tables import fold, images_scored, name_of
from common.scoring.columns import COLUMNS_OF_SCORES, format_score, shown
from common.scoring.terms import Terms

FEWEST = 3  # points that make a landscape
# They tell runs apart, or say nothing of what is scored.
SILENT = frozenset({"script", "seed", "dataset", "threads", "sample_every"})
LENGTHS = ("epochs", "images")
UNEQUAL = 1.1  # of images shown, most to fewest: epochs and time limits end where they end


def telling(run: Run) -> dict[str, Any]:
    """The settings of a run that its score may depend on, each a value that can be compared."""
    return {
        name: value if value is None or isinstance(value, (str, int, float)) else str(value)
        for name, value in settings_of(run).items()
        if name not in SILENT and not name.endswith(" version")
    }


def varying(points: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """{setting that varies: those that vary only with it}.

    The length counts as a setting only where it differs between points that are otherwise the same: halving trains the
    better ones for longer.
    """

    def kinds(*names: str) -> int:
        return len({tuple(point.get(name) for name in names) for point in points})

    names = [name for name in dict.fromkeys(name for point in points for name in point) if kinds(name) > 1]
    for length in LENGTHS:
        others = [name for name in names if name not in LENGTHS]
        if length in names and others and kinds(*others, length) == kinds(*others):
            names.remove(length)
    found: dict[str, list[str]] = {}
    for name in sorted(names, key=kinds, reverse=True):
        leader = next((one for one in found if kinds(one, name) == kinds(one)), None)
        if leader is None:
            found[name] = []
        else:
            found[leader].append(name)
    return {name: found[name] for name in names if name in found}


def effects(outcomes: Sequence[Outcome], names: Iterable[str]) -> dict[str, dict[Any, float]]:
    """{setting: {value: mean over the points that have it}}, of those that are scored."""
    found = {}
    for name in names:
        means: dict[Any, list[float]] = {}
        for one in outcomes:
            if one.mean is not None:
                means.setdefault(one.point.settings[name], []).append(one.mean)
        found[name] = {value: sum(means[value]) / len(means[value]) for value in ordered(means)}
    return found


def most_telling(found: Mapping[str, Mapping[Any, float]]) -> list[str]:
    """The settings, the one first whose values' mean scores lie farthest apart."""
    return sorted(found, key=lambda name: min(found[name].values()) - max(found[name].values()))


def heat_map(outcomes: Sequence[Outcome], names: Sequence[str], score: str) -> dict[str, Any]:
    """A table of two settings, the one with more values down the side; each cell is the best over all others."""
    column = COLUMNS_OF_SCORES[score]
    values = {name: ordered(one.point.settings[name] for one in outcomes) for name in names}
    side, top = sorted(names, key=lambda name: -len(values[name]))
    cells: dict[tuple, list[Outcome]] = {}
    for one in outcomes:
        cells.setdefault((one.point.settings[side], one.point.settings[top]), []).append(one)
    shown_there = {place: best_of(there, column.better) for place, there in cells.items()}
    means = [one.mean for one in shown_there.values() if one.mean is not None]
    best = best_of(outcomes, column.better)
    logarithmic = column.better < 0 and is_logarithmic(means)  # of distances, not of shares
    worst_and_best = sorted((min(means), max(means)), key=lambda mean: mean * column.better)

    def cell(place: tuple) -> dict[str, Any] | None:
        if place not in cells:
            return None
        one = shown_there[place]
        found = {"title": described(one, score), "trouble": one.trouble, "text": "", "best": one is best}
        if one.mean is not None:
            text, _, spread = format_score(score, one.mean, one.spread).partition(" ± ")
            ground, ink = viridis(share(one.mean, *worst_and_best, logarithmic))
            found |= {"text": text, "spread": spread, "ground": ground, "ink": ink}
        return found

    return {
        "side": label(side),
        "top": label(top),
        "columns": [text_of(value) for value in values[top]],
        "rows": [(text_of(row), [cell((row, value)) for value in values[top]]) for row in values[side]],
        "scale": [format_score(score, mean) for mean in worst_and_best],
        "logarithmic": logarithmic,
    }


def view(outcomes: Sequence[Outcome], found: Mapping[str, list[str]], terms: Terms, score: str) -> dict[str, Any]:
    """One score over the settings that vary: what the page shows of it."""
    column = COLUMNS_OF_SCORES[score]
    single = effects(outcomes, found)
    names = most_telling(single) if len(found) > 2 else list(found)
    best = best_of(outcomes, column.better)
    images = [images_scored([run.scores[terms]]) for one in outcomes for run in one.scored]
    images = [number for number in images if number]
    return {
        "score": score,
        "title": column.title,
        "meaning": column.meaning,
        "better": "higher" if column.better > 0 else "lower",
        "heat": heat_map(outcomes, names[:2], score) if len(names) > 1 else None,
        "line": line_plot(outcomes, names[0], score) if len(names) == 1 else None,
        "axes": [label(name) for name in names[:2]],
        "others": [label(name) for name in names[2:]],
        "best": described(best, score),
        "best_runs": name_of(best.scored),
        "effects": [
            (label(name), [(text_of(value), format_score(score, mean)) for value, mean in single[name].items()])
            for name in names
        ],
        "lengths": (min(images), max(images)) if images and max(images) > UNEQUAL * min(images) else None,
    }


def landscapes(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Of each script, data set and terms with three points or more: the views of its scores, the main one first."""
    kinds: dict[tuple, list[Run]] = {}
    for run in runs:
        kinds.setdefault((run.record["script"], run.record["dataset"]["fingerprint"]), []).append(run)
    found = []
    for (script, _), own in kinds.items():
        groups = fold(own, lambda run: tuple(telling(run).items()))
        names = varying([telling(group[0]) for group in groups])
        points = [Point({name: telling(group[0]).get(name) for name in names}, group) for group in groups]
        if len({tuple(point.settings.values()) for point in points}) < FEWEST:
            continue
        for terms in dict.fromkeys(terms for run in own for terms in run.scores):
            views = []
            for score in shown(run.scores[terms]["scores"] for run in own if terms in run.scores):
                outcomes = [outcome(point, terms, score) for point in points]
                if sum(one.mean is not None for one in outcomes) > 1:
                    views.append(view(outcomes, names, terms, score))
            if views:
                title = f"{script}.py, {basename(own[0].record['dataset']['name'])}"
                together = [(label(name), [label(one) for one in names[name]]) for name in names if names[name]]
                found.append({"title": title, "terms": str(terms), "together": together, "views": views})
    return found
