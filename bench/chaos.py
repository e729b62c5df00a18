"""Kills real runs of every script at random moments, resumes them, and compares the end with a run left alone.

    python bench/chaos.py out/chaos --kills 210
    python bench/chaos.py out/chaos --kills 10 --scripts gan --cost 0

Each kill is a signal 9 from outside: in a start's first second, at any time, while a checkpoint is being written, or
while a grid is. What is then under a real name must be whole, and the same line goes on, to be killed again, until the
run ends. Then all weights, the optimizers and random generators, the grids, the film, the curves and log.csv must have
the bytes of a run that was never disturbed, but for times, and no leftover may be there. At last dcgan.py's own line
runs for --cost of time, to see what its checkpoints take. Writes chaos.json and chaos.md; exits 1 where a run differs.
"""

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.lines import LINES, line_of
from common.console import say
from common.options import Parser, duration, whole
from common.runs.checkpoint import read_checkpoint
from common.runs.names import CHECKPOINT, LATEST, LOG, PREVIOUS, RECORD
from common.scripts import HOME
from common.storage.whole import PREFIX

# A few seconds of training each, with what else is to survive: averaged weights, mirrored images, scores on the way.
OPTIONS = {
    "gan": "--epochs 30",
    "dcgan": "--epochs 10 --flip",
    "lsgan": "--epochs 20 --ema 0.9",
    "ebgan": "--epochs 12 --evaluate-every 4",
    "wgan": "--epochs 14",
    "wgan_gp": "--epochs 10",
    "r3gan": "--epochs 3",
    "cgan": "--epochs 10",
    "pix2pix": "--epochs 2 --width 4 --batch-size 64",
}
ALL = "--dataset digits --sample-every 1 --checkpoint-every 0.3s"
MOMENTS = ("first second", "any time", "checkpoint", "grid")
TIMES = {"seconds", "images_per_second", "written", "started", "checkpoints", "checkpoint_seconds", "sha256"}
LARGE = 1 << 16  # bytes of a half-written file that is a checkpoint and not run.json or the log


def command(script: str, folder: Path) -> list[str]:
    line = line_of(LINES[script].partition(" --")[0], folder, [*OPTIONS[script].split(), *ALL.split()])
    return [sys.executable, str(HOME / f"{script}.py"), *line]


def half_written(folder: Path) -> Iterator[tuple[str, Path]]:
    """What is being written into the run's folder, or was when the process was killed: ("checkpoint" or so, file)."""
    for place in (folder, *(folder / name for name in ("samples", "walk", "reconstructions"))):
        try:
            for entry in os.scandir(place):
                if entry.name.startswith(PREFIX):
                    large = entry.stat().st_size >= LARGE
                    yield "grid" if place != folder else "checkpoint" if large else "other file", Path(entry.path)
        except OSError:  # renamed meanwhile
            continue


def wait_for(
    moment: str, folder: Path, child: subprocess.Popen, seconds: float, chance: random.Random, old: set[Path]
) -> None:
    """Returns when it is time to kill, or when the process has ended; `old` is what earlier kills left."""
    began = time.monotonic()
    if moment in ("first second", "any time"):
        until = chance.uniform(0, 1 if moment == "first second" else seconds)
        while child.poll() is None and time.monotonic() - began < until:
            time.sleep(min(0.02, max(0, until - (time.monotonic() - began))))
        return
    passed, seen = chance.randrange(3), set()
    while child.poll() is None:
        now = {file for kind, file in half_written(folder) if kind == moment} - old
        if now - seen and len(seen) >= passed:
            return
        seen |= now
        time.sleep(0.0005)


def differences(one: Path, other: Path) -> list[str]:
    """The files in which two finished runs differ, but for what is a time or depends on when checkpoints were due."""
    passed_over = {".lock", PREVIOUS, RECORD, LOG, CHECKPOINT}
    files = [
        {str(file.relative_to(run)) for file in run.rglob("*") if file.is_file() and "tensorboard" not in file.parts}
        for run in (one, other)
    ]
    found = sorted((files[0] ^ files[1]) - {PREVIOUS})
    for name in sorted((files[0] & files[1]) - passed_over):
        if (one / name).read_bytes() != (other / name).read_bytes():
            found.append(name)
    for name, read in ((LOG, log_of), (RECORD, record_of), (CHECKPOINT, checkpoint_of)):
        if read(one) != read(other):
            found.append(name)
    return found


