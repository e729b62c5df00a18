"""Trains every variant on one data set for the same budget, scores and compares them.

    python bench/all.py out/fashion --dataset fashion-mnist --time-limit 5m
    python bench/all.py out/digits --dataset digits --images 200000

Each trains into a folder of its own, `out/fashion/gan` and so on, by its line in the README and with the options given
here; under --time-limit, the length is the time's alone. The same line again goes on where it was interrupted and does
not repeat what had its time.
"""

import argparse
import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from common.console import say
from common.options import duration
from common.runs.names import RECORD
from common.scripts import HOME

LINES = {
    "gan": "2e-4 2e-4 0.5",
    "dcgan": "2e-4 2e-4 0.5",
    "lsgan": "2e-4 2e-4 0.5",
    "ebgan": "1e-3 1e-3 0.5",
    "wgan": "2e-4 5e-5 0",
    "wgan_gp": "2e-3 1e-3 0",
    "r3gan": "3e-3 3e-3 0",
    "cgan": "2e-4 2e-4 0.5",
    "pix2pix": "2e-4 2e-4 0.5 --width 16",
}
WITHOUT_END = 1_000_000_000_000  # images: the clock ends the run


def line_of(line: str, folder: Path, options: list[str]) -> list[str]:
    """The arguments of a line such as those in LINES, with a folder and options of one's own."""
    lr_g, lr_d, momentum, *rest = line.split()
    return [lr_g, lr_d, momentum, str(folder), *rest, *options]


def seconds_so_far(folder: Path) -> float:
    try:
        return json.loads((folder / RECORD).read_text())["seconds"]
    except (OSError, ValueError, KeyError):
        return 0.0


def train(script: str, folder: Path, options: list[str], limit: float | None) -> int:
    """Runs the script's line; returns its exit code."""
    line = line_of(LINES[script], folder, options)
    if limit is not None:
        left = limit - seconds_so_far(folder)
        if left < 0.1 * limit:  # starting takes some of it
            print(f"{folder}: had its time")
            return 0
        line += ["--time-limit", f"{left:.0f}s"]
        if not any(option.startswith(("--images", "--epochs")) for option in options):
            line += ["--images", str(WITHOUT_END)]
    print(f"\n{script}.py {shlex.join(line)}", flush=True)
    return subprocess.run([sys.executable, str(HOME / f"{script}.py"), *line]).returncode


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("folder", type=Path, help="the folder of the runs' folders")
    parser.add_argument("--time-limit", type=duration, help="for each, such as 5m; or give --images or --epochs")
    parser.add_argument("--data-root", help="folder with the named sets")
    if len(sys.argv) > 1 and sys.argv[1].startswith("-") and sys.argv[1] not in ("-h", "--help"):
        parser.error("the folder comes first")
    known, options = parser.parse_known_args()
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C reaches the script, which stops with a checkpoint
    roots = ["--data-root", known.data_root] if known.data_root else []
    failed = {}
    for script in LINES:
        code = train(script, known.folder / script, [*options, *roots], known.time_limit)
        if code >= 128 or code < 0:
            return code  # a signal is meant for all of them
        if code:
            failed[f"{script}.py"] = code
    for tool, extra in (("evaluate.py", roots), ("compare.py", [])):
        code = subprocess.run([sys.executable, str(HOME / tool), str(known.folder), *extra]).returncode
        if code:
            failed[tool] = code
    for name, code in failed.items():
        say(f"{name} ended with exit code {code}, see above")
    return next(iter(failed.values()), 0)


if __name__ == "__main__":
    sys.exit(main())
