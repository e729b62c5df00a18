"""What the watch for mode collapse makes of real images of few kinds, and of runs.

    python bench/collapse.py --dataset mnist
    python bench/collapse.py --dataset mnist out/mnist/*

Prints both of its figures, as shares of what held-out images have, for 40 sets of held-out images of 3 of the 10
classes and 10 sets of 5 of them, for one image, and for a few copied over and over; then, for each run, the least that
its log.csv has, and whether the run was said to collapse.
"""

import itertools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from common.console import counted
from common.data.reading import Reading
from common.data.registry import load
from common.options import Parser
from common.runs.log import read_log
from common.scoring.watch import LEAST, SAMPLES, Watch

import numpy as np


def show(what: str, found: list[dict[str, float]]) -> None:
    """A line: the least, the median and the most of each figure."""
    cells = []
    for name in LEAST:
        values = sorted(one[name] for one in found if name in one)
        if values:
            cells.append(f"{name} {values[0]:.2f} {np.median(values):.2f} {values[-1]:.2f}")
    print(f"{what:28}  {'   '.join(cells)}", flush=True)


def main() -> int:
    parser = Parser("collapse.py", __doc__, "python bench/collapse.py --dataset mnist")
    parser.add_argument("runs", nargs="*", type=Path, help="folders of runs on the set")
    parser.add_argument("--dataset", default="digits", help="a set with labels (default: digits)")
    parser.add_argument("--data-root", help="folder with the named sets")
    arguments = parser.parse_args()
    real = load(arguments.dataset, Reading(arguments.data_root))
    watch, chance = Watch(real, 1, 0), np.random.default_rng(0)
    print(f"{real.name}: least, median, most; a collapse below {LEAST}")
    classes = range(len(real.classes))
    for some, sets in ((3, 40), (5, 10)):
        chosen = chance.permutation(list(itertools.combinations(classes, some)))[:sets]
        pools = [np.flatnonzero(np.isin(real.held_out_labels, one)) for one in chosen]
        show(
            f"{some} of {len(classes)} classes",
            [watch.compare(real.held_out[chance.choice(p, SAMPLES)]) for p in pools],
        )
    for count in (1, 10, 30):
        copies = [chance.choice(chance.integers(0, len(real.held_out), count), SAMPLES) for _ in range(10)]
        show(f"{counted(count, 'image')} in {SAMPLES} copies", [watch.compare(real.held_out[one]) for one in copies])
    for run in arguments.runs:
        rows = [row for row in read_log(run) if "collapsed" in row]
        said = "said to collapse" if any(row["collapsed"] for row in rows) else "healthy"
        show(f"{run.name}, {len(rows)} looks, {said}", rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
