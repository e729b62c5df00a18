"""Quality against wall-clock time: the scores of a script after 30, 60, 120, 300 and 600 seconds.

    python bench/quality.py out/quality dcgan --dataset fashion-mnist
    python bench/quality.py out/quality dcgan --dataset fashion-mnist --plain --ours "2e-4 2e-4 0.5" "1e-3 1e-3 0.5"

The clock starts with the command, imports and data included. At each moment the generator is set aside, and all are
scored at the end, as evaluate.py does it; other options are given to the script. --plain trains the plain way of
bench/plain.py. Writes quality.json, quality.md and quality.png into the folder.
"""

import argparse
import json
import multiprocessing
import shlex
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.lines import BEST, LINES, WITHOUT_END, line_of
from common.console import say
from common.options import duration
from common.pictures.plots import curves

SHOWN = {"frechet": "Fréchet ↓", "recall": "recall ↑", "coverage": "coverage ↑", "l1": "L1 ↓"}


def train_and_score(connection: Any, began: float, way: str, name: str, line: list[str], moments: list[float]) -> None:
    """The process of one way: trains to the last moment, then sends a row of scores for each of them."""
    from bench import plain
    from common.scoring.evaluating import evaluator_for

    script, run = plain.start(way, name, line)
    kept: list[dict[str, Any]] = []
    steps = -1

    def between() -> None:
        nonlocal steps
        steps += 1
        if time.time() - began >= moments[len(kept)]:
            weights = {
                name: value.detach().cpu().clone() for name, value in run.generator_as_saved.state_dict().items()
            }
            kept.append({"seconds": moments[len(kept)], "images": steps * run.settings.batch_size, "weights": weights})
            if len(kept) == len(moments):
                raise plain.Enough

    plain.train(script, run, between)
    evaluator = evaluator_for(run.settings, run.data, data_root=run.settings.data_root)
    rows = []
    for moment in kept:
        G = run.generator_as_saved
        G.load_state_dict(moment.pop("weights"))
        rows.append({**moment, **evaluator.score(G.eval())})
    connection.send((rows, evaluator.about))


def measure(
    way: str, name: str, line: str, options: list[str], moments: list[float]
) -> tuple[list[dict[str, Any]], Any]:
    """The rows of one line and what they were scored on. Raises EOFError if its process fails."""
    folder = tempfile.mkdtemp(prefix="quality-")
    without_end = ["--images", str(WITHOUT_END), "--time-limit", "1000h"]  # the limit: grids as often as by default
    arguments = line_of(line, Path(folder, "run"), [*without_end, "--quiet", *options])
    context = multiprocessing.get_context("spawn")
    connection, theirs = context.Pipe()
    work = (theirs, time.time(), way, name, arguments, moments)
    process = context.Process(target=train_and_score, args=work, daemon=True)
    try:
        process.start()
        theirs.close()
        return connection.recv()
    finally:
        process.join(60)
        shutil.rmtree(folder, ignore_errors=True)


def table(found: dict[str, Any]) -> str:
    """The report in Markdown."""
    names = [name for name in SHOWN if name in found["rows"][0]]
    titles = ["", "seconds", "images shown", *(SHOWN[name] for name in names)]
    lines = ["    " + found["command"], "", f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for row in found["rows"]:
        cells = [row["way"], f"{row['seconds']:g}", f"{row['images']:,}", *(f"{row[name]:.4g}" for name in names)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def plot(found: dict[str, Any]) -> bytes:
    """The first score against the seconds, a curve a way; PNG."""
    name = next(name for name in SHOWN if name in found["rows"][0])
    rows = [{"seconds": row["seconds"], f"{SHOWN[name][:-2]}, {row['way']}": row[name]} for row in found["rows"]]
    ways = [key for key in dict.fromkeys(key for row in rows for key in row) if key != "seconds"]
    return curves(rows, [ways], found["title"], over="seconds")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("folder", type=Path, help="where quality.json, quality.md and quality.png go")
    parser.add_argument("script", choices=LINES, metavar="SCRIPT", help="such as dcgan")
    a_line = {"nargs": "*", "metavar": "LINE"}
    parser.add_argument("--ours", help='"lr_g lr_d momentum [option ...]"; none: the README\'s best', **a_line)
    parser.add_argument("--plain", help="the same, trained the plain way; none: the paper's", **a_line)
    parser.add_argument("--at", nargs="+", type=duration, default=[30.0, 60.0, 120.0, 300.0, 600.0], metavar="TIME")
    known, options = parser.parse_known_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # its process ends with it
    rows: list[dict[str, Any]] = []
    ways = {"plain": (known.plain, LINES), "ours": (known.ours, BEST)}
    asked = [
        (way, line)
        for way, (lines, readme) in ways.items()
        if lines is not None
        for line in lines or [readme[known.script]]
    ]
    for way, line in asked or [("ours", BEST[known.script])]:
        try:
            measured, about = measure(way, known.script, line, options, sorted(known.at))
        except EOFError:
            say(f"{known.script}.py, {way}: its process ended, see above")
            return 1
        rows += [{"way": f"{way} {line}", **row} for row in measured]
    found = {
        "command": f"python bench/quality.py {shlex.join(sys.argv[1:])}",
        "title": f"{known.script}.py, {about['features']['name']}",
        "about": about,
        "rows": rows,
    }
    known.folder.mkdir(parents=True, exist_ok=True)
    (known.folder / "quality.json").write_text(json.dumps(found, indent=1) + "\n")
    (known.folder / "quality.md").write_text(table(found))
    (known.folder / "quality.png").write_bytes(plot(found))
    print(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
