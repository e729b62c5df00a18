"""How runs share a machine: the images that each trains on in a second, alone and beside others.

    python bench/share.py out/share --dataset fashion-mnist                     # this code
    python bench/share.py out/share --dataset fashion-mnist --code OLD NEW      # several checkouts, in turn

A default line, without OMP_NUM_THREADS in its environment, trains alone, as one of two and of four, beside a process
that keeps a core busy, and while another one starts. Its rate is a share of what lines with OMP_NUM_THREADS=1 reach.
The shares asked for are those of two cores; on a machine with more, `taskset -c 0,1 python bench/share.py ...`.

Each run is the real command, watched from outside: it writes run.json every two seconds, and the first and the last of
a window give its rate. Rates of several turns are medians. Writes share.json and share.md into the folder; options that
are not listed are given to the scripts.
"""

import argparse
import contextlib
import itertools
import json
import os
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.lines import LINES, WITHOUT_END, line_of
from bench.speed import machine
from common.console import guarded, say
from common.errors import Refusal
from common.machine.cores import allowed
from common.options import Parser, number, whole
from common.runs.names import RECORD
from common.scripts import HOME
from common.storage.platforms import SIGNALS

WATCHED = ["--fresh", "--quiet", "--checkpoint-every", "2s", "--sample-every", "1000000", "--images", str(WITHOUT_END)]
BUSY = [sys.executable, "-c", "while True: pass"]
LOOK_EVERY = 0.1  # seconds between two looks at run.json
PATIENCE = 600  # seconds that a run may take until it writes run.json again
GRACE = 60  # seconds that a process may take to end


@dataclass(frozen=True)
class Case:
    """What trains at once, and the case that its rates are a share of."""

    title: str
    runs: int = 1
    one_thread: bool = False
    busy: bool = False  # beside a process that keeps a core busy
    late: bool = False  # the second run starts while the first trains
    of: str | None = None
    summed: bool = False  # the share is that of all runs together
    asked: float | None = None


CASES = {
    "one": Case("one thread, alone", one_thread=True),
    "alone": Case("alone", of="alone", asked=0.97),  # of the first checkout's
    "two": Case("two at once", runs=2, of="one", asked=0.85),
    "two-one": Case("two of one thread at once", runs=2, one_thread=True),
    "four": Case("four at once, together", runs=4, of="two-one", summed=True, asked=0.85),
    "busy-one": Case("one thread, beside a busy process", one_thread=True, busy=True),
    "busy": Case("beside a busy process", busy=True, of="busy-one", asked=0.95),
    "late": Case("a start while another runs", runs=2, late=True, of="one", asked=0.8),
}


class Seen(NamedTuple):
    """What run.json said, and since when, by time.monotonic()."""

    at: float
    images: int
    seconds: float
    threads: int


def rate(seen: list[Seen], begin: float, end: float) -> dict[str, Any] | None:
    """From the first figures in a window to the last; to the next after it where there are no two in it.

    None where that is still to come.
    """
    first, *later = [one for one in seen if one.at >= begin] or [None]
    if not later:
        return None
    last = ([one for one in later if one.at <= end] or later[:1])[-1]
    images, seconds = last.images - first.images, last.seconds - first.seconds
    return {"rate": images / seconds, "threads": last.threads, "images": images, "seconds": round(seconds, 2)}


class Run:
    """A script's process, and what its run.json has said so far."""

    def __init__(self, command: list[str], folder: Path, one_thread: bool):
        self._name, self._folder, self.record = Path(command[1]).name, folder, {}
        self.seen: list[Seen] = []
        env = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
        env |= {"OMP_NUM_THREADS": "1"} if one_thread else {}
        self.began = time.monotonic()
        with self._said.open("w") as said:
            self.process = subprocess.Popen(
                command, env=env, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True
            )

    @property
    def _said(self) -> Path:
        return self._folder.with_suffix(".said")

    def look(self) -> None:
        """Raises Refusal where the run has ended, or does not get on."""
        code, now = self.process.poll(), time.monotonic()
        if code is not None:
            said = self._said.read_text(errors="replace").split("\n")
            last = next((line for line in reversed(said) if line.strip()), "it said nothing")
            raise Refusal(f"{self._name} ended by itself with exit code {code}: {last.strip()}")
        with contextlib.suppress(FileNotFoundError):
            self.record = json.loads((self._folder / RECORD).read_text())
        before = self.seen[-1] if self.seen else Seen(self.began, 0, -1.0, 0)
        if self.record and self.record["seconds"] > before.seconds:
            self.seen.append(Seen(now, *(self.record[name] for name in Seen._fields[1:])))
        elif now - before.at > PATIENCE:
            raise Refusal(f"{self._name} has not written its {RECORD} for {PATIENCE} seconds")