def log_of(run: Path) -> list[dict[str, str]]:
    with (run / LOG).open(newline="") as file:
        return [{name: text for name, text in row.items() if name not in TIMES} for row in csv.DictReader(file)]


def record_of(run: Path) -> dict[str, Any]:
    return {name: value for name, value in json.loads((run / RECORD).read_text()).items() if name not in TIMES}


def checkpoint_of(run: Path) -> Any:
    import torch

    def plain(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return value.dtype, tuple(value.shape), value.contiguous().flatten().view(torch.uint8).numpy().tobytes()
        if isinstance(value, dict):
            return {name: plain(one) for name, one in value.items() if name not in ("seconds", "rows")}
        return [plain(one) for one in value] if isinstance(value, (list, tuple)) else value

    return plain(read_checkpoint(run)["parts"])


class Script:
    """One script's runs and kills."""

    def __init__(self, name: str, folder: Path, threads: int, seed: int):
        self.name, self._folder = name, folder
        self._env = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        self._chance = random.Random(f"{seed} {name}")
        self.kills: Counter[str] = Counter()  # by what they fell into
        self.finished, self.differing = 0, []

    def work(self, kills: int, stop: Callable[[], bool]) -> None:
        """The undisturbed run, then as many kills as asked for, and the end of the last killed run."""
        began = time.monotonic()
        undisturbed = self._folder / "undisturbed"
        done = self._start(undisturbed)
        _, error = done.communicate()
        if done.returncode:
            raise RuntimeError(f"{self.name}.py ended with {done.returncode}: {error}")
        seconds = time.monotonic() - began
        while self.kills.total() < kills and not stop():
            run = self._folder / f"killed-{self.finished}"
            found = self._to_the_end(run, kills, seconds) or differences(undisturbed, run)
            self.differing += [f"{run}: {what}" for what in found]
            self.finished += 1
            if not found:
                shutil.rmtree(run)
            say(f"{self.name}.py: {self.kills.total()} kills, {self.finished} runs, {len(self.differing)} differences")

    def _to_the_end(self, run: Path, kills: int, seconds: float) -> list[str]:
        """Starts the line and kills it, until it ends by itself or after as many kills; returns what was wrong."""
        wrong = []
        while True:
            old = {file for _, file in half_written(run)}
            child = self._start(run)
            try:
                if self.kills.total() < kills:
                    wait_for(MOMENTS[self.kills.total() % 4], run, child, seconds, self._chance, old)
                    child.kill()
                _, error = child.communicate()
            finally:
                child.kill()
            if "damaged" in error:  # a file that was not whole under its real name
                wrong.append(error.strip())
            if child.returncode == -signal.SIGKILL:
                self.kills[hit(run, old, error)] += 1
            elif child.returncode:
                return [*wrong, f"exit code {child.returncode}: {error.strip()}"]
            else:
                return wrong

    def _start(self, folder: Path) -> subprocess.Popen:
        return subprocess.Popen(
            command(self.name, folder),
            env=self._env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )


def hit(run: Path, old: set[Path], error: str) -> str:
    """What a kill fell into."""
    kinds = {kind for kind, file in half_written(run) if file not in old}
    if kinds:
        return next(kind for kind in ("checkpoint", "grid", "other file") if kind in kinds)
    return "training" if LATEST in error else "start"  # which is named as a run begins


def cost(folder: Path, limit: str, options: list[str]) -> dict[str, Any]:
    """What checkpoints take of a run of dcgan.py by its README line, at default settings."""
    line = line_of(LINES["dcgan"], folder, ["--time-limit", limit, *options])
    subprocess.run([sys.executable, str(HOME / "dcgan.py"), *line], check=True, stdout=subprocess.DEVNULL)
    record = json.loads((folder / RECORD).read_text())
    return {
        "line": f"dcgan.py {LINES['dcgan']} --time-limit {limit}",
        "dataset": record["dataset"]["name"],
        "checkpoints": record["checkpoints"],
        "seconds_each": record["checkpoint_seconds"] / record["checkpoints"],
        "megabytes": (folder / CHECKPOINT).stat().st_size / 1e6,
        "share_of_the_run": record["checkpoint_seconds"] / record["seconds"],
    }


COLUMNS = ("start", "training", "checkpoint", "grid", "other file")


def table(scripts: list[Script]) -> str:
    titles = ["", "kills", *(f"while {name}" for name in ("starting", "training")), "in a checkpoint", "in a grid"]
    titles += ["in another file", "runs compared", "differences"]
    rows = [
        [f"`{s.name}.py`", s.kills.total(), *(s.kills[c] for c in COLUMNS), s.finished, len(s.differing)]
        for s in scripts
    ]
    rows.append(["**together**", *(sum(row[i] for row in rows) for i in range(1, len(titles)))])
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def main() -> int:
    parser = Parser(Path(sys.argv[0]).name, __doc__, "python bench/chaos.py out/chaos --kills 210")
    parser.add_argument("folder", type=Path, help="where the runs and the report go")
    parser.add_argument("--kills", type=whole(), default=210, help="over all scripts (default: 210)")
    parser.add_argument("--scripts", nargs="+", default=list(LINES), choices=list(LINES), help="which (default: all)")
    parser.add_argument("--jobs", type=whole(), default=os.cpu_count(), help="scripts at once (default: one a core)")
    parser.add_argument("--seed", type=whole(0), default=0, help="of the moments")
    parser.add_argument("--cost", default="130s", help="time to measure dcgan.py's checkpoints in; 0 does not")
    parser.add_argument("--data-root", help="folder with the named sets, for --cost")
    arguments = parser.parse_args()
    if arguments.cost != "0":
        duration(arguments.cost)
    folder: Path = arguments.folder
    if folder.exists() and any(folder.iterdir()):
        parser.error(f"{folder}: is not empty; give a new folder")
    threads = max(1, (os.cpu_count() or 1) // arguments.jobs)
    scripts = [Script(name, folder / name, threads, arguments.seed) for name in arguments.scripts]
    each = -(-arguments.kills // len(scripts))
    began, stopping = time.monotonic(), threading.Event()
    with ThreadPoolExecutor(arguments.jobs) as pool:
        work = [pool.submit(script.work, each, stopping.is_set) for script in scripts]
        try:
            for one in work:
                one.result()
        except BaseException:
            stopping.set()
            raise
    took = time.monotonic() - began
    report = {
        "kills": sum(script.kills.total() for script in scripts),
        "runs_compared": sum(script.finished for script in scripts),
        "differences": [line for script in scripts for line in script.differing],
        "seconds": round(took),
        "scripts": {s.name: {"kills": dict(s.kills), "runs": s.finished, "differing": s.differing} for s in scripts},
    }
    text = table(scripts)
    if arguments.cost != "0":
        roots = ["--data-root", arguments.data_root] if arguments.data_root else []
        report["cost"] = c = cost(folder / "cost", arguments.cost, roots)
        text += (
            f"\n\n`{c['line']}` on {c['dataset']}: {c['checkpoints']} checkpoints of {c['megabytes']:.1f} MB,"
            f" {c['seconds_each']:.3f} s each, together {c['share_of_the_run']:.2%} of the run"
        )
    (folder / "chaos.json").write_text(json.dumps(report, indent=2) + "\n")
    (folder / "chaos.md").write_text(text + "\n")
    print(text)
    print(
        f"\n{report['kills']} kills survived, {report['runs_compared']} runs compared,"
        f" {len(report['differences'])} differences, in {took / 60:.0f} min"
    )
    for line in report["differences"]:
        print(line)
    return 1 if report["differences"] else 0


if __name__ == "__main__":
    sys.exit(main())
