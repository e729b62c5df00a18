"""Runs side by side.

    python compare.py out/gan out/wgan out/lsgan
    python compare.py out/                           every run in the folder

Writes beside the runs, or where --output says: comparison.png, a column a run and a row an epoch that all have;
comparison.csv; comparison.html, one page that needs nothing else, with a slider through all runs, curves, sortable
scores and the settings that differ. On the terminal: what each run is and the scores that evaluate.py gave it, those
that cannot be compared in tables of their own. Runs that differ only by their seed count as one, mean ± standard
deviation. Of more than 12 runs the picture shows the 12 best, and the best scores come first. Runs may still
be training; nothing is locked.
"""

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from common.console import clock, guarded, say
from common.errors import FolderError, first_line
from common.options import Parser, name_or_path

if TYPE_CHECKING:  # --help and refusals are quick
    from common.report.run import Run

    from PIL import Image

MOST_COLUMNS, MOST_ROWS = 12, 5  # of comparison.png


def parse(argv: list[str]) -> argparse.Namespace:
    parser = Parser("compare.py", __doc__, "python compare.py out/gan out/wgan")
    parser.add_argument("runs", nargs="+", type=name_or_path, help="run folders, or folders with runs in them")
    parser.add_argument("--output", type=name_or_path, help="folder for the three files (default: beside the runs)")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser.parse_args(argv)


def main(arguments: argparse.Namespace) -> int:
    """Writes the three files; returns the exit code of a run that could not be read, or 0."""
    from common.data.cache import point_caches_here
    from common.report import page, tables
    from common.report.run import Run, names_of
    from common.runs.finding import find_runs
    from common.storage.whole import write_result

    point_caches_here()
    folders = find_runs(arguments.runs)
    runs, code = [], 0
    for folder, name in zip(folders, names_of(folders), strict=True):
        try:
            runs.append(Run.read(folder, name))
        except FolderError as error:
            say(f"compare.py: left out: {error}")
            code = error.code
    if not runs:
        raise FolderError("none of these runs can be read")
    output = Path(arguments.output) if arguments.output else common_parent(folders)
    title = ", ".join(run.name for run in runs) if len(runs) <= 4 else f"{len(runs)} runs in {output.resolve().name}"
    for name, content in (
        ("comparison.png", picture(runs)),
        ("comparison.csv", rows(runs)),
        ("comparison.html", page.page(runs, title)),
    ):
        write_result(output / name, content)
    print(overview(runs))
    print(tables.score_tables(runs) or f"no scores yet: python evaluate.py {' '.join(arguments.runs)}")
    print("\n" + "\n".join(str(output / name) for name in ("comparison.png", "comparison.csv", "comparison.html")))
    return code


def common_parent(folders: Sequence[Path]) -> Path:
    """The folder that all runs are in, relative where the first was given so."""
    parents = {folder.resolve().parent for folder in folders}
    if len(parents) > 1:
        return Path(os.path.commonpath(parents))
    return folders[0].parent if str(folders[0]) not in (".", "..") else parents.pop()


def overview(runs: Sequence["Run"]) -> str:
    """What each run is."""
    from common.report.run import basename, collapsed, state_of
    from common.report.tables import table

    lines = []
    for run in runs:
        record, what = run.record, collapsed(run)
        lines.append(
            [
                run.name,
                f"{record['script']}.py",
                basename(record["dataset"]["name"]),
                state_of(run, time.time()),
                "?" if what is None else "yes" if what else "no",
                f"{run.epochs:.4g}",
                f"{record['images']:,}",
                f"{run.generator_steps:,}",
                clock(record["seconds"]),
                "" if record["images_per_second"] is None else f"{record['images_per_second']:,.0f}",
            ]
        )
    titles = ["", "script", "data", "state", "collapsed", "epochs", "images", "G steps", "time", "images/s"]
    return table(titles, lines) + "\n"


def rows(runs: Sequence["Run"]) -> bytes:
    """comparison.csv: a row a run, with the settings that differ.

    Scores that cannot be compared have columns of their own, which say what they are of.
    """
    from common.report.run import collapsed
    from common.report.tables import as_csv, settings_table
    from common.scoring.columns import shown

    terms = list(dict.fromkeys(terms for run in runs for terms in run.scores))
    names = shown(entry["scores"] for run in runs for entry in run.scores.values())
    columns = {}
    for name in names:
        having = [one for one in terms if any(name in run.scores.get(one, {}).get("scores", {}) for run in runs)]
        columns |= {(name, one): name if len(having) == 1 else f"{name} ({one})" for one in having}
    differing = [line for line in settings_table(runs) if line["differs"] and line["name"] != "script"]
    found = []
    for place, run in enumerate(runs):
        record = run.record
        about = {
            "run": run.name,
            "folder": run.folder,
            "script": record["script"],
            "data": record["dataset"]["name"],
            "state": record["state"],
            "collapsed": collapsed(run),
            "epochs": round(run.epochs, 4),
            "images": record["images"],
            "generator_steps": run.generator_steps,
            "seconds": record["seconds"],
            **{f"--{line['name'].replace('_', '-')}": line["values"][place] for line in differing},
        }
        if len(run.scores) == 1:
            (own_terms, entry), *_ = run.scores.items()
            about |= {
                "samples": own_terms.samples,
                "real_images": own_terms.real,
                "split": own_terms.split,
                "split_sha256": own_terms.sha256[1],
                "features": own_terms.features,
                "features_sha256": own_terms.sha256[0],
                "images_when_scored": entry.get("images"),
            }
        scores = {
            title: run.scores[one]["scores"].get(name) for (name, one), title in columns.items() if one in run.scores
        }
        found.append(about | scores)
    return as_csv(found)