@contextlib.contextmanager
def ending() -> Iterator[list[subprocess.Popen]]:
    """A list of processes, all of which end with the block, whatever ends that."""
    processes: list[subprocess.Popen] = []
    try:
        yield processes
    finally:
        try:
            for process in processes:
                process.terminate()
            for process in processes:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(GRACE)
        finally:
            for process in processes:
                process.kill()


def watch(runs: list[Run], is_enough: Callable[[], bool]) -> None:
    while not is_enough():
        time.sleep(LOOK_EVERY)
        for run in runs:
            run.look()


def measure(case: Case, command: Callable[[Path], list[str]], times: argparse.Namespace) -> dict[str, Any]:
    """One turn of a case: each run's rate in the same window. Raises Refusal."""
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="share-", ignore_cleanup_errors=True) as folder, ending() as processes:
        if case.busy:
            processes.append(subprocess.Popen(BUSY, start_new_session=True))
        for i in range(case.runs):
            if i and case.late:
                watch(runs, lambda: time.monotonic() >= runs[0].began + times.lead)
            place = Path(folder, f"run-{i}")
            runs.append(Run(command(place), place, case.one_thread))
            processes.append(runs[-1].process)
        watch(runs, lambda: all(run.seen for run in runs))
        now = time.monotonic()
        begin = max(now, runs[-1].began + times.after) if case.late else now + times.settle
        end = begin + times.seconds
        watch(runs, lambda: time.monotonic() >= end and all(rate(run.seen, begin, end) for run in runs))
        return {
            **{name: runs[0].record[name] for name in ("device", "precision")},
            "runs": [rate(run.seen, begin, end) for run in runs],
        }


def schedule(cases: list[str], codes: list[str], rounds: int, repeats: int) -> Iterator[tuple[str, str]]:
    """Case and checkout of every turn, with the cases that others need; what is compared closely alternates."""
    needed = {*cases, *(CASES[name].of for name in cases)}
    in_order = [name for name in CASES if name in needed]
    for _, group in itertools.groupby(in_order, key=lambda name: CASES[name].busy or name):
        turn = list(itertools.product(group, codes))
        alternate = CASES[turn[0][0]].busy or (turn[0][0] == "alone" and len(codes) > 1)
        for i in range(rounds if alternate else repeats):
            yield from turn[:: -1 if i % 2 else 1]


def medians(turns: list[dict[str, Any]], case: str, code: str, what: str) -> list[float]:
    """Over the turns of a case, of each of its runs; empty where there were none."""
    found = [[run[what] for run in turn["runs"]] for turn in turns if (turn["case"], turn["code"]) == (case, code)]
    return [statistics.median(values) for values in zip(*found, strict=True)]


def shares(turns: list[dict[str, Any]], name: str, code: str, first: str) -> list[float]:
    """What a case's runs, or all of them together, reach of what they are measured by; empty where that is nothing."""
    case, own = CASES[name], medians(turns, name, code, "rate")
    by = (case.of, first if case.of == name else code)
    if case.of is None or by == (name, code) or not own:
        return []
    reference = sum(medians(turns, *by, "rate"))
    return [value / reference for value in ([sum(own)] if case.summed else own)]


