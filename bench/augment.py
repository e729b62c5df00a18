"""What --augment brings where there are few images: N of Fashion-MNIST's, trained on with it and without.

    python bench/augment.py out/augment
    python bench/augment.py out/augment --script r3gan --counts 50 100 500 1000 --jobs 1

The N images are taken of its 60,000 training images, as many of each class, and the 100 that a run holds out of the
others. Each run is scored by 10,000 samples against the 10,000 test images, which no run has seen, on the network that
comes with the project. Its length is in images: how busy the machine is changes nothing.

Runs have one thread each and go on where they were interrupted; options that are not listed are given to the script.
Writes the sets, the runs, augment.json and augment.md into the folder.
"""

import argparse
import io
import itertools
import json
import shlex
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.lines import LINES, line_of
from bench.speed import machine
from common.console import guarded, say
from common.data.dataset import Dataset
from common.data.reading import Reading
from common.data.registry import load
from common.errors import BadArgument
from common.options import Parser, name_or_path, whole
from common.runs.scores import read_scores
from common.scripts import HOME
from common.storage.platforms import SIGNALS
from common.storage.whole import write_result

import numpy as np

SET = "fashion-mnist"
SAMPLES = 10_000  # of a run, and test images that they are compared with
HELD_OUT = 100  # images that a run holds out, of the set's training images too
SHOWN = {"frechet": "Fréchet ↓", "precision": "precision ↑", "recall": "recall ↑", "coverage": "coverage ↑"}
SCRIPTS = [script for script in LINES if script not in ("cgan", "pix2pix")]  # which classes or pairs would be asked of


def by_class(labels: np.ndarray, count: int, chance: np.random.Generator) -> np.ndarray:
    """`count` places of labels (N,), as many of each class or one more. Raises BadArgument where a class has fewer."""
    classes, chosen = np.unique(labels), []
    for i, one in enumerate(classes):
        places, wanted = np.flatnonzero(labels == one), count // len(classes) + (i < count % len(classes))
        if wanted > len(places):
            raise BadArgument(f"{count:,} images would be {wanted:,} of a class that has {len(places):,}")
        chosen.append(chance.permutation(places)[:wanted])
    return np.sort(np.concatenate(chosen))


def subset(real: Dataset, count: int) -> dict[str, np.ndarray]:
    """`count` of the set's training images to train on and HELD_OUT others of them to hold out, always the same."""
    chance = np.random.default_rng(0)
    train = by_class(real.labels, count, chance)
    others = np.setdiff1d(np.arange(len(real.labels)), train)
    held_out = others[by_class(real.labels[others], HELD_OUT, chance)]
    return {
        f"{part}_{what}": array[places]
        for part, places in (("train", train), ("test", held_out))
        for what, array in (("images", real.images.transpose(0, 2, 3, 1)), ("labels", real.labels))
    }


def write_subset(file: Path, real: Dataset, count: int) -> None:
    content = io.BytesIO()
    np.savez_compressed(content, **subset(real, count))
    file.parent.mkdir(parents=True, exist_ok=True)
    write_result(file, content.getvalue())