def common_epochs(runs: Sequence["Run"]) -> list[float]:
    """Up to 5 of the epochs that all runs have a grid of: the last, and what they have at each fifth of the shortest.

    A run that is not through its first epoch is not asked; where the others have none in common, what most have counts.
    """
    from common.pictures.films import evenly_in_time

    sets = [{round(epoch, 2) for epoch, _ in run.frames} for run in runs]
    sets = [epochs for epochs in sets if epochs and max(epochs) >= 1] or [epochs for epochs in sets if epochs]
    everywhere = set.intersection(*sets) if sets else set()
    if not everywhere:
        everywhere = {epoch for epochs in sets for epoch in epochs if sum(epoch in one for one in sets) > len(sets) / 2}
    if not everywhere:
        return []
    epochs, end = sorted(everywhere), min(map(max, sets))
    return [epochs[place] for place in evenly_in_time(epochs, MOST_ROWS, end)]


def main_score(run: "Run", runs: Sequence["Run"]) -> str:
    """The run's Fréchet distance, or L1 of translations, if it is on the terms that most of the runs have."""
    from common.report.tables import usual_terms
    from common.scoring.columns import MAIN_SCORES, format_score, title_of

    for name in MAIN_SCORES:
        terms = usual_terms(runs, name)
        if terms in run.scores:
            return f"{title_of(name)} {format_score(name, run.scores[terms]['scores'][name])}"
    return "scored otherwise" if run.scores else "not scored"


def tiles_of(run: "Run") -> int:
    """How many images belong together in the run's grids, by its script; 1 where that is gone or no longer runs."""
    from common.models import settings_of

    try:
        return settings_of(run.record).tiles
    except FolderError:
        return 1
    except Exception as error:  # whatever a script of one's own raises
        say(f"compare.py: {run.name}: its script fails ({type(error).__name__}: {first_line(error)})")
        return 1


def pictured(runs: Sequence["Run"]) -> Sequence["Run"]:
    """Those of too many runs that comparison.png shows, which is said: the best, where they are scored."""
    from common.report.tables import best_runs
    from common.scoring.columns import title_of

    found = best_runs(runs)
    if found is None:
        say(f"comparison.png shows the first {MOST_COLUMNS} of {len(runs)} runs")
        return runs[:MOST_COLUMNS]
    score, best = found
    shown = best[:MOST_COLUMNS]
    say(f"comparison.png shows {len(shown)} of {len(runs)} runs: the best by {title_of(score)}, one of all its seeds")
    return shown


def picture(runs: Sequence["Run"]) -> bytes:
    """comparison.png. Where runs ended elsewhere than at an epoch that all have, a last row shows each one's end."""
    from common.pictures import files, grids, sheets
    from common.report.run import basename, collapsed, state_of

    if len(runs) > MOST_COLUMNS:
        runs = pictured(runs)
    tiles = {run.name: tiles_of(run) for run in runs}
    side = 8 if len(runs) <= 3 else 5 if len(runs) <= 6 else 4

    def cell(run: "Run", epoch: float | None) -> tuple["Image.Image | str", str]:
        frames = run.frames
        if epoch is not None:
            frames = [frame for frame in frames if round(frame[0], 2) == epoch]
        if not frames:
            return ("no grid yet" if epoch is None else "–"), ""
        grid = files.opened(frames[-1][1])
        if grid is None:
            return f"{frames[-1][1].name} is damaged", ""
        where = run.when(frames[-1][0])
        below = f"{where['images']:,.0f} images" if epoch is not None else f"epoch {where['epoch']:.4g}"
        return grids.part_of_grid(grid, run.image_size, side, tiles[run.name]), f"{below}, {clock(where['seconds'])}"

    epochs = common_epochs(runs)
    found = [(f"epoch {epoch:.4g}", [cell(run, epoch) for run in runs]) for epoch in epochs]
    ends = [run.frames[-1][0] if run.frames else None for run in runs]
    if not epochs or any(end is not None and round(end, 2) != epochs[-1] for end in ends):
        found.append(("the last", [cell(run, None) for run in runs]))
    heads = []
    for run in runs:
        mark = ", collapsed" if collapsed(run) else ""
        data = basename(run.record["dataset"]["name"])
        heads.append((run.name, f"{data}, {state_of(run, time.time())}", f"{main_score(run, runs)}{mark}"))
    return sheets.sheet(heads, found)


if __name__ == "__main__":
    guarded("compare.py", parse, main)