def table(found: dict[str, Any]) -> str:
    """The report in Markdown."""
    turns, codes, about = found["turns"], found["codes"], found["machine"]
    several = len(codes) > 1
    titles = ["", *["code"] * several, "images/s", "threads", "asked", "measured"]
    lines = [
        f"{about['gpu'] if turns[0]['device'] != 'cpu' else about['processor']}, {found['cores']} CPU cores,"
        f" {turns[0]['precision']}, torch {about['torch']}, {about['date']}; `{found['line']}`,"
        f" windows of {found['seconds']:g} s.",
        "",
        "    " + found["command"],
        "",
        f"| {' | '.join(titles)} |",
        "|---" * len(titles) + "|",
    ]
    for name, code in itertools.product(CASES, codes):
        rates, reached = medians(turns, name, code, "rate"), shares(turns, name, code, codes[0])
        if not rates:
            continue
        cells = [CASES[name].title, *[f"`{code}`"] * several]
        cells.append(" / ".join(f"{value:,.0f}" for value in rates))
        cells.append(" / ".join(f"{value:g}" for value in medians(turns, name, code, "threads")))
        cells.append(f"{CASES[name].asked:.0%}" if reached else "")
        cells.append(" / ".join(f"{value:.0%}" for value in reached))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def parse(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """The bench's own options, and the scripts'. Raises BadArgument."""
    parser = Parser("bench/share.py", __doc__, "python bench/share.py out/share --dataset fashion-mnist")
    seconds = {"type": number(least=0), "metavar": "SECONDS"}
    parser.add_argument("folder", type=Path, help="where share.json and share.md go")
    parser.add_argument("--script", choices=LINES, default="dcgan", metavar="NAME", help="default: dcgan")
    parser.add_argument("--code", nargs="+", metavar="FOLDER", help="checkouts; the first is the others' measure")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--seconds", **seconds, default=20.0, help="of a window (default: 20)")
    parser.add_argument("--settle", **seconds, default=15.0, help="that runs train before it (default: 15)")
    parser.add_argument(
        "--lead", **seconds, default=60.0, help="late: from the first start to the second (default: 60)"
    )
    parser.add_argument(
        "--after", **seconds, default=60.0, help="late: from the second start to the window (default: 60)"
    )
    parser.add_argument(
        "--rounds", type=whole(), default=5, help="turns of what alternates: busy, checkouts (default: 5)"
    )
    parser.add_argument("--repeats", type=whole(), default=1, help="turns of the other cases (default: 1)")
    if argv and argv[0].startswith("-") and argv[0] not in ("-h", "--help"):
        parser.error("the folder comes first")
    known, options = parser.parse_known_args(argv)
    for code in known.code or []:
        if not Path(code, f"{known.script}.py").is_file():
            parser.error(f"--code {code}: has no {known.script}.py")
    return known, options


def main(given: tuple[argparse.Namespace, list[str]]) -> int:
    known, options = given
    for one in SIGNALS:
        if signal.getsignal(one) is signal.SIG_DFL:
            signal.signal(one, lambda one, _: sys.exit(128 + one))  # what was started ends with it
    homes = {code: Path(code) for code in known.code} if known.code else {"this code": HOME}
    found: dict[str, Any] = {
        "command": f"python bench/share.py {shlex.join(sys.argv[1:])}",
        "line": f"{known.script}.py {LINES[known.script]}",
        "codes": list(homes),
        "machine": machine(),
        "cores": len(allowed()),
        **{name: getattr(known, name) for name in ("seconds", "settle", "lead", "after")},
        "turns": [],
    }
    known.folder.mkdir(parents=True, exist_ok=True)
    plan = list(schedule(known.cases, list(homes), known.rounds, known.repeats))
    for i, (name, code) in enumerate(plan):
        what = f"{i + 1} of {len(plan)}: {CASES[name].title}" + f", {code}" * (len(homes) > 1)
        say(f"{what} ...")

        def command(folder: Path, code: str = code) -> list[str]:
            line = line_of(LINES[known.script], folder, [*WATCHED, *options])
            return [sys.executable, str(homes[code] / f"{known.script}.py"), *line]

        turn = measure(CASES[name], command, known)
        found["turns"].append({"case": name, "code": code, **turn})
        said = (f"{run['rate']:,.0f} images/s (threads: {run['threads']})" for run in turn["runs"])
        say(f"{what}: {', '.join(said)}")
        (known.folder / "share.json").write_text(json.dumps(found, indent=1) + "\n")
    (known.folder / "share.md").write_text(table(found))
    print(table(found), end="")
    return 0


if __name__ == "__main__":
    guarded("bench/share.py", parse, main)
