"""The comparison page: one self-contained HTML file, from what `run` and `tables` know of the runs."""

import base64
import hashlib
import io
import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common.console import clock
from common.pictures.files import opened
from common.pictures.films import evenly, evenly_in_time
from common.pictures.grids import without_enlargement
from common.report.landscape import landscapes
from common.report.run import Run, basename, collapsed, state_of
from common.report.scales import VIRIDIS
from common.report.tables import fold, name_of, settings_table, tables
from common.runs.names import AXES, NO_CURVES
from common.scoring.columns import COLUMNS_OF_SCORES

import numpy as np

HERE = Path(__file__).parent  # of page.html, which includes landscape.html; page.css and page.js
MOST_BYTES = 6_000_000  # of all grids: the page should go through a mail
FRAMES = (3, 24)  # of a run, at least and at most
POINTS = 250  # of a curve
TITLES = {"epoch": "epochs", "images": "images shown", "generator_steps": "generator steps", "seconds": "time"}


def _data_url(run: Run, file: Path) -> str | None:
    picture = opened(file)
    if picture is None:
        return None
    content = io.BytesIO()
    without_enlargement(picture, run.image_size).save(content, "PNG")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


def _frames(run: Run, bytes_for_it: float) -> list[dict[str, Any]]:
    if not run.frames:
        return []
    last_epoch, last_file = run.frames[-1]
    last = _data_url(run, last_file)
    most = FRAMES[1] if last is None else min(FRAMES[1], max(FRAMES[0], int(bytes_for_it / len(last))))
    # The beginning is short on the slider, however many grids it has.
    places = {0, *evenly_in_time([epoch for epoch, _ in run.frames], most - 1, last_epoch)}
    sources = [(epoch, _data_url(run, file)) for epoch, file in (run.frames[place] for place in sorted(places)[:-1])]
    found = []
    for epoch, source in (*sources, (last_epoch, last)):
        if source:
            found.append({**{name: round(value, 4) for name, value in run.when(epoch).items()}, "src": source})
    return found


def _curves(group: Sequence[Run]) -> dict[str, dict[str, list[float]]]:
    """{figure: {axis: its values, "mean", "low", "high"}} of one run, or of runs that differ by their seed alone."""
    by_step: list[dict[float, Mapping[str, float]]] = [
        {row["step"]: row for row in run.log} for run in group if run.log
    ]
    steps = sorted(set.intersection(*(set(rows) for rows in by_step))) if by_step else []
    names = dict.fromkeys(name for run in group for row in run.log for name in row if name not in (*AXES, *NO_CURVES))
    found = {}
    for name in names:
        points = []
        for step in steps:
            values = [rows[step].get(name, math.nan) for rows in by_step]
            if all(map(math.isfinite, values)):
                points.append((step, values))
        points = evenly(points, POINTS)
        if not points:
            continue
        curve = {
            axis: [round(np.mean([rows[step].get(axis, 0.0) for rows in by_step]).item(), 4) for step, _ in points]
            for axis in TITLES
        }
        for key, of in (("mean", np.mean), ("low", np.min), ("high", np.max)):
            curve[key] = [float(f"{of(values):.5g}") for _, values in points]
        found[name] = curve
    return found


def _facts(run: Run, room: float, now: float) -> dict[str, Any]:
    record = run.record
    frames = _frames(run, room)
    return {
        "name": run.name,
        "script": record["script"],
        "seed": record["settings"]["seed"],
        "dataset": basename(record["dataset"]["name"]),
        "state": state_of(run, now),
        "kind": record["state"],
        "collapsed": collapsed(run),
        "scored": bool(run.scores),
        "epochs": f"{run.epochs:.4g}",
        "images": record["images"],
        "generator_steps": run.generator_steps,
        "time": clock(record["seconds"]),
        "rate": record["images_per_second"],
        "frames": frames,
        "last": frames[-1]["src"] if frames else None,
        "ratio": run.steps_per_generator_step,
        "pixelated": run.image_size < 64,
    }


def page(runs: Sequence[Run], title: str) -> bytes:
    """The whole page. The runs are shown in their order, those that differ only by their seed folded."""
    import jinja2

    groups, now = fold(runs), time.time()
    facts = [_facts(run, MOST_BYTES / len(runs), now) for run in runs]
    curves = [{"name": name_of(group), "curves": _curves(group)} for group in groups]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    content = {
        # The last grid of each is in the page itself, for those who read it without JavaScript.
        "runs": [
            {"frames": [*run["frames"][:-1], *({**last, "src": ""} for last in run["frames"][-1:])]} for run in facts
        ],
        "groups": curves,
        "axes": TITLES,
        "scores": {name: column.title for name, column in COLUMNS_OF_SCORES.items()},
    }
    return (
        environment.get_template("page.html")
        .render(
            title=title,
            runs=facts,
            axes=TITLES,
            slower=[run for run in facts if run["ratio"] > 1],
            tables=tables(groups),
            landscapes=landscapes(runs),
            colours=VIRIDIS,
            unscored=[run.name for run in runs if not run.scores],
            settings=settings_table(runs),
            content=json.dumps(content).replace("<", "\\u003c"),
            style=style,
            script=script,
            # Nothing but this very script may run, and nothing may be fetched.
            script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            written=time.strftime("%Y-%m-%d %H:%M", time.localtime(now)),
        )
        .encode("utf-8", "backslashreplace")
    )