def runs_of(known: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Every run, those that are to be compared one after the other."""
    for count, seed, augment in itertools.product(known.counts, known.seeds, (False, True)):
        name = f"{known.script}-{count}-{seed}" + "-augment" * augment
        yield {"count": count, "seed": seed, "augment": augment, "folder": known.folder / name}


def training_line(known: argparse.Namespace, run: dict[str, Any], options: Sequence[str]) -> list[str]:
    decided = ["--dataset", str(set_of(known.folder, run["count"])), "--images", str(known.images), "--threads", "1"]
    decided += ["--seed", str(run["seed"]), "--quiet", *["--augment"] * run["augment"]]
    line = line_of(LINES[known.script], run["folder"], [*decided, *options])
    return [sys.executable, str(HOME / f"{known.script}.py"), *line]


def set_of(folder: Path, count: int) -> Path:
    return folder / "sets" / f"{SET}-{count}.npz"


def run_all(commands: Sequence[tuple[str, list[str]]], jobs: int) -> int:
    """Each (what it is, its command), `jobs` at once; the first exit code that is not 0, after which none begins.

    Whatever ends this ends them, too: a script then stops with a checkpoint.
    """
    code, begun, running = 0, 0, {}
    try:
        while running or (begun < len(commands) and not code):
            while len(running) < jobs and begun < len(commands) and not code:
                what, command = commands[begun]
                begun += 1
                say(f"{begun} of {len(commands)}: {what}")
                running[subprocess.Popen(command, stdout=subprocess.DEVNULL)] = what
            time.sleep(0.1)
            for process in [one for one in running if one.poll() is not None]:
                what = running.pop(process)
                if process.returncode:
                    say(f"{what}: ended with exit code {process.returncode}, see above")
                    code = code or process.returncode
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()
    return code


def rows_of(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The newest scores of each run."""
    rows = []
    for run in runs:
        entry = read_scores(run["folder"])[-1]
        rows.append({**{name: run[name] for name in ("count", "seed", "augment")}, "images": entry["images"]})
        rows[-1] |= {name: entry["scores"][name] for name in SHOWN}
    return rows


def cell(name: str, values: Sequence[float]) -> str:
    """Their mean, of Fréchet distances with the standard deviation."""
    if not values:
        return "–"
    if name != "frechet":
        return f"{statistics.mean(values):.3f}"
    return f"{statistics.mean(values):.2f}" + (f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else "")


def table(found: dict[str, Any]) -> str:
    """The report in Markdown: means over the seeds, of the Fréchet distance with its standard deviation."""
    about = found["machine"]
    head = (
        f"{about['processor']}, torch {about['torch']}, {about['date']}; `{found['line']}`, {found['images']:,} images"
    )
    lines = [f"{head} shown, seeds {', '.join(map(str, found['seeds']))}.", "", f"    {found['command']}", ""]
    lines += [f"| trained on | --augment | {' | '.join(SHOWN.values())} |", "|---:|---" + "|---:" * len(SHOWN) + "|"]
    for count, augment in itertools.product(found["counts"], (False, True)):
        rows = [row for row in found["rows"] if (row["count"], row["augment"]) == (count, augment)]
        cells = [cell(name, [row[name] for row in rows if row[name] is not None]) for name in SHOWN]
        lines.append(f"| {count:,} | {'with' if augment else 'without'} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def parse(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """The bench's own options, and the script's. Raises BadArgument."""
    parser = Parser("bench/augment.py", __doc__, "python bench/augment.py out/augment")
    parser.add_argument("folder", type=Path, help="where sets, runs, augment.json and augment.md go")
    parser.add_argument("--script", choices=SCRIPTS, default="dcgan", metavar="NAME", help="default: dcgan")
    several = {"nargs": "+", "metavar": "N"}
    parser.add_argument("--counts", **several, type=whole(10), default=[100, 500], help="of images (default: 100 500)")
    parser.add_argument("--seeds", **several, type=whole(0, 2**32), default=[0, 1, 2], help="default: 0 1 2")
    parser.add_argument("--images", type=whole(), default=400_000, help="length of a run (default: 400,000)")
    parser.add_argument("--data-root", type=name_or_path, help=f"folder with {SET}")
    parser.add_argument("--jobs", type=whole(), default=2, help="runs at once, of a thread each (default: 2)")
    if argv and argv[0].startswith("-") and argv[0] not in ("-h", "--help"):
        parser.error("the folder comes first")
    return parser.parse_known_args(argv)


def main(given: tuple[argparse.Namespace, list[str]]) -> int:
    known, options = given
    for one in SIGNALS:
        if signal.getsignal(one) is signal.SIG_DFL:
            signal.signal(one, lambda number, _: sys.exit(128 + number))
    real, runs = load(SET, Reading(known.data_root)), list(runs_of(known))
    for count in known.counts:
        write_subset(set_of(known.folder, count), real, count)
    del real
    code = run_all([(run["folder"].name, training_line(known, run, options)) for run in runs], known.jobs)
    if code:
        return code
    roots = ["--data-root", known.data_root] if known.data_root else []
    folders = [str(run["folder"]) for run in runs]
    scoring = [str(HOME / "evaluate.py"), *folders, "--against", SET, "--samples", str(SAMPLES), *roots]
    code = run_all([("scores of all", [sys.executable, *scoring])], 1)
    if code:
        return code
    found = {
        "command": f"python bench/augment.py {shlex.join(sys.argv[1:])}",
        "line": f"{known.script}.py {shlex.join([*LINES[known.script].split(), *options])}",
        "machine": machine(),
        **{name: getattr(known, name) for name in ("counts", "seeds", "images")},
        "about": {name: read_scores(runs[0]["folder"])[-1][name] for name in ("samples", "features", "split")},
        "rows": rows_of(runs),
    }
    (known.folder / "augment.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (known.folder / "augment.md").write_text(table(found), encoding="utf-8")
    print(table(found), end="")
    return 0


if __name__ == "__main__":
    guarded("bench/augment.py", parse, main)
